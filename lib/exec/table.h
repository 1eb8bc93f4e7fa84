/* table.h: a hash table of things that hold their own links; it allocates nothing but its buckets.
 * Belongs to whoever holds the struct. */
#ifndef PM_TABLE_H
#define PM_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct pm_node {
    struct pm_node *next;
    uint64_t hash;
} pm_node;

typedef struct pm_table {
    pm_node **buckets;
    size_t size; /* a power of two */
    size_t count;
} pm_table; /* zero-initialised is empty */

/* Mixes bytes into a hash; not the same on every machine. */
uint64_t pm_mix(uint64_t hash, const void *bytes, size_t len);
/* The first node of that hash, then pm_table_same() for others; NULL: none. */
pm_node *pm_table_find(const pm_table *table, uint64_t hash);
pm_node *pm_table_same(const pm_node *node);
/* False without memory. */
bool pm_table_add(pm_table *table, pm_node *node);
void pm_table_remove(pm_table *table, pm_node *node);
/* The node after this one, in no order; NULL begins, and ends. Nothing comes or goes meanwhile. */
pm_node *pm_table_after(const pm_table *table, const pm_node *node);
/* Any node; NULL: it is empty. */
pm_node *pm_table_any(const pm_table *table);
void pm_table_free(pm_table *table);

#endif
