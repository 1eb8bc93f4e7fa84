/* pool.h: a bounded number of helper threads for work that blocks, made when there is need. Any
 * thread may submit. */
#ifndef PM_POOL_H
#define PM_POOL_H

#include "exec/figures.h"
#include <panicmon/error.h>

typedef struct pm_pool pm_pool;

/* A piece of work; the memory is the submitter's until `run` is called with it. */
typedef struct pm_job {
    struct pm_job *next;
    void (*run)(struct pm_job *job);
} pm_job;

panicmon_err pm_pool_new(pm_pool **out, const char *name, size_t threads_max, pm_figures *figures);
/* Jobs begin in the order in which they came. Fails only when there is no thread at all and none
 * can be made. */
panicmon_err pm_pool_submit(pm_pool *pool, pm_job *job);
/* Waits for the jobs there are; NULL is allowed. */
void pm_pool_free(pm_pool *pool);

#endif
