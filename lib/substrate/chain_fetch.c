/* chain_fetch.c: the steps of reading a chain's state. Which metadata belongs to the block is
 * chain_runtime.c's, the values themselves are chain_read.c's. */
#include "substrate/chain_fetch.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "substrate/chain_read.h"
#include "substrate/chain_runtime.h"

/* Bytes that a query's buffers may have to be kept. */
#define KEPT_MAX 16384

/* ---- life ---- */

static void end_side(pm_substrate *shared, pm_side *side)
{
    pm_heads_unref(side->heads);
    pm_runtime_unref(shared, side->runtime);
    side->heads = NULL;
    side->runtime = NULL;
    pm_query_forget(&side->query);
}

static void drop_fetch(pm_fetch *fetch)
{
    pm_query_free(&fetch->relay.query);
    pm_query_free(&fetch->hub.query);
    free(fetch);
}

/* The buffers of most fetches are small; those of a chain's many validators are not kept. */
static bool is_small(const pm_query *query)
{
    return query->keys.cap + query->scratch.cap + query->bytes.cap +
               query->entry_room * sizeof *query->entries <=
           KEPT_MAX;
}

void pm_fetch_free(pm_fetch *fetch)
{
    if (fetch == NULL) {
        return;
    }
    pm_substrate *shared = fetch->shared;
    if (fetch->claims) {
        pm_runtime_unclaim(shared, fetch);
    }
    end_side(shared, &fetch->relay);
    end_side(shared, &fetch->hub);
    pm_state_unref(shared, fetch->before);
    pm_state_unref(shared, fetch->state);
    free(fetch->accounts);
    free(fetch->pending);
    pm_buf_free(&fetch->message);
    bool keep = is_small(&fetch->relay.query) && is_small(&fetch->hub.query);
    pm_substrate_lock(shared);
    keep = keep && shared->fetch_count < PM_SPARE_MAX;
    if (keep) {
        shared->fetches[shared->fetch_count++] = fetch;
    }
    pm_substrate_unlock(shared);
    if (!keep) {
        drop_fetch(fetch);
    }
}

void pm_fetches_clear(pm_substrate *shared)
{
    while (shared->fetch_count > 0) {
        drop_fetch(shared->fetches[--shared->fetch_count]);
    }
}

static const pm_items no_items;

/* All but what the next fetch may use again. */
static void begin_side(pm_side *side, pm_endpoint *endpoint, pm_heads *heads)
{
    memset(side, 0, offsetof(pm_side, parent));
    side->endpoint = endpoint;
    side->heads = heads;
    side->items = &no_items;
    side->header = side->at_block = side->at_parent = PM_NO_REQUEST;
    side->metadata = side->look = PM_NO_REQUEST;
    side->query.request_count = 0;
}

/* Another chain stands behind the URL now. */
static bool is_of_others(const pm_state *before, const pm_heads *relay, const pm_heads *hub)
{
    return !pm_facts_same_chain(before->facts, relay->facts) ||
           (hub != NULL && before->staking_facts->genesis.len > 0 &&
            !pm_facts_same_chain(before->staking_facts, hub->facts) &&
            !pm_facts_same_chain(before->staking_facts, relay->facts));
}

panicmon_err pm_fetch_new(pm_fetch **out, pm_fetch *spare, pm_substrate *shared, pm_endpoint *relay,
                          pm_heads *relay_heads, pm_endpoint *hub, pm_heads *hub_heads,
                          pm_state *before, uint8_t (*accounts)[PM_ACCOUNT_SIZE], size_t count)
{
    pm_fetch *fetch = spare != NULL ? spare : calloc(1, sizeof *fetch);
    if (fetch == NULL) {
        pm_heads_unref(relay_heads);
        pm_heads_unref(hub_heads);
        pm_state_unref(shared, before);
        free(accounts);
        return PANICMON_ERR_NOMEM;
    }
    memset(fetch, 0, offsetof(pm_fetch, relay));
    fetch->shared = shared;
    fetch->electees = PM_NO_REQUEST;
    fetch->accounts = accounts;
    fetch->account_count = count;
    begin_side(&fetch->relay, relay, relay_heads);
    begin_side(&fetch->hub, hub, hub_heads);
    if (before != NULL && is_of_others(before, relay_heads, hub_heads)) {
        pm_state_unref(shared, before);
        before = NULL;
    }
    fetch->before = before;
    *out = fetch;
    return PANICMON_OK;
}

