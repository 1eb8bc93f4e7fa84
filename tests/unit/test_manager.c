/* test_manager.c: config sets in, the right monitors running, monitorables and heartbeats out; with
 * a strategy of the test's own, the threads executor and a sink that remembers. */
#include <check.h>
#include <dirent.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <panicmon/panicmon.h>

#include "base/json.h"

#define KEY "chains.paint.shop.nodes_config"

/* ---- what the sink remembers ---- */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char seen[4096];         /* values published, each as "id=value;" */
static char monitorables[8192]; /* last body on that exchange, with its routing key before it */
static char heartbeat[8192];    /* last manager heartbeat */
static int heartbeats;
static int lists; /* monitorables published */

static panicmon_err remember(void *user, const char *exchange, const char *routing_key,
                             const char *body, size_t len)
{
    (void)user;
    pthread_mutex_lock(&lock);
    if (strcmp(exchange, "paint") == 0) {
        if (strstr(seen, body) == NULL && strlen(seen) + len + 2 < sizeof seen) {
            strcat(strcat(seen, body), ";");
        }
    } else if (strcmp(exchange, "monitorable") == 0 && strstr(routing_key, ".nodes") != NULL) {
        snprintf(monitorables, sizeof monitorables, "%s %s", routing_key, body);
        lists++;
    } else if (strcmp(routing_key, "heartbeat.manager") == 0 && strstr(body, "\"Node ") != NULL) {
        snprintf(heartbeat, sizeof heartbeat, "%s", body);
        heartbeats++;
    }
    pthread_mutex_unlock(&lock);
    return PANICMON_OK;
}

static bool contains(const char *where, const char *text)
{
    pthread_mutex_lock(&lock);
    bool found = strstr(where, text) != NULL;
    pthread_mutex_unlock(&lock);
    return found;
}

/* Waits until `where` holds `text`; the test's own timeout ends it. */
static void await(const char *where, const char *text)
{
    while (!contains(where, text)) {
        usleep(2000);
    }
}

static void forget(void)
{
    pthread_mutex_lock(&lock);
    seen[0] = monitorables[0] = heartbeat[0] = '\0';
    heartbeats = 0;
    lists = 0;
    pthread_mutex_unlock(&lock);
}

/* ---- the strategy ---- */

typedef struct colour {
    char id[64];
    char value[64];
    int can_update;
    int fails;
    int hangs;
    int slow;
} colour;

typedef struct brush {
    const colour *config;
} brush;

static atomic_int starts;
static atomic_int updates;
static atomic_int living; /* brushes and colours */
static atomic_bool release_hung;
static panicmon_manager *from_inside; /* set: parse calls back into the manager */
static atomic_int inside_result;

static panicmon_err brush_step(void *monitor, panicmon_round *round, panicmon_error **err)
{
    const brush *own = monitor;
    char body[160];
    if (panicmon_round_step(round) > 0) {
        return PANICMON_OK;
    }
    while (own->config->hangs && !atomic_load(&release_hung)) {
        usleep(1000);
    }
    if (own->config->fails) {
        return panicmon_error_set(err, PANICMON_ERR_SYSTEM, "the brush broke");
    }
    snprintf(body, sizeof body, "%s=%s", own->config->id, own->config->value);
    return panicmon_round_publish(round, "paint", "wall", body, strlen(body), NULL);
}

static panicmon_err brush_update(void *monitor, void *parsed)
{
    brush *own = monitor;
    const colour *next = parsed;
    if (!next->can_update) {
        return PANICMON_ERR_STATE;
    }
    own->config = next;
    atomic_fetch_add(&updates, 1);
    return PANICMON_OK;
}

static void brush_free(void *monitor)
{
    atomic_fetch_sub(&living, 1);
    free(monitor);
}

