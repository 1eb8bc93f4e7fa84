/* test_sim.c: the node simulator against a plain WebSocket client: the protocol, what it serves,
 * every way it can misbehave, and the frozen states of real chains where they are there. */
#include <check.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "support/simproc.h"
#include "support/wsclient.h"

#define SESSION_INDEX   "0xcec5070d609dd3497f72bde07fc96ba072763800a36a99fdfc7c10f6415f6ee6"
#define SESSION_MEMBERS "0xcec5070d609dd3497f72bde07fc96ba088dcde934c658227ee1dfafcd6e16903"
#define SYSTEM_EVENTS   "0x26aa394eea5630e07c48ae0c9558cef780d41e5e16056765bc8461851072c9d7"
#define ACTIVE_ERA      "0x5f3e4907f716ac89b6347d15ececedca487df464e44a534ba6b0cbb32407b587"
#define UNKNOWN         "0x7777777777777777777777777777777777777777777777777777777777777777"

static simproc sim;
static wsclient *ws;

/* ---- helpers ---- */

static void start(const char *const *options)
{
    ck_assert(simproc_start(&sim, options));
    ws = wsclient_open(sim.port, "/", 10000, NULL);
}

static void start_plain(void)
{
    static const char *const options[] = {"--block-time", "0", "--nodes", "4", NULL};
    start(options);
    ck_assert_ptr_nonnull(ws);
}

static void stop(void)
{
    wsclient_close(ws);
    ws = NULL;
    ck_assert_int_eq(simproc_stop(&sim), 0);
}

/* Asks over `to` for a method with params as JSON; the whole answer, to be freed. */
static char *ask_on(wsclient *to, const char *method, const char *params)
{
    pm_buf request = {0};
    pm_buf_format(&request, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"%s\",\"params\":%s}",
                  method, params);
    char *answer = wsclient_ask(to, request.data);
    pm_buf_free(&request);
    return answer;
}

/* The member of a JSON text by a path of names, as text; to be freed. */
static char *pick(const char *json, const char *names)
{
    pm_json value;
    char name[64];
    if (json == NULL || !pm_json_parse(json, strlen(json), &value, NULL)) {
        return NULL;
    }
    while (*names != '\0') {
        size_t len = strcspn(names, ".");
        memcpy(name, names, len);
        name[len] = '\0';
        value = pm_json_member(value, name);
        names += len + (names[len] == '.');
    }
    return value.text == NULL ? NULL : strndup(value.text, value.len);
}

/* The same of an answer that is freed. */
static char *take(char *answer, const char *names)
{
    char *value = pick(answer, names);
    free(answer);
    return value;
}

static void expect(const char *method, const char *params, const char *result)
{
    char *value = take(ask_on(ws, method, params), "result");
    ck_assert_str_eq(value, result);
    free(value);
}

static void expect_error(const char *method, const char *params, const char *code,
                         const char *message)
{
    char *answer = ask_on(ws, method, params);
    char *found = pick(answer, "error.code");
    ck_assert_str_eq(found, code);
    free(found);
    found = pick(answer, "error.message");
    ck_assert_ptr_nonnull(strstr(found, message));
    free(found);
    free(answer);
}

static void set_modes(const char *modes)
{
    wsclient *control = wsclient_open(sim.port, "/control", 10000, NULL);
    ck_assert_ptr_nonnull(control);
    char *result = take(ask_on(control, "sim_set", modes), "result");
    ck_assert_ptr_nonnull(result);
    free(result);
    wsclient_close(control);
}

static char *storage(const char *key, const char *hash)
{
    char params[256];
    (void)snprintf(params, sizeof params, "[\"%s\",%s]", key, hash);
    return take(ask_on(ws, "state_getStorage", params), "result");
}

/* ---- the protocol ---- */

START_TEST(test_batches)
{
    char *answer = wsclient_ask(ws, "[{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"system_health\"},"
                                    "{\"jsonrpc\":\"2.0\",\"method\":\"system_chain\"},7,"
                                    "{\"jsonrpc\":\"2.0\",\"id\":\"x\",\"method\":\"none\"}]");
    ck_assert_str_eq(answer,
                     "[{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"peers\":12,\"isSyncing\":false,"
                     "\"shouldHavePeers\":true}},"
                     "{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{\"code\":-32600,\"message\":"
                     "\"Invalid request\"}},"
                     "{\"jsonrpc\":\"2.0\",\"id\":\"x\",\"error\":{\"code\":-32601,\"message\":"
                     "\"Method not found\"}}]");
    free(answer);
    answer = take(wsclient_ask(ws, "[]"), "error.code");
    ck_assert_str_eq(answer, "-32600");
    free(answer);
    answer = take(wsclient_ask(ws, "{\"jsonrpc\":"), "error.code");
    ck_assert_str_eq(answer, "-32700");
    free(answer);
}
END_TEST

