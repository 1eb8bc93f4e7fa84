/* runtime_stop.c: asking a runtime to stop, and waiting for its end. Any number of threads may
 * wait: whoever finds something to do does it, while `busy` keeps the others off. The runtime's
 * lock guards all of it, and is let go of for what takes its time. */
#include <errno.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "core/monitor_impl.h"

#define COMPONENT "runtime"
/* Waits that are stuck are broken again after this long. */
#define BREAK_MS 200

/* ---- under the lock ---- */

bool pm_runtime_is_new(const panicmon_runtime *runtime)
{
    return runtime->phase == PM_NEW && !runtime->busy;
}

bool pm_runtime_has_threads(const panicmon_runtime *runtime)
{
    return runtime->phase != PM_ENDED && !pm_runtime_is_new(runtime);
}

void pm_runtime_end_busy(panicmon_runtime *runtime)
{
    runtime->busy = false;
    pthread_cond_broadcast(&runtime->changed);
}

/* Whether its threads have nothing left to do. */
static bool is_over(const panicmon_runtime *runtime)
{
    return runtime->live == 0 && runtime->control_over;
}

/* Breaks whatever is waited for; messages that were not sent by now are not. */
static void break_waits(panicmon_runtime *runtime)
{
    bool control_over = runtime->control_over;
    runtime->busy = true;
    pthread_mutex_unlock(&runtime->lock);
    runtime->exec->ops->interrupt(runtime->exec);
    if (!control_over && runtime->channel->ops->interrupt != NULL) {
        runtime->channel->ops->interrupt(runtime->channel);
    }
    pthread_mutex_lock(&runtime->lock);
    runtime->break_at = pm_mono_ms() + BREAK_MS;
    runtime->broken = true;
    pm_runtime_end_busy(runtime);
}

static void end(panicmon_runtime *runtime)
{
    runtime->busy = true;
    pthread_mutex_unlock(&runtime->lock);
    pm_thread_join(runtime->control);
    runtime->control = NULL;
    pm_runtime_close_parts(runtime);
    pthread_mutex_lock(&runtime->lock);
    runtime->phase = PM_ENDED;
    pm_runtime_end_busy(runtime);
}

static panicmon_err await_end(panicmon_runtime *runtime, int64_t until)
{
    while (pm_runtime_has_threads(runtime)) {
        int64_t now = pm_mono_ms();
        bool over = is_over(runtime);
        bool waits = runtime->busy || (!over && now < runtime->break_at);
        if (!waits && over) {
            end(runtime);
        } else if (!waits) {
            break_waits(runtime);
        } else if (now >= until) {
            return PANICMON_ERR_TIMEOUT;
        } else {
            int64_t next = runtime->busy ? until : pm_earlier(until, runtime->break_at);
            (void)pm_cond_wait_until(&runtime->changed, &runtime->lock, next);
        }
    }
    return PANICMON_OK;
}

/* ---- for the host ---- */

void panicmon_runtime_request_stop(panicmon_runtime *runtime)
{
    int saved = errno;
    const uint64_t one = 1;
    atomic_store(&runtime->stop_asked, true);
    ssize_t wrote = write(runtime->stop_fd, &one, sizeof one);
    (void)wrote; /* full means that it is readable already */
    errno = saved;
}

panicmon_err panicmon_runtime_join(panicmon_runtime *runtime, int64_t timeout_ms)
{
    if (pm_thread_is_ours()) {
        return PANICMON_ERR_DEADLOCK;
    }
    int64_t now = pm_mono_ms();
    int64_t until = timeout_ms < 0 ? PM_NEVER : now + timeout_ms;
    panicmon_err status = PANICMON_OK;
    pthread_mutex_lock(&runtime->lock);
    bool runs = pm_runtime_has_threads(runtime);
    if (runs && !atomic_load(&runtime->stop_asked)) {
        status = PANICMON_ERR_STATE;
    } else if (runs) {
        if (runtime->break_at == 0) { /* a caller may join in small portions */
            runtime->break_at = now + PM_GRACE_MS;
        }
        status = await_end(runtime, until);
    }
    size_t live = runtime->broken ? runtime->live : 0;
    pthread_mutex_unlock(&runtime->lock);
    if (status == PANICMON_ERR_TIMEOUT && live > 0) {
        pm_logf(runtime->log, PANICMON_LOG_WARNING, COMPONENT, "%zu monitors have not stopped yet",
                live);
    }
    return status;
}

panicmon_err panicmon_runtime_wait_idle(panicmon_runtime *runtime, int64_t timeout_ms)
{
    if (pm_thread_is_ours()) {
        return PANICMON_ERR_DEADLOCK;
    }
    int64_t until = timeout_ms < 0 ? PM_NEVER : pm_mono_ms() + timeout_ms;
    int waited = 0;
    pthread_mutex_lock(&runtime->lock);
    while (runtime->live > 0 && waited == 0) {
        waited = pm_cond_wait_until(&runtime->changed, &runtime->lock, until);
    }
    bool idle = runtime->live == 0;
    pthread_mutex_unlock(&runtime->lock);
    return idle ? PANICMON_OK : PANICMON_ERR_TIMEOUT;
}
