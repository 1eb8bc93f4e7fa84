/* identity.h: PANIC's managers as the broker knows them: names, queues, bindings, and which routing
 * keys and monitorables are whose. Constants; any thread. */
#ifndef PM_IDENTITY_H
#define PM_IDENTITY_H

#include <stdbool.h>
#include <stddef.h>

#define PM_IDENTITIES 6
#define PM_KEYS_MAX   4

typedef struct pm_manager_identity {
    const char *word;            /* in the setting broker.managers */
    const char *name;            /* component_name, manager_name */
    const char *heartbeat_queue; /* bound to health_check with `ping` */
    const char *configs_queue;   /* bound to config with the keys */
    const char *keys[PM_KEYS_MAX];
    const char *monitorable; /* second word of the routing key of its monitorables */
} pm_manager_identity;

extern const pm_manager_identity pm_manager_identities[PM_IDENTITIES];

/* Reads a list of words, "node, network", into one flag per identity; false: an unknown word. */
bool pm_manager_identities_parse(const char *list, bool enabled[PM_IDENTITIES]);
/* The first enabled identity whose bindings take the routing key: the one that applies it, since
 * each of their queues gets its own copy. PM_IDENTITIES: none. */
size_t pm_manager_identity_of_key(const bool enabled[PM_IDENTITIES], const char *routing_key);

#endif
