/* events_turn.c: the turns of a task under the executor `events`: begin, step, ask, end, without
 * ever waiting. Runs in the thread of the slot's loop, but for what a helper does. */
#include "exec/events_impl.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/map.h"
#include "exec/carry.h"

/* What keeps a loop longer than this is named in the log, one each so many ms. */
#define COMPONENT    "events"
#define SLOW_MS      100
#define SLOW_TELL_MS 10000

bool pm_slot_must_stop(const pm_slot *slot)
{
    return atomic_load_explicit(&slot->task->stop, memory_order_acquire) ||
           atomic_load_explicit(&slot->loop->exec->stop, memory_order_acquire);
}

void pm_slot_retire(pm_slot *slot)
{
    pm_events_loop *loop = slot->loop;
    pm_task *task = slot->task;
    pm_wheel_remove(&slot->timer);
    LIST_REMOVE(slot, entry);
    pthread_mutex_lock(&loop->exec->lock);
    task->slot = NULL; /* nobody wakes it from here on */
    if (slot->mailed) {
        TAILQ_REMOVE(&loop->mail, slot, in_mail);
    }
    pthread_mutex_unlock(&loop->exec->lock);
    atomic_fetch_sub(&loop->exec->env.figures->pool_bytes, (int64_t)sizeof *slot);
    free(slot);
    task->ops->stopped(task);
}

/* ---- asking ---- */

static void count_done(pm_request *request)
{
    pm_slot *slot = request->owner;
    slot->pending--;
    if (slot->pending == 0 && slot->state == PM_SLOT_ASKING) {
        slot->state = PM_SLOT_READY;
        STAILQ_INSERT_TAIL(&slot->loop->ready, slot, in_ready);
    }
}

/* A load or store on its way through a helper. */
typedef struct stored {
    pm_job job; /* first */
    pm_parcel parcel;
    pm_events_loop *loop;
} stored;

/* In a helper. */
static void run_stored(pm_job *job)
{
    stored *at = (stored *)job;
    pm_events_loop *loop = at->loop;
    pm_events *exec = loop->exec;
    pm_carry_stored(exec->env.store, &at->parcel.wire);
    pthread_mutex_lock(&exec->lock);
    job->next = loop->stored;
    loop->stored = job;
    pm_events_call(loop);
    pthread_mutex_unlock(&exec->lock);
}

void pm_slot_deliver_stored(pm_job *jobs)
{
    while (jobs != NULL) {
        stored *at = (stored *)jobs;
        jobs = jobs->next;
        pm_parcel_deliver(&at->parcel);
        free(at);
    }
}

static void ask_store(pm_slot *slot, pm_request *request)
{
    pm_store *store = slot->loop->exec->env.store;
    if (request->kind == PM_REQUEST_STORE && pm_store_saves_in_memory(store)) {
        pm_carry_stored(store, request);
        return;
    }
    stored *at = malloc(sizeof *at);
    if (at == NULL) {
        pm_request_finish(request, PANICMON_ERR_NOMEM, 0, NULL);
        return;
    }
    *at = (stored){.job = {.run = run_stored}, .loop = slot->loop};
    pm_parcel_take(&at->parcel, request);
    panicmon_err status = pm_parcel_own(&at->parcel) /* a helper must not read what may go */
                              ? pm_pool_submit(slot->loop->exec->stores, &at->job)
                              : PANICMON_ERR_NOMEM;
    if (status != PANICMON_OK) {
        pm_request_finish(&at->parcel.wire, status, 0, "no thread for the state store");
        at->job.next = NULL;
        pm_slot_deliver_stored(&at->job);
    }
}

/* Sets the slot's timer for the next of its waits that is over; it serves nothing else meanwhile.
 */
static void set_wait(pm_slot *slot)
{
    int64_t due = PM_NEVER;
    for (size_t i = 0; i < slot->count; i++) {
        const pm_request *request = slot->requests[i];
        if (request->kind == PM_REQUEST_WAIT && !request->done) {
            due = pm_earlier(due, request->deadline);
        }
    }
    if (due != PM_NEVER) {
        pm_wheel_set(&slot->loop->wheel, &slot->timer, due);
    }
}

