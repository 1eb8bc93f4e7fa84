/* manager.c: a manager's life: the turn, the supervisor thread, apply and apply_all. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "base/settings.h"
#include "manager/manager_impl.h"

#define COMPONENT "manager"
/* How long freeing a manager waits for its monitors. */
#define FREE_WAIT_MS 10000

/* ---- the turn ---- */

/* Under the lock: the caller has the turn, or is what its holder waits for. */
static bool is_inside(panicmon_manager *manager)
{
    return (manager->turn_taken && pthread_equal(manager->turn_owner, pthread_self())) ||
           (manager->awaited != NULL && pm_birth_is_here(manager->awaited));
}

panicmon_err pm_manager_take_turn(panicmon_manager *manager)
{
    panicmon_err status = PANICMON_OK;
    pthread_mutex_lock(&manager->lock);
    bool inside = is_inside(manager);
    while (!inside && manager->turn_taken && !manager->closing) {
        (void)pm_cond_wait_until(&manager->changed, &manager->lock, PM_NEVER);
        inside = is_inside(manager);
    }
    if (inside || manager->closing) {
        status = inside ? PANICMON_ERR_DEADLOCK : PANICMON_ERR_STATE;
    } else {
        manager->turn_taken = true;
        manager->turn_owner = pthread_self();
    }
    pthread_mutex_unlock(&manager->lock);
    return status;
}

void pm_manager_give_turn(panicmon_manager *manager)
{
    pthread_mutex_lock(&manager->lock);
    manager->turn_taken = false;
    pthread_cond_broadcast(&manager->changed);
    pthread_mutex_unlock(&manager->lock);
}

bool pm_manager_is_closing(panicmon_manager *manager)
{
    pthread_mutex_lock(&manager->lock);
    bool closing = manager->closing;
    pthread_mutex_unlock(&manager->lock);
    return closing;
}

/* ---- the supervisor ---- */

bool pm_manager_sleep(panicmon_manager *manager, int64_t until_ms)
{
    pthread_mutex_lock(&manager->lock);
    while (!manager->closing && pm_mono_ms() < until_ms) {
        (void)pm_cond_wait_until(&manager->changed, &manager->lock, until_ms);
    }
    bool closing = manager->closing;
    pthread_mutex_unlock(&manager->lock);
    return !closing;
}

/* Until then, or until monitorables are to be published. */
static bool wait_until(panicmon_manager *manager, int64_t until_ms)
{
    pthread_mutex_lock(&manager->lock);
    while (!manager->closing && pm_mono_ms() < pm_earlier(until_ms, manager->announce_ms)) {
        (void)pm_cond_wait_until(&manager->changed, &manager->lock,
                                 pm_earlier(until_ms, manager->announce_ms));
    }
    bool closing = manager->closing;
    pthread_mutex_unlock(&manager->lock);
    return !closing;
}

/* A monitor that was restarted with a new config may have another name now. */
static void announce_renamed(panicmon_manager *manager)
{
    int64_t identities = pm_runtime_identities(manager->runtime);
    if (identities != manager->identities_seen) {
        manager->identities_seen = identities;
        pm_manager_announce_all(manager);
    }
}

/* What the broker has for us is newer than anything kept, so it had to wait. */
static void let_consume(panicmon_manager *manager)
{
    pthread_mutex_lock(&manager->lock);
    manager->restored = true;
    pthread_cond_broadcast(&manager->changed);
    pthread_mutex_unlock(&manager->lock);
}

static void set_supervised(panicmon_manager *manager, bool supervised)
{
    pthread_mutex_lock(&manager->lock);
    manager->supervised = supervised;
    pthread_mutex_unlock(&manager->lock);
}

