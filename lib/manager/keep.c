/* keep.c: what the manager keeps in the state store: the accepted config sets of the broker, which
 * sends each only once, and the last messages that could not be taken. Both lists stand in memory,
 * and are saved only after what the store held was read: a store that is away at first must not be
 * overwritten with less. With the turn, except restoring. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "manager/manager_impl.h"

#define COMPONENT "manager"
#define LIST_KEY  "config_keys"  /* array of routing keys */
#define SET_KEY   "config."      /* with the routing key: the config set */
#define BAD_KEY   "bad_messages" /* array, oldest first */
#define BODY_MAX  16384u
/* How long a read may take; a stop waits for it. */
#define LOAD_MS 500

static char present; /* what the maps hold */

static void tell_unsaved(panicmon_manager *manager, const char *key, panicmon_err status)
{
    pm_logf(manager->log, PANICMON_LOG_ERROR, COMPONENT, "%s could not be saved: %s", key,
            panicmon_strerror(status));
}

static void save(panicmon_manager *manager, const char *key, const pm_buf *value)
{
    panicmon_err status = value->failed
                              ? PANICMON_ERR_NOMEM
                              : pm_store_save(manager->store, key, value->data, value->len);
    if (status != PANICMON_OK) {
        tell_unsaved(manager, key, status);
    }
}

/* ---- the lists ---- */

static void save_kept(panicmon_manager *manager)
{
    pm_buf list = {0};
    const char *key;
    pm_buf_char(&list, '[');
    for (size_t at = 0; pm_map_next(&manager->kept, &at, &key, NULL);) {
        pm_buf_text(&list, list.len == 1 ? "" : ", ");
        pm_buf_json_string(&list, key, strlen(key));
    }
    pm_buf_char(&list, ']');
    save(manager, LIST_KEY, &list);
    pm_buf_free(&list);
}

static void save_parked(panicmon_manager *manager)
{
    pm_buf list = {0};
    for (size_t i = 0; i < manager->parked_count; i++) {
        pm_buf_text(&list, i == 0 ? "[" : ",\n");
        pm_buf_text(&list, manager->parked[i]);
    }
    pm_buf_text(&list, "]");
    save(manager, BAD_KEY, &list);
    pm_buf_free(&list);
}

/* Puts an entry, taken over, at place `at` and drops the oldest when there are too many. */
static void park(panicmon_manager *manager, size_t at, char *entry)
{
    char **parked = manager->parked;
    if (manager->parked_count == PM_PARKED_MAX && at == 0) {
        free(entry); /* it is the oldest */
        return;
    }
    if (manager->parked_count == PM_PARKED_MAX) {
        free(parked[0]);
        memmove(parked, parked + 1, (PM_PARKED_MAX - 1) * sizeof *parked);
        manager->parked_count--;
        at--;
    }
    memmove(parked + at + 1, parked + at, (manager->parked_count - at) * sizeof *parked);
    parked[at] = entry;
    manager->parked_count++;
}

/* Puts what an earlier life parked before what this one did. */
static void take_in_parked(panicmon_manager *manager, pm_json array)
{
    pm_json item;
    size_t place = 0;
    for (size_t at = 0; pm_json_next_element(array, &at, &item);) {
        char *entry = strndup(item.text, item.len);
        if (entry != NULL) {
            size_t before = manager->parked_count;
            park(manager, place, entry);
            place += manager->parked_count > before;
        }
    }
}

void pm_manager_forget_kept(panicmon_manager *manager)
{
    for (size_t i = 0; i < manager->parked_count; i++) {
        free(manager->parked[i]);
    }
    manager->parked_count = 0;
    pm_map_free(&manager->kept);
    pm_map_free(&manager->decided);
}

/* ---- keeping ---- */

