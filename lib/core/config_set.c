/* config_set.c: config sets and their entries. A set keeps one copy of the message; entries are
 * slices into it with their own terminated texts made on demand at parse time. */
#include "core/config_set.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/error.h"
#include "base/map.h"

#define WORDS_MAX 8

/* A text member of an entry, unescaped. */
typedef struct text_field {
    const char *name;
    const char *value;
} text_field;

struct panicmon_config {
    const panicmon_config_set *set;
    char *id;
    char *json; /* its own copy, terminated */
    size_t len;
    pm_json value; /* the slice of `json` */
    text_field *texts;
    char *bytes; /* what the texts point into */
    size_t text_count;
    bool planned; /* made by a plan, which owns it */
};

struct panicmon_config_set {
    atomic_int refs;
    char *routing_key;
    char *words[WORDS_MAX];
    panicmon_config **entries;
    size_t count;
    pm_map index; /* id -> entry */
};

static char *copy_bytes(const char *text, size_t len)
{
    char *copy = malloc(len + 1);
    if (copy != NULL) {
        memcpy(copy, text, len);
        copy[len] = '\0';
    }
    return copy;
}

static char *unescaped(pm_json string)
{
    pm_buf text = {0};
    if (!pm_json_string(string, &text)) {
        pm_buf_free(&text);
        return NULL;
    }
    return pm_buf_take(&text, NULL);
}

static void config_free(panicmon_config *config)
{
    if (config == NULL) {
        return;
    }
    free(config->texts);
    free(config->bytes);
    free(config->id);
    free(config->json);
    free(config);
}

/* Appends a text and its end to `all`, which has room. */
static const char *add_text(pm_buf *all, pm_json string)
{
    size_t begin = all->len;
    bool good = pm_json_string(string, all);
    pm_buf_char(all, '\0');
    return good && !all->failed ? all->data + begin : NULL;
}

/* All texts lie in one block: unescaped and with an end each takes no more than it does quoted. */
static bool read_texts(panicmon_config *config)
{
    pm_json key;
    pm_json value;
    size_t count = 0;
    size_t bytes = 1;
    for (size_t at = 0; pm_json_next_member(config->value, &at, &key, &value);) {
        if (pm_json_is(value, '"')) {
            count++;
            bytes += key.len + value.len;
        }
    }
    if (count == 0) {
        return true;
    }
    config->texts = calloc(count, sizeof *config->texts);
    config->bytes = malloc(bytes);
    if (config->texts == NULL || config->bytes == NULL) {
        return false;
    }
    pm_buf all = {.data = config->bytes, .cap = bytes};
    for (size_t at = 0; pm_json_next_member(config->value, &at, &key, &value);) {
        if (pm_json_is(value, '"')) {
            text_field *text = &config->texts[config->text_count++];
            text->name = add_text(&all, key);
            text->value = add_text(&all, value);
            if (text->name == NULL || text->value == NULL) {
                return false;
            }
        }
    }
    return true;
}

