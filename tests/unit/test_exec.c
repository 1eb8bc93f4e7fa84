/* test_exec.c: the same monitors under every executor: what they publish, stopping with hung peers,
 * blocking neighbours, removal, changes, many at once. Nodes are a peer of the test's own. */
#include <check.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <panicmon/panicmon.h>

#include "exec_lab.h"
#include "base/clock.h"
#include "base/json.h"
#include "exec/exec.h"
#include "exec/share.h"

static const char *const executors[] = {"threads", "rounds", "queue", "events"};
#define EXECUTORS ((int)(sizeof executors / sizeof executors[0]))

static const char *const no_settings[] = {NULL};

/* ---- tests; _i is the executor ---- */

static void see_all_publish_the_same(const char *executor, const char *const *pairs)
{
    enum { PROBES = 24, ROUNDS = 3 };
    peer *server = peer_start(lab_node, NULL, NULL, NULL);
    lab at = lab_open(executor, pairs);
    pm_buf json = {0};
    lab_add_probes(&json, 0, PROBES, peer_port(server), ", \"period\": 500");
    pm_buf_char(&json, '}');
    lab_apply(&at, &json);
    ck_assert_int_eq(panicmon_runtime_wait_idle(at.runtime, -1), PANICMON_OK);
    ck_assert_uint_eq(lab_sample_count, PROBES * ROUNDS);
    ck_assert_int_eq(lab_heartbeats, PROBES * ROUNDS);
    for (int i = 0; i < PROBES; i++) {
        for (int round = 1; round <= ROUNDS; round++) {
            char expected[128];
            char before[16] = "";
            if (round > 1) {
                snprintf(before, sizeof before, "%d", round - 1);
            }
            snprintf(expected, sizeof expected, "p%d round %d: %d \"for ever\" before: %s", i,
                     round, (i * 100 + round) * 2, before);
            if (lab_count(expected) == 0) {
                for (size_t k = 0; k < lab_sample_count; k++) {
                    fprintf(stderr, "%s\n", lab_samples[k]);
                }
                ck_abort_msg("not published: %s", expected);
            }
        }
    }
    ck_assert_int_eq(lab_figure(&at, "rounds"), PROBES * ROUNDS);
    ck_assert_int_eq(lab_figure(&at, "results"), PROBES * ROUNDS);
    ck_assert_int_eq(lab_figure(&at, "messages_dropped"), 0);
    ck_assert_int_gt(lab_figure(&at, "round_us_max"), 0);
    ck_assert_int_ge(lab_figure(&at, "lag_us_max"), lab_figure(&at, "lag_us_p50"));
    ck_assert_str_eq(lab_log, "");
    lab_close(&at);
    peer_stop(server);
    pm_buf_free(&json);
}

START_TEST(all_publish_the_same)
{
    const char *const pairs[] = {"rounds", "3", NULL};
    see_all_publish_the_same(executors[_i], pairs);
}
END_TEST

START_TEST(all_publish_the_same_with_a_store_that_waits_for_the_disk)
{
    char directory[] = "/tmp/panicmon-exec-XXXXXX";
    char command[64];
    ck_assert_ptr_nonnull(mkdtemp(directory));
    const char *const pairs[] = {"rounds", "3", "state_dir", directory, NULL};
    see_all_publish_the_same(executors[_i], pairs);
    (void)snprintf(command, sizeof command, "rm -r %s", directory);
    ck_assert_int_eq(system(command), 0);
}
END_TEST

