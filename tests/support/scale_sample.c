/* scale_sample.c: see scale_sample.h. Written straight from the layout of the format. */
#include "scale_sample.h"

#include <stdint.h>
#include <string.h>

#include "substrate/scale.h"

static void number(pm_buf *out, uint32_t value)
{
    pm_scale_put_length(out, value);
}

static void byte(pm_buf *out, unsigned value)
{
    pm_buf_char(out, (char)value);
}

static void text(pm_buf *out, const char *value)
{
    number(out, (uint32_t)strlen(value));
    pm_buf_text(out, value);
}

/* A type's number, path ("a::b") and parameters (a list that ends with -1). */
static void begin(pm_buf *out, uint32_t id, const char *path, const int *params)
{
    uint32_t segments = 0;
    for (const char *at = path; at != NULL && *at != '\0'; segments++) {
        at = strstr(at, "::");
        at = at == NULL ? NULL : at + 2;
    }
    number(out, id);
    number(out, segments);
    for (const char *at = path; segments > 0; segments--) {
        size_t len = strcspn(at, ":");
        number(out, (uint32_t)len);
        pm_buf_add(out, at, len);
        at += len + 2;
    }
    uint32_t count = 0;
    while (params != NULL && params[count] >= 0) {
        count++;
    }
    number(out, count);
    for (uint32_t i = 0; i < count; i++) {
        text(out, "T");
        byte(out, 1);
        number(out, (uint32_t)params[i]);
    }
}

static void docs(pm_buf *out)
{
    number(out, 1);
    text(out, "Made by hand.");
}

static void primitive(pm_buf *out, uint32_t id, unsigned which)
{
    begin(out, id, NULL, NULL);
    byte(out, 5);
    byte(out, which);
    docs(out);
}

/* Sequences (2), compacts (6). */
static void of_one(pm_buf *out, uint32_t id, unsigned kind, uint32_t inner)
{
    begin(out, id, NULL, NULL);
    byte(out, kind);
    number(out, inner);
    docs(out);
}

static void array(pm_buf *out, uint32_t id, uint32_t count, uint32_t inner)
{
    begin(out, id, NULL, NULL);
    byte(out, 3);
    const uint8_t little[4] = {(uint8_t)count, (uint8_t)(count >> 8), (uint8_t)(count >> 16),
                               (uint8_t)(count >> 24)};
    pm_buf_add(out, little, sizeof little);
    number(out, inner);
    docs(out);
}

static void tuple(pm_buf *out, uint32_t id, const int *items)
{
    uint32_t count = 0;
    while (items[count] >= 0) {
        count++;
    }
    begin(out, id, NULL, NULL);
    byte(out, 4);
    number(out, count);
    for (uint32_t i = 0; i < count; i++) {
        number(out, (uint32_t)items[i]);
    }
    docs(out);
}

/* Fields as "name:number name:number"; "_" has no name. */
static void fields(pm_buf *out, const char *list)
{
    uint32_t count = 0;
    for (const char *at = list; (at = strchr(at, ':')) != NULL; at++) {
        count++;
    }
    number(out, count);
    for (; count > 0; count--) {
        size_t len = strcspn(list, ":");
        uint32_t type = 0;
        if (len == 1 && list[0] == '_') {
            byte(out, 0);
        } else {
            byte(out, 1);
            number(out, (uint32_t)len);
            pm_buf_add(out, list, len);
        }
        for (list += len + 1; *list >= '0' && *list <= '9'; list++) {
            type = type * 10 + (uint32_t)(*list - '0');
        }
        list += strspn(list, " ");
        number(out, type);
        byte(out, 1);
        text(out, "SomeType");
        number(out, 0);
    }
}

static void composite(pm_buf *out, uint32_t id, const char *path, const int *params,
                      const char *list)
{
    begin(out, id, path, params);
    byte(out, 0);
    fields(out, list);
    docs(out);
}

typedef struct sample_variant {
    const char *name;
    unsigned index;
    const char *fields;
} sample_variant;

