/* ws_impl.h (internal to the loop and its connections): what loop.c (waiting, watches), ws_conn.c
 * (a connection's life) and ws.c (libwebsockets) know of each other. All of it belongs to the
 * thread of the loop, but for `woken`.
 *
 * ws.c is the carrier: it moves bytes and calls pm_conn_*(). What a connection is, when it gives
 * up and what its owner hears is decided in ws_conn.c. */
#ifndef PM_WS_IMPL_H
#define PM_WS_IMPL_H

#include <stdatomic.h>
#include <stdbool.h>

#include "base/url.h"
#include "net/net.h"
#include "net/ws.h"

typedef struct pm_carrier pm_carrier; /* the libwebsockets side of a loop */
struct pm_wire;

/* Most bytes that wait for a peer to read; one text alone may be longer. */
#define PM_WS_WAITING_MAX (16 << 20)

struct pm_loop {
    pm_net *net;
    pm_carrier *carrier;
    bool large; /* for thousands of connections */
    atomic_bool woken;
    bool dispatched; /* a callback of a user ran in this pm_loop_wait() */
    bool moved;      /* something came in this turn of the carrier */
    int64_t caught_up;
    int watch_set; /* epoll descriptor of the watches, closed by the carrier; -1: none yet */
    pm_ws *busy;   /* connections with something due: all but the open and the closed ones */
    pm_ws *quiet;  /* the others */
    pm_ws *cursor; /* the next one when walking `busy`; see pm_ws_free() */
};

typedef enum ws_state {
    WS_RESOLVING,
    WS_READY,      /* to try the next address */
    WS_CONNECTING, /* TCP, TLS and upgrade */
    WS_OPEN,
    WS_ENDING, /* over; its owner is still to be told */
    WS_CLOSED,
} ws_state;

/* What is needed until the connection is open, and freed then. */
typedef struct ws_target {
    pm_url url;
    char *host; /* for the header: name, and port when it is not the usual one */
    pm_lookup *lookup;
    pm_addresses addresses;
    size_t tried;
    int64_t deadline;
    int64_t next_address; /* when to give up the address being tried */
} ws_target;

typedef struct ws_out {
    struct ws_out *next;
    size_t len;
    unsigned char bytes[]; /* as much room as the carrier wants in front, then the text */
} ws_out;

/* What a message touches comes first. */
struct pm_ws {
    pm_loop *loop;
    ws_state state;
    struct pm_wire
        *plain; /* how it is carried without libwebsockets, see wire.h; NULL: it is not */
    void *user;
    pm_ws_events events;
    int64_t heard;        /* when data last came */
    pm_buf text;          /* the message being received */
    bool *freed;          /* set while a callback runs; pm_ws_free() tells the caller so */
    ws_out *first, *last; /* to be sent */
    size_t waiting;       /* bytes of it */
    struct lws *wire;     /* how libwebsockets carries it; NULL: it does not */
    pm_ws *next;          /* in loop->busy or loop->quiet */
    pm_ws **link;
    ws_target *target;
    bool permitted; /* counts as one that is being opened, until `permit_end` */
    bool checked;   /* the peer's certificate was found to be for our host */
    int64_t permit_end;
    int64_t ready_at; /* WS_READY: when to ask for a permit again */
    int64_t alive;    /* when the connection opened, or the last pong came */
    panicmon_err why;
    char problem[160];
};

/* ---- loop.c ---- */
/* One watched descriptor is ready: calls its user. From the carrier. */
void pm_loop_dispatch_watch(pm_loop *loop);

/* ---- ws_conn.c, called by loop.c ---- */
/* Does what is due for the connections in `busy`. `looked`: the carrier has just moved what came,
 * so that who has not answered by now is late. */
void pm_conn_work(pm_loop *loop, int64_t now, bool looked);
/* When pm_conn_work() is due next. */
int64_t pm_conn_due(const pm_loop *loop);

/* ---- ws_conn.c, called by the carrier; `ws` may be freed inside ---- */
void pm_conn_opened(pm_ws *ws);
/* A piece of a message; `left`: bytes of its frame still to come; text[len] is writable. */
void pm_conn_received(pm_ws *ws, char *text, size_t len, size_t left, bool final);
/* The wire is gone (ws->wire is NULL already). While connecting the next address is tried. */
void pm_conn_lost(pm_ws *ws, panicmon_err why, const char *problem);
/* Ends an open connection because of what the peer did. */
void pm_conn_refuse(pm_ws *ws, panicmon_err why, const char *problem);

/* ---- ws.c: the carrier ---- */
extern const size_t pm_carrier_headroom; /* in front of ws_out text */
panicmon_err pm_carrier_new(pm_loop *loop);
void pm_carrier_free(pm_loop *loop); /* closes all wires and loop->watch_set */
void pm_carrier_wake(pm_loop *loop); /* any thread */
/* Moves bytes once; waits for them or a wake at most `wait_ms`, which may be PM_NEVER. */
void pm_carrier_run(pm_loop *loop, int64_t wait_ms);
panicmon_err pm_carrier_adopt_watches(pm_loop *loop);
/* Starts connecting to a numeric address; false, and ws->problem, when that failed at once. */
bool pm_carrier_connect(pm_ws *ws, const char *address);
/* Asks for pm_conn's queue to be sent as the socket takes it. */
void pm_carrier_want_write(pm_ws *ws);
/* Sends a text of an open connection at once, or keeps it; it may be written to. False: this
 * connection has a queue. */
bool pm_carrier_send(pm_ws *ws, char *text, size_t len);
/* Cuts the wire at once, without a word to the peer; no call about it follows. */
void pm_carrier_drop(pm_ws *ws);

/* ---- ws.c: what wire.c borrows of libwebsockets ---- */
/* The Sec-WebSocket-Key of a nonce and the answer it must get, each of 32 bytes at most. */
bool pm_carrier_keys(const unsigned char *nonce, size_t len, char *key, char *accept);
/* The value of an Authorization header for the user in the URL (RFC 7617). The encoder wants room
 * for a byte more than it writes. */
#define PM_AUTHORIZATION_SIZE (sizeof "Basic " + (PM_URL_LOGIN_MAX + 2) / 3 * 4 + 1)
bool pm_carrier_authorize(const pm_url *url, char out[PM_AUTHORIZATION_SIZE]);

#endif
