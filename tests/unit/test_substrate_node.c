/* test_substrate_node.c: the Substrate node strategy without a network: each step is handed its
 * replies and looked at for what it asks. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <panicmon/substrate.h>

#include "base/json.h"
#include "core/config_set.h"
#include "core/monitor_impl.h"

#define NODE  "ws://node:1"
#define OTHER "ws://other:2"
#define KEY   "chains.substrate.polkadot.nodes_config"
#define HEAD  "\"0x00000000000000000000000000000000000000000000000000000000000000aa\""

/* What the world answers to a call; `url` NULL: any. `result` NULL: `status` and `message`. */
typedef struct answer {
    const char *url;
    const char *method;
    const char *result;
    panicmon_err status;
    const char *message;
} answer;

static const answer healthy[] = {
    {NULL, "system_health", "{\"peers\": 7, \"isSyncing\": false, \"shouldHavePeers\": true}", 0,
     0},
    {NULL, "chain_getFinalizedHead", HEAD, 0, 0},
    {NULL, "system_syncState", "{\"startingBlock\":0,\"currentBlock\":105,\"highestBlock\":107}", 0,
     0},
    {NULL, "state_getRuntimeVersion", "{\"specName\":\"polkadot\",\"specVersion\":9160}", 0, 0},
    {NULL, "system_chain", "\"Polkadot\"", 0, 0},
    {NULL, "system_version", "\"1.2.3\"", 0, 0},
    {NULL, "chain_getBlockHash", "\"0x91b1\"", 0, 0},
    {NULL, "chain_getHeader", "{\"number\": \"0x64\"}", 0, 0},
    {NULL, "system_properties", "{\"ss58Format\":0,\"tokenDecimals\":10,\"tokenSymbol\":\"DOT\"}",
     0, 0},
    {NULL, "state_queryStorageAt",
     "[{\"block\":" HEAD ",\"changes\":["
     "[\"0xcec5070d609dd3497f72bde07fc96ba072763800a36a99fdfc7c10f6415f6ee6\",\"0xb3000000\"],"
     "[\"0x5f3e4907f716ac89b6347d15ececedca487df464e44a534ba6b0cbb32407b587\",\"0x1e00000001ff\"],"
     "[\"0x5f3e4907f716ac89b6347d15ececedcaac0a2cbf8e355f5ea6cb2de8727bfb0c\",null]]}]",
     0, 0},
};
#define HEALTHY (sizeof healthy / sizeof healthy[0])

typedef struct world {
    void *parsed;
    panicmon_launch launch;
    panicmon_round round;
    char *sample; /* the last message to raw_data */
    int heartbeats;
    int calls;
    panicmon_err confirm; /* how the sample's publish ends */
} world;

static panicmon_config_set *set_of(const char *json)
{
    panicmon_config_set *set = NULL;
    panicmon_error *err = NULL;
    panicmon_err status = pm_config_set_parse(&set, KEY, json, strlen(json), &err);
    ck_assert_msg(status == PANICMON_OK, "%s", panicmon_error_message(err));
    return set;
}

static void open_world(world *at, const char *json, size_t entry)
{
    const panicmon_strategy_ops *ops = panicmon_substrate_node_strategy();
    panicmon_config_set *set = set_of(json);
    *at = (world){0};
    ck_assert_int_eq(ops->parse(NULL, panicmon_config_set_at(set, entry), &at->parsed, NULL),
                     PANICMON_OK);
    ck_assert_int_eq(ops->start(NULL, at->parsed, &at->launch, NULL), PANICMON_OK);
    ck_assert(at->launch.launched);
    at->round.name = at->launch.name;
    pm_config_set_free(set);
}

static void close_world(world *at)
{
    at->launch.ops.monitor_free(at->launch.monitor);
    panicmon_substrate_node_strategy()->parsed_free(NULL, at->parsed);
    pm_round_free(&at->round);
    free(at->launch.name);
    free(at->launch.chain_id);
    free(at->launch.source_id);
    free(at->launch.source_name);
    free(at->sample);
}

static const answer *find_answer(const answer *answers, size_t count, const pm_request *request)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(answers[i].method, request->name) == 0 &&
            (answers[i].url == NULL || strcmp(answers[i].url, request->target) == 0)) {
            return &answers[i];
        }
    }
    return NULL;
}

