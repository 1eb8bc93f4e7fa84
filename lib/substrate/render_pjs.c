/* render_pjs.c: values as polkadot-js toJSON() gives them: camelCase names, addresses, numbers
 * where JavaScript has them exactly and hex where not. See render_forms.h. */
#include "substrate/render_forms.h"

#include <stdlib.h>
#include <string.h>

#include "substrate/camel.h"
#include "substrate/order.h"
#include "substrate/ss58.h"

static void separate(pm_render_state *state, uint32_t i)
{
    if (i > 0) {
        pm_buf_char(state->out, ',');
    }
}

bool pm_pjs_is_u8(const pm_metadata *metadata, uint32_t number)
{
    const pm_type *type = pm_pjs_peel(metadata, number);
    return type->kind == PM_KIND_PRIMITIVE && type->primitive == PM_U8;
}

static bool is_null(const pm_metadata *metadata, uint32_t number)
{
    const pm_type *type = pm_pjs_peel(metadata, number);
    return type->kind <= PM_KIND_TUPLE && type->kind != PM_KIND_SEQUENCE &&
           type->kind != PM_KIND_ARRAY && type->count == 0 && type->special == PM_SPECIAL_NONE;
}

bool pm_pjs_is_null(const pm_metadata *metadata, const pm_variant *variant)
{
    const pm_field *fields = pm_fields_of(metadata, variant->first);
    return variant->count == 0 ||
           (variant->count == 1 && fields[0].name == 0 && is_null(metadata, fields[0].type));
}

/* Whether a type is (), by no other name. */
static bool is_unit(const pm_metadata *metadata, uint32_t number)
{
    const pm_type *type = pm_type_get(metadata, number);
    return type->kind == PM_KIND_TUPLE && type->count == 0;
}

/* Whether no variant of an enum holds anything: then it is its name alone. A Result looks at what
 * its types are called, too. */
static bool is_basic(const pm_metadata *metadata, const pm_type *type)
{
    if (type->special == PM_SPECIAL_RESULT) {
        for (uint32_t i = 0; i < type->count; i++) {
            const pm_variant *variant = &metadata->variants.at[type->first + i];
            if (variant->count != 1 ||
                !is_unit(metadata, metadata->fields.at[variant->first].type)) {
                return false;
            }
        }
        return true;
    }
    for (uint32_t i = 0; i < type->count; i++) {
        if (!pm_pjs_is_null(metadata, &metadata->variants.at[type->first + i])) {
            return false;
        }
    }
    return true;
}

static void render_primitive(pm_render_state *state, uint8_t primitive, bool hex)
{
    pm_u256 value;
    if (primitive == PM_STR) {
        pm_render_text(state);
    } else if (!pm_walk_integer(primitive, &state->in, &value)) {
        state->broken = true;
    } else if (primitive == PM_BOOL) {
        pm_buf_text(state->out, value.bytes[0] != 0 ? "true" : "false");
    } else {
        pm_pjs_number(state, &value, primitive == PM_CHAR ? PM_U32 : primitive, hex);
    }
}

static void render_compact(pm_render_state *state, const pm_type *type)
{
    uint8_t primitive;
    bool empty;
    pm_u256 value;
    if (!pm_compact_primitive(state->metadata, type->inner, &primitive, &empty) ||
        (!empty && !pm_scale_compact(&state->in, &value))) {
        state->broken = true;
    } else if (empty) {
        pm_buf_text(state->out, "null");
    } else {
        pm_pjs_number(state, &value, primitive, false);
    }
}

static void add_camel(pm_render_state *state, uint32_t name)
{
    pm_name text = pm_name_at(state->metadata, name);
    pm_buf_char(state->out, '"');
    pm_camel_add(state->out, text);
    pm_buf_text(state->out, "\":");
}

/* Fields as an object when they have names; `camel`: not as they stand. */
static void render_object(pm_render_state *state, uint32_t first, uint32_t count, bool camel)
{
    const pm_field *fields = pm_fields_of(state->metadata, first);
    pm_buf_char(state->out, '{');
    for (uint32_t i = 0; i < count && !state->broken; i++) {
        separate(state, i);
        if (camel) {
            add_camel(state, fields[i].name);
        } else if (fields[i].name != 0) {
            pm_name name = pm_name_at(state->metadata, fields[i].name);
            pm_buf_json_string(state->out, name.text, name.len);
            pm_buf_char(state->out, ':');
        } else {
            pm_buf_format(state->out, "\"param%u\":", i);
        }
        pm_pjs_render(state, fields[i].type);
    }
    pm_buf_char(state->out, '}');
}

static void render_array(pm_render_state *state, uint32_t first, uint32_t count)
{
    const pm_field *fields = pm_fields_of(state->metadata, first);
    pm_buf_char(state->out, '[');
    for (uint32_t i = 0; i < count && !state->broken; i++) {
        separate(state, i);
        pm_pjs_render(state, fields[i].type);
    }
    pm_buf_char(state->out, ']');
}

