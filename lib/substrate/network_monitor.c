/* network_monitor.c: the strategy `substrate_network`: one monitor a chain, which reads its
 * governance through the data sources of the config set. A monitor belongs to the thread that has
 * its turn. Which source, and the block, are node_round.c's; the governance network_fetch.c's. */
#include <panicmon/substrate.h>

#include <stdlib.h>
#include <string.h>

#include "substrate/network_fetch.h"
#include "substrate/node_round.h"

#define EXCHANGE    "raw_data"
#define ROUTING_KEY "network.substrate"

typedef enum network_stage { CHAIN, GOVERNANCE, CONFIRM, OVER } network_stage;

typedef struct network_monitor {
    const pm_network_config *config;
    pm_node_monitor chain;
    pm_governance governance;
    network_stage stage;
    panicmon_request sample;
} network_monitor;

static panicmon_err publish(network_monitor *monitor, panicmon_round *round, pm_buf *body)
{
    monitor->stage = CONFIRM;
    if (body->failed) {
        return PANICMON_ERR_NOMEM;
    }
    return panicmon_round_publish(round, EXCHANGE, ROUTING_KEY, body->data, body->len,
                                  &monitor->sample);
}

static panicmon_err publish_failure(network_monitor *monitor, panicmon_round *round,
                                    pm_failure *failure)
{
    pm_buf body = {0};
    pm_buf told = {0};
    if (failure->code == PM_INCOMPATIBLE) {
        pm_buf detail = {0};
        pm_buf_text(&detail, failure->detail.len > 0 ? failure->detail.data : "");
        pm_fail(failure, PM_NETWORK_INCOMPATIBLE, PANICMON_ERR_PROTOCOL,
                detail.failed || detail.len == 0 ? "" : detail.data,
                "Data of the network could not be read: the data sources' answers are not those "
                "of a Substrate node this build knows. See the log of the monitor.");
        pm_buf_free(&detail);
    }
    const char *message = failure->message.len > 0 ? failure->message.data : "out of memory";
    bool detail = failure->detail.len > 0;
    pm_buf_format(&told, "%s%s%s (code %d)", message, detail ? ": " : "",
                  detail ? failure->detail.data : "", failure->code);
    panicmon_round_fail(round, failure->status, told.failed ? message : told.data);
    pm_network_error_sample(&body, monitor->config, panicmon_round_name(round), failure->code,
                            message);
    panicmon_err status = publish(monitor, round, &body);
    pm_buf_free(&told);
    pm_buf_free(&body);
    return status;
}

/* Governance moved along with the staking: on an Asset Hub it is read there. */
static panicmon_err begin_governance(network_monitor *monitor, panicmon_round *round)
{
    pm_node_monitor *chain = &monitor->chain;
    pm_governance *gov = &monitor->governance;
    pm_node_settle(chain, round);
    const pm_state *state = chain->state;
    const char *source = chain->source->endpoint->url;
    bool hub = state->staking_runtime != state->runtime && chain->hub.endpoint != NULL &&
               pm_governance_kind(state->staking_runtime) != PM_GOV_NONE;
    const pm_buf *genesis = hub ? &state->staking_facts->genesis : &state->facts->genesis;
    panicmon_err status = pm_governance_begin(
        gov, monitor->config, genesis->len > 0 ? genesis->data : "",
        hub ? chain->hub.endpoint->url : source, hub ? state->staking_hash : state->hash,
        hub ? state->staking_height : state->height, hub ? state->staking_runtime : state->runtime,
        state->prefix);
    pm_governance_stalled(gov, source, state->hash, state->runtime);
    monitor->stage = GOVERNANCE;
    return status;
}

static panicmon_err step_chain(network_monitor *monitor, panicmon_round *round);

/* The source was lost on the way: the round goes on with the next one, if there is any. */
static panicmon_err retry(network_monitor *monitor, panicmon_round *round, bool *goes_on)
{
    const pm_governance *gov = &monitor->governance;
    *goes_on = gov->stage == PM_GOV_FAILED && !gov->shape && gov->status != PANICMON_ERR_RPC &&
               strcmp(gov->url, monitor->chain.source->endpoint->url) == 0;
    if (!*goes_on) {
        return PANICMON_OK;
    }
    panicmon_err status = pm_node_retry(&monitor->chain, round, goes_on);
    if (status == PANICMON_OK && *goes_on) {
        monitor->stage = CHAIN;
        status = step_chain(monitor, round);
    }
    return status;
}

