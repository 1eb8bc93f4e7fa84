/* stats.c: a snapshot of a runtime's figures, by name. */
#include <stdlib.h>
#include <string.h>

#include "core/runtime_impl.h"

/* Names of figures that are not counters of PM_FIGURES; in this order, append only. */
#define MESSAGE_FIGURES(X)                                                                         \
    X(messages_produced)                                                                           \
    X(messages_confirmed)                                                                          \
    X(messages_waiting)                                                                            \
    X(messages_dropped)                                                                            \
    X(messages_dropped_full)                                                                       \
    X(messages_dropped_returned)                                                                   \
    X(messages_dropped_failed)                                                                     \
    X(messages_dropped_stopped)

#define TIME_FIGURES(X)                                                                            \
    X(round_us_p50)                                                                                \
    X(round_us_p90)                                                                                \
    X(round_us_p99)                                                                                \
    X(round_us_max)                                                                                \
    X(lag_us_p50)                                                                                  \
    X(lag_us_p90)                                                                                  \
    X(lag_us_p99)                                                                                  \
    X(lag_us_max)

#define LATER_FIGURES(X) X(messages_dropped_superseded) X(round_us_sum) X(lag_us_sum)

#define ALL_FIGURES(X)                                                                             \
    PM_FIGURES(X) MESSAGE_FIGURES(X) PM_FIGURES_MORE(X) TIME_FIGURES(X) LATER_FIGURES(X)

enum {
#define PM_X(name) figure_##name,
    ALL_FIGURES(PM_X)
#undef PM_X
        figure_count
};

static const char *const names[figure_count] = {
#define PM_X(name) #name,
    ALL_FIGURES(PM_X)
#undef PM_X
};

/* Histograms are told in the steps they are kept in, PM_HISTOGRAM_STEPS for each power of two, so
 * that the difference of two snapshots is as exact as one: from 2^FIRST_POWER microseconds, a
 * quarter of a millisecond, to a minute; the last step holds all. */
#define FIRST_POWER  8
#define LAST_POWER   26
#define FIRST_BUCKET (PM_HISTOGRAM_STEPS * (FIRST_POWER - 2)) /* begins with that power */
#define STEPS        (PM_HISTOGRAM_STEPS * (LAST_POWER - FIRST_POWER) + 2)

static const char *const histogram_names[] = {"round_us", "lag_us"};
enum { HISTOGRAMS = sizeof histogram_names / sizeof *histogram_names };

struct panicmon_stats {
    int64_t values[figure_count];
    int64_t steps[HISTOGRAMS][STEPS];
};

/* Confirmed and dropped are read before produced, so that waiting is never negative. */
static void read_messages(const pm_sink_counts *counts, int64_t *values)
{
    values[figure_messages_confirmed] = atomic_load(&counts->confirmed);
    values[figure_messages_dropped] = atomic_load(&counts->dropped);
    values[figure_messages_dropped_full] = atomic_load(&counts->dropped_full);
    values[figure_messages_dropped_returned] = atomic_load(&counts->dropped_returned);
    values[figure_messages_dropped_failed] = atomic_load(&counts->dropped_failed);
    values[figure_messages_dropped_stopped] = atomic_load(&counts->dropped_stopped);
    values[figure_messages_dropped_superseded] = atomic_load(&counts->dropped_superseded);
    values[figure_messages_produced] = atomic_load(&counts->produced);
    values[figure_messages_waiting] = values[figure_messages_produced] -
                                      values[figure_messages_confirmed] -
                                      values[figure_messages_dropped];
}

/* Blocks of memory that lie ready for requests. */
static int64_t spare_bytes(const panicmon_runtime *runtime)
{
    panicmon_runtime *locked = (panicmon_runtime *)(uintptr_t)runtime;
    pthread_mutex_lock(&locked->lock);
    pthread_mutex_lock(&locked->bundles.lock);
    size_t bytes = locked->bundles.count * (sizeof(pm_bundle) + PM_BUNDLE_USUAL);
    pthread_mutex_unlock(&locked->bundles.lock);
    pthread_mutex_unlock(&locked->lock);
    return (int64_t)bytes;
}

