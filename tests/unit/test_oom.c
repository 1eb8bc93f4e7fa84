/* test_oom.c: every public call with every one of its allocations failing in turn: alone, and with
 * all that follow it. A call then says ERR_NOMEM, leaks nothing and leaves its objects as they
 * were; threads that run go on. */
#include <check.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <panicmon/panicmon.h>

#include "core/round.h"
#include "oom.h"

/* ---- objects that need no runtime ---- */

static panicmon_err error_scenario(void)
{
    panicmon_error *err = NULL;
    (void)panicmon_error_set(&err, PANICMON_ERR_NOENT, "first");
    panicmon_err status = panicmon_error_set(&err, PANICMON_ERR_LIMIT, "second");
    panicmon_err got = panicmon_error_code(err); /* what was asked for, or without memory that */
    panicmon_error_free(err);
    return status != PANICMON_ERR_LIMIT ? PANICMON_ERR_STATE
           : got == PANICMON_ERR_LIMIT  ? PANICMON_OK
                                        : got;
}

static panicmon_err settings_scenario(void)
{
    static const char text[] =
        "{\"period\": {\"node\": 3}, \"broker\": {\"url\": \"amqp://u:p@h/v\"}, "
        "\"configs\": {\"fake.x\": {\"a\": {}}}}";
    panicmon_settings *settings = NULL;
    panicmon_error *err = NULL;
    panicmon_err status = panicmon_settings_new(&settings);
    if (status == PANICMON_OK) {
        status = panicmon_settings_set(settings, "rounds", "4", &err);
    }
    if (status == PANICMON_OK) {
        status = panicmon_settings_load(settings, text, sizeof text - 1, NULL, NULL, &err);
        bool loaded = strcmp(panicmon_settings_get(settings, "period.node"), "3") == 0;
        if (loaded != (status == PANICMON_OK)) { /* all or nothing */
            status = PANICMON_ERR_STATE;
        }
    }
    panicmon_settings_free(settings);
    return oom_done(status, err);
}

static panicmon_err log_scenario(void)
{
    panicmon_log *log = NULL;
    int fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
    panicmon_err status = panicmon_log_new_fd(&log, fd, PANICMON_LOG_JSON);
    panicmon_log_write(log, PANICMON_LOG_ERROR, "test", "a record that may get lost");
    panicmon_log_free(log);
    (void)close(fd);
    return status;
}

static void note_log(void *user, panicmon_log_level level, const char *component,
                     const char *message)
{
    (void)level;
    (void)component;
    (void)message;
    (*(int *)user)++;
}

static void count_free(void *user)
{
    (*(int *)user) += 100;
}

static panicmon_err note_message(void *user, const char *exchange, const char *routing_key,
                                 const char *body, size_t len)
{
    (void)exchange;
    (void)routing_key;
    (void)body;
    (void)len;
    atomic_fetch_add((atomic_int *)user, 1);
    return PANICMON_OK;
}

static panicmon_err callbacks_scenario(void)
{
    panicmon_log *log = NULL;
    int told = 0;
    panicmon_err status = panicmon_log_new(&log, note_log, &told, count_free);
    panicmon_log_write(log, PANICMON_LOG_ERROR, "test", "a record");
    panicmon_log_free(log);
    if (told != (status == PANICMON_OK ? 101 : 100)) { /* freed once, also on failure */
        return PANICMON_ERR_STATE;
    }
    panicmon_sink *sink = NULL;
    panicmon_sink *lines = NULL;
    panicmon_err made = panicmon_sink_new_callback(&sink, note_message, NULL, NULL);
    panicmon_err lined = panicmon_sink_new_jsonl(&lines, STDOUT_FILENO);
    panicmon_sink_free(sink);
    panicmon_sink_free(lines);
    return status != PANICMON_OK ? status : made != PANICMON_OK ? made : lined;
}

static panicmon_err registry_scenario(void)
{
    panicmon_registry *registry = NULL;
    panicmon_error *err = NULL;
    size_t count = 0;
    panicmon_err status = oom_registry(&registry);
    if (status == PANICMON_OK) {
        status = panicmon_registry_add_builtin(registry, &err);
    }
    if (status == PANICMON_OK) {
        status = panicmon_registry_check(registry, "fake.x", oom_set, strlen(oom_set), NULL, NULL,
                                         &count);
        /* An entry that could not be read for want of memory is told as a fault. */
        status = status == PANICMON_ERR_PARSE && count < 3 ? PANICMON_ERR_NOMEM : status;
    }
    if (status == PANICMON_OK) {
        status = panicmon_registry_remove(registry, "fake.*", "fake");
    }
    panicmon_registry_free(registry);
    return atomic_load(&oom_users) == 0 ? oom_done(status, err) : PANICMON_ERR_STATE;
}

