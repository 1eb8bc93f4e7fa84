/* node_round.c: see node_round.h; whom it asks is node_pick.c's. Per round, steady, on one
 * endpoint: a frame for heads, one for what depends on nothing, one for the rest and the hashes of
 * new blocks, one for their events. */
#include "substrate/node_round.h"

#include <stdlib.h>
#include <string.h>

#include <panicmon/log.h>

#include "base/clock.h"

/* The archive node that history is read from; the chain's source when there is none. */
static const pm_source_slot *history_slot(const pm_node_monitor *monitor, bool *is_archive)
{
    const pm_source_slot *source = monitor->source;
    *is_archive = false;
    for (size_t i = 0; i < monitor->window_count; i++) {
        const pm_source *config = pm_node_config_source(monitor->config, monitor->first + i);
        if (config->is_archive && pm_source_slot_usable(&monitor->window[i])) {
            *is_archive = true;
            return &monitor->window[i];
        }
    }
    if (monitor->archive.endpoint != NULL && pm_source_slot_usable(&monitor->archive)) {
        *is_archive = true;
        return &monitor->archive;
    }
    if (monitor->config->is_archive && pm_source_slot_usable(&monitor->own)) {
        *is_archive = true;
        return &monitor->own;
    }
    return source;
}

static panicmon_err enter_view(pm_node_monitor *monitor, const char *url, const char *hub)
{
    if (monitor->view != NULL && pm_view_is(monitor->view, url, hub)) {
        return PANICMON_OK;
    }
    pm_view *view = pm_view_open(monitor->shared, url, hub);
    if (view == NULL) {
        return PANICMON_ERR_NOMEM;
    }
    pm_node_leave_view(monitor);
    monitor->view = view;
    if (monitor->is_validator) {
        memcpy(monitor->account, monitor->config->account, PM_ACCOUNT_SIZE);
        monitor->watched = pm_view_watch(monitor->shared, view, monitor->account);
        return monitor->watched ? PANICMON_OK : PANICMON_ERR_NOMEM;
    }
    return PANICMON_OK;
}

/* Before the first round: siblings that come first read this stash along. */
void pm_node_foresee(pm_node_monitor *monitor)
{
    const pm_source *first = pm_node_config_source(monitor->config, 0);
    (void)enter_view(monitor, first != NULL ? first->url : monitor->config->url,
                     pm_node_config_hub(monitor->config, 0)); /* the round does it anyhow */
}

/* Others' accounts are read along as far as a fetch stays of a sane size. */
static size_t accounts_to_read(const pm_state *before, uint8_t (*accounts)[PM_ACCOUNT_SIZE],
                               size_t count)
{
    enum { KEYS_MAX = 16384, KEYS_NEW = 180, KEYS_KNOWN = 24 };
    size_t keys = 0;
    size_t i = 0;
    while (i < count && (i == 0 || keys < KEYS_MAX)) {
        bool known = before != NULL && pm_state_stash(before, accounts[i]) != NULL;
        keys += known ? KEYS_KNOWN : KEYS_NEW;
        i++;
    }
    return i;
}

