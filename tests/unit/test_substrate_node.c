/* test_substrate_node.c: the Substrate node strategy without a network: whole rounds against made
 * chains, and what goes wrong in them. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "support/made.h"
#include "support/player.h"
#include "substrate/node_config.h"

#define NODE  "ws://node:1"
#define OTHER "ws://other:2"
#define THIRD "ws://third:3"
#define KEY   "chains.substrate.polkadot.nodes_config"
#define ALONE "{\"n1\": {\"node_id\": \"n1\", \"ws_url\": \"" NODE "\"}}"

#define SESSION_INDEX "0xcec5070d609dd3497f72bde07fc96ba072763800a36a99fdfc7c10f6415f6ee6"
#define ACTIVE_ERA    "0x5f3e4907f716ac89b6347d15ececedca487df464e44a534ba6b0cbb32407b587"
#define VALIDATORS    "0xcec5070d609dd3497f72bde07fc96ba088dcde934c658227ee1dfafcd6e16903"
#define EVENTS        "0x26aa394eea5630e07c48ae0c9558cef780d41e5e16056765bc8461851072c9d7"

static frozen world;
static panicmon_substrate *shared;
static json_t *state;
static frozen_peer *node;

static void begin(bool legacy)
{
    world = (frozen){0};
    ck_assert_int_eq(panicmon_substrate_new(&shared), PANICMON_OK);
    state = made_state(legacy);
    node = frozen_add(&world, NODE, state);
}

static void set_up(void)
{
    begin(false);
}

static void set_up_legacy(void)
{
    begin(true);
}

static void tear_down(void)
{
    panicmon_substrate_free(shared);
    frozen_free(&world);
    json_decref(state);
}

static void open_node(player *at, const char *json, size_t entry)
{
    player_open(at, panicmon_substrate_node_strategy(), shared, &world, KEY, json, entry);
}

static void validator_json(char *json, size_t size, size_t validator, const char *more)
{
    (void)snprintf(json, size,
                   "{\"v\": {\"id\": \"v\", \"parent_id\": \"p\", \"name\": \"val\", "
                   "\"node_ws_url\": \"" NODE "\", \"is_validator\": \"true\", "
                   "\"stash_address\": \"%s\", \"use_as_data_source\": \"false\"}%s}",
                   made_stash(state, validator), more);
}

static void open_validator(player *at, size_t validator, const char *more)
{
    char json[2048];
    validator_json(json, sizeof json, validator, more);
    open_node(at, json, 0);
}

#define FULL_OTHER                                                                                 \
    ", \"f\": {\"id\": \"f\", \"parent_id\": \"p\", \"name\": \"full\", \"node_ws_url\": \"" OTHER \
    "\", \"use_as_data_source\": \"true\"}"
#define FULL_THIRD                                                                                 \
    ", \"t\": {\"id\": \"t\", \"parent_id\": \"p\", \"name\": \"more\", \"node_ws_url\": \"" THIRD \
    "\", \"use_as_data_source\": \"true\"}"

static json_int_t integer(const player *at, const char *name)
{
    ck_assert_msg(player_data(at, NULL) != NULL, "%s", at->sample);
    ck_assert_msg(json_is_integer(player_data(at, name)), "%s: %.2000s", name, at->sample);
    return json_integer_value(player_data(at, name));
}

static json_int_t head_height(void)
{
    json_t *blocks = json_object_get(state, "blocks");
    return json_integer_value(json_object_get(json_array_get(blocks, node->head), "number"));
}

static const char *source_of(const player *at)
{
    ck_assert_msg(player_data(at, NULL) != NULL, "%s", at->sample);
    return json_string_value(player_extra(at, "source"));
}

static const char *absent(const player *at, const char *name)
{
    return json_string_value(json_object_get(player_extra(at, "absent"), name));
}

/* ---- the sample ---- */

START_TEST(a_healthy_round_gives_panics_sample)
{
    player at;
    open_node(&at, ALONE, 0);
    player_round(&at);
    ck_assert_int_eq(at.heartbeats, 1);
    ck_assert(!at.round.failed);
    ck_assert_str_eq(at.routing_key, "node.substrate");
    ck_assert_str_eq(at.launch.name, "Node monitor (n1)");
    json_t *meta = json_object_get(
        json_object_get(json_object_get(at.document, "websocket"), "result"), "meta_data");
    ck_assert_str_eq(json_string_value(json_object_get(meta, "node_parent_id")), "polkadot");
    ck_assert_str_eq(json_string_value(json_object_get(meta, "stash_address")), "");
    ck_assert_int_eq(integer(&at, "best_height"), head_height());
    ck_assert_int_eq(integer(&at, "finalized_height"), head_height());
    ck_assert_int_eq(integer(&at, "history_depth_eras"), 84);
    ck_assert_int_gt(integer(&at, "current_era"), 5);
    ck_assert_int_eq(integer(&at, "authored_blocks"), 0);
    ck_assert(json_is_null(json_object_get(player_data(&at, "eras_stakers"), "total")));
    ck_assert(
        json_is_array(json_object_get(player_data(&at, "system_properties"), "tokenDecimals")));
    ck_assert_uint_eq(json_array_size(player_data(&at, "historical")), 0);
    ck_assert_int_eq(json_integer_value(player_extra(&at, "peers")), 12);
    player_close(&at);
}
END_TEST

