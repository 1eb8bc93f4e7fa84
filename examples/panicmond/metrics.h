/* metrics.h: figures and monitorables in the text formats of Prometheus and OpenMetrics. No
 * state. */
#ifndef PANICMOND_METRICS_H
#define PANICMOND_METRICS_H

#include "store.h"
#include "vitals.h"

#define METRICS_PROMETHEUS  "text/plain; version=0.0.4; charset=utf-8"
#define METRICS_OPENMETRICS "application/openmetrics-text; version=1.0.0; charset=utf-8"

/* Names of other programs under which some figures are told too. */
enum { METRICS_PARITY = 1, METRICS_W3F = 2 };

typedef struct metrics_wish {
    bool openmetrics;
    bool targets;            /* figures of each monitorable too */
    unsigned compat;         /* METRICS_PARITY, METRICS_W3F */
    const int64_t *stale_ms; /* of each kind */
} metrics_wish;

/* Whether a client that sent this header (NULL: none) would rather have OpenMetrics. */
bool metrics_wants_openmetrics(const char *accept);

/* Everything. */
void metrics_write(FILE *to, const metrics_wish *wish, const report *report,
                   const snapshot *snapshot);
/* The answer to a probe: figures of the monitorables in `snapshot` alone. */
void metrics_write_probe(FILE *to, const metrics_wish *wish, const snapshot *snapshot);

#endif
