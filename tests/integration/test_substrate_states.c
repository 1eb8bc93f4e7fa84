/* test_substrate_states.c: whole rounds against recorded states of real chains, old and new: the
 * samples are PANIC's, field by field, where PANIC can read the chain, and what the storage says
 * where it cannot. Skipped where the recordings are not there. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/player.h"

#define NODE              "ws://node:1"
#define HUB               "ws://hub:1"
#define INACTIVE_ISSUANCE "0xc2261276cc9d1f8598ea4b6a74b15c2f1ccde6872881f893a21de93dfe970cd5"
#define KEY               "chains.substrate.polkadot.nodes_config"

static frozen world;
static panicmon_substrate *shared;

static void set_up(void)
{
    world = (frozen){0};
    ck_assert_int_eq(panicmon_substrate_new(&shared), PANICMON_OK);
}

static void tear_down(void)
{
    panicmon_substrate_free(shared);
    frozen_free(&world);
}

static void open_stash(player *at, const char *stash, const char *hub)
{
    char json[1024];
    (void)snprintf(json, sizeof json,
                   "{\"n\": {\"id\": \"n\", \"parent_id\": \"p\", \"name\": \"n\", "
                   "\"node_ws_url\": \"" NODE "\", \"is_validator\": \"true\", "
                   "\"monitor_network\": \"true\", \"use_as_data_source\": \"true\", "
                   "\"governance_addresses\": \"\", "
                   "\"stash_address\": \"%s\", \"asset_hub_ws_url\": \"%s\"}}",
                   stash, hub);
    player_open(at, panicmon_substrate_node_strategy(), shared, &world, KEY, json, 0);
}

static void expect_equal(const char *who, const char *field, const json_t *got, json_t *wanted)
{
    char *have = json_dumps(got, JSON_ENCODE_ANY | JSON_SORT_KEYS);
    char *want = json_dumps(wanted, JSON_ENCODE_ANY | JSON_SORT_KEYS);
    ck_assert_msg(have != NULL && want != NULL && strcmp(have, want) == 0,
                  "%s: %s is %.600s, not %.600s", who, field, have == NULL ? "absent" : have, want);
    free(have);
    free(want);
}

/* The state keeps the events of its last blocks only: PANIC's older ones cannot be there. */
static json_t *recent(json_t *historical, json_int_t first)
{
    json_t *kept = json_array();
    size_t i;
    json_t *record;
    json_array_foreach(historical, i, record)
    {
        if (json_integer_value(json_object_get(record, "height")) >= first) {
            json_array_append(kept, record);
        }
    }
    return kept;
}

static void put_cursor(player *at, const frozen_peer *peer, const char *height)
{
    char key[128];
    char value[128];
    (void)snprintf(key, sizeof key, "substrate.history.%s.n", peer->genesis);
    (void)snprintf(value, sizeof value, "{\"height\": %s, \"runtime\": \"\"}", height);
    (void)pm_map_set(at->store, key, strdup(value));
}

START_TEST(a_chain_that_panic_can_read_gives_panics_samples)
{
    json_t *state = frozen_load("states/polkadot-9160-era30.json.gz");
    json_t *panic = frozen_load("oracle/dot9160.panicmon.json.gz");
    size_t i;
    json_t *node;
    frozen_peer *peer = frozen_add(&world, NODE, state);
    json_array_foreach(json_object_get(panic, "nodes"), i, node)
    {
        const char *stash = json_string_value(json_object_get(node, "stash"));
        json_t *wanted = json_object_get(node, "data");
        const char *field;
        json_t *value;
        player at;
        open_stash(&at, stash, "");
        put_cursor(&at, peer, "0");
        player_round(&at);
        ck_assert_int_eq(at.heartbeats, 1);
        ck_assert_msg(player_data(&at, NULL) != NULL, "%s", at.sample);
        json_object_foreach(wanted, field, value)
        {
            if (strcmp(field, "historical") == 0) {
                json_t *kept = recent(value, 182);
                ck_assert_uint_eq(json_array_size(kept), 41);
                expect_equal(stash, field, player_data(&at, field), kept);
                json_decref(kept);
            } else {
                expect_equal(stash, field, player_data(&at, field), value);
            }
        }
        if (json_object_size(wanted) == 0) { /* PANIC fails on a stash that is not bonded */
            ck_assert(json_is_null(player_data(&at, "controller_address")));
            ck_assert(json_is_false(player_data(&at, "active")));
            ck_assert_uint_eq(json_array_size(player_data(&at, "unclaimed_rewards")), 0);
            ck_assert_ptr_nonnull(
                json_object_get(player_extra(&at, "absent"), "controller_address"));
        }
        player_close(&at);
    }
    ck_assert_uint_eq(i, 7);
    json_decref(panic);
    json_decref(state);
}
END_TEST

