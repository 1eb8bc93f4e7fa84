/* pool.c: see pool.h. pool->lock guards all of it; jobs run without it. */
#include "exec/pool.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/thread.h"

struct pm_pool {
    char name[16];
    pm_figures *figures;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    pm_job *first;
    pm_job **end;
    size_t waiting; /* jobs */
    size_t idle;    /* threads */
    size_t count;
    size_t max;
    bool quit;
    pm_thread *threads[];
};

static void pool_main(void *arg)
{
    pm_pool *pool = arg;
    pthread_mutex_lock(&pool->lock);
    for (;;) {
        pm_job *job = pool->first;
        if (job != NULL) {
            pool->first = job->next;
            if (pool->first == NULL) {
                pool->end = &pool->first;
            }
            pool->waiting--;
            pthread_mutex_unlock(&pool->lock);
            job->run(job);
            pthread_mutex_lock(&pool->lock);
        } else if (pool->quit) {
            break;
        } else {
            pool->idle++;
            (void)pm_cond_wait_until(&pool->changed, &pool->lock, PM_NEVER);
            pool->idle--;
        }
    }
    pthread_mutex_unlock(&pool->lock);
    atomic_fetch_sub(&pool->figures->threads, 1);
}

panicmon_err pm_pool_new(pm_pool **out, const char *name, size_t threads_max, pm_figures *figures)
{
    pm_pool *pool = calloc(1, sizeof *pool + threads_max * sizeof(pm_thread *));
    if (pool == NULL) {
        return PANICMON_ERR_NOMEM;
    }
    strncpy(pool->name, name, sizeof pool->name - 1);
    pool->figures = figures;
    pool->max = threads_max;
    pool->end = &pool->first;
    (void)pthread_mutex_init(&pool->lock, NULL);
    pm_cond_init(&pool->changed);
    *out = pool;
    return PANICMON_OK;
}

/* Under the lock. */
static panicmon_err add_thread(pm_pool *pool)
{
    panicmon_err status =
        pm_thread_start(&pool->threads[pool->count], pool->name, PM_STACK_SMALL, pool_main, pool);
    if (status == PANICMON_OK) {
        pool->count++;
        atomic_fetch_add(&pool->figures->threads, 1);
    }
    return pool->count > 0 ? PANICMON_OK : status;
}

panicmon_err pm_pool_submit(pm_pool *pool, pm_job *job)
{
    panicmon_err status = PANICMON_OK;
    pthread_mutex_lock(&pool->lock);
    if (pool->waiting >= pool->idle && pool->count < pool->max) {
        status = add_thread(pool);
    }
    if (status == PANICMON_OK) {
        job->next = NULL;
        *pool->end = job;
        pool->end = &job->next;
        pool->waiting++;
        pthread_cond_signal(&pool->changed);
    }
    pthread_mutex_unlock(&pool->lock);
    return status;
}

void pm_pool_free(pm_pool *pool)
{
    if (pool == NULL) {
        return;
    }
    pthread_mutex_lock(&pool->lock);
    pool->quit = true;
    pthread_cond_broadcast(&pool->changed);
    pthread_mutex_unlock(&pool->lock);
    for (size_t i = 0; i < pool->count; i++) {
        pm_thread_join(pool->threads[i]);
    }
    (void)pthread_cond_destroy(&pool->changed);
    (void)pthread_mutex_destroy(&pool->lock);
    free(pool);
}
