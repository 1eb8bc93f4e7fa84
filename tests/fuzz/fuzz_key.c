/* fuzz_key.c: a byte chooses a storage item, lines are the arguments of its key. */
#include "fuzz.h"

#include <string.h>

#include "substrate/registry.h"
#include "substrate/storage_key.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const pm_metadata *metadata = fuzz_metadata();
    pm_storage item;
    pm_name args[PM_KEYS_MAX];
    pm_buf key = {0};
    size_t count = 0;
    if (size < 1) {
        return 0;
    }
    pm_storage_at(metadata, data[0] % metadata->storage.count, &item);
    const char *at = (const char *)data + 1;
    const char *end = (const char *)data + size;
    while (at < end && count < PM_KEYS_MAX) {
        const char *line = memchr(at, '\n', (size_t)(end - at));
        line = line == NULL ? end : line;
        args[count++] = (pm_name){at, (size_t)(line - at)};
        at = line + 1;
    }
    if (pm_storage_key_text(&item, args, count, &key, NULL) == PANICMON_OK) {
        for (size_t i = 0; i < count; i++) {
            const uint8_t *bytes;
            size_t len;
            bool kept = pm_storage_key_arg(&item, (uint8_t *)key.data, key.len, i, &bytes, &len);
            fuzz_check(kept == pm_hasher_keeps((pm_hasher)item.hashers[i]),
                       "an argument is read back when its hasher keeps it");
        }
    }
    const uint8_t *bytes;
    size_t len;
    (void)pm_storage_key_arg(&item, data, size, 0, &bytes, &len);
    pm_buf_free(&key);
    return 0;
}
