/* threads.c: the executor `threads`: one long-lived thread per task, with its own loop, WebSocket
 * connections and channel into the sink. A slot belongs to its thread; the list of slots and
 * task->slot are guarded by exec->lock. */
#include "exec/exec.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/thread.h"
#include "net/http.h"

/* How long a stopping task may go on sending what is in its channel. */
#define FLUSH_MS 1000

typedef struct slot {
    struct slot *next;
    struct threads *exec;
    pm_task *task;
    pm_thread *thread;
    pm_loop *loop;
    pm_rpc *rpc;
    pm_http *http;
    pm_channel *channel;
    pm_rpc_counts counted; /* what was added to the figures so far */
    size_t pending;        /* requests being carried out */
    bool over;             /* the thread touches nothing but its stack any more */
} slot;

typedef struct threads {
    pm_exec base;
    pm_exec_env env;
    pthread_mutex_t lock;
    slot *slots;
    atomic_bool stop;
} threads;

static void count_done(pm_request *request)
{
    slot *at = request->owner;
    at->pending--;
}

static bool must_stop(const slot *at)
{
    return atomic_load(&at->task->stop) || atomic_load(&at->exec->stop);
}

static void add_figures(slot *at)
{
    const pm_rpc_counts *now = pm_rpc_get_counts(at->rpc);
    const pm_exec_env *env = &at->exec->env;
    atomic_fetch_add(env->rpc_requests, now->requests - at->counted.requests);
    atomic_fetch_add(env->rpc_frames, now->frames_out - at->counted.frames_out);
    atomic_fetch_add(env->rpc_bytes_in, now->bytes_in - at->counted.bytes_in);
    atomic_fetch_add(env->rpc_bytes_out, now->bytes_out - at->counted.bytes_out);
    at->counted = *now;
}

static int64_t service(slot *at)
{
    int64_t now = pm_mono_ms();
    int64_t due = pm_rpc_service(at->rpc, now);
    if (at->channel->ops->service != NULL) {
        due = pm_earlier(due, at->channel->ops->service(at->channel, now));
    }
    return due;
}

static void finish_stored(const slot *at, pm_request *request)
{
    pm_store *store = at->exec->env.store;
    panicmon_err status =
        request->kind == PM_REQUEST_LOAD
            ? pm_store_load(store, request->target, &request->out)
            : pm_store_save(store, request->target, request->in.data, request->in.len);
    pm_request_finish(request, status, 0, status == PANICMON_OK ? NULL : panicmon_strerror(status));
}

static void submit(slot *at, pm_request *const *requests, size_t count)
{
    at->pending = count;
    for (size_t i = 0; i < count; i++) {
        requests[i]->owner = at;
        requests[i]->on_done = count_done;
    }
    /* Runs of calls go together, so that they share a frame per endpoint. */
    for (size_t i = 0; i < count;) {
        size_t run = i;
        while (run < count && requests[run]->kind == PM_REQUEST_RPC) {
            run++;
        }
        if (run > i) {
            pm_rpc_submit(at->rpc, requests + i, run - i);
            i = run;
        } else if (requests[i]->kind == PM_REQUEST_HTTP) {
            pm_http_submit(at->http, requests[i++]);
        } else if (requests[i]->kind == PM_REQUEST_PUBLISH) {
            at->channel->ops->submit(at->channel, requests[i++]);
        } else {
            finish_stored(at, requests[i++]);
        }
    }
}

