/* chain_read.c: the values of a state that depend on session, era and controller, for chains of
 * every layout: what the metadata has decides, never a version. */
#include "substrate/chain_read.h"

#include <stdlib.h>
#include <string.h>

/* A past era of which it is not known yet whether there is anything to claim. */
#define UNKNOWN UINT32_MAX

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
    pm_item_add(side, round, PM_ITEM_OVERVIEW, args, 2);
    pm_item_add(side, round, PM_ITEM_STAKERS, args, 2); /* gone where all eras are paged */
}

static void ask_staking(pm_fetch *fetch, panicmon_round *round, const pm_stash *stash)
{
    const pm_state *state = fetch->state;
    pm_side *side = fetch->staking;
    pm_key_arg owner = stash->bonded ? pm_key_arg_account(stash->controller) : pm_stash_arg(stash);
    pm_key_arg args[2] = {{.len = 0}, pm_stash_arg(stash)};
    pm_item_add(side, round, PM_ITEM_LEDGER, &owner, 1);
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
            pm_item_add(side, round, PM_ITEM_CLAIMED, args, 2);
        }
    }
}

static void ask_session(pm_fetch *fetch, panicmon_round *round, const pm_stash *stash)
{
    pm_side *side = &fetch->relay;
    pm_key_arg session = pm_key_arg_u32((uint32_t)fetch->state->session.value);
    pm_key_arg authored[2] = {session, pm_stash_arg(stash)};
    pm_key_arg heartbeat[2] = {session, pm_key_arg_u32(stash->index)};
    pm_item_add(side, round, PM_ITEM_AUTHORED, authored, 2);
    if (stash->active) {
        pm_item_add(side, round, PM_ITEM_HEARTBEATS, heartbeat, 2);
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
    pm_item item = side->items->has[PM_ITEM_OVERVIEW] ? PM_ITEM_OVERVIEW : PM_ITEM_STAKERS;
    pm_key_arg era = pm_key_arg_u32((uint32_t)fetch->state->planned.value);
    pm_buf params = {0};
    panicmon_err status = PANICMON_OK;
    if (!side->items->has[item] || !fetch->state->planned.known) {
        return PANICMON_OK;
    }
    pm_buf_text(&params, "[\"");
    if (pm_storage_key_hex(&side->items->at[item], &era, 1, &params, NULL) == PANICMON_OK) {
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
            pm_item_add(staking, round, PM_ITEM_POINTS, &era, 1);
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
    pm_key_arg authored[2] = {session, pm_stash_arg(stash)};
    pm_key_arg heartbeat[2] = {session, pm_key_arg_u32(stash->index)};
    pm_value value;
    if (!side->items->has[PM_ITEM_AUTHORED]) {
        pm_reason_set(&state->reasons, PM_FIELD_AUTHORED, "the chain has no ImOnline pallet");
    } else if (pm_read_value(side, PM_ITEM_AUTHORED, authored, 2, &stash->reasons,
                             PM_FIELD_AUTHORED, &value)) {
        (void)pm_value_u32(value, &stash->authored);
    }
    if (!side->items->has[PM_ITEM_HEARTBEATS] || stash->index == UINT32_MAX) {
        /* "No heartbeat" would raise an alert about something that cannot be. */
        pm_reason_set(&state->reasons, PM_FIELD_HEARTBEAT,
                      side->items->has[PM_ITEM_HEARTBEATS] ? "the place of the stash is not known"
                                                           : "the chain has no ImOnline pallet");
        stash->heartbeat = stash->active;
    } else {
        stash->heartbeat =
            stash->active &&
            pm_query_raw(&side->query, &side->items->at[PM_ITEM_HEARTBEATS], heartbeat, 2).text !=
                NULL;
    }
}

static bool raw_present(pm_side *side, pm_item item, const pm_key_arg args[2])
{
    return side->items->has[item] &&
           pm_query_raw(&side->query, &side->items->at[item], args, 2).text != NULL;
}

static panicmon_err read_ledger(pm_side *side, pm_stash *stash)
{
    pm_key_arg owner = stash->bonded ? pm_key_arg_account(stash->controller) : pm_stash_arg(stash);
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
    pm_item item = paged || !side->items->has[PM_ITEM_STAKERS] ? PM_ITEM_OVERVIEW : PM_ITEM_STAKERS;
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
    pm_key_arg args[2] = {{.len = 0}, pm_stash_arg(stash)};
    for (size_t i = 0; i < stash->era_count; i++) {
        pm_era *era = &stash->eras[i];
        pm_value pages;
        args[0] = pm_key_arg_u32(era->era);
        bool asked = era->pages != 0 && !era->claimed && side->items->has[PM_ITEM_CLAIMED];
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
                          pm_stash_arg(stash)};
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
            pm_key_arg args[3] = {era, pm_stash_arg(pending->stash), pm_key_arg_u32(page)};
            pm_item_add(side, round, PM_ITEM_PAGED, args, 3);
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
