/* ss58.c: see ss58.h. Base58 of: prefix (one or two bytes), account, two bytes of checksum. */
#include "substrate/ss58.h"

#include <string.h>

#include "substrate/hash.h"

#define CHECKSUM 2
#define RAW_MAX  (2 + PM_ACCOUNT_SIZE + CHECKSUM)

static const char alphabet[] = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";

/* Base58 to bytes, most significant first; the number of bytes, 0 when it is none or too long. */
static size_t base58_decode(const char *text, size_t len, uint8_t out[RAW_MAX])
{
    uint8_t little[RAW_MAX] = {0};
    size_t count = 0;
    size_t zeros = 0;
    while (zeros < len && text[zeros] == alphabet[0]) {
        zeros++;
    }
    for (size_t i = zeros; i < len; i++) {
        const char *place = text[i] == '\0' ? NULL : strchr(alphabet, text[i]);
        if (place == NULL) {
            return 0;
        }
        unsigned carry = (unsigned)(place - alphabet);
        for (size_t j = 0; j < count; j++) {
            carry += little[j] * 58u;
            little[j] = (uint8_t)carry;
            carry >>= 8;
        }
        if (carry != 0) {
            if (count == RAW_MAX) {
                return 0;
            }
            little[count++] = (uint8_t)carry;
        }
    }
    if (zeros + count > RAW_MAX) {
        return 0;
    }
    memset(out, 0, zeros);
    for (size_t i = 0; i < count; i++) {
        out[zeros + i] = little[count - 1 - i];
    }
    return zeros + count;
}

static size_t base58_encode(const uint8_t *bytes, size_t len, char text[PM_SS58_TEXT])
{
    uint8_t digits[PM_SS58_TEXT] = {0}; /* lowest first */
    size_t count = 0;
    size_t zeros = 0;
    while (zeros < len && bytes[zeros] == 0) {
        zeros++;
    }
    for (size_t i = zeros; i < len; i++) {
        unsigned carry = bytes[i];
        for (size_t j = 0; j < count || carry != 0; j++) {
            carry += digits[j] * 256u;
            digits[j] = (uint8_t)(carry % 58);
            carry /= 58;
            count = j < count ? count : j + 1;
        }
    }
    memset(text, alphabet[0], zeros);
    for (size_t i = 0; i < count; i++) {
        text[zeros + i] = alphabet[digits[count - 1 - i]];
    }
    text[zeros + count] = '\0';
    return zeros + count;
}

static bool checksum(const uint8_t *bytes, size_t len, uint8_t out[CHECKSUM])
{
    static const char context[] = "SS58PRE";
    uint8_t input[sizeof context - 1 + RAW_MAX];
    uint8_t hash[64];
    memcpy(input, context, sizeof context - 1);
    memcpy(input + sizeof context - 1, bytes, len);
    if (!pm_blake2b(input, sizeof context - 1 + len, hash, sizeof hash)) {
        return false;
    }
    memcpy(out, hash, CHECKSUM);
    return true;
}

bool pm_ss58_decode(const char *text, size_t len, uint8_t account[PM_ACCOUNT_SIZE],
                    uint16_t *prefix)
{
    uint8_t raw[RAW_MAX];
    if (len >= PM_SS58_TEXT) {
        return false;
    }
    size_t size = base58_decode(text, len, raw);
    if (size == 0) {
        return false;
    }
    size_t head = raw[0] < 64 ? 1 : 2;
    if (raw[0] >= 128 || size != head + PM_ACCOUNT_SIZE + CHECKSUM) {
        return false;
    }
    unsigned network = raw[0];
    if (head == 2) { /* six bits in the first byte, the others around them in the second */
        network = (raw[0] & 0x3fu) << 2 | raw[1] >> 6 | (raw[1] & 0x3fu) << 8;
    }
    uint8_t expected[CHECKSUM];
    if ((head == 2 && network < 64) || !checksum(raw, size - CHECKSUM, expected) ||
        memcmp(raw + size - CHECKSUM, expected, CHECKSUM) != 0) {
        return false;
    }
    memcpy(account, raw + head, PM_ACCOUNT_SIZE);
    if (prefix != NULL) {
        *prefix = (uint16_t)network;
    }
    return true;
}

/* `bytes` of an account or index, with so many bytes of checksum. */
static size_t encode(const uint8_t *bytes, size_t len, size_t check, uint16_t prefix,
                     char text[PM_SS58_TEXT])
{
    uint8_t raw[RAW_MAX];
    uint8_t sum[CHECKSUM];
    size_t head = 0;
    text[0] = '\0';
    if (prefix > PM_SS58_PREFIX_MAX) {
        return 0;
    }
    if (prefix < 64) {
        raw[head++] = (uint8_t)prefix;
    } else {
        raw[head++] = (uint8_t)(0x40 | (prefix >> 2 & 0x3f));
        raw[head++] = (uint8_t)(prefix >> 8 | (prefix & 3) << 6);
    }
    memcpy(raw + head, bytes, len);
    if (!checksum(raw, head + len, sum)) {
        return 0;
    }
    memcpy(raw + head + len, sum, check);
    return base58_encode(raw, head + len + check, text);
}

size_t pm_ss58_encode(const uint8_t account[PM_ACCOUNT_SIZE], uint16_t prefix,
                      char text[PM_SS58_TEXT])
{
    return encode(account, PM_ACCOUNT_SIZE, CHECKSUM, prefix, text);
}

size_t pm_ss58_encode_index(uint32_t index, uint16_t prefix, char text[PM_SS58_TEXT])
{
    const uint8_t bytes[4] = {(uint8_t)index, (uint8_t)(index >> 8), (uint8_t)(index >> 16),
                              (uint8_t)(index >> 24)};
    size_t len = index <= 0xef ? 1 : index <= 0xffff ? 2 : 4;
    return encode(bytes, len, 1, prefix, text);
}
