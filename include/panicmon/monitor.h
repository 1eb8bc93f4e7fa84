/** @file monitor.h
 * A monitor, its rounds, and what a step of a round may ask for.
 *
 * A monitor never touches a socket. Each round is a sequence of steps: a step reads the replies to
 * what the last step asked for and queues new requests; when it queues none, the round is over.
 * Between two steps the executor does the waiting.
 */
#ifndef PANICMON_MONITOR_H
#define PANICMON_MONITOR_H

#include <panicmon/error.h>

PANICMON_BEGIN_DECLS

/** One pass of one monitor. Valid only during the call of `step` that received it. */
typedef struct panicmon_round panicmon_round;

/** What came back for a request. Borrowed from the round until the step returns. */
typedef struct panicmon_reply panicmon_reply;

/** Names a request within its round; given by the functions that queue one. */
typedef uint32_t panicmon_request;

/** Flags of panicmon_monitor_ops. */
enum {
    /** Its functions block, and so may the `start` that makes it: they get threads of their own. */
    PANICMON_MONITOR_BLOCKING = 1u << 0
};

/**
 * The functions of a monitor. Set `struct_size` to sizeof(panicmon_monitor_ops) and unused members
 * to zero (PANICMON_MONITOR_OPS_INIT). Calls for one monitor never overlap, but may come from
 * different threads one after the other; no lock is held. A function that does not come back within
 * three periods and `round.deadline` counts as hung: a manager leaves that monitor behind and
 * starts another one in its place.
 */
typedef struct panicmon_monitor_ops {
    uint32_t struct_size; /**< sizeof(panicmon_monitor_ops) */
    uint32_t flags;       /**< PANICMON_MONITOR_*; unknown bits give ERR_TOONEW */
    /**
     * Does one step. Returning an error ends the round as failed and restarts the monitor with a
     * capped backoff; a peer that is down is no such error (publish it and use
     * panicmon_round_fail()). Required.
     */
    panicmon_err (*step)(void *monitor, panicmon_round *round, panicmon_error **err);
    /**
     * Takes a new parsed config for the same monitorable, between two rounds. On PANICMON_OK the
     * monitor must not use the old one any more; any other result restarts the monitor with the
     * new one. NULL: a changed config always restarts it, an unchanged one never.
     */
    panicmon_err (*update)(void *monitor, void *parsed);
    /** Frees the monitor. Called exactly once, after the last step. May be NULL. */
    void (*monitor_free)(void *monitor);
} panicmon_monitor_ops;

/** An empty table of the right size. */
#define PANICMON_MONITOR_OPS_INIT                                                                  \
    {                                                                                              \
        (uint32_t)sizeof(panicmon_monitor_ops), 0, NULL, NULL, NULL                                \
    }

/** Flags of panicmon_round_rpc(). */
enum {
    PANICMON_RPC_PINNED = 1u << 0, /**< pinned to a block hash: the answer can never change */
    PANICMON_RPC_ALONE = 1u << 1   /**< never joined with the same call of another monitor */
};

/** Flags of panicmon_round_http(). */
enum {
    /** Follows up to five redirects of GET and HEAD, never from https to http. */
    PANICMON_HTTP_FOLLOW = 1u << 0
};

/** The number of this step in its round, from 0. */
PANICMON_API uint32_t panicmon_round_step(const panicmon_round *round);

/** Milliseconds since the Unix epoch at which the round began. */
PANICMON_API int64_t panicmon_round_time_ms(const panicmon_round *round);

/** The name given with panicmon_launch_name(), else the monitorable's id. Borrowed. */
PANICMON_API const char *panicmon_round_name(const panicmon_round *round);

/**
 * Queues a JSON-RPC 2.0 call to the WebSocket endpoint `url` (ws:// or wss://). `params` is the
 * JSON text of the params array, NULL for none. All arguments are copied. Calls of one step to one
 * endpoint leave together in one batch frame where the peer takes batches. A connection has at most
 * 512 calls to answer at once; others wait for their turn, no longer than their deadline.
 *
 * A call may take two thirds of what is left of the first three quarters of its round (see
 * `round.deadline`). Where something held up the monitor's own thread until that was over, the
 * calls of its next step have a sixteenth of the round.
 *
 * Where monitors share connections (executors `events` and `queue`), calls of several monitors that
 * are equal in endpoint, method and params while the first of them is under way are made once, and
 * all get its answer. A call that does something at the peer each time it is made, rather than ask
 * it something, must say PANICMON_RPC_ALONE. Such a call may still be made again by whoever asked
 * for it, as nobody knows what a connection that broke had delivered.
 */
PANICMON_API panicmon_err panicmon_round_rpc(panicmon_round *round, const char *url,
                                             const char *method, const char *params, uint32_t flags,
                                             panicmon_request *out);

/**
 * Queues an HTTP request to `url` (http:// or https://, certificates and names checked as for
 * wss://; no proxy). `method` is "GET", "HEAD", "POST" or another word of capitals; NULL: "GET",
 * with a body "POST". `headers` holds lines "Name: value" with a line feed between them, NULL for
 * none; `body` of `len` bytes may be NULL. All arguments are copied.
 *
 * PANICMON_OK in the reply means that the server answered, whatever it said:
 * panicmon_reply_code() is the HTTP status, panicmon_reply_body() the content, at most `rpc.limit`
 * bytes.
 */
PANICMON_API panicmon_err panicmon_round_http(panicmon_round *round, const char *method,
                                              const char *url, const char *headers,
                                              const void *body, size_t len, uint32_t flags,
                                              panicmon_request *out);

