/* chain_fetch.h: reads the state of a chain at a finalized head, in few steps: a machine inside of
 * a monitor's round. Belongs to the monitor.
 *
 * OPEN      header, runtime version, and (as far as the metadata is at hand) the values that depend
 *           on nothing
 * RUNTIMES  which runtime wrote the block, and its metadata: only first, and after upgrades
 * BASE      the values that depend on nothing, when they were not asked for yet
 * MORE      what depends on session, era, controller
 * PAGES     nominators of paged exposures, when they are new */
#ifndef PM_SUBSTRATE_CHAIN_FETCH_H
#define PM_SUBSTRATE_CHAIN_FETCH_H

#include "substrate/chain_query.h"
#include "substrate/chain_state.h"

typedef enum pm_item {
    PM_ITEM_SESSION,
    PM_ITEM_VALIDATORS,
    PM_ITEM_DISABLED,
    PM_ITEM_MODE,
    PM_ITEM_AUTHORED,
    PM_ITEM_HEARTBEATS,
    PM_ITEM_ACTIVE_ERA,
    PM_ITEM_CURRENT_ERA,
    PM_ITEM_DEPTH,
    PM_ITEM_BONDED,
    PM_ITEM_LEDGER,
    PM_ITEM_STAKERS,
    PM_ITEM_OVERVIEW,
    PM_ITEM_PAGED,
    PM_ITEM_CLAIMED,
    PM_ITEM_POINTS,
    PM_ITEM_COUNT
} pm_item;

/* Where a runtime has them; found once for all who read with it. */
typedef struct pm_items {
    bool has[PM_ITEM_COUNT];
    bool serves_relay;                     /* carries the staking of its relay chain */
    pm_maybe prefix;                       /* System.SS58Prefix */
    pm_maybe depth;                        /* the constant Staking.HistoryDepth */
    char key[PM_ITEM_COUNT][PM_HASH_TEXT]; /* "0x...", without arguments */
    pm_storage at[PM_ITEM_COUNT];
} pm_items;

typedef enum pm_need { PM_NEED_NOTHING, PM_NEED_PARENT, PM_NEED_METADATA } pm_need;

/* One of the two chains read together: the one with the sessions, the one with the staking. */
typedef struct pm_side {
    pm_endpoint *endpoint; /* NULL: there is no second chain */
    pm_heads *heads;
    pm_runtime *runtime;
    const pm_items *items; /* of the runtime; without one there are none */
    bool settled;          /* the runtime is known to be the one that wrote the block */
    bool renew;            /* the metadata is being read again */
    bool has_header;
    bool fault; /* a value did not decode */
    pm_need need;
    int looks; /* how often it was looked for metadata that another monitor reads */
    panicmon_request header;
    panicmon_request at_block;
    panicmon_request at_parent;
    panicmon_request metadata;
    panicmon_request look;
    int64_t height;

    /* what follows is valid once it was set, and the query's buffers serve the next fetch */
    char parent[PM_HASH_TEXT];
    pm_query query;
    pm_version version; /* of the runtime wanted, when another one than there is may be */
} pm_side;

typedef enum pm_fetch_stage {
    PM_FETCH_OPEN,
    PM_FETCH_RUNTIMES,
    PM_FETCH_BASE,
    PM_FETCH_MORE,
    PM_FETCH_PAGES,
    PM_FETCH_DONE,
    PM_FETCH_FAILED
} pm_fetch_stage;

/* An exposure whose pages are still to come. */
typedef struct pm_pending {
    pm_stash *stash;
    uint64_t total_low, total_high, own_low, own_high;
    uint32_t pages;
    uint8_t tag[16];
} pm_pending;

typedef struct pm_fetch {
    pm_substrate *shared;
    pm_fetch_stage stage;
    bool asked;     /* replies are to come */
    bool claims;    /* metadata is being read on behalf of others too */
    bool with_base; /* the values of BASE were asked for in OPEN */
    bool ask_points;
    bool lost;  /* it failed: the endpoint did not answer, another one may */
    bool shape; /* it failed: it answered something else than a Substrate node does */
    int redone;
    panicmon_request electees;
    pm_side *staking; /* the side that has the staking, NULL: none has */
    pm_state *before; /* the last state: what cannot have changed is taken from it */
    pm_state *state;  /* being read */
    uint8_t (*accounts)[PM_ACCOUNT_SIZE];
    size_t account_count;
    pm_pending *pending;
    size_t pending_count;

    /* why it failed */
    panicmon_err status;
    const pm_endpoint *culprit;
    const char *method;
    pm_buf message;

    pm_side relay;
    pm_side hub;
} pm_fetch;

/* Begins. `spare`: one to use again, or NULL. Takes it, `accounts` (malloc'd) and references over;
 * `before` may be NULL and is used when it is of the same chain. `hub` NULL: no Asset Hub is known.
 */
panicmon_err pm_fetch_new(pm_fetch **out, pm_fetch *spare, pm_substrate *shared, pm_endpoint *relay,
                          pm_heads *relay_heads, pm_endpoint *hub, pm_heads *hub_heads,
                          pm_state *before, uint8_t (*accounts)[PM_ACCOUNT_SIZE], size_t count);
/* Reads the replies of the step before and asks for more. Its stage is DONE or FAILED when it asked
 * for nothing. Errors are our own: no memory. */
panicmon_err pm_fetch_step(pm_fetch *fetch, panicmon_round *round);
/* The height of the chain with the staking, once known; -1 before. */
int64_t pm_fetch_height(const pm_fetch *fetch);
/* Ends one; it is kept for the next one to begin. NULL is allowed. */
void pm_fetch_free(pm_fetch *fetch);

#endif