void pm_slot_waited(pm_slot *slot)
{
    int64_t now = slot->loop->now_us / 1000;
    for (size_t i = 0; i < slot->count; i++) {
        pm_request *request = slot->requests[i];
        if (request->kind == PM_REQUEST_WAIT && !request->done && request->deadline <= now) {
            pm_carry_waited(request);
        }
    }
    set_wait(slot);
}

void pm_slot_ask(pm_slot *slot)
{
    pm_events_loop *loop = slot->loop;
    pm_channel *channel = loop->channel;
    size_t calls = 0;
    bool waits = false;
    slot->state = PM_SLOT_ASKING;
    slot->pending = slot->count;
    for (size_t i = 0; i < slot->count; i++) {
        pm_request *request = slot->requests[i];
        request->owner = slot;
        request->on_done = count_done;
        calls += request->kind == PM_REQUEST_RPC;
    }
    if (calls > 0) {
        pm_share_add(loop->share, slot->requests, slot->count, slot->task, &slot->place,
                     loop->now_us / 1000);
    }
    for (size_t i = 0; i < slot->count && calls < slot->count; i++) {
        pm_request *request = slot->requests[i];
        if (request->kind == PM_REQUEST_PUBLISH) {
            channel->ops->submit(channel, request);
        } else if (request->kind == PM_REQUEST_HTTP) {
            pm_http_submit(loop->http, request);
        } else if (request->kind == PM_REQUEST_WAIT) {
            waits = true;
        } else if (request->kind != PM_REQUEST_RPC) {
            ask_store(slot, request);
        }
    }
    if (waits) {
        set_wait(slot);
    }
}

/* Gives up what is under way. Messages and replies may be so for long: the request stays. */
static void leave(pm_request *request)
{
    if (request->kind == PM_REQUEST_RPC) {
        pm_share_leave(request);
    } else if (request->kind == PM_REQUEST_PUBLISH || request->kind == PM_REQUEST_HTTP) {
        pm_request_keep(request);
        request->on_done = pm_request_forget;
    } else {
        pm_parcel_leave(request);
    }
}

/* All tasks of an endpoint come to one loop, so that they share its connection: a task goes where
 * the last call of its round's first step goes. */
static pm_events_loop *home_of(const pm_slot *slot)
{
    pm_events *exec = slot->loop->exec;
    for (size_t i = slot->count; i > 0 && exec->count > 1; i--) {
        const pm_request *request = slot->requests[i - 1];
        if (request->kind == PM_REQUEST_RPC) {
            return &exec->loops[pm_hash(request->target) % exec->count];
        }
    }
    return slot->loop;
}

static void move_to(pm_slot *slot, pm_events_loop *loop)
{
    pm_events *exec = loop->exec;
    LIST_REMOVE(slot, entry);
    pthread_mutex_lock(&exec->lock);
    if (slot->mailed) {
        TAILQ_REMOVE(&slot->loop->mail, slot, in_mail);
        slot->mailed = false;
    }
    slot->state = PM_SLOT_MOVED;
    slot->loop = loop;
    slot->place = (pm_share_place){0};
    pm_events_mail(slot);
    pthread_mutex_unlock(&exec->lock);
}

/* ---- turns ---- */

/* Also in a helper. Gives whether it was the first step of its round. */
static bool do_turn(pm_slot *slot, int64_t now_us)
{
    pm_task *task = slot->task;
    bool first = !slot->in_round;
    if (first) {
        slot->in_round = true;
        task->ops->begin(task, now_us);
        now_us = pm_mono_us(); /* a new config or a restart may have taken its time */
    }
    slot->count = task->ops->step(task, now_us, &slot->requests);
    return first;
}

static void end_round(pm_slot *slot)
{
    slot->in_round = false;
    slot->task->ops->end(slot->task, slot->loop->now_us, false);
    slot->state = PM_SLOT_WAITING;
    pm_slot_look(slot);
}

