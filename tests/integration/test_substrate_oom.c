/* test_substrate_oom.c: rounds of the Substrate monitors with their n-th allocation failing, and
 * with all that follow it failing too. A round may then fail; the next one gives a sample, and
 * nothing leaks. On a made chain, and on a recorded one with OpenGov where the recordings are at
 * hand. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../unit/oom.h"
#include "support/made.h"
#include "support/player.h"

#define NODE "ws://node:1"
#define KEY  "chains.substrate.polkadot.nodes_config"

/* Whether a step runs: only its allocations fail. */
static void guard(bool now)
{
    oom_pause(!now);
}

typedef struct chain {
    json_t *state;
    const panicmon_strategy_ops *ops;
    char *config;
    int calm;   /* rounds before the one that fails: 0 the first, 1 a steady one */
    long dense; /* that many allocations are tried one by one, then ever fewer */
} chain;

/* False: the round has no n-th allocation. */
static bool play(const chain *of, long n, bool all_after)
{
    frozen world = {0};
    player at;
    panicmon_substrate *shared = NULL;
    frozen_peer *peer = frozen_add(&world, NODE, of->state);
    peer->head = peer->head > 8 ? peer->head - 8 : 0;
    ck_assert_int_eq(panicmon_substrate_new(&shared), PANICMON_OK);
    player_open(&at, of->ops, shared, &world, KEY, of->config, 0);
    for (int i = 0; i < of->calm; i++) {
        player_round(&at);
        atomic_fetch_add(&peer->head, 1);
    }
    at.guard = guard;
    oom_arm(n, all_after, false);
    oom_pause(true);
    player_round(&at);
    bool some = oom_disarm();
    oom_pause(false);
    at.guard = NULL;
    for (int i = 0; i < 2; i++) { /* the first may still find an endpoint that is left alone */
        atomic_fetch_add(&peer->head, 1);
        player_round(&at);
    }
    ck_assert_msg(player_data(&at, NULL) != NULL, "after failure %ld%s: %s", n,
                  all_after ? " and all that follow" : "", at.sample);
    player_close(&at);
    panicmon_substrate_free(shared);
    frozen_free(&world);
    return some;
}

static void try_all(const chain *of)
{
    long tried = 0;
    for (int all_after = 0; all_after < 2; all_after++) {
        for (long n = 0; play(of, n, all_after != 0); n += n < of->dense ? 1 : 1 + n / 40) {
            tried++;
        }
    }
    printf("%ld rounds without memory\n", tried);
    ck_assert_int_gt(tried, 20);
}

static char *node_config(const char *stash)
{
    pm_buf json = {0};
    pm_buf_format(&json,
                  "{\"v\": {\"id\": \"v\", \"parent_id\": \"p\", \"name\": \"v\", "
                  "\"node_ws_url\": \"" NODE "\", \"is_validator\": \"true\", "
                  "\"stash_address\": \"%s\", \"monitor_network\": \"true\", "
                  "\"use_as_data_source\": \"true\", \"governance_addresses\": \"%s\"}}",
                  stash, stash);
    return pm_buf_take(&json, NULL);
}

static void try_chain(json_t *state, const char *stash, long dense)
{
    chain of = {.state = state, .config = node_config(stash), .dense = dense};
    for (of.calm = 0; of.calm < 2; of.calm++) {
        of.ops = panicmon_substrate_node_strategy();
        try_all(&of);
        of.ops = panicmon_substrate_network_strategy();
        try_all(&of);
    }
    free(of.config);
    json_decref(state);
}

START_TEST(new_chains)
{
    json_t *state = made_state(false);
    try_chain(state, made_stash(state, 0), 150);
}
END_TEST

START_TEST(old_chains)
{
    json_t *state = made_state(true);
    try_chain(state, made_stash(state, 0), 150);
}
END_TEST

START_TEST(opengov)
{
    if (frozen_path("states/polkadot-1004001-era4.json.gz") == NULL) {
        return;
    }
    try_chain(frozen_load("states/polkadot-1004001-era4.json.gz"),
              "15Jbynf3EcRqdHV1K14LXYh7PQFTbp5wiXfrc4kbMReR9KxA", 20);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("substrate_oom");
    TCase *all = tcase_create("all");
    tcase_set_timeout(all, 240);
    tcase_add_test(all, new_chains);
    tcase_add_test(all, old_chains);
    tcase_add_test(all, opengov);
    suite_add_tcase(suite, all);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
