/* runtime.h (internal): what the manager and the starter need of a runtime. */
#ifndef PM_RUNTIME_H
#define PM_RUNTIME_H

#include <panicmon/runtime.h>

#include "net/store.h"

panicmon_registry *pm_runtime_registry(panicmon_runtime *runtime); /* borrowed */
panicmon_log *pm_runtime_log(panicmon_runtime *runtime);           /* borrowed; may be NULL */
const panicmon_settings *pm_runtime_settings(const panicmon_runtime *runtime);
pm_store *pm_runtime_store(panicmon_runtime *runtime); /* borrowed; once started, until joined */
/* How often monitors took a name, kind and source so far: once each, and again when a restart with
 * a new config changed them. Any thread. */
int64_t pm_runtime_identities(const panicmon_runtime *runtime);

/* Publishes a message that belongs to no monitor (monitorables, manager heartbeats), in order,
 * from any thread; the texts are copied. It counts like any other message. */
panicmon_err pm_runtime_publish(panicmon_runtime *runtime, const char *exchange,
                                const char *routing_key, const char *body, size_t len);

/* Something that may take its time; the memory is the caller's until `run` is called. */
typedef struct pm_errand {
    struct pm_errand *next;
    void (*run)(struct pm_errand *errand); /* may free it */
} pm_errand;

/* Runs it in a helper thread; in the caller's when there is none, as before the start. A stop of
 * the runtime waits for its end. Any thread. */
void pm_runtime_help(panicmon_runtime *runtime, pm_errand *errand);

/* Calls `hook(user)` once, when the runtime has started (at once when it has). */
panicmon_err pm_runtime_on_start(panicmon_runtime *runtime, void (*hook)(void *user), void *user);
/* Calls `hook(user)` when stop is requested, from the thread that joins or frees the runtime,
 * before it waits. Removing: pass the same pair to pm_runtime_off_stop(). */
panicmon_err pm_runtime_on_stop(panicmon_runtime *runtime, void (*hook)(void *user), void *user);
void pm_runtime_off(panicmon_runtime *runtime, void *user); /* removes both hooks of `user` */

#endif
