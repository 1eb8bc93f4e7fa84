/* registry.h: the inside of decoded metadata, for the files of the decoder alone. Names are not
 * copied: a place in the blob, where a compact length and the text stand; 0 for none. */
#ifndef PM_SUBSTRATE_REGISTRY_H
#define PM_SUBSTRATE_REGISTRY_H

#include <stdatomic.h>

#include "substrate/metadata.h"

typedef enum pm_kind {
    PM_KIND_COMPOSITE = 0, /* 0 to 7 are the numbers of the metadata */
    PM_KIND_VARIANT = 1,
    PM_KIND_SEQUENCE = 2,
    PM_KIND_ARRAY = 3,
    PM_KIND_TUPLE = 4,
    PM_KIND_PRIMITIVE = 5,
    PM_KIND_COMPACT = 6,
    PM_KIND_BITS = 7,
    PM_KIND_ABSENT = 8, /* a number that no type has */
} pm_kind;

typedef enum pm_primitive { /* the numbers of the metadata */
                            PM_BOOL = 0,
                            PM_CHAR = 1,
                            PM_STR = 2,
                            PM_U8 = 3,
                            PM_U16 = 4,
                            PM_U32 = 5,
                            PM_U64 = 6,
                            PM_U128 = 7,
                            PM_U256 = 8,
                            PM_I8 = 9,
                            PM_I16 = 10,
                            PM_I32 = 11,
                            PM_I64 = 12,
                            PM_I128 = 13,
                            PM_I256 = 14,
} pm_primitive;

/* Types that are known by their path and not rendered as their fields say. */
typedef enum pm_special {
    PM_SPECIAL_NONE = 0,
    PM_SPECIAL_OPTION, /* the only one that the canon form looks at */
    PM_SPECIAL_RESULT,
    PM_SPECIAL_MAP,
    PM_SPECIAL_SET,
    PM_SPECIAL_RANGE,
    PM_SPECIAL_OPAQUE, /* WrapperOpaque, WrapperKeepOpaque */
    PM_SPECIAL_ACCOUNT,
    PM_SPECIAL_ACCOUNT20,
    PM_SPECIAL_ADDRESS, /* MultiAddress */
    PM_SPECIAL_ERA,
    PM_SPECIAL_VOTE,
    PM_SPECIAL_DATA, /* of the identity pallet */
    PM_SPECIAL_FLAGS,
    PM_SPECIAL_U256,
    PM_SPECIAL_NUMBER, /* a number with a name of its own: Percent, Perbill */
    PM_SPECIAL_WEIGHT, /* the one of a single field, which stands for the field */
    PM_SPECIAL_CALL,
    PM_SPECIAL_EVENT,
} pm_special;

typedef struct pm_type {
    uint8_t kind;      /* pm_kind */
    uint8_t primitive; /* pm_primitive */
    uint8_t special;   /* pm_special */
    uint32_t path;     /* where path and parameters stand in the blob; 0: nowhere */
    uint32_t first;    /* place of the first field, item or variant */
    uint32_t count;    /* how many of them; the length of an array */
    uint32_t inner;    /* of sequences, arrays and compacts; the store of bits */
} pm_type;

typedef struct pm_field { /* also an item of a tuple */
    uint32_t name;
    uint32_t type;
} pm_field;

typedef struct pm_variant {
    uint32_t name;
    uint32_t first;
    uint32_t count;
    uint8_t index;
} pm_variant;

typedef struct pm_item { /* a storage item or a constant */
    uint32_t name;
    uint32_t pallet; /* place in the pallets */
    uint32_t type;
    uint32_t value;   /* where the default or constant stands: a length and the bytes */
    uint32_t hashers; /* where in the blob */
    uint32_t keys;    /* place in the numbers */
    uint8_t key_count;
    uint8_t modifier;
} pm_item;

#define PM_NO_TYPE UINT32_MAX

typedef struct pm_pallet {
    uint32_t name;
    uint32_t prefix; /* 0: no storage */
    uint32_t storage, storage_count;
    uint32_t constants, constant_count;
    uint32_t calls, events, errors; /* types; PM_NO_TYPE: none */
    uint8_t index;
} pm_pallet;