static panicmon_err paint_parse(void *user, const panicmon_config *config, void **parsed,
                                panicmon_error **err)
{
    const char *value = NULL;
    int enabled = 1;
    (void)user;
    if (from_inside != NULL) {
        atomic_store(&inside_result, panicmon_manager_apply(from_inside, KEY, "{}", 2, NULL));
    }
    panicmon_err status = panicmon_config_text(config, "value", &value, err);
    if (status == PANICMON_OK) {
        status = panicmon_config_flag(config, "enabled", 1, &enabled, err);
    }
    if (status != PANICMON_OK || !enabled) {
        return status != PANICMON_OK ? status : PANICMON_ERR_STATE;
    }
    colour *made = calloc(1, sizeof *made);
    ck_assert_ptr_nonnull(made);
    snprintf(made->id, sizeof made->id, "%.60s", panicmon_config_id(config));
    snprintf(made->value, sizeof made->value, "%.60s", value);
    (void)panicmon_config_flag(config, "can_update", 0, &made->can_update, NULL);
    (void)panicmon_config_flag(config, "fails", 0, &made->fails, NULL);
    (void)panicmon_config_flag(config, "hangs", 0, &made->hangs, NULL);
    (void)panicmon_config_flag(config, "slow", 0, &made->slow, NULL);
    atomic_fetch_add(&living, 1);
    *parsed = made;
    return PANICMON_OK;
}

static void paint_parsed_free(void *user, void *parsed)
{
    (void)user;
    atomic_fetch_sub(&living, 1);
    free(parsed);
}

static panicmon_err paint_start(void *user, void *parsed, panicmon_launch *launch,
                                panicmon_error **err)
{
    const panicmon_monitor_ops ops = {.struct_size = sizeof ops,
                                      .step = brush_step,
                                      .update = brush_update,
                                      .monitor_free = brush_free};
    const colour *config = parsed;
    char name[128];
    brush *made = calloc(1, sizeof *made);
    (void)user;
    (void)err;
    ck_assert_ptr_nonnull(made);
    made->config = config;
    snprintf(name, sizeof name, "Brush (%s)", config->id);
    atomic_fetch_add(&starts, 1);
    atomic_fetch_add(&living, 1);
    panicmon_launch_name(launch, name);
    panicmon_launch_period(launch, config->slow ? 1000 : config->hangs || config->fails ? 1 : 10);
    panicmon_launch_source(launch, "shop-1", config->id, config->value);
    return panicmon_launch_monitor(launch, &ops, made);
}

/* ---- one shop ---- */

typedef struct shop {
    panicmon_registry *registry;
    panicmon_runtime *runtime;
    panicmon_manager *manager;
} shop;

/* Until it starts. */
static shop furnish_shop(void)
{
    const panicmon_strategy_ops paint = {.struct_size = sizeof paint,
                                         .name = "paint",
                                         .parse = paint_parse,
                                         .start = paint_start,
                                         .parsed_free = paint_parsed_free};
    shop at = {0};
    panicmon_sink *sink = NULL;
    panicmon_settings *settings = NULL;
    forget();
    ck_assert_int_eq(panicmon_settings_new(&settings), PANICMON_OK);
    ck_assert_int_eq(panicmon_settings_set(settings, "round.deadline", "0.1", NULL), PANICMON_OK);
    ck_assert_int_eq(panicmon_registry_new(&at.registry), PANICMON_OK);
    ck_assert_int_eq(panicmon_registry_add(at.registry, "chains.paint.*.*", &paint, NULL, NULL),
                     PANICMON_OK);
    ck_assert_int_eq(panicmon_runtime_new(&at.runtime, at.registry, settings, NULL), PANICMON_OK);
    ck_assert_int_eq(panicmon_sink_new_callback(&sink, remember, NULL, NULL), PANICMON_OK);
    ck_assert_int_eq(panicmon_runtime_set_sink(at.runtime, sink), PANICMON_OK);
    panicmon_sink_free(sink);
    panicmon_settings_free(settings);
    return at;
}

