/* turn.c: a monitor's turns: when a round is due, its steps, its end, and restarting after a
 * failure. Runs in the thread that has the turn. */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "core/monitor_impl.h"

#define BACKOFF_FIRST_MS 1000
#define BACKOFF_LAST_MS  60000
#define BACKOFF_LEAST_MS 100
/* A round that begins later than this, and than a tenth of its period, counts as late. */
#define LATE_MS 250

_Static_assert(offsetof(panicmon_monitor, refs) <= PM_TASK_HOT, "what a turn touches comes first");

static panicmon_monitor *of(pm_task *task)
{
    return (panicmon_monitor *)task;
}

/* Logs a problem when it is another one than before; `text` NULL: all is well again. */
static void tell(panicmon_monitor *monitor, panicmon_log_level level, const char *text)
{
    pm_buf *last = &monitor->last_error;
    if (text == NULL) {
        if (last->len > 0) {
            pm_logf(monitor->runtime->log, PANICMON_LOG_INFO, monitor->round.name, "recovered");
        }
        pm_buf_clear(last);
    } else if (last->data == NULL || strcmp(last->data, text) != 0) {
        pm_logf(monitor->runtime->log, level, monitor->round.name, "%s", text);
        pm_buf_clear(last);
        pm_buf_text(last, text);
    }
}

/* The next time on the monitorable's own grid, which is stable over restarts, spread over the
 * period, and bound to the clock, so that rounds do not drift. At least half a period after the
 * last one: the grid moves when the clock is set. */
static int64_t next_due(const panicmon_monitor *monitor, int64_t now_ms)
{
    int64_t due = now_ms + pm_monitor_phase_ms(monitor);
    return due < monitor->due_ms + monitor->period_ms / 2 ? due + monitor->period_ms : due;
}

int64_t pm_monitor_phase_ms(const panicmon_monitor *monitor)
{
    int64_t period = monitor->period_ms;
    int64_t phase = (int64_t)(monitor->phase % (uint64_t)period);
    int64_t since = (pm_wall_ms() - phase) % period;
    return period - (since < 0 ? since + period : since);
}

/* Anything up to the bound, so that what failed together does not come back together. */
static int64_t jitter(const panicmon_monitor *monitor, int64_t bound)
{
    uint64_t mixed = (monitor->phase ^ (uint64_t)pm_mono_us()) * UINT64_C(0x9e3779b97f4a7c15);
    return BACKOFF_LEAST_MS + (int64_t)((mixed >> 20) % (uint64_t)bound);
}

static void set_current(panicmon_monitor *monitor, panicmon_monitor_state state)
{
    atomic_store_explicit(&monitor->current, (int)state, memory_order_release);
}

static void enter_backoff(panicmon_monitor *monitor, int64_t now_ms)
{
    int64_t last = monitor->backoff_ms;
    monitor->backoff_ms = last == 0 ? BACKOFF_FIRST_MS : pm_earlier(last * 2, BACKOFF_LAST_MS);
    monitor->due_ms = now_ms + jitter(monitor, monitor->backoff_ms);
    set_current(monitor, PANICMON_MONITOR_BACKOFF);
}

/* A strategy may fail without a word. */
static void tell_restart_failed(panicmon_monitor *monitor, panicmon_err status,
                                const panicmon_error *err)
{
    const char *message = err != NULL ? panicmon_error_message(err) : "";
    pm_buf text = {0};
    pm_buf_format(&text, "could not be restarted (%s): %s", panicmon_err_name(status),
                  *message != '\0' ? message : panicmon_strerror(status));
    tell(monitor, PANICMON_LOG_ERROR, text.failed ? "could not be restarted" : text.data);
    pm_buf_free(&text);
}

/* Makes the strategy's monitor anew. False: it is tried again later, and until then there is no
 * round to run or to count. */
