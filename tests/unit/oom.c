/* oom.c: see oom.h. The linker puts the functions below before malloc and its kin, for the test and
 * the library in it (not for the libraries that it stands on). */
#include "oom.h"

#include <check.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

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
static _Thread_local bool passing;

static bool fails(void)
{
    if (passing || !atomic_load(&armed) || (!arming_thread && !atomic_load(&everywhere))) {
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

void oom_arm(long n, bool all_after, bool all_threads)
{
    arming_thread = true;
    atomic_store(&countdown, n);
    atomic_store(&failures, 0);
    atomic_store(&lasting, all_after);
    atomic_store(&everywhere, all_threads);
    atomic_store(&armed, true);
}

void oom_pause(bool paused)
{
    passing = paused;
}

/* Whether anything failed. */
bool oom_disarm(void)
{
    atomic_store(&armed, false);
    return atomic_load(&failures) > 0;
}

/* Runs a scenario with allocation 0, 1, 2... failing, until it gets by without; twice. */
void oom_sweep(panicmon_err (*scenario)(void))
{
    for (int all_after = 0; all_after < 2; all_after++) {
        long n = 0;
        bool hit = true;
        for (; hit; n++) {
            oom_arm(n, all_after, false);
            panicmon_err status = scenario();
            hit = oom_disarm();
            ck_assert_msg(status == PANICMON_OK || (hit && status == PANICMON_ERR_NOMEM),
                          "allocation %ld%s: %s", n, all_after ? " and all after" : "",
                          panicmon_err_name(status));
        }
        ck_assert_msg(n > 1, "nothing was allocated");
    }
}

/* The status of a call, or of its error object, which must agree and is freed. */
panicmon_err oom_done(panicmon_err status, panicmon_error *err)
{
    bool same = err == NULL || panicmon_error_code(err) == status ||
                panicmon_error_code(err) == PANICMON_ERR_NOMEM;
    bool says = err == NULL || panicmon_error_message(err)[0] != '\0';
    panicmon_error_free(err);
    return same && says ? status : PANICMON_ERR_STATE;
}

/* ---- a strategy whose own allocations fail too ---- */

atomic_int oom_users;

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
    atomic_fetch_sub(&oom_users, 1);
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

panicmon_strategy_ops oom_strategy(void)
{
    return (panicmon_strategy_ops){.struct_size = sizeof(panicmon_strategy_ops),
                                   .name = "fake",
                                   .plan = fake_plan,
                                   .parse = fake_parse,
                                   .start = fake_start,
                                   .parsed_free = fake_parsed_free,
                                   .user_free = fake_user_free};
}

const char oom_set[] = "{\"a\": {\"text\": \"{}\"}, \"b\": {\"text\": \"[1, 2]\"}}";

panicmon_err oom_registry(panicmon_registry **out)
{
    const panicmon_strategy_ops ops = oom_strategy();
    panicmon_error *err = NULL;
    panicmon_err status = panicmon_registry_new(out);
    if (status == PANICMON_OK) {
        atomic_fetch_add(&oom_users, 1);
        status = panicmon_registry_add(*out, "fake.*", &ops, &oom_users, &err);
        if (status != PANICMON_OK) { /* `user` stayed ours */
            atomic_fetch_sub(&oom_users, 1);
            panicmon_registry_free(*out);
            *out = NULL;
        }
    }
    return oom_done(status, err);
}

long oom_failures(void)
{
    return atomic_load(&failures);
}
