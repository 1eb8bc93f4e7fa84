/* birth.h: a monitor in the making. A strategy's `start` may take its time or never come back, so a
 * helper thread of the runtime calls it while the manager waits, for a while only. */
#ifndef PM_BIRTH_H
#define PM_BIRTH_H

#include "core/monitor.h"

typedef struct pm_birth pm_birth;

/* Begins; takes `parsed` over, also without memory (then NULL). */
pm_birth *pm_birth_begin(panicmon_runtime *runtime, const char *key, const char *id,
                         pm_strategy *strategy, void *parsed);
/* Waits until `until_ms` (pm_mono_ms()) for its end; whether it is over. */
bool pm_birth_wait(pm_birth *birth, int64_t until_ms);
/* When it began, pm_mono_ms(). */
int64_t pm_birth_began(const pm_birth *birth);
/* The key of its monitor. Borrowed. */
const char *pm_birth_key(const pm_birth *birth);
/* Whether the caller is what it calls. Any thread. */
bool pm_birth_is_here(pm_birth *birth);

/* When it is over: gives the monitor, which is to be run, or why there is none; and frees it. */
panicmon_err pm_birth_take(pm_birth *birth, panicmon_monitor **out, panicmon_error **err);
/* Nobody wants the monitor any more: the helper frees it. */
void pm_birth_give_up(pm_birth *birth);
/* Drops the caller's reference; the helper has one until it is over. NULL is allowed. */
void pm_birth_free(pm_birth *birth);

#endif
