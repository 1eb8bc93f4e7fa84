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
/* How long a monitor that comes back waits for its stopped predecessor to end. */
#define LEAVE_WAIT_MS    5000
#define BACKOFF_FIRST_MS 1000
#define BACKOFF_LAST_MS  60000
/* How often it is looked for monitors that ended or hang. */
#define SUPERVISE_MS 1000
/* How many hung monitors of one monitorable are left behind at a time, each with its thread. */
#define HUNG_MAX 3

/* One call of panicmon_manager_apply(). */
typedef struct pass {
    panicmon_manager *manager;
    const char *routing_key;
    panicmon_error **err;
    panicmon_err status; /* of the first fault */
    int64_t leave_ms;    /* until when it waits for predecessors, of all entries together */
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

/* ---- groups ---- */

static void arm_unref(pm_arm *arm)
{
    if (arm == NULL || --arm->refs > 0) {
        return;
    }
    for (size_t i = 0; i < arm->count; i++) {
        panicmon_monitor_free(arm->entries[i].monitor);
    }
    free(arm->entries);
    pm_plan_free(&arm->plan);
    pm_config_set_free(arm->set);
    pm_strategy_free(arm->strategy);
    free(arm);
}

static pm_arm *arm_make(pm_strategy *strategy, panicmon_config_set *set)
{
    pm_arm *arm = calloc(1, sizeof *arm);
    if (arm != NULL) {
        arm->refs = 1;
        arm->strategy = pm_strategy_ref(strategy);
        arm->set = pm_config_set_ref(set);
    }
    return arm;
}

static void group_free(pm_group *group)
{
    if (group != NULL) {
        for (size_t i = 0; i < group->count; i++) {
            arm_unref(group->arms[i]);
        }
        free(group->arms);
        free(group->routing_key);
        free(group);
    }
}

static pm_group *group_make(const char *routing_key, size_t arms)
{
    pm_group *group = calloc(1, sizeof *group);
    if (group != NULL) {
        group->routing_key = strdup(routing_key);
        group->arms = calloc(arms + 1, sizeof *group->arms);
        if (group->routing_key == NULL || group->arms == NULL) {
            group_free(group);
            return NULL;
        }
    }
    return group;
}

static pm_arm *find_arm(const pm_group *group, const char *strategy)
{
    for (size_t i = 0; group != NULL && i < group->count; i++) {
        if (strcmp(group->arms[i]->strategy->ops.name, strategy) == 0) {
            return group->arms[i];
        }
    }
    return NULL;
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

/* ---- starting and stopping ---- */

/* Without memory only its quick return has to wait. */
static void stop_monitor(panicmon_manager *manager, panicmon_monitor *monitor, bool hung)
{
    pm_leaver *leaver = monitor == NULL ? NULL : calloc(1, sizeof *leaver);
    if (monitor != NULL) {
        panicmon_monitor_stop(monitor);
    }
    if (leaver != NULL) {
        leaver->monitor = pm_monitor_ref(monitor);
        leaver->hung = hung;
        leaver->next = manager->leavers;
        manager->leavers = leaver;
    }
}

static void join_leavers(panicmon_manager *manager, const char *id, int64_t until_ms)
{
    for (pm_leaver **link = &manager->leavers; *link != NULL;) {
        pm_leaver *at = *link;
        bool wanted = id == NULL || strcmp(panicmon_monitor_id(at->monitor), id) == 0;
        int64_t left = wanted ? until_ms - pm_mono_ms() : 0;
        if (panicmon_monitor_join(at->monitor, left > 0 ? left : 0) == PANICMON_OK) {
            *link = at->next;
            panicmon_monitor_free(at->monitor);
            free(at);
        } else {
            link = &at->next;
        }
    }
}

/* How many of its predecessors hang still. */
static unsigned count_hung(const panicmon_manager *manager, const panicmon_monitor *monitor)
{
    unsigned count = 0;
    for (const pm_leaver *at = manager->leavers; at != NULL; at = at->next) {
        count +=
            at->hung && strcmp(panicmon_monitor_id(at->monitor), panicmon_monitor_id(monitor)) == 0;
    }
    return count;
}

void pm_manager_reap(panicmon_manager *manager, int64_t until_ms)
{
    join_leavers(manager, NULL, until_ms);
}

static void retry_later(pm_entry *entry)
{
    int64_t last = entry->backoff_ms;
    entry->backoff_ms = last == 0 ? BACKOFF_FIRST_MS : pm_earlier(last * 2, BACKOFF_LAST_MS);
    entry->retry_ms = pm_mono_ms() + entry->backoff_ms;
}

static void free_parsed(const pm_strategy *strategy, void *parsed)
{
    if (parsed != NULL && strategy->ops.parsed_free != NULL) {
        strategy->ops.parsed_free(strategy->user, parsed);
    }
}

/* Takes `parsed` over. */
static panicmon_err start_monitor(panicmon_manager *manager, const char *routing_key,
                                  pm_strategy *strategy, const char *id, void *parsed,
                                  int64_t leave_ms, panicmon_monitor **out, panicmon_error **err)
{
    pm_buf key = {0};
    pm_buf_format(&key, "%s/%s/%s", routing_key, strategy->ops.name, id);
    if (key.failed) {
        free_parsed(strategy, parsed);
        pm_buf_free(&key);
        return pm_error_setf(err, PANICMON_ERR_NOMEM, "out of memory");
    }
    if (pm_monitor_key_taken(manager->runtime, key.data)) {
        join_leavers(manager, id, leave_ms);
    }
    panicmon_err status =
        pm_monitor_start(manager->runtime, key.data, id, strategy, parsed, out, err);
    manager->identities_seen += status == PANICMON_OK;
    pm_buf_free(&key);
    return status;
}

/* ---- one entry, one strategy ---- */

/* Whether the monitor of `old` goes on with this config; takes `*parsed` over if it needs it. */
static bool keep_running(const pm_entry *old, const pm_entry *entry, bool same_set, void **parsed)
{
    if (old == NULL || old->monitor == NULL ||
        panicmon_monitor_get_state(old->monitor) == PANICMON_MONITOR_STOPPED) {
        return false;
    }
    /* What stands beside it in the set may matter to it, and costs it nothing to take in. */
    if (!pm_config_same(old->config, entry->config) ||
        (!same_set && pm_monitor_can_update(old->monitor))) {
        pm_monitor_update(old->monitor, *parsed);
        *parsed = NULL;
    }
    return true;
}

static void apply_entry(pass *at, const pm_arm *arm, pm_entry *entry, const pm_entry *old,
                        bool same_set)
{
    pm_strategy *strategy = arm->strategy;
    panicmon_error *own = NULL;
    void *parsed = NULL;
    panicmon_err status = strategy->ops.parse(strategy->user, entry->config, &parsed, &own);
    if (status == PANICMON_OK && keep_running(old, entry, same_set, &parsed)) {
        entry->monitor = pm_monitor_ref(old->monitor);
        entry->retry_ms = old->retry_ms;
        entry->backoff_ms = old->backoff_ms;
    } else if (status == PANICMON_OK) {
        status =
            start_monitor(at->manager, at->routing_key, strategy, panicmon_config_id(entry->config),
                          parsed, at->leave_ms, &entry->monitor, &own);
        parsed = NULL;
        if (status != PANICMON_OK) {
            retry_later(entry);
        }
    } else if (old != NULL) {
        stop_monitor(at->manager, old->monitor, false); /* refused or switched off */
    }
    free_parsed(strategy, parsed);
    if (status == PANICMON_OK || (status == PANICMON_ERR_STATE && entry->retry_ms == 0)) {
        panicmon_error_free(own);
    } else {
        note_fault(at, status, own);
    }
}

/* Fills a new arm and stops what of the old one is gone. False: nothing was done. */
static bool apply_arm(pass *at, pm_arm *arm, const pm_arm *old)
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
        note_fault(at, status, own);
        pm_map_free(&index);
        return false;
    }
    bool same_set = old != NULL && pm_config_set_same(old->set, arm->set);
    arm->count = arm->plan.count;
    for (size_t i = 0; i < arm->count; i++) {
        pm_entry *entry = &arm->entries[i];
        entry->config = arm->plan.items[i];
        apply_entry(at, arm, entry, pm_map_remove(&index, panicmon_config_id(entry->config)),
                    same_set);
    }
    void *value;
    for (size_t place = 0; pm_map_next(&index, &place, NULL, &value);) {
        stop_monitor(at->manager, ((const pm_entry *)value)->monitor, false);
    }
    pm_map_free(&index);
    return true;
}

