/* node_settle.c: what comes of a node's round: heights and states that do not go back, Asset Hubs
 * that serve their relay chain, and letting go. */
#include "substrate/node_round.h"

#include <stdlib.h>
#include <string.h>

#include <panicmon/log.h>

#include "base/clock.h"

/* An older state than the last is refused so long. */
#define HELD_MAX_MS (10 * 60 * 1000)
/* A node that syncs anew may fall so far, and then starts over. */
#define RESYNC_BLOCKS 1000

void pm_node_end_fetch(pm_node_monitor *monitor)
{
    if (monitor->fetches) {
        pm_view_leave(monitor->shared, monitor->view, monitor, NULL);
        monitor->fetches = false;
    }
}

void pm_node_leave_view(pm_node_monitor *monitor)
{
    if (monitor->watched) {
        pm_view_unwatch(monitor->shared, monitor->view, monitor->account);
        monitor->watched = false;
    }
    if (monitor->view != NULL) {
        pm_node_end_fetch(monitor);
        pm_view_close(monitor->shared, monitor->view);
        monitor->view = NULL;
    }
}

/* Heights of one chain do not go back, but for a node that syncs anew. */
static pm_maybe hold(pm_maybe *last, pm_maybe now, bool reset, bool *held)
{
    if (now.known && last->known && now.value < last->value && !reset) {
        *held = true;
        return *last;
    }
    if (now.known) {
        *last = now;
    }
    return now;
}

static void hold_heights(pm_node_monitor *monitor, panicmon_round *round, pm_node_view *view)
{
    const pm_heads *heads = monitor->own.heads;
    bool reset = heads->health.known && heads->health.is_syncing && view->best.known &&
                 monitor->best.known && monitor->best.value - view->best.value > RESYNC_BLOCKS;
    if (reset) {
        panicmon_round_log(round, PANICMON_LOG_WARNING,
                           "the node syncs anew: its heights start over");
    }
    view->reported_best = view->best;
    view->reported_finalized = view->finalized;
    view->best = hold(&monitor->best, view->best, reset, &view->held);
    view->target = hold(&monitor->target, view->target, reset, &view->held);
    view->finalized = hold(&monitor->finalized, view->finalized, reset, &view->held);
}

static bool is_same_chain(const pm_facts *a, const pm_facts *b)
{
    return pm_facts_same_chain(a, b) || (a->genesis.len == 0 && b->genesis.len == 0);
}

/* A source that lags behind the one before would take session and era back: the last state stands
 * until it has caught up, or for a while. */
static void hold_state(pm_node_monitor *monitor, panicmon_round *round)
{
    pm_state *held = monitor->held;
    pm_state *state = monitor->state;
    const uint8_t *own = monitor->is_validator ? monitor->config->account : NULL;
    bool older =
        held != NULL && held != state && state->staking_height < held->staking_height &&
        is_same_chain(held->facts, state->facts) &&
        (held->staking_runtime == held->runtime) == (state->staking_runtime == state->runtime) &&
        (own == NULL || pm_state_stash(held, own) != NULL);
    if (held == state) {
        monitor->held_ms = 0;
        return;
    }
    int64_t now = older ? pm_mono_ms() : 0;
    monitor->held_ms = !older ? 0 : monitor->held_ms == 0 ? now : monitor->held_ms;
    if (older && now - monitor->held_ms < HELD_MAX_MS) {
        pm_state_unref(monitor->shared, state);
        monitor->state = pm_state_ref(held);
        return;
    }
    if (older) {
        panicmon_round_log(round, PANICMON_LOG_WARNING,
                           "no source has caught up with the heights published: going back");
    }
    pm_state_unref(monitor->shared, held);
    monitor->held = pm_state_ref(state);
}

