/* modes.c: see modes.h. */
#include "modes.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

enum { FLAG, NUMBER, TEXT };

typedef struct mode {
    const char *name;
    int kind;
    size_t offset;
    size_t size; /* of a text */
} mode;

#define NUMBER_MODE(field, kind)                                                                   \
    {                                                                                              \
#field, kind, offsetof(sim_modes, field), 0                                                \
    }
#define TEXT_MODE(field)                                                                           \
    {                                                                                              \
#field, TEXT, offsetof(sim_modes, field), sizeof((sim_modes *)0)->field                    \
    }

static const mode modes_table[] = {
    NUMBER_MODE(delay, NUMBER),
    NUMBER_MODE(jitter, NUMBER),
    NUMBER_MODE(stall, FLAG),
    NUMBER_MODE(deaf, FLAG),
    NUMBER_MODE(half_handshake, FLAG),
    NUMBER_MODE(refuse, NUMBER),
    NUMBER_MODE(close, FLAG),
    NUMBER_MODE(reset, FLAG),
    NUMBER_MODE(garbage, FLAG),
    NUMBER_MODE(wrong_id, FLAG),
    NUMBER_MODE(huge, NUMBER),
    NUMBER_MODE(trickle, FLAG),
    NUMBER_MODE(binary, FLAG),
    NUMBER_MODE(ping_flood, NUMBER),
    NUMBER_MODE(batch, NUMBER),
    NUMBER_MODE(every, NUMBER),
    NUMBER_MODE(syncing, FLAG),
    NUMBER_MODE(peers, NUMBER),
    NUMBER_MODE(no_sync_state, FLAG),
    NUMBER_MODE(subscriptions, FLAG),
    NUMBER_MODE(frozen, FLAG),
    NUMBER_MODE(back, NUMBER),
    NUMBER_MODE(finality_lag, NUMBER),
    NUMBER_MODE(metadata, NUMBER),
    TEXT_MODE(genesis),
    TEXT_MODE(deny),
};

#define MODE_COUNT (sizeof modes_table / sizeof *modes_table)

void sim_modes_default(sim_modes *modes)
{
    *modes = (sim_modes){.batch = -1, .every = 1, .peers = 12, .subscriptions = 1, .metadata = 14};
}

static const mode *find_mode(const char *name)
{
    for (size_t i = 0; i < MODE_COUNT; i++) {
        if (strcmp(modes_table[i].name, name) == 0) {
            return &modes_table[i];
        }
    }
    return NULL;
}

static int64_t *number_of(sim_modes *modes, const mode *m)
{
    return (int64_t *)(void *)((char *)modes + m->offset);
}

static bool parse_number(const mode *m, const char *text, int64_t *value)
{
    char *end;
    if (strcmp(text, "true") == 0 || *text == '\0') {
        *value = 1;
        return true;
    }
    if (strcmp(text, "false") == 0 || strcmp(text, "off") == 0) {
        *value = 0;
        return true;
    }
    if (strcmp(text, "null") == 0 || strcmp(text, "on") == 0) { /* as if it had not been set */
        sim_modes normal;
        sim_modes_default(&normal);
        *value = *number_of(&normal, m);
        return true;
    }
    *value = strtoll(text, &end, 10);
    return *end == '\0' && *value >= -1 && *value <= INT32_MAX &&
           (m->kind == NUMBER || *value <= 1);
}

bool sim_modes_set(sim_modes *modes, const char *name, const char *text, pm_buf *wrong)
{
    const mode *m = find_mode(name);
    if (m == NULL) {
        pm_buf_format(wrong, "unknown mode '%s'; there are:", name);
        sim_modes_names(wrong);
        return false;
    }
    if (m->kind == TEXT) {
        size_t len = strlen(text);
        if (len >= m->size || (strcmp(name, "genesis") == 0 && len != 0 && len != 66)) {
            pm_buf_format(wrong, "mode '%s': a text of %zu bytes does not fit", name, len);
            return false;
        }
        memcpy((char *)modes + m->offset, text, len + 1);
        return true;
    }
    int64_t value;
    if (!parse_number(m, text, &value) || (strcmp(name, "every") == 0 && value < 1)) {
        pm_buf_format(wrong, "mode '%s': bad value '%s'", name, text);
        return false;
    }
    *number_of(modes, m) = value;
    return true;
}

bool sim_modes_set_json(sim_modes *modes, const char *name, pm_json value, pm_buf *wrong)
{
    pm_buf text = {0};
    pm_json element;
    if (pm_json_is(value, '[')) {
        for (size_t at = 0; pm_json_next_element(value, &at, &element);) {
            pm_buf_text(&text, text.len > 0 ? " " : "");
            (void)pm_json_string(element, &text);
        }
    } else if (!pm_json_string(value, &text)) {
        pm_buf_add(&text, value.text, value.len);
    }
    pm_buf_add(&text, "", 0);
    bool set =
        !text.failed && sim_modes_set(modes, name, text.data == NULL ? "" : text.data, wrong);
    pm_buf_free(&text);
    return set;
}

void sim_modes_describe(const sim_modes *modes, pm_buf *out)
{
    for (size_t i = 0; i < MODE_COUNT; i++) {
        const mode *m = &modes_table[i];
        const char *at = (const char *)modes + m->offset;
        pm_buf_format(out, "%c\"%s\":", i == 0 ? '{' : ',', m->name);
        if (m->kind == TEXT) {
            pm_buf_json_string(out, at, strlen(at));
        } else {
            int64_t value;
            memcpy(&value, at, sizeof value);
            pm_buf_int(out, value);
        }
    }
    pm_buf_char(out, '}');
}

void sim_modes_names(pm_buf *out)
{
    for (size_t i = 0; i < MODE_COUNT; i++) {
        pm_buf_format(out, " %s", modes_table[i].name);
    }
}

bool sim_modes_denies(const sim_modes *modes, const char *method)
{
    size_t len = strlen(method);
    if (modes->no_sync_state && strcmp(method, "system_syncState") == 0) {
        return true;
    }
    for (const char *at = modes->deny; (at = strstr(at, method)) != NULL; at += len) {
        bool from = at == modes->deny || at[-1] == ' ' || at[-1] == ',';
        if (from && (at[len] == '\0' || at[len] == ' ' || at[len] == ',')) {
            return true;
        }
    }
    return false;
}
