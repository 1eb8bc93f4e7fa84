/* json.h: a strict JSON reader without a document tree: slices into the text. Nothing is
 * allocated. Any thread. RFC 8259; depth is capped; numbers stay text, so nothing overflows. */
#ifndef PM_JSON_H
#define PM_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/buf.h"

/* One value: its text without surrounding blanks. `text` NULL: absent. */
typedef struct pm_json {
    const char *text;
    size_t len;
} pm_json;

/* Checks that `text` is exactly one value (valid UTF-8, depth at most 64) and gives it. On failure
 * the offset of the first fault is in `*at` (may be NULL). */
bool pm_json_parse(const char *text, size_t len, pm_json *out, size_t *at);

/* Hears of values while their text is checked, of each when it ends: of those in the outermost
 * container (depth 1), and when that is an array, of those in its containers too (depth 2). `key`
 * is absent in arrays. What is heard counts for nothing until all of the text was found good. */
typedef struct pm_json_visitor {
    void (*value)(void *user, size_t depth, pm_json key, pm_json value);
    void *user;
} pm_json_visitor;

/* pm_json_parse() with a visitor (may be NULL). */
bool pm_json_visit(const char *text, size_t len, const pm_json_visitor *visitor, pm_json *out,
                   size_t *at);

/* All below take values that came from pm_json_parse() or from here, or absent ones. */
/* kind: one of { [ " 0 t n (t: true or false) */
static inline bool pm_json_is(pm_json value, char kind)
{
    if (value.text == NULL) {
        return false;
    }
    char first = value.text[0];
    return kind == '0'   ? first == '-' || (first >= '0' && first <= '9')
           : kind == 't' ? first == 't' || first == 'f'
                         : first == kind;
}
/* The member `key` of an object (the last one when repeated); absent when none or no object. */
pm_json pm_json_member(pm_json object, const char *key);
/* Iterates: `*at` starts at 0. Gives the next element / member; false at the end. */
bool pm_json_next_element(pm_json array, size_t *at, pm_json *value);
bool pm_json_next_member(pm_json object, size_t *at, pm_json *key, pm_json *value);
bool pm_json_bool(pm_json value, bool *out);
/* An integer number (no fraction, no exponent) that fits; false else. */
bool pm_json_int(pm_json value, int64_t *out);
/* A string, unescaped and appended to `out`; false when it is none. */
bool pm_json_string(pm_json value, pm_buf *out);
/* Whether a string longer than `text` equals it, escapes considered. */
bool pm_json_is_escaped(pm_json value, const char *text);

static inline bool pm_json_is_text(pm_json value, const char *text, size_t len)
{
    if (!pm_json_is(value, '"') || value.len < len + 2) {
        return false; /* an escape is longer than what it stands for */
    }
    if (value.len == len + 2) {
        return memcmp(value.text + 1, text, len) == 0 && strchr(text, '\\') == NULL;
    }
    return (value.text[1] == text[0] || value.text[1] == '\\') && pm_json_is_escaped(value, text);
}

/* Whether a string equals `text`, escapes considered. */
static inline bool pm_json_equals(pm_json value, const char *text)
{
    return pm_json_is_text(value, text, strlen(text));
}

#endif
