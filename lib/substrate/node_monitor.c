/* node_monitor.c: the strategy `substrate_node`: one round reads a node and publishes PANIC's
 * sample. A monitor belongs to the thread that has its turn; its config is the library's and is
 * swapped by update().
 *
 * step 0  ask the node for its heads, every data source for its health
 * step 1  ask for the header, and the chosen source for session and era at its finalized head
 * step 2  publish the sample (any step may publish an error sample instead)
 * step 3  the sample is confirmed: publish the heartbeat */
#include <panicmon/substrate.h>

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "substrate/node_view.h"

/* PANIC's error codes, as its alerter knows them. */
enum {
    NODE_IS_DOWN = 5015,
    NO_SYNCED_SOURCE = 5019,
    CALL_FAILED = 5031,
    INCOMPATIBLE = 5033,
};

#define EXCHANGE    "raw_data"
#define ROUTING_KEY "node.substrate"
/* PANIC asks for the properties of a chain once a day. */
#define PROPERTIES_MS (24 * 3600 * 1000)

/* twox128 of pallet and item: Session.CurrentIndex, Staking.ActiveEra, Staking.HistoryDepth. */
#define SESSION_INDEX "0xcec5070d609dd3497f72bde07fc96ba072763800a36a99fdfc7c10f6415f6ee6"
#define ACTIVE_ERA    "0x5f3e4907f716ac89b6347d15ececedca487df464e44a534ba6b0cbb32407b587"
#define HISTORY_DEPTH "0x5f3e4907f716ac89b6347d15ececedcaac0a2cbf8e355f5ea6cb2de8727bfb0c"

/* No request: request numbers of a round never reach this. */
#define NONE UINT32_MAX

typedef struct source_calls {
    panicmon_request health;
    panicmon_request head;
} source_calls;

typedef enum stage { ASK_HEADS, ASK_STATE, PUBLISH, HEARTBEAT, OVER } stage;

typedef struct node_monitor {
    const pm_node_config *config;
    pm_node_facts facts;
    int64_t properties_ms; /* when they were read; 0: never */
    stage stage;
    pm_node_view view;

    /* requests of the step before */
    panicmon_request sync_state;
    panicmon_request runtime_version;
    panicmon_request chain;
    panicmon_request version;
    panicmon_request genesis;
    panicmon_request header;
    panicmon_request best_header;
    panicmon_request state;
    panicmon_request properties;
    panicmon_request sample;
    source_calls *sources; /* one per data source; the last is the node itself */
    size_t source_count;
} node_monitor;

static panicmon_err make_room(node_monitor *monitor)
{
    size_t count = monitor->config->source_count;
    if (monitor->source_count == count) {
        return PANICMON_OK;
    }
    source_calls *sources = realloc(monitor->sources, count * sizeof *sources);
    if (sources == NULL) {
        return PANICMON_ERR_NOMEM;
    }
    monitor->sources = sources;
    monitor->source_count = count;
    return PANICMON_OK;
}

/* Keeps the first failure of several calls. */
static void call(panicmon_err *status, panicmon_round *round, const char *url, const char *method,
                 const char *params, panicmon_request *out)
{
    *out = NONE;
    if (*status == PANICMON_OK) {
        *status = panicmon_round_rpc(round, url, method, params, 0, out);
    }
}

static const panicmon_reply *reply_to(const panicmon_round *round, panicmon_request request)
{
    return request == NONE ? NULL : panicmon_round_reply(round, request);
}

static bool succeeded(const panicmon_reply *reply)
{
    return reply != NULL && panicmon_reply_status(reply) == PANICMON_OK;
}

static pm_json result_of(const panicmon_reply *reply)
{
    size_t len;
    const char *text = panicmon_reply_body(reply, &len);
    return (pm_json){.text = text, .len = len};
}

/* ---- error samples ---- */

static panicmon_err publish(node_monitor *monitor, panicmon_round *round, pm_buf *body)
{
    monitor->stage = HEARTBEAT;
    if (body->failed) {
        return PANICMON_ERR_NOMEM;
    }
    return panicmon_round_publish(round, EXCHANGE, ROUTING_KEY, body->data, body->len,
                                  &monitor->sample);
}

/* Publishes an error sample; `detail` is for the log only. */
static panicmon_err fail(node_monitor *monitor, panicmon_round *round, int code,
                         panicmon_err status, const char *message, const char *detail)
{
    pm_buf told = {0};
    pm_buf body = {0};
    pm_buf_format(&told, "%s%s%s (code %d)", message, *detail == '\0' ? "" : ": ", detail, code);
    panicmon_round_fail(round, status, told.failed ? message : told.data);
    pm_buf_clear(&monitor->facts.genesis); /* the node may come back as another one: ask again */
    pm_node_error_sample(&body, monitor->config, panicmon_round_name(round), code, message);
    panicmon_err published = publish(monitor, round, &body);
    pm_buf_free(&told);
    pm_buf_free(&body);
    return published;
}

