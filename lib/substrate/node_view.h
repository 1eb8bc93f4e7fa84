/* node_view.h: what a round read of a node, and the sample made from it. */
#ifndef PM_SUBSTRATE_NODE_VIEW_H
#define PM_SUBSTRATE_NODE_VIEW_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/json.h"
#include "substrate/node_config.h"

/* A number that a chain or node may not have. */
typedef struct pm_maybe {
    bool known;
    int64_t value;
} pm_maybe;

/* How healthy a node says it is (system_health). */
typedef struct pm_health {
    bool known;
    bool is_syncing;
    bool should_have_peers;
    int64_t peers;
} pm_health;

typedef struct pm_node_view {
    pm_maybe best;
    pm_maybe target;
    pm_maybe finalized;
    pm_maybe session;
    pm_maybe era;
    pm_maybe history_depth;
    pm_maybe spec_version;
    pm_health health;
    const char *source_url; /* where session and era were read */
} pm_node_view;

/* What changes rarely, as JSON text; empty while unknown. */
typedef struct pm_node_facts {
    pm_buf chain;      /* system_chain */
    pm_buf version;    /* system_version */
    pm_buf genesis;    /* chain_getBlockHash(0) */
    pm_buf spec_name;  /* of state_getRuntimeVersion */
    pm_buf properties; /* system_properties in the shape PANIC publishes */
} pm_node_facts;

void pm_node_facts_free(pm_node_facts *facts);

/* Reading replies. False: the reply is not of the shape the call has. */
bool pm_read_health(pm_json result, pm_health *out);
/* {"currentBlock", "highestBlock"}; an absent or null highestBlock is unknown. */
bool pm_read_sync_state(pm_json result, pm_node_view *view);
/* A header's number: hex text, with or without leading zeros. */
bool pm_read_header_number(pm_json result, pm_maybe *out);
/* ss58Format, tokenDecimals and tokenSymbol; the last two always as arrays. */
bool pm_read_properties(pm_json result, pm_buf *out);
/* The little-endian u32 of a key in the answer to state_queryStorageAt; unknown when absent. */
bool pm_read_storage_u32(pm_json result, const char *key, pm_maybe *out);

/* The sample of a round that succeeded, and of one that failed with PANIC's `code`. */
void pm_node_sample(pm_buf *out, const pm_node_config *config, const char *monitor_name,
                    const pm_node_view *view, const pm_node_facts *facts);
void pm_node_error_sample(pm_buf *out, const pm_node_config *config, const char *monitor_name,
                          int code, const char *message);

#endif
