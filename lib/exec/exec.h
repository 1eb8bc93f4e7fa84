/* exec.h: what an executor is, and what it sees of a monitorable: a task. An executor gives tasks
 * their turns and carries out what they ask for; it knows nothing of configs or strategies. */
#ifndef PM_EXEC_H
#define PM_EXEC_H

#include <stdatomic.h>
#include <stdbool.h>

#include "exec/figures.h"
#include "net/rpc.h"
#include "net/sink.h"
#include "net/store.h"

typedef struct pm_task pm_task;

/* Called by one thread at a time, the one that has the task's turn. */
typedef struct pm_task_ops {
    /* When it is to have its next turn (pm_mono_ms()); PM_NEVER: the task is over. Never blocks. */
    int64_t (*due)(pm_task *task, int64_t now_ms);
    /* Begins a turn: takes in what changed, and begins a round when that is due; when it is not,
     * the first step asks for nothing. May block as steps do. Times are pm_mono_us(). */
    void (*begin)(pm_task *task, int64_t now_us);
    /* Runs the next step. Gives the requests it queued, to be carried out before the next call;
     * 0: the round is over. */
    size_t (*step)(pm_task *task, int64_t now_us, pm_request *const **requests);
    /* Ends the round. `aborted`: steps were left out because of a stop; requests that are still
     * under way are kept. */
    void (*end)(pm_task *task, int64_t now_us, bool aborted);
    /* The executor will not touch the task again. The task may be freed inside. */
    void (*stopped)(pm_task *task);
} pm_task_ops;

struct pm_task {
    const pm_task_ops *ops;
    void *slot;       /* the executor's own; guarded by its lock */
    uint64_t key;     /* a stable number that spreads tasks */
    const void *own;  /* memory that its turns touch first, to be prefetched; as `name` */
    const char *name; /* for thread names and logs; changes between its calls only */
    atomic_bool stop; /* set by core, then pm_exec_wake() */
    bool blocking;    /* its turns block; changes between its calls only */
};

/* Bytes from the beginning of a task that its turns touch, with what is behind it. */
#define PM_TASK_HOT 384

/* What executors share; borrowed, outlives the executor. */
typedef struct pm_exec_env {
    pm_net *net;
    panicmon_sink *sink;
    pm_store *store;
    panicmon_log *log;
    pm_figures *figures;
    pm_loop *reaper;    /* of the thread that calls `reap`: woken when there is need; may be NULL */
    size_t loops;       /* events: how many */
    size_t workers;     /* rounds and queue: most rounds at once */
    size_t cache_bytes; /* pinned replies kept by each thread that shares connections */
} pm_exec_env;

typedef struct pm_exec pm_exec;

/* All functions may be called by any thread. */
typedef struct pm_exec_ops {
    const char *name;
    panicmon_err (*create)(pm_exec **out, const pm_exec_env *env);
    /* Takes a task over until its `stopped` is called. */
    panicmon_err (*add)(pm_exec *exec, pm_task *task);
    /* Makes the executor look at the task soon: its stop flag or its due time changed. */
    void (*wake)(pm_exec *exec, pm_task *task);
    /* Asks all tasks to stop; returns at once. */
    void (*request_stop)(pm_exec *exec);
    /* Breaks whatever tasks still wait for; after request_stop. */
    void (*interrupt)(pm_exec *exec);
    /* Cleans up after tasks that stopped. Never waits for a task that has not. The thread of the
     * env's `reaper`. */
    void (*reap)(pm_exec *exec);
    /* After all tasks stopped. */
    void (*free)(pm_exec *exec);
} pm_exec_ops;

struct pm_exec {
    const pm_exec_ops *ops;
};

/* The executors of this build by name; NULL for an unknown one. */
const pm_exec_ops *pm_exec_find(const char *name);

/* The executors by place; NULL after the last one. */
const pm_exec_ops *pm_exec_at(size_t i);

extern const pm_exec_ops pm_exec_threads;
extern const pm_exec_ops pm_exec_rounds;
extern const pm_exec_ops pm_exec_queue;
extern const pm_exec_ops pm_exec_events;

#endif
