/* node_config.h: the config of a Substrate node, checked, with the data sources its set names.
 * Immutable once parsed. */
#ifndef PM_SUBSTRATE_NODE_CONFIG_H
#define PM_SUBSTRATE_NODE_CONFIG_H

#include <stdbool.h>

#include <panicmon/strategy.h>

#include "substrate/sources.h"

typedef struct pm_node_config {
    pm_sources *sources; /* the node itself stands among them, or not */
    char *url;
    char *hub_url; /* NULL: none is named */
    char *id;
    char *parent_id;
    char *name;
    char *stash_address; /* "" for none */
    bool is_validator;
    bool is_archive;
    uint8_t account[PM_ACCOUNT_SIZE]; /* of a validator's stash */
} pm_node_config;

/* ERR_STATE: the entry is fine and switched off. `shared` may be NULL. */
panicmon_err pm_node_config_parse(pm_node_config **out, pm_substrate *shared,
                                  const panicmon_config *config, panicmon_error **err);
void pm_node_config_free(pm_node_config *config);
/* The data source `i` in order of preference, the node itself left out; NULL behind the last. */
const pm_source *pm_node_config_source(const pm_node_config *config, size_t i);
/* The URL of the Asset Hub's node `i` in order of preference; NULL behind the last. */
const char *pm_node_config_hub(const pm_node_config *config, size_t i);
/* Whether a monitor of `a` can go on with `b` without a restart: only data sources differ. */
bool pm_node_config_same_node(const pm_node_config *a, const pm_node_config *b);

#endif