START_TEST(so_does_its_network)
{
    json_t *state = frozen_load("states/polkadot-9160-era30.json.gz");
    json_t *panic = frozen_load("oracle/dot9160.panicmon.json.gz");
    json_t *wanted = json_object_get(json_object_get(panic, "network"), "data");
    const char *field;
    json_t *value;
    player at;
    frozen_peer *peer = frozen_add(&world, NODE, state);
    player_open(&at, panicmon_substrate_network_strategy(), shared, &world, KEY,
                "{\"n\": {\"id\": \"n\", \"parent_id\": \"p\", \"name\": \"n\", \"node_ws_url\": "
                "\"" NODE "\", \"monitor_network\": \"true\", \"use_as_data_source\": \"true\", "
                "\"governance_addresses\": \"\"}}",
                0);
    ck_assert_str_eq(at.launch.name, "Substrate Network Monitor (polkadot)");
    ck_assert_str_eq(at.launch.chain_id, "p");
    ck_assert_str_eq(at.launch.source_id, "p");
    ck_assert_str_eq(at.launch.source_name, "substrate polkadot");
    ck_assert_int_eq(at.launch.kind, PANICMON_KIND_NETWORK);
    player_round(&at);
    ck_assert_int_eq(at.heartbeats, 1);
    ck_assert_str_eq(at.routing_key, "network.substrate");
    ck_assert_msg(player_data(&at, NULL) != NULL, "%s", at.sample);
    json_object_foreach(wanted, field, value)
    {
        expect_equal("network", field, player_data(&at, field), value);
    }
    int keys = peer->keys;
    frozen_reset(&world);
    player_round(&at);
    ck_assert_int_lt(peer->keys, keys); /* finished referenda are not read again */
    ck_assert_int_le(peer->frames, 6);
    expect_equal("network", "all_referendums", player_data(&at, "all_referendums"),
                 json_object_get(wanted, "all_referendums"));
    player_close(&at);
    json_decref(panic);
    json_decref(state);
}
END_TEST

START_TEST(governance_addresses_are_written_as_the_config_has_them)
{
    json_t *state = frozen_load("states/polkadot-9160-era30.json.gz");
    player at;
    json_t *proposal;
    (void)frozen_add(&world, NODE, state);
    /* The second proposer, in the generic format, among blanks. */
    player_open(&at, panicmon_substrate_network_strategy(), shared, &world, KEY,
                "{\"n\": {\"id\": \"n\", \"parent_id\": \"p\", \"name\": \"n\", \"node_ws_url\": "
                "\"" NODE "\", \"monitor_network\": \"true\", \"use_as_data_source\": \"true\", "
                "\"governance_addresses\": "
                "\"x, 5FHneW46xGXgs5mUiveU4sbTyGBzmstUspZC92UhjJM694ty \"}}",
                0);
    player_round(&at);
    ck_assert_msg(player_data(&at, NULL) != NULL, "%s", at.sample);
    proposal = json_array_get(player_data(&at, "active_proposals"), 1);
    ck_assert_str_eq(json_string_value(json_object_get(proposal, "proposer")),
                     "5FHneW46xGXgs5mUiveU4sbTyGBzmstUspZC92UhjJM694ty");
    ck_assert_str_eq(json_string_value(json_array_get(json_object_get(proposal, "seconds"), 0)),
                     "5FHneW46xGXgs5mUiveU4sbTyGBzmstUspZC92UhjJM694ty");
    player_close(&at);
    json_decref(state);
}
END_TEST

/* ---- chains that PANIC cannot read: the recorded storage, by the rules ---- */

