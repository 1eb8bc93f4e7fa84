/* store.c: see store.h. A hash table with chains, beside it a list that is sorted when someone
 * wants keys in order. */
#include "store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <xxhash.h>

#include "base/buf.h"
#include "scale.h"

void *sim_realloc(void *old, size_t size)
{
    void *memory = realloc(old, size);
    if (memory == NULL) {
        (void)fputs("panicmon-sim: out of memory\n", stderr);
        exit(3);
    }
    return memory;
}

void *sim_alloc(size_t size)
{
    return memset(sim_realloc(NULL, size), 0, size);
}

char *sim_text(const char *text)
{
    size_t size = strlen(text) + 1;
    return memcpy(sim_realloc(NULL, size), text, size);
}

static void free_versions(sim_store *store, sim_version *version)
{
    while (version != NULL) {
        sim_version *older = version->older;
        store->bytes -= version->len;
        free(version);
        version = older;
    }
}

void sim_store_free(sim_store *store)
{
    for (size_t i = 0; i < store->order_len; i++) {
        free_versions(store, store->order[i]->newest);
        free(store->order[i]);
    }
    free(store->order);
    free(store->buckets);
    free(store->dooms);
    *store = (sim_store){0};
}

static void grow_buckets(sim_store *store)
{
    size_t count = store->bucket_count == 0 ? 1024 : store->bucket_count * 2;
    sim_entry **buckets = sim_alloc(count * sizeof *buckets);
    for (size_t i = 0; i < store->bucket_count; i++) {
        sim_entry *next;
        for (sim_entry *entry = store->buckets[i]; entry != NULL; entry = next) {
            next = entry->next;
            entry->next = buckets[entry->hash & (count - 1)];
            buckets[entry->hash & (count - 1)] = entry;
        }
    }
    free(store->buckets);
    store->buckets = buckets;
    store->bucket_count = count;
}

static sim_entry *find_hashed(const sim_store *store, const char *key, size_t len, uint64_t hash)
{
    if (store->bucket_count == 0) {
        return NULL;
    }
    sim_entry *entry = store->buckets[hash & (store->bucket_count - 1)];
    while (entry != NULL &&
           (entry->hash != hash || entry->len != len || memcmp(entry->key, key, len) != 0)) {
        entry = entry->next;
    }
    return entry;
}

sim_entry *sim_store_find(const sim_store *store, const char *key, size_t len)
{
    return find_hashed(store, key, len, XXH64(key, len, 0));
}

const sim_version *sim_store_at(const sim_entry *entry, uint32_t block)
{
    const sim_version *version = entry == NULL ? NULL : entry->newest;
    while (version != NULL && version->block > block) {
        version = version->older;
    }
    return version == NULL || version->len == 0 ? NULL : version;
}

static sim_entry *add_entry(sim_store *store, const char *key, size_t len, uint64_t hash)
{
    if (store->count >= store->bucket_count) {
        grow_buckets(store);
    }
    sim_entry *entry = sim_alloc(sizeof *entry + len + 1);
    sim_entry **bucket = &store->buckets[hash & (store->bucket_count - 1)];
    memcpy(entry->key, key, len);
    entry->len = (uint32_t)len;
    entry->hash = hash;
    entry->next = *bucket;
    *bucket = entry;
    store->count++;
    if (store->order_len == store->order_cap) {
        store->order_cap = store->order_cap == 0 ? 1024 : store->order_cap * 2;
        store->order = sim_realloc(store->order, store->order_cap * sizeof *store->order);
    }
    store->order[store->order_len++] = entry;
    return entry;
}

static void doom(sim_store *store, sim_entry *entry, uint32_t block)
{
    if (store->doom_len == store->doom_cap && store->doom_at > store->doom_cap / 2) {
        store->doom_len -= store->doom_at;
        memmove(store->dooms, store->dooms + store->doom_at,
                store->doom_len * sizeof *store->dooms);
        store->doom_at = 0;
    } else if (store->doom_len == store->doom_cap) {
        store->doom_cap = store->doom_cap == 0 ? 256 : store->doom_cap * 2;
        store->dooms = sim_realloc(store->dooms, store->doom_cap * sizeof *store->dooms);
    }
    store->dooms[store->doom_len++] = (sim_doom){.entry = entry, .block = block};
    entry->doomed = true;
}

