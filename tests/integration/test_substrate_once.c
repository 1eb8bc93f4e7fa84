/* test_substrate_once.c: the daemon, once, against simulated nodes that serve recorded states: what
 * it prints is what PANIC's own monitors say of the same chain, and a chain with its staking on an
 * Asset Hub is read as a group. Skipped without the recordings, the daemon or the simulator. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "support/frozen.h"
#include "support/simproc.h"

/* How many stashes of the Asset Hub are read; test_substrate_states.c has them all. A simulator
 * under ThreadSanitizer takes seconds for each copy of the metadata. */
#ifdef __SANITIZE_THREAD__
#define STASHES 1
#else
#define STASHES 5
#endif

typedef struct run {
    json_t *nodes;    /* node id -> data */
    json_t *networks; /* chain name -> data */
    int errors;
} run;

static void serve(simproc *sim, const char *name)
{
    const char *options[] = {"--state", frozen_path(name), NULL};
    ck_assert_ptr_nonnull(options[1]);
    ck_assert(simproc_start(sim, options));
}

static json_t *entry(const char *id, const simproc *node, const char *stash, const simproc *hub)
{
    char url[64];
    char hub_url[64] = "";
    (void)snprintf(url, sizeof url, "ws://127.0.0.1:%u", node->port);
    if (hub != NULL) {
        (void)snprintf(hub_url, sizeof hub_url, "ws://127.0.0.1:%u", hub->port);
    }
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "id", id,
                     "parent_id", "parent", "name", id, "node_ws_url", url, "monitor_node", "true",
                     "is_validator", "true", "use_as_data_source", "true", "stash_address", stash,
                     "monitor_network", "true", "governance_addresses", "", "asset_hub_ws_url",
                     hub_url);
}

static void take_line(run *out, const char *line)
{
    json_error_t error;
    json_t *message = json_loads(line, 0, &error);
    ck_assert_msg(message != NULL, "%s: %.300s", error.text, line);
    json_t *body = json_object_get(message, "body");
    body = body != NULL ? body : json_object_get(message, "message");
    json_t *websocket = json_object_get(body, "websocket");
    json_t *result = json_object_get(websocket, "result");
    json_t *meta = json_object_get(result, "meta_data");
    json_t *data = json_object_get(result, "data");
    out->errors += json_object_get(websocket, "error") != NULL;
    if (json_object_get(meta, "node_id") != NULL) {
        json_object_set(out->nodes, json_string_value(json_object_get(meta, "node_id")), data);
    } else if (meta != NULL) {
        json_object_set(out->networks, json_string_value(json_object_get(meta, "chain_name")),
                        data);
    }
    json_decref(message);
}

/* Runs the daemon once with a config set; takes `set` over. */
static run once(json_t *set)
{
    run out = {.nodes = json_object(), .networks = json_object()};
    char path[] = "/tmp/panicmon-once-XXXXXX";
    char command[512];
    int fd = mkstemp(path);
    ck_assert_int_ge(fd, 0);
    json_t *config =
        json_pack("{s:{s:o}}", "configs", "chains.substrate.polkadot.nodes_config", set);
    ck_assert_int_eq(json_dumpfd(config, fd, 0), 0);
    (void)close(fd);
    json_decref(config);
    (void)snprintf(command, sizeof command, "'%s' -c %s --once --format json --period 60",
                   getenv("PANICMOND"), path);
    FILE *lines = popen(command, "r");
    ck_assert_ptr_nonnull(lines);
    char *line = NULL;
    size_t size = 0;
    while (getline(&line, &size, lines) > 0) {
        take_line(&out, line);
    }
    free(line);
    int status = pclose(lines);
    (void)unlink(path);
    ck_assert_int_eq(status, 0);
    ck_assert_int_eq(out.errors, 0);
    return out;
}

static void end(run *out)
{
    json_decref(out->nodes);
    json_decref(out->networks);
}

static void expect_equal(const char *who, const char *field, json_t *got, json_t *wanted)
{
    char *have = json_dumps(got, JSON_ENCODE_ANY | JSON_SORT_KEYS);
    char *want = json_dumps(wanted, JSON_ENCODE_ANY | JSON_SORT_KEYS);
    ck_assert_msg(have != NULL && strcmp(have, want) == 0, "%s: %s is %.500s, not %.500s", who,
                  field, have == NULL ? "absent" : have, want);
    free(have);
    free(want);
}

