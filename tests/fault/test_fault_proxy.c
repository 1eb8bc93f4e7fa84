/* test_fault_proxy.c: panicmond with broker, Redis and nodes behind proxies that delay, stall, cut,
 * half-close, reset, and hand on one byte at a time: no hang, no crash, a quick stop in every
 * state, and recovery. Skipped (77) where one of them is missing. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "broker.h"
#include "daemonproc.h"
#include "panicside.h"
#include "proxy.h"
#include "redisproc.h"
#include "simproc.h"

#define KEY "chains.substrate.polkadot.nodes_config"

enum { BROKER, REDIS, NODE, TARGETS };

static const char *const targets[TARGETS] = {"broker", "redis", "node"};
static char directory[] = "/tmp/pm-proxy-XXXXXX";
static simproc sim;
static int redis_port;
static pid_t redis;
static daemonproc daemon_;
static panicside *side;
static proxy *proxies[TARGETS];

static void start_daemon(void)
{
    pm_buf config = {0};
    pm_buf_format(&config,
                  "{\"broker.url\": \"amqp://guest:guest@127.0.0.1:%d\", \"broker.heartbeat\": 2, "
                  "\"broker.confirm_timeout\": 3, \"redis.url\": \"redis://127.0.0.1:%d\", "
                  "\"period\": 0.5, \"rpc.connect_timeout\": 1, \"configs\": {\"" KEY "\": {",
                  proxy_port(proxies[BROKER]), proxy_port(proxies[REDIS]));
    for (int i = 0; i < 5; i++) {
        pm_buf_format(&config,
                      "%s\"n%d\": {\"node_id\": \"n%d\", \"ws_url\": \"ws://127.0.0.1:%d/%d\"}",
                      i == 0 ? "" : ", ", i, i, proxy_port(proxies[NODE]), i);
    }
    pm_buf_text(&config, "}}}");
    ck_assert(!config.failed);
    daemon_configure(&daemon_, config.data);
    pm_buf_free(&config);
    ck_assert(daemon_start(&daemon_));
}

static void set_up(void)
{
    ck_assert(daemon_init(&daemon_));
    ck_assert(broker_is_up() || broker_restart());
    side = panic_open();
    proxies[BROKER] = proxy_start(broker_port());
    proxies[REDIS] = proxy_start(redis_port);
    proxies[NODE] = proxy_start(sim.port);
    for (int i = 0; i < TARGETS; i++) {
        ck_assert_ptr_nonnull(proxies[i]);
    }
}

static void tear_down(void)
{
    ck_assert(!daemon_logged(&daemon_, "Sanitizer"));
    daemon_clean(&daemon_);
    panic_close(side);
    for (int i = 0; i < TARGETS; i++) {
        proxy_stop(proxies[i]);
    }
}

static void set_all(proxy_mode mode)
{
    for (int i = 0; i < TARGETS; i++) {
        proxy_set(proxies[i], mode);
    }
}

static void await_rounds(const char *figure, int64_t more, const char *where, const char *what)
{
    int64_t from = daemon_figure(&daemon_, figure);
    int64_t until = test_now_ms() + 40000 * test_factor();
    ck_assert_int_ge(from, 0);
    while (daemon_figure(&daemon_, figure) < from + more) {
        ck_assert_msg(daemon_runs(&daemon_), "%s %s: the daemon ended", where, what);
        ck_assert_msg(test_now_ms() < until, "%s %s: no more %s", where, what, figure);
        test_sleep_ms(50);
    }
}

static void stop_daemon(const char *where, const char *what)
{
    int64_t took = 0;
    int code = daemon_stop(&daemon_, &took);
    ck_assert_msg(code == 0, "%s %s: the stop gave %d", where, what, code);
    ck_assert_msg(took < 2000 * test_factor(), "%s %s: the stop took %lld ms", where, what,
                  (long long)took);
    printf("%s %s: stopped in %lld ms\n", where, what, (long long)took);
}

START_TEST(rounds_go_on_and_all_recovers)
{
    start_daemon();
    await_rounds("results", 5, "all", "pass");
    for (int target = 0; target < TARGETS; target++) {
        for (int mode = PROXY_DELAY; mode < PROXY_MODES; mode++) {
            const char *word = proxy_word((proxy_mode)mode);
            proxy_set(proxies[target], (proxy_mode)mode);
            await_rounds("rounds", 8, targets[target], word);
            proxy_set(proxies[target], PROXY_PASS);
            await_rounds("results", 5, targets[target], word);
        }
        await_rounds("messages_confirmed", 10, targets[target], "at the end");
    }
    /* and what they publish arrives */
    (void)panic_read(side, NULL, NULL, 0);
    char *body = panic_await(side, "raw_data", "node.substrate", "\"result\"", 20000);
    ck_assert_ptr_nonnull(body);
    free(body);
    panic_publish_text(side, "health_check", "ping", "ping");
    body = panic_await(side, "health_check", "heartbeat.manager", "\"dead_processes\": []", 40000);
    ck_assert_ptr_nonnull(body);
    free(body);
    stop_daemon("all", "pass");
    ck_assert_int_eq(daemon_last_figure(&daemon_, "messages_produced"),
                     daemon_last_figure(&daemon_, "messages_confirmed") +
                         daemon_last_figure(&daemon_, "messages_waiting") +
                         daemon_last_figure(&daemon_, "messages_dropped"));
}
END_TEST

