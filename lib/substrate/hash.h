/* hash.h: the hashers of storage keys. The numbers are those of the metadata. Any thread. */
#ifndef PM_SUBSTRATE_HASH_H
#define PM_SUBSTRATE_HASH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

typedef enum pm_hasher {
    PM_HASH_BLAKE2_128 = 0,
    PM_HASH_BLAKE2_256 = 1,
    PM_HASH_BLAKE2_128_CONCAT = 2,
    PM_HASH_TWOX_128 = 3,
    PM_HASH_TWOX_256 = 4,
    PM_HASH_TWOX_64_CONCAT = 5,
    PM_HASH_IDENTITY = 6,
} pm_hasher;

#define PM_HASHER_COUNT 7

const char *pm_hasher_name(pm_hasher hasher); /* "Blake2_128Concat" */
/* How many bytes of hash stand before the argument, or instead of it. */
size_t pm_hasher_size(pm_hasher hasher);
/* Whether the argument itself follows its hash, so that it can be read back from a key. */
bool pm_hasher_keeps(pm_hasher hasher);
/* Appends what the hasher makes of `bytes`: the hash, and the bytes where it keeps them. */
void pm_hasher_add(pm_hasher hasher, const void *bytes, size_t len, pm_buf *out);

/* The hashes by themselves. `size` of a twox is 8, 16 or 32, of a blake2b 1 to 64 bytes. */
void pm_twox(const void *bytes, size_t len, uint8_t *out, size_t size);
bool pm_blake2b(const void *bytes, size_t len, uint8_t *out, size_t size);
/* Keccak-256 as Ethereum uses it (not SHA3-256). */
void pm_keccak256(const void *bytes, size_t len, uint8_t out[32]);

#endif
