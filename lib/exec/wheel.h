/* wheel.h: a timer wheel: when tasks are due, to be set and taken out in constant time whatever
 * their number. Times are pm_mono_ms(); a timer goes off up to PM_WHEEL_TICK ms after its time,
 * never before. Belongs to one thread, or to the holder of its owner's lock. */
#ifndef PM_WHEEL_H
#define PM_WHEEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PM_WHEEL_TICK  8
#define PM_WHEEL_SLOTS 1024

typedef struct pm_timer {
    struct pm_timer *next;
    struct pm_timer **link; /* NULL: not set */
    int64_t tick;
} pm_timer; /* zero-initialised is not set */

typedef struct pm_wheel {
    pm_timer *slots[PM_WHEEL_SLOTS];
    uint64_t used[PM_WHEEL_SLOTS / 64]; /* which slots may hold something */
    int64_t tick;                       /* the next one to be looked at */
} pm_wheel;

void pm_wheel_init(pm_wheel *wheel, int64_t now_ms);
/* Sets the timer, anew when it was set. */
void pm_wheel_set(pm_wheel *wheel, pm_timer *timer, int64_t due_ms);
/* Allowed for one that is not set. */
void pm_wheel_remove(pm_timer *timer);
/* Takes out all whose time has come, linked by `next`; those that came first stand first. */
pm_timer *pm_wheel_expire(pm_wheel *wheel, int64_t now_ms);
/* When to call pm_wheel_expire() next; PM_NEVER: nothing is set. */
int64_t pm_wheel_next(const pm_wheel *wheel);

#endif
