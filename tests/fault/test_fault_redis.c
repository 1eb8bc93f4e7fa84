/* test_fault_redis.c: the state store while Redis is killed, comes back, stalls and breaks off:
 * rounds go on within their deadline, nothing saved is forgotten, and a stop is quick. Skipped (77)
 * where there is no redis-server. */
#include <check.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <panicmon/panicmon.h>

#include "base/clock.h"
#include "broker.h"
#include "daemonproc.h"
#include "net/store.h"
#include "proxy.h"
#include "redisproc.h"

static char directory[] = "/tmp/pm-redis-XXXXXX";
static int port;
static pid_t server;
static proxy *between;
static char url[96];

static void start_server(void)
{
    server = redis_start(port, directory, "s3cret");
}

static void kill_server(void)
{
    redis_kill(server);
    server = 0;
}

static void set_up(void)
{
    port = broker_free_port();
    start_server();
    between = proxy_start(port);
    (void)snprintf(url, sizeof url, "redis://:s3cret@127.0.0.1:%d/3", proxy_port(between));
}

static void tear_down(void)
{
    proxy_stop(between);
    kill_server();
}

/* ---- the store alone ---- */

static pm_store *open_store(const char *at)
{
    pm_store *store = NULL;
    panicmon_error *err = NULL;
    ck_assert_msg(pm_store_new_redis(&store, at, "t:", NULL, &err) == PANICMON_OK, "%s",
                  panicmon_error_message(err));
    return store;
}

static panicmon_err load(pm_store *store, const char *key, pm_buf *value)
{
    panicmon_err status;
    int64_t until = pm_mono_ms() + 20000 * test_factor();
    while ((status = pm_store_load(store, key, value)) == PANICMON_ERR_REDIS &&
           pm_mono_ms() < until) {
        test_sleep_ms(10);
    }
    return status;
}

START_TEST(a_save_is_there_after_sync)
{
    char socket[80];
    pm_buf value = {0};
    pm_store *store = open_store(url);
    ck_assert_int_eq(load(store, "none", &value), PANICMON_ERR_NOENT);
    ck_assert_int_eq(pm_store_save(store, "a", "1", 1), PANICMON_OK);
    ck_assert_int_eq(pm_store_sync(store, pm_mono_ms() + 5000 * test_factor()), PANICMON_OK);
    (void)snprintf(socket, sizeof socket, "unix:%s/socket?db=3", directory);
    /* Without the password: refused by this server, and told apart from no such value. */
    pm_store *other = open_store(socket);
    ck_assert_int_eq(pm_store_load(other, "a", &value), PANICMON_ERR_REDIS);
    pm_store_free(other);
    other = open_store(url);
    ck_assert_int_eq(load(other, "a", &value), PANICMON_OK);
    ck_assert_str_eq(value.data, "1");
    pm_store_free(other);
    pm_store_free(store);
    pm_buf_free(&value);
}
END_TEST

START_TEST(whatever_it_does_a_call_and_the_end_are_quick)
{
    for (int mode = PROXY_PASS; mode < PROXY_MODES; mode++) {
        pm_buf value = {0};
        char key[16];
        proxy_set(between, PROXY_PASS);
        pm_store *store = open_store(url);
        ck_assert_int_eq(load(store, "none", &value), PANICMON_ERR_NOENT);
        proxy_set(between, (proxy_mode)mode);
        int64_t began = pm_mono_ms();
        for (int i = 0; i < 20; i++) {
            (void)snprintf(key, sizeof key, "k%d", i);
            ck_assert_int_eq(pm_store_save(store, key, "v", 1), PANICMON_OK);
            ck_assert_int_eq(pm_store_load(store, key, &value), PANICMON_OK);
        }
        ck_assert_int_lt(pm_mono_ms() - began, 500 * test_factor());
        began = pm_mono_ms();
        (void)pm_store_load_until(store, "unseen", began + 300, &value);
        ck_assert_int_lt(pm_mono_ms() - began, 1000 * test_factor());
        began = pm_mono_ms();
        pm_store_free(store);
        printf("%s: its end took %lld ms\n", proxy_word((proxy_mode)mode),
               (long long)(pm_mono_ms() - began));
        ck_assert_int_lt(pm_mono_ms() - began, 1000 * test_factor());
        pm_buf_free(&value);
    }
    /* and with a server that was never there */
    kill_server();
    pm_store *store = open_store(url);
    ck_assert_int_eq(pm_store_save(store, "k", "v", 1), PANICMON_OK);
    int64_t began = pm_mono_ms();
    pm_store_free(store);
    ck_assert_int_lt(pm_mono_ms() - began, 1000 * test_factor());
}
END_TEST

