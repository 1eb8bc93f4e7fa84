/* runtime_impl.h (internal to core): the insides of a runtime. */
#ifndef PM_RUNTIME_IMPL_H
#define PM_RUNTIME_IMPL_H

#include <pthread.h>
#include <stdatomic.h>
#include <sys/types.h>

#include "base/map.h"
#include "base/thread.h"
#include "core/runtime.h"
#include "exec/exec.h"
#include "exec/figures.h"

typedef struct pm_hook {
    struct pm_hook *next;
    void (*start)(void *user);
    void (*stop)(void *user);
    void *user;
    bool started;
} pm_hook;

typedef enum pm_runtime_phase { PM_NEW, PM_STARTED, PM_STOPPING, PM_ENDED } pm_runtime_phase;

struct panicmon_runtime {
    panicmon_registry *registry;
    panicmon_settings *settings;
    panicmon_log *log;
    panicmon_sink *sink;
    pm_store *store;
    pm_net *net;
    pm_exec *exec;
    int64_t periods_ms[PANICMON_KIND_REPO + 1];
    int64_t round_deadline_ms;
    int64_t rounds; /* 0: no end */
    pid_t pid;
    pm_figures figures;
    pm_bundle_pool bundles;         /* memory of the monitors' requests */
    atomic_int_fast64_t identities; /* names and sources that monitors took so far */

    int stop_fd; /* eventfd: readable once a stop was asked for */
    atomic_bool stop_asked;

    pm_thread *control; /* runs the messages of nobody and the stop */
    pm_loop *loop;      /* of the control thread */
    pm_channel *channel;

    atomic_int phase; /* pm_runtime_phase; changed under lock */

    pthread_mutex_t hook_lock; /* guards the hooks; held while they run, taken before lock */
    pm_hook *hooks;

    pthread_mutex_t lock; /* guards what follows; no user code is called under it */
    pthread_cond_t changed;
    bool busy;        /* a thread starts it, breaks its waits or closes it; others wait */
    int64_t break_at; /* before it nothing is broken; 0: not joined yet */
    bool broken;      /* waits were broken */
    bool control_over;
    pm_map monitors;           /* key -> panicmon_monitor *, each with a reference */
    size_t live;               /* monitors that have not stopped */
    pm_request *first_message; /* to be sent by the control thread */
    pm_request *last_message;

    pthread_cond_t errand_came; /* for helpers */
    pm_errand *errands;         /* that no helper has begun; each counts as live */
    size_t errand_count;
    size_t helpers;
    size_t helpers_idle;
    bool helpers_quit;
};

/* Stuck waits are broken this long after a stop was asked for. */
#define PM_GRACE_MS 1200

/* Under the lock: whether nobody has begun to start it. */
bool pm_runtime_is_new(const panicmon_runtime *runtime);
/* Under the lock: whether it may have threads. */
bool pm_runtime_has_threads(const panicmon_runtime *runtime);
/* Under the lock: the thread that made it busy lets the others go on. */
void pm_runtime_end_busy(panicmon_runtime *runtime);
/* Frees what the start made, when no thread but the executor's, which has no task, is left. */
void pm_runtime_close_parts(panicmon_runtime *runtime);

/* Ends the helpers, which have nothing to do any more. */
void pm_runtime_dismiss_helpers(panicmon_runtime *runtime);

/* Hands what waits over to the sink. The control thread. */
void pm_runtime_send_messages(panicmon_runtime *runtime);
/* Frees what was never sent. When no thread is left. */
void pm_runtime_drop_messages(panicmon_runtime *runtime);

/* Calls the hooks for the stop, or those for the start. */
void pm_runtime_run_hooks(panicmon_runtime *runtime, bool stop);
/* Forgets all hooks. When no thread is left. */
void pm_runtime_drop_hooks(panicmon_runtime *runtime);

/* Whether the monitor was entered but not given to the executor, because the runtime has not
 * started; it then never will be. */
bool pm_runtime_withdraw(panicmon_runtime *runtime, panicmon_monitor *monitor);
/* Called by a monitor when it has stopped; drops the runtime's reference to it. */
void pm_runtime_forget(panicmon_runtime *runtime, panicmon_monitor *monitor);

#endif
