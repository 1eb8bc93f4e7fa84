/* metrics.h: figures and monitorables in the text formats of Prometheus and OpenMetrics. No
 * state. */
#ifndef PANICMOND_METRICS_H
#define PANICMOND_METRICS_H

#include "store.h"
#include "vitals.h"

#define METRICS_PROMETHEUS  "text/plain; version=0.0.4; charset=utf-8"
#define METRICS_OPENMETRICS "application/openmetrics-text; version=1.0.0; charset=utf-8"

/* Whether a client that sent this header (NULL: none) would rather have OpenMetrics. */
bool metrics_wants_openmetrics(const char *accept);

/* `stale_ms`: of each kind. */
void metrics_write(FILE *to, bool openmetrics, const report *report, const snapshot *snapshot,
                   const int64_t stale_ms[KINDS]);

#endif