/* Four figures that stand one after the other. */
static void read_times(const pm_histogram *histogram, int64_t *values)
{
    values[0] = pm_histogram_percentile(histogram, 50);
    values[1] = pm_histogram_percentile(histogram, 90);
    values[2] = pm_histogram_percentile(histogram, 99);
    values[3] = atomic_load(&histogram->max);
}

/* Counts the values below each bound. */
static void read_steps(const pm_histogram *histogram, int64_t *steps)
{
    int64_t seen = 0;
    for (size_t i = 0; i < PM_HISTOGRAM_SIZE; i++) {
        if (i >= FIRST_BUCKET && i - FIRST_BUCKET < STEPS - 1) {
            steps[i - FIRST_BUCKET] = seen;
        }
        seen += atomic_load_explicit(&histogram->buckets[i], memory_order_relaxed);
    }
    steps[STEPS - 1] = seen;
}

/* Where the bucket of a step begins. */
static int64_t bound_of(size_t step)
{
    int64_t eighths = (int64_t)(PM_HISTOGRAM_STEPS + step % PM_HISTOGRAM_STEPS);
    return (eighths << (step / PM_HISTOGRAM_STEPS) << FIRST_POWER) / PM_HISTOGRAM_STEPS;
}

panicmon_err panicmon_runtime_stats(const panicmon_runtime *runtime, panicmon_stats **out)
{
    panicmon_stats *stats = calloc(1, sizeof *stats);
    if (stats == NULL) {
        return PANICMON_ERR_NOMEM;
    }
#define PM_X(name) stats->values[figure_##name] = atomic_load(&runtime->figures.name);
    PM_FIGURES(PM_X)
    PM_FIGURES_MORE(PM_X)
#undef PM_X
    const pm_histogram *const histograms[HISTOGRAMS] = {&runtime->figures.round_us,
                                                        &runtime->figures.lag_us};
    for (size_t i = 0; i < HISTOGRAMS; i++) {
        read_times(histograms[i], &stats->values[figure_round_us_p50 + 4 * i]);
        stats->values[figure_round_us_sum + i] = atomic_load(&histograms[i]->sum);
        read_steps(histograms[i], stats->steps[i]);
    }
    stats->values[figure_pool_bytes] += spare_bytes(runtime);
    if (runtime->sink != NULL) {
        read_messages(runtime->sink->shown, stats->values);
    }
    *out = stats;
    return PANICMON_OK;
}

panicmon_err panicmon_stats_get(const panicmon_stats *stats, const char *name, int64_t *out)
{
    for (size_t i = 0; i < figure_count; i++) {
        if (strcmp(names[i], name) == 0) {
            *out = stats->values[i];
            return PANICMON_OK;
        }
    }
    return PANICMON_ERR_NOENT;
}

panicmon_err panicmon_stats_at(const panicmon_stats *stats, size_t i, const char **name,
                               int64_t *out)
{
    if (i >= figure_count) {
        return PANICMON_ERR_INVAL;
    }
    if (name != NULL) {
        *name = names[i];
    }
    if (out != NULL) {
        *out = stats->values[i];
    }
    return PANICMON_OK;
}

panicmon_err panicmon_stats_step(const panicmon_stats *stats, const char *name, size_t i,
                                 int64_t *bound, int64_t *count)
{
    size_t at = 0;
    while (at < HISTOGRAMS && strcmp(histogram_names[at], name) != 0) {
        at++;
    }
    if (at == HISTOGRAMS) {
        return PANICMON_ERR_NOENT;
    }
    if (i >= STEPS) {
        return PANICMON_ERR_INVAL;
    }
    if (bound != NULL) {
        *bound = i == STEPS - 1 ? INT64_MAX : bound_of(i);
    }
    if (count != NULL) {
        *count = stats->steps[at][i];
    }
    return PANICMON_OK;
}

void panicmon_stats_free(panicmon_stats *stats)
{
    free(stats);
}