START_TEST(a_stop_does_not_wait_for_hung_peers)
{
    peer *server = peer_start(lab_node, NULL, NULL, NULL);
    lab at = lab_open(executors[_i], no_settings);
    pm_buf json = {0};
    lab_add_probes(&json, 0, 20, peer_port(server), ", \"method\": \"hang\", \"period\": 60000");
    lab_add_probes(&json, 40, 4, peer_port(server), ", \"period\": 100");
    pm_buf_char(&json, '}');
    lab_apply(&at, &json);
    lab_await("p4", 3);
    while (lab_figure(&at, "sockets") == 0) {
        usleep(1000);
    }
    int64_t began = pm_mono_ms();
    panicmon_runtime_request_stop(at.runtime);
    ck_assert_int_eq(panicmon_runtime_join(at.runtime, -1), PANICMON_OK);
    ck_assert_int_lt(pm_mono_ms() - began, 8000); /* the hung rounds have 20 s and more */
    ck_assert_int_eq(lab_figure(&at, "monitors_running"), 0);
    ck_assert_int_eq(lab_figure(&at, "sockets"), 0);
    ck_assert_int_eq(lab_figure(&at, "threads"), 0);
    ck_assert_int_eq(lab_figure(&at, "pool_bytes"), 0);
    ck_assert_int_eq(lab_figure(&at, "cache_bytes"), 0);
    lab_close(&at);
    peer_stop(server);
    pm_buf_free(&json);
}
END_TEST

START_TEST(one_that_blocks_does_not_delay_the_others)
{
    lab at = lab_open(executors[_i], no_settings);
    pm_buf json = {0};
    lab_add_probes(&json, 0, 4, 0, ", \"block\": 3000, \"flags\": 1, \"period\": 3000");
    lab_add_probes(&json, 50, 10, 0, ", \"period\": 50");
    pm_buf_char(&json, '}');
    lab_apply(&at, &json);
    /* more than the blocking ones would let through one after the other */
    lab_await("p5", 150);
    ck_assert_uint_lt(lab_count("p0"), 3);
    lab_close(&at);
    pm_buf_free(&json);
}
END_TEST

START_TEST(a_wait_takes_its_time)
{
    lab at = lab_open(executors[_i], no_settings);
    pm_buf json = {0};
    lab_add_probes(&json, 0, 4, 0, ", \"wait\": 150, \"period\": 1000");
    pm_buf_char(&json, '}');
    int64_t began = pm_mono_ms();
    lab_apply(&at, &json);
    lab_await("waited: 0", 4);
    ck_assert_int_ge(pm_mono_ms() - began, 150);
    pm_buf_clear(&json); /* longer than the round is: told so, in time */
    lab_add_probes(&json, 7, 1, 0, ", \"wait\": 60000, \"period\": 1000");
    pm_buf_char(&json, '}');
    lab_apply(&at, &json);
    char cut[32];
    snprintf(cut, sizeof cut, "p7 waited: %d", (int)PANICMON_ERR_TIMEOUT);
    lab_await(cut, 1);
    pm_buf_clear(&json); /* nor does a stop wait for it */
    lab_add_probes(&json, 8, 3, 0, ", \"wait\": 40000, \"period\": 600000");
    pm_buf_char(&json, '}');
    lab_apply(&at, &json);
    usleep(200000);
    began = pm_mono_ms();
    panicmon_runtime_request_stop(at.runtime);
    ck_assert_int_eq(panicmon_runtime_join(at.runtime, -1), PANICMON_OK);
    ck_assert_int_lt(pm_mono_ms() - began, 10000);
    lab_close(&at);
    pm_buf_free(&json);
}
END_TEST

START_TEST(a_hung_monitor_goes_when_it_is_removed)
{
    peer *server = peer_start(lab_node, NULL, NULL, NULL);
    lab at = lab_open(executors[_i], no_settings);
    pm_buf both = {0};
    pm_buf one = {0};
    lab_add_probes(&both, 0, 1, peer_port(server), "");
    lab_add_probes(&both, 1, 1, peer_port(server), ", \"method\": \"hang\", \"period\": 60000");
    pm_buf_char(&both, '}');
    lab_add_probes(&one, 0, 1, peer_port(server), "");
    pm_buf_char(&one, '}');
    lab_apply(&at, &both);
    lab_await("p0", 2);
    usleep(1100000); /* all first rounds have begun */
    lab_apply(&at, &one);
    while (lab_figure(&at, "monitors_running") > 1) {
        usleep(1000);
    }
    size_t before = lab_count("p0");
    lab_await("p0", before + 3); /* its neighbour runs on */
    lab_apply(&at, &both);       /* and its key is free again */
    ck_assert_int_eq(lab_figure(&at, "monitors_running"), 2);
    lab_close(&at);
    peer_stop(server);
    pm_buf_free(&both);
    pm_buf_free(&one);
}
END_TEST

