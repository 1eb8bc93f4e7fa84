/* clock.c: see clock.h. */
#include "base/clock.h"

#include <time.h>

static int64_t read_us(clockid_t id)
{
    struct timespec now;
    (void)clock_gettime(id, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int64_t pm_mono_ms(void)
{
    return read_us(CLOCK_MONOTONIC) / 1000;
}

int64_t pm_mono_us(void)
{
    return read_us(CLOCK_MONOTONIC);
}

int64_t pm_mono_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

int64_t pm_wall_ms(void)
{
    return read_us(CLOCK_REALTIME) / 1000;
}

int64_t pm_wall_us(void)
{
    return read_us(CLOCK_REALTIME);
}
