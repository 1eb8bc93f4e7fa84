/* node_pick.c: the first part of a round of a node monitor: what endpoints say of themselves, and
 * which of them the chain is read from. See node_round.h. */
#include "substrate/node_round.h"

#include <stdlib.h>
#include <string.h>

#include <panicmon/log.h>

#include "base/clock.h"
#include "base/compiler.h"

/* What siblings read is taken when it is no older than half a period, nor than a block. */
#define FRESH_FIRST_MS 2000
#define FRESH_MAX_MS   6000

int64_t pm_node_fresh_ms(const pm_node_monitor *monitor)
{
    return monitor->interval_ms == 0 ? FRESH_FIRST_MS
                                     : pm_earlier(monitor->interval_ms / 2, FRESH_MAX_MS);
}

static panicmon_err probe(pm_node_monitor *monitor, pm_source_slot *slot, panicmon_round *round,
                          bool source)
{
    panicmon_err status = pm_probe_ask(monitor->shared, slot, round, monitor->began_ms,
                                       pm_node_fresh_ms(monitor), source);
    monitor->waits_for_heads = monitor->waits_for_heads || slot->asked;
    return status;
}

/* Asks the data sources from `first` on. */
static panicmon_err ask_window(pm_node_monitor *monitor, panicmon_round *round, size_t first)
{
    panicmon_err status = PANICMON_OK;
    monitor->first = first;
    monitor->window_count = 0;
    while (status == PANICMON_OK && monitor->window_count < PM_WINDOW &&
           monitor->config->sources->count > 0) {
        const pm_source *source =
            pm_node_config_source(monitor->config, first + monitor->window_count);
        if (source == NULL) {
            break;
        }
        pm_source_slot *slot = &monitor->window[monitor->window_count++];
        if (monitor->window_used < monitor->window_count) {
            monitor->window_used = monitor->window_count;
        }
        status = pm_source_slot_set(monitor->shared, slot, source->url);
        if (status == PANICMON_OK && slot->endpoint != monitor->own.endpoint) {
            status = probe(monitor, slot, round, true);
        }
    }
    return status;
}

/* The first archive node, when it stands outside of the first window. */
static panicmon_err ask_archive(pm_node_monitor *monitor, panicmon_round *round)
{
    const pm_source *source = NULL;
    size_t i = 0;
    while (monitor->is_validator && (source = pm_node_config_source(monitor->config, i)) != NULL &&
           !source->is_archive) {
        i++;
    }
    if (source == NULL || i < PM_WINDOW) {
        if (monitor->archive.endpoint != NULL) {
            pm_source_slot_clear(monitor->shared, &monitor->archive);
        }
        return PANICMON_OK;
    }
    panicmon_err status = pm_source_slot_set(monitor->shared, &monitor->archive, source->url);
    if (status == PANICMON_OK) {
        status = probe(monitor, &monitor->archive, round, true);
    }
    return status;
}

/* The Asset Hub's node to ask; one that was found is for chains whose config names none. */
static const char *hub_url(const pm_node_monitor *monitor)
{
    const char *url = pm_node_config_hub(monitor->config, monitor->hub_at);
    return url == NULL && monitor->hub_at == 0 ? monitor->found_hub : url;
}

static panicmon_err ask_hub(pm_node_monitor *monitor, panicmon_round *round)
{
    const char *url = hub_url(monitor);
    if (url == NULL && monitor->hub_at > 0) {
        monitor->hub_at = 0;
        url = hub_url(monitor);
    }
    if (url == NULL) {
        if (monitor->hub.endpoint != NULL) {
            pm_source_slot_clear(monitor->shared, &monitor->hub);
        }
        return PANICMON_OK;
    }
    panicmon_err status = pm_source_slot_set(monitor->shared, &monitor->hub, url);
    if (status == PANICMON_OK) {
        status = probe(monitor, &monitor->hub, round, true);
    }
    return status;
}

/* A monitor that slept finds nothing of its own in the cache: better all of it comes at once than
 * one thing after the other. */
static void foresee(const pm_node_monitor *monitor)
{
    pm_prefetch_all(monitor->own.endpoint, 2 * PM_CACHE_LINE);
    pm_prefetch_all(monitor->config, 2 * PM_CACHE_LINE);
    pm_prefetch_all(monitor->view, 2 * PM_CACHE_LINE);
    pm_prefetch_all(monitor->held, sizeof *monitor->held);
}

panicmon_err pm_node_begin(pm_node_monitor *monitor, panicmon_round *round)
{
    foresee(monitor);
    int64_t now = pm_mono_ms();
    pm_node_rest(monitor);
    monitor->interval_ms = monitor->began_ms == 0    ? 0
                           : now > monitor->began_ms ? now - monitor->began_ms
                                                     : 1;
    monitor->began_ms = now;
    monitor->stage = PM_NODE_HEADS;
    monitor->waits_for_heads = false;
    monitor->hubs_tried = 0;
    panicmon_err status = PANICMON_OK;
    if (!monitor->chain_only && monitor->own.endpoint == NULL) { /* it stays with the monitor */
        status = pm_source_slot_set(monitor->shared, &monitor->own, monitor->config->url);
    }
    if (!monitor->chain_only && status == PANICMON_OK) {
        status = probe(monitor, &monitor->own, round, false);
    }
    if (status == PANICMON_OK) {
        status = ask_window(monitor, round, 0);
    }
    if (status == PANICMON_OK) {
        status = ask_archive(monitor, round);
    }
    return status == PANICMON_OK ? ask_hub(monitor, round) : status;
}