static panicmon_err fail_format(node_monitor *monitor, panicmon_round *round, int code,
                                panicmon_err status, const char *detail, const char *format, ...)
    __attribute__((format(printf, 6, 7)));

static panicmon_err fail_format(node_monitor *monitor, panicmon_round *round, int code,
                                panicmon_err status, const char *detail, const char *format, ...)
{
    pm_buf message = {0};
    va_list args;
    va_start(args, format);
    pm_buf_format_list(&message, format, args);
    va_end(args);
    panicmon_err published = message.failed
                                 ? PANICMON_ERR_NOMEM
                                 : fail(monitor, round, code, status, message.data, detail);
    pm_buf_free(&message);
    return published;
}

/* The monitored node itself did not answer a call. Whatever is no JSON-RPC answer counts as
 * unreachable: nothing can be read from such a node, and PANIC alerts on 5015 only. */
static panicmon_err fail_direct(node_monitor *monitor, panicmon_round *round, const char *method,
                                const panicmon_reply *reply)
{
    const char *why = panicmon_reply_message(reply);
    if (panicmon_reply_status(reply) == PANICMON_ERR_RPC) {
        return fail_format(monitor, round, CALL_FAILED, PANICMON_ERR_RPC, "",
                           "Substrate API call %s failed. Error: %s", method, why);
    }
    return fail_format(monitor, round, NODE_IS_DOWN, panicmon_reply_status(reply), why,
                       "Node %s is unreachable", monitor->config->name);
}

static panicmon_err fail_indirect(node_monitor *monitor, panicmon_round *round, const char *method,
                                  const panicmon_reply *reply)
{
    return fail_format(monitor, round, CALL_FAILED, panicmon_reply_status(reply), "",
                       "Substrate API call %s failed. Error: %s", method,
                       panicmon_reply_message(reply));
}

static panicmon_err fail_shape(node_monitor *monitor, panicmon_round *round, const char *method)
{
    return fail_format(monitor, round, INCOMPATIBLE, PANICMON_ERR_PROTOCOL, method,
                       "Data of node %s could not be read: its answers are not those of a "
                       "Substrate node this build knows. See the log of the monitor, or switch "
                       "monitoring of node %s off.",
                       monitor->config->name, monitor->config->name);
}

/* ---- step 0 ---- */

static panicmon_err ask_heads(node_monitor *monitor, panicmon_round *round)
{
    panicmon_err status = make_room(monitor);
    if (status != PANICMON_OK) {
        return status;
    }
    const pm_node_config *config = monitor->config;
    const char *url = pm_node_config_url(config);
    monitor->view = (pm_node_view){0};
    for (size_t i = 0; i < config->source_count; i++) {
        source_calls *calls = &monitor->sources[i];
        call(&status, round, config->sources[i].url, "system_health", NULL, &calls->health);
        call(&status, round, config->sources[i].url, "chain_getFinalizedHead", NULL, &calls->head);
    }
    call(&status, round, url, "system_syncState", NULL, &monitor->sync_state);
    call(&status, round, url, "state_getRuntimeVersion", NULL, &monitor->runtime_version);
    monitor->chain = monitor->version = monitor->genesis = NONE;
    if (monitor->facts.genesis.len == 0) {
        call(&status, round, url, "system_chain", NULL, &monitor->chain);
        call(&status, round, url, "system_version", NULL, &monitor->version);
        call(&status, round, url, "chain_getBlockHash", "[0]", &monitor->genesis);
    }
    monitor->stage = ASK_STATE;
    return status;
}

/* ---- step 1 ---- */

static void keep_text(const panicmon_reply *reply, pm_buf *fact)
{
    pm_json value = succeeded(reply) ? result_of(reply) : (pm_json){0};
    if (pm_json_is(value, '"')) {
        pm_buf_clear(fact);
        pm_buf_add(fact, value.text, value.len);
    }
}

static void read_facts(node_monitor *monitor, const panicmon_round *round)
{
    const panicmon_reply *version = reply_to(round, monitor->runtime_version);
    keep_text(reply_to(round, monitor->chain), &monitor->facts.chain);
    keep_text(reply_to(round, monitor->version), &monitor->facts.version);
    keep_text(reply_to(round, monitor->genesis), &monitor->facts.genesis);
    if (succeeded(version)) {
        pm_json result = result_of(version);
        pm_json name = pm_json_member(result, "specName");
        pm_maybe *spec = &monitor->view.spec_version;
        spec->known = pm_json_int(pm_json_member(result, "specVersion"), &spec->value);
        if (pm_json_is(name, '"')) {
            pm_buf_clear(&monitor->facts.spec_name);
            pm_buf_add(&monitor->facts.spec_name, name.text, name.len);
        }
    }
}