/* Takes a state that a sibling read, or begins to read one. */
static panicmon_err begin_state(pm_node_monitor *monitor)
{
    pm_substrate *shared = monitor->shared;
    const uint8_t *own = monitor->is_validator ? monitor->config->account : NULL;
    bool hub = monitor->hub.endpoint != NULL && monitor->hub.heads != NULL;
    panicmon_err status = enter_view(monitor, monitor->source->endpoint->url,
                                     hub ? monitor->hub.endpoint->url : NULL);
    if (status != PANICMON_OK) {
        return status;
    }
    int64_t fresh = pm_node_fresh_ms(monitor);
    pm_view_turn turn = {.account = own,
                         .who = monitor,
                         .now = pm_mono_ms(),
                         .seen_ms = monitor->held != NULL ? monitor->held->taken_ms : -1,
                         .fresh_ms = fresh,
                         .stale_ms = monitor->interval_ms > fresh ? monitor->interval_ms : fresh};
    status = pm_view_take(shared, monitor->view, &turn);
    monitor->state = turn.state;
    monitor->fetches = turn.mine;
    if (status != PANICMON_OK || turn.state != NULL) {
        return status;
    }
    size_t count = turn.mine ? accounts_to_read(turn.last, turn.accounts, turn.account_count)
                             : (size_t)(own != NULL);
    return pm_fetch_new(&monitor->fetch, turn.fetch, shared, monitor->source->endpoint,
                        pm_heads_ref(monitor->source->heads), hub ? monitor->hub.endpoint : NULL,
                        hub ? pm_heads_ref(monitor->hub.heads) : NULL, turn.last, turn.accounts,
                        count);
}

/* The node's own heights that its heads do not tell. */
static panicmon_err ask_headers(pm_node_monitor *monitor, panicmon_round *round)
{
    panicmon_err status = PANICMON_OK;
    monitor->header = monitor->best_header = PM_NO_REQUEST;
    if (monitor->chain_only) {
        return PANICMON_OK;
    }
    const char *url = monitor->own.endpoint->url;
    const pm_heads *heads = monitor->own.heads;
    const pm_heads *source = monitor->source->heads;
    bool same = monitor->fetch != NULL && /* then the fetch asks for it */
                (heads == source || memcmp(heads->hash, source->hash, PM_HASH_TEXT) == 0);
    monitor->header_step = panicmon_round_step(round);
    monitor->number = (pm_maybe){0};
    if (!same && !pm_height_known(monitor->shared, heads->hash, &monitor->number.value)) {
        pm_call_at(&status, round, url, "chain_getHeader", heads->hash, &monitor->header);
    }
    monitor->number.known = !same && monitor->header == PM_NO_REQUEST;
    if (!heads->best.known) {
        pm_call(&status, round, url, "chain_getHeader", NULL, 0, &monitor->best_header);
    }
    return status;
}

static panicmon_err begin_history(pm_node_monitor *monitor, panicmon_round *round)
{
    if (!monitor->is_validator) {
        return PANICMON_OK;
    }
    const pm_source_slot *staking =
        monitor->hub.heads != NULL && pm_source_slot_usable(&monitor->hub) ? &monitor->hub
                                                                           : monitor->source;
    const pm_buf *genesis = &staking->heads->facts->genesis;
    return pm_history_begin(&monitor->history, round, genesis->len > 0 ? genesis->data : "\"\"",
                            monitor->config->id);
}

/* Data of the chain: a source is there. */
panicmon_err pm_node_begin_work(pm_node_monitor *monitor, panicmon_round *round)
{
    monitor->stage = PM_NODE_WORK;
    panicmon_err status = begin_state(monitor);
    if (status == PANICMON_OK) {
        status = ask_headers(monitor, round);
    }
    return status == PANICMON_OK ? begin_history(monitor, round) : status;
}

/* `*busy`: they were asked for in this very step. */
static void take_headers(pm_node_monitor *monitor, panicmon_round *round, pm_failure *failure,
                         bool *busy)
{
    const panicmon_reply *header = pm_reply(round, monitor->header);
    const panicmon_reply *best = pm_reply(round, monitor->best_header);
    if (monitor->header == PM_NO_REQUEST && monitor->best_header == PM_NO_REQUEST) {
        return;
    }
    if (panicmon_round_step(round) == monitor->header_step) {
        *busy = true;
        return;
    }
    if (monitor->header != PM_NO_REQUEST) {
        if (!pm_read_header_number(pm_reply_json(header), &monitor->number)) {
            pm_fail_direct(monitor, failure, panicmon_reply_status(header), pm_reply_ok(header),
                           "chain_getHeader", panicmon_reply_message(header));
        } else {
            pm_height_keep(monitor->shared, monitor->own.heads->hash, monitor->number.value);
        }
    }
    if (monitor->best_header != PM_NO_REQUEST &&
        !pm_read_header_number(pm_reply_json(best), &monitor->best_number)) {
        pm_fail_direct(monitor, failure, panicmon_reply_status(best), pm_reply_ok(best),
                       "chain_getHeader", panicmon_reply_message(best));
    }
    monitor->header = monitor->best_header = PM_NO_REQUEST;
}