/**
 * Queues a message for the sink. Its reply is the confirm: PANICMON_OK when the sink took it over
 * for good, ERR_TIMEOUT when it is still waiting (it will be sent, maybe after the round), another
 * error when it was dropped.
 */
PANICMON_API panicmon_err panicmon_round_publish(panicmon_round *round, const char *exchange,
                                                 const char *routing_key, const char *body,
                                                 size_t len, panicmon_request *out);

/**
 * Queues PANIC's worker heartbeat of this monitor (exchange `health_check`, routing key
 * `heartbeat.worker`). To be asked for after the sample of the round was confirmed.
 */
PANICMON_API panicmon_err panicmon_round_heartbeat(panicmon_round *round, panicmon_request *out);

/** Queues a read of `key` from the state store; ERR_NOENT is the reply's status when absent. */
PANICMON_API panicmon_err panicmon_round_load(panicmon_round *round, const char *key,
                                              panicmon_request *out);

/**
 * Queues a write of `len` bytes under `key` to the state store. The value is copied. Of several
 * writes of a key in one step the last one stays.
 */
PANICMON_API panicmon_err panicmon_round_store(panicmon_round *round, const char *key,
                                               const void *value, size_t len,
                                               panicmon_request *out);

/**
 * Queues nothing but time: the reply comes after `ms` milliseconds (1 to 60000, else ERR_INVAL),
 * and no thread stands still for it. Its status is OK; ERR_TIMEOUT when calls of this round have no
 * time left before that.
 */
PANICMON_API panicmon_err panicmon_round_wait(panicmon_round *round, int64_t ms,
                                              panicmon_request *out);

/** The reply to a request of the step before; NULL for any other number. */
PANICMON_API const panicmon_reply *panicmon_round_reply(const panicmon_round *round,
                                                        panicmon_request request);

/**
 * How the request ended. PANICMON_OK: there is a body. ERR_RPC: the peer answered with an error
 * object. ERR_WS, ERR_HTTP: no connection, or it broke. ERR_TIMEOUT: no answer before the deadline.
 * ERR_PROTOCOL: an answer that is none (garbage, wrong id). ERR_LIMIT: an answer over `rpc.limit`.
 * ERR_NOENT: no such key. ERR_CANCELED: the runtime stops.
 */
PANICMON_API panicmon_err panicmon_reply_status(const panicmon_reply *reply);

/** The `result` of a call as JSON text, an HTTP body, or a loaded value; never NULL; `len` may be
 * NULL. The text is also terminated by a zero byte. */
PANICMON_API const char *panicmon_reply_body(const panicmon_reply *reply, size_t *len);

/** The `code` of a JSON-RPC error object, the status of an HTTP answer, 0 else. */
PANICMON_API int64_t panicmon_reply_code(const panicmon_reply *reply);

/** One line that says why the status is not OK; "" when it is. Never NULL. */
PANICMON_API const char *panicmon_reply_message(const panicmon_reply *reply);

/**
 * Marks the round as one that gave an error instead of a result: counted as such, and logged once
 * until the message changes. The round goes on.
 */
PANICMON_API void panicmon_round_fail(panicmon_round *round, panicmon_err code,
                                      const char *message);

/** Writes a record to the log of the runtime, under this monitor's name. */
PANICMON_API void panicmon_round_log(panicmon_round *round, int level, const char *message);

/* ---- a running monitor, seen from outside ---- */

/** A started monitor. Reference counted; a handle stays safe to use after the monitor stopped. */
typedef struct panicmon_monitor panicmon_monitor;

/** What a monitor is doing. */
typedef enum panicmon_monitor_state {
    PANICMON_MONITOR_STARTING = 0, /**< no round is over yet */
    PANICMON_MONITOR_RUNNING = 1,  /**< the last round gave a result */
    PANICMON_MONITOR_FAILING = 2,  /**< the last round gave an error */
    PANICMON_MONITOR_BACKOFF = 3,  /**< a step or a restart failed; it is restarted after a while */
    PANICMON_MONITOR_STOPPED = 4,  /**< over */
    PANICMON_MONITOR_STATE_MAX_ = 0x7fffffff
} panicmon_monitor_state;

/** The monitorable's id. Borrowed from the handle. Any thread. */
PANICMON_API const char *panicmon_monitor_id(const panicmon_monitor *monitor);

/** The display name. Borrowed from the handle. Any thread. */
PANICMON_API const char *panicmon_monitor_name(const panicmon_monitor *monitor);

/** What it is doing. Any thread. */
PANICMON_API panicmon_monitor_state panicmon_monitor_get_state(const panicmon_monitor *monitor);

/** Rounds completed so far. Any thread. */
PANICMON_API int64_t panicmon_monitor_rounds(const panicmon_monitor *monitor);

/** Asks the monitor to end after the step it is in; returns at once. Any thread. */
PANICMON_API void panicmon_monitor_stop(panicmon_monitor *monitor);

/**
 * Waits until the monitor has ended. ERR_TIMEOUT after `timeout_ms` (-1: no limit); ERR_DEADLOCK
 * when called from the monitor's own step.
 */
PANICMON_API panicmon_err panicmon_monitor_join(panicmon_monitor *monitor, int64_t timeout_ms);

/** Drops the caller's reference (the monitor runs on); NULL is allowed. */
PANICMON_API void panicmon_monitor_free(panicmon_monitor *monitor);

PANICMON_END_DECLS

#endif
