/* plan.c: which monitorables a strategy asks for in a config set. */
#include <stdlib.h>

#include "base/error.h"
#include "core/config_set_impl.h"

static panicmon_err plan_push(panicmon_plan *plan, panicmon_config *config)
{
    if (plan->count == plan->capacity) {
        size_t capacity = plan->capacity == 0 ? 16 : plan->capacity * 2;
        panicmon_config **items = realloc(plan->items, capacity * sizeof(panicmon_config *));
        if (items == NULL) {
            return PANICMON_ERR_NOMEM;
        }
        plan->items = items;
        plan->capacity = capacity;
    }
    plan->items[plan->count++] = config;
    return PANICMON_OK;
}

panicmon_err panicmon_plan_add(panicmon_plan *plan, const char *id, const char *json, size_t len,
                               panicmon_error **err)
{
    const char *key = plan->set->routing_key;
    if (id != NULL && pm_map_get(&plan->index, id) != NULL) {
        return pm_error_setf(err, PANICMON_ERR_EXISTS, "%s: '%s' was planned twice", key, id);
    }
    panicmon_config *config = NULL;
    if (id != NULL && json == NULL) {
        config = (panicmon_config *)pm_config_set_find(plan->set, id);
    } else if (id != NULL) {
        pm_json value;
        if (!pm_json_parse(json, len, &value, NULL)) {
            return pm_error_setf(err, PANICMON_ERR_PARSE, "%s: the plan of '%s' is not JSON", key,
                                 id);
        }
        config = pm_config_make(plan->set, id, value);
        if (config != NULL) {
            config->planned = true;
        }
    }
    if (config == NULL) {
        return pm_error_setf(err,
                             id == NULL || json == NULL ? PANICMON_ERR_NOENT : PANICMON_ERR_NOMEM,
                             "%s: '%s' cannot be planned", key, id == NULL ? "" : id);
    }
    panicmon_err status =
        pm_map_set(&plan->index, id, config) ? plan_push(plan, config) : PANICMON_ERR_NOMEM;
    if (status != PANICMON_OK) {
        (void)pm_map_remove(&plan->index, id);
    }
    if (status != PANICMON_OK && config->planned) {
        pm_config_free(config);
    }
    return status == PANICMON_OK ? status : pm_error_setf(err, status, "out of memory");
}

panicmon_err pm_plan_make(panicmon_plan *plan, const pm_strategy *strategy,
                          const panicmon_config_set *set, panicmon_error **err)
{
    *plan = (panicmon_plan){.set = set};
    panicmon_err status = PANICMON_OK;
    if (strategy->ops.plan != NULL) {
        status = strategy->ops.plan(strategy->user, set, plan, err);
    } else {
        for (size_t i = 0; status == PANICMON_OK && i < set->count; i++) {
            status = plan_push(plan, set->entries[i]);
        }
    }
    if (status != PANICMON_OK) {
        pm_plan_free(plan);
    }
    return status;
}

void pm_plan_free(panicmon_plan *plan)
{
    for (size_t i = 0; i < plan->count; i++) {
        if (plan->items[i]->planned) {
            pm_config_free(plan->items[i]);
        }
    }
    free(plan->items);
    pm_map_free(&plan->index);
    *plan = (panicmon_plan){0};
}
