/* group.c: see group.h. */
#include "manager/group.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

#define BACKOFF_FIRST_MS 1000
#define BACKOFF_LAST_MS  60000

static void arm_destroy(pm_arm *arm)
{
    pm_plan_free(&arm->plan);
    pm_config_set_free(arm->set);
    pm_strategy_free(arm->strategy);
    free(arm);
}

static void give_back(pm_arm *lender)
{
    if (lender != NULL && --lender->loans == 0 && lender->refs == 0) {
        arm_destroy(lender);
    }
}

pm_arm *pm_arm_make(pm_strategy *strategy, panicmon_config_set *set)
{
    pm_arm *arm = calloc(1, sizeof *arm);
    if (arm != NULL) {
        arm->refs = 1;
        arm->strategy = pm_strategy_ref(strategy);
        arm->set = pm_config_set_ref(set);
    }
    return arm;
}

/* Its entries are of no use without a group; its configs may still be lent. */
void pm_arm_unref(pm_arm *arm)
{
    if (arm == NULL || --arm->refs > 0) {
        return;
    }
    for (size_t i = 0; i < arm->count; i++) {
        pm_entry *entry = &arm->entries[i];
        panicmon_monitor_free(entry->monitor);
        if (entry->birth != NULL) {
            pm_birth_give_up(entry->birth);
            pm_birth_free(entry->birth);
        }
        give_back(entry->lender);
    }
    free(arm->entries);
    arm->entries = NULL;
    arm->count = 0;
    if (arm->loans == 0) {
        arm_destroy(arm);
    }
}

void pm_group_free(pm_group *group)
{
    if (group != NULL) {
        for (size_t i = 0; i < group->count; i++) {
            pm_arm_unref(group->arms[i]);
        }
        free(group->arms);
        free(group->routing_key);
        free(group);
    }
}

pm_group *pm_group_make(const char *routing_key, size_t arms)
{
    pm_group *group = calloc(1, sizeof *group);
    if (group != NULL) {
        group->routing_key = strdup(routing_key);
        group->arms = calloc(arms + 1, sizeof *group->arms);
        if (group->routing_key == NULL || group->arms == NULL) {
            pm_group_free(group);
            return NULL;
        }
    }
    return group;
}

pm_arm *pm_group_find(const pm_group *group, const char *strategy)
{
    for (size_t i = 0; group != NULL && i < group->count; i++) {
        if (strcmp(group->arms[i]->strategy->ops.name, strategy) == 0) {
            return group->arms[i];
        }
    }
    return NULL;
}

void pm_entry_inherit(pm_entry *entry, pm_entry *old, pm_arm *old_arm)
{
    pm_arm *lender = old->lender != NULL ? old->lender : old_arm;
    lender->loans++;
    *entry = *old;
    entry->lender = lender;
    entry->again = false;
    entry->monitor = old->monitor == NULL ? NULL : pm_monitor_ref(old->monitor);
    old->birth = NULL;
}

void pm_entry_renew(pm_entry *entry, const panicmon_config *config)
{
    pm_arm *lender = entry->lender;
    entry->config = config;
    entry->lender = NULL;
    give_back(lender);
}

bool pm_entry_runs(const pm_entry *entry)
{
    return entry->monitor != NULL && !entry->over &&
           panicmon_monitor_get_state(entry->monitor) != PANICMON_MONITOR_STOPPED;
}

void pm_entry_retry(pm_entry *entry)
{
    int64_t last = entry->backoff_ms;
    entry->backoff_ms = last == 0 ? BACKOFF_FIRST_MS : pm_earlier(last * 2, BACKOFF_LAST_MS);
    entry->retry_ms = pm_mono_ms() + entry->backoff_ms;
}
