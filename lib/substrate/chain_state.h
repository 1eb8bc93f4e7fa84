/* chain_state.h: the state of a chain at one finalized block, as far as monitors want it: session,
 * era, and what it says of every watched stash. Immutable once read, counted by references. */
#ifndef PM_SUBSTRATE_CHAIN_STATE_H
#define PM_SUBSTRATE_CHAIN_STATE_H

#include "substrate/chain.h"

/* The fields of PANIC's sample that a chain may not have, in the order of the sample. */
typedef enum pm_field {
    PM_FIELD_SESSION,
    PM_FIELD_ERA,
    PM_FIELD_AUTHORED,
    PM_FIELD_ACTIVE,
    PM_FIELD_ELECTED,
    PM_FIELD_DISABLED,
    PM_FIELD_STAKERS,
    PM_FIELD_HEARTBEAT,
    PM_FIELD_CONTROLLER,
    PM_FIELD_DEPTH,
    PM_FIELD_UNCLAIMED,
    PM_FIELD_CLAIMED,
    PM_FIELD_POINTS,
    PM_FIELD_COUNT
} pm_field;

const char *pm_field_name(pm_field field); /* "current_session" */

/* Why fields have no value of the chain. */
typedef struct pm_reasons {
    char **texts; /* PM_FIELD_COUNT of them; NULL, as is each of them: there is a value */
} pm_reasons;

static inline const char *pm_reason(const pm_reasons *reasons, pm_field field)
{
    return reasons->texts == NULL ? NULL : reasons->texts[field];
}

/* Keeps the first reason of a field. */
void pm_reason_set(pm_reasons *reasons, pm_field field, const char *text);
void pm_reasons_free(pm_reasons *reasons);

/* An exposure as PANIC's JSON, shared by states while it does not change. */
typedef struct pm_exposure {
    atomic_int refs;
    uint8_t tag[16]; /* of the era and the raw values it was made of */
    char *json;
} pm_exposure;

/* A past era of a stash; settled once it can no longer change. */
typedef struct pm_era {
    uint32_t era;
    uint32_t pages; /* to be claimed; 0: it had no stake, nothing is to be claimed */
    bool claimed;
} pm_era;

typedef struct pm_stash {
    uint8_t account[PM_ACCOUNT_SIZE];
    bool bonded;
    bool has_ledger;
    uint8_t controller[PM_ACCOUNT_SIZE];
    bool active;
    bool elected;
    bool disabled;
    bool heartbeat;
    uint32_t index; /* in the session's validators, if active */
    uint32_t authored;
    uint32_t points;       /* of the era before the active one */
    pm_exposure *exposure; /* of the active era; NULL: none */
    uint32_t *claimed;     /* eras that the ledger has as claimed, in its order */
    size_t claimed_count;
    pm_era *eras; /* past eras of the history, ascending */
    size_t era_count;
    pm_reasons reasons;
} pm_stash;

typedef struct pm_state {
    atomic_int refs;
    bool wants_hub;              /* staking moved to an Asset Hub that nobody named */
    bool has_electees;           /* the planned era has exposures */
    bool has_claims;             /* the chain keeps claims by era and page */
    uint16_t prefix;             /* of addresses */
    int64_t taken_ms;            /* pm_mono_ms() */
    pm_runtime *runtime;         /* of the chain with the sessions */
    pm_runtime *staking_runtime; /* of the chain with the staking; the same, or an Asset Hub's */
    pm_facts *facts;             /* of the nodes that were read, likewise */
    pm_facts *staking_facts;
    int64_t height;
    int64_t staking_height;
    pm_stash *stashes; /* sorted by account */
    size_t stash_count;
    pm_reasons reasons;
    pm_maybe session;
    pm_maybe era;
    pm_maybe planned; /* CurrentEra */
    pm_maybe depth;
    pm_maybe points_era;
    char hash[PM_HASH_TEXT];
    const char *staking_hash; /* the same, or the Asset Hub's below */
    char hub_hash[PM_HASH_TEXT];
} pm_state;

pm_state *pm_state_ref(pm_state *state); /* NULL is allowed */
void pm_state_unref(pm_substrate *shared, pm_state *state);
const pm_stash *pm_state_stash(const pm_state *state, const uint8_t *account);

#endif