START_TEST(an_old_chain_equals_panics_output)
{
    simproc sim;
    json_t *panic = frozen_load("oracle/dot9160.panicmon.json.gz");
    json_t *set = json_object();
    size_t i;
    json_t *node;
    const char *field;
    json_t *value;
    serve(&sim, "states/polkadot-9160-era30.json.gz");
    json_array_foreach(json_object_get(panic, "nodes"), i, node)
    {
        const char *stash = json_string_value(json_object_get(node, "stash"));
        json_object_set_new(set, stash, entry(stash, &sim, stash, NULL));
    }
    run out = once(set);
    ck_assert_uint_eq(json_object_size(out.nodes), 7);
    json_array_foreach(json_object_get(panic, "nodes"), i, node)
    {
        const char *stash = json_string_value(json_object_get(node, "stash"));
        json_t *data = json_object_get(out.nodes, stash);
        json_object_foreach(json_object_get(node, "data"), field, value)
        {
            if (strcmp(field, "historical") == 0) { /* a first round speaks of one block */
                json_t *newest = json_pack("[O]", json_array_get(value, 0));
                expect_equal(stash, field, json_object_get(data, field), newest);
                json_decref(newest);
            } else {
                expect_equal(stash, field, json_object_get(data, field), value);
            }
        }
    }
    json_t *network = json_object_get(out.networks, "polkadot");
    json_object_foreach(json_object_get(json_object_get(panic, "network"), "data"), field, value)
    {
        expect_equal("network", field, json_object_get(network, field), value);
    }
    end(&out);
    json_decref(panic);
    ck_assert_int_eq(simproc_stop(&sim), 0);
}
END_TEST

START_TEST(a_relay_chain_and_its_asset_hub_are_read_together)
{
    static const struct {
        const char *field, *wanted;
    } fields[] = {{"best_height", "best"},
                  {"finalized_height", "finalized"},
                  {"current_session", "session"},
                  {"current_era", "era"},
                  {"history_depth_eras", "depth"},
                  {"active", "active"},
                  {"elected", "elected"},
                  {"disabled", "disabled"},
                  {"controller_address", "controller"},
                  {"unclaimed_rewards", "unclaimed"},
                  {"previous_era_rewards", "prevPoints"}};
    simproc relay;
    simproc hub;
    json_error_t error;
    const char *path = frozen_path("oracle/round-dot-ahm.json");
    json_t *rounds = json_load_file(path, 0, &error);
    json_t *set = json_object();
    size_t i;
    json_t *wanted;
    serve(&relay, "states/polkadot-2003000-ahm.json.gz");
    serve(&hub, "states/statemint-2003001-ahm.json.gz");
    while (json_array_size(rounds) > STASHES) {
        json_array_remove(rounds, STASHES);
    }
    json_array_foreach(rounds, i, wanted)
    {
        const char *stash = json_string_value(json_object_get(wanted, "stash"));
        json_object_set_new(set, stash, entry(stash, &relay, stash, &hub));
    }
    run out = once(set);
    ck_assert_uint_eq(json_object_size(out.nodes), i);
    json_array_foreach(rounds, i, wanted)
    {
        const char *stash = json_string_value(json_object_get(wanted, "stash"));
        json_t *data = json_object_get(out.nodes, stash);
        for (size_t f = 0; f < sizeof fields / sizeof fields[0]; f++) {
            expect_equal(stash, fields[f].field, json_object_get(data, fields[f].field),
                         json_object_get(wanted, fields[f].wanted));
        }
        json_t *stakers = json_object_get(data, "eras_stakers");
        ck_assert_int_eq(json_integer_value(json_object_get(stakers, "total")),
                         strtoll(json_string_value(json_object_get(wanted, "total")), NULL, 10));
        ck_assert_uint_eq(json_array_size(json_object_get(stakers, "others")),
                          (size_t)json_integer_value(json_object_get(wanted, "nominators")));
    }
    json_t *network = json_object_get(out.networks, "polkadot"); /* governance moved as well */
    ck_assert_int_eq(json_integer_value(json_object_get(network, "referendum_count")), 1893);
    end(&out);
    json_decref(rounds);
    ck_assert_int_eq(simproc_stop(&hub), 0);
    ck_assert_int_eq(simproc_stop(&relay), 0);
}
END_TEST

int main(void)
{
    if (getenv("PANICMOND") == NULL || getenv("PANICMON_SIM") == NULL ||
        frozen_path("states/polkadot-9160-era30.json.gz") == NULL) {
        (void)fputs("skipped: no daemon, no simulator, or no recorded states here\n", stderr);
        return 77;
    }
    Suite *suite = suite_create("substrate_once");
    TCase *all = tcase_create("all");
    tcase_set_timeout(all, 60);
    tcase_add_test(all, an_old_chain_equals_panics_output);
    tcase_add_test(all, a_relay_chain_and_its_asset_hub_are_read_together);
    suite_add_tcase(suite, all);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
