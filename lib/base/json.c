/* json.c: see json.h. pm_json_visit() is the one place that checks; everything else walks text
 * that passed it, and so needs no checks but kinds. */
#include "base/json.h"

#include <string.h>

#include "base/json_token.h"
#include "base/scan.h"

/* A bit each in `objects` of check_value(). */
#define DEPTH_MAX 64
/* A visitor hears of no values deeper than this. */
#define VISIT_MAX 2

/* ---- checking ---- */

/* Where a value begins that the visitor is to hear of, and its key. */
typedef struct mark {
    const char *at;
    pm_json key;
} mark;

static void tell(const pm_json_visitor *visitor, size_t depth, const mark *from, const char *end)
{
    visitor->value(visitor->user, depth, from->key,
                   (pm_json){.text = from->at, .len = (size_t)(end - from->at)});
}

PM_INLINE place check_value(source text, const char *at, const pm_json_visitor *visitor)
{
    mark marks[VISIT_MAX + 1];
    size_t heard = visitor == NULL ? 0 : stands(text, at, '[') ? VISIT_MAX : VISIT_MAX - 1;
    uint64_t objects = 0; /* which of the open containers are objects; the innermost lowest */
    size_t depth = 0;
    for (;;) {
        pm_json key = {0};
        place found = (objects & 1) != 0 ? check_key(text, at, &key) : good_to(at);
        if (!found.good) {
            return found;
        }
        at = skip_blanks(text, found.at);
        if (depth <= heard) {
            marks[depth] = (mark){.at = at, .key = key};
        }
        bool opens = stands(text, at, '{') || stands(text, at, '[');
        if (opens && depth < DEPTH_MAX) {
            objects = objects << 1 | (*at == '{');
            depth++;
            at = skip_blanks(text, at + 1);
            if (!stands(text, at, (objects & 1) != 0 ? '}' : ']')) {
                continue;
            }
        } else {
            found = opens ? bad_at(at) : check_scalar(text, at);
            if (!found.good) {
                return found;
            }
            at = found.at;
            if (depth > 0 && depth <= heard) {
                tell(visitor, depth, &marks[depth], at);
            }
        }
        while (depth > 0 && !stands(text, at = skip_to(text, at, ','), ',')) {
            if (!stands(text, at, (objects & 1) != 0 ? '}' : ']')) {
                return bad_at(at);
            }
            at++;
            objects >>= 1;
            depth--;
            if (depth > 0 && at == text.end) {
                return bad_at(at);
            }
            if (depth > 0 && depth <= heard) {
                tell(visitor, depth, &marks[depth], at);
            }
        }
        if (depth == 0) {
            return good_to(at);
        }
        at++;
    }
}

bool pm_json_visit(const char *text, size_t len, const pm_json_visitor *visitor, pm_json *out,
                   size_t *at)
{
    const char *end = len > 0 ? text + len : text; /* which may be NULL */
    const char *start = skip_some_blanks(text, end);
    const char *last = end;
    while (last > start && is_blank(last[-1])) {
        last--;
    }
    bool closed = last > start && (last[-1] == '}' || last[-1] == ']');
    place found = closed ? check_value((source){text, last, true}, start, visitor)
                         : check_value((source){text, end, false}, start, visitor);
    if (!found.good || found.at != last) {
        if (at != NULL) {
            *at = (size_t)(skip_some_blanks(found.at, end) - text);
        }
        return false;
    }
    *out = (pm_json){.text = start, .len = (size_t)(last - start)};
    return true;
}

bool pm_json_parse(const char *text, size_t len, pm_json *out, size_t *at)
{
    return pm_json_visit(text, len, NULL, out, at);
}

/* ---- walking checked text: inside of a container something always follows ---- */

static inline const char *skip_inner_blanks(const char *at)
{
    while ((unsigned char)*at <= ' ') {
        at++;
    }
    return at;
}

static inline const char *skip_string(const char *begin, const char *at, const char *end)
{
    at = pm_scan(PM_SCAN_QUOTE, begin, at + 1, end);
    while (*at == '\\') {
        at = pm_scan(PM_SCAN_QUOTE, begin, at + 2, end);
    }
    return at + 1;
}

static const char *skip_container(const char *begin, const char *at, const char *end)
{
    size_t depth = 0;
    for (;;) {
        switch (*at) {
        case '"':
            at = skip_string(begin, at, end);
            break;
        case '{':
        case '[':
            depth++;
            at++;
            break;
        case '}':
        case ']':
            at++;
            if (--depth == 0) {
                return at;
            }
            break;
        case ',':
        case ':':
            at++;
            break;
        default: /* blanks, numbers and words */
            at = pm_scan(PM_SCAN_BRACKET, begin, at + 1, end);
            break;
        }
    }
}

static inline const char *skip_number(const char *at)
{
    while ((*at > ',' && (*at | 0x20) != '}') || *at == '+') { /* ] | 0x20 is } */
        at++;
    }
    return at;
}

static inline const char *skip_value(const char *begin, const char *at, const char *end)
{
    switch (*at) {
    case '"':
        return skip_string(begin, at, end);
    case '{':
    case '[':
        return skip_container(begin, at, end);
    case 't':
    case 'n':
        return at + 4;
    case 'f':
        return at + 5;
    default:
        return skip_number(at);
    }
}