static shop open_shop(void)
{
    shop at = furnish_shop();
    ck_assert_int_eq(panicmon_runtime_start(at.runtime, NULL), PANICMON_OK);
    ck_assert_int_eq(panicmon_manager_new(&at.manager, at.runtime, NULL), PANICMON_OK);
    return at;
}

static void close_shop(shop *at)
{
    panicmon_manager_free(at->manager);
    panicmon_runtime_free(at->runtime);
    panicmon_registry_free(at->registry);
    ck_assert_int_eq(atomic_load(&living), 0);
}

static panicmon_err apply(const shop *at, const char *json)
{
    return panicmon_manager_apply(at->manager, KEY, json, strlen(json), NULL);
}

/* ---- tests ---- */

START_TEST(adds_changes_and_removals_by_difference)
{
    shop at = open_shop();
    ck_assert_int_eq(apply(&at, "{\"a\": {\"value\": \"red\"}, \"b\": {\"value\": \"blue\"}}"),
                     PANICMON_OK);
    await(seen, "a=red;");
    await(seen, "b=blue;");
    ck_assert_uint_eq(panicmon_manager_count(at.manager), 2);
    ck_assert_int_eq(atomic_load(&starts), 2);
    /* the same in another order: nobody restarts */
    ck_assert_int_eq(apply(&at, "{\"b\": {\"value\":\"blue\"}, \"a\": {\"value\":\"red\"}}"),
                     PANICMON_OK);
    /* one changed, one gone, one new: only the changed and the new one start */
    ck_assert_int_eq(apply(&at, "{\"a\": {\"value\": \"green\"}, \"c\": {\"value\": \"grey\"}}"),
                     PANICMON_OK);
    await(seen, "a=green;");
    await(seen, "c=grey;");
    ck_assert_int_eq(atomic_load(&starts), 4);
    ck_assert_uint_eq(panicmon_manager_count(at.manager), 2);
    /* switched off, and back at once: its key has to be free again */
    ck_assert_int_eq(apply(&at, "{\"a\": {\"value\": \"green\", \"enabled\": \"false\"}}"),
                     PANICMON_OK);
    ck_assert_uint_eq(panicmon_manager_count(at.manager), 0);
    ck_assert_int_eq(apply(&at, "{\"a\": {\"value\": \"gold\"}}"), PANICMON_OK);
    await(seen, "a=gold;");
    ck_assert_int_eq(apply(&at, "{}"), PANICMON_OK);
    ck_assert_uint_eq(panicmon_manager_count(at.manager), 0);
    close_shop(&at);
}
END_TEST

START_TEST(a_change_it_can_take_in_place_restarts_nobody)
{
    shop at = open_shop();
    ck_assert_int_eq(apply(&at, "{\"a\": {\"value\": \"red\", \"can_update\": \"true\"}, "
                                "\"b\": {\"value\": \"blue\", \"can_update\": \"true\"}}"),
                     PANICMON_OK);
    await(seen, "a=red;");
    ck_assert_int_eq(apply(&at, "{\"a\": {\"value\": \"pink\", \"can_update\": \"true\"}, "
                                "\"b\": {\"value\": \"blue\", \"can_update\": \"true\"}}"),
                     PANICMON_OK);
    await(seen, "a=pink;");
    ck_assert_int_eq(atomic_load(&starts), 2);
    while (atomic_load(&updates) < 2) { /* its neighbour was told as well */
        usleep(2000);
    }
    close_shop(&at);
}
END_TEST

