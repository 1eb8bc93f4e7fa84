/* fuzz_metadata.c: any bytes as metadata; what is read is listed and its values are opened. */
#include "fuzz.h"

#include "base/buf.h"
#include "substrate/list.h"
#include "substrate/registry.h"

static void open_all(const pm_metadata *metadata)
{
    for (uint32_t i = 0; i < metadata->storage.count && i < 32; i++) {
        pm_storage item;
        pm_value value;
        pm_storage_at(metadata, i, &item);
        if (pm_value_open(metadata, item.value_type, "item", item.fallback, item.fallback_len,
                          &value, NULL) == PANICMON_OK) {
            fuzz_read(value);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    pm_metadata *metadata = NULL;
    panicmon_error *err = NULL;
    if (pm_metadata_decode(&metadata, data, size, &err) == PANICMON_OK) {
        pm_buf text = {0};
        pm_metadata_list(metadata, &text);
        pm_buf_clear(&text);
        pm_metadata_list_text(metadata, &text);
        pm_buf_free(&text);
        open_all(metadata);
    } else {
        fuzz_check(err != NULL, "a failure has a message");
    }
    panicmon_error_free(err);
    pm_metadata_unref(metadata);
    return 0;
}
