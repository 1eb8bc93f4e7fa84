/* clock.h: the two clocks, in milliseconds or microseconds. Deadlines are always on the monotonic
 * one. */
#ifndef PM_CLOCK_H
#define PM_CLOCK_H

#include <stdint.h>

#define PM_NEVER INT64_MAX

int64_t pm_mono_ms(void);
int64_t pm_mono_us(void);
int64_t pm_mono_ns(void);
int64_t pm_wall_ms(void);
int64_t pm_wall_us(void);

static inline int64_t pm_earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

#endif
