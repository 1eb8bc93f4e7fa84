/* special.c: which types are known by their path. Decided once for each, when metadata is read. */
#include "substrate/registry.h"

#include <string.h>

#define PATH_MAX_SEGMENTS 8

typedef struct pm_path {
    pm_name at[PATH_MAX_SEGMENTS];
    uint32_t count;
} pm_path;

static pm_path path_of(const pm_metadata *metadata, const pm_type *type)
{
    pm_path path = {.count = 0};
    uint32_t left;
    pm_name segment;
    pm_scale state = pm_path_start(metadata, type, &left);
    if (left <= PATH_MAX_SEGMENTS) {
        while (pm_path_next(&state, &left, &segment)) {
            path.at[path.count++] = segment;
        }
    }
    return path;
}

/* Whether the path is `expected`, segments between "::"; one that begins with '*' need only end so.
 */
static bool path_is(const pm_path *path, const char *expected)
{
    for (uint32_t i = 0; i < path->count; i++) {
        size_t len = strcspn(expected, ":");
        bool same;
        if (expected[0] == '*') {
            pm_name name = path->at[i];
            same = name.len >= len - 1 &&
                   memcmp(name.text + name.len - (len - 1), expected + 1, len - 1) == 0;
        } else {
            same = path->at[i].len == len && memcmp(path->at[i].text, expected, len) == 0;
        }
        if (!same) {
            return false;
        }
        expected += len;
        if (*expected == '\0') {
            return i + 1 == path->count;
        }
        expected += 2;
    }
    return false;
}

static const struct {
    const char *path;
    uint8_t kind;
    uint8_t special;
} known[] = {
    {"Option", PM_KIND_VARIANT, PM_SPECIAL_OPTION},
    {"Result", PM_KIND_VARIANT, PM_SPECIAL_RESULT},
    {"BTreeMap", PM_KIND_COMPOSITE, PM_SPECIAL_MAP},
    {"BTreeSet", PM_KIND_COMPOSITE, PM_SPECIAL_SET},
    {"Range", PM_KIND_COMPOSITE, PM_SPECIAL_RANGE},
    {"RangeInclusive", PM_KIND_COMPOSITE, PM_SPECIAL_RANGE},
    {"sp_core::crypto::AccountId32", PM_KIND_COMPOSITE, PM_SPECIAL_ACCOUNT},
    {"fp_account::AccountId20", PM_KIND_COMPOSITE, PM_SPECIAL_ACCOUNT20},
    {"account::AccountId20", PM_KIND_COMPOSITE, PM_SPECIAL_ACCOUNT20},
    {"polkadot_runtime_common::claims::EthereumAddress", PM_KIND_COMPOSITE, PM_SPECIAL_ACCOUNT20},
    {"sp_runtime::multiaddress::MultiAddress", PM_KIND_VARIANT, PM_SPECIAL_ADDRESS},
    {"sp_runtime::generic::era::Era", PM_KIND_VARIANT, PM_SPECIAL_ERA},
    {"*_democracy::vote::Vote", PM_KIND_COMPOSITE, PM_SPECIAL_VOTE},
    {"*_conviction_voting::vote::Vote", PM_KIND_COMPOSITE, PM_SPECIAL_VOTE},
    {"*_identity::types::Data", PM_KIND_VARIANT, PM_SPECIAL_DATA},
    {"pallet_identity::types::BitFlags", PM_KIND_COMPOSITE, PM_SPECIAL_FLAGS},
    {"frame_support::weights::weight_v2::Weight", PM_KIND_COMPOSITE, PM_SPECIAL_WEIGHT},
    {"sp_weights::weight_v2::Weight", PM_KIND_COMPOSITE, PM_SPECIAL_WEIGHT},
    {"primitive_types::U256", PM_KIND_COMPOSITE, PM_SPECIAL_U256},
    {"*_runtime::RuntimeCall", PM_KIND_VARIANT, PM_SPECIAL_CALL},
    {"*_runtime::RuntimeEvent", PM_KIND_VARIANT, PM_SPECIAL_EVENT},
};

