/* scale.h: the primitives of SCALE (integers, compacts, lengths) and hex text. Nothing is
 * allocated but through pm_buf. Any thread. */
#ifndef PM_SUBSTRATE_SCALE_H
#define PM_SUBSTRATE_SCALE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

/* Text inside of somebody's memory, not zero-terminated. `text` NULL: absent. */
typedef struct pm_name {
    const char *text;
    size_t len;
} pm_name;

bool pm_name_is(pm_name name, const char *text);

/* Bytes being read: `at` moves towards `end`. */
typedef struct pm_scale {
    const uint8_t *at;
    const uint8_t *end;
} pm_scale;

/* An unsigned integer of up to 256 bits, little-endian, zero-extended. */
typedef struct pm_u256 {
    uint8_t bytes[32];
} pm_u256;

#define PM_U256_DIGITS 80 /* room for the decimal text of any 256-bit integer with a sign */

static inline size_t pm_scale_left(const pm_scale *in)
{
    return (size_t)(in->end - in->at);
}

/* Reads; false, and nothing is consumed, when the bytes do not suffice or are not valid. */
bool pm_scale_take(pm_scale *in, size_t count, const uint8_t **bytes);
bool pm_scale_u8(pm_scale *in, uint8_t *out);
bool pm_scale_u16(pm_scale *in, uint16_t *out);
bool pm_scale_u32(pm_scale *in, uint32_t *out);
bool pm_scale_u64(pm_scale *in, uint64_t *out);
/* A compact of any width (at most 32 bytes of value). Not the shortest form is accepted. */
bool pm_scale_compact(pm_scale *in, pm_u256 *out);
/* A compact that fits 32 bits: lengths and type numbers. */
bool pm_scale_compact_u32(pm_scale *in, uint32_t *out);

/* Writes a compact in its shortest form. */
void pm_scale_put_compact(pm_buf *out, const pm_u256 *value);
void pm_scale_put_length(pm_buf *out, uint64_t value);

void pm_u256_set(pm_u256 *out, const uint8_t *bytes, size_t count); /* count <= 32 */
bool pm_u256_u64(const pm_u256 *value, uint64_t *out);              /* false when it does not fit */
size_t pm_u256_bits(const pm_u256 *value); /* the place of the highest bit set, from 1 */
void pm_u256_negate(pm_u256 *value);       /* two's complement over 256 bits */
/* The decimal text, zero-terminated; gives its length. */
size_t pm_u256_decimal(const pm_u256 *value, char text[PM_U256_DIGITS]);
/* Reads decimal digits; false when there are none, others, or 256 bits do not suffice. */
bool pm_u256_parse(pm_u256 *out, const char *text, size_t len);

/* Appends lower-case hex digits, with or without "0x" before. */
void pm_hex_add(pm_buf *out, const void *bytes, size_t len);
void pm_hex_add_0x(pm_buf *out, const void *bytes, size_t len);
/* Appends the bytes of hex text (with or without "0x", any case); false when it is none. */
bool pm_hex_parse(const char *text, size_t len, pm_buf *out);

#endif
