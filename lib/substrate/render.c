/* render.c: the entry of rendering, the canon form, and what both forms share. Values were walked
 * by pm_value_open(), so that nothing here fails but for memory. */
#include "substrate/render_forms.h"

#include <string.h>

#include "base/error.h"

void pm_render_integer(pm_buf *out, const pm_u256 *value)
{
    char text[PM_U256_DIGITS];
    pm_u256 positive = *value;
    pm_buf_add(out, text, pm_u256_decimal(&positive, text));
}

void pm_render_signed(pm_buf *out, const pm_u256 *value)
{
    pm_u256 positive = *value;
    if ((value->bytes[31] & 0x80) != 0) {
        pm_u256_negate(&positive);
        pm_buf_char(out, '-');
    }
    pm_render_integer(out, &positive);
}

void pm_render_char(pm_buf *out, uint32_t c)
{
    char text[4];
    size_t len;
    if (c < 0x80) {
        text[0] = (char)c;
        len = 1;
    } else if (c < 0x800) {
        text[0] = (char)(0xc0 | c >> 6);
        text[1] = (char)(0x80 | (c & 0x3f));
        len = 2;
    } else if (c < 0x10000) {
        text[0] = (char)(0xe0 | c >> 12);
        text[1] = (char)(0x80 | (c >> 6 & 0x3f));
        text[2] = (char)(0x80 | (c & 0x3f));
        len = 3;
    } else {
        text[0] = (char)(0xf0 | c >> 18);
        text[1] = (char)(0x80 | (c >> 12 & 0x3f));
        text[2] = (char)(0x80 | (c >> 6 & 0x3f));
        text[3] = (char)(0x80 | (c & 0x3f));
        len = 4;
    }
    pm_buf_json_string(out, text, len);
}

bool pm_render_room(pm_render_state *state)
{
    if (state->out->len > state->longest) {
        state->too_long = true;
        state->broken = true;
    }
    return !state->broken;
}

void pm_render_hex(pm_buf *out, const uint8_t *bytes, size_t len)
{
    pm_buf_char(out, '"');
    pm_hex_add_0x(out, bytes, len);
    pm_buf_char(out, '"');
}

const uint8_t *pm_render_take(pm_render_state *state, size_t len)
{
    const uint8_t *bytes = state->in.at;
    if (!pm_scale_take(&state->in, len, &bytes)) {
        state->broken = true;
        state->in.at = state->in.end;
        return NULL;
    }
    return bytes;
}

uint32_t pm_render_length(pm_render_state *state)
{
    uint32_t len = 0;
    if (!pm_scale_compact_u32(&state->in, &len)) {
        state->broken = true;
    }
    return len;
}

void pm_render_bytes(pm_render_state *state, size_t len)
{
    const uint8_t *bytes = pm_render_take(state, len);
    pm_render_hex(state->out, bytes, bytes == NULL ? 0 : len);
}

void pm_render_text(pm_render_state *state)
{
    uint32_t len = pm_render_length(state);
    const uint8_t *bytes = pm_render_take(state, len);
    pm_buf_json_string(state->out, bytes == NULL ? "" : (const char *)bytes,
                       bytes == NULL ? 0 : len);
}

size_t pm_render_bit_bytes(const pm_metadata *metadata, const pm_type *type, uint32_t bits)
{
    size_t width = 8 * pm_primitive_size(pm_type_get(metadata, type->inner)->primitive);
    return width == 0 ? 0 : ((size_t)bits + width - 1) / width * width / 8;
}

const pm_variant *pm_render_variant(pm_render_state *state, const pm_type *type)
{
    const uint8_t *index = pm_render_take(state, 1);
    const pm_variant *variant =
        index == NULL ? NULL : pm_variant_get(state->metadata, type, index[0]);
    state->broken = state->broken || variant == NULL;
    return variant;
}

static void canon(pm_render_state *state, uint32_t number);

static void canon_fields(pm_render_state *state, uint32_t first, uint32_t count)
{
    const pm_metadata *metadata = state->metadata;
    const pm_field *fields = pm_fields_of(metadata, first);
    bool named = count > 0;
    for (uint32_t i = 0; i < count; i++) {
        named = named && fields[i].name != 0;
    }
    if (count == 0) {
        pm_buf_text(state->out, "null");
        return;
    }
    if (count == 1 && !named) {
        canon(state, fields[0].type);
        return;
    }
    pm_buf_char(state->out, named ? '{' : '[');
    for (uint32_t i = 0; i < count && !state->broken; i++) {
        if (i > 0) {
            pm_buf_char(state->out, ',');
        }
        if (named) {
            pm_name name = pm_name_at(metadata, fields[i].name);
            pm_buf_json_string(state->out, name.text, name.len);
            pm_buf_char(state->out, ':');
        }
        canon(state, fields[i].type);
    }
    pm_buf_char(state->out, named ? '}' : ']');
}

