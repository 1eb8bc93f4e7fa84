/* chain_base.c: the values of a state that depend on nothing but the block: session, validators,
 * where the staking is, eras. What the metadata has decides, never a version. */
#include "substrate/chain_read.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

static void write_key(const uint8_t key[32], char out[PM_HASH_TEXT])
{
    static const char digits[] = "0123456789abcdef";
    memcpy(out, "0x", 2);
    for (size_t i = 0; i < 32; i++) {
        out[2 + 2 * i] = digits[key[i] >> 4];
        out[3 + 2 * i] = digits[key[i] & 15];
    }
    out[PM_HASH_TEXT - 1] = '\0';
}

static void find_constants(pm_items *items, const pm_metadata *metadata)
{
    uint64_t value;
    if (pm_constant_u64(metadata, "System", "SS58Prefix", &value)) {
        items->prefix = (pm_maybe){
            .known = true, .value = value <= PM_SS58_PREFIX_MAX ? (int64_t)value : PM_SS58_GENERIC};
    }
    if (pm_constant_u64(metadata, "Staking", "HistoryDepth", &value) && value <= UINT32_MAX) {
        items->depth = (pm_maybe){.known = true, .value = (int64_t)value};
    }
    items->serves_relay =
        pm_metadata_has_pallet(metadata, "StakingRcClient") && items->has[PM_ITEM_ACTIVE_ERA];
}

pm_items *pm_items_find(const pm_metadata *metadata)
{
    static const struct {
        const char *pallet;
        const char *name;
    } names[PM_ITEM_COUNT] = {
        [PM_ITEM_SESSION] = {"Session", "CurrentIndex"},
        [PM_ITEM_VALIDATORS] = {"Session", "Validators"},
        [PM_ITEM_DISABLED] = {"Session", "DisabledValidators"},
        [PM_ITEM_MODE] = {"StakingAhClient", "Mode"},
        [PM_ITEM_AUTHORED] = {"ImOnline", "AuthoredBlocks"},
        [PM_ITEM_HEARTBEATS] = {"ImOnline", "ReceivedHeartbeats"},
        [PM_ITEM_ACTIVE_ERA] = {"Staking", "ActiveEra"},
        [PM_ITEM_CURRENT_ERA] = {"Staking", "CurrentEra"},
        [PM_ITEM_DEPTH] = {"Staking", "HistoryDepth"},
        [PM_ITEM_BONDED] = {"Staking", "Bonded"},
        [PM_ITEM_LEDGER] = {"Staking", "Ledger"},
        [PM_ITEM_STAKERS] = {"Staking", "ErasStakers"},
        [PM_ITEM_OVERVIEW] = {"Staking", "ErasStakersOverview"},
        [PM_ITEM_PAGED] = {"Staking", "ErasStakersPaged"},
        [PM_ITEM_CLAIMED] = {"Staking", "ClaimedRewards"},
        [PM_ITEM_POINTS] = {"Staking", "ErasRewardPoints"},
    };
    pm_items *found = calloc(1, sizeof *found);
    for (size_t i = 0; found != NULL && i < PM_ITEM_COUNT; i++) {
        found->has[i] = pm_storage_find(metadata, names[i].pallet, names[i].name, &found->at[i]);
        if (found->has[i]) {
            write_key(found->at[i].key, found->key[i]);
        }
    }
    if (found != NULL) {
        find_constants(found, metadata);
    }
    return found;
}

void pm_item_add(pm_side *side, panicmon_round *round, pm_item item, const pm_key_arg *args,
                 size_t count)
{
    const pm_items *items = side->items;
    if (items->has[item] && count == 0) {
        pm_query_add_key(&side->query, round, items->key[item], PM_HASH_TEXT - 1);
    } else if (items->has[item]) {
        pm_query_add(&side->query, round, &items->at[item], args, count);
    }
}

bool pm_read_value(pm_side *side, pm_item item, const pm_key_arg *args, size_t count,
                   pm_reasons *reasons, pm_field field, pm_value *out)
{
    panicmon_error *err = NULL;
    const pm_items *items = side->items;
    *out = (pm_value){0};
    if (!items->has[item]) {
        return true;
    }
    panicmon_err status =
        count == 0 ? pm_query_value_at(&side->query, &items->at[item], items->key[item],
                                       PM_HASH_TEXT - 1, out, &err)
                   : pm_query_value(&side->query, &items->at[item], args, count, out, &err);
    if (status == PANICMON_OK) {
        return true;
    }
    *out = (pm_value){0};
    side->fault = true;
    pm_reason_set(reasons, field,
                  err != NULL ? panicmon_error_message(err) : "the value is not hex text");
    panicmon_error_free(err);
    return false;
}

pm_key_arg pm_stash_arg(const pm_stash *stash)
{
    return pm_key_arg_account(stash->account);
}

/* ---- beginning ---- */

static int compare_stashes(const void *a, const void *b)
{
    return memcmp(((const pm_stash *)a)->account, ((const pm_stash *)b)->account, PM_ACCOUNT_SIZE);
}

