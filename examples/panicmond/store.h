/* store.h: the last that was heard of each monitorable, kept for those who look at the daemon. All
 * functions may be called by any thread unless they say otherwise. */
#ifndef PANICMOND_STORE_H
#define PANICMOND_STORE_H

#include <panicmon/error.h>

#include "document.h"
#include "labels.h"

/* Samples that are remembered of each monitorable. */
#define HISTORY_POINTS 60

/* In a history, beside numbers of blocks. */
enum { POINT_UNKNOWN = -1, POINT_ERROR = -2 };

/* A monitorable. Times are milliseconds since the Unix epoch, 0: never. */
typedef struct monitorable {
    uint32_t number; /* its own, never used again */
    uint64_t change; /* the number of the change that it was part of last */
    kind kind;
    const labels *labels;
    const char *message; /* of the last error, "" when the last sample was none */
    int error;           /* as in sample */
    int syncing;
    int validator, active, elected, disabled;
    int64_t best, target, finalized, peers, era, session;
    double slashed;   /* since the daemon runs */
    int64_t rounds;   /* samples */
    int64_t errors;   /* of which these were errors */
    int64_t heard_ms; /* the last sample */
    int64_t good_ms;  /* the last that was no error */
    int64_t since_ms; /* when it began to give results, or errors */
} monitorable;

/* What a sample comes to: a result, a node that is away, another error. */
typedef enum outcome { OUTCOME_OK, OUTCOME_DOWN, OUTCOME_ERROR, OUTCOMES } outcome;

/* Copies of entries in the order they came. */
typedef struct snapshot {
    monitorable *entries;
    size_t count;
    uint64_t change;                 /* the last that is in it */
    bool full;                       /* all entries, not only those that changed */
    int64_t checks[KINDS][OUTCOMES]; /* samples that ever came, also of what is gone */
} snapshot;

typedef struct history {
    size_t count;
    int32_t lag[HISTORY_POINTS]; /* behind its target, oldest first */
    int32_t gap[HISTORY_POINTS]; /* from finalized to best */
} history;

typedef struct store store;

/* `period_ms`: of each kind. NULL without memory. */
store *store_new(const int64_t period_ms[KINDS]);
/* NULL is allowed. No message may come any more. */
void store_free(store *store);

/* A message of the library: a panicmon_message_fn whose `user` is the store. */
panicmon_err store_message(void *user, const char *exchange, const char *routing_key,
                           const char *body, size_t len);

/* The entries that changed after `since`, all when 0 or when some were removed since then. False
 * without memory. */
bool store_take(store *store, uint64_t since, snapshot *out);
/* Those with that id or name. False without memory. */
bool store_pick(store *store, const char *which, snapshot *out);
void store_release(snapshot *snapshot);

/* The history of the entry with that number; false when there is none. */
bool store_history(store *store, uint32_t number, history *out);

/* How many entries have had a sample, and how many there are. */
size_t store_heard(store *store, size_t *count);

/* Forgets what no list names and what has been silent for long. To be called now and then. */
void store_tidy(store *store);

/* An entry that is silent for longer than this is stale. */
int64_t store_stale_ms(const store *store, kind kind);
/* Of the kind that is monitored most often. */
int64_t store_least_stale_ms(store *store);

/* "node", "network", "system", "repo". Static. */
const char *kind_name(kind kind);

#endif
