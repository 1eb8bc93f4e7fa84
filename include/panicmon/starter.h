/** @file starter.h
 * Holds a strategy and starts monitors with it: the Context of the Strategy pattern.
 */
#ifndef PANICMON_STARTER_H
#define PANICMON_STARTER_H

#include <panicmon/runtime.h>

PANICMON_BEGIN_DECLS

/** A starter. Used by one thread at a time. */
typedef struct panicmon_starter panicmon_starter;

/**
 * A starter with a strategy. The table is copied; `ops->user_free` is called with `user` once, when
 * the strategy is no longer used; when this call fails, `user` stays the caller's.
 */
PANICMON_API panicmon_err panicmon_starter_new(panicmon_starter **out,
                                               const panicmon_strategy_ops *ops, void *user);

/** Frees a starter; its monitors run on. NULL is allowed. */
PANICMON_API void panicmon_starter_free(panicmon_starter *starter);

/** Says where monitors run. Borrowed: the runtime must outlive the starter's use of it. */
PANICMON_API panicmon_err panicmon_starter_set_runtime(panicmon_starter *starter,
                                                       panicmon_runtime *runtime);

/** Swaps the strategy; monitors already started keep theirs. Ownership as in _new(). */
PANICMON_API panicmon_err panicmon_starter_set_strategy(panicmon_starter *starter,
                                                        const panicmon_strategy_ops *ops,
                                                        void *user);

/** The name of the strategy in use. Borrowed until it is swapped. */
PANICMON_API const char *panicmon_starter_strategy(const panicmon_starter *starter);

/**
 * Parses one config (a JSON object of `len` bytes) with the strategy and starts its monitor. Its
 * id is the member `id`, else `node_id`, else the routing key. `*out` (may be NULL) receives a
 * handle that the caller owns. ERR_STATE without a runtime, or when the config asks for no
 * monitor. ERR_PARSE for a bad config. ERR_EXISTS: that monitorable is already running.
 */
PANICMON_API panicmon_err panicmon_starter_parse_and_start(panicmon_starter *starter,
                                                           const char *routing_key,
                                                           const char *json, size_t len,
                                                           panicmon_monitor **out,
                                                           panicmon_error **err);

PANICMON_END_DECLS

#endif
