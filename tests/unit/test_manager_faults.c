/* test_manager_faults.c: what goes wrong with one entry of a config set costs that entry alone, and
 * nothing that ran: bad configs and ids, no memory, and functions of a strategy that do not come
 * back, under each executor. With a strategy of the test's own. */
#include <check.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <panicmon/panicmon.h>

#include "base/clock.h"

#define KEY "chains.bell.tower.nodes_config"

static const char *const executors[] = {"threads", "rounds", "queue", "events"};
#define EXECUTORS ((int)(sizeof executors / sizeof executors[0]))

/* ---- what was published and logged ---- */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char rung[1 << 16]; /* "id=tone;" of each round */
static char beat[8192];    /* the last heartbeat of the nodes' manager */
static char told[1 << 16]; /* the log */

static void append(char *to, size_t room, const char *text)
{
    pthread_mutex_lock(&lock);
    if (strlen(to) + strlen(text) + 2 < room) {
        strcat(strcat(to, text), ";");
    }
    pthread_mutex_unlock(&lock);
}

static panicmon_err hear(void *user, const char *exchange, const char *routing_key,
                         const char *body, size_t len)
{
    (void)user;
    (void)len;
    if (strcmp(exchange, "bell") == 0) {
        append(rung, sizeof rung, body);
    } else if (strcmp(routing_key, "heartbeat.manager") == 0 && strstr(body, "\"Node ") != NULL) {
        pthread_mutex_lock(&lock);
        (void)snprintf(beat, sizeof beat, "%s", body);
        pthread_mutex_unlock(&lock);
    }
    return PANICMON_OK;
}

static void note(void *user, panicmon_log_level level, const char *component, const char *message)
{
    (void)user;
    (void)level;
    (void)component;
    append(told, sizeof told, message);
}

static bool holds(const char *where, const char *text)
{
    pthread_mutex_lock(&lock);
    bool found = strstr(where, text) != NULL;
    pthread_mutex_unlock(&lock);
    return found;
}

/* The test's own timeout ends it. */
static void await(const char *where, const char *text)
{
    while (!holds(where, text)) {
        usleep(2000);
    }
}

/* Waits for rounds that begin after this. */
static void await_new(const char *text)
{
    pthread_mutex_lock(&lock);
    rung[0] = '\0';
    pthread_mutex_unlock(&lock);
    await(rung, text);
}

/* ---- the strategy ---- */

typedef struct bell {
    char id[32];
    char tone[32];
    char hangs[32]; /* in which of its functions */
} bell;

static atomic_int starts;    /* of those that have not hung in it */
static atomic_int lacks;     /* how many parses find no memory */
static atomic_int hung;      /* calls that hang now */
static atomic_bool released; /* the hung ones come back */
static atomic_int made;      /* bells, parsed and cast, that were not freed */
static panicmon_manager *own_manager;
static atomic_int inside;

static void hang(const bell *at, const char *where)
{
    if (strcmp(at->hangs, where) != 0) {
        return;
    }
    atomic_fetch_add(&hung, 1);
    while (!atomic_load(&released)) {
        usleep(1000);
    }
    atomic_fetch_sub(&hung, 1);
}

static bell *copy_bell(const bell *from)
{
    bell *copy = malloc(sizeof *copy);
    ck_assert_ptr_nonnull(copy);
    *copy = *from;
    atomic_fetch_add(&made, 1);
    return copy;
}

static void free_bell(void *at)
{
    atomic_fetch_sub(&made, 1);
    free(at);
}

static panicmon_err parse(void *user, const panicmon_config *config, void **parsed,
                          panicmon_error **err)
{
    bell read = {0};
    const char *text = NULL;
    int off = 0;
    (void)user;
    panicmon_err status = panicmon_config_text(config, "tone", &text, err);
    if (status != PANICMON_OK) {
        return status;
    }
    if (strcmp(text, "dear") == 0 && atomic_load(&lacks) > 0) {
        atomic_fetch_sub(&lacks, 1);
        return PANICMON_ERR_NOMEM;
    }
    (void)snprintf(read.id, sizeof read.id, "%s", panicmon_config_id(config));
    (void)snprintf(read.tone, sizeof read.tone, "%s", text);
    if (panicmon_config_text(config, "hangs", &text, NULL) == PANICMON_OK) {
        (void)snprintf(read.hangs, sizeof read.hangs, "%s", text);
    }
    (void)panicmon_config_flag(config, "off", 0, &off, NULL);
    if (off) {
        return PANICMON_ERR_STATE;
    }
    *parsed = copy_bell(&read);
    return PANICMON_OK;
}

