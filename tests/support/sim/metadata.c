/* metadata.c: metadata V14 of a made chain: the pallets a monitor reads, with the names, hashers
 * and types they have on real chains, in today's shape or in that of early 2022 (legacy). */
#include <stdlib.h>
#include <string.h>

#include "chain.h"
#include "registry.h"
#include "scale.h"

enum { MODERN = 1, LEGACY = 2, BOTH = 3 };

/* clang-format off */
static const sim_type_def common_types[] = {
    {"AccountId32", "sp_core::crypto::AccountId32", "tuple ([u8; 32])", NULL},
    {"H256", "primitive_types::H256", "tuple ([u8; 32])", NULL},
    {"Perbill", "sp_arithmetic::per_things::Perbill", "tuple (u32)", NULL},
    {"AccountData", "pallet_balances::types::AccountData",
     "struct {free: u128, reserved: u128, frozen: u128, flags: u128}", NULL},
    {"AccountInfo", "frame_system::AccountInfo",
     "struct {nonce: u32, consumers: u32, providers: u32, sufficients: u32, data: AccountData}",
     "Nonce: u32, AccountData: AccountData"},
    {"Weight", "sp_weights::weight_v2::Weight",
     "struct {ref_time: Compact<u64>, proof_size: Compact<u64>}", NULL},
    {"DispatchClass", "frame_support::dispatch::DispatchClass",
     "enum {0 Normal, 1 Operational, 2 Mandatory}", NULL},
    {"Pays", "frame_support::dispatch::Pays", "enum {0 Yes, 1 No}", NULL},
    {"DispatchInfo", "frame_support::dispatch::DispatchInfo",
     "struct {weight: Weight, class: DispatchClass, pays_fee: Pays}", NULL},
    {"Phase", "frame_system::Phase", "enum {0 ApplyExtrinsic(u32), 1 Finalization, 2 Initialization}",
     NULL},
    {"EventRecord", "frame_system::EventRecord",
     "struct {phase: Phase, event: RuntimeEvent, topics: Vec<H256>}", "E: RuntimeEvent, T: H256"},
    {"SystemEvent", "frame_system::pallet::Event",
     "enum {0 ExtrinsicSuccess {dispatch_info: DispatchInfo}, 2 CodeUpdated,"
     " 3 NewAccount {account: AccountId32}, 5 Remarked {sender: AccountId32, hash: H256}}", NULL},
    {"SystemCall", "frame_system::pallet::Call", "enum {0 remark {remark: Vec<u8>}}", NULL},
    {"RuntimeCall", "panicmon_sim_runtime::RuntimeCall", "enum {0 System(SystemCall)}", NULL},
    {"RuntimeVersion", "sp_version::RuntimeVersion",
     "struct {spec_name: str, impl_name: str, authoring_version: u32, spec_version: u32,"
     " impl_version: u32, apis: Vec<([u8; 8], u32)>, transaction_version: u32, state_version: u8}",
     NULL},
    {"ActiveEraInfo", "pallet_staking::ActiveEraInfo", "struct {index: u32, start: Option<u64>}",
     NULL},
    {"EraRewardPoints", "pallet_staking::EraRewardPoints",
     "struct {total: u32, individual: BTreeMap<AccountId32, u32>}", "AccountId: AccountId32"},
    {"UnlockChunk", "pallet_staking::UnlockChunk",
     "struct {value: Compact<u128>, era: Compact<u32>}", "Balance: u128"},
    {"IndividualExposure", "pallet_staking::IndividualExposure",
     "struct {who: AccountId32, value: Compact<u128>}", "AccountId: AccountId32, Balance: u128"},
    {"OffencesEvent", "pallet_offences::pallet::Event",
     "enum {0 Offence {kind: [u8; 16], timeslot: Vec<u8>}}", NULL},
    {"MultiAddress", "sp_runtime::multiaddress::MultiAddress",
     "enum {0 Id(AccountId32), 1 Index(Compact<()>), 2 Raw(Vec<u8>), 3 Address32([u8; 32]),"
     " 4 Address20([u8; 20])}", "AccountId: AccountId32, AccountIndex: ()"},
    {"MultiSignature", "sp_runtime::MultiSignature",
     "enum {0 Ed25519([u8; 64]), 1 Sr25519([u8; 64]), 2 Ecdsa([u8; 65])}", NULL},
    {"UncheckedExtrinsic", "sp_runtime::generic::unchecked_extrinsic::UncheckedExtrinsic",
     "tuple (Vec<u8>)",
     "Address: MultiAddress, Call: RuntimeCall, Signature: MultiSignature, Extra: ((), (), Compact<u32>)"},
    {"Runtime", "panicmon_sim_runtime::Runtime", "tuple ()", NULL},
    {NULL, NULL, NULL, NULL},
};

