/* json_token.h (internal to json.c): checks blanks, strings, numbers, words and keys. */
#ifndef PM_JSON_TOKEN_H
#define PM_JSON_TOKEN_H

#include <string.h>

#include "base/json.h"
#include "base/scan.h"
#include "base/utf8.h"

/* What is being checked. `closed`: its last byte is a closing bracket, where everything stops of
 * itself, so that the end is looked for behind closing brackets alone. A constant wherever it is
 * asked for, so that machines' JSON costs no comparisons with the end. */
typedef struct source {
    const char *begin;
    const char *end;
    bool closed;
} source;

/* How far text was found good, and whether all that was looked for is there. */
typedef struct place {
    const char *at;
    bool good;
} place;

static inline place good_to(const char *at)
{
    return (place){.at = at, .good = true};
}

static inline place bad_at(const char *at)
{
    return (place){.at = at, .good = false};
}

static inline bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static const char *skip_some_blanks(const char *at, const char *end)
{
    while (at < end && is_blank(*at)) {
        at++;
    }
    return at;
}

PM_INLINE bool stands(source text, const char *at, char wanted)
{
    return (text.closed || at < text.end) && *at == wanted;
}

/* Machines write none, mostly. */
PM_INLINE const char *skip_blanks(source text, const char *at)
{
    bool blank = (text.closed || at < text.end) && (unsigned char)*at <= ' ';
    return blank ? skip_some_blanks(at, text.end) : at;
}

/* skip_blanks() where `wanted` is what stands behind them, mostly. */
PM_INLINE const char *skip_to(source text, const char *at, char wanted)
{
    return stands(text, at, wanted) ? at : skip_some_blanks(at, text.end);
}

static inline int hex_digit(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* Four hex digits at `text`; -1 when they are none. */
static inline int32_t hex4(const char *text)
{
    int32_t value = 0;
    for (int i = 0; i < 4; i++) {
        int digit = hex_digit(text[i]);
        if (digit < 0) {
            return -1;
        }
        value = value << 4 | digit;
    }
    return value;
}

/* Behind a backslash. */
static inline place check_escape(const char *at, const char *end)
{
    if (at >= end) {
        return bad_at(at);
    }
    if (*at != 'u') {
        return (place){at + 1, *at != '\0' && strchr("\"\\/bfnrt", *at) != NULL};
    }
    if (end - at < 5) {
        return bad_at(at);
    }
    int32_t code = hex4(at + 1);
    if (code < 0 || (code >= 0xdc00 && code <= 0xdfff)) {
        return bad_at(at);
    }
    at += 5;
    if (code < 0xd800 || code > 0xdbff) {
        return good_to(at);
    }
    if (end - at < 6 || at[0] != '\\' || at[1] != 'u') {
        return bad_at(at);
    }
    int32_t low = hex4(at + 2);
    return low >= 0xdc00 && low <= 0xdfff ? good_to(at + 6) : bad_at(at);
}

/* In a string, from its first byte on that does not stand for itself. */
static inline place check_rest(const char *begin, const char *at, const char *end)
{
    while (at < end && *at != '"') {
        if (*at == '\\') {
            place escape = check_escape(at + 1, end);
            if (!escape.good) {
                return escape;
            }
            at = escape.at;
        } else {
            size_t width = (unsigned char)*at < 0x20 ? 0 : pm_utf8_width(at, (size_t)(end - at));
            if (width == 0) {
                return bad_at(at);
            }
            at += width;
        }
        at = pm_scan(PM_SCAN_SPECIAL, begin, at, end);
    }
    return at < end ? good_to(at + 1) : bad_at(at);
}

PM_INLINE place check_string(source text, const char *at)
{
    if (!stands(text, at, '"')) {
        return bad_at(at);
    }
    at = pm_scan(PM_SCAN_SPECIAL, text.begin, at + 1, text.end);
    return at < text.end && *at == '"' ? good_to(at + 1) : check_rest(text.begin, at, text.end);
}

PM_INLINE const char *skip_digits(source text, const char *at)
{
    while ((text.closed || at < text.end) && *at >= '0' && *at <= '9') {
        at++;
    }
    return at;
}

PM_INLINE place check_number(source text, const char *at)
{
    at += stands(text, at, '-');
    const char *start = at;
    at = stands(text, at, '0') ? at + 1 : skip_digits(text, at);
    if (at == start) {
        return bad_at(at);
    }
    if (stands(text, at, '.')) {
        start = ++at;
        at = skip_digits(text, at);
        if (at == start) {
            return bad_at(at);
        }
    }
    if (stands(text, at, 'e') || stands(text, at, 'E')) {
        at++;
        at += stands(text, at, '+') || stands(text, at, '-');
        start = at;
        at = skip_digits(text, at);
    }
    return (place){at, at > start};
}

PM_INLINE place check_word(source text, const char *at, const char *word, size_t len)
{
    bool good = (size_t)(text.end - at) >= len && memcmp(at, word, len) == 0;
    return good ? good_to(at + len) : bad_at(at);
}

PM_INLINE place check_scalar(source text, const char *at)
{
    switch (text.closed || at < text.end ? *at : '\0') {
    case '"':
        return check_string(text, at);
    case 't':
        return check_word(text, at, "true", 4);
    case 'f':
        return check_word(text, at, "false", 5);
    case 'n':
        return check_word(text, at, "null", 4);
    default:
        return check_number(text, at);
    }
}

/* A key and its colon. */
PM_INLINE place check_key(source text, const char *at, pm_json *key)
{
    key->text = skip_to(text, at, '"');
    place name = check_string(text, key->text);
    if (!name.good) {
        return name;
    }
    key->len = (size_t)(name.at - key->text);
    at = skip_to(text, name.at, ':');
    return stands(text, at, ':') ? good_to(at + 1) : bad_at(at);
}

#endif
