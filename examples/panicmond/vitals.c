/* vitals.c: see vitals.h. A lock guards everything; under it only the library's figures are asked
 * for, which wait for nobody. */
#include "vitals.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"

/* The main thread looks every second, unless it hangs. */
#define HANGS_MS 30000
/* No round for so long, at least, is no progress. */
#define PROGRESS_MS 30000
/* A broker that cost messages for want of room is in trouble for this long. */
#define FULL_MS 60000
/* Rounds per second are told over so many seconds. */
#define MARKS 10

typedef enum phase { STARTING, RUNNING, STOPPING } phase;

struct vitals {
    store *store;
    bool broker;
    int64_t started_ms; /* since the Unix epoch */
    int64_t start_mono_ms;

    pthread_mutex_t lock; /* guards what follows */
    phase phase;
    panicmon_runtime *runtime;
    panicmon_manager *manager;
    bool refused;
    bool config_good;
    int64_t config_ms;
    uint32_t config_hash;
    bool first_rounds; /* all are done; stays so */
    int64_t tick_ms;
    int64_t progress_ms; /* rounds went on, or there were none to do */
    int64_t rounds;      /* then */
    int64_t full_ms;     /* the broker's buffer cost a message; 0: never */
    int64_t full;        /* messages it had cost then */
    size_t marks;        /* that were ever set */
    int64_t mark_rounds[MARKS];
    int64_t mark_ms[MARKS];
};

vitals *vitals_new(store *store, bool broker)
{
    vitals *made = calloc(1, sizeof *made);
    if (made != NULL) {
        int64_t now = clock_mono_ms();
        made->store = store;
        made->broker = broker;
        made->started_ms = clock_wall_ms();
        made->start_mono_ms = made->tick_ms = made->progress_ms = now;
        (void)pthread_mutex_init(&made->lock, NULL);
    }
    return made;
}

void vitals_free(vitals *vitals)
{
    if (vitals != NULL) {
        (void)pthread_mutex_destroy(&vitals->lock);
        free(vitals);
    }
}

void vitals_start(vitals *vitals, panicmon_runtime *runtime, panicmon_manager *manager)
{
    pthread_mutex_lock(&vitals->lock);
    vitals->runtime = runtime;
    vitals->manager = manager;
    vitals->phase = RUNNING;
    pthread_mutex_unlock(&vitals->lock);
}

void vitals_stop(vitals *vitals)
{
    pthread_mutex_lock(&vitals->lock);
    vitals->runtime = NULL;
    vitals->manager = NULL;
    vitals->phase = STOPPING;
    pthread_mutex_unlock(&vitals->lock);
}

/* FNV-1a. */
static uint32_t hash_of(const char *text)
{
    uint32_t hash = 2166136261U;
    for (; *text != '\0'; text++) {
        hash = (hash ^ (unsigned char)*text) * 16777619U;
    }
    return hash;
}

void vitals_configured(vitals *vitals, const char *configs, bool refused)
{
    uint32_t hash = hash_of(configs);
    pthread_mutex_lock(&vitals->lock);
    vitals->refused = refused;
    vitals->config_good = !refused;
    vitals->config_hash = hash;
    if (!refused) {
        vitals->config_ms = clock_wall_ms();
    }
    pthread_mutex_unlock(&vitals->lock);
}

void vitals_misconfigured(vitals *vitals)
{
    pthread_mutex_lock(&vitals->lock);
    vitals->config_good = false;
    pthread_mutex_unlock(&vitals->lock);
}

static int64_t figure(const panicmon_stats *stats, const char *name)
{
    int64_t value = 0;
    if (stats != NULL) {
        (void)panicmon_stats_get(stats, name, &value);
    }
    return value;
}

/* ---- looking: under the lock ---- */

static void note_progress(vitals *vitals, const panicmon_stats *stats, int64_t now)
{
    int64_t rounds = figure(stats, "rounds");
    int64_t full = figure(stats, "messages_dropped_full");
    if (rounds != vitals->rounds || figure(stats, "monitors_running") == 0) {
        vitals->progress_ms = now;
        vitals->rounds = rounds;
    }
    if (full != vitals->full) {
        vitals->full_ms = now;
        vitals->full = full;
    }
}