typedef struct pm_api {
    uint32_t name;
    uint32_t methods, method_count;
} pm_api;

typedef struct pm_method {
    uint32_t name;
    uint32_t api;
    uint32_t place;               /* where the inputs stand in the blob */
    uint32_t inputs, input_count; /* place in the numbers */
    uint32_t output;
} pm_method;

/* A growing array. */
#define PM_POOL(type)                                                                              \
    struct {                                                                                       \
        type *at;                                                                                  \
        uint32_t count, capacity;                                                                  \
    }

struct panicmon_metadata {
    atomic_uint references;
    uint8_t version;
    uint16_t ss58_prefix;
    uint32_t event_type; /* of all pallets' events; PM_NO_TYPE when not known */
    uint32_t call_type;
    uint8_t *blob;
    uint32_t blob_len;
    PM_POOL(pm_type) types;
    PM_POOL(pm_field) fields;
    PM_POOL(pm_variant) variants;
    PM_POOL(uint32_t) numbers; /* key types and inputs */
    PM_POOL(pm_item) storage;
    PM_POOL(pm_item) constants;
    PM_POOL(pm_pallet) pallets;
    PM_POOL(pm_api) apis;
    PM_POOL(pm_method) methods;
    uint32_t *index; /* a hash table of what has a name, see index.c */
    uint32_t index_mask;
};

static inline const pm_type *pm_type_get(const pm_metadata *metadata, uint32_t type)
{
    return &metadata->types.at[type];
}

static inline const pm_field *pm_fields_of(const pm_metadata *metadata, uint32_t first)
{
    return metadata->fields.at + first;
}

/* The text at a place of the blob; absent for 0. */
pm_name pm_name_at(const pm_metadata *metadata, uint32_t place);
/* The bytes, with a length before them, at a place of the blob. */
pm_name pm_bytes_at(const pm_metadata *metadata, uint32_t place);

/* Iterates over the segments of a type's path: `*state` starts as pm_path_start(). */
pm_scale pm_path_start(const pm_metadata *metadata, const pm_type *type, uint32_t *count);
bool pm_path_next(pm_scale *state, uint32_t *left, pm_name *segment);
pm_name pm_path_last(const pm_metadata *metadata, const pm_type *type);
/* The type parameter `i`; PM_NO_TYPE when there is none. */
uint32_t pm_type_param(const pm_metadata *metadata, const pm_type *type, uint32_t i);

/* The variant with an index; NULL when there is none. */
const pm_variant *pm_variant_get(const pm_metadata *metadata, const pm_type *type, uint8_t index);

/* How many bytes a primitive takes; 0 for text. */
size_t pm_primitive_size(uint8_t primitive);
const char *pm_primitive_name(uint8_t primitive);
static inline bool pm_primitive_signed(uint8_t primitive)
{
    return primitive >= PM_I8;
}

/* Whether the registry has a type of this number. */
static inline bool pm_type_exists(const pm_metadata *metadata, uint32_t type)
{
    return type < metadata->types.count && metadata->types.at[type].kind != PM_KIND_ABSENT;
}

static inline bool pm_type_is_u8(const pm_metadata *metadata, uint32_t type)
{
    const pm_type *t = pm_type_get(metadata, type);
    return t->kind == PM_KIND_PRIMITIVE && t->primitive == PM_U8;
}

/* The primitive inside of a Compact<>: newtypes are looked through. False: no compact can hold it.
 * A Compact<()> is of no bytes: `*empty`. */
bool pm_compact_primitive(const pm_metadata *metadata, uint32_t type, uint8_t *primitive,
                          bool *empty);

/* Appends the type as a reader would write it: "Vec<(u32, AccountId32)>". */
void pm_type_describe(const pm_metadata *metadata, uint32_t type, pm_buf *out);

/* What a type is known as; decided once, when the metadata is read (special.c). */
void pm_specials_set(pm_metadata *metadata);

/* The storage item at a place of its pool. */
void pm_storage_at(const pm_metadata *metadata, uint32_t place, pm_storage *out);

/* The table of names (index.c). */
bool pm_index_build(pm_metadata *metadata); /* false without memory */

#endif
