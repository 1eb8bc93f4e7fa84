/* test_manager_race.c: many monitors of one chain that share data sources, through the real
 * Substrate strategy against the simulator, while threads apply changing config sets, ping and read
 * figures. Meant for ThreadSanitizer above all. Then: steps that hang. */
#include <check.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <panicmon/panicmon.h>

#include "daemonproc.h"
#include "panicside.h"
#include "simproc.h"

#define KEY     "chains.substrate.polkadot.nodes_config"
#define NODES   50
#define SOURCES 4
#define CHANGES 60
#define BEATS   32768

static simproc sim;
static atomic_int samples;
static atomic_int error_samples;
static atomic_int heartbeats;
static atomic_bool stop;

static panicmon_err count(void *user, const char *exchange, const char *routing_key,
                          const char *body, size_t len)
{
    (void)user;
    (void)len;
    if (strcmp(exchange, "raw_data") == 0) {
        atomic_fetch_add(&samples, 1);
        atomic_fetch_add(&error_samples, strstr(body, "\"error\"") != NULL);
    } else if (strcmp(routing_key, "heartbeat.manager") == 0) {
        atomic_fetch_add(&heartbeats, 1);
    }
    return PANICMON_OK;
}

typedef struct house {
    panicmon_registry *registry;
    panicmon_runtime *runtime;
    panicmon_manager *manager;
} house;

static void open_house(house *at, panicmon_message_fn sink_fn, const char *period,
                       const char *deadline)
{
    panicmon_settings *settings = NULL;
    panicmon_sink *sink = NULL;
    ck_assert_int_eq(panicmon_settings_new(&settings), PANICMON_OK);
    ck_assert_int_eq(panicmon_settings_set(settings, "period.node", period, NULL), PANICMON_OK);
    ck_assert_int_eq(panicmon_settings_set(settings, "round.deadline", deadline, NULL),
                     PANICMON_OK);
    ck_assert_int_eq(panicmon_registry_new(&at->registry), PANICMON_OK);
    ck_assert_int_eq(panicmon_registry_add_builtin(at->registry, NULL), PANICMON_OK);
    ck_assert_int_eq(panicmon_runtime_new(&at->runtime, at->registry, settings, NULL), PANICMON_OK);
    ck_assert_int_eq(panicmon_sink_new_callback(&sink, sink_fn, NULL, NULL), PANICMON_OK);
    ck_assert_int_eq(panicmon_runtime_set_sink(at->runtime, sink), PANICMON_OK);
    ck_assert_int_eq(panicmon_runtime_start(at->runtime, NULL), PANICMON_OK);
    ck_assert_int_eq(panicmon_manager_new(&at->manager, at->runtime, NULL), PANICMON_OK);
    panicmon_sink_free(sink);
    panicmon_settings_free(settings);
}

static void close_house(house *at)
{
    panicmon_manager_free(at->manager);
    panicmon_runtime_free(at->runtime);
    panicmon_registry_free(at->registry);
}

/* ---- config sets that change ---- */

/* A set of all nodes but one that differs with `turn`: sources come and go, names and URLs change,
 * the order turns. */
static void make_set(pm_buf *set, int turn)
{
    pm_buf_char(set, '{');
    for (int k = 0; k < NODES; k++) {
        int i = turn % 2 == 0 ? k : NODES - 1 - k;
        char id[24];
        char name[40];
        char url[64];
        char more[160];
        if (i == turn % NODES) {
            continue;
        }
        (void)snprintf(id, sizeof id, "node_id_%d", i);
        (void)snprintf(name, sizeof name, "node %d%s", i, i % 10 == turn % 10 ? " renamed" : "");
        (void)snprintf(url, sizeof url, "ws://127.0.0.1:%u/%d", (unsigned)sim.port,
                       i % 7 == turn % 7 ? (i + 1) % NODES : i);
        (void)snprintf(more, sizeof more,
                       "\"monitor_node\": \"%s\", \"is_validator\": \"%s\", "
                       "\"use_as_data_source\": \"%s\", \"stash_address\": \"%s\"",
                       i % 13 == turn % 13 ? "false" : "true", i % 3 == 0 ? "true" : "false",
                       (i + turn) % (NODES / SOURCES) == 0 ? "true" : "false",
                       i % 3 == 0 ? "12KM5KYi2fBdRoijHVrpPx71buoU5bG8Yq7rVpEG7nrUG6f" : "");
        panic_node(set, id, name, url, more);
    }
    pm_buf_char(set, '}');
    ck_assert(!set->failed);
}

