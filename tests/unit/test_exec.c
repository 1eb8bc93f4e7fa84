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

#include "../support/peer.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/json.h"
#include "exec/exec.h"

#define KEY "chains.probe.lab.nodes_config"

static const char *const executors[] = {"threads", "rounds", "queue", "events"};
#define EXECUTORS ((int)(sizeof executors / sizeof executors[0]))

/* ---- the node ---- */

static atomic_int asked_fixed; /* how often the call that can be cached reached the node */
static atomic_int asked_alone; /* the same, of the one that must go alone */
static atomic_int frames;

/* double: twice its parameter; fixed: a text; hang: no answer. */
static void answer(pm_buf *out, pm_json call)
{
    pm_json method = pm_json_member(call, "method");
    pm_json id = pm_json_member(call, "id");
    pm_json first;
    int64_t value = 0;
    size_t at = 0;
    if (pm_json_equals(method, "hang")) {
        return;
    }
    if (out->len > 1) {
        pm_buf_char(out, ',');
    }
    pm_buf_text(out, "{\"jsonrpc\":\"2.0\",\"id\":");
    pm_buf_add(out, id.text, id.len);
    if (pm_json_equals(method, "double")) {
        if (pm_json_next_element(pm_json_member(call, "params"), &at, &first)) {
            (void)pm_json_int(first, &value);
        }
        pm_buf_format(out, ",\"result\":%lld}", (long long)value * 2);
    } else {
        atomic_fetch_add(pm_json_equals(method, "alone") ? &asked_alone : &asked_fixed, 1);
        pm_buf_text(out, ",\"result\":\"for ever\"}");
    }
}

static void node(peer_conn *conn)
{
    char *text;
    if (!peer_upgrade(conn)) {
        return;
    }
    while ((text = peer_read_text(conn)) != NULL) {
        pm_buf out = {0};
        pm_json message;
        pm_json call;
        atomic_fetch_add(&frames, 1);
        ck_assert(pm_json_parse(text, strlen(text), &message, NULL));
        if (pm_json_is(message, '[')) {
            pm_buf_char(&out, '[');
            for (size_t at = 0; pm_json_next_element(message, &at, &call);) {
                answer(&out, call);
            }
            pm_buf_char(&out, ']');
        } else {
            answer(&out, message);
        }
        if (out.len > 2) {
            (void)peer_send_text(conn, out.data);
        }
        pm_buf_free(&out);
        free(text);
    }
}

/* ---- what was published ---- */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char *samples[8192];
static size_t sample_count;
static int heartbeats;

static panicmon_err remember(void *user, const char *exchange, const char *routing_key,
                             const char *body, size_t len)
{
    (void)user;
    (void)len;
    (void)routing_key;
    pthread_mutex_lock(&lock);
    if (strcmp(exchange, "raw_data") == 0 && sample_count < sizeof samples / sizeof samples[0]) {
        samples[sample_count++] = strdup(body);
    }
    heartbeats += strcmp(exchange, "health_check") == 0;
    pthread_mutex_unlock(&lock);
    return PANICMON_OK;
}

static void forget(void)
{
    for (size_t i = 0; i < sample_count; i++) {
        free(samples[i]);
    }
    sample_count = 0;
    heartbeats = 0;
}

static size_t count_samples(const char *with)
{
    size_t count = 0;
    pthread_mutex_lock(&lock);
    for (size_t i = 0; i < sample_count; i++) {
        count += strstr(samples[i], with) != NULL;
    }
    pthread_mutex_unlock(&lock);
    return count;
}

static void await_samples(const char *with, size_t count)
{
    while (count_samples(with) < count) {
        usleep(2000);
    }
}

/* ---- the monitor ---- */

typedef struct probe_config {
    char id[32];
    char url[64]; /* "": no node */
    char method[16];
    int number;
    int period;
    int block_ms; /* sleeps so long in its first step */
    int flags;
} probe_config;

typedef struct probe {
    const probe_config *config;
    int round;
    panicmon_request doubled, fixed, loaded;
} probe;