/* The first data source that answers and says it is synced; its place, or the count. */
static size_t choose_source(const node_monitor *monitor, const panicmon_round *round)
{
    size_t i = 0;
    for (; i < monitor->source_count; i++) {
        const panicmon_reply *health = reply_to(round, monitor->sources[i].health);
        pm_health got;
        if (succeeded(health) && pm_read_health(result_of(health), &got) && !got.is_syncing &&
            succeeded(reply_to(round, monitor->sources[i].head))) {
            break;
        }
    }
    return i;
}

/* `[hash]` or `[keys, hash]`, where `head` is the JSON text of a hash. */
static panicmon_err ask_with_hash(panicmon_round *round, const char *url, const char *method,
                                  const char *first, pm_json head, panicmon_request *out)
{
    pm_buf params = {0};
    pm_buf_format(&params, "[%s%s", first, *first == '\0' ? "" : ", ");
    pm_buf_add(&params, head.text, head.len);
    pm_buf_char(&params, ']');
    panicmon_err status = params.failed ? PANICMON_ERR_NOMEM
                                        : panicmon_round_rpc(round, url, method, params.data,
                                                             PANICMON_RPC_PINNED, out);
    pm_buf_free(&params);
    return status;
}

static panicmon_err ask_state(node_monitor *monitor, panicmon_round *round)
{
    const pm_node_config *config = monitor->config;
    const char *url = pm_node_config_url(config);
    size_t own = monitor->source_count - 1;
    const panicmon_reply *head = reply_to(round, monitor->sources[own].head);
    const panicmon_reply *sync = reply_to(round, monitor->sync_state);
    const panicmon_reply *health = reply_to(round, monitor->sources[own].health);
    panicmon_err status = PANICMON_OK;
    read_facts(monitor, round);
    if (!succeeded(head)) {
        return fail_direct(monitor, round, "chain_getFinalizedHead", head);
    }
    if (!pm_json_is(result_of(head), '"')) {
        return fail_shape(monitor, round, "chain_getFinalizedHead");
    }
    monitor->best_header = NONE;
    if (panicmon_reply_status(sync) == PANICMON_ERR_RPC) {
        /* Light and test nodes have no system_syncState: the best header stands in. */
        call(&status, round, url, "chain_getHeader", NULL, &monitor->best_header);
    } else if (!succeeded(sync)) {
        return fail_direct(monitor, round, "system_syncState", sync);
    } else if (!pm_read_sync_state(result_of(sync), &monitor->view)) {
        return fail_shape(monitor, round, "system_syncState");
    }
    if (succeeded(health)) {
        (void)pm_read_health(result_of(health), &monitor->view.health);
    }
    size_t chosen = choose_source(monitor, round);
    if (chosen == monitor->source_count) {
        return fail_format(monitor, round, NO_SYNCED_SOURCE, PANICMON_ERR_NOENT, "",
                           "%s could not access any synced indirect Substrate websocket node.",
                           panicmon_round_name(round));
    }
    const char *source = config->sources[chosen].url;
    monitor->view.source_url = source;
    if (status == PANICMON_OK) {
        status =
            ask_with_hash(round, url, "chain_getHeader", "", result_of(head), &monitor->header);
    }
    if (status == PANICMON_OK) {
        status = ask_with_hash(round, source, "state_queryStorageAt",
                               "[\"" SESSION_INDEX "\", \"" ACTIVE_ERA "\", \"" HISTORY_DEPTH "\"]",
                               result_of(reply_to(round, monitor->sources[chosen].head)),
                               &monitor->state);
    }
    monitor->properties = NONE;
    if (monitor->properties_ms == 0 ||
        panicmon_round_time_ms(round) - monitor->properties_ms >= PROPERTIES_MS) {
        call(&status, round, source, "system_properties", NULL, &monitor->properties);
    }
    monitor->stage = PUBLISH;
    return status;
}

/* ---- step 2 ---- */

static void read_properties(node_monitor *monitor, const panicmon_round *round)
{
    const panicmon_reply *reply = reply_to(round, monitor->properties);
    if (succeeded(reply) && pm_read_properties(result_of(reply), &monitor->facts.properties)) {
        monitor->properties_ms = panicmon_round_time_ms(round);
    }
}

