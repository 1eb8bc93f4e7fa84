/* events.c: the executor `events`: all tasks on a few loops, each a thread with one connection per
 * endpoint and one channel into the sink, shared by its tasks. Steps that block run on helpers.
 * exec->lock guards the mail of the loops and task->slot; it is taken after a monitor's lock. */
#include "exec/events_impl.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "exec/carry.h"

/* Helpers. The store has one, so that its calls are carried out in the order in which they came. */
#define STEPS_MAX  64
#define STORES_MAX 1

void pm_events_call(pm_events_loop *loop)
{
    atomic_store_explicit(&loop->has_mail, true, memory_order_release);
    pm_loop_wake(loop->loop);
}

void pm_events_mail(pm_slot *slot)
{
    if (!slot->mailed) {
        slot->mailed = true;
        TAILQ_INSERT_TAIL(&slot->loop->mail, slot, in_mail);
        pm_events_call(slot->loop);
    }
}

static void close_loop(pm_events_loop *loop)
{
    const pm_exec_env *env = &loop->exec->env;
    if (loop->channel != NULL) {
        loop->channel->ops->release(loop->channel);
    }
    pm_share_free(loop->share);
    if (loop->rpc != NULL) {
        pm_rpc_counts counts = *pm_rpc_get_counts(loop->rpc);
        counts.sockets = 0;
        pm_figures_add_rpc(env->figures, &counts, &loop->counted);
    }
    pm_rpc_free(loop->rpc);
    pm_http_free(loop->http);
    if (loop->loop != NULL) {
        pm_loop_free(loop->loop);
    }
}

static panicmon_err open_loop(pm_events_loop *loop)
{
    const pm_exec_env *env = &loop->exec->env;
    char name[16];
    (void)snprintf(name, sizeof name, "pm:loop %zu", loop->place % 1000);
    LIST_INIT(&loop->slots);
    STAILQ_INIT(&loop->ready);
    TAILQ_INIT(&loop->mail);
    atomic_init(&loop->has_mail, false);
    loop->now_us = pm_mono_us();
    pm_wheel_init(&loop->wheel, loop->now_us / 1000);
    panicmon_err status = pm_loop_new_large(&loop->loop, env->net);
    if (status == PANICMON_OK) {
        status = pm_rpc_new(&loop->rpc, loop->loop, env->log, name);
    }
    if (status == PANICMON_OK) {
        status = pm_share_new(&loop->share, loop->rpc, env->cache_bytes, env->figures);
    }
    if (status == PANICMON_OK) {
        status = pm_http_new(&loop->http, loop->loop);
    }
    if (status == PANICMON_OK) {
        status = env->sink->ops->open(env->sink, loop->loop, env->log, name, &loop->channel);
    }
    if (status == PANICMON_OK) {
        atomic_fetch_add(&env->figures->threads, 1);
        status = pm_thread_start(&loop->thread, name, PM_STACK_LARGE, pm_events_loop_main, loop);
        if (status != PANICMON_OK) {
            atomic_fetch_sub(&env->figures->threads, 1);
            loop->channel->ops->close(loop->channel, 0);
        }
    }
    return status;
}

static void events_free(pm_exec *base)
{
    pm_events *exec = (pm_events *)base;
    atomic_store(&exec->quit, true);
    for (size_t i = 0; i < exec->count; i++) {
        if (exec->loops[i].thread != NULL) {
            pm_loop_wake(exec->loops[i].loop);
        }
    }
    for (size_t i = 0; i < exec->count; i++) {
        pm_thread_join(exec->loops[i].thread);
    }
    pm_pool_free(exec->steps);
    pm_pool_free(exec->stores);
    for (size_t i = 0; i < exec->count; i++) {
        pm_events_loop *loop = &exec->loops[i];
        pm_slot_deliver_stored(loop->stored); /* for tasks that did not wait for it */
        close_loop(loop);
    }
    (void)pthread_mutex_destroy(&exec->lock);
    free(exec);
}

static panicmon_err events_create(pm_exec **out, const pm_exec_env *env)
{
    size_t count = env->loops;
    pm_events *exec = calloc(1, sizeof *exec + count * sizeof exec->loops[0]);
    if (exec == NULL) {
        return PANICMON_ERR_NOMEM;
    }
    exec->base.ops = &pm_exec_events;
    exec->env = *env;
    atomic_init(&exec->stop, false);
    atomic_init(&exec->quit, false);
    (void)pthread_mutex_init(&exec->lock, NULL);
    panicmon_err status = pm_pool_new(&exec->steps, "pm:step", STEPS_MAX, env->figures);
    if (status == PANICMON_OK) {
        status = pm_pool_new(&exec->stores, "pm:store", STORES_MAX, env->figures);
    }
    while (status == PANICMON_OK && exec->count < count) {
        pm_events_loop *loop = &exec->loops[exec->count++];
        loop->exec = exec;
        loop->place = exec->count - 1;
        status = open_loop(loop);
    }
    if (status != PANICMON_OK) {
        events_free(&exec->base);
        return status;
    }
    *out = &exec->base;
    return PANICMON_OK;
}

static panicmon_err events_add(pm_exec *base, pm_task *task)
{
    pm_events *exec = (pm_events *)base;
    pm_slot *slot = calloc(1, sizeof *slot);
    if (slot == NULL) {
        return PANICMON_ERR_NOMEM;
    }
    slot->task = task;
    slot->loop = &exec->loops[task->key % exec->count];
    atomic_fetch_add(&exec->env.figures->pool_bytes, (int64_t)sizeof *slot);
    pthread_mutex_lock(&exec->lock);
    task->slot = slot;
    pm_events_mail(slot);
    pthread_mutex_unlock(&exec->lock);
    return PANICMON_OK;
}

static void events_wake(pm_exec *base, pm_task *task)
{
    pm_events *exec = (pm_events *)base;
    pthread_mutex_lock(&exec->lock);
    if (task->slot != NULL) {
        pm_events_mail(task->slot);
    }
    pthread_mutex_unlock(&exec->lock);
}

static void events_request_stop(pm_exec *base)
{
    pm_events *exec = (pm_events *)base;
    atomic_store(&exec->stop, true);
    for (size_t i = 0; i < exec->count; i++) {
        pm_loop_wake(exec->loops[i].loop);
    }
}

static void events_interrupt(pm_exec *base)
{
    pm_events *exec = (pm_events *)base;
    for (size_t i = 0; i < exec->count; i++) { /* channels are released by events_free() only */
        pm_channel *channel = exec->loops[i].channel;
        if (channel->ops->interrupt != NULL) {
            channel->ops->interrupt(channel);
        }
    }
}

static void events_reap(pm_exec *base)
{
    (void)base; /* tasks have no threads of their own */
}

const pm_exec_ops pm_exec_events = {
    .name = "events",
    .create = events_create,
    .add = events_add,
    .wake = events_wake,
    .request_stop = events_request_stop,
    .interrupt = events_interrupt,
    .reap = events_reap,
    .free = events_free,
};
