/* thread.c: see thread.h. */
#include "base/thread.h"

#include <errno.h>
#include <locale.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"

struct pm_thread {
    pthread_t id;
};

typedef struct start {
    void (*run)(void *);
    void *arg;
    char name[16];
} start;

static _Thread_local int ours;

static void *thread_main(void *arg)
{
    start at = *(start *)arg;
    free(arg);
    ours = 1;
    (void)pthread_setname_np(pthread_self(), at.name);
    /* jansson 2.14 aborts when two threads parse reals under different locales. */
    locale_t c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    if (c_locale != (locale_t)0) {
        (void)uselocale(c_locale);
    }
    at.run(at.arg);
    if (c_locale != (locale_t)0) {
        (void)uselocale(LC_GLOBAL_LOCALE);
        freelocale(c_locale);
    }
    return NULL;
}

panicmon_err pm_thread_start(pm_thread **out, const char *name, size_t stack, void (*run)(void *),
                             void *arg)
{
    pm_thread *thread = malloc(sizeof *thread);
    start *at = malloc(sizeof *at);
    pthread_attr_t attr;
    if (thread == NULL || at == NULL || pthread_attr_init(&attr) != 0) {
        free(thread);
        free(at);
        return PANICMON_ERR_NOMEM;
    }
    *at = (start){.run = run, .arg = arg};
    strncpy(at->name, name, sizeof at->name - 1);
    (void)pthread_attr_setstacksize(&attr, stack);
    sigset_t all;
    sigset_t old;
    sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &old);
    int failed = pthread_create(&thread->id, &attr, thread_main, at);
    (void)pthread_sigmask(SIG_SETMASK, &old, NULL);
    pthread_attr_destroy(&attr);
    if (failed != 0) {
        free(thread);
        free(at);
        return failed == EAGAIN ? PANICMON_ERR_LIMIT : PANICMON_ERR_SYSTEM;
    }
    *out = thread;
    return PANICMON_OK;
}

void pm_thread_join(pm_thread *thread)
{
    if (thread != NULL) {
        (void)pthread_join(thread->id, NULL);
        free(thread);
    }
}

void pm_thread_detach(pm_thread *thread)
{
    (void)pthread_detach(thread->id);
    free(thread);
}

int pm_thread_is_ours(void)
{
    return ours;
}

void pm_cond_init(pthread_cond_t *cond)
{
    pthread_condattr_t attr;
    (void)pthread_condattr_init(&attr);
    (void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    (void)pthread_cond_init(cond, &attr);
    (void)pthread_condattr_destroy(&attr);
}

int pm_cond_wait_until(pthread_cond_t *cond, pthread_mutex_t *lock, int64_t until_ms)
{
    if (until_ms == PM_NEVER) {
        return pthread_cond_wait(cond, lock);
    }
    struct timespec until = {.tv_sec = (time_t)(until_ms / 1000),
                             .tv_nsec = (long)(until_ms % 1000) * 1000000};
    return pthread_cond_timedwait(cond, lock, &until);
}