/* The recorded answer for an item and its arguments; NULL: the chain has none. */
static json_t *canon(json_t *oracle, const char *pallet, const char *item, const char *arg0,
                     const char *arg1)
{
    size_t i;
    json_t *entry;
    const char *wanted[] = {arg0, arg1};
    json_array_foreach(json_object_get(oracle, "storage"), i, entry)
    {
        json_t *args = json_object_get(entry, "args");
        bool same = strcmp(json_string_value(json_object_get(entry, "pallet")), pallet) == 0 &&
                    strcmp(json_string_value(json_object_get(entry, "item")), item) == 0;
        for (size_t a = 0; same && a < 2; a++) {
            char text[128] = "";
            json_t *arg = json_array_get(args, a);
            if (json_is_integer(arg)) {
                (void)snprintf(text, sizeof text, "%lld", (long long)json_integer_value(arg));
            } else if (json_is_string(arg)) {
                (void)snprintf(text, sizeof text, "%s", json_string_value(arg));
            }
            same = strcmp(text, wanted[a] == NULL ? "" : wanted[a]) == 0;
        }
        if (same) {
            json_t *raw = json_object_get(entry, "raw");
            return json_is_null(raw) ? NULL : json_object_get(entry, "canon");
        }
    }
    return NULL;
}

static long long number(const json_t *value)
{
    return json_is_string(value) ? strtoll(json_string_value(value), NULL, 10)
                                 : (long long)json_integer_value(value);
}

/* Total, own and others' sum of the exposure against the overview; a page at least per overview. */
static void check_exposure(const player *at, const char *stash, json_t *overview)
{
    json_t *stakers = player_data(at, "eras_stakers");
    ck_assert_uint_eq(json_object_size(stakers), 3);
    json_t *others = json_object_get(stakers, "others");
    long long sum = 0;
    size_t i;
    json_t *one;
    json_array_foreach(others, i, one)
    {
        ck_assert_uint_eq(json_object_size(one), 2);
        sum += number(json_object_get(one, "value"));
    }
    long long total = overview == NULL ? 0 : number(json_object_get(overview, "total"));
    long long own = overview == NULL ? 0 : number(json_object_get(overview, "own"));
    ck_assert_msg(number(json_object_get(stakers, "total")) == total, "%s", stash);
    ck_assert_msg(number(json_object_get(stakers, "own")) == own, "%s", stash);
    ck_assert_msg(sum == total - own, "%s: %lld of %lld", stash, sum, total - own);
    ck_assert_uint_eq(
        i, overview == NULL ? 0 : (size_t)number(json_object_get(overview, "nominator_count")));
}

/* Unclaimed eras: an overview with stake, and fewer claimed pages than it has. */
static void check_claims(const player *at, json_t *oracle, const char *stash, long long era)
{
    json_t *unclaimed = json_array();
    json_t *claimed = json_array();
    for (long long e = era < 84 ? 0 : era - 83; e < era; e++) {
        char text[32];
        (void)snprintf(text, sizeof text, "%lld", e);
        json_t *overview = canon(oracle, "Staking", "ErasStakersOverview", text, stash);
        json_t *pages = canon(oracle, "Staking", "ClaimedRewards", text, stash);
        if (overview != NULL && number(json_object_get(overview, "total")) != 0) {
            long long wanted = number(json_object_get(overview, "page_count"));
            bool done = (long long)json_array_size(pages) >= (wanted > 1 ? wanted : 1);
            json_array_append_new(done ? claimed : unclaimed, json_integer(e));
        }
    }
    expect_equal(stash, "unclaimed_rewards", player_data(at, "unclaimed_rewards"), unclaimed);
    expect_equal(stash, "claimed_rewards", player_data(at, "claimed_rewards"), claimed);
    json_decref(unclaimed);
    json_decref(claimed);
}