START_TEST(a_validator_has_all_fields_on_old_chains_and_new)
{
    player at;
    open_validator(&at, 0, "");
    player_round(&at);
    ck_assert_msg(player_data(&at, NULL) != NULL, "%s", at.sample);
    ck_assert_uint_eq(strlen(json_string_value(player_data(&at, "authored_blocks"))), 10);
    ck_assert(json_is_string(player_data(&at, "controller_address")));
    ck_assert_uint_eq(json_object_size(player_data(&at, "eras_stakers")), 3);
    ck_assert_uint_gt(json_array_size(player_data(&at, "unclaimed_rewards")) +
                          json_array_size(player_data(&at, "claimed_rewards")),
                      3);
    ck_assert_uint_eq(json_array_size(player_data(&at, "historical")), 1);
    player_close(&at);
}
END_TEST

START_TEST(a_stash_is_compared_by_its_key)
{
    uint8_t account[32];
    char generic[64];
    char hex[80] = "0x";
    const char *stash = made_stash(state, 1);
    const char *forms[] = {generic, hex};
    ck_assert_int_eq(panicmon_ss58_decode(stash, strlen(stash), account, NULL), PANICMON_OK);
    ck_assert_int_eq(panicmon_ss58_encode(account, 42, generic, sizeof generic), PANICMON_OK);
    for (int i = 0; i < 32; i++) {
        (void)snprintf(hex + 2 + 2 * i, 3, "%02x", account[i]);
    }
    for (size_t i = 0; i < 2; i++) {
        char json[512];
        player at;
        (void)snprintf(json, sizeof json,
                       "{\"v\": {\"id\": \"v%zu\", \"name\": \"v\", \"node_ws_url\": \"" NODE
                       "\", \"is_validator\": true, \"stash_address\": \" %s \"}}",
                       i, forms[i]);
        open_node(&at, json, 0);
        player_round(&at);
        ck_assert_msg(player_data(&at, NULL) != NULL, "%s", at.sample);
        ck_assert(json_is_true(player_data(&at, "active")));
        player_close(&at);
    }
}
END_TEST

START_TEST(an_unbonded_stash_gives_a_sample_all_the_same)
{
    player at;
    open_node(&at,
              "{\"v\": {\"id\": \"v\", \"node_ws_url\": \"" NODE "\", \"is_validator\": true, "
              "\"stash_address\": "
              "\"0x0101010101010101010101010101010101010101010101010101010101010101\"}}",
              0);
    player_round(&at);
    ck_assert_msg(player_data(&at, NULL) != NULL, "%s", at.sample);
    ck_assert(json_is_null(player_data(&at, "controller_address")));
    ck_assert(json_is_false(player_data(&at, "elected")));
    ck_assert_int_eq(json_integer_value(json_object_get(player_data(&at, "eras_stakers"), "total")),
                     0);
    ck_assert_ptr_nonnull(absent(&at, "controller_address"));
    player_close(&at);
}
END_TEST

/* ---- errors of peers ---- */

typedef struct answer {
    const char *method;
    const char *result; /* NULL: an error */
    int64_t code;
    const char *message;
} answer;

static bool special(frozen_peer *peer, pm_request *request, void *user)
{
    (void)peer;
    for (const answer *at = user; at->method != NULL; at++) {
        if (strcmp(at->method, request->name) == 0) {
            if (at->result != NULL) {
                frozen_reply(request, at->result);
            } else if (at->code != 0) {
                frozen_error(request, at->code, at->message);
            } else {
                pm_request_finish(request, PANICMON_ERR_WS, 0, at->message);
            }
            return true;
        }
    }
    return false;
}

static void answer_with(frozen_peer *peer, answer *answers)
{
    peer->hook = answers == NULL ? NULL : special;
    peer->user = answers;
}

START_TEST(a_node_that_is_down_gives_5015)
{
    player at;
    open_node(&at, ALONE, 0);
    node->is_down = true;
    player_round(&at);
    ck_assert_int_eq(player_code(&at), 5015);
    ck_assert_ptr_nonnull(strstr(at.sample, "\"Node n1 is unreachable\""));
    ck_assert_ptr_nonnull(strstr(at.sample, "\"is_validator\": false"));
    ck_assert(at.round.failed);
    ck_assert_int_eq(at.heartbeats, 1);
    node->is_down = false;
    player_round(&at);
    ck_assert_int_eq(integer(&at, "best_height"), head_height());
    player_close(&at);
}
END_TEST

