/* test_manager_dropin.c: panicmond in the place of PANIC's monitors side: a real broker, the node
 * simulator, and a publisher that declares nothing. Skipped (77) where one of them is missing. */
#include <check.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "broker.h"
#include "daemonproc.h"
#include "net/amqp_conn.h"
#include "panicside.h"
#include "redisproc.h"
#include "simproc.h"

#define KEY     "chains.substrate.polkadot.nodes_config"
#define SAMPLE  "raw_data", "node.substrate"
#define SECONDS 1000

static simproc sim;
static daemonproc daemon_;
static panicside *side;

static const char *node_url(int i)
{
    static char url[64];
    (void)snprintf(url, sizeof url, "ws://127.0.0.1:%u/%d", (unsigned)sim.port, i);
    return url;
}

/* %s: more members. */
static void start_daemon(const char *more)
{
    pm_buf config = {0};
    pm_buf_format(&config,
                  "{\"broker.url\": \"%s\", \"period\": 0.5, \"round.deadline\": 5, "
                  "\"log.level\": \"debug\"%s}",
                  broker_url(), more);
    daemon_configure(&daemon_, config.data);
    pm_buf_free(&config);
    ck_assert(daemon_start(&daemon_));
}

static void await_log(const char *text)
{
    int64_t until = test_now_ms() + 15 * SECONDS * test_factor();
    while (!daemon_logged(&daemon_, text)) {
        ck_assert_msg(daemon_runs(&daemon_), "the daemon ended");
        ck_assert_msg(test_now_ms() < until, "was not logged: %s", text);
        test_sleep_ms(20);
    }
}

static void set_up(void)
{
    ck_assert(daemon_init(&daemon_));
    ck_assert(broker_is_up() || broker_restart());
    side = panic_open();
    (void)panic_read(side, NULL, NULL, 100); /* what the test before left */
}

static void stop_daemon(void)
{
    int64_t took = 0;
    ck_assert_int_eq(daemon_stop(&daemon_, &took), 0);
    ck_assert_msg(took < 2 * SECONDS * test_factor(), "the stop took %lld ms", (long long)took);
}

static void tear_down(void)
{
    ck_assert(!daemon_logged(&daemon_, "guest:guest"));
    ck_assert(!daemon_logged(&daemon_, "Sanitizer"));
    panic_close(side);
    daemon_clean(&daemon_);
}

static char *await(const char *exchange, const char *key, const char *text)
{
    char *body = panic_await(side, exchange, key, text, 15 * SECONDS);
    if (body == NULL) {
        char *log = daemon_log(&daemon_);
        size_t len = strlen(log);
        printf("%s\n", len > 3000 ? log + len - 3000 : log);
        (void)fflush(stdout);
        free(log);
    }
    ck_assert_msg(body != NULL, "no %s %s with %s", exchange, key, text);
    return body;
}

static void expect(const char *exchange, const char *key, const char *text)
{
    free(await(exchange, key, text));
}

static void send_set(const char *key, pm_buf *set)
{
    pm_buf_char(set, '}');
    ck_assert(!set->failed);
    panic_publish(side, "config", key, set->data, set->len);
    pm_buf_free(set);
}

/* Nodes `from` to `to` of the simulator, with ids "node_id_N" and names "node N". */
static void send_nodes(const char *key, int from, int to)
{
    pm_buf set = {0};
    pm_buf_char(&set, '{');
    for (int i = from; i <= to; i++) {
        char id[24];
        char name[24];
        (void)snprintf(id, sizeof id, "node_id_%d", i);
        (void)snprintf(name, sizeof name, "node %d", i);
        panic_node(&set, id, name, node_url(i), NULL);
    }
    send_set(key, &set);
}

static bool is_zero(const char *queue)
{
    char line[128];
    char *text = panic_ctl("list_queues name messages_ready messages_unacknowledged");
    (void)snprintf(line, sizeof line, "%s\t0\t0\n", queue);
    bool zero = strstr(text, line) != NULL;
    if (!zero) {
        printf("queues:\n%s", text);
    }
    free(text);
    return zero;
}

/* ---- golden shapes ---- */

static bool same_type(const json_t *a, const json_t *b)
{
    /* A number of the fixture may be too wide for the simulator's and the other way round. */
    bool number = json_is_number(a) && json_is_number(b);
    bool flag = json_is_boolean(a) && json_is_boolean(b);
    return number || flag || json_typeof(a) == json_typeof(b);
}

