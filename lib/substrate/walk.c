/* walk.c: going over SCALE bytes as the registry says, with the place in the type for messages.
 *
 * Hostile types and bytes: nesting is capped, and so are the steps by the number of bytes, so that
 * types without any content (or made of themselves) cannot keep us busy. */
#include "substrate/walk.h"

#include <inttypes.h>
#include <string.h>

#include "base/error.h"
#include "base/utf8.h"

#define STEPS_FREE     16384 /* steps that any value may take */
#define PLACE_MAX      512   /* bytes of a place in a message */
#define STEPS_PER_BYTE 64    /* and those that each byte adds */

typedef struct pm_walk {
    const pm_metadata *metadata;
    pm_scale in;
    uint64_t steps; /* left */
    unsigned depth;
    const char *failure; /* NULL: none */
    const char *detail;  /* may be NULL; goes after the failure */
    pm_buf *path;        /* where the place is written on failure; NULL: nobody asks */
} pm_walk;

void pm_place_write(const pm_metadata *metadata, const pm_place *place, pm_buf *out)
{
    const pm_place *chain[PM_VALUE_DEPTH_MAX + 1];
    size_t count = 0;
    for (; place != NULL && count <= PM_VALUE_DEPTH_MAX; place = place->up) {
        chain[count++] = place;
    }
    size_t longest = out->len + PLACE_MAX;
    while (count > 0 && out->len < longest) {
        const pm_place *at = chain[--count];
        if (at->kind == PM_AT_NAME) {
            pm_name name = pm_name_at(metadata, at->name);
            pm_buf_char(out, '.');
            pm_buf_add(out, name.text, name.len < PLACE_MAX ? name.len : PLACE_MAX);
        } else if (at->kind == PM_AT_INDEX) {
            pm_buf_format(out, "[%" PRIu64 "]", at->index);
        } else if (at->kind == PM_AT_NUMBER) {
            pm_buf_format(out, ".%" PRIu64, at->index);
        }
    }
}

static bool fail(pm_walk *walk, const pm_place *place, const char *failure, const char *detail)
{
    if (walk->failure == NULL) {
        walk->failure = failure;
        walk->detail = detail;
        if (walk->path != NULL) {
            pm_place_write(walk->metadata, place, walk->path);
        }
    }
    return false;
}

static bool walk_type(pm_walk *walk, uint32_t type, const pm_place *place);

static bool walk_fields(pm_walk *walk, uint32_t first, uint32_t count, const pm_place *place)
{
    const pm_field *fields = pm_fields_of(walk->metadata, first);
    for (uint32_t i = 0; i < count; i++) {
        pm_place here = pm_place_field(place, fields[i].name, i, count);
        if (!walk_type(walk, fields[i].type, &here)) {
            return false;
        }
    }
    return true;
}

static bool walk_variant(pm_walk *walk, const pm_type *type, const pm_place *place)
{
    uint8_t index;
    if (!pm_scale_u8(&walk->in, &index)) {
        return fail(walk, place, "the bytes end before an enum", NULL);
    }
    const pm_variant *variant = pm_variant_get(walk->metadata, type, index);
    if (variant == NULL) {
        walk->in.at--;
        return fail(walk, place, "the enum has no such variant", NULL);
    }
    if (type->special == PM_SPECIAL_OPTION) {
        return walk_fields(walk, variant->first, variant->count, place);
    }
    pm_place here = {.up = place, .kind = PM_AT_NAME, .name = variant->name};
    return walk_fields(walk, variant->first, variant->count, &here);
}

