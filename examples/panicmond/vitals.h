/* vitals.h: whether the daemon works, and its figures. The main thread changes it; all that takes a
 * const vitals may be called by any thread. */
#ifndef PANICMOND_VITALS_H
#define PANICMOND_VITALS_H

#include <stdio.h>

#include <panicmon/panicmon.h>

#include "store.h"

typedef struct vitals vitals;

/* What is known at one moment. */
typedef struct report {
    panicmon_stats *stats; /* NULL: the runtime does not run */
    int64_t monitorables;  /* that are to be monitored */
    double rounds_per_second;
    int64_t started_ms; /* since the Unix epoch */
    int64_t uptime_ms;
    bool live;
    bool ready;
    char live_reason[160];  /* "" when it is */
    char ready_reason[160]; /* likewise */
    bool broker;            /* messages go to one */
    bool refused;           /* some config was not taken */
    bool config_good;       /* the configuration was read and taken without a fault, last time */
    int64_t config_ms;      /* when it last was, since the Unix epoch; 0: never */
    uint32_t config_hash;   /* of the configs that were taken then */
} report;

/* `store` is borrowed. NULL without memory. */
vitals *vitals_new(store *store, bool broker);
void vitals_free(vitals *vitals);

/* The runtime and its manager run, and the configs were applied. Borrowed until vitals_stop(). */
void vitals_start(vitals *vitals, panicmon_runtime *runtime, panicmon_manager *manager);
void vitals_stop(vitals *vitals);

/* The configs were applied; whether some of them were refused. */
void vitals_configured(vitals *vitals, const char *configs, bool refused);
/* The configuration has faults and was not taken. */
void vitals_misconfigured(vitals *vitals);

/* The main thread still turns. To be called every second. */
void vitals_tick(vitals *vitals);

/* To be cleared with report_clear(). */
void vitals_report(vitals *vitals, report *out);
void report_clear(report *report);

/* A figure of the report, 0 when there is none. */
int64_t report_figure(const report *report, const char *name);

#endif