/* Both have the same keys and types, objects all the way down; arrays are compared in their first
 * elements, where both have one. */
static void compare(const char *path, json_t *golden, json_t *ours)
{
    const char *key;
    json_t *value;
    ck_assert_msg(same_type(golden, ours), "%s: another type", path);
    if (json_is_array(golden) && json_array_size(golden) > 0 && json_array_size(ours) > 0) {
        compare(path, json_array_get(golden, 0), json_array_get(ours, 0));
    }
    if (!json_is_object(golden)) {
        return;
    }
    json_object_foreach(ours, key, value)
    {
        /* What is ours stands under this name, where PANIC's transformer does not look. */
        ck_assert_msg(strcmp(key, "panicmon") == 0 || json_object_get(golden, key) != NULL,
                      "%s: %s is not PANIC's", path, key);
    }
    json_object_foreach(golden, key, value)
    {
        char below[256];
        json_t *own = json_object_get(ours, key);
        (void)snprintf(below, sizeof below, "%s.%s", path, key);
        ck_assert_msg(own != NULL, "%s is missing", below);
        compare(below, value, own);
    }
}

static json_t *load_fixture(const char *name)
{
    char path[512];
    const char *shared = getenv("PANICMON_SHARED");
    json_t *root = NULL;
    if (shared != NULL) {
        (void)snprintf(path, sizeof path, "%s/../panic-fixtures/%s", shared, name);
        root = json_load_file(path, 0, NULL);
    }
    return root;
}

/* Compares a body with the golden one, and frees it. */
static void compare_with(const char *fixture, char *body)
{
    json_t *golden = load_fixture(fixture);
    json_t *ours = json_loads(body, 0, NULL);
    ck_assert_msg(ours != NULL, "not JSON: %s", body);
    if (golden == NULL) {
        printf("%s: not compared, the shared folder is absent\n", fixture);
    } else {
        compare(fixture, json_object_get(golden, "body"), ours);
    }
    json_decref(golden);
    json_decref(ours);
    free(body);
}

/* ---- the flow ---- */

static void expect_line(const char *text, const char *line)
{
    ck_assert_msg(strstr(text, line) != NULL, "'%s' is not in:\n%s", line, text);
}

/* Which of the six managers answered a ping. */
typedef struct beats_seen {
    bool from[6];
    int count;
} beats_seen;

static bool see_beat(void *user, const panic_message *message)
{
    static const char *const names[] = {"Node",   "Network",   "System",
                                        "GitHub", "DockerHub", "Contract"};
    beats_seen *seen = user;
    if (strcmp(message->routing_key, "heartbeat.manager") != 0) {
        return false;
    }
    json_t *root = json_loads(message->body, 0, NULL);
    ck_assert_ptr_nonnull(root);
    ck_assert_uint_eq(json_object_size(root), 4);
    ck_assert(json_is_array(json_object_get(root, "dead_processes")));
    ck_assert(json_is_real(json_object_get(root, "timestamp")));
    for (int i = 0; i < 6; i++) {
        char name[64];
        (void)snprintf(name, sizeof name, "%s Monitors Manager", names[i]);
        if (strcmp(json_string_value(json_object_get(root, "component_name")), name) == 0) {
            ck_assert_uint_eq(json_array_size(json_object_get(root, "running_processes")),
                              i == 0 ? 3 : 0);
            ck_assert(!seen->from[i]); /* one answer each */
            seen->from[i] = true;
            seen->count++;
        }
    }
    json_decref(root);
    return seen->count == 6;
}

