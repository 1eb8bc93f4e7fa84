/* backoff.c: see backoff.h. */
#include "net/backoff.h"

#include "base/clock.h"

/* A wait is never shorter, however the dice fall: a peer that is back needs a moment. */
#define SHORTEST_MS 20

/* xorshift64*; the address tells apart those that start in the same microsecond. */
static uint64_t roll(pm_backoff *backoff)
{
    if (backoff->state == 0) {
        backoff->state = ((uint64_t)pm_wall_us() ^ (uint64_t)(uintptr_t)backoff << 16) | 1u;
    }
    backoff->state ^= backoff->state >> 12;
    backoff->state ^= backoff->state << 25;
    backoff->state ^= backoff->state >> 27;
    return backoff->state * UINT64_C(2685821657736338717);
}

int64_t pm_backoff_next(pm_backoff *backoff)
{
    int64_t most = backoff->first_ms;
    for (unsigned i = 0; i < backoff->failures && most < backoff->cap_ms; i++) {
        most *= 2;
    }
    most = pm_earlier(most, backoff->cap_ms);
    backoff->failures++;
    int64_t wait = (int64_t)((roll(backoff) >> 33) % (uint64_t)most);
    return wait < SHORTEST_MS ? SHORTEST_MS : wait;
}

void pm_backoff_reset(pm_backoff *backoff)
{
    backoff->failures = 0;
}
