/* test_runtime.c: a runtime's life: monitors entered before the start, several threads that join, a
 * free from one of its own threads; and a monitor's turns, run by hand: what restarts that fail
 * count as. */
#include <check.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <panicmon/panicmon.h>

#include "base/clock.h"
#include "core/monitor_impl.h"

static const char *const executors[] = {"threads", "rounds", "queue", "events"};
#define EXECUTORS (int)(sizeof executors / sizeof executors[0])

/* ---- how often a thread was joined ---- */

static atomic_int joins;

int __real_pthread_join(pthread_t thread, void **out);
int __wrap_pthread_join(pthread_t thread, void **out);

int __wrap_pthread_join(pthread_t thread, void **out)
{
    int failed = __real_pthread_join(thread, out);
    atomic_fetch_add(&joins, 1);
    return failed;
}

/* ---- the log ---- */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char records[16384]; /* each "level component: message\n" */

static void take_record(void *user, panicmon_log_level level, const char *component,
                        const char *message)
{
    (void)user;
    pthread_mutex_lock(&lock);
    size_t len = strlen(records);
    snprintf(records + len, sizeof records - len, "%d %s: %s\n", (int)level, component, message);
    pthread_mutex_unlock(&lock);
}

/* How often it was said. */
static int said(const char *text)
{
    int count = 0;
    pthread_mutex_lock(&lock);
    for (const char *at = records; (at = strstr(at, text)) != NULL; at++) {
        count++;
    }
    pthread_mutex_unlock(&lock);
    return count;
}

static panicmon_log *make_log(void)
{
    panicmon_log *log = NULL;
    ck_assert_int_eq(panicmon_log_new(&log, take_record, NULL, NULL), PANICMON_OK);
    panicmon_log_set_level(log, PANICMON_LOG_INFO);
    return log;
}

/* ---- the strategy ---- */

typedef enum conduct { WORKS, FAILS, SAYS_FAIL, LOGS, FREES } conduct;

static panicmon_runtime *runtime;
static panicmon_starter *starter;
static atomic_int how; /* a conduct: what steps do */
static atomic_int bad_starts;
static const char *bad_start_message; /* NULL: none */
static uint32_t flags;

static panicmon_err toy_step(void *monitor, panicmon_round *round, panicmon_error **err)
{
    (void)monitor;
    (void)err;
    switch ((conduct)how) {
    case FAILS:
        return PANICMON_ERR_CALLBACK;
    case SAYS_FAIL:
        panicmon_round_fail(round, PANICMON_ERR_RPC, "");
        return PANICMON_OK;
    case LOGS:
        panicmon_round_log(round, PANICMON_LOG_WARNING, "a word");
        return PANICMON_OK;
    case FREES:
        panicmon_runtime_free(runtime);
        return PANICMON_OK;
    default:
        return PANICMON_OK;
    }
}

static panicmon_err toy_parse(void *user, const panicmon_config *config, void **parsed,
                              panicmon_error **err)
{
    (void)user;
    (void)err;
    *parsed = strdup(panicmon_config_id(config));
    return PANICMON_OK;
}

static void toy_parsed_free(void *user, void *parsed)
{
    (void)user;
    free(parsed);
}

static panicmon_err toy_start(void *user, void *parsed, panicmon_launch *launch,
                              panicmon_error **err)
{
    const panicmon_monitor_ops ops = {
        .struct_size = sizeof ops, .flags = flags, .step = toy_step, .monitor_free = free};
    (void)user;
    (void)parsed;
    if (atomic_load(&bad_starts) > 0) {
        atomic_fetch_sub(&bad_starts, 1);
        if (bad_start_message != NULL) {
            panicmon_error_set(err, PANICMON_ERR_CALLBACK, bad_start_message);
        }
        return PANICMON_ERR_CALLBACK;
    }
    panicmon_launch_period(launch, 60000);
    return panicmon_launch_monitor(launch, &ops, malloc(1));
}

/* ---- a runtime ---- */

static panicmon_err drop(void *user, const char *exchange, const char *routing_key,
                         const char *body, size_t len)
{
    (void)user;
    (void)exchange;
    (void)routing_key;
    (void)body;
    (void)len;
    return PANICMON_OK;
}

