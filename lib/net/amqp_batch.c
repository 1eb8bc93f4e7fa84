/* amqp_batch.c: see amqp_batch.h. A message is a method frame, a header frame with the size of the
 * body, and the body in as many frames as it takes. */
#include "net/amqp_batch.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#define FRAME_METHOD 1
#define FRAME_HEADER 2
#define FRAME_BODY   3
#define FRAME_END    0xCE
/* Type, channel and length before the content, the end after it. */
#define FRAME_HEAD  7
#define FRAME_EXTRA (FRAME_HEAD + 1)

#define CLASS_BASIC    60
#define METHOD_PUBLISH 40
#define MANDATORY      1
#define HAS_DELIVERY   0x1000 /* of the properties only the delivery mode is there */
#define PERSISTENT     2
/* Class, method, a reserved number, the bits; and what is around the two texts. */
#define METHOD_SIZE(texts) (7 + 2 + (texts))
/* Class, weight, size of the body, which properties there are, delivery mode. */
#define HEADER_SIZE 15
/* A buffer that grew larger, for a large message, is given back. */
#define KEEP_MAX (4 * PM_BATCH_SIZE)

/* ---- encoding ---- */

static unsigned char *put_number(unsigned char *at, uint64_t value, unsigned bytes)
{
    for (unsigned i = bytes; i > 0; i--) {
        *at++ = (unsigned char)(value >> (8 * (i - 1)));
    }
    return at;
}

static unsigned char *put_bytes(unsigned char *at, const char *bytes, size_t len)
{
    if (len > 0) {
        memcpy(at, bytes, len);
    }
    return at + len;
}

static unsigned char *put_text(unsigned char *at, const char *text, size_t len)
{
    return put_bytes(put_number(at, len, 1), text, len);
}

static unsigned char *put_head(unsigned char *at, const pm_batch *batch, unsigned type, size_t len)
{
    at = put_number(at, type, 1);
    at = put_number(at, batch->channel, 2);
    return put_number(at, len, 4);
}

/* The method and header frames. */
static void add_heads(pm_batch *batch, const pm_message *message)
{
    pm_buf *out = &batch->out;
    size_t exchange = strlen(message->exchange);
    size_t key = strlen(message->routing_key);
    size_t method = METHOD_SIZE(exchange + key);
    if (exchange > PM_OUTBOX_NAME_MAX || key > PM_OUTBOX_NAME_MAX ||
        !pm_buf_reserve(out, method + HEADER_SIZE + 2 * (size_t)FRAME_EXTRA)) {
        out->failed = true;
        return;
    }
    unsigned char *at = (unsigned char *)out->data + out->len;
    at = put_head(at, batch, FRAME_METHOD, method);
    at = put_number(at, CLASS_BASIC, 2);
    at = put_number(at, METHOD_PUBLISH, 2);
    at = put_number(at, 0, 2);
    at = put_text(at, message->exchange, exchange);
    at = put_text(at, message->routing_key, key);
    at = put_number(at, MANDATORY, 1);
    *at++ = FRAME_END;
    at = put_head(at, batch, FRAME_HEADER, HEADER_SIZE);
    at = put_number(at, CLASS_BASIC, 2);
    at = put_number(at, 0, 2);
    at = put_number(at, message->len, 8);
    at = put_number(at, HAS_DELIVERY, 2);
    at = put_number(at, PERSISTENT, 1);
    *at++ = FRAME_END;
    out->len = (size_t)(at - (unsigned char *)out->data);
}

static void add_body(pm_batch *batch, const char *bytes, size_t len)
{
    pm_buf *out = &batch->out;
    if (!pm_buf_reserve(out, len + FRAME_EXTRA)) {
        return;
    }
    unsigned char *at = (unsigned char *)out->data + out->len;
    at = put_head(at, batch, FRAME_BODY, len);
    at = put_bytes(at, bytes, len);
    *at++ = FRAME_END;
    out->len = (size_t)(at - (unsigned char *)out->data);
}

/* ---- writing ---- */

int pm_batch_flush(pm_batch *batch)
{
    pm_buf *out = &batch->out;
    if (out->failed) {
        return ENOMEM;
    }
    while (batch->at < out->len) {
        ssize_t sent = send(batch->fd, out->data + batch->at, out->len - batch->at,
                            MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent >= 0) {
            batch->at += (size_t)sent;
        } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            return 0;
        } else if (errno != EINTR) {
            return errno;
        }
    }
    batch->at = 0;
    if (out->cap > KEEP_MAX) {
        pm_buf_free(out);
    } else {
        pm_buf_clear(out);
    }
    return 0;
}

size_t pm_batch_left_over(const pm_batch *batch)
{
    return batch->out.len - batch->at;
}

int pm_batch_send(pm_batch *batch, const pm_message *const *list, size_t count)
{
    size_t most = batch->frame_max - FRAME_EXTRA;
    for (size_t i = 0; i < count; i++) {
        add_heads(batch, list[i]);
        for (size_t done = 0; done < list[i]->len;) {
            size_t left = list[i]->len - done;
            size_t part = left < most ? left : most;
            add_body(batch, list[i]->body + done, part);
            done += part;
        }
    }
    return pm_batch_flush(batch);
}

void pm_batch_free(pm_batch *batch)
{
    pm_buf_free(&batch->out);
    batch->at = 0;
}
