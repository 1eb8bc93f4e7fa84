/* json.c: see json.h. pm_json_parse() is the one place that checks; everything else walks text
 * that passed it, and so needs no checks but kinds. */
#include "base/json.h"

#include <string.h>

#include "base/utf8.h"

#define DEPTH_MAX 64

typedef struct cursor {
    const char *text;
    size_t len;
    size_t at;
} cursor;

static void skip_blanks(cursor *c)
{
    while (c->at < c->len && (c->text[c->at] == ' ' || c->text[c->at] == '\t' ||
                              c->text[c->at] == '\n' || c->text[c->at] == '\r')) {
        c->at++;
    }
}

static char peek(const cursor *c)
{
    return c->at < c->len ? c->text[c->at] : '\0';
}

static bool take(cursor *c, char wanted)
{
    if (c->at < c->len && c->text[c->at] == wanted) {
        c->at++;
        return true;
    }
    return false;
}

static int hex_digit(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* Four hex digits at `text`; -1 when they are none. */
static int32_t hex4(const char *text)
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

static bool check_escape(cursor *c)
{
    if (c->at >= c->len) {
        return false;
    }
    char kind = c->text[c->at];
    if (kind != 'u') {
        c->at++;
        return kind != '\0' && strchr("\"\\/bfnrt", kind) != NULL;
    }
    if (c->len - c->at < 5) {
        return false;
    }
    int32_t code = hex4(c->text + c->at + 1);
    if (code < 0 || (code >= 0xdc00 && code <= 0xdfff)) {
        return false;
    }
    c->at += 5;
    if (code < 0xd800 || code > 0xdbff) {
        return true;
    }
    if (c->len - c->at < 6 || c->text[c->at] != '\\' || c->text[c->at + 1] != 'u') {
        return false;
    }
    int32_t low = hex4(c->text + c->at + 2);
    c->at += low >= 0xdc00 && low <= 0xdfff ? 6 : 0;
    return low >= 0xdc00 && low <= 0xdfff;
}

/* How many bytes at `text`, in eights, are ASCII that stands for itself in a string. */
static size_t plain_run(const char *text, size_t len)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);
    const uint64_t high = ones * 0x80;
    size_t at = 0;
    for (uint64_t word; len - at >= sizeof word; at += sizeof word) {
        memcpy(&word, text + at, sizeof word);
        uint64_t quote = word ^ ones * '"';
        uint64_t slash = word ^ ones * '\\';
        uint64_t found = ((quote - ones) & ~quote) | ((slash - ones) & ~slash) |
                         ((word - ones * 0x20) & ~word) | word;
        if ((found & high) != 0) {
            break;
        }
    }
    return at;
}

static bool check_string(cursor *c)
{
    if (!take(c, '"')) {
        return false;
    }
    c->at += plain_run(c->text + c->at, c->len - c->at);
    while (c->at < c->len) {
        unsigned char byte = (unsigned char)c->text[c->at];
        if (byte == '"') {
            c->at++;
            return true;
        }
        if (byte == '\\') {
            c->at++;
            if (!check_escape(c)) {
                return false;
            }
            c->at += plain_run(c->text + c->at, c->len - c->at);
        } else if (byte < 0x20) {
            return false;
        } else {
            size_t width = byte < 0x80 ? 1 : pm_utf8_width(c->text + c->at, c->len - c->at);
            if (width == 0) {
                return false;
            }
            c->at += width;
        }
    }
    return false;
}

static bool check_digits(cursor *c)
{
    size_t start = c->at;
    while (peek(c) >= '0' && peek(c) <= '9') {
        c->at++;
    }
    return c->at > start;
}

static bool check_number(cursor *c)
{
    (void)take(c, '-');
    if (!take(c, '0') && !check_digits(c)) {
        return false;
    }
    if (take(c, '.') && !check_digits(c)) {
        return false;
    }
    if (peek(c) == 'e' || peek(c) == 'E') {
        c->at++;
        if (!take(c, '+')) {
            (void)take(c, '-');
        }
        return check_digits(c);
    }
    return true;
}

static bool check_word(cursor *c, const char *word)
{
    size_t n = strlen(word);
    if (c->len - c->at < n || memcmp(c->text + c->at, word, n) != 0) {
        return false;
    }
    c->at += n;
    return true;
}

static bool check_scalar(cursor *c)
{
    switch (peek(c)) {
    case '"':
        return check_string(c);
    case 't':
        return check_word(c, "true");
    case 'f':
        return check_word(c, "false");
    case 'n':
        return check_word(c, "null");
    default:
        return check_number(c);
    }
}

/* After '{' or ',': the key and its colon. */
static bool check_key(cursor *c)
{
    skip_blanks(c);
    if (!check_string(c)) {
        return false;
    }
    skip_blanks(c);
    return take(c, ':');
}

/* After a value: closes what ends here and says whether another value follows. */
static bool close_or_next(cursor *c, const char *open, size_t *depth, bool *more)
{
    *more = false;
    while (*depth > 0) {
        skip_blanks(c);
        bool object = open[*depth - 1] == '{';
        if (take(c, ',')) {
            *more = true;
            return !object || check_key(c);
        }
        if (!take(c, object ? '}' : ']')) {
            return false;
        }
        --*depth;
    }
    return true;
}

