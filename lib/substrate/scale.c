/* scale.c: see scale.h. */
#include "substrate/scale.h"

#include <string.h>

#define LIMB_BASE 1000000000u /* nine decimal digits at a time */

bool pm_name_is(pm_name name, const char *text)
{
    return name.text != NULL && strlen(text) == name.len && memcmp(name.text, text, name.len) == 0;
}

bool pm_scale_take(pm_scale *in, size_t count, const uint8_t **bytes)
{
    if (count > pm_scale_left(in)) {
        return false;
    }
    *bytes = in->at;
    in->at += count;
    return true;
}

bool pm_scale_u8(pm_scale *in, uint8_t *out)
{
    const uint8_t *bytes;
    if (!pm_scale_take(in, 1, &bytes)) {
        return false;
    }
    *out = bytes[0];
    return true;
}

bool pm_scale_u16(pm_scale *in, uint16_t *out)
{
    const uint8_t *bytes;
    if (!pm_scale_take(in, 2, &bytes)) {
        return false;
    }
    *out = (uint16_t)(bytes[0] | bytes[1] << 8);
    return true;
}

bool pm_scale_u32(pm_scale *in, uint32_t *out)
{
    const uint8_t *bytes;
    if (!pm_scale_take(in, 4, &bytes)) {
        return false;
    }
    *out = (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 |
           (uint32_t)bytes[3] << 24;
    return true;
}

bool pm_scale_u64(pm_scale *in, uint64_t *out)
{
    pm_scale rest = *in;
    uint32_t low;
    uint32_t high;
    if (!pm_scale_u32(&rest, &low) || !pm_scale_u32(&rest, &high)) {
        return false;
    }
    *in = rest;
    *out = (uint64_t)high << 32 | low;
    return true;
}

bool pm_scale_compact(pm_scale *in, pm_u256 *out)
{
    if (in->at == in->end) {
        return false;
    }
    uint8_t first = in->at[0];
    const uint8_t *bytes;
    if ((first & 3) == 3) { /* a count, and as many bytes */
        size_t count = (size_t)(first >> 2) + 4;
        if (count > sizeof out->bytes || !pm_scale_take(in, count + 1, &bytes)) {
            return false;
        }
        pm_u256_set(out, bytes + 1, count);
        return true;
    }
    size_t count = (size_t)1 << (first & 3); /* 1, 2 or 4 bytes, without the two lowest bits */
    if (!pm_scale_take(in, count, &bytes)) {
        return false;
    }
    uint32_t value = 0;
    for (size_t i = count; i > 0; i--) {
        value = value << 8 | bytes[i - 1];
    }
    value >>= 2;
    const uint8_t little[4] = {(uint8_t)value, (uint8_t)(value >> 8), (uint8_t)(value >> 16),
                               (uint8_t)(value >> 24)};
    pm_u256_set(out, little, sizeof little);
    return true;
}

bool pm_scale_compact_u32(pm_scale *in, uint32_t *out)
{
    pm_scale rest = *in;
    uint8_t first;
    if (pm_scale_u8(&rest, &first) && (first & 3) == 0) { /* most are */
        *in = rest;
        *out = first >> 2;
        return true;
    }
    rest = *in;
    pm_u256 wide;
    uint64_t value;
    if (!pm_scale_compact(&rest, &wide) || !pm_u256_u64(&wide, &value) || value > UINT32_MAX) {
        return false;
    }
    *in = rest;
    *out = (uint32_t)value;
    return true;
}

void pm_scale_put_compact(pm_buf *out, const pm_u256 *value)
{
    size_t bits = pm_u256_bits(value);
    if (bits > 30) {
        size_t count = (bits + 7) / 8;
        count = count < 4 ? 4 : count;
        pm_buf_char(out, (char)((count - 4) << 2 | 3));
        pm_buf_add(out, value->bytes, count);
        return;
    }
    uint32_t small = (uint32_t)value->bytes[0] | (uint32_t)value->bytes[1] << 8 |
                     (uint32_t)value->bytes[2] << 16 | (uint32_t)value->bytes[3] << 24;
    uint32_t mode = bits <= 6 ? 0 : bits <= 14 ? 1 : 2;
    small = small << 2 | mode;
    const uint8_t little[4] = {(uint8_t)small, (uint8_t)(small >> 8), (uint8_t)(small >> 16),
                               (uint8_t)(small >> 24)};
    pm_buf_add(out, little, (size_t)1 << mode);
}

void pm_scale_put_length(pm_buf *out, uint64_t value)
{
    pm_u256 wide = {{0}};
    for (size_t i = 0; i < 8; i++) {
        wide.bytes[i] = (uint8_t)(value >> (8 * i));
    }
    pm_scale_put_compact(out, &wide);
}

void pm_u256_set(pm_u256 *out, const uint8_t *bytes, size_t count)
{
    memset(out->bytes, 0, sizeof out->bytes);
    memcpy(out->bytes, bytes, count);
}

bool pm_u256_u64(const pm_u256 *value, uint64_t *out)
{
    uint64_t result = 0;
    unsigned above = 0;
    for (size_t i = 8; i < sizeof value->bytes; i++) {
        above |= value->bytes[i];
    }
    if (above != 0) {
        return false;
    }
    for (size_t i = 8; i > 0; i--) {
        result = result << 8 | value->bytes[i - 1];
    }
    *out = result;
    return true;
}

size_t pm_u256_bits(const pm_u256 *value)
{
    for (size_t i = sizeof value->bytes; i > 0; i--) {
        uint8_t byte = value->bytes[i - 1];
        size_t bits = 0;
        for (; byte != 0; byte = (uint8_t)(byte >> 1)) {
            bits++;
        }
        if (bits > 0) {
            return (i - 1) * 8 + bits;
        }
    }
    return 0;
}

void pm_u256_negate(pm_u256 *value)
{
    unsigned carry = 1;
    for (size_t i = 0; i < sizeof value->bytes; i++) {
        unsigned sum = (unsigned)(uint8_t)~value->bytes[i] + carry;
        value->bytes[i] = (uint8_t)sum;
        carry = sum >> 8;
    }
}

size_t pm_u256_decimal(const pm_u256 *value, char text[PM_U256_DIGITS])
{
    uint32_t limbs[8];
    size_t count = 0; /* limbs in use */
    for (size_t i = 0; i < 8; i++) {
        const uint8_t *b = value->bytes + 4 * i;
        limbs[i] =
            (uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
        count = limbs[i] != 0 ? i + 1 : count;
    }
    char digits[PM_U256_DIGITS]; /* lowest first */
    size_t len = 0;
    do {
        uint64_t rest = 0;
        for (size_t i = count; i > 0; i--) {
            rest = rest << 32 | limbs[i - 1];
            limbs[i - 1] = (uint32_t)(rest / LIMB_BASE);
            rest %= LIMB_BASE;
        }
        while (count > 0 && limbs[count - 1] == 0) {
            count--;
        }
        for (int i = 0; i < 9 && (count > 0 || rest > 0 || len == 0); i++) {
            digits[len++] = (char)('0' + rest % 10);
            rest /= 10;
        }
    } while (count > 0);
    for (size_t i = 0; i < len; i++) {
        text[i] = digits[len - 1 - i];
    }
    text[len] = '\0';
    return len;
}

bool pm_u256_parse(pm_u256 *out, const char *text, size_t len)
{
    memset(out->bytes, 0, sizeof out->bytes);
    for (size_t i = 0; i < len; i++) {
        if (text[i] < '0' || text[i] > '9') {
            return false;
        }
        unsigned carry = (unsigned)(text[i] - '0');
        for (size_t j = 0; j < sizeof out->bytes; j++) {
            carry += out->bytes[j] * 10u;
            out->bytes[j] = (uint8_t)carry;
            carry >>= 8;
        }
        if (carry != 0) {
            return false;
        }
    }
    return len > 0;
}

void pm_hex_add(pm_buf *out, const void *bytes, size_t len)
{
    static const char digits[] = "0123456789abcdef";
    const uint8_t *in = bytes;
    if (len > SIZE_MAX / 4 || !pm_buf_reserve(out, 2 * len)) {
        out->failed = true;
        return;
    }
    for (size_t i = 0; i < len; i++) {
        out->data[out->len++] = digits[in[i] >> 4];
        out->data[out->len++] = digits[in[i] & 15];
    }
    out->data[out->len] = '\0';
}

void pm_hex_add_0x(pm_buf *out, const void *bytes, size_t len)
{
    pm_buf_text(out, "0x");
    pm_hex_add(out, bytes, len);
}

/* The digit and one; 0: none. */
static const uint8_t hex_digits[256] = {
    ['0'] = 1,  ['1'] = 2,  ['2'] = 3,  ['3'] = 4,  ['4'] = 5,  ['5'] = 6,  ['6'] = 7,  ['7'] = 8,
    ['8'] = 9,  ['9'] = 10, ['a'] = 11, ['b'] = 12, ['c'] = 13, ['d'] = 14, ['e'] = 15, ['f'] = 16,
    ['A'] = 11, ['B'] = 12, ['C'] = 13, ['D'] = 14, ['E'] = 15, ['F'] = 16};

bool pm_hex_parse(const char *text, size_t len, pm_buf *out)
{
    if (len >= 2 && text[0] == '0' && (text[1] == 'x' || text[1] == 'X')) {
        text += 2;
        len -= 2;
    }
    if (len % 2 != 0 || !pm_buf_reserve(out, len / 2)) {
        return false;
    }
    size_t start = out->len;
    uint8_t *to = (uint8_t *)out->data + start;
    for (size_t i = 0; i < len; i += 2) {
        unsigned high = hex_digits[(unsigned char)text[i]];
        unsigned low = hex_digits[(unsigned char)text[i + 1]];
        if (high == 0 || low == 0) {
            out->data[start] = '\0';
            return false;
        }
        *to++ = (uint8_t)((high - 1) << 4 | (low - 1));
    }
    *to = 0;
    out->len = start + len / 2;
    return true;
}
