/* status.h: figures and monitorables as JSON, for the status page and the health checks. No
 * state. */
#ifndef PANICMOND_STATUS_H
#define PANICMOND_STATUS_H

#include "store.h"
#include "vitals.h"

/* All that the page shows; `snapshot` may hold changes only. */
void status_write(FILE *to, const report *report, const snapshot *snapshot,
                  const int64_t stale_ms[KINDS]);

/* The histories of the monitorables of these numbers ("1,2,3"); at most 200 are told. */
void status_write_history(FILE *to, store *store, const char *numbers);

/* Whether the daemon is `good`, why not, and how it stands. */
void status_write_health(FILE *to, const report *report, bool good, const char *reason);

#endif