static void parsed_free(void *user, void *parsed)
{
    (void)user;
    free_bell(parsed);
}

static panicmon_err step(void *monitor, panicmon_round *round, panicmon_error **err)
{
    const bell *at = monitor;
    char body[80];
    (void)err;
    if (panicmon_round_step(round) > 0) {
        return PANICMON_OK;
    }
    hang(at, "step");
    (void)snprintf(body, sizeof body, "%s=%s", at->id, at->tone);
    return panicmon_round_publish(round, "bell", "x", body, strlen(body), NULL);
}

static panicmon_err update(void *monitor, void *parsed)
{
    bell *at = monitor;
    const bell *next = parsed;
    if (strcmp(next->tone, "cracked") == 0) {
        return PANICMON_ERR_STATE;
    }
    *at = *next;
    hang(at, "update");
    return PANICMON_OK;
}

static void monitor_free(void *monitor)
{
    hang(monitor, "free");
    free_bell(monitor);
}

static panicmon_err start(void *user, void *parsed, panicmon_launch *launch, panicmon_error **err)
{
    static const panicmon_monitor_ops ops = {.struct_size = sizeof ops,
                                             .flags = PANICMON_MONITOR_BLOCKING,
                                             .step = step,
                                             .update = update,
                                             .monitor_free = monitor_free};
    const bell *config = parsed;
    (void)user;
    (void)err;
    hang(config, "start");
    if (own_manager != NULL) {
        atomic_store(&inside, panicmon_manager_apply(own_manager, KEY, "{}", 2, NULL));
    }
    atomic_fetch_add(&starts, 1);
    (void)panicmon_launch_name(launch, config->id);
    (void)panicmon_launch_period(launch, 20);
    return panicmon_launch_monitor(launch, &ops, copy_bell(config));
}

/* ---- a tower of bells ---- */

typedef struct tower {
    panicmon_registry *registry;
    panicmon_runtime *runtime;
    panicmon_manager *manager;
    panicmon_log *log;
} tower;

static void set(panicmon_settings *settings, const char *name, const char *value)
{
    ck_assert_int_eq(panicmon_settings_set(settings, name, value, NULL), PANICMON_OK);
}

static tower open_tower(const char *executor)
{
    const panicmon_strategy_ops ops = {.struct_size = sizeof ops,
                                       .name = "bell",
                                       .parse = parse,
                                       .start = start,
                                       .parsed_free = parsed_free};
    tower at = {0};
    panicmon_sink *sink = NULL;
    panicmon_settings *settings = NULL;
    ck_assert_int_eq(panicmon_settings_new(&settings), PANICMON_OK);
    set(settings, "executor", executor);
    set(settings, "period.node", "0.1");
    set(settings, "round.deadline", "0.2");
    ck_assert_int_eq(panicmon_registry_new(&at.registry), PANICMON_OK);
    ck_assert_int_eq(panicmon_registry_add(at.registry, "chains.bell.*.*", &ops, NULL, NULL),
                     PANICMON_OK);
    ck_assert_int_eq(panicmon_log_new(&at.log, note, NULL, NULL), PANICMON_OK);
    ck_assert_int_eq(panicmon_runtime_new(&at.runtime, at.registry, settings, NULL), PANICMON_OK);
    ck_assert_int_eq(panicmon_runtime_set_log(at.runtime, at.log), PANICMON_OK);
    ck_assert_int_eq(panicmon_sink_new_callback(&sink, hear, NULL, NULL), PANICMON_OK);
    ck_assert_int_eq(panicmon_runtime_set_sink(at.runtime, sink), PANICMON_OK);
    ck_assert_int_eq(panicmon_runtime_start(at.runtime, NULL), PANICMON_OK);
    ck_assert_int_eq(panicmon_manager_new(&at.manager, at.runtime, NULL), PANICMON_OK);
    panicmon_sink_free(sink);
    panicmon_settings_free(settings);
    return at;
}

static void close_tower(tower *at)
{
    panicmon_manager_free(at->manager);
    panicmon_runtime_free(at->runtime);
    panicmon_registry_free(at->registry);
    panicmon_log_free(at->log);
    ck_assert_int_eq(atomic_load(&made), 0);
    ck_assert_int_eq(atomic_load(&hung), 0);
}

static panicmon_err apply(const tower *at, const char *json)
{
    return panicmon_manager_apply(at->manager, KEY, json, strlen(json), NULL);
}