static void note_first_rounds(vitals *vitals, const panicmon_stats *stats)
{
    size_t count;
    size_t wanted = panicmon_manager_count(vitals->manager);
    size_t heard = store_heard(vitals->store, &count);
    /* Whatever monitors publish, after two rounds on average each has had its first. */
    vitals->first_rounds = vitals->first_rounds || heard >= wanted ||
                           figure(stats, "rounds") >= 2 * figure(stats, "monitors_started");
}

static double rounds_per_second(const vitals *vitals, int64_t rounds, int64_t now)
{
    if (vitals->marks == 0) {
        return 0;
    }
    size_t oldest = vitals->marks < MARKS ? 0 : vitals->marks % MARKS;
    int64_t passed = now - vitals->mark_ms[oldest];
    return passed <= 0 ? 0 : (double)(rounds - vitals->mark_rounds[oldest]) * 1000 / (double)passed;
}

static panicmon_stats *take_stats(const vitals *vitals)
{
    panicmon_stats *stats = NULL;
    if (vitals->runtime != NULL) {
        (void)panicmon_runtime_stats(vitals->runtime, &stats);
    }
    return stats;
}

void vitals_tick(vitals *vitals)
{
    int64_t now = clock_mono_ms();
    pthread_mutex_lock(&vitals->lock);
    panicmon_stats *stats = take_stats(vitals);
    vitals->tick_ms = now;
    if (stats != NULL) {
        size_t place = vitals->marks++ % MARKS;
        vitals->mark_ms[place] = now;
        vitals->mark_rounds[place] = figure(stats, "rounds");
        note_progress(vitals, stats, now);
        note_first_rounds(vitals, stats);
    }
    pthread_mutex_unlock(&vitals->lock);
    panicmon_stats_free(stats);
}

/* ---- telling: under the lock ---- */

static void judge_life(const vitals *vitals, report *out, int64_t now)
{
    int64_t limit = store_least_stale_ms(vitals->store);
    int64_t hangs = now - vitals->tick_ms;
    int64_t idle = now - vitals->progress_ms;
    limit = limit < PROGRESS_MS ? PROGRESS_MS : limit;
    if (hangs > HANGS_MS) {
        (void)snprintf(out->live_reason, sizeof out->live_reason,
                       "the main thread hangs for %lld s", (long long)(hangs / 1000));
    } else if (vitals->phase == RUNNING && idle > limit) {
        (void)snprintf(out->live_reason, sizeof out->live_reason,
                       "no round was completed for %lld s", (long long)(idle / 1000));
    }
    out->live = out->live_reason[0] == '\0';
}

static void judge_readiness(const vitals *vitals, report *out, int64_t now)
{
    size_t count;
    char *why = out->ready_reason;
    size_t size = sizeof out->ready_reason;
    if (vitals->phase != RUNNING) {
        (void)snprintf(why, size, "%s", vitals->phase == STARTING ? "it starts" : "it stops");
    } else if (!vitals->first_rounds) {
        (void)snprintf(why, size, "%zu of %lld monitorables have had a first round",
                       store_heard(vitals->store, &count), (long long)out->monitorables);
    } else if (vitals->broker && vitals->full_ms != 0 && now - vitals->full_ms < FULL_MS) {
        (void)snprintf(why, size,
                       "the broker takes too little: messages were dropped for want of room, %lld "
                       "so far",
                       (long long)vitals->full);
    }
    out->ready = why[0] == '\0';
}

void vitals_report(vitals *vitals, report *out)
{
    int64_t now = clock_mono_ms();
    pthread_mutex_lock(&vitals->lock);
    *out = (report){.started_ms = vitals->started_ms,
                    .uptime_ms = now - vitals->start_mono_ms,
                    .broker = vitals->broker,
                    .refused = vitals->refused,
                    .config_good = vitals->config_good,
                    .config_ms = vitals->config_ms,
                    .config_hash = vitals->config_hash,
                    .stats = take_stats(vitals)};
    if (out->stats != NULL) {
        out->monitorables = (int64_t)panicmon_manager_count(vitals->manager);
        note_progress(vitals, out->stats, now);
        note_first_rounds(vitals, out->stats);
        out->rounds_per_second = rounds_per_second(vitals, figure(out->stats, "rounds"), now);
    }
    judge_life(vitals, out, now);
    judge_readiness(vitals, out, now);
    pthread_mutex_unlock(&vitals->lock);
}

void report_clear(report *report)
{
    panicmon_stats_free(report->stats);
    report->stats = NULL;
}

int64_t report_figure(const report *report, const char *name)
{
    return figure(report->stats, name);
}
