/* queue.c: the executor `queue`: tasks that are due stand in a queue. Every X ms a batch of Y is
 * taken from its front; workers check what was taken against its newest config, run it, and put it
 * back at the end, where it waits with the dealer until it is due again.
 *
 * X, Y and the number of workers follow the number of rounds a second and the measured time of a
 * round. A task goes to the same worker each time unless that one is busy for long, because the
 * worker keeps its connections. dealer->lock guards the workers but for what is theirs. */
#include "exec/dealer.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "exec/seat.h"

#define COMPONENT "queue"
#define FLUSH_MS  1000
/* Bounds of X. */
#define BATCH_MS_MIN 5
#define BATCH_MS_MAX 200
/* A task that was taken waits so long for its own worker before any other may have it. */
#define OWN_MS 30
/* How often rounds a second are counted. */
#define RATE_MS 1000
/* How soon a worker that could not be started is tried again. */
#define AGAIN_MS 1000
/* Workers started at once. */
#define GROWTH 4
/* How often one is added because all are busy. */
#define BEHIND_MS 100
/* A worker keeps a connection so long; others take its tasks over when their number changes. */
#define IDLE_MS 30000

typedef struct worker {
    struct queue *exec;
    pm_thread *thread;
    pm_seat seat;
    pm_deal *deal; /* what it runs or is to run; NULL: it is idle */
    bool open;     /* may be woken and interrupted */
} worker;

typedef struct queue {
    pm_dealer dealer; /* first */
    worker **workers; /* env.workers places */
    size_t count;
    int64_t no_more_before; /* a worker could not be started */
    int64_t batch_ms;       /* X */
    int64_t next_batch;
    int64_t next_behind;
    int64_t rate; /* rounds a second, times 16 */
    int64_t rate_since;
    size_t arrived_before;
    atomic_int_fast64_t round_us; /* moving mean */
} queue;

/* ---- a worker ---- */

static void note_time(queue *exec, int64_t us)
{
    int64_t mean = atomic_load(&exec->round_us); /* a lost update does no harm */
    atomic_store(&exec->round_us, mean == 0 ? us : mean + (us - mean) / 16);
}

/* Gives false when the worker cannot go on, because of the stop. */
static bool run_task(worker *self, pm_task *task)
{
    queue *exec = self->exec;
    const atomic_bool *stop = &exec->dealer.stop;
    int64_t began = pm_mono_us();
    if (atomic_load(stop) || atomic_load(&task->stop) ||
        task->ops->due(task, pm_mono_ms()) > pm_mono_ms()) {
        return true; /* the dealer looks again */
    }
    if (pm_seat_run(&self->seat, task, stop)) {
        note_time(exec, pm_mono_us() - began);
        return true;
    }
    pm_seat_abort(&self->seat, stop);
    bool all = self->seat.pending == 0;
    if (!all) {
        pm_seat_close(&self->seat, pm_mono_ms() + FLUSH_MS);
    }
    task->ops->end(task, pm_mono_us(), true);
    return all;
}

/* Under the lock: the task among those taken that this worker should run next. */
static pm_deal *choose(worker *self, int64_t now)
{
    queue *exec = self->exec;
    pm_deal *deal;
    TAILQ_FOREACH(deal, &exec->dealer.dealt, entry)
    {
        if (deal->runner == NULL &&
            (exec->workers[deal->task->key % exec->count] == self || now - deal->since >= OWN_MS)) {
            break;
        }
    }
    return deal;
}

static void worker_main(void *arg)
{
    worker *self = arg;
    pm_dealer *dealer = &self->exec->dealer;
    bool goes_on = true;
    pthread_mutex_lock(&dealer->lock);
    while (goes_on && !atomic_load(&dealer->stop)) {
        if (self->deal == NULL && (self->deal = choose(self, pm_mono_ms())) != NULL) {
            self->deal->runner = self;
        }
        pm_deal *deal = self->deal;
        if (deal != NULL) {
            pm_dealer_run(dealer, deal);
        }
        pthread_mutex_unlock(&dealer->lock);
        if (deal != NULL) {
            goes_on = run_task(self, deal->task);
        } else {
            int64_t due = pm_seat_service(&self->seat);
            pm_loop_wait(self->seat.loop, due);
        }
        pthread_mutex_lock(&dealer->lock);
        if (deal != NULL) {
            self->deal = NULL;
            pm_dealer_return(dealer, deal);
        }
    }
    pthread_mutex_unlock(&dealer->lock);
    if (goes_on) {
        pm_seat_close(&self->seat, pm_mono_ms() + FLUSH_MS);
    }
    pthread_mutex_lock(&dealer->lock);
    self->open = false;
    pthread_mutex_unlock(&dealer->lock);
    pm_seat_release(&self->seat);
    atomic_fetch_sub(&dealer->env.figures->threads, 1);
}