static void after_turn(pm_slot *slot, bool first)
{
    pm_events_loop *home = first ? home_of(slot) : slot->loop;
    if (pm_slot_must_stop(slot)) {
        slot->count = 0; /* nobody carries them out */
        pm_slot_abort(slot);
        pm_slot_retire(slot);
    } else if (slot->count == 0) {
        end_round(slot);
    } else if (home != slot->loop) {
        move_to(slot, home);
    } else {
        pm_slot_ask(slot);
    }
}

/* Of each kind one in a while, as one may hide the other. */
static void tell_slow(const pm_events_loop *loop, pm_slow *slow, const char *component,
                      const char *what, int64_t took_ms, const char *hint)
{
    int64_t now = loop->now_us / 1000;
    if (slow->told != 0 && now - slow->told < SLOW_TELL_MS) {
        slow->more++;
        return;
    }
    pm_logf(loop->exec->env.log, PANICMON_LOG_WARNING, component,
            "%s kept all others waiting for %lld ms (%zu more were as slow since the last such "
            "record); %s",
            what, (long long)took_ms, slow->more, hint);
    slow->told = now;
    slow->more = 0;
}

/* In a helper. */
static void run_step(pm_job *job)
{
    pm_slot *slot = (pm_slot *)(void *)((char *)job - offsetof(pm_slot, job));
    pm_events *exec = slot->loop->exec;
    if (!pm_slot_must_stop(slot)) { /* it may have waited long for a helper */
        (void)do_turn(slot, pm_mono_us());
    }
    pthread_mutex_lock(&exec->lock);
    slot->state = PM_SLOT_BACK;
    pm_events_mail(slot);
    pthread_mutex_unlock(&exec->lock);
}

void pm_slot_back(pm_slot *slot)
{
    after_turn(slot, false);
}

void pm_slot_turn(pm_slot *slot)
{
    if (slot->task->blocking) {
        slot->job = (pm_job){.run = run_step};
        slot->state = PM_SLOT_AWAY;
        if (pm_pool_submit(slot->loop->exec->steps, &slot->job) == PANICMON_OK) {
            return;
        }
    }
    pm_events_loop *loop = slot->loop;
    int64_t began = loop->now_us;
    bool first = do_turn(slot, began);
    loop->now_us = pm_mono_us();
    if (loop->now_us - began >= SLOW_MS * 1000) {
        tell_slow(loop, &loop->slow_step, slot->task->name, "a step", (loop->now_us - began) / 1000,
                  "a monitor that blocks should say so with PANICMON_MONITOR_BLOCKING");
    }
    began = loop->now_us;
    after_turn(slot, first); /* it may be gone then */
    loop->now_us = pm_mono_us();
    if (loop->now_us - began >= SLOW_MS * 1000) {
        tell_slow(loop, &loop->slow_rest, COMPONENT, "what followed a step",
                  (loop->now_us - began) / 1000,
                  "a sink must take messages without waiting, and a monitor's free be short");
    }
}

void pm_slot_abort(pm_slot *slot)
{
    slot->state = PM_SLOT_WAITING;
    pm_wheel_remove(&slot->timer);
    for (size_t i = 0; i < slot->count; i++) {
        if (!slot->requests[i]->done) {
            leave(slot->requests[i]);
        }
    }
    slot->count = 0;
    if (slot->in_round) {
        slot->in_round = false;
        slot->task->ops->end(slot->task, slot->loop->now_us, true);
    }
}

void pm_slot_look(pm_slot *slot)
{
    pm_task *task = slot->task;
    if (pm_slot_must_stop(slot)) {
        pm_slot_retire(slot);
        return;
    }
    int64_t now = slot->loop->now_us / 1000;
    int64_t due = task->ops->due(task, now);
    if (due == PM_NEVER) {
        pm_slot_retire(slot);
    } else if (due > now) {
        pm_wheel_set(&slot->loop->wheel, &slot->timer, due);
    } else {
        slot->loop->rounds++;
        slot->state = PM_SLOT_READY;
        STAILQ_INSERT_TAIL(&slot->loop->ready, slot, in_ready);
    }
}