START_TEST(errors_have_panics_codes)
{
    static answer refused[] = {{"chain_getFinalizedHead", NULL, -32601, "Method not found"}, {0}};
    static answer strange[] = {{"system_syncState", "[1,2]", 0, NULL}, {0}};
    static answer no_storage[] = {{"state_queryStorageAt", NULL, -32601, "Method not found"}, {0}};
    static answer busy[] = {{"state_queryStorageAt", NULL, -32000, "try again"}, {0}};
    static answer garbage[] = {{"state_queryStorageAt", "{\"a\": 1}", 0, NULL}, {0}};
    static answer no_meta[] = {{"state_getMetadata", "\"0x6d6574610d00\"", 0, NULL}, {0}};
    static answer broken[] = {{"chain_getHeader", "null", 0, NULL}, {0}};
    const struct {
        answer *answers;
        int code;
    } cases[] = {{no_meta, 5033}, {refused, 5031}, {strange, 5033}, {no_storage, 5033},
                 {busy, 5031},    {garbage, 5033}, {broken, 5033}};
    player at;
    open_node(&at, ALONE, 0);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        answer_with(node, cases[i].answers);
        node->head--; /* nothing is known of this block */
        player_round(&at);
        ck_assert_msg(player_code(&at) == cases[i].code, "case %zu: %.400s", i, at.sample);
        ck_assert_int_eq(at.samples, 1);
    }
    answer_with(node, NULL);
    player_round(&at);
    ck_assert_int_eq(integer(&at, "finalized_height"), head_height());
    player_close(&at);
}
END_TEST

START_TEST(without_a_synced_source_5019)
{
    player at;
    open_node(&at, ALONE, 0);
    node->is_syncing = true;
    player_round(&at);
    ck_assert_int_eq(player_code(&at), 5019);
    player_close(&at);
}
END_TEST

START_TEST(without_sync_state_the_best_header_stands_in)
{
    player at;
    open_node(&at, ALONE, 0);
    node->no_sync_state = true;
    player_round(&at);
    ck_assert_int_eq(integer(&at, "best_height"), head_height());
    ck_assert(json_is_null(player_data(&at, "target_height")));
    player_close(&at);
}
END_TEST

/* ---- sources ---- */

START_TEST(data_comes_from_the_first_source_that_will_do)
{
    player at;
    frozen_peer *other = frozen_add(&world, OTHER, state);
    open_validator(&at, 0, FULL_OTHER);
    player_round(&at);
    ck_assert_str_eq(source_of(&at), OTHER);
    other->is_syncing = true;
    player_round(&at);
    ck_assert_str_eq(source_of(&at), NODE);
    other->is_syncing = false;
    player_round(&at);
    ck_assert_str_eq(source_of(&at), OTHER);
    other->is_down = true;
    player_round(&at);
    ck_assert_str_eq(source_of(&at), NODE);
    player_close(&at);
}
END_TEST

START_TEST(a_source_that_stalls_is_used_after_the_others)
{
    player at;
    frozen_peer *other = frozen_add(&world, OTHER, state);
    frozen_peer *third = frozen_add(&world, THIRD, state);
    open_validator(&at, 0, FULL_OTHER FULL_THIRD);
    other->lag = 9; /* and it says that it is in step */
    player_round(&at);
    ck_assert_str_eq(source_of(&at), THIRD);
    third->is_down = true;
    node->is_syncing = true;
    player_round(&at); /* nothing better is left */
    ck_assert_str_eq(source_of(&at), OTHER);
    ck_assert(json_is_true(player_extra(&at, "source_stalled")));
    other->lag = 0;
    player_round(&at);
    ck_assert_str_eq(source_of(&at), OTHER);
    ck_assert_ptr_null(player_extra(&at, "source_stalled"));
    player_close(&at);
}
END_TEST

START_TEST(a_source_lost_on_the_way_is_replaced_in_the_same_round)
{
    static answer lost[] = {{"state_queryStorageAt", NULL, 0, "connection reset"}, {0}};
    player at;
    frozen_peer *other = frozen_add(&world, OTHER, state);
    open_validator(&at, 0, FULL_OTHER);
    answer_with(other, lost);
    player_round(&at);
    ck_assert_str_eq(source_of(&at), NODE);
    ck_assert_uint_eq(json_array_size(player_data(&at, "historical")), 1);
    player_close(&at);
}
END_TEST

START_TEST(many_sources_are_asked_window_by_window)
{
    char *json = malloc(16384);
    size_t len = 0;
    player at;
    len += (size_t)snprintf(json, 16384, "{\"n\": {\"id\": \"n\", \"node_ws_url\": \"" NODE "\"}");
    for (int i = 0; i < 30; i++) {
        len += (size_t)snprintf(json + len, 16384 - len,
                                ", \"s%d\": {\"id\": \"s%d\", \"node_ws_url\": \"ws://s%d:1\", "
                                "\"use_as_data_source\": \"true\"}",
                                i, i, i);
    }
    (void)snprintf(json + len, 16384 - len, "}");
    frozen_peer *good = frozen_add(&world, "ws://s19:1", state);
    node->is_syncing = true;
    open_node(&at, json, 0);
    player_round(&at);
    ck_assert_str_eq(source_of(&at), "ws://s19:1");
    ck_assert_int_gt(good->requests, 0);
    player_close(&at);
    free(json);
}
END_TEST

