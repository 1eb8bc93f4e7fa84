/* metadata.h: a chain's metadata, V14 to V16: which types, storage items, constants and runtime
 * calls it has. One object, immutable once made and counted by references: any thread reads it
 * without a lock. It keeps the blob it was made of; all names are places in it. */
#ifndef PM_SUBSTRATE_METADATA_H
#define PM_SUBSTRATE_METADATA_H

#include <panicmon/error.h>
#include <panicmon/substrate.h>

#include "substrate/hash.h"
#include "substrate/scale.h"

typedef struct panicmon_metadata pm_metadata;

#define PM_METADATA_MAX (16u << 20) /* bytes of a blob; longer ones are refused */
#define PM_KEYS_MAX     16          /* arguments of one storage item */

/* Decodes a blob: binary or hex text, bare ("meta" first), wrapped in Option and length as the
 * runtime call Metadata_metadata_at_version answers, or in a length alone. The bytes are copied.
 * ERR_PARSE with the byte offset in the message when it is no such thing, is of V9 to V13 (which
 * carry no types) or of an unknown version; ERR_LIMIT when it is too long; ERR_NOMEM. */
panicmon_err pm_metadata_decode(pm_metadata **out, const void *data, size_t len,
                                panicmon_error **err);
pm_metadata *pm_metadata_ref(pm_metadata *metadata);
void pm_metadata_unref(pm_metadata *metadata); /* NULL is allowed */

unsigned pm_metadata_version(const pm_metadata *metadata); /* 14, 15 or 16 */
/* Bytes held, the blob included. */
size_t pm_metadata_size(const pm_metadata *metadata);
/* The constant System.SS58Prefix, else the generic prefix 42. */
uint16_t pm_metadata_ss58_prefix(const pm_metadata *metadata);

/* Whether the chain has the pallet. */
bool pm_metadata_has_pallet(const pm_metadata *metadata, const char *pallet);

typedef enum pm_modifier {
    PM_OPTIONAL = 0, /* absent: there is no value */
    PM_DEFAULT = 1,  /* absent: the value is the default */
    PM_REQUIRED = 2,
} pm_modifier;

/* A storage item. Lives as long as its metadata. */
typedef struct pm_storage {
    const pm_metadata *metadata;
    pm_name pallet;
    pm_name prefix; /* what the keys are made of; mostly the pallet's name */
    pm_name name;
    uint8_t key[32]; /* what all its keys begin with: hashes of prefix and name */
    pm_modifier modifier;
    uint32_t value_type;
    uint32_t key_count;
    const uint8_t *hashers;    /* key_count pm_hasher values */
    const uint32_t *key_types; /* key_count types */
    const uint8_t *fallback;   /* the default value in SCALE */
    size_t fallback_len;
} pm_storage;

typedef struct pm_constant {
    pm_name pallet;
    pm_name name;
    uint32_t type;
    const uint8_t *bytes;
    size_t len;
} pm_constant;

/* A method of a runtime API (V15 and V16 only), to be called with state_call as
 * "<Api>_<method>". */
typedef struct pm_api_method {
    pm_name api;
    pm_name name;
    uint32_t input_count;
    const uint32_t *input_types;
    uint32_t output_type;
} pm_api_method;

/* Look-ups by name, through a hash; false when the chain does not have it. `out` may be NULL. */
bool pm_storage_find(const pm_metadata *metadata, const char *pallet, const char *item,
                     pm_storage *out);
bool pm_constant_find(const pm_metadata *metadata, const char *pallet, const char *name,
                      pm_constant *out);
bool pm_api_find(const pm_metadata *metadata, const char *api, const char *method,
                 pm_api_method *out);

/* Small constants at once: false when absent or not an integer that fits. */
bool pm_constant_u64(const pm_metadata *metadata, const char *pallet, const char *name,
                     uint64_t *out);

#endif
