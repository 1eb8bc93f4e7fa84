/* table.c: see table.h. */
#include "exec/table.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_SIZE 64

uint64_t pm_mix(uint64_t hash, const void *bytes, size_t len)
{
    const char *at = bytes;
    const uint64_t odd = UINT64_C(0x9e3779b97f4a7c15);
    uint64_t word;
    hash ^= len * odd;
    for (; len >= sizeof word; at += sizeof word, len -= sizeof word) {
        memcpy(&word, at, sizeof word);
        hash = (hash ^ word) * odd;
        hash ^= hash >> 29;
    }
    word = 0;
    memcpy(&word, at, len);
    hash = (hash ^ word) * odd;
    return hash ^ hash >> 32;
}

static pm_node **bucket_of(const pm_table *table, uint64_t hash)
{
    return &table->buckets[hash & (table->size - 1)];
}

static pm_node *first_of(pm_node *node, uint64_t hash)
{
    while (node != NULL && node->hash != hash) {
        node = node->next;
    }
    return node;
}

pm_node *pm_table_find(const pm_table *table, uint64_t hash)
{
    return table->size == 0 ? NULL : first_of(*bucket_of(table, hash), hash);
}

pm_node *pm_table_same(const pm_node *node)
{
    return first_of(node->next, node->hash);
}

static bool grow(pm_table *table)
{
    pm_table larger = {.size = table->size == 0 ? FIRST_SIZE : table->size * 2};
    larger.buckets = calloc(larger.size, sizeof(pm_node *));
    if (larger.buckets == NULL) {
        return table->size > 0; /* a full one still works */
    }
    for (size_t i = 0; i < table->size; i++) {
        for (pm_node *node = table->buckets[i]; node != NULL;) {
            pm_node *next = node->next;
            pm_node **bucket = bucket_of(&larger, node->hash);
            node->next = *bucket;
            *bucket = node;
            node = next;
        }
    }
    free(table->buckets);
    table->buckets = larger.buckets;
    table->size = larger.size;
    return true;
}

bool pm_table_add(pm_table *table, pm_node *node)
{
    if (table->count >= table->size && !grow(table)) {
        return false;
    }
    pm_node **bucket = bucket_of(table, node->hash);
    node->next = *bucket;
    *bucket = node;
    table->count++;
    return true;
}

void pm_table_remove(pm_table *table, pm_node *node)
{
    pm_node **link = bucket_of(table, node->hash);
    while (*link != node) {
        link = &(*link)->next;
    }
    *link = node->next;
    table->count--;
}

pm_node *pm_table_after(const pm_table *table, const pm_node *node)
{
    size_t at = node == NULL ? 0 : (node->hash & (table->size - 1)) + 1;
    pm_node *next = node == NULL ? NULL : node->next;
    while (next == NULL && at < table->size) {
        next = table->buckets[at++];
    }
    return next;
}

pm_node *pm_table_any(const pm_table *table)
{
    for (size_t i = 0; i < table->size && table->count > 0; i++) {
        if (table->buckets[i] != NULL) {
            return table->buckets[i];
        }
    }
    return NULL;
}

void pm_table_free(pm_table *table)
{
    free(table->buckets);
    *table = (pm_table){0};
}