static panicmon_err ask(probe *own, panicmon_round *round)
{
    const probe_config *config = own->config;
    char params[32];
    char key[64];
    own->round++;
    if (config->block_ms > 0) {
        usleep((useconds_t)config->block_ms * 1000);
    }
    snprintf(params, sizeof params, "[%d]", config->number + own->round);
    snprintf(key, sizeof key, "probe:%s", config->id);
    panicmon_err status = panicmon_round_load(round, key, &own->loaded);
    if (status == PANICMON_OK && config->url[0] != '\0') {
        status = panicmon_round_rpc(round, config->url, config->method, params,
                                    strcmp(config->method, "alone") == 0 ? PANICMON_RPC_ALONE : 0,
                                    &own->doubled);
    }
    if (status == PANICMON_OK && config->url[0] != '\0') {
        status = panicmon_round_rpc(round, config->url, "fixed", "[\"0x01\"]", PANICMON_RPC_PINNED,
                                    &own->fixed);
    }
    return status;
}

static panicmon_err probe_step(void *monitor, panicmon_round *round, panicmon_error **err)
{
    probe *own = monitor;
    char body[256];
    char key[64];
    (void)err;
    snprintf(key, sizeof key, "probe:%s", own->config->id);
    switch (panicmon_round_step(round)) {
    case 0:
        return ask(own, round);
    case 1:
        snprintf(body, sizeof body, "%s round %d: %s %s before: %s", own->config->id, own->round,
                 panicmon_reply_body(panicmon_round_reply(round, own->doubled), NULL),
                 panicmon_reply_body(panicmon_round_reply(round, own->fixed), NULL),
                 panicmon_reply_body(panicmon_round_reply(round, own->loaded), NULL));
        return panicmon_round_publish(round, "raw_data", "probe", body, strlen(body), NULL);
    case 2:
        snprintf(body, sizeof body, "%d", own->round);
        (void)panicmon_round_store(round, key, body, strlen(body), NULL);
        return panicmon_round_heartbeat(round, NULL);
    default:
        return PANICMON_OK;
    }
}

static panicmon_err probe_parse(void *user, const panicmon_config *config, void **parsed,
                                panicmon_error **err)
{
    const char *text = "";
    pm_json object;
    size_t len = 0;
    int64_t value = 0;
    (void)user;
    probe_config *made = calloc(1, sizeof *made);
    ck_assert_ptr_nonnull(made);
    const char *json = panicmon_config_json(config, &len);
    ck_assert(pm_json_parse(json, len, &object, NULL));
    snprintf(made->id, sizeof made->id, "%s", panicmon_config_id(config));
    (void)panicmon_config_text(config, "url", &text, NULL);
    snprintf(made->url, sizeof made->url, "%s", text);
    text = "double";
    (void)panicmon_config_text(config, "method", &text, NULL);
    snprintf(made->method, sizeof made->method, "%s", text);
    (void)err;
    made->number = pm_json_int(pm_json_member(object, "number"), &value) ? (int)value : 0;
    made->period = pm_json_int(pm_json_member(object, "period"), &value) ? (int)value : 50;
    made->block_ms = pm_json_int(pm_json_member(object, "block"), &value) ? (int)value : 0;
    made->flags = pm_json_int(pm_json_member(object, "flags"), &value) ? (int)value : 0;
    *parsed = made;
    return PANICMON_OK;
}

static void probe_parsed_free(void *user, void *parsed)
{
    (void)user;
    free(parsed);
}

static panicmon_err probe_start(void *user, void *parsed, panicmon_launch *launch,
                                panicmon_error **err)
{
    const probe_config *config = parsed;
    const panicmon_monitor_ops ops = {.struct_size = sizeof ops,
                                      .flags = (uint32_t)config->flags,
                                      .step = probe_step,
                                      .monitor_free = free};
    (void)user;
    (void)err;
    probe *made = calloc(1, sizeof *made);
    ck_assert_ptr_nonnull(made);
    made->config = config;
    panicmon_launch_period(launch, config->period);
    return panicmon_launch_monitor(launch, &ops, made);
}

/* ---- a laboratory: runtime, manager, nodes ---- */

typedef struct lab {
    panicmon_registry *registry;
    panicmon_runtime *runtime;
    panicmon_manager *manager;
    panicmon_log *log;
} lab;

static char log_text[16384];

static void take_log(void *user, panicmon_log_level level, const char *component,
                     const char *message)
{
    (void)user;
    pthread_mutex_lock(&lock);
    size_t len = strlen(log_text);
    snprintf(log_text + len, sizeof log_text - len, "%d %s: %s\n", (int)level, component, message);
    pthread_mutex_unlock(&lock);
}

