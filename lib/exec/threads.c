/* threads.c: the executor `threads`: one long-lived thread per task, with its own loop, WebSocket
 * connections and channel into the sink. A slot belongs to its thread; the list of slots,
 * task->slot and slot->closed are guarded by exec->lock. */
#include "exec/exec.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/thread.h"
#include "exec/seat.h"

/* How long a stopping task may go on sending what is in its channel. */
#define FLUSH_MS 1000

typedef struct slot {
    struct slot *next;
    struct threads *exec;
    pm_task *task;
    pm_thread *thread;
    pm_seat seat;
    bool closed; /* nobody wakes or interrupts it any more */
    bool over;   /* the thread touches nothing but its stack any more */
} slot;

typedef struct threads {
    pm_exec base;
    pm_exec_env env;
    pthread_mutex_t lock;
    slot *slots;
    size_t over; /* slots to be reaped */
    atomic_bool stop;
} threads;

static bool must_stop(const slot *at)
{
    return atomic_load(&at->task->stop) || atomic_load(&at->exec->stop);
}

static void run_task(slot *at)
{
    pm_task *task = at->task;
    bool whole = true;
    while (whole && !must_stop(at)) {
        int64_t due = task->ops->due(task, pm_mono_ms());
        if (due == PM_NEVER) {
            break;
        }
        if (due > pm_mono_ms()) {
            int64_t next = pm_seat_service(&at->seat);
            if (!must_stop(at)) {
                pm_loop_wait(at->seat.loop, pm_earlier(due, next));
            }
            continue;
        }
        whole = pm_seat_run(&at->seat, task, &at->exec->stop);
    }
    pm_seat_close(&at->seat, pm_mono_ms() + FLUSH_MS);
    if (!whole) { /* only now are all its requests finished */
        task->ops->end(task, pm_mono_us(), true);
    }
}

static void thread_main(void *arg)
{
    slot *at = arg;
    threads *exec = at->exec;
    pm_task *task = at->task;
    run_task(at);
    pthread_mutex_lock(&exec->lock);
    task->slot = NULL;
    at->closed = true;
    pthread_mutex_unlock(&exec->lock);
    pm_seat_release(&at->seat);
    atomic_fetch_sub(&exec->env.figures->threads, 1);
    task->ops->stopped(task);
    pthread_mutex_lock(&exec->lock);
    at->over = true;
    exec->over++;
    if (exec->env.reaper != NULL) {
        pm_loop_wake(exec->env.reaper);
    }
    pthread_mutex_unlock(&exec->lock);
}

static panicmon_err threads_create(pm_exec **out, const pm_exec_env *env)
{
    threads *exec = calloc(1, sizeof *exec);
    if (exec == NULL) {
        return PANICMON_ERR_NOMEM;
    }
    exec->base.ops = &pm_exec_threads;
    exec->env = *env;
    atomic_init(&exec->stop, false);
    (void)pthread_mutex_init(&exec->lock, NULL);
    *out = &exec->base;
    return PANICMON_OK;
}

static void threads_reap(pm_exec *base)
{
    threads *exec = (threads *)base;
    slot *over = NULL;
    pthread_mutex_lock(&exec->lock);
    for (slot **link = &exec->slots; exec->over > 0 && *link != NULL;) {
        slot *at = *link;
        if (at->over) {
            *link = at->next;
            at->next = over;
            over = at;
            exec->over--;
        } else {
            link = &at->next;
        }
    }
    pthread_mutex_unlock(&exec->lock);
    while (over != NULL) {
        slot *next = over->next;
        pm_thread_join(over->thread);
        free(over);
        over = next;
    }
}

static panicmon_err start_thread(slot *at)
{
    threads *exec = at->exec;
    pm_task *task = at->task;
    pthread_mutex_lock(&exec->lock);
    task->slot = at;
    atomic_fetch_add(&exec->env.figures->threads, 1);
    panicmon_err status = pm_thread_start(&at->thread, task->name, PM_STACK_SMALL, thread_main, at);
    if (status == PANICMON_OK) {
        at->next = exec->slots;
        exec->slots = at;
    } else {
        task->slot = NULL;
        atomic_fetch_sub(&exec->env.figures->threads, 1);
    }
    pthread_mutex_unlock(&exec->lock);
    return status;
}

static panicmon_err threads_add(pm_exec *base, pm_task *task)
{
    threads *exec = (threads *)base;
    slot *at = calloc(1, sizeof *at);
    if (at == NULL) {
        return PANICMON_ERR_NOMEM;
    }
    at->exec = exec;
    at->task = task;
    panicmon_err status = pm_seat_open(&at->seat, &exec->env, task->name, false);
    if (status == PANICMON_OK) {
        status = start_thread(at);
        if (status != PANICMON_OK) {
            pm_seat_close(&at->seat, 0);
            pm_seat_release(&at->seat);
        }
    }
    if (status != PANICMON_OK) {
        free(at);
    }
    return status;
}

static void threads_wake(pm_exec *base, pm_task *task)
{
    threads *exec = (threads *)base;
    pthread_mutex_lock(&exec->lock);
    slot *at = task->slot;
    if (at != NULL) {
        pm_seat_wake(&at->seat);
    }
    pthread_mutex_unlock(&exec->lock);
}

static void threads_request_stop(pm_exec *base)
{
    threads *exec = (threads *)base;
    atomic_store(&exec->stop, true);
    pthread_mutex_lock(&exec->lock);
    for (slot *at = exec->slots; at != NULL; at = at->next) {
        if (!at->closed) {
            pm_seat_wake(&at->seat);
        }
    }
    pthread_mutex_unlock(&exec->lock);
}

static void threads_interrupt(pm_exec *base)
{
    threads *exec = (threads *)base;
    pthread_mutex_lock(&exec->lock);
    for (slot *at = exec->slots; at != NULL; at = at->next) {
        if (!at->closed) {
            pm_seat_interrupt(&at->seat);
        }
    }
    pthread_mutex_unlock(&exec->lock);
}

static void threads_free(pm_exec *base)
{
    threads *exec = (threads *)base;
    while (exec->slots != NULL) { /* its task has stopped, so the thread is at its end */
        slot *next = exec->slots->next;
        pm_thread_join(exec->slots->thread);
        free(exec->slots);
        exec->slots = next;
    }
    (void)pthread_mutex_destroy(&exec->lock);
    free(exec);
}

const pm_exec_ops pm_exec_threads = {
    .name = "threads",
    .create = threads_create,
    .add = threads_add,
    .wake = threads_wake,
    .request_stop = threads_request_stop,
    .interrupt = threads_interrupt,
    .reap = threads_reap,
    .free = threads_free,
};