START_TEST(a_body_that_is_no_set_changes_nothing)
{
    static const char *const bodies[] = {"", "ping", "[]", "{\"a\": ", "\xff\xfe"};
    shop at = open_shop();
    ck_assert_int_eq(apply(&at, "{\"a\": {\"value\": \"red\"}}"), PANICMON_OK);
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        ck_assert_int_eq(apply(&at, bodies[i]), PANICMON_ERR_PARSE);
    }
    ck_assert_int_eq(panicmon_manager_apply(at.manager, "no.such.key", "{}", 2, NULL),
                     PANICMON_ERR_NOENT);
    ck_assert_uint_eq(panicmon_manager_count(at.manager), 1);
    ck_assert_int_eq(atomic_load(&starts), 1);
    close_shop(&at);
}
END_TEST

static void write_down(void *user, panicmon_log_level level, const char *component,
                       const char *message)
{
    (void)level;
    (void)component;
    pthread_mutex_lock(&lock);
    snprintf(user, 256, "%s", message);
    pthread_mutex_unlock(&lock);
}

START_TEST(its_log_may_be_set_until_the_start)
{
    static char record[256];
    panicmon_log *log = NULL;
    shop at = furnish_shop();
    ck_assert_int_eq(panicmon_manager_new(&at.manager, at.runtime, NULL), PANICMON_OK);
    ck_assert_int_eq(panicmon_log_new(&log, write_down, record, NULL), PANICMON_OK);
    ck_assert_int_eq(panicmon_runtime_set_log(at.runtime, log), PANICMON_OK);
    panicmon_log_free(log);
    ck_assert_int_eq(panicmon_runtime_start(at.runtime, NULL), PANICMON_OK);
    ck_assert_int_eq(apply(&at, "[]"), PANICMON_ERR_PARSE);
    await(record, KEY);
    close_shop(&at);
}
END_TEST

START_TEST(monitorables_list_every_source_of_the_base_chain)
{
    static const char other[] = "{\"z\": {\"value\": \"black\"}}";
    shop at = open_shop();
    ck_assert_int_eq(apply(&at, "{\"a\": {\"value\": \"red\"}}"), PANICMON_OK);
    await(monitorables, "paint.nodes {\"manager_name\": \"Node Monitors Manager\", \"sources\": "
                        "[{\"chain_id\": \"shop-1\", \"chain_name\": \"shop\", \"source_id\": "
                        "\"a\", \"source_name\": \"red\"}]}");
    ck_assert_int_eq(panicmon_manager_apply(at.manager, "chains.paint.yard.nodes_config", other,
                                            strlen(other), NULL),
                     PANICMON_OK);
    await(monitorables, "\"chain_name\": \"yard\"");
    ck_assert(contains(monitorables, "\"chain_name\": \"shop\""));
    /* a restart with another name is told too */
    ck_assert_int_eq(apply(&at, "{\"a\": {\"value\": \"rose\"}}"), PANICMON_OK);
    await(monitorables, "\"source_name\": \"rose\"");
    ck_assert_int_eq(apply(&at, "{}"), PANICMON_OK);
    ck_assert_int_eq(
        panicmon_manager_apply(at.manager, "chains.paint.yard.nodes_config", "{}", 2, NULL),
        PANICMON_OK);
    await(monitorables, "\"sources\": []");
    close_shop(&at);
}
END_TEST

START_TEST(heartbeats_tell_who_completes_rounds)
{
    shop at = open_shop();
    ck_assert_int_eq(apply(&at, "{\"a\": {\"value\": \"red\"}, "
                                "\"b\": {\"value\": \"blue\", \"fails\": \"true\"}}"),
                     PANICMON_OK);
    while (!contains(heartbeat, "\"running_processes\": [\"Brush (a)\"], \"dead_processes\": "
                                "[\"Brush (b)\"], \"timestamp\": ")) {
        ck_assert_int_eq(panicmon_manager_ping(at.manager), PANICMON_OK);
        usleep(5000);
    }
    ck_assert(contains(heartbeat, "{\"component_name\": \"Node Monitors Manager\", "));
    close_shop(&at);
}
END_TEST

