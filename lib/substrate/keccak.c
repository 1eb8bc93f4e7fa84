/* keccak.c: the hash that the checksum of 20-byte accounts is made of. It is Keccak with the
 * padding from before the standard, which OpenSSL 3.0 does not have. */
#include "substrate/hash.h"

#include <string.h>

#define RATE   136 /* bytes per block for 256 bits */
#define ROUNDS 24

static uint64_t rotate(uint64_t x, unsigned n)
{
    return n == 0 ? x : x << n | x >> (64 - n);
}

/* The constant of a round: bits of a shift register of eight. */
static uint64_t round_constant(uint8_t *shift)
{
    uint64_t constant = 0;
    for (unsigned j = 0; j < 7; j++) {
        if ((*shift & 1) != 0) {
            constant |= UINT64_C(1) << ((1u << j) - 1);
        }
        *shift = (uint8_t)(*shift << 1 ^ ((*shift & 0x80) != 0 ? 0x71 : 0));
    }
    return constant;
}

static void permute(uint64_t lanes[25])
{
    uint8_t shift = 1;
    for (int round = 0; round < ROUNDS; round++) {
        uint64_t column[5];
        for (size_t x = 0; x < 5; x++) {
            column[x] = lanes[x] ^ lanes[x + 5] ^ lanes[x + 10] ^ lanes[x + 15] ^ lanes[x + 20];
        }
        for (size_t i = 0; i < 25; i++) {
            lanes[i] ^= column[(i + 4) % 5] ^ rotate(column[(i + 1) % 5], 1);
        }
        size_t x = 1;
        size_t y = 0;
        uint64_t moved = lanes[1];
        for (unsigned t = 0; t < 24; t++) {
            size_t next = (2 * x + 3 * y) % 5;
            x = y;
            y = next;
            uint64_t kept = lanes[x + 5 * y];
            lanes[x + 5 * y] = rotate(moved, (t + 1) * (t + 2) / 2 % 64);
            moved = kept;
        }
        for (size_t row = 0; row < 25; row += 5) {
            memcpy(column, lanes + row, sizeof column);
            for (size_t i = 0; i < 5; i++) {
                lanes[row + i] = column[i] ^ (~column[(i + 1) % 5] & column[(i + 2) % 5]);
            }
        }
        lanes[0] ^= round_constant(&shift);
    }
}

static void absorb(uint64_t lanes[25], const uint8_t block[RATE])
{
    for (size_t i = 0; i < RATE; i++) {
        lanes[i / 8] ^= (uint64_t)block[i] << (8 * (i % 8));
    }
    permute(lanes);
}

void pm_keccak256(const void *bytes, size_t len, uint8_t out[32])
{
    uint64_t lanes[25] = {0};
    const uint8_t *in = bytes;
    for (; len >= RATE; len -= RATE, in += RATE) {
        absorb(lanes, in);
    }
    uint8_t last[RATE] = {0};
    memcpy(last, in, len);
    last[len] ^= 0x01;
    last[RATE - 1] ^= 0x80;
    absorb(lanes, last);
    for (size_t i = 0; i < 32; i++) {
        out[i] = (uint8_t)(lanes[i / 8] >> (8 * (i % 8)));
    }
}