START_TEST(panic_notices_nothing)
{
    (void)broker_ctl("delete_queue node_monitors_manager_heartbeat_queue");
    (void)broker_ctl("delete_queue node_monitors_manager_configs_queue");
    start_daemon(", \"broker.managers\": \"node, network, system, github, dockerhub, contracts\"");
    await_log("consuming from the broker");

    char *text = panic_ctl("list_exchanges name type durable auto_delete internal arguments");
    expect_line(text, "config\ttopic\ttrue\tfalse\tfalse\t[]\n");
    expect_line(text, "health_check\ttopic\ttrue\tfalse\tfalse\t[]\n");
    expect_line(text, "monitorable\ttopic\ttrue\tfalse\tfalse\t[]\n");
    expect_line(text, "raw_data\ttopic\ttrue\tfalse\tfalse\t[]\n");
    free(text);
    static const char *const bound[][4] = {
        {"node", "chains.*.*.nodes_config", "chains.*.*.evm_nodes_config", NULL},
        {"network", "chains.*.*.nodes_config", NULL, NULL},
        {"system", "chains.*.*.systems_config", "chains.*.*.nodes_config",
         "general.systems_config"},
        {"github", "chains.*.*.github_repos_config", "general.github_repos_config", NULL},
        {"dockerhub", "chains.*.*.dockerhub_repos_config", "general.dockerhub_repos_config", NULL},
        {"contract", "chains.*.*.nodes_config", NULL, NULL},
    };
    char *queues = panic_ctl("list_queues name durable auto_delete exclusive arguments");
    char *bindings =
        panic_ctl("list_bindings source_name destination_name destination_kind routing_key");
    char line[256];
    size_t expected = 0;
    for (size_t i = 0; i < sizeof bound / sizeof bound[0]; i++) {
        static const char *const ends[] = {"heartbeat", "configs"};
        for (size_t k = 0; k < 2; k++) {
            (void)snprintf(line, sizeof line,
                           "%s_monitors_manager_%s_queue\ttrue\tfalse\tfalse\t[]\n", bound[i][0],
                           ends[k]);
            expect_line(queues, line);
        }
        (void)snprintf(line, sizeof line,
                       "health_check\t%s_monitors_manager_heartbeat_queue\tqueue\tping\n",
                       bound[i][0]);
        expect_line(bindings, line);
        for (size_t k = 1; k < 4 && bound[i][k] != NULL; k++, expected++) {
            (void)snprintf(line, sizeof line,
                           "config\t%s_monitors_manager_configs_queue\tqueue\t%s\n", bound[i][0],
                           bound[i][k]);
            expect_line(bindings, line);
        }
    }
    for (const char *at = bindings; (at = strstr(at, "config\t")) != NULL; at++) {
        expected -= at == bindings || at[-1] == '\n';
    }
    ck_assert_msg(expected == 0, "bindings that are not PANIC's:\n%s", bindings);
    free(queues);
    free(bindings);

    pm_buf set = {0};
    pm_buf_char(&set, '{');
    panic_node(&set, "node_id_1", "full_1", node_url(0), NULL);
    panic_node(&set, "node_id_2", "full_2", node_url(1), NULL);
    panic_node(&set, "node_id_3", "down_1", "ws://127.0.0.1:1", NULL);
    send_set(KEY, &set);
    expect("monitorable", "substrate.nodes", "\"node_id_1\"");
    compare_with("raw_node_non_validator.json", await(SAMPLE, "\"node_name\": \"full_1\""));
    compare_with("raw_node_down_5015.json", await(SAMPLE, "\"code\": 5015"));
    char *worker = await("health_check", "heartbeat.worker", "Node monitor (full_2)");
    ck_assert_ptr_nonnull(strstr(worker, "\"is_alive\": true"));
    compare_with("heartbeat_worker.json", worker);

    panic_publish_text(side, "health_check", "ping", "ping");
    beats_seen seen = {0};
    (void)panic_read(side, see_beat, &seen, 10 * SECONDS);
    ck_assert_int_eq(seen.count, 6);
    stop_daemon();
}
END_TEST

START_TEST(monitorables_have_their_exact_shape)
{
    start_daemon("");
    await_log("consuming from the broker");
    send_nodes(KEY, 1, 1);
    char *body = await("monitorable", "substrate.nodes", "node_id_1");
    ck_assert_str_eq(body, "{\"manager_name\": \"Node Monitors Manager\", \"sources\": "
                           "[{\"chain_id\": \"parent_1\", \"chain_name\": \"polkadot\", "
                           "\"source_id\": \"node_id_1\", \"source_name\": \"node 1\"}]}");
    free(body);
    send_nodes("chains.substrate.kusama.nodes_config", 2, 2);
    body = await("monitorable", "substrate.nodes", "node_id_2");
    ck_assert_ptr_nonnull(strstr(body, "\"chain_name\": \"kusama\""));
    ck_assert_ptr_nonnull(strstr(body, "node_id_1"));
    free(body);
    panic_publish_text(side, "config", KEY, "{}");
    body = await("monitorable", "substrate.nodes", "node_id_2");
    ck_assert_ptr_null(strstr(body, "node_id_1"));
    free(body);
    panic_publish_text(side, "config", "chains.substrate.kusama.nodes_config", "{}");
    expect("monitorable", "substrate.nodes", "\"sources\": []");
    stop_daemon();
}
END_TEST

