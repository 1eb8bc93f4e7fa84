/* scale_sample.h: metadata of an invented chain with every kind of type, made by hand for tests. */
#ifndef SCALE_SAMPLE_H
#define SCALE_SAMPLE_H

#include "base/buf.h"

/* Its types, by number. */
enum {
    T_U8,
    T_U16,
    T_U32,
    T_U64,
    T_U128,
    T_U256,
    T_I8,
    T_I64,
    T_I128,
    T_BOOL,
    T_CHAR,
    T_STR,
    T_NOTHING, /* () */
    T_BYTES32, /* [u8; 32] */
    T_ACCOUNT, /* sp_core::crypto::AccountId32 */
    T_BYTES,   /* Vec<u8> */
    T_COMPACT_U32,
    T_COMPACT_U128,
    T_BALANCE, /* AccountData { free: Compact<u128>, held_back: u128 } */
    T_OPTION_U32,
    T_VEC_U32,
    T_PAIR,  /* (u32, AccountId32) */
    T_MODE,  /* enum Mode { Passive = 0, Active(u32) = 3, Named { a: u8, is_b: bool } = 7 } */
    T_BASIC, /* enum without content */
    T_BITS,
    T_LSB0,
    T_MAP, /* BTreeMap<AccountId32, u32> */
    T_MAP_LIST,
    T_MAP_PAIR,
    T_NODE,    /* enum Node { End, Cons(u32, Node) } */
    T_ENDLESS, /* struct Endless { inner: Endless } */
    T_WIDE,    /* a struct of many empty ones, nested: a lot of steps without a byte */
    T_VEC_NOTHING,
    T_RESULT, /* Result<(), u8> */
    T_ERA,
    T_PERBILL,
    T_OPAQUE, /* WrapperOpaque<u32> */
    T_SET,    /* BTreeSet<u32> */
    T_RANGE,
    T_VOTE,
    T_TUPLE1, /* (u32,) */
    T_BIG,    /* primitive_types::U256([u64; 4]) */
    T_U64X4,
    T_ACCOUNT20,
    T_BYTES20,
    T_SYSTEM_EVENT,
    T_STAKING_EVENT,
    T_EVENT, /* RuntimeEvent */
    T_PHASE,
    T_RECORD,
    T_EVENTS,
    T_HASHES,
    T_CALL,       /* of the pallet Staking */
    T_OUTER_CALL, /* RuntimeCall */
    T_ADDRESS,    /* enum MultiAddress { Id(AccountId32), Index(Compact<()>) } */
    T_EXTRINSIC,
    T_COMPACT_NOTHING,
    T_ARRAY_U32, /* [u32; 3] */
    T_NEWTYPE,   /* struct Era2(u32) */
    T_WEIGHT,    /* weight_v2::Weight { ref_time: u64 } */
    T_COUNT
};

/* The blob, bare. `version`: 14, 15 or 16. */
void scale_sample(unsigned version, pm_buf *out);

#endif
