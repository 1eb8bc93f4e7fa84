/* scale.c: see scale.h. */
#include "scale.h"

#include <string.h>

#include <blake2.h>
#include <xxhash.h>

static void put_little(pm_buf *out, uint64_t value, size_t bytes)
{
    char little[8];
    for (size_t i = 0; i < bytes; i++) {
        little[i] = (char)(value >> (8 * i));
    }
    pm_buf_add(out, little, bytes);
}

void sim_put_u8(pm_buf *out, uint8_t value)
{
    put_little(out, value, 1);
}

void sim_put_u16(pm_buf *out, uint16_t value)
{
    put_little(out, value, 2);
}

void sim_put_u32(pm_buf *out, uint32_t value)
{
    put_little(out, value, 4);
}

void sim_put_u64(pm_buf *out, uint64_t value)
{
    put_little(out, value, 8);
}

void sim_put_u128(pm_buf *out, uint64_t value)
{
    put_little(out, value, 8);
    put_little(out, 0, 8);
}

void sim_put_compact(pm_buf *out, uint64_t value)
{
    if (value < 1u << 6) {
        put_little(out, value << 2, 1);
    } else if (value < 1u << 14) {
        put_little(out, value << 2 | 1, 2);
    } else if (value < 1u << 30) {
        put_little(out, value << 2 | 2, 4);
    } else {
        size_t bytes = 4;
        while (bytes < 8 && value >> (8 * bytes) != 0) {
            bytes++;
        }
        put_little(out, (bytes - 4) << 2 | 3, 1);
        put_little(out, value, bytes);
    }
}

void sim_put_text(pm_buf *out, const char *text)
{
    size_t len = strlen(text);
    sim_put_compact(out, len);
    pm_buf_add(out, text, len);
}

static void put_twox128(pm_buf *out, const char *text)
{
    put_little(out, XXH64(text, strlen(text), 0), 8);
    put_little(out, XXH64(text, strlen(text), 1), 8);
}

void sim_key_item(pm_buf *out, const char *pallet, const char *item)
{
    put_twox128(out, pallet);
    put_twox128(out, item);
}

void sim_key_twox64(pm_buf *out, const void *bytes, size_t len)
{
    put_little(out, XXH64(bytes, len, 0), 8);
    pm_buf_add(out, bytes, len);
}

void sim_key_blake2(pm_buf *out, const void *bytes, size_t len)
{
    uint8_t digest[16];
    sim_blake2(digest, sizeof digest, bytes, len);
    pm_buf_add(out, digest, sizeof digest);
    pm_buf_add(out, bytes, len);
}

void sim_blake2(void *out, size_t size, const void *bytes, size_t len)
{
    (void)blake2b(out, bytes, NULL, size, len, 0);
}

void sim_hex(char *out, const void *bytes, size_t len)
{
    static const char digits[] = "0123456789abcdef";
    const uint8_t *from = bytes;
    for (size_t i = 0; i < len; i++) {
        out[2 * i] = digits[from[i] >> 4];
        out[2 * i + 1] = digits[from[i] & 15];
    }
}

void sim_put_hex(pm_buf *out, const void *bytes, size_t len)
{
    pm_buf_text(out, "0x");
    if (pm_buf_reserve(out, 2 * len + 1)) {
        sim_hex(out->data + out->len, bytes, len);
        out->len += 2 * len;
        out->data[out->len] = '\0';
    }
}

static int digit(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

int sim_unhex(void *out, size_t size, const char *digits, size_t len)
{
    uint8_t *to = out;
    if (len != 2 * size) {
        return -1;
    }
    for (size_t i = 0; i < size; i++) {
        int high = digit(digits[2 * i]);
        int low = digit(digits[2 * i + 1]);
        if (high < 0 || low < 0) {
            return -1;
        }
        to[i] = (uint8_t)(high << 4 | low);
    }
    return 0;
}

void sim_put_ss58(pm_buf *out, uint8_t prefix, const uint8_t account[32])
{
    static const char alphabet[] = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
    uint8_t body[35];
    uint8_t salted[7 + 33] = "SS58PRE";
    uint8_t digest[64];
    body[0] = prefix;
    memcpy(body + 1, account, 32);
    memcpy(salted + 7, body, 33);
    sim_blake2(digest, sizeof digest, salted, sizeof salted);
    body[33] = digest[0];
    body[34] = digest[1];

    char text[64];
    size_t at = sizeof text;
    size_t zeros = 0;
    while (zeros < sizeof body && body[zeros] == 0) {
        zeros++;
    }
    for (size_t from = zeros; from < sizeof body;) { /* long division of the bytes by 58 */
        unsigned rest = 0;
        for (size_t i = from; i < sizeof body; i++) {
            unsigned part = rest << 8 | body[i];
            body[i] = (uint8_t)(part / 58);
            rest = part % 58;
        }
        text[--at] = alphabet[rest];
        while (from < sizeof body && body[from] == 0) {
            from++;
        }
    }
    for (size_t i = 0; i < zeros; i++) {
        pm_buf_char(out, '1');
    }
    pm_buf_add(out, text + at, sizeof text - at);
}