static panicmon_err start_worker(queue *exec)
{
    char name[16];
    worker *self = calloc(1, sizeof *self);
    if (self == NULL) {
        return PANICMON_ERR_NOMEM;
    }
    self->exec = exec;
    self->open = true;
    (void)snprintf(name, sizeof name, "pm:worker %zu", exec->count % 10000);
    panicmon_err status = pm_seat_open(&self->seat, &exec->dealer.env, name, true);
    if (status == PANICMON_OK) {
        pm_rpc_set_idle(self->seat.rpc, IDLE_MS);
        atomic_fetch_add(&exec->dealer.env.figures->threads, 1);
        status = pm_thread_start(&self->thread, name, PM_STACK_SMALL, worker_main, self);
        if (status != PANICMON_OK) {
            atomic_fetch_sub(&exec->dealer.env.figures->threads, 1);
            pm_seat_close(&self->seat, 0);
            pm_seat_release(&self->seat);
        }
    }
    if (status != PANICMON_OK) {
        free(self);
        return status;
    }
    exec->workers[exec->count++] = self;
    return PANICMON_OK;
}

/* ---- handing out: X, Y and the workers ---- */

static void measure(queue *exec, int64_t now)
{
    int64_t passed = now - exec->rate_since;
    if (passed < RATE_MS) {
        return;
    }
    int64_t arrived = (int64_t)(exec->dealer.arrived - exec->arrived_before);
    int64_t rate = arrived * 16000 / passed;
    exec->rate = exec->rate == 0 ? rate : (exec->rate + rate) / 2;
    exec->arrived_before = exec->dealer.arrived;
    exec->rate_since = now;
}

/* How many workers it takes to keep up, with half as many in reserve. */
static size_t workers_needed(const queue *exec)
{
    int64_t busy = exec->rate * atomic_load(&exec->round_us) / 16; /* us of rounds in a second */
    return (size_t)(busy * 3 / 2 / 1000000) + 1;
}

static bool all_busy(const queue *exec)
{
    for (size_t i = 0; i < exec->count; i++) {
        if (exec->workers[i]->deal == NULL) {
            return false;
        }
    }
    return true;
}

static void grow(queue *exec, int64_t now)
{
    bool behind = now >= exec->next_behind && all_busy(exec) && !TAILQ_EMPTY(&exec->dealer.dealt);
    size_t wanted = workers_needed(exec);
    if (behind && wanted <= exec->count) {
        wanted = exec->count + 1;
        exec->next_behind = now + BEHIND_MS;
    }
    wanted = wanted < exec->dealer.env.workers ? wanted : exec->dealer.env.workers;
    size_t most = exec->count + GROWTH;
    while (exec->count < wanted && exec->count < most && now >= exec->no_more_before) {
        panicmon_err status = start_worker(exec);
        if (status != PANICMON_OK) {
            exec->no_more_before = now + AGAIN_MS;
            pm_logf(exec->dealer.env.log, PANICMON_LOG_ERROR, COMPONENT,
                    "no worker beyond %zu could be started: %s", exec->count,
                    panicmon_strerror(status));
        }
    }
}

/* X: so that a batch holds about a task for each worker. */
static int64_t choose_interval(const queue *exec)
{
    int64_t ms = exec->rate == 0 ? BATCH_MS_MAX : (int64_t)exec->count * 16000 / exec->rate;
    return ms < BATCH_MS_MIN ? BATCH_MS_MIN : ms > BATCH_MS_MAX ? BATCH_MS_MAX : ms;
}

/* Y: half as much again as becomes due, and no less than the workers can do meanwhile. */
static size_t choose_size(const queue *exec)
{
    int64_t due = exec->rate * exec->batch_ms * 3 / 2 / 16000;
    int64_t round_us = atomic_load(&exec->round_us);
    int64_t able = round_us == 0 ? 0 : (int64_t)exec->count * exec->batch_ms * 1000 / round_us;
    size_t size = (size_t)(due > able ? due : able);
    return size < exec->count ? exec->count : size;
}

