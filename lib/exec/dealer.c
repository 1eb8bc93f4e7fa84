/* dealer.c: see dealer.h. */
#include "exec/dealer.h"

#include <stdlib.h>

#include "base/clock.h"

static pm_deals *list_of(pm_dealer *dealer, pm_deal_state state)
{
    switch (state) {
    case PM_DEAL_MAIL:
        return &dealer->mail;
    case PM_DEAL_READY:
        return &dealer->ready;
    case PM_DEAL_DEALT:
        return &dealer->dealt;
    case PM_DEAL_RUNNING:
        return &dealer->running;
    default:
        return NULL;
    }
}

/* Under the lock, as all that follow but look(). */
static void move_to(pm_dealer *dealer, pm_deal *deal, pm_deal_state state)
{
    pm_deals *from = list_of(dealer, deal->state);
    pm_deals *to = list_of(dealer, state);
    if (from != NULL) {
        TAILQ_REMOVE(from, deal, entry);
    }
    if (to != NULL) {
        TAILQ_INSERT_TAIL(to, deal, entry);
    }
    dealer->ready_count += (state == PM_DEAL_READY) - (size_t)(deal->state == PM_DEAL_READY);
    dealer->arrived += state == PM_DEAL_READY;
    pm_wheel_remove(&deal->timer);
    deal->state = state;
}

void pm_dealer_poke(pm_dealer *dealer)
{
    if (!dealer->poked) {
        dealer->poked = true;
        pthread_cond_signal(&dealer->changed);
    }
}

static void mail(pm_dealer *dealer, pm_deal *deal)
{
    move_to(dealer, deal, PM_DEAL_MAIL);
    pm_dealer_poke(dealer);
}

pm_deal *pm_dealer_take(pm_dealer *dealer, int64_t now_ms)
{
    pm_deal *deal = TAILQ_FIRST(&dealer->ready);
    if (deal != NULL) {
        move_to(dealer, deal, PM_DEAL_DEALT);
        deal->since = now_ms;
    }
    return deal;
}

void pm_dealer_run(pm_dealer *dealer, pm_deal *deal)
{
    move_to(dealer, deal, PM_DEAL_RUNNING);
}

void pm_dealer_return(pm_dealer *dealer, pm_deal *deal)
{
    deal->runner = NULL;
    mail(dealer, deal);
}

static void wait_for(pm_dealer *dealer, pm_deal *deal, int64_t due)
{
    int64_t now = pm_mono_ms();
    due = due < deal->not_before ? deal->not_before : due;
    if (deal->again) {
        deal->again = false;
        mail(dealer, deal);
    } else if (due <= now) {
        move_to(dealer, deal, PM_DEAL_READY);
    } else {
        move_to(dealer, deal, PM_DEAL_WAIT);
        pm_wheel_set(&dealer->wheel, &deal->timer, due);
    }
}

/* Without the lock, which is held before and after; the task is in no list meanwhile. */
static void look(pm_dealer *dealer, pm_deal *deal)
{
    pm_task *task = deal->task;
    move_to(dealer, deal, PM_DEAL_LOOK);
    pthread_mutex_unlock(&dealer->lock);
    bool stops = atomic_load(&task->stop) || atomic_load(&dealer->stop);
    int64_t due = stops ? PM_NEVER : task->ops->due(task, pm_mono_ms());
    pthread_mutex_lock(&dealer->lock);
    if (due != PM_NEVER) {
        wait_for(dealer, deal, due);
        return;
    }
    task->slot = NULL;
    free(deal);
    pthread_mutex_unlock(&dealer->lock);
    task->ops->stopped(task);
    pthread_mutex_lock(&dealer->lock);
}

/* What nobody runs goes through look(), which tells it to stop. */
static void collect_all(pm_dealer *dealer)
{
    pm_deal *deal;
    while ((deal = TAILQ_FIRST(&dealer->ready)) != NULL) {
        move_to(dealer, deal, PM_DEAL_MAIL);
    }
    while ((deal = TAILQ_FIRST(&dealer->dealt)) != NULL) {
        deal->runner = NULL;
        move_to(dealer, deal, PM_DEAL_MAIL);
    }
    for (size_t i = 0; i < PM_WHEEL_SLOTS; i++) {
        while (dealer->wheel.slots[i] != NULL) {
            move_to(dealer, (pm_deal *)dealer->wheel.slots[i], PM_DEAL_MAIL);
        }
    }
}

