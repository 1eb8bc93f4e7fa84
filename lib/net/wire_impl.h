/* wire_impl.h (internal to wire.c and wire_upgrade.c): a wire from dialing to its frames. Belongs
 * to the thread of its loop. */
#ifndef PM_WIRE_IMPL_H
#define PM_WIRE_IMPL_H

#include "net/wire.h"

/* Most bytes read at once, into memory that all wires of a loop use in turn. */
#define PM_WIRE_READ 65536

#define PM_CONTROL_MAX 125
#define PM_ACCEPT_SIZE 32

enum {
    PM_FRAME_MORE = 0,
    PM_FRAME_TEXT = 1,
    PM_FRAME_BINARY = 2,
    PM_FRAME_CLOSE = 8,
    PM_FRAME_PING = 9,
    PM_FRAME_PONG = 10,
};

typedef enum pm_wire_state { PM_WIRE_DIALING, PM_WIRE_UPGRADING, PM_WIRE_OPEN } pm_wire_state;

/* What a frame touches comes first. */
typedef struct pm_wire {
    pm_ws *ws; /* NULL: dropped */
    pm_wires *wires;
    int fd;
    pm_wire_state state;
    uint64_t left; /* bytes of the frame still to come */
    bool in_frame; /* its head was read */
    bool in_message;
    unsigned char head_len;
    unsigned char head[10];
    pm_buf out;    /* what the socket did not take */
    size_t out_at; /* how much of it is gone */
    pm_buf text;   /* the answer to the upgrade so far, then of a control frame */
    struct pm_wire *next_dead;
    char accept[PM_ACCEPT_SIZE];
} pm_wire;

struct pm_wires {
    int set; /* epoll */
    pm_watch *watch;
    bool dispatching;
    pm_wire *dead; /* dropped in this turn */
    size_t random_at;
    unsigned char random[256]; /* for masks and keys; used from random_at on */
    char bytes[PM_WIRE_READ + 1];
};

/* Has the kernel tell of what the wire waits for; operation: that of epoll_ctl(). */
bool pm_wire_watch(const pm_wire *wire, int operation);
bool pm_wires_random(pm_wires *wires, void *out, size_t len);
/* Sends bytes as they are. False: the wire was lost. */
bool pm_wire_put(pm_wire *wire, const char *bytes, size_t len);
/* Takes bytes of frames; bytes[len] is writable. */
void pm_wire_take(pm_wire *wire, char *bytes, size_t len);
/* Drops it and tells its connection. */
void pm_wire_lost(pm_wire *wire, panicmon_err why, const char *problem);

/* ---- wire_upgrade.c ---- */
void pm_wire_ask_upgrade(pm_wire *wire);
/* There is something to be read while it waits for the answer. */
void pm_wire_read_answer(pm_wire *wire);

#endif