/* Wakes the workers that may take something of what was dealt. */
static void rouse(queue *exec, int64_t now)
{
    size_t idle = 0;
    pm_deal *deal;
    TAILQ_FOREACH(deal, &exec->dealer.dealt, entry)
    {
        worker *own = exec->workers[deal->task->key % exec->count];
        if (deal->runner != NULL) {
            continue;
        }
        if (own->deal != NULL && now - deal->since >= OWN_MS) {
            while (idle < exec->count && exec->workers[idle]->deal != NULL) {
                idle++;
            }
            own = idle < exec->count ? exec->workers[idle] : own;
        }
        if (own->deal == NULL) {
            own->deal = deal;
            deal->runner = own;
            pm_seat_wake(&own->seat);
        }
    }
}

static size_t dealt_count(const queue *exec)
{
    size_t count = 0;
    const pm_deal *deal;
    TAILQ_FOREACH(deal, &exec->dealer.dealt, entry)
    {
        count++;
    }
    return count;
}

static int64_t queue_deal(pm_dealer *dealer, int64_t now_ms)
{
    queue *exec = (queue *)dealer;
    if (atomic_load(&dealer->stop)) {
        return PM_NEVER;
    }
    measure(exec, now_ms);
    if (now_ms >= exec->next_batch) {
        size_t left = choose_size(exec);
        for (left -= dealt_count(exec) < left ? dealt_count(exec) : left; left > 0; left--) {
            if (pm_dealer_take(dealer, now_ms) == NULL) {
                break;
            }
        }
        grow(exec, now_ms);
        exec->batch_ms = choose_interval(exec);
        exec->next_batch = now_ms + exec->batch_ms;
    }
    if (exec->count > 0) {
        rouse(exec, now_ms);
    }
    bool idle = dealer->ready_count == 0 && TAILQ_EMPTY(&dealer->dealt);
    return idle ? PM_NEVER : exec->next_batch;
}

static void queue_nudge(pm_dealer *dealer, pm_deal *deal)
{
    worker *self = deal->runner;
    (void)dealer;
    if (self->open) {
        pm_seat_wake(&self->seat);
    }
}

/* ---- the executor ---- */

static panicmon_err queue_create(pm_exec **out, const pm_exec_env *env)
{
    queue *exec = calloc(1, sizeof *exec);
    if (exec == NULL || (exec->workers = calloc(env->workers, sizeof(worker *))) == NULL) {
        free(exec);
        return PANICMON_ERR_NOMEM;
    }
    exec->batch_ms = BATCH_MS_MAX;
    exec->rate_since = pm_mono_ms();
    atomic_init(&exec->round_us, 0);
    exec->dealer.deal = queue_deal;
    exec->dealer.nudge = queue_nudge;
    panicmon_err status = pm_dealer_init(&exec->dealer, &pm_exec_queue, env);
    if (status != PANICMON_OK) {
        free(exec->workers);
        free(exec);
        return status;
    }
    *out = &exec->dealer.base;
    return PANICMON_OK;
}

static void for_workers(queue *exec, void (*call)(pm_seat *seat))
{
    pthread_mutex_lock(&exec->dealer.lock);
    for (size_t i = 0; i < exec->count; i++) {
        if (exec->workers[i]->open) {
            call(&exec->workers[i]->seat);
        }
    }
    pthread_mutex_unlock(&exec->dealer.lock);
}

static void queue_request_stop(pm_exec *base)
{
    pm_dealer_request_stop(base);
    for_workers((queue *)base, pm_seat_wake);
}

static void queue_interrupt(pm_exec *base)
{
    for_workers((queue *)base, pm_seat_interrupt);
}

static void queue_reap(pm_exec *base)
{
    (void)base; /* workers stay until the end */
}

static void queue_free(pm_exec *base)
{
    queue *exec = (queue *)base;
    pm_dealer_quit(&exec->dealer);
    for (size_t i = 0; i < exec->count; i++) { /* the dealer starts no more */
        worker *self = exec->workers[i];
        pm_thread_join(self->thread);
        free(self);
    }
    pm_dealer_fini(&exec->dealer);
    free(exec->workers);
    free(exec);
}

const pm_exec_ops pm_exec_queue = {
    .name = "queue",
    .create = queue_create,
    .add = pm_dealer_add,
    .wake = pm_dealer_wake,
    .request_stop = queue_request_stop,
    .interrupt = queue_interrupt,
    .reap = queue_reap,
    .free = queue_free,
};