START_TEST(it_recovers_from_every_fault)
{
    pm_buf value = {0};
    pm_store *store = open_store(url);
    for (int mode = PROXY_DELAY; mode < PROXY_MODES; mode++) {
        char text[16];
        (void)snprintf(text, sizeof text, "v%d", mode);
        proxy_set(between, (proxy_mode)mode);
        ck_assert_int_eq(pm_store_save(store, "a", text, strlen(text)), PANICMON_OK);
        test_sleep_ms(300);
        proxy_set(between, PROXY_PASS);
        int64_t until = pm_mono_ms() + 20000 * test_factor();
        while (pm_store_sync(store, until) != PANICMON_OK && pm_mono_ms() < until) {
            test_sleep_ms(20);
        }
        pm_store *other = open_store(url);
        pm_buf_clear(&value);
        ck_assert_int_eq(load(other, "a", &value), PANICMON_OK);
        ck_assert_str_eq(value.data, text);
        pm_store_free(other);
    }
    pm_store_free(store);
    pm_buf_free(&value);
}
END_TEST

START_TEST(urls)
{
    pm_store *store = NULL;
    panicmon_error *err = NULL;
    ck_assert_int_eq(pm_store_new_redis(&store, "rediss://:s3cret@h", "t:", NULL, &err),
                     PANICMON_ERR_INVAL);
    ck_assert_ptr_nonnull(strstr(panicmon_error_message(err), "stunnel"));
    ck_assert_ptr_null(strstr(panicmon_error_message(err), "s3cret"));
    panicmon_error_free(err);
    /* a name that takes its time, or is none, holds nothing up */
    store = open_store("redis://no-such-name.invalid:1/");
    pm_buf value = {0};
    ck_assert_int_eq(pm_store_load(store, "a", &value), PANICMON_ERR_REDIS);
    int64_t began = pm_mono_ms();
    pm_store_free(store);
    ck_assert_int_lt(pm_mono_ms() - began, 1000 * test_factor());
}
END_TEST

/* ---- rounds ---- */

static atomic_int rounds;
static atomic_int loaded;
static atomic_int stored;
static atomic_int longest_ms;

typedef struct counter {
    int64_t began_ms;
    panicmon_request asked;
} counter;

/* Loads a key of its own that was not seen before, stores it, and is over. */
static panicmon_err count_step(void *monitor, panicmon_round *round, panicmon_error **err)
{
    counter *at = monitor;
    static atomic_int numbers;
    char key[32];
    (void)err;
    if (panicmon_round_step(round) == 0) {
        at->began_ms = test_now_ms();
        (void)snprintf(key, sizeof key, "key%d", atomic_fetch_add(&numbers, 1));
        return panicmon_round_load(round, key, &at->asked);
    }
    if (panicmon_round_step(round) == 1) {
        panicmon_err status = panicmon_reply_status(panicmon_round_reply(round, at->asked));
        atomic_fetch_add(&loaded, status == PANICMON_ERR_NOENT || status == PANICMON_OK);
        return panicmon_round_store(round, "count", "1", 1, &at->asked);
    }
    atomic_fetch_add(&stored,
                     panicmon_reply_status(panicmon_round_reply(round, at->asked)) == PANICMON_OK);
    int took = (int)(test_now_ms() - at->began_ms);
    if (took > atomic_load(&longest_ms)) {
        atomic_store(&longest_ms, took);
    }
    atomic_fetch_add(&rounds, 1);
    return PANICMON_OK;
}

static panicmon_err parse_none(void *user, const panicmon_config *config, void **parsed,
                               panicmon_error **err)
{
    (void)user;
    (void)config;
    (void)err;
    *parsed = NULL;
    return PANICMON_OK;
}

static panicmon_err start_counter(void *user, void *parsed, panicmon_launch *launch,
                                  panicmon_error **err)
{
    static const panicmon_monitor_ops ops = {
        .struct_size = sizeof ops, .step = count_step, .monitor_free = free};
    (void)user;
    (void)parsed;
    (void)err;
    panicmon_launch_period(launch, 100);
    return panicmon_launch_monitor(launch, &ops, calloc(1, sizeof(counter)));
}

