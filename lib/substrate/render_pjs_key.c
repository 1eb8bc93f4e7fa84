/* render_pjs_key.c: keys of maps in the polkadot-js form: the text of a value, which is not its
 * JSON. See render_forms.h. */
#include "substrate/render_forms.h"

#include <string.h>

/* The JSON of a value, into a buffer of its own. */
static pm_buf json_of(pm_render_state *state, uint32_t number)
{
    pm_buf json = {0};
    pm_buf *out = state->out;
    state->out = &json;
    pm_pjs_render(state, number);
    state->out = out;
    return json;
}

static void text_of(pm_render_state *state, uint32_t number, pm_buf *text);

static void text_of_list(pm_render_state *state, uint32_t inner, uint32_t count, pm_buf *text)
{
    pm_buf_char(text, '[');
    for (uint32_t i = 0; i < count && pm_render_room(state); i++) {
        pm_buf_text(text, i > 0 ? ", " : "");
        text_of(state, inner, text);
    }
    pm_buf_char(text, ']');
}

/* What is no list of equals and no number: strings as they are, of all else (tuples, too) the JSON.
 */
static void text_of_json(pm_render_state *state, uint32_t number, pm_buf *text)
{
    pm_buf json = json_of(state, number);
    bool quoted = json.len >= 2 && json.data[0] == '"';
    if (json.failed) {
        text->failed = true;
    } else if (quoted) { /* addresses, hex: nothing that is escaped */
        pm_buf_add(text, json.data + 1, json.len - 2);
    } else if (json.len != 4 || memcmp(json.data, "null", 4) != 0) {
        pm_buf_add(text, json.data, json.len);
    }
    pm_buf_free(&json);
}

static void text_of_number(pm_render_state *state, uint32_t number, pm_buf *text)
{
    const pm_render_options *before = state->options;
    pm_render_options options = *before;
    options.big = PM_BIG_DECIMAL;
    state->options = &options;
    text_of_json(state, number, text);
    state->options = before;
}

static void text_of_str(pm_render_state *state, pm_buf *text)
{
    uint32_t len = pm_render_length(state);
    const uint8_t *bytes = pm_render_take(state, len);
    if (bytes != NULL) {
        pm_buf_add(text, bytes, len);
    }
}

/* An option that holds something, or a variant that holds nothing; false: neither. */
static bool text_of_variant(pm_render_state *state, const pm_type *type, pm_buf *text)
{
    const uint8_t *start = state->in.at;
    const pm_variant *variant = pm_render_variant(state, type);
    if (variant == NULL) {
        return true;
    }
    if (type->special == PM_SPECIAL_OPTION) {
        if (variant->count > 0) {
            text_of(state, state->metadata->fields.at[variant->first].type, text);
        }
        return true;
    }
    if (type->special == PM_SPECIAL_NONE && pm_pjs_is_null(state->metadata, variant)) {
        pm_name name = pm_name_at(state->metadata, variant->name);
        pm_buf_add(text, name.text, name.len);
        return true;
    }
    state->in.at = start;
    return false;
}

/* What toString() of polkadot-js gives. */
static void text_of(pm_render_state *state, uint32_t number, pm_buf *text)
{
    const pm_metadata *metadata = state->metadata;
    const pm_type *type = pm_pjs_peel(metadata, number);
    if (text->len > state->longest) {
        state->too_long = true;
        state->broken = true;
        return;
    }
    bool list = type->kind == PM_KIND_SEQUENCE || type->kind == PM_KIND_ARRAY;
    if (type->kind == PM_KIND_PRIMITIVE && type->primitive == PM_STR) {
        text_of_str(state, text);
    } else if (list && !pm_pjs_is_u8(metadata, type->inner)) {
        uint32_t count = type->kind == PM_KIND_ARRAY ? type->count : pm_render_length(state);
        text_of_list(state, type->inner, count, text);
    } else if (type->kind == PM_KIND_PRIMITIVE || type->kind == PM_KIND_COMPACT ||
               type->special == PM_SPECIAL_U256 || type->special == PM_SPECIAL_NUMBER) {
        text_of_number(state, number, text);
    } else if (type->kind != PM_KIND_VARIANT || !text_of_variant(state, type, text)) {
        text_of_json(state, number, text);
    }
}

/* The key of a map is the text of the value. */
void pm_pjs_key(pm_render_state *state, uint32_t number)
{
    pm_buf text = {0};
    text_of(state, number, &text);
    if (text.len > state->longest) { /* maps in keys of maps: each escapes what is in it again */
        state->too_long = true;
        state->broken = true;
    }
    if (state->broken) {
        pm_buf_clear(&text);
    }
    if (text.failed) {
        state->out->failed = true;
    } else {
        pm_buf_json_string(state->out, text.data == NULL ? "" : text.data, text.len);
    }
    pm_buf_free(&text);
}
