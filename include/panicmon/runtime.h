/** @file runtime.h
 * Runs monitors: the executor, the log, the sink, start and stop.
 *
 * Life: new -> (set_log, set_sink) -> start -> request_stop -> join -> free. All functions may be
 * called by any thread unless they say otherwise. After fork() a child may only exec or exit.
 */
#ifndef PANICMON_RUNTIME_H
#define PANICMON_RUNTIME_H

#include <panicmon/log.h>
#include <panicmon/registry.h>
#include <panicmon/sink.h>

PANICMON_BEGIN_DECLS

/** A runtime: an executor with the monitors it runs. */
typedef struct panicmon_runtime panicmon_runtime;

/** A message that a runtime without a sink keeps for the host. */
typedef struct panicmon_message panicmon_message;

/** A snapshot of a runtime's figures. Used by one thread at a time. */
typedef struct panicmon_stats panicmon_stats;

/**
 * A runtime with a copy of `settings` (NULL: the defaults) and a reference to `registry` (NULL: an
 * empty one, enough for starters). It starts no thread yet.
 */
PANICMON_API panicmon_err panicmon_runtime_new(panicmon_runtime **out, panicmon_registry *registry,
                                               const panicmon_settings *settings,
                                               panicmon_error **err);

/** Sets the log (NULL: silent); the runtime takes a reference. ERR_STATE once started. */
PANICMON_API panicmon_err panicmon_runtime_set_log(panicmon_runtime *runtime, panicmon_log *log);

/**
 * Sets the sink; the runtime takes a reference. Without one, messages go to the broker when
 * `broker.url` is set, else to the queue of panicmon_runtime_next(). ERR_STATE once started.
 */
PANICMON_API panicmon_err panicmon_runtime_set_sink(panicmon_runtime *runtime, panicmon_sink *sink);

/**
 * Starts the executor. Monitors may be added before and after; the rounds of those that wait begin
 * from here on, spread like those of later ones.
 */
PANICMON_API panicmon_err panicmon_runtime_start(panicmon_runtime *runtime, panicmon_error **err);

/**
 * Asks everything to stop and returns at once. Async-signal-safe: it may be called from a signal
 * handler. Calling it again does nothing.
 */
PANICMON_API void panicmon_runtime_request_stop(panicmon_runtime *runtime);

/**
 * Waits until all threads have ended after a stop was requested. ERR_TIMEOUT after `timeout_ms`
 * (-1: no limit); ERR_DEADLOCK from a library thread; ERR_STATE when no stop was requested. Several
 * threads may wait at once, and once it has ended all of them get PANICMON_OK.
 */
PANICMON_API panicmon_err panicmon_runtime_join(panicmon_runtime *runtime, int64_t timeout_ms);

/**
 * Waits until no monitor is left to run (each did the number of rounds of the setting `rounds`, or
 * was stopped). ERR_TIMEOUT after `timeout_ms` (-1: no limit). Not from a library thread.
 */
PANICMON_API panicmon_err panicmon_runtime_wait_idle(panicmon_runtime *runtime, int64_t timeout_ms);

/**
 * Stops and joins what still runs, then frees; NULL is allowed. Managers of it go first, and no
 * other call may be under way or follow. A library thread, which would return into what is freed,
 * only stops a runtime that runs: that is logged, and the runtime is kept until another thread
 * frees it.
 */
PANICMON_API void panicmon_runtime_free(panicmon_runtime *runtime);

/**
 * A descriptor that is readable while panicmon_runtime_next() has a message, for a host's own
 * loop. It stays the runtime's: poll it, never read or close it.
 */
PANICMON_API int panicmon_runtime_event_fd(const panicmon_runtime *runtime);

/**
 * Takes the oldest message of a runtime that has no sink; the caller owns it. ERR_NOENT: none now;
 * ERR_STATE: this runtime has a sink. At most `queue.limit` bytes are kept; the oldest go first.
 */