static bool restart(panicmon_monitor *monitor)
{
    panicmon_error *err = NULL;
    pm_figures *figures = &monitor->runtime->figures;
    pm_monitor_drop_state(monitor);
    panicmon_err status = pm_monitor_launch(monitor, &err);
    if (status == PANICMON_OK) {
        atomic_fetch_add(&figures->restarts, 1);
        set_current(monitor, PANICMON_MONITOR_STARTING);
    } else {
        atomic_fetch_add(&figures->failures, 1);
        tell_restart_failed(monitor, status, err);
        enter_backoff(monitor, pm_mono_ms()); /* the attempt may have taken its time */
    }
    panicmon_error_free(err);
    return status == PANICMON_OK;
}

static bool has_update(const panicmon_monitor *monitor)
{
    return atomic_load_explicit(&monitor->has_next, memory_order_acquire);
}

/* Whether there was one. */
static bool take_update(panicmon_monitor *monitor)
{
    if (!has_update(monitor)) {
        return false;
    }
    pthread_mutex_lock(&monitor->lock);
    void *next = monitor->next_parsed;
    monitor->next_parsed = NULL;
    atomic_store_explicit(&monitor->has_next, false, memory_order_relaxed);
    pthread_mutex_unlock(&monitor->lock);
    void *old = monitor->parsed;
    bool in_place = false;
    if (monitor->has_state && monitor->ops.update != NULL) {
        pm_monitor_call_begin(monitor, "its update", pm_mono_ms());
        in_place = monitor->ops.update(monitor->state, next) == PANICMON_OK;
        pm_monitor_call_end(monitor);
    }
    monitor->parsed = next;
    if (!in_place && restart(monitor)) {
        monitor->due_ms = pm_mono_ms();
    }
    pm_monitor_drop_parsed(monitor, old);
    return true;
}

/* Calls nothing of the monitor's own, which might block: an update gets a turn like a round. */
static int64_t task_due(pm_task *task, int64_t now_ms)
{
    panicmon_monitor *monitor = of(task);
    if (monitor->ended) {
        return PM_NEVER;
    }
    return has_update(monitor) ? now_ms : monitor->due_ms;
}

static void task_begin(pm_task *task, int64_t now_us)
{
    panicmon_monitor *monitor = of(task);
    pm_figures *figures = &monitor->runtime->figures;
    if (take_update(monitor)) {
        now_us = pm_mono_us(); /* that may have taken its time */
    }
    int64_t lag_us = now_us - monitor->due_ms * 1000;
    monitor->no_round = now_us / 1000 < monitor->due_ms;
    if (!monitor->no_round && !monitor->has_state) {
        monitor->no_round = !restart(monitor);
        now_us = pm_mono_us(); /* and this, which is no lag of ours */
    }
    if (monitor->no_round) {
        return;
    }
    monitor->began_us = now_us;
    pm_histogram_add(&figures->lag_us, lag_us);
    int64_t late_ms = lag_us / 1000;
    if (late_ms > LATE_MS && late_ms > monitor->period_ms / 10) {
        atomic_fetch_add(&figures->late, 1);
    }
    pm_round_begin(&monitor->round, pm_wall_ms(), now_us / 1000,
                   pm_earlier(monitor->runtime->round_deadline_ms, monitor->period_ms));
}

/* The step's own failure, not a peer's. */
static void step_failed(panicmon_monitor *monitor, panicmon_err status, const panicmon_error *err)
{
    pm_logf(monitor->runtime->log, PANICMON_LOG_ERROR, monitor->round.name,
            "step %u failed (%s): %s; the monitor is restarted", (unsigned)monitor->round.step,
            panicmon_err_name(status),
            err != NULL ? panicmon_error_message(err) : panicmon_strerror(status));
    pm_round_clear(&monitor->round);
    pm_monitor_drop_state(monitor);
}

