/* value.c: the readers of values; see value.h. All of them work on bytes that pm_value_open() found
 * valid, and check again what they touch, so that a misuse gives an absent value and no more. */
#include "substrate/value.h"

#include <string.h>

#include "base/error.h"
#include "substrate/walk.h"

#define NEWTYPES_MAX PM_VALUE_DEPTH_MAX

static const pm_value absent;

static pm_value value_at(pm_value parent, uint32_t type, const pm_scale *in)
{
    return (pm_value){
        .metadata = parent.metadata, .bytes = in->at, .len = pm_scale_left(in), .type = type};
}

static pm_scale scale_of(pm_value value)
{
    return (pm_scale){value.bytes, value.bytes + value.len};
}

/* The fields of a struct, tuple or variant; NULL when it has none of that kind. */
static const pm_field *fields_of(pm_value value, uint32_t *count)
{
    const pm_metadata *metadata = value.metadata;
    *count = 0;
    if (value.bytes == NULL) {
        return NULL;
    }
    if (value.fields != 0) {
        const pm_variant *variant = &metadata->variants.at[value.fields - 1];
        *count = variant->count;
        return pm_fields_of(metadata, variant->first);
    }
    const pm_type *type = pm_type_get(metadata, value.type);
    if (type->kind != PM_KIND_COMPOSITE && type->kind != PM_KIND_TUPLE) {
        return NULL;
    }
    *count = type->count;
    return pm_fields_of(metadata, type->first);
}

/* Looks through structs and tuples of one field. */
static pm_value peel(pm_value value)
{
    uint32_t count;
    for (int i = 0; i < NEWTYPES_MAX; i++) {
        const pm_field *fields = fields_of(value, &count);
        if (count != 1) {
            break;
        }
        value.type = fields[0].type;
        value.fields = 0;
    }
    return value;
}

static const pm_type *type_of(pm_value value)
{
    return value.bytes == NULL || value.fields != 0 ? NULL
                                                    : pm_type_get(value.metadata, value.type);
}

/* The name is made for the message alone: most values are good. */
panicmon_err pm_value_of_storage(const pm_storage *item, const uint8_t *bytes, size_t len,
                                 pm_value *out, panicmon_error **err)
{
    if (bytes == NULL) {
        if (item->modifier == PM_OPTIONAL) {
            *out = absent;
            return PANICMON_OK;
        }
        bytes = item->fallback;
        len = item->fallback_len;
    }
    panicmon_err code =
        pm_value_open(item->metadata, item->value_type, NULL, bytes, len, out, NULL);
    if (code != PANICMON_OK && err != NULL) {
        pm_buf what = {0};
        pm_buf_add(&what, item->pallet.text, item->pallet.len);
        pm_buf_char(&what, '.');
        pm_buf_add(&what, item->name.text, item->name.len);
        code = pm_value_open(item->metadata, item->value_type, what.failed ? NULL : what.data,
                             bytes, len, out, err);
        pm_buf_free(&what);
    }
    return code;
}

panicmon_err pm_value_of_constant(const pm_metadata *metadata, const pm_constant *constant,
                                  pm_value *out, panicmon_error **err)
{
    pm_storage as_item = {.metadata = metadata,
                          .pallet = constant->pallet,
                          .name = constant->name,
                          .modifier = PM_REQUIRED,
                          .value_type = constant->type};
    return pm_value_of_storage(&as_item, constant->bytes, constant->len, out, err);
}

bool pm_value_bool(pm_value value, bool *out)
{
    value = peel(value);
    const pm_type *type = type_of(value);
    if (type == NULL || type->kind != PM_KIND_PRIMITIVE || type->primitive != PM_BOOL ||
        value.len == 0) {
        return false;
    }
    *out = value.bytes[0] == 1;
    return true;
}

bool pm_value_u256(pm_value value, pm_u256 *out)
{
    value = peel(value);
    const pm_type *type = type_of(value);
    pm_u256 number;
    if (type == NULL) {
        return false;
    }
    pm_scale in = scale_of(value);
    if (type->kind == PM_KIND_COMPACT) {
        uint8_t primitive;
        bool empty;
        if (!pm_compact_primitive(value.metadata, type->inner, &primitive, &empty) || empty ||
            !pm_scale_compact(&in, &number)) {
            return false;
        }
    } else if (type->kind != PM_KIND_PRIMITIVE || type->primitive < PM_U8 ||
               !pm_walk_integer(type->primitive, &in, &number) ||
               (pm_primitive_signed(type->primitive) && (number.bytes[31] & 0x80) != 0)) {
        return false;
    }
    *out = number;
    return true;
}

bool pm_value_u128(pm_value value, pm_u128 *out)
{
    pm_u256 number;
    if (!pm_value_u256(value, &number) || pm_u256_bits(&number) > 128) {
        return false;
    }
    pm_scale in = {number.bytes, number.bytes + sizeof number.bytes};
    return pm_scale_u64(&in, &out->low) && pm_scale_u64(&in, &out->high);
}