static bool walk_elements(pm_walk *walk, uint32_t inner, uint64_t count, const pm_place *place)
{
    const pm_type *type = pm_type_get(walk->metadata, inner);
    const uint8_t *skipped;
    size_t size = type->kind == PM_KIND_PRIMITIVE ? pm_primitive_size(type->primitive) : 0;
    if (size > 0 && type->primitive >= PM_U8) { /* any bytes are such integers */
        if (count > pm_scale_left(&walk->in) / size) {
            return fail(walk, place, "a list is longer than the bytes that are left, of",
                        pm_primitive_name(type->primitive));
        }
        return pm_scale_take(&walk->in, (size_t)count * size, &skipped);
    }
    for (uint64_t i = 0; i < count; i++) {
        pm_place here = {.up = place, .kind = PM_AT_INDEX, .index = i};
        if (!walk_type(walk, inner, &here)) {
            return false;
        }
    }
    return true;
}

static bool walk_primitive(pm_walk *walk, uint8_t primitive, const pm_place *place)
{
    const uint8_t *bytes;
    uint32_t number;
    if (primitive == PM_STR) {
        if (!pm_scale_compact_u32(&walk->in, &number) ||
            !pm_scale_take(&walk->in, number, &bytes)) {
            return fail(walk, place, "the bytes end in the middle of a str", NULL);
        }
        return pm_utf8_valid((const char *)bytes, number) ||
               fail(walk, place, "a str is not UTF-8", NULL);
    }
    pm_scale start = walk->in;
    if (!pm_scale_take(&walk->in, pm_primitive_size(primitive), &bytes)) {
        return fail(walk, place, "the bytes end in the middle of a", pm_primitive_name(primitive));
    }
    if (primitive == PM_BOOL && bytes[0] > 1) {
        walk->in = start;
        return fail(walk, place, "a bool is neither 0 nor 1", NULL);
    }
    if (primitive == PM_CHAR && pm_scale_u32(&start, &number) &&
        (number > 0x10ffff || (number >= 0xd800 && number <= 0xdfff))) {
        return fail(walk, place, "a char is none of Unicode", NULL);
    }
    return true;
}

static bool walk_compact(pm_walk *walk, uint32_t inner, const pm_place *place)
{
    uint8_t primitive = PM_U8;
    bool empty;
    pm_u256 value;
    if (!pm_compact_primitive(walk->metadata, inner, &primitive, &empty)) {
        return fail(walk, place, "a compact of a type that is no unsigned integer", NULL);
    }
    if (empty) {
        return true;
    }
    if (!pm_scale_compact(&walk->in, &value)) {
        return fail(walk, place, "the bytes are no whole compact", NULL);
    }
    if (pm_u256_bits(&value) > 8 * pm_primitive_size(primitive)) {
        return fail(walk, place, "a compact is too large for a", pm_primitive_name(primitive));
    }
    return true;
}

static bool walk_bits(pm_walk *walk, uint32_t store, const pm_place *place)
{
    uint32_t bits;
    const uint8_t *bytes;
    const pm_type *type = pm_type_get(walk->metadata, store);
    if (type->kind != PM_KIND_PRIMITIVE || type->primitive < PM_U8 || type->primitive > PM_U64) {
        return fail(walk, place, "bits are kept in a type that is no unsigned integer", NULL);
    }
    size_t width = pm_primitive_size(type->primitive);
    if (!pm_scale_compact_u32(&walk->in, &bits) ||
        !pm_scale_take(&walk->in, ((size_t)bits + 8 * width - 1) / (8 * width) * width, &bytes)) {
        return fail(walk, place, "the bytes end in the middle of a bit sequence", NULL);
    }
    return true;
}

static bool walk_kind(pm_walk *walk, const pm_type *type, const pm_place *place)
{
    uint32_t count;
    switch (type->kind) {
    case PM_KIND_COMPOSITE:
    case PM_KIND_TUPLE:
        return walk_fields(walk, type->first, type->count, place);
    case PM_KIND_VARIANT:
        return walk_variant(walk, type, place);
    case PM_KIND_SEQUENCE:
        if (!pm_scale_compact_u32(&walk->in, &count)) {
            return fail(walk, place, "the bytes are no whole length", NULL);
        }
        return walk_elements(walk, type->inner, count, place);
    case PM_KIND_ARRAY:
        return walk_elements(walk, type->inner, type->count, place);
    case PM_KIND_PRIMITIVE:
        return walk_primitive(walk, type->primitive, place);
    case PM_KIND_COMPACT:
        return walk_compact(walk, type->inner, place);
    default:
        return walk_bits(walk, type->inner, place);
    }
}

