/* test_manager_configs.c: config sets from a real broker: applied by difference, bad ones told and
 * kept, large ones and very many of them. */
#include <check.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/amqp_conn.h"
#include "dropin.h"

/* ---- config sets ---- */

START_TEST(config_sets_are_applied_by_difference)
{
    dropin_start_daemon("");
    dropin_await_log("consuming from the broker");
    dropin_send_nodes(DROPIN_KEY, 1, 3);
    dropin_expect(DROPIN_SAMPLE, "\"node_id_3\"");
    ck_assert_int_eq(daemon_figure(&dropin_daemon, "monitors_started"), 3);
    /* reordered: nobody restarts */
    pm_buf set = {0};
    pm_buf_char(&set, '{');
    panic_node(&set, "node_id_3", "node 3", dropin_node_url(3), NULL);
    panic_node(&set, "node_id_2", "node 2", dropin_node_url(2), NULL);
    panic_node(&set, "node_id_1", "node 1", dropin_node_url(1), NULL);
    dropin_send_set(DROPIN_KEY, &set);
    dropin_expect("monitorable", "substrate.nodes", "node_id_3");
    /* one renamed, one switched off, one gone, one added; a sibling is a source now */
    set = (pm_buf){0};
    pm_buf_char(&set, '{');
    panic_node(&set, "node_id_1", "the new name", dropin_node_url(1),
               "\"monitor_node\": \"true\", \"is_validator\": \"false\", "
               "\"use_as_data_source\": \"true\", \"stash_address\": \"\"");
    panic_node(&set, "node_id_2", "node 2", dropin_node_url(2),
               "\"monitor_node\": \"false\", \"is_validator\": \"false\", "
               "\"use_as_data_source\": \"false\", \"stash_address\": \"\"");
    panic_node(&set, "node_id_4", "node 4", dropin_node_url(4), NULL);
    dropin_send_set(DROPIN_KEY, &set);
    dropin_expect(DROPIN_SAMPLE, "\"node 4\"");
    dropin_expect(DROPIN_SAMPLE, "\"the new name\"");
    dropin_expect("health_check", "heartbeat.worker", "Node monitor (the new name)");
    (void)panic_read(dropin_side, NULL, NULL, 0);
    ck_assert_int_eq(daemon_figure(&dropin_daemon, "monitors_started"), 4);
    ck_assert_int_eq(daemon_figure(&dropin_daemon, "restarts"), 1);
    int64_t until = test_now_ms() + 10 * DROPIN_SECOND * test_factor();
    while (daemon_figure(&dropin_daemon, "monitors_running") != 2) {
        ck_assert_int_lt(test_now_ms(), until);
    }
    dropin_stop_daemon();
}
END_TEST

START_TEST(bad_entries_are_told_and_their_neighbours_start)
{
    static const char *const urls[] = {"file:///etc/passwd",
                                       "http://127.0.0.1:80",
                                       "unix:/var/run/docker.sock",
                                       "amqp://127.0.0.1",
                                       "ws://",
                                       "ws://user:s3cret@/x",
                                       "ws://127.0.0.1:99999999",
                                       "ws://a b/",
                                       ""};
    dropin_start_daemon("");
    dropin_await_log("consuming from the broker");
    pm_buf set = {0};
    pm_buf_char(&set, '{');
    for (size_t i = 0; i < sizeof urls / sizeof urls[0]; i++) {
        char id[24];
        (void)snprintf(id, sizeof id, "bad_%zu", i);
        panic_node(&set, id, id, urls[i], NULL);
    }
    pm_buf_text(&set, ", \"number\": {\"id\": 7}, \"list\": [1], \"nothing\": null, "
                      "\"nameless\": {\"id\": \"x\", \"name\": 3}");
    panic_node(&set, "node_id_1", "good 1", dropin_node_url(1), NULL);
    panic_node(&set, "node_id_2", "good 2", "ws://user:s3cret@127.0.0.1:1/", NULL);
    panic_node(&set, "", "no id", dropin_node_url(3), NULL);
    panic_node(&set, "node_id_1", "the second", dropin_node_url(4), NULL);
    dropin_send_set(DROPIN_KEY, &set);
    dropin_expect(DROPIN_SAMPLE, "\"good 1\"");
    dropin_expect(DROPIN_SAMPLE, "\"good 2\"");
    static const char *const told[] = {DROPIN_KEY ": entry 'bad_0': node_ws_url: ",
                                       DROPIN_KEY ": entry 'bad_1': node_ws_url: ",
                                       DROPIN_KEY ": entry 'bad_2': node_ws_url: ",
                                       DROPIN_KEY ": entry 'bad_3': node_ws_url: ",
                                       DROPIN_KEY ": entry 'bad_4': node_ws_url: ",
                                       DROPIN_KEY ": entry 'bad_5': node_ws_url: ",
                                       DROPIN_KEY ": entry 'bad_6': node_ws_url: ",
                                       DROPIN_KEY ": entry 'bad_7': node_ws_url: ",
                                       DROPIN_KEY ": entry 'bad_8': node_ws_url: ",
                                       DROPIN_KEY ": entry 'number': id: is a number, not text",
                                       DROPIN_KEY ": entry 'list': is an array, not ",
                                       DROPIN_KEY ": entry 'nothing': is null, not ",
                                       DROPIN_KEY ": entry 'nameless': name: is a number, not text",
                                       DROPIN_KEY
                                       ": entry '': the id is empty; its value is an object",
                                       DROPIN_KEY ": entry 'node_id_1': the id stands there twice"};
    for (size_t i = 0; i < sizeof told / sizeof told[0]; i++) {
        ck_assert_msg(daemon_logged(&dropin_daemon, told[i]), "was not told: %s", told[i]);
    }
    ck_assert(!daemon_logged(&dropin_daemon, "s3cret"));
    ck_assert_int_eq(daemon_figure(&dropin_daemon, "monitors_running"), 2);
    ck_assert(dropin_is_zero("node_monitors_manager_configs_queue"));
    dropin_stop_daemon();
    ck_assert(!daemon_logged(&dropin_daemon, "s3cret"));
}
END_TEST