START_TEST(a_monitor_that_hangs_is_replaced)
{
    shop at = open_shop();
    ck_assert_int_eq(apply(&at, "{\"a\": {\"value\": \"red\", \"hangs\": \"true\"}}"), PANICMON_OK);
    while (atomic_load(&starts) < 2) {
        usleep(5000);
    }
    atomic_store(&release_hung, true);
    await(seen, "a=red;");
    ck_assert_uint_eq(panicmon_manager_count(at.manager), 1);
    close_shop(&at);
}
END_TEST

START_TEST(keys_that_leave_the_file_are_emptied)
{
    static const char both[] = "{\"" KEY "\": {\"a\": {\"value\": \"red\"}}, "
                               "\"chains.paint.yard.x\": {\"b\": {\"value\": \"blue\"}}}";
    static const char one[] = "{\"" KEY "\": {\"a\": {\"value\": \"red\"}}}";
    shop at = open_shop();
    ck_assert_int_eq(panicmon_manager_apply_all(at.manager, both, strlen(both), NULL), PANICMON_OK);
    ck_assert_uint_eq(panicmon_manager_count(at.manager), 2);
    ck_assert_int_eq(panicmon_manager_apply_all(at.manager, one, strlen(one), NULL), PANICMON_OK);
    ck_assert_uint_eq(panicmon_manager_count(at.manager), 1);
    ck_assert_int_eq(panicmon_manager_apply_all(at.manager, "[]", 2, NULL), PANICMON_ERR_PARSE);
    ck_assert_uint_eq(panicmon_manager_count(at.manager), 1);
    close_shop(&at);
}
END_TEST

START_TEST(a_file_publishes_monitorables_once_and_its_last_key_counts)
{
    static const char file[] =
        "{\"chains.paint.shop.nodes_config\": {\"a\": {\"value\": \"red\"}}, "
        "\"chains.paint.yard.nodes_config\": {\"b\": {\"value\": \"blue\"}}, "
        "\"chains.paint.shop.nodes_config\": {\"c\": {\"value\": \"green\"}}}";
    shop at = open_shop();
    ck_assert_int_eq(panicmon_manager_apply_all(at.manager, file, strlen(file), NULL), PANICMON_OK);
    ck_assert_uint_eq(panicmon_manager_count(at.manager), 2);
    await(monitorables, "\"chain_name\": \"yard\"");
    ck_assert(contains(monitorables, "\"chain_name\": \"shop\""));
    await(seen, "c=green;");
    ck_assert(!contains(seen, "a=red;"));
    pthread_mutex_lock(&lock);
    ck_assert_int_eq(lists, 1);
    pthread_mutex_unlock(&lock);
    close_shop(&at);
}
END_TEST

/* Each list has all of its chain, so one per set would grow without end. */
START_TEST(sets_that_come_one_by_one_share_a_few_lists)
{
    enum { SETS = 60 };
    struct timespec began;
    struct timespec ended;
    shop at = open_shop();
    clock_gettime(CLOCK_MONOTONIC, &began);
    for (int i = 0; i < SETS; i++) {
        char key[64];
        char set[64];
        snprintf(key, sizeof key, "chains.paint.shop%d.nodes_config", i);
        snprintf(set, sizeof set, "{\"s%d\": {\"value\": \"red\"}}", i);
        ck_assert_int_eq(panicmon_manager_apply(at.manager, key, set, strlen(set), NULL),
                         PANICMON_OK);
    }
    for (int i = 0; i < SETS; i += 7) { /* the last list has all of them */
        char chain[64];
        snprintf(chain, sizeof chain, "\"chain_name\": \"shop%d\"", i);
        await(monitorables, "\"chain_name\": \"shop59\"");
        ck_assert(contains(monitorables, chain));
    }
    clock_gettime(CLOCK_MONOTONIC, &ended);
    long tenths = (ended.tv_sec - began.tv_sec) * 10 + (ended.tv_nsec - began.tv_nsec) / 100000000;
    pthread_mutex_lock(&lock);
    ck_assert_int_le(lists, 3 + (int)(tenths / 3) + (int)(tenths / 10)); /* renamed ones too */
    pthread_mutex_unlock(&lock);
    close_shop(&at);
}
END_TEST

