/* events_impl.h (internal to the executor `events`): its loops and what they know of a task.
 * events.c is the executor, events_loop.c the thread of a loop, events_turn.c a task's turns.
 *
 * A slot belongs to the thread of its loop, or to a helper while it is AWAY; what is marked is
 * guarded by exec->lock instead. */
#ifndef PM_EVENTS_IMPL_H
#define PM_EVENTS_IMPL_H

#include <pthread.h>
#include <sys/queue.h>

#include "base/thread.h"
#include "exec/exec.h"
#include "exec/pool.h"
#include "exec/share.h"
#include "exec/wheel.h"
#include "net/http.h"

typedef struct pm_events pm_events;
typedef struct pm_events_loop pm_events_loop;

typedef enum pm_slot_state {
    PM_SLOT_WAITING, /* for its time, or to be looked at */
    PM_SLOT_ASKING,  /* for replies */
    PM_SLOT_READY,   /* to have its turn: in loop->ready */
    PM_SLOT_AWAY,    /* a helper has its turn */
    PM_SLOT_BACK,    /* the helper is done; set under the lock */
    PM_SLOT_MOVED,   /* comes from another loop, to ask what it has to ask */
} pm_slot_state;

/* What each turn touches comes first. */
typedef struct pm_slot {
    pm_timer timer; /* first */
    pm_task *task;
    pm_events_loop *loop; /* changed under the lock */
    pm_request *const *requests;
    size_t count;
    size_t pending;
    pm_slot_state state;
    bool in_round;
    bool mailed;                    /* under the lock */
    STAILQ_ENTRY(pm_slot) in_ready; /* loop->ready */
    pm_share_place place;           /* at loop->share */
    LIST_ENTRY(pm_slot) entry;      /* loop->slots */
    TAILQ_ENTRY(pm_slot) in_mail;   /* loop->mail; under the lock */
    pm_job job;
} pm_slot;

/* What kept a loop for long, of one kind. */
typedef struct pm_slow {
    int64_t told; /* when one was last named */
    size_t more;  /* how many were not since */
} pm_slow;

struct pm_events_loop {
    pm_events *exec;
    size_t place;
    pm_thread *thread;
    pm_loop *loop;
    pm_rpc *rpc;
    pm_http *http;
    pm_share *share;
    pm_channel *channel;
    int64_t now_us; /* the time: when it woke up, or when the last step ended */
    pm_rpc_counts counted;
    LIST_HEAD(, pm_slot) slots;
    STAILQ_HEAD(, pm_slot) ready;
    atomic_bool has_mail;       /* set under the lock: there is something in mail or stored */
    TAILQ_HEAD(, pm_slot) mail; /* under the lock */
    pm_job *stored;             /* loads and stores that are done; under the lock */
    bool closed;                /* the channel is; asks for nothing any more */
    int64_t tick_ms;            /* how long it lets events gather */
    int64_t woke_us;            /* when it last went to look for events */
    int64_t rounds;             /* begun since rate_since */
    int64_t rate_since;
    pm_slow slow_step;
    pm_slow slow_rest;
    pm_wheel wheel;
};

struct pm_events {
    pm_exec base; /* first */
    pm_exec_env env;
    pm_pool *steps;  /* for monitors whose steps block */
    pm_pool *stores; /* for the state store */
    pthread_mutex_t lock;
    atomic_bool stop;
    atomic_bool quit; /* loops with nothing left end */
    size_t count;
    pm_events_loop loops[];
};

/* ---- events.c ---- */
/* Under the lock: makes the slot's loop look at it. */
void pm_events_mail(pm_slot *slot);
/* Under the lock: makes the loop look at its mail. */
void pm_events_call(pm_events_loop *loop);

/* ---- events_loop.c ---- */
void pm_events_loop_main(void *arg);

/* ---- events_turn.c ---- */
/* The slot is waiting: begins its round when that is due. */
void pm_slot_look(pm_slot *slot);
/* It has its turn: the next step. */
void pm_slot_turn(pm_slot *slot);
/* A helper did the step. */
void pm_slot_back(pm_slot *slot);
/* It was moved here: asks for what its step asked for. */
void pm_slot_ask(pm_slot *slot);
/* The timer went off while it asks: what let time pass is over. */
void pm_slot_waited(pm_slot *slot);
/* Ends a round that is cut short; what it asked for is given up. */
void pm_slot_abort(pm_slot *slot);
/* Lets the task go. */
void pm_slot_retire(pm_slot *slot);
bool pm_slot_must_stop(const pm_slot *slot);
/* Delivers what the state store said. */
void pm_slot_deliver_stored(pm_job *jobs);

#endif
