/* json.h: a strict JSON reader without a document tree: slices into the text. Nothing is
 * allocated. Any thread. RFC 8259; depth is capped; numbers stay text, so nothing overflows. */
#ifndef PM_JSON_H
#define PM_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

/* One value: its text without surrounding blanks. `text` NULL: absent. */
typedef struct pm_json {
    const char *text;
    size_t len;
} pm_json;

/* Checks that `text` is exactly one value (valid UTF-8, depth at most 64) and gives it. On failure
 * the offset of the first fault is in `*at` (may be NULL). */
bool pm_json_parse(const char *text, size_t len, pm_json *out, size_t *at);

/* All below take values that came from pm_json_parse() or from here, or absent ones. */
bool pm_json_is(pm_json value, char kind); /* kind: one of { [ " 0 t n (t: true or false) */
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
/* Whether a string equals `text`, escapes considered. */
bool pm_json_equals(pm_json value, const char *text);

#endif