START_TEST(an_update_swaps_data_sources_in_place)
{
    char json[2048];
    player at;
    (void)frozen_add(&world, OTHER, state);
    open_validator(&at, 0, FULL_OTHER);
    player_round(&at);
    ck_assert_str_eq(source_of(&at), OTHER);
    validator_json(json, sizeof json, 0, "");
    ck_assert(player_update(&at, KEY, json, 0));
    player_round(&at);
    ck_assert_str_eq(source_of(&at), NODE);
    validator_json(json, sizeof json, 1, "");
    ck_assert(!player_update(&at, KEY, json, 0)); /* another stash is another monitor */
    player_round(&at);
    ck_assert_str_eq(source_of(&at), NODE);
    player_close(&at);
}
END_TEST

/* ---- history ---- */

static size_t records(const player *at)
{
    ck_assert_msg(player_data(at, NULL) != NULL, "%s", at->sample);
    return json_array_size(player_data(at, "historical"));
}

static json_int_t record_height(const player *at, size_t i)
{
    return json_integer_value(
        json_object_get(json_array_get(player_data(at, "historical"), i), "height"));
}

START_TEST(the_cursor_moves_with_the_confirm_only)
{
    player at;
    open_validator(&at, 0, "");
    node->head -= 6;
    player_round(&at);
    ck_assert_uint_eq(records(&at), 1);
    node->head += 3;
    at.confirm = PANICMON_ERR_TIMEOUT;
    player_round(&at);
    ck_assert_int_eq(at.heartbeats, 0);
    ck_assert_uint_eq(records(&at), 3);
    node->head += 2;
    at.confirm = PANICMON_OK;
    player_round(&at); /* the three come again, with the new ones */
    ck_assert_uint_eq(records(&at), 5);
    ck_assert_int_eq(record_height(&at, 0), head_height()); /* newest first */
    player_round(&at);
    ck_assert_uint_eq(records(&at), 0);
    player_close(&at);
}
END_TEST

START_TEST(the_cursor_survives_restarts_and_does_not_go_back)
{
    pm_map store = {0};
    void *value;
    player at;
    open_validator(&at, 0, "");
    at.store = &store;
    node->head -= 50;
    player_round(&at);
    player_close(&at);
    node->head += 40;
    open_validator(&at, 0, "");
    at.store = &store;
    player_round(&at);
    ck_assert_uint_eq(records(&at), 40); /* in two chunks */
    node->head -= 5;                     /* the source fell back */
    player_round(&at);
    ck_assert_uint_eq(records(&at), 0);
    node->head += 6;
    usleep(200000); /* longer than any round took: what was read then is not fresh any more */
    player_round(&at);
    ck_assert_uint_eq(records(&at), 1);
    player_close(&at);
    for (size_t i = 0; pm_map_next(&store, &i, NULL, &value);) {
        free(value);
    }
    pm_map_free(&store);
}
END_TEST

START_TEST(without_the_state_store_history_waits)
{
    player at;
    open_validator(&at, 0, "");
    at.store_is_away = true;
    player_round(&at);
    ck_assert_uint_eq(records(&at), 0);
    at.store_is_away = false;
    player_round(&at);
    ck_assert_uint_eq(records(&at), 1);
    player_close(&at);
}
END_TEST

static void put_cursor(player *at, json_int_t height)
{
    char key[128];
    char value[128];
    (void)snprintf(key, sizeof key, "substrate.history.%s.v", node->genesis);
    (void)snprintf(value, sizeof value, "{\"height\": %lld, \"runtime\": \"\"}", (long long)height);
    free(pm_map_remove(at->store, key));
    (void)pm_map_set(at->store, key, strdup(value));
}

START_TEST(blocks_that_are_gone_are_passed_over)
{
    player at;
    open_validator(&at, 0, "");
    put_cursor(&at, head_height() - 30);
    node->keep = 10;
    player_round(&at);
    ck_assert_uint_eq(records(&at), 10);
    ck_assert_int_eq(
        json_integer_value(json_object_get(player_extra(&at, "history"), "passed_over")), 20);
    player_round(&at); /* and do not come again */
    ck_assert_uint_eq(records(&at), 0);
    ck_assert_ptr_null(player_extra(&at, "history"));
    player_close(&at);
}
END_TEST

START_TEST(events_that_do_not_decode_do_not_stop_the_history)
{
    player at;
    json_t *blocks = json_object_get(state, "blocks");
    open_validator(&at, 0, "");
    node->head -= 4;
    player_round(&at);
    json_t *bad = json_object_get(json_array_get(blocks, node->head + 2), "storage");
    json_object_set_new(bad, EVENTS, json_string("0x04ff"));
    node->head += 3;
    size_t seen = 0;
    for (int i = 0; i < 4; i++) { /* the metadata is read again first */
        player_round(&at);
        seen += records(&at);
    }
    ck_assert_uint_eq(seen, 2); /* the two good ones of three */
    node->head += 1;
    frozen_reset(&world);
    player_round(&at);
    ck_assert_uint_eq(records(&at), 1);
    ck_assert_int_eq(node->metadata, 0); /* once is enough */
    player_close(&at);
}
END_TEST