static panicmon_err ignore(void *user, const char *exchange, const char *routing_key,
                           const char *body, size_t len)
{
    (void)user;
    (void)exchange;
    (void)routing_key;
    (void)body;
    (void)len;
    return PANICMON_OK;
}

static void await(const char *when, atomic_int *what, int more)
{
    int from = atomic_load(what);
    int64_t until = test_now_ms() + 30000 * test_factor();
    while (atomic_load(what) < from + more) {
        ck_assert_msg(test_now_ms() < until, "%s: %d of %d", when, atomic_load(what), from + more);
        test_sleep_ms(10);
    }
}

START_TEST(monitors_run_on_without_redis)
{
    const panicmon_strategy_ops ops = {
        .struct_size = sizeof ops, .name = "counter", .parse = parse_none, .start = start_counter};
    static const char set[] = "{\"a\": {}, \"b\": {}, \"c\": {}}";
    panicmon_settings *settings = NULL;
    panicmon_registry *registry = NULL;
    panicmon_runtime *runtime = NULL;
    panicmon_manager *manager = NULL;
    panicmon_sink *sink = NULL;
    ck_assert_int_eq(panicmon_settings_new(&settings), PANICMON_OK);
    ck_assert_int_eq(panicmon_settings_set(settings, "redis.url", url, NULL), PANICMON_OK);
    ck_assert_int_eq(panicmon_registry_new(&registry), PANICMON_OK);
    ck_assert_int_eq(panicmon_registry_add(registry, "x.y", &ops, NULL, NULL), PANICMON_OK);
    ck_assert_int_eq(panicmon_runtime_new(&runtime, registry, settings, NULL), PANICMON_OK);
    ck_assert_int_eq(panicmon_sink_new_callback(&sink, ignore, NULL, NULL), PANICMON_OK);
    ck_assert_int_eq(panicmon_runtime_set_sink(runtime, sink), PANICMON_OK);
    ck_assert_int_eq(panicmon_runtime_start(runtime, NULL), PANICMON_OK);
    ck_assert_int_eq(panicmon_manager_new(&manager, runtime, NULL), PANICMON_OK);
    ck_assert_int_eq(panicmon_manager_apply(manager, "x.y", set, strlen(set), NULL), PANICMON_OK);
    await("at first", &loaded, 10);
    kill_server();
    await("killed", &rounds, 15);
    await("killed", &stored, 15); /* kept, to be written later */
    start_server();
    await("back", &loaded, 10);
    for (int mode = PROXY_DELAY; mode < PROXY_MODES; mode++) {
        proxy_set(between, (proxy_mode)mode);
        await(proxy_word((proxy_mode)mode), &rounds, 10);
        proxy_set(between, PROXY_PASS);
        await(proxy_word((proxy_mode)mode), &loaded, 5);
    }
    printf("the longest round took %d ms of 100\n", atomic_load(&longest_ms));
    ck_assert_int_lt(atomic_load(&longest_ms), 100 + 200 * test_factor());
    proxy_set(between, PROXY_STALL);
    await("stalled", &rounds, 3);
    int64_t began = test_now_ms();
    panicmon_runtime_request_stop(runtime);
    ck_assert_int_eq(panicmon_runtime_join(runtime, 10000), PANICMON_OK);
    panicmon_manager_free(manager);
    panicmon_runtime_free(runtime);
    ck_assert_int_lt(test_now_ms() - began, 2000 * test_factor());
    panicmon_registry_free(registry);
    panicmon_sink_free(sink);
    panicmon_settings_free(settings);
}
END_TEST

int main(void)
{
    if (!redis_is_installed()) {
        puts("skipped: redis-server is not installed");
        return 77;
    }
    if (mkdtemp(directory) == NULL) {
        return 1;
    }
    Suite *suite = suite_create("fault_redis");
    TCase *all = tcase_create("all");
    tcase_set_timeout(all, 60);
    tcase_add_checked_fixture(all, set_up, tear_down);
    tcase_add_test(all, a_save_is_there_after_sync);
    tcase_add_test(all, whatever_it_does_a_call_and_the_end_are_quick);
    tcase_add_test(all, it_recovers_from_every_fault);
    tcase_add_test(all, urls);
    tcase_add_test(all, monitors_run_on_without_redis);
    suite_add_tcase(suite, all);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_VERBOSE);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    char command[64];
    (void)snprintf(command, sizeof command, "rm -rf %s", directory);
    return system(command) == 0 && failed == 0 ? 0 : 1;
}
