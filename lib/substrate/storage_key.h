/* storage_key.h: the keys of storage items. Arguments come as SCALE bytes (fast path), or as text
 * that is encoded through the metadata's types. Any thread. */
#ifndef PM_SUBSTRATE_STORAGE_KEY_H
#define PM_SUBSTRATE_STORAGE_KEY_H

#include "substrate/metadata.h"

/* An argument in SCALE. */
typedef struct pm_key_arg {
    uint8_t bytes[32];
    size_t len;
} pm_key_arg;

pm_key_arg pm_key_arg_u32(uint32_t value);
pm_key_arg pm_key_arg_u64(uint64_t value);
pm_key_arg pm_key_arg_account(const uint8_t account[32]);

/* Appends the key (bytes, not hex). Fewer arguments than the item takes make the prefix that all
 * keys beginning with them share. ERR_INVAL when there are too many, or when one is not a value of
 * the type that the chain has at its place. */
panicmon_err pm_storage_key(const pm_storage *item, const pm_key_arg *args, size_t count,
                            pm_buf *out, panicmon_error **err);
/* The same as "0x..." text appended. */
panicmon_err pm_storage_key_hex(const pm_storage *item, const pm_key_arg *args, size_t count,
                                pm_buf *out, panicmon_error **err);

/* The key for arguments as text: a decimal number, 0x bytes, an SS58 address, or JSON. */
panicmon_err pm_storage_key_text(const pm_storage *item, const pm_name *args, size_t count,
                                 pm_buf *out, panicmon_error **err);

/* Takes a key apart: the SCALE bytes of argument `i`, inside of `key`. False when the key is not
 * one of the item, or its hasher does not keep it. */
bool pm_storage_key_arg(const pm_storage *item, const uint8_t *key, size_t len, size_t i,
                        const uint8_t **bytes, size_t *bytes_len);

#endif
