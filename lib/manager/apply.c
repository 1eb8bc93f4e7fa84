/* apply.c: makes what runs match a config set. Everything here runs in the thread that has the
 * manager's turn; only swapping a group in needs the lock. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "core/registry.h"
#include "manager/manager_impl.h"

#define COMPONENT "manager"
/* How long a set waits for its monitors to be made, */
#define START_WAIT_MS 5000
/* and one that comes back for its stopped predecessor to end. */
#define LEAVE_WAIT_MS 5000

/* One call of panicmon_manager_apply(). */
typedef struct pass {
    panicmon_manager *manager;
    const char *routing_key;
    panicmon_error **err;
    panicmon_err status; /* of the first fault */
    bool whole;          /* nothing but single entries was left out */
    pm_patience patience;
} pass;

static void note_fault(pass *at, panicmon_err status, panicmon_error *own)
{
    if (own == NULL) {
        (void)pm_error_setf(&own, status, "%s: %s", at->routing_key, panicmon_strerror(status));
    }
    pm_logf(at->manager->log, PANICMON_LOG_ERROR, COMPONENT, "%s", panicmon_error_message(own));
    if (at->status == PANICMON_OK) {
        at->status = status;
        pm_error_move(at->err, &own);
    }
    panicmon_error_free(own);
}

/* Without memory for more than single entries the set does not stand, whatever else was found. */
static void note_lack(pass *at, panicmon_err status, panicmon_error *own)
{
    if (status == PANICMON_ERR_NOMEM) {
        at->whole = false;
        at->status = PANICMON_OK;
    }
    note_fault(at, status, own);
}

static bool index_entries(const pm_arm *arm, pm_map *index)
{
    for (size_t i = 0; arm != NULL && i < arm->count; i++) {
        if (!pm_map_set(index, panicmon_config_id(arm->entries[i].config), &arm->entries[i])) {
            return false;
        }
    }
    return true;
}

static void free_parsed(const pm_strategy *strategy, void *parsed)
{
    if (parsed != NULL && strategy->ops.parsed_free != NULL) {
        strategy->ops.parsed_free(strategy->user, parsed);
    }
}

/* ---- one entry, one strategy ---- */

/* Whether the monitor of `old`, or the one being made, goes on with this config; takes `*parsed`
 * over if it needs it. */
static bool goes_on(const pm_entry *old, const pm_entry *entry, bool same_set, void **parsed)
{
    bool same = old != NULL && pm_config_same(old->config, entry->config);
    if (old == NULL || (old->birth != NULL && !same)) {
        return false;
    }
    if (old->birth != NULL) {
        return true;
    }
    if (old->monitor == NULL ||
        panicmon_monitor_get_state(old->monitor) == PANICMON_MONITOR_STOPPED) {
        return false;
    }
    /* What stands beside it in the set may matter to it, and costs it nothing to take in. */
    if (!old->over && (!same || (!same_set && pm_monitor_can_update(old->monitor)))) {
        pm_monitor_update(old->monitor, *parsed);
        *parsed = NULL;
    }
    return true;
}

/* A config that was refused, or for which there was no memory, ends nothing: what ran goes on with
 * the last one that was taken. */
static void keep_last(pass *at, pm_entry *entry, pm_entry *old, pm_arm *old_arm, panicmon_err why)
{
    if (old != NULL && old->good) {
        pm_entry_inherit(entry, old, old_arm);
        pm_logf(at->manager->log, PANICMON_LOG_WARNING, COMPONENT,
                "%s: entry '%s' goes on with its last good config", at->routing_key,
                panicmon_config_id(entry->config));
    }
    if (why == PANICMON_ERR_NOMEM) {
        entry->again = true;
        pm_entry_retry(entry);
    }
}