static panicmon_err starter_scenario(void)
{
    const panicmon_strategy_ops ops = oom_strategy();
    panicmon_starter *starter = NULL;
    panicmon_runtime *runtime = NULL;
    panicmon_monitor *monitor = NULL;
    panicmon_error *err = NULL;
    panicmon_err status = panicmon_starter_new(&starter, &ops, &oom_users);
    if (status != PANICMON_OK) {
        return status;
    }
    atomic_fetch_add(&oom_users, 1);
    status = panicmon_starter_set_strategy(starter, &ops, &oom_users);
    if (status == PANICMON_OK) {
        atomic_fetch_add(&oom_users, 1);
        status = panicmon_runtime_new(&runtime, NULL, NULL, &err);
    }
    if (status == PANICMON_OK) {
        status = panicmon_starter_set_runtime(starter, runtime);
    }
    if (status == PANICMON_OK) {
        status = panicmon_starter_parse_and_start(starter, "fake.x", "{\"text\": \"{}\"}", 14,
                                                  &monitor, &err);
    }
    panicmon_monitor_free(monitor);
    panicmon_starter_free(starter);
    panicmon_runtime_free(runtime);
    return atomic_load(&oom_users) == 0 ? oom_done(status, err) : PANICMON_ERR_STATE;
}

/* ---- a runtime ---- */

typedef struct parts {
    panicmon_registry *registry;
    panicmon_settings *settings;
    panicmon_runtime *runtime;
    panicmon_manager *manager;
    panicmon_log *log;
} parts;

static void close_parts(parts *all)
{
    panicmon_manager_free(all->manager);
    panicmon_runtime_free(all->runtime);
    panicmon_log_free(all->log);
    panicmon_settings_free(all->settings);
    panicmon_registry_free(all->registry);
}

static const char *const executors[] = {"threads", "rounds", "queue", "events"};
static const char *executor = "threads";

static panicmon_err open_parts(parts *all, panicmon_error **err)
{
    panicmon_err status = oom_registry(&all->registry);
    if (status == PANICMON_OK) {
        status = panicmon_settings_new(&all->settings);
    }
    if (status == PANICMON_OK) {
        status = panicmon_settings_set(all->settings, "executor", executor, err);
    }
    if (status == PANICMON_OK) {
        status = panicmon_runtime_new(&all->runtime, all->registry, all->settings, err);
    }
    if (status == PANICMON_OK) {
        status = panicmon_manager_new(&all->manager, all->runtime, err);
    }
    if (status == PANICMON_OK) {
        status = panicmon_runtime_start(all->runtime, err);
    }
    return status;
}

/* Counts what a call that goes on after a lost entry loses: one without memory is told, and tried
 * again later. */
static panicmon_err runtime_scenario(void)
{
    parts all = {0};
    panicmon_error *err = NULL;
    panicmon_stats *stats = NULL;
    panicmon_err status = open_parts(&all, &err);
    if (status == PANICMON_OK) {
        status = panicmon_manager_apply(all.manager, "fake.x", oom_set, strlen(oom_set), &err);
    }
    if (status == PANICMON_OK) {
        status = panicmon_manager_apply_all(all.manager, "{\"fake.y\": {}}", 14, &err);
    }
    if (status == PANICMON_OK) {
        status = panicmon_manager_ping(all.manager);
    }
    if (status == PANICMON_OK) {
        status = panicmon_runtime_stats(all.runtime, &stats);
        panicmon_stats_free(stats);
    }
    close_parts(&all);
    return atomic_load(&oom_users) == 0 ? oom_done(status, err) : PANICMON_ERR_STATE;
}

static bool next_message(panicmon_runtime *runtime, int timeout_ms)
{
    panicmon_message *message = NULL;
    struct pollfd ready = {.fd = panicmon_runtime_event_fd(runtime), .events = POLLIN};
    while (panicmon_runtime_next(runtime, &message) == PANICMON_OK) { /* old ones */
        panicmon_message_free(message);
    }
    if (poll(&ready, 1, timeout_ms) != 1 ||
        panicmon_runtime_next(runtime, &message) != PANICMON_OK) {
        return false;
    }
    panicmon_message_free(message);
    return true;
}

/* ---- metadata ---- */

static char *sample;
static size_t sample_len;

static void read_sample(void)
{
    FILE *file = fopen(SAMPLE_METADATA, "rb");
    ck_assert_msg(file != NULL, "%s is missing", SAMPLE_METADATA);
    ck_assert_int_eq(fseek(file, 0, SEEK_END), 0);
    sample_len = (size_t)ftell(file);
    rewind(file);
    sample = malloc(sample_len + 1);
    ck_assert_uint_eq(fread(sample, 1, sample_len, file), sample_len);
    (void)fclose(file);
}

