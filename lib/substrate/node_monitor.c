/* node_monitor.c: the strategy `substrate_node`: one round reads a node and its chain and publishes
 * PANIC's sample. A monitor belongs to the thread that has its turn; its config is the library's
 * and is swapped by update(). What it asks is node_round.c's.
 *
 * first    ask the node and the data sources for their heads
 * then     read the state of the chain, and the blocks since the last confirmed sample
 * then     publish the sample (any step may publish an error sample instead)
 * at last  it is confirmed: move the cursor of the history, publish the heartbeat */
#include <panicmon/substrate.h>

#include <stdlib.h>
#include <string.h>

#include "substrate/node_round.h"

#define EXCHANGE    "raw_data"
#define ROUTING_KEY "node.substrate"

/* Publishes what was written, and gives the buffer back. */
static panicmon_err publish(pm_node_monitor *monitor, panicmon_round *round, pm_buf *body)
{
    panicmon_err status = PANICMON_ERR_NOMEM;
    monitor->stage = PM_NODE_CONFIRM;
    if (!body->failed) {
        status = panicmon_round_publish(round, EXCHANGE, ROUTING_KEY, body->data, body->len,
                                        &monitor->sample);
    }
    pm_body_give(monitor->shared, body);
    return status;
}

static bool has_texts(pm_node_monitor *monitor, const panicmon_round *round)
{
    return monitor->texts.data != NULL ||
           pm_node_texts_make(&monitor->texts, monitor->config, panicmon_round_name(round));
}

static panicmon_err publish_failure(pm_node_monitor *monitor, panicmon_round *round,
                                    const pm_failure *failure)
{
    pm_buf told = {0};
    const char *message = failure->message.len > 0 ? failure->message.data : "out of memory";
    bool detail = failure->detail.len > 0;
    pm_buf_format(&told, "%s%s%s (code %d)", message, detail ? ": " : "",
                  detail ? failure->detail.data : "", failure->code);
    panicmon_round_fail(round, failure->status, told.failed ? message : told.data);
    pm_buf_free(&told);
    pm_history_end(&monitor->history);
    pm_buf body = pm_body_take(monitor->shared);
    pm_node_error_sample(&body, &monitor->texts, failure->code, message);
    return publish(monitor, round, &body);
}

static panicmon_err publish_sample(pm_node_monitor *monitor, panicmon_round *round)
{
    pm_node_view view;
    pm_node_view_fill(monitor, round, &view);
    pm_buf body = pm_body_take(monitor->shared);
    pm_node_sample(&body, monitor->config, &monitor->texts, &view);
    return publish(monitor, round, &body);
}

static panicmon_err work(pm_node_monitor *monitor, panicmon_round *round)
{
    pm_failure failure = {0};
    bool done = false;
    panicmon_err status = pm_node_work(monitor, round, &failure, &done);
    if (status == PANICMON_OK && done && !has_texts(monitor, round)) {
        status = PANICMON_ERR_NOMEM;
    } else if (status == PANICMON_OK && done) {
        status = failure.code != 0 ? publish_failure(monitor, round, &failure)
                                   : publish_sample(monitor, round);
    }
    pm_failure_clear(&failure);
    return status;
}

static panicmon_err confirm(pm_node_monitor *monitor, panicmon_round *round)
{
    panicmon_err status = PANICMON_OK;
    monitor->stage = PM_NODE_OVER;
    if (pm_reply_ok(pm_reply(round, monitor->sample))) {
        if (monitor->is_validator) {
            status = pm_history_confirm(&monitor->history, round);
        }
        if (status == PANICMON_OK) {
            status = panicmon_round_heartbeat(round, NULL);
        }
    }
    pm_node_rest(monitor);
    return status;
}

static panicmon_err node_step(void *user, panicmon_round *round, panicmon_error **err)
{
    pm_node_monitor *monitor = user;
    panicmon_err status = PANICMON_OK;
    (void)err;
    if (panicmon_round_step(round) == 0) {
        status = pm_node_begin(monitor, round);
        if (status != PANICMON_OK || monitor->waits_for_heads) {
            return status;
        }
    }
    switch (monitor->stage) {
    case PM_NODE_HEADS:
    case PM_NODE_WORK:
        return work(monitor, round);
    case PM_NODE_CONFIRM:
        return confirm(monitor, round);
    case PM_NODE_OVER:
        break;
    }
    return PANICMON_OK;
}

