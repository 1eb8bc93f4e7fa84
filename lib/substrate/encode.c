/* encode.c: see encode.h. The mirror of the canon form, driven by the type registry. */
#include "substrate/encode.h"

#include <string.h>

#include "base/error.h"
#include "base/utf8.h"
#include "substrate/camel.h"
#include "substrate/ss58.h"
#include "substrate/value.h"
#include "substrate/walk.h"

typedef struct pm_encode {
    const pm_metadata *metadata;
    pm_buf *out;
    pm_buf *path; /* where the place is written on failure */
    const char *failure;
    unsigned depth;
    bool no_memory; /* then the failure is nobody's fault */
} pm_encode;

static void drop(pm_encode *encode, pm_buf *buf)
{
    encode->no_memory = encode->no_memory || buf->failed;
    pm_buf_free(buf);
}

static bool fail(pm_encode *encode, const pm_place *place, const char *failure)
{
    if (encode->failure == NULL) {
        encode->failure = failure;
        pm_place_write(encode->metadata, place, encode->path);
    }
    return false;
}

static bool encode_type(pm_encode *encode, uint32_t type, pm_json value, const pm_place *place);

/* The content of a JSON string; false when it is none or memory is out. */
static bool string_of(pm_json value, pm_buf *text)
{
    return pm_json_is(value, '"') && pm_json_string(value, text) && !text->failed &&
           pm_buf_reserve(text, 0);
}

static bool is_hex(const pm_buf *text)
{
    return text->len >= 2 && text->data[0] == '0' && text->data[1] == 'x';
}

/* Digits with a sign, or hex text with the highest byte first. */
static bool parse_integer(pm_encode *encode, const char *text, size_t len, pm_u256 *out,
                          bool *negative)
{
    *negative = len > 0 && text[0] == '-';
    if (*negative) {
        text++;
        len--;
    }
    if (len > 2 && text[0] == '0' && text[1] == 'x') {
        pm_buf bytes = {0};
        bool done = len <= 2 + 2 * sizeof out->bytes && pm_hex_parse(text, len, &bytes);
        memset(out->bytes, 0, sizeof out->bytes);
        for (size_t i = 0; done && i < bytes.len; i++) {
            out->bytes[i] = (uint8_t)bytes.data[bytes.len - 1 - i];
        }
        drop(encode, &bytes);
        return done;
    }
    return pm_u256_parse(out, text, len);
}

static bool read_integer(pm_encode *encode, pm_json value, pm_u256 *out, bool *negative)
{
    if (!pm_json_is(value, '"')) {
        return pm_json_is(value, '0') &&
               parse_integer(encode, value.text, value.len, out, negative);
    }
    pm_buf text = {0};
    bool done =
        string_of(value, &text) && parse_integer(encode, text.data, text.len, out, negative);
    drop(encode, &text);
    return done;
}

static bool encode_integer(pm_encode *encode, uint8_t primitive, pm_json value,
                           const pm_place *place)
{
    pm_u256 number;
    bool negative;
    size_t bits = 8 * pm_primitive_size(primitive);
    if (!read_integer(encode, value, &number, &negative)) {
        return fail(encode, place, "not an integer");
    }
    size_t used = pm_u256_bits(&number);
    bool fits = used <= bits && !negative;
    if (pm_primitive_signed(primitive)) {
        pm_u256 less = number; /* -128 needs as many bits as 127 */
        if (negative && used > 0) {
            pm_u256_negate(&less);
            for (size_t i = 0; i < sizeof less.bytes; i++) {
                less.bytes[i] = (uint8_t)~less.bytes[i];
            }
            used = pm_u256_bits(&less);
        }
        fits = used < bits;
    }
    if (!fits) {
        return fail(encode, place, "the integer does not fit");
    }
    if (negative) {
        pm_u256_negate(&number);
    }
    pm_buf_add(encode->out, number.bytes, bits / 8);
    return true;
}

static bool encode_char(pm_encode *encode, pm_json value, const pm_place *place)
{
    pm_buf text = {0};
    bool done =
        string_of(value, &text) && text.len > 0 && pm_utf8_width(text.data, text.len) == text.len;
    if (done) {
        uint32_t c = (uint8_t)text.data[0];
        c = text.len == 1 ? c : c & (0xffu >> (text.len + 1));
        for (size_t i = 1; i < text.len; i++) {
            c = c << 6 | ((uint8_t)text.data[i] & 0x3fu);
        }
        const uint8_t bytes[4] = {(uint8_t)c, (uint8_t)(c >> 8), (uint8_t)(c >> 16), 0};
        pm_buf_add(encode->out, bytes, sizeof bytes);
    }
    drop(encode, &text);
    return done || fail(encode, place, "not a text of one character");
}