static void await_beat(const tower *at, const char *text)
{
    while (!holds(beat, text)) {
        ck_assert_int_eq(panicmon_manager_ping(at->manager), PANICMON_OK);
        usleep(10000);
    }
}

/* ---- bad entries ---- */

START_TEST(a_bad_entry_keeps_its_last_good_config)
{
    tower at = open_tower("threads");
    panicmon_error *err = NULL;
    static const char bad[] = "{\"a\": {\"tone\": 3}, \"b\": {\"tone\": \"low\"}, \"c\": []}";
    ck_assert_int_eq(apply(&at, "{\"a\": {\"tone\": \"high\"}}"), PANICMON_OK);
    await(rung, "a=high;");
    ck_assert_int_eq(panicmon_manager_apply(at.manager, KEY, bad, strlen(bad), &err),
                     PANICMON_ERR_PARSE);
    ck_assert_str_eq(panicmon_error_message(err), KEY ": entry 'a': tone: is a number, not text");
    panicmon_error_free(err);
    ck_assert(holds(told, KEY ": entry 'c': is an array, not an object;"));
    ck_assert(holds(told, KEY ": entry 'a' goes on with its last good config;"));
    ck_assert(!holds(told, "entry 'c' goes on"));
    await_new("b=low;");
    await_new("a=high;");
    ck_assert_uint_eq(panicmon_manager_count(at.manager), 2);
    /* bad again, and then as it was: it never stopped */
    ck_assert_int_eq(apply(&at, "{\"a\": {\"tone\": null}, \"b\": {\"tone\": \"low\"}}"),
                     PANICMON_ERR_PARSE);
    ck_assert_int_eq(apply(&at, "{\"b\": {\"tone\": \"low\"}, \"a\": {\"tone\": \"high\"}}"),
                     PANICMON_OK);
    await_new("a=high;");
    ck_assert_int_eq(atomic_load(&starts), 2);
    /* a mended one is taken in */
    ck_assert_int_eq(apply(&at, "{\"a\": {\"tone\": 4}}"), PANICMON_ERR_PARSE);
    ck_assert_int_eq(apply(&at, "{\"a\": {\"tone\": \"mended\"}}"), PANICMON_OK);
    await_new("a=mended;");
    /* switched off, or gone: that is meant */
    ck_assert_int_eq(apply(&at, "{\"a\": {\"tone\": 4}}"), PANICMON_ERR_PARSE);
    ck_assert_int_eq(apply(&at, "{\"a\": {\"tone\": \"high\", \"off\": true}}"), PANICMON_OK);
    ck_assert_uint_eq(panicmon_manager_count(at.manager), 0);
    ck_assert_int_eq(apply(&at, "{\"a\": {\"tone\": 4}}"), PANICMON_ERR_PARSE);
    ck_assert_uint_eq(panicmon_manager_count(at.manager), 0);
    ck_assert_int_eq(apply(&at, "{\"a\": {\"tone\": \"high\"}}"), PANICMON_OK);
    ck_assert_int_eq(apply(&at, "{\"a\": {\"tone\": 4}}"), PANICMON_ERR_PARSE);
    ck_assert_int_eq(apply(&at, "{}"), PANICMON_OK);
    ck_assert_uint_eq(panicmon_manager_count(at.manager), 0);
    close_tower(&at);
}
END_TEST

START_TEST(a_bad_id_costs_its_entry_alone)
{
    tower at = open_tower("threads");
    static const char set_of_four[] =
        "{\"a\": {\"tone\": \"high\"}, \"\": {\"tone\": \"none\"}, \"a\": {\"tone\": \"second\"}, "
        "\"b\": {\"tone\": \"low\"}}";
    ck_assert_int_eq(apply(&at, "{\"a\": {\"tone\": \"high\"}}"), PANICMON_OK);
    ck_assert_int_eq(apply(&at, set_of_four), PANICMON_ERR_PARSE);
    ck_assert(holds(told, KEY ": entry '': the id is empty; its value is an object;"));
    ck_assert(holds(told, KEY ": entry 'a': the id stands there twice, the first one counts;"));
    await_new("b=low;");
    await_new("a=high;");
    ck_assert(!holds(rung, "second"));
    ck_assert_uint_eq(panicmon_manager_count(at.manager), 2);
    ck_assert_int_eq(atomic_load(&starts), 2);
    close_tower(&at);
}
END_TEST

/* ---- no memory ---- */

