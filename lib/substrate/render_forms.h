/* render_forms.h: what the two files that write values as JSON share. */
#ifndef PM_SUBSTRATE_RENDER_FORMS_H
#define PM_SUBSTRATE_RENDER_FORMS_H

#include "substrate/registry.h"
#include "substrate/render.h"
#include "substrate/walk.h"

typedef struct pm_render_state {
    const pm_metadata *metadata;
    pm_scale in;
    pm_buf *out;
    const pm_render_options *options;
    uint16_t ss58_prefix;
    size_t longest; /* of `out`: names of hostile metadata could make it endless */
    bool too_long;
    bool broken; /* the bytes were no value after all, or it is too long */
} pm_render_state;

/* Whether another value may be written; else sets `broken`. */
bool pm_render_room(pm_render_state *state);

void pm_render_polkadot_js(pm_render_state *state, pm_value value);
/* One value of the type `number` (render_pjs.c). */
void pm_pjs_render(pm_render_state *state, uint32_t number);
/* The same as the key of an object (render_pjs_key.c). */
void pm_pjs_key(pm_render_state *state, uint32_t number);
bool pm_pjs_is_u8(const pm_metadata *metadata, uint32_t number);
/* Whether a variant holds nothing. */
bool pm_pjs_is_null(const pm_metadata *metadata, const pm_variant *variant);

void pm_render_integer(pm_buf *out, const pm_u256 *value); /* decimal, unsigned */
void pm_render_signed(pm_buf *out, const pm_u256 *value);
static inline void pm_render_signed_or_not(pm_buf *out, const pm_u256 *value, uint8_t primitive)
{
    if (pm_primitive_signed(primitive)) {
        pm_render_signed(out, value);
    } else {
        pm_render_integer(out, value);
    }
}
void pm_render_char(pm_buf *out, uint32_t c); /* as a JSON string */
void pm_render_hex(pm_buf *out, const uint8_t *bytes, size_t len);

/* These read, and set `broken` when there is nothing to read. */
const uint8_t *pm_render_take(pm_render_state *state, size_t len);
uint32_t pm_render_length(pm_render_state *state);
void pm_render_bytes(pm_render_state *state, size_t len); /* as "0x.." */
void pm_render_text(pm_render_state *state);
const pm_variant *pm_render_variant(pm_render_state *state, const pm_type *type);
/* How many bytes a bit sequence of so many bits takes. */
size_t pm_render_bit_bytes(const pm_metadata *metadata, const pm_type *type, uint32_t bits);

/* Leaves of the polkadot-js form (render_pjs_leaf.c). The type that newtypes without a name for
 * their field are made of, as long as they are nothing special: */
const pm_type *pm_pjs_peel(const pm_metadata *metadata, uint32_t number);
void pm_pjs_number(pm_render_state *state, const pm_u256 *value, uint8_t primitive, bool hex);
void pm_pjs_u256(pm_render_state *state);
void pm_pjs_account(pm_render_state *state);
void pm_pjs_account20(pm_render_state *state);
void pm_pjs_era(pm_render_state *state);
void pm_pjs_flags(pm_render_state *state, const pm_type *type);

#endif
