/* world_state.c: the storage and the events of a made chain, in SCALE. See world.h. */
#include "world.h"

#include <stdlib.h>

#include "scale.h"

#define TOKEN 1000000000000u

/* ---- keys and values ---- */

static pm_buf *key_of(sim_world *world, const char *pallet, const char *item)
{
    pm_buf_clear(&world->key);
    pm_buf_clear(&world->value);
    sim_key_item(&world->key, pallet, item);
    return &world->value;
}

static void key_u32(sim_world *world, uint32_t n)
{
    uint8_t little[4] = {(uint8_t)n, (uint8_t)(n >> 8), (uint8_t)(n >> 16), (uint8_t)(n >> 24)};
    sim_key_twox64(&world->key, little, sizeof little);
}

static void key_account(sim_world *world, uint32_t validator)
{
    sim_key_twox64(&world->key, world->validators[validator].account, 32);
}

/* Stores the value under the key, both just made. */
static void put(sim_world *world, uint32_t number)
{
    if (world->key.failed || world->value.failed) {
        exit(3);
    }
    sim_store_set(&world->chain.store, number, world->key.data, world->key.len,
                  world->value.data == NULL ? "" : world->value.data, world->value.len);
}

static void erase(sim_world *world, uint32_t number)
{
    sim_store_set(&world->chain.store, number, world->key.data, world->key.len, NULL, 0);
}

static void put_plain_u32(sim_world *world, uint32_t number, const char *pallet, const char *item,
                          uint32_t value)
{
    sim_put_u32(key_of(world, pallet, item), value);
    put(world, number);
}

static void put_account(pm_buf *out, const sim_world *world, uint32_t validator)
{
    pm_buf_add(out, world->validators[validator].account, 32);
}

/* ---- plain items ---- */

void sim_write_constants(sim_world *world, uint32_t number)
{
    if (world->options.legacy) {
        put_plain_u32(world, number, "Staking", "HistoryDepth", world->options.history_depth);
    }
    put_plain_u32(world, number, "Staking", "ValidatorCount", world->options.validators);
    sim_put_u128(key_of(world, "Balances", "TotalIssuance"), 10000000u * (uint64_t)TOKEN);
    put(world, number);
    for (uint32_t i = 0; i < world->count; i++) {
        pm_buf *value = key_of(world, "Staking", "Bonded");
        key_account(world, i);
        put_account(value, world, i);
        put(world, number);
    }
}

static void put_block_hash(sim_world *world, pm_buf *value, uint32_t number)
{
    char text[SIM_HASH_TEXT + 1];
    uint8_t hash[32];
    world->chain.ops->hash(&world->chain, number, text);
    (void)sim_unhex(hash, sizeof hash, text + 2, 64);
    pm_buf_add(value, hash, sizeof hash);
}

void sim_write_block(sim_world *world, uint32_t number)
{
    put_plain_u32(world, number, "System", "Number", number);
    put_plain_u32(world, number, "System", "EventCount", world->event_count);
    pm_buf *value = key_of(world, "System", "Events");
    sim_put_compact(value, world->event_count);
    pm_buf_add(value, world->events.data == NULL ? "" : world->events.data, world->events.len);
    put(world, number);
    if (number > 0) {
        put_block_hash(world, key_of(world, "System", "ParentHash"), number - 1);
        put(world, number);
        value = key_of(world, "System", "BlockHash");
        key_u32(world, number - 1);
        put_block_hash(world, value, number - 1);
        put(world, number);
    }
    if (number > world->chain.oldest_state + 4096) {
        (void)key_of(world, "System", "BlockHash");
        key_u32(world, number - 4097);
        erase(world, number);
    }
    sim_put_u64(key_of(world, "Timestamp", "Now"), (uint64_t)sim_world_time(world, number));
    put(world, number);
}

void sim_write_disabled(sim_world *world, uint32_t number)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < world->active_count; i++) {
        count += world->validators[world->active[i]].disabled;
    }
    pm_buf *value = key_of(world, "Session", "DisabledValidators");
    sim_put_compact(value, count);
    for (uint32_t i = 0; i < world->active_count; i++) {
        if (world->validators[world->active[i]].disabled) {
            sim_put_u32(value, i);
            if (!world->options.legacy) {
                sim_put_u32(value, 70000000); /* severity: 7 % */
            }
        }
    }
    put(world, number);
}