static void render_fields(pm_render_state *state, uint32_t first, uint32_t count)
{
    const pm_field *fields = pm_fields_of(state->metadata, first);
    bool named = true;
    for (uint32_t i = 0; i < count; i++) {
        named = named && fields[i].name != 0;
    }
    if (count == 0) {
        pm_buf_text(state->out, "null");
    } else if (named) {
        render_object(state, first, count, true);
    } else if (count == 1) {
        pm_pjs_render(state, fields[0].type);
    } else {
        render_array(state, first, count);
    }
}

static void render_elements(pm_render_state *state, uint32_t inner, uint32_t count)
{
    if (pm_pjs_is_u8(state->metadata, inner)) {
        pm_render_bytes(state, count);
        return;
    }
    pm_buf_char(state->out, '[');
    for (uint32_t i = 0; i < count && !state->broken; i++) {
        separate(state, i);
        pm_pjs_render(state, inner);
    }
    pm_buf_char(state->out, ']');
}

static void render_variant(pm_render_state *state, const pm_type *type)
{
    const pm_variant *variant = pm_render_variant(state, type);
    if (variant == NULL) {
        return;
    }
    if (type->special == PM_SPECIAL_OPTION) {
        render_fields(state, variant->first, variant->count);
    } else if (is_basic(state->metadata, type)) {
        pm_name name = pm_name_at(state->metadata, variant->name);
        pm_buf_json_string(state->out, name.text, name.len);
    } else {
        pm_buf_char(state->out, '{');
        add_camel(state, variant->name);
        render_fields(state, variant->first, variant->count);
        pm_buf_char(state->out, '}');
    }
}

static void render_map(pm_render_state *state, const pm_type *type)
{
    const pm_metadata *metadata = state->metadata;
    const pm_type *list = pm_type_get(metadata, metadata->fields.at[type->first].type);
    const pm_type *pair = pm_type_get(metadata, list->inner);
    const pm_field *fields = pm_fields_of(metadata, pair->first);
    uint32_t count = pm_render_length(state);
    pm_buf_char(state->out, '{');
    for (uint32_t i = 0; i < count && !state->broken; i++) {
        separate(state, i);
        pm_pjs_key(state, fields[0].type);
        pm_buf_char(state->out, ':');
        pm_pjs_render(state, fields[1].type);
    }
    pm_buf_char(state->out, '}');
}

/* Sets are sorted: on chains they are, so this is for bytes that no chain wrote. */
static void render_set(pm_render_state *state, const pm_type *type)
{
    const pm_metadata *metadata = state->metadata;
    uint32_t inner = pm_type_get(metadata, metadata->fields.at[type->first].type)->inner;
    uint32_t count = pm_render_length(state);
    pm_scale *starts = NULL;
    if (!pm_order_sort(metadata, inner, state->in, count, &starts) && starts == NULL) {
        state->out->failed = true;
        return;
    }
    pm_scale end = state->in;
    pm_buf_char(state->out, '[');
    for (uint32_t i = 0; i < count && !state->broken; i++) {
        separate(state, i);
        if (starts != NULL) {
            state->in = starts[i];
        }
        pm_pjs_render(state, inner);
        end = state->in.at > end.at ? state->in : end;
    }
    pm_buf_char(state->out, ']');
    state->in = end;
    free(starts);
}

/* Accounts by number are addresses of their own kind. */
static void render_address(pm_render_state *state, const pm_type *type)
{
    const pm_metadata *metadata = state->metadata;
    const uint8_t *start = state->in.at;
    const pm_variant *variant = pm_render_variant(state, type);
    const pm_type *inner = variant != NULL && variant->count == 1 && variant->index == 1
                               ? pm_type_get(metadata, metadata->fields.at[variant->first].type)
                               : NULL;
    uint8_t primitive;
    bool empty;
    uint32_t index;
    char text[PM_SS58_TEXT];
    if (inner != NULL && inner->kind == PM_KIND_COMPACT &&
        pm_compact_primitive(metadata, inner->inner, &primitive, &empty) && !empty &&
        pm_scale_compact_u32(&state->in, &index)) {
        (void)pm_ss58_encode_index(index, state->ss58_prefix, text);
        pm_buf_format(state->out, "{\"index\":\"%s\"}", text);
        return;
    }
    state->in.at = start;
    render_variant(state, type);
}

/* A length, and a value that is not looked into. */
static void render_opaque(pm_render_state *state, const pm_type *type)
{
    const pm_field *fields = pm_fields_of(state->metadata, type->first);
    if (!pm_walk_skip(state->metadata, fields[0].type, &state->in)) {
        state->broken = true;
        return;
    }
    const uint8_t *start = state->in.at;
    if (!pm_walk_skip(state->metadata, fields[1].type, &state->in)) {
        state->broken = true;
        return;
    }
    pm_render_hex(state->out, start, (size_t)(state->in.at - start));
}

/* Raw0 to Raw32 are one thing. */
static void render_data(pm_render_state *state, const pm_type *type)
{
    const pm_variant *variant = pm_render_variant(state, type);
    if (variant == NULL) {
        return;
    }
    if (variant->index >= 1 && variant->index <= 33) {
        pm_buf_text(state->out, "{\"raw\":");
        pm_render_bytes(state, variant->index - 1u);
    } else {
        pm_buf_char(state->out, '{');
        add_camel(state, variant->name);
        render_fields(state, variant->first, variant->count);
    }
    pm_buf_char(state->out, '}');
}