static lab open_lab(const char *executor, const char *const *pairs)
{
    const panicmon_strategy_ops ops = {.struct_size = sizeof ops,
                                       .name = "probe",
                                       .parse = probe_parse,
                                       .start = probe_start,
                                       .parsed_free = probe_parsed_free};
    lab at = {0};
    panicmon_sink *sink = NULL;
    panicmon_settings *settings = NULL;
    forget();
    log_text[0] = '\0';
    ck_assert_int_eq(panicmon_settings_new(&settings), PANICMON_OK);
    ck_assert_int_eq(panicmon_settings_set(settings, "executor", executor, NULL), PANICMON_OK);
    for (; *pairs != NULL; pairs += 2) {
        ck_assert_int_eq(panicmon_settings_set(settings, pairs[0], pairs[1], NULL), PANICMON_OK);
    }
    ck_assert_int_eq(panicmon_registry_new(&at.registry), PANICMON_OK);
    ck_assert_int_eq(panicmon_registry_add(at.registry, "chains.probe.*.*", &ops, NULL, NULL),
                     PANICMON_OK);
    ck_assert_int_eq(panicmon_runtime_new(&at.runtime, at.registry, settings, NULL), PANICMON_OK);
    ck_assert_int_eq(panicmon_sink_new_callback(&sink, remember, NULL, NULL), PANICMON_OK);
    ck_assert_int_eq(panicmon_runtime_set_sink(at.runtime, sink), PANICMON_OK);
    ck_assert_int_eq(panicmon_log_new(&at.log, take_log, NULL, NULL), PANICMON_OK);
    panicmon_log_set_level(at.log, PANICMON_LOG_WARNING);
    ck_assert_int_eq(panicmon_runtime_set_log(at.runtime, at.log), PANICMON_OK);
    ck_assert_int_eq(panicmon_runtime_start(at.runtime, NULL), PANICMON_OK);
    ck_assert_int_eq(panicmon_manager_new(&at.manager, at.runtime, NULL), PANICMON_OK);
    panicmon_sink_free(sink);
    panicmon_settings_free(settings);
    return at;
}

static void close_lab(lab *at)
{
    panicmon_manager_free(at->manager);
    panicmon_runtime_free(at->runtime);
    panicmon_registry_free(at->registry);
    panicmon_log_free(at->log);
    forget();
}

static const char *const no_settings[] = {NULL};

static void apply(const lab *at, const pm_buf *json)
{
    ck_assert(!json->failed);
    ck_assert_int_eq(panicmon_manager_apply(at->manager, KEY, json->data, json->len, NULL),
                     PANICMON_OK);
}

/* `count` monitors p<first>.. on `port` (0: without a node) with more members of JSON. */
static void add_probes(pm_buf *json, int first, int count, int port, const char *more)
{
    for (int i = first; i < first + count; i++) {
        pm_buf_format(json, "%s\"p%d\": {\"number\": %d", json->len == 0 ? "{" : ", ", i, i * 100);
        if (port != 0) {
            pm_buf_format(json, ", \"url\": \"ws://127.0.0.1:%d/%d\"", port, i % 3);
        }
        pm_buf_format(json, "%s}", more);
    }
}

static int64_t figure(const lab *at, const char *name)
{
    panicmon_stats *stats = NULL;
    int64_t value = -1;
    ck_assert_int_eq(panicmon_runtime_stats(at->runtime, &stats), PANICMON_OK);
    ck_assert_int_eq(panicmon_stats_get(stats, name, &value), PANICMON_OK);
    panicmon_stats_free(stats);
    return value;
}

/* ---- tests; _i is the executor ---- */