/* ---- config sets ---- */

START_TEST(config_sets_are_applied_by_difference)
{
    start_daemon("");
    await_log("consuming from the broker");
    send_nodes(KEY, 1, 3);
    expect(SAMPLE, "\"node_id_3\"");
    ck_assert_int_eq(daemon_figure(&daemon_, "monitors_started"), 3);
    /* reordered: nobody restarts */
    pm_buf set = {0};
    pm_buf_char(&set, '{');
    panic_node(&set, "node_id_3", "node 3", node_url(3), NULL);
    panic_node(&set, "node_id_2", "node 2", node_url(2), NULL);
    panic_node(&set, "node_id_1", "node 1", node_url(1), NULL);
    send_set(KEY, &set);
    expect("monitorable", "substrate.nodes", "node_id_3");
    /* one renamed, one switched off, one gone, one added; a sibling is a source now */
    set = (pm_buf){0};
    pm_buf_char(&set, '{');
    panic_node(&set, "node_id_1", "the new name", node_url(1),
               "\"monitor_node\": \"true\", \"is_validator\": \"false\", "
               "\"use_as_data_source\": \"true\", \"stash_address\": \"\"");
    panic_node(&set, "node_id_2", "node 2", node_url(2),
               "\"monitor_node\": \"false\", \"is_validator\": \"false\", "
               "\"use_as_data_source\": \"false\", \"stash_address\": \"\"");
    panic_node(&set, "node_id_4", "node 4", node_url(4), NULL);
    send_set(KEY, &set);
    expect(SAMPLE, "\"node 4\"");
    expect(SAMPLE, "\"the new name\"");
    expect("health_check", "heartbeat.worker", "Node monitor (the new name)");
    (void)panic_read(side, NULL, NULL, 0);
    ck_assert_int_eq(daemon_figure(&daemon_, "monitors_started"), 4);
    ck_assert_int_eq(daemon_figure(&daemon_, "restarts"), 1);
    int64_t until = test_now_ms() + 10 * SECONDS * test_factor();
    while (daemon_figure(&daemon_, "monitors_running") != 2) {
        ck_assert_int_lt(test_now_ms(), until);
    }
    stop_daemon();
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
    start_daemon("");
    await_log("consuming from the broker");
    pm_buf set = {0};
    pm_buf_char(&set, '{');
    for (size_t i = 0; i < sizeof urls / sizeof urls[0]; i++) {
        char id[24];
        (void)snprintf(id, sizeof id, "bad_%zu", i);
        panic_node(&set, id, id, urls[i], NULL);
    }
    pm_buf_text(&set, ", \"number\": {\"id\": 7}, \"list\": [1], \"nothing\": null, "
                      "\"nameless\": {\"id\": \"x\", \"name\": 3}");
    panic_node(&set, "node_id_1", "good 1", node_url(1), NULL);
    panic_node(&set, "node_id_2", "good 2", "ws://user:s3cret@127.0.0.1:1/", NULL);
    send_set(KEY, &set);
    expect(SAMPLE, "\"good 1\"");
    expect(SAMPLE, "\"good 2\"");
    static const char *const told[] = {KEY ": entry 'bad_0': node_ws_url: ",
                                       KEY ": entry 'bad_1': node_ws_url: ",
                                       KEY ": entry 'bad_2': node_ws_url: ",
                                       KEY ": entry 'bad_3': node_ws_url: ",
                                       KEY ": entry 'bad_4': node_ws_url: ",
                                       KEY ": entry 'bad_5': node_ws_url: ",
                                       KEY ": entry 'bad_6': node_ws_url: ",
                                       KEY ": entry 'bad_7': node_ws_url: ",
                                       KEY ": entry 'bad_8': node_ws_url: ",
                                       KEY ": entry 'number': id: is a number, not text",
                                       KEY ": entry 'list': is an array, not ",
                                       KEY ": entry 'nothing': is null, not ",
                                       KEY ": entry 'nameless': name: is a number, not text"};
    for (size_t i = 0; i < sizeof told / sizeof told[0]; i++) {
        ck_assert_msg(daemon_logged(&daemon_, told[i]), "was not told: %s", told[i]);
    }
    ck_assert(!daemon_logged(&daemon_, "s3cret"));
    ck_assert_int_eq(daemon_figure(&daemon_, "monitors_running"), 2);
    ck_assert(is_zero("node_monitors_manager_configs_queue"));
    stop_daemon();
    ck_assert(!daemon_logged(&daemon_, "s3cret"));
}
END_TEST

