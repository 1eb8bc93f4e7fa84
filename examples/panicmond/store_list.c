/* store_list.c: lists of monitorables, which say what the store should hold. Library threads. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store_impl.h"

/* One entry of a list on its way into the store. */
typedef struct source {
    struct source *next;
    const labels *labels;
} source;

typedef struct list {
    source *first;
    bool failed;
} list;

static void collect(void *user, const char *id, const char *name, const char *chain_id,
                    const char *chain_name)
{
    list *list = user;
    sample cut; /* as long as the texts of samples, which are to find the same entry */
    (void)snprintf(cut.id, sizeof cut.id, "%s", id);
    (void)snprintf(cut.name, sizeof cut.name, "%s", name);
    (void)snprintf(cut.parent, sizeof cut.parent, "%s", chain_id);
    (void)snprintf(cut.chain, sizeof cut.chain, "%s", chain_name);
    const labels labels = {.id = cut.id,
                           .name = cut.name,
                           .parent = cut.parent,
                           .chain = cut.chain,
                           .version = "",
                           .runtime = ""};
    source *made = malloc(sizeof *made);
    const struct labels *copy = made == NULL ? NULL : labels_new(&labels);
    if (copy == NULL) {
        free(made);
        list->failed = true;
        return;
    }
    *made = (source){.next = list->first, .labels = copy};
    list->first = made;
}

static source *reverse(source *first)
{
    source *reversed = NULL;
    while (first != NULL) {
        source *next = first->next;
        first->next = reversed;
        reversed = first;
        first = next;
    }
    return reversed;
}

/* The number of the list of that name; 0 without memory. Under the lock. */
static size_t group_number(store *store, const char *name)
{
    for (size_t i = 0; i < store->group_count; i++) {
        if (strcmp(store->groups[i], name) == 0) {
            return i + 1;
        }
    }
    char **groups = realloc(store->groups, (store->group_count + 1) * sizeof *groups);
    if (groups == NULL) {
        return 0;
    }
    store->groups = groups;
    groups[store->group_count] = strdup(name);
    return groups[store->group_count] == NULL ? 0 : ++store->group_count;
}

static kind kind_of_list(const char *routing_key)
{
    const char *dot = strrchr(routing_key, '.');
    const char *word = dot == NULL ? routing_key : dot + 1;
    return strcmp(word, "chains") == 0    ? KIND_NETWORK
           : strcmp(word, "systems") == 0 ? KIND_SYSTEM
           : strcmp(word, "nodes") == 0   ? KIND_NODE
                                          : KIND_REPO;
}

static bool is_unlisted(const kept *at, const void *group)
{
    return at->group == *(const size_t *)group && !at->listed;
}

static void take_list(store *store, const char *routing_key, const char *manager, const list *list)
{
    char name[256];
    kind kind = kind_of_list(routing_key);
    (void)snprintf(name, sizeof name, "%s %s", routing_key, manager);
    pthread_mutex_lock(&store->lock);
    size_t group = group_number(store, name);
    for (const source *at = list->first; group != 0 && at != NULL; at = at->next) {
        kept *found = store_find(store, kind, at->labels);
        if (found != NULL) {
            bool other = found->group != group;
            const labels *names = found->entry.labels;
            found->group = group;
            found->listed = true;
            store_relabel(found, at->labels, true);
            if (other || names != found->entry.labels) {
                found->entry.change = ++store->change;
            }
        }
    }
    if (group != 0 && !list->failed) {
        store_sweep(store, is_unlisted, &group);
    }
    for (size_t i = 0; i < store->count; i++) {
        store->entries[i]->listed = false;
    }
    pthread_mutex_unlock(&store->lock);
}

void store_read_list(store *store, const char *routing_key, const char *body, size_t len)
{
    char manager[64];
    list list = {0};
    if (document_read_sources(body, len, manager, collect, &list)) {
        list.first = reverse(list.first);
        take_list(store, routing_key, manager, &list);
    }
    for (source *at = list.first; at != NULL;) {
        source *next = at->next;
        labels_drop(at->labels);
        free(at);
        at = next;
    }
}