static pm_special special_of(const pm_metadata *metadata, const pm_type *type)
{
    pm_path path = path_of(metadata, type);
    if (path.count == 0) {
        return PM_SPECIAL_NONE;
    }
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (known[i].kind == type->kind && path_is(&path, known[i].path)) {
            return (pm_special)known[i].special;
        }
    }
    pm_name last = path.at[path.count - 1];
    if (type->kind == PM_KIND_COMPOSITE &&
        (pm_name_is(last, "WrapperOpaque") || pm_name_is(last, "WrapperKeepOpaque"))) {
        return PM_SPECIAL_OPAQUE;
    }
    if (path.count == 3 && pm_name_is(path.at[0], "sp_arithmetic") &&
        pm_name_is(path.at[1], "per_things")) {
        return PM_SPECIAL_NUMBER;
    }
    return PM_SPECIAL_NONE;
}

/* What the runtime's own types of all calls and all events are: the parameters of those that are
 * named alike on every chain. */
static void find_outer(pm_metadata *metadata, pm_type *type)
{
    pm_path path = path_of(metadata, type);
    uint32_t found = PM_NO_TYPE;
    pm_special special = PM_SPECIAL_NONE;
    if (path_is(&path, "frame_system::EventRecord")) {
        found = pm_type_param(metadata, type, 0);
        metadata->event_type = found;
        special = PM_SPECIAL_EVENT;
    } else if (path_is(&path, "sp_runtime::generic::unchecked_extrinsic::UncheckedExtrinsic")) {
        found = pm_type_param(metadata, type, 1);
        metadata->call_type = found;
        special = PM_SPECIAL_CALL;
    }
    if (found != PM_NO_TYPE && pm_type_get(metadata, found)->kind == PM_KIND_VARIANT) {
        metadata->types.at[found].special = (uint8_t)special;
    }
}

/* The types below need what they are made of; others are rendered as their fields say. */
static bool fits(const pm_metadata *metadata, const pm_type *type)
{
    switch (type->special) {
    case PM_SPECIAL_OPTION: { /* None, and Some with one field */
        const pm_variant *none = pm_variant_get(metadata, type, 0);
        const pm_variant *some = pm_variant_get(metadata, type, 1);
        return type->count == 2 && none != NULL && some != NULL && none->count == 0 &&
               some->count == 1;
    }
    case PM_SPECIAL_MAP:
    case PM_SPECIAL_SET: {
        uint32_t inner = type->count == 1 ? metadata->fields.at[type->first].type : PM_NO_TYPE;
        if (inner == PM_NO_TYPE || pm_type_get(metadata, inner)->kind != PM_KIND_SEQUENCE) {
            return false;
        }
        const pm_type *pair = pm_type_get(metadata, pm_type_get(metadata, inner)->inner);
        return type->special == PM_SPECIAL_SET || (pair->kind == PM_KIND_TUPLE && pair->count == 2);
    }
    case PM_SPECIAL_WEIGHT:
        return type->count == 1;
    case PM_SPECIAL_OPAQUE: /* a length and what is so long */
        return type->count == 2;
    case PM_SPECIAL_FLAGS: {
        uint32_t flags = pm_type_param(metadata, type, 0);
        return flags != PM_NO_TYPE && type->count == 1 &&
               pm_type_get(metadata, flags)->kind == PM_KIND_VARIANT;
    }
    default:
        return true;
    }
}

void pm_specials_set(pm_metadata *metadata)
{
    for (uint32_t i = 0; i < metadata->types.count; i++) {
        pm_type *type = &metadata->types.at[i];
        bool has_path = type->kind == PM_KIND_COMPOSITE || type->kind == PM_KIND_VARIANT;
        if (has_path && type->special == PM_SPECIAL_NONE) {
            type->special = (uint8_t)special_of(metadata, type);
            if (type->special != PM_SPECIAL_NONE && !fits(metadata, type)) {
                type->special = PM_SPECIAL_NONE;
            }
        }
        if (type->kind == PM_KIND_COMPOSITE) {
            find_outer(metadata, type);
        }
    }
}
