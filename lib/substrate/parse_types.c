/* parse_types.c: the type registry, the same in V14, V15 and V16. See parse.h. */
#include "substrate/parse.h"

#include <string.h>

#define TYPES_MAX    65536u /* the highest type number; chains have about a thousand */
#define VARIANTS_MAX 256u   /* of one enum: their index is a byte */
#define PATH_MAX     256u   /* segments of a path, and parameters; chains have less than ten */

static void parse_fields(pm_parse *parse, uint32_t *first, uint32_t *count)
{
    pm_metadata *metadata = parse->metadata;
    *count = pm_parse_count(parse, 4);
    *first = metadata->fields.count;
    for (uint32_t i = 0; i < *count && pm_parse_ok(parse); i++) {
        pm_field *field = PM_PUSH(parse, metadata->fields);
        if (field == NULL) {
            return;
        }
        field->name = pm_parse_option_name(parse);
        field->type = pm_parse_type(parse);
        (void)pm_parse_option_name(parse); /* how the source code names the type */
        pm_parse_docs(parse);
    }
}

/* A count that is searched through again and again, so that it must be small. */
static uint32_t parse_small_count(pm_parse *parse, size_t least, uint32_t most)
{
    uint32_t count = pm_parse_count(parse, least);
    if (count > most) {
        pm_parse_fail(parse, "a list is longer than that of any chain");
        return 0;
    }
    return count;
}

static void parse_variants(pm_parse *parse, pm_type *type)
{
    pm_metadata *metadata = parse->metadata;
    type->count = parse_small_count(parse, 4, VARIANTS_MAX);
    type->first = metadata->variants.count;
    for (uint32_t i = 0; i < type->count && pm_parse_ok(parse); i++) {
        pm_variant *variant = PM_PUSH(parse, metadata->variants);
        if (variant == NULL) {
            return;
        }
        variant->name = pm_parse_name(parse);
        parse_fields(parse, &variant->first, &variant->count);
        variant->index = pm_parse_u8(parse);
        pm_parse_docs(parse);
    }
}

static void parse_tuple(pm_parse *parse, pm_type *type)
{
    pm_metadata *metadata = parse->metadata;
    type->count = pm_parse_count(parse, 1);
    type->first = metadata->fields.count;
    for (uint32_t i = 0; i < type->count && pm_parse_ok(parse); i++) {
        pm_field *field = PM_PUSH(parse, metadata->fields);
        if (field == NULL) {
            return;
        }
        field->name = 0;
        field->type = pm_parse_type(parse);
    }
}

static void parse_definition(pm_parse *parse, pm_type *type)
{
    type->kind = pm_parse_u8(parse);
    switch (type->kind) {
    case PM_KIND_COMPOSITE:
        parse_fields(parse, &type->first, &type->count);
        break;
    case PM_KIND_VARIANT:
        parse_variants(parse, type);
        break;
    case PM_KIND_SEQUENCE:
    case PM_KIND_COMPACT:
        type->inner = pm_parse_type(parse);
        break;
    case PM_KIND_ARRAY:
        type->count = pm_parse_u32(parse);
        type->inner = pm_parse_type(parse);
        break;
    case PM_KIND_TUPLE:
        parse_tuple(parse, type);
        break;
    case PM_KIND_PRIMITIVE:
        type->primitive = pm_parse_u8(parse);
        if (type->primitive > PM_I256) {
            pm_parse_fail(parse, "an unknown primitive type");
        }
        break;
    case PM_KIND_BITS:
        type->inner = pm_parse_type(parse);
        type->first = pm_parse_type(parse); /* the order: no matter to us, but see mend_bits() */
        break;
    default:
        pm_parse_fail(parse, "an unknown kind of type");
    }
}

static void parse_type_entry(pm_parse *parse)
{
    pm_metadata *metadata = parse->metadata;
    uint32_t id = pm_parse_compact(parse, "a type number is cut off");
    if (pm_parse_ok(parse) && (id < metadata->types.count || id > TYPES_MAX)) {
        pm_parse_fail(parse, "type numbers do not ascend");
    }
    while (pm_parse_ok(parse) && metadata->types.count < id) { /* numbers left out */
        pm_type *gap = PM_PUSH(parse, metadata->types);
        if (gap != NULL) {
            *gap = (pm_type){.kind = PM_KIND_ABSENT};
        }
    }
    pm_type type = {.path = pm_parse_here(parse)};
    uint32_t segments = parse_small_count(parse, 1, PATH_MAX);
    for (uint32_t i = 0; i < segments && pm_parse_ok(parse); i++) {
        (void)pm_parse_name(parse);
    }
    uint32_t params = parse_small_count(parse, 2, PATH_MAX);
    for (uint32_t i = 0; i < params && pm_parse_ok(parse); i++) {
        (void)pm_parse_name(parse);
        if (pm_parse_option(parse)) {
            (void)pm_parse_type(parse);
        }
    }
    parse_definition(parse, &type);
    pm_parse_docs(parse);
    pm_type *made = pm_parse_ok(parse) ? PM_PUSH(parse, metadata->types) : NULL;
    if (made != NULL) {
        *made = type;
    }
}

