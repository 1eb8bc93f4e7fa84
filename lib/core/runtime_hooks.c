/* runtime_hooks.c: what others want to be called for when a runtime starts and stops. Any thread; a
 * lock of its own guards the list, and is held while hooks run. */
#include <stdlib.h>

#include "core/runtime_impl.h"

/* Once: a hook that comes while the runtime starts would be called by both threads. */
static void start_hook(pm_hook *hook)
{
    if (hook->start != NULL && !hook->started) {
        hook->started = true;
        hook->start(hook->user);
    }
}

void pm_runtime_run_hooks(panicmon_runtime *runtime, bool stop)
{
    pthread_mutex_lock(&runtime->hook_lock);
    for (pm_hook *hook = runtime->hooks; hook != NULL; hook = hook->next) {
        if (!stop) {
            start_hook(hook);
        } else if (hook->stop != NULL) {
            hook->stop(hook->user);
        }
    }
    pthread_mutex_unlock(&runtime->hook_lock);
}

void pm_runtime_drop_hooks(panicmon_runtime *runtime)
{
    while (runtime->hooks != NULL) {
        pm_hook *next = runtime->hooks->next;
        free(runtime->hooks);
        runtime->hooks = next;
    }
}

static pm_hook *find_hook(panicmon_runtime *runtime, void *user)
{
    pm_hook *hook = runtime->hooks;
    while (hook != NULL && hook->user != user) {
        hook = hook->next;
    }
    return hook;
}

static panicmon_err set_hook(panicmon_runtime *runtime, void (*start)(void *), void (*stop)(void *),
                             void *user)
{
    pm_hook *made = calloc(1, sizeof *made);
    if (made == NULL) {
        return PANICMON_ERR_NOMEM;
    }
    pthread_mutex_lock(&runtime->hook_lock);
    pm_hook *hook = find_hook(runtime, user);
    if (hook == NULL) {
        hook = made;
        made = NULL;
        hook->user = user;
        hook->next = runtime->hooks;
        runtime->hooks = hook;
    }
    if (stop != NULL) {
        hook->stop = stop;
    }
    if (start != NULL) {
        hook->start = start;
        if (runtime->phase == PM_STARTED) {
            start_hook(hook);
        }
    }
    pthread_mutex_unlock(&runtime->hook_lock);
    free(made);
    return PANICMON_OK;
}

panicmon_err pm_runtime_on_start(panicmon_runtime *runtime, void (*hook)(void *user), void *user)
{
    return set_hook(runtime, hook, NULL, user);
}

panicmon_err pm_runtime_on_stop(panicmon_runtime *runtime, void (*hook)(void *user), void *user)
{
    return set_hook(runtime, NULL, hook, user);
}

void pm_runtime_off(panicmon_runtime *runtime, void *user)
{
    pthread_mutex_lock(&runtime->hook_lock);
    pm_hook **link = &runtime->hooks;
    while (*link != NULL && (*link)->user != user) {
        link = &(*link)->next;
    }
    pm_hook *hook = *link;
    if (hook != NULL) {
        *link = hook->next;
    }
    pthread_mutex_unlock(&runtime->hook_lock);
    free(hook);
}