static bool walk_type(pm_walk *walk, uint32_t type, const pm_place *place)
{
    if (walk->steps == 0) {
        return fail(walk, place, "too many values for so few bytes", NULL);
    }
    if (walk->depth == PM_VALUE_DEPTH_MAX) {
        return fail(walk, place, "nested too deep", NULL);
    }
    walk->steps--;
    walk->depth++;
    bool done = walk_kind(walk, pm_type_get(walk->metadata, type), place);
    walk->depth--;
    return done;
}

static pm_walk walk_start(const pm_metadata *metadata, pm_scale in)
{
    return (pm_walk){.metadata = metadata,
                     .in = in,
                     .steps = STEPS_FREE + (uint64_t)pm_scale_left(&in) * STEPS_PER_BYTE};
}

bool pm_walk_skip(const pm_metadata *metadata, uint32_t type, pm_scale *in)
{
    pm_walk walk = walk_start(metadata, *in);
    bool done = walk_type(&walk, type, NULL);
    *in = walk.in;
    return done;
}

bool pm_walk_integer(uint8_t primitive, pm_scale *in, pm_u256 *out)
{
    const uint8_t *bytes;
    size_t size = pm_primitive_size(primitive);
    if (!pm_scale_take(in, size, &bytes)) {
        return false;
    }
    pm_u256_set(out, bytes, size);
    if (pm_primitive_signed(primitive) && (bytes[size - 1] & 0x80) != 0) {
        memset(out->bytes + size, 0xff, sizeof out->bytes - size);
    }
    return true;
}

static panicmon_err report(const pm_walk *walk, const char *what, uint32_t type, size_t at,
                           panicmon_error **err)
{
    pm_buf name = {0};
    if (what == NULL) {
        pm_buf_format(&name, "type %u", type);
    }
    panicmon_err code = pm_error_setf(
        err, PANICMON_ERR_PARSE, "at byte %zu of %s%s: %s%s%s", at,
        what != NULL ? what : (name.data != NULL ? name.data : "the value"),
        walk->path != NULL && walk->path->data != NULL ? walk->path->data : "", walk->failure,
        walk->detail != NULL ? " " : "", walk->detail != NULL ? walk->detail : "");
    pm_buf_free(&name);
    return code;
}

panicmon_err pm_value_open(const pm_metadata *metadata, uint32_t type, const char *what,
                           const uint8_t *bytes, size_t len, pm_value *out, panicmon_error **err)
{
    if (!pm_type_exists(metadata, type)) {
        return pm_error_setf(err, PANICMON_ERR_NOENT, "the metadata has no type %u", type);
    }
    static const uint8_t nothing[1] = {0};
    bytes = bytes == NULL ? nothing : bytes;
    const pm_type *whole = pm_type_get(metadata, type);
    if (whole->kind == PM_KIND_PRIMITIVE && whole->primitive == PM_U32 && len == 4) {
        if (out != NULL) { /* what many values are, at once */
            *out = (pm_value){.metadata = metadata, .bytes = bytes, .len = len, .type = type};
        }
        return PANICMON_OK;
    }
    pm_buf path = {0};
    pm_walk walk = walk_start(metadata, (pm_scale){bytes, bytes + len});
    walk.path = err != NULL ? &path : NULL;
    bool done = walk_type(&walk, type, NULL);
    if (done && pm_scale_left(&walk.in) > 0) {
        done = fail(&walk, NULL, "bytes are left after the value", NULL);
    }
    panicmon_err code = PANICMON_OK;
    if (!done) {
        code = report(&walk, what, type, (size_t)(walk.in.at - bytes), err);
    } else if (out != NULL) {
        *out = (pm_value){.metadata = metadata, .bytes = bytes, .len = len, .type = type};
    }
    pm_buf_free(&path);
    return code;
}
