/* network_fetch.c: the steps of reading a chain's governance. */
#include "substrate/network_fetch.h"

#include <stdlib.h>
#include <string.h>

#include "substrate/render.h"

/* More referenda than a chain will have in its life. */
#define REFERENDA_MAX 100000

pm_gov_kind pm_governance_kind(const pm_runtime *runtime)
{
    return pm_storage_find(runtime->metadata, "Democracy", "ReferendumInfoOf", NULL)
               ? PM_GOV_DEMOCRACY
           : pm_storage_find(runtime->metadata, "Referenda", "ReferendumInfoFor", NULL)
               ? PM_GOV_OPEN
               : PM_GOV_NONE;
}

static void find_items(pm_governance *gov)
{
    static const char *const names[3][PM_GOV_ITEM_COUNT][2] = {
        [PM_GOV_DEMOCRACY] = {[PM_GOV_PROP_COUNT] = {"Democracy", "PublicPropCount"},
                              [PM_GOV_PROPS] = {"Democracy", "PublicProps"},
                              [PM_GOV_DEPOSIT] = {"Democracy", "DepositOf"},
                              [PM_GOV_PREIMAGE] = {"Democracy", "Preimages"},
                              [PM_GOV_COUNT] = {"Democracy", "ReferendumCount"},
                              [PM_GOV_INFO] = {"Democracy", "ReferendumInfoOf"},
                              [PM_GOV_VOTING] = {"Democracy", "VotingOf"},
                              [PM_GOV_ISSUANCE] = {"Balances", "TotalIssuance"}},
        [PM_GOV_OPEN] = {[PM_GOV_COUNT] = {"Referenda", "ReferendumCount"},
                         [PM_GOV_INFO] = {"Referenda", "ReferendumInfoFor"},
                         [PM_GOV_VOTING] = {"ConvictionVoting", "VotingFor"},
                         [PM_GOV_ISSUANCE] = {"Balances", "TotalIssuance"},
                         [PM_GOV_INACTIVE] = {"Balances", "InactiveIssuance"},
                         [PM_GOV_RELAY_BLOCK] = {"ParachainSystem", "LastRelayChainBlockNumber"}}};
    for (size_t i = 0; i < PM_GOV_ITEM_COUNT; i++) {
        const char *const *name = names[gov->kind][i];
        gov->has[i] = name[0] != NULL &&
                      pm_storage_find(gov->runtime->metadata, name[0], name[1], &gov->items[i]);
    }
}

/* What is over is of one chain; another one begins anew. */
static panicmon_err keep_chain(pm_governance *gov, const char *genesis)
{
    pm_buf chain = {0};
    pm_buf_format(&chain, "%s %d %s", genesis, (int)gov->kind, gov->url);
    if (chain.failed) {
        return PANICMON_ERR_NOMEM;
    }
    if (gov->chain == NULL || strcmp(gov->chain, chain.data) != 0) {
        for (size_t i = 0; i < gov->referendum_count; i++) {
            pm_referendum_clear(&gov->referenda[i]);
        }
        gov->referendum_count = 0;
        free(gov->chain);
        gov->chain = pm_buf_take(&chain, NULL);
    }
    pm_buf_free(&chain);
    return PANICMON_OK;
}

panicmon_err pm_governance_begin(pm_governance *gov, const pm_network_config *config,
                                 const char *genesis, const char *url, const char *hash,
                                 int64_t height, pm_runtime *runtime, uint16_t prefix)
{
    pm_governance_end(gov);
    gov->config = config;
    gov->url = url;
    gov->height = height;
    gov->prefix = prefix;
    gov->runtime = pm_runtime_ref(runtime);
    gov->kind = pm_governance_kind(runtime);
    gov->stage = PM_GOV_COUNTS;
    memcpy(gov->hash, hash, PM_HASH_TEXT);
    find_items(gov);
    pm_buf_text(&gov->stalled, "null");
    pm_buf_text(&gov->proposals, "[]");
    return keep_chain(gov, genesis);
}