static void supervisor_main(void *arg)
{
    panicmon_manager *manager = arg;
    int64_t due = pm_mono_ms();
    bool whole = manager->consumer == NULL || pm_manager_restore(manager);
    let_consume(manager);
    while (wait_until(manager, due)) {
        int64_t now = pm_mono_ms();
        bool is_due = now >= due;
        due = is_due ? now + 1000 : due;
        whole = whole || (is_due && pm_manager_restore(manager));
        if (pm_manager_take_turn(manager) != PANICMON_OK) {
            continue;
        }
        pm_manager_announce_due(manager, now);
        if (is_due) {
            due = pm_manager_supervise(manager, pm_mono_ms());
            announce_renamed(manager);
        }
        pm_manager_give_turn(manager);
    }
    set_supervised(manager, false);
    pm_manager_announce_due(manager, PM_NEVER); /* all that wait */
}

/* ---- life ---- */

/* The runtime's may have been set after the manager was made. */
static void renew_log(panicmon_manager *manager)
{
    panicmon_log *log = pm_runtime_log(manager->runtime);
    if (log != manager->log) {
        manager->early_log = manager->log;
        manager->log = pm_log_ref(log);
    }
}

static void on_start(void *user)
{
    panicmon_manager *manager = user;
    if (pm_manager_is_closing(manager)) { /* the stop came before the start was through */
        return;
    }
    renew_log(manager);
    panicmon_err status = pm_manager_consume(manager);
    if (status == PANICMON_OK) {
        set_supervised(manager, true); /* what comes before it runs waits for it, too */
        status = pm_thread_start(&manager->supervisor, "pm:manager", PM_STACK_LARGE,
                                 supervisor_main, manager);
    }
    if (status != PANICMON_OK) {
        set_supervised(manager, false);
        pm_logf(manager->log, PANICMON_LOG_ERROR, COMPONENT, "could not be started: %s",
                panicmon_strerror(status));
        let_consume(manager); /* better without a supervisor than not at all */
    }
}

static void on_stop(void *user)
{
    panicmon_manager *manager = user;
    /* First, so that a message which is refused from here on can no longer be acknowledged: the
     * broker keeps it for the next start. */
    if (manager->consumer != NULL) {
        pm_consumer_interrupt(manager->consumer);
    }
    pthread_mutex_lock(&manager->lock);
    manager->closing = true;
    pthread_cond_broadcast(&manager->changed);
    pthread_mutex_unlock(&manager->lock);
}

static panicmon_err read_settings(panicmon_manager *manager, panicmon_error **err)
{
    const panicmon_settings *settings = pm_runtime_settings(manager->runtime);
    const char *dead_letter = pm_settings_text(settings, "broker.dead_letter");
    const char *list = panicmon_settings_get(settings, "broker.managers");
    /* As long as a node's monitor may be silent and still counts as alive. */
    manager->patience_ms =
        pm_settings_ms(settings, "period.node") * 3 + pm_settings_ms(settings, "round.deadline");
    manager->supervises = pm_settings_int(settings, "rounds") == 0;
    if (!pm_manager_identities_parse(list, manager->enabled)) {
        return pm_error_setf(err, PANICMON_ERR_INVAL,
                             "broker.managers: '%s' is no list of node, network, system, github, "
                             "dockerhub, contracts",
                             list);
    }
    if (dead_letter != NULL && (manager->dead_letter = strdup(dead_letter)) == NULL) {
        return pm_error_setf(err, PANICMON_ERR_NOMEM, "out of memory");
    }
    return PANICMON_OK;
}

panicmon_err panicmon_manager_new(panicmon_manager **out, panicmon_runtime *runtime,
                                  panicmon_error **err)
{
    if (out == NULL || runtime == NULL) {
        return pm_error_setf(err, PANICMON_ERR_INVAL, "a manager needs a runtime");
    }
    panicmon_manager *manager = calloc(1, sizeof *manager);
    if (manager == NULL) {
        return pm_error_setf(err, PANICMON_ERR_NOMEM, "out of memory");
    }
    (void)pthread_mutex_init(&manager->lock, NULL);
    pm_cond_init(&manager->changed);
    manager->announce_ms = PM_NEVER;
    manager->runtime = runtime;
    manager->registry = pm_runtime_registry(runtime);
    manager->log = pm_log_ref(pm_runtime_log(runtime));
    panicmon_err status = read_settings(manager, err);
    if (status == PANICMON_OK) {
        status = pm_runtime_on_stop(runtime, on_stop, manager);
    }
    if (status == PANICMON_OK) {
        status = pm_runtime_on_start(runtime, on_start, manager);
    }
    if (status != PANICMON_OK) {
        panicmon_manager_free(manager);
        return err != NULL && *err != NULL
                   ? status
                   : pm_error_setf(err, status, "the manager: %s", panicmon_strerror(status));
    }
    *out = manager;
    return PANICMON_OK;
}

