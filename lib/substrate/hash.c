/* hash.c: see hash.h. The one file that uses xxHash and libb2. */
#include "substrate/hash.h"

#include <blake2.h>
#include <xxhash.h>

static const struct {
    const char *name;
    uint8_t size;
    bool keeps;
} hashers[PM_HASHER_COUNT] = {
    [PM_HASH_BLAKE2_128] = {"Blake2_128", 16, false},
    [PM_HASH_BLAKE2_256] = {"Blake2_256", 32, false},
    [PM_HASH_BLAKE2_128_CONCAT] = {"Blake2_128Concat", 16, true},
    [PM_HASH_TWOX_128] = {"Twox128", 16, false},
    [PM_HASH_TWOX_256] = {"Twox256", 32, false},
    [PM_HASH_TWOX_64_CONCAT] = {"Twox64Concat", 8, true},
    [PM_HASH_IDENTITY] = {"Identity", 0, true},
};

const char *pm_hasher_name(pm_hasher hasher)
{
    return hashers[hasher].name;
}

size_t pm_hasher_size(pm_hasher hasher)
{
    return hashers[hasher].size;
}

bool pm_hasher_keeps(pm_hasher hasher)
{
    return hashers[hasher].keeps;
}

void pm_twox(const void *bytes, size_t len, uint8_t *out, size_t size)
{
    for (size_t i = 0; i < size; i += 8) {
        uint64_t hash = XXH64(bytes, len, i / 8);
        for (size_t j = 0; j < 8; j++) {
            out[i + j] = (uint8_t)(hash >> (8 * j));
        }
    }
}

bool pm_blake2b(const void *bytes, size_t len, uint8_t *out, size_t size)
{
    return blake2b(out, bytes, NULL, size, len, 0) == 0;
}

void pm_hasher_add(pm_hasher hasher, const void *bytes, size_t len, pm_buf *out)
{
    uint8_t hash[32];
    size_t size = pm_hasher_size(hasher);
    bytes = bytes == NULL ? "" : bytes;
    if (hasher == PM_HASH_BLAKE2_128 || hasher == PM_HASH_BLAKE2_256 ||
        hasher == PM_HASH_BLAKE2_128_CONCAT) {
        if (!pm_blake2b(bytes, len, hash, size)) {
            out->failed = true;
            return;
        }
    } else {
        pm_twox(bytes, len, hash, size);
    }
    pm_buf_add(out, hash, size);
    if (pm_hasher_keeps(hasher)) {
        pm_buf_add(out, bytes, len);
    }
}
