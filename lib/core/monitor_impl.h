/* monitor_impl.h (internal to core): the insides of a monitor, shared by monitor.c (handle and
 * life) and turn.c (rounds). */
#ifndef PM_MONITOR_IMPL_H
#define PM_MONITOR_IMPL_H

#include <pthread.h>
#include <stdatomic.h>

#include "core/monitor.h"
#include "core/round.h"
#include "core/runtime_impl.h"
#include "exec/exec.h"

/* What a start said of the monitorable. Old ones are kept until the handle goes, because their
 * texts were lent out. */
typedef struct pm_identity {
    struct pm_identity *older;
    char *name;
    char *chain_id; /* the three are NULL when not announced */
    char *source_id;
    char *source_name;
    panicmon_kind kind;
} pm_identity;

struct panicmon_launch {
    const char *id;
    char *name;
    char *chain_id;
    char *source_id;
    char *source_name;
    panicmon_kind kind;
    int64_t period_ms; /* 0: the kind's */
    panicmon_monitor_ops ops;
    void *monitor;
    bool launched;
};

/* What each turn touches comes first: PM_TASK_HOT. */
struct panicmon_monitor {
    pm_task task;              /* first: the executor's view */
    panicmon_runtime *runtime; /* valid until the monitor has stopped */

    /* of the thread that has the turn */
    void *state;                     /* the strategy's monitor, which may be NULL */
    bool has_state;                  /* false while in backoff */
    bool ended;                      /* the rounds asked for are done */
    bool no_round;                   /* this turn only took a new config in, or failed to restart */
    atomic_bool has_next;            /* there is a next_parsed; changed under lock */
    atomic_bool in_turn;             /* one of its own functions runs */
    atomic_bool can_update;          /* of any thread, as all that is atomic */
    atomic_int current;              /* panicmon_monitor_state */
    _Atomic(pthread_t) runner;       /* valid while in_turn */
    _Atomic(const char *) turn_what; /* in words */
    atomic_int_fast64_t turn_ms;     /* when that began */
    int64_t due_ms;
    int64_t period_ms;
    int64_t began_us; /* the round, pm_mono_us() */
    panicmon_round round;
    int64_t backoff_ms;
    pm_buf last_error;               /* folds repeated errors in the log */
    atomic_int_fast64_t last_end_ms; /* pm_mono_ms(), of the start at first */
    atomic_int_fast64_t rounds;
    uint64_t phase; /* hash of the key */
    panicmon_monitor_ops ops;

    atomic_int refs;
    char *key;
    char *id;
    pm_strategy *strategy;
    void *parsed; /* of the thread that has the turn */
    pm_errand farewell;
    atomic_int_fast64_t alive_ms; /* silence longer than this is not alive */
    bool added; /* given to the executor, or withdrawn; guarded by the runtime's lock */

    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t stopped;
    bool is_stopped;
    void *next_parsed;
    _Atomic(pm_identity *) identity; /* written under lock, read by any thread */
};

extern const pm_task_ops pm_monitor_task_ops;

/* Before and after each call of a function of the monitor or its strategy: by it are told hung ones
 * from idle ones, and a monitor that joins itself from others. `what`: static, "a step". */
void pm_monitor_call_begin(panicmon_monitor *monitor, const char *what, int64_t now_ms);
void pm_monitor_call_end(panicmon_monitor *monitor);
/* Calls the strategy's start and takes over what it launched. Thread of the turn, or of the
 * first start. */
panicmon_err pm_monitor_launch(panicmon_monitor *monitor, panicmon_error **err);
/* Before it is given to the executor, which may be long after it was made: sets when its first
 * round is due, and what else counts from there. */
void pm_monitor_ready(panicmon_monitor *monitor);
/* Milliseconds until the next time on the monitorable's grid, 1 to its period. */
int64_t pm_monitor_phase_ms(const panicmon_monitor *monitor);
/* Frees the strategy's monitor, if any. */
void pm_monitor_drop_state(panicmon_monitor *monitor);
void pm_monitor_drop_parsed(panicmon_monitor *monitor, void *parsed);
/* For task->stopped: marks it stopped, wakes joiners, drops the runtime's reference. */
void pm_monitor_set_stopped(panicmon_monitor *monitor);

#endif
