/* map.h: text key -> pointer. Keys are copied, values are the caller's. Not thread-safe. */
#ifndef PM_MAP_H
#define PM_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct pm_map_entry {
    char *key; /* NULL: free */
    uint64_t hash;
    void *value;
} pm_map_entry;

typedef struct pm_map {
    pm_map_entry *entries; /* capacity is a power of two */
    size_t capacity;
    size_t count;
} pm_map; /* zero-initialised is empty */

/* FNV-1a, the same on every machine and run: phases depend on it. */
uint64_t pm_hash(const char *text);
void *pm_map_get(const pm_map *map, const char *key);
/* Sets or replaces; false without memory (nothing changed). `value` is not NULL. */
bool pm_map_set(pm_map *map, const char *key, void *value);
/* Removes and gives what was there, or NULL. */
void *pm_map_remove(pm_map *map, const char *key);
/* Iterates in no order: `*at` starts at 0. The map must not change meanwhile. */
bool pm_map_next(const pm_map *map, size_t *at, const char **key, void **value);
void pm_map_free(pm_map *map);

#endif
