/* map.c: open addressing with linear probing and backward-shift deletion. */
#include "base/map.h"

#include <stdlib.h>
#include <string.h>

uint64_t pm_hash(const char *text)
{
    uint64_t hash = 14695981039346656037u;
    for (; *text != '\0'; text++) {
        hash = (hash ^ (unsigned char)*text) * 1099511628211u;
    }
    return hash;
}

/* FNV's low bits are weak for short keys that differ at the end only. */
static size_t home(const pm_map *map, uint64_t hash)
{
    return (size_t)(hash ^ hash >> 32) & (map->capacity - 1);
}

static size_t find(const pm_map *map, const char *key, uint64_t hash)
{
    size_t i = home(map, hash);
    while (map->entries[i].key != NULL &&
           (map->entries[i].hash != hash || strcmp(map->entries[i].key, key) != 0)) {
        i = (i + 1) & (map->capacity - 1);
    }
    return i;
}

void *pm_map_get(const pm_map *map, const char *key)
{
    if (map->count == 0) {
        return NULL;
    }
    const pm_map_entry *entry = &map->entries[find(map, key, pm_hash(key))];
    return entry->key == NULL ? NULL : entry->value;
}

static bool grow(pm_map *map)
{
    pm_map bigger = {.capacity = map->capacity == 0 ? 16 : map->capacity * 2};
    bigger.entries = calloc(bigger.capacity, sizeof *bigger.entries);
    if (bigger.entries == NULL) {
        return false;
    }
    for (size_t i = 0; i < map->capacity; i++) {
        if (map->entries[i].key != NULL) {
            bigger.entries[find(&bigger, map->entries[i].key, map->entries[i].hash)] =
                map->entries[i];
        }
    }
    bigger.count = map->count;
    free(map->entries);
    *map = bigger;
    return true;
}

bool pm_map_set(pm_map *map, const char *key, void *value)
{
    if (map->count * 4 >= map->capacity * 3 && !grow(map)) {
        return false;
    }
    uint64_t hash = pm_hash(key);
    pm_map_entry *entry = &map->entries[find(map, key, hash)];
    if (entry->key == NULL) {
        char *copy = strdup(key);
        if (copy == NULL) {
            return false;
        }
        *entry = (pm_map_entry){.key = copy, .hash = hash};
        map->count++;
    }
    entry->value = value;
    return true;
}

void *pm_map_remove(pm_map *map, const char *key)
{
    if (map->count == 0) {
        return NULL;
    }
    size_t mask = map->capacity - 1;
    size_t hole = find(map, key, pm_hash(key));
    if (map->entries[hole].key == NULL) {
        return NULL;
    }
    void *value = map->entries[hole].value;
    free(map->entries[hole].key);
    map->entries[hole] = (pm_map_entry){0};
    map->count--;
    for (size_t i = (hole + 1) & mask; map->entries[i].key != NULL; i = (i + 1) & mask) {
        size_t wanted = home(map, map->entries[i].hash);
        if (((i - wanted) & mask) >= ((i - hole) & mask)) {
            map->entries[hole] = map->entries[i];
            map->entries[i] = (pm_map_entry){0};
            hole = i;
        }
    }
    return value;
}

bool pm_map_next(const pm_map *map, size_t *at, const char **key, void **value)
{
    for (; *at < map->capacity; (*at)++) {
        const pm_map_entry *entry = &map->entries[*at];
        if (entry->key != NULL) {
            if (key != NULL) {
                *key = entry->key;
            }
            if (value != NULL) {
                *value = entry->value;
            }
            (*at)++;
            return true;
        }
    }
    return false;
}

void pm_map_free(pm_map *map)
{
    for (size_t i = 0; i < map->capacity; i++) {
        free(map->entries[i].key);
    }
    free(map->entries);
    *map = (pm_map){0};
}