static void open_runtime(const char *executor, const char *rounds)
{
    const panicmon_strategy_ops ops = {.struct_size = sizeof ops,
                                       .name = "toy",
                                       .parse = toy_parse,
                                       .start = toy_start,
                                       .parsed_free = toy_parsed_free};
    panicmon_settings *settings = NULL;
    panicmon_sink *sink = NULL;
    panicmon_log *log = make_log();
    how = WORKS;
    records[0] = '\0';
    ck_assert_int_eq(panicmon_settings_new(&settings), PANICMON_OK);
    ck_assert_int_eq(panicmon_settings_set(settings, "executor", executor, NULL), PANICMON_OK);
    ck_assert_int_eq(panicmon_settings_set(settings, "rounds", rounds, NULL), PANICMON_OK);
    ck_assert_int_eq(panicmon_runtime_new(&runtime, NULL, settings, NULL), PANICMON_OK);
    ck_assert_int_eq(panicmon_sink_new_callback(&sink, drop, NULL, NULL), PANICMON_OK);
    ck_assert_int_eq(panicmon_runtime_set_sink(runtime, sink), PANICMON_OK);
    ck_assert_int_eq(panicmon_runtime_set_log(runtime, log), PANICMON_OK);
    ck_assert_int_eq(panicmon_starter_new(&starter, &ops, NULL), PANICMON_OK);
    ck_assert_int_eq(panicmon_starter_set_runtime(starter, runtime), PANICMON_OK);
    panicmon_sink_free(sink);
    panicmon_log_free(log);
    panicmon_settings_free(settings);
}

static void close_runtime(void)
{
    panicmon_starter_free(starter);
    panicmon_runtime_free(runtime);
}

static panicmon_monitor *enter(int number)
{
    panicmon_monitor *monitor = NULL;
    char json[32];
    snprintf(json, sizeof json, "{\"id\": \"m%d\"}", number);
    ck_assert_int_eq(
        panicmon_starter_parse_and_start(starter, "toys", json, strlen(json), &monitor, NULL),
        PANICMON_OK);
    return monitor;
}

static int64_t figure(const char *name)
{
    panicmon_stats *stats = NULL;
    int64_t value = -1;
    ck_assert_int_eq(panicmon_runtime_stats(runtime, &stats), PANICMON_OK);
    ck_assert_int_eq(panicmon_stats_get(stats, name, &value), PANICMON_OK);
    panicmon_stats_free(stats);
    return value;
}

/* The test's own timeout ends it. */
static void await_figure(const char *name, int64_t value)
{
    while (figure(name) < value) {
        usleep(2000);
    }
}

/* How many values a histogram has. */
static int64_t values_of(const char *name)
{
    panicmon_stats *stats = NULL;
    int64_t bound = 0;
    int64_t count = -1;
    ck_assert_int_eq(panicmon_runtime_stats(runtime, &stats), PANICMON_OK);
    for (size_t i = 0; bound != INT64_MAX; i++) {
        ck_assert_int_eq(panicmon_stats_step(stats, name, i, &bound, &count), PANICMON_OK);
    }
    panicmon_stats_free(stats);
    return count;
}

/* ---- life ---- */

START_TEST(rounds_of_monitors_entered_early_count_from_the_start)
{
    enum { COUNT = 20 };
    panicmon_monitor *monitors[COUNT];
    open_runtime(executors[_i], "0");
    for (int i = 0; i < COUNT; i++) { /* as if it had been long ago */
        monitors[i] = enter(i);
        monitors[i]->due_ms = pm_mono_ms() - 100000;
        atomic_store(&monitors[i]->last_end_ms, pm_mono_ms() - 1000000);
    }
    ck_assert(!pm_monitor_is_alive(monitors[0]));
    ck_assert_int_eq(panicmon_runtime_start(runtime, NULL), PANICMON_OK);
    ck_assert(pm_monitor_is_alive(monitors[0]));
    await_figure("rounds", COUNT);
    ck_assert_int_eq(figure("late"), 0); /* later than 6 s of a period of 60 s */
    ck_assert_int_lt(figure("lag_us_max"), 50000000);
    for (int i = 0; i < COUNT; i++) {
        panicmon_monitor_free(monitors[i]);
    }
    close_runtime();
}
END_TEST

START_TEST(monitors_entered_early_write_to_the_log_that_was_set_last)
{
    open_runtime("events", "0");
    panicmon_monitor_free(enter(0));
    panicmon_log *log = make_log();
    ck_assert_int_eq(panicmon_runtime_set_log(runtime, log), PANICMON_OK); /* frees the first */
    panicmon_log_free(log);
    how = LOGS;
    ck_assert_int_eq(panicmon_runtime_start(runtime, NULL), PANICMON_OK);
    ck_assert_int_eq(panicmon_runtime_set_log(runtime, NULL), PANICMON_ERR_STATE);
    while (said("m0: a word") == 0) {
        usleep(2000);
    }
    close_runtime();
}
END_TEST

static void *join_until_it_ended(void *arg)
{
    int64_t timeout_ms = *(const int64_t *)arg;
    panicmon_err status;
    while ((status = panicmon_runtime_join(runtime, timeout_ms)) == PANICMON_ERR_TIMEOUT) {
        usleep(100);
    }
    ck_assert_int_eq(status, PANICMON_OK);
    return NULL;
}

