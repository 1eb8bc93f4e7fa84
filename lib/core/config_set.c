/* config_set.c: config sets: reading a message into entries. What is wrong with an entry's id costs
 * only that entry. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/utf8.h"
#include "core/config_set_impl.h"

/* How much of an id too long is told. */
#define ID_TOLD 40

char *pm_config_copy(const char *text, size_t len)
{
    char *copy = malloc(len + 1);
    if (copy != NULL) {
        memcpy(copy, text, len);
        copy[len] = '\0';
    }
    return copy;
}

char *pm_config_unescape(pm_json string, size_t *len)
{
    pm_buf text = {0};
    if (!pm_json_string(string, &text)) {
        pm_buf_free(&text);
        return NULL;
    }
    return pm_buf_take(&text, len);
}

size_t pm_config_count_members(pm_json object)
{
    pm_json key;
    pm_json value;
    size_t count = 0;
    for (size_t at = 0; pm_json_next_member(object, &at, &key, &value);) {
        count++;
    }
    return count;
}

static bool is_bare(pm_json object)
{
    pm_json value;
    pm_json key;
    for (size_t at = 0; pm_json_next_member(object, &at, &key, &value);) {
        if (pm_json_is(value, '{')) {
            return false;
        }
    }
    return pm_json_is(pm_json_member(object, "id"), '"') ||
           pm_json_is(pm_json_member(object, "node_id"), '"');
}

/* Notes that an entry is left out; false without memory. There is room for one of each. */
static bool add_fault(panicmon_config_set *set, const char *id, pm_json value, const char *problem)
{
    pm_buf text = {0};
    size_t told = 0;
    size_t len = strlen(id);
    for (size_t width = 1; told < len && told < ID_TOLD && width > 0; told += width) {
        width = pm_utf8_width(id + told, len - told);
    }
    pm_buf_format(&text, "%s: entry '%.*s%s': %s; its value is %s", set->routing_key, (int)told, id,
                  told < len ? "..." : "", problem, pm_config_kind(value));
    char *fault = pm_buf_take(&text, NULL);
    if (fault != NULL) {
        set->faults[set->fault_count++] = fault;
    }
    return fault != NULL;
}

/* What is wrong with the id of an entry, of `len` bytes; NULL: nothing. */
static const char *id_problem(const panicmon_config_set *set, const char *id, size_t len)
{
    if (len == 0) {
        return "the id is empty";
    }
    if (len > PM_CONFIG_ID_MAX) {
        return "the id is longer than 256 bytes";
    }
    if (strlen(id) != len) {
        return "the id has a zero byte in it";
    }
    return pm_config_set_find(set, id) != NULL ? "the id stands there twice, the first one counts"
                                               : NULL;
}

/* False without memory. */
static bool add_entry(panicmon_config_set *set, pm_json name, pm_json value)
{
    size_t len = 0;
    char *id = pm_config_unescape(name, &len);
    const char *problem = id == NULL ? NULL : id_problem(set, id, len);
    panicmon_config *made = NULL;
    bool good = id != NULL;
    if (good && problem != NULL) {
        good = add_fault(set, id, value, problem);
    } else if (good) {
        made = pm_config_make(set, id, value);
        good = made != NULL && pm_map_set(&set->index, id, made);
    }
    if (good && made != NULL) {
        set->entries[set->count++] = made;
    } else {
        pm_config_free(made);
    }
    free(id);
    return good;
}

static panicmon_err add_entries(panicmon_config_set *set, pm_json object, panicmon_error **err)
{
    size_t count = pm_config_count_members(object);
    if (count > PM_CONFIG_ENTRIES_MAX) {
        return pm_error_setf(err, PANICMON_ERR_LIMIT, "%s: %zu entries; at most %u are taken",
                             set->routing_key, count, PM_CONFIG_ENTRIES_MAX);
    }
    set->entries = calloc(count + 1, sizeof(panicmon_config *));
    set->faults = calloc(count + 1, sizeof(char *));
    bool good = set->entries != NULL && set->faults != NULL;
    bool bare = is_bare(object);
    if (good && bare) {
        pm_json name = pm_json_member(object, "id");
        good = add_entry(set, pm_json_is(name, '"') ? name : pm_json_member(object, "node_id"),
                         object);
        /* It is all there is: nothing was said of what runs. */
        if (good && set->fault_count > 0) {
            return pm_error_setf(err, PANICMON_ERR_PARSE, "%s", set->faults[0]);
        }
    }
    pm_json key;
    pm_json value;
    for (size_t at = 0; good && !bare && pm_json_next_member(object, &at, &key, &value);) {
        good = pm_json_equals(key, "DEFAULT") || add_entry(set, key, value);
    }
    return good ? PANICMON_OK : pm_error_setf(err, PANICMON_ERR_NOMEM, "out of memory");
}