START_TEST(slashes_and_offline_reports_are_told)
{
    size_t slashed = 0;
    size_t offline = 0;
    for (size_t v = 0; v < 6; v++) {
        player at;
        size_t i;
        json_t *record;
        open_validator(&at, v, "");
        put_cursor(&at, head_height() - 59);
        player_round(&at);
        ck_assert_uint_eq(records(&at), 59);
        json_array_foreach(player_data(&at, "historical"), i, record)
        {
            bool is = json_is_true(json_object_get(record, "slashed"));
            slashed += is;
            offline += json_is_true(json_object_get(record, "is_offline"));
            ck_assert((json_integer_value(json_object_get(record, "slashed_amount")) > 0) == is);
        }
        player_close(&at);
    }
    ck_assert_uint_ge(slashed, 5);
    ck_assert_uint_ge(offline, 1);
}
END_TEST

/* ---- what chains do ---- */

START_TEST(values_that_do_not_decode_make_their_field_absent)
{
    player at;
    open_validator(&at, 0, "");
    node->head -= 2;
    player_round(&at);
    frozen_set(node, SESSION_INDEX, "0x01");
    node->head++;
    frozen_reset(&world);
    player_round(&at);
    ck_assert_msg(player_data(&at, NULL) != NULL, "%s", at.sample);
    ck_assert(json_is_null(player_data(&at, "current_session")));
    ck_assert_ptr_nonnull(absent(&at, "current_session"));
    ck_assert_int_gt(integer(&at, "current_era"), 5);
    ck_assert_int_eq(node->metadata, 1); /* it may be another build's */
    node->head++;
    frozen_reset(&world);
    player_round(&at);
    ck_assert_int_eq(node->metadata, 0); /* but was not */
    frozen_set(node, ACTIVE_ERA, NULL);
    frozen_set(node, VALIDATORS, "0xzz");
    player_round(&at);
    ck_assert_msg(player_data(&at, NULL) != NULL, "%s", at.sample);
    ck_assert(json_is_null(player_data(&at, "current_era")));
    ck_assert(json_is_true(player_data(&at, "active"))); /* not known: no alert */
    ck_assert_ptr_nonnull(absent(&at, "active"));
    player_close(&at);
}
END_TEST

START_TEST(a_pallet_that_is_gone_takes_only_its_fields)
{
    static const char *const pallets[] = {"Session", "Staking", "ImOnline", "Grandpa", "System"};
    for (size_t i = 0; i < sizeof pallets / sizeof pallets[0]; i++) {
        json_t *less = json_deep_copy(state);
        player at;
        frozen_hide_pallet(less, pallets[i]);
        frozen_free(&world);
        node = frozen_add(&world, NODE, less);
        open_validator(&at, 0, "");
        player_round(&at);
        ck_assert_msg(player_data(&at, NULL) != NULL, "%s: %s", pallets[i], at.sample);
        ck_assert_int_eq(integer(&at, "finalized_height"), head_height());
        player_round(&at);
        ck_assert_msg(player_data(&at, NULL) != NULL, "%s: %s", pallets[i], at.sample);
        if (i == 1) {
            ck_assert_ptr_nonnull(absent(&at, "current_era"));
            ck_assert(json_is_true(player_data(&at, "elected")) ==
                      json_is_true(player_data(&at, "active")));
        } else {
            ck_assert_int_gt(integer(&at, "current_era"), 5);
        }
        player_close(&at);
        json_decref(less);
    }
}
END_TEST

/* The runtime is upgraded: from the first answer at a block on, and at the best block. */
typedef struct upgrade {
    json_t *before, *after;
    int pinned; /* pinned questions for the version, so far */
    int from;
    bool best;
} upgrade;

static bool upgrading(frozen_peer *peer, pm_request *request, void *user)
{
    upgrade *at = user;
    if (strcmp(request->name, "state_getRuntimeVersion") == 0 && request->in.len > 0) {
        peer->version = at->pinned++ >= at->from ? at->after : at->before;
    } else if (strcmp(request->name, "state_getRuntimeVersion") == 0) {
        peer->version = at->best ? at->after : at->before;
    }
    return false;
}

START_TEST(an_upgrade_redoes_the_round)
{
    player at;
    json_t *before = json_object_get(state, "runtimeVersion");
    json_t *after = json_deep_copy(before);
    json_object_set_new(after, "specVersion", json_integer(9999999));
    upgrade step = {.before = before, .after = after, .from = 0, .best = true};
    open_validator(&at, 0, "");
    node->head--;
    player_round(&at);
    node->hook = upgrading;
    node->user = &step;
    node->head++;
    frozen_reset(&world);
    player_round(&at);
    ck_assert_msg(player_data(&at, NULL) != NULL, "%s", at.sample);
    ck_assert_int_eq(node->metadata, 1); /* of the new runtime */
    ck_assert_int_gt(integer(&at, "current_era"), 5);
    ck_assert_uint_eq(records(&at), 1);
    player_close(&at);
    json_decref(after);
}
END_TEST

