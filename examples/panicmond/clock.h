/* clock.h: the two clocks, in milliseconds. Any thread. */
#ifndef PANICMOND_CLOCK_H
#define PANICMOND_CLOCK_H

#include <stdint.h>
#include <time.h>

static inline int64_t clock_ms(clockid_t clock)
{
    struct timespec now;
    (void)clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* For gaps between two moments. */
static inline int64_t clock_mono_ms(void)
{
    return clock_ms(CLOCK_MONOTONIC);
}

/* Since the Unix epoch. */
static inline int64_t clock_wall_ms(void)
{
    return clock_ms(CLOCK_REALTIME);
}

#endif
