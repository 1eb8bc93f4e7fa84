/* encode_text.c: arguments as they are typed, see encode.h. */
#include "substrate/encode.h"

#include "base/error.h"
#include "substrate/value.h"
#include "substrate/walk.h"

/* Through structs and tuples of one field. */
static const pm_type *peel(const pm_metadata *metadata, uint32_t number)
{
    const pm_type *type = pm_type_get(metadata, number);
    for (int i = 0; i < PM_VALUE_DEPTH_MAX; i++) {
        if ((type->kind != PM_KIND_COMPOSITE && type->kind != PM_KIND_TUPLE) || type->count != 1) {
            break;
        }
        type = pm_type_get(metadata, metadata->fields.at[type->first].type);
    }
    return type;
}

/* 0x bytes for a type that is not made of bytes: its SCALE. */
static panicmon_err add_scale(const pm_metadata *metadata, uint32_t type, const char *what,
                              pm_name text, pm_buf *out, panicmon_error **err)
{
    panicmon_err code;
    pm_buf bytes = {0};
    bool read = pm_hex_parse(text.text, text.len, &bytes);
    if (bytes.failed) {
        code = panicmon_error_set(err, PANICMON_ERR_NOMEM, "out of memory");
    } else if (!read) {
        code = pm_error_setf(err, PANICMON_ERR_INVAL, "%s: not valid hex text",
                             what != NULL ? what : "value");
    } else {
        code =
            pm_value_open(metadata, type, what, (const uint8_t *)bytes.data, bytes.len, NULL, err);
        code = code == PANICMON_ERR_PARSE ? PANICMON_ERR_INVAL : code;
        pm_buf_add(out, bytes.data, bytes.len);
    }
    pm_buf_free(&bytes);
    return code;
}

panicmon_err pm_encode_text(const pm_metadata *metadata, uint32_t type, const char *what,
                            pm_name text, pm_buf *out, panicmon_error **err)
{
    if (!pm_type_exists(metadata, type)) {
        return pm_error_setf(err, PANICMON_ERR_NOENT, "the metadata has no type %u", type);
    }
    const pm_type *leaf = peel(metadata, type);
    bool list = leaf->kind == PM_KIND_SEQUENCE || leaf->kind == PM_KIND_ARRAY;
    bool bytes = list && pm_type_is_u8(metadata, leaf->inner);
    bool str = leaf->kind == PM_KIND_PRIMITIVE && leaf->primitive == PM_STR;
    bool hex = text.len >= 2 && text.text[0] == '0' && text.text[1] == 'x';
    if (hex && !bytes && !str) {
        return add_scale(metadata, type, what, text, out, err);
    }
    pm_json value;
    bool quoted = text.len > 0 && text.text[0] == '"';
    if ((!str || quoted) && pm_json_parse(text.text, text.len, &value, NULL)) {
        return pm_encode_json(metadata, type, what, value, out, err);
    }
    pm_buf as_json = {0}; /* a bare word */
    panicmon_err code;
    pm_buf_json_string(&as_json, text.text, text.len);
    if (as_json.failed) {
        code = panicmon_error_set(err, PANICMON_ERR_NOMEM, "out of memory");
    } else {
        code = pm_encode_json(metadata, type, what, (pm_json){as_json.data, as_json.len}, out, err);
    }
    pm_buf_free(&as_json);
    return code;
}