START_TEST(paged_exposures_and_claims_are_what_the_storage_says)
{
    json_t *state = frozen_load("states/polkadot-1004001-era4.json.gz");
    json_t *oracle = frozen_load("oracle/dot1004001.json.gz");
    size_t i;
    json_t *watched;
    size_t most = 0;
    (void)frozen_add(&world, NODE, state);
    json_array_foreach(json_object_get(oracle, "watch"), i, watched)
    {
        const char *stash = json_string_value(json_array_get(watched, 1));
        player at;
        open_stash(&at, stash, "");
        player_round(&at);
        ck_assert_msg(player_data(&at, NULL) != NULL, "%s", at.sample);
        ck_assert_int_eq(json_integer_value(player_data(&at, "best_height")), 66);
        ck_assert_int_eq(json_integer_value(player_data(&at, "current_era")), 4);
        ck_assert_int_eq(json_integer_value(player_data(&at, "history_depth_eras")), 84);
        check_exposure(&at, stash, canon(oracle, "Staking", "ErasStakersOverview", "4", stash));
        check_claims(&at, oracle, stash, 4);
        size_t others =
            json_array_size(json_object_get(player_data(&at, "eras_stakers"), "others"));
        most = others > most ? others : most;
        /* No ImOnline: nothing that would raise an alert, and why. */
        ck_assert_str_eq(json_string_value(player_data(&at, "authored_blocks")), "0x00000000");
        ck_assert(json_is_true(player_data(&at, "sent_heartbeat")) ==
                  json_is_true(player_data(&at, "active")));
        ck_assert_ptr_nonnull(json_object_get(player_extra(&at, "absent"), "sent_heartbeat"));
        json_t *points = canon(oracle, "Staking", "ErasRewardPoints", "3", NULL);
        ck_assert_ptr_nonnull(points);
        player_close(&at);
    }
    ck_assert_uint_gt(most, 512); /* two pages */
    json_decref(oracle);
    json_decref(state);
}
END_TEST

static json_t *load_document(const char *name)
{
    const char *path = frozen_path(name);
    json_error_t error;
    json_t *document = path == NULL ? NULL : json_load_file(path, 0, &error);
    ck_assert_ptr_nonnull(document);
    return document;
}

static void expect_flag(const char *who, const player *at, const char *name, const json_t *wanted)
{
    ck_assert_msg(json_is_true(player_data(at, name)) == json_is_true(wanted), "%s: %s", who, name);
}

static void expect_number(const char *who, const player *at, const char *name, const json_t *wanted)
{
    ck_assert_msg(json_integer_value(player_data(at, name)) == number(wanted), "%s: %s", who, name);
}

START_TEST(staking_on_the_asset_hub_is_read_there)
{
    json_t *relay = frozen_load("states/polkadot-2003000-ahm.json.gz");
    json_t *hub = frozen_load("states/statemint-2003001-ahm.json.gz");
    json_t *rounds = load_document("oracle/round-dot-ahm.json");
    json_t *oracle = frozen_load("oracle/statemint-2003001.json.gz");
    size_t i;
    json_t *wanted;
    (void)frozen_add(&world, NODE, relay);
    frozen_peer *peer = frozen_add(&world, HUB, hub);
    peer->genesis = "0x6868686868686868686868686868686868686868686868686868686868686868";
    json_array_foreach(rounds, i, wanted)
    {
        const char *stash = json_string_value(json_object_get(wanted, "stash"));
        const char *who = json_string_value(json_object_get(wanted, "name"));
        json_t *events = json_object_get(wanted, "events");
        player at;
        open_stash(&at, stash, HUB);
        put_cursor(&at, peer, "14000499");
        player_round(&at);
        ck_assert_msg(player_data(&at, NULL) != NULL, "%s", at.sample);
        expect_number(who, &at, "best_height", json_object_get(wanted, "best"));
        expect_number(who, &at, "finalized_height", json_object_get(wanted, "finalized"));
        expect_number(who, &at, "current_session", json_object_get(wanted, "session"));
        expect_number(who, &at, "current_era", json_object_get(wanted, "era"));
        expect_number(who, &at, "history_depth_eras", json_object_get(wanted, "depth"));
        expect_number(who, &at, "previous_era_rewards", json_object_get(wanted, "prevPoints"));
        expect_flag(who, &at, "active", json_object_get(wanted, "active"));
        expect_flag(who, &at, "elected", json_object_get(wanted, "elected"));
        expect_flag(who, &at, "disabled", json_object_get(wanted, "disabled"));
        expect_equal(who, "controller_address", player_data(&at, "controller_address"),
                     json_object_get(wanted, "controller"));
        expect_equal(who, "unclaimed_rewards", player_data(&at, "unclaimed_rewards"),
                     json_object_get(wanted, "unclaimed"));
        check_exposure(&at, stash, canon(oracle, "Staking", "ErasStakersOverview", "2041", stash));
        check_claims(&at, oracle, stash, 2041);
        /* 12 blocks of the Asset Hub; a slash over 2^53 stays exact. */
        json_t *historical = player_data(&at, "historical");
        ck_assert_uint_eq(json_array_size(historical), 12);
        size_t slashes = 0;
        size_t h;
        json_t *record;
        json_array_foreach(historical, h, record)
        {
            if (json_is_true(json_object_get(record, "slashed"))) {
                json_t *event = json_array_get(events, slashes++);
                ck_assert_int_eq(number(json_object_get(record, "height")),
                                 number(json_object_get(event, "height")));
                ck_assert_int_eq(number(json_object_get(record, "slashed_amount")),
                                 number(json_object_get(event, "slashed")));
            }
        }
        ck_assert_uint_eq(slashes, json_array_size(events));
        player_close(&at);
    }
    ck_assert_uint_gt(i, 8);
    json_decref(oracle);
    json_decref(rounds);
    json_decref(hub);
    json_decref(relay);
}
END_TEST

