/* test_fault_broker.c: two hundred monitors under one panicmond while the broker is killed, blocked
 * and robbed of its queues: every sample arrives, in order, and every message is accounted for.
 * Skipped (77) where broker, daemon or simulator are missing. */
#include <check.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "broker.h"
#include "daemonproc.h"
#include "panicside.h"
#include "simproc.h"

#define NODES 200
#define KEY   "chains.substrate.polkadot.nodes_config"
/* Of these the broker may have had messages that it could not confirm any more. */
#define WINDOW 256

static simproc sim;
static daemonproc daemon_;
static panicside *side;

static void configure(const char *mode, const char *more)
{
    pm_buf config = {0};
    pm_buf_format(&config,
                  "{\"broker.url\": \"%s\", \"broker.publisher\": \"%s\", \"period\": %d, "
                  "\"log.level\": \"info\"%s, \"configs\": {\"" KEY "\": {",
                  broker_url(), mode, test_factor() > 1 ? 4 : 1, more);
    for (int i = 0; i < NODES; i++) {
        pm_buf_format(&config,
                      "%s\"n%03d\": {\"node_id\": \"n%03d\", \"ws_url\": \"ws://127.0.0.1:%u/%d\"}",
                      i == 0 ? "" : ", ", i, i, (unsigned)sim.port, i);
    }
    pm_buf_text(&config, "}}}");
    ck_assert(!config.failed);
    daemon_configure(&daemon_, config.data);
    pm_buf_free(&config);
}

static void set_up(void)
{
    ck_assert(daemon_init(&daemon_));
    ck_assert(broker_is_up() || broker_restart());
    (void)broker_ctl("purge_queue panicside");
    side = panic_open();
}

static void tear_down(void)
{
    panic_close(side);
    if (daemon_logged(&daemon_, "Sanitizer")) {
        char *log = daemon_log(&daemon_);
        printf("%s\n", log);
        free(log);
        ck_abort();
    }
    daemon_clean(&daemon_);
}

/* ---- what arrived ---- */

typedef struct ledger {
    double last[NODES]; /* time of a node's last sample */
    double gap[NODES];  /* the longest time between two */
    size_t samples;     /* that are no repetition */
    size_t repeated;
    size_t out_of_order;
    size_t errors; /* samples that are error samples */
    size_t others; /* heartbeats, monitorables */
    pm_map seen;
} ledger;

static bool enter(void *user, const panic_message *message)
{
    static char present;
    ledger *at = user;
    char key[64];
    char *name;
    if (strcmp(message->exchange, "raw_data") != 0) {
        at->others++;
        return false;
    }
    json_t *root = json_loads(message->body, 0, NULL);
    ck_assert_ptr_nonnull(root);
    json_t *web = json_object_get(root, "websocket");
    json_t *result = json_object_get(web, "result");
    json_t *meta =
        json_object_get(result != NULL ? result : json_object_get(web, "error"), "meta_data");
    const char *id = json_string_value(json_object_get(meta, "node_id"));
    double time = json_real_value(json_object_get(meta, "time"));
    ck_assert_ptr_nonnull(id);
    long node = strtol(id + 1, &name, 10);
    ck_assert(node >= 0 && node < NODES);
    at->errors += result == NULL;
    (void)snprintf(key, sizeof key, "%s %.6f", id, time);
    if (pm_map_get(&at->seen, key) != NULL) {
        at->repeated++;
    } else {
        ck_assert(pm_map_set(&at->seen, key, &present));
        at->samples++;
        at->out_of_order += time <= at->last[node];
        if (at->last[node] > 0 && time - at->last[node] > at->gap[node]) {
            at->gap[node] = time - at->last[node];
        }
        at->last[node] = time;
    }
    json_decref(root);
    return false;
}

static void read_all(ledger *at)
{
    (void)panic_read(side, enter, at, 1500);
}

static double longest_gap(const ledger *at)
{
    double longest = 0;
    for (int i = 0; i < NODES; i++) {
        longest = at->gap[i] > longest ? at->gap[i] : longest;
    }
    return longest;
}

static int64_t last(const char *name)
{
    return daemon_last_figure(&daemon_, name);
}

