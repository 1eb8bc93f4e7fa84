/* help.c: a runtime's helper threads, for what strategies may do that takes its time. Executors
 * have their own for the rounds. A helper is made when all others are busy, since any of them may
 * never come back, and ends when it was idle for a moment. The runtime's lock guards all of it;
 * errands run without it. */
#include <stdlib.h>

#include "base/clock.h"
#include "core/monitor_impl.h"

#define IDLE_MS 500

/* Takes the first errand, waiting a moment for one; NULL: none came. Under the lock. */
static pm_errand *take(panicmon_runtime *runtime)
{
    int64_t until = pm_mono_ms() + IDLE_MS;
    runtime->helpers_idle++;
    while (runtime->errands == NULL && !runtime->helpers_quit && pm_mono_ms() < until) {
        (void)pm_cond_wait_until(&runtime->errand_came, &runtime->lock, until);
    }
    runtime->helpers_idle--;
    pm_errand *errand = runtime->errands;
    if (errand != NULL) {
        runtime->errands = errand->next;
        runtime->errand_count--;
    }
    return errand;
}

static void helper_main(void *arg)
{
    panicmon_runtime *runtime = arg;
    pm_errand *errand;
    pthread_mutex_lock(&runtime->lock);
    while ((errand = take(runtime)) != NULL) {
        pthread_mutex_unlock(&runtime->lock);
        errand->run(errand);
        pthread_mutex_lock(&runtime->lock);
        runtime->live--; /* only now may a stop go on */
        pthread_cond_broadcast(&runtime->changed);
    }
    runtime->helpers--;
    atomic_fetch_sub(&runtime->figures.threads, 1);
    pthread_cond_broadcast(&runtime->changed);
    pthread_mutex_unlock(&runtime->lock);
}

/* Under the lock: a helper more when there are more errands than can be begun at once. */
static bool may_begin(panicmon_runtime *runtime)
{
    pm_thread *thread = NULL;
    if (runtime->errand_count < runtime->helpers_idle) {
        return true;
    }
    if (pm_thread_start(&thread, "pm:helper", PM_STACK_LARGE, helper_main, runtime) !=
        PANICMON_OK) {
        return false;
    }
    pm_thread_detach(thread);
    runtime->helpers++;
    atomic_fetch_add(&runtime->figures.threads, 1);
    return true;
}

void pm_runtime_help(panicmon_runtime *runtime, pm_errand *errand)
{
    pthread_mutex_lock(&runtime->lock);
    /* While anything lives the stop is not through. */
    bool taken =
        (runtime->phase == PM_STARTED || (runtime->phase == PM_STOPPING && runtime->live > 0)) &&
        may_begin(runtime);
    if (taken) {
        pm_errand **end = &runtime->errands;
        while (*end != NULL) {
            end = &(*end)->next;
        }
        errand->next = NULL;
        *end = errand;
        runtime->errand_count++;
        runtime->live++;
        pthread_cond_signal(&runtime->errand_came);
    }
    pthread_mutex_unlock(&runtime->lock);
    if (!taken) {
        errand->run(errand);
    }
}

void pm_runtime_dismiss_helpers(panicmon_runtime *runtime)
{
    pthread_mutex_lock(&runtime->lock);
    runtime->helpers_quit = true;
    pthread_cond_broadcast(&runtime->errand_came);
    while (runtime->helpers > 0) {
        (void)pm_cond_wait_until(&runtime->changed, &runtime->lock, PM_NEVER);
    }
    pthread_mutex_unlock(&runtime->lock);
}