/* Puts a version of `len` text bytes in front; a second one of the same block takes its place. */
static char *push_version(sim_store *store, sim_entry *entry, uint32_t block, size_t len)
{
    sim_version *version = sim_realloc(NULL, sizeof *version + len + 1);
    sim_version *older = entry->newest;
    if (older != NULL && older->block >= block) {
        sim_version *same = older;
        older = same->older;
        store->bytes -= same->len;
        free(same);
    }
    *version = (sim_version){.older = older, .block = block, .len = (uint32_t)len};
    version->text[len] = '\0';
    entry->newest = version;
    store->bytes += len;
    if (len == 0 && !entry->doomed) {
        doom(store, entry, block);
    }
    if (store->floor > 0) { /* what is older than the value at the floor is never asked for */
        while (version != NULL && version->block > store->floor) {
            version = version->older;
        }
        if (version != NULL) {
            free_versions(store, version->older);
            version->older = NULL;
        }
    }
    return entry->newest->text;
}

static sim_entry *take_entry(sim_store *store, const char *key, size_t len)
{
    uint64_t hash = XXH64(key, len, 0);
    sim_entry *entry = find_hashed(store, key, len, hash);
    return entry != NULL ? entry : add_entry(store, key, len, hash);
}

void sim_store_set_text(sim_store *store, uint32_t block, const char *key, size_t key_len,
                        const char *value, size_t len)
{
    char *text = push_version(store, take_entry(store, key, key_len), block, len);
    memcpy(text, value == NULL ? "" : value, len);
}

void sim_store_set(sim_store *store, uint32_t block, const void *key, size_t key_len,
                   const void *value, size_t len)
{
    pm_buf name = {0};
    sim_put_hex(&name, key, key_len);
    if (name.failed) {
        exit(3);
    }
    char *text = push_version(store, take_entry(store, name.data, name.len), block,
                              value == NULL ? 0 : 2 + 2 * len);
    if (value != NULL) {
        memcpy(text, "0x", 2);
        sim_hex(text + 2, value, len);
    }
    pm_buf_free(&name);
}

/* Frees the dead entries that still stand in the order. */
static void sweep(sim_store *store)
{
    size_t kept = 0;
    size_t ordered = 0;
    for (size_t i = 0; i < store->order_len; i++) {
        sim_entry *entry = store->order[i];
        if (entry->newest == NULL) {
            free(entry);
            continue;
        }
        ordered += i < store->ordered;
        store->order[kept++] = entry;
    }
    store->order_len = kept;
    store->ordered = ordered;
    store->dead = 0;
}

static void remove_entry(sim_store *store, sim_entry *entry)
{
    sim_entry **link = &store->buckets[entry->hash & (store->bucket_count - 1)];
    while (*link != entry) {
        link = &(*link)->next;
    }
    *link = entry->next;
    free_versions(store, entry->newest);
    entry->newest = NULL;
    store->count--;
    store->dead++;
}

void sim_store_prune(sim_store *store, uint32_t floor)
{
    store->floor = floor;
    while (store->doom_at < store->doom_len && store->dooms[store->doom_at].block <= floor) {
        sim_entry *entry = store->dooms[store->doom_at++].entry;
        entry->doomed = false;
        if (entry->newest->len == 0 && entry->newest->block <= floor) {
            remove_entry(store, entry);
        } else if (entry->newest->len == 0) { /* set again and removed again since */
            doom(store, entry, entry->newest->block);
        }
    }
    if (store->dead > 1024 + store->count / 2) {
        sweep(store);
    }
}

static int by_key(const void *left, const void *right)
{
    return strcmp((*(sim_entry *const *)left)->key, (*(sim_entry *const *)right)->key);
}

static void put_in_order(sim_store *store)
{
    if (store->dead > 0) {
        sweep(store);
    }
    size_t fresh = store->order_len - store->ordered;
    if (fresh == 0) {
        return;
    }
    qsort(store->order + store->ordered, fresh, sizeof *store->order, by_key);
    sim_entry **merged = sim_realloc(NULL, store->order_cap * sizeof *merged);
    size_t old = 0;
    size_t new = store->ordered;
    for (size_t i = 0; i < store->order_len; i++) {
        bool take_old =
            old < store->ordered &&
            (new == store->order_len || by_key(&store->order[old], &store->order[new]) < 0);
        merged[i] = store->order[take_old ? old++ : new ++];
    }
    free(store->order);
    store->order = merged;
    store->ordered = store->order_len;
}

/* strcmp of a key with text that is not terminated. */
static int compare(const sim_entry *entry, const char *text, size_t len)
{
    size_t both = entry->len < len ? entry->len : len;
    int order = memcmp(entry->key, text, both);
    return order != 0 ? order : (entry->len > len) - (entry->len < len);
}

size_t sim_store_seek(sim_store *store, const char *start, size_t len)
{
    put_in_order(store);
    size_t low = 0;
    size_t high = store->order_len;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (compare(store->order[middle], start, len) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

sim_entry *sim_store_nth(const sim_store *store, size_t at)
{
    return at < store->order_len ? store->order[at] : NULL;
}