/* A call or an event: the pallet's number and that of the variant, then the fields. */
static void render_outer(pm_render_state *state, const pm_type *type)
{
    const pm_metadata *metadata = state->metadata;
    const uint8_t *start = state->in.at;
    const pm_variant *pallet = pm_render_variant(state, type);
    if (pallet == NULL) {
        return;
    }
    const pm_type *inner =
        pallet->count == 1 ? pm_pjs_peel(metadata, metadata->fields.at[pallet->first].type) : NULL;
    if (inner == NULL || inner->kind != PM_KIND_VARIANT) { /* no outer enum like we know them */
        state->in.at = start;
        render_variant(state, type);
        return;
    }
    const pm_variant *variant = pm_render_variant(state, inner);
    if (variant == NULL) {
        return;
    }
    const uint8_t index[2] = {pallet->index, variant->index};
    bool call = type->special == PM_SPECIAL_CALL;
    pm_buf_text(state->out, call ? "{\"callIndex\":" : "{\"index\":");
    pm_render_hex(state->out, index, sizeof index);
    pm_buf_text(state->out, call ? ",\"args\":" : ",\"data\":");
    if (call) {
        render_object(state, variant->first, variant->count, false);
    } else {
        render_array(state, variant->first, variant->count);
    }
    pm_buf_char(state->out, '}');
}

static void render_special(pm_render_state *state, const pm_type *type)
{
    switch ((pm_special)type->special) {
    case PM_SPECIAL_MAP:
        render_map(state, type);
        break;
    case PM_SPECIAL_SET:
        render_set(state, type);
        break;
    case PM_SPECIAL_ADDRESS:
        render_address(state, type);
        break;
    case PM_SPECIAL_RANGE:
        render_array(state, type->first, type->count);
        break;
    case PM_SPECIAL_OPAQUE:
        render_opaque(state, type);
        break;
    case PM_SPECIAL_ACCOUNT:
        pm_pjs_account(state);
        break;
    case PM_SPECIAL_ACCOUNT20:
        pm_pjs_account20(state);
        break;
    case PM_SPECIAL_ERA:
        pm_pjs_era(state);
        break;
    case PM_SPECIAL_VOTE:
        pm_render_bytes(state, 1);
        break;
    case PM_SPECIAL_DATA:
        render_data(state, type);
        break;
    case PM_SPECIAL_FLAGS:
        pm_pjs_flags(state, type);
        break;
    case PM_SPECIAL_CALL:
    case PM_SPECIAL_EVENT:
        render_outer(state, type);
        break;
    case PM_SPECIAL_U256:
        pm_pjs_u256(state);
        break;
    case PM_SPECIAL_WEIGHT:
        pm_pjs_render(state, pm_fields_of(state->metadata, type->first)->type);
        break;
    case PM_SPECIAL_OPTION:
    case PM_SPECIAL_RESULT:
        render_variant(state, type);
        break;
    default:
        render_fields(state, type->first, type->count);
    }
}

void pm_pjs_render(pm_render_state *state, uint32_t number)
{
    const pm_type *type = pm_type_get(state->metadata, number);
    uint32_t bits;
    if (!pm_render_room(state)) {
        return;
    }
    if (type->special != PM_SPECIAL_NONE) {
        render_special(state, type);
        return;
    }
    switch (type->kind) {
    case PM_KIND_COMPOSITE:
    case PM_KIND_TUPLE:
        render_fields(state, type->first, type->count);
        break;
    case PM_KIND_VARIANT:
        render_variant(state, type);
        break;
    case PM_KIND_SEQUENCE:
        render_elements(state, type->inner, pm_render_length(state));
        break;
    case PM_KIND_ARRAY:
        render_elements(state, type->inner, type->count);
        break;
    case PM_KIND_PRIMITIVE:
        render_primitive(state, type->primitive, false);
        break;
    case PM_KIND_COMPACT:
        render_compact(state, type);
        break;
    default:
        bits = pm_render_length(state);
        pm_render_bytes(state, pm_render_bit_bytes(state->metadata, type, bits));
    }
}

void pm_render_polkadot_js(pm_render_state *state, pm_value value)
{
    state->ss58_prefix = state->options->ss58_set ? state->options->ss58_prefix
                                                  : pm_metadata_ss58_prefix(value.metadata);
    if (value.fields != 0) {
        const pm_variant *variant = &value.metadata->variants.at[value.fields - 1];
        render_fields(state, variant->first, variant->count);
        return;
    }
    const pm_type *type = pm_pjs_peel(value.metadata, value.type);
    if (state->options->top_integers_hex && type->kind == PM_KIND_PRIMITIVE &&
        type->primitive >= PM_U8) {
        render_primitive(state, type->primitive, true);
    } else {
        pm_pjs_render(state, value.type);
    }
}
