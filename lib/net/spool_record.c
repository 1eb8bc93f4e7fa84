/* spool_record.c: the records of the spool: length (4 bytes), CRC-32 of the content (4 bytes), then
 * the content: kind (1), seq (8), and for a message the lengths of lane, exchange and routing key
 * (2 each), their texts with a zero byte after each, the body and a zero byte. Numbers are little
 * endian. */
#include <string.h>

#include "net/spool_impl.h"

#define HEAD_SIZE    8
#define SETTLED_SIZE 9
#define MESSAGE_SIZE (SETTLED_SIZE + 6 + 4)

static void add_number(pm_buf *out, uint64_t value, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) {
        pm_buf_char(out, (char)(unsigned char)(value >> (8 * i)));
    }
}

static uint64_t number_at(const char *at, size_t bytes)
{
    uint64_t value = 0;
    for (size_t i = 0; i < bytes; i++) {
        value |= (uint64_t)(unsigned char)at[i] << (8 * i);
    }
    return value;
}

/* Four bits a step: small, and fast enough beside the write. */
static uint32_t crc32_of(const char *bytes, size_t len)
{
    static const uint32_t table[16] = {0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac,
                                       0x76dc4190, 0x6b6b51f4, 0x4db26158, 0x5005713c,
                                       0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c,
                                       0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c};
    uint32_t crc = 0xffffffff;
    for (size_t i = 0; i < len; i++) {
        crc ^= (unsigned char)bytes[i];
        crc = table[crc & 15] ^ (crc >> 4);
        crc = table[crc & 15] ^ (crc >> 4);
    }
    return ~crc;
}

/* Fills in the head of the record that starts at `start`. */
static void seal(pm_buf *out, size_t start)
{
    if (out->failed) {
        return;
    }
    pm_buf head = {0};
    size_t len = out->len - start - HEAD_SIZE;
    add_number(&head, len, 4);
    add_number(&head, crc32_of(out->data + start + HEAD_SIZE, len), 4);
    if (head.failed) {
        out->failed = true;
    } else {
        memcpy(out->data + start, head.data, HEAD_SIZE);
    }
    pm_buf_free(&head);
}

static void add_text(pm_buf *out, const char *text)
{
    pm_buf_add(out, text, strlen(text) + 1);
}

void pm_record_message(pm_buf *out, uint64_t seq, const char *lane, const pm_message *message)
{
    size_t start = out->len;
    size_t lengths[3] = {strlen(lane), strlen(message->exchange), strlen(message->routing_key)};
    if (lengths[0] > UINT16_MAX || lengths[1] > UINT16_MAX || lengths[2] > UINT16_MAX) {
        out->failed = true;
        return;
    }
    add_number(out, 0, HEAD_SIZE);
    add_number(out, PM_RECORD_MESSAGE, 1);
    add_number(out, seq, 8);
    for (size_t i = 0; i < 3; i++) {
        add_number(out, lengths[i], 2);
    }
    add_text(out, lane);
    add_text(out, message->exchange);
    add_text(out, message->routing_key);
    pm_buf_add(out, message->body, message->len);
    pm_buf_char(out, '\0');
    seal(out, start);
}

void pm_record_settled(pm_buf *out, uint64_t seq)
{
    size_t start = out->len;
    add_number(out, 0, HEAD_SIZE);
    add_number(out, PM_RECORD_SETTLED, 1);
    add_number(out, seq, 8);
    seal(out, start);
}

static bool read_message(const char *content, size_t len, pm_record *out)
{
    size_t lengths[3];
    if (len < MESSAGE_SIZE) {
        return false;
    }
    for (size_t i = 0; i < 3; i++) {
        lengths[i] = (size_t)number_at(content + SETTLED_SIZE + 2 * i, 2);
    }
    size_t texts = lengths[0] + lengths[1] + lengths[2];
    if (texts > len - MESSAGE_SIZE) {
        return false;
    }
    out->lane = content + SETTLED_SIZE + 6;
    out->message.exchange = out->lane + lengths[0] + 1;
    out->message.routing_key = out->message.exchange + lengths[1] + 1;
    out->message.body = out->message.routing_key + lengths[2] + 1;
    out->message.len = len - MESSAGE_SIZE - texts;
    return out->lane[lengths[0]] == '\0' && out->message.exchange[lengths[1]] == '\0' &&
           out->message.routing_key[lengths[2]] == '\0' &&
           out->message.body[out->message.len] == '\0';
}

bool pm_record_read(const char *bytes, size_t len, size_t *at, pm_record *out)
{
    if (len - *at < HEAD_SIZE + SETTLED_SIZE) {
        return false;
    }
    size_t size = (size_t)number_at(bytes + *at, 4);
    uint32_t sum = (uint32_t)number_at(bytes + *at + 4, 4);
    const char *content = bytes + *at + HEAD_SIZE;
    if (size < SETTLED_SIZE || size > PM_SPOOL_RECORD_MAX || size > len - *at - HEAD_SIZE ||
        crc32_of(content, size) != sum) {
        return false;
    }
    *out = (pm_record){.kind = (pm_record_kind)content[0], .seq = number_at(content + 1, 8)};
    if (out->kind == PM_RECORD_MESSAGE ? !read_message(content, size, out)
                                       : out->kind != PM_RECORD_SETTLED || size != SETTLED_SIZE) {
        return false;
    }
    *at += HEAD_SIZE + size;
    return true;
}