panicmon_err pm_state_begin(pm_fetch *fetch)
{
    pm_state *state = malloc(sizeof *state); /* quicker than calloc to use a block again */
    if (state == NULL) {
        return PANICMON_ERR_NOMEM;
    }
    memset(state, 0, offsetof(pm_state, hub_hash));
    atomic_init(&state->refs, 1);
    fetch->state = state;
    fetch->pending_count = 0;
    fetch->staking = NULL;
    if (fetch->account_count == 0) {
        return PANICMON_OK;
    }
    state->stashes = calloc(fetch->account_count, sizeof *state->stashes);
    if (state->stashes == NULL) {
        return PANICMON_ERR_NOMEM;
    }
    state->stash_count = fetch->account_count;
    for (size_t i = 0; i < state->stash_count; i++) {
        memcpy(state->stashes[i].account, fetch->accounts[i], PM_ACCOUNT_SIZE);
    }
    qsort(state->stashes, state->stash_count, sizeof *state->stashes, compare_stashes);
    return PANICMON_OK;
}

/* ---- what depends on nothing ---- */

void pm_base_ask(pm_fetch *fetch, pm_side *side, panicmon_round *round)
{
    const pm_state *state = fetch->state;
    pm_query_begin(&side->query, side->endpoint->url, side->heads->hash);
    if (side == &fetch->relay) {
        pm_item_add(side, round, PM_ITEM_SESSION, NULL, 0);
        pm_item_add(side, round, PM_ITEM_MODE, NULL, 0);
        if (state->stash_count > 0) {
            pm_item_add(side, round, PM_ITEM_VALIDATORS, NULL, 0);
            pm_item_add(side, round, PM_ITEM_DISABLED, NULL, 0);
        }
    }
    pm_item_add(side, round, PM_ITEM_ACTIVE_ERA, NULL, 0);
    pm_item_add(side, round, PM_ITEM_CURRENT_ERA, NULL, 0);
    pm_item_add(side, round, PM_ITEM_DEPTH, NULL, 0);
    for (size_t i = 0; i < state->stash_count; i++) {
        pm_key_arg arg = pm_stash_arg(&state->stashes[i]);
        pm_item_add(side, round, PM_ITEM_BONDED, &arg, 1);
    }
    (void)pm_query_send(&side->query, round);
}

static pm_maybe read_u32(pm_side *side, pm_item item, pm_reasons *reasons, pm_field field)
{
    pm_value value;
    uint32_t number;
    bool read =
        pm_read_value(side, item, NULL, 0, reasons, field, &value) && pm_value_u32(value, &number);
    return read ? (pm_maybe){.known = true, .value = number} : (pm_maybe){0};
}

/* Nobody knows who validates: "not active" would raise an alert about something that may not be. */
static void presume_active(pm_state *state, const char *why)
{
    pm_reason_set(&state->reasons, PM_FIELD_ACTIVE, why);
    for (size_t i = 0; i < state->stash_count; i++) {
        state->stashes[i].active = true;
        state->stashes[i].index = UINT32_MAX; /* at no place that may be disabled */
    }
}

static void read_validators(pm_fetch *fetch)
{
    pm_state *state = fetch->state;
    pm_value list;
    pm_value one;
    pm_value_iter at = {0};
    uint32_t index = 0;
    if (!fetch->relay.items->has[PM_ITEM_VALIDATORS] ||
        !pm_read_value(&fetch->relay, PM_ITEM_VALIDATORS, NULL, 0, &state->reasons, PM_FIELD_ACTIVE,
                       &list)) {
        presume_active(state, "the chain has no Session.Validators");
        return;
    }
    const uint8_t *first;
    if (pm_value_count(list) > 0 && !pm_value_account(pm_value_at(list, 0), &first)) {
        presume_active(state, "the chain's accounts do not have 32 bytes");
        return;
    }
    for (; pm_value_next(list, &at, &one); index++) {
        const uint8_t *account;
        pm_stash *stash =
            pm_value_account(one, &account) ? (pm_stash *)pm_state_stash(state, account) : NULL;
        if (stash != NULL && !stash->active) {
            stash->active = true;
            stash->index = index;
        }
    }
}

/* Vec<index>, or Vec<(index, severity)>. */
static void read_disabled(pm_fetch *fetch)
{
    pm_state *state = fetch->state;
    pm_value list;
    pm_value one;
    pm_value_iter at = {0};
    if (!fetch->relay.items->has[PM_ITEM_DISABLED]) {
        pm_reason_set(&state->reasons, PM_FIELD_DISABLED,
                      "the chain has no Session.DisabledValidators");
    }
    if (!pm_read_value(&fetch->relay, PM_ITEM_DISABLED, NULL, 0, &state->reasons, PM_FIELD_DISABLED,
                       &list)) {
        return;
    }
    while (pm_value_next(list, &at, &one)) {
        uint32_t index;
        if (!pm_value_u32(one, &index) && !pm_value_u32(pm_value_at(one, 0), &index)) {
            continue;
        }
        for (size_t i = 0; i < state->stash_count; i++) {
            pm_stash *stash = &state->stashes[i];
            stash->disabled = stash->disabled || (stash->active && stash->index == index);
        }
    }
}