START_TEST(it_stops_quickly_in_every_state)
{
    for (int target = 0; target <= TARGETS; target++) {
        for (int mode = PROXY_DELAY; mode < PROXY_MODES; mode++) {
            const char *where = target == TARGETS ? "all" : targets[target];
            set_all(PROXY_PASS);
            start_daemon();
            await_rounds("results", 1, where, "pass");
            if (target == TARGETS) {
                set_all((proxy_mode)mode);
            } else {
                proxy_set(proxies[target], (proxy_mode)mode);
            }
            test_sleep_ms(300);
            stop_daemon(where, proxy_word((proxy_mode)mode));
        }
    }
}
END_TEST

START_TEST(it_starts_and_stops_in_every_state)
{
    for (int mode = PROXY_DELAY; mode < PROXY_MODES; mode++) {
        const char *word = proxy_word((proxy_mode)mode);
        set_all((proxy_mode)mode);
        start_daemon();
        await_rounds("rounds", 0, "from the start", word);
        test_sleep_ms(700);
        stop_daemon("from the start", word);
    }
}
END_TEST

int main(void)
{
    static const char *const options[] = {"--nodes", "5", "--block-time", "1", NULL};
    const char *missing = broker_missing();
    if (missing == NULL && !redis_is_installed()) {
        missing = "redis-server is not installed";
    }
    if (missing != NULL || getenv("PANICMOND") == NULL || getenv("PANICMON_SIM") == NULL) {
        printf("skipped: %s\n", missing != NULL ? missing : "needs panicmond and panicmon-sim");
        return 77;
    }
    if (mkdtemp(directory) == NULL || !broker_start(false) || !simproc_start(&sim, options)) {
        puts("broker or simulator did not start");
        return 1;
    }
    redis_port = broker_free_port();
    redis = redis_start(redis_port, directory, NULL);
    Suite *suite = suite_create("fault_proxy");
    TCase *all = tcase_create("all");
    tcase_set_timeout(all, 120);
    tcase_add_checked_fixture(all, set_up, tear_down);
    tcase_add_test(all, rounds_go_on_and_all_recovers);
    tcase_add_test(all, it_stops_quickly_in_every_state);
    tcase_add_test(all, it_starts_and_stops_in_every_state);
    suite_add_tcase(suite, all);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_VERBOSE);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    (void)simproc_stop(&sim);
    redis_kill(redis);
    broker_stop();
    char command[64];
    (void)snprintf(command, sizeof command, "rm -rf %s", directory);
    (void)!system(command);
    return failed == 0 ? 0 : 1;
}
