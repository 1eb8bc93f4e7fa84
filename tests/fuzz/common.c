/* common.c: see fuzz.h. */
#include "fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "scale_sample.h"
#include "substrate/encode.h"
#include "substrate/render.h"

#define READ_DEPTH 16
#define READ_WIDTH 64

void fuzz_check(int holds, const char *what)
{
    if (!holds) {
        fprintf(stderr, "does not hold: %s\n", what);
        abort();
    }
}

static pm_metadata *load(void)
{
    pm_buf blob = {0};
    pm_metadata *metadata = NULL;
    const char *path = getenv("PANICMON_FUZZ_METADATA");
    FILE *file = path == NULL ? NULL : fopen(path, "rb");
    if (file == NULL) {
        scale_sample(16, &blob);
    } else {
        char chunk[4096];
        size_t got;
        while ((got = fread(chunk, 1, sizeof chunk, file)) > 0) {
            pm_buf_add(&blob, chunk, got);
        }
        fclose(file);
    }
    fuzz_check(pm_metadata_decode(&metadata, blob.data, blob.len, NULL) == PANICMON_OK,
               "the metadata is read");
    pm_buf_free(&blob);
    return metadata;
}

const pm_metadata *fuzz_metadata(void)
{
    static pm_metadata *metadata; /* kept till the end of the program */
    if (metadata == NULL) {
        metadata = load();
    }
    return metadata;
}

static void read_all(pm_value value, int depth)
{
    pm_u128 number;
    pm_name name;
    const uint8_t *bytes;
    size_t len;
    pm_value inner;
    bool truth;
    (void)pm_value_u128(value, &number);
    (void)pm_value_bool(value, &truth);
    (void)pm_value_text(value, &name);
    if (pm_value_bytes(value, &bytes, &len) && len > 0) {
        fuzz_check(bytes[0] == bytes[len - 1] || len > 1, "bytes can be read");
    }
    fuzz_check(pm_value_size(value) <= value.len, "a value is no larger than its bytes");
    if (depth == READ_DEPTH) {
        return;
    }
    if (pm_value_variant(value, &name, NULL, &inner)) {
        read_all(inner, depth + 1);
    }
    (void)pm_value_some(value);
    (void)pm_value_field(value, "free");
    pm_value_iter at = {0};
    for (int i = 0; i < READ_WIDTH && pm_value_next(value, &at, &inner); i++) {
        read_all(inner, depth + 1);
    }
    for (size_t i = 0; i < pm_value_count(value) && i < 8; i++) {
        read_all(pm_value_at(value, i), depth + 1);
    }
}

void fuzz_read(pm_value value)
{
    pm_buf text = {0};
    pm_json json;
    const pm_render_options pjs = {.form = PM_FORM_POLKADOT_JS};
    if (value.len < 256) {
        read_all(value, 0);
    }
    fuzz_check(pm_render(value, &pjs, &text, NULL) == PANICMON_OK, "polkadot-js form is written");
    pm_buf_clear(&text);
    fuzz_check(pm_render(value, NULL, &text, NULL) == PANICMON_OK, "the canon form is written");
    size_t at;
    if (pm_json_parse(text.data, text.len, &json, &at)) { /* not when it nests too deep */
        pm_buf again = {0};
        pm_buf once_more = {0};
        pm_value reread;
        if (pm_encode_json(value.metadata, value.type, NULL, json, &again, NULL) == PANICMON_OK) {
            fuzz_check(pm_value_open(value.metadata, value.type, NULL, (uint8_t *)again.data,
                                     again.len, &reread, NULL) == PANICMON_OK,
                       "what was encoded is read");
            (void)pm_render(reread, NULL, &once_more, NULL);
            fuzz_check(once_more.len == text.len &&
                           memcmp(once_more.data, text.data, text.len) == 0,
                       "it is the same value");
        }
        pm_buf_free(&again);
        pm_buf_free(&once_more);
    }
    pm_buf_free(&text);
}
