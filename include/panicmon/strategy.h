/** @file strategy.h
 * A strategy parses one kind of config and starts its monitor.
 */
#ifndef PANICMON_STRATEGY_H
#define PANICMON_STRATEGY_H

#include <panicmon/monitor.h>
#include <panicmon/settings.h>

PANICMON_BEGIN_DECLS

/** The JSON object that arrived under one routing key. Immutable; borrowed. */
typedef struct panicmon_config_set panicmon_config_set;

/** One entry of a config set. Immutable; borrowed, together with its set. */
typedef struct panicmon_config panicmon_config;

/** Collects what a config set asks for. */
typedef struct panicmon_plan panicmon_plan;

/** A monitor about to be started. */
typedef struct panicmon_launch panicmon_launch;

/** The kinds of monitorable; a kind has its own default period. */
typedef enum panicmon_kind {
    PANICMON_KIND_NODE = 0,
    PANICMON_KIND_NETWORK = 1,
    PANICMON_KIND_SYSTEM = 2,
    PANICMON_KIND_REPO = 3,
    PANICMON_KIND_MAX_ = 0x7fffffff
} panicmon_kind;

/** The routing key. Borrowed from the set. */
PANICMON_API const char *panicmon_config_set_routing_key(const panicmon_config_set *set);

/** The word `i` (from 0) of the routing key between its dots, "" when there is none. Borrowed. */
PANICMON_API const char *panicmon_config_set_word(const panicmon_config_set *set, size_t i);

/** How many entries the set has. */
PANICMON_API size_t panicmon_config_set_count(const panicmon_config_set *set);

/** The entry `i`, in the order of the message; NULL when `i` is too large. Borrowed. */
PANICMON_API const panicmon_config *panicmon_config_set_at(const panicmon_config_set *set,
                                                           size_t i);

/**
 * When the set was made, on a clock of its own, in no unit to count with. No two sets of a process
 * have address and stamp in common: together they tell a set from one that stood at its place
 * before. Any thread.
 */
PANICMON_API int64_t panicmon_config_set_stamp(const panicmon_config_set *set);

/** The set that an entry belongs to. */
PANICMON_API const panicmon_config_set *panicmon_config_of(const panicmon_config *config);

/** The id of an entry: its key in the set. Borrowed. */
PANICMON_API const char *panicmon_config_id(const panicmon_config *config);

/** The entry as JSON text; `len` may be NULL. Borrowed. */
PANICMON_API const char *panicmon_config_json(const panicmon_config *config, size_t *len);

/** Whether the entry has the member `field`. */
PANICMON_API int panicmon_config_has(const panicmon_config *config, const char *field);

/**
 * A text member. ERR_NOENT when absent, ERR_PARSE when it is no text; the error names routing key,
 * id and field. `*out` is borrowed from the config.
 */
PANICMON_API panicmon_err panicmon_config_text(const panicmon_config *config, const char *field,
                                               const char **out, panicmon_error **err);

/**
 * A yes-or-no member as PANIC reads it: the texts "true" and "yes" in any case are 1, other texts
 * 0; a JSON boolean is taken as it is; `absent` when the member is missing. ERR_PARSE for any
 * other type; the error names routing key, id and field. A text that looks like neither yes nor no
 * is warned of, in the log of the manager and by panicmon_registry_check().
 */
PANICMON_API panicmon_err panicmon_config_flag(const panicmon_config *config, const char *field,
                                               int absent, int *out, panicmon_error **err);

/**
 * Makes the error of a bad member: `*err` says routing key, id and field and then `problem`.
 * Returns PANICMON_ERR_PARSE.
 */
PANICMON_API panicmon_err panicmon_config_fault(const panicmon_config *config, const char *field,
                                                const char *problem, panicmon_error **err);

/**
 * Asks for one monitorable. `id` names it within its routing key and strategy. `json` is the text
 * of its config, NULL for the set's own entry of that id. The arguments are copied.
 */
PANICMON_API panicmon_err panicmon_plan_add(panicmon_plan *plan, const char *id, const char *json,
                                            size_t len, panicmon_error **err);

/** Sets what logs, heartbeats and tables call the monitor. Copied. Default: its id. */
PANICMON_API panicmon_err panicmon_launch_name(panicmon_launch *launch, const char *name);

/** Sets the kind of monitorable and so its period. Default: PANICMON_KIND_NODE. */
PANICMON_API panicmon_err panicmon_launch_kind(panicmon_launch *launch, panicmon_kind kind);

/** Overrides the period, in milliseconds (at least 1). */
PANICMON_API panicmon_err panicmon_launch_period(panicmon_launch *launch, int64_t period_ms);

/**
 * Names the monitorable for PANIC's `monitorable` exchange: `chain_id` the id of its chain,
 * `source_id` and `source_name` its own. Without it the monitorable is not announced. Copied.
 */
PANICMON_API panicmon_err panicmon_launch_source(panicmon_launch *launch, const char *chain_id,
                                                 const char *source_id, const char *source_name);

/**
 * Hands the monitor over. The ops table is copied; from PANICMON_OK on the library owns `monitor`
 * and frees it with `monitor_free`. On an error it stays the caller's. Exactly once per start.
 */
PANICMON_API panicmon_err panicmon_launch_monitor(panicmon_launch *launch,
                                                  const panicmon_monitor_ops *ops, void *monitor);

/**
 * The functions of a strategy. Set `struct_size` to sizeof(panicmon_strategy_ops) and unused
 * members to zero (PANICMON_STRATEGY_OPS_INIT). They are called by any thread, also several at
 * once; no lock is held. `user` is what was given with the table.
 */
typedef struct panicmon_strategy_ops {
    uint32_t struct_size; /**< sizeof(panicmon_strategy_ops) */
    uint32_t flags;       /**< 0; unknown bits give ERR_TOONEW */
    const char *name;     /**< borrowed as long as the strategy is in use; required */
    /** Says which monitorables a set asks for with panicmon_plan_add(). NULL: one per entry. */
    panicmon_err (*plan)(void *user, const panicmon_config_set *set, panicmon_plan *plan,
                         panicmon_error **err);
    /**
     * Checks one config and turns it into `*parsed`, which the library keeps until the monitor
     * made from it is freed or took a newer one, and then gives to parsed_free. `*parsed` may stay
     * NULL together with PANICMON_ERR_STATE: the entry is fine, and asks for no monitor (it is
     * switched off). Required.
     */
    panicmon_err (*parse)(void *user, const panicmon_config *config, void **parsed,
                          panicmon_error **err);
    /**
     * Makes the monitor and hands it over with panicmon_launch_monitor(). May be called again with
     * the same `parsed` when a monitor is restarted; when that fails, it is tried again with a
     * capped backoff. Required.
     */
    panicmon_err (*start)(void *user, void *parsed, panicmon_launch *launch, panicmon_error **err);
    void (*parsed_free)(void *user, void *parsed); /**< may be NULL */
    void (*user_free)(void *user); /**< called exactly once, after all else; may be NULL */
} panicmon_strategy_ops;

/** An empty table of the right size. */
#define PANICMON_STRATEGY_OPS_INIT                                                                 \
    {                                                                                              \
        (uint32_t)sizeof(panicmon_strategy_ops), 0, NULL, NULL, NULL, NULL, NULL, NULL             \
    }

PANICMON_END_DECLS

#endif
