/* runtime.c: the runtime's life and its control thread, which sends the messages that belong to no
 * monitor and carries out the stop; waiting for that is in runtime_stop.c. Lock order: a monitor's
 * lock, then the executor's; the runtime's lock comes last; the lock of the hooks comes before it.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "base/settings.h"
#include "core/monitor_impl.h"
#include "core/registry.h"

#define COMPONENT "runtime"
/* Before the keys of the state store, so that they stand apart from PANIC's own. */
#define REDIS_PREFIX "panicmon:"

static void read_settings(panicmon_runtime *runtime)
{
    static const char *const names[] = {"period.node", "period.network", "period.system",
                                        "period.repo"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        runtime->periods_ms[i] = pm_settings_ms(runtime->settings, names[i]);
    }
    runtime->round_deadline_ms = pm_settings_ms(runtime->settings, "round.deadline");
    runtime->rounds = pm_settings_int(runtime->settings, "rounds");
}

static panicmon_err copy_settings(panicmon_runtime *runtime, const panicmon_settings *settings)
{
    return settings == NULL ? panicmon_settings_new(&runtime->settings)
                            : pm_settings_copy(&runtime->settings, settings);
}

static panicmon_err take_registry(panicmon_runtime *runtime, panicmon_registry *registry)
{
    if (registry != NULL) {
        runtime->registry = pm_registry_ref(registry);
        return PANICMON_OK;
    }
    return panicmon_registry_new(&runtime->registry);
}

static panicmon_err open_store(panicmon_runtime *runtime, panicmon_error **err)
{
    const char *redis = pm_settings_text(runtime->settings, "redis.url");
    const char *dir = pm_settings_text(runtime->settings, "state_dir");
    if (redis != NULL) {
        return pm_store_new_redis(&runtime->store, redis, REDIS_PREFIX, runtime->log, err);
    }
    return dir == NULL ? pm_store_new_memory(&runtime->store)
                       : pm_store_new_dir(&runtime->store, dir, err);
}

panicmon_err panicmon_runtime_new(panicmon_runtime **out, panicmon_registry *registry,
                                  const panicmon_settings *settings, panicmon_error **err)
{
    if (out == NULL) {
        return PANICMON_ERR_INVAL;
    }
    panicmon_runtime *runtime = calloc(1, sizeof *runtime);
    if (runtime == NULL) {
        return pm_error_setf(err, PANICMON_ERR_NOMEM, "out of memory");
    }
    (void)pthread_mutex_init(&runtime->lock, NULL);
    (void)pthread_mutex_init(&runtime->hook_lock, NULL);
    pm_bundle_pool_init(&runtime->bundles);
    pm_cond_init(&runtime->changed);
    pm_cond_init(&runtime->errand_came);
    atomic_init(&runtime->phase, PM_NEW);
    atomic_init(&runtime->stop_asked, false);
    runtime->pid = getpid();
    runtime->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    panicmon_err status = runtime->stop_fd < 0 ? PANICMON_ERR_SYSTEM : PANICMON_OK;
    if (status == PANICMON_OK) {
        status = copy_settings(runtime, settings);
    }
    if (status == PANICMON_OK) {
        read_settings(runtime);
        status = take_registry(runtime, registry);
    }
    if (status != PANICMON_OK) {
        if (err != NULL && *err == NULL) {
            panicmon_error_set(err, status, panicmon_strerror(status));
        }
        panicmon_runtime_free(runtime);
        return status;
    }
    *out = runtime;
    return PANICMON_OK;
}

panicmon_err panicmon_runtime_set_log(panicmon_runtime *runtime, panicmon_log *log)
{
    panicmon_log *dropped = pm_log_ref(log);
    panicmon_err status = PANICMON_ERR_STATE;
    pthread_mutex_lock(&runtime->lock);
    if (pm_runtime_is_new(runtime)) {
        panicmon_log *old = runtime->log;
        runtime->log = dropped;
        dropped = old;
        status = PANICMON_OK;
    }
    pthread_mutex_unlock(&runtime->lock);
    panicmon_log_free(dropped);
    return status;
}