static void variants(pm_buf *out, uint32_t id, const char *path, const int *params,
                     const sample_variant *list, uint32_t count)
{
    begin(out, id, path, params);
    byte(out, 1);
    number(out, count);
    for (uint32_t i = 0; i < count; i++) {
        text(out, list[i].name);
        fields(out, list[i].fields);
        byte(out, list[i].index);
        number(out, 0);
    }
    docs(out);
}

#define PARAMS(...)   ((const int[]){__VA_ARGS__, -1})
#define VARIANTS(...) ((const sample_variant[]){__VA_ARGS__})
#define COUNT(...)    (sizeof(VARIANTS(__VA_ARGS__)) / sizeof(sample_variant))
#define ENUM(out, id, path, params, ...)                                                           \
    variants(out, id, path, params, VARIANTS(__VA_ARGS__), (uint32_t)COUNT(__VA_ARGS__))

/* "name:TYPE" with the number of an enum above. */
static const char *field(pm_buf *text_of, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static const char *field(pm_buf *text_of, const char *format, ...)
{
    va_list args;
    pm_buf_clear(text_of);
    va_start(args, format);
    pm_buf_format_list(text_of, format, args);
    va_end(args);
    return text_of->data == NULL ? "" : text_of->data;
}

static void simple_types(pm_buf *out)
{
    static const uint8_t kinds[] = {3, 4, 5, 6, 7, 8, 9, 12, 13, 0, 1, 2};
    for (uint32_t i = 0; i < sizeof kinds; i++) {
        primitive(out, T_U8 + i, kinds[i]);
    }
    tuple(out, T_NOTHING, PARAMS(-1));
    array(out, T_BYTES32, 32, T_U8);
}

static void struct_types(pm_buf *out, pm_buf *f)
{
    composite(out, T_ACCOUNT, "sp_core::crypto::AccountId32", NULL, field(f, "_:%d", T_BYTES32));
    of_one(out, T_BYTES, 2, T_U8);
    of_one(out, T_COMPACT_U32, 6, T_U32);
    of_one(out, T_COMPACT_U128, 6, T_U128);
    composite(out, T_BALANCE, "pallet::AccountData", NULL,
              field(f, "free:%d held_back:%d", T_COMPACT_U128, T_U128));
    ENUM(out, T_OPTION_U32, "Option", PARAMS(T_U32), {"None", 0, ""},
         {"Some", 1, field(f, "_:%d", T_U32)});
    of_one(out, T_VEC_U32, 2, T_U32);
    tuple(out, T_PAIR, PARAMS(T_U32, T_ACCOUNT));
    pm_buf g = {0};
    ENUM(out, T_MODE, "pallet::Mode", NULL, {"Passive", 0, ""},
         {"Active", 3, field(f, "_:%d", T_U32)},
         {"NamedOne", 7, field(&g, "a:%d is_b:%d", T_U8, T_BOOL)});
    pm_buf_free(&g);
    ENUM(out, T_BASIC, "pallet::Basic", NULL, {"One", 0, ""}, {"TwoThree", 1, ""});
    begin(out, T_BITS, NULL, NULL);
    byte(out, 7);
    number(out, T_U8);
    number(out, T_LSB0);
    docs(out);
    composite(out, T_LSB0, "bitvec::order::Lsb0", NULL, "");
    composite(out, T_MAP, "BTreeMap", PARAMS(T_ACCOUNT, T_U32), field(f, "_:%d", T_MAP_LIST));
    of_one(out, T_MAP_LIST, 2, T_MAP_PAIR);
    tuple(out, T_MAP_PAIR, PARAMS(T_ACCOUNT, T_U32));
    ENUM(out, T_NODE, "pallet::Node", NULL, {"End", 0, ""},
         {"Cons", 1, field(f, "_:%d _:%d", T_U32, T_NODE)});
    composite(out, T_ENDLESS, "pallet::Endless", NULL, field(f, "inner:%d", T_ENDLESS));
}

static void more_types(pm_buf *out, pm_buf *f)
{
    composite(out, T_WIDE, "pallet::Wide", NULL, field(f, "a:%d b:%d", T_WIDE, T_WIDE));
    of_one(out, T_VEC_NOTHING, 2, T_NOTHING);
    pm_buf g = {0};
    ENUM(out, T_RESULT, "Result", PARAMS(T_NOTHING, T_U8), {"Ok", 0, field(f, "_:%d", T_NOTHING)},
         {"Err", 1, field(&g, "_:%d", T_U8)});
    pm_buf_free(&g);
    ENUM(out, T_ERA, "sp_runtime::generic::era::Era", NULL, {"Immortal", 0, ""},
         {"Mortal1", 1, field(f, "_:%d", T_U8)});
    composite(out, T_PERBILL, "sp_arithmetic::per_things::Perbill", NULL, field(f, "_:%d", T_U32));
    composite(out, T_OPAQUE, "frame_support::traits::misc::WrapperOpaque", PARAMS(T_U32),
              field(f, "_:%d _:%d", T_COMPACT_U32, T_U32));
    composite(out, T_SET, "BTreeSet", PARAMS(T_U32), field(f, "_:%d", T_VEC_U32));
    composite(out, T_RANGE, "Range", PARAMS(T_U32), field(f, "start:%d end:%d", T_U32, T_U32));
    composite(out, T_VOTE, "pallet_conviction_voting::vote::Vote", NULL, field(f, "_:%d", T_U8));
    tuple(out, T_TUPLE1, PARAMS(T_U32));
    composite(out, T_BIG, "primitive_types::U256", NULL, field(f, "_:%d", T_U64X4));
    array(out, T_U64X4, 4, T_U64);
    composite(out, T_ACCOUNT20, "account::AccountId20", NULL, field(f, "_:%d", T_BYTES20));
    array(out, T_BYTES20, 20, T_U8);
}

static void runtime_types(pm_buf *out, pm_buf *f)
{
    pm_buf g = {0};
    ENUM(out, T_SYSTEM_EVENT, "frame_system::pallet::Event", NULL,
         {"ExtrinsicSuccess", 0, field(f, "weight:%d", T_U32)}, {"CodeUpdated", 2, ""});
    ENUM(out, T_STAKING_EVENT, "pallet_staking::pallet::Event", NULL,
         {"Slashed", 2, field(f, "staker:%d amount:%d", T_ACCOUNT, T_U128)});
    ENUM(out, T_EVENT, "sample_runtime::RuntimeEvent", NULL,
         {"System", 0, field(f, "_:%d", T_SYSTEM_EVENT)},
         {"Staking", 7, field(&g, "_:%d", T_STAKING_EVENT)});
    ENUM(out, T_PHASE, "frame_system::Phase", NULL, {"ApplyExtrinsic", 0, field(f, "_:%d", T_U32)},
         {"Finalization", 1, ""}, {"Initialization", 2, ""});
    composite(out, T_RECORD, "frame_system::EventRecord", PARAMS(T_EVENT, T_BYTES32),
              field(f, "phase:%d event:%d topics:%d", T_PHASE, T_EVENT, T_HASHES));
    of_one(out, T_EVENTS, 2, T_RECORD);
    of_one(out, T_HASHES, 2, T_BYTES32);
    ENUM(out, T_CALL, "pallet_staking::pallet::Call", NULL,
         {"bond_extra", 1, field(f, "max_additional:%d", T_COMPACT_U128)});
    ENUM(out, T_OUTER_CALL, "sample_runtime::RuntimeCall", NULL,
         {"Staking", 7, field(f, "_:%d", T_CALL)});
    ENUM(out, T_ADDRESS, "sp_runtime::multiaddress::MultiAddress", PARAMS(T_ACCOUNT, T_NOTHING),
         {"Id", 0, field(f, "_:%d", T_ACCOUNT)},
         {"Index", 1, field(&g, "_:%d", T_COMPACT_NOTHING)});
    composite(out, T_EXTRINSIC, "sp_runtime::generic::unchecked_extrinsic::UncheckedExtrinsic",
              PARAMS(T_ADDRESS, T_OUTER_CALL, T_NOTHING, T_NOTHING), field(f, "_:%d", T_BYTES));
    of_one(out, T_COMPACT_NOTHING, 6, T_NOTHING);
    array(out, T_ARRAY_U32, 3, T_U32);
    composite(out, T_NEWTYPE, "pallet::Wrapped", NULL, field(f, "_:%d", T_U32));
    composite(out, T_WEIGHT, "sp_weights::weight_v2::Weight", NULL, field(f, "ref_time:%d", T_U64));
    pm_buf_free(&g);
}

/* V16 says of everything whether it is deprecated. */
static void deprecated(pm_buf *out, unsigned version, unsigned how)
{
    if (version < 16) {
        return;
    }
    byte(out, how);
    if (how == 2) {
        text(out, "use another");
        byte(out, 1);
        text(out, "1.0.0");
    }
}

static void item_begin(pm_buf *out, const char *name, unsigned modifier)
{
    text(out, name);
    byte(out, modifier);
}

static void item_end(pm_buf *out, unsigned version, uint32_t value, const void *fallback,
                     size_t len)
{
    number(out, value);
    number(out, (uint32_t)len);
    pm_buf_add(out, fallback, len);
    docs(out);
    deprecated(out, version, 2);
}

static void map_begin(pm_buf *out, uint32_t count, const uint8_t *hashers, uint32_t key)
{
    byte(out, 1);
    number(out, count);
    pm_buf_add(out, hashers, count);
    number(out, key);
}

static void option_enum(pm_buf *out, unsigned version, int type)
{
    byte(out, type >= 0);
    if (type < 0) {
        return;
    }
    number(out, (uint32_t)type);
    if (version >= 16) {
        number(out, 2);
        byte(out, 0);
        byte(out, 1);
        byte(out, 2);
        byte(out, 2);
        text(out, "no more");
        byte(out, 0);
    }
}

static void pallet_end(pm_buf *out, unsigned version, unsigned index)
{
    byte(out, 0); /* no errors */
    if (version >= 16) {
        number(out, 1); /* an associated type */
        text(out, "Balance");
        number(out, T_U128);
        docs(out);
        number(out, 1); /* a view function */
        for (unsigned i = 0; i < 32; i++) {
            byte(out, i);
        }
        text(out, "view");
        number(out, 1);
        text(out, "who");
        number(out, T_ACCOUNT);
        number(out, T_U128);
        docs(out);
        deprecated(out, version, 0);
    }
    byte(out, index);
    if (version >= 15) {
        docs(out);
    }
    deprecated(out, version, 1);
}

static void system_pallet(pm_buf *out, unsigned version)
{
    static const uint8_t zero[64] = {0};
    static const uint8_t blake[] = {2};
    text(out, "System");
    byte(out, 1);
    text(out, "System");
    number(out, 3);
    item_begin(out, "Account", 1);
    map_begin(out, 1, blake, T_ACCOUNT);
    item_end(out, version, T_BALANCE, zero, 17);
    item_begin(out, "Number", 1);
    byte(out, 0);
    item_end(out, version, T_U32, zero, 4);
    item_begin(out, "Events", 1);
    byte(out, 0);
    item_end(out, version, T_EVENTS, zero, 1);
    option_enum(out, version, -1);
    option_enum(out, version, T_SYSTEM_EVENT);
    number(out, 2);
    text(out, "SS58Prefix");
    number(out, T_U16);
    number(out, 2);
    pm_buf_add(out, "\x02\x00", 2);
    docs(out);
    deprecated(out, version, 0);
    text(out, "Broken"); /* a value that is not of its type */
    number(out, T_BOOL);
    number(out, 1);
    byte(out, 9);
    docs(out);
    deprecated(out, version, 0);
    pallet_end(out, version, 0);
}

static void staking_pallet(pm_buf *out, unsigned version)
{
    static const uint8_t zero[4] = {0};
    static const uint8_t twice[] = {5, 5};
    static const uint8_t all[] = {0, 1, 2, 3, 4, 5, 6};
    text(out, "Staking");
    byte(out, 1);
    text(out, "StakingPrefix"); /* not the pallet's name */
    number(out, 4);
    item_begin(out, "ErasStakers", 0);
    map_begin(out, 2, twice, T_PAIR);
    item_end(out, version, T_BALANCE, zero, 1);
    item_begin(out, "Mode", 0);
    byte(out, 0);
    item_end(out, version, T_MODE, zero, 1);
    item_begin(out, "Points", 1);
    byte(out, 0);
    item_end(out, version, T_MAP, zero, 1);
    item_begin(out, "Hashed", 0);
    map_begin(out, sizeof all, all, T_COUNT); /* the tuple of seven, added last */
    item_end(out, version, T_U32, zero, 4);
    option_enum(out, version, T_CALL);
    option_enum(out, version, T_STAKING_EVENT);
    number(out, 0);
    pallet_end(out, version, 7);
}

static void bare_pallet(pm_buf *out, unsigned version)
{
    text(out, "Bare");
    byte(out, 0);
    option_enum(out, version, -1);
    option_enum(out, version, -1);
    number(out, 0);
    pallet_end(out, version, 200);
}

static void extensions(pm_buf *out)
{
    number(out, 1);
    text(out, "CheckNonce");
    number(out, T_COMPACT_U32);
    number(out, T_NOTHING);
}

static void extrinsic(pm_buf *out, unsigned version)
{
    if (version == 14) {
        number(out, T_EXTRINSIC);
        byte(out, 4);
        extensions(out);
        number(out, T_NOTHING);
        return;
    }
    if (version == 15) {
        byte(out, 4);
    } else {
        number(out, 2);
        byte(out, 4);
        byte(out, 5);
    }
    number(out, T_ADDRESS);
    number(out, T_OUTER_CALL);
    number(out, T_NOTHING);
    if (version == 15) {
        number(out, T_NOTHING);
        extensions(out);
        number(out, T_NOTHING);
        return;
    }
    number(out, 1);
    byte(out, 0);
    number(out, 1);
    number(out, 0);
    extensions(out);
}

static void apis(pm_buf *out, unsigned version)
{
    number(out, 1);
    text(out, "StakingApi");
    number(out, 1);
    text(out, "pending_rewards");
    number(out, 2);
    text(out, "era");
    number(out, T_U32);
    text(out, "account");
    number(out, T_ACCOUNT);
    number(out, T_BOOL);
    docs(out);
    deprecated(out, version, 0);
    docs(out);
    if (version >= 16) {
        number(out, 3);
    }
    deprecated(out, version, 2);
    number(out, T_OUTER_CALL);
    number(out, T_EVENT);
    number(out, T_BASIC);
    number(out, 1); /* a custom value */
    text(out, "custom");
    number(out, T_U32);
    number(out, 4);
    pm_buf_add(out, "\1\0\0\0", 4);
}

void scale_sample(unsigned version, pm_buf *out)
{
    pm_buf f = {0};
    pm_buf_text(out, "meta");
    byte(out, version);
    number(out, T_COUNT + 1);
    simple_types(out);
    struct_types(out, &f);
    more_types(out, &f);
    runtime_types(out, &f);
    tuple(out, T_COUNT,
          PARAMS(T_U32, T_STR, T_ACCOUNT, T_MODE, T_BYTES, T_OPTION_U32, T_COMPACT_U32));
    number(out, 3);
    system_pallet(out, version);
    staking_pallet(out, version);
    bare_pallet(out, version);
    extrinsic(out, version);
    if (version >= 15) {
        apis(out, version);
    }
    pm_buf_free(&f);
}