START_TEST(all_publish_the_same)
{
    enum { PROBES = 24, ROUNDS = 3 };
    const char *const pairs[] = {"rounds", "3", NULL};
    peer *server = peer_start(node, NULL, NULL, NULL);
    lab at = open_lab(executors[_i], pairs);
    pm_buf json = {0};
    add_probes(&json, 0, PROBES, peer_port(server), ", \"period\": 500");
    pm_buf_char(&json, '}');
    apply(&at, &json);
    ck_assert_int_eq(panicmon_runtime_wait_idle(at.runtime, -1), PANICMON_OK);
    ck_assert_uint_eq(sample_count, PROBES * ROUNDS);
    ck_assert_int_eq(heartbeats, PROBES * ROUNDS);
    for (int i = 0; i < PROBES; i++) {
        for (int round = 1; round <= ROUNDS; round++) {
            char expected[128];
            char before[16] = "";
            if (round > 1) {
                snprintf(before, sizeof before, "%d", round - 1);
            }
            snprintf(expected, sizeof expected, "p%d round %d: %d \"for ever\" before: %s", i,
                     round, (i * 100 + round) * 2, before);
            if (count_samples(expected) == 0) {
                for (size_t k = 0; k < sample_count; k++) {
                    fprintf(stderr, "%s\n", samples[k]);
                }
                ck_abort_msg("not published: %s", expected);
            }
        }
    }
    ck_assert_int_eq(figure(&at, "rounds"), PROBES * ROUNDS);
    ck_assert_int_eq(figure(&at, "results"), PROBES * ROUNDS);
    ck_assert_int_eq(figure(&at, "messages_dropped"), 0);
    ck_assert_int_gt(figure(&at, "round_us_max"), 0);
    ck_assert_int_ge(figure(&at, "lag_us_max"), figure(&at, "lag_us_p50"));
    ck_assert_str_eq(log_text, "");
    close_lab(&at);
    peer_stop(server);
    pm_buf_free(&json);
}
END_TEST

START_TEST(a_stop_does_not_wait_for_hung_peers)
{
    peer *server = peer_start(node, NULL, NULL, NULL);
    lab at = open_lab(executors[_i], no_settings);
    pm_buf json = {0};
    add_probes(&json, 0, 20, peer_port(server), ", \"method\": \"hang\", \"period\": 60000");
    add_probes(&json, 40, 4, peer_port(server), ", \"period\": 100");
    pm_buf_char(&json, '}');
    apply(&at, &json);
    await_samples("p4", 3);
    while (figure(&at, "sockets") == 0) {
        usleep(1000);
    }
    int64_t began = pm_mono_ms();
    panicmon_runtime_request_stop(at.runtime);
    ck_assert_int_eq(panicmon_runtime_join(at.runtime, -1), PANICMON_OK);
    ck_assert_int_lt(pm_mono_ms() - began, 8000); /* the hung rounds have 20 s and more */
    ck_assert_int_eq(figure(&at, "monitors_running"), 0);
    ck_assert_int_eq(figure(&at, "sockets"), 0);
    ck_assert_int_eq(figure(&at, "threads"), 0);
    ck_assert_int_eq(figure(&at, "pool_bytes"), 0);
    ck_assert_int_eq(figure(&at, "cache_bytes"), 0);
    close_lab(&at);
    peer_stop(server);
    pm_buf_free(&json);
}
END_TEST

START_TEST(one_that_blocks_does_not_delay_the_others)
{
    lab at = open_lab(executors[_i], no_settings);
    pm_buf json = {0};
    add_probes(&json, 0, 4, 0, ", \"block\": 3000, \"flags\": 1, \"period\": 3000");
    add_probes(&json, 50, 10, 0, ", \"period\": 50");
    pm_buf_char(&json, '}');
    apply(&at, &json);
    /* more than the blocking ones would let through one after the other */
    await_samples("p5", 150);
    ck_assert_uint_lt(count_samples("p0"), 3);
    close_lab(&at);
    pm_buf_free(&json);
}
END_TEST

START_TEST(a_hung_monitor_goes_when_it_is_removed)
{
    peer *server = peer_start(node, NULL, NULL, NULL);
    lab at = open_lab(executors[_i], no_settings);
    pm_buf both = {0};
    pm_buf one = {0};
    add_probes(&both, 0, 1, peer_port(server), "");
    add_probes(&both, 1, 1, peer_port(server), ", \"method\": \"hang\", \"period\": 60000");
    pm_buf_char(&both, '}');
    add_probes(&one, 0, 1, peer_port(server), "");
    pm_buf_char(&one, '}');
    apply(&at, &both);
    await_samples("p0", 2);
    usleep(1100000); /* all first rounds have begun */
    apply(&at, &one);
    while (figure(&at, "monitors_running") > 1) {
        usleep(1000);
    }
    size_t before = count_samples("p0");
    await_samples("p0", before + 3); /* its neighbour runs on */
    apply(&at, &both);               /* and its key is free again */
    ck_assert_int_eq(figure(&at, "monitors_running"), 2);
    close_lab(&at);
    peer_stop(server);
    pm_buf_free(&both);
    pm_buf_free(&one);
}
END_TEST