static panicmon_err substrate_scenario(void)
{
    panicmon_substrate *shared = NULL;
    panicmon_registry *registry = NULL;
    panicmon_error *err = NULL;
    panicmon_err status = panicmon_substrate_new(&shared);
    if (status == PANICMON_OK) {
        status = panicmon_registry_new(&registry);
    }
    if (status == PANICMON_OK) {
        status = panicmon_registry_add(registry, "nodes", panicmon_substrate_node_strategy(),
                                       panicmon_substrate_ref(shared), &err);
        if (status != PANICMON_OK) { /* the reference stayed ours */
            panicmon_substrate_free(shared);
        }
    }
    panicmon_registry_free(registry);
    panicmon_substrate_free(shared);
    return oom_done(status, err);
}

static panicmon_err metadata_scenario(void)
{
    panicmon_metadata *metadata = NULL;
    panicmon_error *err = NULL;
    char *text = NULL;
    size_t len = 0;
    panicmon_err status = panicmon_metadata_new(&metadata, sample, sample_len, &err);
    if (status == PANICMON_OK) {
        status = panicmon_metadata_list(metadata, PANICMON_LIST_TEXT, &text, &len, &err);
        panicmon_text_free(text);
    }
    if (status == PANICMON_OK) {
        status =
            panicmon_metadata_storage_key(metadata, "System", "Number", NULL, 0, &text, &len, &err);
        panicmon_text_free(status == PANICMON_OK ? text : NULL);
    }
    if (status == PANICMON_OK) {
        status = panicmon_metadata_decode_storage(metadata, "System", "Number", NULL, 0, 0, &text,
                                                  &len, &err);
        panicmon_text_free(status == PANICMON_OK ? text : NULL);
    }
    panicmon_metadata_free(metadata);
    return oom_done(status, err);
}

/* A step that asks for more than a block holds; one request outlives the round. */
static panicmon_err requests_scenario(void)
{
    static const char body[3000] = "";
    panicmon_round round = {.name = "oom"};
    panicmon_err status = PANICMON_OK;
    pm_round_begin(&round, 1, 1, 1000);
    for (int i = 0; i < 20 && status == PANICMON_OK; i++) {
        status = panicmon_round_rpc(&round, "ws://a/", "method", "[]", 0, NULL);
    }
    if (status == PANICMON_OK) {
        status =
            panicmon_round_http(&round, "POST", "http://a/", "A: b", body, sizeof body, 0, NULL);
    }
    pm_request *kept = round.asked.count == 0 ? NULL : round.asked.items[0];
    if (kept != NULL) {
        pm_request_keep(kept);
        kept->on_done = pm_request_forget;
    }
    pm_round_free(&round);
    if (kept != NULL) {
        pm_request_finish(kept, PANICMON_ERR_CANCELED, 0, "canceled");
    }
    return status;
}

/* ---- the tests ---- */

START_TEST(errors)
{
    oom_sweep(error_scenario);
}
END_TEST

START_TEST(settings)
{
    oom_sweep(settings_scenario);
}
END_TEST

START_TEST(logs_and_sinks)
{
    oom_sweep(log_scenario);
    oom_sweep(callbacks_scenario);
}
END_TEST

START_TEST(registries)
{
    oom_sweep(registry_scenario);
}
END_TEST

START_TEST(starters)
{
    oom_sweep(starter_scenario);
}
END_TEST

START_TEST(runtimes_and_managers)
{
    executor = executors[_i];
    oom_sweep(runtime_scenario);
}
END_TEST

START_TEST(running_monitors)
{
    parts all = {0};
    panicmon_error *err = NULL;
    executor = executors[_i];
    ck_assert_int_eq(open_parts(&all, &err), PANICMON_OK);
    ck_assert_int_eq(panicmon_manager_apply(all.manager, "fake.x", oom_set, strlen(oom_set), &err),
                     PANICMON_OK);
    for (long n = 0; n < 60; n++) { /* one allocation of whatever thread, then peace */
        oom_arm(n, false, true);
        (void)next_message(all.runtime, 20);
        (void)oom_disarm();
    }
    oom_arm(0, true, true); /* a drought */
    for (int waits = 0; waits < 400 && oom_failures() == 0; waits++) {
        (void)next_message(all.runtime, 50);
    }
    ck_assert(oom_disarm());
    ck_assert_msg(next_message(all.runtime, 20000), "the monitors did not recover");
    close_parts(&all);
    ck_assert_int_eq(atomic_load(&oom_users), 0);
}
END_TEST

START_TEST(requests)
{
    oom_sweep(requests_scenario);
}
END_TEST

START_TEST(metadata)
{
    read_sample();
    oom_sweep(substrate_scenario);
    oom_sweep(metadata_scenario);
    free(sample);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("oom");
    TCase *tests = tcase_create("every allocation failing in turn");
    tcase_set_timeout(tests, 30);
    tcase_add_test(tests, errors);
    tcase_add_test(tests, settings);
    tcase_add_test(tests, logs_and_sinks);
    tcase_add_test(tests, registries);
    tcase_add_test(tests, starters);
    tcase_add_loop_test(tests, runtimes_and_managers, 0, 4);
    tcase_add_loop_test(tests, running_monitors, 0, 4);
    tcase_add_test(tests, requests);
    tcase_add_test(tests, metadata);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