int64_t pm_fetch_height(const pm_fetch *fetch)
{
    return fetch->staking != NULL && fetch->staking->has_header ? fetch->staking->height : -1;
}

void pm_fetch_fail(pm_fetch *fetch, const pm_side *side, const char *method,
                   const panicmon_reply *reply, const char *message)
{
    if (fetch->stage == PM_FETCH_FAILED) {
        return;
    }
    fetch->stage = PM_FETCH_FAILED;
    fetch->shape = pm_reply_ok(reply);
    fetch->status = fetch->shape ? PANICMON_ERR_PROTOCOL : panicmon_reply_status(reply);
    fetch->lost = reply != NULL && pm_reply_lost(reply);
    fetch->culprit = side->endpoint;
    fetch->method = method;
    pm_buf_text(&fetch->message, message != NULL ? message : panicmon_reply_message(reply));
}

pm_side *pm_side_next(pm_fetch *fetch, const pm_side *side)
{
    return side == NULL                                           ? &fetch->relay
           : side == &fetch->relay && fetch->hub.endpoint != NULL ? &fetch->hub
                                                                  : NULL;
}

/* ---- the steps ---- */

/* The runtime of the last state is also the one at the best block. Versions only ever grow along a
 * chain, so it is that of all blocks between, and nobody needs to say so. */
static bool is_unchanged(const pm_side *side)
{
    return side->settled && side->runtime != NULL &&
           strcmp(side->heads->facts->version.id, side->runtime->version.id) == 0;
}

static panicmon_err ask_open(pm_fetch *fetch, panicmon_round *round)
{
    panicmon_err status = PANICMON_OK;
    fetch->with_base = true;
    for (pm_side *side = pm_side_next(fetch, NULL); side != NULL;
         side = pm_side_next(fetch, side)) {
        pm_fetch_guess_runtime(fetch, side);
        fetch->with_base = fetch->with_base && side->runtime != NULL;
    }
    for (pm_side *side = pm_side_next(fetch, NULL); side != NULL;
         side = pm_side_next(fetch, side)) {
        const char *url = side->endpoint->url;
        const char *hash = side->heads->hash;
        side->at_block = side->at_parent = side->metadata = PM_NO_REQUEST;
        pm_call_at(&status, round, url, "chain_getHeader", hash, &side->header);
        if (!is_unchanged(side)) {
            pm_call_at(&status, round, url, "state_getRuntimeVersion", hash, &side->at_block);
        }
        if (side->runtime == NULL &&
            (side->renew || pm_fetch_may_read(fetch, side, &side->heads->facts->version))) {
            pm_fetch_ask_metadata(&status, side, round);
        }
    }
    if (fetch->with_base && status == PANICMON_OK) {
        status = pm_state_begin(fetch);
        for (pm_side *side = pm_side_next(fetch, NULL); side != NULL && status == PANICMON_OK;
             side = pm_side_next(fetch, side)) {
            pm_base_ask(fetch, side, round);
            status = side->query.status;
        }
    }
    return status;
}

static void take_header(pm_fetch *fetch, pm_side *side, panicmon_round *round)
{
    static const pm_name names[] = {PM_NAME("number"), PM_NAME("parentHash")};
    const panicmon_reply *reply = pm_reply(round, side->header);
    pm_maybe height;
    pm_json members[2];
    pm_json_members(pm_reply_json(reply), names, members, 2);
    if (!pm_read_number(members[0], &height) || !pm_hash_text(members[1], side->parent)) {
        pm_fetch_fail(fetch, side, "chain_getHeader", reply, NULL);
        return;
    }
    side->has_header = true;
    side->height = height.value;
    pm_height_keep(fetch->shared, side->heads->hash, height.value);
}

/* Not between the last state and the best block, but before both: then it may be another one. */
static bool goes_back(const pm_fetch *fetch, const pm_side *side)
{
    const pm_state *before = fetch->before;
    return side->height < (side == &fetch->relay ? before->height : before->staking_height);
}

static void take_open_side(pm_fetch *fetch, pm_side *side, panicmon_round *round)
{
    const panicmon_reply *reply = pm_reply(round, side->at_block);
    take_header(fetch, side, round);
    if (side->at_block == PM_NO_REQUEST) {
        if (goes_back(fetch, side) && side->height > 0) {
            side->version = side->runtime->version;
            side->need = PM_NEED_PARENT;
        }
        return;
    }
    if (!pm_reply_ok(reply) || !pm_version_read(pm_reply_json(reply), &side->version)) {
        pm_fetch_fail(fetch, side, "state_getRuntimeVersion", reply, NULL);
        return;
    }
    if (side->runtime == NULL) {
        side->need = PM_NEED_METADATA;
        pm_fetch_take_metadata(fetch, side, round);
    } else if (strcmp(side->version.id, side->runtime->version.id) != 0) {
        side->need = side->height > 0 ? PM_NEED_PARENT : PM_NEED_METADATA;
    }
}

