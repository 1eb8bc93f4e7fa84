/* cache.h: replies that can never change, kept up to a number of bytes; those not asked for the
 * longest go first, and those that nobody has asked for in a while. Belongs to one thread. */
#ifndef PM_CACHE_H
#define PM_CACHE_H

#include "exec/figures.h"
#include "exec/table.h"
#include "net/request.h"

typedef struct pm_cached pm_cached;

typedef struct pm_cache {
    pm_table table;
    pm_cached *newest;
    pm_cached *oldest;
    size_t bytes;
    size_t limit;
    int64_t unused_ms; /* after which a reply may go */
    pm_figures *figures;
} pm_cache;

/* `hash` is over endpoint, method and params; the same for the same. */
uint64_t pm_call_hash(const pm_request *request);
bool pm_call_equals(const pm_request *a, const pm_request *b);

void pm_cache_init(pm_cache *cache, size_t limit, pm_figures *figures);
/* The reply to such a request, borrowed until the cache is used again; NULL: not known. */
const char *pm_cache_find(pm_cache *cache, const pm_request *request, uint64_t hash, size_t *len);
/* Keeps the reply of a request that is done. */
void pm_cache_keep(pm_cache *cache, const pm_request *request, uint64_t hash);
void pm_cache_free(pm_cache *cache);

#endif
