/* config.c: an entry of a config set, and what it says to strategies. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/error.h"
#include "core/config_set_impl.h"

void pm_config_free(panicmon_config *config)
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
            pm_text_field *text = &config->texts[config->text_count++];
            text->name = add_text(&all, key);
            text->value = add_text(&all, value);
            if (text->name == NULL || text->value == NULL) {
                return false;
            }
        }
    }
    return true;
}

panicmon_config *pm_config_make(const panicmon_config_set *set, const char *id, pm_json value)
{
    panicmon_config *config = calloc(1, sizeof *config);
    if (config == NULL) {
        return NULL;
    }
    config->set = set;
    config->id = strdup(id);
    config->json = pm_config_copy(value.text, value.len);
    config->len = value.len;
    config->value = (pm_json){.text = config->json, .len = config->len};
    if (config->id == NULL || config->json == NULL || !read_texts(config)) {
        pm_config_free(config);
        return NULL;
    }
    return config;
}

const char *pm_config_kind(pm_json value)
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

/* A fault of the kind of value: "is a number, not text". */
static panicmon_err wrong_kind(const panicmon_config *config, const char *field,
                               const char *expected, panicmon_error **err)
{
    const char *key = config->set->routing_key;
    if (!pm_json_is(config->value, '{')) {
        return pm_error_setf(err, PANICMON_ERR_PARSE, "%s: entry '%s': is %s, not an object", key,
                             config->id, pm_config_kind(config->value));
    }
    return pm_error_setf(err, PANICMON_ERR_PARSE, "%s: entry '%s': %s: is %s, not %s", key,
                         config->id, field, pm_config_kind(pm_json_member(config->value, field)),
                         expected);
}

/* The place of a text member, the last one when repeated; `text_count` when there is none. */
static size_t find_text(const panicmon_config *config, const char *field)
{
    for (size_t i = config->text_count; i-- > 0;) {
        if (strcmp(config->texts[i].name, field) == 0) {
            return i;
        }
    }
    return config->text_count;
}

panicmon_err panicmon_config_text(const panicmon_config *config, const char *field,
                                  const char **out, panicmon_error **err)
{
    if (!pm_json_is(config->value, '{')) {
        return wrong_kind(config, field, "text", err);
    }
    size_t i = find_text(config, field);
    if (i < config->text_count) {
        *out = config->texts[i].value;
        return PANICMON_OK;
    }
    if (panicmon_config_has(config, field)) {
        return wrong_kind(config, field, "text", err);
    }
    (void)panicmon_config_fault(config, field, "is missing", err);
    return PANICMON_ERR_NOENT;
}

static bool is_one_of(const char *text, const char *const *words)
{
    while (*words != NULL && strcasecmp(text, *words) != 0) {
        words++;
    }
    return *words != NULL;
}

static int read_flag(const panicmon_config *config, size_t i)
{
    static const char *const yes[] = {"true", "yes", NULL};
    static const char *const no[] = {"false", "no", "off", "0", "", NULL};
    const char *text = config->texts[i].value;
    int flag = is_one_of(text, yes);
    if (!flag && i < 64 && !is_one_of(text, no)) {
        atomic_fetch_or(&((panicmon_config *)config)->doubts, UINT64_C(1) << i);
    }
    return flag;
}

bool pm_config_next_doubt(const panicmon_config *config, size_t *at, pm_buf *out)
{
    uint64_t doubts = atomic_load(&config->doubts);
    while (*at < 64 && (doubts >> *at & 1) == 0) {
        (*at)++;
    }
    if (*at == 64) {
        return false;
    }
    const pm_text_field *text = &config->texts[(*at)++];
    pm_buf_format(out, "%s: entry '%s': %s: '%.40s' is taken for false; write true or false",
                  config->set->routing_key, config->id, text->name, text->value);
    return true;
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
    size_t i = find_text(config, field);
    if (i == config->text_count) {
        return wrong_kind(config, field, "text, true or false", err);
    }
    *out = read_flag(config, i);
    return PANICMON_OK;
}
