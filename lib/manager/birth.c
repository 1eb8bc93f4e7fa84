/* birth.c: see birth.h. birth->lock guards what the helper and the manager both write. */
#include "manager/birth.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/thread.h"
#include "core/runtime.h"

struct pm_birth {
    pm_errand errand; /* first */
    atomic_int refs;
    panicmon_runtime *runtime;
    char *key;
    char *id;
    pm_strategy *strategy;
    void *parsed;
    int64_t began_ms;

    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool runs;
    pthread_t runner; /* valid while it runs */
    bool over;
    bool given_up;
    panicmon_monitor *monitor;
    panicmon_err status;
    panicmon_error *err;
};

void pm_birth_free(pm_birth *birth)
{
    if (birth == NULL || atomic_fetch_sub(&birth->refs, 1) != 1) {
        return;
    }
    panicmon_monitor_free(birth->monitor);
    panicmon_error_free(birth->err);
    pm_strategy_free(birth->strategy);
    free(birth->key);
    free(birth->id);
    (void)pthread_cond_destroy(&birth->changed);
    (void)pthread_mutex_destroy(&birth->lock);
    free(birth);
}

/* In the helper. */
static void run(pm_errand *errand)
{
    pm_birth *birth = (pm_birth *)errand;
    panicmon_monitor *monitor = NULL;
    panicmon_error *err = NULL;
    pthread_mutex_lock(&birth->lock);
    birth->runs = true;
    birth->runner = pthread_self();
    pthread_mutex_unlock(&birth->lock);
    panicmon_err status = pm_monitor_make(birth->runtime, birth->key, birth->id, birth->strategy,
                                          birth->parsed, &monitor, &err);
    pthread_mutex_lock(&birth->lock);
    birth->runs = false;
    birth->over = true;
    birth->status = status;
    birth->err = err;
    if (!birth->given_up) {
        birth->monitor = monitor;
        monitor = NULL;
    }
    pthread_cond_broadcast(&birth->changed);
    pthread_mutex_unlock(&birth->lock);
    panicmon_monitor_free(monitor);
    pm_birth_free(birth);
}

pm_birth *pm_birth_begin(panicmon_runtime *runtime, const char *key, const char *id,
                         pm_strategy *strategy, void *parsed)
{
    pm_birth *birth = calloc(1, sizeof *birth);
    char *own_key = strdup(key);
    char *own_id = strdup(id);
    if (birth == NULL || own_key == NULL || own_id == NULL) {
        if (parsed != NULL && strategy->ops.parsed_free != NULL) {
            strategy->ops.parsed_free(strategy->user, parsed);
        }
        free(birth);
        free(own_key);
        free(own_id);
        return NULL;
    }
    atomic_init(&birth->refs, 2);
    (void)pthread_mutex_init(&birth->lock, NULL);
    pm_cond_init(&birth->changed);
    birth->errand.run = run;
    birth->runtime = runtime;
    birth->key = own_key;
    birth->id = own_id;
    birth->strategy = pm_strategy_ref(strategy);
    birth->parsed = parsed;
    birth->began_ms = pm_mono_ms();
    pm_runtime_help(runtime, &birth->errand);
    return birth;
}

bool pm_birth_wait(pm_birth *birth, int64_t until_ms)
{
    int waited = 0;
    pthread_mutex_lock(&birth->lock);
    while (!birth->over && waited == 0 && pm_mono_ms() < until_ms) {
        waited = pm_cond_wait_until(&birth->changed, &birth->lock, until_ms);
    }
    bool over = birth->over;
    pthread_mutex_unlock(&birth->lock);
    return over;
}

int64_t pm_birth_began(const pm_birth *birth)
{
    return birth->began_ms;
}

const char *pm_birth_key(const pm_birth *birth)
{
    return birth->key;
}

bool pm_birth_is_here(pm_birth *birth)
{
    pthread_mutex_lock(&birth->lock);
    bool here = birth->runs && pthread_equal(birth->runner, pthread_self());
    pthread_mutex_unlock(&birth->lock);
    return here;
}

panicmon_err pm_birth_take(pm_birth *birth, panicmon_monitor **out, panicmon_error **err)
{
    pthread_mutex_lock(&birth->lock);
    panicmon_err status = birth->status;
    *out = birth->monitor;
    birth->monitor = NULL;
    pm_error_move(err, &birth->err);
    pthread_mutex_unlock(&birth->lock);
    pm_birth_free(birth);
    return status;
}

void pm_birth_give_up(pm_birth *birth)
{
    pthread_mutex_lock(&birth->lock);
    panicmon_monitor *monitor = birth->monitor;
    birth->monitor = NULL;
    birth->given_up = true;
    pthread_mutex_unlock(&birth->lock);
    panicmon_monitor_free(monitor);
}
