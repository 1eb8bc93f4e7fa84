/* settings_load.c: settings from a configuration file: the one place that knows jansson. It runs
 * on the host's thread, under the C locale while jansson is at work. */
#include <jansson.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/settings_impl.h"

#define FILE_MAX  ((size_t)64 << 20)
#define DEPTH_MAX 64

/* A configuration being read. */
typedef struct loader {
    panicmon_settings *settings; /* becomes the result when there is no fault */
    bool seen[PM_SETTINGS];
    pm_buf scratch;
    panicmon_fault_fn fault;
    void *user;
    panicmon_error *first;
    size_t faults;
    bool no_memory;
} loader;

static void tell(loader *load, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void tell(loader *load, const char *format, ...)
{
    pm_buf text = {0};
    va_list args;
    va_start(args, format);
    pm_buf_format_list(&text, format, args);
    va_end(args);
    if (text.failed) {
        load->no_memory = true;
    } else {
        if (load->faults++ == 0) {
            panicmon_error_set(&load->first, PANICMON_ERR_PARSE, text.data);
        }
        if (load->fault != NULL) {
            load->fault(load->user, text.data);
        }
    }
    pm_buf_free(&text);
}

static void tell_error(loader *load, panicmon_error *err)
{
    if (panicmon_error_code(err) == PANICMON_ERR_NOMEM) {
        load->no_memory = true;
    } else {
        tell(load, "%s", panicmon_error_message(err));
    }
    panicmon_error_free(err);
}

/* ---- ${NAME} ---- */

static bool is_name(const char *text, size_t len)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789";
    return len > 0 && strspn(text, letters) >= len && (text[0] < '0' || text[0] > '9');
}

/* Appends `text` with the environment put in; a fault is told under `path`. */
static void expand(loader *load, const char *path, const char *text, pm_buf *out)
{
    const char *dollar;
    for (; (dollar = strstr(text, "${")) != NULL;) {
        bool escaped = dollar > text && dollar[-1] == '$';
        pm_buf_add(out, text, (size_t)(dollar - text) - escaped);
        if (escaped) {
            pm_buf_text(out, "${");
            text = dollar + 2;
            continue;
        }
        size_t len = strcspn(dollar + 2, "}");
        char name[128];
        if (dollar[2 + len] == '\0' || len >= sizeof name || !is_name(dollar + 2, len)) {
            tell(load, "%s: '${' begins no ${NAME} of the environment ('$${' stands for '${')",
                 path);
            return;
        }
        memcpy(name, dollar + 2, len);
        name[len] = '\0';
        const char *value = getenv(name); /* NOLINT(concurrency-mt-unsafe): the host's call */
        if (value == NULL) {
            tell(load, "%s: the environment variable %s is not set", path, name);
        } else {
            pm_buf_text(out, value);
        }
        text = dollar + 2 + len + 1;
    }
    pm_buf_text(out, text);
}

/* ---- settings ---- */

static void set_text(loader *load, size_t i, const char *text)
{
    const pm_setting *setting = pm_setting_at(i);
    panicmon_error *err = NULL;
    if (setting->type == PM_SETTING_URL || setting->type == PM_SETTING_SECRET) {
        size_t other =
            setting->type == PM_SETTING_SECRET ? pm_setting_find(setting->detail) : i + 1;
        if (load->seen[other] && text[0] != '\0') {
            tell(load, "%s: %s is there too; keep one of them", setting->name,
                 pm_setting_at(other)->name);
            return;
        }
    }
    if (panicmon_settings_set(load->settings, setting->name, text, &err) != PANICMON_OK) {
        tell_error(load, err);
    }
}

/* The text of a value for a setting of this type, in `load->scratch`; NULL when it is of a wrong
 * kind (told). */
static const char *value_text(loader *load, const char *path, pm_setting_type type, json_t *value)
{
    static const char *const wanted[] = {
        [PM_SETTING_TEXT] = "text",          [PM_SETTING_ADDRESS] = "text or the number of a port",
        [PM_SETTING_URL] = "text",           [PM_SETTING_SECRET] = "text",
        [PM_SETTING_ENUM] = "text",          [PM_SETTING_LIST] = "text",
        [PM_SETTING_FLAG] = "true or false", [PM_SETTING_INTEGER] = "a number",
        [PM_SETTING_SECONDS] = "a number",   [PM_SETTING_BYTES] = "a number or text as \"64 MiB\""};
    bool number =
        type == PM_SETTING_INTEGER || type == PM_SETTING_SECONDS || type == PM_SETTING_BYTES;
    bool integer = number || type == PM_SETTING_ADDRESS;
    pm_buf *text = &load->scratch;
    size_t faults = load->faults;
    pm_buf_clear(text);
    if (json_is_string(value)) {
        expand(load, path, json_string_value(value), text);
    } else if (json_is_integer(value) && integer) {
        pm_buf_int(text, json_integer_value(value));
    } else if (json_is_real(value) && number) {
        /* Digits below a nanosecond are noise of the binary number. */
        pm_buf_format(text, "%.9f", json_real_value(value));
        while (text->len > 0 && text->data[text->len - 1] == '0') {
            text->data[--text->len] = '\0';
        }
        if (text->len > 0 && text->data[text->len - 1] == '.') {
            text->data[--text->len] = '\0';
        }
    } else if (json_is_boolean(value) && type == PM_SETTING_FLAG) {
        pm_buf_text(text, json_is_true(value) ? "true" : "false");
    } else {
        tell(load, "%s: must be %s", path, wanted[type]);
    }
    load->no_memory = load->no_memory || text->failed;
    return faults != load->faults || text->failed ? NULL : text->data;
}