void panicmon_manager_free(panicmon_manager *manager)
{
    if (manager == NULL) {
        return;
    }
    on_stop(manager);
    pm_runtime_off(manager->runtime, manager); /* from here on no hook runs */
    pm_thread_join(manager->consumer_thread);
    pm_thread_join(manager->supervisor);
    pm_consumer_free(manager->consumer);
    pm_manager_stop_all(manager);
    pm_manager_reap(manager, pm_mono_ms() + FREE_WAIT_MS);
    pm_manager_forget_leavers(manager); /* those that hang */
    while (manager->told != NULL) {
        pm_told *next = manager->told->next;
        free(manager->told);
        manager->told = next;
    }
    pm_manager_forget_kept(manager);
    pm_store_free(manager->store);
    pm_map_free(&manager->in_file);
    free(manager->watched);
    panicmon_log_free(manager->log);
    panicmon_log_free(manager->early_log);
    free(manager->dead_letter);
    (void)pthread_cond_destroy(&manager->changed);
    (void)pthread_mutex_destroy(&manager->lock);
    free(manager);
}

/* ---- applying ---- */

/* `bases` NULL: the monitorables are published at once. */
static panicmon_err apply(panicmon_manager *manager, const char *routing_key, const char *json,
                          size_t len, pm_map *bases, panicmon_error **err)
{
    bool taken = false;
    panicmon_err status = pm_manager_take_turn(manager);
    if (status != PANICMON_OK) {
        return pm_error_setf(err, status, "%s: %s", routing_key, panicmon_strerror(status));
    }
    status = pm_manager_apply_set(manager, routing_key, json, len, &taken, err);
    if (taken && bases != NULL) {
        pm_manager_announce_later(manager, bases, routing_key);
    } else if (taken) {
        pm_manager_announce_soon(manager, routing_key);
    }
    pm_manager_give_turn(manager);
    return status;
}

panicmon_err panicmon_manager_apply(panicmon_manager *manager, const char *routing_key,
                                    const char *json, size_t len, panicmon_error **err)
{
    if (manager == NULL || routing_key == NULL || (json == NULL && len > 0)) {
        return pm_error_setf(err, PANICMON_ERR_INVAL, "manager, routing key and config are needed");
    }
    return apply(manager, routing_key, json == NULL ? "" : json, len, NULL, err);
}

/* Publishes what was noted, if there still is someone to. */
static void announce(panicmon_manager *manager, pm_map *bases)
{
    if (bases->count > 0 && pm_manager_take_turn(manager) == PANICMON_OK) {
        pm_manager_announce_bases(manager, bases);
        pm_manager_give_turn(manager);
    }
    pm_map_free(bases);
}

/* Keeps the first failure. */
static panicmon_err apply_one(panicmon_manager *manager, const char *routing_key, pm_json set,
                              pm_map *bases, panicmon_err *status, panicmon_error **err)
{
    panicmon_error *own = NULL;
    panicmon_err got = apply(manager, routing_key, set.text, set.len, bases, &own);
    if (got != PANICMON_OK && *status == PANICMON_OK) {
        *status = got;
        pm_error_move(err, &own);
    }
    panicmon_error_free(own);
    return got;
}

/* The keys of an object, each with the text of its value, the last one of equal keys; false without
 * memory. */