START_TEST(a_changed_config_holds_from_the_next_round_on)
{
    peer *server = peer_start(node, NULL, NULL, NULL);
    lab at = open_lab(executors[_i], no_settings);
    for (int number = 7; number < 12; number++) {
        pm_buf json = {0};
        char expected[64];
        pm_buf_format(&json, "{\"x\": {\"number\": %d, \"url\": \"ws://127.0.0.1:%d/\"}}",
                      number * 1000, peer_port(server));
        apply(&at, &json);
        snprintf(expected, sizeof expected, ": %d ", (number * 1000 + 1) * 2);
        await_samples(expected, 1);
        pm_buf_free(&json);
    }
    close_lab(&at);
    peer_stop(server);
}
END_TEST

START_TEST(a_thousand)
{
    const char *const pairs[] = {"rounds", "2", NULL};
    lab at = open_lab(executors[_i], pairs);
    pm_buf json = {0};
    add_probes(&json, 0, 1000, 0, ", \"period\": 1000");
    pm_buf_char(&json, '}');
    apply(&at, &json);
    ck_assert_int_eq(panicmon_runtime_wait_idle(at.runtime, -1), PANICMON_OK);
    ck_assert_uint_eq(count_samples("round 1:"), 1000);
    ck_assert_uint_eq(count_samples("round 2:"), 1000);
    ck_assert_int_eq(figure(&at, "rounds"), 2000);
    close_lab(&at);
    pm_buf_free(&json);
}
END_TEST

START_TEST(rounds_keep_to_their_grid)
{
    lab at = open_lab(executors[_i], no_settings);
    pm_buf json = {0};
    add_probes(&json, 0, 20, 0, ", \"period\": 100");
    pm_buf_char(&json, '}');
    apply(&at, &json);
    await_samples("p1", 30);
    int64_t rounds = figure(&at, "rounds");
    int64_t overruns = figure(&at, "overruns");
    int64_t began = pm_mono_ms();
    usleep(2000000);
    int64_t most = 20 * ((pm_mono_ms() - began) / 100 + 2);
    rounds = figure(&at, "rounds") - rounds;
    overruns = figure(&at, "overruns") - overruns;
    ck_assert_int_le(rounds, most); /* none is done twice, on however slow a machine */
    ck_assert_int_ge(rounds + overruns, most - 20 * 6);
    close_lab(&at);
    pm_buf_free(&json);
}
END_TEST

/* ---- events alone ---- */

START_TEST(calls_are_shared)
{
    const char *const pairs[] = {"rounds", "5", "executor.loops", "1", NULL};
    peer *server = peer_start(node, NULL, NULL, NULL);
    lab at = open_lab("events", pairs);
    pm_buf json = {0};
    atomic_store(&asked_fixed, 0);
    atomic_store(&frames, 0);
    for (int i = 0; i < 60; i++) {
        pm_buf_format(&json, "%s\"p%d\": {\"number\": 5, \"url\": \"ws://127.0.0.1:%d/\"}",
                      i == 0 ? "{" : ", ", i, peer_port(server));
    }
    pm_buf_char(&json, '}');
    apply(&at, &json);
    ck_assert_int_eq(panicmon_runtime_wait_idle(at.runtime, -1), PANICMON_OK);
    ck_assert_uint_eq(sample_count, 300);
    ck_assert_uint_eq(peer_count(server), 1);        /* connections */
    ck_assert_int_le(atomic_load(&asked_fixed), 60); /* of 300; 2 when nobody is slow */
    ck_assert_int_gt(figure(&at, "cache_hits"), 200);
    ck_assert_int_gt(figure(&at, "cache_bytes"), 0);
    ck_assert_int_gt(figure(&at, "rpc_joined") + figure(&at, "cache_hits"), 250);
    ck_assert_int_lt(atomic_load(&frames), 300);
    close_lab(&at);
    peer_stop(server);
    pm_buf_free(&json);
}
END_TEST