void sim_write_session(sim_world *world, uint32_t number)
{
    put_plain_u32(world, number, "Session", "CurrentIndex", world->session);
    pm_buf *value = key_of(world, "Session", "Validators");
    sim_put_compact(value, world->active_count);
    for (uint32_t i = 0; i < world->active_count; i++) {
        put_account(value, world, world->active[i]);
    }
    put(world, number);
    sim_write_disabled(world, number);
    sim_put_u64(key_of(world, "Grandpa", "CurrentSetId"), world->session);
    put(world, number);
}

void sim_write_active_era(sim_world *world, uint32_t number)
{
    pm_buf *value = key_of(world, "Staking", "ActiveEra");
    sim_put_u32(value, world->era);
    sim_put_u8(value, 1);
    sim_put_u64(value, (uint64_t)world->era_start_ms);
    put(world, number);
    value = key_of(world, "Staking", "ErasStartSessionIndex");
    key_u32(world, world->era);
    sim_put_u32(value, world->session - world->session_in_era);
    put(world, number);
}

void sim_write_current_era(sim_world *world, uint32_t number)
{
    put_plain_u32(world, number, "Staking", "CurrentEra", world->planned_era);
}

void sim_write_points(sim_world *world, uint32_t number, uint32_t era)
{
    uint32_t total = 0;
    uint32_t count = 0;
    for (uint32_t i = 0; i < world->count; i++) {
        total += world->validators[i].points;
        count += world->validators[i].points > 0;
    }
    pm_buf *value = key_of(world, "Staking", "ErasRewardPoints");
    key_u32(world, era);
    sim_put_u32(value, total);
    sim_put_compact(value, count);
    for (uint32_t i = 0; i < world->count; i++) {
        uint32_t who = world->by_account[i];
        if (world->validators[who].points > 0) {
            put_account(value, world, who);
            sim_put_u32(value, world->validators[who].points);
        }
    }
    put(world, number);
}

void sim_write_authored(sim_world *world, uint32_t number, uint32_t validator, bool keep)
{
    pm_buf *value = key_of(world, "ImOnline", "AuthoredBlocks");
    key_u32(world, world->session);
    key_account(world, validator);
    sim_put_u32(value, world->validators[validator].authored);
    if (keep) {
        put(world, number);
    } else {
        erase(world, number);
    }
}

void sim_write_heartbeat(sim_world *world, uint32_t number, uint32_t validator, bool keep)
{
    pm_buf *value = key_of(world, "ImOnline", "ReceivedHeartbeats");
    key_u32(world, world->session);
    key_u32(world, world->validators[validator].place);
    sim_put_u8(value, 1);
    if (keep) {
        put(world, number);
    } else {
        erase(world, number);
    }
}

/* ---- exposures and claims ---- */

/* Without rotation the waiting ones wait for ever; with it another one sits out each era. */
bool sim_elected(const sim_world *world, uint32_t era, uint32_t validator)
{
    uint32_t place = world->options.rotate ? (validator + era) % world->count : validator;
    return place < world->options.validators;
}

bool sim_claimed(const sim_world *world, uint32_t number, uint32_t era, uint32_t validator)
{
    bool due = era + 1 < world->era || (era + 1 == world->era && number > world->era_start);
    return due && sim_elected(world, era, validator) && (era + validator) % 4 != 0;
}

static uint64_t nomination(const sim_world *world, uint32_t validator, uint32_t n)
{
    return (100 + sim_world_random(world, 8 + (uint64_t)validator, n) % 900) * TOKEN;
}

static uint64_t nominations(const sim_world *world, uint32_t validator)
{
    uint64_t sum = 0;
    for (uint32_t n = 0; n < world->options.nominators; n++) {
        sum += nomination(world, validator, n);
    }
    return sum;
}

/* Vec<IndividualExposure> of the nominators from `from` up to `to`. */
static void put_nominators(pm_buf *out, const sim_world *world, uint32_t validator, uint32_t from,
                           uint32_t to)
{
    sim_put_compact(out, to - from);
    for (uint32_t n = from; n < to; n++) {
        uint64_t seed[4] = {world->options.seed, 9, validator, n};
        uint8_t account[32];
        sim_blake2(account, sizeof account, seed, sizeof seed);
        pm_buf_add(out, account, sizeof account);
        sim_put_compact(out, nomination(world, validator, n));
    }
}