START_TEST(without_memory_for_a_config_it_is_tried_again)
{
    tower at = open_tower("threads");
    static const char dear[] = "{\"a\": {\"tone\": \"dear\"}, \"b\": {\"tone\": \"dear\"}, "
                               "\"c\": {\"tone\": \"low\"}}";
    ck_assert_int_eq(apply(&at, "{\"a\": {\"tone\": \"high\"}}"), PANICMON_OK);
    await(rung, "a=high;");
    atomic_store(&lacks, 4); /* for both, and once more for each */
    ck_assert_int_eq(apply(&at, dear), PANICMON_ERR_NOMEM);
    ck_assert_uint_eq(panicmon_manager_count(at.manager), 2);
    await_new("a=high;"); /* it goes on meanwhile, */
    await_new("c=low;");
    await(rung, "a=dear;"); /* and takes the new one in when it can, */
    await(rung, "b=dear;"); /* as its neighbour, which is new */
    ck_assert_int_eq(atomic_load(&lacks), 0);
    ck_assert_int_eq(atomic_load(&starts), 3);
    ck_assert_uint_eq(panicmon_manager_count(at.manager), 3);
    close_tower(&at);
}
END_TEST

/* ---- functions that do not come back ---- */

static void let_go(void)
{
    atomic_store(&released, true);
    while (atomic_load(&hung) > 0) {
        usleep(1000);
    }
}

START_TEST(a_start_that_hangs_holds_nobody_up)
{
    tower at = open_tower("events");
    int64_t began = pm_mono_ms();
    ck_assert_int_eq(apply(&at, "{\"a\": {\"tone\": \"high\", \"hangs\": \"start\"}, "
                                "\"b\": {\"tone\": \"low\"}}"),
                     PANICMON_OK);
    ck_assert_int_lt(pm_mono_ms() - began, 30000);
    await(rung, "b=low;");
    await_beat(&at, "\"running_processes\": [\"b\"], \"dead_processes\": [\"a\"]");
    await(told, KEY ": entry 'a': hangs in its start; another one takes its place in 1 s;");
    while (atomic_load(&hung) < 2) { /* it is tried again */
        usleep(2000);
    }
    /* with a config that does not hang it runs at once, whatever hangs still */
    ck_assert_int_eq(apply(&at, "{\"a\": {\"tone\": \"high\"}, \"b\": {\"tone\": \"low\"}}"),
                     PANICMON_OK);
    await(rung, "a=high;");
    await_beat(&at, "\"dead_processes\": []");
    let_go();
    ck_assert_uint_eq(panicmon_manager_count(at.manager), 2);
    close_tower(&at);
}
END_TEST

START_TEST(a_slow_start_is_waited_for)
{
    tower at = open_tower("events");
    ck_assert_int_eq(apply(&at, "{\"a\": {\"tone\": \"high\", \"hangs\": \"start\"}}"),
                     PANICMON_OK);
    ck_assert_uint_eq(panicmon_manager_count(at.manager), 0);
    let_go(); /* late, but before it counts as hung, or after: both are fine */
    await(rung, "a=high;");
    await_beat(&at, "\"running_processes\": [\"a\"], \"dead_processes\": []");
    ck_assert_uint_eq(panicmon_manager_count(at.manager), 1);
    close_tower(&at);
}
END_TEST

START_TEST(an_update_that_hangs_is_replaced)
{
    tower at = open_tower(executors[_i]);
    ck_assert_int_eq(apply(&at, "{\"a\": {\"tone\": \"high\"}, \"b\": {\"tone\": \"low\"}}"),
                     PANICMON_OK);
    await(rung, "a=high;");
    ck_assert_int_eq(apply(&at, "{\"a\": {\"tone\": \"new\", \"hangs\": \"update\"}, "
                                "\"b\": {\"tone\": \"low\"}}"),
                     PANICMON_OK);
    await(told, "a hangs in its update; another one takes its place in 1 s;");
    await_new("b=low;"); /* nobody waited for it */
    await(rung, "a=new;");
    ck_assert_int_eq(atomic_load(&starts), 3);
    await_beat(&at, "\"dead_processes\": []");
    let_go();
    ck_assert_uint_eq(panicmon_manager_count(at.manager), 2);
    close_tower(&at);
}
END_TEST