START_TEST(test_batch_limits)
{
    static const char two[] = "[{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"system_name\"},"
                              "{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"system_name\"}]";
    set_modes("{\"batch\":\"off\"}");
    char *answer = wsclient_ask(ws, two);
    ck_assert_str_eq(answer, "{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{\"code\":-32005,"
                             "\"message\":\"Batched requests are not supported by this server\"}}");
    free(answer);
    set_modes("{\"batch\":1}");
    answer = wsclient_ask(ws, two);
    ck_assert_str_eq(answer, "{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{\"code\":-32010,"
                             "\"message\":\"The batch request was too large\","
                             "\"data\":\"Exceeded max limit of 1\"}}");
    free(answer);
    set_modes("{\"batch\":null}");
    answer = wsclient_ask(ws, two);
    ck_assert_int_eq(answer[0], '[');
    free(answer);
}
END_TEST

START_TEST(test_frames)
{
    static const char request[] = "{\"jsonrpc\":\"2.0\",\"id\":5,\"method\":\"system_name\"}";
    ck_assert(wsclient_send_frame(ws, 0x89, "beat", 4));
    char *answer = wsclient_receive(ws, 10000, NULL);
    ck_assert_str_eq(answer, "beat");
    ck_assert_int_eq(ws->opcode, 10);
    free(answer);
    ck_assert(wsclient_send_frame(ws, 0x01, request, 20)); /* in three parts, a ping between */
    ck_assert(wsclient_send_frame(ws, 0x89, "", 0));
    ck_assert(wsclient_send_frame(ws, 0x00, request + 20, 1));
    ck_assert(wsclient_send_frame(ws, 0x80, request + 21, sizeof request - 22));
    free(wsclient_receive(ws, 10000, NULL));
    answer = wsclient_receive(ws, 10000, NULL);
    ck_assert_str_eq(answer, "{\"jsonrpc\":\"2.0\",\"id\":5,\"result\":\"Parity Polkadot\"}");
    free(answer);
    ck_assert(wsclient_send_frame(ws, 0x80, "x", 1)); /* continues nothing */
    answer = wsclient_receive(ws, 10000, NULL);
    ck_assert_int_eq(ws->opcode, 8);
    ck_assert(memcmp(answer, "\x03\xea", 2) == 0);
    free(answer);
    bool over = false;
    ck_assert_ptr_null(wsclient_receive(ws, 10000, &over));
    ck_assert(over);
}
END_TEST

START_TEST(test_paths)
{
    int status = 0;
    ck_assert_ptr_null(wsclient_open(sim.port, "/4", 10000, &status));
    ck_assert_int_eq(status, 404);
    wsclient *third = wsclient_open(sim.port, "/3", 10000, &status);
    ck_assert_ptr_nonnull(third);
    set_modes("{\"node\":\"/3\",\"peers\":3}");
    char *peers = take(ask_on(third, "system_health", "[]"), "result.peers");
    ck_assert_str_eq(peers, "3");
    free(peers);
    peers = take(ask_on(ws, "system_health", "[]"), "result.peers");
    ck_assert_str_eq(peers, "12");
    free(peers);
    wsclient_close(third);
}
END_TEST

/* ---- what is served ---- */

START_TEST(test_chain)
{
    expect("chain_getBlockHash", "[4000000000]", "null");
    char *genesis = take(ask_on(ws, "chain_getBlockHash", "[0]"), "result");
    ck_assert_uint_eq(strlen(genesis), 68);
    free(genesis);
    char *before = take(ask_on(ws, "chain_getBlockHash", "[]"), "result");
    char *head = take(ask_on(ws, "sim_advance", "[1]"), "result.number");
    ck_assert_str_eq(head, "\"0x4b1\"");
    free(head);
    char *parent = take(ask_on(ws, "chain_getHeader", "[]"), "result.parentHash");
    ck_assert_str_eq(parent, before);
    free(parent);
    free(before);
    expect("chain_getHeader", "[\"" UNKNOWN "\"]", "null");
    expect_error("state_getStorage", "[\"0x00\",\"" UNKNOWN "\"]", "4003",
                 "Client error: UnknownBlock: Header was not found in the database: " UNKNOWN);
    expect_error("state_queryStorageAt", "[[\"0x00\"],\"" UNKNOWN "\"]", "4001",
                 "Cannot resolve a block range");
    expect_error("state_getKeysPaged", "[\"0x\",1001]", "4002",
                 "count exceeds maximum value. value: 1001, max: 1000");
    expect("state_queryStorageAt", "[[]]", "[]");
}
END_TEST