/* Every type number that the registry itself uses must be one of its types. */
static void check_references(pm_parse *parse)
{
    const pm_metadata *metadata = parse->metadata;
    for (uint32_t i = 0; i < metadata->fields.count; i++) {
        if (!pm_type_exists(metadata, metadata->fields.at[i].type)) {
            pm_parse_fail(parse, "a field is of a type that is not in the registry");
            return;
        }
    }
    for (uint32_t i = 0; i < metadata->types.count; i++) {
        const pm_type *type = pm_type_get(metadata, i);
        bool refers = type->kind == PM_KIND_SEQUENCE || type->kind == PM_KIND_ARRAY ||
                      type->kind == PM_KIND_COMPACT || type->kind == PM_KIND_BITS;
        if ((refers && !pm_type_exists(metadata, type->inner)) ||
            (type->kind == PM_KIND_BITS && !pm_type_exists(metadata, type->first))) {
            pm_parse_fail(parse, "a type is made of one that is not in the registry");
            return;
        }
    }
}

/* Early registries have the order of bits first and what they are kept in second. */
static void mend_bits(const pm_metadata *metadata, pm_type *type)
{
    if (pm_type_get(metadata, type->inner)->kind != PM_KIND_PRIMITIVE) {
        type->inner = type->first;
    }
    type->first = 0;
}

static uint32_t find_compact_u32(const pm_metadata *metadata)
{
    for (uint32_t i = 0; i < metadata->types.count; i++) {
        const pm_type *type = pm_type_get(metadata, i);
        const pm_type *inner =
            type->kind == PM_KIND_COMPACT ? pm_type_get(metadata, type->inner) : NULL;
        if (inner != NULL && inner->kind == PM_KIND_PRIMITIVE && inner->primitive == PM_U32) {
            return i;
        }
    }
    return PM_NO_TYPE;
}

/* Early registries keep quiet about the length before an opaque value, which always stands there:
 * such a type gets the two fields that it has in later ones. */
static void mend_opaque(pm_parse *parse, uint32_t number, uint32_t length)
{
    pm_metadata *metadata = parse->metadata;
    pm_type *type = &metadata->types.at[number];
    if (type->count != 1 || metadata->fields.at[type->first].name != 0) {
        return;
    }
    pm_name last = pm_path_last(metadata, type);
    if (!pm_name_is(last, "WrapperOpaque") && !pm_name_is(last, "WrapperKeepOpaque")) {
        return;
    }
    uint32_t value = metadata->fields.at[type->first].type;
    uint32_t first = metadata->fields.count;
    for (uint32_t i = 0; i < 2; i++) {
        pm_field *field = PM_PUSH(parse, metadata->fields);
        if (field == NULL) {
            return;
        }
        *field = (pm_field){.type = i == 0 ? length : value};
    }
    type->first = first;
    type->count = 2;
}

static void mend(pm_parse *parse)
{
    pm_metadata *metadata = parse->metadata;
    uint32_t length = find_compact_u32(metadata);
    for (uint32_t i = 0; i < metadata->types.count && pm_parse_ok(parse); i++) {
        pm_type *type = &metadata->types.at[i];
        if (type->kind == PM_KIND_BITS) {
            mend_bits(metadata, type);
        } else if (type->kind == PM_KIND_COMPOSITE && length != PM_NO_TYPE) {
            mend_opaque(parse, i, length);
        }
    }
}

void pm_parse_registry(pm_parse *parse)
{
    uint32_t count = pm_parse_count(parse, 6);
    for (uint32_t i = 0; i < count && pm_parse_ok(parse); i++) {
        parse_type_entry(parse);
    }
    if (pm_parse_ok(parse)) {
        check_references(parse);
    }
    if (pm_parse_ok(parse)) {
        mend(parse);
    }
}
