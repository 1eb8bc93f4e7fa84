/* group.h (internal to lib/manager): what runs under a routing key, as groups of arms of entries.
 * They belong to who holds the manager's turn; once in the table, others read them under the lock,
 * and what they read is changed under it. */
#ifndef PM_GROUP_H
#define PM_GROUP_H

#include "core/config_set.h"
#include "core/monitor.h"
#include "manager/birth.h"

typedef struct pm_arm pm_arm;

/* One monitorable of a strategy under a routing key. */
typedef struct pm_entry {
    const panicmon_config *config; /* what its monitor is made from: its arm's, or an older one's */
    pm_arm *lender;                /* that older arm: the newest config could not be taken */
    panicmon_monitor *monitor;     /* NULL: refused, switched off, or not started yet */
    pm_birth *birth;               /* of its next monitor; NULL: none is being made */
    bool good;                     /* the config was taken */
    bool again;                    /* the newest config is to be parsed once more */
    bool over;                     /* the monitor ended or was given up: another one is to come */
    int64_t retry_ms;              /* when to try again; 0: not planned */
    int64_t backoff_ms;
} pm_entry;

/* What one strategy runs under a routing key. A strategy whose plan fails keeps its arm, so two
 * groups may share it for a moment. */
struct pm_arm {
    unsigned refs;  /* of groups */
    unsigned loans; /* of entries of later arms, which need its configs */
    pm_strategy *strategy;
    panicmon_config_set *set; /* what the plan was made from */
    panicmon_plan plan;
    pm_entry *entries; /* one per planned config, in the plan's order */
    size_t count;
};

typedef struct pm_group {
    char *routing_key;
    pm_arm **arms;
    size_t count;
    size_t watch; /* its place among what the manager watches, while it is in the table */
} pm_group;

/* NULL without memory. */
pm_arm *pm_arm_make(pm_strategy *strategy, panicmon_config_set *set);
void pm_arm_unref(pm_arm *arm); /* NULL is allowed */
/* Has a place for each of `arms`, and none of them yet. NULL without memory. */
pm_group *pm_group_make(const char *routing_key, size_t arms);
void pm_group_free(pm_group *group); /* NULL is allowed */
/* The arm of a strategy's name; `group` may be NULL. */
pm_arm *pm_group_find(const pm_group *group, const char *strategy);

/* Lets an entry go on as an older one did: its config, which is that of `old_arm` or was lent to
 * it, its monitor or the birth of one, and what is planned. */
void pm_entry_inherit(pm_entry *entry, pm_entry *old, pm_arm *old_arm);
/* The entry uses its own arm's config from here on. */
void pm_entry_renew(pm_entry *entry, const panicmon_config *config);
/* Whether its monitor runs, as far as is known. */
bool pm_entry_runs(const pm_entry *entry);
/* Plans the next try, each later than the one before up to a limit. */
void pm_entry_retry(pm_entry *entry);

#endif
