/* watchdog.h: tells a service manager that keeps a watchdog ($WATCHDOG_USEC) that rounds are being
 * completed. Main thread. */
#ifndef PANICMOND_WATCHDOG_H
#define PANICMOND_WATCHDOG_H

#include <stdint.h>

#include <panicmon/panicmon.h>

#include "setup.h"

typedef struct watchdog {
    int64_t every_ms;    /* 0: nobody keeps one */
    int64_t due_ms;      /* clock_mono_ms() */
    int64_t patience_ms; /* without a round for longer than this, it is told nothing */
    int64_t rounds;      /* when last looked */
    int64_t moved_ms;    /* when they last changed, or nothing was to be run */
} watchdog;

void watchdog_start(watchdog *dog, const setup *setup);
/* Gives the milliseconds until it must be called again, -1: never. */
int watchdog_tick(watchdog *dog, const panicmon_runtime *runtime);
/* What it comes to: whether all is well, given the figures of now. */
int watchdog_is_content(watchdog *dog, int64_t running, int64_t rounds, int64_t now_ms);

#endif
