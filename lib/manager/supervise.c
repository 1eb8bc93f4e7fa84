/* supervise.c: looks after what should run: what ended or hangs is replaced, what could not be
 * started or taken is tried again, each time later up to a limit. In the thread that has the
 * manager's turn; what others read of an entry changes under the lock.
 *
 * Thousands of monitors are in no cache, so each pass goes through a dense list of when each group
 * wants a look, and looks at those alone. Groups with something planned are looked at in each. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "core/look.h"
#include "manager/manager_impl.h"

#define COMPONENT "manager"
/* How often it is looked. */
#define SUPERVISE_MS 1000
/* How many hung monitors of one monitorable are left behind at a time, each with its thread. */
#define HUNG_MAX 3
/* Into how many parts the groups that came together are spread. */
#define SPREAD 16

/* An entry and where it stands. */
typedef struct place {
    panicmon_manager *manager;
    const pm_group *group;
    const pm_arm *arm;
    size_t i;
    pm_map *bases; /* whose monitorables are to be published */
} place;

static void tell_fault(const place *at, const pm_entry *entry, panicmon_err status,
                       const panicmon_error *err)
{
    pm_logf(at->manager->log, PANICMON_LOG_ERROR, COMPONENT, "%s: entry '%s': %s",
            at->group->routing_key, panicmon_config_id(entry->config),
            err != NULL ? panicmon_error_message(err) : panicmon_strerror(status));
}

/* What came of a start; `was_absent`: it was not among the monitorables. */
static void tell_started(const place *at, const pm_entry *entry, bool was_absent)
{
    if (was_absent) {
        pm_manager_announce_later(at->manager, at->bases, at->group->routing_key);
    }
    pm_logf(at->manager->log, PANICMON_LOG_INFO, COMPONENT,
            was_absent ? "%s was started" : "%s was started again",
            panicmon_monitor_name(entry->monitor));
}

static void look_after_birth(const place *at, pm_entry *entry, int64_t now_ms)
{
    bool was_absent = entry->monitor == NULL;
    panicmon_error *err = NULL;
    if (pm_birth_wait(entry->birth, 0)) {
        panicmon_err status = pm_manager_finish(at->manager, entry, now_ms, &err);
        if (status == PANICMON_OK) {
            tell_started(at, entry, was_absent);
        } else {
            tell_fault(at, entry, status, err);
        }
    } else if (now_ms - pm_birth_began(entry->birth) > at->manager->patience_ms &&
               pm_manager_count_hung(at->manager, pm_birth_key(entry->birth)) < HUNG_MAX) {
        pm_manager_leave_hung(at->manager, entry);
        pm_entry_retry(entry);
        pm_logf(at->manager->log, PANICMON_LOG_ERROR, COMPONENT,
                "%s: entry '%s': hangs in its start; another one takes its place in %lld s",
                at->group->routing_key, panicmon_config_id(entry->config),
                (long long)entry->backoff_ms / 1000);
    }
    panicmon_error_free(err);
}

/* Gives when to look at the monitor again. */
static int64_t look_after_monitor(const place *at, pm_entry *entry, int64_t now_ms)
{
    panicmon_manager *manager = at->manager;
    panicmon_monitor *monitor = entry->monitor;
    int64_t again_ms = now_ms;
    pm_sight seen = pm_monitor_look(monitor, now_ms, &again_ms);
    if (seen == PM_SEEN_ENDED) {
        entry->over = true;
        pm_entry_retry(entry);
    } else if (seen == PM_SEEN_STUCK) {
        if (pm_manager_count_hung(manager, pm_monitor_key(monitor)) < HUNG_MAX) { /* else later */
            const char *doing = pm_monitor_doing(monitor);
            pm_entry_retry(entry);
            pm_manager_leave_hung(manager, entry);
            pm_logf(manager->log, PANICMON_LOG_ERROR, COMPONENT,
                    "%s hangs in %s; another one takes its place in %lld s",
                    panicmon_monitor_name(monitor), doing, (long long)entry->backoff_ms / 1000);
        }
    } else if (entry->backoff_ms > 0 && entry->retry_ms == 0 && pm_monitor_is_alive(monitor)) {
        entry->backoff_ms = 0;
    }
    return again_ms;
}

/* The newest config can be taken after all, or says that nothing is to run. */
static void renew(const place *at, pm_entry *entry, bool good)
{
    pthread_mutex_lock(&at->manager->lock);
    pm_entry_renew(entry, at->arm->plan.items[at->i]);
    entry->good = good;
    pthread_mutex_unlock(&at->manager->lock);
    entry->again = false;
    entry->retry_ms = 0;
}

static void switch_off(const place *at, pm_entry *entry)
{
    pm_manager_leave(at->manager, entry);
    renew(at, entry, false);
    pthread_mutex_lock(&at->manager->lock);
    panicmon_monitor *monitor = entry->monitor;
    entry->monitor = NULL;
    pthread_mutex_unlock(&at->manager->lock);
    panicmon_monitor_free(monitor);
    pm_manager_announce_later(at->manager, at->bases, at->group->routing_key);
}

/* Another monitor takes the place of the entry's, if it is over; else the newest config is given to
 * it. */
