/* config_set.h (internal): a parsed config set, what a strategy plans from it, and faults. */
#ifndef PM_CONFIG_SET_H
#define PM_CONFIG_SET_H

#include <panicmon/strategy.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/map.h"
#include "core/strategy.h"

#define PM_CONFIG_BYTES_MAX   (16u << 20)
#define PM_CONFIG_ENTRIES_MAX 10000u
#define PM_CONFIG_ID_MAX      256u

/* Parses a body: an object from id to config. A bare config (no member is an object, and it has
 * `id` or `node_id`) is a set of one. The member DEFAULT is left out, as PANIC does. So is an entry
 * whose id is empty, too long or stood there before; what was wrong is among the faults of the set.
 * The error names the routing key. Immutable afterwards; any thread. */
panicmon_err pm_config_set_parse(panicmon_config_set **out, const char *routing_key,
                                 const char *json, size_t len, panicmon_error **err);
panicmon_config_set *pm_config_set_ref(panicmon_config_set *set);
void pm_config_set_free(panicmon_config_set *set);
/* How many entries were left out, and why: each names routing key, id and the kind of value. */
size_t pm_config_set_faults(const panicmon_config_set *set);
const char *pm_config_set_fault(const panicmon_config_set *set, size_t i);
/* The entry of an id; NULL when there is none. */
const panicmon_config *pm_config_set_find(const panicmon_config_set *set, const char *id);

/* Goes through the members of an entry that were read as a yes or no and look like neither:
 * appends what to tell of the next one to `out`. `*at` starts at 0. False at the end. */
bool pm_config_next_doubt(const panicmon_config *config, size_t *at, pm_buf *out);

/* What one strategy asks for. */
struct panicmon_plan {
    const panicmon_config_set *set;
    struct panicmon_config **items; /* made by the plan, or borrowed from the set */
    size_t count;
    size_t capacity;
    pm_map index; /* id -> item, of those that the plan added */
};

/* Runs the strategy's plan, or takes every entry. On success free it with pm_plan_free(). */
panicmon_err pm_plan_make(panicmon_plan *plan, const pm_strategy *strategy,
                          const panicmon_config_set *set, panicmon_error **err);
void pm_plan_free(panicmon_plan *plan);

/* Whether two configs say the same, blanks and the order of members aside. */
bool pm_config_set_same(const panicmon_config_set *a, const panicmon_config_set *b);
bool pm_config_same(const panicmon_config *a, const panicmon_config *b);

#endif
