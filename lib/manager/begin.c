/* begin.c: starting and stopping the monitors of entries, in the thread that has the manager's
 * turn. Whatever a strategy does in its functions, it holds this thread up for a while only. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "manager/manager_impl.h"

#define COMPONENT "manager"
/* What each start gets when the patience with all of them is at its end. */
#define MOMENT_MS 20
/* How often a wait looks whether the manager closes. */
#define LOOK_MS 50

/* ---- stopping ---- */

/* Takes the birth over. Without memory only the monitor's quick return has to wait. */
static void add_leaver(panicmon_manager *manager, panicmon_monitor *monitor, pm_birth *birth,
                       bool hung)
{
    pm_leaver *leaver = calloc(1, sizeof *leaver);
    if (leaver == NULL) {
        pm_birth_free(birth);
        return;
    }
    leaver->monitor = monitor == NULL ? NULL : pm_monitor_ref(monitor);
    leaver->birth = birth;
    leaver->hung = hung;
    leaver->next = manager->leavers;
    manager->leavers = leaver;
}

static void leave_birth(panicmon_manager *manager, pm_entry *entry)
{
    pm_birth *birth = entry->birth;
    entry->birth = NULL;
    if (birth != NULL) {
        pm_birth_give_up(birth);
        add_leaver(manager, NULL, birth, true);
    }
}

void pm_manager_leave(panicmon_manager *manager, pm_entry *entry)
{
    if (entry->monitor != NULL && !entry->over) { /* else it was left before */
        panicmon_monitor_stop(entry->monitor);
        add_leaver(manager, entry->monitor, NULL, false);
    }
    leave_birth(manager, entry);
}

void pm_manager_leave_hung(panicmon_manager *manager, pm_entry *entry)
{
    if (entry->birth != NULL) {
        leave_birth(manager, entry);
    } else {
        entry->over = true;
        pm_monitor_abandon(entry->monitor);
        panicmon_monitor_stop(entry->monitor);
        add_leaver(manager, entry->monitor, NULL, true);
    }
}

static const char *key_of(const pm_leaver *leaver)
{
    return leaver->birth != NULL ? pm_birth_key(leaver->birth) : pm_monitor_key(leaver->monitor);
}

/* `waiter`: looks meanwhile whether that one closes; NULL: waits on. */
static bool has_left(panicmon_manager *waiter, const pm_leaver *leaver, int64_t until_ms)
{
    bool gone = false;
    do {
        int64_t next = pm_earlier(until_ms, pm_mono_ms() + LOOK_MS);
        int64_t left = next - pm_mono_ms();
        gone = leaver->birth != NULL
                   ? pm_birth_wait(leaver->birth, next)
                   : panicmon_monitor_join(leaver->monitor, left > 0 ? left : 0) == PANICMON_OK;
    } while (!gone && pm_mono_ms() < until_ms &&
             (waiter == NULL || !pm_manager_is_closing(waiter)));
    return gone;
}

static void free_leaver(pm_leaver *leaver)
{
    panicmon_monitor_free(leaver->monitor);
    pm_birth_free(leaver->birth);
    free(leaver);
}

/* `key` NULL: waits for all of them. */
static void join_leavers(panicmon_manager *manager, const char *key, int64_t until_ms)
{
    for (pm_leaver **link = &manager->leavers; *link != NULL;) {
        pm_leaver *at = *link;
        bool wanted = key == NULL || (!at->hung && strcmp(key_of(at), key) == 0);
        if (has_left(key == NULL ? NULL : manager, at, wanted ? until_ms : 0)) {
            *link = at->next;
            free_leaver(at);
        } else {
            link = &at->next;
        }
    }
}

void pm_manager_reap(panicmon_manager *manager, int64_t until_ms)
{
    join_leavers(manager, NULL, until_ms);
}

void pm_manager_forget_leavers(panicmon_manager *manager)
{
    while (manager->leavers != NULL) {
        pm_leaver *next = manager->leavers->next;
        free_leaver(manager->leavers);
        manager->leavers = next;
    }
}

unsigned pm_manager_count_hung(const panicmon_manager *manager, const char *key)
{
    unsigned count = 0;
    for (const pm_leaver *at = manager->leavers; at != NULL; at = at->next) {
        count += at->hung && strcmp(key_of(at), key) == 0;
    }
    return count;
}

