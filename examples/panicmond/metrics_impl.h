/* metrics_impl.h (internal to the metrics): what writes families and samples. No state. */
#ifndef PANICMOND_METRICS_IMPL_H
#define PANICMOND_METRICS_IMPL_H

#include "metrics.h"

typedef enum family_type { COUNTER, GAUGE, INFO, HISTOGRAM } family_type;

typedef struct writer {
    FILE *to;
    const metrics_wish *wish;
    const snapshot *snapshot;
    int64_t now_ms;
} writer;

/* The head of a family; samples of a counter are called `name`_total, of an info `name`_info. */
void metrics_begin(const writer *at, const char *name, family_type type, const char *help);
/* A space, a number and the end of the line. */
void metrics_number(FILE *to, double value);
/* A family with one sample that has no labels. */
void metrics_single(const writer *at, const char *name, family_type type, const char *help,
                    double value);

/* Monitorables by strategy, and what their checks came to. */
void metrics_strategies(const writer *at);
/* A few figures of each monitorable. */
void metrics_targets(const writer *at);

#endif
