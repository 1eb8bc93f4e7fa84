/* identity.c: see identity.h. Source of the table: PANIC 1.3.1, its six monitors managers. */
#include "manager/identity.h"

#include <string.h>

#include "base/topic.h"

const pm_manager_identity pm_manager_identities[PM_IDENTITIES] = {
    {.word = "node",
     .name = "Node Monitors Manager",
     .heartbeat_queue = "node_monitors_manager_heartbeat_queue",
     .configs_queue = "node_monitors_manager_configs_queue",
     .keys = {"chains.*.*.nodes_config", "chains.*.*.evm_nodes_config"},
     .monitorable = "nodes"},
    {.word = "network",
     .name = "Network Monitors Manager",
     .heartbeat_queue = "network_monitors_manager_heartbeat_queue",
     .configs_queue = "network_monitors_manager_configs_queue",
     .keys = {"chains.*.*.nodes_config"},
     .monitorable = "chains"},
    {.word = "system",
     .name = "System Monitors Manager",
     .heartbeat_queue = "system_monitors_manager_heartbeat_queue",
     .configs_queue = "system_monitors_manager_configs_queue",
     .keys = {"chains.*.*.systems_config", "chains.*.*.nodes_config", "general.systems_config"},
     .monitorable = "systems"},
    {.word = "github",
     .name = "GitHub Monitors Manager",
     .heartbeat_queue = "github_monitors_manager_heartbeat_queue",
     .configs_queue = "github_monitors_manager_configs_queue",
     .keys = {"chains.*.*.github_repos_config", "general.github_repos_config"},
     .monitorable = "github_repos"},
    {.word = "dockerhub",
     .name = "DockerHub Monitors Manager",
     .heartbeat_queue = "dockerhub_monitors_manager_heartbeat_queue",
     .configs_queue = "dockerhub_monitors_manager_configs_queue",
     .keys = {"chains.*.*.dockerhub_repos_config", "general.dockerhub_repos_config"},
     .monitorable = "dockerhub_repos"},
    {.word = "contracts",
     .name = "Contract Monitors Manager",
     .heartbeat_queue = "contract_monitors_manager_heartbeat_queue",
     .configs_queue = "contract_monitors_manager_configs_queue",
     .keys = {"chains.*.*.nodes_config"},
     .monitorable = "nodes"},
};

static size_t find_word(const char *word, size_t len)
{
    size_t i = 0;
    while (i < PM_IDENTITIES && (strlen(pm_manager_identities[i].word) != len ||
                                 memcmp(pm_manager_identities[i].word, word, len) != 0)) {
        i++;
    }
    return i;
}

bool pm_manager_identities_parse(const char *list, bool enabled[PM_IDENTITIES])
{
    static const char blanks[] = ", ";
    memset(enabled, 0, PM_IDENTITIES * sizeof *enabled);
    for (list += strspn(list, blanks); *list != '\0'; list += strspn(list, blanks)) {
        size_t len = strcspn(list, blanks);
        size_t i = find_word(list, len);
        if (i == PM_IDENTITIES) {
            return false;
        }
        enabled[i] = true;
        list += len;
    }
    return true;
}

size_t pm_manager_identity_of_key(const bool enabled[PM_IDENTITIES], const char *routing_key)
{
    for (size_t i = 0; i < PM_IDENTITIES; i++) {
        const pm_manager_identity *at = &pm_manager_identities[i];
        for (size_t k = 0; enabled[i] && k < PM_KEYS_MAX && at->keys[k] != NULL; k++) {
            if (pm_topic_matches(at->keys[k], routing_key)) {
                return i;
            }
        }
    }
    return PM_IDENTITIES;
}