/* Removed while their requests are under way, each to a node of its own, they go at once; what they
 * asked for ends later: by its deadline, or with the runtime. _i: which of the two. */
START_TEST(requests_outlive_who_asked)
{
    const char *const pairs[] = {"round.deadline", _i == 0 ? "0.5" : "30", NULL};
    peer *nodes = peer_start(lab_node, NULL, NULL, NULL);
    peer *mute = peer_start(peer_idle, NULL, NULL, NULL);
    lab at = lab_open("events", pairs);
    pm_buf json = {0};
    pm_buf none = {0};
    for (int i = 0; i < 10; i++) {
        pm_buf_format(&json,
                      "%s\"p%d\": {\"number\": 5, \"method\": \"hang\", \"period\": 60000, "
                      "\"url\": \"%s://127.0.0.1:%d/%d\"}",
                      i == 0 ? "{" : ", ", i, i % 2 == 0 ? "ws" : "http",
                      peer_port(i % 2 == 0 ? nodes : mute), i);
    }
    pm_buf_char(&json, '}');
    lab_add_probes(&none, 50, 1, 0, ", \"url\": \"\"");
    pm_buf_char(&none, '}');
    lab_apply(&at, &json);
    while (peer_count(nodes) < 5 || peer_count(mute) < 5) {
        usleep(1000);
    }
    usleep(20000); /* what they ask leaves once they are connected */
    lab_apply(&at, &none);
    while (lab_figure(&at, "monitors_running") > 1) {
        usleep(1000);
    }
    usleep(_i == 0 ? 700000 : 1000);
    lab_close(&at);
    peer_stop(nodes);
    peer_stop(mute);
    pm_buf_free(&json);
    pm_buf_free(&none);
}
END_TEST

START_TEST(a_changed_config_holds_from_the_next_round_on)
{
    peer *server = peer_start(lab_node, NULL, NULL, NULL);
    lab at = lab_open(executors[_i], no_settings);
    for (int number = 7; number < 12; number++) {
        pm_buf json = {0};
        char expected[64];
        /* A round has as long as its period; only the first one of a config is looked for. */
        pm_buf_format(&json,
                      "{\"x\": {\"number\": %d, \"period\": 500, "
                      "\"url\": \"ws://127.0.0.1:%d/\"}}",
                      number * 1000, peer_port(server));
        lab_apply(&at, &json);
        snprintf(expected, sizeof expected, ": %d ", (number * 1000 + 1) * 2);
        lab_await(expected, 1);
        pm_buf_free(&json);
    }
    lab_close(&at);
    peer_stop(server);
}
END_TEST

START_TEST(a_thousand)
{
    const char *const pairs[] = {"rounds", "2", NULL};
    lab at = lab_open(executors[_i], pairs);
    pm_buf json = {0};
    lab_add_probes(&json, 0, 1000, 0, ", \"period\": 1000");
    pm_buf_char(&json, '}');
    lab_apply(&at, &json);
    ck_assert_int_eq(panicmon_runtime_wait_idle(at.runtime, -1), PANICMON_OK);
    ck_assert_uint_eq(lab_count("round 1:"), 1000);
    ck_assert_uint_eq(lab_count("round 2:"), 1000);
    ck_assert_int_eq(lab_figure(&at, "rounds"), 2000);
    lab_close(&at);
    pm_buf_free(&json);
}
END_TEST

START_TEST(rounds_keep_to_their_grid)
{
    lab at = lab_open(executors[_i], no_settings);
    pm_buf json = {0};
    lab_add_probes(&json, 0, 20, 0, ", \"period\": 100");
    pm_buf_char(&json, '}');
    lab_apply(&at, &json);
    lab_await("p1", 30);
    int64_t rounds = lab_figure(&at, "rounds");
    int64_t overruns = lab_figure(&at, "overruns");
    int64_t began = pm_mono_ms();
    usleep(2000000);
    int64_t most = 20 * ((pm_mono_ms() - began) / 100 + 2);
    rounds = lab_figure(&at, "rounds") - rounds;
    overruns = lab_figure(&at, "overruns") - overruns;
    ck_assert_int_le(rounds, most); /* none is done twice, on however slow a machine */
    ck_assert_int_ge(rounds + overruns, most - 20 * 6);
    lab_close(&at);
    pm_buf_free(&json);
}
END_TEST