/* `value` is checked JSON; any kind. NULL without memory. */
static panicmon_config *config_make(const panicmon_config_set *set, const char *id, pm_json value)
{
    panicmon_config *config = calloc(1, sizeof *config);
    if (config == NULL) {
        return NULL;
    }
    config->set = set;
    config->id = strdup(id);
    config->json = copy_bytes(value.text, value.len);
    config->len = value.len;
    config->value = (pm_json){.text = config->json, .len = config->len};
    if (config->id == NULL || config->json == NULL || !read_texts(config)) {
        config_free(config);
        return NULL;
    }
    return config;
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

static panicmon_err add_entry(panicmon_config_set *set, const char *id, pm_json value,
                              panicmon_error **err)
{
    if (strlen(id) > PM_CONFIG_ID_MAX || id[0] == '\0') {
        return pm_error_setf(err, PANICMON_ERR_PARSE, "%s: an id of %zu bytes (1 to %u are taken)",
                             set->routing_key, strlen(id), PM_CONFIG_ID_MAX);
    }
    if (pm_config_set_find(set, id) != NULL) {
        return pm_error_setf(err, PANICMON_ERR_PARSE, "%s: id '%s' stands there twice",
                             set->routing_key, id);
    }
    panicmon_config *made = config_make(set, id, value);
    if (made == NULL) {
        return pm_error_setf(err, PANICMON_ERR_NOMEM, "out of memory");
    }
    if (!pm_map_set(&set->index, id, made)) {
        config_free(made);
        return pm_error_setf(err, PANICMON_ERR_NOMEM, "out of memory");
    }
    set->entries[set->count++] = made;
    return PANICMON_OK;
}

static size_t count_members(pm_json object)
{
    pm_json key;
    pm_json value;
    size_t count = 0;
    for (size_t at = 0; pm_json_next_member(object, &at, &key, &value);) {
        count++;
    }
    return count;
}

static panicmon_err add_entries(panicmon_config_set *set, pm_json object, panicmon_error **err)
{
    size_t count = count_members(object);
    if (count > PM_CONFIG_ENTRIES_MAX) {
        return pm_error_setf(err, PANICMON_ERR_LIMIT, "%s: %zu entries; at most %u are taken",
                             set->routing_key, count, PM_CONFIG_ENTRIES_MAX);
    }
    set->entries = calloc(count > 0 ? count : 1, sizeof(panicmon_config *));
    if (set->entries == NULL) {
        return pm_error_setf(err, PANICMON_ERR_NOMEM, "out of memory");
    }
    pm_json key;
    pm_json value;
    panicmon_err status = PANICMON_OK;
    if (is_bare(object)) {
        pm_json name = pm_json_member(object, "id");
        char *id = unescaped(pm_json_is(name, '"') ? name : pm_json_member(object, "node_id"));
        status = id == NULL ? PANICMON_ERR_NOMEM : add_entry(set, id, object, err);
        free(id);
        return status;
    }
    for (size_t at = 0; status == PANICMON_OK && pm_json_next_member(object, &at, &key, &value);) {
        if (pm_json_equals(key, "DEFAULT")) {
            continue;
        }
        char *id = unescaped(key);
        status = id == NULL ? PANICMON_ERR_NOMEM : add_entry(set, id, value, err);
        free(id);
    }
    return status;
}

static bool split_words(panicmon_config_set *set)
{
    const char *at = set->routing_key;
    for (size_t i = 0; i < WORDS_MAX; i++) {
        size_t n = at == NULL ? 0 : strcspn(at, ".");
        set->words[i] = copy_bytes(at == NULL ? "" : at, n);
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
        config_free(set->entries[i]);
    }
    for (size_t i = 0; i < WORDS_MAX; i++) {
        free(set->words[i]);
    }
    pm_map_free(&set->index);
    free(set->entries);
    free(set->routing_key);
    free(set);
}

const panicmon_config *pm_config_set_find(const panicmon_config_set *set, const char *id)
{
    return pm_map_get(&set->index, id);
}

const char *panicmon_config_set_routing_key(const panicmon_config_set *set)
{
    return set->routing_key;
}

const char *panicmon_config_set_word(const panicmon_config_set *set, size_t i)
{
    return i < WORDS_MAX ? set->words[i] : "";
}

size_t panicmon_config_set_count(const panicmon_config_set *set)
{
    return set->count;
}

const panicmon_config *panicmon_config_set_at(const panicmon_config_set *set, size_t i)
{
    return i < set->count ? set->entries[i] : NULL;
}

const panicmon_config_set *panicmon_config_of(const panicmon_config *config)
{
    return config->set;
}

const char *panicmon_config_id(const panicmon_config *config)
{
    return config->id;
}

const char *panicmon_config_json(const panicmon_config *config, size_t *len)
{
    if (len != NULL) {
        *len = config->len;
    }
    return config->json;
}

int panicmon_config_has(const panicmon_config *config, const char *field)
{
    return pm_json_member(config->value, field).text != NULL;
}

panicmon_err panicmon_config_fault(const panicmon_config *config, const char *field,
                                   const char *problem, panicmon_error **err)
{
    return pm_error_setf(err, PANICMON_ERR_PARSE, "%s: entry '%s': %s: %s",
                         config->set->routing_key, config->id, field, problem);
}

/* What a value is, in words. */
static const char *kind_of(pm_json value)
{
    static const struct {
        char kind;
        const char *word;
    } kinds[] = {{'{', "an object"},     {'[', "an array"}, {'"', "text"},
                 {'t', "true or false"}, {'n', "null"},     {'0', "a number"}};
    size_t i = 0;
    while (i < sizeof kinds / sizeof kinds[0] - 1 && !pm_json_is(value, kinds[i].kind)) {
        i++;
    }
    return kinds[i].word;
}

/* A fault of the kind of value: "is a number, not text". */
static panicmon_err wrong_kind(const panicmon_config *config, const char *field,
                               const char *expected, panicmon_error **err)
{
    const char *key = config->set->routing_key;
    if (!pm_json_is(config->value, '{')) {
        return pm_error_setf(err, PANICMON_ERR_PARSE, "%s: entry '%s': is %s, not an object", key,
                             config->id, kind_of(config->value));
    }
    return pm_error_setf(err, PANICMON_ERR_PARSE, "%s: entry '%s': %s: is %s, not %s", key,
                         config->id, field, kind_of(pm_json_member(config->value, field)),
                         expected);
}

panicmon_err panicmon_config_text(const panicmon_config *config, const char *field,
                                  const char **out, panicmon_error **err)
{
    if (!pm_json_is(config->value, '{')) {
        return wrong_kind(config, field, "text", err);
    }
    for (size_t i = config->text_count; i-- > 0;) {
        if (strcmp(config->texts[i].name, field) == 0) {
            *out = config->texts[i].value;
            return PANICMON_OK;
        }
    }
    if (panicmon_config_has(config, field)) {
        return wrong_kind(config, field, "text", err);
    }
    (void)panicmon_config_fault(config, field, "is missing", err);
    return PANICMON_ERR_NOENT;
}

panicmon_err panicmon_config_flag(const panicmon_config *config, const char *field, int absent,
                                  int *out, panicmon_error **err)
{
    pm_json value = pm_json_member(config->value, field);
    bool flag;
    if (value.text == NULL) {
        *out = absent;
        return PANICMON_OK;
    }
    if (pm_json_bool(value, &flag)) {
        *out = flag;
        return PANICMON_OK;
    }
    const char *text = "";
    panicmon_err status = panicmon_config_text(config, field, &text, NULL);
    if (status != PANICMON_OK) {
        return wrong_kind(config, field, "text, true or false", err);
    }
    *out = strcasecmp(text, "true") == 0 || strcasecmp(text, "yes") == 0;
    return PANICMON_OK;
}

/* ---- plans ---- */

static panicmon_err plan_push(panicmon_plan *plan, panicmon_config *config)
{
    if (plan->count == plan->capacity) {
        size_t capacity = plan->capacity == 0 ? 16 : plan->capacity * 2;
        panicmon_config **items = realloc(plan->items, capacity * sizeof(panicmon_config *));
        if (items == NULL) {
            return PANICMON_ERR_NOMEM;
        }
        plan->items = items;
        plan->capacity = capacity;
    }
    plan->items[plan->count++] = config;
    return PANICMON_OK;
}

panicmon_err panicmon_plan_add(panicmon_plan *plan, const char *id, const char *json, size_t len,
                               panicmon_error **err)
{
    const char *key = plan->set->routing_key;
    if (id != NULL && pm_map_get(&plan->index, id) != NULL) {
        return pm_error_setf(err, PANICMON_ERR_EXISTS, "%s: '%s' was planned twice", key, id);
    }
    panicmon_config *config = NULL;
    if (id != NULL && json == NULL) {
        config = (panicmon_config *)pm_config_set_find(plan->set, id);
    } else if (id != NULL) {
        pm_json value;
        if (!pm_json_parse(json, len, &value, NULL)) {
            return pm_error_setf(err, PANICMON_ERR_PARSE, "%s: the plan of '%s' is not JSON", key,
                                 id);
        }
        config = config_make(plan->set, id, value);
        if (config != NULL) {
            config->planned = true;
        }
    }
    if (config == NULL) {
        return pm_error_setf(err,
                             id == NULL || json == NULL ? PANICMON_ERR_NOENT : PANICMON_ERR_NOMEM,
                             "%s: '%s' cannot be planned", key, id == NULL ? "" : id);
    }
    panicmon_err status =
        pm_map_set(&plan->index, id, config) ? plan_push(plan, config) : PANICMON_ERR_NOMEM;
    if (status != PANICMON_OK) {
        (void)pm_map_remove(&plan->index, id);
    }
    if (status != PANICMON_OK && config->planned) {
        config_free(config);
    }
    return status == PANICMON_OK ? status : pm_error_setf(err, status, "out of memory");
}

panicmon_err pm_plan_make(panicmon_plan *plan, const pm_strategy *strategy,
                          const panicmon_config_set *set, panicmon_error **err)
{
    *plan = (panicmon_plan){.set = set};
    panicmon_err status = PANICMON_OK;
    if (strategy->ops.plan != NULL) {
        status = strategy->ops.plan(strategy->user, set, plan, err);
    } else {
        for (size_t i = 0; status == PANICMON_OK && i < set->count; i++) {
            status = plan_push(plan, set->entries[i]);
        }
    }
    if (status != PANICMON_OK) {
        pm_plan_free(plan);
    }
    return status;
}

void pm_plan_free(panicmon_plan *plan)
{
    for (size_t i = 0; i < plan->count; i++) {
        if (plan->items[i]->planned) {
            config_free(plan->items[i]);
        }
    }
    free(plan->items);
    pm_map_free(&plan->index);
    *plan = (panicmon_plan){0};
}

static bool same_value(pm_json a, pm_json b);

/* The members of an object by name, as places in `values`; false without memory. */
static bool index_members(pm_json object, pm_json *values, pm_map *index)
{
    pm_json key;
    for (size_t at = 0; pm_json_next_member(object, &at, &key, values); values++) {
        char *name = unescaped(key);
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
    size_t count = count_members(a);
    pm_json *values = count == count_members(b) ? calloc(count + 1, sizeof *values) : NULL;
    bool same = values != NULL && index_members(b, values, &index);
    for (size_t at = 0; same && pm_json_next_member(a, &at, &key, &value);) {
        char *name = unescaped(key);
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