static void *apply_sets(void *arg)
{
    house *at = arg;
    static atomic_int turns;
    for (int turn; (turn = atomic_fetch_add(&turns, 1)) < CHANGES;) {
        pm_buf set = {0};
        make_set(&set, turn);
        if (panicmon_manager_apply(at->manager, KEY, set.data, set.len, NULL) != PANICMON_OK) {
            abort();
        }
        pm_buf_free(&set);
        test_sleep_ms(20);
    }
    return NULL;
}

static void *ping_and_read(void *arg)
{
    house *at = arg;
    while (!atomic_load(&stop)) {
        panicmon_stats *stats = NULL;
        int64_t value = 0;
        if (panicmon_manager_ping(at->manager) != PANICMON_OK ||
            panicmon_runtime_stats(at->runtime, &stats) != PANICMON_OK ||
            panicmon_stats_get(stats, "rounds", &value) != PANICMON_OK ||
            panicmon_manager_count(at->manager) > NODES) {
            abort();
        }
        panicmon_stats_free(stats);
        test_sleep_ms(5);
    }
    return NULL;
}

START_TEST(configs_change_under_monitors_that_share_sources)
{
    house at;
    pthread_t threads[4];
    open_house(&at, count, test_factor() > 1 ? "1" : "0.2", "5");
    (void)pthread_create(&threads[0], NULL, apply_sets, &at);
    (void)pthread_create(&threads[1], NULL, apply_sets, &at);
    (void)pthread_create(&threads[2], NULL, ping_and_read, &at);
    (void)pthread_create(&threads[3], NULL, ping_and_read, &at);
    (void)pthread_join(threads[0], NULL);
    (void)pthread_join(threads[1], NULL);
    int64_t until = test_now_ms() + 10000 * test_factor();
    int before = atomic_load(&samples);
    while (atomic_load(&samples) < before + 3 * NODES && test_now_ms() < until) {
        test_sleep_ms(20);
    }
    ck_assert_int_ge(atomic_load(&samples), before + 3 * NODES);
    atomic_store(&stop, true);
    (void)pthread_join(threads[2], NULL);
    (void)pthread_join(threads[3], NULL);
    printf("%d samples (%d of errors), %d heartbeats, %d config sets\n", atomic_load(&samples),
           atomic_load(&error_samples), atomic_load(&heartbeats), CHANGES);
    ck_assert_int_gt(atomic_load(&heartbeats), 0);
    /* the last set stands */
    int64_t began = test_now_ms();
    close_house(&at);
    ck_assert_int_lt(test_now_ms() - began, 2000 * test_factor());
    /* Only a validator whose stash is none of the simulated ones might fail; none is down. */
    ck_assert_int_lt(atomic_load(&error_samples), atomic_load(&samples) / 2);
}
END_TEST

/* ---- steps that hang ---- */

static atomic_int starts;
static atomic_bool let_go;
static atomic_bool works; /* those started from now on do not hang */
static pthread_mutex_t beat_lock = PTHREAD_MUTEX_INITIALIZER;
static char beat[BEATS]; /* the last manager heartbeat */
static atomic_int done;

static panicmon_err keep_beat(void *user, const char *exchange, const char *routing_key,
                              const char *body, size_t len)
{
    (void)user;
    (void)exchange;
    if (strcmp(routing_key, "heartbeat.manager") == 0 && len < sizeof beat &&
        strstr(body, "\"Node ") != NULL) {
        pthread_mutex_lock(&beat_lock);
        memcpy(beat, body, len + 1);
        pthread_mutex_unlock(&beat_lock);
    }
    return PANICMON_OK;
}

static panicmon_err block(void *monitor, panicmon_round *round, panicmon_error **err)
{
    (void)round;
    (void)err;
    while (*(int *)monitor && !atomic_load(&let_go)) {
        test_sleep_ms(2);
    }
    atomic_fetch_add(&done, 1);
    return PANICMON_OK;
}

static panicmon_err parse_any(void *user, const panicmon_config *config, void **parsed,
                              panicmon_error **err)
{
    (void)user;
    (void)err;
    *parsed = strdup(panicmon_config_id(config));
    return PANICMON_OK;
}