/* Which node serves for an Asset Hub that no config names. */
static void find_hub(pm_node_monitor *monitor)
{
    pm_substrate *shared = monitor->shared;
    const pm_buf *properties = &monitor->source->heads->facts->properties;
    void *value;
    char *found = NULL;
    if (!monitor->state->wants_hub || monitor->found_hub != NULL || properties->len == 0) {
        return;
    }
    pm_substrate_lock(shared);
    for (size_t at = 0; pm_map_next(&shared->endpoints, &at, NULL, &value);) {
        pm_endpoint *endpoint = value;
        const pm_heads *heads = endpoint->heads;
        if (atomic_load(&endpoint->has_hub_staking) && heads != NULL &&
            heads->status == PANICMON_OK && heads->facts->properties.len == properties->len &&
            memcmp(heads->facts->properties.data, properties->data, properties->len) == 0 &&
            (found == NULL || strcmp(endpoint->url, found) < 0)) {
            free(found);
            found = strdup(endpoint->url);
        }
    }
    pm_substrate_unlock(shared);
    monitor->found_hub = found;
}

/* A node of an Asset Hub that carries staking may serve its relay chain's monitors. */
static void offer_hub(pm_node_monitor *monitor)
{
    const pm_state *state = monitor->state;
    if (monitor->fetch == NULL || state->staking_runtime != state->runtime) {
        return;
    }
    bool has = state->runtime->items->serves_relay;
    atomic_bool *known = &monitor->source->endpoint->has_hub_staking;
    if (atomic_load(known) != has) {
        atomic_store(known, has);
    }
}

void pm_node_settle(pm_node_monitor *monitor, panicmon_round *round)
{
    if (monitor->fetch != NULL) {
        pm_view_leave(monitor->shared, monitor->view, monitor, monitor->state);
        monitor->fetches = false;
    }
    offer_hub(monitor);
    find_hub(monitor);
    hold_state(monitor, round);
}

void pm_node_view_fill(pm_node_monitor *monitor, panicmon_round *round, pm_node_view *view)
{
    const pm_heads *heads = monitor->own.heads;
    pm_maybe number = monitor->number;
    const pm_state *state = monitor->state;
    if (!number.known && memcmp(state->hash, heads->hash, PM_HASH_TEXT) == 0) {
        number = (pm_maybe){.known = true, .value = state->height}; /* the fetch asked for it */
    }
    pm_node_settle(monitor, round);
    *view = (pm_node_view){.heads = heads,
                           .best = heads->best.known ? heads->best : monitor->best_number,
                           .target = heads->target,
                           .finalized = number,
                           .state = monitor->state,
                           .history = &monitor->history,
                           .source = monitor->source->endpoint->shown,
                           .source_stalled = monitor->source_stalled};
    if (monitor->state->staking_runtime != monitor->state->runtime &&
        monitor->hub.endpoint != NULL) {
        view->hub = monitor->hub.endpoint->shown;
    }
    hold_heights(monitor, round, view);
}

void pm_node_rest(pm_node_monitor *monitor)
{
    pm_node_end_fetch(monitor);
    pm_fetch_free(monitor->fetch);
    monitor->fetch = NULL;
    pm_state_unref(monitor->shared, monitor->state);
    monitor->state = NULL;
    pm_source_slot_rest(&monitor->own);
    pm_source_slot_rest(&monitor->hub);
    for (size_t i = 0; i < monitor->window_used; i++) {
        pm_source_slot_rest(&monitor->window[i]);
    }
    if (monitor->is_validator) { /* others have no history */
        pm_history_end(&monitor->history);
        pm_source_slot_rest(&monitor->archive);
    }
    monitor->source = NULL;
    monitor->header = monitor->best_header = monitor->sample = PM_NO_REQUEST;
    monitor->number = monitor->best_number = (pm_maybe){0};
}

void pm_node_clear(pm_node_monitor *monitor)
{
    pm_node_rest(monitor);
    pm_node_leave_view(monitor);
    pm_source_slot_clear(monitor->shared, &monitor->own);
    pm_source_slot_clear(monitor->shared, &monitor->archive);
    pm_source_slot_clear(monitor->shared, &monitor->hub);
    for (size_t i = 0; i < monitor->window_used; i++) {
        pm_source_slot_clear(monitor->shared, &monitor->window[i]);
    }
    pm_state_unref(monitor->shared, monitor->held);
    pm_history_free(&monitor->history);
    free(monitor->found_hub);
    pm_facts_unref(monitor->facts);
    pm_node_texts_free(&monitor->texts);
    monitor->held = NULL;
    monitor->found_hub = NULL;
    monitor->facts = NULL;
}
