/* node_round.h: the round of a node monitor: whom it asks, what it reads, what it makes of it.
 * Belongs to the thread that has the monitor's turn. */
#ifndef PM_SUBSTRATE_NODE_ROUND_H
#define PM_SUBSTRATE_NODE_ROUND_H

#include "substrate/chain_fetch.h"
#include "substrate/history.h"
#include "substrate/node_config.h"
#include "substrate/node_view.h"
#include "substrate/probe.h"

/* PANIC's error codes, as its alerter knows them. */
enum {
    PM_NODE_IS_DOWN = 5015,
    PM_NO_SYNCED_SOURCE = 5019,
    PM_CALL_FAILED = 5031,
    PM_INCOMPATIBLE = 5033,
    PM_NETWORK_INCOMPATIBLE = 5034,
};

typedef enum pm_node_stage {
    PM_NODE_HEADS, /* heads were asked for */
    PM_NODE_WORK,  /* header, state and history are being read */
    PM_NODE_CONFIRM,
    PM_NODE_OVER
} pm_node_stage;

/* What a plain round touches comes first: a monitor's own memory is cold when its round begins. */
typedef struct pm_node_monitor {
    pm_substrate *shared;
    const pm_node_config *config;

    /* of a round */
    pm_node_stage stage;
    bool is_validator; /* as all of its configs say */
    bool chain_only;   /* there is no node to monitor, only its chain: a network monitor */
    bool waits_for_heads;
    bool source_stalled;
    bool fetches;         /* the view's fetch is this monitor's */
    uint32_t header_step; /* the step that asked for them */
    panicmon_request header;
    panicmon_request best_header;
    panicmon_request sample;
    pm_maybe number;      /* of the node's finalized head */
    pm_maybe best_number; /* of its best header, where it has no system_syncState */
    pm_source_slot *source;
    pm_fetch *fetch;
    pm_state *state;
    size_t first; /* source of the window's first slot */
    size_t window_count;
    size_t hubs_tried;

    /* over rounds */
    int64_t began_ms; /* of the round before, then of this one */
    int64_t interval_ms;
    size_t window_used; /* slots that were used so far */
    size_t hub_at;      /* which of the Asset Hub's nodes */
    char *found_hub;    /* one that no config names */
    pm_view *view;
    pm_facts *facts;                  /* of the node, its genesis known */
    pm_state *held;                   /* the last state published */
    int64_t held_ms;                  /* since when an older one was refused; 0: not */
    pm_maybe best, target, finalized; /* published last */
    pm_node_texts texts;
    pm_source_slot own;
    pm_source_slot hub;

    /* not of plain rounds */
    bool watched; /* the stash is, in this view */
    uint8_t account[PM_ACCOUNT_SIZE];
    pm_source_slot archive; /* when it stands in no window */
    pm_source_slot window[PM_WINDOW];
    pm_history history; /* of validators */
} pm_node_monitor;

/* The round fails with one of PANIC's codes; detail is for the log. */
typedef struct pm_failure {
    int code; /* 0: none */
    panicmon_err status;
    pm_buf message;
    pm_buf detail;
} pm_failure;

/* Says before the first round whose state the monitor will want. */
void pm_node_foresee(pm_node_monitor *monitor);
/* Begins a round: asks for heads. */
panicmon_err pm_node_begin(pm_node_monitor *monitor, panicmon_round *round);
/* One step on; `*done`: everything is read, or `failure` says why not. */
panicmon_err pm_node_work(pm_node_monitor *monitor, panicmon_round *round, pm_failure *failure,
                          bool *done);
/* The source was lost after all was read: begins anew with the next one, if there is any. */
panicmon_err pm_node_retry(pm_node_monitor *monitor, panicmon_round *round, bool *goes_on);
/* All is read: leaves the state to siblings. Part of pm_node_view_fill(). */
void pm_node_settle(pm_node_monitor *monitor, panicmon_round *round);
/* What is published, once all is read. */
void pm_node_view_fill(pm_node_monitor *monitor, panicmon_round *round, pm_node_view *view);
/* Lets go of what belongs to a round. */
void pm_node_rest(pm_node_monitor *monitor);
/* Lets go of everything but the monitor itself. */
void pm_node_clear(pm_node_monitor *monitor);

/* node_pick.c, for node_round.c. How old may be what siblings read: */
int64_t pm_node_fresh_ms(const pm_node_monitor *monitor);
panicmon_err pm_node_take_heads(pm_node_monitor *monitor, panicmon_round *round);
/* Another chain behind the URL is another node: nothing of the old one goes on. */
void pm_node_check_identity(pm_node_monitor *monitor, panicmon_round *round);
/* The best of the sources whose heads are there; NULL: none will do. */
pm_source_slot *pm_node_choose(pm_node_monitor *monitor);
/* Heads are there: picks the source and begins the work, or asks the next ones. */
panicmon_err pm_node_pick(pm_node_monitor *monitor, panicmon_round *round, pm_failure *failure);

/* node_round.c, for node_pick.c: a source is there, what the chain says is read. */
panicmon_err pm_node_begin_work(pm_node_monitor *monitor, panicmon_round *round);

/* Shared with the network monitor. */
void pm_fail(pm_failure *failure, int code, panicmon_err status, const char *detail,
             const char *format, ...) __attribute__((format(printf, 5, 6)));
void pm_failure_clear(pm_failure *failure);

/* Within a round: the monitored node did not answer as it should; no data source will do; a
 * chain's state could not be read. */
void pm_fail_direct(const pm_node_monitor *monitor, pm_failure *failure, panicmon_err status,
                    bool shape, const char *method, const char *why);
void pm_fail_no_source(pm_failure *failure, const panicmon_round *round);
void pm_fail_fetch(const pm_node_monitor *monitor, pm_failure *failure);
/* Who the monitor is, for the launch of either kind; `name` may have failed. */
panicmon_err pm_launch(panicmon_launch *launch, const pm_buf *name, uint32_t kind,
                       const char *parent_id, const char *source_id, const char *source_name);
/* Ends the view's fetch, if it is this monitor's, without a state. */
void pm_node_end_fetch(pm_node_monitor *monitor);
/* Ends the watching of the stash. */
void pm_node_leave_view(pm_node_monitor *monitor);

#endif