START_TEST(without_the_asset_hub_staking_is_absent_and_nothing_fails)
{
    json_t *relay = frozen_load("states/polkadot-2003000-ahm.json.gz");
    player at;
    (void)frozen_add(&world, NODE, relay);
    open_stash(&at, "15Jbynf3EcRqdHV1K14LXYh7PQFTbp5wiXfrc4kbMReR9KxA", "");
    player_round(&at);
    ck_assert_msg(player_data(&at, NULL) != NULL, "%s", at.sample);
    ck_assert(json_is_null(player_data(&at, "current_era"))); /* not the frozen one */
    ck_assert(json_is_true(player_data(&at, "active")));
    ck_assert(json_is_true(player_data(&at, "elected")));
    ck_assert_ptr_nonnull(json_object_get(player_extra(&at, "absent"), "current_era"));
    ck_assert_uint_eq(json_array_size(player_data(&at, "historical")), 0);
    player_close(&at);
    json_decref(relay);
}
END_TEST

START_TEST(another_monitored_node_serves_as_asset_hub)
{
    json_t *relay = frozen_load("states/polkadot-2003000-ahm.json.gz");
    json_t *hub = frozen_load("states/statemint-2003001-ahm.json.gz");
    player at;
    player other;
    (void)frozen_add(&world, NODE, relay);
    frozen_add(&world, HUB, hub)->genesis =
        "0x6868686868686868686868686868686868686868686868686868686868686868";
    player_open(&other, panicmon_substrate_node_strategy(), shared, &world,
                "chains.substrate.asset hub.nodes_config",
                "{\"h\": {\"node_id\": \"h\", \"ws_url\": \"" HUB "\"}}", 0);
    player_round(&other);
    ck_assert_int_eq(json_integer_value(player_data(&other, "current_era")), 2041);
    open_stash(&at, "16kZJGPJ37uYxjs7adswyEHbPYeHS9jQHSaSUJhkfvWPcoeF", "");
    player_round(&at);
    ck_assert(json_is_null(player_data(&at, "current_era")));
    player_round(&at); /* from the second round on */
    ck_assert_int_eq(json_integer_value(player_data(&at, "current_era")), 2041);
    ck_assert_str_eq(json_string_value(player_extra(&at, "asset_hub")), HUB);
    frozen_find(&world, HUB)->is_down = true; /* it was nobody's to name: its fields go */
    player_round(&at);
    ck_assert_msg(player_data(&at, NULL) != NULL, "%s", at.sample);
    ck_assert_ptr_nonnull(json_object_get(player_extra(&at, "absent"), "current_era"));
    player_close(&at);
    player_close(&other);
    json_decref(hub);
    json_decref(relay);
}
END_TEST

