/* backoff.h: when to try again: capped exponential backoff with full jitter, so that many who lost
 * the same peer do not come back together. One thread. */
#ifndef PM_BACKOFF_H
#define PM_BACKOFF_H

#include <stdint.h>

typedef struct pm_backoff {
    int64_t first_ms;
    int64_t cap_ms;
    unsigned failures;
    uint64_t state; /* of the random numbers; 0: not seeded yet */
} pm_backoff;

/* How long to wait after one more failure. */
int64_t pm_backoff_next(pm_backoff *backoff);
/* It worked. */
void pm_backoff_reset(pm_backoff *backoff);

#endif
