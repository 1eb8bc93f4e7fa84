/* monitor.h (internal): a monitorable with its monitor, as runtime, starter and manager see it. */
#ifndef PM_MONITOR_H
#define PM_MONITOR_H

#include <stdbool.h>

#include <panicmon/runtime.h>

#include "core/strategy.h"

/* Starts a monitor: `key` names it within the runtime (ERR_EXISTS when taken), `id` is the
 * monitorable's id. Takes `parsed` over, also on failure. The strategy gets a reference of its
 * own. `*out` gets a handle (free it with panicmon_monitor_free()). ERR_STATE when stopping. */
panicmon_err pm_monitor_start(panicmon_runtime *runtime, const char *key, const char *id,
                              pm_strategy *strategy, void *parsed, panicmon_monitor **out,
                              panicmon_error **err);

/* The same in two parts. Makes it: all that calls the strategy, in a thread that may be held up. */
panicmon_err pm_monitor_make(panicmon_runtime *runtime, const char *key, const char *id,
                             pm_strategy *strategy, void *parsed, panicmon_monitor **out,
                             panicmon_error **err);
/* And gives it to the runtime; on failure it is freed. One that was made but not run is freed with
 * panicmon_monitor_free(). */
panicmon_err pm_monitor_run(panicmon_monitor *monitor, panicmon_error **err);

/* Hands a new parsed config over (taken over always): given to the monitor's `update` between two
 * rounds, or the monitor is restarted in place with it. Any thread; the last one wins. */
void pm_monitor_update(panicmon_monitor *monitor, void *parsed);

/* Takes another reference. Any thread. */
panicmon_monitor *pm_monitor_ref(panicmon_monitor *monitor);
/* Whether a monitor of that key has not ended yet. Any thread. */
bool pm_monitor_key_taken(panicmon_runtime *runtime, const char *key);
/* Whether one of its functions has been running for longer than it takes to count as dead. Any
 * thread. */
bool pm_monitor_is_stuck(const panicmon_monitor *monitor);
/* Which one, in words: "a step". Static. Any thread. */
const char *pm_monitor_doing(const panicmon_monitor *monitor);
/* What names it in its runtime. Borrowed from the handle. Any thread. */
const char *pm_monitor_key(const panicmon_monitor *monitor);
/* Frees the key of a monitor that hangs, so that another one can be started in its place. The
 * hung one ends when that function returns, if it was stopped. Any thread. */
void pm_monitor_abandon(panicmon_monitor *monitor);

/* Whether its monitor has an `update`. Any thread. */
bool pm_monitor_can_update(const panicmon_monitor *monitor);

/* Whether it completes rounds: not in backoff, not stopped, and its last round ended less than
 * three periods ago (counted from its start when none has). Any thread. */
bool pm_monitor_is_alive(const panicmon_monitor *monitor);

/* What panicmon_launch_source() said; NULL when it was not called. Borrowed from the handle. */
const char *pm_monitor_chain_id(const panicmon_monitor *monitor);
const char *pm_monitor_source_id(const panicmon_monitor *monitor);
const char *pm_monitor_source_name(const panicmon_monitor *monitor);
panicmon_kind pm_monitor_kind(const panicmon_monitor *monitor);

#endif
