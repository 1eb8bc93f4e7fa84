/* reload.c: see reload.h. */
#include "reload.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "signals.h"

/* The server answers nobody else meanwhile. */
#define WAIT_S 5

struct reload {
    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t changed;
    unsigned asked;
    unsigned begun;    /* requests that there were when the file was last read */
    unsigned answered; /* requests that are done with */
    bool good;
    bool over;
};

reload *reload_new(void)
{
    reload *made = calloc(1, sizeof *made);
    pthread_condattr_t clock;
    if (made != NULL) {
        (void)pthread_mutex_init(&made->lock, NULL);
        (void)pthread_condattr_init(&clock);
        (void)pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
        (void)pthread_cond_init(&made->changed, &clock);
        (void)pthread_condattr_destroy(&clock);
    }
    return made;
}

void reload_free(reload *reload)
{
    if (reload != NULL) {
        (void)pthread_cond_destroy(&reload->changed);
        (void)pthread_mutex_destroy(&reload->lock);
        free(reload);
    }
}

reload_result reload_ask(reload *reload)
{
    struct timespec until;
    int waited = 0;
    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += WAIT_S;
    pthread_mutex_lock(&reload->lock);
    unsigned number = ++reload->asked;
    signals_reload();
    while (reload->answered < number && !reload->over && waited == 0) {
        waited = pthread_cond_timedwait(&reload->changed, &reload->lock, &until);
    }
    reload_result result = reload->answered < number ? RELOAD_NO_ANSWER
                           : reload->good            ? RELOAD_TAKEN
                                                     : RELOAD_FAULTY;
    pthread_mutex_unlock(&reload->lock);
    return result;
}

void reload_begin(reload *reload)
{
    pthread_mutex_lock(&reload->lock);
    reload->begun = reload->asked;
    pthread_mutex_unlock(&reload->lock);
}

void reload_done(reload *reload, bool good)
{
    pthread_mutex_lock(&reload->lock);
    reload->answered = reload->begun;
    reload->good = good;
    pthread_cond_broadcast(&reload->changed);
    pthread_mutex_unlock(&reload->lock);
}

void reload_end(reload *reload)
{
    pthread_mutex_lock(&reload->lock);
    reload->over = true;
    pthread_cond_broadcast(&reload->changed);
    pthread_mutex_unlock(&reload->lock);
}