START_TEST(several_threads_may_join_at_once)
{
    static const int64_t timeouts[] = {-1, 0, -1, 1, 60000};
    enum { THREADS = sizeof timeouts / sizeof timeouts[0] };
    for (int run = 0; run < 10; run++) {
        pthread_t threads[THREADS];
        open_runtime(executors[_i], "0");
        for (int i = 0; i < 3; i++) {
            panicmon_monitor_free(enter(i));
        }
        ck_assert_int_eq(panicmon_runtime_start(runtime, NULL), PANICMON_OK);
        ck_assert_int_eq(panicmon_runtime_join(runtime, -1), PANICMON_ERR_STATE);
        panicmon_runtime_request_stop(runtime);
        for (int i = 0; i < THREADS; i++) {
            ck_assert_int_eq(pthread_create(&threads[i], NULL, join_until_it_ended,
                                            (void *)(uintptr_t)&timeouts[i]),
                             0);
        }
        for (int i = 0; i < THREADS; i++) {
            ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
        }
        ck_assert_int_eq(panicmon_runtime_join(runtime, 0), PANICMON_OK);
        close_runtime();
    }
}
END_TEST

static void *start_it(void *arg)
{
    (void)arg;
    return panicmon_runtime_start(runtime, NULL) == PANICMON_OK ? runtime : NULL;
}

START_TEST(several_threads_may_start_it_and_one_does)
{
    enum { THREADS = 4 };
    for (int run = 0; run < 10; run++) {
        pthread_t threads[THREADS];
        int started = 0;
        open_runtime("events", "0");
        panicmon_monitor_free(enter(0));
        for (int i = 0; i < THREADS; i++) {
            ck_assert_int_eq(pthread_create(&threads[i], NULL, start_it, NULL), 0);
        }
        panicmon_runtime_request_stop(runtime); /* nor does a join come in between */
        ck_assert_int_eq(panicmon_runtime_join(runtime, -1), PANICMON_OK);
        for (int i = 0; i < THREADS; i++) {
            void *out = NULL;
            ck_assert_int_eq(pthread_join(threads[i], &out), 0);
            started += out != NULL;
        }
        ck_assert_int_eq(started, 1);
        close_runtime();
    }
}
END_TEST

/* Each executor also with steps that block. */
START_TEST(a_thread_of_its_own_cannot_free_it)
{
    flags = _i < EXECUTORS ? 0 : PANICMON_MONITOR_BLOCKING;
    open_runtime(executors[_i % EXECUTORS], "0");
    how = FREES;
    panicmon_monitor_free(enter(0));
    ck_assert_int_eq(panicmon_runtime_start(runtime, NULL), PANICMON_OK);
    while (said("panicmon_runtime_free()") == 0) {
        usleep(2000);
    }
    ck_assert_int_eq(panicmon_runtime_join(runtime, -1), PANICMON_OK); /* it was asked to stop */
    ck_assert_int_eq(figure("monitors_running"), 0);
    close_runtime();
}
END_TEST

START_TEST(threads_that_ended_are_reaped_soon)
{
    open_runtime("threads", "0");
    panicmon_monitor *monitor = enter(0);
    panicmon_monitor_free(enter(1));
    ck_assert_int_eq(panicmon_runtime_start(runtime, NULL), PANICMON_OK);
    await_figure("rounds", 2);
    ck_assert_int_eq(joins, 0);
    panicmon_monitor_stop(monitor);
    while (joins == 0) { /* the control thread would look within a minute by itself */
        usleep(2000);
    }
    ck_assert_int_eq(figure("monitors_running"), 1);
    panicmon_monitor_free(monitor);
    close_runtime();
}
END_TEST

static void count_call(void *user)
{
    ++*(int *)user;
}

START_TEST(a_hook_that_comes_while_it_starts_is_called_once)
{
    int calls = 0;
    open_runtime("events", "0");
    runtime->phase = PM_STARTED;
    ck_assert_int_eq(pm_runtime_on_start(runtime, count_call, &calls), PANICMON_OK);
    pm_runtime_run_hooks(runtime, false);
    runtime->phase = PM_NEW;
    ck_assert_int_eq(calls, 1);
    close_runtime();
}
END_TEST

/* ---- turns, by hand: the runtime is never started ---- */

static void turn(panicmon_monitor *monitor)
{
    pm_task *task = &monitor->task;
    pm_request *const *requests = NULL;
    int64_t now_us = monitor->due_ms * 1000;
    task->ops->begin(task, now_us);
    while (task->ops->step(task, now_us, &requests) > 0) {
    }
    task->ops->end(task, now_us, false);
}