static void put_exposure(pm_buf *out, const sim_world *world, uint32_t validator)
{
    uint64_t own = world->validators[validator].own;
    sim_put_compact(out, own + nominations(world, validator));
    sim_put_compact(out, own);
    put_nominators(out, world, validator, 0, world->options.nominators);
}

static uint32_t page_count(const sim_world *world)
{
    return (world->options.nominators + world->options.page_size - 1) / world->options.page_size;
}

static pm_buf *key_era_account(sim_world *world, const char *item, uint32_t era, uint32_t validator)
{
    pm_buf *value = key_of(world, "Staking", item);
    key_u32(world, era);
    key_account(world, validator);
    return value;
}

static void write_pages(sim_world *world, uint32_t number, uint32_t era, uint32_t validator)
{
    const sim_world_options *o = &world->options;
    for (uint32_t page = 0; page < page_count(world); page++) {
        uint32_t from = page * o->page_size;
        uint32_t to = from + o->page_size < o->nominators ? from + o->page_size : o->nominators;
        uint64_t sum = 0;
        pm_buf *value = key_era_account(world, "ErasStakersPaged", era, validator);
        key_u32(world, page);
        for (uint32_t n = from; n < to; n++) {
            sum += nomination(world, validator, n);
        }
        sim_put_compact(value, sum);
        put_nominators(value, world, validator, from, to);
        put(world, number);
    }
}

void sim_write_exposures(sim_world *world, uint32_t number, uint32_t era)
{
    for (uint32_t i = 0; i < world->count; i++) {
        if (!sim_elected(world, era, i)) {
            continue;
        }
        if (world->options.legacy) {
            put_exposure(key_era_account(world, "ErasStakers", era, i), world, i);
            put(world, number);
            continue;
        }
        pm_buf *value = key_era_account(world, "ErasStakersOverview", era, i);
        sim_put_compact(value, world->validators[i].own + nominations(world, i));
        sim_put_compact(value, world->validators[i].own);
        sim_put_u32(value, world->options.nominators);
        sim_put_u32(value, page_count(world));
        put(world, number);
        write_pages(world, number, era, i);
    }
}

void sim_remove_era(sim_world *world, uint32_t number, uint32_t era)
{
    for (uint32_t i = 0; i < world->count; i++) {
        if (!sim_elected(world, era, i)) {
            continue;
        }
        const char *overview = world->options.legacy ? "ErasStakers" : "ErasStakersOverview";
        (void)key_era_account(world, overview, era, i);
        erase(world, number);
        for (uint32_t page = 0; page < page_count(world) && !world->options.legacy; page++) {
            (void)key_era_account(world, "ErasStakersPaged", era, i);
            key_u32(world, page);
            erase(world, number);
        }
        if (!world->options.legacy && sim_claimed(world, number, era, i)) {
            (void)key_era_account(world, "ClaimedRewards", era, i);
            erase(world, number);
        }
    }
    (void)key_of(world, "Staking", "ErasRewardPoints");
    key_u32(world, era);
    erase(world, number);
    (void)key_of(world, "Staking", "ErasStartSessionIndex");
    key_u32(world, era);
    erase(world, number);
}

void sim_write_ledger(sim_world *world, uint32_t number, uint32_t validator)
{
    const sim_validator *v = &world->validators[validator];
    pm_buf *value = key_of(world, "Staking", "Ledger");
    sim_key_blake2(&world->key, v->account, 32);
    put_account(value, world, validator);
    sim_put_compact(value, v->own);
    sim_put_compact(value, v->own);
    sim_put_compact(value, 0);
    uint32_t depth = world->options.history_depth;
    uint32_t from = world->era > depth ? world->era - depth : 0;
    uint32_t count = 0;
    for (uint32_t era = from; era < world->era && world->options.legacy; era++) {
        count += sim_claimed(world, number, era, validator);
    }
    sim_put_compact(value, count);
    for (uint32_t era = from; era < world->era && count > 0; era++) {
        if (sim_claimed(world, number, era, validator)) {
            sim_put_u32(value, era);
        }
    }
    put(world, number);
}