static void apply_entry(pass *at, const pm_arm *arm, pm_entry *entry, pm_entry *old,
                        pm_arm *old_arm, bool same_set)
{
    pm_strategy *strategy = arm->strategy;
    panicmon_error *own = NULL;
    void *parsed = NULL;
    panicmon_err status = strategy->ops.parse(strategy->user, entry->config, &parsed, &own);
    bool off = status == PANICMON_ERR_STATE;
    entry->good = status == PANICMON_OK;
    if (entry->good && goes_on(old, entry, same_set && old->lender == NULL, &parsed)) {
        const panicmon_config *config = entry->config;
        pm_entry_inherit(entry, old, old_arm);
        pm_entry_renew(entry, config);
        entry->retry_ms = pm_entry_runs(entry) ? 0 : entry->retry_ms;
        /* One that is being made has not seen what else changed in the set. */
        entry->again = entry->birth != NULL && !same_set;
    } else if (entry->good) {
        if (old != NULL) {
            pm_manager_leave(at->manager, old);
        }
        status = pm_manager_begin(at->manager, at->routing_key, strategy, entry, parsed,
                                  &at->patience, &own);
        parsed = NULL;
    } else if (off && old != NULL) {
        pm_manager_leave(at->manager, old); /* switched off */
    } else if (!off) {
        keep_last(at, entry, old, old_arm, status);
    }
    free_parsed(strategy, parsed);
    if (status == PANICMON_OK || off) {
        panicmon_error_free(own);
    } else {
        note_fault(at, status, own);
    }
}

/* Fills a new arm and stops what of the old one is gone. False: nothing was done. */
static bool apply_arm(pass *at, pm_arm *arm, pm_arm *old)
{
    pm_map index = {0};
    panicmon_error *own = NULL;
    panicmon_err status = pm_plan_make(&arm->plan, arm->strategy, arm->set, &own);
    if (status == PANICMON_OK) {
        arm->entries = calloc(arm->plan.count + 1, sizeof *arm->entries);
        if (arm->entries == NULL || !index_entries(old, &index)) {
            status = PANICMON_ERR_NOMEM;
        }
    }
    if (status != PANICMON_OK) {
        note_lack(at, status, own);
        pm_map_free(&index);
        return false;
    }
    bool same_set = old != NULL && pm_config_set_same(old->set, arm->set);
    arm->count = arm->plan.count;
    for (size_t i = 0; i < arm->count; i++) {
        pm_entry *entry = &arm->entries[i];
        entry->config = arm->plan.items[i];
        apply_entry(at, arm, entry, pm_map_remove(&index, panicmon_config_id(entry->config)), old,
                    same_set);
    }
    void *value;
    for (size_t place = 0; pm_map_next(&index, &place, NULL, &value);) {
        pm_manager_leave(at->manager, value);
    }
    pm_map_free(&index);
    return true;
}

/* ---- one config set ---- */

static void stop_arm(panicmon_manager *manager, const pm_arm *arm)
{
    for (size_t i = 0; i < arm->count; i++) {
        pm_manager_leave(manager, &arm->entries[i]);
    }
}

/* Adds the strategy's next arm to the group; what its plan refuses leaves the old one in place. */
static void add_arm(pass *at, pm_group *group, const pm_group *old_group, pm_strategy *strategy,
                    panicmon_config_set *set)
{
    pm_arm *old = pm_group_find(old_group, strategy->ops.name);
    pm_arm *arm = pm_arm_make(strategy, set);
    if (arm == NULL) {
        note_lack(at, PANICMON_ERR_NOMEM, NULL);
    }
    if (arm == NULL || !apply_arm(at, arm, old)) {
        pm_arm_unref(arm);
        arm = old;
        if (arm == NULL) {
            return;
        }
        arm->refs++;
    }
    group->arms[group->count++] = arm;
}

/* Tells what was taken but looks like a mistake, once for each config. */
static void note_doubts(const pass *at, const panicmon_config_set *set,
                        const panicmon_config_set *before)
{
    for (size_t i = 0; i < panicmon_config_set_count(set); i++) {
        const panicmon_config *config = panicmon_config_set_at(set, i);
        const panicmon_config *old =
            before == NULL ? NULL : pm_config_set_find(before, panicmon_config_id(config));
        pm_buf text = {0};
        for (size_t place = 0; pm_config_next_doubt(config, &place, &text) && !text.failed;) {
            if (old == NULL || !pm_config_same(old, config)) {
                pm_logf(at->manager->log, PANICMON_LOG_WARNING, COMPONENT, "%s", text.data);
            }
            pm_buf_clear(&text);
        }
        pm_buf_free(&text);
    }
}