/* Every sample of every round is there, in order; what was repeated lies within the window. */
static void settle(ledger *at, size_t window)
{
    int64_t rounds = last("results") + last("errors");
    printf("%lld rounds, %zu samples, %zu repeated, %zu error samples, %zu other messages; longest "
           "gap of a node %.1f s\n",
           (long long)rounds, at->samples, at->repeated, at->errors, at->others, longest_gap(at));
    printf("produced %lld = confirmed %lld + waiting %lld + dropped: full %lld, returned %lld, "
           "failed %lld, stopped %lld\n",
           (long long)last("messages_produced"), (long long)last("messages_confirmed"),
           (long long)last("messages_waiting"), (long long)last("messages_dropped_full"),
           (long long)last("messages_dropped_returned"), (long long)last("messages_dropped_failed"),
           (long long)last("messages_dropped_stopped"));
    ck_assert_int_eq(last("messages_produced"), last("messages_confirmed") +
                                                    last("messages_waiting") +
                                                    last("messages_dropped"));
    ck_assert_int_eq(last("messages_waiting"), 0);
    ck_assert_int_eq(last("messages_dropped"), 0);
    ck_assert_int_eq((int64_t)at->samples + (int64_t)at->others + (int64_t)at->repeated >=
                         last("messages_confirmed"),
                     1);
    /* A stop may cut a round off after it published. */
    ck_assert_int_ge((int64_t)at->samples, rounds);
    ck_assert_int_le((int64_t)at->samples, rounds + NODES);
    ck_assert_uint_eq(at->out_of_order, 0);
    ck_assert_uint_le(at->repeated, window);
    ck_assert_uint_eq(at->errors, 0);
    pm_map_free(&at->seen);
}

static void await_samples(int64_t more)
{
    int64_t from = daemon_figure(&daemon_, "results");
    int64_t until = test_now_ms() + 30000 * test_factor();
    while (daemon_figure(&daemon_, "results") < from + more) {
        if (!daemon_runs(&daemon_)) {
            char *log = daemon_log(&daemon_);
            size_t len = strlen(log);
            ck_abort_msg("the daemon ended: %s", log + (len > 500 ? len - 500 : 0));
        }
        ck_assert_int_lt(test_now_ms(), until);
        test_sleep_ms(50);
    }
}

/* But for those of a few ticks, which are always under way. */
static void await_none_waiting(void)
{
    int64_t until = test_now_ms() + 60000 * test_factor();
    int64_t waits = 0;
    while ((waits = daemon_figure(&daemon_, "messages_waiting")) > NODES / 4) {
        ck_assert_msg(test_now_ms() < until, "%lld messages wait", (long long)waits);
        test_sleep_ms(200);
    }
}

static void stop_daemon(void)
{
    int64_t took = 0;
    ck_assert_int_eq(daemon_stop(&daemon_, &took), 0);
    ck_assert_msg(took < 2000 * test_factor(), "the stop took %lld ms", (long long)took);
}

static void ride_through(const char *mode)
{
    ledger at = {.samples = 0};
    configure(mode, "");
    ck_assert(daemon_start(&daemon_));
    await_samples(2 * NODES);
    broker_kill();
    await_samples(2 * NODES);
    ck_assert(daemon_figure(&daemon_, "messages_waiting") >= NODES);
    ck_assert(broker_restart());
    await_samples(NODES);
    await_none_waiting();
    panic_reopen(side);
    /* a memory alarm: publishers are blocked, and let go again */
    ck_assert(broker_ctl("set_vm_memory_high_watermark absolute 1000"));
    await_samples(2 * NODES);
    ck_assert(daemon_figure(&daemon_, "messages_waiting") >= NODES);
    ck_assert(broker_ctl("set_vm_memory_high_watermark 0.6"));
    await_samples(NODES);
    await_none_waiting();
    stop_daemon();
    read_all(&at);
    settle(&at, WINDOW + 2 * NODES);
}

START_TEST(nothing_is_lost_with_a_connection_each)
{
    ride_through("own");
}
END_TEST

START_TEST(nothing_is_lost_with_one_connection)
{
    ride_through("shared");
}
END_TEST

