/* look.c: see look.h. Reads only what the thread that has the monitor's turn keeps for others. */
#include "core/look.h"

#include "base/clock.h"
#include "core/monitor_impl.h"

/* It is looked at least so often: a restart may have shortened the period meanwhile. */
#define LOOK_MS 30000

pm_sight pm_monitor_look(const panicmon_monitor *monitor, int64_t now_ms, int64_t *again_ms)
{
    int64_t alive_ms = atomic_load(&monitor->alive_ms);
    *again_ms = now_ms;
    if (atomic_load(&monitor->current) == PANICMON_MONITOR_STOPPED) {
        return PM_SEEN_ENDED;
    }
    if (!atomic_load(&monitor->in_turn)) {
        /* What hangs from now on is seen in time in the middle of that. */
        *again_ms = now_ms + pm_earlier(alive_ms / 2, LOOK_MS);
        return PM_SEEN_WELL;
    }
    int64_t since_ms = atomic_load(&monitor->turn_ms);
    if (now_ms - since_ms > alive_ms) {
        return PM_SEEN_STUCK;
    }
    *again_ms = pm_earlier(since_ms + alive_ms + 1, now_ms + LOOK_MS);
    return PM_SEEN_WELL;
}