panicmon_err panicmon_runtime_set_sink(panicmon_runtime *runtime, panicmon_sink *sink)
{
    panicmon_sink *dropped = sink == NULL ? NULL : pm_sink_ref(sink);
    panicmon_err status = PANICMON_ERR_STATE;
    pthread_mutex_lock(&runtime->lock);
    if (pm_runtime_is_new(runtime)) {
        panicmon_sink *old = runtime->sink;
        runtime->sink = dropped;
        dropped = old;
        status = PANICMON_OK;
    }
    pthread_mutex_unlock(&runtime->lock);
    panicmon_sink_free(dropped);
    return status;
}

/* ---- the control thread ---- */

static void note_stop(void *user)
{
    (void)user; /* the watch only ends the wait; the flag says the rest */
}

static void control_main(void *arg)
{
    panicmon_runtime *runtime = arg;
    pm_watch *watch = NULL;
    panicmon_err watched =
        pm_watch_new(&watch, runtime->loop, runtime->stop_fd, note_stop, runtime);
    while (!atomic_load(&runtime->stop_asked)) {
        pm_runtime_send_messages(runtime);
        int64_t now = pm_mono_ms();
        int64_t due = runtime->channel->ops->service == NULL
                          ? PM_NEVER
                          : runtime->channel->ops->service(runtime->channel, now);
        /* Without the watch a stop is noticed by looking. */
        due = pm_earlier(due, now + (watched == PANICMON_OK ? 60000 : 200));
        pm_loop_wait(runtime->loop, due);
        runtime->exec->ops->reap(runtime->exec);
    }
    pm_watch_free(watch);
    pthread_mutex_lock(&runtime->lock);
    runtime->phase = PM_STOPPING;
    pthread_mutex_unlock(&runtime->lock);
    pm_runtime_run_hooks(runtime, true);
    runtime->exec->ops->request_stop(runtime->exec);
    pm_runtime_send_messages(runtime);
    runtime->channel->ops->close(runtime->channel, pm_mono_ms() + PM_GRACE_MS / 2);
    pthread_mutex_lock(&runtime->lock);
    runtime->control_over = true;
    pthread_cond_broadcast(&runtime->changed);
    pthread_mutex_unlock(&runtime->lock);
}

/* ---- start ---- */

static panicmon_err default_sink(panicmon_runtime *runtime, panicmon_error **err)
{
    if (runtime->sink != NULL) {
        return PANICMON_OK;
    }
    if (pm_settings_text(runtime->settings, "broker.url") != NULL) {
        return panicmon_sink_new_amqp(&runtime->sink, runtime->settings, err);
    }
    return pm_sink_new_queue(&runtime->sink,
                             (size_t)pm_settings_int(runtime->settings, "queue.limit"));
}

static panicmon_err open_parts(panicmon_runtime *runtime, panicmon_error **err)
{
    const panicmon_settings *settings = runtime->settings;
    const pm_exec_ops *ops = pm_exec_find(panicmon_settings_get(settings, "executor"));
    if (ops == NULL) {
        return pm_error_setf(err, PANICMON_ERR_NOENT, "no executor '%s'",
                             panicmon_settings_get(settings, "executor"));
    }
    panicmon_err status = default_sink(runtime, err);
    if (status == PANICMON_OK) {
        status = open_store(runtime, err);
    }
    if (status != PANICMON_OK) {
        return status;
    }
    const pm_net_options options = {
        .log = runtime->log,
        .tls_ca_file = pm_settings_text(settings, "tls.ca_file"),
        .tls_cert_file = pm_settings_text(settings, "tls.cert_file"),
        .tls_key_file = pm_settings_text(settings, "tls.key_file"),
        .message_limit = (size_t)pm_settings_int(settings, "rpc.limit"),
        .connect_timeout_ms = pm_settings_ms(settings, "rpc.connect_timeout"),
        .connects = (size_t)pm_settings_int(settings, "rpc.connects"),
    };
    status = pm_net_new(&runtime->net, &options);
    if (status == PANICMON_OK) {
        status = pm_loop_new(&runtime->loop, runtime->net);
    }
    if (status == PANICMON_OK) {
        const pm_exec_env env = {.net = runtime->net,
                                 .sink = runtime->sink,
                                 .store = runtime->store,
                                 .log = runtime->log,
                                 .figures = &runtime->figures,
                                 .reaper = runtime->loop,
                                 .loops = (size_t)pm_settings_int(settings, "executor.loops"),
                                 .workers = (size_t)pm_settings_int(settings, "executor.workers"),
                                 .cache_bytes = (size_t)pm_settings_int(settings, "rpc.cache")};
        status = ops->create(&runtime->exec, &env);
    }
    if (status == PANICMON_OK) {
        status = runtime->sink->ops->open(runtime->sink, runtime->loop, runtime->log, COMPONENT,
                                          &runtime->channel);
    }
    return status;
}