static panicmon_err start_blocker(void *user, void *parsed, panicmon_launch *launch,
                                  panicmon_error **err)
{
    static const panicmon_monitor_ops ops = {.struct_size = sizeof ops,
                                             .flags = PANICMON_MONITOR_BLOCKING,
                                             .step = block,
                                             .monitor_free = free};
    int *hangs = malloc(sizeof *hangs);
    (void)user;
    (void)err;
    ck_assert_ptr_nonnull(hangs);
    *hangs = strcmp(parsed, "hangs") == 0 && !atomic_load(&works);
    atomic_fetch_add(&starts, *hangs || strcmp(parsed, "hangs") == 0);
    panicmon_launch_name(launch, parsed);
    panicmon_launch_period(launch, 20);
    return panicmon_launch_monitor(launch, &ops, hangs);
}

static void free_parsed(void *user, void *parsed)
{
    (void)user;
    free(parsed);
}

static bool beats(const house *at, const char *text)
{
    ck_assert_int_eq(panicmon_manager_ping(at->manager), PANICMON_OK);
    test_sleep_ms(20);
    pthread_mutex_lock(&beat_lock);
    bool found = strstr(beat, text) != NULL;
    pthread_mutex_unlock(&beat_lock);
    return found;
}

static void await_beat(const house *at, const char *text)
{
    int64_t until = test_now_ms() + 20000 * test_factor();
    while (!beats(at, text)) {
        ck_assert_msg(test_now_ms() < until, "no heartbeat with %s but %s", text, beat);
    }
}

START_TEST(a_hung_step_is_dead_and_replaced_with_backoff)
{
    const panicmon_strategy_ops ops = {.struct_size = sizeof ops,
                                       .name = "blocker",
                                       .parse = parse_any,
                                       .start = start_blocker,
                                       .parsed_free = free_parsed};
    static const char set[] = "{\"hangs\": {}, \"goes on\": {}}";
    house at;
    open_house(&at, keep_beat, "1", "0.05");
    ck_assert_int_eq(panicmon_registry_add(at.registry, "x.y", &ops, NULL, NULL), PANICMON_OK);
    ck_assert_int_eq(panicmon_manager_apply(at.manager, "x.y", set, strlen(set), NULL),
                     PANICMON_OK);
    await_beat(&at, "\"running_processes\": [\"goes on\"], \"dead_processes\": [\"hangs\"]");
    int64_t times[5];
    for (int i = 2; i <= 4; i++) { /* replaced three times, each later than the one before */
        int64_t until = test_now_ms() + 30000 * test_factor();
        while (atomic_load(&starts) < i) {
            ck_assert_int_lt(test_now_ms(), until);
            test_sleep_ms(10);
        }
        times[i] = test_now_ms();
    }
    ck_assert_int_gt(times[4] - times[3], (times[3] - times[2]) * 5 / 4);
    printf("replaced after %lld and %lld ms more\n", (long long)(times[3] - times[2]),
           (long long)(times[4] - times[3]));
    /* no more threads are left behind than three hung ones, and the fourth in place */
    test_sleep_ms(2500);
    ck_assert_int_eq(atomic_load(&starts), 4);
    await_beat(&at, "\"dead_processes\": [\"hangs\"]");
    ck_assert_int_gt(atomic_load(&done), 0); /* its neighbour never stopped */
    /* once the hung ones come back, the last one lives on */
    atomic_store(&works, true);
    atomic_store(&let_go, true);
    await_beat(&at, "\"dead_processes\": []");
    ck_assert_uint_eq(panicmon_manager_count(at.manager), 2);
    int64_t began = test_now_ms();
    close_house(&at);
    ck_assert_int_lt(test_now_ms() - began, 2000 * test_factor());
}
END_TEST

int main(void)
{
    static const char *const options[] = {"--nodes", "50", "--block-time", "1", NULL};
    if (getenv("PANICMON_SIM") == NULL || !simproc_start(&sim, options)) {
        puts("skipped: needs panicmon-sim");
        return 77;
    }
    Suite *suite = suite_create("manager_race");
    TCase *all = tcase_create("all");
    tcase_set_timeout(all, 60);
    tcase_add_test(all, configs_change_under_monitors_that_share_sources);
    tcase_add_test(all, a_hung_step_is_dead_and_replaced_with_backoff);
    suite_add_tcase(suite, all);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_VERBOSE);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    (void)simproc_stop(&sim);
    return failed == 0 ? 0 : 1;
}