bool pm_value_i64(pm_value value, int64_t *out)
{
    value = peel(value);
    const pm_type *type = type_of(value);
    pm_scale in = scale_of(value);
    pm_u256 number;
    uint64_t size;
    if (type == NULL || type->kind != PM_KIND_PRIMITIVE || !pm_primitive_signed(type->primitive)) {
        bool fits = pm_value_u64(value, &size) && size <= INT64_MAX;
        *out = fits ? (int64_t)size : *out;
        return fits;
    }
    if (!pm_walk_integer(type->primitive, &in, &number)) {
        return false;
    }
    bool negative = (number.bytes[31] & 0x80) != 0;
    if (negative) {
        pm_u256_negate(&number);
    }
    if (!pm_u256_u64(&number, &size) || size > INT64_MAX) {
        return false;
    }
    *out = negative ? -(int64_t)size : (int64_t)size;
    return true;
}

bool pm_value_u64(pm_value value, uint64_t *out)
{
    pm_u256 number;
    value = peel(value);
    const pm_type *type = type_of(value);
    if (type != NULL && type->kind == PM_KIND_PRIMITIVE && type->primitive == PM_U32) {
        pm_scale in = scale_of(value); /* what most of them are */
        uint32_t small;
        if (!pm_scale_u32(&in, &small)) {
            return false;
        }
        *out = small;
        return true;
    }
    return pm_value_u256(value, &number) && pm_u256_u64(&number, out);
}

bool pm_value_u32(pm_value value, uint32_t *out)
{
    uint64_t number;
    if (!pm_value_u64(value, &number) || number > UINT32_MAX) {
        return false;
    }
    *out = (uint32_t)number;
    return true;
}

bool pm_value_bytes(pm_value value, const uint8_t **bytes, size_t *len)
{
    value = peel(value);
    const pm_type *type = type_of(value);
    if (type == NULL) {
        return false;
    }
    pm_scale in = scale_of(value);
    uint32_t count = type->count;
    bool text = type->kind == PM_KIND_PRIMITIVE && type->primitive == PM_STR;
    bool list = type->kind == PM_KIND_SEQUENCE || type->kind == PM_KIND_ARRAY;
    if (!text && !(list && pm_type_is_u8(value.metadata, type->inner))) {
        return false;
    }
    if (type->kind != PM_KIND_ARRAY && !pm_scale_compact_u32(&in, &count)) {
        return false;
    }
    *len = count;
    return pm_scale_take(&in, count, bytes);
}

bool pm_value_account(pm_value value, const uint8_t **account)
{
    const uint8_t *bytes;
    size_t len;
    if (!pm_value_bytes(value, &bytes, &len) || len != 32) {
        return false;
    }
    *account = bytes;
    return true;
}

bool pm_value_text(pm_value value, pm_name *out)
{
    const uint8_t *bytes;
    value = peel(value);
    const pm_type *type = type_of(value);
    if (type == NULL || type->kind != PM_KIND_PRIMITIVE ||
        !pm_value_bytes(value, &bytes, &out->len)) {
        return false;
    }
    out->text = (const char *)bytes;
    return true;
}

static pm_value field_at(pm_value value, const pm_field *fields, uint32_t i)
{
    pm_scale in = scale_of(value);
    for (uint32_t skipped = 0; skipped < i; skipped++) {
        if (!pm_walk_skip(value.metadata, fields[skipped].type, &in)) {
            return absent;
        }
    }
    return value_at(value, fields[i].type, &in);
}

pm_value pm_value_field(pm_value value, const char *name)
{
    uint32_t count;
    const pm_field *fields = fields_of(value, &count);
    for (int depth = 0; depth < NEWTYPES_MAX && fields != NULL; depth++) {
        for (uint32_t i = 0; i < count; i++) {
            if (pm_name_is(pm_name_at(value.metadata, fields[i].name), name)) {
                return field_at(value, fields, i);
            }
        }
        if (count != 1) {
            break;
        }
        value.type = fields[0].type; /* perhaps inside of a newtype */
        value.fields = 0;
        fields = fields_of(value, &count);
    }
    return absent;
}

pm_value pm_value_at(pm_value value, size_t i)
{
    uint32_t count;
    const pm_field *fields = fields_of(value, &count);
    if (fields != NULL && i < count) {
        const pm_type *inner = pm_type_get(value.metadata, fields[0].type);
        bool list = inner->kind == PM_KIND_SEQUENCE || inner->kind == PM_KIND_ARRAY;
        if (count > 1 || value.fields != 0 || !list) {
            return field_at(value, fields, (uint32_t)i);
        }
    }
    pm_value_iter at = {0};
    pm_value element;
    while (pm_value_next(value, &at, &element)) {
        if (i-- == 0) {
            return element;
        }
    }
    return absent;
}