/* False: a call failed, and so did the fetch. */
static bool take_queries(pm_fetch *fetch, panicmon_round *round)
{
    for (pm_side *side = pm_side_next(fetch, NULL); side != NULL;
         side = pm_side_next(fetch, side)) {
        const panicmon_reply *failed = pm_query_take(&side->query, round);
        if (failed != NULL) {
            pm_fetch_fail(fetch, side, "state_queryStorageAt", failed, NULL);
            return false;
        }
    }
    return true;
}

static void read_base(pm_fetch *fetch, panicmon_round *round)
{
    if (take_queries(fetch, round)) {
        pm_base_read(fetch);
        if (!pm_fetch_renew(fetch)) {
            fetch->stage = PM_FETCH_MORE;
        }
    }
}

static void take_open(pm_fetch *fetch, panicmon_round *round)
{
    bool ready = fetch->with_base;
    for (pm_side *side = pm_side_next(fetch, NULL); side != NULL;
         side = pm_side_next(fetch, side)) {
        take_open_side(fetch, side, round);
        ready = ready && side->need == PM_NEED_NOTHING;
    }
    if (fetch->stage == PM_FETCH_FAILED) {
        return;
    }
    if (ready) {
        read_base(fetch, round);
    } else {
        fetch->stage = PM_FETCH_RUNTIMES;
    }
}

/* Nothing needed: on to BASE. */
static panicmon_err ask_runtimes(pm_fetch *fetch, panicmon_round *round)
{
    panicmon_err status = PANICMON_OK;
    fetch->stage = PM_FETCH_BASE;
    for (pm_side *side = pm_side_next(fetch, NULL); side != NULL;
         side = pm_side_next(fetch, side)) {
        side->at_parent = side->metadata = side->look = PM_NO_REQUEST;
        if (side->need == PM_NEED_PARENT) {
            pm_call_at(&status, round, side->endpoint->url, "state_getRuntimeVersion", side->parent,
                       &side->at_parent);
            fetch->stage = PM_FETCH_RUNTIMES;
        } else if (side->need == PM_NEED_METADATA) {
            pm_fetch_find_or_ask(&status, fetch, side, round);
        }
    }
    return status;
}

static void take_runtimes(pm_fetch *fetch, panicmon_round *round)
{
    for (pm_side *side = pm_side_next(fetch, NULL); side != NULL;
         side = pm_side_next(fetch, side)) {
        pm_fetch_take_parent(fetch, side, round);
        pm_fetch_take_metadata(fetch, side, round);
    }
}

static panicmon_err ask_base(pm_fetch *fetch, panicmon_round *round)
{
    pm_state_unref(fetch->shared, fetch->state);
    fetch->state = NULL;
    panicmon_err status = pm_state_begin(fetch);
    for (pm_side *side = pm_side_next(fetch, NULL); side != NULL && status == PANICMON_OK;
         side = pm_side_next(fetch, side)) {
        pm_base_ask(fetch, side, round);
        status = side->query.status;
    }
    return status;
}

static panicmon_err ask_more(pm_fetch *fetch, panicmon_round *round)
{
    panicmon_err status = pm_more_ask(fetch, round);
    for (pm_side *side = pm_side_next(fetch, NULL); side != NULL;
         side = pm_side_next(fetch, side)) {
        side->at_parent = PM_NO_REQUEST;
        if (!side->settled && side->height > 0) {
            pm_call_at(&status, round, side->endpoint->url, "state_getRuntimeVersion", side->parent,
                       &side->at_parent);
        }
    }
    return status;
}

static panicmon_err take_more(pm_fetch *fetch, panicmon_round *round)
{
    bool same = true;
    for (pm_side *side = pm_side_next(fetch, NULL); side != NULL;
         side = pm_side_next(fetch, side)) {
        const pm_runtime *had = side->runtime;
        pm_fetch_take_parent(fetch, side, round);
        same = same && side->runtime == had;
    }
    if (fetch->stage == PM_FETCH_FAILED) {
        return PANICMON_OK;
    }
    if (!same) { /* upgraded in this very block */
        pm_fetch_redo(fetch, &fetch->relay);
        return PANICMON_OK;
    }
    if (!take_queries(fetch, round)) {
        return PANICMON_OK;
    }
    panicmon_err status = pm_more_read(fetch, round);
    if (status == PANICMON_OK && !pm_fetch_renew(fetch)) {
        fetch->stage = fetch->pending_count > 0 ? PM_FETCH_PAGES : PM_FETCH_DONE;
    }
    return status;
}

