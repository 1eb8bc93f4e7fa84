/** @file registry.h
 * Routing-key patterns and the strategies behind them.
 */
#ifndef PANICMON_REGISTRY_H
#define PANICMON_REGISTRY_H

#include <panicmon/strategy.h>

PANICMON_BEGIN_DECLS

/** A registry. Reference counted; all its functions may be called by any thread. */
typedef struct panicmon_registry panicmon_registry;

/** An empty registry. */
PANICMON_API panicmon_err panicmon_registry_new(panicmon_registry **out);

/** Drops the caller's reference; NULL is allowed. */
PANICMON_API void panicmon_registry_free(panicmon_registry *registry);

/**
 * Adds a strategy under an AMQP topic pattern: words between dots, `*` for one word, `#` for any
 * number of words. Several strategies may match one key. The table is copied; `ops->user_free` is
 * called with `user` once, when the strategy is no longer used; when this call fails, `user` stays
 * the caller's. ERR_EXISTS: this pattern already has a strategy of that name. ERR_INVAL: a bad
 * pattern or table. ERR_TOONEW: the table has members this library does not know.
 */
PANICMON_API panicmon_err panicmon_registry_add(panicmon_registry *registry, const char *pattern,
                                                const panicmon_strategy_ops *ops, void *user,
                                                panicmon_error **err);

/** Removes the strategy `name` under `pattern`; monitors it started run on. ERR_NOENT: none. */
PANICMON_API panicmon_err panicmon_registry_remove(panicmon_registry *registry, const char *pattern,
                                                   const char *name);

/**
 * How many strategies match a routing key. `name` (may be NULL) receives the name of number `i`,
 * borrowed from its strategy, or NULL when `i` is too large.
 */
PANICMON_API size_t panicmon_registry_match(panicmon_registry *registry, const char *routing_key,
                                            size_t i, const char **name);

/**
 * Adds every built-in strategy under the routing keys of PANIC: `substrate_node` and
 * `substrate_network`, both under "chains.substrate.*.nodes_config"; the two share what they know
 * of chains.
 */
PANICMON_API panicmon_err panicmon_registry_add_builtin(panicmon_registry *registry,
                                                        panicmon_error **err);

/**
 * Checks a config set without starting anything: matches the routing key, plans and parses every
 * entry. Each fault is told to `fault` (may be NULL); any fault gives ERR_PARSE. What is taken but
 * looks like a mistake is told too, beginning with "warning: ", and is no fault. ERR_NOENT when no
 * strategy matches. `*monitorables` (may be NULL) is how many monitors it would start.
 */
PANICMON_API panicmon_err panicmon_registry_check(panicmon_registry *registry,
                                                  const char *routing_key, const char *json,
                                                  size_t len, panicmon_fault_fn fault, void *user,
                                                  size_t *monitorables);

/** As panicmon_registry_check() for an object of routing keys: the `configs` of a file. */
PANICMON_API panicmon_err panicmon_registry_check_all(panicmon_registry *registry, const char *json,
                                                      size_t len, panicmon_fault_fn fault,
                                                      void *user, size_t *monitorables);

PANICMON_END_DECLS

#endif