/* How many messages stand under bad_messages in the state directory; `*last` gets the last body. */
static size_t count_parked(char **text)
{
    char path[128];
    (void)snprintf(path, sizeof path, "%s/state/bad_messages", daemon_.dir);
    json_t *root = json_load_file(path, 0, NULL);
    size_t count = json_array_size(root);
    if (text != NULL) {
        *text = json_dumps(root, 0);
    }
    json_decref(root);
    return count;
}

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
    int64_t until = test_now_ms() + 15 * SECONDS * test_factor();
    size_t found = 0;
    ck_assert(pm_conn_consume(conn, DEAD, "reader", true));
    while (count > 0) {
        pm_event event;
        pm_conn_next(conn, &event);
        ck_assert_int_ne(event.kind, PM_EVENT_LOST);
        if (event.kind == PM_EVENT_DELIVERY) {
            ck_assert_str_eq(event.message.routing_key, KEY);
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
    start_daemon(", \"state_dir\": \"%STATE%\", \"broker.dead_letter\": \"" DEAD "\"");
    await_log("consuming from the broker");
    send_nodes(KEY, 1, 1);
    expect(SAMPLE, "node_id_1");
    memset(large, 'x', MEGABYTE);
    panic_publish(side, "config", KEY, large, MEGABYTE);
    memset(large, '[', MEGABYTE);
    panic_publish(side, "config", KEY, large, MEGABYTE);
    panic_publish(side, "config", KEY, "\xff\xfe{}", 4);
    panic_publish(side, "config", KEY, "", 0);
    panic_publish_text(side, "config", KEY, "ping");
    panic_publish_text(side, "config", KEY, "[]");
    panic_publish_text(side, "config", KEY, "{\"a\": {}, \"a\": {}}");
    memset(large, ' ', 17 * MEGABYTE);
    panic_publish(side, "config", KEY, large, 17 * MEGABYTE);
    await_log("a message of 17825792 bytes");
    char *text = NULL;
    int64_t until = test_now_ms() + 10 * SECONDS * test_factor();
    while (count_parked(NULL) < 8 && test_now_ms() < until) {
        test_sleep_ms(20);
    }
    ck_assert_uint_eq(count_parked(&text), 8);
    ck_assert_ptr_nonnull(strstr(text, "\"routing_key\": \"" KEY "\""));
    free(text);
    for (int i = 0; i < MORE; i++) {
        char body[32];
        (void)snprintf(body, sizeof body, "bad message %d", i);
        panic_publish_text(side, "config", KEY, body);
    }
    until = test_now_ms() + 10 * SECONDS * test_factor();
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
    (void)panic_read(side, NULL, NULL, 0);
    ck_assert(is_zero("node_monitors_manager_configs_queue"));
    ck_assert_int_eq(daemon_figure(&daemon_, "monitors_running"), 1); /* nothing changed */
    expect(SAMPLE, "node_id_1");
    /* the queue of the dead-letter exchange has the bodies, but of the one that was too large */
    ck_assert_uint_eq(read_dead_letters(dead, 7 + MORE, "bad message 119"), 1);
    ck_assert_uint_eq(daemon_log_count(&daemon_, "a message of 17825792 bytes"), 1);
    ck_assert_uint_eq(daemon_log_count(&daemon_, "stands there twice"), 1);
    stop_daemon();
    ck_assert_int_eq(daemon_last_figure(&daemon_, "messages_dropped_returned"), 0);
    close_dead_letters(&target, dead);
    free(large);
}
END_TEST

START_TEST(five_thousand_entries_in_one_message)
{
    enum { COUNT = 5000 };
    pm_buf set = {0};
    start_daemon(", \"rpc.connect_timeout\": 1");
    await_log("consuming from the broker");
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
        panic_node(&set, id, id, node_url(i % 200), more);
    }
    printf("a message of %zu bytes\n", set.len);
    int64_t began = test_now_ms();
    send_set(KEY, &set);
    free(await("monitorable", "substrate.nodes", "node_id_4950"));
    printf("5000 entries were applied in %lld ms\n", (long long)(test_now_ms() - began));
    expect(SAMPLE, "node_id_4950");
    ck_assert_int_eq(daemon_figure(&daemon_, "monitors_running"), COUNT / 50);
    stop_daemon();
}
END_TEST