START_TEST(queues_deleted_under_it_are_declared_again)
{
    configure("shared", "");
    ck_assert(daemon_start(&daemon_));
    await_samples(NODES);
    panic_publish_text(side, "health_check", "ping", "ping");
    char *beat = panic_await(side, "health_check", "heartbeat.manager", "n199", 15000);
    ck_assert_ptr_nonnull(beat);
    free(beat);
    ck_assert(broker_ctl("delete_queue node_monitors_manager_heartbeat_queue"));
    ck_assert(broker_ctl("delete_queue node_monitors_manager_configs_queue"));
    int64_t until = test_now_ms() + 15000 * test_factor();
    while (daemon_log_count(&daemon_, "it is declared again") < 2) {
        ck_assert_int_lt(test_now_ms(), until);
        test_sleep_ms(50);
    }
    test_sleep_ms(500);
    panic_publish_text(side, "config", KEY,
                       "{\"n000\": {\"node_id\": \"n000\", \"ws_url\": \"ws://127.0.0.1:1\"}}");
    panic_publish_text(side, "health_check", "ping", "ping");
    beat = panic_await(side, "raw_data", "node.substrate", "\"code\": 5015", 15000);
    ck_assert_ptr_nonnull(beat);
    free(beat);
    beat = panic_await(side, "monitorable", "substrate.nodes", "", 200);
    free(beat);
    panic_publish_text(side, "health_check", "ping", "ping");
    beat = panic_await(side, "health_check", "heartbeat.manager", "Node monitor (n000)", 15000);
    ck_assert_ptr_nonnull(beat);
    free(beat);
    stop_daemon();
}
END_TEST

/* The broker is down, then the daemon is killed and comes back, then the broker. */
START_TEST(the_spool_survives_a_kill)
{
    ledger at = {.samples = 0};
    configure("shared", ", \"state_dir\": \"%STATE%\", \"broker.spool\": true");
    ck_assert(daemon_start(&daemon_));
    await_samples(2 * NODES);
    broker_kill();
    await_samples(2 * NODES);
    test_sleep_ms(500); /* past the sync */
    int64_t produced = daemon_figure(&daemon_, "messages_produced");
    int64_t rounds = last("results") + last("errors");
    daemon_kill(&daemon_);
    ck_assert(daemon_start(&daemon_));
    await_samples(NODES);
    ck_assert(broker_restart());
    await_samples(NODES);
    await_none_waiting();
    stop_daemon();
    panic_reopen(side);
    read_all(&at);
    int64_t again = last("results") + last("errors");
    printf("killed after %lld messages of %lld rounds; %lld rounds after; %zu samples arrived, %zu "
           "repeated\n",
           (long long)produced, (long long)rounds, (long long)again, at.samples, at.repeated);
    ck_assert_int_ge((int64_t)at.samples, rounds + again);
    ck_assert_uint_eq(at.out_of_order, 0);
    ck_assert_uint_le(at.repeated, WINDOW + 2 * NODES);
    ck_assert_int_eq(last("messages_waiting"), 0);
    ck_assert_int_eq(last("messages_dropped"), 0);
    pm_map_free(&at.seen);
}
END_TEST

int main(void)
{
    static const char *const options[] = {"--nodes", "200", "--block-time", "1", NULL};
    const char *missing = broker_missing();
    if (missing != NULL || getenv("PANICMOND") == NULL || getenv("PANICMON_SIM") == NULL) {
        printf("skipped: %s\n", missing != NULL ? missing : "needs panicmond and panicmon-sim");
        return 77;
    }
    if (!broker_start(false) || !simproc_start(&sim, options)) {
        puts("broker or simulator did not start");
        return 1;
    }
    Suite *suite = suite_create("fault_broker");
    TCase *all = tcase_create("all");
    tcase_set_timeout(all, 90);
    tcase_add_checked_fixture(all, set_up, tear_down);
    tcase_add_test(all, nothing_is_lost_with_a_connection_each);
    tcase_add_test(all, nothing_is_lost_with_one_connection);
    tcase_add_test(all, queues_deleted_under_it_are_declared_again);
    tcase_add_test(all, the_spool_survives_a_kill);
    suite_add_tcase(suite, all);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_VERBOSE);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    (void)simproc_stop(&sim);
    broker_stop();
    return failed == 0 ? 0 : 1;
}
