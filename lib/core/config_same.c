/* config_same.c: whether two configs say the same. */
#include <stdlib.h>
#include <string.h>

#include "core/config_set_impl.h"

static bool same_value(pm_json a, pm_json b);

/* The members of an object by name, as places in `values`; false without memory. */
static bool index_members(pm_json object, pm_json *values, pm_map *index)
{
    pm_json key;
    for (size_t at = 0; pm_json_next_member(object, &at, &key, values); values++) {
        char *name = pm_config_unescape(key, NULL);
        bool entered = name != NULL && pm_map_set(index, name, values);
        free(name);
        if (!entered) {
            return false;
        }
    }
    return true;
}

/* Objects may have very many members: each is looked up once. Without memory they differ. */
static bool same_object(pm_json a, pm_json b)
{
    pm_json key;
    pm_json value;
    pm_map index = {0};
    size_t count = pm_config_count_members(a);
    pm_json *values =
        count == pm_config_count_members(b) ? calloc(count + 1, sizeof *values) : NULL;
    bool same = values != NULL && index_members(b, values, &index);
    for (size_t at = 0; same && pm_json_next_member(a, &at, &key, &value);) {
        char *name = pm_config_unescape(key, NULL);
        const pm_json *other = name == NULL ? NULL : pm_map_get(&index, name);
        same = other != NULL && same_value(value, *other);
        free(name);
    }
    pm_map_free(&index);
    free(values);
    return same;
}

static bool same_array(pm_json a, pm_json b)
{
    size_t at_a = 0;
    size_t at_b = 0;
    pm_json one;
    pm_json other;
    for (;;) {
        bool more_a = pm_json_next_element(a, &at_a, &one);
        bool more_b = pm_json_next_element(b, &at_b, &other);
        if (!more_a || !more_b) {
            return more_a == more_b;
        }
        if (!same_value(one, other)) {
            return false;
        }
    }
}

/* Depth is bounded by what pm_json_parse() lets in. */
static bool same_value(pm_json a, pm_json b)
{
    if (a.len == b.len && memcmp(a.text, b.text, a.len) == 0) {
        return true;
    }
    if (pm_json_is(a, '{') && pm_json_is(b, '{')) {
        return same_object(a, b);
    }
    if (pm_json_is(a, '[') && pm_json_is(b, '[')) {
        return same_array(a, b);
    }
    return false;
}

bool pm_config_set_same(const panicmon_config_set *a, const panicmon_config_set *b)
{
    bool same = a->count == b->count;
    for (size_t i = 0; same && i < a->count; i++) {
        const panicmon_config *other = pm_config_set_find(b, a->entries[i]->id);
        same = other != NULL && pm_config_same(a->entries[i], other);
    }
    return same;
}

bool pm_config_same(const panicmon_config *a, const panicmon_config *b)
{
    return same_value(a->value, b->value);
}
