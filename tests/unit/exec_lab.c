/* exec_lab.c: see exec_lab.h. */
#include "exec_lab.h"

#include <check.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json.h"

/* ---- the node ---- */

atomic_int lab_asked_fixed; /* how often the call that can be cached reached the node */
atomic_int lab_hung;
atomic_int lab_asked_alone; /* the same, of the one that must go alone */
atomic_int lab_frames;

/* double: twice its parameter; fixed: a text; hang: no answer. */
static void answer(pm_buf *out, pm_json call)
{
    pm_json method = pm_json_member(call, "method");
    pm_json id = pm_json_member(call, "id");
    pm_json first;
    int64_t value = 0;
    size_t at = 0;
    if (pm_json_equals(method, "hang")) {
        atomic_fetch_add(&lab_hung, 1);
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
        atomic_fetch_add(pm_json_equals(method, "alone") ? &lab_asked_alone : &lab_asked_fixed, 1);
        pm_buf_text(out, ",\"result\":\"for ever\"}");
    }
}

void lab_node(peer_conn *conn)
{
    char *text;
    if (!peer_upgrade(conn)) {
        return;
    }
    while ((text = peer_read_text(conn)) != NULL) {
        pm_buf out = {0};
        pm_json message;
        pm_json call;
        atomic_fetch_add(&lab_frames, 1);
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

pthread_mutex_t lab_lock = PTHREAD_MUTEX_INITIALIZER;
atomic_int lab_rounds;
atomic_int lab_slow_ms;
char *lab_samples[8192];
size_t lab_sample_count;
int lab_heartbeats;

static panicmon_err remember(void *user, const char *exchange, const char *routing_key,
                             const char *body, size_t len)
{
    (void)user;
    (void)len;
    (void)routing_key;
    if (strcmp(exchange, "raw_data") == 0) {
        usleep((useconds_t)atomic_exchange(&lab_slow_ms, 0) * 1000);
    }
    pthread_mutex_lock(&lab_lock);
    if (strcmp(exchange, "raw_data") == 0 &&
        lab_sample_count < sizeof lab_samples / sizeof lab_samples[0]) {
        lab_samples[lab_sample_count++] = strdup(body);
    }
    lab_heartbeats += strcmp(exchange, "health_check") == 0;
    pthread_mutex_unlock(&lab_lock);
    return PANICMON_OK;
}

static void forget(void)
{
    for (size_t i = 0; i < lab_sample_count; i++) {
        free(lab_samples[i]);
    }
    lab_sample_count = 0;
    lab_heartbeats = 0;
}

size_t lab_count(const char *with)
{
    size_t count = 0;
    pthread_mutex_lock(&lab_lock);
    for (size_t i = 0; i < lab_sample_count; i++) {
        count += strstr(lab_samples[i], with) != NULL;
    }
    pthread_mutex_unlock(&lab_lock);
    return count;
}

void lab_await(const char *with, size_t count)
{
    while (lab_count(with) < count) {
        usleep(2000);
    }
}

/* ---- the monitor ---- */

/* Of a key in one step, before the one that counts. */
#define STORES 5

typedef struct probe_config {
    char id[32];
    char url[64]; /* "": no node */
    char method[16];
    int number;
    int period;
    int block_ms; /* sleeps so long in its first step */
    int wait_ms;  /* lets so much time pass after its first step */
    int flags;
    int calls; /* so many calls more in its first step */
} probe_config;

typedef struct probe {
    const probe_config *config;
    int round;
    panicmon_request doubled, fixed, loaded, waited;
} probe;

static panicmon_err ask(probe *own, panicmon_round *round)
{
    const probe_config *config = own->config;
    char params[32];
    char key[64];
    own->round++;
    atomic_fetch_add(&lab_rounds, 1);
    if (config->block_ms > 0) {
        usleep((useconds_t)config->block_ms * 1000);
    }
    if (config->wait_ms > 0 &&
        panicmon_round_wait(round, config->wait_ms, &own->waited) != PANICMON_OK) {
        return PANICMON_ERR_NOMEM;
    }
    snprintf(params, sizeof params, "[%d]", config->number + own->round);
    snprintf(key, sizeof key, "probe:%s", config->id);
    panicmon_err status = panicmon_round_load(round, key, &own->loaded);
    if (strncmp(config->url, "http:", 5) == 0) {
        return panicmon_round_http(round, NULL, config->url, "A: b", NULL, 0, 0, &own->doubled);
    }
    for (int i = 0; status == PANICMON_OK && i < config->calls; i++) {
        snprintf(params, sizeof params, "[%d]", i);
        status = panicmon_round_rpc(round, config->url, config->method, params, 0, NULL);
    }
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
        if (own->config->wait_ms > 0) {
            panicmon_err waited = panicmon_reply_status(panicmon_round_reply(round, own->waited));
            snprintf(body, sizeof body, "%s waited: %d", own->config->id, (int)waited);
            return panicmon_round_publish(round, "raw_data", "probe", body, strlen(body), NULL);
        }
        snprintf(body, sizeof body, "%s round %d: %s %s before: %s", own->config->id, own->round,
                 panicmon_reply_body(panicmon_round_reply(round, own->doubled), NULL),
                 panicmon_reply_body(panicmon_round_reply(round, own->fixed), NULL),
                 panicmon_reply_body(panicmon_round_reply(round, own->loaded), NULL));
        return panicmon_round_publish(round, "raw_data", "probe", body, strlen(body), NULL);
    case 2:
        for (int i = 0; i < STORES; i++) { /* the last one stays */
            (void)panicmon_round_store(round, key, "early", 5, NULL);
        }
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
    made->wait_ms = pm_json_int(pm_json_member(object, "wait"), &value) ? (int)value : 0;
    made->calls = pm_json_int(pm_json_member(object, "calls"), &value) ? (int)value : 0;
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

char lab_log[16384];

static void take_log(void *user, panicmon_log_level level, const char *component,
                     const char *message)
{
    (void)user;
    pthread_mutex_lock(&lab_lock);
    size_t len = strlen(lab_log);
    snprintf(lab_log + len, sizeof lab_log - len, "%d %s: %s\n", (int)level, component, message);
    pthread_mutex_unlock(&lab_lock);
}

lab lab_open(const char *executor, const char *const *pairs)
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
    lab_log[0] = '\0';
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

void lab_close(lab *at)
{
    panicmon_manager_free(at->manager);
    panicmon_runtime_free(at->runtime);
    panicmon_registry_free(at->registry);
    panicmon_log_free(at->log);
    forget();
}

void lab_apply(const lab *at, const pm_buf *json)
{
    ck_assert(!json->failed);
    ck_assert_int_eq(panicmon_manager_apply(at->manager, LAB_KEY, json->data, json->len, NULL),
                     PANICMON_OK);
}

void lab_add_probes(pm_buf *json, int first, int count, int port, const char *more)
{
    for (int i = first; i < first + count; i++) {
        pm_buf_format(json, "%s\"p%d\": {\"number\": %d", json->len == 0 ? "{" : ", ", i, i * 100);
        if (port != 0) {
            pm_buf_format(json, ", \"url\": \"ws://127.0.0.1:%d/%d\"", port, i % 3);
        }
        pm_buf_format(json, "%s}", more);
    }
}

int64_t lab_figure(const lab *at, const char *name)
{
    panicmon_stats *stats = NULL;
    int64_t value = -1;
    ck_assert_int_eq(panicmon_runtime_stats(at->runtime, &stats), PANICMON_OK);
    ck_assert_int_eq(panicmon_stats_get(stats, name, &value), PANICMON_OK);
    panicmon_stats_free(stats);
    return value;
}