START_TEST(a_block_is_asked_for_its_version_only_when_that_may_be_another)
{
    player at;
    json_t *version = json_object_get(state, "runtimeVersion");
    upgrade step = {.before = version, .after = version};
    open_validator(&at, 0, "");
    node->hook = upgrading;
    node->user = &step;
    player_round(&at);
    ck_assert_int_gt(step.pinned, 0);
    step.pinned = 0;
    node->head++;
    player_round(&at); /* between the last block and the best one: the same */
    ck_assert_int_eq(step.pinned, 0);
    node->head -= 10;
    player_round(&at); /* before both */
    ck_assert_int_gt(step.pinned, 0);
    ck_assert_msg(player_data(&at, NULL) != NULL, "%s", at.sample);
    player_close(&at);
}
END_TEST

START_TEST(another_genesis_is_another_node)
{
    player at;
    open_validator(&at, 0, "");
    player_round(&at);
    json_int_t top = integer(&at, "best_height");
    node->genesis = "0x7272727272727272727272727272727272727272727272727272727272727272";
    node->head -= 20;
    player_round(&at);
    ck_assert_int_eq(integer(&at, "best_height"), top - 20); /* not held */
    ck_assert_uint_eq(records(&at), 1);                      /* a cursor of its own */
    player_close(&at);
}
END_TEST

/* How often a node was asked which chain it is of. */
static bool counting(frozen_peer *peer, pm_request *request, void *user)
{
    (void)peer;
    if (strcmp(request->name, "chain_getBlockHash") == 0 && strcmp(request->in.data, "[0]") == 0) {
        ++*(int *)user;
    }
    return false;
}

START_TEST(the_genesis_is_asked_for_when_it_may_be_another)
{
    static const char other[] =
        "0x7272727272727272727272727272727272727272727272727272727272727272";
    player at;
    int asked = 0;
    open_node(&at, ALONE, 0);
    node->hook = counting;
    node->user = &asked;
    node->head -= 10;
    player_round(&at);
    ck_assert_int_eq(asked, 1); /* not known yet */
    node->head += 5;
    player_round(&at);
    player_round(&at);
    ck_assert_int_eq(asked, 1); /* nothing says so */
    node->is_down = true;
    player_round(&at);
    node->is_down = false;
    player_round(&at);
    ck_assert_int_eq(asked, 2); /* it was away */
    node->head -= 3;
    player_round(&at);
    ck_assert_int_eq(asked, 3); /* its height went back */
    ck_assert_int_eq(json_integer_value(player_extra(&at, "reported_best_height")), head_height());
    node->genesis = other;
    node->head -= 3;
    player_round(&at); /* told in this very round */
    ck_assert_int_eq(asked, 4);
    ck_assert_str_eq(json_string_value(player_extra(&at, "genesis_hash")), other);
    ck_assert(json_is_null(player_extra(&at, "chain")));
    ck_assert_int_eq(integer(&at, "best_height"), head_height());
    player_round(&at);
    ck_assert_int_eq(asked, 4);
    ck_assert(json_is_string(player_extra(&at, "chain")));
    player_close(&at);
}
END_TEST

START_TEST(another_runtime_may_be_another_chain)
{
    player at;
    int asked = 0;
    json_t *after = json_deep_copy(json_object_get(state, "runtimeVersion"));
    json_object_set_new(after, "specVersion", json_integer(9999999));
    open_node(&at, ALONE, 0);
    node->hook = counting;
    node->user = &asked;
    player_round(&at);
    node->version = after; /* an upgrade is no such sign */
    player_round(&at);
    ck_assert_int_eq(asked, 1);
    json_object_set_new(after, "specName", json_string("other"));
    player_round(&at);
    ck_assert_int_eq(asked, 2);
    ck_assert_str_eq(json_string_value(player_extra(&at, "spec_name")), "other");
    player_close(&at);
    json_decref(after);
}
END_TEST

START_TEST(heights_do_not_go_back)
{
    player at;
    open_validator(&at, 0, "");
    player_round(&at);
    json_int_t top = integer(&at, "best_height");
    json_int_t era = integer(&at, "current_era");
    node->head -= 30;
    player_round(&at);
    ck_assert_int_eq(integer(&at, "best_height"), top);
    ck_assert_int_eq(integer(&at, "finalized_height"), top);
    ck_assert_int_eq(integer(&at, "current_era"), era);
    ck_assert_int_eq(json_integer_value(player_extra(&at, "reported_best_height")), top - 30);
    player_close(&at);
}
END_TEST

/* ---- cost ---- */

START_TEST(a_steady_round_takes_five_frames_at_most)
{
    player at;
    open_validator(&at, 0, "");
    node->head -= 20;
    player_round(&at);
    ck_assert_int_eq(node->metadata, 1);
    for (int i = 0; i < 4; i++) {
        node->head += 2;
        frozen_reset(&world);
        player_round(&at);
        ck_assert_uint_eq(records(&at), 2);
        ck_assert_int_le(node->frames, 5);
        ck_assert_int_eq(node->metadata, 0);
        ck_assert_int_le(node->events, 2);
        /* Past eras: claims of unclaimed ones alone, no exposure again. */
        ck_assert_int_le(node->keys,
                         22 + (int)json_array_size(player_data(&at, "unclaimed_rewards")));
    }
    player_close(&at);
}
END_TEST