static bool encode_text(pm_encode *encode, pm_json value, const pm_place *place)
{
    pm_buf text = {0};
    bool done = string_of(value, &text);
    if (done) {
        pm_scale_put_length(encode->out, text.len);
        pm_buf_add(encode->out, text.data, text.len);
    }
    drop(encode, &text);
    return done || fail(encode, place, "not a text");
}

static bool encode_primitive(pm_encode *encode, uint8_t primitive, pm_json value,
                             const pm_place *place)
{
    bool truth;
    switch (primitive) {
    case PM_STR:
        return encode_text(encode, value, place);
    case PM_CHAR:
        return encode_char(encode, value, place);
    case PM_BOOL:
        if (!pm_json_bool(value, &truth)) {
            return fail(encode, place, "neither true nor false");
        }
        pm_buf_char(encode->out, truth ? 1 : 0);
        return true;
    default:
        return encode_integer(encode, primitive, value, place);
    }
}

static bool encode_compact(pm_encode *encode, uint32_t inner, pm_json value, const pm_place *place)
{
    uint8_t primitive;
    bool empty;
    bool negative;
    pm_u256 number;
    if (!pm_compact_primitive(encode->metadata, inner, &primitive, &empty)) {
        return fail(encode, place, "a compact of a type that is no unsigned integer");
    }
    if (empty) {
        return true;
    }
    if (!read_integer(encode, value, &number, &negative) || negative ||
        pm_u256_bits(&number) > 8 * pm_primitive_size(primitive)) {
        return fail(encode, place, "not an integer that fits");
    }
    pm_scale_put_compact(encode->out, &number);
    return true;
}

/* Bytes as hex text, or 32 of them as an address. */
static bool encode_bytes(pm_encode *encode, const pm_type *type, pm_json value,
                         const pm_place *place)
{
    pm_buf text = {0};
    pm_buf bytes = {0};
    uint8_t account[PM_ACCOUNT_SIZE];
    bool fixed = type->kind == PM_KIND_ARRAY;
    bool done = string_of(value, &text);
    if (done && !is_hex(&text) && fixed && type->count == sizeof account &&
        pm_ss58_decode(text.data, text.len, account, NULL)) {
        pm_buf_add(&bytes, account, sizeof account);
    } else {
        done = done && is_hex(&text) && pm_hex_parse(text.data, text.len, &bytes);
    }
    if (!done) {
        (void)fail(encode, place, "neither 0x bytes nor an address");
    } else if (fixed && bytes.len != type->count) {
        done = fail(encode, place, "not as many bytes as the type has");
    } else {
        if (!fixed) {
            pm_scale_put_length(encode->out, bytes.len);
        }
        pm_buf_add(encode->out, bytes.data, bytes.len);
    }
    drop(encode, &text);
    drop(encode, &bytes);
    return done;
}

static size_t count_elements(pm_json value)
{
    size_t at = 0;
    size_t count = 0;
    pm_json element;
    while (pm_json_next_element(value, &at, &element)) {
        count++;
    }
    return count;
}

static bool encode_list(pm_encode *encode, const pm_type *type, pm_json value,
                        const pm_place *place)
{
    size_t at = 0;
    pm_json element;
    if (pm_type_is_u8(encode->metadata, type->inner) && !pm_json_is(value, '[')) {
        return encode_bytes(encode, type, value, place);
    }
    if (!pm_json_is(value, '[')) {
        return fail(encode, place, "not an array");
    }
    size_t count = count_elements(value);
    if (type->kind == PM_KIND_ARRAY && count != type->count) {
        return fail(encode, place, "not as many elements as the type has");
    }
    if (type->kind == PM_KIND_SEQUENCE) {
        pm_scale_put_length(encode->out, count);
    }
    for (uint64_t i = 0; pm_json_next_element(value, &at, &element); i++) {
        pm_place here = {.up = place, .kind = PM_AT_INDEX, .index = i};
        if (!encode_type(encode, type->inner, element, &here)) {
            return false;
        }
    }
    return true;
}

/* Whether a JSON key is the name, as it stands or in camelCase. */
static bool names(pm_encode *encode, uint32_t place, pm_json key)
{
    pm_name name = pm_name_at(encode->metadata, place);
    pm_buf text = {0};
    pm_buf camel = {0};
    pm_camel_add(&camel, name);
    bool same = string_of(key, &text) && !camel.failed &&
                ((text.len == name.len && memcmp(text.data, name.text, name.len) == 0) ||
                 (text.len == camel.len && memcmp(text.data, camel.data, camel.len) == 0));
    drop(encode, &text);
    drop(encode, &camel);
    return same;
}