static void expect_counts(int64_t rounds, int64_t results, int64_t failures, int64_t restarts)
{
    ck_assert_int_eq(figure("rounds"), rounds);
    ck_assert_int_eq(figure("results"), results);
    ck_assert_int_eq(figure("failures"), failures);
    ck_assert_int_eq(figure("restarts"), restarts);
    ck_assert_int_eq(values_of("round_us"), rounds);
    ck_assert_int_eq(values_of("lag_us"), rounds);
}

START_TEST(a_restart_that_fails_is_no_round)
{
    static const char *const messages[] = {NULL, "", "no such colour"};
    open_runtime("events", "2");
    bad_start_message = messages[_i];
    panicmon_monitor *monitor = enter(0);
    how = FAILS;
    turn(monitor);
    expect_counts(1, 0, 1, 0);
    ck_assert_int_eq(monitor->backoff_ms, 1000);
    bad_starts = 3;
    for (int i = 1; i <= 3; i++) {
        turn(monitor);
        expect_counts(1, 0, 1 + i, 0);
        ck_assert_int_eq(panicmon_monitor_rounds(monitor), 1);
        ck_assert_int_eq(panicmon_monitor_get_state(monitor), PANICMON_MONITOR_BACKOFF);
        ck_assert_int_eq(monitor->backoff_ms, 1000 << i); /* once an attempt */
        ck_assert_int_ne(monitor->task.ops->due(&monitor->task, 0), PM_NEVER);
    }
    ck_assert_int_eq(said("m0: could not be restarted (ERR_CALLBACK): "), 1);
    ck_assert_int_eq(said("(ERR_CALLBACK): \n"), 0);
    ck_assert_int_eq(said(": no such colour\n"), _i == 2 ? 1 : 0);
    how = WORKS;
    turn(monitor);
    expect_counts(2, 1, 4, 1);
    ck_assert_int_eq(panicmon_monitor_get_state(monitor), PANICMON_MONITOR_RUNNING);
    ck_assert_int_eq(monitor->backoff_ms, 0);
    ck_assert_int_eq(said("m0: recovered"), 1);
    ck_assert_int_eq(monitor->task.ops->due(&monitor->task, 0), PM_NEVER); /* its two rounds */
    panicmon_monitor_free(monitor);
    close_runtime();
}
END_TEST

START_TEST(a_restart_with_a_new_config_counts_when_it_succeeds)
{
    open_runtime("events", "0");
    panicmon_monitor *monitor = enter(0);
    turn(monitor);
    expect_counts(1, 1, 0, 0);
    pm_monitor_update(monitor, strdup("m0"));
    turn(monitor);
    expect_counts(2, 2, 0, 1);
    pm_monitor_update(monitor, strdup("m0"));
    bad_starts = 1;
    turn(monitor);
    ck_assert_int_eq(figure("failures"), 1);
    ck_assert_int_eq(figure("restarts"), 1);
    turn(monitor);
    ck_assert_int_eq(figure("restarts"), 2);
    ck_assert_int_eq(figure("results"), figure("rounds"));
    panicmon_monitor_free(monitor);
    close_runtime();
}
END_TEST

START_TEST(a_round_that_fails_without_a_word_is_told)
{
    open_runtime("events", "0");
    panicmon_monitor *monitor = enter(0);
    how = SAYS_FAIL;
    turn(monitor);
    turn(monitor);
    ck_assert_int_eq(said("m0: \n"), 0);
    ck_assert_int_eq(said("m0: "), 1);
    how = WORKS;
    turn(monitor);
    ck_assert_int_eq(said("m0: recovered"), 1);
    panicmon_monitor_free(monitor);
    close_runtime();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("runtime");
    TCase *life = tcase_create("life");
    tcase_set_timeout(life, 40);
    tcase_add_loop_test(life, rounds_of_monitors_entered_early_count_from_the_start, 0, EXECUTORS);
    tcase_add_test(life, monitors_entered_early_write_to_the_log_that_was_set_last);
    tcase_add_loop_test(life, several_threads_may_join_at_once, 0, EXECUTORS);
    tcase_add_test(life, several_threads_may_start_it_and_one_does);
    tcase_add_loop_test(life, a_thread_of_its_own_cannot_free_it, 0, 2 * EXECUTORS);
    tcase_add_test(life, threads_that_ended_are_reaped_soon);
    tcase_add_test(life, a_hook_that_comes_while_it_starts_is_called_once);
    suite_add_tcase(suite, life);
    TCase *turns = tcase_create("turns");
    tcase_add_loop_test(turns, a_restart_that_fails_is_no_round, 0, 3);
    tcase_add_test(turns, a_restart_with_a_new_config_counts_when_it_succeeds);
    tcase_add_test(turns, a_round_that_fails_without_a_word_is_told);
    suite_add_tcase(suite, turns);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