static void aim_history(pm_node_monitor *monitor)
{
    const pm_fetch *fetch = monitor->fetch;
    const pm_state *state = monitor->state;
    bool is_archive;
    const pm_source_slot *slot = history_slot(monitor, &is_archive);
    if (fetch != NULL) {
        if (pm_fetch_height(fetch) < 0) {
            return;
        }
        const pm_buf *genesis = &fetch->staking->heads->facts->genesis;
        if (fetch->staking == &fetch->hub) {
            slot = &monitor->hub;
            is_archive = false;
        }
        pm_history_aim(&monitor->history, slot->endpoint->url,
                       genesis->len > 0 ? genesis->data : "\"\"", is_archive,
                       fetch->staking->heads->hash, fetch->staking->height);
        if (fetch->stage >= PM_FETCH_PAGES && fetch->stage != PM_FETCH_FAILED) {
            pm_history_writer(&monitor->history, fetch->staking->runtime);
        }
    } else if (state != NULL) {
        const pm_buf *genesis = &state->staking_facts->genesis;
        if (state->staking_runtime != state->runtime) {
            slot = &monitor->hub;
            is_archive = false;
        }
        pm_history_aim(&monitor->history, slot->endpoint->url,
                       genesis->len > 0 ? genesis->data : "\"\"", is_archive, state->staking_hash,
                       state->staking_height);
        pm_history_writer(&monitor->history, state->staking_runtime);
    }
}

/* Without staking there is no history to wait for. */
static bool nothing_to_aim_at(const pm_node_monitor *monitor)
{
    return monitor->history.stage == PM_HISTORY_WAIT && monitor->history.url == NULL &&
           monitor->fetch != NULL && monitor->fetch->stage == PM_FETCH_DONE;
}

static panicmon_err step_history(pm_node_monitor *monitor, panicmon_round *round, bool *busy)
{
    aim_history(monitor);
    panicmon_err status = pm_history_step(&monitor->history, round, busy);
    if (nothing_to_aim_at(monitor)) {
        monitor->history.stage = PM_HISTORY_OFF;
    }
    return status;
}

static panicmon_err step_fetch(pm_node_monitor *monitor, panicmon_round *round, pm_failure *failure,
                               bool *busy)
{
    pm_fetch *fetch = monitor->fetch;
    if (fetch == NULL || fetch->stage == PM_FETCH_DONE) {
        return PANICMON_OK;
    }
    panicmon_err status = pm_fetch_step(fetch, round);
    if (status != PANICMON_OK) {
        return status;
    }
    *busy = fetch->asked;
    if (fetch->stage == PM_FETCH_DONE) {
        monitor->state = pm_state_ref(fetch->state);
    } else if (fetch->stage == PM_FETCH_FAILED) {
        pm_fail_fetch(monitor, failure);
    }
    return PANICMON_OK;
}