START_TEST(test_storage)
{
    char *value = storage(SESSION_INDEX, "null");
    ck_assert_str_eq(value, "\"0x78000000\""); /* 1200 / 10 */
    free(value);
    value = storage(SESSION_MEMBERS, "null");
    ck_assert_int_eq(strncmp(value, "\"0x18", 5), 0); /* six of them */
    ck_assert_uint_eq(strlen(value), 2 + 2 + 2 + 6 * 64);
    free(value);
    char *old = take(ask_on(ws, "chain_getBlockHash", "[]"), "result");
    free(take(ask_on(ws, "sim_session", "[]"), "result"));
    value = storage(SESSION_INDEX, "null");
    ck_assert_str_eq(value, "\"0x79000000\"");
    free(value);
    value = storage(SESSION_INDEX, old); /* the past does not change */
    ck_assert_str_eq(value, "\"0x78000000\"");
    free(value);
    char *query = NULL;
    ck_assert_int_gt(asprintf(&query, "[[\"%s\",\"0xabcd\",\"%s\",\"0xabcd\"],%s]", SESSION_INDEX,
                              SESSION_INDEX, old),
                     0);
    char *expected = NULL;
    ck_assert_int_gt(asprintf(&expected,
                              "[{\"block\":%s,\"changes\":[[\"%s\",\"0x78000000\"],"
                              "[\"0xabcd\",null]]}]",
                              old, SESSION_INDEX),
                     0);
    expect("state_queryStorageAt", query, expected);
    free(query);
    free(expected);
    free(take(ask_on(ws, "sim_advance", "[300]"), "result"));
    char params[256];
    (void)snprintf(params, sizeof params, "[\"%s\",%s]", SESSION_INDEX, old);
    expect_error("state_getStorage", params, "4003", "UnknownBlock: State already discarded for");
    free(old);
}
END_TEST

START_TEST(test_levers)
{
    char *era = storage(ACTIVE_ERA, "null");
    free(take(ask_on(ws, "sim_era", "[]"), "result"));
    char *next = storage(ACTIVE_ERA, "null");
    ck_assert_int_eq(strncmp(era, "\"0x14000000", 11), 0);
    ck_assert_int_eq(strncmp(next, "\"0x15000000", 11), 0);
    free(era);
    free(next);
    char *state = ask_on(ws, "sim_state", "{}");
    char *list = pick(state, "result.validators");
    const char *account = strstr(list, "\"account\":\"0x") + 13;
    char *block = take(ask_on(ws, "sim_slash", "{\"validator\":0,\"amount\":\"9007199254740993\"}"),
                       "result.block");
    ck_assert_ptr_nonnull(block);
    free(block);
    free(take(ask_on(ws, "sim_advance", "[1]"), "result"));
    char *events = storage(SYSTEM_EVENTS, "null");
    char wanted[256]; /* Initialization, Staking, Slashed, account, amount, no topics */
    (void)snprintf(wanted, sizeof wanted, "020702%.64s01000000000020000000000000000000%s", account,
                   "00");
    ck_assert_ptr_nonnull(strstr(events, wanted));
    free(events);
    free(list);
    free(state);
    expect_error("sim_slash", "{\"validator\":\"0x1234\"}", "-32602", "validator:");
    expect_error("sim_set", "{\"stal\":1}", "-32602", "unknown mode 'stal'");
}
END_TEST