START_TEST(a_hundred_validators_of_a_source_cost_thirty_frames)
{
    enum { COUNT = 100 };
    player *all = calloc(COUNT, sizeof *all);
    json_decref(state);
    frozen_free(&world);
    state = made_state_of(false, COUNT);
    node = frozen_add(&world, NODE, state);
    for (size_t i = 0; i < COUNT; i++) {
        char json[512];
        (void)snprintf(json, sizeof json,
                       "{\"v%zu\": {\"id\": \"v%zu\", \"node_ws_url\": \"" NODE
                       "\", \"is_validator\": \"true\", \"stash_address\": \"%s\"}}",
                       i, i, made_stash(state, i));
        open_node(&all[i], json, 0);
    }
    node->head -= 8;
    for (int round = 0; round < 4; round++) {
        node->head += 1;
        frozen_reset(&world);
        for (size_t i = 0; i < COUNT; i++) {
            player_round(&all[i]);
            ck_assert_msg(player_data(&all[i], NULL) != NULL, "%s", all[i].sample);
            ck_assert_int_ge(integer(&all[i], "finalized_height"), head_height() - 1);
        }
        ck_assert_msg(node->frames <= 30, "%d frames", node->frames);
        ck_assert_int_le(node->metadata, 1);
    }
    for (size_t i = 0; i < COUNT; i++) {
        player_close(&all[i]);
    }
    free(all);
}
END_TEST

/* ---- configs ---- */

static void expect_fault(const char *entry, panicmon_err status, const char *const *words)
{
    char json[512];
    (void)snprintf(json, sizeof json, "{\"the-id\": %s}", entry);
    panicmon_config_set *set = NULL;
    panicmon_error *err = NULL;
    void *parsed = NULL;
    const panicmon_strategy_ops *ops = panicmon_substrate_node_strategy();
    ck_assert_int_eq(pm_config_set_parse(&set, KEY, json, strlen(json), NULL), PANICMON_OK);
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
    static const char *const hub[] = {KEY, "the-id", "asset_hub_ws_url", NULL};
    static const char *const flag[] = {KEY, "the-id", "is_validator", NULL};
    expect_fault("{\"id\": \"a\"}", PANICMON_ERR_NOENT, url);
    expect_fault("{\"node_ws_url\": 5}", PANICMON_ERR_PARSE, url);
    expect_fault("{\"node_ws_url\": \"http://x\"}", PANICMON_ERR_PARSE, url);
    expect_fault("{\"ws_url\": \"nonsense\"}", PANICMON_ERR_PARSE, short_url);
    expect_fault("{\"node_ws_url\": \"ws://x\", \"is_validator\": \"true\"}", PANICMON_ERR_PARSE,
                 stash);
    expect_fault("{\"node_ws_url\": \"ws://x\", \"is_validator\": \"true\", "
                 "\"stash_address\": \"abc\"}",
                 PANICMON_ERR_PARSE, stash);
    expect_fault("{\"node_ws_url\": \"ws://x\", \"asset_hub_ws_url\": \"x\"}", PANICMON_ERR_PARSE,
                 hub);
    expect_fault("{\"node_ws_url\": \"ws://x\", \"is_validator\": []}", PANICMON_ERR_PARSE, flag);
    expect_fault("{\"node_ws_url\": \"ws://x\", \"monitor_node\": \"false\"}", PANICMON_ERR_STATE,
                 NULL);
}
END_TEST

/* A set may come to lie where another one lay, as large and with this very entry. */
START_TEST(a_set_is_known_from_one_at_its_place)
{
    const panicmon_strategy_ops *ops = panicmon_substrate_node_strategy();
    for (int i = 0; i < 20; i++) {
        char json[512];
        panicmon_config_set *set = NULL;
        void *parsed = NULL;
        const char *other = i % 2 == 0 ? OTHER : THIRD;
        (void)snprintf(json, sizeof json,
                       "{\"n1\": {\"id\": \"n1\", \"parent_id\": \"p\", \"node_ws_url\": "
                       "\"" NODE "\"}, \"n2\": {\"id\": \"n2\", \"parent_id\": \"p\", "
                       "\"node_ws_url\": \"%s\", \"use_as_data_source\": \"true\"}}",
                       other);
        ck_assert_int_eq(pm_config_set_parse(&set, KEY, json, strlen(json), NULL), PANICMON_OK);
        ck_assert_int_eq(ops->parse(shared, pm_config_set_find(set, "n1"), &parsed, NULL),
                         PANICMON_OK);
        ck_assert_str_eq(pm_node_config_source(parsed, 0)->url, other);
        ops->parsed_free(shared, parsed);
        pm_config_set_free(set);
    }
}
END_TEST

START_TEST(an_account_of_20_bytes_is_no_stash)
{
    static const char json[] = "{\"v\": {\"id\": \"v\", \"parent_id\": \"p\", \"node_ws_url\": "
                               "\"" NODE "\", \"is_validator\": \"true\", \"stash_address\": "
                               "\"0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed\"}}";
    panicmon_config_set *set = NULL;
    panicmon_error *err = NULL;
    void *parsed = NULL;
    ck_assert_int_eq(pm_config_set_parse(&set, KEY, json, strlen(json), NULL), PANICMON_OK);
    ck_assert_int_ne(panicmon_substrate_node_strategy()->parse(shared, pm_config_set_find(set, "v"),
                                                               &parsed, &err),
                     PANICMON_OK);
    ck_assert_ptr_nonnull(strstr(panicmon_error_message(err), "20 bytes"));
    panicmon_error_free(err);
    pm_config_set_free(set);
}
END_TEST

