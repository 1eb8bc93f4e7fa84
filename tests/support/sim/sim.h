/* sim.h: the simulator: one chain, nodes that show it, connections to them, one thread, one epoll
 * loop. server.c owns sockets, rpc.c what is said over them, subs.c what is said unasked. */
#ifndef SIM_SIM_H
#define SIM_SIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <openssl/types.h>

#include "base/buf.h"
#include "base/json.h"
#include "chain.h"
#include "modes.h"

typedef struct sim sim;
typedef struct sim_conn sim_conn;
typedef struct sim_sub sim_sub;

typedef struct sim_counts {
    uint64_t accepted, refused, frames_in, frames_out, requests, errors, bytes_in, bytes_out;
    int64_t open;
} sim_counts;

typedef struct sim_node {
    sim_modes modes;
    sim_counts counts;
    uint64_t answers; /* for modes.every */
    char name[24];    /* of system_localPeerId and the like: /0 */
} sim_node;

enum { CONN_HANDSHAKE, CONN_OPEN, CONN_ENDING, CONN_DEAD };

struct sim_conn {
    sim_conn *next, *prev;
    sim *sim;
    sim_node *node; /* NULL before the handshake */
    SSL *ssl;
    pm_buf in;      /* bytes of a frame that is not all there */
    pm_buf message; /* fragments so far */
    pm_buf out;     /* bytes the socket would not take; `out_at` of them are sent */
    size_t out_at;
    sim_sub *subs;
    int fd;
    uint32_t refs;   /* delayed answers that point here */
    uint32_t events; /* asked of epoll */
    uint16_t port;   /* which of the listening ports */
    uint8_t state;
    uint8_t fragment; /* opcode of the fragmented message; 0: none */
};

typedef struct sim_timer {
    int64_t due; /* us, monotonic */
    sim_conn *conn;
    pm_buf message; /* with room for a header */
    bool spoilt;
} sim_timer;

struct sim {
    sim_chain *chain;
    sim_node *nodes; /* one more than `node_count`: the last is /control */
    size_t node_count;
    sim_counts counts; /* of connections before they have a node */
    sim_conn *conns;
    sim_conn *dead; /* closed in this turn */
    int *listeners;
    size_t listener_count;
    int epoll, signals, spare;
    SSL_CTX *tls;
    char *scratch;   /* what was just read */
    pm_buf reply;    /* the answer being made */
    pm_buf notice;   /* the notification being made, maybe while an answer is */
    sim_timer *heap; /* delayed answers, soonest first */
    size_t heap_len, heap_cap;
    int64_t block_us, next_block_us, next_flood_us; /* block_us 0: blocks on demand */
    int64_t cut_us, next_cut_us;                    /* between cuts; 0: none */
    uint64_t next_sub, random, cuts;
    bool stop, flooding;
};

#define SIM_MESSAGE_MAX (15u << 20) /* of a request, as a node's default */

int64_t sim_now_us(void);

/* server.c */
bool sim_listen(sim *s, const char *host, uint16_t port, uint16_t *bound);
bool sim_serve(sim *s); /* until a signal; false when it cannot even begin */
void sim_close_all(sim *s);
/* An empty message with room for its header. */
void sim_message_begin(pm_buf *message);
/* Sends it as one frame; the buffer stays the caller's. */
void sim_conn_send(sim_conn *conn, pm_buf *message, uint8_t opcode);
void sim_conn_write(sim_conn *conn, const char *bytes, size_t len);
/* Ends the connection when what waits is sent; resets it. */
void sim_conn_finish(sim_conn *conn);
void sim_conn_reset(sim_conn *conn);
void sim_conn_goodbye(sim_conn *conn, uint16_t status); /* conn.c: ends it as the protocol wants */
void sim_conn_close(sim_conn *conn);
void sim_conn_data(sim_conn *conn, char *bytes, size_t len); /* conn.c: bytes came */
bool sim_conn_full(const sim_conn *conn); /* so much waits to be sent that nothing is read */

/* faults.c: an answer on its way, through what the modes of the node do to it. */
void sim_deliver(sim_conn *conn, pm_buf *message);
int64_t sim_due(sim *s, int64_t now); /* does what is due; when to come next */
void sim_forget_timers(sim *s);
void sim_set_cuts(sim *s, double rate); /* connections a second cut at random; 0: none */

/* rpc.c */
void sim_rpc_message(sim_conn *conn, const char *text, size_t len);

typedef struct sim_call {
    sim *s;
    sim_conn *conn;
    sim_node *node;
    pm_json id;
    pm_json params[4];
    size_t count;
    pm_buf *out;
    int error; /* 0: none */
    pm_buf message;
    pm_buf data;
    bool control; /* a sim_ method: no mode touches the answer */
} sim_call;

/* Writes the result, or sets the error and returns false. */
typedef bool sim_method(sim_call *call);
sim_method *sim_find_method(const char *name);  /* methods.c */
sim_method *sim_find_control(const char *name); /* control.c */
sim_method *sim_find_sub(const char *name);     /* subs.c */
void sim_method_names(const sim_modes *modes, pm_buf *out);
bool sim_fail(sim_call *call, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* views.c: what a node shows of the chain. */
uint32_t sim_best(const sim *s, const sim_node *node);
uint32_t sim_finalized(const sim *s, const sim_node *node);
void sim_put_header(const sim *s, uint32_t number, pm_buf *out);
void sim_hold(sim *s); /* after modes changed: keep the states that lagging nodes need */

/* subs.c */
void sim_subs_drop(sim_conn *conn);
void sim_subs_begin(sim_conn *conn); /* first notifications of what was just subscribed to */
void sim_subs_tell(sim *s);          /* after the head moved */
bool sim_advance(sim *s, uint32_t count);

#endif
