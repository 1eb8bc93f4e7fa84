/* figures.h: the figures of a runtime: counters, gauges and histograms that any thread adds to
 * without a lock. A reader sees each of them whole, but not all at one moment. */
#ifndef PM_FIGURES_H
#define PM_FIGURES_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

/* Name in panicmon_runtime_stats(), member. Append only. */
#define PM_FIGURES(X)                                                                              \
    X(monitors_started)                                                                            \
    X(monitors_running)                                                                            \
    X(rounds)                                                                                      \
    X(results)                                                                                     \
    X(errors)                                                                                      \
    X(failures)                                                                                    \
    X(restarts)                                                                                    \
    X(overruns)                                                                                    \
    X(rpc_requests)                                                                                \
    X(rpc_frames)                                                                                  \
    X(rpc_bytes_in)                                                                                \
    X(rpc_bytes_out)

/* The same, for those that came after the figures of the messages. Append only. */
#define PM_FIGURES_MORE(X)                                                                         \
    X(late)                                                                                        \
    X(rpc_connects)                                                                                \
    X(rpc_joined)                                                                                  \
    X(cache_hits)                                                                                  \
    X(cache_bytes)                                                                                 \
    X(sockets)                                                                                     \
    X(threads)                                                                                     \
    X(pool_bytes)

/* Microseconds in steps of an eighth of a power of two: off by an eighth at most. */
#define PM_HISTOGRAM_STEPS 8
#define PM_HISTOGRAM_SIZE  (PM_HISTOGRAM_STEPS * 40)

typedef struct pm_histogram {
    atomic_int_fast64_t buckets[PM_HISTOGRAM_SIZE];
    atomic_int_fast64_t max;
    atomic_int_fast64_t sum;
} pm_histogram;

typedef struct pm_figures {
#define PM_X(name) atomic_int_fast64_t name;
    PM_FIGURES(PM_X)
    PM_FIGURES_MORE(PM_X)
#undef PM_X
    pm_histogram round_us; /* how long rounds took */
    pm_histogram lag_us;   /* how long after its time a round began */
} pm_figures;

void pm_histogram_add(pm_histogram *histogram, int64_t value);
/* The least value that `percent` of all were not above, rounded up to a step; 0: none yet. */
int64_t pm_histogram_percentile(const pm_histogram *histogram, int percent);

#endif