/* Gives the value at `at`; returns where the next thing stands. */
static inline const char *next_value(const char *begin, const char *at, const char *end,
                                     pm_json *value)
{
    const char *past = skip_value(begin, at, end);
    *value = (pm_json){.text = at, .len = (size_t)(past - at)};
    return skip_inner_blanks(past);
}

/* Over the opening bracket or the comma to what follows; NULL at the end. */
static inline const char *enter(const char *at, char close)
{
    at = skip_inner_blanks(at);
    if (*at == close) {
        return NULL;
    }
    at = skip_inner_blanks(at + 1);
    return *at == close ? NULL : at;
}

bool pm_json_next_element(pm_json array, size_t *at, pm_json *value)
{
    if (!pm_json_is(array, '[')) {
        return false;
    }
    const char *end = array.text + array.len;
    const char *next = enter(array.text + *at, ']');
    if (next == NULL) {
        return false;
    }
    *at = (size_t)(next_value(array.text, next, end, value) - array.text);
    return true;
}

static inline const char *next_member(const char *begin, const char *at, const char *end,
                                      pm_json *key, pm_json *value)
{
    at = enter(at, '}');
    if (at == NULL) {
        return NULL;
    }
    at = next_value(begin, at, end, key);
    at = skip_inner_blanks(at + 1); /* over the colon */
    return next_value(begin, at, end, value);
}

bool pm_json_next_member(pm_json object, size_t *at, pm_json *key, pm_json *value)
{
    if (!pm_json_is(object, '{')) {
        return false;
    }
    const char *end = object.text + object.len;
    const char *next = next_member(object.text, object.text + *at, end, key, value);
    if (next == NULL) {
        return false;
    }
    *at = (size_t)(next - object.text);
    return true;
}

pm_json pm_json_member(pm_json object, const char *key)
{
    pm_json found = {0};
    pm_json name;
    pm_json value;
    if (!pm_json_is(object, '{')) {
        return found;
    }
    size_t len = strlen(key);
    const char *end = object.text + object.len;
    for (const char *at = object.text;
         (at = next_member(object.text, at, end, &name, &value)) != NULL;) {
        if (pm_json_is_text(name, key, len)) {
            found = value;
        }
    }
    return found;
}

bool pm_json_bool(pm_json value, bool *out)
{
    if (!pm_json_is(value, 't')) {
        return false;
    }
    *out = value.text[0] == 't';
    return true;
}

bool pm_json_int(pm_json value, int64_t *out)
{
    if (!pm_json_is(value, '0')) {
        return false;
    }
    bool negative = value.text[0] == '-';
    uint64_t most = (uint64_t)INT64_MAX + negative;
    uint64_t number = 0;
    for (size_t i = negative; i < value.len; i++) {
        if (value.text[i] < '0' || value.text[i] > '9') {
            return false;
        }
        uint64_t digit = (uint64_t)(value.text[i] - '0');
        if (i >= 18 && number > (most - digit) / 10) { /* what is shorter fits */
            return false;
        }
        number = number * 10 + digit;
    }
    *out = negative ? (int64_t)(0 - number) : (int64_t)number;
    return true;
}

/* The character at `*at` of a checked string, escapes resolved, as UTF-8; gives its width. */
static size_t next_char(pm_json value, size_t *at, char out[4])
{
    const char *text = value.text;
    if (text[*at] != '\\') {
        out[0] = text[(*at)++];
        return 1;
    }
    char kind = text[*at + 1];
    *at += 2;
    if (kind != 'u') {
        static const char from[] = "bfnrt";
        static const char to[] = "\b\f\n\r\t";
        const char *place = strchr(from, kind);
        out[0] = place == NULL ? kind : to[place - from];
        return 1;
    }
    uint32_t code = (uint32_t)hex4(text + *at);
    *at += 4;
    if (code >= 0xd800 && code <= 0xdbff) {
        code = 0x10000 + ((code - 0xd800) << 10) + ((uint32_t)hex4(text + *at + 2) - 0xdc00);
        *at += 6;
    }
    if (code < 0x80) {
        out[0] = (char)code;
        return 1;
    }
    size_t width = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    for (size_t i = width - 1; i > 0; i--) {
        out[i] = (char)(0x80 | (code & 0x3f));
        code >>= 6;
    }
    static const unsigned char lead[] = {0, 0, 0xc0, 0xe0, 0xf0};
    out[0] = (char)(lead[width] | code);
    return width;
}

bool pm_json_string(pm_json value, pm_buf *out)
{
    if (!pm_json_is(value, '"')) {
        return false;
    }
    size_t end = value.len - 1;
    for (size_t at = 1; at < end;) {
        const char *escape = memchr(value.text + at, '\\', end - at);
        size_t plain = escape == NULL ? end - at : (size_t)(escape - value.text) - at;
        pm_buf_add(out, value.text + at, plain);
        at += plain;
        if (at < end) {
            char utf8[4];
            size_t width = next_char(value, &at, utf8);
            pm_buf_add(out, utf8, width);
        }
    }
    pm_buf_add(out, "", 0); /* an empty string is text too */
    return !out->failed;
}

bool pm_json_is_escaped(pm_json value, const char *text)
{
    size_t end = value.len - 1;
    for (size_t at = 1; at < end;) {
        char utf8[4];
        if (value.text[at] != '\\' && value.text[at] != *text) {
            return false;
        }
        size_t width = next_char(value, &at, utf8);
        if (strncmp(text, utf8, width) != 0 || memchr(utf8, '\0', width) != NULL) {
            return false;
        }
        text += width;
    }
    return *text == '\0';
}
