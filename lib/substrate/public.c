/* public.c: the functions of panicmon/substrate.h about metadata, values and addresses. */
#include <panicmon/substrate.h>

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "substrate/encode.h"
#include "substrate/list.h"
#include "substrate/render.h"
#include "substrate/ss58.h"
#include "substrate/storage_key.h"

panicmon_err panicmon_metadata_new(panicmon_metadata **out, const void *data, size_t len,
                                   panicmon_error **err)
{
    if (out == NULL || (data == NULL && len > 0)) {
        return panicmon_error_set(err, PANICMON_ERR_INVAL, "no place for the result, or no data");
    }
    return pm_metadata_decode(out, data, len, err);
}

void panicmon_metadata_free(panicmon_metadata *metadata)
{
    pm_metadata_unref(metadata);
}

uint32_t panicmon_metadata_version(const panicmon_metadata *metadata)
{
    return metadata == NULL ? 0 : pm_metadata_version(metadata);
}

size_t panicmon_metadata_size(const panicmon_metadata *metadata)
{
    return metadata == NULL ? 0 : pm_metadata_size(metadata);
}

/* Hands a text over, or the failure. */
static panicmon_err give(panicmon_err code, pm_buf *text, char **out, size_t *len,
                         panicmon_error **err)
{
    size_t size = 0;
    char *taken = code == PANICMON_OK ? pm_buf_take(text, &size) : NULL;
    pm_buf_free(text);
    if (code != PANICMON_OK) {
        return code;
    }
    if (taken == NULL) {
        return panicmon_error_set(err, PANICMON_ERR_NOMEM, "out of memory");
    }
    *out = taken;
    if (len != NULL) {
        *len = size;
    }
    return PANICMON_OK;
}

static panicmon_err bad_argument(panicmon_error **err)
{
    return panicmon_error_set(err, PANICMON_ERR_INVAL, "an argument is NULL or not known");
}

panicmon_err panicmon_metadata_list(const panicmon_metadata *metadata, uint32_t format, char **text,
                                    size_t *len, panicmon_error **err)
{
    pm_buf out = {0};
    if (metadata == NULL || text == NULL || format > PANICMON_LIST_TEXT) {
        return bad_argument(err);
    }
    if (format == PANICMON_LIST_JSON) {
        pm_metadata_list(metadata, &out);
    } else {
        pm_metadata_list_text(metadata, &out);
    }
    panicmon_err code = PANICMON_OK;
    if (out.len >= PM_LIST_MAX) {
        code = panicmon_error_set(err, PANICMON_ERR_LIMIT, "the list is too long");
    }
    return give(code, &out, text, len, err);
}

static bool read_flags(uint32_t flags, pm_render_options *options)
{
    const uint32_t all =
        PANICMON_VALUE_POLKADOT_JS | PANICMON_VALUE_BIG_DECIMAL | PANICMON_VALUE_TOP_HEX;
    *options = (pm_render_options){
        .form = (flags & PANICMON_VALUE_POLKADOT_JS) != 0 ? PM_FORM_POLKADOT_JS : PM_FORM_CANON,
        .big = (flags & PANICMON_VALUE_BIG_DECIMAL) != 0 ? PM_BIG_DECIMAL : PM_BIG_HEX,
        .top_integers_hex = (flags & PANICMON_VALUE_TOP_HEX) != 0,
    };
    return (flags & ~all) == 0;
}

static panicmon_err render(pm_value value, const pm_render_options *options, char **json,
                           size_t *len, panicmon_error **err)
{
    pm_buf text = {0};
    return give(pm_render(value, options, &text, err), &text, json, len, err);
}

static panicmon_err not_there(panicmon_error **err, const char *what, const char *group,
                              const char *name)
{
    return pm_error_setf(err, PANICMON_ERR_NOENT, "the metadata has no %s %s.%s", what, group,
                         name);
}

panicmon_err panicmon_metadata_decode_storage(const panicmon_metadata *metadata, const char *pallet,
                                              const char *item, const void *bytes, size_t bytes_len,
                                              uint32_t flags, char **json, size_t *len,
                                              panicmon_error **err)
{
    pm_storage found;
    pm_value value;
    pm_render_options options;
    if (metadata == NULL || pallet == NULL || item == NULL || json == NULL ||
        !read_flags(flags, &options)) {
        return bad_argument(err);
    }
    if (!pm_storage_find(metadata, pallet, item, &found)) {
        return not_there(err, "storage item", pallet, item);
    }
    panicmon_err code = pm_value_of_storage(&found, bytes, bytes_len, &value, err);
    return code != PANICMON_OK ? code : render(value, &options, json, len, err);
}

panicmon_err panicmon_metadata_decode_constant(const panicmon_metadata *metadata,
                                               const char *pallet, const char *name, uint32_t flags,
                                               char **json, size_t *len, panicmon_error **err)
{
    pm_constant found;
    pm_value value;
    pm_render_options options;
    if (metadata == NULL || pallet == NULL || name == NULL || json == NULL ||
        !read_flags(flags, &options)) {
        return bad_argument(err);
    }
    if (!pm_constant_find(metadata, pallet, name, &found)) {
        return not_there(err, "constant", pallet, name);
    }
    panicmon_err code = pm_value_of_constant(metadata, &found, &value, err);
    return code != PANICMON_OK ? code : render(value, &options, json, len, err);
}

