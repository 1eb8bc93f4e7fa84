/* watchdog.c: see watchdog.h. A daemon whose threads hang is restarted; one whose nodes are all
 * away is not, because a round that gives an error is a round. */
#include "watchdog.h"

#include <stdlib.h>
#include <unistd.h>

#include "notify.h"
#include "clock.h"

/* A setting in seconds, as milliseconds. */
static int64_t setting_ms(const setup *setup, const char *name)
{
    return (int64_t)(strtod(setup_get(setup, name), NULL) * 1000);
}

static int64_t asked_us(void)
{
    const char *us = getenv("WATCHDOG_USEC"); /* NOLINT(concurrency-mt-unsafe): nobody sets it */
    const char *pid = getenv("WATCHDOG_PID"); /* NOLINT(concurrency-mt-unsafe): nobody sets it */
    if (us == NULL || (pid != NULL && strtol(pid, NULL, 10) != (long)getpid())) {
        return 0;
    }
    return strtoll(us, NULL, 10);
}

void watchdog_start(watchdog *dog, const setup *setup)
{
    int64_t node = setting_ms(setup, "period.node");
    int64_t network = setting_ms(setup, "period.network");
    *dog = (watchdog){.every_ms = asked_us() / 2000, .due_ms = clock_mono_ms()};
    dog->moved_ms = dog->due_ms;
    dog->patience_ms =
        2 * (node > network ? node : network) + setting_ms(setup, "round.deadline") + dog->every_ms;
}

int watchdog_is_content(watchdog *dog, int64_t running, int64_t rounds, int64_t now_ms)
{
    if (running == 0 || rounds != dog->rounds) {
        dog->rounds = rounds;
        dog->moved_ms = now_ms;
    }
    return now_ms - dog->moved_ms <= dog->patience_ms;
}

int watchdog_tick(watchdog *dog, const panicmon_runtime *runtime)
{
    int64_t now = clock_mono_ms();
    if (dog->every_ms <= 0) {
        return -1;
    }
    if (now >= dog->due_ms) {
        int64_t running = 0;
        int64_t rounds = 0;
        panicmon_stats *stats = NULL;
        if (panicmon_runtime_stats(runtime, &stats) == PANICMON_OK) {
            (void)panicmon_stats_get(stats, "monitors_running", &running);
            (void)panicmon_stats_get(stats, "rounds", &rounds);
            if (watchdog_is_content(dog, running, rounds, now)) {
                notify("WATCHDOG=1");
            }
        }
        panicmon_stats_free(stats);
        dog->due_ms = now + dog->every_ms;
    }
    return (int)(dog->due_ms - now);
}