/* ---- one config set ---- */

static void stop_arm(panicmon_manager *manager, const pm_arm *arm)
{
    for (size_t i = 0; i < arm->count; i++) {
        stop_monitor(manager, arm->entries[i].monitor, false);
    }
}

/* Adds the strategy's next arm to the group; what its plan refuses leaves the old one in place. */
static void add_arm(pass *at, pm_group *group, const pm_group *old_group, pm_strategy *strategy,
                    panicmon_config_set *set)
{
    pm_arm *old = find_arm(old_group, strategy->ops.name);
    pm_arm *arm = arm_make(strategy, set);
    if (arm == NULL) {
        note_fault(at, PANICMON_ERR_NOMEM, NULL);
    }
    if (arm == NULL || !apply_arm(at, arm, old)) {
        arm_unref(arm);
        arm = old;
        if (arm == NULL) {
            return;
        }
        arm->refs++;
    }
    group->arms[group->count++] = arm;
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
    } else {
        (void)pm_map_remove(&manager->groups, group->routing_key);
    }
    pthread_mutex_unlock(&manager->lock);
    group_free(old);
    if (entries == 0) {
        group_free(group);
    }
}

/* The group of a routing key, made empty when there is none: so the table has room for it. */
static pm_group *enter_group(panicmon_manager *manager, const char *routing_key)
{
    pthread_mutex_lock(&manager->lock);
    pm_group *group = pm_map_get(&manager->groups, routing_key);
    pthread_mutex_unlock(&manager->lock);
    if (group != NULL || (group = group_make(routing_key, 0)) == NULL) {
        return group;
    }
    pthread_mutex_lock(&manager->lock);
    bool entered = pm_map_set(&manager->groups, routing_key, group);
    pthread_mutex_unlock(&manager->lock);
    if (!entered) {
        group_free(group);
        return NULL;
    }
    return group;
}