static bool encode_object(pm_encode *encode, const pm_field *fields, uint32_t count, pm_json value,
                          const pm_place *place)
{
    for (uint32_t i = 0; i < count; i++) {
        pm_place here = pm_place_field(place, fields[i].name, i, count);
        size_t at = 0;
        pm_json key;
        pm_json member;
        bool found = false;
        while (!found && pm_json_next_member(value, &at, &key, &member)) {
            found = names(encode, fields[i].name, key);
        }
        if (!found) {
            return fail(encode, &here, "the field is missing");
        }
        if (!encode_type(encode, fields[i].type, member, &here)) {
            return false;
        }
    }
    return true;
}

static bool encode_fields(pm_encode *encode, uint32_t first, uint32_t count, pm_json value,
                          const pm_place *place)
{
    const pm_field *fields = pm_fields_of(encode->metadata, first);
    if (count == 0) {
        return pm_json_is(value, 'n') || fail(encode, place, "not null");
    }
    if (pm_json_is(value, '{') && fields[0].name != 0) {
        return encode_object(encode, fields, count, value, place);
    }
    if (count == 1 && fields[0].name == 0) {
        return encode_type(encode, fields[0].type, value, place);
    }
    if (!pm_json_is(value, '[') || count_elements(value) != count) {
        return fail(encode, place, "neither an object with the fields nor an array of as many");
    }
    size_t at = 0;
    pm_json element;
    for (uint32_t i = 0; i < count && pm_json_next_element(value, &at, &element); i++) {
        pm_place here = pm_place_field(place, fields[i].name, i, count);
        if (!encode_type(encode, fields[i].type, element, &here)) {
            return false;
        }
    }
    return true;
}

static bool encode_tuple(pm_encode *encode, const pm_type *type, pm_json value,
                         const pm_place *place)
{
    size_t at = 0;
    pm_json element;
    if (type->count == 1 && pm_json_is(value, '[') && count_elements(value) == 1 &&
        pm_json_next_element(value, &at, &element)) {
        value = element; /* one in brackets, as the canon form has it */
    }
    return encode_fields(encode, type->first, type->count, value, place);
}

static const pm_variant *find_variant(pm_encode *encode, const pm_type *type, pm_json name)
{
    for (uint32_t i = 0; i < type->count; i++) {
        const pm_variant *variant = &encode->metadata->variants.at[type->first + i];
        if (names(encode, variant->name, name)) {
            return variant;
        }
    }
    return NULL;
}

static bool encode_variant_fields(pm_encode *encode, const pm_variant *variant, pm_json value,
                                  const pm_place *place)
{
    pm_place here = {.up = place, .kind = PM_AT_NAME, .name = variant->name};
    pm_buf_char(encode->out, (char)variant->index);
    return encode_fields(encode, variant->first, variant->count, value, &here);
}

static bool encode_option(pm_encode *encode, const pm_type *type, pm_json value,
                          const pm_place *place)
{
    bool some = !pm_json_is(value, 'n');
    const pm_variant *variant = pm_variant_get(encode->metadata, type, some ? 1 : 0);
    pm_buf_char(encode->out, some ? 1 : 0);
    return variant == NULL || encode_fields(encode, variant->first, variant->count, value, place);
}

static bool encode_variant(pm_encode *encode, const pm_type *type, pm_json value,
                           const pm_place *place)
{
    static const pm_json null = {"null", 4};
    static const pm_json id = {"\"Id\"", 4};
    size_t at = 0;
    pm_json key;
    pm_json fields;
    const pm_variant *variant;
    if (type->special == PM_SPECIAL_OPTION) {
        return encode_option(encode, type, value, place);
    }
    if (pm_json_is(value, '"')) {
        variant = find_variant(encode, type, value);
        if (variant != NULL) {
            return encode_variant_fields(encode, variant, null, place);
        }
        variant = find_variant(encode, type, id); /* an address as it stands */
        if (variant != NULL) {
            return encode_variant_fields(encode, variant, value, place);
        }
        return fail(encode, place, "the enum has no such variant");
    }
    if (!pm_json_is(value, '{') || !pm_json_next_member(value, &at, &key, &fields)) {
        return fail(encode, place, "neither the name of a variant nor an object of one");
    }
    variant = find_variant(encode, type, key);
    if (variant == NULL || pm_json_next_member(value, &at, &key, &value)) {
        return fail(encode, place, "the enum has no such variant, or there are several");
    }
    return encode_variant_fields(encode, variant, fields, place);
}

