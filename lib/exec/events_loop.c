/* events_loop.c: the thread of one loop of the executor `events`.
 *
 * Waking up costs more than anything a round does. So a busy loop sleeps for a tick before it looks
 * for events, and finds those of many tasks at once; the tick follows the number of rounds a
 * second. What the tasks of one turn ask of an endpoint leaves in one frame. */
#include "exec/events_impl.h"

#include <time.h>

#include "base/clock.h"
#include "base/compiler.h"
#include "exec/carry.h"

/* How long a stopping loop may go on sending what is in its channel. */
#define FLUSH_MS 1000
/* The tick grows with the rounds a second, a millisecond for so many, as few have nothing to gain
 * and a lone monitor must not wait; each step of a round takes up to a tick longer. Where there are
 * many it is as long as so many rounds need to begin, which is where the gain levels off. */
#define RATE_OF_A_MS  2
#define ROUNDS_A_TICK 20
#define TICK_MS_MAX   50
#define TICK_MS_MANY  5
/* While connections wait to be opened, as each takes several turns and only so many may be under
 * way. */
#define TICK_MS_CROWD 5
#define RATE_MS       1000
/* Bytes of a monitor's own memory that are asked for before its turn; most have no more. */
#define OWN_HOT (6 * PM_CACHE_LINE)

/* ---- mail ---- */

static void open_mail(pm_slot *slot, pm_slot_state state)
{
    pm_events_loop *loop = slot->loop;
    switch (state) {
    case PM_SLOT_WAITING:
        pm_wheel_remove(&slot->timer);
        pm_slot_look(slot);
        break;
    case PM_SLOT_ASKING:
        if (pm_slot_must_stop(slot)) {
            pm_slot_abort(slot);
            pm_slot_retire(slot);
        }
        break;
    case PM_SLOT_MOVED:
        LIST_INSERT_HEAD(&loop->slots, slot, entry);
        if (pm_slot_must_stop(slot)) {
            slot->count = 0;
            pm_slot_abort(slot);
            pm_slot_retire(slot);
        } else {
            pm_slot_ask(slot);
        }
        break;
    case PM_SLOT_BACK:
        pm_slot_back(slot);
        break;
    case PM_SLOT_READY: /* its turn comes anyway */
    case PM_SLOT_AWAY:
        break;
    }
}

static void read_mail(pm_events_loop *loop)
{
    pm_events *exec = loop->exec;
    if (!atomic_load_explicit(&loop->has_mail, memory_order_acquire)) {
        return;
    }
    pthread_mutex_lock(&exec->lock);
    atomic_store_explicit(&loop->has_mail, false, memory_order_relaxed);
    pm_job *stored = loop->stored;
    loop->stored = NULL;
    for (pm_slot *slot; (slot = TAILQ_FIRST(&loop->mail)) != NULL;) {
        TAILQ_REMOVE(&loop->mail, slot, in_mail);
        slot->mailed = false;
        pm_slot_state state = slot->state;
        bool is_new = slot->entry.le_prev == NULL && state == PM_SLOT_WAITING;
        pthread_mutex_unlock(&exec->lock);
        if (is_new) {
            LIST_INSERT_HEAD(&loop->slots, slot, entry);
        }
        open_mail(slot, state);
        pthread_mutex_lock(&exec->lock);
    }
    pthread_mutex_unlock(&exec->lock);
    pm_slot_deliver_stored(stored);
}

/* ---- the turn of the loop ---- */

/* What a task's turn touches was not touched since its last one, and many others had theirs: it is
 * asked for while those before it have theirs. One thing leads to the next, hence in three parts;
 * each reads only what the part before it asked for a turn ago. */

static void prefetch_task(const pm_slot *slot)
{
    if (slot != NULL) {
        pm_prefetch_all(slot, sizeof *slot);
        pm_prefetch_all(slot->task, PM_TASK_HOT);
        pm_share_prefetch(&slot->place);
        pm_prefetch(slot->requests);
    }
}

static void prefetch_own(const pm_slot *slot)
{
    if (slot != NULL) {
        pm_prefetch_all(slot->task->own, OWN_HOT);
        if (slot->count > 0) {
            pm_prefetch_all(slot->requests[0], sizeof(pm_request));
        }
    }
}

static void begin_due(pm_events_loop *loop)
{
    pm_timer *first = pm_wheel_expire(&loop->wheel, loop->now_us / 1000);
    for (const pm_timer *timer = first; timer != NULL; timer = timer->next) {
        prefetch_task((const pm_slot *)timer);
    }
    for (pm_timer *timer = first; timer != NULL;) {
        pm_timer *next = timer->next;
        pm_slot *slot = (pm_slot *)timer;
        if (slot->state == PM_SLOT_ASKING) {
            pm_slot_waited(slot);
        } else {
            pm_slot_look(slot);
        }
        timer = next;
    }
}

static const pm_slot *after(const pm_slot *slot)
{
    return slot == NULL ? NULL : STAILQ_NEXT(slot, in_ready);
}

static void run_ready(pm_events_loop *loop)
{
    for (pm_slot *slot; (slot = STAILQ_FIRST(&loop->ready)) != NULL;) {
        STAILQ_REMOVE_HEAD(&loop->ready, in_ready);
        const pm_slot *next = STAILQ_FIRST(&loop->ready);
        prefetch_own(next);
        next = after(next);
        prefetch_task(next);
        pm_prefetch_all(after(next), sizeof(pm_slot));
        if (pm_slot_must_stop(slot)) {
            pm_slot_abort(slot);
            pm_slot_retire(slot);
            loop->now_us = pm_mono_us(); /* its end is no other's step */
        } else {
            pm_slot_turn(slot);
        }
    }
}