static bool split_words(panicmon_config_set *set)
{
    const char *at = set->routing_key;
    for (size_t i = 0; i < PM_WORDS_MAX; i++) {
        size_t n = at == NULL ? 0 : strcspn(at, ".");
        set->words[i] = pm_config_copy(at == NULL ? "" : at, n);
        if (set->words[i] == NULL) {
            return false;
        }
        at = at != NULL && at[n] == '.' ? at + n + 1 : NULL;
    }
    return true;
}

panicmon_err pm_config_set_parse(panicmon_config_set **out, const char *routing_key,
                                 const char *json, size_t len, panicmon_error **err)
{
    pm_json object;
    size_t at = 0;
    if (len > PM_CONFIG_BYTES_MAX) {
        return pm_error_setf(err, PANICMON_ERR_LIMIT,
                             "%s: a body of %zu bytes; at most %u are taken", routing_key, len,
                             PM_CONFIG_BYTES_MAX);
    }
    if (!pm_json_parse(json, len, &object, &at)) {
        return pm_error_setf(err, PANICMON_ERR_PARSE, "%s: the body is not JSON (at byte %zu)",
                             routing_key, at);
    }
    if (!pm_json_is(object, '{')) {
        return pm_error_setf(err, PANICMON_ERR_PARSE, "%s: the body is not a JSON object",
                             routing_key);
    }
    panicmon_config_set *set = calloc(1, sizeof *set);
    if (set == NULL) {
        return pm_error_setf(err, PANICMON_ERR_NOMEM, "out of memory");
    }
    atomic_init(&set->refs, 1);
    set->stamp = pm_mono_ns();
    set->routing_key = strdup(routing_key);
    panicmon_err status = set->routing_key == NULL || !split_words(set)
                              ? pm_error_setf(err, PANICMON_ERR_NOMEM, "out of memory")
                              : add_entries(set, object, err);
    if (status != PANICMON_OK) {
        pm_config_set_free(set);
        return status;
    }
    *out = set;
    return PANICMON_OK;
}

panicmon_config_set *pm_config_set_ref(panicmon_config_set *set)
{
    atomic_fetch_add(&set->refs, 1);
    return set;
}

void pm_config_set_free(panicmon_config_set *set)
{
    if (set == NULL || atomic_fetch_sub(&set->refs, 1) != 1) {
        return;
    }
    for (size_t i = 0; i < set->count; i++) {
        pm_config_free(set->entries[i]);
    }
    for (size_t i = 0; i < set->fault_count; i++) {
        free(set->faults[i]);
    }
    for (size_t i = 0; i < PM_WORDS_MAX; i++) {
        free(set->words[i]);
    }
    free(set->faults);
    pm_map_free(&set->index);
    free(set->entries);
    free(set->routing_key);
    free(set);
}

size_t pm_config_set_faults(const panicmon_config_set *set)
{
    return set->fault_count;
}

const char *pm_config_set_fault(const panicmon_config_set *set, size_t i)
{
    return set->faults[i];
}

const panicmon_config *pm_config_set_find(const panicmon_config_set *set, const char *id)
{
    return pm_map_get(&set->index, id);
}

const char *panicmon_config_set_routing_key(const panicmon_config_set *set)
{
    return set->routing_key;
}

int64_t panicmon_config_set_stamp(const panicmon_config_set *set)
{
    return set->stamp;
}

const char *panicmon_config_set_word(const panicmon_config_set *set, size_t i)
{
    return i < PM_WORDS_MAX ? set->words[i] : "";
}

size_t panicmon_config_set_count(const panicmon_config_set *set)
{
    return set->count;
}

const panicmon_config *panicmon_config_set_at(const panicmon_config_set *set, size_t i)
{
    return i < set->count ? set->entries[i] : NULL;
}
