/* monitor.c: a monitor's life: start, handle, update, stop. Rounds are in turn.c. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "core/monitor_impl.h"

/* First rounds begin within this long, and a millisecond more for each monitor there is. */
#define RAMP_MS 1000

static void identity_free(pm_identity *identity)
{
    while (identity != NULL) {
        pm_identity *older = identity->older;
        free(identity->name);
        free(identity->chain_id);
        free(identity->source_id);
        free(identity->source_name);
        free(identity);
        identity = older;
    }
}

static bool same_text(const char *a, const char *b)
{
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static bool same_identity(const pm_identity *a, const pm_identity *b)
{
    return a->kind == b->kind && same_text(a->name, b->name) &&
           same_text(a->chain_id, b->chain_id) && same_text(a->source_id, b->source_id) &&
           same_text(a->source_name, b->source_name);
}

/* Makes `made` the identity; takes it over. A monitor renamed to and fro keeps a bounded list:
 * an identity it had before is moved to the front. */
static void set_identity(panicmon_monitor *monitor, pm_identity *made)
{
    pthread_mutex_lock(&monitor->lock);
    pm_identity *head = atomic_load(&monitor->identity);
    pm_identity **link = &head;
    if (head == NULL || !same_identity(head, made)) {
        atomic_fetch_add(&monitor->runtime->identities, 1);
    }
    while (*link != NULL && !same_identity(*link, made)) {
        link = &(*link)->older;
    }
    if (*link != NULL) {
        pm_identity *known = *link;
        *link = known->older;
        identity_free(made);
        made = known;
    }
    made->older = head;
    atomic_store(&monitor->identity, made);
    pthread_mutex_unlock(&monitor->lock);
    monitor->round.name = made->name;
    monitor->task.name = made->name;
}

/* Who sees in_turn sees what was set before it, or what belongs to a later call. */
void pm_monitor_call_begin(panicmon_monitor *monitor, const char *what, int64_t now_ms)
{
    atomic_store_explicit(&monitor->runner, pthread_self(), memory_order_relaxed);
    atomic_store_explicit(&monitor->turn_what, what, memory_order_relaxed);
    atomic_store_explicit(&monitor->turn_ms, now_ms, memory_order_relaxed);
    atomic_store_explicit(&monitor->in_turn, true, memory_order_release);
}

void pm_monitor_call_end(panicmon_monitor *monitor)
{
    atomic_store_explicit(&monitor->in_turn, false, memory_order_release);
}

void pm_monitor_drop_state(panicmon_monitor *monitor)
{
    if (monitor->has_state && monitor->ops.monitor_free != NULL) {
        pm_monitor_call_begin(monitor, "being freed", pm_mono_ms());
        monitor->ops.monitor_free(monitor->state);
        pm_monitor_call_end(monitor);
    }
    monitor->state = NULL;
    monitor->task.own = NULL;
    monitor->has_state = false;
}

void pm_monitor_drop_parsed(panicmon_monitor *monitor, void *parsed)
{
    const pm_strategy *strategy = monitor->strategy;
    if (parsed != NULL && strategy->ops.parsed_free != NULL) {
        strategy->ops.parsed_free(strategy->user, parsed);
    }
}

static panicmon_err take_launch(panicmon_monitor *monitor, panicmon_launch *launch)
{
    pm_identity *identity = calloc(1, sizeof *identity);
    if (identity == NULL) {
        return PANICMON_ERR_NOMEM;
    }
    if (launch->name == NULL && (launch->name = strdup(monitor->id)) == NULL) {
        free(identity);
        return PANICMON_ERR_NOMEM;
    }
    *identity = (pm_identity){.name = launch->name,
                              .chain_id = launch->chain_id,
                              .source_id = launch->source_id,
                              .source_name = launch->source_name,
                              .kind = launch->kind};
    launch->name = launch->chain_id = launch->source_id = launch->source_name = NULL;
    set_identity(monitor, identity);
    monitor->ops = launch->ops;
    monitor->state = launch->monitor;
    monitor->task.own = launch->monitor;
    monitor->has_state = true;
    monitor->task.blocking = (launch->ops.flags & PANICMON_MONITOR_BLOCKING) != 0;
    monitor->period_ms =
        launch->period_ms > 0 ? launch->period_ms : monitor->runtime->periods_ms[launch->kind];
    atomic_store(&monitor->alive_ms, monitor->period_ms * 3 + monitor->runtime->round_deadline_ms);
    atomic_store(&monitor->can_update, launch->ops.update != NULL);
    return PANICMON_OK;
}

panicmon_err pm_monitor_launch(panicmon_monitor *monitor, panicmon_error **err)
{
    const pm_strategy *strategy = monitor->strategy;
    panicmon_launch launch = {.id = monitor->id, .kind = PANICMON_KIND_NODE};
    pm_monitor_call_begin(monitor, "its start", pm_mono_ms());
    panicmon_err status = strategy->ops.start(strategy->user, monitor->parsed, &launch, err);
    pm_monitor_call_end(monitor);
    if (status == PANICMON_OK && !launch.launched) {
        status = pm_error_setf(err, PANICMON_ERR_CALLBACK,
                               "strategy %s started '%s' without panicmon_launch_monitor()",
                               strategy->ops.name, monitor->id);
    }
    if (status == PANICMON_OK) {
        status = take_launch(monitor, &launch);
    }
    if (status != PANICMON_OK && launch.launched && launch.ops.monitor_free != NULL) {
        launch.ops.monitor_free(launch.monitor);
    }
    free(launch.name);
    free(launch.chain_id);
    free(launch.source_id);
    free(launch.source_name);
    return status;
}

static void monitor_destroy(panicmon_monitor *monitor)
{
    pm_monitor_drop_state(monitor);
    pm_monitor_drop_parsed(monitor, monitor->parsed);
    if (monitor->has_next) {
        pm_monitor_drop_parsed(monitor, monitor->next_parsed);
    }
    pm_round_free(&monitor->round);
    pm_buf_free(&monitor->last_error);
    identity_free(atomic_load(&monitor->identity));
    pm_strategy_free(monitor->strategy);
    free(monitor->key);
    free(monitor->id);
    (void)pthread_cond_destroy(&monitor->stopped);
    (void)pthread_mutex_destroy(&monitor->lock);
    free(monitor);
}

void panicmon_monitor_free(panicmon_monitor *monitor)
{
    if (monitor != NULL && atomic_fetch_sub(&monitor->refs, 1) == 1) {
        monitor_destroy(monitor);
    }
}

/* Everything that needs no strategy call. Takes `parsed` over only on success. */
static panicmon_monitor *monitor_make(panicmon_runtime *runtime, const char *key, const char *id,
                                      pm_strategy *strategy)
{
    panicmon_monitor *monitor = calloc(1, sizeof *monitor);
    if (monitor == NULL) {
        return NULL;
    }
    monitor->task.ops = &pm_monitor_task_ops;
    atomic_init(&monitor->task.stop, false);
    atomic_init(&monitor->refs, 1);
    atomic_init(&monitor->current, PANICMON_MONITOR_STARTING);
    atomic_init(&monitor->rounds, 0);
    atomic_init(&monitor->last_end_ms, pm_mono_ms());
    atomic_init(&monitor->alive_ms, 0);
    atomic_init(&monitor->can_update, false);
    atomic_init(&monitor->has_next, false);
    atomic_init(&monitor->in_turn, false);
    atomic_init(&monitor->turn_ms, 0);
    atomic_init(&monitor->turn_what, "");
    atomic_init(&monitor->identity, NULL);
    (void)pthread_mutex_init(&monitor->lock, NULL);
    pm_cond_init(&monitor->stopped);
    monitor->runtime = runtime;
    monitor->round.pool = &runtime->bundles;
    monitor->strategy = pm_strategy_ref(strategy);
    monitor->key = strdup(key);
    monitor->id = strdup(id);
    monitor->phase = pm_hash(key);
    monitor->task.key = monitor->phase;
    if (monitor->key == NULL || monitor->id == NULL) {
        monitor_destroy(monitor);
        return NULL;
    }
    return monitor;
}

/* Enters it into the runtime's table, which takes a reference. `*add`: the executor can have it
 * now; else panicmon_runtime_start() gives it to the executor. */
static panicmon_err enter(panicmon_runtime *runtime, panicmon_monitor *monitor, bool *add)
{
    panicmon_err status = PANICMON_OK;
    pthread_mutex_lock(&runtime->lock);
    if (runtime->phase != PM_NEW && runtime->phase != PM_STARTED) {
        status = PANICMON_ERR_STATE;
    } else if (pm_map_get(&runtime->monitors, monitor->key) != NULL) {
        status = PANICMON_ERR_EXISTS;
    } else if (!pm_map_set(&runtime->monitors, monitor->key, monitor)) {
        status = PANICMON_ERR_NOMEM;
    } else {
        atomic_fetch_add(&monitor->refs, 1);
        runtime->live++;
        *add = monitor->added = runtime->phase == PM_STARTED;
        atomic_fetch_add(&runtime->figures.monitors_running, 1);
    }
    pthread_mutex_unlock(&runtime->lock);
    return status;
}

/* A few monitors have their first round within a second; of many, it is spread over up to one
 * period, so that they do not all connect at once. */
static int64_t first_due(const panicmon_monitor *monitor)
{
    const panicmon_runtime *runtime = monitor->runtime;
    int64_t running = atomic_load(&runtime->figures.monitors_running);
    int64_t ramp = pm_earlier(monitor->period_ms, RAMP_MS + running);
    if (runtime->rounds > 0) {
        ramp = pm_earlier(ramp, running);
    }
    return pm_mono_ms() + (ramp > 0 ? (int64_t)(monitor->phase % (uint64_t)ramp) : 0);
}

void pm_monitor_ready(panicmon_monitor *monitor)
{
    monitor->due_ms = first_due(monitor);
    monitor->round.log = monitor->runtime->log;
    atomic_store(&monitor->last_end_ms, pm_mono_ms());
}

panicmon_err pm_monitor_make(panicmon_runtime *runtime, const char *key, const char *id,
                             pm_strategy *strategy, void *parsed, panicmon_monitor **out,
                             panicmon_error **err)
{
    panicmon_monitor *monitor = monitor_make(runtime, key, id, strategy);
    if (monitor == NULL) {
        if (parsed != NULL && strategy->ops.parsed_free != NULL) {
            strategy->ops.parsed_free(strategy->user, parsed);
        }
        return pm_error_setf(err, PANICMON_ERR_NOMEM, "out of memory");
    }
    monitor->parsed = parsed;
    panicmon_err status = pm_monitor_launch(monitor, err);
    if (status != PANICMON_OK) {
        panicmon_monitor_free(monitor);
        return status;
    }
    *out = monitor;
    return PANICMON_OK;
}

panicmon_err pm_monitor_run(panicmon_monitor *monitor, panicmon_error **err)
{
    panicmon_runtime *runtime = monitor->runtime;
    bool add = false;
    panicmon_err status = enter(runtime, monitor, &add);
    if (status != PANICMON_OK) {
        (void)pm_error_setf(err, status, "monitor '%s' was not started: %s", monitor->id,
                            panicmon_strerror(status));
        panicmon_monitor_free(monitor);
        return status;
    }
    if (add) {
        pm_monitor_ready(monitor);
        status = runtime->exec->ops->add(runtime->exec, &monitor->task);
    }
    if (status != PANICMON_OK) {
        (void)pm_error_setf(err, status, "monitor '%s' could not be given a thread: %s",
                            monitor->id, panicmon_strerror(status));
        pm_monitor_set_stopped(monitor);
        panicmon_monitor_free(monitor);
        return status;
    }
    atomic_fetch_add(&runtime->figures.monitors_started, 1);
    return PANICMON_OK;
}

panicmon_err pm_monitor_start(panicmon_runtime *runtime, const char *key, const char *id,
                              pm_strategy *strategy, void *parsed, panicmon_monitor **out,
                              panicmon_error **err)
{
    panicmon_monitor *monitor = NULL;
    panicmon_err status = pm_monitor_make(runtime, key, id, strategy, parsed, &monitor, err);
    if (monitor != NULL) {
        status = pm_monitor_run(monitor, err);
    }
    if (status == PANICMON_OK && out != NULL) {
        *out = monitor;
    } else if (status == PANICMON_OK) {
        panicmon_monitor_free(monitor);
    }
    return status;
}

void pm_monitor_set_stopped(panicmon_monitor *monitor)
{
    pm_monitor_drop_state(monitor);
    atomic_store(&monitor->current, PANICMON_MONITOR_STOPPED);
    pm_monitor_abandon(monitor); /* its key is free before its joiners go on */
    pthread_mutex_lock(&monitor->lock);
    monitor->is_stopped = true;
    pthread_cond_broadcast(&monitor->stopped);
    pthread_mutex_unlock(&monitor->lock);
    pm_runtime_forget(monitor->runtime, monitor);
}

static void wake(panicmon_monitor *monitor)
{
    pthread_mutex_lock(&monitor->lock);
    if (!monitor->is_stopped && monitor->runtime->phase != PM_NEW) {
        monitor->runtime->exec->ops->wake(monitor->runtime->exec, &monitor->task);
    }
    pthread_mutex_unlock(&monitor->lock);
}

void pm_monitor_update(panicmon_monitor *monitor, void *parsed)
{
    pthread_mutex_lock(&monitor->lock);
    void *dropped = monitor->has_next ? monitor->next_parsed : NULL;
    monitor->next_parsed = parsed;
    atomic_store_explicit(&monitor->has_next, true, memory_order_release);
    pthread_mutex_unlock(&monitor->lock);
    pm_monitor_drop_parsed(monitor, dropped);
    wake(monitor);
}

void panicmon_monitor_stop(panicmon_monitor *monitor)
{
    atomic_store(&monitor->task.stop, true);
    pthread_mutex_lock(&monitor->lock);
    bool withdrawn = !monitor->is_stopped && pm_runtime_withdraw(monitor->runtime, monitor);
    pthread_mutex_unlock(&monitor->lock);
    if (withdrawn) {
        pm_monitor_set_stopped(monitor);
    } else {
        wake(monitor);
    }
}

panicmon_err panicmon_monitor_join(panicmon_monitor *monitor, int64_t timeout_ms)
{
    if (atomic_load(&monitor->in_turn) &&
        pthread_equal(atomic_load(&monitor->runner), pthread_self())) {
        return PANICMON_ERR_DEADLOCK;
    }
    int64_t until = timeout_ms < 0 ? PM_NEVER : pm_mono_ms() + timeout_ms;
    int waited = 0;
    pthread_mutex_lock(&monitor->lock);
    while (!monitor->is_stopped && waited == 0) {
        waited = pm_cond_wait_until(&monitor->stopped, &monitor->lock, until);
    }
    bool stopped = monitor->is_stopped;
    pthread_mutex_unlock(&monitor->lock);
    return stopped ? PANICMON_OK : PANICMON_ERR_TIMEOUT;
}

panicmon_monitor *pm_monitor_ref(panicmon_monitor *monitor)
{
    atomic_fetch_add(&monitor->refs, 1);
    return monitor;
}

bool pm_monitor_key_taken(panicmon_runtime *runtime, const char *key)
{
    pthread_mutex_lock(&runtime->lock);
    bool taken = pm_map_get(&runtime->monitors, key) != NULL;
    pthread_mutex_unlock(&runtime->lock);
    return taken;
}

bool pm_monitor_is_stuck(const panicmon_monitor *monitor)
{
    return atomic_load(&monitor->in_turn) &&
           pm_mono_ms() - atomic_load(&monitor->turn_ms) > atomic_load(&monitor->alive_ms);
}

const char *pm_monitor_doing(const panicmon_monitor *monitor)
{
    return atomic_load(&monitor->turn_what);
}

const char *pm_monitor_key(const panicmon_monitor *monitor)
{
    return monitor->key;
}

const char *panicmon_monitor_id(const panicmon_monitor *monitor)
{
    return monitor->id;
}

const char *panicmon_monitor_name(const panicmon_monitor *monitor)
{
    return atomic_load(&monitor->identity)->name;
}

panicmon_monitor_state panicmon_monitor_get_state(const panicmon_monitor *monitor)
{
    return (panicmon_monitor_state)atomic_load(&monitor->current);
}

int64_t panicmon_monitor_rounds(const panicmon_monitor *monitor)
{
    return atomic_load(&monitor->rounds);
}

bool pm_monitor_can_update(const panicmon_monitor *monitor)
{
    return atomic_load(&monitor->can_update);
}

bool pm_monitor_is_alive(const panicmon_monitor *monitor)
{
    int current = atomic_load(&monitor->current);
    return current != PANICMON_MONITOR_BACKOFF && current != PANICMON_MONITOR_STOPPED &&
           pm_mono_ms() - atomic_load(&monitor->last_end_ms) < atomic_load(&monitor->alive_ms);
}

const char *pm_monitor_chain_id(const panicmon_monitor *monitor)
{
    return atomic_load(&monitor->identity)->chain_id;
}

const char *pm_monitor_source_id(const panicmon_monitor *monitor)
{
    return atomic_load(&monitor->identity)->source_id;
}

const char *pm_monitor_source_name(const panicmon_monitor *monitor)
{
    return atomic_load(&monitor->identity)->source_name;
}

panicmon_kind pm_monitor_kind(const panicmon_monitor *monitor)
{
    return atomic_load(&monitor->identity)->kind;
}
