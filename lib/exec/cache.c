/* cache.c: see cache.h. */
#include "exec/cache.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

/* One larger than this part of the cache is not worth what it would push out. */
#define SHARE_MAX 4
/* Chains move on: a reply about a block is asked for while the block is new, or never again. */
#define UNUSED_MS 12000

struct pm_cached {
    pm_node node; /* first */
    pm_cached *newer;
    pm_cached *older;
    int64_t used_ms;
    size_t target_len;
    size_t name_len;
    size_t in_len;
    size_t out_len;
    char text[]; /* target, method, params, reply, then a zero */
};

uint64_t pm_call_hash(const pm_request *request)
{
    uint64_t hash = pm_mix(0, request->target, strlen(request->target));
    hash = pm_mix(hash, request->name, strlen(request->name));
    return pm_mix(hash, request->in.len > 0 ? request->in.data : "", request->in.len);
}

bool pm_call_equals(const pm_request *a, const pm_request *b)
{
    return a->in.len == b->in.len && strcmp(a->target, b->target) == 0 &&
           strcmp(a->name, b->name) == 0 &&
           (a->in.len == 0 || memcmp(a->in.data, b->in.data, a->in.len) == 0);
}

static bool is_for(const pm_cached *cached, const pm_request *request)
{
    const char *at = cached->text;
    return cached->in_len == request->in.len && strlen(request->target) == cached->target_len &&
           strlen(request->name) == cached->name_len &&
           memcmp(at, request->target, cached->target_len) == 0 &&
           memcmp(at + cached->target_len, request->name, cached->name_len) == 0 &&
           (cached->in_len == 0 || memcmp(at + cached->target_len + cached->name_len,
                                          request->in.data, cached->in_len) == 0);
}

static size_t size_of(const pm_cached *cached)
{
    return sizeof *cached + cached->target_len + cached->name_len + cached->in_len +
           cached->out_len + 1;
}

static void unlink_cached(pm_cache *cache, pm_cached *cached)
{
    *(cached->newer == NULL ? &cache->newest : &cached->newer->older) = cached->older;
    *(cached->older == NULL ? &cache->oldest : &cached->older->newer) = cached->newer;
}

static void link_newest(pm_cache *cache, pm_cached *cached)
{
    cached->used_ms = pm_mono_ms();
    cached->newer = NULL;
    cached->older = cache->newest;
    *(cache->newest == NULL ? &cache->oldest : &cache->newest->newer) = cached;
    cache->newest = cached;
}

static pm_cached *find(const pm_cache *cache, const pm_request *request, uint64_t hash)
{
    pm_node *node = pm_table_find(&cache->table, hash);
    while (node != NULL && !is_for((const pm_cached *)node, request)) {
        node = pm_table_same(node);
    }
    return (pm_cached *)node;
}

static void drop(pm_cache *cache, pm_cached *cached)
{
    size_t size = size_of(cached);
    unlink_cached(cache, cached);
    pm_table_remove(&cache->table, &cached->node);
    cache->bytes -= size;
    atomic_fetch_sub(&cache->figures->cache_bytes, (int64_t)size);
    free(cached);
}

void pm_cache_init(pm_cache *cache, size_t limit, pm_figures *figures)
{
    *cache = (pm_cache){.limit = limit, .unused_ms = UNUSED_MS, .figures = figures};
}

const char *pm_cache_find(pm_cache *cache, const pm_request *request, uint64_t hash, size_t *len)
{
    pm_cached *cached = find(cache, request, hash);
    if (cached == NULL) {
        return NULL;
    }
    unlink_cached(cache, cached);
    link_newest(cache, cached);
    *len = cached->out_len;
    return cached->text + cached->target_len + cached->name_len + cached->in_len;
}

static void append(char **at, const char *text, size_t len)
{
    if (len > 0) {
        memcpy(*at, text, len);
    }
    *at += len;
}

void pm_cache_keep(pm_cache *cache, const pm_request *request, uint64_t hash)
{
    const pm_cached sizes = {.target_len = strlen(request->target),
                             .name_len = strlen(request->name),
                             .in_len = request->in.len,
                             .out_len = request->out.len};
    size_t size = size_of(&sizes);
    if (size > cache->limit / SHARE_MAX || find(cache, request, hash) != NULL) {
        return;
    }
    int64_t unused_since = pm_mono_ms() - cache->unused_ms;
    while (cache->oldest != NULL &&
           (cache->bytes + size > cache->limit || cache->oldest->used_ms < unused_since)) {
        drop(cache, cache->oldest);
    }
    pm_cached *cached = malloc(size);
    if (cached == NULL) {
        return;
    }
    *cached = sizes;
    cached->node.hash = hash;
    char *at = cached->text;
    append(&at, request->target, sizes.target_len);
    append(&at, request->name, sizes.name_len);
    append(&at, request->in.data, sizes.in_len);
    append(&at, request->out.data, sizes.out_len);
    *at = '\0';
    if (!pm_table_add(&cache->table, &cached->node)) {
        free(cached);
        return;
    }
    link_newest(cache, cached);
    cache->bytes += size;
    atomic_fetch_add(&cache->figures->cache_bytes, (int64_t)size);
}

void pm_cache_free(pm_cache *cache)
{
    while (cache->oldest != NULL) {
        drop(cache, cache->oldest);
    }
    pm_table_free(&cache->table);
}