static panicmon_err publish_sample(node_monitor *monitor, panicmon_round *round)
{
    pm_node_view *view = &monitor->view;
    const panicmon_reply *header = reply_to(round, monitor->header);
    const panicmon_reply *best = reply_to(round, monitor->best_header);
    const panicmon_reply *state = reply_to(round, monitor->state);
    read_properties(monitor, round);
    if (!succeeded(header)) {
        return fail_direct(monitor, round, "chain_getHeader", header);
    }
    if (!pm_read_header_number(result_of(header), &view->finalized)) {
        return fail_shape(monitor, round, "chain_getHeader");
    }
    if (best != NULL && !succeeded(best)) {
        return fail_direct(monitor, round, "chain_getHeader", best);
    }
    if (best != NULL && !pm_read_header_number(result_of(best), &view->best)) {
        return fail_shape(monitor, round, "chain_getHeader");
    }
    if (!succeeded(state)) {
        return fail_indirect(monitor, round, "state_queryStorageAt", state);
    }
    pm_json changes = result_of(state);
    if (!pm_read_storage_u32(changes, SESSION_INDEX, &view->session) ||
        !pm_read_storage_u32(changes, ACTIVE_ERA, &view->era) ||
        !pm_read_storage_u32(changes, HISTORY_DEPTH, &view->history_depth)) {
        return fail_shape(monitor, round, "state_queryStorageAt");
    }
    pm_buf body = {0};
    pm_node_sample(&body, monitor->config, panicmon_round_name(round), view, &monitor->facts);
    panicmon_err status = publish(monitor, round, &body);
    pm_buf_free(&body);
    return status;
}

/* ---- the monitor ---- */

static panicmon_err node_step(void *user, panicmon_round *round, panicmon_error **err)
{
    node_monitor *monitor = user;
    (void)err;
    if (panicmon_round_step(round) == 0) {
        monitor->stage = ASK_HEADS;
    }
    switch (monitor->stage) {
    case ASK_HEADS:
        return ask_heads(monitor, round);
    case ASK_STATE:
        return ask_state(monitor, round);
    case PUBLISH:
        return publish_sample(monitor, round);
    case HEARTBEAT:
        monitor->stage = OVER;
        if (succeeded(reply_to(round, monitor->sample))) {
            return panicmon_round_heartbeat(round, NULL);
        }
        return PANICMON_OK;
    case OVER:
        break;
    }
    return PANICMON_OK;
}

static panicmon_err node_update(void *user, void *parsed)
{
    node_monitor *monitor = user;
    if (!pm_node_config_same_node(monitor->config, parsed)) {
        return PANICMON_ERR_STATE;
    }
    monitor->config = parsed;
    return PANICMON_OK;
}

static void node_free(void *user)
{
    node_monitor *monitor = user;
    pm_node_facts_free(&monitor->facts);
    free(monitor->sources);
    free(monitor);
}

/* ---- the strategy ---- */

static panicmon_err strategy_parse(void *user, const panicmon_config *config, void **parsed,
                                   panicmon_error **err)
{
    pm_node_config *made = NULL;
    (void)user;
    panicmon_err status = pm_node_config_parse(&made, config, err);
    *parsed = made;
    return status;
}

static panicmon_err strategy_start(void *user, void *parsed, panicmon_launch *launch,
                                   panicmon_error **err)
{
    static const panicmon_monitor_ops ops = {.struct_size = sizeof ops,
                                             .step = node_step,
                                             .update = node_update,
                                             .monitor_free = node_free};
    const pm_node_config *config = parsed;
    pm_buf name = {0};
    (void)user;
    (void)err;
    node_monitor *monitor = calloc(1, sizeof *monitor);
    pm_buf_format(&name, "Node monitor (%s)", config->name);
    panicmon_err status = monitor == NULL || name.failed ? PANICMON_ERR_NOMEM : PANICMON_OK;
    if (status == PANICMON_OK) {
        monitor->config = config;
        status = panicmon_launch_name(launch, name.data);
    }
    if (status == PANICMON_OK) {
        status = panicmon_launch_source(launch, config->parent_id, config->id, config->name);
    }
    if (status == PANICMON_OK) {
        status = panicmon_launch_monitor(launch, &ops, monitor);
    }
    if (status != PANICMON_OK) {
        free(monitor);
    }
    pm_buf_free(&name);
    return status;
}

static void strategy_parsed_free(void *user, void *parsed)
{
    (void)user;
    pm_node_config_free(parsed);
}

const panicmon_strategy_ops *panicmon_substrate_node_strategy(void)
{
    static const panicmon_strategy_ops ops = {.struct_size = sizeof ops,
                                              .name = "substrate_node",
                                              .parse = strategy_parse,
                                              .start = strategy_start,
                                              .parsed_free = strategy_parsed_free};
    return &ops;
}