static void do_request(world *at, pm_request *request, const answer *special, size_t count)
{
    if (request->kind == PM_REQUEST_PUBLISH) {
        if (strcmp(request->target, "raw_data") == 0) {
            free(at->sample);
            at->sample = strdup(request->in.data);
            ck_assert_str_eq(request->name, "node.substrate");
            pm_request_finish(request, at->confirm, 0, NULL);
            return;
        }
        ck_assert_str_eq(request->target, "health_check");
        ck_assert_str_eq(request->name, "heartbeat.worker");
        at->heartbeats++;
        pm_request_finish(request, PANICMON_OK, 0, NULL);
        return;
    }
    ck_assert_int_eq(request->kind, PM_REQUEST_RPC);
    at->calls++;
    const answer *found = find_answer(special, count, request);
    if (found == NULL) {
        found = find_answer(healthy, HEALTHY, request);
    }
    ck_assert_msg(found != NULL, "unexpected call %s", request->name);
    if (found->result != NULL) {
        pm_buf_text(&request->out, found->result);
    }
    pm_request_finish(request, found->status, found->status == PANICMON_ERR_RPC ? -32601 : 0,
                      found->message);
}

/* One whole round; `special` answers go before the healthy ones. */
static void run_round(world *at, const answer *special, size_t count)
{
    const panicmon_monitor_ops *ops = &at->launch.ops;
    at->calls = 0;
    at->heartbeats = 0;
    pm_round_begin(&at->round, 1000, 0, 10000);
    for (;;) {
        ck_assert_int_eq(ops->step(at->launch.monitor, &at->round, NULL), PANICMON_OK);
        if (at->round.asked.count == 0) {
            break;
        }
        for (size_t i = 0; i < at->round.asked.count; i++) {
            do_request(at, at->round.asked.items[i], special, count);
        }
        pm_round_turn(&at->round);
    }
    pm_round_clear(&at->round);
}

/* The member at a path of names in the last sample. */
static pm_json in_sample(const world *at, const char *path)
{
    pm_json value;
    char name[64];
    ck_assert_ptr_nonnull(at->sample);
    ck_assert_msg(pm_json_parse(at->sample, strlen(at->sample), &value, NULL), "%s", at->sample);
    while (*path != '\0') {
        size_t n = strcspn(path, ".");
        (void)snprintf(name, sizeof name, "%.*s", (int)n, path);
        value = pm_json_member(value, name);
        path += n + (path[n] == '.');
    }
    return value;
}

static void expect(const world *at, const char *path, const char *json)
{
    pm_json value = in_sample(at, path);
    ck_assert_msg(value.text != NULL && value.len == strlen(json) &&
                      memcmp(value.text, json, value.len) == 0,
                  "%s is %.*s, not %s", path, (int)value.len, value.text, json);
}

#define DATA "websocket.result.data."
#define META "websocket.result.meta_data."

START_TEST(a_healthy_round_gives_panics_sample)
{
    world at;
    open_world(&at, "{\"n1\": {\"node_id\": \"n1\", \"ws_url\": \"" NODE "\"}}", 0);
    run_round(&at, NULL, 0);
    ck_assert_int_eq(at.heartbeats, 1);
    ck_assert(!at.round.failed);
    expect(&at, META "monitor_name", "\"Node monitor (n1)\"");
    expect(&at, META "node_id", "\"n1\"");
    expect(&at, META "node_parent_id", "\"polkadot\"");
    expect(&at, META "is_validator", "false");
    expect(&at, META "stash_address", "\"\"");
    expect(&at, DATA "best_height", "105");
    expect(&at, DATA "target_height", "107");
    expect(&at, DATA "finalized_height", "100");
    expect(&at, DATA "current_session", "179");
    expect(&at, DATA "current_era", "30");
    expect(&at, DATA "history_depth_eras", "null");
    expect(&at, DATA "eras_stakers", "{\"total\": null, \"own\": null, \"others\": []}");
    expect(&at, DATA "system_properties",
           "{\"ss58Format\": 0, \"tokenDecimals\": [10], \"tokenSymbol\": [\"DOT\"]}");
    expect(&at, DATA "historical", "[]");
    expect(&at, DATA "panicmon.peers", "7");
    expect(&at, DATA "panicmon.chain", "\"Polkadot\"");
    close_world(&at);
}
END_TEST

START_TEST(facts_are_asked_once)
{
    world at;
    open_world(&at, "{\"n1\": {\"node_id\": \"n1\", \"ws_url\": \"" NODE "\"}}", 0);
    run_round(&at, NULL, 0);
    int first = at.calls;
    run_round(&at, NULL, 0);
    ck_assert_int_eq(at.calls, first - 4); /* chain, version, genesis, properties */
    expect(&at, DATA "panicmon.chain", "\"Polkadot\"");
    close_world(&at);
}
END_TEST