static void dealer_main(void *arg)
{
    pm_dealer *dealer = arg;
    pthread_mutex_lock(&dealer->lock);
    while (!dealer->quit) {
        pm_deal *deal;
        dealer->poked = false;
        if (atomic_load(&dealer->stop)) {
            collect_all(dealer);
        }
        while ((deal = TAILQ_FIRST(&dealer->mail)) != NULL) {
            look(dealer, deal);
        }
        int64_t now = pm_mono_ms();
        for (pm_timer *timer = pm_wheel_expire(&dealer->wheel, now); timer != NULL;) {
            pm_timer *next = timer->next;
            move_to(dealer, (pm_deal *)timer, PM_DEAL_READY);
            timer = next;
        }
        int64_t next = dealer->deal(dealer, now);
        if (!dealer->poked && !dealer->quit) {
            next = pm_earlier(next, pm_wheel_next(&dealer->wheel));
            (void)pm_cond_wait_until(&dealer->changed, &dealer->lock, next);
        }
    }
    pthread_mutex_unlock(&dealer->lock);
}

/* ---- the interface ---- */

panicmon_err pm_dealer_init(pm_dealer *dealer, const pm_exec_ops *ops, const pm_exec_env *env)
{
    dealer->base.ops = ops;
    dealer->env = *env;
    atomic_init(&dealer->stop, false);
    TAILQ_INIT(&dealer->mail);
    TAILQ_INIT(&dealer->ready);
    TAILQ_INIT(&dealer->dealt);
    TAILQ_INIT(&dealer->running);
    pm_wheel_init(&dealer->wheel, pm_mono_ms());
    (void)pthread_mutex_init(&dealer->lock, NULL);
    pm_cond_init(&dealer->changed);
    panicmon_err status =
        pm_thread_start(&dealer->thread, "pm:dealer", PM_STACK_LARGE, dealer_main, dealer);
    if (status != PANICMON_OK) {
        (void)pthread_cond_destroy(&dealer->changed);
        (void)pthread_mutex_destroy(&dealer->lock);
        return status;
    }
    atomic_fetch_add(&env->figures->threads, 1);
    return PANICMON_OK;
}

void pm_dealer_quit(pm_dealer *dealer)
{
    pthread_mutex_lock(&dealer->lock);
    dealer->quit = true;
    pthread_cond_signal(&dealer->changed);
    pthread_mutex_unlock(&dealer->lock);
    pm_thread_join(dealer->thread);
    atomic_fetch_sub(&dealer->env.figures->threads, 1);
}

void pm_dealer_fini(pm_dealer *dealer)
{
    (void)pthread_cond_destroy(&dealer->changed);
    (void)pthread_mutex_destroy(&dealer->lock);
}

panicmon_err pm_dealer_add(pm_exec *base, pm_task *task)
{
    pm_dealer *dealer = (pm_dealer *)base;
    pm_deal *deal = calloc(1, sizeof *deal);
    if (deal == NULL) {
        return PANICMON_ERR_NOMEM;
    }
    deal->task = task;
    deal->state = PM_DEAL_LOOK; /* in no list yet */
    pthread_mutex_lock(&dealer->lock);
    task->slot = deal;
    mail(dealer, deal);
    pthread_mutex_unlock(&dealer->lock);
    return PANICMON_OK;
}

void pm_dealer_wake(pm_exec *base, pm_task *task)
{
    pm_dealer *dealer = (pm_dealer *)base;
    pthread_mutex_lock(&dealer->lock);
    pm_deal *deal = task->slot;
    if (deal == NULL) {
        pthread_mutex_unlock(&dealer->lock);
        return;
    }
    switch (deal->state) {
    case PM_DEAL_MAIL:
        break;
    case PM_DEAL_LOOK:
        deal->again = true;
        break;
    case PM_DEAL_RUNNING:
        dealer->nudge(dealer, deal);
        break;
    case PM_DEAL_WAIT:
    case PM_DEAL_READY:
        mail(dealer, deal);
        break;
    case PM_DEAL_DEALT: /* else it is looked at before it is run */
        if (deal->runner == NULL) {
            mail(dealer, deal);
        }
        break;
    }
    pthread_mutex_unlock(&dealer->lock);
}

void pm_dealer_request_stop(pm_exec *base)
{
    pm_dealer *dealer = (pm_dealer *)base;
    pm_deal *deal;
    pthread_mutex_lock(&dealer->lock);
    atomic_store(&dealer->stop, true);
    TAILQ_FOREACH(deal, &dealer->running, entry)
    {
        dealer->nudge(dealer, deal);
    }
    pm_dealer_poke(dealer);
    pthread_mutex_unlock(&dealer->lock);
}
