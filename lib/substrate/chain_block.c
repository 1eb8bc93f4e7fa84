/* chain_block.c: what the events of a block say of validators: slashes and offline reports. Small,
 * immutable, shared, and bounded in bytes. Any thread. */
#include "substrate/chain.h"

#include <stdlib.h>
#include <string.h>

#include "substrate/value.h"

/* All blocks together. A block without records is about 300 bytes: this is days of a chain. */
#define BLOCKS_MAX (4u << 20)

static bool make_key(pm_buf *key, const char *genesis, const char *url, int64_t height)
{
    pm_buf_format(key, "%lld %s %s", (long long)height, genesis, url);
    return !key->failed;
}

pm_block *pm_block_new(int64_t height)
{
    pm_block *block = calloc(1, sizeof *block);
    if (block != NULL) {
        atomic_init(&block->refs, 1);
        block->height = height;
    }
    return block;
}

pm_block *pm_block_ref(pm_block *block)
{
    atomic_fetch_add(&block->refs, 1);
    return block;
}

void pm_block_unref(pm_block *block)
{
    if (block == NULL || atomic_fetch_sub(&block->refs, 1) != 1) {
        return;
    }
    free(block->slashes);
    free(block->offline);
    free(block->key);
    free(block);
}

/* Under the lock. */
static void unlink_block(pm_substrate *shared, pm_block *block)
{
    *(block->newer != NULL ? &block->newer->older : &shared->newest) = block->older;
    *(block->older != NULL ? &block->older->newer : &shared->oldest) = block->newer;
    block->newer = block->older = NULL;
}

/* Under the lock. */
static void link_newest(pm_substrate *shared, pm_block *block)
{
    block->older = shared->newest;
    if (shared->newest != NULL) {
        shared->newest->newer = block;
    }
    shared->newest = block;
    if (shared->oldest == NULL) {
        shared->oldest = block;
    }
}

pm_block *pm_block_find(pm_substrate *shared, const char *genesis, const char *url, int64_t height)
{
    pm_buf key = {0};
    pm_block *found = NULL;
    if (make_key(&key, genesis, url, height)) {
        pm_substrate_lock(shared);
        found = pm_map_get(&shared->blocks, key.data);
        if (found != NULL) {
            unlink_block(shared, found);
            link_newest(shared, found);
            (void)pm_block_ref(found);
        }
        pm_substrate_unlock(shared);
    }
    pm_buf_free(&key);
    return found;
}

/* Takes the oldest out until the rest fits; gives them as a list linked by `older`. Under lock. */
static pm_block *make_room(pm_substrate *shared)
{
    pm_block *out = NULL;
    while (shared->block_bytes > BLOCKS_MAX && shared->oldest != NULL) {
        pm_block *block = shared->oldest;
        unlink_block(shared, block);
        (void)pm_map_remove(&shared->blocks, block->key);
        shared->block_bytes -= block->size;
        block->older = out;
        out = block;
    }
    return out;
}

void pm_block_keep(pm_substrate *shared, const char *genesis, const char *url, pm_block *block)
{
    pm_buf key = {0};
    if (block->key != NULL || !make_key(&key, genesis, url, block->height)) {
        pm_buf_free(&key);
        return;
    }
    pm_block *out = NULL;
    size_t size = sizeof *block + 2 * key.len + 64 + block->slash_count * sizeof *block->slashes +
                  block->offline_count * sizeof *block->offline;
    pm_substrate_lock(shared);
    if (pm_map_get(&shared->blocks, key.data) == NULL &&
        pm_map_set(&shared->blocks, key.data, block)) {
        block->key = pm_buf_take(&key, NULL);
        block->size = size;
        shared->block_bytes += size;
        link_newest(shared, pm_block_ref(block));
        out = make_room(shared);
    }
    pm_substrate_unlock(shared);
    pm_buf_free(&key);
    while (out != NULL) {
        pm_block *next = out->older;
        out->older = NULL;
        pm_block_unref(out);
        out = next;
    }
}

/* ---- reading events ---- */

/* A field by its name, or by its place where the chain does not name it. */
static pm_value field_of(pm_value fields, const char *name, size_t place)
{
    pm_value field = pm_value_field(fields, name);
    return pm_value_absent(field) ? pm_value_at(fields, place) : field;
}

static bool add_slash(pm_block *block, pm_value fields)
{
    const uint8_t *account;
    pm_u128 amount;
    pm_value who = field_of(fields, "staker", 0);
    if (!pm_value_account(who, &account) ||
        !pm_value_u128(field_of(fields, "amount", 1), &amount)) {
        return true; /* another event of that name */
    }
    pm_slash *slashes = realloc(block->slashes, (block->slash_count + 1) * sizeof *slashes);
    if (slashes == NULL) {
        return false;
    }
    block->slashes = slashes;
    pm_slash *slash = &slashes[block->slash_count++];
    memcpy(slash->account, account, PM_ACCOUNT_SIZE);
    slash->low = amount.low;
    slash->high = amount.high;
    return true;
}

/* offline: Vec<(AccountId, exposure)> */
static bool add_offline(pm_block *block, pm_value fields)
{
    pm_value_iter at = {0};
    pm_value one;
    pm_value list = field_of(fields, "offline", 0);
    while (pm_value_next(list, &at, &one)) {
        const uint8_t *account;
        if (!pm_value_account(pm_value_at(one, 0), &account)) {
            continue;
        }
        uint8_t(*accounts)[PM_ACCOUNT_SIZE] =
            realloc(block->offline, (block->offline_count + 1) * sizeof *accounts);
        if (accounts == NULL) {
            return false;
        }
        block->offline = accounts;
        memcpy(accounts[block->offline_count++], account, PM_ACCOUNT_SIZE);
    }
    return true;
}

panicmon_err pm_block_read(pm_block *block, const pm_metadata *metadata, const uint8_t *bytes,
                           size_t len, panicmon_error **err)
{
    pm_storage item;
    pm_value events;
    pm_value_iter at = {0};
    pm_event event;
    bool room = true;
    if (!pm_storage_find(metadata, "System", "Events", &item)) {
        return PANICMON_OK;
    }
    panicmon_err status = pm_value_of_storage(&item, bytes, len, &events, err);
    while (status == PANICMON_OK && room && pm_event_next(events, &at, &event)) {
        if (pm_event_is(&event, "Staking", "Slashed")) {
            room = add_slash(block, event.fields);
        } else if (pm_event_is(&event, "ImOnline", "SomeOffline")) {
            room = add_offline(block, event.fields);
        }
    }
    return room ? status : PANICMON_ERR_NOMEM;
}

void pm_block_of(const pm_block *block, const uint8_t *account, uint64_t *low, uint64_t *high,
                 bool *slashed, bool *offline)
{
    *low = *high = 0;
    *slashed = *offline = false;
    for (size_t i = 0; i < block->slash_count; i++) {
        const pm_slash *slash = &block->slashes[i];
        if (memcmp(slash->account, account, PM_ACCOUNT_SIZE) == 0) {
            *low += slash->low;
            *high += slash->high + (*low < slash->low);
        }
    }
    *slashed = (*low | *high) != 0;
    for (size_t i = 0; !*offline && i < block->offline_count; i++) {
        *offline = memcmp(block->offline[i], account, PM_ACCOUNT_SIZE) == 0;
    }
}