START_TEST(calls_that_must_be_alone_are_not_shared)
{
    const char *const pairs[] = {"rounds", "3", "executor.loops", "1", NULL};
    peer *server = peer_start(node, NULL, NULL, NULL);
    lab at = open_lab("events", pairs);
    pm_buf json = {0};
    atomic_store(&asked_alone, 0);
    for (int i = 0; i < 40; i++) {
        pm_buf_format(&json,
                      "%s\"p%d\": {\"number\": 5, \"method\": \"alone\", \"url\": "
                      "\"ws://127.0.0.1:%d/\"}",
                      i == 0 ? "{" : ", ", i, peer_port(server));
    }
    pm_buf_char(&json, '}');
    apply(&at, &json);
    ck_assert_int_eq(panicmon_runtime_wait_idle(at.runtime, -1), PANICMON_OK);
    ck_assert_uint_eq(sample_count, 120);
    ck_assert_int_eq(atomic_load(&asked_alone), 120);
    close_lab(&at);
    peer_stop(server);
    pm_buf_free(&json);
}
END_TEST

START_TEST(tasks_of_an_endpoint_share_a_loop)
{
    const char *const pairs[] = {"rounds", "3", "executor.loops", "4", NULL};
    peer *server = peer_start(node, NULL, NULL, NULL);
    lab at = open_lab("events", pairs);
    pm_buf json = {0};
    add_probes(&json, 0, 60, peer_port(server), "");
    pm_buf_char(&json, '}');
    apply(&at, &json);
    ck_assert_int_eq(panicmon_runtime_wait_idle(at.runtime, -1), PANICMON_OK);
    ck_assert_uint_eq(sample_count, 180);
    ck_assert_uint_eq(peer_count(server), 3); /* as many as there are endpoints */
    close_lab(&at);
    peer_stop(server);
    pm_buf_free(&json);
}
END_TEST

START_TEST(a_slow_step_is_named)
{
    lab at = open_lab("events", no_settings);
    pm_buf json = {0};
    add_probes(&json, 7, 1, 0, ", \"block\": 150, \"period\": 300");
    pm_buf_char(&json, '}');
    apply(&at, &json);
    await_samples("p7", 3);
    pthread_mutex_lock(&lock);
    const char *named = strstr(log_text, "p7: a step kept all others waiting");
    ck_assert_ptr_nonnull(named);
    ck_assert_msg(strstr(named + 10, "a step kept") == NULL, "not folded: %s", log_text);
    pthread_mutex_unlock(&lock);
    close_lab(&at);
    pm_buf_free(&json);
}
END_TEST

START_TEST(a_lost_connection_is_made_again)
{
    peer *server = peer_start(node, NULL, NULL, NULL);
    int port = peer_port(server);
    lab at = open_lab(executors[_i], no_settings);
    pm_buf json = {0};
    add_probes(&json, 0, 6, port, ", \"period\": 100");
    pm_buf_char(&json, '}');
    apply(&at, &json);
    await_samples("for ever", 12);
    peer_stop(server);
    await_samples(":  ", 6); /* rounds without answer to what cannot be kept */
    ck_assert_int_eq(figure(&at, "monitors_running"), 6);
    close_lab(&at);
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
    tcase_add_loop_test(each, a_stop_does_not_wait_for_hung_peers, 0, EXECUTORS);
    tcase_add_loop_test(each, one_that_blocks_does_not_delay_the_others, 0, EXECUTORS);
    tcase_add_loop_test(each, a_hung_monitor_goes_when_it_is_removed, 0, EXECUTORS);
    tcase_add_loop_test(each, a_changed_config_holds_from_the_next_round_on, 0, EXECUTORS);
    tcase_add_loop_test(each, rounds_keep_to_their_grid, 0, EXECUTORS);
    tcase_add_loop_test(each, a_lost_connection_is_made_again, 0, EXECUTORS);
    tcase_set_timeout(many, 30);
    tcase_add_loop_test(many, a_thousand, 0, EXECUTORS);
    tcase_set_timeout(events, 20);
    tcase_add_test(events, calls_are_shared);
    tcase_add_test(events, calls_that_must_be_alone_are_not_shared);
    tcase_add_test(events, tasks_of_an_endpoint_share_a_loop);
    tcase_add_test(events, a_slow_step_is_named);
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