void sim_write_claim(sim_world *world, uint32_t number, uint32_t era, uint32_t validator)
{
    if (world->options.legacy) {
        sim_write_ledger(world, number, validator);
        return;
    }
    pm_buf *value = key_era_account(world, "ClaimedRewards", era, validator);
    uint32_t pages = page_count(world) == 0 ? 1 : page_count(world);
    sim_put_compact(value, pages);
    for (uint32_t page = 0; page < pages; page++) {
        sim_put_u32(value, page);
    }
    put(world, number);
}

/* ---- events ---- */

/* Begins a record: phase, then the pallet's and the event's index. */
static pm_buf *event(sim_world *world, uint8_t pallet, uint8_t variant)
{
    world->event_count++;
    sim_put_u8(&world->events, 2); /* Initialization */
    sim_put_u8(&world->events, pallet);
    sim_put_u8(&world->events, variant);
    return &world->events;
}

static void end_event(sim_world *world)
{
    sim_put_compact(&world->events, 0); /* no topics */
}

void sim_event_success(sim_world *world, uint32_t extrinsic)
{
    pm_buf *out = &world->events;
    world->event_count++;
    sim_put_u8(out, 0); /* ApplyExtrinsic */
    sim_put_u32(out, extrinsic);
    sim_put_u8(out, 0);
    sim_put_u8(out, 0);
    sim_put_compact(out, 130000000);
    sim_put_compact(out, 1493);
    sim_put_u8(out, 2); /* Mandatory */
    sim_put_u8(out, 0);
    end_event(world);
}

void sim_event_code_updated(sim_world *world)
{
    (void)event(world, 0, 2);
    end_event(world);
}

void sim_event_new_session(sim_world *world)
{
    sim_put_u32(event(world, 9, 0), world->session);
    end_event(world);
}

void sim_event_era_paid(sim_world *world, uint32_t era)
{
    pm_buf *out = event(world, 7, 0);
    sim_put_u32(out, era);
    sim_put_u128(out, 1000u * (uint64_t)TOKEN);
    sim_put_u128(out, 50u * (uint64_t)TOKEN);
    end_event(world);
}

void sim_event_rewarded(sim_world *world, uint32_t validator)
{
    pm_buf *out = event(world, 7, 1);
    put_account(out, world, validator);
    sim_put_u128(out, 3u * (uint64_t)TOKEN);
    end_event(world);
}

/* The validator's own, and one of a nominator: only the first counts for the validator. */
void sim_event_slashed(sim_world *world, uint32_t validator, uint64_t amount)
{
    uint64_t seed[4] = {world->options.seed, 9, validator, 0};
    uint8_t nominator[32];
    sim_blake2(nominator, sizeof nominator, seed, sizeof seed);
    pm_buf *out = event(world, 7, 2);
    put_account(out, world, validator);
    sim_put_u128(out, amount);
    end_event(world);
    if (world->options.nominators > 0) {
        out = event(world, 7, 2);
        pm_buf_add(out, nominator, sizeof nominator);
        sim_put_u128(out, amount / 10 + 1);
        end_event(world);
    }
}

void sim_event_offence(sim_world *world, uint32_t offender)
{
    pm_buf *out = event(world, 8, 0);
    pm_buf_add(out, "im-online:offlin", 16);
    sim_put_compact(out, 4);
    sim_put_u32(out, world->session);
    end_event(world);
    if (!world->options.legacy) {
        put_account(event(world, 9, 2), world, offender);
        end_event(world);
    }
}

void sim_event_offline(sim_world *world)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < world->active_count; i++) {
        count += world->validators[world->active[i]].offline;
    }
    if (!world->options.legacy) {
        return;
    }
    pm_buf *out = event(world, 12, count == 0 ? 1 : 2);
    if (count > 0) {
        sim_put_compact(out, count);
    }
    for (uint32_t i = 0; i < world->active_count; i++) {
        if (world->validators[world->active[i]].offline) {
            put_account(out, world, world->active[i]);
            put_exposure(out, world, world->active[i]);
        }
    }
    end_event(world);
}