static void load_setting(loader *load, size_t i, json_t *value)
{
    const pm_setting *setting = pm_setting_at(i);
    if (load->seen[i]) {
        tell(load, "%s: stands there twice, nested and with a dot", setting->name);
        return;
    }
    load->seen[i] = true;
    const char *text = value_text(load, setting->name, setting->type, value);
    if (text != NULL) {
        set_text(load, i, text);
    }
}

/* A bare `period`: for every kind that has none of its own. Called before all others. */
static void load_period(loader *load, json_t *value)
{
    panicmon_error *err = NULL;
    const char *text = value_text(load, "period", PM_SETTING_SECONDS, value);
    if (text != NULL && panicmon_settings_set(load->settings, "period", text, &err)) {
        tell_error(load, err);
    }
}

static void load_group(loader *load, const char *group, json_t *object)
{
    const char *key;
    json_t *value;
    json_object_foreach(object, key, value)
    {
        pm_buf name = {0};
        pm_buf_format(&name, "%s%s%s", group, group[0] == '\0' ? "" : ".", key);
        if (name.failed) {
            load->no_memory = true;
            pm_buf_free(&name);
            return;
        }
        size_t i = pm_setting_find(name.data);
        bool bare_period = strcmp(name.data, "period") == 0 && !json_is_object(value);
        if (i < PM_SETTINGS) {
            load_setting(load, i, value);
        } else if (bare_period || (group[0] == '\0' && strcmp(key, "configs") == 0)) {
            /* taken elsewhere */
        } else if (pm_setting_is_group(name.data) && json_is_object(value)) {
            load_group(load, name.data, value);
        } else if (pm_setting_is_group(name.data)) {
            tell(load, "%s: must be an object of settings", name.data);
        } else {
            tell(load, "unknown setting '%.64s'; the nearest is '%s'", name.data,
                 pm_setting_nearest(name.data));
        }
        pm_buf_free(&name);
    }
}

/* ---- configs ---- */

static void expand_configs(loader *load, const char *path, json_t *parent, int depth);

/* Puts the environment into one value below `configs`. `text` values are replaced in place. */
static void expand_config(loader *load, const char *path, const char *key, json_t *value, int depth)
{
    pm_buf where = {0};
    pm_buf_format(&where, "%s: %s", path, key);
    if (where.failed) {
        load->no_memory = true;
    } else if (json_is_string(value) && strstr(json_string_value(value), "${") != NULL) {
        pm_buf text = {0};
        expand(load, where.data, json_string_value(value), &text);
        if (text.failed) {
            load->no_memory = true;
        } else if (json_string_set(value, text.data != NULL ? text.data : "") != 0) {
            tell(load, "%s: the environment holds text that is not UTF-8", where.data);
        }
        pm_buf_free(&text);
    } else if (json_is_object(value) || json_is_array(value)) {
        expand_configs(load, where.data, value, depth);
    }
    pm_buf_free(&where);
}

static void expand_configs(loader *load, const char *path, json_t *parent, int depth)
{
    const char *key;
    json_t *value;
    size_t i;
    if (depth >= DEPTH_MAX) {
        tell(load, "%.200s: nested deeper than %d levels", path, DEPTH_MAX);
        return;
    }
    json_array_foreach(parent, i, value)
    {
        char place[24];
        (void)snprintf(place, sizeof place, "[%zu]", i);
        expand_config(load, path, place, value, depth + 1);
    }
    json_object_foreach(parent, key, value)
    {
        expand_config(load, path, key, value, depth + 1);
    }
}

static void load_configs(loader *load, json_t *configs)
{
    const char *key;
    json_t *value;
    free(load->settings->configs);
    load->settings->configs = NULL;
    if (configs == NULL) {
        return;
    }
    if (!json_is_object(configs)) {
        tell(load, "configs: must be an object of routing keys");
        return;
    }
    json_object_foreach(configs, key, value)
    {
        if (!json_is_object(value)) {
            tell(load, "configs: %s: must be an object of entries", key);
        }
    }
    expand_configs(load, "configs", configs, 1);
    if (load->faults > 0 || load->no_memory) {
        return;
    }
    char *text = json_dumps(configs, JSON_COMPACT);
    load->no_memory = text == NULL;
    load->settings->configs = text;
    load->settings->configs_len = text == NULL ? 0 : strlen(text);
}

