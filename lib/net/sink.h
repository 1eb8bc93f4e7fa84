/* sink.h (internal): a sink is where messages go; a channel is one thread's way into it.
 *
 * A sink is shared by all threads; a channel belongs to the thread of its loop, except
 * interrupt. */
#ifndef PM_SINK_H
#define PM_SINK_H

#include <stdatomic.h>

#include <panicmon/sink.h>

#include "net/request.h"
#include "net/ws.h"

typedef struct pm_channel pm_channel;

typedef struct pm_sink_ops {
    const char *name;
    panicmon_err (*open)(panicmon_sink *sink, pm_loop *loop, panicmon_log *log,
                         const char *component, pm_channel **out);
    /* Carries out a PM_REQUEST_PUBLISH. Finishes it exactly once: OK when confirmed; ERR_TIMEOUT
     * at its deadline while the message still waits to be sent or confirmed (the message is kept
     * and sent later); another error when it was dropped. */
    void (*submit)(pm_channel *channel, pm_request *request);
    /* Does what is due: confirms, reconnects, heartbeats, deadlines. Returns when it must be called
     * next. The channel watches its descriptors on the loop itself. May be NULL (never due). */
    int64_t (*service)(pm_channel *channel, int64_t now_ms);
    /* Breaks a blocking call of the channel's thread. Any thread. May be NULL. */
    void (*interrupt)(pm_channel *channel);
    /* Sends what it can until `until_ms`, then disconnects and finishes every request still with it
     * (ERR_CANCELED). What could not be sent counts as dropped. interrupt may still be called. */
    void (*close)(pm_channel *channel, int64_t until_ms);
    /* Frees a closed channel; nobody calls interrupt any more. */
    void (*release)(pm_channel *channel);
    void (*free)(panicmon_sink *sink);
} pm_sink_ops;

/* produced = confirmed + waiting + dropped at all times. */
typedef struct pm_sink_counts {
    atomic_int_fast64_t produced;
    atomic_int_fast64_t confirmed;
    atomic_int_fast64_t dropped; /* for any reason */
    atomic_int_fast64_t dropped_full;
    atomic_int_fast64_t dropped_returned; /* no queue was bound */
    atomic_int_fast64_t dropped_failed;  /* refused for good: callback or write failed, too large */
    atomic_int_fast64_t dropped_stopped; /* still waiting at the end */
    atomic_int_fast64_t dropped_superseded; /* a newer one was sent in its place */
} pm_sink_counts;

/* The head of every sink; kinds embed it as their first member. */
struct panicmon_sink {
    atomic_int refs;
    const pm_sink_ops *ops;
    pm_sink_counts counts;
    const pm_sink_counts *shown; /* the figures of a runtime: its own, a tee's those of its first */
};

struct pm_channel {
    const pm_sink_ops *ops;
    panicmon_sink *sink;
};

panicmon_sink *pm_sink_ref(panicmon_sink *sink);

/* For those who make sinks: the head with one reference, and counting drops for a reason. */
void pm_sink_init(panicmon_sink *sink, const pm_sink_ops *ops);
void pm_sink_count_dropped(pm_sink_counts *counts, atomic_int_fast64_t *reason, int64_t messages);

/* A channel without state, for sinks that finish every request inside submit. */
panicmon_err pm_channel_open_plain(panicmon_sink *sink, pm_loop *loop, panicmon_log *log,
                                   const char *component, pm_channel **out);
void pm_channel_close_plain(pm_channel *channel, int64_t until_ms);
void pm_channel_release_plain(pm_channel *channel);

/* The sink of a runtime without one: a bounded queue with a descriptor. */
typedef struct pm_queued {
    struct pm_queued *next;
    char *exchange;
    char *routing_key;
    char *body;
    size_t len;
} pm_queued;
panicmon_err pm_sink_new_queue(panicmon_sink **out, size_t limit_bytes);
int pm_sink_queue_fd(const panicmon_sink *sink);
panicmon_err pm_sink_queue_take(panicmon_sink *base, pm_queued **out); /* ERR_NOENT: empty */
void pm_queued_free(pm_queued *message);

#endif