static size_t task_step(pm_task *task, int64_t now_us, pm_request *const **requests)
{
    panicmon_monitor *monitor = of(task);
    panicmon_round *round = &monitor->round;
    if (!monitor->has_state || monitor->no_round) {
        return 0;
    }
    panicmon_error *err = NULL;
    round->step_ms = task->blocking ? 0 : now_us / 1000;
    if (round->asked.count > 0) {
        pm_round_turn(round);
    }
    pm_monitor_call_begin(monitor, "a step", now_us / 1000);
    panicmon_err status = monitor->ops.step(monitor->state, round, &err);
    pm_monitor_call_end(monitor);
    pm_round_rest(round);
    if (status != PANICMON_OK) {
        step_failed(monitor, status, err);
    }
    if (err != NULL) {
        panicmon_error_free(err);
    }
    *requests = round->asked.items;
    return round->asked.count;
}

/* Rounds that are left out because the last one took too long, or began too late. */
static void count_overruns(panicmon_monitor *monitor, int64_t due)
{
    int64_t period = monitor->period_ms;
    int64_t rounds = (due - monitor->due_ms + period / 4) / period;
    if (rounds > 1) {
        atomic_fetch_add(&monitor->runtime->figures.overruns, rounds - 1);
    }
}

static void task_end(pm_task *task, int64_t now_us, bool aborted)
{
    int64_t now_ms = now_us / 1000;
    panicmon_monitor *monitor = of(task);
    panicmon_runtime *runtime = monitor->runtime;
    bool failed = monitor->round.failed;
    if (monitor->no_round) {
        monitor->no_round = false;
        return;
    }
    if (aborted) {
        pm_round_clear(&monitor->round);
        return;
    }
    pm_histogram_add(&runtime->figures.round_us, now_us - monitor->began_us);
    atomic_fetch_add(&runtime->figures.rounds, 1);
    atomic_store_explicit(&monitor->last_end_ms, now_ms, memory_order_release);
    if (!monitor->has_state) {
        atomic_fetch_add(&runtime->figures.failures, 1);
        enter_backoff(monitor, now_ms);
    } else {
        atomic_fetch_add(failed ? &runtime->figures.errors : &runtime->figures.results, 1);
        set_current(monitor, failed ? PANICMON_MONITOR_FAILING : PANICMON_MONITOR_RUNNING);
        tell(monitor, PANICMON_LOG_WARNING, failed ? monitor->round.failure.data : NULL);
        monitor->backoff_ms = 0;
        int64_t due = next_due(monitor, now_ms);
        count_overruns(monitor, due);
        monitor->due_ms = due;
    }
    pm_logf(runtime->log, PANICMON_LOG_DEBUG, monitor->round.name, "round of %lld ms, %u steps",
            (long long)(now_ms - monitor->round.began_ms), (unsigned)monitor->round.step);
    pm_round_clear(&monitor->round);
    int64_t rounds = atomic_load_explicit(&monitor->rounds, memory_order_relaxed) + 1;
    atomic_store_explicit(&monitor->rounds, rounds, memory_order_release);
    monitor->ended = runtime->rounds > 0 && rounds >= runtime->rounds;
}

static void say_farewell(pm_errand *errand)
{
    panicmon_monitor *monitor =
        (panicmon_monitor *)(void *)((char *)errand - offsetof(panicmon_monitor, farewell));
    pm_monitor_set_stopped(monitor);
}

/* Freeing the strategy's monitor may block like its steps. */
static void task_stopped(pm_task *task)
{
    panicmon_monitor *monitor = of(task);
    if (task->blocking && monitor->has_state) {
        monitor->farewell.run = say_farewell;
        pm_runtime_help(monitor->runtime, &monitor->farewell);
    } else {
        pm_monitor_set_stopped(monitor);
    }
}

const pm_task_ops pm_monitor_task_ops = {
    .due = task_due,
    .begin = task_begin,
    .step = task_step,
    .end = task_end,
    .stopped = task_stopped,
};