/* ---- restarts ---- */

/* Whether samples of a node come. */
static void survive(const char *store)
{
    start_daemon(store);
    await_log("consuming from the broker");
    send_nodes(KEY, 1, 2);
    send_nodes("chains.substrate.kusama.nodes_config", 3, 3);
    expect(SAMPLE, "node_id_2");
    expect(SAMPLE, "node_id_3");
    daemon_kill(&daemon_);
    (void)panic_read(side, NULL, NULL, 300);
    start_daemon(store);
    expect("monitorable", "substrate.nodes", "node_id_3"); /* without a message */
    expect(SAMPLE, "node_id_2");
    expect(SAMPLE, "node_id_3");
    send_nodes(KEY, 4, 4); /* a newer message wins, then and after the next start */
    expect(SAMPLE, "node_id_4");
    stop_daemon();
    send_nodes("chains.substrate.kusama.nodes_config", 5, 5); /* while nobody consumes */
    (void)panic_read(side, NULL, NULL, 300);
    start_daemon(store);
    expect(SAMPLE, "node_id_4");
    expect(SAMPLE, "node_id_5");
    int64_t until = test_now_ms() + 10 * SECONDS * test_factor();
    while (daemon_figure(&daemon_, "monitors_running") != 2) {
        ck_assert_int_lt(test_now_ms(), until);
    }
    stop_daemon();
}

START_TEST(configs_survive_in_the_state_directory)
{
    survive(", \"state_dir\": \"%STATE%\"");
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
    pid_t redis = redis_start(port, daemon_.dir, "s3cret");
    (void)snprintf(more, sizeof more, ", \"redis.url\": \"redis://:s3cret@127.0.0.1:%d/2\"", port);
    survive(more);
    /* Redis is away at the start: what comes meanwhile is not lost, and what was kept not either */
    redis_kill(redis);
    (void)panic_read(side, NULL, NULL, 300);
    start_daemon(more);
    await_log("what was kept cannot be read");
    send_nodes("chains.substrate.westend.nodes_config", 6, 6);
    panic_publish_text(side, "config", "chains.substrate.kusama.nodes_config", "{}");
    expect(SAMPLE, "node_id_6");
    ck_assert_int_eq(daemon_figure(&daemon_, "monitors_running"), 1);
    redis = redis_start(port, daemon_.dir, "s3cret");
    expect(SAMPLE, "node_id_4"); /* kept, and nothing newer came */
    stop_daemon();
    (void)panic_read(side, NULL, NULL, 300);
    start_daemon(more);
    expect(SAMPLE, "node_id_4");
    expect(SAMPLE, "node_id_6");
    int64_t until = test_now_ms() + 10 * SECONDS * test_factor();
    while (daemon_figure(&daemon_, "monitors_running") != 2) { /* kusama stays empty */
        ck_assert_int_lt(test_now_ms(), until);
    }
    stop_daemon();
    ck_assert(!daemon_logged(&daemon_, "s3cret"));
    redis_kill(redis);
}
END_TEST

START_TEST(keys_of_the_file_belong_to_the_file_until_a_message_comes)
{
    char more[512];
    start_daemon(", \"state_dir\": \"%STATE%\"");
    await_log("consuming from the broker");
    send_nodes(KEY, 1, 1);
    expect(SAMPLE, "node_id_1");
    stop_daemon();
    (void)panic_read(side, NULL, NULL, 300);
    (void)snprintf(more, sizeof more,
                   ", \"state_dir\": \"%%STATE%%\", \"configs\": {\"" KEY
                   "\": {\"of_file\": {\"node_id\": \"of_file\", \"ws_url\": \"%s\"}}}",
                   node_url(2));
    start_daemon(more);
    expect(SAMPLE, "of_file");
    ck_assert_int_eq(daemon_figure(&daemon_, "monitors_running"), 1);
    send_nodes(KEY, 3, 3);
    expect(SAMPLE, "node_id_3");
    ck_assert_int_eq(daemon_figure(&daemon_, "monitors_started"), 2);
    size_t read = daemon_log_count(&daemon_, "was read again");
    daemon_signal(&daemon_, SIGHUP);
    while (daemon_log_count(&daemon_, "was read again") == read) {
        test_sleep_ms(20);
    }
    (void)panic_read(side, NULL, NULL, 0);
    expect(SAMPLE, "of_file");
    stop_daemon();
}
END_TEST

