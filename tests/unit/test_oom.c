/* test_oom.c: every public call with every one of its allocations failing in turn: alone, and with
 * all that follow it. A call then says ERR_NOMEM, leaks nothing and leaves its objects as they
 * were; threads that run go on. The linker puts the functions below before malloc and its kin, for
 * this program and the library in it (not for the libraries that it stands on). */
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

/* ---- the failing allocator ---- */

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *block, size_t size);
char *__real_strdup(const char *text);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *block, size_t size);
char *__wrap_strdup(const char *text);

static atomic_bool armed;
static atomic_bool everywhere; /* in all threads, not only in the one that armed it */
static atomic_bool lasting;    /* all that follow fail too */
static atomic_long countdown;
static atomic_long failures;
static _Thread_local bool arming_thread;

static bool fails(void)
{
    if (!atomic_load(&armed) || (!arming_thread && !atomic_load(&everywhere))) {
        return false;
    }
    long left = atomic_fetch_sub(&countdown, 1);
    bool fail = left == 0 || (left < 0 && atomic_load(&lasting));
    if (fail) {
        atomic_fetch_add(&failures, 1);
    }
    return fail;
}

void *__wrap_malloc(size_t size)
{
    return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return fails() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *block, size_t size)
{
    return fails() ? NULL : __real_realloc(block, size);
}

char *__wrap_strdup(const char *text)
{
    return fails() ? NULL : __real_strdup(text);
}

static void arm(long n, bool all_after, bool all_threads)
{
    arming_thread = true;
    atomic_store(&countdown, n);
    atomic_store(&failures, 0);
    atomic_store(&lasting, all_after);
    atomic_store(&everywhere, all_threads);
    atomic_store(&armed, true);
}

/* Whether anything failed. */
static bool disarm(void)
{
    atomic_store(&armed, false);
    return atomic_load(&failures) > 0;
}

/* Runs a scenario with allocation 0, 1, 2... failing, until it gets by without; twice. */
static void sweep(panicmon_err (*scenario)(void))
{
    for (int all_after = 0; all_after < 2; all_after++) {
        long n = 0;
        bool hit = true;
        for (; hit; n++) {
            arm(n, all_after, false);
            panicmon_err status = scenario();
            hit = disarm();
            ck_assert_msg(status == PANICMON_OK || (hit && status == PANICMON_ERR_NOMEM),
                          "allocation %ld%s: %s", n, all_after ? " and all after" : "",
                          panicmon_err_name(status));
        }
        ck_assert_msg(n > 1, "nothing was allocated");
    }
}

/* The status of a call, or of its error object, which must agree and is freed. */
static panicmon_err done(panicmon_err status, panicmon_error *err)
{
    bool same = err == NULL || panicmon_error_code(err) == status ||
                panicmon_error_code(err) == PANICMON_ERR_NOMEM;
    bool says = err == NULL || panicmon_error_message(err)[0] != '\0';
    panicmon_error_free(err);
    return same && says ? status : PANICMON_ERR_STATE;
}

/* ---- a strategy whose own allocations fail too ---- */

static atomic_int users; /* strategies whose user_free is due */

static panicmon_err fake_step(void *monitor, panicmon_round *round, panicmon_error **err)
{
    (void)err;
    if (panicmon_round_step(round) > 0) {
        return PANICMON_OK;
    }
    panicmon_err status = panicmon_round_publish(round, "e", "k", monitor, strlen(monitor), NULL);
    if (status == PANICMON_OK) {
        status = panicmon_round_store(round, "key", "value", 5, NULL);
    }
    if (status == PANICMON_OK) {
        status = panicmon_round_load(round, "key", NULL);
    }
    if (status == PANICMON_OK) {
        status = panicmon_round_heartbeat(round, NULL);
    }
    panicmon_round_fail(round, PANICMON_ERR_RPC, "half a result");
    panicmon_round_log(round, PANICMON_LOG_WARNING, "said so");
    return status;
}

static panicmon_err fake_parse(void *user, const panicmon_config *config, void **parsed,
                               panicmon_error **err)
{
    const char *text;
    (void)user;
    panicmon_err status = panicmon_config_text(config, "text", &text, err);
    if (status == PANICMON_OK && (*parsed = strdup(text)) == NULL) {
        status = panicmon_error_set(err, PANICMON_ERR_NOMEM, "no memory to parse with");
    }
    return status;
}

static panicmon_err fake_start(void *user, void *parsed, panicmon_launch *launch,
                               panicmon_error **err)
{
    const panicmon_monitor_ops ops = {
        .struct_size = sizeof ops, .step = fake_step, .monitor_free = free};
    (void)user;
    char *monitor = strdup(parsed);
    panicmon_err status = monitor == NULL ? PANICMON_ERR_NOMEM : PANICMON_OK;
    if (status == PANICMON_OK) {
        status = panicmon_launch_name(launch, "a monitor");
    }
    if (status == PANICMON_OK) {
        status = panicmon_launch_source(launch, "chain", "id", "name");
    }
    if (status == PANICMON_OK) {
        status = panicmon_launch_period(launch, 5);
    }
    if (status == PANICMON_OK) {
        status = panicmon_launch_monitor(launch, &ops, monitor);
    }
    if (status != PANICMON_OK) {
        free(monitor);
        return panicmon_error_set(err, status, "could not start");
    }
    return PANICMON_OK;
}

static void fake_parsed_free(void *user, void *parsed)
{
    (void)user;
    free(parsed);
}