/* The entries that run with an older config, by id: that config; false without memory. */
static bool find_lent(const panicmon_manager *manager, const char *routing_key, pm_map *lent)
{
    const pm_group *group = pm_map_get(&manager->groups, routing_key); /* read with the turn */
    bool good = true;
    for (size_t a = 0; group != NULL && a < group->count; a++) {
        const pm_arm *arm = group->arms[a];
        for (size_t i = 0; good && i < arm->count; i++) {
            const pm_arm *lender = arm->entries[i].lender;
            const char *id = panicmon_config_id(arm->entries[i].config);
            const void *config = lender == NULL ? NULL : pm_config_set_find(lender->set, id);
            good = config == NULL || pm_map_set(lent, id, (void *)(uintptr_t)config);
        }
    }
    return good;
}

/* The set as it stands: an entry that was refused as it was before, so that the next start goes on
 * with that too. */
static bool add_standing(panicmon_manager *manager, const char *routing_key, const char *json,
                         size_t len, pm_buf *out)
{
    panicmon_config_set *set = NULL;
    pm_map lent = {0};
    bool good = find_lent(manager, routing_key, &lent) && lent.count > 0 &&
                pm_config_set_parse(&set, routing_key, json, len, NULL) == PANICMON_OK;
    for (size_t i = 0; good && i < panicmon_config_set_count(set); i++) {
        const panicmon_config *config = panicmon_config_set_at(set, i);
        const char *id = panicmon_config_id(config);
        const panicmon_config *older = pm_map_get(&lent, id);
        pm_buf_text(out, i == 0 ? "{" : ", ");
        pm_buf_json_string(out, id, strlen(id));
        pm_buf_text(out, ": ");
        pm_buf_text(out, panicmon_config_json(older != NULL ? older : config, NULL));
    }
    pm_buf_char(out, '}');
    pm_config_set_free(set);
    pm_map_free(&lent);
    return good && !out->failed;
}

void pm_manager_keep(panicmon_manager *manager, const char *routing_key, const char *json,
                     size_t len)
{
    pm_buf key = {0};
    pm_buf value = {0};
    pm_buf_format(&key, SET_KEY "%s", routing_key);
    if (!add_standing(manager, routing_key, json, len, &value)) {
        pm_buf_clear(&value);
        pm_buf_add(&value, json, len);
    }
    if (key.failed) {
        tell_unsaved(manager, routing_key, PANICMON_ERR_NOMEM);
    } else {
        save(manager, key.data, &value);
    }
    if (pm_map_get(&manager->kept, routing_key) == NULL) {
        if (!pm_map_set(&manager->kept, routing_key, &present)) {
            tell_unsaved(manager, routing_key, PANICMON_ERR_NOMEM);
        } else if (manager->store_read) {
            save_kept(manager);
        }
    }
    pm_buf_free(&key);
    pm_buf_free(&value);
}

static void add_member(pm_buf *out, const char *name, const char *text, size_t len)
{
    pm_buf_format(out, ", \"%s\": ", name);
    pm_buf_json_string(out, text, len);
}

void pm_manager_park(panicmon_manager *manager, const pm_delivery *delivery, const char *why)
{
    size_t len = delivery->body == NULL ? 0 : delivery->len;
    pm_buf entry = {0};
    pm_buf_format(&entry, "{\"time_ms\": %lld", (long long)pm_wall_ms());
    add_member(&entry, "queue", delivery->queue, strlen(delivery->queue));
    add_member(&entry, "routing_key", delivery->routing_key, strlen(delivery->routing_key));
    add_member(&entry, "error", why, strlen(why));
    pm_buf_format(&entry, ", \"bytes\": %zu", len);
    add_member(&entry, "body", len == 0 ? "" : delivery->body, len < BODY_MAX ? len : BODY_MAX);
    pm_buf_char(&entry, '}');
    char *text = pm_buf_take(&entry, NULL);
    if (text == NULL) {
        tell_unsaved(manager, BAD_KEY, PANICMON_ERR_NOMEM);
    } else {
        park(manager, manager->parked_count, text);
        if (manager->store_read) {
            save_parked(manager);
        }
    }
    if (manager->dead_letter != NULL && delivery->error == NULL) { /* else there is no body */
        (void)pm_runtime_publish(manager->runtime, manager->dead_letter, delivery->routing_key,
                                 len == 0 ? "" : delivery->body, len);
    }
}

/* ---- restoring ---- */