START_TEST(a_node_that_is_down_gives_5015)
{
    static const answer down[] = {
        {NODE, "chain_getFinalizedHead", NULL, PANICMON_ERR_WS, "connection refused"}};
    world at;
    open_world(&at,
               "{\"n1\": {\"id\": \"i\", \"parent_id\": \"p\", \"name\": \"down_1\","
               "\"node_ws_url\": \"" NODE "\"}}",
               0);
    run_round(&at, down, 1);
    expect(&at, "websocket.error.code", "5015");
    expect(&at, "websocket.error.message", "\"Node down_1 is unreachable\"");
    expect(&at, "websocket.error.meta_data.node_id", "\"i\"");
    expect(&at, "websocket.error.meta_data.is_validator", "false");
    ck_assert(at.round.failed);
    ck_assert_int_eq(at.heartbeats, 1);
    run_round(&at, NULL, 0);
    expect(&at, DATA "best_height", "105");
    close_world(&at);
}
END_TEST

START_TEST(an_rpc_error_gives_5031_and_a_wrong_shape_5033)
{
    static const answer refused[] = {
        {NULL, "chain_getFinalizedHead", NULL, PANICMON_ERR_RPC, "Method not found"}};
    static const answer strange[] = {{NULL, "system_syncState", "[1,2]", 0, 0}};
    static const answer state[] = {
        {NULL, "state_queryStorageAt", NULL, PANICMON_ERR_RPC, "State already discarded"}};
    world at;
    open_world(&at, "{\"n1\": {\"node_id\": \"n1\", \"ws_url\": \"" NODE "\"}}", 0);
    run_round(&at, refused, 1);
    expect(&at, "websocket.error.code", "5031");
    expect(&at, "websocket.error.message",
           "\"Substrate API call chain_getFinalizedHead failed. Error: Method not found\"");
    run_round(&at, strange, 1);
    expect(&at, "websocket.error.code", "5033");
    run_round(&at, state, 1);
    expect(&at, "websocket.error.code", "5031");
    close_world(&at);
}
END_TEST

START_TEST(without_a_synced_source_5019)
{
    static const answer syncing[] = {
        {NULL, "system_health", "{\"peers\":1,\"isSyncing\":true,\"shouldHavePeers\":true}", 0, 0}};
    world at;
    open_world(&at, "{\"n1\": {\"node_id\": \"n1\", \"ws_url\": \"" NODE "\"}}", 0);
    run_round(&at, syncing, 1);
    expect(&at, "websocket.error.code", "5019");
    close_world(&at);
}
END_TEST

#define PAIR                                                                                       \
    "{\"v\": {\"id\": \"v\", \"parent_id\": \"p\", \"name\": \"val\", \"node_ws_url\": \"" NODE    \
    "\", \"is_validator\": \"true\", \"stash_address\": \"abc\", \"use_as_data_source\": "         \
    "\"false\"}, \"f\": {\"id\": \"f\", \"parent_id\": \"p\", \"name\": \"full\", "                \
    "\"node_ws_url\": \"" OTHER "\", \"use_as_data_source\": \"true\"}}"

START_TEST(indirect_data_comes_from_the_first_synced_source)
{
    static const answer other_syncing[] = {
        {OTHER, "system_health", "{\"peers\":1,\"isSyncing\":true,\"shouldHavePeers\":true}", 0,
         0}};
    static const answer other_down[] = {
        {OTHER, "system_health", NULL, PANICMON_ERR_TIMEOUT, "timed out"},
        {OTHER, "chain_getFinalizedHead", NULL, PANICMON_ERR_TIMEOUT, "timed out"}};
    world at;
    open_world(&at, PAIR, 0);
    run_round(&at, NULL, 0);
    expect(&at, DATA "panicmon.source", "\"" OTHER "\"");
    expect(&at, META "is_validator", "true");
    expect(&at, META "stash_address", "\"abc\"");
    run_round(&at, other_syncing, 1);
    expect(&at, DATA "panicmon.source", "\"" NODE "\"");
    run_round(&at, other_down, 2);
    expect(&at, DATA "panicmon.source", "\"" NODE "\"");
    close_world(&at);
}
END_TEST