static void fake_user_free(void *user)
{
    (void)user;
    atomic_fetch_sub(&users, 1);
}

static panicmon_err fake_plan(void *user, const panicmon_config_set *set, panicmon_plan *plan,
                              panicmon_error **err)
{
    (void)user;
    panicmon_err status = PANICMON_OK;
    for (size_t i = 0; status == PANICMON_OK && i < panicmon_config_set_count(set); i++) {
        const char *id = panicmon_config_id(panicmon_config_set_at(set, i));
        status = panicmon_plan_add(plan, id, NULL, 0, err);
    }
    if (status == PANICMON_OK) {
        status = panicmon_plan_add(plan, "extra", "{\"text\": \"{}\"}", 14, err);
    }
    return status;
}

static panicmon_strategy_ops fake(void)
{
    return (panicmon_strategy_ops){.struct_size = sizeof(panicmon_strategy_ops),
                                   .name = "fake",
                                   .plan = fake_plan,
                                   .parse = fake_parse,
                                   .start = fake_start,
                                   .parsed_free = fake_parsed_free,
                                   .user_free = fake_user_free};
}

static const char set_text[] = "{\"a\": {\"text\": \"{}\"}, \"b\": {\"text\": \"[1, 2]\"}}";

static panicmon_err make_registry(panicmon_registry **out)
{
    const panicmon_strategy_ops ops = fake();
    panicmon_error *err = NULL;
    panicmon_err status = panicmon_registry_new(out);
    if (status == PANICMON_OK) {
        atomic_fetch_add(&users, 1);
        status = panicmon_registry_add(*out, "fake.*", &ops, &users, &err);
        if (status != PANICMON_OK) { /* `user` stayed ours */
            atomic_fetch_sub(&users, 1);
            panicmon_registry_free(*out);
            *out = NULL;
        }
    }
    return done(status, err);
}

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
    return done(status, err);
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
    panicmon_err status = make_registry(&registry);
    if (status == PANICMON_OK) {
        status = panicmon_registry_add_builtin(registry, &err);
    }
    if (status == PANICMON_OK) {
        status = panicmon_registry_check(registry, "fake.x", set_text, strlen(set_text), NULL, NULL,
                                         &count);
        /* An entry that could not be read for want of memory is told as a fault. */
        status = status == PANICMON_ERR_PARSE && count < 3 ? PANICMON_ERR_NOMEM : status;
    }
    if (status == PANICMON_OK) {
        status = panicmon_registry_remove(registry, "fake.*", "fake");
    }
    panicmon_registry_free(registry);
    return atomic_load(&users) == 0 ? done(status, err) : PANICMON_ERR_STATE;
}

static panicmon_err starter_scenario(void)
{
    const panicmon_strategy_ops ops = fake();
    panicmon_starter *starter = NULL;
    panicmon_runtime *runtime = NULL;
    panicmon_monitor *monitor = NULL;
    panicmon_error *err = NULL;
    panicmon_err status = panicmon_starter_new(&starter, &ops, &users);
    if (status != PANICMON_OK) {
        return status;
    }
    atomic_fetch_add(&users, 1);
    status = panicmon_starter_set_strategy(starter, &ops, &users);
    if (status == PANICMON_OK) {
        atomic_fetch_add(&users, 1);
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
    return atomic_load(&users) == 0 ? done(status, err) : PANICMON_ERR_STATE;
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
    panicmon_err status = make_registry(&all->registry);
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
        status = panicmon_manager_apply(all.manager, "fake.x", set_text, strlen(set_text), &err);
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
    return atomic_load(&users) == 0 ? done(status, err) : PANICMON_ERR_STATE;
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
    return done(status, err);
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
    return done(status, err);
}

/* ---- the tests ---- */

START_TEST(errors)
{
    sweep(error_scenario);
}
END_TEST

START_TEST(settings)
{
    sweep(settings_scenario);
}
END_TEST

START_TEST(logs_and_sinks)
{
    sweep(log_scenario);
    sweep(callbacks_scenario);
}
END_TEST

START_TEST(registries)
{
    sweep(registry_scenario);
}
END_TEST

START_TEST(starters)
{
    sweep(starter_scenario);
}
END_TEST

START_TEST(runtimes_and_managers)
{
    executor = executors[_i];
    sweep(runtime_scenario);
}
END_TEST

START_TEST(running_monitors)
{
    parts all = {0};
    panicmon_error *err = NULL;
    executor = executors[_i];
    ck_assert_int_eq(open_parts(&all, &err), PANICMON_OK);
    ck_assert_int_eq(
        panicmon_manager_apply(all.manager, "fake.x", set_text, strlen(set_text), &err),
        PANICMON_OK);
    for (long n = 0; n < 60; n++) { /* one allocation of whatever thread, then peace */
        arm(n, false, true);
        (void)next_message(all.runtime, 20);
        (void)disarm();
    }
    arm(0, true, true); /* a drought */
    for (int waits = 0; waits < 400 && atomic_load(&failures) == 0; waits++) {
        (void)next_message(all.runtime, 50);
    }
    ck_assert(disarm());
    ck_assert_msg(next_message(all.runtime, 20000), "the monitors did not recover");
    close_parts(&all);
    ck_assert_int_eq(atomic_load(&users), 0);
}
END_TEST

START_TEST(metadata)
{
    read_sample();
    sweep(substrate_scenario);
    sweep(metadata_scenario);
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
    tcase_add_test(tests, metadata);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
