/* node_config.h: the config of a Substrate node, checked, with the data sources its set names.
 * Immutable once parsed. */
#ifndef PM_SUBSTRATE_NODE_CONFIG_H
#define PM_SUBSTRATE_NODE_CONFIG_H

#include <stdbool.h>

#include <panicmon/strategy.h>

typedef struct pm_source {
    char *url;
    bool is_archive;
} pm_source;

typedef struct pm_node_config {
    char *id;
    char *parent_id;
    char *name;
    char *stash_address; /* "" for none */
    bool is_validator;
    pm_source *sources; /* in order of preference; the last one is the node itself */
    size_t source_count;
} pm_node_config;

/* ERR_STATE: the entry is fine and switched off. */
panicmon_err pm_node_config_parse(pm_node_config **out, const panicmon_config *config,
                                  panicmon_error **err);
void pm_node_config_free(pm_node_config *config);
/* The URL of the monitored node itself. */
const char *pm_node_config_url(const pm_node_config *config);
/* Whether a monitor of `a` can go on with `b` without a restart: only data sources differ. */
bool pm_node_config_same_node(const pm_node_config *a, const pm_node_config *b);

#endif