PANICMON_API panicmon_err panicmon_runtime_next(panicmon_runtime *runtime, panicmon_message **out);

/** The exchange a message is for. Borrowed from the message. */
PANICMON_API const char *panicmon_message_exchange(const panicmon_message *message);

/** Its routing key. Borrowed from the message. */
PANICMON_API const char *panicmon_message_routing_key(const panicmon_message *message);

/** Its body, `len` bytes (may be NULL) and a zero byte. Borrowed from the message. */
PANICMON_API const char *panicmon_message_body(const panicmon_message *message, size_t *len);

/** Frees a message; NULL is allowed. */
PANICMON_API void panicmon_message_free(panicmon_message *message);

/**
 * Takes a snapshot of the runtime's figures; the caller owns it. Each has a name, found by
 * panicmon_stats_at(), and a value since the runtime was made, or now where it says so. Names are
 * kept, and more may come. Of rounds:
 *
 * - `rounds`, those that ended; `results` and `errors`, how: with all they wanted, or with
 *   panicmon_round_fail(); `failures`, whose step returned an error, and beside the rounds each
 *   restart whose `start` did
 * - `restarts`, monitors made anew: after a failure, or with a config they could not take in place
 * - `late`, begun later than 250 ms and a tenth of their period; `overruns`, left out because the
 *   one before took too long
 * - `round_us_p50`, `round_us_p90`, `round_us_p99`, `round_us_max`: how long rounds took from their
 *   first step to their end, in microseconds: what half, 90 and 99 of a hundred did not exceed, to
 *   an eighth of the value above, and the longest of all
 * - `lag_us_p50`, `lag_us_p90`, `lag_us_p99`, `lag_us_max`: how long after its time a round began,
 *   likewise; executors that let events gather (`events`, up to 50 ms) are meant to have some
 * - `monitors_started`; `monitors_running` now
 *
 * Of calls: `rpc_requests`, `rpc_frames`, `rpc_bytes_in`, `rpc_bytes_out`, `rpc_connects`;
 * `rpc_joined`, answered by the same call of another monitor; `cache_hits`, answered without one.
 * Of messages: `messages_produced` = `messages_confirmed` + `messages_waiting` +
 * `messages_dropped`, and why those were dropped. Now in use: `sockets`, the WebSocket connections
 * to nodes; `threads`, those of the executor and the helpers for what blocks (not the few others:
 * control, names, broker, state store, manager); `cache_bytes`, replies kept; `pool_bytes`, what
 * `events` keeps for each monitor, and memory that lies ready for requests.
 */
PANICMON_API panicmon_err panicmon_runtime_stats(const panicmon_runtime *runtime,
                                                 panicmon_stats **out);

/** The figure `name`, one of @ref figures; ERR_NOENT for an unknown name. */
PANICMON_API panicmon_err panicmon_stats_get(const panicmon_stats *stats, const char *name,
                                             int64_t *out);

/** The figure at place `i`: its name and value; ERR_INVAL when `i` is too large. */
PANICMON_API panicmon_err panicmon_stats_at(const panicmon_stats *stats, size_t i,
                                            const char **name, int64_t *out);

/**
 * The step at place `i` of a histogram of microseconds: "round_us", how long rounds took, or
 * "lag_us", how long after its time a round began. `count` is how many were below `bound`
 * (INT64_MAX: all of them); bounds grow by an eighth at most. Both out pointers may be NULL.
 * ERR_NOENT for an unknown name; ERR_INVAL when `i` is too large. The sum is the figure of that
 * name with "_sum". Any thread.
 */
PANICMON_API panicmon_err panicmon_stats_step(const panicmon_stats *stats, const char *name,
                                              size_t i, int64_t *bound, int64_t *count);

/** Frees a snapshot; NULL is allowed. */
PANICMON_API void panicmon_stats_free(panicmon_stats *stats);

PANICMON_END_DECLS

#endif