/* Swaps the group in; the old one is freed. There is room for it in the table. */
static void swap_group(panicmon_manager *manager, pm_group *group, pm_group *old)
{
    size_t entries = 0;
    for (size_t i = 0; i < group->count; i++) {
        entries += group->arms[i]->count;
    }
    pthread_mutex_lock(&manager->lock);
    if (entries > 0) {
        (void)pm_map_set(&manager->groups, group->routing_key, group);
        pm_manager_watch_instead(manager, group, old);
    } else {
        pm_manager_unwatch(manager, old);
        (void)pm_map_remove(&manager->groups, group->routing_key);
    }
    pthread_mutex_unlock(&manager->lock);
    pm_group_free(old);
    if (entries == 0) {
        pm_group_free(group);
    }
}

/* The group of a routing key, made empty when there is none: so the table has room for it. */
static pm_group *enter_group(panicmon_manager *manager, const char *routing_key)
{
    pthread_mutex_lock(&manager->lock);
    pm_group *group = pm_map_get(&manager->groups, routing_key);
    pthread_mutex_unlock(&manager->lock);
    if (group != NULL || (group = pm_group_make(routing_key, 0)) == NULL) {
        return group;
    }
    pthread_mutex_lock(&manager->lock);
    bool entered = pm_manager_watch(manager, group);
    if (entered && !pm_map_set(&manager->groups, routing_key, group)) {
        pm_manager_unwatch(manager, group);
        entered = false;
    }
    pthread_mutex_unlock(&manager->lock);
    if (!entered) {
        pm_group_free(group);
        return NULL;
    }
    return group;
}

static void apply_group(pass *at, pm_strategy *const *strategies, size_t count,
                        panicmon_config_set *set)
{
    pm_group *old = enter_group(at->manager, at->routing_key);
    pm_group *group = old == NULL ? NULL : pm_group_make(at->routing_key, count);
    if (group == NULL) {
        note_lack(at, PANICMON_ERR_NOMEM, NULL);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        if (pm_group_find(group, strategies[i]->ops.name) == NULL) { /* two patterns may match */
            add_arm(at, group, old, strategies[i], set);
        }
    }
    for (size_t i = 0; i < old->count; i++) {
        if (pm_group_find(group, old->arms[i]->strategy->ops.name) == NULL) {
            stop_arm(at->manager, old->arms[i]); /* its strategy was taken from the registry */
        }
    }
    note_doubts(at, set, old->count > 0 ? old->arms[0]->set : NULL);
    swap_group(at->manager, group, old);
}

static void note_left_out(pass *at, const panicmon_config_set *set)
{
    for (size_t i = 0; i < pm_config_set_faults(set); i++) {
        panicmon_error *own = NULL;
        (void)pm_error_setf(&own, PANICMON_ERR_PARSE, "%s", pm_config_set_fault(set, i));
        note_fault(at, PANICMON_ERR_PARSE, own);
    }
}

panicmon_err pm_manager_apply_set(panicmon_manager *manager, const char *routing_key,
                                  const char *json, size_t len, bool *taken, panicmon_error **err)
{
    int64_t now = pm_mono_ms();
    pass at = {.manager = manager,
               .routing_key = routing_key,
               .err = err,
               .whole = true,
               .patience = {.start_ms = manager->supervises
                                            ? now + pm_earlier(START_WAIT_MS, manager->patience_ms)
                                            : PM_NEVER,
                            .leave_ms = now + START_WAIT_MS + LEAVE_WAIT_MS}};
    panicmon_config_set *set = NULL;
    pm_strategy **strategies = NULL;
    panicmon_error *own = NULL;
    size_t count = 0;
    pm_manager_reap(manager, 0);
    panicmon_err status = pm_registry_find(manager->registry, routing_key, &strategies, &count);
    if (status == PANICMON_OK && count == 0) {
        status = pm_error_setf(&own, PANICMON_ERR_NOENT, "%s: no strategy takes this routing key",
                               routing_key);
    }
    if (status == PANICMON_OK) {
        status = pm_config_set_parse(&set, routing_key, json, len, &own);
    }
    if (status == PANICMON_OK) {
        note_left_out(&at, set);
        apply_group(&at, strategies, count, set);
    } else if (status == PANICMON_ERR_NOENT) {
        at.status = status;
        pm_error_move(err, &own);
    } else {
        note_fault(&at, status, own);
    }
    *taken = status == PANICMON_OK && at.whole;
    if (*taken) {
        static char present;
        (void)pm_map_set(&manager->decided, routing_key, &present); /* else a restart tells */
    }
    for (size_t i = 0; i < count; i++) {
        pm_strategy_free(strategies[i]);
    }
    free(strategies);
    pm_config_set_free(set);
    return at.status;
}
