/* buf.c: see buf.h. */
#include "base/buf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"

/* What is formatted is seldom longer. */
#define FORMAT_USUAL 100

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
    char *data = realloc(buf->data, cap);
    if (data == NULL) {
        buf->failed = true;
        return false;
    }
    buf->data = data;
    buf->cap = cap;
    return true;
}

void pm_buf_add(pm_buf *buf, const void *bytes, size_t len)
{
    if (!pm_buf_reserve(buf, len)) {
        return;
    }
    if (len > 0) {
        memcpy(buf->data + buf->len, bytes, len);
    }
    buf->len += len;
    buf->data[buf->len] = '\0';
}

void pm_buf_text(pm_buf *buf, const char *text)
{
    pm_buf_add(buf, text, strlen(text));
}

void pm_buf_char(pm_buf *buf, char c)
{
    pm_buf_add(buf, &c, 1);
}

void pm_buf_int(pm_buf *buf, int64_t value)
{
    char digits[24];
    size_t at = sizeof digits;
    uint64_t left = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    do {
        digits[--at] = (char)('0' + left % 10);
        left /= 10;
    } while (left > 0);
    if (value < 0) {
        digits[--at] = '-';
    }
    pm_buf_add(buf, digits + at, sizeof digits - at);
}

void pm_buf_seconds(pm_buf *buf, int64_t us)
{
    char digits[7] = {'.'};
    int64_t part = us % 1000000;
    for (size_t i = 6; i > 0; i--) {
        digits[i] = (char)('0' + part % 10);
        part /= 10;
    }
    pm_buf_int(buf, us / 1000000);
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

void pm_buf_json_string(pm_buf *buf, const char *text, size_t len)
{
    static const char hex[] = "0123456789abcdef";
    pm_buf_char(buf, '"');
    size_t plain = 0; /* start of the bytes not yet copied */
    size_t i = 0;
    while (i < len) {
        unsigned char c = (unsigned char)text[i];
        size_t width = c < 0x80 ? 1 : pm_utf8_width(text + i, len - i);
        if (width > 0 && c >= 0x20 && c != '"' && c != '\\') {
            i += width;
            continue;
        }
        pm_buf_add(buf, text + plain, i - plain);
        if (width == 0) {
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
        i += 1;
        plain = i;
    }
    pm_buf_add(buf, text + plain, len - plain);
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

void pm_buf_free(pm_buf *buf)
{
    free(buf->data);
    *buf = (pm_buf){0};
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