START_TEST(test_metadata)
{
    char *v14 = take(ask_on(ws, "state_getMetadata", "[]"), "result");
    ck_assert_int_eq(strncmp(v14, "\"0x6d6574610e", 13), 0);
    static const char *const names[] = {"53797374656d", "5374616b696e67", "4576656e7473"};
    for (size_t i = 0; i < 3; i++) { /* System, Staking, Events */
        ck_assert_ptr_nonnull(strstr(v14, names[i]));
    }
    char *wrapped = take(
        ask_on(ws, "state_call", "[\"Metadata_metadata_at_version\",\"0x0e000000\"]"), "result");
    ck_assert_int_eq(strncmp(wrapped, "\"0x01", 5), 0);
    ck_assert_str_eq(strstr(wrapped, "6d657461"), strstr(v14, "6d657461"));
    free(wrapped);
    free(v14);
    expect("state_call", "[\"Metadata_metadata_at_version\",\"0x0f000000\"]", "\"0x00\"");
    expect("state_call", "[\"Metadata_metadata_versions\",\"0x\"]", "\"0x040e000000\"");
    free(take(ask_on(ws, "sim_set", "{\"upgrade\":1000007}"), "result"));
    free(take(ask_on(ws, "sim_advance", "[1]"), "result"));
    char *spec = take(ask_on(ws, "state_getRuntimeVersion", "[]"), "result.specVersion");
    ck_assert_str_eq(spec, "1000007");
    free(spec);
}
END_TEST

START_TEST(test_subscriptions)
{
    char *id = take(ask_on(ws, "chain_subscribeFinalizedHeads", "[]"), "result");
    char *first = take(wsclient_receive(ws, 10000, NULL), "params.result.number");
    ck_assert_str_eq(first, "\"0x4ae\""); /* two behind 1200 */
    free(first);
    set_modes("{\"finality_lag\":1}");
    wsclient *other = wsclient_open(sim.port, "/control", 10000, NULL);
    free(ask_on(other, "sim_advance", "[1]"));
    char *note = wsclient_receive(ws, 10000, NULL);
    char *number = pick(note, "params.result.number");
    ck_assert_str_eq(number, "\"0x4b0\"");
    free(number);
    number = pick(note, "params.subscription");
    ck_assert_str_eq(number, id);
    free(number);
    free(note);
    char params[80];
    (void)snprintf(params, sizeof params, "[%s]", id);
    expect("chain_unsubscribeFinalizedHeads", params, "true");
    free(ask_on(other, "sim_advance", "[1]"));
    ck_assert_ptr_null(wsclient_receive(ws, 200, NULL));
    free(ask_on(ws, "state_subscribeStorage", "[[\"" SESSION_INDEX "\"]]"));
    free(wsclient_receive(ws, 10000, NULL));
    free(ask_on(other, "sim_session", "[]"));
    note = take(wsclient_receive(ws, 10000, NULL), "params.result.changes");
    ck_assert_str_eq(note, "[[\"" SESSION_INDEX "\",\"0x79000000\"]]");
    free(note);
    wsclient_close(other);
    free(id);
}
END_TEST

/* ---- misbehaviour ---- */

START_TEST(test_views)
{
    char *genesis = take(ask_on(ws, "chain_getBlockHash", "[0]"), "result");
    set_modes("{\"syncing\":true,\"peers\":0,\"frozen\":true}");
    free(take(ask_on(ws, "sim_advance", "[5]"), "result"));
    expect("system_health", "[]", "{\"peers\":0,\"isSyncing\":true,\"shouldHavePeers\":true}");
    expect("system_syncState", "[]",
           "{\"startingBlock\":1,\"currentBlock\":1200,\"highestBlock\":2200}");
    set_modes("{\"syncing\":false,\"frozen\":false,\"back\":3,"
              "\"genesis\":\"" UNKNOWN "\",\"deny\":[\"system_name\",\"system_chain\"]}");
    expect("system_syncState", "[]",
           "{\"startingBlock\":1,\"currentBlock\":1202,\"highestBlock\":1202}");
    expect("chain_getBlockHash", "[0]", "\"" UNKNOWN "\"");
    ck_assert_str_ne(genesis, "\"" UNKNOWN "\"");
    free(genesis);
    expect_error("system_chain", "[]", "-32601", "Method not found");
    set_modes("{\"no_sync_state\":true}");
    expect_error("system_syncState", "[]", "-32601", "Method not found");
}
END_TEST

START_TEST(test_frozen_keeps_its_state)
{
    set_modes("{\"node\":0,\"frozen\":true}");
    free(take(ask_on(ws, "sim_advance", "[600]"), "result"));
    char *value = storage(SESSION_INDEX, "null");
    ck_assert_str_eq(value, "\"0x78000000\"");
    free(value);
}
END_TEST

