/* test_manager_restart.c: config sets of a real broker survive the end of the daemon, in a
 * directory and in a real Redis. */
#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dropin.h"
#include "redisproc.h"

/* Whether samples of a node come. */
static void survive(const char *store)
{
    dropin_start_daemon(store);
    dropin_await_log("consuming from the broker");
    dropin_send_nodes(DROPIN_KEY, 1, 2);
    dropin_send_nodes("chains.substrate.kusama.nodes_config", 3, 3);
    dropin_expect(DROPIN_SAMPLE, "node_id_2");
    dropin_expect(DROPIN_SAMPLE, "node_id_3");
    daemon_kill(&dropin_daemon);
    (void)panic_read(dropin_side, NULL, NULL, 300);
    dropin_start_daemon(store);
    dropin_expect("monitorable", "substrate.nodes", "node_id_3"); /* without a message */
    dropin_expect(DROPIN_SAMPLE, "node_id_2");
    dropin_expect(DROPIN_SAMPLE, "node_id_3");
    dropin_send_nodes(DROPIN_KEY, 4, 4); /* a newer message wins, then and after the next start */
    dropin_expect(DROPIN_SAMPLE, "node_id_4");
    dropin_stop_daemon();
    dropin_send_nodes("chains.substrate.kusama.nodes_config", 5, 5); /* while nobody consumes */
    (void)panic_read(dropin_side, NULL, NULL, 300);
    dropin_start_daemon(store);
    dropin_expect(DROPIN_SAMPLE, "node_id_4");
    dropin_expect(DROPIN_SAMPLE, "node_id_5");
    int64_t until = test_now_ms() + 10 * DROPIN_SECOND * test_factor();
    while (daemon_figure(&dropin_daemon, "monitors_running") != 2) {
        ck_assert_int_lt(test_now_ms(), until);
    }
    dropin_stop_daemon();
}

START_TEST(configs_survive_in_the_state_directory)
{
    survive(", \"state_dir\": \"%STATE%\"");
}
END_TEST

START_TEST(a_typo_ends_no_monitor_at_the_next_start_either)
{
    pm_buf set = {0};
    dropin_start_daemon(", \"state_dir\": \"%STATE%\"");
    dropin_await_log("consuming from the broker");
    dropin_send_nodes(DROPIN_KEY, 1, 2);
    dropin_expect(DROPIN_SAMPLE, "\"node 2\"");
    pm_buf_char(&set, '{');
    panic_node(&set, "node_id_1", "renamed", "http:/typo", NULL);
    panic_node(&set, "node_id_3", "node 3", dropin_node_url(3), NULL);
    dropin_send_set(DROPIN_KEY, &set);
    dropin_expect(DROPIN_SAMPLE, "\"node 3\"");
    dropin_stop_daemon();
    (void)panic_read(dropin_side, NULL, NULL, 300);
    dropin_start_daemon(", \"state_dir\": \"%STATE%\"");
    dropin_expect(DROPIN_SAMPLE, "\"node 1\"");
    dropin_expect(DROPIN_SAMPLE, "\"node 3\"");
    ck_assert_int_eq(daemon_figure(&dropin_daemon, "monitors_running"), 2);
    dropin_stop_daemon();
}
END_TEST

START_TEST(configs_survive_in_redis)
{
    char more[128];
    int port = broker_free_port();
    if (!redis_is_installed()) {
        puts("not tried with Redis: redis-server is not installed");
        return;
    }
    pid_t redis = redis_start(port, dropin_daemon.dir, "s3cret");
    (void)snprintf(more, sizeof more, ", \"redis.url\": \"redis://:s3cret@127.0.0.1:%d/2\"", port);
    survive(more);
    /* Redis is away at the start: what comes meanwhile is not lost, and what was kept not either */
    redis_kill(redis);
    (void)panic_read(dropin_side, NULL, NULL, 300);
    dropin_start_daemon(more);
    dropin_await_log("what was kept cannot be read");
    dropin_send_nodes("chains.substrate.westend.nodes_config", 6, 6);
    panic_publish_text(dropin_side, "config", "chains.substrate.kusama.nodes_config", "{}");
    dropin_expect(DROPIN_SAMPLE, "node_id_6");
    ck_assert_int_eq(daemon_figure(&dropin_daemon, "monitors_running"), 1);
    redis = redis_start(port, dropin_daemon.dir, "s3cret");
    dropin_expect(DROPIN_SAMPLE, "node_id_4"); /* kept, and nothing newer came */
    dropin_stop_daemon();
    (void)panic_read(dropin_side, NULL, NULL, 300);
    dropin_start_daemon(more);
    dropin_expect(DROPIN_SAMPLE, "node_id_4");
    dropin_expect(DROPIN_SAMPLE, "node_id_6");
    int64_t until = test_now_ms() + 10 * DROPIN_SECOND * test_factor();
    while (daemon_figure(&dropin_daemon, "monitors_running") != 2) { /* kusama stays empty */
        ck_assert_int_lt(test_now_ms(), until);
    }
    dropin_stop_daemon();
    ck_assert(!daemon_logged(&dropin_daemon, "s3cret"));
    redis_kill(redis);
}
END_TEST

START_TEST(keys_of_the_file_belong_to_the_file_until_a_message_comes)
{
    char more[512];
    dropin_start_daemon(", \"state_dir\": \"%STATE%\"");
    dropin_await_log("consuming from the broker");
    dropin_send_nodes(DROPIN_KEY, 1, 1);
    dropin_expect(DROPIN_SAMPLE, "node_id_1");
    dropin_stop_daemon();
    (void)panic_read(dropin_side, NULL, NULL, 300);
    (void)snprintf(more, sizeof more,
                   ", \"state_dir\": \"%%STATE%%\", \"configs\": {\"" DROPIN_KEY
                   "\": {\"of_file\": {\"node_id\": \"of_file\", \"ws_url\": \"%s\"}}}",
                   dropin_node_url(2));
    dropin_start_daemon(more);
    dropin_expect(DROPIN_SAMPLE, "of_file");
    ck_assert_int_eq(daemon_figure(&dropin_daemon, "monitors_running"), 1);
    dropin_send_nodes(DROPIN_KEY, 3, 3);
    dropin_expect(DROPIN_SAMPLE, "node_id_3");
    ck_assert_int_eq(daemon_figure(&dropin_daemon, "monitors_started"), 2);
    size_t read = daemon_log_count(&dropin_daemon, "was read again");
    daemon_signal(&dropin_daemon, SIGHUP);
    while (daemon_log_count(&dropin_daemon, "was read again") == read) {
        test_sleep_ms(20);
    }
    (void)panic_read(dropin_side, NULL, NULL, 0);
    dropin_expect(DROPIN_SAMPLE, "of_file");
    dropin_stop_daemon();
}
END_TEST

static void add_tests(TCase *cases)
{
    tcase_add_test(cases, configs_survive_in_the_state_directory);
    tcase_add_test(cases, a_typo_ends_no_monitor_at_the_next_start_either);
    tcase_add_test(cases, configs_survive_in_redis);
    tcase_add_test(cases, keys_of_the_file_belong_to_the_file_until_a_message_comes);
}

int main(void)
{
    return dropin_run("manager_restart", add_tests);
}
