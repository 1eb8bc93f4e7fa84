/* chain_runtime.c: which metadata belongs to the block that is read, and getting hold of it: once
 * for all monitors of the chain. Belongs to the monitor. */
#include "substrate/chain_runtime.h"

#include <string.h>

/* A round that upgrade after upgrade began anew so often is given up. */
#define REDO_MAX 4
/* While another monitor reads the same metadata it is looked for after pauses that double. */
#define LOOK_MS        10
#define LOOK_DOUBLINGS 5

static const pm_items no_items;

static const char *pm_side_genesis(const pm_side *side)
{
    return side->heads->facts->genesis.len > 0 ? side->heads->facts->genesis.data : "";
}

static void use_runtime(pm_fetch *fetch, pm_side *side, pm_runtime *runtime)
{
    pm_runtime_unref(fetch->shared, side->runtime);
    side->runtime = runtime;
    side->items = runtime != NULL ? runtime->items : &no_items;
}

/* The runtime of the last state, else the one at the best block if somebody has it. */
void pm_fetch_guess_runtime(pm_fetch *fetch, pm_side *side)
{
    pm_runtime *last = fetch->before == NULL   ? NULL
                       : side == &fetch->relay ? fetch->before->runtime
                                               : fetch->before->staking_runtime;
    if (side == &fetch->hub && last != NULL && last == fetch->before->runtime) {
        last = NULL; /* the hub had no part in it */
    }
    if (last != NULL && !last->renewed && atomic_load(&last->dropped)) {
        use_runtime(fetch, side, NULL); /* events did not decode with it: it is read again */
        side->renew = true;
        side->settled = false;
    } else if (last != NULL) {
        use_runtime(fetch, side, pm_runtime_ref(last));
        side->settled = true;
    } else {
        use_runtime(
            fetch, side,
            pm_runtime_find(fetch->shared, pm_side_genesis(side), &side->heads->facts->version));
        side->settled = false;
    }
}

void pm_fetch_ask_metadata(panicmon_err *status, pm_side *side, panicmon_round *round)
{
    bool parent = side->has_header && side->height > 0;
    pm_call_at(status, round, side->endpoint->url, "state_getMetadata",
               parent ? side->parent : side->heads->hash, &side->metadata);
}

/* Whether to read the metadata of `version` now, and not look for what another one reads. */
bool pm_fetch_may_read(pm_fetch *fetch, pm_side *side, const pm_version *version)
{
    bool mine = pm_runtime_claim(fetch->shared, pm_side_genesis(side), version, fetch);
    fetch->claims = fetch->claims || mine;
    if (!mine) {
        return false;
    }
    /* Whoever had the claim may have read it since it was looked for. */
    pm_runtime *found = pm_runtime_find(fetch->shared, pm_side_genesis(side), version);
    bool there = found != NULL && (found->renewed || !side->renew);
    pm_runtime_unref(fetch->shared, found);
    return !there;
}

/* Takes the metadata that somebody else has read, else reads it or looks again later. */
void pm_fetch_find_or_ask(panicmon_err *status, pm_fetch *fetch, pm_side *side,
                          panicmon_round *round)
{
    pm_runtime *found = pm_runtime_find(fetch->shared, pm_side_genesis(side), &side->version);
    if (found != NULL && (found->renewed || !side->renew)) {
        use_runtime(fetch, side, found);
        side->need = PM_NEED_NOTHING;
        return;
    }
    pm_runtime_unref(fetch->shared, found);
    if (pm_fetch_may_read(fetch, side, &side->version)) {
        pm_fetch_ask_metadata(status, side, round);
    } else {
        int64_t pause = LOOK_MS << (side->looks < LOOK_DOUBLINGS ? side->looks : LOOK_DOUBLINGS);
        panicmon_err queued = panicmon_round_wait(round, pause, &side->look);
        *status = *status == PANICMON_OK ? queued : *status;
        side->looks++;
    }
    fetch->stage = PM_FETCH_RUNTIMES;
}

void pm_fetch_take_metadata(pm_fetch *fetch, pm_side *side, panicmon_round *round)
{
    panicmon_error *err = NULL;
    pm_runtime *made = NULL;
    const panicmon_reply *looked = pm_reply(round, side->look);
    const panicmon_reply *reply = pm_reply(round, side->metadata);
    if (looked != NULL && !pm_reply_ok(looked)) {
        pm_fetch_fail(fetch, side, "state_getMetadata", looked, "another monitor still reads it");
        fetch->lost = false; /* no fault of the endpoint */
        return;
    }
    if (reply == NULL) {
        return;
    }
    if (!pm_reply_ok(reply)) {
        pm_fetch_fail(fetch, side, "state_getMetadata", reply, NULL);
        return;
    }
    panicmon_err status = pm_runtime_make(&made, fetch->shared, pm_side_genesis(side),
                                          &side->version, pm_reply_json(reply), side->renew, &err);
    if (status != PANICMON_OK) {
        pm_fetch_fail(fetch, side, "state_getMetadata", reply, panicmon_error_message(err));
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
    use_runtime(fetch, side, pm_runtime_find(fetch->shared, pm_side_genesis(side), version));
    side->need = side->runtime != NULL ? PM_NEED_NOTHING : PM_NEED_METADATA;
}

void pm_fetch_take_parent(pm_fetch *fetch, pm_side *side, panicmon_round *round)
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
        pm_fetch_fail(fetch, side, "state_getRuntimeVersion", reply, NULL);
    }
}

/* Everything is to be read again with the runtimes as they are now. */
void pm_fetch_redo(pm_fetch *fetch, const pm_side *side)
{
    pm_state_unref(fetch->shared, fetch->state);
    fetch->state = NULL;
    fetch->pending_count = 0;
    fetch->staking = NULL;
    fetch->stage = PM_FETCH_RUNTIMES;
    if (++fetch->redone > REDO_MAX) {
        pm_fetch_fail(fetch, side, "state_getRuntimeVersion", NULL,
                      "the runtime changes all the time");
        fetch->status = PANICMON_ERR_PROTOCOL;
        fetch->shape = true;
    }
}

/* After a value did not decode: the metadata may be another build's. True: begin anew. */
bool pm_fetch_renew(pm_fetch *fetch)
{
    bool any = false;
    for (pm_side *side = pm_side_next(fetch, NULL); side != NULL;
         side = pm_side_next(fetch, side)) {
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
        pm_fetch_redo(fetch, &fetch->relay);
    }
    return any;
}