static const sim_type_def modern_types[] = {
    {"OffenceSeverity", "sp_staking::offence::OffenceSeverity", "tuple (Perbill)", NULL},
    {"StakingLedger", "pallet_staking::ledger::StakingLedger",
     "struct {stash: AccountId32, total: Compact<u128>, active: Compact<u128>,"
     " unlocking: Vec<UnlockChunk>, legacy_claimed_rewards: Vec<u32>}", NULL},
    {"PagedExposureMetadata", "sp_staking::PagedExposureMetadata",
     "struct {total: Compact<u128>, own: Compact<u128>, nominator_count: u32, page_count: u32}",
     "Balance: u128"},
    {"ExposurePage", "sp_staking::ExposurePage",
     "struct {page_total: Compact<u128>, others: Vec<IndividualExposure>}",
     "AccountId: AccountId32, Balance: u128"},
    {"StakingEvent", "pallet_staking::pallet::pallet::Event",
     "enum {0 EraPaid {era_index: u32, validator_payout: u128, remainder: u128},"
     " 1 Rewarded {stash: AccountId32, amount: u128},"
     " 2 Slashed {staker: AccountId32, amount: u128},"
     " 3 SlashReported {validator: AccountId32, fraction: Perbill, slash_era: u32}}", NULL},
    {"SessionEvent", "pallet_session::pallet::Event",
     "enum {0 NewSession {session_index: u32}, 2 ValidatorDisabled {validator: AccountId32},"
     " 3 ValidatorReenabled {validator: AccountId32}}", NULL},
    {"RuntimeEvent", "panicmon_sim_runtime::RuntimeEvent",
     "enum {0 System(SystemEvent), 7 Staking(StakingEvent), 8 Offences(OffencesEvent),"
     " 9 Session(SessionEvent)}", NULL},
    {NULL, NULL, NULL, NULL},
};

static const sim_type_def legacy_types[] = {
    {"StakingLedger", "pallet_staking::StakingLedger",
     "struct {stash: AccountId32, total: Compact<u128>, active: Compact<u128>,"
     " unlocking: Vec<UnlockChunk>, claimed_rewards: Vec<u32>}", NULL},
    {"Exposure", "pallet_staking::Exposure",
     "struct {total: Compact<u128>, own: Compact<u128>, others: Vec<IndividualExposure>}",
     "AccountId: AccountId32, Balance: u128"},
    {"StakingEvent", "pallet_staking::pallet::pallet::Event",
     "enum {0 EraPaid(u32, u128, u128), 1 Rewarded(AccountId32, u128),"
     " 2 Slashed(AccountId32, u128)}", NULL},
    {"SessionEvent", "pallet_session::pallet::Event", "enum {0 NewSession {session_index: u32}}",
     NULL},
    {"ImOnlineEvent", "pallet_im_online::pallet::Event",
     "enum {0 HeartbeatReceived {authority_id: [u8; 32]}, 1 AllGood,"
     " 2 SomeOffline {offline: Vec<(AccountId32, Exposure)>}}", NULL},
    {"RuntimeEvent", "panicmon_sim_runtime::Event",
     "enum {0 System(SystemEvent), 7 Staking(StakingEvent), 8 Offences(OffencesEvent),"
     " 9 Session(SessionEvent), 12 ImOnline(ImOnlineEvent)}", NULL},
    {NULL, NULL, NULL, NULL},
};

typedef struct item {
    uint8_t where;
    const char *name;
    char modifier;       /* o: Optional, d: Default */
    const char *hashers; /* t: Twox64Concat, b: Blake2_128Concat; "": a plain value */
    const char *key;
    const char *value;
    const char *fallback; /* hex */
} item;