/* A tuple is an array even of one element. */
static void canon_list(pm_render_state *state, const pm_type *type, uint32_t count)
{
    const pm_field *fields = pm_fields_of(state->metadata, type->first);
    pm_buf_char(state->out, '[');
    for (uint32_t i = 0; i < count && !state->broken; i++) {
        if (i > 0) {
            pm_buf_char(state->out, ',');
        }
        canon(state, type->kind == PM_KIND_TUPLE ? fields[i].type : type->inner);
    }
    pm_buf_char(state->out, ']');
}

static void canon_variant(pm_render_state *state, const pm_type *type)
{
    const pm_variant *variant = pm_render_variant(state, type);
    if (variant == NULL) {
        pm_buf_text(state->out, "null");
        return;
    }
    if (type->special == PM_SPECIAL_OPTION) {
        canon_fields(state, variant->first, variant->count);
        return;
    }
    pm_name name = pm_name_at(state->metadata, variant->name);
    pm_buf_char(state->out, '{');
    pm_buf_json_string(state->out, name.text, name.len);
    pm_buf_char(state->out, ':');
    canon_fields(state, variant->first, variant->count);
    pm_buf_char(state->out, '}');
}

static void canon_primitive(pm_render_state *state, uint8_t primitive)
{
    pm_u256 number = {{0}};
    if (primitive == PM_STR) {
        pm_render_text(state);
        return;
    }
    if (!pm_walk_integer(primitive, &state->in, &number)) {
        state->broken = true;
    } else if (primitive == PM_BOOL) {
        pm_buf_text(state->out, number.bytes[0] != 0 ? "true" : "false");
    } else if (primitive == PM_CHAR) {
        uint64_t c = 0;
        (void)pm_u256_u64(&number, &c);
        pm_render_char(state->out, (uint32_t)c);
    } else {
        pm_buf_char(state->out, '"');
        pm_render_signed_or_not(state->out, &number, primitive);
        pm_buf_char(state->out, '"');
    }
}

static void canon_compact(pm_render_state *state, const pm_type *type)
{
    uint8_t primitive;
    bool empty;
    pm_u256 number;
    if (!pm_compact_primitive(state->metadata, type->inner, &primitive, &empty) ||
        (!empty && !pm_scale_compact(&state->in, &number))) {
        state->broken = true;
    } else if (empty) {
        pm_buf_text(state->out, "null");
    } else {
        pm_buf_char(state->out, '"');
        pm_render_integer(state->out, &number);
        pm_buf_char(state->out, '"');
    }
}

static void canon_bits(pm_render_state *state, const pm_type *type)
{
    uint32_t bits = pm_render_length(state);
    pm_buf_format(state->out, "{\"bits\":%u,\"bytes\":", bits);
    pm_render_bytes(state, pm_render_bit_bytes(state->metadata, type, bits));
    pm_buf_char(state->out, '}');
}

static void canon(pm_render_state *state, uint32_t number)
{
    const pm_type *type = pm_type_get(state->metadata, number);
    uint32_t count = type->count;
    if (!pm_render_room(state)) {
        return;
    }
    switch (type->kind) {
    case PM_KIND_COMPOSITE:
        canon_fields(state, type->first, count);
        break;
    case PM_KIND_TUPLE:
        if (count == 0) {
            pm_buf_text(state->out, "null");
        } else {
            canon_list(state, type, count);
        }
        break;
    case PM_KIND_VARIANT:
        canon_variant(state, type);
        break;
    case PM_KIND_SEQUENCE:
    case PM_KIND_ARRAY:
        if (type->kind == PM_KIND_SEQUENCE) {
            count = pm_render_length(state);
        }
        if (pm_type_is_u8(state->metadata, type->inner)) {
            pm_render_bytes(state, count);
        } else {
            canon_list(state, type, count);
        }
        break;
    case PM_KIND_PRIMITIVE:
        canon_primitive(state, type->primitive);
        break;
    case PM_KIND_COMPACT:
        canon_compact(state, type);
        break;
    default:
        canon_bits(state, type);
    }
}

panicmon_err pm_render(pm_value value, const pm_render_options *options, pm_buf *out,
                       panicmon_error **err)
{
    static const pm_render_options defaults;
    pm_render_state state = {
        .metadata = value.metadata,
        .in = {value.bytes, value.len > 0 ? value.bytes + value.len : value.bytes},
        .out = out,
        .longest = out->len + PM_RENDER_MAX,
        .options = options != NULL ? options : &defaults};
    if (pm_value_absent(value)) {
        pm_buf_text(out, "null");
    } else if (state.options->form == PM_FORM_POLKADOT_JS) {
        pm_render_polkadot_js(&state, value);
    } else if (value.fields != 0) {
        const pm_variant *variant = &value.metadata->variants.at[value.fields - 1];
        canon_fields(&state, variant->first, variant->count);
    } else {
        canon(&state, value.type);
    }
    if (out->failed) {
        return panicmon_error_set(err, PANICMON_ERR_NOMEM, "out of memory");
    }
    if (state.too_long) {
        return panicmon_error_set(err, PANICMON_ERR_LIMIT, "the value is too long as JSON");
    }
    if (state.broken) {
        return panicmon_error_set(err, PANICMON_ERR_INVAL, "the value was not checked before");
    }
    return PANICMON_OK;
}