/* ---- events alone ---- */

START_TEST(calls_are_shared)
{
    const char *const pairs[] = {"rounds", "5", "executor.loops", "1", NULL};
    peer *server = peer_start(lab_node, NULL, NULL, NULL);
    lab at = lab_open("events", pairs);
    pm_buf json = {0};
    atomic_store(&lab_asked_fixed, 0);
    atomic_store(&lab_frames, 0);
    for (int i = 0; i < 60; i++) {
        pm_buf_format(&json, "%s\"p%d\": {\"number\": 5, \"url\": \"ws://127.0.0.1:%d/\"}",
                      i == 0 ? "{" : ", ", i, peer_port(server));
    }
    pm_buf_char(&json, '}');
    lab_apply(&at, &json);
    ck_assert_int_eq(panicmon_runtime_wait_idle(at.runtime, -1), PANICMON_OK);
    ck_assert_uint_eq(lab_sample_count, 300);
    ck_assert_uint_eq(peer_count(server), 1);            /* connections */
    ck_assert_int_le(atomic_load(&lab_asked_fixed), 60); /* of 300; 2 when nobody is slow */
    ck_assert_int_gt(lab_figure(&at, "cache_hits"), 200);
    ck_assert_int_gt(lab_figure(&at, "cache_bytes"), 0);
    ck_assert_int_gt(lab_figure(&at, "rpc_joined") + lab_figure(&at, "cache_hits"), 250);
    ck_assert_int_lt(atomic_load(&lab_frames), 300);
    lab_close(&at);
    peer_stop(server);
    pm_buf_free(&json);
}
END_TEST

START_TEST(calls_that_must_be_alone_are_not_shared)
{
    const char *const pairs[] = {"rounds", "3", "executor.loops", "1", NULL};
    peer *server = peer_start(lab_node, NULL, NULL, NULL);
    lab at = lab_open("events", pairs);
    pm_buf json = {0};
    atomic_store(&lab_asked_alone, 0);
    for (int i = 0; i < 40; i++) {
        pm_buf_format(&json,
                      "%s\"p%d\": {\"number\": 5, \"method\": \"alone\", \"url\": "
                      "\"ws://127.0.0.1:%d/\"}",
                      i == 0 ? "{" : ", ", i, peer_port(server));
    }
    pm_buf_char(&json, '}');
    lab_apply(&at, &json);
    ck_assert_int_eq(panicmon_runtime_wait_idle(at.runtime, -1), PANICMON_OK);
    ck_assert_uint_eq(lab_sample_count, 120);
    ck_assert_int_eq(atomic_load(&lab_asked_alone), 120);
    lab_close(&at);
    peer_stop(server);
    pm_buf_free(&json);
}
END_TEST

START_TEST(tasks_of_an_endpoint_share_a_loop)
{
    const char *const pairs[] = {"rounds", "3", "executor.loops", "4", NULL};
    peer *server = peer_start(lab_node, NULL, NULL, NULL);
    lab at = lab_open("events", pairs);
    pm_buf json = {0};
    lab_add_probes(&json, 0, 60, peer_port(server), "");
    pm_buf_char(&json, '}');
    lab_apply(&at, &json);
    ck_assert_int_eq(panicmon_runtime_wait_idle(at.runtime, -1), PANICMON_OK);
    ck_assert_uint_eq(lab_sample_count, 180);
    ck_assert_uint_eq(peer_count(server), 3); /* as many as there are endpoints */
    lab_close(&at);
    peer_stop(server);
    pm_buf_free(&json);
}
END_TEST

