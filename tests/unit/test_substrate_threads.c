/* test_substrate_threads.c: many monitors of one chain, in many threads, sharing what they know,
 * while configs, sources and the chain change. To be run under ThreadSanitizer too. */
#include <check.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "support/made.h"
#include "support/player.h"

#define NODE  "ws://node:1"
#define OTHER "ws://other:2"
#define KEY   "chains.substrate.polkadot.nodes_config"

enum { THREADS = 6, EACH = 4, ROUNDS = 8, VALIDATORS = THREADS * EACH };

static frozen world;
static panicmon_substrate *shared;
static json_t *state;
static char *configs[2]; /* with the second source, and without */
static atomic_bool over;
static atomic_int failures;
static pthread_barrier_t gate; /* all begin and end together */

static char *make_config(bool other)
{
    pm_buf json = {0};
    pm_buf_char(&json, '{');
    for (size_t i = 0; i < VALIDATORS; i++) {
        pm_buf_format(&json,
                      "%s\"v%zu\": {\"id\": \"v%zu\", \"parent_id\": \"p\", \"node_ws_url\": "
                      "\"" NODE "\", \"is_validator\": \"true\", \"stash_address\": \"%s\", "
                      "\"monitor_network\": \"true\", \"use_as_data_source\": \"%s\"}",
                      i > 0 ? ", " : "", i, i, made_stash(state, i), i == 0 ? "true" : "false");
    }
    if (other) {
        pm_buf_text(&json, ", \"f\": {\"id\": \"f\", \"parent_id\": \"p\", \"node_ws_url\": "
                           "\"" OTHER "\", \"monitor_network\": \"true\", "
                           "\"use_as_data_source\": \"true\"}");
    }
    pm_buf_char(&json, '}');
    return pm_buf_take(&json, NULL);
}

static void check(const player *at)
{
    int code = player_code(at);
    bool sample = player_data(at, NULL) != NULL;
    if ((!sample && code != 5019) || at->samples != 1) {
        atomic_fetch_add(&failures, 1);
        printf("code %d: %.300s\n", code, at->sample);
    }
}

static void *run_nodes(void *arg)
{
    size_t first = (size_t)(uintptr_t)arg * EACH;
    player all[EACH];
    for (size_t i = 0; i < EACH; i++) {
        player_open(&all[i], panicmon_substrate_node_strategy(), shared, &world, KEY, configs[0],
                    first + i);
    }
    (void)pthread_barrier_wait(&gate);
    for (int round = 0; round < ROUNDS; round++) {
        for (size_t i = 0; i < EACH; i++) {
            player_round(&all[i]);
            check(&all[i]);
            if (round % 3 == 1 && !player_update(&all[i], KEY, configs[round % 2], first + i)) {
                atomic_fetch_add(&failures, 1);
            }
        }
    }
    (void)pthread_barrier_wait(&gate);
    for (size_t i = 0; i < EACH; i++) {
        player_close(&all[i]);
    }
    return NULL;
}

static void *run_network(void *arg)
{
    player at;
    (void)arg;
    player_open(&at, panicmon_substrate_network_strategy(), shared, &world, KEY, configs[0], 0);
    (void)pthread_barrier_wait(&gate);
    for (int round = 0; round < ROUNDS; round++) {
        player_round(&at);
        check(&at);
    }
    (void)pthread_barrier_wait(&gate);
    player_close(&at);
    return NULL;
}

static void *push(void *arg)
{
    const struct timespec pause = {.tv_nsec = 3000000};
    (void)arg;
    for (int i = 0; !atomic_load(&over); i++) {
        frozen_peer *peer = &world.peers[i % 2];
        if (peer->head < 58) {
            atomic_fetch_add(&peer->head, 1);
        }
        world.peers[1].is_syncing = i % 5 == 0;
        world.peers[1].is_down = i % 11 == 0;
        (void)nanosleep(&pause, NULL);
    }
    return NULL;
}

START_TEST(monitors_in_many_threads_share_without_races)
{
    pthread_t threads[THREADS + 2];
    state = made_state_of(false, VALIDATORS);
    configs[0] = make_config(true);
    configs[1] = make_config(false);
    frozen_add(&world, NODE, state)->head = 30;
    frozen_add(&world, OTHER, state)->head = 30;
    ck_assert_int_eq(pthread_barrier_init(&gate, NULL, THREADS + 1), 0);
    ck_assert_int_eq(panicmon_substrate_new(&shared), PANICMON_OK);
    ck_assert_int_eq(pthread_create(&threads[THREADS + 1], NULL, push, NULL), 0);
    ck_assert_int_eq(pthread_create(&threads[THREADS], NULL, run_network, NULL), 0);
    for (size_t i = 0; i < THREADS; i++) {
        ck_assert_int_eq(pthread_create(&threads[i], NULL, run_nodes, (void *)(uintptr_t)i), 0);
    }
    for (size_t i = 0; i <= THREADS; i++) {
        (void)pthread_join(threads[i], NULL);
    }
    over = true;
    (void)pthread_join(threads[THREADS + 1], NULL);
    panicmon_substrate_free(shared);
    ck_assert_int_eq(failures, 0);
    (void)pthread_barrier_destroy(&gate);
    frozen_free(&world);
    json_decref(state);
    free(configs[0]);
    free(configs[1]);
}
END_TEST

/* All begin at once, and none has it yet. */
START_TEST(metadata_is_read_once_for_all)
{
    pthread_t threads[THREADS + 1];
    state = made_state_of(false, VALIDATORS);
    configs[0] = make_config(true);
    configs[1] = make_config(false);
    frozen_add(&world, NODE, state)->head = 30;
    frozen_add(&world, OTHER, state)->head = 30;
    ck_assert_int_eq(pthread_barrier_init(&gate, NULL, THREADS + 1), 0);
    ck_assert_int_eq(panicmon_substrate_new(&shared), PANICMON_OK);
    ck_assert_int_eq(pthread_create(&threads[THREADS], NULL, run_network, NULL), 0);
    for (size_t i = 0; i < THREADS; i++) {
        ck_assert_int_eq(pthread_create(&threads[i], NULL, run_nodes, (void *)(uintptr_t)i), 0);
    }
    for (size_t i = 0; i <= THREADS; i++) {
        (void)pthread_join(threads[i], NULL);
    }
    ck_assert_int_eq(failures, 0);
    ck_assert_int_eq(world.peers[0].metadata + world.peers[1].metadata, 1);
    panicmon_substrate_free(shared);
    (void)pthread_barrier_destroy(&gate);
    frozen_free(&world);
    json_decref(state);
    free(configs[0]);
    free(configs[1]);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("substrate_threads");
    TCase *all = tcase_create("all");
    tcase_set_timeout(all, 50);
    tcase_add_test(all, metadata_is_read_once_for_all);
    tcase_add_test(all, monitors_in_many_threads_share_without_races);
    suite_add_tcase(suite, all);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
