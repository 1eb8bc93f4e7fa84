/* dropin.c: see dropin.h. */
#include "dropin.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static simproc dropin_sim;
daemonproc dropin_daemon;
panicside *dropin_side;

const char *dropin_node_url(int i)
{
    static char url[64];
    (void)snprintf(url, sizeof url, "ws://127.0.0.1:%u/%d", (unsigned)dropin_sim.port, i);
    return url;
}

void dropin_start_daemon(const char *more)
{
    pm_buf config = {0};
    pm_buf_format(&config,
                  "{\"broker.url\": \"%s\", \"period\": 0.5, \"round.deadline\": 5, "
                  "\"log.level\": \"debug\"%s}",
                  broker_url(), more);
    daemon_configure(&dropin_daemon, config.data);
    pm_buf_free(&config);
    ck_assert(daemon_start(&dropin_daemon));
}

void dropin_await_log(const char *text)
{
    int64_t until = test_now_ms() + 15 * DROPIN_SECOND * test_factor();
    while (!daemon_logged(&dropin_daemon, text)) {
        ck_assert_msg(daemon_runs(&dropin_daemon), "the daemon ended");
        ck_assert_msg(test_now_ms() < until, "was not logged: %s", text);
        test_sleep_ms(20);
    }
}

static void set_up(void)
{
    ck_assert(daemon_init(&dropin_daemon));
    ck_assert(broker_is_up() || broker_restart());
    dropin_side = panic_open();
    (void)panic_read(dropin_side, NULL, NULL, 100); /* what the test before left */
}

void dropin_stop_daemon(void)
{
    int64_t took = 0;
    ck_assert_int_eq(daemon_stop(&dropin_daemon, &took), 0);
    ck_assert_msg(took < 2 * DROPIN_SECOND * test_factor(), "the stop took %lld ms",
                  (long long)took);
}

static void tear_down(void)
{
    ck_assert(!daemon_logged(&dropin_daemon, "guest:guest"));
    ck_assert(!daemon_logged(&dropin_daemon, "Sanitizer"));
    panic_close(dropin_side);
    daemon_clean(&dropin_daemon);
}

char *dropin_await(const char *exchange, const char *key, const char *text)
{
    char *body = panic_await(dropin_side, exchange, key, text, 15 * DROPIN_SECOND);
    if (body == NULL) {
        char *log = daemon_log(&dropin_daemon);
        size_t len = strlen(log);
        printf("%s\n", len > 3000 ? log + len - 3000 : log);
        (void)fflush(stdout);
        free(log);
    }
    ck_assert_msg(body != NULL, "no %s %s with %s", exchange, key, text);
    return body;
}

void dropin_expect(const char *exchange, const char *key, const char *text)
{
    free(dropin_await(exchange, key, text));
}

void dropin_send_set(const char *key, pm_buf *set)
{
    pm_buf_char(set, '}');
    ck_assert(!set->failed);
    panic_publish(dropin_side, "config", key, set->data, set->len);
    pm_buf_free(set);
}

void dropin_send_nodes(const char *key, int from, int to)
{
    pm_buf set = {0};
    pm_buf_char(&set, '{');
    for (int i = from; i <= to; i++) {
        char id[24];
        char name[24];
        (void)snprintf(id, sizeof id, "node_id_%d", i);
        (void)snprintf(name, sizeof name, "node %d", i);
        panic_node(&set, id, name, dropin_node_url(i), NULL);
    }
    dropin_send_set(key, &set);
}

bool dropin_is_zero(const char *queue)
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

int dropin_run(const char *name, void (*add)(TCase *cases))
{
    static const char *const options[] = {"--nodes", "200", "--block-time", "1", "--legacy", NULL};
    const char *missing = broker_missing();
    if (missing != NULL || getenv("PANICMOND") == NULL || getenv("PANICMON_SIM") == NULL) {
        printf("skipped: %s\n", missing != NULL ? missing : "needs panicmond and panicmon-sim");
        return 77;
    }
    if (!broker_start(false) || !simproc_start(&dropin_sim, options)) {
        puts("broker or simulator did not start");
        return 1;
    }
    Suite *suite = suite_create(name);
    TCase *all = tcase_create("all");
    tcase_set_timeout(all, 60);
    tcase_add_checked_fixture(all, set_up, tear_down);
    add(all);
    suite_add_tcase(suite, all);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_VERBOSE);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    (void)simproc_stop(&dropin_sim);
    broker_stop();
    return failed == 0 ? 0 : 1;
}