START_TEST(an_update_swaps_data_sources_in_place)
{
    const panicmon_strategy_ops *ops = panicmon_substrate_node_strategy();
    world at;
    open_world(&at, PAIR, 0);
    run_round(&at, NULL, 0);
    panicmon_config_set *alone =
        set_of("{\"v\": {\"id\": \"v\", \"parent_id\": \"p\", \"name\": \"val\", \"node_ws_url\": "
               "\"" NODE "\", \"is_validator\": \"true\", \"stash_address\": \"abc\"}}");
    void *parsed = NULL;
    ck_assert_int_eq(ops->parse(NULL, panicmon_config_set_at(alone, 0), &parsed, NULL), 0);
    ck_assert_int_eq(at.launch.ops.update(at.launch.monitor, parsed), PANICMON_OK);
    ops->parsed_free(NULL, at.parsed);
    at.parsed = parsed;
    run_round(&at, NULL, 0);
    expect(&at, DATA "panicmon.source", "\"" NODE "\"");
    pm_config_set_free(alone);
    close_world(&at);
}
END_TEST

START_TEST(an_unconfirmed_sample_sends_no_heartbeat)
{
    world at;
    open_world(&at, "{\"n1\": {\"node_id\": \"n1\", \"ws_url\": \"" NODE "\"}}", 0);
    at.confirm = PANICMON_ERR_TIMEOUT;
    run_round(&at, NULL, 0);
    ck_assert_int_eq(at.heartbeats, 0);
    close_world(&at);
}
END_TEST

START_TEST(without_sync_state_the_best_header_stands_in)
{
    static const answer none[] = {
        {NULL, "system_syncState", NULL, PANICMON_ERR_RPC, "Method not found"}};
    world at;
    open_world(&at, "{\"n1\": {\"node_id\": \"n1\", \"ws_url\": \"" NODE "\"}}", 0);
    run_round(&at, none, 1);
    expect(&at, DATA "best_height", "100");
    expect(&at, DATA "target_height", "null");
    close_world(&at);
}
END_TEST

static void expect_fault(const char *entry, panicmon_err status, const char *const *words)
{
    char json[512];
    (void)snprintf(json, sizeof json, "{\"the-id\": %s}", entry);
    panicmon_config_set *set = set_of(json);
    panicmon_error *err = NULL;
    void *parsed = NULL;
    const panicmon_strategy_ops *ops = panicmon_substrate_node_strategy();
    ck_assert_msg(ops->parse(NULL, panicmon_config_set_at(set, 0), &parsed, &err) == status, "%s",
                  entry);
    ck_assert_ptr_null(parsed);
    for (; words != NULL && *words != NULL; words++) {
        ck_assert_msg(strstr(panicmon_error_message(err), *words) != NULL, "no '%s' in: %s", *words,
                      panicmon_error_message(err));
    }
    panicmon_error_free(err);
    pm_config_set_free(set);
}

START_TEST(bad_entries_name_key_id_and_field)
{
    static const char *const url[] = {KEY, "the-id", "node_ws_url", NULL};
    static const char *const short_url[] = {KEY, "the-id", "ws_url", NULL};
    static const char *const stash[] = {KEY, "the-id", "stash_address", NULL};
    static const char *const flag[] = {KEY, "the-id", "is_validator", NULL};
    expect_fault("{\"id\": \"a\"}", PANICMON_ERR_NOENT, url);
    expect_fault("{\"node_ws_url\": 5}", PANICMON_ERR_PARSE, url);
    expect_fault("{\"node_ws_url\": \"http://x\"}", PANICMON_ERR_PARSE, url);
    expect_fault("{\"ws_url\": \"nonsense\"}", PANICMON_ERR_PARSE, short_url);
    expect_fault("{\"node_ws_url\": \"ws://x\", \"is_validator\": \"true\"}", PANICMON_ERR_PARSE,
                 stash);
    expect_fault("{\"node_ws_url\": \"ws://x\", \"is_validator\": []}", PANICMON_ERR_PARSE, flag);
    expect_fault("{\"node_ws_url\": \"ws://x\", \"monitor_node\": \"false\"}", PANICMON_ERR_STATE,
                 NULL);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("substrate_node");
    TCase *all = tcase_create("all");
    tcase_add_test(all, a_healthy_round_gives_panics_sample);
    tcase_add_test(all, facts_are_asked_once);
    tcase_add_test(all, a_node_that_is_down_gives_5015);
    tcase_add_test(all, an_rpc_error_gives_5031_and_a_wrong_shape_5033);
    tcase_add_test(all, without_a_synced_source_5019);
    tcase_add_test(all, indirect_data_comes_from_the_first_synced_source);
    tcase_add_test(all, an_update_swaps_data_sources_in_place);
    tcase_add_test(all, an_unconfirmed_sample_sends_no_heartbeat);
    tcase_add_test(all, without_sync_state_the_best_header_stands_in);
    tcase_add_test(all, bad_entries_name_key_id_and_field);
    suite_add_tcase(suite, all);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