/* How many messages stand under bad_messages in the state directory; `*last` gets the last body. */
static size_t count_parked(char **text)
{
    char path[128];
    (void)snprintf(path, sizeof path, "%s/state/bad_messages", dropin_daemon.dir);
    json_t *root = json_load_file(path, 0, NULL);
    size_t count = json_array_size(root);
    if (text != NULL) {
        *text = json_dumps(root, 0);
    }
    json_decref(root);
    return count;
}

START_TEST(a_typo_ends_no_monitor)
{
    pm_buf set = {0};
    dropin_start_daemon("");
    dropin_await_log("consuming from the broker");
    dropin_send_nodes(DROPIN_KEY, 1, 2);
    dropin_expect(DROPIN_SAMPLE, "\"node 1\"");
    pm_buf_char(&set, '{');
    panic_node(&set, "node_id_1", "node 1", "http:/typo", NULL);
    panic_node(&set, "node_id_3", "node 3", dropin_node_url(3), NULL);
    dropin_send_set(DROPIN_KEY, &set);
    dropin_expect(DROPIN_SAMPLE, "\"node 3\"");
    ck_assert(daemon_logged(&dropin_daemon, DROPIN_KEY ": entry 'node_id_1': node_ws_url: "));
    ck_assert(daemon_logged(&dropin_daemon,
                            DROPIN_KEY ": entry 'node_id_1' goes on with its last good config"));
    (void)panic_read(dropin_side, NULL, NULL, 0);
    dropin_expect(DROPIN_SAMPLE, "\"node 1\"");
    ck_assert_int_eq(daemon_figure(&dropin_daemon, "monitors_started"), 3);
    ck_assert_int_eq(daemon_figure(&dropin_daemon, "restarts"), 0);
    dropin_send_nodes(DROPIN_KEY, 3, 3); /* that it is gone is meant */
    int64_t until = test_now_ms() + 10 * DROPIN_SECOND * test_factor();
    while (daemon_figure(&dropin_daemon, "monitors_running") != 1) {
        ck_assert_int_lt(test_now_ms(), until);
    }
    dropin_stop_daemon();
}
END_TEST

/* An operator's queue for what was refused, bound to an exchange of its own; or reads it. */
#define DEAD "operators_dead_letters"

static void open_dead_letters(pm_target *target, pm_conn **conn)
{
    const pm_amqp_options options = {
        .url = broker_url(), .heartbeat_s = 30, .confirm_timeout_ms = 30000};
    ck_assert_int_eq(pm_target_init(target, &options, NULL), PANICMON_OK);
    ck_assert_int_eq(pm_conn_new(conn, target, "operator", 131072), PANICMON_OK);
    ck_assert_msg(pm_conn_open(*conn), "%s", pm_conn_why(*conn));
    ck_assert(pm_conn_declare_exchange(*conn, DEAD) && pm_conn_declare_queue(*conn, DEAD) &&
              pm_conn_bind(*conn, DEAD, DEAD, "chains.#"));
}

static void close_dead_letters(pm_target *target, pm_conn *conn)
{
    pm_conn_close(conn, true);
    pm_conn_free(conn);
    pm_target_clear(target);
}

