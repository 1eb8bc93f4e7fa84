/* value.h: reading SCALE values through the type registry, without a document tree: a value is a
 * slice of the bytes with its type. Nothing is allocated. Any thread; the metadata and the bytes
 * must outlive the values.
 *
 * pm_value_open() walks all of the bytes once; what it gave, and what comes from there, is valid.
 * A value may be absent (bytes NULL): reading an absent value, or one of another type, gives false
 * or an absent value, so a path of names needs one check at its end:
 *
 *     if (!pm_value_u128(pm_value_field(pm_value_field(account, "data"), "free"), &free)) ...
 *
 * "Newtypes" (structs and tuples of one single field) are looked through by all readers, and so
 * are Compact<> and Box<>. */
#ifndef PM_SUBSTRATE_VALUE_H
#define PM_SUBSTRATE_VALUE_H

#include "substrate/metadata.h"

#define PM_VALUE_DEPTH_MAX 128 /* nesting of a value */

typedef struct pm_value {
    const pm_metadata *metadata;
    const uint8_t *bytes; /* the first byte of the value; NULL: absent */
    size_t len;           /* bytes of the value, and what follows in the buffer */
    uint32_t type;
    uint32_t fields; /* not 0: the value is the fields of a variant (place in the registry + 1) */
} pm_value;

/* An unsigned integer of up to 128 bits. */
typedef struct pm_u128 {
    uint64_t low;
    uint64_t high;
} pm_u128;

/* The value of type `type` that `bytes` hold, to the last one. `what` (may be NULL) names it in
 * messages: "Staking.Ledger"; `out` NULL: the bytes are only checked. ERR_PARSE with a message like
 * "at byte 17 of Staking.Ledger.claimed_rewards[3]: the bytes end in the middle of a u32". */
panicmon_err pm_value_open(const pm_metadata *metadata, uint32_t type, const char *what,
                           const uint8_t *bytes, size_t len, pm_value *out, panicmon_error **err);
/* The same for a storage item: `bytes` NULL means that the chain has no value there; then it is the
 * item's default, or absent (and OK) when the item is Optional. */
panicmon_err pm_value_of_storage(const pm_storage *item, const uint8_t *bytes, size_t len,
                                 pm_value *out, panicmon_error **err);
panicmon_err pm_value_of_constant(const pm_metadata *metadata, const pm_constant *constant,
                                  pm_value *out, panicmon_error **err);

static inline bool pm_value_absent(pm_value value)
{
    return value.bytes == NULL;
}

/* Leaves. Integers: of any width, also Compact, not negative; false when `out` is too small. */
bool pm_value_bool(pm_value value, bool *out);
bool pm_value_u32(pm_value value, uint32_t *out);
bool pm_value_i64(pm_value value, int64_t *out); /* also of unsigned integers */
bool pm_value_u64(pm_value value, uint64_t *out);
bool pm_value_u128(pm_value value, pm_u128 *out);
bool pm_value_u256(pm_value value, pm_u256 *out);
/* [u8; N], Vec<u8>, String: a slice of the buffer. */
bool pm_value_bytes(pm_value value, const uint8_t **bytes, size_t *len);
/* Exactly 32 bytes: AccountId32, H256; points into the buffer. */
bool pm_value_account(pm_value value, const uint8_t **account);
bool pm_value_text(pm_value value, pm_name *out);

/* Structs, tuples, and the fields of a variant; arrays and sequences by index. */
pm_value pm_value_field(pm_value value, const char *name);
pm_value pm_value_at(pm_value value, size_t i);
/* How many fields or elements it has; 0 for leaves. */
size_t pm_value_count(pm_value value);

/* Sequences, arrays, BTreeMap (its elements are tuples: pm_value_at(element, 0) is the key). */
typedef struct pm_value_iter {
    pm_value next;
    size_t left;
    bool started;
} pm_value_iter; /* zero-initialised stands at the start */
bool pm_value_next(pm_value sequence, pm_value_iter *at, pm_value *element);

/* Enums. `index` and `fields` may be NULL; fields: as a struct or tuple. */
bool pm_value_variant(pm_value value, pm_name *name, uint8_t *index, pm_value *fields);
/* Whether it is the variant `name`. */
bool pm_value_is(pm_value value, const char *name);
/* What an Option holds; absent for None. A value of another type is given as it is, so that it can
 * be asked whether the chain wraps it or not. */
pm_value pm_value_some(pm_value value);

/* The exact bytes of the value, without what follows it. */
size_t pm_value_size(pm_value value);

/* An event record. */
typedef struct pm_event {
    pm_name pallet;
    pm_name name;
    pm_value fields;
    bool in_extrinsic; /* phase ApplyExtrinsic */
    uint32_t extrinsic;
} pm_event;

/* Iterates over the value of System.Events; false at the end. */
bool pm_event_next(pm_value events, pm_value_iter *at, pm_event *out);
bool pm_event_is(const pm_event *event, const char *pallet, const char *name);

/* Appends a u128 as decimal text. */
void pm_u128_add(pm_buf *out, pm_u128 value);

#endif
