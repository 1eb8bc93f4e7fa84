/* dealer.h: tasks that wait for their time without a thread of their own: one thread, the dealer,
 * looks after all that wait and puts those that are due into a queue, from which the executor
 * (rounds, queue) hands them out. A task is handed out to one thread at a time and given back.
 *
 * dealer->lock guards everything here and may guard the executor's own things too. */
#ifndef PM_DEALER_H
#define PM_DEALER_H

#include <pthread.h>
#include <sys/queue.h>

#include "base/thread.h"
#include "exec/exec.h"
#include "exec/wheel.h"

typedef enum pm_deal_state {
    PM_DEAL_MAIL,   /* to be looked at */
    PM_DEAL_LOOK,   /* being looked at by the dealer, who has the turn */
    PM_DEAL_WAIT,   /* its time has not come */
    PM_DEAL_READY,  /* in the queue */
    PM_DEAL_DEALT,  /* taken out of the queue, not yet run */
    PM_DEAL_RUNNING /* some thread has the turn */
} pm_deal_state;

typedef struct pm_deal {
    pm_timer timer; /* first */
    TAILQ_ENTRY(pm_deal) entry;
    pm_task *task;
    pm_deal_state state;
    bool again;         /* woken while being looked at */
    int64_t not_before; /* pm_mono_ms(); 0: no such bound */
    int64_t since;      /* when it was dealt */
    void *runner;       /* the executor's own */
} pm_deal;

typedef TAILQ_HEAD(pm_deals, pm_deal) pm_deals;

typedef struct pm_dealer {
    pm_exec base; /* first */
    pm_exec_env env;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    pm_thread *thread;
    pm_wheel wheel;
    pm_deals mail;
    pm_deals ready;
    pm_deals dealt;
    pm_deals running;
    size_t ready_count;
    size_t arrived; /* tasks that became ready so far */
    bool poked;
    bool quit;
    atomic_bool stop;
    /* Under the lock, by the dealer: hands out what it likes with pm_dealer_take(); gives when it
     * is to be called next. */
    int64_t (*deal)(struct pm_dealer *dealer, int64_t now_ms);
    /* Under the lock, by any thread: the thread that runs this task is to look at its stop flag. */
    void (*nudge)(struct pm_dealer *dealer, pm_deal *deal);
} pm_dealer;

/* Sets up the head of an executor and starts its dealer. */
panicmon_err pm_dealer_init(pm_dealer *dealer, const pm_exec_ops *ops, const pm_exec_env *env);
/* Ends the dealer's thread; after all tasks stopped. */
void pm_dealer_quit(pm_dealer *dealer);
/* After that, when no thread of the executor uses the lock any more. */
void pm_dealer_fini(pm_dealer *dealer);

/* For pm_exec_ops. */
panicmon_err pm_dealer_add(pm_exec *base, pm_task *task);
void pm_dealer_wake(pm_exec *base, pm_task *task);
void pm_dealer_request_stop(pm_exec *base);

/* Under the lock: takes the first task out of the queue into `dealt`; NULL: it is empty. */
pm_deal *pm_dealer_take(pm_dealer *dealer, int64_t now_ms);
/* Under the lock: who took it begins to run it, and has its turn. */
void pm_dealer_run(pm_dealer *dealer, pm_deal *deal);
/* Under the lock: gives a task back that is dealt or running. */
void pm_dealer_return(pm_dealer *dealer, pm_deal *deal);
/* Under the lock: makes the dealer call `deal` soon. */
void pm_dealer_poke(pm_dealer *dealer);

#endif
