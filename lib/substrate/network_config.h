/* network_config.h: what a config set says of its chain: immutable once parsed. */
#ifndef PM_SUBSTRATE_NETWORK_CONFIG_H
#define PM_SUBSTRATE_NETWORK_CONFIG_H

#include "substrate/node_config.h"

typedef struct pm_gov_address {
    char *text; /* as the config has it, blanks aside */
    bool is_account;
    uint8_t account[PM_ACCOUNT_SIZE];
} pm_gov_address;

typedef struct pm_network_config {
    char *parent_id;
    char *chain_name;
    char *source_name; /* "substrate polkadot" */
    char *governance;  /* the text that the addresses come from */
    pm_gov_address *addresses;
    size_t address_count;
    pm_node_config node; /* stands for "any data source": no node is monitored */
} pm_network_config;

/* ERR_STATE: the set wants no network monitor. */
panicmon_err pm_network_config_parse(pm_network_config **out, pm_substrate *shared,
                                     const panicmon_config *config, panicmon_error **err);
void pm_network_config_free(pm_network_config *config);

#endif
