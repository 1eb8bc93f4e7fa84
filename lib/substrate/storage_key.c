/* storage_key.c: see storage_key.h. */
#include "substrate/storage_key.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "substrate/encode.h"
#include "substrate/value.h"
#include "substrate/walk.h"

pm_key_arg pm_key_arg_u32(uint32_t value)
{
    pm_key_arg arg = {.len = 4};
    for (size_t i = 0; i < arg.len; i++) {
        arg.bytes[i] = (uint8_t)(value >> (8 * i));
    }
    return arg;
}

pm_key_arg pm_key_arg_u64(uint64_t value)
{
    pm_key_arg arg = {.len = 8};
    for (size_t i = 0; i < arg.len; i++) {
        arg.bytes[i] = (uint8_t)(value >> (8 * i));
    }
    return arg;
}

pm_key_arg pm_key_arg_account(const uint8_t account[32])
{
    pm_key_arg arg = {.len = 32};
    memcpy(arg.bytes, account, arg.len);
    return arg;
}

static void name_arg(const pm_storage *item, size_t i, pm_buf *what)
{
    pm_buf_add(what, item->pallet.text, item->pallet.len);
    pm_buf_char(what, '.');
    pm_buf_add(what, item->name.text, item->name.len);
    pm_buf_format(what, " argument %zu", i + 1);
}

/* Checks the number of arguments and writes what stands before them. */
static panicmon_err begin(const pm_storage *item, size_t count, pm_buf *out, panicmon_error **err)
{
    if (count > item->key_count) {
        return pm_error_setf(err, PANICMON_ERR_INVAL,
                             "%.*s.%.*s takes %" PRIu32 " arguments, not %zu",
                             (int)item->pallet.len, item->pallet.text, (int)item->name.len,
                             item->name.text, item->key_count, count);
    }
    pm_buf_add(out, item->key, sizeof item->key);
    return PANICMON_OK;
}

static panicmon_err finish(panicmon_err code, const pm_buf *out, panicmon_error **err)
{
    return code == PANICMON_OK && out->failed
               ? panicmon_error_set(err, PANICMON_ERR_NOMEM, "out of memory")
               : code;
}

panicmon_err pm_storage_key(const pm_storage *item, const pm_key_arg *args, size_t count,
                            pm_buf *out, panicmon_error **err)
{
    panicmon_err code = begin(item, count, out, err);
    for (size_t i = 0; i < count && code == PANICMON_OK; i++) {
        if (pm_value_open(item->metadata, item->key_types[i], NULL, args[i].bytes, args[i].len,
                          NULL, NULL) != PANICMON_OK) {
            pm_buf what = {0};
            name_arg(item, i, &what);
            code = pm_error_setf(err, PANICMON_ERR_INVAL, "%s is of another type on this chain",
                                 what.failed ? "an argument" : what.data);
            pm_buf_free(&what);
            break;
        }
        pm_hasher_add((pm_hasher)item->hashers[i], args[i].bytes, args[i].len, out);
    }
    return finish(code, out, err);
}

panicmon_err pm_storage_key_hex(const pm_storage *item, const pm_key_arg *args, size_t count,
                                pm_buf *out, panicmon_error **err)
{
    pm_buf key = {0};
    if (count == 0) { /* the most usual ones: no memory is needed on the way */
        pm_hex_add_0x(out, item->key, sizeof item->key);
        return finish(PANICMON_OK, out, err);
    }
    panicmon_err code = pm_storage_key(item, args, count, &key, err);
    if (code == PANICMON_OK) {
        pm_hex_add_0x(out, key.data, key.len);
    }
    pm_buf_free(&key);
    return finish(code, out, err);
}

panicmon_err pm_storage_key_text(const pm_storage *item, const pm_name *args, size_t count,
                                 pm_buf *out, panicmon_error **err)
{
    pm_buf what = {0};
    pm_buf scale = {0};
    panicmon_err code = begin(item, count, out, err);
    for (size_t i = 0; i < count && code == PANICMON_OK; i++) {
        pm_buf_clear(&what);
        pm_buf_clear(&scale);
        name_arg(item, i, &what);
        code = pm_encode_text(item->metadata, item->key_types[i], what.failed ? NULL : what.data,
                              args[i], &scale, err);
        if (code == PANICMON_OK) {
            pm_hasher_add((pm_hasher)item->hashers[i], scale.data, scale.len, out);
        }
    }
    pm_buf_free(&what);
    pm_buf_free(&scale);
    return finish(code, out, err);
}

bool pm_storage_key_arg(const pm_storage *item, const uint8_t *key, size_t len, size_t i,
                        const uint8_t **bytes, size_t *bytes_len)
{
    const uint8_t *skipped;
    pm_scale in = {key, key + len};
    if (i >= item->key_count || !pm_scale_take(&in, sizeof item->key, &skipped) ||
        memcmp(skipped, item->key, sizeof item->key) != 0) {
        return false;
    }
    for (size_t at = 0; at <= i; at++) {
        pm_hasher hasher = (pm_hasher)item->hashers[at];
        if (!pm_scale_take(&in, pm_hasher_size(hasher), &skipped)) {
            return false;
        }
        if (!pm_hasher_keeps(hasher)) {
            if (at == i) {
                return false;
            }
            continue;
        }
        *bytes = in.at;
        if (!pm_walk_skip(item->metadata, item->key_types[at], &in)) {
            return false;
        }
    }
    *bytes_len = (size_t)(in.at - *bytes);
    return true;
}