/* Reads `count` of them: each has the routing key and the body that it came with. Gives how many
 * have that body. */
static size_t read_dead_letters(pm_conn *conn, size_t count, const char *body)
{
    int64_t until = test_now_ms() + 15 * DROPIN_SECOND * test_factor();
    size_t found = 0;
    ck_assert(pm_conn_consume(conn, DEAD, "reader", true));
    while (count > 0) {
        pm_event event;
        pm_conn_next(conn, &event);
        ck_assert_int_ne(event.kind, PM_EVENT_LOST);
        if (event.kind == PM_EVENT_DELIVERY) {
            ck_assert_str_eq(event.message.routing_key, DROPIN_KEY);
            found += event.message.len == strlen(body) &&
                     memcmp(event.message.body, body, event.message.len) == 0;
            count--;
        } else {
            ck_assert_msg(test_now_ms() < until, "%zu did not come", count);
            test_sleep_ms(10);
        }
    }
    return found;
}

START_TEST(bad_messages_never_loop_and_are_kept)
{
    enum { MEGABYTE = 1 << 20, MORE = 120 };
    char *large = malloc(17 * MEGABYTE);
    pm_target target;
    pm_conn *dead = NULL;
    ck_assert_ptr_nonnull(large);
    open_dead_letters(&target, &dead);
    dropin_start_daemon(", \"state_dir\": \"%STATE%\", \"broker.dead_letter\": \"" DEAD "\"");
    dropin_await_log("consuming from the broker");
    dropin_send_nodes(DROPIN_KEY, 1, 1);
    dropin_expect(DROPIN_SAMPLE, "node_id_1");
    memset(large, 'x', MEGABYTE);
    panic_publish(dropin_side, "config", DROPIN_KEY, large, MEGABYTE);
    memset(large, '[', MEGABYTE);
    panic_publish(dropin_side, "config", DROPIN_KEY, large, MEGABYTE);
    panic_publish(dropin_side, "config", DROPIN_KEY, "\xff\xfe{}", 4);
    panic_publish(dropin_side, "config", DROPIN_KEY, "", 0);
    panic_publish_text(dropin_side, "config", DROPIN_KEY, "ping");
    panic_publish_text(dropin_side, "config", DROPIN_KEY, "[]");
    memset(large, ' ', 17 * MEGABYTE);
    panic_publish(dropin_side, "config", DROPIN_KEY, large, 17 * MEGABYTE);
    dropin_await_log("a message of 17825792 bytes");
    char *text = NULL;
    int64_t until = test_now_ms() + 10 * DROPIN_SECOND * test_factor();
    while (count_parked(NULL) < 7 && test_now_ms() < until) {
        test_sleep_ms(20);
    }
    ck_assert_uint_eq(count_parked(&text), 7);
    ck_assert_ptr_nonnull(strstr(text, "\"routing_key\": \"" DROPIN_KEY "\""));
    free(text);
    for (int i = 0; i < MORE; i++) {
        char body[32];
        (void)snprintf(body, sizeof body, "bad message %d", i);
        panic_publish_text(dropin_side, "config", DROPIN_KEY, body);
    }
    until = test_now_ms() + 10 * DROPIN_SECOND * test_factor();
    do {
        test_sleep_ms(20);
        (void)count_parked(&text);
        if (strstr(text, "\"bad message 119\"") != NULL) {
            break;
        }
        free(text);
        text = NULL;
    } while (test_now_ms() < until);
    ck_assert_ptr_nonnull(text);
    ck_assert_ptr_nonnull(strstr(text, "\"bad message 20\""));
    ck_assert_ptr_null(strstr(text, "\"bad message 19\""));
    free(text);
    ck_assert_uint_eq(count_parked(NULL), 100);
    (void)panic_read(dropin_side, NULL, NULL, 0);
    ck_assert(dropin_is_zero("node_monitors_manager_configs_queue"));
    ck_assert_int_eq(daemon_figure(&dropin_daemon, "monitors_running"), 1); /* nothing changed */
    dropin_expect(DROPIN_SAMPLE, "node_id_1");
    /* the queue of the dead-letter exchange has the bodies, but of the one that was too large */
    ck_assert_uint_eq(read_dead_letters(dead, 6 + MORE, "bad message 119"), 1);
    ck_assert_uint_eq(daemon_log_count(&dropin_daemon, "a message of 17825792 bytes"), 1);
    dropin_stop_daemon();
    ck_assert_int_eq(daemon_last_figure(&dropin_daemon, "messages_dropped_returned"), 0);
    close_dead_letters(&target, dead);
    free(large);
}
END_TEST