panicmon_err panicmon_metadata_decode_type(const panicmon_metadata *metadata, uint32_t type,
                                           const void *bytes, size_t bytes_len, uint32_t flags,
                                           char **json, size_t *len, panicmon_error **err)
{
    pm_value value;
    pm_render_options options;
    if (metadata == NULL || (bytes == NULL && bytes_len > 0) || json == NULL ||
        !read_flags(flags, &options)) {
        return bad_argument(err);
    }
    panicmon_err code = pm_value_open(metadata, type, NULL, bytes, bytes_len, &value, err);
    return code != PANICMON_OK ? code : render(value, &options, json, len, err);
}

panicmon_err panicmon_metadata_decode_result(const panicmon_metadata *metadata, const char *api,
                                             const char *method, const void *bytes,
                                             size_t bytes_len, uint32_t flags, char **json,
                                             size_t *len, panicmon_error **err)
{
    pm_api_method found;
    pm_value value;
    pm_render_options options;
    pm_buf what = {0};
    if (metadata == NULL || api == NULL || method == NULL || (bytes == NULL && bytes_len > 0) ||
        json == NULL || !read_flags(flags, &options)) {
        return bad_argument(err);
    }
    if (!pm_api_find(metadata, api, method, &found)) {
        return not_there(err, "runtime call", api, method);
    }
    pm_buf_format(&what, "%s_%s", api, method);
    panicmon_err code = pm_value_open(metadata, found.output_type, what.failed ? NULL : what.data,
                                      bytes, bytes_len, &value, err);
    pm_buf_free(&what);
    return code != PANICMON_OK ? code : render(value, &options, json, len, err);
}

/* Bytes as hex text, or the failure. */
static panicmon_err give_hex(panicmon_err code, pm_buf *bytes, char **hex, size_t *len,
                             panicmon_error **err)
{
    pm_buf text = {0};
    if (code == PANICMON_OK) {
        pm_hex_add_0x(&text, bytes->data, bytes->len);
    }
    pm_buf_free(bytes);
    return give(code, &text, hex, len, err);
}

panicmon_err panicmon_metadata_encode_type(const panicmon_metadata *metadata, uint32_t type,
                                           const char *json, size_t json_len, char **hex,
                                           size_t *len, panicmon_error **err)
{
    pm_json value;
    pm_buf bytes = {0};
    size_t at = 0;
    if (metadata == NULL || json == NULL || hex == NULL) {
        return bad_argument(err);
    }
    if (!pm_json_parse(json, json_len, &value, &at)) {
        return pm_error_setf(err, PANICMON_ERR_INVAL, "not JSON at byte %zu", at);
    }
    panicmon_err code = pm_encode_json(metadata, type, NULL, value, &bytes, err);
    return give_hex(code, &bytes, hex, len, err);
}

panicmon_err panicmon_metadata_storage_key(const panicmon_metadata *metadata, const char *pallet,
                                           const char *item, const char *const *args,
                                           size_t arg_count, char **hex, size_t *len,
                                           panicmon_error **err)
{
    pm_storage found;
    pm_name texts[PM_KEYS_MAX];
    pm_buf key = {0};
    if (metadata == NULL || pallet == NULL || item == NULL || hex == NULL ||
        (args == NULL && arg_count > 0)) {
        return bad_argument(err);
    }
    if (!pm_storage_find(metadata, pallet, item, &found)) {
        return not_there(err, "storage item", pallet, item);
    }
    for (size_t i = 0; i < arg_count && i < PM_KEYS_MAX; i++) {
        if (args[i] == NULL) {
            return bad_argument(err);
        }
        texts[i] = (pm_name){args[i], strlen(args[i])};
    }
    panicmon_err code = pm_storage_key_text(&found, texts, arg_count, &key, err);
    return give_hex(code, &key, hex, len, err);
}

void panicmon_text_free(char *text)
{
    free(text);
}

panicmon_err panicmon_ss58_decode(const char *address, size_t len, uint8_t account[32],
                                  uint16_t *prefix)
{
    if (address == NULL || account == NULL) {
        return PANICMON_ERR_INVAL;
    }
    return pm_ss58_decode(address, len, account, prefix) ? PANICMON_OK : PANICMON_ERR_PARSE;
}

panicmon_err panicmon_ss58_encode(const uint8_t account[32], uint16_t prefix, char *address,
                                  size_t size)
{
    char text[PM_SS58_TEXT];
    if (account == NULL || address == NULL) {
        return PANICMON_ERR_INVAL;
    }
    size_t len = pm_ss58_encode(account, prefix, text);
    if (len == 0) {
        return PANICMON_ERR_INVAL;
    }
    if (len >= size) {
        return PANICMON_ERR_LIMIT;
    }
    memcpy(address, text, len + 1);
    return PANICMON_OK;
}