START_TEST(a_slow_step_is_named)
{
    lab at = lab_open("events", no_settings);
    pm_buf json = {0};
    lab_add_probes(&json, 7, 1, 0, ", \"block\": 150, \"period\": 300");
    pm_buf_char(&json, '}');
    lab_apply(&at, &json);
    lab_await("p7", 3);
    pthread_mutex_lock(&lab_lock);
    const char *named = strstr(lab_log, "p7: a step kept all others waiting");
    ck_assert_ptr_nonnull(named);
    ck_assert_msg(strstr(named + 10, "a step kept") == NULL, "not folded: %s", lab_log);
    pthread_mutex_unlock(&lab_lock);
    lab_close(&at);
    pm_buf_free(&json);
}
END_TEST

/* What is more waits for its turn, and with the round is over. */
START_TEST(an_endpoint_has_so_many_calls_to_answer_and_no_more)
{
    enum { CALLS = 700 };
    char more[96];
    peer *server = peer_start(lab_node, NULL, NULL, NULL);
    lab at = lab_open(executors[_i], no_settings);
    pm_buf json = {0};
    atomic_store(&lab_hung, 0);
    (void)snprintf(more, sizeof more, ", \"method\": \"hang\", \"calls\": %d, \"period\": 3000",
                   CALLS);
    lab_add_probes(&json, 0, 1, peer_port(server), more);
    pm_buf_char(&json, '}');
    lab_apply(&at, &json);
    lab_await("p0 round 1:", 1); /* its calls were given up */
    ck_assert_int_eq(atomic_load(&lab_hung), PM_SHARE_IN_FLIGHT);
    lab_close(&at);
    peer_stop(server);
    pm_buf_free(&json);
}
END_TEST

static void let_nobody_in(peer_conn *conn)
{
    peer_idle(conn);
}

/* Connecting is given up before the calls are, which then try again. */
START_TEST(who_never_lets_in_is_told_of)
{
    const char *const pairs[] = {"rpc.connect_timeout", "0.3", NULL};
    peer *server = peer_start(let_nobody_in, NULL, NULL, NULL);
    lab at = lab_open(executors[_i], pairs);
    pm_buf json = {0};
    lab_add_probes(&json, 0, 3, peer_port(server), ", \"period\": 3000");
    lab_add_probes(&json, 3, 3, peer_port(server), ", \"period\": 3000");
    pm_buf_char(&json, '}');
    lab_apply(&at, &json);
    for (int i = 0; i < 6; i++) {
        char sample[32];
        (void)snprintf(sample, sizeof sample, "p%d round 1:", i);
        lab_await(sample, 1);
    }
    lab_close(&at);
    peer_stop(server);
    pm_buf_free(&json);
}
END_TEST

START_TEST(a_slow_sink_is_no_step)
{
    lab at = lab_open("events", no_settings);
    pm_buf json = {0};
    atomic_store(&lab_slow_ms, 200);
    lab_add_probes(&json, 0, 20, 0, ", \"period\": 100");
    pm_buf_char(&json, '}');
    lab_apply(&at, &json);
    lab_await("p7", 3);
    pthread_mutex_lock(&lab_lock);
    ck_assert_ptr_nonnull(strstr(lab_log, "events: what followed a step kept all others waiting"));
    pthread_mutex_unlock(&lab_lock);
    lab_close(&at);
    pm_buf_free(&json);
}
END_TEST

/* Of more blocking monitors than there are helpers; a step that has begun goes on to its end. */
START_TEST(nothing_begins_after_a_stop)
{
    enum { PROBES = 400, HELPERS = 64 };
    lab at = lab_open("events", no_settings);
    pm_buf json = {0};
    lab_add_probes(&json, 0, PROBES, 0, ", \"block\": 500, \"flags\": 1, \"period\": 500");
    pm_buf_char(&json, '}');
    atomic_store(&lab_rounds, 0);
    lab_apply(&at, &json);
    while (atomic_load(&lab_rounds) < 2 * HELPERS) {
        usleep(1000);
    }
    panicmon_runtime_request_stop(at.runtime);
    int begun = atomic_load(&lab_rounds);
    ck_assert_int_eq(panicmon_runtime_join(at.runtime, -1), PANICMON_OK);
    ck_assert_int_le(atomic_load(&lab_rounds), begun + HELPERS);
    lab_close(&at);
    pm_buf_free(&json);
}
END_TEST

