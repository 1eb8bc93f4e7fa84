/* buf.c: see buf.h. */
#include "base/buf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/scan.h"
#include "base/utf8.h"

/* What is formatted is seldom longer. */
#define FORMAT_USUAL 100
/* Any 64-bit number is shorter. */
#define INT_ROOM 24

bool pm_buf_reserve(pm_buf *buf, size_t extra)
{
    if (buf->failed || extra > SIZE_MAX / 4 - buf->len) {
        buf->failed = true;
        return false;
    }
    size_t need = buf->len + extra + 1;
    if (need <= buf->cap) {
        return true;
    }
    size_t cap = buf->cap < 64 ? 64 : buf->cap;
    while (cap < need) {
        cap *= cap >= 256 && cap < 4096 ? 4 : 2;
    }
    char *data = buf->data == NULL ? malloc(cap) : realloc(buf->data, cap);
    if (data == NULL) {
        buf->failed = true;
        return false;
    }
    buf->data = data;
    buf->cap = cap;
    return true;
}

static void add(pm_buf *buf, const void *bytes, size_t len)
{
    if (len > 0) {
        memcpy(buf->data + buf->len, bytes, len);
    }
    buf->len += len;
    buf->data[buf->len] = '\0';
}

static __attribute__((noinline)) void grow_and_add(pm_buf *buf, const void *bytes, size_t len)
{
    if (pm_buf_reserve(buf, len)) {
        add(buf, bytes, len);
    }
}

void pm_buf_add(pm_buf *buf, const void *bytes, size_t len)
{
    if (pm_buf_has_room(buf, len)) {
        add(buf, bytes, len);
    } else {
        grow_and_add(buf, bytes, len);
    }
}

/* Writes two digits that end before `end`; gives their place. */
static inline char *put_pair(char *end, unsigned pair)
{
    static const char pairs[] = "00010203040506070809101112131415161718192021222324"
                                "25262728293031323334353637383940414243444546474849"
                                "50515253545556575859606162636465666768697071727374"
                                "75767778798081828384858687888990919293949596979899";
    return memcpy(end - 2, pairs + (size_t)pair * 2, 2);
}

void pm_buf_int(pm_buf *buf, int64_t value)
{
    char digits[2 * INT_ROOM] = {0};
    char *end = digits + INT_ROOM;
    char *at = end;
    uint64_t left = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    for (; left >= 10; left /= 100) {
        at = put_pair(at, (unsigned)(left % 100));
    }
    if (left > 0 || at == end) {
        *--at = (char)('0' + left);
    }
    if (value < 0) {
        *--at = '-';
    }
    if (pm_buf_has_room(buf, INT_ROOM)) { /* a copy of fixed length is cheaper */
        memcpy(buf->data + buf->len, at, INT_ROOM);
        buf->len += (size_t)(end - at);
        buf->data[buf->len] = '\0';
    } else {
        pm_buf_add(buf, at, (size_t)(end - at));
    }
}

void pm_buf_seconds(pm_buf *buf, int64_t us)
{
    char digits[7] = {'.'};
    unsigned part = (unsigned)(us % 1000000);
    pm_buf_int(buf, us / 1000000);
    (void)put_pair(digits + 7, part % 100);
    (void)put_pair(digits + 5, part / 100 % 100);
    (void)put_pair(digits + 3, part / 10000 % 100);
    pm_buf_add(buf, digits, sizeof digits);
}

void pm_buf_format_list(pm_buf *buf, const char *format, va_list args)
{
    va_list again;
    va_copy(again, args);
    int need = -1;
    if (pm_buf_reserve(buf, FORMAT_USUAL)) {
        need = vsnprintf(buf->data + buf->len, FORMAT_USUAL + 1, format, args);
    }
    if (need > FORMAT_USUAL && pm_buf_reserve(buf, (size_t)need)) {
        (void)vsnprintf(buf->data + buf->len, (size_t)need + 1, format, again);
    }
    if (need < 0 || buf->failed) {
        buf->failed = true;
    } else {
        buf->len += (size_t)need;
    }
    va_end(again);
}

void pm_buf_format(pm_buf *buf, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    pm_buf_format_list(buf, format, args);
    va_end(args);
}

/* A byte that no string of JSON holds as it is. */
static void add_escape(pm_buf *buf, unsigned char c)
{
    static const char hex[] = "0123456789abcdef";
    if (c >= 0x80) {
        pm_buf_text(buf, "\\ufffd");
    } else if (c == '"' || c == '\\') {
        pm_buf_char(buf, '\\');
        pm_buf_char(buf, (char)c);
    } else if (c == '\n') {
        pm_buf_text(buf, "\\n");
    } else {
        const char escape[6] = {'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]};
        pm_buf_add(buf, escape, sizeof escape);
    }
}

void pm_buf_json_string(pm_buf *buf, const char *text, size_t len)
{
    if (!pm_buf_has_room(buf, len + 2) && !pm_buf_reserve(buf, len + 2)) {
        return;
    }
    const char *end = text + len;
    const char *from = text; /* what is not yet copied */
    buf->data[buf->len++] = '"';
    for (const char *at = text; (at = pm_scan(PM_SCAN_SPECIAL, text, at, end)) < end;) {
        size_t width = (unsigned char)*at < 0x80 ? 0 : pm_utf8_width(at, (size_t)(end - at));
        if (width > 0) {
            at += width;
            continue;
        }
        pm_buf_add(buf, from, (size_t)(at - from));
        add_escape(buf, (unsigned char)*at);
        from = ++at;
    }
    pm_buf_add(buf, from, (size_t)(end - from));
    pm_buf_char(buf, '"');
}

void pm_buf_clear(pm_buf *buf)
{
    buf->len = 0;
    buf->failed = false;
    if (buf->data != NULL) {
        buf->data[0] = '\0';
    }
}

char *pm_buf_take(pm_buf *buf, size_t *len)
{
    if (!pm_buf_reserve(buf, 0)) {
        pm_buf_free(buf);
        return NULL;
    }
    char *data = buf->data;
    data[buf->len] = '\0';
    if (len != NULL) {
        *len = buf->len;
    }
    *buf = (pm_buf){0};
    return data;
}