void pm_governance_stalled(pm_governance *gov, const char *url, const char *hash,
                           const pm_runtime *runtime)
{
    gov->has_stalled = pm_storage_find(runtime->metadata, "Grandpa", "Stalled", &gov->stalled_item);
    pm_query_begin(&gov->stalled_query, url, hash);
}

void pm_gov_ask(pm_governance *gov, panicmon_round *round, pm_gov_item item, const pm_key_arg *args,
                size_t count)
{
    if (gov->has[item]) {
        pm_query_add(&gov->query, round, &gov->items[item], args, count);
    }
}

void pm_gov_fail(pm_governance *gov, const char *method, const panicmon_reply *reply)
{
    gov->stage = PM_GOV_FAILED;
    gov->shape = pm_reply_ok(reply);
    gov->status = gov->shape ? PANICMON_ERR_PROTOCOL : panicmon_reply_status(reply);
    gov->method = method;
    pm_buf_clear(&gov->message);
    pm_buf_text(&gov->message, panicmon_reply_message(reply));
}

/* ---- COUNTS ---- */

static panicmon_err ask_counts(pm_governance *gov, panicmon_round *round)
{
    pm_query_begin(&gov->query, gov->url, gov->hash);
    pm_gov_ask(gov, round, PM_GOV_PROP_COUNT, NULL, 0);
    pm_gov_ask(gov, round, PM_GOV_PROPS, NULL, 0);
    pm_gov_ask(gov, round, PM_GOV_COUNT, NULL, 0);
    pm_gov_ask(gov, round, PM_GOV_ISSUANCE, NULL, 0);
    pm_gov_ask(gov, round, PM_GOV_INACTIVE, NULL, 0);
    pm_gov_ask(gov, round, PM_GOV_RELAY_BLOCK, NULL, 0);
    if (gov->has_stalled) {
        pm_query_add(&gov->stalled_query, round, &gov->stalled_item, NULL, 0);
    }
    panicmon_err status = pm_query_send(&gov->query, round);
    return status == PANICMON_OK ? pm_query_send(&gov->stalled_query, round) : status;
}

static uint32_t read_u32(pm_governance *gov, pm_gov_item item)
{
    pm_value value;
    uint32_t number = 0;
    if (gov->has[item] &&
        pm_query_value(&gov->query, &gov->items[item], NULL, 0, &value, NULL) == PANICMON_OK) {
        (void)pm_value_u32(value, &number);
    }
    return number;
}

static pm_u128 read_u128(pm_governance *gov, pm_gov_item item)
{
    pm_value value;
    pm_u128 number = {0};
    if (gov->has[item] &&
        pm_query_value(&gov->query, &gov->items[item], NULL, 0, &value, NULL) == PANICMON_OK) {
        (void)pm_value_u128(value, &number);
    }
    return number;
}

static void read_stalled(pm_governance *gov)
{
    pm_value value;
    pm_render_options options = {.form = PM_FORM_POLKADOT_JS};
    if (gov->has_stalled &&
        pm_query_value(&gov->stalled_query, &gov->stalled_item, NULL, 0, &value, NULL) ==
            PANICMON_OK &&
        !pm_value_absent(value)) {
        pm_buf_clear(&gov->stalled);
        if (pm_render(value, &options, &gov->stalled, NULL) != PANICMON_OK) {
            pm_buf_clear(&gov->stalled);
            pm_buf_text(&gov->stalled, "null");
        }
    }
}

static panicmon_err room_for(pm_governance *gov, size_t count)
{
    if (count > gov->referendum_count) {
        pm_referendum *list = realloc(gov->referenda, count * sizeof *list);
        if (list == NULL) {
            return PANICMON_ERR_NOMEM;
        }
        memset(list + gov->referendum_count, 0, (count - gov->referendum_count) * sizeof *list);
        gov->referenda = list;
        gov->referendum_count = count;
    }
    return PANICMON_OK;
}