START_TEST(a_large_set_is_read_once)
{
    enum { COUNT = 5000 };
    pm_buf json = {0};
    panicmon_config_set *set = NULL;
    const panicmon_strategy_ops *ops = panicmon_substrate_node_strategy();
    pm_strategy strategy = {.ops = *ops, .user = shared};
    panicmon_plan plan;
    void **parsed = calloc(COUNT, sizeof *parsed);
    pm_buf_char(&json, '{');
    for (int i = 0; i < COUNT; i++) {
        pm_buf_format(&json,
                      "%s\"n%d\": {\"id\": \"n%d\", \"node_ws_url\": \"ws://h%d:1\", "
                      "\"use_as_data_source\": \"true\"}",
                      i > 0 ? ", " : "", i, i, i);
    }
    pm_buf_char(&json, '}');
    ck_assert_int_eq(pm_config_set_parse(&set, KEY, json.data, json.len, NULL), PANICMON_OK);
    ck_assert_int_eq(pm_plan_make(&plan, &strategy, set, NULL), PANICMON_OK);
    ck_assert_uint_eq(plan.count, COUNT);
    for (size_t i = 0; i < COUNT; i++) { /* quadratic, this would take minutes */
        ck_assert_int_eq(ops->parse(shared, plan.items[i], &parsed[i], NULL), PANICMON_OK);
    }
    for (size_t i = 0; i < COUNT; i++) {
        ops->parsed_free(shared, parsed[i]);
    }
    pm_plan_free(&plan);
    pm_config_set_free(set);
    pm_buf_free(&json);
    free(parsed);
}
END_TEST

static void add_common(TCase *tests)
{
    tcase_add_test(tests, a_validator_has_all_fields_on_old_chains_and_new);
    tcase_add_test(tests, a_stash_is_compared_by_its_key);
    tcase_add_test(tests, an_unbonded_stash_gives_a_sample_all_the_same);
    tcase_add_test(tests, a_steady_round_takes_five_frames_at_most);
    tcase_add_test(tests, a_pallet_that_is_gone_takes_only_its_fields);
}

int main(void)
{
    Suite *suite = suite_create("substrate_node");
    TCase *all = tcase_create("all");
    TCase *legacy = tcase_create("legacy");
    tcase_set_timeout(all, 30);
    tcase_set_timeout(legacy, 30);
    tcase_add_checked_fixture(all, set_up, tear_down);
    tcase_add_checked_fixture(legacy, set_up_legacy, tear_down);
    add_common(all);
    add_common(legacy);
    tcase_add_test(legacy, slashes_and_offline_reports_are_told);
    tcase_add_test(all, a_healthy_round_gives_panics_sample);
    tcase_add_test(all, a_node_that_is_down_gives_5015);
    tcase_add_test(all, errors_have_panics_codes);
    tcase_add_test(all, without_a_synced_source_5019);
    tcase_add_test(all, without_sync_state_the_best_header_stands_in);
    tcase_add_test(all, data_comes_from_the_first_source_that_will_do);
    tcase_add_test(all, a_source_that_stalls_is_used_after_the_others);
    tcase_add_test(all, a_source_lost_on_the_way_is_replaced_in_the_same_round);
    tcase_add_test(all, many_sources_are_asked_window_by_window);
    tcase_add_test(all, an_update_swaps_data_sources_in_place);
    tcase_add_test(all, the_cursor_moves_with_the_confirm_only);
    tcase_add_test(all, the_cursor_survives_restarts_and_does_not_go_back);
    tcase_add_test(all, without_the_state_store_history_waits);
    tcase_add_test(all, blocks_that_are_gone_are_passed_over);
    tcase_add_test(all, events_that_do_not_decode_do_not_stop_the_history);
    tcase_add_test(all, values_that_do_not_decode_make_their_field_absent);
    tcase_add_test(all, an_upgrade_redoes_the_round);
    tcase_add_test(all, a_block_is_asked_for_its_version_only_when_that_may_be_another);
    tcase_add_test(all, another_genesis_is_another_node);
    tcase_add_test(all, the_genesis_is_asked_for_when_it_may_be_another);
    tcase_add_test(all, another_runtime_may_be_another_chain);
    tcase_add_test(all, heights_do_not_go_back);
    tcase_add_test(all, a_hundred_validators_of_a_source_cost_thirty_frames);
    tcase_add_test(all, bad_entries_name_key_id_and_field);
    tcase_add_test(all, a_large_set_is_read_once);
    tcase_add_test(all, a_set_is_known_from_one_at_its_place);
    tcase_add_test(all, an_account_of_20_bytes_is_no_stash);
    suite_add_tcase(suite, all);
    suite_add_tcase(suite, legacy);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