static int64_t service(pm_events_loop *loop, int64_t now)
{
    if (loop->closed) {
        return PM_NEVER;
    }
    int64_t due = pm_rpc_service(loop->rpc, now);
    if (loop->channel->ops->service != NULL) {
        due = pm_earlier(due, loop->channel->ops->service(loop->channel, now));
    }
    return due;
}

/* Does all there is to do; gives when there will be more, but for events. */
static int64_t work(pm_events_loop *loop)
{
    int64_t due;
    loop->now_us = pm_mono_us();
    read_mail(loop);
    begin_due(loop);
    do {
        loop->now_us = pm_mono_us(); /* what came before is no step's */
        run_ready(loop);
        pm_share_send(loop->share, loop->now_us / 1000);
        due = service(loop, loop->now_us / 1000);
    } while (!STAILQ_EMPTY(&loop->ready));
    due = pm_earlier(due, pm_share_service(loop->share, loop->now_us / 1000));
    pm_share_send(loop->share, loop->now_us / 1000);
    due = pm_earlier(due, pm_rpc_service(loop->rpc, loop->now_us / 1000)); /* of what was sent */
    if (!STAILQ_EMPTY(&loop->ready)) {
        return loop->now_us / 1000;
    }
    pm_figures_add_rpc(loop->exec->env.figures, pm_rpc_get_counts(loop->rpc), &loop->counted);
    return pm_earlier(due, pm_wheel_next(&loop->wheel));
}

/* With the lock, as a helper may just change it. */
static pm_slot_state state_of(const pm_slot *slot)
{
    pm_events *exec = slot->loop->exec;
    pthread_mutex_lock(&exec->lock);
    pm_slot_state state = slot->state;
    pthread_mutex_unlock(&exec->lock);
    return state;
}

/* The stop: what was asked for is given up, messages may still be sent, then all tasks go. Those
 * that a helper has go when it is done. */
static void close_loop(pm_events_loop *loop)
{
    pm_slot *slot;
    LIST_FOREACH(slot, &loop->slots, entry)
    {
        if (state_of(slot) == PM_SLOT_ASKING) {
            pm_slot_abort(slot);
        }
    }
    pm_rpc_cancel(loop->rpc);
    pm_http_cancel(loop->http);
    pm_share_cancel(loop->share);
    loop->channel->ops->close(loop->channel, pm_mono_ms() + FLUSH_MS);
    loop->closed = true;
    for (slot = LIST_FIRST(&loop->slots); slot != NULL;) {
        pm_slot *next = LIST_NEXT(slot, entry);
        if (state_of(slot) == PM_SLOT_WAITING) {
            pm_slot_retire(slot);
        }
        slot = next;
    }
}

static void set_tick(pm_events_loop *loop, int64_t now)
{
    int64_t passed = now - loop->rate_since;
    if (passed >= RATE_MS) {
        int64_t rate = loop->rounds * 1000 / passed;
        int64_t most = rate == 0 ? TICK_MS_MAX : ROUNDS_A_TICK * 1000 / rate;
        most = most > TICK_MS_MAX ? TICK_MS_MAX : most < TICK_MS_MANY ? TICK_MS_MANY : most;
        loop->tick_ms = pm_earlier(rate / RATE_OF_A_MS, most);
        loop->rounds = 0;
        loop->rate_since = now;
    }
}

/* Lets events gather until the end of the tick. */
static void gather(pm_events_loop *loop)
{
    int64_t now = pm_mono_us();
    set_tick(loop, now / 1000);
    int64_t tick_ms =
        pm_loop_is_crowded(loop->loop) ? pm_earlier(loop->tick_ms, TICK_MS_CROWD) : loop->tick_ms;
    int64_t until = loop->woke_us + tick_ms * 1000;
    if (tick_ms > 1 && until > now && !atomic_load(&loop->exec->stop)) {
        const struct timespec at = {.tv_sec = (time_t)(until / 1000000),
                                    .tv_nsec = (long)(until % 1000000) * 1000};
        (void)clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL);
        now = until;
    }
    loop->woke_us = now;
}

static bool may_end(pm_events_loop *loop)
{
    return atomic_load_explicit(&loop->exec->quit, memory_order_acquire) &&
           LIST_EMPTY(&loop->slots);
}

void pm_events_loop_main(void *arg)
{
    pm_events_loop *loop = arg;
    pm_events *exec = loop->exec;
    loop->rate_since = pm_mono_ms();
    while (!may_end(loop)) {
        int64_t due = work(loop);
        if (atomic_load(&exec->stop) && !loop->closed) {
            close_loop(loop);
            continue;
        }
        gather(loop);
        pm_loop_wait(loop->loop, due);
    }
    pm_rpc_cancel(loop->rpc);
    pm_http_cancel(loop->http);
    pm_share_cancel(loop->share);
    if (!loop->closed) {
        loop->channel->ops->close(loop->channel, pm_mono_ms() + FLUSH_MS);
    }
    atomic_fetch_sub(&exec->env.figures->threads, 1);
}