START_TEST(a_strategy_cannot_call_its_manager)
{
    shop at = open_shop();
    from_inside = at.manager;
    ck_assert_int_eq(apply(&at, "{\"a\": {\"value\": \"red\"}}"), PANICMON_OK);
    ck_assert_int_eq(atomic_load(&inside_result), PANICMON_ERR_DEADLOCK);
    from_inside = NULL;
    close_shop(&at);
}
END_TEST

static size_t entries_of(const char *path)
{
    size_t count = 0;
    DIR *dir = opendir(path);
    ck_assert_ptr_nonnull(dir);
    while (readdir(dir) != NULL) {
        count++;
    }
    closedir(dir);
    return count;
}

START_TEST(many_changes_leak_nothing)
{
    shop at = open_shop();
    char json[256];
    ck_assert_int_eq(apply(&at, "{\"a\": {\"value\": \"v0\"}}"), PANICMON_OK);
    await(seen, "a=v0;");
    size_t threads = entries_of("/proc/self/task");
    size_t files = entries_of("/proc/self/fd");
    for (int i = 1; i <= 2000; i++) {
        snprintf(json, sizeof json, "{\"%s\": {\"value\": \"v%d\", \"can_update\": \"%s\"}}",
                 i % 5 == 0 ? "b" : "a", i, i % 2 == 0 ? "true" : "false");
        ck_assert_int_eq(apply(&at, json), PANICMON_OK);
    }
    forget(); /* what was seen fills up */
    ck_assert_int_eq(apply(&at, "{\"a\": {\"value\": \"last\"}}"), PANICMON_OK);
    await(seen, "a=last;");
    while (entries_of("/proc/self/task") > threads || entries_of("/proc/self/fd") > files) {
        usleep(10000);
    }
    close_shop(&at);
}
END_TEST

START_TEST(a_large_set)
{
    enum { COUNT = 1000 };
    shop at = open_shop();
    pm_buf json = {0};
    pm_buf_char(&json, '{');
    for (int i = 0; i < COUNT; i++) {
        pm_buf_format(&json, "%s\"n%d\": {\"value\": \"red\", \"slow\": true}", i == 0 ? "" : ", ",
                      i);
    }
    pm_buf_char(&json, '}');
    ck_assert_int_eq(panicmon_manager_apply(at.manager, KEY, json.data, json.len, NULL),
                     PANICMON_OK);
    ck_assert_uint_eq(panicmon_manager_count(at.manager), COUNT);
    pm_buf_free(&json);
    close_shop(&at);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("manager");
    TCase *cases = tcase_create("manager");
    tcase_set_timeout(cases, 60);
    tcase_add_test(cases, adds_changes_and_removals_by_difference);
    tcase_add_test(cases, a_change_it_can_take_in_place_restarts_nobody);
    tcase_add_test(cases, a_body_that_is_no_set_changes_nothing);
    tcase_add_test(cases, its_log_may_be_set_until_the_start);
    tcase_add_test(cases, monitorables_list_every_source_of_the_base_chain);
    tcase_add_test(cases, heartbeats_tell_who_completes_rounds);
    tcase_add_test(cases, a_monitor_that_hangs_is_replaced);
    tcase_add_test(cases, keys_that_leave_the_file_are_emptied);
    tcase_add_test(cases, a_file_publishes_monitorables_once_and_its_last_key_counts);
    tcase_add_test(cases, sets_that_come_one_by_one_share_a_few_lists);
    tcase_add_test(cases, a_strategy_cannot_call_its_manager);
    tcase_add_test(cases, many_changes_leak_nothing);
    tcase_add_test(cases, a_large_set);
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
