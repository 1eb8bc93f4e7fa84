/* render_pjs_leaf.c: the leaves of the polkadot-js form: numbers, accounts, eras, flags. See
 * render_forms.h. */
#include "substrate/render_forms.h"

#include "substrate/hash.h"
#include "substrate/ss58.h"

#define NUMBER_BITS   52 /* what is wider is no JSON number */
#define NEWTYPE_DEPTH 32

const pm_type *pm_pjs_peel(const pm_metadata *metadata, uint32_t number)
{
    const pm_type *type = pm_type_get(metadata, number);
    for (int i = 0; i < NEWTYPE_DEPTH; i++) {
        bool fields = type->kind == PM_KIND_COMPOSITE || type->kind == PM_KIND_TUPLE;
        if (!fields || type->count != 1 || type->special != PM_SPECIAL_NONE ||
            metadata->fields.at[type->first].name != 0) {
            break;
        }
        type = pm_type_get(metadata, metadata->fields.at[type->first].type);
    }
    return type;
}

static void add_big_endian(pm_buf *out, const pm_u256 *value, size_t size)
{
    uint8_t bytes[32];
    for (size_t i = 0; i < size; i++) {
        bytes[i] = value->bytes[size - 1 - i];
    }
    pm_render_hex(out, bytes, size);
}

void pm_pjs_number(pm_render_state *state, const pm_u256 *value, uint8_t primitive, bool hex)
{
    pm_u256 size = *value;
    if (pm_primitive_signed(primitive) && (value->bytes[31] & 0x80) != 0) {
        pm_u256_negate(&size);
    }
    size_t width = pm_primitive_size(primitive);
    if (!hex && width <= 16 && pm_u256_bits(&size) <= NUMBER_BITS) {
        pm_render_signed_or_not(state->out, value, primitive);
    } else if (!hex && state->options->big == PM_BIG_DECIMAL) {
        pm_buf_char(state->out, '"');
        pm_render_signed_or_not(state->out, value, primitive);
        pm_buf_char(state->out, '"');
    } else {
        add_big_endian(state->out, value, width);
    }
}

void pm_pjs_account(pm_render_state *state)
{
    char text[PM_SS58_TEXT];
    const uint8_t *account = pm_render_take(state, PM_ACCOUNT_SIZE);
    if (account != NULL) {
        (void)pm_ss58_encode(account, state->ss58_prefix, text);
        pm_buf_format(state->out, "\"%s\"", text);
    }
}

/* Upper case where the hash of the lower-case digits has a high bit: the checksum of Ethereum. */
void pm_pjs_account20(pm_render_state *state)
{
    const uint8_t *account = pm_render_take(state, 20);
    pm_buf digits = {0};
    uint8_t hash[32];
    if (account == NULL) {
        return;
    }
    pm_hex_add(&digits, account, 20);
    if (digits.failed) {
        state->out->failed = true;
        pm_buf_free(&digits);
        return;
    }
    pm_keccak256(digits.data, digits.len, hash);
    for (size_t i = 0; i < digits.len; i++) {
        unsigned nibble = i % 2 == 0 ? hash[i / 2] >> 4 : hash[i / 2] & 15u;
        if (nibble >= 8 && digits.data[i] >= 'a') {
            digits.data[i] = (char)(digits.data[i] - 'a' + 'A');
        }
    }
    pm_buf_text(state->out, "\"0x");
    pm_buf_add(state->out, digits.data, digits.len);
    pm_buf_char(state->out, '"');
    pm_buf_free(&digits);
}

void pm_pjs_era(pm_render_state *state)
{
    const uint8_t *era = pm_render_take(state, 1);
    if (era == NULL) {
        return;
    }
    if (era[0] == 0) {
        pm_buf_text(state->out, "{\"immortalEra\":\"0x00\"}");
    } else if (pm_render_take(state, 1) != NULL) {
        pm_buf_text(state->out, "{\"mortalEra\":");
        pm_render_hex(state->out, era, 2);
        pm_buf_char(state->out, '}');
    }
}

/* The names of the flags that are set; a flag's value is the index of its variant. */
void pm_pjs_flags(pm_render_state *state, const pm_type *type)
{
    const pm_metadata *metadata = state->metadata;
    const pm_type *inner = pm_pjs_peel(metadata, metadata->fields.at[type->first].type);
    const pm_type *flags = pm_type_get(metadata, pm_type_param(metadata, type, 0));
    pm_u256 value;
    uint64_t bits;
    if (inner->kind != PM_KIND_PRIMITIVE ||
        !pm_walk_integer(inner->primitive, &state->in, &value) || !pm_u256_u64(&value, &bits)) {
        state->broken = true;
        return;
    }
    uint32_t written = 0;
    pm_buf_char(state->out, '[');
    for (uint32_t i = 0; i < flags->count; i++) {
        const pm_variant *flag = &metadata->variants.at[flags->first + i];
        if ((bits & flag->index) == flag->index) {
            if (written++ > 0) {
                pm_buf_char(state->out, ',');
            }
            pm_name name = pm_name_at(metadata, flag->name);
            pm_buf_json_string(state->out, name.text, name.len);
        }
    }
    pm_buf_char(state->out, ']');
}

void pm_pjs_u256(pm_render_state *state)
{
    pm_u256 value;
    if (!pm_walk_integer(PM_U256, &state->in, &value)) {
        state->broken = true;
    } else {
        pm_pjs_number(state, &value, PM_U256, false);
    }
}
