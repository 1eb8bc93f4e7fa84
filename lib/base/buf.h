/* buf.h: a growing byte buffer with a sticky failure: append freely, look at `failed` once.
 * Owner: whoever holds the struct; zero-initialised is empty; pm_buf_free() when done. */
#ifndef PM_BUF_H
#define PM_BUF_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef struct pm_buf {
    char *data; /* zero-terminated whenever not NULL */
    size_t len;
    size_t cap;
    bool failed; /* an allocation failed; the content is incomplete */
} pm_buf;

/* Makes room for `extra` more bytes; false (and failed) without memory. */
bool pm_buf_reserve(pm_buf *buf, size_t extra);
void pm_buf_add(pm_buf *buf, const void *bytes, size_t len);

/* Room for `extra` bytes and a zero. Where there is room, a buffer that failed takes them too: what
 * it holds is of no use any more. */
static inline bool pm_buf_has_room(const pm_buf *buf, size_t extra)
{
    return extra < buf->cap - buf->len;
}

/* Literals and single bytes, which most of what is written is made of, are copied in place. */
#define PM_BUF_LITERAL 64

static inline void pm_buf_char(pm_buf *buf, char c)
{
    if (pm_buf_has_room(buf, 1)) {
        buf->data[buf->len++] = c;
        buf->data[buf->len] = '\0';
    } else {
        pm_buf_add(buf, &c, 1);
    }
}

static inline void pm_buf_text(pm_buf *buf, const char *text)
{
    size_t len = strlen(text);
    if (__builtin_constant_p(len) && len <= PM_BUF_LITERAL && pm_buf_has_room(buf, len)) {
        memcpy(buf->data + buf->len, text, len + 1);
        buf->len += len;
    } else {
        pm_buf_add(buf, text, len);
    }
}

void pm_buf_int(pm_buf *buf, int64_t value);
/* Microseconds since the epoch as seconds with six decimals. */
void pm_buf_seconds(pm_buf *buf, int64_t us);
void pm_buf_format(pm_buf *buf, const char *format, ...) __attribute__((format(printf, 2, 3)));
void pm_buf_format_list(pm_buf *buf, const char *format, va_list args)
    __attribute__((format(printf, 2, 0)));
/* Appends `text` as a JSON string with its quotes; bytes that are no UTF-8 become U+FFFD. */
void pm_buf_json_string(pm_buf *buf, const char *text, size_t len);
void pm_buf_clear(pm_buf *buf);

static inline void pm_buf_free(pm_buf *buf)
{
    if (buf->data != NULL) {
        free(buf->data);
    }
    *buf = (pm_buf){0};
}

/* Hands the content over (malloc'd, zero-terminated) and empties the buffer; NULL when failed. */
char *pm_buf_take(pm_buf *buf, size_t *len);

#endif
