/* stats.c: a snapshot of a runtime's figures, by name. */
#include <stdlib.h>
#include <string.h>

#include "core/runtime_impl.h"

enum {
#define PM_X(name) figure_##name,
    PM_FIGURES(PM_X)
#undef PM_X
        messages_produced,
    messages_confirmed,
    messages_waiting,
    messages_dropped,
    messages_dropped_full,
    messages_dropped_returned,
    messages_dropped_failed,
    messages_dropped_stopped,
    figure_count
};

static const char *const names[figure_count] = {
#define PM_X(name) #name,
    PM_FIGURES(PM_X)
#undef PM_X
        "messages_produced",
    "messages_confirmed",
    "messages_waiting",
    "messages_dropped",
    "messages_dropped_full",
    "messages_dropped_returned",
    "messages_dropped_failed",
    "messages_dropped_stopped"};

struct panicmon_stats {
    int64_t values[figure_count];
};

/* Confirmed and dropped are read before produced, so that waiting is never negative. */
static void read_messages(const pm_sink_counts *counts, int64_t *values)
{
    values[messages_confirmed] = atomic_load(&counts->confirmed);
    values[messages_dropped] = atomic_load(&counts->dropped);
    values[messages_dropped_full] = atomic_load(&counts->dropped_full);
    values[messages_dropped_returned] = atomic_load(&counts->dropped_returned);
    values[messages_dropped_failed] = atomic_load(&counts->dropped_failed);
    values[messages_dropped_stopped] = atomic_load(&counts->dropped_stopped);
    values[messages_produced] = atomic_load(&counts->produced);
    values[messages_waiting] =
        values[messages_produced] - values[messages_confirmed] - values[messages_dropped];
}

panicmon_err panicmon_runtime_stats(const panicmon_runtime *runtime, panicmon_stats **out)
{
    panicmon_stats *stats = calloc(1, sizeof *stats);
    if (stats == NULL) {
        return PANICMON_ERR_NOMEM;
    }
#define PM_X(name) stats->values[figure_##name] = atomic_load(&runtime->figures.name);
    PM_FIGURES(PM_X)
#undef PM_X
    if (runtime->sink != NULL) {
        read_messages(&runtime->sink->counts, stats->values);
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

void panicmon_stats_free(panicmon_stats *stats)
{
    free(stats);
}
