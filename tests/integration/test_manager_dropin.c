/* test_manager_dropin.c: panicmond in the place of PANIC's monitors side: queues, bindings, answers
 * to pings, and the golden shapes of what it publishes. */
#include <check.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dropin.h"

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
    dropin_start_daemon(
        ", \"broker.managers\": \"node, network, system, github, dockerhub, contracts\"");
    dropin_await_log("consuming from the broker");

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
    panic_node(&set, "node_id_1", "full_1", dropin_node_url(0), NULL);
    panic_node(&set, "node_id_2", "full_2", dropin_node_url(1), NULL);
    panic_node(&set, "node_id_3", "down_1", "ws://127.0.0.1:1", NULL);
    dropin_send_set(DROPIN_KEY, &set);
    dropin_expect("monitorable", "substrate.nodes", "\"node_id_1\"");
    compare_with("raw_node_non_validator.json",
                 dropin_await(DROPIN_SAMPLE, "\"node_name\": \"full_1\""));
    compare_with("raw_node_down_5015.json", dropin_await(DROPIN_SAMPLE, "\"code\": 5015"));
    char *worker = dropin_await("health_check", "heartbeat.worker", "Node monitor (full_2)");
    ck_assert_ptr_nonnull(strstr(worker, "\"is_alive\": true"));
    compare_with("heartbeat_worker.json", worker);

    panic_publish_text(dropin_side, "health_check", "ping", "ping");
    beats_seen seen = {0};
    (void)panic_read(dropin_side, see_beat, &seen, 10 * DROPIN_SECOND);
    ck_assert_int_eq(seen.count, 6);
    dropin_stop_daemon();
}
END_TEST

START_TEST(monitorables_have_their_exact_shape)
{
    dropin_start_daemon("");
    dropin_await_log("consuming from the broker");
    dropin_send_nodes(DROPIN_KEY, 1, 1);
    char *body = dropin_await("monitorable", "substrate.nodes", "node_id_1");
    ck_assert_str_eq(body, "{\"manager_name\": \"Node Monitors Manager\", \"sources\": "
                           "[{\"chain_id\": \"parent_1\", \"chain_name\": \"polkadot\", "
                           "\"source_id\": \"node_id_1\", \"source_name\": \"node 1\"}]}");
    free(body);
    dropin_send_nodes("chains.substrate.kusama.nodes_config", 2, 2);
    body = dropin_await("monitorable", "substrate.nodes", "node_id_2");
    ck_assert_ptr_nonnull(strstr(body, "\"chain_name\": \"kusama\""));
    ck_assert_ptr_nonnull(strstr(body, "node_id_1"));
    free(body);
    panic_publish_text(dropin_side, "config", DROPIN_KEY, "{}");
    body = dropin_await("monitorable", "substrate.nodes", "node_id_2");
    ck_assert_ptr_null(strstr(body, "node_id_1"));
    free(body);
    panic_publish_text(dropin_side, "config", "chains.substrate.kusama.nodes_config", "{}");
    dropin_expect("monitorable", "substrate.nodes", "\"sources\": []");
    dropin_stop_daemon();
}
END_TEST

static void add_tests(TCase *cases)
{
    tcase_add_test(cases, panic_notices_nothing);
    tcase_add_test(cases, monitorables_have_their_exact_shape);
}

int main(void)
{
    return dropin_run("manager_dropin", add_tests);
}