static const item system_items[] = {
    {BOTH, "Account", 'd', "b", "AccountId32", "AccountInfo", NULL},
    {BOTH, "BlockHash", 'd', "t", "u32", "H256", NULL},
    {BOTH, "Number", 'd', "", "", "u32", "00000000"},
    {BOTH, "ParentHash", 'd', "", "", "H256", NULL},
    {BOTH, "Events", 'd', "", "", "Vec<EventRecord>", "00"},
    {BOTH, "EventCount", 'd', "", "", "u32", "00000000"},
    {0},
};
static const item timestamp_items[] = {
    {BOTH, "Now", 'd', "", "", "u64", "0000000000000000"},
    {0},
};
static const item balances_items[] = {
    {BOTH, "TotalIssuance", 'd', "", "", "u128", "00000000000000000000000000000000"},
    {0},
};
static const item staking_items[] = {
    {LEGACY, "HistoryDepth", 'd', "", "", "u32", "54000000"},
    {BOTH, "ValidatorCount", 'd', "", "", "u32", "00000000"},
    {BOTH, "Bonded", 'o', "t", "AccountId32", "AccountId32", "00"},
    {BOTH, "Ledger", 'o', "b", "AccountId32", "StakingLedger", "00"},
    {BOTH, "CurrentEra", 'o', "", "", "u32", "00"},
    {BOTH, "ActiveEra", 'o', "", "", "ActiveEraInfo", "00"},
    {BOTH, "ErasStartSessionIndex", 'o', "t", "u32", "u32", "00"},
    {LEGACY, "ErasStakers", 'd', "tt", "(u32, AccountId32)", "Exposure", "000000"},
    {MODERN, "ErasStakersOverview", 'o', "tt", "(u32, AccountId32)", "PagedExposureMetadata", "00"},
    {MODERN, "ErasStakersPaged", 'o', "ttt", "(u32, AccountId32, u32)", "ExposurePage", "00"},
    {MODERN, "ClaimedRewards", 'd', "tt", "(u32, AccountId32)", "Vec<u32>", "00"},
    {BOTH, "ErasRewardPoints", 'd', "t", "u32", "EraRewardPoints", "0000000000"},
    {0},
};
static const item session_items[] = {
    {BOTH, "Validators", 'd', "", "", "Vec<AccountId32>", "00"},
    {BOTH, "CurrentIndex", 'd', "", "", "u32", "00000000"},
    {LEGACY, "DisabledValidators", 'd', "", "", "Vec<u32>", "00"},
    {MODERN, "DisabledValidators", 'd', "", "", "Vec<(u32, OffenceSeverity)>", "00"},
    {0},
};
static const item grandpa_items[] = {
    {BOTH, "Stalled", 'o', "", "", "(u32, u32)", "00"},
    {BOTH, "CurrentSetId", 'd', "", "", "u64", "0000000000000000"},
    {0},
};
static const item im_online_items[] = {
    {LEGACY, "ReceivedHeartbeats", 'o', "tt", "(u32, u32)", "bool", "00"},
    {LEGACY, "AuthoredBlocks", 'd', "tt", "(u32, AccountId32)", "u32", "00000000"},
    {0},
};

typedef struct pallet {
    uint8_t where;
    uint8_t index;
    const char *name;
    const item *items; /* NULL: no storage */
    const char *calls; /* NULL: none; so the event */
    const char *event;
} pallet;

static const pallet pallets[] = {
    {BOTH, 0, "System", system_items, "SystemCall", "SystemEvent"},
    {BOTH, 3, "Timestamp", timestamp_items, NULL, NULL},
    {BOTH, 5, "Balances", balances_items, NULL, NULL},
    {BOTH, 7, "Staking", staking_items, NULL, "StakingEvent"},
    {BOTH, 8, "Offences", NULL, NULL, "OffencesEvent"},
    {BOTH, 9, "Session", session_items, NULL, "SessionEvent"},
    {BOTH, 11, "Grandpa", grandpa_items, NULL, NULL},
    {LEGACY, 12, "ImOnline", im_online_items, NULL, "ImOnlineEvent"},
};
/* clang-format on */

const char *sim_spec_name(const sim_world_options *options)
{
    return options->legacy ? "simulated-legacy" : "simulated";
}

static size_t count_items(const item *items, uint8_t where)
{
    size_t count = 0;
    for (; items->name != NULL; items++) {
        count += (items->where & where) != 0;
    }
    return count;
}

static void put_fallback(pm_buf *out, const item *it)
{
    uint8_t bytes[128] = {0};
    size_t len = it->fallback == NULL ? 0 : strlen(it->fallback) / 2;
    if (it->fallback == NULL) { /* all zero, as long as the type */
        len = strcmp(it->value, "AccountInfo") == 0 ? 80 : 32;
    } else {
        (void)sim_unhex(bytes, len, it->fallback, 2 * len);
    }
    sim_put_compact(out, len);
    pm_buf_add(out, bytes, len);
}

static void put_items(sim_registry *registry, pm_buf *out, const pallet *p, uint8_t where)
{
    sim_put_u8(out, p->items != NULL);
    if (p->items == NULL) {
        return;
    }
    sim_put_text(out, p->name);
    sim_put_compact(out, count_items(p->items, where));
    for (const item *it = p->items; it->name != NULL; it++) {
        if ((it->where & where) == 0) {
            continue;
        }
        sim_put_text(out, it->name);
        sim_put_u8(out, it->modifier == 'd');
        sim_put_u8(out, *it->hashers != '\0');
        if (*it->hashers != '\0') {
            sim_put_compact(out, strlen(it->hashers));
            for (const char *hasher = it->hashers; *hasher != '\0'; hasher++) {
                sim_put_u8(out, *hasher == 'b' ? 2 : 5);
            }
            sim_put_compact(out, sim_registry_id(registry, it->key));
        }
        sim_put_compact(out, sim_registry_id(registry, it->value));
        put_fallback(out, it);
        sim_put_compact(out, 0);
    }
}