START_TEST(test_answers_spoilt)
{
    set_modes("{\"wrong_id\":true}");
    char *answer = take(ask_on(ws, "system_name", "[]"), "id");
    ck_assert_str_eq(answer, "987654321");
    free(answer);
    set_modes("{\"wrong_id\":false,\"garbage\":true,\"every\":2}");
    pm_json value;
    int good = 0;
    for (int i = 0; i < 4; i++) {
        answer = ask_on(ws, "system_name", "[]");
        good += pm_json_parse(answer, strlen(answer), &value, NULL);
        free(answer);
    }
    ck_assert_int_eq(good, 2);
    set_modes("{\"garbage\":false,\"every\":1,\"huge\":3000000}");
    answer = ask_on(ws, "system_name", "[]");
    ck_assert_uint_eq(strlen(answer), 3000000);
    free(answer);
    set_modes("{\"huge\":0,\"binary\":true,\"trickle\":true}");
    answer = take(ask_on(ws, "system_name", "[]"), "result");
    ck_assert_str_eq(answer, "\"Parity Polkadot\"");
    ck_assert_int_eq(ws->opcode, 2);
    free(answer);
    set_modes("{\"binary\":false,\"trickle\":false,\"delay\":150,\"jitter\":10}");
    ck_assert(wsclient_send(ws, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"system_name\"}"));
    ck_assert_ptr_null(wsclient_receive(ws, 20, NULL));
    answer = wsclient_receive(ws, 10000, NULL);
    ck_assert_ptr_nonnull(answer);
    free(answer);
    set_modes("{\"delay\":0,\"jitter\":0,\"stall\":true}");
    ck_assert(wsclient_send(ws, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"system_name\"}"));
    bool over = true;
    ck_assert_ptr_null(wsclient_receive(ws, 200, &over));
    ck_assert(!over);
    set_modes("{\"stall\":false,\"ping_flood\":5}");
    for (int i = 0; i < 20; i++) {
        answer = wsclient_receive(ws, 10000, NULL);
        ck_assert_int_eq(ws->opcode, 9);
        free(answer);
    }
}
END_TEST

START_TEST(test_connections_ended)
{
    bool over = false;
    set_modes("{\"close\":true}");
    ck_assert_ptr_null(ask_on(ws, "system_name", "[]"));
    wsclient_close(ws);
    set_modes("{\"close\":false,\"reset\":true}");
    ws = wsclient_open(sim.port, "/", 10000, NULL);
    ck_assert(wsclient_send(ws, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"system_name\"}"));
    ck_assert_ptr_null(wsclient_receive(ws, 10000, &over));
    ck_assert(over);
    int status = 0;
    set_modes("{\"reset\":false,\"refuse\":503}");
    ck_assert_ptr_null(wsclient_open(sim.port, "/", 10000, &status));
    ck_assert_int_eq(status, 503);
    set_modes("{\"refuse\":0,\"half_handshake\":true}");
    ck_assert_ptr_null(wsclient_open(sim.port, "/", 200, &status));
    ck_assert_int_eq(status, 0);
    set_modes("{\"half_handshake\":false,\"deaf\":true}");
    ck_assert_ptr_null(wsclient_open(sim.port, "/", 200, &status));
    ck_assert_int_eq(status, 0);
}
END_TEST

/* Three cuts: a reset, an end without a word and one with a frame that says so. */
START_TEST(test_cuts)
{
    int goodbyes = 0;
    wsclient *victims[3];
    for (int i = 0; i < 3; i++) {
        victims[i] = wsclient_open(sim.port, "/1", 10000, NULL);
        ck_assert_ptr_nonnull(victims[i]);
    }
    wsclient_close(ws); /* or it would be one of them */
    ws = wsclient_open(sim.port, "/control", 10000, NULL);
    free(ask_on(ws, "sim_set", "{\"cuts\":50}"));
    for (int i = 0; i < 3; i++) {
        bool over = false;
        char *last = wsclient_receive(victims[i], 10000, &over);
        ck_assert(last != NULL ? victims[i]->opcode == 8 : over);
        goodbyes += last != NULL;
        free(last);
        wsclient_close(victims[i]);
    }
    ck_assert_int_eq(goodbyes, 1);
    char *cuts = take(ask_on(ws, "sim_stats", "{}"), "result.cuts");
    ck_assert_str_eq(cuts, "3");
    free(cuts);
}
END_TEST