/* What a list is made of, and where its elements begin. */
static bool open_list(pm_value value, uint32_t *inner, uint32_t *count, pm_scale *in)
{
    value = peel(value);
    const pm_type *type = type_of(value);
    if (type == NULL || (type->kind != PM_KIND_SEQUENCE && type->kind != PM_KIND_ARRAY)) {
        return false;
    }
    *inner = type->inner;
    *in = scale_of(value);
    *count = type->count;
    return type->kind == PM_KIND_ARRAY || pm_scale_compact_u32(in, count);
}

size_t pm_value_count(pm_value value)
{
    uint32_t count;
    uint32_t inner;
    pm_scale in;
    if (open_list(value, &inner, &count, &in)) {
        return count;
    }
    return fields_of(value, &count) != NULL ? count : 0;
}

bool pm_value_next(pm_value sequence, pm_value_iter *at, pm_value *element)
{
    if (!at->started) {
        uint32_t inner;
        uint32_t count;
        pm_scale in;
        at->started = true;
        at->left = 0;
        if (open_list(sequence, &inner, &count, &in)) {
            at->next = value_at(sequence, inner, &in);
            at->left = count;
        }
    }
    if (at->left == 0) {
        return false;
    }
    *element = at->next;
    at->left--;
    pm_scale in = scale_of(at->next);
    if (!pm_walk_skip(at->next.metadata, at->next.type, &in)) {
        at->left = 0;
        return false;
    }
    at->next = value_at(at->next, at->next.type, &in);
    return true;
}

bool pm_value_variant(pm_value value, pm_name *name, uint8_t *index, pm_value *fields)
{
    value = peel(value);
    const pm_type *type = type_of(value);
    if (type == NULL || type->kind != PM_KIND_VARIANT || value.len == 0) {
        return false;
    }
    const pm_variant *variant = pm_variant_get(value.metadata, type, value.bytes[0]);
    if (variant == NULL) {
        return false;
    }
    *name = pm_name_at(value.metadata, variant->name);
    if (index != NULL) {
        *index = variant->index;
    }
    if (fields != NULL) {
        pm_scale in = {value.bytes + 1, value.bytes + value.len};
        *fields = value_at(value, value.type, &in);
        fields->fields = (uint32_t)(variant - value.metadata->variants.at) + 1;
    }
    return true;
}

bool pm_value_is(pm_value value, const char *name)
{
    pm_name its;
    return pm_value_variant(value, &its, NULL, NULL) && pm_name_is(its, name);
}

pm_value pm_value_some(pm_value value)
{
    pm_name name;
    pm_value fields;
    pm_value inner = peel(value);
    const pm_type *type = type_of(inner);
    if (type == NULL || type->special != PM_SPECIAL_OPTION) {
        return value;
    }
    if (!pm_value_variant(inner, &name, NULL, &fields)) {
        return absent;
    }
    return pm_value_at(fields, 0);
}

size_t pm_value_size(pm_value value)
{
    if (value.bytes == NULL) {
        return 0;
    }
    pm_scale in = scale_of(value);
    if (value.fields == 0) {
        (void)pm_walk_skip(value.metadata, value.type, &in);
    } else {
        uint32_t count;
        const pm_field *fields = fields_of(value, &count);
        for (uint32_t i = 0; i < count; i++) {
            (void)pm_walk_skip(value.metadata, fields[i].type, &in);
        }
    }
    return value.len - pm_scale_left(&in);
}

bool pm_event_next(pm_value events, pm_value_iter *at, pm_event *out)
{
    pm_value record;
    pm_value fields;
    while (pm_value_next(events, at, &record)) {
        pm_value phase = pm_value_field(record, "phase");
        pm_value event = pm_value_field(record, "event");
        *out = (pm_event){0};
        if (!pm_value_variant(event, &out->pallet, NULL, &fields) ||
            !pm_value_variant(pm_value_at(fields, 0), &out->name, NULL, &out->fields)) {
            continue; /* no event of a pallet */
        }
        pm_name name;
        if (pm_value_variant(phase, &name, NULL, &fields) && pm_name_is(name, "ApplyExtrinsic")) {
            out->in_extrinsic = pm_value_u32(pm_value_at(fields, 0), &out->extrinsic);
        }
        return true;
    }
    return false;
}

bool pm_event_is(const pm_event *event, const char *pallet, const char *name)
{
    return pm_name_is(event->pallet, pallet) && pm_name_is(event->name, name);
}

void pm_u128_add(pm_buf *out, pm_u128 value)
{
    char text[PM_U256_DIGITS];
    pm_u256 wide = {{0}};
    for (size_t i = 0; i < 8; i++) {
        wide.bytes[i] = (uint8_t)(value.low >> (8 * i));
        wide.bytes[8 + i] = (uint8_t)(value.high >> (8 * i));
    }
    pm_buf_add(out, text, pm_u256_decimal(&wide, text));
}