/* The array under a key in `*array`, whose text `text` holds; an absent one when there is none, or
 * it is damaged. False: it cannot be read now. */
static bool load_array(panicmon_manager *manager, const char *key, pm_buf *text, pm_json *array)
{
    panicmon_err status = pm_store_load_until(manager->store, key, pm_mono_ms() + LOAD_MS, text);
    *array = (pm_json){0};
    if (status == PANICMON_OK &&
        (!pm_json_parse(text->data, text->len, array, NULL) || !pm_json_is(*array, '['))) {
        *array = (pm_json){0};
        pm_logf(manager->log, PANICMON_LOG_ERROR, COMPONENT, "%s is damaged; it is made anew", key);
    } else if (status != PANICMON_OK && status != PANICMON_ERR_NOENT) {
        pm_logf(manager->log, PANICMON_LOG_WARNING, COMPONENT,
                "what was kept cannot be read (%s: %s); it will be tried again", key,
                panicmon_strerror(status));
        return false;
    }
    return true;
}

/* False: the set cannot be read now. */
static bool restore_one(panicmon_manager *manager, const char *routing_key, pm_map *bases)
{
    pm_buf key = {0};
    pm_buf value = {0};
    pm_buf_format(&key, SET_KEY "%s", routing_key);
    panicmon_err status =
        key.failed ? PANICMON_ERR_NOMEM
                   : pm_store_load_until(manager->store, key.data, pm_mono_ms() + LOAD_MS, &value);
    if (status == PANICMON_OK) { /* faults are logged there */
        bool taken = false;
        if (pm_manager_apply_set(manager, routing_key, value.data, value.len, &taken, NULL) ==
                PANICMON_ERR_NOMEM &&
            !taken) {
            status = PANICMON_ERR_NOMEM; /* to be tried again */
        }
        if (taken) {
            pm_manager_announce_later(manager, bases, routing_key);
        }
    } else {
        pm_logf(manager->log, PANICMON_LOG_ERROR, COMPONENT,
                "%s: the kept config set could not be read: %s", routing_key,
                panicmon_strerror(status));
    }
    pm_buf_free(&key);
    pm_buf_free(&value);
    return status == PANICMON_OK || status == PANICMON_ERR_NOENT;
}

static bool restore_sets(panicmon_manager *manager, pm_json keys)
{
    pm_json item;
    pm_map bases = {0};
    size_t count = 0;
    bool whole = true;
    for (size_t at = 0; whole && pm_json_next_element(keys, &at, &item);) {
        pm_buf key = {0};
        if (pm_json_string(item, &key) && !key.failed && key.data != NULL) {
            whole = pm_map_set(&manager->kept, key.data, &present);
            if (pm_map_get(&manager->decided, key.data) == NULL) {
                whole = restore_one(manager, key.data, &bases) && whole;
                count++;
            }
        }
        pm_buf_free(&key);
    }
    pm_manager_announce_bases(manager, &bases);
    if (count > 0) {
        pm_logf(manager->log, PANICMON_LOG_INFO, COMPONENT,
                "%zu config sets of an earlier run were taken up; %zu monitors run", count,
                panicmon_manager_count(manager));
    }
    return whole;
}

bool pm_manager_restore(panicmon_manager *manager)
{
    pm_buf text[2] = {{0}, {0}};
    pm_json keys;
    pm_json bad;
    bool whole = load_array(manager, LIST_KEY, &text[0], &keys) &&
                 load_array(manager, BAD_KEY, &text[1], &bad) &&
                 pm_manager_take_turn(manager) == PANICMON_OK;
    if (whole) {
        size_t kept = manager->kept.count;
        size_t parked = manager->parked_count;
        whole = restore_sets(manager, keys);
        if (whole && !manager->store_read) {
            take_in_parked(manager, bad);
            manager->store_read = true;
            if (kept > 0) { /* came while the store was away */
                save_kept(manager);
            }
            if (parked > 0) {
                save_parked(manager);
            }
        }
        pm_manager_give_turn(manager);
    }
    pm_buf_free(&text[0]);
    pm_buf_free(&text[1]);
    return whole;
}
