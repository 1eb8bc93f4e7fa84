/* chain_read.c: which values a state is made of, for chains of every layout: what the metadata has
 * decides, never a version. */
#include "substrate/chain_read.h"

#include <stdlib.h>
#include <string.h>

/* A past era of which it is not known yet whether there is anything to claim. */
#define UNKNOWN UINT32_MAX

void pm_items_find(pm_side *side)
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
    for (size_t i = 0; i < PM_ITEM_COUNT; i++) {
        side->has[i] = pm_storage_find(side->runtime->metadata, names[i].pallet, names[i].name,
                                       &side->items[i]);
    }
}

static void add(pm_side *side, panicmon_round *round, pm_item item, const pm_key_arg *args,
                size_t count)
{
    if (side->has[item]) {
        pm_query_add(&side->query, round, &side->items[item], args, count);
    }
}

bool pm_read_value(pm_side *side, pm_item item, const pm_key_arg *args, size_t count,
                   pm_reasons *reasons, pm_field field, pm_value *out)
{
    panicmon_error *err = NULL;
    *out = (pm_value){0};
    if (!side->has[item]) {
        return true;
    }
    panicmon_err status = pm_query_value(&side->query, &side->items[item], args, count, out, &err);
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

static pm_key_arg account_arg(const pm_stash *stash)
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
    pm_state *state = calloc(1, sizeof *state);
    if (state == NULL) {
        return PANICMON_ERR_NOMEM;
    }
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
        add(side, round, PM_ITEM_SESSION, NULL, 0);
        add(side, round, PM_ITEM_MODE, NULL, 0);
        if (state->stash_count > 0) {
            add(side, round, PM_ITEM_VALIDATORS, NULL, 0);
            add(side, round, PM_ITEM_DISABLED, NULL, 0);
        }
    }
    add(side, round, PM_ITEM_ACTIVE_ERA, NULL, 0);
    add(side, round, PM_ITEM_CURRENT_ERA, NULL, 0);
    add(side, round, PM_ITEM_DEPTH, NULL, 0);
    for (size_t i = 0; i < state->stash_count; i++) {
        pm_key_arg arg = account_arg(&state->stashes[i]);
        add(side, round, PM_ITEM_BONDED, &arg, 1);
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

static void read_validators(pm_fetch *fetch)
{
    pm_state *state = fetch->state;
    pm_value list;
    pm_value one;
    pm_value_iter at = {0};
    uint32_t index = 0;
    if (!fetch->relay.has[PM_ITEM_VALIDATORS]) {
        pm_reason_set(&state->reasons, PM_FIELD_ACTIVE, "the chain has no Session.Validators");
    }
    if (!pm_read_value(&fetch->relay, PM_ITEM_VALIDATORS, NULL, 0, &state->reasons, PM_FIELD_ACTIVE,
                       &list)) {
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
    if (!fetch->relay.has[PM_ITEM_DISABLED]) {
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
    bool hub = fetch->hub.endpoint != NULL && fetch->hub.has[PM_ITEM_ACTIVE_ERA];
    state->wants_hub = moved && fetch->hub.endpoint == NULL;
    if (fetch->relay.has[PM_ITEM_ACTIVE_ERA] && !moved) {
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
    uint64_t prefix;
    pm_json properties;
    int64_t format;
    if (pm_constant_u64(side->runtime->metadata, "System", "SS58Prefix", &prefix)) {
        return (uint16_t)(prefix <= PM_SS58_PREFIX_MAX ? prefix : PM_SS58_GENERIC);
    }
    if (side->heads->properties.len > 0 &&
        pm_json_parse(side->heads->properties.data, side->heads->properties.len, &properties,
                      NULL) &&
        pm_json_int(pm_json_member(properties, "ss58Format"), &format) && format >= 0 &&
        format <= PM_SS58_PREFIX_MAX) {
        return (uint16_t)format;
    }
    return PM_SS58_GENERIC;
}

static void read_eras(pm_state *state, pm_side *side)
{
    pm_value active;
    uint32_t era;
    uint64_t depth;
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
    if (!side->has[PM_ITEM_DEPTH] &&
        pm_constant_u64(side->runtime->metadata, "Staking", "HistoryDepth", &depth) &&
        depth <= UINT32_MAX) {
        state->depth = (pm_maybe){.known = true, .value = (int64_t)depth};
    }
    if (!state->depth.known) {
        pm_reason_set(&state->reasons, PM_FIELD_DEPTH, "the chain has no Staking.HistoryDepth");
    }
}

static void read_bonded(pm_side *side, pm_stash *stash)
{
    pm_value value;
    const uint8_t *controller;
    pm_key_arg arg = account_arg(stash);
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
    read_validators(fetch);
    read_disabled(fetch);
    choose_staking(fetch);
    state->prefix = prefix_of(fetch->staking != NULL ? fetch->staking : relay);
    if (fetch->staking != NULL) {
        state->has_claims = fetch->staking->has[PM_ITEM_CLAIMED];
        read_eras(state, fetch->staking);
        for (size_t i = 0; i < state->stash_count; i++) {
            read_bonded(fetch->staking, &state->stashes[i]);
        }
    }
}

/* ---- what depends on session, era and controller ---- */

/* The past eras that matter: from `*first`, how many. */
static size_t era_window(const pm_state *state, uint32_t *first)
{
    int64_t era = state->era.value;
    int64_t depth = state->depth.known ? state->depth.value : 0;
    if (!state->era.known || depth < 1) {
        return 0;
    }
    depth = depth > PM_ERAS_MAX ? PM_ERAS_MAX : depth;
    int64_t from = era >= depth ? era - depth + 1 : 0;
    *first = (uint32_t)from;
    return (size_t)(era - from);
}

/* What is known of past eras from the state before. */
static bool begin_eras(const pm_state *state, pm_stash *stash, const pm_stash *before)
{
    uint32_t first = 0;
    size_t count = era_window(state, &first);
    free(stash->eras);
    stash->eras = count > 0 ? calloc(count, sizeof *stash->eras) : NULL;
    stash->era_count = stash->eras != NULL ? count : 0;
    for (size_t i = 0; i < stash->era_count; i++) {
        pm_era *era = &stash->eras[i];
        *era = (pm_era){.era = first + (uint32_t)i, .pages = UNKNOWN};
        if (before != NULL && before->era_count > 0 && era->era >= before->eras[0].era &&
            era->era - before->eras[0].era < before->era_count) {
            *era = before->eras[era->era - before->eras[0].era];
        }
    }
    return stash->eras != NULL || count == 0;
}

static void ask_exposure(pm_side *side, panicmon_round *round, const pm_key_arg args[2])
{
    add(side, round, PM_ITEM_OVERVIEW, args, 2);
    add(side, round, PM_ITEM_STAKERS, args, 2); /* gone where all eras are paged */
}

static void ask_staking(pm_fetch *fetch, panicmon_round *round, const pm_stash *stash)
{
    const pm_state *state = fetch->state;
    pm_side *side = fetch->staking;
    pm_key_arg owner = stash->bonded ? pm_key_arg_account(stash->controller) : account_arg(stash);
    pm_key_arg args[2] = {{.len = 0}, account_arg(stash)};
    add(side, round, PM_ITEM_LEDGER, &owner, 1);
    if (state->era.known) {
        args[0] = pm_key_arg_u32((uint32_t)state->era.value);
        ask_exposure(side, round, args);
    }
    if (state->planned.known && state->planned.value != state->era.value) {
        args[0] = pm_key_arg_u32((uint32_t)state->planned.value);
        ask_exposure(side, round, args);
    }
    for (size_t i = 0; i < stash->era_count; i++) {
        const pm_era *era = &stash->eras[i];
        args[0] = pm_key_arg_u32(era->era);
        if (era->pages == UNKNOWN) {
            ask_exposure(side, round, args);
        }
        if (era->pages != 0 && !era->claimed) {
            add(side, round, PM_ITEM_CLAIMED, args, 2);
        }
    }
}

static void ask_session(pm_fetch *fetch, panicmon_round *round, const pm_stash *stash)
{
    pm_side *side = &fetch->relay;
    pm_key_arg session = pm_key_arg_u32((uint32_t)fetch->state->session.value);
    pm_key_arg authored[2] = {session, account_arg(stash)};
    pm_key_arg heartbeat[2] = {session, pm_key_arg_u32(stash->index)};
    add(side, round, PM_ITEM_AUTHORED, authored, 2);
    if (stash->active) {
        add(side, round, PM_ITEM_HEARTBEATS, heartbeat, 2);
    }
}

/* Points of a past era do not change. */
static bool points_known(const pm_fetch *fetch)
{
    const pm_state *before = fetch->before;
    const pm_state *state = fetch->state;
    bool known = before != NULL && before->points_era.known && state->era.known &&
                 before->points_era.value == state->era.value - 1;
    for (size_t i = 0; known && i < state->stash_count; i++) {
        known = pm_state_stash(before, state->stashes[i].account) != NULL;
    }
    return known;
}

/* Whether anybody was elected for the planned era: one key of its exposures will do. */
static panicmon_err ask_electees(pm_fetch *fetch, panicmon_round *round)
{
    pm_side *side = fetch->staking;
    pm_item item = side->has[PM_ITEM_OVERVIEW] ? PM_ITEM_OVERVIEW : PM_ITEM_STAKERS;
    pm_key_arg era = pm_key_arg_u32((uint32_t)fetch->state->planned.value);
    pm_buf params = {0};
    panicmon_err status = PANICMON_OK;
    if (!side->has[item] || !fetch->state->planned.known) {
        return PANICMON_OK;
    }
    pm_buf_text(&params, "[\"");
    if (pm_storage_key_hex(&side->items[item], &era, 1, &params, NULL) == PANICMON_OK) {
        pm_buf_format(&params, "\", 1, null, \"%s\"]", side->heads->hash);
        if (params.failed) {
            status = PANICMON_ERR_NOMEM;
        } else {
            pm_call(&status, round, side->endpoint->url, "state_getKeysPaged", params.data,
                    PANICMON_RPC_PINNED, &fetch->electees);
        }
    }
    pm_buf_free(&params);
    return status;
}

static const pm_stash *before_of(const pm_fetch *fetch, const pm_stash *stash)
{
    return fetch->before == NULL ? NULL : pm_state_stash(fetch->before, stash->account);
}

panicmon_err pm_more_ask(pm_fetch *fetch, panicmon_round *round)
{
    pm_state *state = fetch->state;
    pm_side *relay = &fetch->relay;
    pm_side *staking = fetch->staking;
    panicmon_err status = PANICMON_OK;
    fetch->electees = PM_NO_REQUEST;
    pm_query_begin(&relay->query, relay->endpoint->url, relay->heads->hash);
    if (fetch->hub.endpoint != NULL) {
        pm_query_begin(&fetch->hub.query, fetch->hub.endpoint->url, fetch->hub.heads->hash);
    }
    for (size_t i = 0; i < state->stash_count; i++) {
        pm_stash *stash = &state->stashes[i];
        if (state->session.known) {
            ask_session(fetch, round, stash);
        }
        if (staking != NULL) {
            if (!begin_eras(state, stash, before_of(fetch, stash))) {
                return PANICMON_ERR_NOMEM;
            }
            ask_staking(fetch, round, stash);
        }
    }
    if (staking != NULL && state->stash_count > 0) {
        fetch->ask_points = state->era.known && state->era.value > 0 && !points_known(fetch);
        if (fetch->ask_points) {
            pm_key_arg era = pm_key_arg_u32((uint32_t)(state->era.value - 1));
            add(staking, round, PM_ITEM_POINTS, &era, 1);
        }
        status = ask_electees(fetch, round);
    }
    panicmon_err sent = pm_query_send(&relay->query, round);
    status = status == PANICMON_OK ? sent : status;
    if (fetch->hub.endpoint != NULL && status == PANICMON_OK) {
        status = pm_query_send(&fetch->hub.query, round);
    }
    return status;
}

static void read_session(pm_fetch *fetch, pm_stash *stash)
{
    pm_side *side = &fetch->relay;
    pm_state *state = fetch->state;
    pm_key_arg session = pm_key_arg_u32((uint32_t)state->session.value);
    pm_key_arg authored[2] = {session, account_arg(stash)};
    pm_key_arg heartbeat[2] = {session, pm_key_arg_u32(stash->index)};
    pm_value value;
    if (!side->has[PM_ITEM_AUTHORED]) {
        pm_reason_set(&state->reasons, PM_FIELD_AUTHORED, "the chain has no ImOnline pallet");
    } else if (pm_read_value(side, PM_ITEM_AUTHORED, authored, 2, &stash->reasons,
                             PM_FIELD_AUTHORED, &value)) {
        (void)pm_value_u32(value, &stash->authored);
    }
    if (!side->has[PM_ITEM_HEARTBEATS]) {
        /* "No heartbeat" would raise an alert about something that cannot be. */
        pm_reason_set(&state->reasons, PM_FIELD_HEARTBEAT, "the chain has no ImOnline pallet");
        stash->heartbeat = stash->active;
    } else {
        stash->heartbeat =
            stash->active &&
            pm_query_raw(&side->query, &side->items[PM_ITEM_HEARTBEATS], heartbeat, 2).text != NULL;
    }
}

static bool raw_present(pm_side *side, pm_item item, const pm_key_arg args[2])
{
    return side->has[item] && pm_query_raw(&side->query, &side->items[item], args, 2).text != NULL;
}

static panicmon_err read_ledger(pm_side *side, pm_stash *stash)
{
    pm_key_arg owner = stash->bonded ? pm_key_arg_account(stash->controller) : account_arg(stash);
    pm_value ledger;
    pm_value one;
    pm_value_iter at = {0};
    if (!pm_read_value(side, PM_ITEM_LEDGER, &owner, 1, &stash->reasons, PM_FIELD_CLAIMED,
                       &ledger)) {
        return PANICMON_OK;
    }
    stash->has_ledger = !pm_value_absent(ledger);
    if (!stash->has_ledger) {
        pm_reason_set(&stash->reasons, PM_FIELD_CLAIMED, "the stash has no ledger");
        return PANICMON_OK;
    }
    pm_value list = pm_value_field(ledger, "claimed_rewards");
    if (pm_value_absent(list)) {
        list = pm_value_field(ledger, "legacy_claimed_rewards");
    }
    size_t count = pm_value_absent(list) ? 0 : pm_value_count(list);
    stash->claimed = count > 0 ? calloc(count, sizeof *stash->claimed) : NULL;
    if (count > 0 && stash->claimed == NULL) {
        return PANICMON_ERR_NOMEM;
    }
    while (stash->claimed_count < count && pm_value_next(list, &at, &one)) {
        if (!pm_value_u32(one, &stash->claimed[stash->claimed_count++])) {
            stash->claimed_count--;
            break;
        }
    }
    return PANICMON_OK;
}

/* How many pages are to be claimed of an era: none without stake; an exposure that is not paged
 * counts as one. */
static uint32_t read_pages(pm_side *side, pm_stash *stash, const pm_key_arg args[2])
{
    pm_value value;
    pm_u128 total;
    uint32_t pages = 1;
    bool paged = raw_present(side, PM_ITEM_OVERVIEW, args);
    pm_item item = paged || !side->has[PM_ITEM_STAKERS] ? PM_ITEM_OVERVIEW : PM_ITEM_STAKERS;
    if (!pm_read_value(side, item, args, 2, &stash->reasons, PM_FIELD_UNCLAIMED, &value)) {
        return UNKNOWN;
    }
    if (!pm_value_u128(pm_value_field(value, "total"), &total) || (total.low | total.high) == 0) {
        return 0;
    }
    (void)pm_value_u32(pm_value_field(value, "page_count"), &pages);
    return pages == 0 || pages == UNKNOWN ? 1 : pages;
}

static void read_past_eras(pm_side *side, pm_stash *stash)
{
    pm_key_arg args[2] = {{.len = 0}, account_arg(stash)};
    for (size_t i = 0; i < stash->era_count; i++) {
        pm_era *era = &stash->eras[i];
        pm_value pages;
        args[0] = pm_key_arg_u32(era->era);
        bool asked = era->pages != 0 && !era->claimed && side->has[PM_ITEM_CLAIMED];
        if (era->pages == UNKNOWN) {
            era->pages = read_pages(side, stash, args);
        }
        if (asked && era->pages != 0 && era->pages != UNKNOWN &&
            pm_read_value(side, PM_ITEM_CLAIMED, args, 2, &stash->reasons, PM_FIELD_UNCLAIMED,
                          &pages)) {
            era->claimed = pm_value_count(pages) >= era->pages;
        }
    }
}

static void read_elected(pm_fetch *fetch, pm_stash *stash)
{
    pm_key_arg args[2] = {pm_key_arg_u32((uint32_t)fetch->state->planned.value),
                          account_arg(stash)};
    stash->elected = !fetch->state->has_electees
                         ? stash->active
                         : raw_present(fetch->staking, PM_ITEM_OVERVIEW, args) ||
                               raw_present(fetch->staking, PM_ITEM_STAKERS, args);
}

static void read_points(pm_fetch *fetch)
{
    pm_state *state = fetch->state;
    pm_value points;
    pm_value one;
    pm_value_iter at = {0};
    if (!state->era.known || state->era.value == 0) {
        return;
    }
    pm_key_arg era = pm_key_arg_u32((uint32_t)(state->era.value - 1));
    state->points_era = (pm_maybe){.known = true, .value = state->era.value - 1};
    if (!fetch->ask_points) {
        for (size_t i = 0; i < state->stash_count; i++) {
            const pm_stash *before = before_of(fetch, &state->stashes[i]);
            state->stashes[i].points = before == NULL ? 0 : before->points;
        }
        return;
    }
    if (!pm_read_value(fetch->staking, PM_ITEM_POINTS, &era, 1, &state->reasons, PM_FIELD_POINTS,
                       &points)) {
        state->points_era.known = false;
        return;
    }
    pm_value list = pm_value_field(points, "individual");
    while (pm_value_next(list, &at, &one)) {
        const uint8_t *account;
        pm_stash *stash = pm_value_account(pm_value_at(one, 0), &account)
                              ? (pm_stash *)pm_state_stash(state, account)
                              : NULL;
        if (stash != NULL) {
            (void)pm_value_u32(pm_value_at(one, 1), &stash->points);
        }
    }
}

/* False: the call failed; it counts as "nobody elected yet", which is the active set. */
static bool read_electees(const pm_fetch *fetch, panicmon_round *round)
{
    size_t at = 0;
    pm_json key;
    pm_json keys = pm_reply_json(pm_reply(round, fetch->electees));
    return pm_json_is(keys, '[') && pm_json_next_element(keys, &at, &key);
}

panicmon_err pm_more_read(pm_fetch *fetch, panicmon_round *round)
{
    pm_state *state = fetch->state;
    panicmon_err status = PANICMON_OK;
    if (fetch->staking != NULL) {
        state->has_electees = read_electees(fetch, round);
    }
    for (size_t i = 0; status == PANICMON_OK && i < state->stash_count; i++) {
        pm_stash *stash = &state->stashes[i];
        read_session(fetch, stash);
        if (fetch->staking == NULL) {
            stash->elected = stash->active; /* "not elected" would raise an alert */
            continue;
        }
        read_elected(fetch, stash);
        read_past_eras(fetch->staking, stash);
        status = read_ledger(fetch->staking, stash);
        if (status == PANICMON_OK && state->era.known) {
            status = pm_exposure_read(fetch, stash, before_of(fetch, stash));
        }
    }
    if (status == PANICMON_OK && fetch->staking != NULL && state->stash_count > 0) {
        read_points(fetch);
    }
    return status;
}

/* ---- pages ---- */

void pm_pages_ask(pm_fetch *fetch, panicmon_round *round)
{
    pm_side *side = fetch->staking;
    pm_key_arg era = pm_key_arg_u32((uint32_t)fetch->state->era.value);
    pm_query_begin(&side->query, side->endpoint->url, side->heads->hash);
    for (size_t i = 0; i < fetch->pending_count; i++) {
        const pm_pending *pending = &fetch->pending[i];
        for (uint32_t page = 0; page < pending->pages; page++) {
            pm_key_arg args[3] = {era, account_arg(pending->stash), pm_key_arg_u32(page)};
            add(side, round, PM_ITEM_PAGED, args, 3);
        }
    }
    (void)pm_query_send(&side->query, round);
}

panicmon_err pm_pages_read(pm_fetch *fetch)
{
    panicmon_err status = PANICMON_OK;
    for (size_t i = 0; status == PANICMON_OK && i < fetch->pending_count; i++) {
        status = pm_exposure_pages(fetch, &fetch->pending[i]);
    }
    return status;
}