void pm_runtime_close_parts(panicmon_runtime *runtime)
{
    if (runtime->channel != NULL) {
        runtime->channel->ops->close(runtime->channel, 0);
        runtime->channel->ops->release(runtime->channel);
        runtime->channel = NULL;
    }
    if (runtime->exec != NULL) {
        runtime->exec->ops->free(runtime->exec);
        runtime->exec = NULL;
    }
    pm_runtime_dismiss_helpers(runtime);
    if (runtime->loop != NULL) {
        pm_loop_free(runtime->loop);
        runtime->loop = NULL;
    }
    if (runtime->net != NULL) {
        pm_net_free(runtime->net);
        runtime->net = NULL;
    }
    pm_store_free(runtime->store);
    runtime->store = NULL;
    pthread_mutex_lock(&runtime->lock); /* as whoever looks at its figure */
    pm_bundle_pool_free(&runtime->bundles);
    pm_bundle_pool_init(&runtime->bundles);
    pthread_mutex_unlock(&runtime->lock);
}

/* Gives the executor what was entered before the start. From here on pm_monitor_start() does. */
static void add_waiting(panicmon_runtime *runtime)
{
    for (;;) {
        panicmon_monitor *next = NULL;
        void *value;
        pthread_mutex_lock(&runtime->lock);
        if (runtime->phase == PM_NEW) {
            runtime->phase = PM_STARTED;
        }
        for (size_t at = 0; next == NULL && pm_map_next(&runtime->monitors, &at, NULL, &value);) {
            panicmon_monitor *monitor = value;
            if (!monitor->added) {
                monitor->added = true;
                next = monitor;
            }
        }
        pthread_mutex_unlock(&runtime->lock);
        if (next == NULL) {
            return;
        }
        pm_monitor_ready(next);
        if (runtime->exec->ops->add(runtime->exec, &next->task) != PANICMON_OK) {
            pm_logf(runtime->log, PANICMON_LOG_ERROR, next->id, "could not be given a thread");
            pm_monitor_set_stopped(next);
        }
    }
}

static panicmon_err start(panicmon_runtime *runtime, panicmon_error **err)
{
    panicmon_err status = open_parts(runtime, err);
    if (status == PANICMON_OK) {
        status =
            pm_thread_start(&runtime->control, "pm:control", PM_STACK_LARGE, control_main, runtime);
    }
    if (status != PANICMON_OK) {
        if (runtime->exec != NULL) { /* its threads have nothing to do, but run */
            runtime->exec->ops->request_stop(runtime->exec);
        }
        pm_runtime_close_parts(runtime);
        if (err != NULL && *err == NULL) {
            panicmon_error_set(err, status, panicmon_strerror(status));
        }
        return status;
    }
    add_waiting(runtime);
    pm_runtime_run_hooks(runtime, false);
    return PANICMON_OK;
}