static void put_option_type(sim_registry *registry, pm_buf *out, const char *type)
{
    sim_put_u8(out, type != NULL);
    if (type != NULL) {
        sim_put_compact(out, sim_registry_id(registry, type));
    }
}

static void put_constant(sim_registry *registry, pm_buf *out, const char *name, const char *type,
                         pm_buf *value)
{
    sim_put_text(out, name);
    sim_put_compact(out, sim_registry_id(registry, type));
    sim_put_compact(out, value->len);
    pm_buf_add(out, value->data, value->len);
    sim_put_compact(out, 0);
    pm_buf_clear(value);
}

static void put_version(pm_buf *out, const sim_world_options *options, uint32_t spec_version)
{
    sim_put_text(out, sim_spec_name(options));
    sim_put_text(out, "panicmon-sim");
    sim_put_u32(out, 0);
    sim_put_u32(out, spec_version);
    sim_put_u32(out, 0);
    sim_put_compact(out, 0);
    sim_put_u32(out, 1);
    sim_put_u8(out, 1);
}

static void put_constants(sim_registry *registry, pm_buf *out, const pallet *p,
                          const sim_world_options *options, uint32_t spec_version)
{
    pm_buf value = {0};
    if (strcmp(p->name, "System") == 0) {
        sim_put_compact(out, 3);
        sim_put_u32(&value, 4096);
        put_constant(registry, out, "BlockHashCount", "u32", &value);
        put_version(&value, options, spec_version);
        put_constant(registry, out, "Version", "RuntimeVersion", &value);
        sim_put_u16(&value, options->ss58);
        put_constant(registry, out, "SS58Prefix", "u16", &value);
    } else if (strcmp(p->name, "Staking") == 0) {
        sim_put_compact(out, options->legacy ? 1 : 3);
        sim_put_u32(&value, options->era_sessions);
        put_constant(registry, out, "SessionsPerEra", "u32", &value);
        if (!options->legacy) {
            sim_put_u32(&value, options->history_depth);
            put_constant(registry, out, "HistoryDepth", "u32", &value);
            sim_put_u32(&value, options->page_size);
            put_constant(registry, out, "MaxExposurePageSize", "u32", &value);
        }
    } else {
        sim_put_compact(out, 0);
    }
    pm_buf_free(&value);
}

static void put_pallets(sim_registry *registry, pm_buf *out, const sim_world_options *options,
                        uint32_t spec_version)
{
    uint8_t where = options->legacy ? LEGACY : MODERN;
    size_t count = 0;
    for (size_t i = 0; i < sizeof pallets / sizeof *pallets; i++) {
        count += (pallets[i].where & where) != 0;
    }
    sim_put_compact(out, count);
    for (size_t i = 0; i < sizeof pallets / sizeof *pallets; i++) {
        const pallet *p = &pallets[i];
        if ((p->where & where) == 0) {
            continue;
        }
        sim_put_text(out, p->name);
        put_items(registry, out, p, where);
        put_option_type(registry, out, p->calls);
        put_option_type(registry, out, p->event);
        put_constants(registry, out, p, options, spec_version);
        sim_put_u8(out, 0); /* no error type */
        sim_put_u8(out, p->index);
    }
}

static void put_extrinsic(sim_registry *registry, pm_buf *out)
{
    static const char *const extensions[][3] = {{"CheckSpecVersion", "()", "u32"},
                                                {"CheckGenesis", "()", "H256"},
                                                {"CheckNonce", "Compact<u32>", "()"}};
    sim_put_compact(out, sim_registry_id(registry, "UncheckedExtrinsic"));
    sim_put_u8(out, 4);
    sim_put_compact(out, 3);
    for (size_t i = 0; i < 3; i++) {
        sim_put_text(out, extensions[i][0]);
        sim_put_compact(out, sim_registry_id(registry, extensions[i][1]));
        sim_put_compact(out, sim_registry_id(registry, extensions[i][2]));
    }
}

void sim_metadata_v14(pm_buf *out, const sim_world_options *options, uint32_t spec_version)
{
    const sim_type_def *tables[] = {options->legacy ? legacy_types : modern_types, common_types,
                                    NULL};
    sim_registry registry = {.tables = tables};
    pm_buf rest = {0}; /* what follows the registry; writing it fills the registry */
    put_pallets(&registry, &rest, options, spec_version);
    put_extrinsic(&registry, &rest);
    sim_put_compact(&rest, sim_registry_id(&registry, "Runtime"));
    pm_buf_add(out, "meta\x0e", 5);
    sim_registry_put(&registry, out);
    pm_buf_add(out, rest.data, rest.len);
    pm_buf_free(&rest);
    sim_registry_free(&registry);
}