panicmon_err pm_node_take_heads(pm_node_monitor *monitor, panicmon_round *round)
{
    pm_source_slot *slots[PM_WINDOW + 3];
    panicmon_err status = PANICMON_OK;
    int64_t now = pm_mono_ms();
    size_t count = 0;
    slots[count++] = &monitor->own;
    for (size_t i = 0; i < monitor->window_count; i++) {
        slots[count++] = &monitor->window[i];
    }
    if (monitor->is_validator) {
        slots[count++] = &monitor->archive;
    }
    slots[count++] = &monitor->hub;
    monitor->waits_for_heads = false;
    for (size_t i = 0; status == PANICMON_OK && i < count; i++) {
        status = pm_source_slot_take(monitor->shared, slots[i], round, now);
        monitor->waits_for_heads = monitor->waits_for_heads || slots[i]->asked;
    }
    return status;
}

/* Another chain behind the URL is another node: nothing of the old one goes on. */
void pm_node_check_identity(pm_node_monitor *monitor, panicmon_round *round)
{
    pm_facts *facts = monitor->own.heads->facts;
    if (facts == monitor->facts || facts->genesis.len == 0) {
        return;
    }
    if (monitor->facts != NULL && !pm_facts_same_chain(monitor->facts, facts)) {
        panicmon_round_log(round, PANICMON_LOG_WARNING,
                           "the node is of another chain than before: starting anew");
        monitor->best = monitor->target = monitor->finalized = (pm_maybe){0};
        pm_state_unref(monitor->shared, monitor->held);
        monitor->held = NULL;
    }
    pm_facts_unref(monitor->facts);
    monitor->facts = pm_facts_ref(facts);
}

pm_source_slot *pm_node_choose(pm_node_monitor *monitor)
{
    pm_source_slot *slots[PM_WINDOW + 1];
    size_t count = 0;
    for (size_t i = 0; i < monitor->window_count; i++) {
        if (monitor->window[i].endpoint != monitor->own.endpoint) {
            slots[count++] = &monitor->window[i];
        }
    }
    if (!monitor->chain_only) {
        slots[count++] = &monitor->own;
    }
    return pm_source_slot_choose(slots, count, &monitor->source_stalled);
}

/* An Asset Hub that does not answer is looked for at the next of its nodes. True: one was asked. */
static panicmon_err next_hub(pm_node_monitor *monitor, panicmon_round *round, bool *asked)
{
    *asked = false;
    if (monitor->hub.endpoint == NULL || pm_source_slot_usable(&monitor->hub)) {
        return PANICMON_OK;
    }
    monitor->hub_at++;
    if (hub_url(monitor) == NULL || monitor->hubs_tried++ >= PM_WINDOW) {
        monitor->hub_at = 0;
        return PANICMON_OK;
    }
    panicmon_err status = ask_hub(monitor, round);
    *asked = monitor->hub.asked;
    return status;
}

/* Heads are there: picks the source, or asks the next ones. */
panicmon_err pm_node_pick(pm_node_monitor *monitor, panicmon_round *round, pm_failure *failure)
{
    bool asked = false;
    panicmon_err status = PANICMON_OK;
    monitor->source = pm_node_choose(monitor);
    while (monitor->source == NULL && status == PANICMON_OK && !monitor->waits_for_heads &&
           pm_node_config_source(monitor->config, monitor->first + PM_WINDOW) != NULL) {
        status = ask_window(monitor, round, monitor->first + PM_WINDOW);
        monitor->source = monitor->waits_for_heads ? NULL : pm_node_choose(monitor);
    }
    if (status != PANICMON_OK || monitor->waits_for_heads) {
        return status;
    }
    if (monitor->source == NULL) {
        pm_fail_no_source(failure, round);
        return PANICMON_OK;
    }
    status = next_hub(monitor, round, &asked);
    if (status != PANICMON_OK || asked) {
        monitor->waits_for_heads = true;
        return status;
    }
    if (monitor->hub.endpoint != NULL && !pm_source_slot_usable(&monitor->hub)) {
        if (pm_node_config_hub(monitor->config, 0) != NULL) {
            pm_fail_no_source(failure, round);
            return PANICMON_OK;
        }
        free(monitor->found_hub); /* another one may be found, or none */
        monitor->found_hub = NULL;
        pm_source_slot_clear(monitor->shared, &monitor->hub);
    }
    return pm_node_begin_work(monitor, round);
}
