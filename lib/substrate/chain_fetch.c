/* chain_fetch.c: the steps of reading a chain's state, and which metadata belongs to the block. The
 * values themselves are chain_read.c's. */
#include "substrate/chain_fetch.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "substrate/chain_read.h"

/* A round that upgrade after upgrade began anew so often is given up. */
#define REDO_MAX 4
/* While another monitor reads the same metadata, a call that costs nothing passes the time; after
 * so many, or so long, it is read all the same. */
#define LOOKS_MAX 20
#define LOOKS_MS  3000

/* ---- life ---- */

static void side_free(pm_substrate *shared, pm_side *side)
{
    pm_heads_unref(side->heads);
    pm_runtime_unref(shared, side->runtime);
    pm_query_free(&side->query);
}

void pm_fetch_free(pm_fetch *fetch)
{
    if (fetch == NULL) {
        return;
    }
    if (fetch->claims) {
        pm_runtime_unclaim(fetch->shared, fetch);
    }
    side_free(fetch->shared, &fetch->relay);
    side_free(fetch->shared, &fetch->hub);
    pm_state_unref(fetch->shared, fetch->before);
    pm_state_unref(fetch->shared, fetch->state);
    free(fetch->accounts);
    free(fetch->pending);
    pm_buf_free(&fetch->message);
    free(fetch);
}

static const pm_items no_items;

static void no_requests(pm_side *side)
{
    side->header = side->at_block = side->at_parent = PM_NO_REQUEST;
    side->metadata = side->look = PM_NO_REQUEST;
}

static bool same_text(const pm_buf *a, const pm_buf *b)
{
    return a->len > 0 && a->len == b->len && memcmp(a->data, b->data, a->len) == 0;
}

panicmon_err pm_fetch_new(pm_fetch **out, pm_substrate *shared, pm_endpoint *relay,
                          pm_heads *relay_heads, pm_endpoint *hub, pm_heads *hub_heads,
                          pm_state *before, uint8_t (*accounts)[PM_ACCOUNT_SIZE], size_t count)
{
    pm_fetch *fetch = calloc(1, sizeof *fetch);
    if (fetch == NULL) {
        pm_heads_unref(relay_heads);
        pm_heads_unref(hub_heads);
        pm_state_unref(shared, before);
        free(accounts);
        return PANICMON_ERR_NOMEM;
    }
    fetch->shared = shared;
    no_requests(&fetch->relay);
    no_requests(&fetch->hub);
    fetch->relay.items = fetch->hub.items = &no_items;
    fetch->electees = PM_NO_REQUEST;
    fetch->relay.endpoint = relay;
    fetch->relay.heads = relay_heads;
    fetch->hub.endpoint = hub;
    fetch->hub.heads = hub_heads;
    fetch->before = before;
    fetch->accounts = accounts;
    fetch->account_count = count;
    if (before != NULL && (!same_text(&before->genesis, &relay_heads->genesis) ||
                           (hub != NULL && before->staking_genesis.len > 0 &&
                            !same_text(&before->staking_genesis, &hub_heads->genesis) &&
                            !same_text(&before->staking_genesis, &relay_heads->genesis)))) {
        pm_state_unref(shared, before); /* another chain stands behind the URL now */
        fetch->before = NULL;
    }
    *out = fetch;
    return PANICMON_OK;
}

int64_t pm_fetch_height(const pm_fetch *fetch)
{
    return fetch->staking != NULL && fetch->staking->has_header ? fetch->staking->height : -1;
}