/* Gives false when a stop cut the round short. */
static bool run_round(slot *at)
{
    pm_task *task = at->task;
    pm_request *const *requests = NULL;
    size_t count;
    task->ops->begin(task, pm_mono_ms());
    while ((count = task->ops->step(task, &requests)) > 0) {
        submit(at, requests, count);
        int64_t due = service(at);
        while (at->pending > 0 && !must_stop(at)) {
            pm_loop_wait(at->loop, due);
            due = service(at);
        }
        if (must_stop(at)) {
            return false;
        }
    }
    return true;
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
            int64_t next = service(at);
            if (!must_stop(at)) {
                pm_loop_wait(at->loop, pm_earlier(due, next));
            }
            continue;
        }
        whole = run_round(at);
        if (whole) {
            task->ops->end(task, pm_mono_ms(), false);
        }
        add_figures(at);
    }
    pm_rpc_cancel(at->rpc);
    pm_http_cancel(at->http);
    at->channel->ops->close(at->channel, pm_mono_ms() + FLUSH_MS);
    if (!whole) { /* only now are all its requests finished */
        task->ops->end(task, pm_mono_ms(), true);
    }
}

static void thread_main(void *arg)
{
    slot *at = arg;
    threads *exec = at->exec;
    pm_task *task = at->task;
    run_task(at);
    pthread_mutex_lock(&exec->lock);
    pm_channel *channel = at->channel;
    task->slot = NULL; /* nobody wakes or interrupts it from here on */
    at->channel = NULL;
    pthread_mutex_unlock(&exec->lock);
    channel->ops->release(channel);
    pm_rpc_free(at->rpc);
    pm_http_free(at->http);
    pm_loop_free(at->loop);
    task->ops->stopped(task);
    pthread_mutex_lock(&exec->lock);
    at->over = true;
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
    for (slot **link = &exec->slots; *link != NULL;) {
        slot *at = *link;
        if (at->over) {
            *link = at->next;
            at->next = over;
            over = at;
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

static panicmon_err open_slot(slot *at, const pm_exec_env *env)
{
    panicmon_err status = pm_loop_new(&at->loop, env->net);
    if (status == PANICMON_OK) {
        status = pm_rpc_new(&at->rpc, at->loop, env->log, at->task->name);
    }
    if (status == PANICMON_OK) {
        status = pm_http_new(&at->http, at->loop);
    }
    if (status == PANICMON_OK) {
        status = env->sink->ops->open(env->sink, at->loop, env->log, at->task->name, &at->channel);
    }
    return status;
}

static panicmon_err threads_add(pm_exec *base, pm_task *task)
{
    threads *exec = (threads *)base;
    threads_reap(base);
    slot *at = calloc(1, sizeof *at);
    if (at == NULL) {
        return PANICMON_ERR_NOMEM;
    }
    at->exec = exec;
    at->task = task;
    panicmon_err status = open_slot(at, &exec->env);
    if (status == PANICMON_OK) {
        pthread_mutex_lock(&exec->lock);
        task->slot = at;
        status = pm_thread_start(&at->thread, task->name, PM_STACK_SMALL, thread_main, at);
        if (status == PANICMON_OK) {
            at->next = exec->slots;
            exec->slots = at;
        } else {
            task->slot = NULL;
        }
        pthread_mutex_unlock(&exec->lock);
    }
    if (status != PANICMON_OK) {
        if (at->channel != NULL) {
            at->channel->ops->close(at->channel, 0);
            at->channel->ops->release(at->channel);
        }
        pm_rpc_free(at->rpc);
        pm_http_free(at->http);
        if (at->loop != NULL) {
            pm_loop_free(at->loop);
        }
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
        pm_loop_wake(at->loop);
    }
    pthread_mutex_unlock(&exec->lock);
}

static void threads_request_stop(pm_exec *base)
{
    threads *exec = (threads *)base;
    atomic_store(&exec->stop, true);
    pthread_mutex_lock(&exec->lock);
    for (slot *at = exec->slots; at != NULL; at = at->next) {
        if (at->channel != NULL) {
            pm_loop_wake(at->loop);
        }
    }
    pthread_mutex_unlock(&exec->lock);
}

static void threads_interrupt(pm_exec *base)
{
    threads *exec = (threads *)base;
    pthread_mutex_lock(&exec->lock);
    for (slot *at = exec->slots; at != NULL; at = at->next) {
        if (at->channel != NULL && at->channel->ops->interrupt != NULL) {
            at->channel->ops->interrupt(at->channel);
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
