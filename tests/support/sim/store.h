/* store.h: the storage of a chain with its past: for every key the values it had, newest first, as
 * far back as states are kept. Keys and values are kept as the 0x text in which they are asked for
 * and answered. Memory that cannot be had ends the program: see sim_alloc(). */
#ifndef SIM_STORE_H
#define SIM_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct sim_version {
    struct sim_version *older;
    uint32_t block; /* the value holds from this block on */
    uint32_t len;   /* 0: the key was removed */
    char text[];
} sim_version;

typedef struct sim_entry {
    struct sim_entry *next; /* in its bucket */
    sim_version *newest;    /* NULL: dead, waits in `order` to be freed */
    uint64_t hash;
    uint32_t seen; /* stamp of the last query that took it */
    uint32_t len;
    bool doomed; /* stands in the queue of removed keys */
    char key[];
} sim_entry;

typedef struct sim_doom {
    sim_entry *entry;
    uint32_t block;
} sim_doom;

typedef struct sim_store {
    sim_entry **buckets; /* a power of two of them */
    size_t bucket_count;
    size_t count;
    sim_entry **order; /* every entry, the first `ordered` of them sorted by key */
    size_t order_len, order_cap, ordered, dead;
    sim_doom *dooms; /* removed keys, oldest first */
    size_t doom_at, doom_len, doom_cap;
    uint32_t floor; /* the oldest block whose state is kept */
    uint32_t stamp;
    uint64_t bytes; /* of values */
} sim_store;        /* zero-initialised is empty */

/* calloc/realloc that end the program without memory: a simulator has nobody to tell. */
void *sim_alloc(size_t size);
void *sim_realloc(void *old, size_t size);
char *sim_text(const char *text);

void sim_store_free(sim_store *store);
/* Sets raw bytes from `block` on; `value` NULL removes the key. Blocks never go backwards. */
void sim_store_set(sim_store *store, uint32_t block, const void *key, size_t key_len,
                   const void *value, size_t len);
/* The same with key and value as 0x text. */
void sim_store_set_text(sim_store *store, uint32_t block, const char *key, size_t key_len,
                        const char *value, size_t len);
sim_entry *sim_store_find(const sim_store *store, const char *key, size_t len);
/* The value an entry (may be NULL) had at a block; NULL when none. */
const sim_version *sim_store_at(const sim_entry *entry, uint32_t block);
/* States before `floor` need no longer be answered. */
void sim_store_prune(sim_store *store, uint32_t floor);
/* The keys in order: entries from `*at` on, the first one at or after `start`. NULL at the end. */
size_t sim_store_seek(sim_store *store, const char *start, size_t len);
sim_entry *sim_store_nth(const sim_store *store, size_t at);

#endif