static bool check_value(cursor *c)
{
    char open[DEPTH_MAX];
    size_t depth = 0;
    bool more = true;
    while (more) {
        skip_blanks(c);
        char kind = peek(c);
        if (kind == '{' || kind == '[') {
            if (depth == DEPTH_MAX) {
                return false;
            }
            open[depth++] = kind;
            c->at++;
            skip_blanks(c);
            if (take(c, kind == '{' ? '}' : ']')) {
                depth--;
            } else if (kind == '[' || check_key(c)) {
                continue;
            } else {
                return false;
            }
        } else if (!check_scalar(c)) {
            return false;
        }
        if (!close_or_next(c, open, &depth, &more)) {
            return false;
        }
    }
    return true;
}

bool pm_json_parse(const char *text, size_t len, pm_json *out, size_t *at)
{
    cursor c = {.text = text, .len = len};
    skip_blanks(&c);
    size_t start = c.at;
    bool good = check_value(&c);
    size_t end = c.at;
    skip_blanks(&c);
    if (!good || c.at != len) {
        if (at != NULL) {
            *at = c.at;
        }
        return false;
    }
    *out = (pm_json){.text = text + start, .len = end - start};
    return true;
}

/* ---- walking checked text ---- */

static void skip_string(cursor *c)
{
    const char *begin = c->text + c->at + 1;
    const char *end = begin;
    for (;;) { /* to a quote that no odd number of backslashes stands before */
        end = memchr(end, '"', c->len - (size_t)(end - c->text));
        const char *mark = end;
        while (mark > begin && mark[-1] == '\\') {
            mark--;
        }
        if ((end - mark) % 2 == 0) {
            break;
        }
        end++;
    }
    c->at = (size_t)(end - c->text) + 1;
}

static bool ends_scalar(char c)
{
    return c == ',' || c == ']' || c == '}' || c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static void skip_value(cursor *c)
{
    size_t depth = 0;
    do {
        char kind = c->text[c->at];
        if (kind == '"') {
            skip_string(c);
        } else if (kind == '{' || kind == '[') {
            depth++;
            c->at++;
        } else if (kind == '}' || kind == ']') {
            depth--;
            c->at++;
        } else if (depth > 0) {
            c->at++;
        } else {
            while (c->at < c->len && !ends_scalar(c->text[c->at])) {
                c->at++;
            }
        }
    } while (depth > 0);
}

bool pm_json_is(pm_json value, char kind)
{
    if (value.text == NULL) {
        return false;
    }
    char first = value.text[0];
    switch (kind) {
    case '0':
        return first == '-' || (first >= '0' && first <= '9');
    case 't':
        return first == 't' || first == 'f';
    default:
        return first == kind;
    }
}

static bool next_value(cursor *c, pm_json *value)
{
    skip_blanks(c);
    size_t start = c->at;
    skip_value(c);
    *value = (pm_json){.text = c->text + start, .len = c->at - start};
    skip_blanks(c);
    return true;
}

/* Moves over the opening bracket or the comma; false at the end. */
static bool enter(cursor *c, char close)
{
    skip_blanks(c);
    if (c->at >= c->len || c->text[c->at] == close) {
        return false;
    }
    c->at++;
    skip_blanks(c);
    return c->text[c->at] != close;
}

bool pm_json_next_element(pm_json array, size_t *at, pm_json *value)
{
    cursor c = {.text = array.text, .len = array.len, .at = *at};
    if (!pm_json_is(array, '[') || !enter(&c, ']')) {
        return false;
    }
    (void)next_value(&c, value);
    *at = c.at;
    return true;
}

bool pm_json_next_member(pm_json object, size_t *at, pm_json *key, pm_json *value)
{
    cursor c = {.text = object.text, .len = object.len, .at = *at};
    if (!pm_json_is(object, '{') || !enter(&c, '}')) {
        return false;
    }
    (void)next_value(&c, key);
    c.at++; /* the colon */
    (void)next_value(&c, value);
    *at = c.at;
    return true;
}

pm_json pm_json_member(pm_json object, const char *key)
{
    pm_json found = {0};
    pm_json name;
    pm_json value;
    for (size_t at = 0; pm_json_next_member(object, &at, &name, &value);) {
        if (pm_json_equals(name, key)) {
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
        if (number > (most - digit) / 10) {
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

bool pm_json_equals(pm_json value, const char *text)
{
    if (!pm_json_is(value, '"')) {
        return false;
    }
    size_t matched = 0;
    size_t len = value.len - 2;
    if (value.text[1] != '\\' && value.text[1] != (len > 0 ? text[0] : '"')) {
        return false; /* most names differ at once */
    }
    if (memchr(value.text + 1, '\\', len) == NULL) {
        return strncmp(text, value.text + 1, len) == 0 && text[len] == '\0';
    }
    for (size_t at = 1; at < value.len - 1;) {
        char utf8[4];
        size_t width = next_char(value, &at, utf8);
        if (strncmp(text + matched, utf8, width) != 0 || memchr(utf8, '\0', width) != NULL) {
            return false;
        }
        matched += width;
    }
    return text[matched] == '\0';
}