static bool read_keys(pm_json object, pm_map *keys)
{
    pm_json key;
    pm_json value;
    bool good = true;
    for (size_t at = 0; good && pm_json_next_member(object, &at, &key, &value);) {
        pm_buf name = {0};
        good = pm_json_string(key, &name) &&
               pm_map_set(keys, name.data, (void *)(uintptr_t)value.text);
        pm_buf_free(&name);
    }
    return good;
}

/* Applies the members of an object whose keys were read. */
static void apply_members(panicmon_manager *manager, pm_json object, const pm_map *keys,
                          pm_map *bases, panicmon_err *status, panicmon_error **err)
{
    pm_json key;
    pm_json value;
    for (size_t at = 0; pm_json_next_member(object, &at, &key, &value);) {
        pm_buf name = {0};
        if (!pm_json_string(key, &name)) {
            *status = *status == PANICMON_OK
                          ? pm_error_setf(err, PANICMON_ERR_NOMEM, "out of memory")
                          : *status;
        } else if (pm_map_get(keys, name.data) == value.text) {
            (void)apply_one(manager, name.data, value, bases, status, err);
        }
        pm_buf_free(&name);
    }
}

panicmon_err panicmon_manager_apply_all(panicmon_manager *manager, const char *json, size_t len,
                                        panicmon_error **err)
{
    static const pm_json nothing = {.text = "{}", .len = 2};
    static char again;
    pm_map keys = {0};
    pm_map bases = {0};
    pm_json object;
    size_t at = 0;
    const char *key;
    if (manager == NULL || json == NULL) {
        return pm_error_setf(err, PANICMON_ERR_INVAL, "manager and configs are needed");
    }
    if (!pm_json_parse(json, len, &object, &at) || !pm_json_is(object, '{')) {
        return pm_error_setf(err, PANICMON_ERR_PARSE, "configs: not a JSON object (at byte %zu)",
                             at);
    }
    if (!read_keys(object, &keys)) {
        pm_map_free(&keys);
        return pm_error_setf(err, PANICMON_ERR_NOMEM, "out of memory");
    }
    panicmon_err status = PANICMON_OK;
    pthread_mutex_lock(&manager->lock);
    pm_map before = manager->in_file;
    manager->in_file = (pm_map){0};
    pthread_mutex_unlock(&manager->lock);
    for (size_t i = 0; pm_map_next(&before, &i, &key, NULL);) {
        if (pm_map_get(&keys, key) == NULL) {
            panicmon_err got = apply_one(manager, key, nothing, &bases, &status, err);
            if (got != PANICMON_OK && got != PANICMON_ERR_NOENT) { /* to be tried next time */
                (void)pm_map_set(&keys, key, &again);
            }
        }
    }
    apply_members(manager, object, &keys, &bases, &status, err);
    announce(manager, &bases);
    pm_map_free(&before);
    pthread_mutex_lock(&manager->lock);
    before = manager->in_file; /* of another call meanwhile: the last one wins */
    manager->in_file = keys;
    pthread_mutex_unlock(&manager->lock);
    pm_map_free(&before);
    return status;
}

panicmon_err panicmon_manager_ping(panicmon_manager *manager)
{
    panicmon_err status = PANICMON_OK;
    for (size_t i = 0; i < PM_IDENTITIES; i++) {
        if (manager->enabled[i]) {
            panicmon_err got = pm_manager_heartbeat(manager, i);
            status = status == PANICMON_OK ? got : status;
        }
    }
    return status;
}

size_t panicmon_manager_count(const panicmon_manager *manager)
{
    panicmon_manager *own = (panicmon_manager *)(uintptr_t)manager; /* only its lock changes */
    size_t count = 0;
    void *value;
    pthread_mutex_lock(&own->lock);
    for (size_t at = 0; pm_map_next(&own->groups, &at, NULL, &value);) {
        const pm_group *group = value;
        for (size_t a = 0; a < group->count; a++) {
            const pm_arm *arm = group->arms[a];
            for (size_t i = 0; i < arm->count; i++) {
                count += arm->entries[i].monitor != NULL;
            }
        }
    }
    pthread_mutex_unlock(&own->lock);
    return count;
}