static void go_on(const place *at, pm_entry *entry, void *parsed)
{
    const pm_patience patience = {0};
    bool was_absent = entry->monitor == NULL;
    panicmon_error *err = NULL;
    panicmon_err status = PANICMON_OK;
    if (pm_entry_runs(entry)) {
        pm_monitor_update(entry->monitor, parsed);
    } else {
        status = pm_manager_begin(at->manager, at->group->routing_key, at->arm->strategy, entry,
                                  parsed, &patience, &err);
        if (status != PANICMON_OK) {
            tell_fault(at, entry, status, err);
        } else if (entry->birth == NULL) {
            tell_started(at, entry, was_absent);
        }
    }
    panicmon_error_free(err);
}

static void try_again(const place *at, pm_entry *entry)
{
    const pm_strategy *strategy = at->arm->strategy;
    const panicmon_config *config = entry->again ? at->arm->plan.items[at->i] : entry->config;
    panicmon_error *err = NULL;
    void *parsed = NULL;
    panicmon_err status = strategy->ops.parse(strategy->user, config, &parsed, &err);
    if (status == PANICMON_OK) {
        if (entry->again) {
            renew(at, entry, true);
        }
        go_on(at, entry, parsed);
        parsed = NULL;
    } else if (status == PANICMON_ERR_STATE && entry->again) {
        switch_off(at, entry);
    } else {
        tell_fault(at, entry, status, err);
        /* A new config that is bad is done with; the old one goes on as before. */
        entry->again = entry->again && status == PANICMON_ERR_NOMEM;
        if (entry->again || (entry->good && !pm_entry_runs(entry))) {
            pm_entry_retry(entry);
        } else {
            entry->retry_ms = 0;
        }
    }
    if (parsed != NULL && strategy->ops.parsed_free != NULL) {
        strategy->ops.parsed_free(strategy->user, parsed);
    }
    panicmon_error_free(err);
}

/* Whether the entry is to be looked at in each pass: something is planned, or was not long ago. */
static bool is_unsettled(const pm_entry *entry)
{
    return entry->birth != NULL || entry->again || entry->retry_ms > 0 ||
           (entry->monitor != NULL && entry->backoff_ms > 0);
}

/* Gives when to look at the entry again. */
static int64_t look_after(const place *at, pm_entry *entry, int64_t now_ms)
{
    int64_t again_ms = PM_NEVER;
    if (entry->birth != NULL) {
        look_after_birth(at, entry, now_ms);
        return now_ms;
    }
    if (!at->manager->supervises) {
        return PM_NEVER;
    }
    if (entry->monitor != NULL && !entry->over) {
        again_ms = look_after_monitor(at, entry, now_ms);
    }
    if (entry->again && entry->retry_ms == 0) { /* what was being made is there */
        entry->retry_ms = now_ms;
    }
    if (entry->retry_ms > 0 && now_ms >= entry->retry_ms) {
        try_again(at, entry);
        return now_ms;
    }
    return is_unsettled(entry) ? now_ms : again_ms;
}

/* Gives when to look at the group again. */
static int64_t look_after_group(panicmon_manager *manager, const pm_group *group, pm_map *bases,
                                int64_t now_ms)
{
    int64_t again_ms = PM_NEVER;
    for (size_t a = 0; a < group->count; a++) {
        place at = {.manager = manager, .group = group, .arm = group->arms[a], .bases = bases};
        for (at.i = 0; at.i < at.arm->count; at.i++) {
            again_ms = pm_earlier(again_ms, look_after(&at, &at.arm->entries[at.i], now_ms));
        }
    }
    return again_ms;
}

/* What came together would be looked at together for ever: its second look is sooner for some. */
static int64_t spread(const pm_watch *watch, size_t i, int64_t again_ms, int64_t now_ms)
{
    if (watch->look_ms > 0 || again_ms == PM_NEVER) {
        return again_ms;
    }
    return now_ms + (again_ms - now_ms) * (int64_t)(i % SPREAD + 1) / SPREAD;
}

int64_t pm_manager_supervise(panicmon_manager *manager, int64_t now_ms)
{
    pm_map bases = {0};
    pm_manager_reap(manager, 0);
    pm_manager_watch_leavers(manager);
    for (size_t i = 0; i < manager->watched_count; i++) {
        pm_watch *watch = &manager->watched[i];
        if (watch->look_ms <= now_ms) {
            int64_t again_ms = look_after_group(manager, watch->group, &bases, now_ms);
            watch->look_ms = spread(watch, i, again_ms, now_ms);
        }
    }
    pm_manager_announce_bases(manager, &bases);
    return now_ms + SUPERVISE_MS;
}

/* ---- what is watched ---- */

bool pm_manager_watch(panicmon_manager *manager, pm_group *group)
{
    if (manager->watched_count == manager->watched_capacity) {
        size_t capacity = manager->watched_capacity == 0 ? 8 : manager->watched_capacity * 2;
        pm_watch *watched = realloc(manager->watched, capacity * sizeof *watched);
        if (watched == NULL) {
            return false;
        }
        manager->watched = watched;
        manager->watched_capacity = capacity;
    }
    group->watch = manager->watched_count;
    manager->watched[manager->watched_count++] = (pm_watch){.group = group};
    return true;
}

void pm_manager_watch_instead(panicmon_manager *manager, pm_group *group, const pm_group *old)
{
    group->watch = old->watch;
    manager->watched[old->watch] = (pm_watch){.group = group};
}

void pm_manager_unwatch(panicmon_manager *manager, const pm_group *group)
{
    pm_watch *last = &manager->watched[--manager->watched_count];
    last->group->watch = group->watch;
    manager->watched[group->watch] = *last;
}