static panicmon_err take_counts(pm_governance *gov, panicmon_round *round)
{
    const panicmon_reply *failed = pm_query_take(&gov->query, round);
    if (failed == NULL) {
        failed = pm_query_take(&gov->stalled_query, round);
    }
    if (failed != NULL) {
        pm_gov_fail(gov, "state_queryStorageAt", failed);
        return PANICMON_OK;
    }
    read_stalled(gov);
    gov->prop_count = read_u32(gov, PM_GOV_PROP_COUNT);
    gov->count = read_u32(gov, PM_GOV_COUNT);
    gov->count = gov->count > REFERENDA_MAX ? REFERENDA_MAX : gov->count;
    gov->issuance = read_u128(gov, PM_GOV_ISSUANCE);
    pm_u128 inactive = read_u128(gov, PM_GOV_INACTIVE);
    gov->issuance.high -= inactive.high + (gov->issuance.low < inactive.low);
    gov->issuance.low -= inactive.low;
    gov->relay_block = read_u128(gov, PM_GOV_RELAY_BLOCK).low;
    if (gov->has[PM_GOV_PROPS]) {
        pm_json raw = pm_query_raw(&gov->query, &gov->items[PM_GOV_PROPS], NULL, 0);
        if (raw.text != NULL && !pm_hex_parse(raw.text, raw.len, &gov->props)) {
            pm_buf_clear(&gov->props);
        }
    }
    gov->stage = PM_GOV_INFOS;
    return room_for(gov, gov->count);
}

/* ---- INFOS ---- */

/* Asks for the deposits and images of the proposals. */
static void ask_proposals(pm_governance *gov, panicmon_round *round)
{
    pm_value list;
    pm_value one;
    pm_value_iter at = {0};
    if (gov->props.len == 0 ||
        pm_value_of_storage(&gov->items[PM_GOV_PROPS], (const uint8_t *)gov->props.data,
                            gov->props.len, &list, NULL) != PANICMON_OK) {
        return;
    }
    while (pm_value_next(list, &at, &one)) {
        uint32_t index;
        const uint8_t *hash;
        if (pm_value_u32(pm_value_at(one, 0), &index)) {
            pm_key_arg arg = pm_key_arg_u32(index);
            pm_gov_ask(gov, round, PM_GOV_DEPOSIT, &arg, 1);
        }
        if (pm_value_account(pm_value_at(one, 1), &hash)) {
            pm_key_arg arg = pm_key_arg_account(hash);
            pm_gov_ask(gov, round, PM_GOV_PREIMAGE, &arg, 1);
        }
    }
}

static panicmon_err ask_infos(pm_governance *gov, panicmon_round *round)
{
    pm_query_begin(&gov->query, gov->url, gov->hash);
    ask_proposals(gov, round);
    for (uint32_t i = 0; i < gov->count; i++) {
        if (!gov->referenda[i].over) {
            pm_key_arg arg = pm_key_arg_u32(i);
            pm_gov_ask(gov, round, PM_GOV_INFO, &arg, 1);
        }
    }
    return pm_query_send(&gov->query, round);
}

static panicmon_err take_infos(pm_governance *gov, panicmon_round *round)
{
    const panicmon_reply *failed = pm_query_take(&gov->query, round);
    bool ongoing = false;
    if (failed != NULL) {
        pm_gov_fail(gov, "state_queryStorageAt", failed);
        return PANICMON_OK;
    }
    panicmon_err status = pm_proposals_read(gov);
    for (uint32_t i = 0; status == PANICMON_OK && i < gov->count; i++) {
        pm_key_arg arg = pm_key_arg_u32(i);
        pm_value info = {0};
        if (gov->referenda[i].over) {
            continue;
        }
        if (pm_query_value(&gov->query, &gov->items[PM_GOV_INFO], &arg, 1, &info, NULL) !=
            PANICMON_OK) {
            info = (pm_value){0}; /* null, and asked for again in the next round */
        }
        status = pm_referendum_read(gov, &gov->referenda[i], pm_value_some(info));
        gov->referenda[i].over = gov->referenda[i].over && !pm_value_absent(info);
        ongoing = ongoing || gov->referenda[i].ongoing;
    }
    gov->stage = ongoing && gov->has[PM_GOV_VOTING] ? PM_GOV_KEYS : PM_GOV_DONE;
    return status;
}