START_TEST(a_restart_that_hangs_is_replaced)
{
    tower at = open_tower(executors[_i]);
    ck_assert_int_eq(apply(&at, "{\"a\": {\"tone\": \"high\"}, \"b\": {\"tone\": \"low\"}}"),
                     PANICMON_OK);
    await(rung, "a=high;");
    /* it refuses the update and so starts anew, which hangs */
    ck_assert_int_eq(apply(&at, "{\"a\": {\"tone\": \"cracked\", \"hangs\": \"start\"}, "
                                "\"b\": {\"tone\": \"low\"}}"),
                     PANICMON_OK);
    await(told, "a hangs in its start; another one takes its place in 1 s;");
    await_beat(&at, "\"running_processes\": [\"b\"], \"dead_processes\": [\"a\"]");
    await_new("b=low;");
    let_go();
    await(rung, "a=cracked;");
    await_beat(&at, "\"dead_processes\": []");
    close_tower(&at);
}
END_TEST

START_TEST(an_end_that_hangs_frees_its_place)
{
    tower at = open_tower(executors[_i]);
    ck_assert_int_eq(apply(&at, "{\"a\": {\"tone\": \"high\", \"hangs\": \"free\"}, "
                                "\"b\": {\"tone\": \"low\"}}"),
                     PANICMON_OK);
    await(rung, "a=high;");
    ck_assert_int_eq(apply(&at, "{\"b\": {\"tone\": \"low\"}}"), PANICMON_OK);
    await(told, "a was stopped but hangs in being freed; it is left behind;");
    await_new("b=low;");
    ck_assert_int_eq(apply(&at, "{\"a\": {\"tone\": \"new\"}, \"b\": {\"tone\": \"low\"}}"),
                     PANICMON_OK);
    await(rung, "a=new;");
    let_go();
    close_tower(&at);
}
END_TEST

/* The manager keeps its own list of when to look at which routing key. */
START_TEST(among_many_keys_the_one_that_hangs_is_replaced)
{
    enum { KEYS = 40 };
    static const char well[] = "{\"a\": {\"tone\": \"high\"}}";
    static const char hangs[] = "{\"h\": {\"tone\": \"low\", \"hangs\": \"step\"}}";
    tower at = open_tower("threads");
    for (int i = 0; i < 3 * KEYS; i++) { /* come, leave and come again, in another order */
        char key[64];
        bool leaves = i / KEYS == 1;
        int n = leaves ? i * 7 % KEYS : i % KEYS;
        const char *json = leaves ? "{}" : i / KEYS == 2 && n == 3 ? hangs : well;
        (void)snprintf(key, sizeof key, "chains.bell.tower%d.nodes_config", n);
        ck_assert_int_eq(panicmon_manager_apply(at.manager, key, json, strlen(json), NULL),
                         PANICMON_OK);
        ck_assert_uint_eq(panicmon_manager_count(at.manager),
                          (size_t)(leaves ? 2 * KEYS - i - 1 : i % KEYS + 1));
    }
    await(told, "h hangs in a step; another one takes its place in 1 s;");
    while (atomic_load(&hung) < 2) { /* that one hangs too */
        usleep(2000);
    }
    ck_assert_uint_eq(panicmon_manager_count(at.manager), KEYS);
    let_go();
    await(rung, "h=low;");
    close_tower(&at);
}
END_TEST

START_TEST(a_start_cannot_call_its_manager)
{
    tower at = open_tower("events");
    own_manager = at.manager;
    ck_assert_int_eq(apply(&at, "{\"a\": {\"tone\": \"high\"}}"), PANICMON_OK);
    ck_assert_int_eq(atomic_load(&inside), PANICMON_ERR_DEADLOCK);
    await(rung, "a=high;");
    own_manager = NULL;
    close_tower(&at);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("manager_faults");
    TCase *cases = tcase_create("faults");
    tcase_set_timeout(cases, 60);
    tcase_add_test(cases, a_bad_entry_keeps_its_last_good_config);
    tcase_add_test(cases, a_bad_id_costs_its_entry_alone);
    tcase_add_test(cases, without_memory_for_a_config_it_is_tried_again);
    tcase_add_test(cases, a_start_that_hangs_holds_nobody_up);
    tcase_add_test(cases, a_slow_start_is_waited_for);
    tcase_add_loop_test(cases, an_update_that_hangs_is_replaced, 0, EXECUTORS);
    tcase_add_loop_test(cases, a_restart_that_hangs_is_replaced, 0, EXECUTORS);
    tcase_add_loop_test(cases, an_end_that_hangs_frees_its_place, 0, EXECUTORS);
    tcase_add_test(cases, among_many_keys_the_one_that_hangs_is_replaced);
    tcase_add_test(cases, a_start_cannot_call_its_manager);
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
