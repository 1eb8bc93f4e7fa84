/* rounds.c: the executor `rounds`: a thread per round, which connects, works, disconnects and ends.
 * Between rounds a task waits with the dealer. No more than env.workers rounds are under way at
 * once; the others wait for their turn. dealer->lock guards the jobs. */
#include "exec/dealer.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "exec/seat.h"

#define COMPONENT "rounds"
/* How long a round that is over may go on sending what was not confirmed. */
#define FLUSH_MS 1000
/* A round that could not get a thread or a connection is tried again after so long. */
#define AGAIN_MS 1000

/* One round. Its thread owns it until `over`. */
typedef struct job {
    TAILQ_ENTRY(job) entry;
    struct rounds *exec;
    pm_deal *deal;
    pm_thread *thread;
    pm_seat seat;
    bool open; /* may be woken and interrupted */
} job;

typedef TAILQ_HEAD(jobs, job) jobs;

typedef struct rounds {
    pm_dealer dealer; /* first */
    jobs running;
    jobs over; /* threads to be joined */
    size_t count;
    int64_t told; /* when it was last logged that a round could not begin */
} rounds;

/* ---- the thread of a round ---- */

/* Under the lock. */
static void put_off(rounds *exec, pm_deal *deal, const char *what, panicmon_err status)
{
    int64_t now = pm_mono_ms();
    deal->not_before = now + AGAIN_MS;
    if (exec->told == 0 || now - exec->told > 60000) {
        exec->told = now;
        pm_logf(exec->dealer.env.log, PANICMON_LOG_ERROR, COMPONENT, "a round got no %s: %s", what,
                panicmon_strerror(status));
    }
}

static void run_round(job *at, pm_task *task)
{
    pm_dealer *dealer = &at->exec->dealer;
    pthread_mutex_lock(&dealer->lock);
    at->open = true;
    pthread_mutex_unlock(&dealer->lock);
    bool stops = atomic_load(&task->stop) || atomic_load(&dealer->stop);
    bool whole = stops || pm_seat_run(&at->seat, task, &dealer->stop);
    pm_seat_close(&at->seat, pm_mono_ms() + FLUSH_MS);
    if (!whole) {
        task->ops->end(task, pm_mono_us(), true);
    }
    pthread_mutex_lock(&dealer->lock);
    at->open = false;
    pthread_mutex_unlock(&dealer->lock);
    pm_seat_release(&at->seat);
}

static void job_main(void *arg)
{
    job *at = arg;
    rounds *exec = at->exec;
    pm_dealer *dealer = &exec->dealer;
    pm_deal *deal = at->deal;
    panicmon_err status = pm_seat_open(&at->seat, &dealer->env, deal->task->name, false);
    if (status == PANICMON_OK) {
        run_round(at, deal->task);
    }
    atomic_fetch_sub(&dealer->env.figures->threads, 1);
    pthread_mutex_lock(&dealer->lock);
    if (status != PANICMON_OK) {
        put_off(exec, deal, "connection", status);
    }
    TAILQ_REMOVE(&exec->running, at, entry);
    TAILQ_INSERT_TAIL(&exec->over, at, entry);
    exec->count--;
    pm_dealer_return(dealer, deal);
    pthread_mutex_unlock(&dealer->lock);
}

/* ---- handing out ---- */

/* Under the lock, which is let go meanwhile. */
static void join_over(rounds *exec)
{
    job *at;
    while ((at = TAILQ_FIRST(&exec->over)) != NULL) {
        TAILQ_REMOVE(&exec->over, at, entry);
        pthread_mutex_unlock(&exec->dealer.lock);
        pm_thread_join(at->thread);
        free(at);
        pthread_mutex_lock(&exec->dealer.lock);
    }
}

/* Under the lock: the thread cannot get to its end before the job is entered. */
static panicmon_err start_job(rounds *exec, pm_deal *deal)
{
    job *at = calloc(1, sizeof *at);
    if (at == NULL) {
        return PANICMON_ERR_NOMEM;
    }
    at->exec = exec;
    at->deal = deal;
    deal->not_before = 0;
    deal->runner = at;
    atomic_fetch_add(&exec->dealer.env.figures->threads, 1);
    panicmon_err status =
        pm_thread_start(&at->thread, deal->task->name, PM_STACK_SMALL, job_main, at);
    if (status != PANICMON_OK) {
        atomic_fetch_sub(&exec->dealer.env.figures->threads, 1);
        free(at);
        return status;
    }
    TAILQ_INSERT_TAIL(&exec->running, at, entry);
    exec->count++;
    pm_dealer_run(&exec->dealer, deal);
    return PANICMON_OK;
}

static int64_t rounds_deal(pm_dealer *dealer, int64_t now_ms)
{
    rounds *exec = (rounds *)dealer;
    join_over(exec);
    while (exec->count < dealer->env.workers) {
        pm_deal *deal = pm_dealer_take(dealer, now_ms);
        if (deal == NULL) {
            break;
        }
        panicmon_err status = start_job(exec, deal);
        if (status != PANICMON_OK) {
            put_off(exec, deal, "thread", status);
            pm_dealer_return(dealer, deal);
            break;
        }
    }
    return PM_NEVER;
}

static void rounds_nudge(pm_dealer *dealer, pm_deal *deal)
{
    job *at = deal->runner;
    (void)dealer;
    if (at->open) {
        pm_seat_wake(&at->seat);
    }
}

/* ---- the executor ---- */

static panicmon_err rounds_create(pm_exec **out, const pm_exec_env *env)
{
    rounds *exec = calloc(1, sizeof *exec);
    if (exec == NULL) {
        return PANICMON_ERR_NOMEM;
    }
    TAILQ_INIT(&exec->running);
    TAILQ_INIT(&exec->over);
    exec->dealer.deal = rounds_deal;
    exec->dealer.nudge = rounds_nudge;
    panicmon_err status = pm_dealer_init(&exec->dealer, &pm_exec_rounds, env);
    if (status != PANICMON_OK) {
        free(exec);
        return status;
    }
    *out = &exec->dealer.base;
    return PANICMON_OK;
}

static void rounds_interrupt(pm_exec *base)
{
    rounds *exec = (rounds *)base;
    job *at;
    pthread_mutex_lock(&exec->dealer.lock);
    TAILQ_FOREACH(at, &exec->running, entry)
    {
        if (at->open) {
            pm_seat_interrupt(&at->seat);
        }
    }
    pthread_mutex_unlock(&exec->dealer.lock);
}

static void rounds_reap(pm_exec *base)
{
    (void)base; /* the dealer does */
}

static void rounds_free(pm_exec *base)
{
    rounds *exec = (rounds *)base;
    pm_dealer_quit(&exec->dealer);
    for (job *at; (at = TAILQ_FIRST(&exec->over)) != NULL;) {
        TAILQ_REMOVE(&exec->over, at, entry);
        pm_thread_join(at->thread);
        free(at);
    }
    pm_dealer_fini(&exec->dealer);
    free(exec);
}

const pm_exec_ops pm_exec_rounds = {
    .name = "rounds",
    .create = rounds_create,
    .add = pm_dealer_add,
    .wake = pm_dealer_wake,
    .request_stop = pm_dealer_request_stop,
    .interrupt = rounds_interrupt,
    .reap = rounds_reap,
    .free = rounds_free,
};
