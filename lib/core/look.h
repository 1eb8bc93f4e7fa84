/* look.h (internal): what a manager sees of a monitor when it looks after it. */
#ifndef PM_LOOK_H
#define PM_LOOK_H

#include "core/monitor.h"

typedef enum pm_sight {
    PM_SEEN_WELL,
    PM_SEEN_ENDED, /* it runs no more */
    PM_SEEN_STUCK, /* as pm_monitor_is_stuck() */
} pm_sight;

/* How it stands at `now_ms`, which is pm_mono_ms() or was a moment ago. `*again_ms` gets when to
 * look again, so that one that comes to be stuck meanwhile is seen as soon as it counts as such;
 * rarely, because what is read here is in no cache. Any thread. */
pm_sight pm_monitor_look(const panicmon_monitor *monitor, int64_t now_ms, int64_t *again_ms);

#endif