static panicmon_err step_governance(network_monitor *monitor, panicmon_round *round)
{
    pm_governance *gov = &monitor->governance;
    bool goes_on = false;
    panicmon_err status = pm_governance_step(gov, round);
    if (status == PANICMON_OK && !gov->asked) {
        status = retry(monitor, round, &goes_on);
    }
    if (status != PANICMON_OK || gov->asked || goes_on) {
        return status;
    }
    pm_buf body = {0};
    if (gov->stage == PM_GOV_FAILED) {
        pm_failure failure = {0};
        const char *why = gov->message.len > 0 ? gov->message.data : "";
        pm_fail(&failure, gov->shape ? PM_INCOMPATIBLE : PM_CALL_FAILED, gov->status, "",
                "Substrate API call %s failed. Error: %s", gov->method, why);
        status = publish_failure(monitor, round, &failure);
        pm_failure_clear(&failure);
    } else {
        pm_network_sample(&body, monitor->config, panicmon_round_name(round), gov,
                          monitor->chain.source->endpoint->url);
        status = publish(monitor, round, &body);
    }
    pm_buf_free(&body);
    return status;
}

static panicmon_err step_chain(network_monitor *monitor, panicmon_round *round)
{
    pm_failure failure = {0};
    bool done = false;
    panicmon_err status = pm_node_work(&monitor->chain, round, &failure, &done);
    if (status == PANICMON_OK && done && failure.code != 0) {
        status = publish_failure(monitor, round, &failure);
    } else if (status == PANICMON_OK && done) {
        status = begin_governance(monitor, round);
        if (status == PANICMON_OK) {
            status = step_governance(monitor, round);
        }
    }
    pm_failure_clear(&failure);
    return status;
}

static panicmon_err confirm(network_monitor *monitor, panicmon_round *round)
{
    panicmon_err status = PANICMON_OK;
    monitor->stage = OVER;
    if (pm_reply_ok(pm_reply(round, monitor->sample))) {
        status = panicmon_round_heartbeat(round, NULL);
    }
    pm_node_rest(&monitor->chain);
    pm_governance_end(&monitor->governance);
    return status;
}

static panicmon_err network_step(void *user, panicmon_round *round, panicmon_error **err)
{
    network_monitor *monitor = user;
    panicmon_err status = PANICMON_OK;
    (void)err;
    if (panicmon_round_step(round) == 0) {
        monitor->stage = CHAIN;
        status = pm_node_begin(&monitor->chain, round);
        if (status != PANICMON_OK || monitor->chain.waits_for_heads) {
            return status;
        }
    }
    switch (monitor->stage) {
    case CHAIN:
        return step_chain(monitor, round);
    case GOVERNANCE:
        return step_governance(monitor, round);
    case CONFIRM:
        return confirm(monitor, round);
    case OVER:
        break;
    }
    return PANICMON_OK;
}

static bool same_network(const pm_network_config *a, const pm_network_config *b)
{
    return strcmp(a->parent_id, b->parent_id) == 0 && strcmp(a->chain_name, b->chain_name) == 0 &&
           strcmp(a->source_name, b->source_name) == 0;
}

static panicmon_err network_update(void *user, void *parsed)
{
    network_monitor *monitor = user;
    pm_network_config *config = parsed;
    if (!same_network(monitor->config, config)) {
        return PANICMON_ERR_STATE;
    }
    pm_node_rest(&monitor->chain);
    pm_governance_end(&monitor->governance);
    monitor->governance.config = NULL;
    monitor->config = config;
    monitor->chain.config = &config->node;
    monitor->chain.hub_at = 0;
    return PANICMON_OK;
}