START_TEST(opengov_has_the_same_envelope)
{
    json_t *state = frozen_load("states/polkadot-1004001-era4.json.gz");
    player at;
    (void)frozen_add(&world, NODE, state);
    player_open(&at, panicmon_substrate_network_strategy(), shared, &world, KEY,
                "{\"n\": {\"id\": \"n\", \"parent_id\": \"p\", \"name\": \"n\", \"node_ws_url\": "
                "\"" NODE "\", \"monitor_network\": \"true\", \"use_as_data_source\": \"true\", "
                "\"governance_addresses\": \"abc, def\"}}",
                0);
    player_round(&at);
    ck_assert_msg(player_data(&at, NULL) != NULL, "%s", at.sample);
    ck_assert_int_eq(json_integer_value(player_data(&at, "referendum_count")), 7);
    ck_assert_str_eq(json_string_value(player_data(&at, "public_prop_count")), "0x00000000");
    ck_assert_uint_eq(json_array_size(player_data(&at, "active_proposals")), 0);
    json_t *all = player_data(&at, "all_referendums");
    json_t *active = player_data(&at, "active_referendums");
    ck_assert_uint_eq(json_object_size(all), 7);
    ck_assert_uint_eq(json_array_size(active), 2);
    size_t i;
    json_t *one;
    json_array_foreach(active, i, one)
    {
        char index[32];
        (void)snprintf(index, sizeof index, "%zu", i);
        json_t *ongoing = json_object_get(json_object_get(all, index), "ongoing");
        ck_assert_ptr_nonnull(ongoing);
        expect_equal("active", "status", json_object_get(one, "status"), ongoing);
        expect_equal("active", "imageHash", json_object_get(one, "imageHash"),
                     json_object_get(ongoing, "proposalHash"));
        ck_assert(json_is_string(json_object_get(ongoing, "threshold")));
        ck_assert(json_is_integer(json_object_get(ongoing, "end")));
        ck_assert(json_is_integer(json_object_get(ongoing, "delay")));
        ck_assert_uint_eq(strlen(json_string_value(json_object_get(one, "imageHash"))), 66);
        /* the first has ayes alone, but of 0.00011 % of the issuance; its track asks for half */
        ck_assert(json_is_false(json_object_get(one, "isPassing")));
    }
    json_t *approved = json_object_get(json_object_get(all, "2"), "finished");
    ck_assert(json_is_true(json_object_get(approved, "approved")));
    ck_assert_int_eq(json_integer_value(json_object_get(approved, "end")), 59);
    for (int r = 3; r < 7; r++) {
        char index[32];
        (void)snprintf(index, sizeof index, "%d", r);
        json_t *finished = json_object_get(json_object_get(all, index), "finished");
        ck_assert(json_is_false(json_object_get(finished, "approved")));
        ck_assert_int_gt(json_integer_value(json_object_get(finished, "end")), 50);
    }
    player_close(&at);
    json_decref(state);
}
END_TEST

/* The first referendum has 9 DOT of ayes; here there are but 10 in all. */
START_TEST(opengov_passes_with_support_and_approval)
{
    json_t *state = frozen_load("states/polkadot-1004001-era4.json.gz");
    player at;
    frozen_peer *peer = frozen_add(&world, NODE, state);
    frozen_set(peer, "0xc2261276cc9d1f8598ea4b6a74b15c2f57c875e4cff74148e4628f264b974c80",
               "0x00e87648170000000000000000000000");
    frozen_set(peer, INACTIVE_ISSUANCE, NULL);
    player_open(&at, panicmon_substrate_network_strategy(), shared, &world, KEY,
                "{\"n\": {\"id\": \"n\", \"parent_id\": \"p\", \"name\": \"n\", \"node_ws_url\": "
                "\"" NODE "\", \"monitor_network\": \"true\", \"use_as_data_source\": \"true\"}}",
                0);
    player_round(&at);
    json_t *active = player_data(&at, "active_referendums");
    ck_assert_uint_eq(json_array_size(active), 2);
    ck_assert(json_is_true(json_object_get(json_array_get(active, 0), "isPassing")));
    ck_assert(json_is_false(json_object_get(json_array_get(active, 1), "isPassing")));
    player_close(&at);
    json_decref(state);
}
END_TEST

int main(void)
{
    if (frozen_path("states/polkadot-9160-era30.json.gz") == NULL) {
        return 77;
    }
    Suite *suite = suite_create("substrate_states");
    TCase *all = tcase_create("all");
    tcase_set_timeout(all, 30);
    tcase_add_checked_fixture(all, set_up, tear_down);
    tcase_add_test(all, a_chain_that_panic_can_read_gives_panics_samples);
    tcase_add_test(all, so_does_its_network);
    tcase_add_test(all, governance_addresses_are_written_as_the_config_has_them);
    tcase_add_test(all, paged_exposures_and_claims_are_what_the_storage_says);
    tcase_add_test(all, staking_on_the_asset_hub_is_read_there);
    tcase_add_test(all, without_the_asset_hub_staking_is_absent_and_nothing_fails);
    tcase_add_test(all, another_monitored_node_serves_as_asset_hub);
    tcase_add_test(all, opengov_has_the_same_envelope);
    tcase_add_test(all, opengov_passes_with_support_and_approval);
    suite_add_tcase(suite, all);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
