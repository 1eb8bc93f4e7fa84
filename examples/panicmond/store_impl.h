/* store_impl.h (internal to the store): its insides. */
#ifndef PANICMOND_STORE_IMPL_H
#define PANICMOND_STORE_IMPL_H

#include <pthread.h>

#include "store.h"

/* An entry and what its copies do not need. */
typedef struct kept {
    monitorable entry;
    size_t group;  /* the list that named it, 0: none did */
    bool listed;   /* by the list that is being read */
    size_t points; /* that ever came */
    int32_t lag[HISTORY_POINTS];
    int32_t gap[HISTORY_POINTS];
} kept;

struct store {
    int64_t period_ms[KINDS];

    pthread_mutex_t lock; /* guards what follows */
    kept **entries;       /* by their number */
    size_t count;
    size_t capacity;
    void *tree; /* the same, by kind, chain and id: tsearch(3) */
    uint32_t last_number;
    uint64_t change;
    int64_t checks[KINDS][OUTCOMES];
    uint64_t removal; /* the last change that removed something */
    char **groups;    /* names of lists; number n stands at n - 1 */
    size_t group_count;
};

/* All under the lock. */

/* The entry of that kind, chain and id, a new one if need be; NULL without memory. */
kept *store_find(store *store, kind kind, const labels *labels);

/* The labels of an entry from now on. Chain, version and runtime that are empty stay as they are;
 * so does the name of the chain once a list gave it. */
void store_relabel(kept *at, const labels *given, bool by_list);

/* Removes the entries that `goes` says. */
void store_sweep(store *store, bool (*goes)(const kept *at, const void *how), const void *how);

/* Makes the entries of a list of monitorables be those that it names. Takes the lock. */
void store_read_list(store *store, const char *routing_key, const char *body, size_t len);

#endif