static panicmon_err node_update(void *user, void *parsed)
{
    pm_node_monitor *monitor = user;
    if (!pm_node_config_same_node(monitor->config, parsed)) {
        return PANICMON_ERR_STATE;
    }
    pm_node_rest(monitor); /* a round that was cut short may still hold on to the old one */
    monitor->config = parsed;
    monitor->hub_at = 0;
    pm_node_texts_free(&monitor->texts);
    return PANICMON_OK;
}

static void node_free(void *user)
{
    pm_node_monitor *monitor = user;
    pm_node_clear(monitor);
    panicmon_substrate_free(monitor->shared);
    free(monitor);
}

/* ---- the strategy ---- */

/* Reads the data sources of the set once for all of its entries. */
static panicmon_err strategy_plan(void *user, const panicmon_config_set *set, panicmon_plan *plan,
                                  panicmon_error **err)
{
    pm_sources *sources = NULL;
    panicmon_err status = user == NULL ? PANICMON_OK : pm_sources_make(&sources, user, set);
    pm_sources_unref(sources);
    for (size_t i = 0; status == PANICMON_OK && i < panicmon_config_set_count(set); i++) {
        const char *id = panicmon_config_id(panicmon_config_set_at(set, i));
        status = panicmon_plan_add(plan, id, NULL, 0, err);
    }
    return status;
}

static panicmon_err strategy_parse(void *user, const panicmon_config *config, void **parsed,
                                   panicmon_error **err)
{
    pm_node_config *made = NULL;
    panicmon_err status = pm_node_config_parse(&made, user, config, err);
    *parsed = made;
    return status;
}

static panicmon_err make_monitor(pm_node_monitor **out, panicmon_substrate *shared,
                                 const pm_node_config *config)
{
    panicmon_err status = PANICMON_OK;
    pm_node_monitor *monitor = calloc(1, sizeof *monitor);
    if (monitor == NULL) {
        return PANICMON_ERR_NOMEM;
    }
    if (shared != NULL) {
        monitor->shared = panicmon_substrate_ref(shared);
    } else {
        status = panicmon_substrate_new(&monitor->shared);
    }
    if (status != PANICMON_OK) {
        free(monitor);
        return status;
    }
    monitor->config = config;
    monitor->is_validator = config->is_validator;
    monitor->history.shared = monitor->shared;
    monitor->stage = PM_NODE_OVER;
    pm_node_foresee(monitor);
    *out = monitor;
    return PANICMON_OK;
}

static panicmon_err strategy_start(void *user, void *parsed, panicmon_launch *launch,
                                   panicmon_error **err)
{
    static const panicmon_monitor_ops ops = {.struct_size = sizeof ops,
                                             .step = node_step,
                                             .update = node_update,
                                             .monitor_free = node_free};
    const pm_node_config *config = parsed;
    pm_node_monitor *monitor = NULL;
    pm_buf name = {0};
    (void)err;
    panicmon_err status = make_monitor(&monitor, user, config);
    if (status != PANICMON_OK) {
        return status;
    }
    pm_buf_format(&name, "Node monitor (%s)", config->name);
    status =
        pm_launch(launch, &name, PANICMON_KIND_NODE, config->parent_id, config->id, config->name);
    if (status == PANICMON_OK) {
        status = panicmon_launch_monitor(launch, &ops, monitor);
    }
    if (status != PANICMON_OK) {
        node_free(monitor);
    }
    pm_buf_free(&name);
    return status;
}

static void strategy_parsed_free(void *user, void *parsed)
{
    (void)user;
    pm_node_config_free(parsed);
}

static void strategy_user_free(void *user)
{
    panicmon_substrate_free(user);
}

const panicmon_strategy_ops *panicmon_substrate_node_strategy(void)
{
    static const panicmon_strategy_ops ops = {.struct_size = sizeof ops,
                                              .name = "substrate_node",
                                              .plan = strategy_plan,
                                              .parse = strategy_parse,
                                              .start = strategy_start,
                                              .parsed_free = strategy_parsed_free,
                                              .user_free = strategy_user_free};
    return &ops;
}
