/* fuzz_value.c: two bytes choose a type, the others are a value of it. */
#include "fuzz.h"

#include "substrate/registry.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const pm_metadata *metadata = fuzz_metadata();
    pm_value value;
    panicmon_error *err = NULL;
    if (size < 2) {
        return 0;
    }
    uint32_t type = ((uint32_t)data[0] | (uint32_t)data[1] << 8) % metadata->types.count;
    if (pm_value_open(metadata, type, "value", data + 2, size - 2, &value, &err) == PANICMON_OK) {
        fuzz_read(value);
    } else {
        fuzz_check(err != NULL, "a failure has a message");
    }
    panicmon_error_free(err);
    return 0;
}
