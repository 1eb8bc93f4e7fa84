/* keep.c: what the manager keeps in the state store: the accepted config sets of the broker, which
 * sends each only once, and the last messages that could not be taken. With the turn. */
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "manager/manager_impl.h"

#define COMPONENT "manager"
#define LIST_KEY  "config_keys"  /* array of routing keys */
#define SET_KEY   "config."      /* with the routing key: the config set */
#define BAD_KEY   "bad_messages" /* array, oldest first */
#define BAD_MAX   100u
#define BODY_MAX  16384u

static void save(panicmon_manager *manager, const char *key, const pm_buf *value)
{
    panicmon_err status = value->failed ? PANICMON_ERR_NOMEM
                                        : pm_store_save(pm_runtime_store(manager->runtime), key,
                                                        value->data, value->len);
    if (status != PANICMON_OK) {
        pm_logf(manager->log, PANICMON_LOG_ERROR, COMPONENT, "%s could not be saved: %s", key,
                panicmon_strerror(status));
    }
}

/* The array under a key; empty when there is none or it is damaged. `text` holds it. */
static pm_json load_array(panicmon_manager *manager, const char *key, pm_buf *text)
{
    pm_json array = {0};
    panicmon_err status = pm_store_load(pm_runtime_store(manager->runtime), key, text);
    if (status == PANICMON_OK &&
        (!pm_json_parse(text->data, text->len, &array, NULL) || !pm_json_is(array, '['))) {
        array = (pm_json){0};
        status = PANICMON_ERR_PARSE;
    }
    if (status != PANICMON_OK && status != PANICMON_ERR_NOENT) {
        pm_logf(manager->log, PANICMON_LOG_ERROR, COMPONENT, "%s could not be read: %s", key,
                panicmon_strerror(status));
    }
    return array;
}

static void add_to_list(panicmon_manager *manager, const char *routing_key)
{
    pm_buf old = {0};
    pm_buf list = {0};
    pm_json array = load_array(manager, LIST_KEY, &old);
    pm_json item;
    bool known = false;
    size_t count = 0;
    pm_buf_char(&list, '[');
    for (size_t at = 0; pm_json_next_element(array, &at, &item); count++) {
        known = known || pm_json_equals(item, routing_key);
        pm_buf_text(&list, count == 0 ? "" : ", ");
        pm_buf_add(&list, item.text, item.len);
    }
    if (!known) {
        pm_buf_text(&list, count == 0 ? "" : ", ");
        pm_buf_json_string(&list, routing_key, strlen(routing_key));
        pm_buf_char(&list, ']');
        save(manager, LIST_KEY, &list);
    }
    pm_buf_free(&old);
    pm_buf_free(&list);
}

void pm_manager_keep(panicmon_manager *manager, const char *routing_key, const char *json,
                     size_t len)
{
    pm_buf key = {0};
    pm_buf value = {0};
    pm_buf_format(&key, SET_KEY "%s", routing_key);
    pm_buf_add(&value, json, len);
    save(manager, key.failed ? LIST_KEY : key.data, &value);
    add_to_list(manager, routing_key);
    pm_buf_free(&key);
    pm_buf_free(&value);
}

static void restore_one(panicmon_manager *manager, const char *routing_key)
{
    pm_buf key = {0};
    pm_buf value = {0};
    pm_buf_format(&key, SET_KEY "%s", routing_key);
    panicmon_err status = key.failed
                              ? PANICMON_ERR_NOMEM
                              : pm_store_load(pm_runtime_store(manager->runtime), key.data, &value);
    if (status == PANICMON_OK) { /* faults are logged there */
        (void)pm_manager_apply_set(manager, routing_key, value.data, value.len, NULL, NULL);
    } else {
        pm_logf(manager->log, PANICMON_LOG_ERROR, COMPONENT,
                "%s: the kept config set could not be read: %s", routing_key,
                panicmon_strerror(status));
    }
    pm_buf_free(&key);
    pm_buf_free(&value);
}

void pm_manager_restore(panicmon_manager *manager)
{
    pm_buf text = {0};
    pm_json array = load_array(manager, LIST_KEY, &text);
    pm_json item;
    size_t count = 0;
    for (size_t at = 0; pm_json_next_element(array, &at, &item); count++) {
        pm_buf routing_key = {0};
        if (pm_json_string(item, &routing_key) &&
            !pm_manager_is_applied(manager, routing_key.data)) {
            restore_one(manager, routing_key.data);
        }
        pm_buf_free(&routing_key);
    }
    if (count > 0) {
        pm_logf(manager->log, PANICMON_LOG_INFO, COMPONENT,
                "%zu config sets of an earlier run were taken up; %zu monitors run", count,
                panicmon_manager_count(manager));
    }
    pm_buf_free(&text);
}

static void add_member(pm_buf *out, const char *name, const char *text, size_t len)
{
    pm_buf_format(out, ", \"%s\": ", name);
    pm_buf_json_string(out, text, len);
}

void pm_manager_park(panicmon_manager *manager, const pm_delivery *delivery, const char *why)
{
    pm_buf old = {0};
    pm_buf list = {0};
    pm_json array = load_array(manager, BAD_KEY, &old);
    pm_json item;
    size_t count = 0;
    size_t skip;
    pm_logf(manager->log, PANICMON_LOG_ERROR, COMPONENT,
            "a message of %zu bytes was not taken and is kept as %s: %s", delivery->len, BAD_KEY,
            why);
    for (size_t at = 0; pm_json_next_element(array, &at, &item);) {
        count++;
    }
    skip = count >= BAD_MAX ? count - BAD_MAX + 1 : 0;
    pm_buf_char(&list, '[');
    for (size_t at = 0; pm_json_next_element(array, &at, &item);) {
        if (skip > 0) {
            skip--;
            continue;
        }
        pm_buf_add(&list, item.text, item.len);
        pm_buf_text(&list, ",\n");
    }
    pm_buf_format(&list, "{\"time_ms\": %lld", (long long)pm_wall_ms());
    add_member(&list, "queue", delivery->queue, strlen(delivery->queue));
    add_member(&list, "routing_key", delivery->routing_key, strlen(delivery->routing_key));
    add_member(&list, "error", why, strlen(why));
    pm_buf_format(&list, ", \"bytes\": %zu", delivery->len);
    add_member(&list, "body", delivery->body, delivery->len < BODY_MAX ? delivery->len : BODY_MAX);
    pm_buf_text(&list, "}]");
    save(manager, BAD_KEY, &list);
    pm_buf_free(&old);
    pm_buf_free(&list);
    if (manager->dead_letter != NULL) {
        (void)pm_runtime_publish(manager->runtime, manager->dead_letter, delivery->routing_key,
                                 delivery->body, delivery->len);
    }
}