panicmon_err panicmon_runtime_start(panicmon_runtime *runtime, panicmon_error **err)
{
    pthread_mutex_lock(&runtime->lock);
    bool may = pm_runtime_is_new(runtime) && runtime->pid == getpid();
    runtime->busy = runtime->busy || may;
    pthread_mutex_unlock(&runtime->lock);
    if (!may) {
        return pm_error_setf(err, PANICMON_ERR_STATE, "the runtime was started before");
    }
    panicmon_err status = start(runtime, err);
    pthread_mutex_lock(&runtime->lock);
    pm_runtime_end_busy(runtime);
    pthread_mutex_unlock(&runtime->lock);
    return status;
}

/* ---- the end ---- */

void panicmon_runtime_free(panicmon_runtime *runtime)
{
    if (runtime == NULL) {
        return;
    }
    panicmon_runtime_request_stop(runtime);
    bool joined = panicmon_runtime_join(runtime, -1) == PANICMON_OK;
    pthread_mutex_lock(&runtime->lock);
    bool kept = !joined && pm_runtime_has_threads(runtime);
    pthread_mutex_unlock(&runtime->lock);
    if (kept) { /* what the caller returns to */
        pm_logf(runtime->log, PANICMON_LOG_ERROR, COMPONENT,
                "panicmon_runtime_free() came from a thread of the library: it stops, and is kept");
        return;
    }
    void *value;
    for (size_t at = 0; pm_map_next(&runtime->monitors, &at, NULL, &value); at = 0) {
        pm_monitor_set_stopped(value); /* the runtime never started */
    }
    pm_runtime_drop_messages(runtime);
    pm_runtime_drop_hooks(runtime);
    pm_map_free(&runtime->monitors);
    panicmon_sink_free(runtime->sink);
    panicmon_registry_free(runtime->registry);
    panicmon_settings_free(runtime->settings);
    panicmon_log_free(runtime->log);
    if (runtime->stop_fd >= 0) {
        (void)close(runtime->stop_fd);
    }
    pm_bundle_pool_free(&runtime->bundles);
    (void)pthread_mutex_destroy(&runtime->hook_lock);
    (void)pthread_cond_destroy(&runtime->errand_came);
    (void)pthread_cond_destroy(&runtime->changed);
    (void)pthread_mutex_destroy(&runtime->lock);
    free(runtime);
}

bool pm_runtime_withdraw(panicmon_runtime *runtime, panicmon_monitor *monitor)
{
    pthread_mutex_lock(&runtime->lock);
    bool waiting = !monitor->added;
    monitor->added = true;
    pthread_mutex_unlock(&runtime->lock);
    return waiting;
}

void pm_monitor_abandon(panicmon_monitor *monitor)
{
    panicmon_runtime *runtime = monitor->runtime;
    pthread_mutex_lock(&runtime->lock);
    /* The key may belong to the successor of an abandoned monitor already. */
    if (pm_map_get(&runtime->monitors, monitor->key) == monitor) {
        (void)pm_map_remove(&runtime->monitors, monitor->key);
    }
    pthread_mutex_unlock(&runtime->lock);
}

void pm_runtime_forget(panicmon_runtime *runtime, panicmon_monitor *monitor)
{
    panicmon_monitor_free(monitor);
    /* Last, so that nothing of a monitor is left when the runtime counts as idle. */
    pthread_mutex_lock(&runtime->lock);
    runtime->live--;
    atomic_fetch_sub(&runtime->figures.monitors_running, 1);
    pthread_cond_broadcast(&runtime->changed);
    pthread_mutex_unlock(&runtime->lock);
}

/* ---- for the manager and the starter ---- */

panicmon_registry *pm_runtime_registry(panicmon_runtime *runtime)
{
    return runtime->registry;
}

panicmon_log *pm_runtime_log(panicmon_runtime *runtime)
{
    return runtime->log;
}

const panicmon_settings *pm_runtime_settings(const panicmon_runtime *runtime)
{
    return runtime->settings;
}

pm_store *pm_runtime_store(panicmon_runtime *runtime)
{
    return runtime->store;
}

int64_t pm_runtime_identities(const panicmon_runtime *runtime)
{
    return atomic_load(&runtime->identities);
}
