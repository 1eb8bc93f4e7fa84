/* figures.c: histograms; see figures.h. Any thread. */
#include "exec/figures.h"

/* Values below two times PM_HISTOGRAM_STEPS have a bucket each. */
static size_t bucket_of(uint64_t value)
{
    const uint64_t unshifted = 2 * PM_HISTOGRAM_STEPS - 1;
    int shift = __builtin_clzll(unshifted) - __builtin_clzll(value | unshifted);
    size_t bucket = (size_t)shift * PM_HISTOGRAM_STEPS + (size_t)(value >> shift);
    return bucket < PM_HISTOGRAM_SIZE ? bucket : PM_HISTOGRAM_SIZE - 1;
}

/* The largest value of a bucket. */
static int64_t top_of(size_t bucket)
{
    if (bucket < (size_t)2 * PM_HISTOGRAM_STEPS) {
        return (int64_t)bucket;
    }
    size_t shift = bucket / PM_HISTOGRAM_STEPS - 1;
    int64_t steps = (int64_t)(bucket - shift * PM_HISTOGRAM_STEPS);
    return ((steps + 1) << shift) - 1;
}

void pm_histogram_add(pm_histogram *histogram, int64_t value)
{
    int64_t max = atomic_load_explicit(&histogram->max, memory_order_relaxed);
    value = value < 0 ? 0 : value;
    atomic_fetch_add_explicit(&histogram->buckets[bucket_of((uint64_t)value)], 1,
                              memory_order_relaxed);
    atomic_fetch_add_explicit(&histogram->sum, value, memory_order_relaxed);
    while (value > max && !atomic_compare_exchange_weak(&histogram->max, &max, value)) {
    }
}

int64_t pm_histogram_percentile(const pm_histogram *histogram, int percent)
{
    int64_t counts[PM_HISTOGRAM_SIZE];
    int64_t total = 0;
    for (size_t i = 0; i < PM_HISTOGRAM_SIZE; i++) {
        counts[i] = atomic_load_explicit(&histogram->buckets[i], memory_order_relaxed);
        total += counts[i];
    }
    int64_t max = atomic_load_explicit(&histogram->max, memory_order_relaxed);
    int64_t wanted = (total * percent + 99) / 100;
    int64_t seen = 0;
    for (size_t i = 0; i < PM_HISTOGRAM_SIZE && total > 0; i++) {
        seen += counts[i];
        if (seen >= wanted) {
            return top_of(i) < max ? top_of(i) : max;
        }
    }
    return total > 0 ? max : 0;
}
