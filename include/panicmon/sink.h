/** @file sink.h
 * Where messages go: a callback, JSON lines on a descriptor, a queue to read from, the message
 * broker, or one of these with another that watches.
 *
 * A message is an exchange, a routing key and a body of UTF-8 JSON text. Every message is counted:
 * produced = confirmed + waiting + dropped (panicmon_runtime_stats()).
 */
#ifndef PANICMON_SINK_H
#define PANICMON_SINK_H

#include <panicmon/error.h>
#include <panicmon/settings.h>

PANICMON_BEGIN_DECLS

/** A sink. Reference counted: a runtime keeps its own reference. */
typedef struct panicmon_sink panicmon_sink;

/**
 * Receives one message. Called by any library thread, also several at once (messages of one
 * monitorable come one at a time and in order); no lock is held. The texts are borrowed until the
 * call returns; `body` is also terminated by a zero byte. Returning PANICMON_OK confirms the
 * message; anything else counts it as dropped, and the monitor sees a failed publish.
 */
typedef panicmon_err (*panicmon_message_fn)(void *user, const char *exchange,
                                            const char *routing_key, const char *body, size_t len);

/**
 * A sink that calls `fn`. `user_free` (may be NULL) is called once with `user` when the last
 * reference is gone, and also when this call fails.
 */
PANICMON_API panicmon_err panicmon_sink_new_callback(panicmon_sink **out, panicmon_message_fn fn,
                                                     void *user, void (*user_free)(void *user));

/**
 * A sink that writes one line of JSON a message to the descriptor `fd`:
 * `{"exchange": ..., "routing_key": ..., "body": {...}}`. Lines of several threads never mix. The
 * descriptor stays the caller's and must outlive the sink. A write that fails drops the message,
 * and so does a reader that has not taken it by its deadline, or lets more than 16 MiB of each
 * loop's messages wait; no monitor but those of the messages waits for it. What is dropped is
 * counted, and told as a warning.
 */
PANICMON_API panicmon_err panicmon_sink_new_jsonl(panicmon_sink **out, int fd);

/**
 * A sink to the message broker of the setting `broker.url`, which must be set. Messages that the
 * broker has not confirmed yet are kept in memory up to `broker.buffer` bytes, then the oldest are
 * dropped and counted. Those to the exchange `monitorable` are never dropped for room, but of each
 * routing key only the newest waits. A message whose exchange or routing key has more than 255
 * bytes fails with ERR_LIMIT.
 */
PANICMON_API panicmon_err panicmon_sink_new_amqp(panicmon_sink **out,
                                                 const panicmon_settings *settings,
                                                 panicmon_error **err);

/**
 * A sink that hands every message to `first`, and then a copy of it to `watcher`. How a message
 * ends, what becomes of its round and the figures of the runtime are all up to `first`; the watcher
 * is not asked, and may miss messages when there is no memory for a copy. It is called in the same
 * thread, so one that blocks holds up the round. The tee keeps a reference to each. ERR_INVAL when
 * one is NULL or both are the same.
 */
PANICMON_API panicmon_err panicmon_sink_new_tee(panicmon_sink **out, panicmon_sink *first,
                                                panicmon_sink *watcher);

/** Drops the caller's reference; NULL is allowed. */
PANICMON_API void panicmon_sink_free(panicmon_sink *sink);

PANICMON_END_DECLS

#endif
