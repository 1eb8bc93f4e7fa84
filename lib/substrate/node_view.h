/* node_view.h: the sample that a round of a node makes of what it read. */
#ifndef PM_SUBSTRATE_NODE_VIEW_H
#define PM_SUBSTRATE_NODE_VIEW_H

#include "substrate/chain_state.h"
#include "substrate/history.h"
#include "substrate/node_config.h"

typedef struct pm_node_view {
    const pm_heads *heads; /* of the monitored node */
    pm_maybe best;
    pm_maybe target;
    pm_maybe finalized;
    bool held; /* heights went back and are held */
    bool source_stalled;
    pm_maybe reported_best;
    pm_maybe reported_finalized;
    const pm_state *state;
    const pm_history *history;
    const char *source; /* where the state was read, as a JSON text */
    const char *hub;    /* and its staking, if elsewhere; NULL else */
} pm_node_view;

/* What begins all samples of a monitor, around the time: made once. */
typedef struct pm_node_texts {
    char *data;      /* NULL: not made yet */
    size_t head_len; /* up to the time; what comes after it follows */
    size_t tail_len;
} pm_node_texts;

bool pm_node_texts_make(pm_node_texts *texts, const pm_node_config *config,
                        const char *monitor_name);
void pm_node_texts_free(pm_node_texts *texts);

/* The sample of a round that succeeded, and of one that failed with PANIC's `code`. */
void pm_node_sample(pm_buf *out, const pm_node_config *config, const pm_node_texts *texts,
                    const pm_node_view *view);
void pm_node_error_sample(pm_buf *out, const pm_node_texts *texts, int code, const char *message);

#endif