void pm_manager_watch_leavers(panicmon_manager *manager)
{
    for (pm_leaver *at = manager->leavers; at != NULL; at = at->next) {
        if (!at->hung && pm_monitor_is_stuck(at->monitor)) {
            at->hung = true;
            pm_monitor_abandon(at->monitor);
            pm_logf(manager->log, PANICMON_LOG_ERROR, COMPONENT,
                    "%s was stopped but hangs in %s; it is left behind",
                    panicmon_monitor_name(at->monitor), pm_monitor_doing(at->monitor));
        }
    }
}

/* ---- starting ---- */

static bool await_birth(panicmon_manager *manager, pm_birth *birth, int64_t until_ms)
{
    bool over = false;
    pthread_mutex_lock(&manager->lock);
    manager->awaited = birth;
    pthread_cond_broadcast(&manager->changed); /* it may be waiting for the turn already */
    pthread_mutex_unlock(&manager->lock);
    do {
        over = pm_birth_wait(birth, pm_earlier(until_ms, pm_mono_ms() + LOOK_MS));
    } while (!over && pm_mono_ms() < until_ms && !pm_manager_is_closing(manager));
    pthread_mutex_lock(&manager->lock);
    manager->awaited = NULL;
    pthread_mutex_unlock(&manager->lock);
    return over;
}

panicmon_err pm_manager_begin(panicmon_manager *manager, const char *routing_key,
                              pm_strategy *strategy, pm_entry *entry, void *parsed,
                              const pm_patience *patience, panicmon_error **err)
{
    const char *id = panicmon_config_id(entry->config);
    int64_t until = pm_mono_ms() + MOMENT_MS;
    pm_buf key = {0};
    pm_buf_format(&key, "%s/%s/%s", routing_key, strategy->ops.name, id);
    if (!key.failed) {
        entry->birth = pm_birth_begin(manager->runtime, key.data, id, strategy, parsed);
    } else if (parsed != NULL && strategy->ops.parsed_free != NULL) {
        strategy->ops.parsed_free(strategy->user, parsed);
    }
    pm_buf_free(&key);
    entry->retry_ms = 0;
    if (entry->birth == NULL) {
        pm_entry_retry(entry);
        return pm_error_setf(err, PANICMON_ERR_NOMEM, "out of memory");
    }
    until = until > patience->start_ms ? until : patience->start_ms;
    return await_birth(manager, entry->birth, until)
               ? pm_manager_finish(manager, entry, patience->leave_ms, err)
               : PANICMON_OK;
}

panicmon_err pm_manager_finish(panicmon_manager *manager, pm_entry *entry, int64_t leave_ms,
                               panicmon_error **err)
{
    panicmon_monitor *monitor = NULL;
    panicmon_err status = pm_birth_take(entry->birth, &monitor, err);
    entry->birth = NULL;
    if (status == PANICMON_OK) {
        if (pm_monitor_key_taken(manager->runtime, pm_monitor_key(monitor))) {
            join_leavers(manager, pm_monitor_key(monitor), leave_ms);
        }
        status = pm_monitor_run(monitor, err);
    }
    if (status != PANICMON_OK) {
        pm_entry_retry(entry);
        return status;
    }
    manager->identities_seen++;
    pthread_mutex_lock(&manager->lock);
    panicmon_monitor *old = entry->monitor;
    entry->monitor = monitor;
    entry->over = false;
    pthread_mutex_unlock(&manager->lock);
    panicmon_monitor_free(old);
    entry->retry_ms = 0;
    return PANICMON_OK;
}

void pm_manager_stop_all(panicmon_manager *manager)
{
    pm_map groups;
    void *value;
    pthread_mutex_lock(&manager->lock);
    groups = manager->groups;
    manager->groups = (pm_map){0};
    manager->watched_count = 0;
    pthread_mutex_unlock(&manager->lock);
    for (size_t at = 0; pm_map_next(&groups, &at, NULL, &value);) {
        const pm_group *group = value;
        for (size_t a = 0; a < group->count; a++) {
            for (size_t i = 0; i < group->arms[a]->count; i++) {
                pm_manager_leave(manager, &group->arms[a]->entries[i]);
            }
        }
        pm_group_free(value);
    }
    pm_map_free(&groups);
}
