/* registry.c: patterns and their strategies. A lookup copies references out under the lock and
 * works on them without it, so no user code runs under a lock. */
#include "core/registry.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <panicmon/substrate.h>

#include "base/error.h"
#include "base/topic.h"

typedef struct rule {
    char *pattern;
    pm_strategy *strategy;
} rule;

struct panicmon_registry {
    atomic_int refs;
    pthread_mutex_t lock; /* guards what follows */
    rule *rules;          /* in the order they were added */
    size_t count;
    size_t capacity;
};

panicmon_err panicmon_registry_new(panicmon_registry **out)
{
    if (out == NULL) {
        return PANICMON_ERR_INVAL;
    }
    panicmon_registry *registry = calloc(1, sizeof *registry);
    if (registry == NULL) {
        return PANICMON_ERR_NOMEM;
    }
    atomic_init(&registry->refs, 1);
    (void)pthread_mutex_init(&registry->lock, NULL);
    *out = registry;
    return PANICMON_OK;
}

panicmon_registry *pm_registry_ref(panicmon_registry *registry)
{
    atomic_fetch_add(&registry->refs, 1);
    return registry;
}

void panicmon_registry_free(panicmon_registry *registry)
{
    if (registry == NULL || atomic_fetch_sub(&registry->refs, 1) != 1) {
        return;
    }
    for (size_t i = 0; i < registry->count; i++) {
        free(registry->rules[i].pattern);
        pm_strategy_free(registry->rules[i].strategy);
    }
    free(registry->rules);
    (void)pthread_mutex_destroy(&registry->lock);
    free(registry);
}

/* The place of a rule, or the count. Under the lock. */
static size_t find_rule(const panicmon_registry *registry, const char *pattern, const char *name)
{
    size_t i = 0;
    while (i < registry->count && (strcmp(registry->rules[i].pattern, pattern) != 0 ||
                                   strcmp(registry->rules[i].strategy->ops.name, name) != 0)) {
        i++;
    }
    return i;
}

/* Under the lock. Takes `pattern` and `strategy` over on success. */
static panicmon_err add_rule(panicmon_registry *registry, char *pattern, pm_strategy *strategy)
{
    if (find_rule(registry, pattern, strategy->ops.name) < registry->count) {
        return PANICMON_ERR_EXISTS;
    }
    if (registry->count == registry->capacity) {
        size_t capacity = registry->capacity == 0 ? 8 : registry->capacity * 2;
        rule *rules = realloc(registry->rules, capacity * sizeof *rules);
        if (rules == NULL) {
            return PANICMON_ERR_NOMEM;
        }
        registry->rules = rules;
        registry->capacity = capacity;
    }
    registry->rules[registry->count++] = (rule){.pattern = pattern, .strategy = strategy};
    return PANICMON_OK;
}

panicmon_err panicmon_registry_add(panicmon_registry *registry, const char *pattern,
                                   const panicmon_strategy_ops *ops, void *user,
                                   panicmon_error **err)
{
    if (registry == NULL || pattern == NULL || !pm_topic_valid(pattern)) {
        return pm_error_setf(err, PANICMON_ERR_INVAL, "'%s' is no routing-key pattern",
                             pattern == NULL ? "" : pattern);
    }
    pm_strategy *strategy = NULL;
    panicmon_err status = pm_strategy_new(&strategy, ops, user, err);
    if (status != PANICMON_OK) {
        return status;
    }
    char *copy = strdup(pattern);
    status = PANICMON_ERR_NOMEM;
    if (copy != NULL) {
        pthread_mutex_lock(&registry->lock);
        status = add_rule(registry, copy, strategy);
        pthread_mutex_unlock(&registry->lock);
    }
    if (status != PANICMON_OK) {
        (void)pm_error_setf(err, status, "strategy %s under '%s': %s", strategy->ops.name, pattern,
                            panicmon_strerror(status));
        free(copy);
        strategy->ops.user_free = NULL; /* `user` stays the caller's */
        pm_strategy_free(strategy);
    }
    return status;
}

panicmon_err panicmon_registry_remove(panicmon_registry *registry, const char *pattern,
                                      const char *name)
{
    if (registry == NULL || pattern == NULL || name == NULL) {
        return PANICMON_ERR_INVAL;
    }
    rule removed = {0};
    pthread_mutex_lock(&registry->lock);
    size_t i = find_rule(registry, pattern, name);
    if (i < registry->count) {
        removed = registry->rules[i];
        registry->count--;
        memmove(&registry->rules[i], &registry->rules[i + 1],
                (registry->count - i) * sizeof removed);
    }
    pthread_mutex_unlock(&registry->lock);
    free(removed.pattern);
    pm_strategy_free(removed.strategy);
    return removed.strategy == NULL ? PANICMON_ERR_NOENT : PANICMON_OK;
}

panicmon_err pm_registry_find(panicmon_registry *registry, const char *routing_key,
                              pm_strategy ***out, size_t *count)
{
    pm_strategy **found = NULL;
    size_t n = 0;
    panicmon_err status = PANICMON_OK;
    pthread_mutex_lock(&registry->lock);
    if (registry->count > 0) {
        found = calloc(registry->count, sizeof *found);
        status = found == NULL ? PANICMON_ERR_NOMEM : PANICMON_OK;
    }
    for (size_t i = 0; found != NULL && i < registry->count; i++) {
        if (pm_topic_matches(registry->rules[i].pattern, routing_key)) {
            found[n++] = pm_strategy_ref(registry->rules[i].strategy);
        }
    }
    pthread_mutex_unlock(&registry->lock);
    *out = found;
    *count = n;
    return status;
}

size_t panicmon_registry_match(panicmon_registry *registry, const char *routing_key, size_t i,
                               const char **name)
{
    size_t n = 0;
    if (name != NULL) {
        *name = NULL;
    }
    if (registry == NULL || routing_key == NULL) {
        return 0;
    }
    pthread_mutex_lock(&registry->lock);
    for (size_t at = 0; at < registry->count; at++) {
        if (pm_topic_matches(registry->rules[at].pattern, routing_key)) {
            if (n == i && name != NULL) {
                *name = registry->rules[at].strategy->ops.name;
            }
            n++;
        }
    }
    pthread_mutex_unlock(&registry->lock);
    return n;
}

/* Gives the strategy a reference of its own to what the monitors share. */
static panicmon_err add_substrate(panicmon_registry *registry, const panicmon_strategy_ops *ops,
                                  panicmon_substrate *shared, panicmon_error **err)
{
    panicmon_err status = panicmon_registry_add(registry, "chains.substrate.*.nodes_config", ops,
                                                panicmon_substrate_ref(shared), err);
    if (status != PANICMON_OK) {
        panicmon_substrate_free(shared);
    }
    return status;
}

panicmon_err panicmon_registry_add_builtin(panicmon_registry *registry, panicmon_error **err)
{
    panicmon_substrate *shared = NULL;
    panicmon_err status = panicmon_substrate_new(&shared);
    if (status != PANICMON_OK) {
        return pm_error_setf(err, status, "out of memory");
    }
    status = add_substrate(registry, panicmon_substrate_node_strategy(), shared, err);
    if (status == PANICMON_OK) {
        status = add_substrate(registry, panicmon_substrate_network_strategy(), shared, err);
    }
    panicmon_substrate_free(shared);
    return status;
}
