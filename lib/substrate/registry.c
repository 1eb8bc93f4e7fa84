/* registry.c: reading the type registry. See registry.h. */
#include "substrate/registry.h"

#include <string.h>

#define DESCRIBE_DEPTH 8
#define DESCRIBE_BYTES 2048 /* hostile metadata could make it very long */

pm_name pm_bytes_at(const pm_metadata *metadata, uint32_t place)
{
    pm_scale in = {metadata->blob + place, metadata->blob + metadata->blob_len};
    uint32_t len = 0;
    (void)pm_scale_compact_u32(&in, &len); /* was read before */
    return (pm_name){(const char *)in.at, len};
}

pm_name pm_name_at(const pm_metadata *metadata, uint32_t place)
{
    return place == 0 ? (pm_name){NULL, 0} : pm_bytes_at(metadata, place);
}

pm_scale pm_path_start(const pm_metadata *metadata, const pm_type *type, uint32_t *count)
{
    pm_scale in = {metadata->blob + type->path, metadata->blob + metadata->blob_len};
    *count = 0;
    if (type->path != 0) {
        (void)pm_scale_compact_u32(&in, count);
    }
    return in;
}

bool pm_path_next(pm_scale *state, uint32_t *left, pm_name *segment)
{
    uint32_t len;
    const uint8_t *text;
    if (*left == 0 || !pm_scale_compact_u32(state, &len) || !pm_scale_take(state, len, &text)) {
        return false;
    }
    *left -= 1;
    *segment = (pm_name){(const char *)text, len};
    return true;
}

pm_name pm_path_last(const pm_metadata *metadata, const pm_type *type)
{
    uint32_t left;
    pm_name segment = {NULL, 0};
    pm_scale state = pm_path_start(metadata, type, &left);
    while (pm_path_next(&state, &left, &segment)) {
    }
    return segment;
}

uint32_t pm_type_param(const pm_metadata *metadata, const pm_type *type, uint32_t i)
{
    uint32_t left;
    pm_name skipped;
    pm_scale in = pm_path_start(metadata, type, &left);
    while (pm_path_next(&in, &left, &skipped)) {
    }
    if (type->path == 0 || !pm_scale_compact_u32(&in, &left)) {
        return PM_NO_TYPE;
    }
    for (uint32_t at = 0; at < left; at++) {
        uint32_t one = 1;
        uint8_t some;
        uint32_t number = PM_NO_TYPE;
        if (!pm_path_next(&in, &one, &skipped) || !pm_scale_u8(&in, &some) ||
            (some == 1 && !pm_scale_compact_u32(&in, &number))) {
            return PM_NO_TYPE;
        }
        if (at == i) {
            return pm_type_exists(metadata, number) ? number : PM_NO_TYPE;
        }
    }
    return PM_NO_TYPE;
}

const pm_variant *pm_variant_get(const pm_metadata *metadata, const pm_type *type, uint8_t index)
{
    const pm_variant *all = metadata->variants.at + type->first;
    if (index < type->count && all[index].index == index) { /* mostly they are in order */
        return &all[index];
    }
    for (uint32_t i = 0; i < type->count; i++) {
        if (all[i].index == index) {
            return &all[i];
        }
    }
    return NULL;
}

static const struct {
    const char *name;
    uint8_t size;
} primitives[] = {
    [PM_BOOL] = {"bool", 1}, [PM_CHAR] = {"char", 4},  [PM_STR] = {"str", 0},
    [PM_U8] = {"u8", 1},     [PM_U16] = {"u16", 2},    [PM_U32] = {"u32", 4},
    [PM_U64] = {"u64", 8},   [PM_U128] = {"u128", 16}, [PM_U256] = {"u256", 32},
    [PM_I8] = {"i8", 1},     [PM_I16] = {"i16", 2},    [PM_I32] = {"i32", 4},
    [PM_I64] = {"i64", 8},   [PM_I128] = {"i128", 16}, [PM_I256] = {"i256", 32},
};