static void apply_group(pass *at, pm_strategy *const *strategies, size_t count,
                        panicmon_config_set *set)
{
    pm_group *old = enter_group(at->manager, at->routing_key);
    pm_group *group = old == NULL ? NULL : group_make(at->routing_key, count);
    if (group == NULL) {
        note_fault(at, PANICMON_ERR_NOMEM, NULL);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        if (find_arm(group, strategies[i]->ops.name) == NULL) { /* two patterns may match */
            add_arm(at, group, old, strategies[i], set);
        }
    }
    for (size_t i = 0; i < old->count; i++) {
        if (find_arm(group, old->arms[i]->strategy->ops.name) == NULL) {
            stop_arm(at->manager, old->arms[i]); /* its strategy was taken from the registry */
        }
    }
    swap_group(at->manager, group, old);
}

panicmon_err pm_manager_apply_set(panicmon_manager *manager, const char *routing_key,
                                  const char *json, size_t len, bool *taken, panicmon_error **err)
{
    pass at = {.manager = manager,
               .routing_key = routing_key,
               .err = err,
               .leave_ms = pm_mono_ms() + LEAVE_WAIT_MS};
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
    *taken = status == PANICMON_OK;
    if (status == PANICMON_OK) {
        static char present;
        (void)pm_map_set(&manager->decided, routing_key, &present); /* else a restart tells */
        apply_group(&at, strategies, count, set);
    } else if (status == PANICMON_ERR_NOENT) {
        at.status = status;
        pm_error_move(err, &own);
    } else {
        note_fault(&at, status, own);
    }
    for (size_t i = 0; i < count; i++) {
        pm_strategy_free(strategies[i]);
    }
    free(strategies);
    pm_config_set_free(set);
    return at.status;
}

/* ---- what ended or hangs ---- */