START_TEST(ten_thousand_changes_leak_nothing)
{
    enum { CHANGES = 10000, WARM = 1000 };
    size_t rss = 0;
    size_t threads = 0;
    size_t files = 0;
    int changes = test_factor() > 1 ? CHANGES / 10 : CHANGES;
    start_daemon("");
    await_log("consuming from the broker");
    for (int i = 1; i <= changes; i++) {
        pm_buf set = {0};
        char name[32];
        (void)snprintf(name, sizeof name, "change %d", i);
        pm_buf_char(&set, '{');
        /* a neighbour stays; one is renamed each time, one comes and goes */
        panic_node(&set, "steady", "steady", node_url(0), NULL);
        panic_node(&set, "node_id_1", name, node_url(1), NULL);
        if (i % 10 == 0) {
            panic_node(&set, "node_id_2", name, node_url(2), NULL);
        }
        send_set(KEY, &set);
        if (i % 500 == 0) {
            char last[64];
            (void)snprintf(last, sizeof last, "\"source_name\": \"change %d\"", i);
            free(await("monitorable", "substrate.nodes", last));
        }
        if (i == changes / 10) {
            test_sleep_ms(1500);
            rss = daemon_rss_kib(&daemon_);
            threads = daemon_threads(&daemon_);
            files = daemon_files(&daemon_);
        }
    }
    int64_t until = test_now_ms() + 10 * SECONDS * test_factor();
    while ((daemon_threads(&daemon_) > threads || daemon_files(&daemon_) > files) &&
           test_now_ms() < until) {
        (void)panic_read(side, NULL, NULL, 50);
    }
    printf("after %d and %d changes: RSS %zu and %zu KiB, threads %zu and %zu, descriptors %zu and "
           "%zu\n",
           changes / 10, changes, rss, daemon_rss_kib(&daemon_), threads, daemon_threads(&daemon_),
           files, daemon_files(&daemon_));
    ck_assert_uint_le(daemon_threads(&daemon_), threads);
    ck_assert_uint_le(daemon_files(&daemon_), files);
    if (test_factor() == 1) {
        ck_assert_uint_lt(daemon_rss_kib(&daemon_), rss + 2048);
    }
    ck_assert(daemon_log_count(&daemon_, "Node monitor (steady): started") <= 1);
    stop_daemon();
}
END_TEST

int main(void)
{
    static const char *const options[] = {"--nodes", "200", "--block-time", "1", "--legacy", NULL};
    const char *missing = broker_missing();
    if (missing != NULL || getenv("PANICMOND") == NULL || getenv("PANICMON_SIM") == NULL) {
        printf("skipped: %s\n", missing != NULL ? missing : "needs panicmond and panicmon-sim");
        return 77;
    }
    if (!broker_start(false) || !simproc_start(&sim, options)) {
        puts("broker or simulator did not start");
        return 1;
    }
    Suite *suite = suite_create("manager_dropin");
    TCase *all = tcase_create("all");
    tcase_set_timeout(all, 60);
    tcase_add_checked_fixture(all, set_up, tear_down);
    tcase_add_test(all, panic_notices_nothing);
    tcase_add_test(all, monitorables_have_their_exact_shape);
    tcase_add_test(all, config_sets_are_applied_by_difference);
    tcase_add_test(all, bad_entries_are_told_and_their_neighbours_start);
    tcase_add_test(all, five_thousand_entries_in_one_message);
    tcase_add_test(all, configs_survive_in_the_state_directory);
    tcase_add_test(all, configs_survive_in_redis);
    tcase_add_test(all, keys_of_the_file_belong_to_the_file_until_a_message_comes);
    tcase_add_test(all, ten_thousand_changes_leak_nothing);
    suite_add_tcase(suite, all);
    TCase *bad = tcase_create("bad");
    tcase_set_timeout(bad, 60);
    tcase_add_checked_fixture(bad, set_up, tear_down);
    tcase_add_test(bad, bad_messages_never_loop_and_are_kept);
    suite_add_tcase(suite, bad);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_VERBOSE);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    (void)simproc_stop(&sim);
    broker_stop();
    return failed == 0 ? 0 : 1;
}