/* ---- the machine ---- */

static panicmon_err take(pm_governance *gov, panicmon_round *round)
{
    switch (gov->stage) {
    case PM_GOV_COUNTS:
        return take_counts(gov, round);
    case PM_GOV_INFOS:
        return take_infos(gov, round);
    case PM_GOV_KEYS:
        return pm_gov_take_keys(gov, round);
    case PM_GOV_VOTES:
        return pm_gov_take_votes(gov, round);
    case PM_GOV_DONE:
    case PM_GOV_FAILED:
        break;
    }
    return PANICMON_OK;
}

/* `*some`: replies are to come. */
static panicmon_err ask(pm_governance *gov, panicmon_round *round, bool *some)
{
    panicmon_err status = PANICMON_OK;
    *some = gov->stage == PM_GOV_KEYS;
    switch (gov->stage) {
    case PM_GOV_COUNTS:
        status = ask_counts(gov, round);
        *some = gov->query.request_count + gov->stalled_query.request_count > 0;
        break;
    case PM_GOV_INFOS:
        status = ask_infos(gov, round);
        *some = gov->query.request_count > 0;
        break;
    case PM_GOV_KEYS:
        return pm_gov_ask_keys(gov, round);
    case PM_GOV_VOTES:
        status = pm_gov_ask_votes(gov, round);
        *some = gov->query.request_count > 0;
        break;
    case PM_GOV_DONE:
    case PM_GOV_FAILED:
        break;
    }
    return status;
}

panicmon_err pm_governance_step(pm_governance *gov, panicmon_round *round)
{
    panicmon_err status = PANICMON_OK;
    if (gov->asked) {
        gov->asked = false;
        status = take(gov, round);
    }
    while (status == PANICMON_OK && !gov->asked && gov->stage < PM_GOV_DONE) {
        status = ask(gov, round, &gov->asked);
        if (status == PANICMON_OK && !gov->asked) {
            status = take(gov, round);
        }
    }
    pm_query_forget(&gov->query);
    pm_query_forget(&gov->stalled_query);
    return status;
}

void pm_governance_end(pm_governance *gov)
{
    pm_runtime_unref(gov->shared, gov->runtime);
    gov->runtime = NULL;
    pm_gov_drop_voters(gov);
    free(gov->votes);
    free(gov->delegations);
    gov->votes = NULL;
    gov->delegations = NULL;
    gov->vote_count = gov->delegation_count = 0;
    gov->prop_count = gov->count = 0;
    gov->issuance = (pm_u128){0};
    gov->relay_block = 0;
    gov->pages = 0;
    gov->some_votes_only = false;
    gov->asked = false;
    gov->has_stalled = false;
    pm_buf_clear(&gov->stalled);
    pm_buf_clear(&gov->proposals);
    pm_buf_clear(&gov->props);
    pm_buf_clear(&gov->message);
}

void pm_governance_free(pm_governance *gov)
{
    pm_governance_end(gov);
    for (size_t i = 0; i < gov->referendum_count; i++) {
        pm_referendum_clear(&gov->referenda[i]);
    }
    free(gov->referenda);
    free(gov->voters);
    free(gov->chain);
    pm_query_free(&gov->query);
    pm_query_free(&gov->stalled_query);
    pm_buf_free(&gov->stalled);
    pm_buf_free(&gov->proposals);
    pm_buf_free(&gov->props);
    pm_buf_free(&gov->message);
}
