/* outbox.h: every message of the broker sink that is not confirmed yet. It knows no broker: a port
 * is one connection's side of it, a lane one channel's. Messages of a lane keep their order; all
 * lanes share one limit in bytes. With a spool the messages also stand on disk.
 *
 * One lock guards all of it; each call takes it itself. A port's functions are for the thread that
 * has the connection, a lane's for the thread that has the channel. `wake` functions are called
 * under the lock by any thread, and only wake; `hurry`: at once, not when it suits. */
#ifndef PM_OUTBOX_H
#define PM_OUTBOX_H

#include "net/sink.h"

/* A nacked message is sent again this often, at most. */
#define PM_OUTBOX_TRIES 5
/* What AMQP takes as the name of an exchange and as a routing key, in bytes. */
#define PM_OUTBOX_NAME_MAX 255

typedef struct pm_outbox pm_outbox;
typedef struct pm_port pm_port;
typedef struct pm_lane pm_lane;

/* A message to be sent. Unchanging and valid from pm_port_take() until its confirm or loss. */
typedef struct pm_message {
    const char *exchange;
    const char *routing_key;
    const char *body;
    size_t len;
} pm_message;

typedef struct pm_outbox_options {
    size_t limit;           /* bytes of all messages together */
    const char *keep;       /* messages of this exchange are never dropped for room, but a newer one
                               of the same routing key takes the place of one that waits */
    const char *spool_dir;  /* NULL: no spool */
    pm_sink_counts *counts; /* outlive the outbox */
} pm_outbox_options;

/* With a spool: takes in what it holds. ERR_STATE: another process has the spool. */
panicmon_err pm_outbox_new(pm_outbox **out, const pm_outbox_options *options, panicmon_error **err);
/* After its lanes and ports. */
void pm_outbox_free(pm_outbox *outbox);
/* Where records go from now on; the first one stays. */
void pm_outbox_set_log(pm_outbox *outbox, panicmon_log *log);

/* ---- ports ---- */

typedef enum pm_port_state {
    PM_PORT_TRYING, /* has not yet tried to connect since it was opened */
    PM_PORT_UP,
    PM_PORT_DOWN /* away or blocked: waiting for it makes no sense in a stop */
} pm_port_state;

panicmon_err pm_port_open(pm_port **out, pm_outbox *outbox, void (*wake)(void *user, bool hurry),
                          void *user);
/* Its messages go to another port; without one they are dropped (dropped_stopped), or stay in the
 * spool. */
void pm_port_close(pm_port *port);
void pm_port_set_state(pm_port *port, pm_port_state state);
/* How a port stands. */
typedef struct pm_port_view {
    size_t pending;   /* messages of its lanes, those in flight too */
    size_t in_flight; /* sent and not confirmed */
    int64_t oldest;   /* when the oldest in flight was sent; PM_NEVER: none is */
    bool hurry;       /* somebody waits for its messages to be gone */
} pm_port_view;

pm_port_view pm_port_look(pm_port *port);
/* Up to `most` of the next messages to be sent, from now on in flight under the next delivery tags
 * (1, 2, 3, ...); no more once they have `bytes` bytes. Gives how many. `*next_ms` is when one that
 * may not be sent yet may be. */
size_t pm_port_take(pm_port *port, int64_t now_ms, const pm_message **list, size_t most,
                    size_t bytes, int64_t *next_ms);
/* The clock of what is in flight starts anew (the broker was blocked). */
void pm_port_touch(pm_port *port, int64_t now_ms);

/* What the broker said about a tag, or all up to it. */
typedef struct pm_confirm {
    uint64_t tag;
    bool multiple;
    bool refused; /* a nack */
} pm_confirm;

/* Unknown tags are ignored. */
void pm_port_confirm(pm_port *port, const pm_confirm *list, size_t count, int64_t now_ms);
/* A message that no queue was bound for; its confirm still follows. */
void pm_port_returned(pm_port *port, const pm_message *message);
/* The broker closed the channel over a message and said why. Drops what is in flight and named in
 * it: by an exchange that does not exist or is not allowed, by its routing key there, or by its
 * size. An exchange of the list `declared`, which ends with NULL, is declared by every connection:
 * when it does not exist, its messages are sent again, as after a nack. */
void pm_port_refused(pm_port *port, const char *said, const char *const *declared, int64_t now_ms);
/* The connection is gone: what was in flight waits again, and tags start at 1. */
void pm_port_lost(pm_port *port);

/* ---- lanes ---- */

/* The lane of `name` on this port; with the messages that an earlier channel of that name left. */
panicmon_err pm_lane_open(pm_lane **out, pm_port *port, const char *name, void (*wake)(void *user),
                          void *user);
/* Takes a request in. It is finished at once when its message cannot be kept. */
void pm_lane_add(pm_lane *lane, pm_request *request);
/* Finishes the requests whose outcome is known or whose deadline passed. Gives the next deadline.
 */
int64_t pm_lane_collect(pm_lane *lane, int64_t now_ms);
/* Waits until all messages of the lane were confirmed or dropped, its port is down, `until_ms`, or
 * `*give_up`; for lanes whose port belongs to another thread. */
void pm_lane_flush(pm_lane *lane, int64_t until_ms, const atomic_bool *give_up);
/* Finishes what is left with ERR_CANCELED; the messages stay with the port. */
void pm_lane_close(pm_lane *lane);

#endif