static void fail(pm_fetch *fetch, const pm_side *side, const char *method,
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

static const char *genesis_of(const pm_side *side)
{
    return side->heads->genesis.len > 0 ? side->heads->genesis.data : "";
}

static pm_side *next_side(pm_fetch *fetch, const pm_side *side)
{
    return side == NULL                                           ? &fetch->relay
           : side == &fetch->relay && fetch->hub.endpoint != NULL ? &fetch->hub
                                                                  : NULL;
}

/* ---- runtimes ---- */

static void use_runtime(pm_fetch *fetch, pm_side *side, pm_runtime *runtime)
{
    pm_runtime_unref(fetch->shared, side->runtime);
    side->runtime = runtime;
    side->items = runtime != NULL ? runtime->items : &no_items;
}

/* The runtime of the last state, else the one at the best block if somebody has it. */
static void guess_runtime(pm_fetch *fetch, pm_side *side)
{
    pm_runtime *last = fetch->before == NULL   ? NULL
                       : side == &fetch->relay ? fetch->before->runtime
                                               : fetch->before->staking_runtime;
    if (side == &fetch->hub && last != NULL && last == fetch->before->runtime) {
        last = NULL; /* the hub had no part in it */
    }
    if (last != NULL && !last->renewed && pm_runtime_dropped(fetch->shared, last)) {
        use_runtime(fetch, side, NULL); /* events did not decode with it: it is read again */
        side->renew = true;
        side->settled = false;
    } else if (last != NULL) {
        use_runtime(fetch, side, pm_runtime_ref(fetch->shared, last));
        side->settled = true;
    } else {
        use_runtime(fetch, side,
                    pm_runtime_find(fetch->shared, genesis_of(side), &side->heads->version));
        side->settled = false;
    }
}

static void ask_metadata(panicmon_err *status, pm_side *side, panicmon_round *round)
{
    bool parent = side->has_header && side->height > 0;
    pm_call_at(status, round, side->endpoint->url, "state_getMetadata",
               parent ? side->parent : side->heads->hash, &side->metadata);
}

/* Whether to read the metadata of `version` now, and not look for what another one reads. */
static bool may_read(pm_fetch *fetch, pm_side *side, const pm_version *version)
{
    bool mine = pm_runtime_claim(fetch->shared, genesis_of(side), version, fetch);
    fetch->claims = fetch->claims || mine;
    int64_t now = pm_mono_ms();
    side->look_ms = side->looks == 0 ? now : side->look_ms;
    return mine || side->looks >= LOOKS_MAX || now - side->look_ms > LOOKS_MS;
}

/* Takes the metadata that somebody else has read, else reads it or looks again later. */
static void find_or_ask(panicmon_err *status, pm_fetch *fetch, pm_side *side, panicmon_round *round)
{
    pm_runtime *found = pm_runtime_find(fetch->shared, genesis_of(side), &side->version);
    if (found != NULL && (found->renewed || !side->renew)) {
        use_runtime(fetch, side, found);
        side->need = PM_NEED_NOTHING;
        return;
    }
    pm_runtime_unref(fetch->shared, found);
    if (may_read(fetch, side, &side->version)) {
        ask_metadata(status, side, round);
    } else {
        side->looks++;
        pm_call(status, round, side->endpoint->url, "system_health", NULL, 0, &side->look);
    }
    fetch->stage = PM_FETCH_RUNTIMES;
}

static void take_metadata(pm_fetch *fetch, pm_side *side, panicmon_round *round)
{
    panicmon_error *err = NULL;
    pm_runtime *made = NULL;
    const panicmon_reply *reply = pm_reply(round, side->metadata);
    if (reply == NULL) {
        return;
    }
    if (!pm_reply_ok(reply)) {
        fail(fetch, side, "state_getMetadata", reply, NULL);
        return;
    }
    panicmon_err status = pm_runtime_make(&made, fetch->shared, genesis_of(side), &side->version,
                                          pm_reply_json(reply), side->renew, &err);
    if (status != PANICMON_OK) {
        fail(fetch, side, "state_getMetadata", reply, panicmon_error_message(err));
        fetch->status = status;
    } else {
        use_runtime(fetch, side, made);
        side->need = PM_NEED_NOTHING;
    }
    panicmon_error_free(err);
}

/* The block was written by `version`. */
static void want_runtime(pm_fetch *fetch, pm_side *side, const pm_version *version)
{
    side->version = *version;
    side->settled = true;
    if (side->runtime != NULL && strcmp(side->runtime->version.id, version->id) == 0) {
        side->need = PM_NEED_NOTHING;
        return;
    }
    use_runtime(fetch, side, pm_runtime_find(fetch->shared, genesis_of(side), version));
    side->need = side->runtime != NULL ? PM_NEED_NOTHING : PM_NEED_METADATA;
}

static void take_parent(pm_fetch *fetch, pm_side *side, panicmon_round *round)
{
    const panicmon_reply *reply = pm_reply(round, side->at_parent);
    pm_version version;
    if (reply == NULL) {
        return;
    }
    if (pm_reply_ok(reply) && pm_version_read(pm_reply_json(reply), &version)) {
        want_runtime(fetch, side, &version);
    } else if (panicmon_reply_status(reply) == PANICMON_ERR_RPC) {
        want_runtime(fetch, side, &side->version); /* the parent is gone: the block's own */
    } else {
        fail(fetch, side, "state_getRuntimeVersion", reply, NULL);
    }
}

/* Everything is to be read again with the runtimes as they are now. */
static void redo(pm_fetch *fetch, const pm_side *side)
{
    pm_state_unref(fetch->shared, fetch->state);
    fetch->state = NULL;
    fetch->pending_count = 0;
    fetch->staking = NULL;
    fetch->stage = PM_FETCH_RUNTIMES;
    if (++fetch->redone > REDO_MAX) {
        fail(fetch, side, "state_getRuntimeVersion", NULL, "the runtime changes all the time");
        fetch->status = PANICMON_ERR_PROTOCOL;
        fetch->shape = true;
    }
}

/* After a value did not decode: the metadata may be another build's. True: begin anew. */
static bool renew(pm_fetch *fetch)
{
    bool any = false;
    for (pm_side *side = next_side(fetch, NULL); side != NULL; side = next_side(fetch, side)) {
        if (side->fault && !side->runtime->renewed) {
            side->version = side->runtime->version;
            pm_runtime_drop(fetch->shared, side->runtime);
            use_runtime(fetch, side, NULL);
            side->need = PM_NEED_METADATA;
            side->renew = true;
            any = true;
        }
        side->fault = false;
    }
    if (any) {
        redo(fetch, &fetch->relay);
    }
    return any;
}

/* ---- the steps ---- */

/* The runtime of the last state is also the one at the best block. Versions only ever grow along a
 * chain, so it is that of all blocks between, and nobody needs to say so. */
static bool is_unchanged(const pm_side *side)
{
    return side->settled && side->runtime != NULL &&
           strcmp(side->heads->version.id, side->runtime->version.id) == 0;
}

static panicmon_err ask_open(pm_fetch *fetch, panicmon_round *round)
{
    panicmon_err status = PANICMON_OK;
    fetch->with_base = true;
    for (pm_side *side = next_side(fetch, NULL); side != NULL; side = next_side(fetch, side)) {
        guess_runtime(fetch, side);
        fetch->with_base = fetch->with_base && side->runtime != NULL;
    }
    for (pm_side *side = next_side(fetch, NULL); side != NULL; side = next_side(fetch, side)) {
        const char *url = side->endpoint->url;
        const char *hash = side->heads->hash;
        side->at_block = side->at_parent = side->metadata = PM_NO_REQUEST;
        pm_call_at(&status, round, url, "chain_getHeader", hash, &side->header);
        if (!is_unchanged(side)) {
            pm_call_at(&status, round, url, "state_getRuntimeVersion", hash, &side->at_block);
        }
        if (side->runtime == NULL &&
            (side->renew || may_read(fetch, side, &side->heads->version))) {
            ask_metadata(&status, side, round);
        }
    }
    if (fetch->with_base && status == PANICMON_OK) {
        status = pm_state_begin(fetch);
        for (pm_side *side = next_side(fetch, NULL); side != NULL && status == PANICMON_OK;
             side = next_side(fetch, side)) {
            pm_base_ask(fetch, side, round);
            status = side->query.status;
        }
    }
    return status;
}

static void take_header(pm_fetch *fetch, pm_side *side, panicmon_round *round)
{
    const panicmon_reply *reply = pm_reply(round, side->header);
    pm_maybe height;
    pm_json header = pm_reply_json(reply);
    if (!pm_read_header_number(header, &height) ||
        !pm_hash_text(pm_json_member(header, "parentHash"), side->parent)) {
        fail(fetch, side, "chain_getHeader", reply, NULL);
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
        side->version = side->runtime->version;
        side->need = goes_back(fetch, side) && side->height > 0 ? PM_NEED_PARENT : PM_NEED_NOTHING;
        return;
    }
    if (!pm_reply_ok(reply) || !pm_version_read(pm_reply_json(reply), &side->version)) {
        fail(fetch, side, "state_getRuntimeVersion", reply, NULL);
        return;
    }
    if (side->runtime == NULL) {
        side->need = PM_NEED_METADATA;
        take_metadata(fetch, side, round);
    } else if (strcmp(side->version.id, side->runtime->version.id) != 0) {
        side->need = side->height > 0 ? PM_NEED_PARENT : PM_NEED_METADATA;
    }
}

/* False: a call failed, and so did the fetch. */
static bool take_queries(pm_fetch *fetch, panicmon_round *round)
{
    for (pm_side *side = next_side(fetch, NULL); side != NULL; side = next_side(fetch, side)) {
        const panicmon_reply *failed = pm_query_take(&side->query, round);
        if (failed != NULL) {
            fail(fetch, side, "state_queryStorageAt", failed, NULL);
            return false;
        }
    }
    return true;
}

static void read_base(pm_fetch *fetch, panicmon_round *round)
{
    if (take_queries(fetch, round)) {
        pm_base_read(fetch);
        if (!renew(fetch)) {
            fetch->stage = PM_FETCH_MORE;
        }
    }
}

static void take_open(pm_fetch *fetch, panicmon_round *round)
{
    bool ready = fetch->with_base;
    for (pm_side *side = next_side(fetch, NULL); side != NULL; side = next_side(fetch, side)) {
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
    for (pm_side *side = next_side(fetch, NULL); side != NULL; side = next_side(fetch, side)) {
        side->at_parent = side->metadata = side->look = PM_NO_REQUEST;
        if (side->need == PM_NEED_PARENT) {
            pm_call_at(&status, round, side->endpoint->url, "state_getRuntimeVersion", side->parent,
                       &side->at_parent);
            fetch->stage = PM_FETCH_RUNTIMES;
        } else if (side->need == PM_NEED_METADATA) {
            find_or_ask(&status, fetch, side, round);
        }
    }
    return status;
}

static void take_runtimes(pm_fetch *fetch, panicmon_round *round)
{
    for (pm_side *side = next_side(fetch, NULL); side != NULL; side = next_side(fetch, side)) {
        take_parent(fetch, side, round);
        take_metadata(fetch, side, round);
    }
}

static panicmon_err ask_base(pm_fetch *fetch, panicmon_round *round)
{
    pm_state_unref(fetch->shared, fetch->state);
    fetch->state = NULL;
    panicmon_err status = pm_state_begin(fetch);
    for (pm_side *side = next_side(fetch, NULL); side != NULL && status == PANICMON_OK;
         side = next_side(fetch, side)) {
        pm_base_ask(fetch, side, round);
        status = side->query.status;
    }
    return status;
}

static panicmon_err ask_more(pm_fetch *fetch, panicmon_round *round)
{
    panicmon_err status = pm_more_ask(fetch, round);
    for (pm_side *side = next_side(fetch, NULL); side != NULL; side = next_side(fetch, side)) {
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
    for (pm_side *side = next_side(fetch, NULL); side != NULL; side = next_side(fetch, side)) {
        const pm_runtime *had = side->runtime;
        take_parent(fetch, side, round);
        same = same && side->runtime == had;
    }
    if (fetch->stage == PM_FETCH_FAILED) {
        return PANICMON_OK;
    }
    if (!same) { /* upgraded in this very block */
        redo(fetch, &fetch->relay);
        return PANICMON_OK;
    }
    if (!take_queries(fetch, round)) {
        return PANICMON_OK;
    }
    panicmon_err status = pm_more_read(fetch, round);
    if (status == PANICMON_OK && !renew(fetch)) {
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
    if (status == PANICMON_OK && !renew(fetch)) {
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
static panicmon_err finish(pm_fetch *fetch)
{
    pm_state *state = fetch->state;
    const pm_side *relay = &fetch->relay;
    const pm_side *staking = fetch->staking != NULL ? fetch->staking : relay;
    state->taken_ms = pm_mono_ms();
    state->height = relay->height;
    memcpy(state->hash, relay->heads->hash, PM_HASH_TEXT);
    state->staking_height = staking->height;
    memcpy(state->staking_hash, staking->heads->hash, PM_HASH_TEXT);
    state->runtime = pm_runtime_ref(fetch->shared, relay->runtime);
    state->staking_runtime = pm_runtime_ref(fetch->shared, staking->runtime);
    pm_buf_add(&state->genesis, relay->heads->genesis.data, relay->heads->genesis.len);
    pm_buf_add(&state->staking_genesis, staking->heads->genesis.data, staking->heads->genesis.len);
    return state->genesis.failed || state->staking_genesis.failed ? PANICMON_ERR_NOMEM
                                                                  : PANICMON_OK;
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
        return finish(fetch);
    case PM_FETCH_FAILED:
        break;
    }
    return PANICMON_OK;
}

/* Whether the stage at hand waits for nothing: a chain may have nothing more to be asked for. */
static bool has_nothing_to_ask(const pm_fetch *fetch)
{
    return fetch->stage == PM_FETCH_MORE && fetch->relay.query.request_count == 0 &&
           fetch->hub.query.request_count == 0 && fetch->electees == PM_NO_REQUEST &&
           fetch->relay.at_parent == PM_NO_REQUEST && fetch->hub.at_parent == PM_NO_REQUEST;
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
    if (status == PANICMON_OK && has_nothing_to_ask(fetch)) {
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