/* A map as an object: its keys are the texts of values. */
static bool encode_map(pm_encode *encode, const pm_type *type, pm_json value, const pm_place *place)
{
    const pm_metadata *metadata = encode->metadata;
    const pm_type *list = pm_type_get(metadata, metadata->fields.at[type->first].type);
    const pm_field *pair = pm_fields_of(metadata, pm_type_get(metadata, list->inner)->first);
    size_t at = 0;
    uint64_t count = 0;
    pm_json key;
    pm_json member;
    while (pm_json_next_member(value, &at, &key, &member)) {
        count++;
    }
    pm_scale_put_length(encode->out, count);
    at = 0;
    for (uint64_t i = 0; pm_json_next_member(value, &at, &key, &member); i++) {
        pm_place here = {.up = place, .kind = PM_AT_INDEX, .index = i};
        if (!encode_type(encode, pair[0].type, key, &here) ||
            !encode_type(encode, pair[1].type, member, &here)) {
            return false;
        }
    }
    return true;
}

static bool encode_bits(pm_encode *encode, const pm_type *type, pm_json value,
                        const pm_place *place)
{
    int64_t bits;
    pm_buf text = {0};
    pm_buf bytes = {0};
    const pm_type *store = pm_type_get(encode->metadata, type->inner);
    size_t width = store->kind == PM_KIND_PRIMITIVE ? pm_primitive_size(store->primitive) : 0;
    bool done = width > 0 && width <= 8 && pm_json_int(pm_json_member(value, "bits"), &bits) &&
                bits >= 0 && bits <= UINT32_MAX &&
                string_of(pm_json_member(value, "bytes"), &text) && is_hex(&text) &&
                pm_hex_parse(text.data, text.len, &bytes) &&
                bytes.len == ((size_t)bits + 8 * width - 1) / (8 * width) * width;
    if (done) {
        pm_scale_put_length(encode->out, (uint64_t)bits);
        pm_buf_add(encode->out, bytes.data, bytes.len);
    }
    drop(encode, &text);
    drop(encode, &bytes);
    return done || fail(encode, place, "not {\"bits\": n, \"bytes\": \"0x..\"} that fit");
}

static bool encode_kind(pm_encode *encode, const pm_type *type, pm_json value,
                        const pm_place *place)
{
    switch (type->kind) {
    case PM_KIND_COMPOSITE:
        if (type->special == PM_SPECIAL_MAP && pm_json_is(value, '{')) {
            return encode_map(encode, type, value, place);
        }
        return encode_fields(encode, type->first, type->count, value, place);
    case PM_KIND_TUPLE:
        return encode_tuple(encode, type, value, place);
    case PM_KIND_VARIANT:
        return encode_variant(encode, type, value, place);
    case PM_KIND_SEQUENCE:
    case PM_KIND_ARRAY:
        return encode_list(encode, type, value, place);
    case PM_KIND_PRIMITIVE:
        return encode_primitive(encode, type->primitive, value, place);
    case PM_KIND_COMPACT:
        return encode_compact(encode, type->inner, value, place);
    default:
        return encode_bits(encode, type, value, place);
    }
}

static bool encode_type(pm_encode *encode, uint32_t type, pm_json value, const pm_place *place)
{
    if (encode->depth == PM_VALUE_DEPTH_MAX) {
        return fail(encode, place, "nested too deep");
    }
    encode->depth++;
    bool done = encode_kind(encode, pm_type_get(encode->metadata, type), value, place);
    encode->depth--;
    return done;
}

panicmon_err pm_encode_json(const pm_metadata *metadata, uint32_t type, const char *what,
                            pm_json value, pm_buf *out, panicmon_error **err)
{
    pm_buf path = {0};
    panicmon_err code = PANICMON_OK;
    pm_encode encode = {.metadata = metadata, .out = out, .path = &path};
    if (!pm_type_exists(metadata, type)) {
        return pm_error_setf(err, PANICMON_ERR_NOENT, "the metadata has no type %u", type);
    }
    bool done = encode_type(&encode, type, value, NULL);
    if (encode.no_memory || out->failed) {
        code = panicmon_error_set(err, PANICMON_ERR_NOMEM, "out of memory");
    } else if (!done) {
        code = pm_error_setf(err, PANICMON_ERR_INVAL, "%s%s: %s", what != NULL ? what : "value",
                             path.data != NULL ? path.data : "", encode.failure);
    }
    pm_buf_free(&path);
    return code;
}