/* ---- JSON ---- */

/* jansson ends its texts with what stands near the fault, which may be a secret. */
static void tell_json(loader *load, json_error_t *error)
{
    char *near = strstr(error->text, " near ");
    if (near != NULL) {
        *near = '\0';
    }
    const char *text = error->text;
    if (json_error_code(error) == json_error_premature_end_of_input) {
        text = "it ends here, before its JSON does";
    } else if (json_error_code(error) == json_error_numeric_overflow) {
        text = "a number too large to be read exactly; write it as text";
    } else if (json_error_code(error) == json_error_stack_overflow) {
        text = "nested too deep";
    }
    tell(load, "line %d, column %d: %s", error->line, error->column, text);
}

/* Parses; faults that leave a readable document are told and then overlooked, so that those
 * behind them are found too. NULL when nothing can be read. */
static json_t *parse(loader *load, const char *json, size_t len)
{
    size_t flags = JSON_REJECT_DUPLICATES;
    for (;;) {
        json_error_t error;
        json_t *root = json_loadb(json, len, flags | JSON_DECODE_ANY, &error);
        if (root != NULL) {
            return root;
        }
        enum json_error_code code = json_error_code(&error);
        if (code == json_error_out_of_memory) {
            load->no_memory = true;
            return NULL;
        }
        tell_json(load, &error);
        if (code == json_error_duplicate_key && (flags & JSON_REJECT_DUPLICATES) != 0) {
            flags &= ~(size_t)JSON_REJECT_DUPLICATES;
        } else if (code == json_error_numeric_overflow && (flags & JSON_DECODE_INT_AS_REAL) == 0) {
            flags |= JSON_DECODE_INT_AS_REAL;
        } else {
            return NULL;
        }
    }
}

static void load_root(loader *load, const char *json, size_t len)
{
    static const char blanks[] = " \t\r\n";
    size_t blank = 0;
    while (blank < len && memchr(blanks, json[blank], sizeof blanks - 1) != NULL) {
        blank++;
    }
    if (blank == len) {
        tell(load, "is empty; {} is the least");
        return;
    }
    json_t *root = parse(load, json, len);
    if (root != NULL && !json_is_object(root)) {
        tell(load, "the configuration must be a JSON object");
    } else if (root != NULL) {
        json_t *period = json_object_get(root, "period");
        if (period != NULL && !json_is_object(period)) {
            load_period(load, period);
        }
        load_group(load, "", root);
        load_configs(load, json_object_get(root, "configs"));
    }
    json_decref(root);
}

panicmon_err panicmon_settings_load(panicmon_settings *settings, const char *json, size_t len,
                                    panicmon_fault_fn fault, void *user, panicmon_error **err)
{
    loader load = {.fault = fault, .user = user};
    if (settings == NULL || json == NULL) {
        return pm_error_setf(err, PANICMON_ERR_INVAL, "settings and json must be given");
    }
    panicmon_err status = pm_settings_copy(&load.settings, settings);
    locale_t c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    if (status != PANICMON_OK || c_locale == (locale_t)0) {
        load.no_memory = true;
    } else {
        locale_t before = uselocale(c_locale);
        load_root(&load, json, len);
        (void)uselocale(before);
    }
    if (load.no_memory) {
        status = pm_error_setf(err, PANICMON_ERR_NOMEM, "out of memory");
    } else if (load.faults > 1) {
        status = pm_error_setf(err, PANICMON_ERR_PARSE, "%s (and %zu more)",
                               panicmon_error_message(load.first), load.faults - 1);
    } else if (load.faults == 1) {
        status = pm_error_setf(err, PANICMON_ERR_PARSE, "%s", panicmon_error_message(load.first));
    } else {
        panicmon_settings old = *settings;
        *settings = *load.settings;
        *load.settings = old;
    }
    if (c_locale != (locale_t)0) {
        freelocale(c_locale);
    }
    panicmon_settings_free(load.settings);
    panicmon_error_free(load.first);
    pm_buf_free(&load.scratch);
    return status;
}

panicmon_err panicmon_settings_load_file(panicmon_settings *settings, const char *path,
                                         panicmon_fault_fn fault, void *user, panicmon_error **err)
{
    pm_buf text = {0};
    if (settings == NULL || path == NULL) {
        return pm_error_setf(err, PANICMON_ERR_INVAL, "settings and path must be given");
    }
    panicmon_err status = pm_settings_read_file(path, FILE_MAX, &text, err);
    if (status == PANICMON_OK) {
        status = panicmon_settings_load(settings, text.data != NULL ? text.data : "", text.len,
                                        fault, user, err);
    }
    pm_buf_free(&text);
    return status;
}