/* Where the staking is: on an Asset Hub once the relay chain's client pallet is active. Its old
 * Staking pallet stays, with the data of the day it moved. */
static void choose_staking(pm_fetch *fetch)
{
    static const pm_field fields[] = {PM_FIELD_ERA,        PM_FIELD_ELECTED, PM_FIELD_STAKERS,
                                      PM_FIELD_CONTROLLER, PM_FIELD_DEPTH,   PM_FIELD_UNCLAIMED,
                                      PM_FIELD_CLAIMED,    PM_FIELD_POINTS};
    pm_state *state = fetch->state;
    pm_value mode;
    (void)pm_read_value(&fetch->relay, PM_ITEM_MODE, NULL, 0, &state->reasons, PM_FIELD_ERA, &mode);
    bool moved = pm_value_is(mode, "Active");
    bool hub = fetch->hub.endpoint != NULL && fetch->hub.items->has[PM_ITEM_ACTIVE_ERA];
    state->wants_hub = moved && fetch->hub.endpoint == NULL;
    if (fetch->relay.items->has[PM_ITEM_ACTIVE_ERA] && !moved) {
        fetch->staking = &fetch->relay;
    } else if (hub) {
        fetch->staking = &fetch->hub;
    }
    const char *why = !moved ? "the chain has no Staking pallet"
                      : fetch->hub.endpoint == NULL
                          ? "staking moved to the Asset Hub, and asset_hub_ws_url names none"
                          : "the node at asset_hub_ws_url has no Staking pallet";
    for (size_t i = 0; fetch->staking == NULL && i < sizeof fields / sizeof fields[0]; i++) {
        pm_reason_set(&state->reasons, fields[i], why);
    }
}

static uint16_t prefix_of(const pm_side *side)
{
    pm_maybe prefix = side->items->prefix;
    pm_maybe format = side->heads->facts->format;
    if (prefix.known) {
        return (uint16_t)prefix.value;
    }
    return format.known && format.value >= 0 && format.value <= PM_SS58_PREFIX_MAX
               ? (uint16_t)format.value
               : PM_SS58_GENERIC;
}

static void read_eras(pm_state *state, pm_side *side)
{
    pm_value active;
    uint32_t era;
    if (pm_read_value(side, PM_ITEM_ACTIVE_ERA, NULL, 0, &state->reasons, PM_FIELD_ERA, &active)) {
        if (pm_value_u32(pm_value_field(active, "index"), &era) || pm_value_u32(active, &era)) {
            state->era = (pm_maybe){.known = true, .value = era};
        } else {
            pm_reason_set(&state->reasons, PM_FIELD_ERA, "no era is active");
        }
    }
    state->planned = read_u32(side, PM_ITEM_CURRENT_ERA, &state->reasons, PM_FIELD_ELECTED);
    if (!state->planned.known) {
        state->planned = state->era;
    }
    state->depth = read_u32(side, PM_ITEM_DEPTH, &state->reasons, PM_FIELD_DEPTH);
    if (!side->items->has[PM_ITEM_DEPTH] && side->items->depth.known) {
        state->depth = side->items->depth;
    }
    if (!state->depth.known) {
        pm_reason_set(&state->reasons, PM_FIELD_DEPTH, "the chain has no Staking.HistoryDepth");
    }
}

static void read_bonded(pm_side *side, pm_stash *stash)
{
    pm_value value;
    const uint8_t *controller;
    pm_key_arg arg = pm_stash_arg(stash);
    if (pm_read_value(side, PM_ITEM_BONDED, &arg, 1, &stash->reasons, PM_FIELD_CONTROLLER,
                      &value)) {
        stash->bonded = pm_value_account(value, &controller);
        if (stash->bonded) {
            memcpy(stash->controller, controller, PM_ACCOUNT_SIZE);
        } else {
            pm_reason_set(&stash->reasons, PM_FIELD_CONTROLLER, "the stash is not bonded");
        }
    }
}

void pm_base_read(pm_fetch *fetch)
{
    pm_state *state = fetch->state;
    pm_side *relay = &fetch->relay;
    state->session = read_u32(relay, PM_ITEM_SESSION, &state->reasons, PM_FIELD_SESSION);
    if (!state->session.known) {
        pm_reason_set(&state->reasons, PM_FIELD_SESSION, "the chain has no Session pallet");
    }
    if (state->stash_count > 0) { /* else they were not asked for */
        read_validators(fetch);
        read_disabled(fetch);
    }
    choose_staking(fetch);
    state->prefix = prefix_of(fetch->staking != NULL ? fetch->staking : relay);
    if (fetch->staking != NULL) {
        state->has_claims = fetch->staking->items->has[PM_ITEM_CLAIMED];
        read_eras(state, fetch->staking);
        for (size_t i = 0; i < state->stash_count; i++) {
            read_bonded(fetch->staking, &state->stashes[i]);
        }
    }
}