START_TEST(a_lost_connection_is_made_again)
{
    peer *server = peer_start(lab_node, NULL, NULL, NULL);
    int port = peer_port(server);
    lab at = lab_open(executors[_i], no_settings);
    pm_buf json = {0};
    lab_add_probes(&json, 0, 6, port, ", \"period\": 100");
    pm_buf_char(&json, '}');
    lab_apply(&at, &json);
    lab_await("for ever", 12);
    peer_stop(server);
    lab_await(":  ", 6); /* rounds without answer to what cannot be kept */
    ck_assert_int_eq(lab_figure(&at, "monitors_running"), 6);
    lab_close(&at);
    pm_buf_free(&json);
}
END_TEST

START_TEST(every_executor_has_a_setting)
{
    panicmon_settings *settings = NULL;
    ck_assert_int_eq(panicmon_settings_new(&settings), PANICMON_OK);
    for (size_t i = 0; pm_exec_at(i) != NULL; i++) {
        ck_assert_int_eq(panicmon_settings_set(settings, "executor", pm_exec_at(i)->name, NULL),
                         PANICMON_OK);
        ck_assert_ptr_eq(pm_exec_find(pm_exec_at(i)->name), pm_exec_at(i));
    }
    ck_assert_ptr_nonnull(pm_exec_find(panicmon_settings_get(NULL, "executor") == NULL
                                           ? "events"
                                           : panicmon_settings_get(settings, "executor")));
    ck_assert_ptr_null(pm_exec_find("none"));
    panicmon_settings_free(settings);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("exec");
    TCase *each = tcase_create("each executor");
    TCase *many = tcase_create("many monitors");
    TCase *events = tcase_create("events");
    tcase_set_timeout(each, 20);
    tcase_add_loop_test(each, all_publish_the_same, 0, EXECUTORS);
    tcase_add_loop_test(each, all_publish_the_same_with_a_store_that_waits_for_the_disk, 0,
                        EXECUTORS);
    tcase_add_loop_test(each, a_stop_does_not_wait_for_hung_peers, 0, EXECUTORS);
    tcase_add_loop_test(each, one_that_blocks_does_not_delay_the_others, 0, EXECUTORS);
    tcase_add_loop_test(each, a_wait_takes_its_time, 0, EXECUTORS);
    tcase_add_loop_test(each, a_hung_monitor_goes_when_it_is_removed, 0, EXECUTORS);
    tcase_add_loop_test(each, a_changed_config_holds_from_the_next_round_on, 0, EXECUTORS);
    tcase_add_loop_test(each, rounds_keep_to_their_grid, 0, EXECUTORS);
    tcase_add_loop_test(each, a_lost_connection_is_made_again, 0, EXECUTORS);
    tcase_add_loop_test(each, who_never_lets_in_is_told_of, 0, EXECUTORS);
    tcase_add_loop_test(each, an_endpoint_has_so_many_calls_to_answer_and_no_more, 0, EXECUTORS);
    tcase_set_timeout(many, 30);
    tcase_add_loop_test(many, a_thousand, 0, EXECUTORS);
    tcase_set_timeout(events, 20);
    tcase_add_test(events, calls_are_shared);
    tcase_add_test(events, calls_that_must_be_alone_are_not_shared);
    tcase_add_test(events, tasks_of_an_endpoint_share_a_loop);
    tcase_add_test(events, a_slow_step_is_named);
    tcase_add_test(events, a_slow_sink_is_no_step);
    tcase_add_test(events, nothing_begins_after_a_stop);
    tcase_add_loop_test(events, requests_outlive_who_asked, 0, 2);
    tcase_add_test(events, every_executor_has_a_setting);
    suite_add_tcase(suite, each);
    suite_add_tcase(suite, many);
    suite_add_tcase(suite, events);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