/* A source that was lost on the way: the next one, in the same round. True: it goes on. */
static panicmon_err try_next_source(pm_node_monitor *monitor, panicmon_round *round,
                                    pm_failure *failure, bool *goes_on)
{
    *goes_on = false;
    if (monitor->fetch == NULL || !monitor->fetch->lost ||
        monitor->fetch->stage != PM_FETCH_FAILED) {
        return PANICMON_OK;
    }
    pm_source_slot *bad =
        monitor->fetch->culprit == monitor->hub.endpoint ? &monitor->hub : monitor->source;
    bad->bad = true;
    if (bad == &monitor->hub || pm_node_choose(monitor) == NULL) {
        return PANICMON_OK;
    }
    *goes_on = true;
    pm_node_end_fetch(monitor);
    pm_fetch_free(monitor->fetch);
    monitor->fetch = NULL;
    pm_history_end(&monitor->history);
    pm_failure_clear(failure);
    monitor->source = pm_node_choose(monitor);
    return pm_node_begin_work(monitor, round);
}

panicmon_err pm_node_retry(pm_node_monitor *monitor, panicmon_round *round, bool *goes_on)
{
    monitor->source->bad = true;
    pm_source_slot *next = pm_node_choose(monitor);
    *goes_on = next != NULL;
    if (next == NULL) {
        return PANICMON_OK;
    }
    pm_node_end_fetch(monitor);
    pm_fetch_free(monitor->fetch);
    pm_state_unref(monitor->shared, monitor->state);
    monitor->fetch = NULL;
    monitor->state = NULL;
    monitor->source = next;
    return pm_node_begin_work(monitor, round);
}

static panicmon_err step_work(pm_node_monitor *monitor, panicmon_round *round, pm_failure *failure,
                              bool *done)
{
    bool busy = false;
    bool fetching = false;
    bool reading = false;
    bool goes_on = true;
    panicmon_err status = PANICMON_OK;
    take_headers(monitor, round, failure, &busy);
    while (status == PANICMON_OK && failure->code == 0 && goes_on) {
        goes_on = false;
        status = step_fetch(monitor, round, failure, &fetching);
        if (status == PANICMON_OK && failure->code != 0) {
            status = try_next_source(monitor, round, failure, &goes_on);
            busy =
                busy || monitor->header != PM_NO_REQUEST || monitor->best_header != PM_NO_REQUEST;
        }
    }
    if (status != PANICMON_OK || failure->code != 0) {
        *done = failure->code != 0;
        return status;
    }
    if (monitor->is_validator) {
        status = step_history(monitor, round, &reading);
    }
    *done = status == PANICMON_OK && !busy && !fetching && !reading &&
            (monitor->fetch == NULL || monitor->fetch->stage == PM_FETCH_DONE);
    return status;
}

panicmon_err pm_node_work(pm_node_monitor *monitor, panicmon_round *round, pm_failure *failure,
                          bool *done)
{
    panicmon_err status = PANICMON_OK;
    *done = false;
    if (monitor->stage == PM_NODE_HEADS) {
        status = pm_node_take_heads(monitor, round);
        if (status != PANICMON_OK || monitor->waits_for_heads) {
            return status;
        }
        const pm_heads *own = monitor->own.heads;
        if (own != NULL && own->status != PANICMON_OK) {
            pm_fail_direct(monitor, failure, own->status, own->shape, own->method,
                           own->message != NULL ? own->message : "");
            *done = true;
            return PANICMON_OK;
        }
        if (own != NULL) {
            pm_node_check_identity(monitor, round);
        }
        status = pm_node_pick(monitor, round, failure);
        *done = failure->code != 0;
        if (status != PANICMON_OK || *done || monitor->stage == PM_NODE_HEADS) {
            return status;
        }
    }
    return step_work(monitor, round, failure, done);
}

panicmon_err pm_launch(panicmon_launch *launch, const pm_buf *name, uint32_t kind,
                       const char *parent_id, const char *source_id, const char *source_name)
{
    panicmon_err status =
        name->failed ? PANICMON_ERR_NOMEM : panicmon_launch_name(launch, name->data);
    if (status == PANICMON_OK) {
        status = panicmon_launch_kind(launch, (panicmon_kind)kind);
    }
    if (status == PANICMON_OK) {
        status = panicmon_launch_source(launch, parent_id, source_id, source_name);
    }
    return status;
}