static void replace(panicmon_manager *manager, const pm_group *group, const pm_arm *arm,
                    pm_entry *entry, pm_map *bases)
{
    pm_strategy *strategy = arm->strategy;
    panicmon_error *err = NULL;
    panicmon_monitor *monitor = NULL;
    void *parsed = NULL;
    panicmon_err status = strategy->ops.parse(strategy->user, entry->config, &parsed, &err);
    if (status == PANICMON_OK) {
        status = start_monitor(manager, group->routing_key, strategy,
                               panicmon_config_id(entry->config), parsed, 0, &monitor, &err);
    } else {
        free_parsed(strategy, parsed);
    }
    if (status == PANICMON_OK) {
        entry->retry_ms = 0;
        pthread_mutex_lock(&manager->lock);
        panicmon_monitor *old = entry->monitor;
        entry->monitor = monitor;
        pthread_mutex_unlock(&manager->lock);
        panicmon_monitor_free(old);
        if (old == NULL) { /* it was not among the monitorables */
            pm_manager_announce_later(manager, bases, group->routing_key);
        }
        pm_logf(manager->log, PANICMON_LOG_INFO, COMPONENT, "%s was started again",
                panicmon_monitor_name(monitor));
    } else {
        retry_later(entry);
        pm_logf(manager->log, PANICMON_LOG_ERROR, COMPONENT, "%s: entry '%s': %s",
                group->routing_key, panicmon_config_id(entry->config),
                err != NULL ? panicmon_error_message(err) : panicmon_strerror(status));
    }
    panicmon_error_free(err);
}

static void look_after(panicmon_manager *manager, const pm_group *group, const pm_arm *arm,
                       pm_entry *entry, int64_t now_ms, pm_map *bases)
{
    panicmon_monitor *monitor = entry->monitor;
    if (monitor != NULL && entry->retry_ms == 0) {
        if (panicmon_monitor_get_state(monitor) == PANICMON_MONITOR_STOPPED) {
            retry_later(entry);
        } else if (pm_monitor_is_stuck(monitor)) {
            if (count_hung(manager, monitor) >= HUNG_MAX) {
                return; /* until one of them comes back */
            }
            retry_later(entry);
            pm_logf(manager->log, PANICMON_LOG_ERROR, COMPONENT,
                    "%s hangs in a step; another one takes its place in %lld s",
                    panicmon_monitor_name(monitor), (long long)entry->backoff_ms / 1000);
            pm_monitor_abandon(monitor);
            stop_monitor(manager, monitor, true);
        } else if (pm_monitor_is_alive(monitor)) {
            entry->backoff_ms = 0;
        }
    }
    if (entry->retry_ms > 0 && now_ms >= entry->retry_ms) {
        replace(manager, group, arm, entry, bases);
    }
}

int64_t pm_manager_supervise(panicmon_manager *manager, int64_t now_ms)
{
    void *value;
    pm_map bases = {0};
    pm_manager_reap(manager, 0);
    /* Only the holder of the turn changes the table, so it may be read without the lock. */
    for (size_t at = 0; pm_map_next(&manager->groups, &at, NULL, &value);) {
        const pm_group *group = value;
        for (size_t a = 0; a < group->count; a++) {
            const pm_arm *arm = group->arms[a];
            for (size_t i = 0; i < arm->count; i++) {
                look_after(manager, group, arm, &arm->entries[i], now_ms, &bases);
            }
        }
    }
    pm_manager_announce_bases(manager, &bases);
    return now_ms + SUPERVISE_MS;
}

void pm_manager_stop_all(panicmon_manager *manager)
{
    pm_map groups;
    void *value;
    pthread_mutex_lock(&manager->lock);
    groups = manager->groups;
    manager->groups = (pm_map){0};
    pthread_mutex_unlock(&manager->lock);
    for (size_t at = 0; pm_map_next(&groups, &at, NULL, &value);) {
        const pm_group *group = value;
        for (size_t i = 0; i < group->count; i++) {
            stop_arm(manager, group->arms[i]);
        }
        group_free(value);
    }
    pm_map_free(&groups);
}