START_TEST(five_thousand_entries_in_one_message)
{
    enum { COUNT = 5000 };
    pm_buf set = {0};
    dropin_start_daemon(", \"rpc.connect_timeout\": 1");
    dropin_await_log("consuming from the broker");
    pm_buf_char(&set, '{');
    for (int i = 0; i < COUNT; i++) {
        char id[32];
        (void)snprintf(id, sizeof id, "node_id_%d", i);
        /* all are sources of each other; every tenth is to be monitored */
        char more[256];
        (void)snprintf(more, sizeof more,
                       "\"monitor_node\": \"%s\", \"is_validator\": \"false\", "
                       "\"use_as_data_source\": \"%s\", \"stash_address\": \"\"",
                       i % 50 == 0 ? "true" : "false", i % 2 == 0 ? "true" : "false");
        panic_node(&set, id, id, dropin_node_url(i % 200), more);
    }
    printf("a message of %zu bytes\n", set.len);
    int64_t began = test_now_ms();
    dropin_send_set(DROPIN_KEY, &set);
    free(dropin_await("monitorable", "substrate.nodes", "node_id_4950"));
    printf("5000 entries were applied in %lld ms\n", (long long)(test_now_ms() - began));
    dropin_expect(DROPIN_SAMPLE, "node_id_4950");
    ck_assert_int_eq(daemon_figure(&dropin_daemon, "monitors_running"), COUNT / 50);
    dropin_stop_daemon();
}
END_TEST

START_TEST(ten_thousand_changes_leak_nothing)
{
    enum { CHANGES = 10000, WARM = 1000 };
    size_t rss = 0;
    size_t threads = 0;
    size_t files = 0;
    int changes = test_factor() > 1 ? CHANGES / 10 : CHANGES;
    dropin_start_daemon("");
    dropin_await_log("consuming from the broker");
    for (int i = 1; i <= changes; i++) {
        pm_buf set = {0};
        char name[32];
        (void)snprintf(name, sizeof name, "change %d", i);
        pm_buf_char(&set, '{');
        /* a neighbour stays; one is renamed each time, one comes and goes */
        panic_node(&set, "steady", "steady", dropin_node_url(0), NULL);
        panic_node(&set, "node_id_1", name, dropin_node_url(1), NULL);
        if (i % 10 == 0) {
            panic_node(&set, "node_id_2", name, dropin_node_url(2), NULL);
        }
        dropin_send_set(DROPIN_KEY, &set);
        if (i % 500 == 0) {
            char last[64];
            (void)snprintf(last, sizeof last, "\"source_name\": \"change %d\"", i);
            free(dropin_await("monitorable", "substrate.nodes", last));
        }
        if (i == changes / 10) {
            test_sleep_ms(1500);
            rss = daemon_rss_kib(&dropin_daemon);
            threads = daemon_threads(&dropin_daemon);
            files = daemon_files(&dropin_daemon);
        }
    }
    int64_t until = test_now_ms() + 10 * DROPIN_SECOND * test_factor();
    while ((daemon_threads(&dropin_daemon) > threads || daemon_files(&dropin_daemon) > files) &&
           test_now_ms() < until) {
        (void)panic_read(dropin_side, NULL, NULL, 50);
    }
    printf("after %d and %d changes: RSS %zu and %zu KiB, threads %zu and %zu, descriptors %zu and "
           "%zu\n",
           changes / 10, changes, rss, daemon_rss_kib(&dropin_daemon), threads,
           daemon_threads(&dropin_daemon), files, daemon_files(&dropin_daemon));
    ck_assert_uint_le(daemon_threads(&dropin_daemon), threads);
    ck_assert_uint_le(daemon_files(&dropin_daemon), files);
    if (test_factor() == 1) {
        ck_assert_uint_lt(daemon_rss_kib(&dropin_daemon), rss + 2048);
    }
    ck_assert(daemon_log_count(&dropin_daemon, "Node monitor (steady): started") <= 1);
    dropin_stop_daemon();
}
END_TEST

static void add_tests(TCase *cases)
{
    tcase_add_test(cases, config_sets_are_applied_by_difference);
    tcase_add_test(cases, bad_entries_are_told_and_their_neighbours_start);
    tcase_add_test(cases, a_typo_ends_no_monitor);
    tcase_add_test(cases, bad_messages_never_loop_and_are_kept);
    tcase_add_test(cases, five_thousand_entries_in_one_message);
    tcase_add_test(cases, ten_thousand_changes_leak_nothing);
}

int main(void)
{
    return dropin_run("manager_configs", add_tests);
}