size_t pm_primitive_size(uint8_t primitive)
{
    return primitives[primitive].size;
}

const char *pm_primitive_name(uint8_t primitive)
{
    return primitives[primitive].name;
}

bool pm_compact_primitive(const pm_metadata *metadata, uint32_t type, uint8_t *primitive,
                          bool *empty)
{
    *empty = false;
    for (int depth = 0; depth < PM_KEYS_MAX; depth++) {
        const pm_type *t = pm_type_get(metadata, type);
        if (t->kind == PM_KIND_PRIMITIVE) {
            *primitive = t->primitive;
            return t->primitive >= PM_U8 && t->primitive <= PM_U256;
        }
        if (t->kind != PM_KIND_COMPOSITE && t->kind != PM_KIND_TUPLE) {
            return false;
        }
        if (t->count == 0) {
            *empty = true;
            return true;
        }
        if (t->count != 1) {
            return false;
        }
        type = metadata->fields.at[t->first].type;
    }
    return false;
}

static void describe(const pm_metadata *metadata, uint32_t type, unsigned depth, size_t limit,
                     pm_buf *out);

static void describe_path(const pm_metadata *metadata, const pm_type *type, unsigned depth,
                          size_t limit, pm_buf *out)
{
    pm_name last = pm_path_last(metadata, type);
    pm_buf_add(out, last.text, last.len);
    const char *separator = "<";
    uint32_t param;
    for (uint32_t i = 0; i < 4; i++) {
        param = pm_type_param(metadata, type, i);
        if (param != PM_NO_TYPE) {
            pm_buf_text(out, separator);
            describe(metadata, param, depth + 1, limit, out);
            separator = ", ";
        }
    }
    if (separator[0] == ',') {
        pm_buf_char(out, '>');
    }
}

static void describe_tuple(const pm_metadata *metadata, const pm_type *type, unsigned depth,
                           size_t limit, pm_buf *out)
{
    pm_buf_char(out, '(');
    for (uint32_t i = 0; i < type->count; i++) {
        pm_buf_text(out, i > 0 ? ", " : "");
        describe(metadata, metadata->fields.at[type->first + i].type, depth + 1, limit, out);
        if (out->len > limit) {
            break;
        }
    }
    pm_buf_char(out, ')');
}

static void describe(const pm_metadata *metadata, uint32_t type, unsigned depth, size_t limit,
                     pm_buf *out)
{
    const pm_type *t = pm_type_get(metadata, type);
    if (depth > DESCRIBE_DEPTH || out->len > limit) {
        pm_buf_text(out, "..");
        return;
    }
    switch (t->kind) {
    case PM_KIND_SEQUENCE:
    case PM_KIND_COMPACT:
        pm_buf_text(out, t->kind == PM_KIND_SEQUENCE ? "Vec<" : "Compact<");
        describe(metadata, t->inner, depth + 1, limit, out);
        pm_buf_char(out, '>');
        break;
    case PM_KIND_ARRAY:
        pm_buf_char(out, '[');
        describe(metadata, t->inner, depth + 1, limit, out);
        pm_buf_format(out, "; %u]", t->count);
        break;
    case PM_KIND_TUPLE:
        describe_tuple(metadata, t, depth, limit, out);
        break;
    case PM_KIND_PRIMITIVE:
        pm_buf_text(out, pm_primitive_name(t->primitive));
        break;
    case PM_KIND_BITS:
        pm_buf_text(out, "BitVec<");
        describe(metadata, t->inner, depth + 1, limit, out);
        pm_buf_char(out, '>');
        break;
    default:
        describe_path(metadata, t, depth, limit, out);
    }
}

void pm_type_describe(const pm_metadata *metadata, uint32_t type, pm_buf *out)
{
    describe(metadata, type, 0, out->len + DESCRIBE_BYTES, out);
}