static void network_free(void *user)
{
    network_monitor *monitor = user;
    pm_substrate *shared = monitor->chain.shared;
    pm_governance_free(&monitor->governance);
    pm_node_clear(&monitor->chain);
    panicmon_substrate_free(shared);
    free(monitor);
}

/* ---- the strategy ---- */

/* One for a set: its JSON is only a name, what matters stands in the set. */
static panicmon_err strategy_plan(void *user, const panicmon_config_set *set, panicmon_plan *plan,
                                  panicmon_error **err)
{
    const char *chain = panicmon_config_set_word(set, 2);
    pm_sources *sources = NULL;
    pm_buf json = {0};
    if (panicmon_config_set_count(set) == 0) {
        return PANICMON_OK;
    }
    panicmon_err status = user == NULL ? PANICMON_OK : pm_sources_make(&sources, user, set);
    pm_sources_unref(sources);
    pm_buf_text(&json, "{\"chain_name\": ");
    pm_buf_json_string(&json, chain, strlen(chain));
    pm_buf_char(&json, '}');
    if (status == PANICMON_OK) {
        status = json.failed ? PANICMON_ERR_NOMEM
                             : panicmon_plan_add(plan, chain[0] != '\0' ? chain : "network",
                                                 json.data, json.len, err);
    }
    pm_buf_free(&json);
    return status;
}

static panicmon_err strategy_parse(void *user, const panicmon_config *config, void **parsed,
                                   panicmon_error **err)
{
    pm_network_config *made = NULL;
    panicmon_err status = pm_network_config_parse(&made, user, config, err);
    *parsed = made;
    return status;
}

static panicmon_err make_monitor(network_monitor **out, panicmon_substrate *shared,
                                 const pm_network_config *config)
{
    network_monitor *monitor = calloc(1, sizeof *monitor);
    panicmon_err status = monitor == NULL ? PANICMON_ERR_NOMEM : PANICMON_OK;
    if (status == PANICMON_OK && shared == NULL) {
        status = panicmon_substrate_new(&monitor->chain.shared);
    } else if (status == PANICMON_OK) {
        monitor->chain.shared = panicmon_substrate_ref(shared);
    }
    if (status != PANICMON_OK) {
        free(monitor);
        return status;
    }
    monitor->config = config;
    monitor->stage = OVER;
    monitor->chain.config = &config->node;
    monitor->chain.chain_only = true;
    monitor->chain.history.shared = monitor->chain.shared;
    monitor->governance.shared = monitor->chain.shared;
    *out = monitor;
    return PANICMON_OK;
}

static panicmon_err strategy_start(void *user, void *parsed, panicmon_launch *launch,
                                   panicmon_error **err)
{
    static const panicmon_monitor_ops ops = {.struct_size = sizeof ops,
                                             .step = network_step,
                                             .update = network_update,
                                             .monitor_free = network_free};
    const pm_network_config *config = parsed;
    network_monitor *monitor = NULL;
    pm_buf name = {0};
    (void)err;
    panicmon_err status = make_monitor(&monitor, user, config);
    if (status != PANICMON_OK) {
        return status;
    }
    pm_buf_format(&name, "Substrate Network Monitor (%s)", config->chain_name);
    status = pm_launch(launch, &name, PANICMON_KIND_NETWORK, config->parent_id, config->parent_id,
                       config->source_name);
    if (status == PANICMON_OK) {
        status = panicmon_launch_monitor(launch, &ops, monitor);
    }
    if (status != PANICMON_OK) {
        network_free(monitor);
    }
    pm_buf_free(&name);
    return status;
}

static void strategy_parsed_free(void *user, void *parsed)
{
    (void)user;
    pm_network_config_free(parsed);
}

static void strategy_user_free(void *user)
{
    panicmon_substrate_free(user);
}

const panicmon_strategy_ops *panicmon_substrate_network_strategy(void)
{
    static const panicmon_strategy_ops ops = {.struct_size = sizeof ops,
                                              .name = "substrate_network",
                                              .plan = strategy_plan,
                                              .parse = strategy_parse,
                                              .start = strategy_start,
                                              .parsed_free = strategy_parsed_free,
                                              .user_free = strategy_user_free};
    return &ops;
}