START_TEST(test_stats)
{
    free(ask_on(ws, "system_name", "[]"));
    char *answer = ask_on(ws, "sim_stats", "{\"node\":0}");
    static const char *const counts[][2] = {{"result.open", "1"},
                                            {"result.accepted", "1"},
                                            {"result.requests", "2"},
                                            {"result.framesIn", "2"},
                                            {"result.framesOut", "1"}};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        char *count = pick(answer, counts[i][0]);
        ck_assert_str_eq(count, counts[i][1]);
        free(count);
    }
    free(answer);
}
END_TEST

/* ---- other chains ---- */

START_TEST(test_legacy_and_seed)
{
    static const char *const options[] = {"--legacy", "--block-time", "0", "--seed", "7", NULL};
    char *hash[2];
    for (int i = 0; i < 2; i++) {
        start(options);
        free(take(ask_on(ws, "sim_advance", "[200]"), "result"));
        char *value = storage("0x5f3e4907f716ac89b6347d15ececedcaac0a2cbf8e355f5ea6cb2de8727bfb0c",
                              "null"); /* Staking.HistoryDepth */
        ck_assert_str_eq(value, "\"0x54000000\"");
        free(value);
        hash[i] = storage(SYSTEM_EVENTS, "null");
        stop();
    }
    ck_assert_str_eq(hash[0], hash[1]);
    free(hash[0]);
    free(hash[1]);
}
END_TEST

START_TEST(test_blocks_by_time)
{
    static const char *const options[] = {"--block-time", "0.02", NULL};
    start(options);
    free(ask_on(ws, "chain_subscribeNewHeads", "[]"));
    for (int i = 0; i < 5; i++) {
        char *head = wsclient_receive(ws, 10000, NULL);
        ck_assert_ptr_nonnull(head);
        free(head);
    }
    stop();
}
END_TEST

START_TEST(test_state_files)
{
    const char *shared = getenv("PANICMON_SHARED");
    char pattern[512];
    glob_t found;
    (void)snprintf(pattern, sizeof pattern, "%s/states/*.json.gz", shared == NULL ? "" : shared);
    if (shared == NULL || glob(pattern, 0, NULL, &found) != 0) {
        (void)fputs("skipped: no states of real chains here (PANICMON_SHARED)\n", stderr);
        return;
    }
    for (size_t i = 0; i < found.gl_pathc; i++) {
        const char *options[] = {"--state", found.gl_pathv[i], NULL};
        start(options);
        char *value = storage(SESSION_INDEX, "null");
        ck_assert_int_eq(strncmp(value, "\"0x", 3), 0);
        free(value);
        value = take(ask_on(ws, "state_getMetadata", "[]"), "result");
        ck_assert_int_eq(strncmp(value, "\"0x6d6574610e", 13), 0);
        ck_assert_uint_gt(strlen(value), 500000);
        free(value);
        value = take(ask_on(ws, "chain_getFinalizedHead", "[]"), "result");
        char params[80];
        (void)snprintf(params, sizeof params, "[%s]", value);
        char *header = take(ask_on(ws, "chain_getHeader", params), "result.number");
        ck_assert_ptr_nonnull(header);
        free(header);
        free(value);
        expect_error("sim_advance", "[1]", "-32602", "no more blocks");
        stop();
    }
    globfree(&found);
}
END_TEST

int main(void)
{
    if (getenv("PANICMON_SIM") == NULL) {
        (void)fputs("skipped: PANICMON_SIM does not name the simulator\n", stderr);
        return 77;
    }
    Suite *suite = suite_create("sim");
    TCase *plain = tcase_create("plain");
    tcase_set_timeout(plain, 30);
    tcase_add_checked_fixture(plain, start_plain, stop);
    const TTest *const tests[] = {test_batches, test_batch_limits,   test_frames,
                                  test_paths,   test_chain,          test_storage,
                                  test_levers,  test_metadata,       test_subscriptions,
                                  test_views,   test_answers_spoilt, test_connections_ended,
                                  test_stats,   test_cuts,           test_frozen_keeps_its_state};
    for (size_t i = 0; i < sizeof tests / sizeof tests[0]; i++) {
        tcase_add_test(plain, tests[i]);
    }
    TCase *other = tcase_create("other");
    tcase_set_timeout(other, 60);
    tcase_add_test(other, test_legacy_and_seed);
    tcase_add_test(other, test_blocks_by_time);
    tcase_add_test(other, test_state_files);
    suite_add_tcase(suite, plain);
    suite_add_tcase(suite, other);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
