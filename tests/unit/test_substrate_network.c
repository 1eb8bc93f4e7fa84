/* test_substrate_network.c: the Substrate network strategy without a network: which sets ask for a
 * monitor, what is wrong with others, and rounds of a chain without governance. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/made.h"
#include "support/player.h"

#define NODE  "ws://node:1"
#define OTHER "ws://other:2"
#define KEY   "chains.substrate.polkadot.nodes_config"

static frozen world;
static panicmon_substrate *shared;
static json_t *state;
static frozen_peer *node;

static void set_up(void)
{
    world = (frozen){0};
    ck_assert_int_eq(panicmon_substrate_new(&shared), PANICMON_OK);
    state = made_state(false);
    node = frozen_add(&world, NODE, state);
}

static void tear_down(void)
{
    panicmon_substrate_free(shared);
    frozen_free(&world);
    json_decref(state);
}

#define ENTRY(id, url, network, parent, addresses)                                                 \
    "\"" id "\": {\"id\": \"" id "\", \"parent_id\": \"" parent "\", \"node_ws_url\": \"" url      \
    "\", \"monitor_network\": \"" network "\", \"governance_addresses\": \"" addresses             \
    "\", \"use_as_data_source\": \"true\"}"

static void open_network(player *at, const char *json)
{
    player_open(at, panicmon_substrate_network_strategy(), shared, &world, KEY, json, 0);
}

START_TEST(a_chain_without_governance_gives_empty_lists)
{
    player at;
    open_network(&at, "{" ENTRY("a", NODE, "true", "p", "") "}");
    player_round(&at);
    ck_assert_int_eq(at.heartbeats, 1);
    ck_assert_msg(player_data(&at, NULL) != NULL, "%s", at.sample);
    ck_assert_int_eq(json_integer_value(player_data(&at, "referendum_count")), 0);
    ck_assert_str_eq(json_string_value(player_data(&at, "public_prop_count")), "0x00000000");
    ck_assert(json_is_array(player_data(&at, "active_proposals")));
    ck_assert(json_is_array(player_data(&at, "active_referendums")));
    ck_assert(json_is_object(player_data(&at, "all_referendums")));
    ck_assert_ptr_nonnull(json_object_get(player_extra(&at, "absent"), "referendum_count"));
    player_close(&at);
}
END_TEST

static bool lose_governance(frozen_peer *peer, pm_request *request, void *user)
{
    (void)peer;
    (void)user;
    bool is_stalled =
        request->in.len > 0 && strstr(request->in.data, "5f9cc45b7a00c5899361") != NULL;
    if (is_stalled) {
        pm_request_finish(request, PANICMON_ERR_WS, 0, "connection reset");
    }
    return is_stalled;
}

START_TEST(errors_have_panics_codes)
{
    player at;
    open_network(&at, "{" ENTRY("a", NODE, "true", "p", "") "}");
    node->is_syncing = true;
    player_round(&at);
    ck_assert_int_eq(player_code(&at), 5019);
    ck_assert_ptr_nonnull(strstr(at.sample, "\"chain_name\": \"polkadot\""));
    node->is_syncing = false;
    node->hook = lose_governance;
    player_round(&at);
    ck_assert_int_eq(player_code(&at), 5031);
    node->hook = NULL;
    json_t *text = json_incref(json_object_get(state, "metadataV14"));
    json_object_set_new(state, "metadataV14", json_string("0x6d6574610d00"));
    player other;
    panicmon_substrate *alone = NULL;
    ck_assert_int_eq(panicmon_substrate_new(&alone), PANICMON_OK);
    player_open(&other, panicmon_substrate_network_strategy(), alone, &world, KEY,
                "{" ENTRY("a", NODE, "true", "p", "") "}", 0);
    player_round(&other);
    ck_assert_int_eq(player_code(&other), 5034);
    player_close(&other);
    panicmon_substrate_free(alone);
    json_object_set_new(state, "metadataV14", text);
    player_round(&at);
    ck_assert_int_eq(player_code(&at), 0);
    player_close(&at);
}
END_TEST

START_TEST(a_source_lost_on_the_way_is_replaced)
{
    player at;
    (void)frozen_add(&world, OTHER, state);
    open_network(&at,
                 "{" ENTRY("a", NODE, "true", "p", "") ", " ENTRY("b", OTHER, "true", "p", "") "}");
    node->hook = lose_governance;
    player_round(&at);
    ck_assert_msg(player_data(&at, NULL) != NULL, "%s", at.sample);
    ck_assert_str_eq(json_string_value(player_extra(&at, "source")), OTHER);
    player_close(&at);
}
END_TEST

START_TEST(an_update_is_taken_in_place)
{
    player at;
    (void)frozen_add(&world, OTHER, state);
    open_network(&at, "{" ENTRY("a", NODE, "true", "p", "") "}");
    player_round(&at);
    ck_assert(player_update(
        &at, KEY,
        "{" ENTRY("b", OTHER, "true", "p", "x") ", " ENTRY("c", OTHER, "true", "p", "x") "}", 0));
    player_round(&at);
    ck_assert_str_eq(json_string_value(player_extra(&at, "source")), OTHER);
    ck_assert(!player_update(&at, KEY, "{" ENTRY("b", OTHER, "true", "q", "") "}", 0));
    player_close(&at);
}
END_TEST

static void expect(const char *json, panicmon_err status, const char *const *words)
{
    const panicmon_strategy_ops *ops = panicmon_substrate_network_strategy();
    pm_strategy strategy = {.ops = *ops, .user = shared};
    panicmon_config_set *set = NULL;
    panicmon_plan plan;
    panicmon_error *err = NULL;
    void *parsed = NULL;
    ck_assert_int_eq(pm_config_set_parse(&set, KEY, json, strlen(json), NULL), PANICMON_OK);
    ck_assert_int_eq(pm_plan_make(&plan, &strategy, set, NULL), PANICMON_OK);
    ck_assert_uint_eq(plan.count, panicmon_config_set_count(set) > 0);
    if (plan.count > 0) {
        ck_assert_msg(ops->parse(shared, plan.items[0], &parsed, &err) == status, "%s", json);
        for (; words != NULL && *words != NULL; words++) {
            ck_assert_msg(strstr(panicmon_error_message(err), *words) != NULL, "no '%s' in: %s",
                          *words, panicmon_error_message(err));
        }
        ops->parsed_free(shared, parsed);
    }
    panicmon_error_free(err);
    pm_plan_free(&plan);
    pm_config_set_free(set);
}

START_TEST(the_set_decides_and_its_entries_must_agree)
{
    static const char *const parent[] = {KEY, "'b'", "parent_id", NULL};
    static const char *const network[] = {KEY, "'b'", "monitor_network", NULL};
    static const char *const addresses[] = {KEY, "'b'", "governance_addresses", NULL};
    expect("{}", PANICMON_OK, NULL);
    expect("{\"n\": {\"node_id\": \"n\", \"ws_url\": \"" NODE "\"}}", PANICMON_ERR_STATE, NULL);
    expect("{" ENTRY("a", NODE, "false", "p", "") ", " ENTRY("b", NODE, "false", "q", "x") "}",
           PANICMON_ERR_STATE, NULL);
    expect("{" ENTRY("a", NODE, "true", "p", "") ", " ENTRY("b", NODE, "true", "q", "") "}",
           PANICMON_ERR_PARSE, parent);
    expect("{" ENTRY("a", NODE, "true", "p", "") ", " ENTRY("b", NODE, "false", "p", "") "}",
           PANICMON_ERR_PARSE, network);
    expect("{" ENTRY("a", NODE, "true", "p", "") ", " ENTRY("b", NODE, "true", "p", "x") "}",
           PANICMON_ERR_PARSE, addresses);
    expect("{" ENTRY("a", NODE, "true", "p", "x") ", " ENTRY("b", NODE, "true", "p", "x") "}",
           PANICMON_OK, NULL);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("substrate_network");
    TCase *all = tcase_create("all");
    tcase_set_timeout(all, 30);
    tcase_add_checked_fixture(all, set_up, tear_down);
    tcase_add_test(all, a_chain_without_governance_gives_empty_lists);
    tcase_add_test(all, errors_have_panics_codes);
    tcase_add_test(all, a_source_lost_on_the_way_is_replaced);
    tcase_add_test(all, an_update_is_taken_in_place);
    tcase_add_test(all, the_set_decides_and_its_entries_must_agree);
    suite_add_tcase(suite, all);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
