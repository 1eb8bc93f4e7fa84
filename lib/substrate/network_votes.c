/* network_votes.c: who voted on the referenda that are going on, and how: the keys of all voters,
 * then what stands there. */
#include "substrate/network_fetch.h"

#include <stdlib.h>
#include <string.h>

/* Keys of voters in one step, and steps; beyond, the votes of the governance addresses alone. */
#define KEYS_PER_PAGE 1000
#define PAGES_MAX     20

panicmon_err pm_gov_ask_keys(pm_governance *gov, panicmon_round *round)
{
    panicmon_err status = PANICMON_OK;
    pm_buf params = {0};
    pm_buf_text(&params, "[\"");
    status = pm_storage_key_hex(&gov->items[PM_GOV_VOTING], NULL, 0, &params, NULL);
    pm_buf_format(&params, "\", %d, ", KEYS_PER_PAGE);
    if (gov->voter_count > 0) {
        const pm_buf *last = &gov->voters[gov->voter_count - 1];
        pm_buf_char(&params, '"');
        pm_hex_add_0x(&params, last->data, last->len);
        pm_buf_char(&params, '"');
    } else {
        pm_buf_text(&params, "null");
    }
    pm_buf_format(&params, ", \"%s\"]", gov->hash);
    if (params.failed) {
        status = PANICMON_ERR_NOMEM;
    }
    pm_call(&status, round, gov->url, "state_getKeysPaged", params.data, PANICMON_RPC_PINNED,
            &gov->keys_request);
    pm_buf_free(&params);
    return status;
}

static bool add_voter(pm_governance *gov, pm_json key)
{
    if (gov->voter_count == gov->voter_room) {
        size_t room = gov->voter_room == 0 ? 64 : gov->voter_room * 2;
        pm_buf *voters = realloc(gov->voters, room * sizeof *voters);
        if (voters == NULL) {
            return false;
        }
        gov->voters = voters;
        gov->voter_room = room;
    }
    pm_buf *voter = &gov->voters[gov->voter_count];
    *voter = (pm_buf){0};
    if (!pm_hex_parse(key.text, key.len, voter) || voter->failed) {
        pm_buf_free(voter);
        return false;
    }
    gov->voter_count++;
    return true;
}

void pm_gov_drop_voters(pm_governance *gov)
{
    for (size_t i = 0; i < gov->voter_count; i++) {
        pm_buf_free(&gov->voters[i]);
    }
    gov->voter_count = 0;
}

/* The keys that the governance addresses would have: by class where there are classes. */
static panicmon_err only_addresses(pm_governance *gov)
{
    const pm_storage *item = &gov->items[PM_GOV_VOTING];
    pm_gov_drop_voters(gov);
    gov->some_votes_only = true;
    for (size_t a = 0; a < gov->config->address_count; a++) {
        const pm_gov_address *address = &gov->config->addresses[a];
        for (uint32_t r = 0; address->is_account && r < gov->count; r++) {
            const pm_referendum *referendum = &gov->referenda[r];
            pm_key_arg args[2] = {pm_key_arg_account(address->account), {.len = 2}};
            pm_buf key = {0};
            args[1].bytes[0] = (uint8_t)referendum->class;
            args[1].bytes[1] = (uint8_t)(referendum->class >> 8);
            if (!referendum->ongoing ||
                pm_storage_key_hex(item, args, item->key_count, &key, NULL) != PANICMON_OK) {
                pm_buf_free(&key);
                continue;
            }
            bool added = add_voter(gov, (pm_json){.text = key.data, .len = key.len});
            pm_buf_free(&key);
            if (!added) {
                return PANICMON_ERR_NOMEM;
            }
        }
    }
    return PANICMON_OK;
}

panicmon_err pm_gov_take_keys(pm_governance *gov, panicmon_round *round)
{
    const panicmon_reply *reply = pm_reply(round, gov->keys_request);
    pm_json keys = pm_reply_json(reply);
    pm_json key;
    size_t at = 0;
    size_t count = 0;
    if (!pm_json_is(keys, '[')) {
        pm_gov_fail(gov, "state_getKeysPaged", reply);
        return PANICMON_OK;
    }
    while (pm_json_next_element(keys, &at, &key)) {
        count++;
        if (!add_voter(gov, pm_plain_string(key))) {
            return PANICMON_ERR_NOMEM;
        }
    }
    if (count < KEYS_PER_PAGE) {
        gov->stage = PM_GOV_VOTES;
    } else if (++gov->pages == PAGES_MAX) {
        gov->stage = PM_GOV_VOTES;
        return only_addresses(gov);
    }
    return PANICMON_OK;
}

/* ---- VOTES ---- */

/* The arguments of a voter's key: account and class. */
static bool voter_args(const pm_governance *gov, size_t i, pm_key_arg args[2])
{
    const pm_storage *item = &gov->items[PM_GOV_VOTING];
    const pm_buf *key = &gov->voters[i];
    for (size_t a = 0; a < item->key_count && a < 2; a++) {
        const uint8_t *bytes;
        size_t len;
        if (!pm_storage_key_arg(item, (const uint8_t *)key->data, key->len, a, &bytes, &len) ||
            len > sizeof args[a].bytes) {
            return false;
        }
        memcpy(args[a].bytes, bytes, len);
        args[a].len = len;
    }
    return args[0].len == PM_ACCOUNT_SIZE;
}

panicmon_err pm_gov_ask_votes(pm_governance *gov, panicmon_round *round)
{
    pm_query_begin(&gov->query, gov->url, gov->hash);
    for (size_t i = 0; i < gov->voter_count; i++) {
        pm_key_arg args[2] = {0};
        if (voter_args(gov, i, args)) {
            pm_gov_ask(gov, round, PM_GOV_VOTING, args, gov->items[PM_GOV_VOTING].key_count);
        }
    }
    return pm_query_send(&gov->query, round);
}

panicmon_err pm_gov_take_votes(pm_governance *gov, panicmon_round *round)
{
    const panicmon_reply *failed = pm_query_take(&gov->query, round);
    panicmon_err status = PANICMON_OK;
    if (failed != NULL) {
        pm_gov_fail(gov, "state_queryStorageAt", failed);
        return PANICMON_OK;
    }
    for (size_t i = 0; status == PANICMON_OK && i < gov->voter_count; i++) {
        pm_key_arg args[2] = {0};
        pm_value voting;
        if (voter_args(gov, i, args) &&
            pm_query_value(&gov->query, &gov->items[PM_GOV_VOTING], args,
                           gov->items[PM_GOV_VOTING].key_count, &voting, NULL) == PANICMON_OK) {
            uint32_t class = (uint32_t)args[1].bytes[0] | (uint32_t)args[1].bytes[1] << 8;
            status = pm_voting_read(gov, args[0].bytes, class, voting);
        }
    }
    gov->stage = PM_GOV_DONE;
    return status == PANICMON_OK ? pm_delegations_apply(gov) : status;
}