static panicmon_err take_pages(pm_fetch *fetch, panicmon_round *round)
{
    if (!take_queries(fetch, round)) {
        return PANICMON_OK;
    }
    panicmon_err status = pm_pages_read(fetch);
    if (status == PANICMON_OK && !pm_fetch_renew(fetch)) {
        fetch->stage = PM_FETCH_DONE;
    }
    return status;
}

static panicmon_err take(pm_fetch *fetch, panicmon_round *round)
{
    switch (fetch->stage) {
    case PM_FETCH_OPEN:
        take_open(fetch, round);
        break;
    case PM_FETCH_RUNTIMES:
        take_runtimes(fetch, round);
        break;
    case PM_FETCH_BASE:
        read_base(fetch, round);
        break;
    case PM_FETCH_MORE:
        return take_more(fetch, round);
    case PM_FETCH_PAGES:
        return take_pages(fetch, round);
    case PM_FETCH_DONE:
    case PM_FETCH_FAILED:
        break;
    }
    return PANICMON_OK;
}

/* What was learnt goes into the state. */
static void finish(pm_fetch *fetch)
{
    pm_state *state = fetch->state;
    const pm_side *relay = &fetch->relay;
    const pm_side *staking = fetch->staking != NULL ? fetch->staking : relay;
    state->taken_ms = pm_mono_ms();
    state->height = relay->height;
    memcpy(state->hash, relay->heads->hash, PM_HASH_TEXT);
    state->staking_height = staking->height;
    state->staking_hash = state->hash;
    if (staking != relay) {
        memcpy(state->hub_hash, staking->heads->hash, PM_HASH_TEXT);
        state->staking_hash = state->hub_hash;
    }
    state->runtime = pm_runtime_ref(relay->runtime);
    state->staking_runtime = pm_runtime_ref(staking->runtime);
    state->facts = pm_facts_ref(relay->heads->facts);
    state->staking_facts = pm_facts_ref(staking->heads->facts);
}

static panicmon_err ask(pm_fetch *fetch, panicmon_round *round)
{
    switch (fetch->stage) {
    case PM_FETCH_OPEN:
        return ask_open(fetch, round);
    case PM_FETCH_RUNTIMES: {
        panicmon_err status = ask_runtimes(fetch, round);
        return status == PANICMON_OK && fetch->stage == PM_FETCH_BASE ? ask_base(fetch, round)
                                                                      : status;
    }
    case PM_FETCH_BASE:
        return ask_base(fetch, round);
    case PM_FETCH_MORE:
        return ask_more(fetch, round);
    case PM_FETCH_PAGES:
        pm_pages_ask(fetch, round);
        return fetch->staking->query.status;
    case PM_FETCH_DONE:
        finish(fetch);
        break;
    case PM_FETCH_FAILED:
        break;
    }
    return PANICMON_OK;
}

/* Whether the stage at hand waits for nothing: a chain may have nothing more to be asked for. */
static bool has_nothing_to_ask(const pm_fetch *fetch)
{
    return (fetch->stage == PM_FETCH_BASE || fetch->stage == PM_FETCH_MORE) &&
           fetch->relay.query.request_count == 0 && fetch->hub.query.request_count == 0 &&
           fetch->electees == PM_NO_REQUEST && fetch->relay.at_parent == PM_NO_REQUEST &&
           fetch->hub.at_parent == PM_NO_REQUEST;
}

panicmon_err pm_fetch_step(pm_fetch *fetch, panicmon_round *round)
{
    panicmon_err status = PANICMON_OK;
    if (fetch->asked) {
        fetch->asked = false;
        status = take(fetch, round);
    }
    if (status == PANICMON_OK) {
        status = ask(fetch, round);
    }
    while (status == PANICMON_OK && has_nothing_to_ask(fetch)) {
        status = take(fetch, round);
        if (status == PANICMON_OK) {
            status = ask(fetch, round);
        }
    }
    fetch->asked = fetch->stage != PM_FETCH_DONE && fetch->stage != PM_FETCH_FAILED;
    pm_query_forget(&fetch->relay.query);
    pm_query_forget(&fetch->hub.query);
    return status;
}
