/* network_read.c: from the values of governance pallets to what the sample says of them. */
#include "substrate/network_fetch.h"

#include <stdlib.h>
#include <string.h>

#include "substrate/render.h"

static pm_render_options js_options(const pm_governance *gov)
{
    return (pm_render_options){
        .form = PM_FORM_POLKADOT_JS, .ss58_set = true, .ss58_prefix = gov->prefix};
}

void pm_gov_add_js(pm_buf *out, const pm_governance *gov, pm_value value)
{
    pm_render_options options = js_options(gov);
    if (pm_value_absent(value) || pm_render(value, &options, out, NULL) != PANICMON_OK) {
        pm_buf_text(out, "null");
    }
}

static bool fields_of(pm_value variant, pm_value *fields)
{
    pm_name name;
    return pm_value_variant(variant, &name, NULL, fields);
}

/* The hash of a proposal: plain, or in (or of) a bounded call. */
bool pm_gov_proposal_hash(pm_value proposal, char out[PM_HASH_TEXT])
{
    const uint8_t *hash = NULL;
    const uint8_t *bytes;
    size_t len;
    uint8_t digest[32];
    pm_value fields;
    pm_buf text = {0};
    if (!pm_value_account(proposal, &hash) && fields_of(proposal, &fields)) {
        if (!pm_value_account(pm_value_field(fields, "hash"), &hash) &&
            (pm_value_bytes(fields, &bytes, &len) ||
             pm_value_bytes(pm_value_at(fields, 0), &bytes, &len)) &&
            pm_value_is(proposal, "Inline") && pm_blake2b(bytes, len, digest, sizeof digest)) {
            hash = digest;
        }
    }
    if (hash != NULL) {
        pm_hex_add_0x(&text, hash, 32);
    }
    bool made = hash != NULL && !text.failed && text.len == PM_HASH_TEXT - 1;
    if (made) {
        memcpy(out, text.data, PM_HASH_TEXT);
    }
    pm_buf_free(&text);
    return made;
}

void pm_referendum_clear(pm_referendum *referendum)
{
    free(referendum->json);
    free(referendum->status);
    *referendum = (pm_referendum){0};
}

/* The first of the names that is there. */
pm_value pm_gov_either(pm_value fields, const char *name, const char *other)
{
    pm_value value = pm_value_field(fields, name);
    return pm_value_absent(value) ? pm_value_field(fields, other) : value;
}

void pm_gov_read_tally(pm_referendum *out, pm_value tally)
{
    (void)pm_value_u128(pm_value_field(tally, "ayes"), &out->ayes);
    (void)pm_value_u128(pm_value_field(tally, "nays"), &out->nays);
    (void)pm_value_u128(pm_gov_either(tally, "turnout", "support"), &out->turnout);
}

/* ---- Democracy ---- */

static void read_democracy(pm_governance *gov, pm_referendum *out, pm_value fields, pm_buf *status)
{
    pm_value threshold = pm_value_field(fields, "threshold");
    (void)pm_gov_proposal_hash(pm_gov_either(fields, "proposal_hash", "proposal"), out->hash);
    pm_gov_read_tally(out, pm_value_field(fields, "tally"));
    out->threshold = pm_value_is(threshold, "SimpleMajority")         ? 'M'
                     : pm_value_is(threshold, "SuperMajorityApprove") ? 'A'
                                                                      : 'G';
    pm_buf_text(status, "{\"end\": ");
    pm_gov_add_js(status, gov, pm_value_field(fields, "end"));
    pm_buf_format(status, ", \"proposalHash\": \"%s\", \"threshold\": ", out->hash);
    pm_gov_add_js(status, gov, threshold);
    pm_buf_text(status, ", \"delay\": ");
    pm_gov_add_js(status, gov, pm_value_field(fields, "delay"));
    pm_buf_text(status, ", \"tally\": ");
    pm_gov_add_js(status, gov, pm_value_field(fields, "tally"));
    pm_buf_char(status, '}');
}

/* ---- either ---- */

static void add_finished(pm_buf *json, pm_value info, pm_value fields)
{
    uint64_t end = 0;
    bool approved = pm_value_is(info, "Approved");
    if (pm_value_is(info, "Finished")) {
        (void)pm_value_bool(pm_value_field(fields, "approved"), &approved);
        (void)pm_value_u64(pm_value_field(fields, "end"), &end);
    } else if (!pm_value_u64(pm_value_at(fields, 0), &end)) {
        (void)pm_value_u64(fields, &end);
    }
    pm_buf_format(json, "{\"finished\": {\"approved\": %s, \"end\": %llu}}",
                  approved ? "true" : "false", (unsigned long long)end);
}

panicmon_err pm_referendum_read(pm_governance *gov, pm_referendum *out, pm_value info)
{
    pm_buf json = {0};
    pm_buf status = {0};
    pm_value fields = {0};
    pm_referendum_clear(out);
    if (pm_value_absent(info) || !fields_of(info, &fields)) {
        pm_buf_text(&json, "null");
        out->over = true;
    } else if (pm_value_is(info, "Ongoing")) {
        out->ongoing = true;
        if (gov->kind == PM_GOV_DEMOCRACY) {
            read_democracy(gov, out, fields, &status);
        } else {
            pm_open_read(gov, out, fields, &status);
        }
        pm_buf_format(&json, "{\"ongoing\": %s}", status.failed ? "null" : status.data);
    } else {
        add_finished(&json, info, fields);
        out->over = true;
    }
    out->json = pm_buf_take(&json, NULL);
    out->status = out->ongoing ? pm_buf_take(&status, NULL) : NULL;
    pm_buf_free(&status);
    return out->json == NULL || (out->ongoing && out->status == NULL) ? PANICMON_ERR_NOMEM
                                                                      : PANICMON_OK;
}

/* ---- public proposals ---- */

static void add_balance(pm_buf *out, pm_u128 balance)
{
    pm_buf_format(out, "\"0x%016llx%016llx\"", (unsigned long long)balance.high,
                  (unsigned long long)balance.low);
}

/* The image of a proposal, where the chain keeps one with its deposit. */
static void add_image(pm_governance *gov, pm_buf *out, const uint8_t *hash)
{
    pm_key_arg arg = pm_key_arg_account(hash);
    pm_value value;
    pm_u128 deposit = {0};
    uint32_t since = 0;
    const uint8_t *provider;
    if (!gov->has[PM_GOV_PREIMAGE] ||
        pm_query_value(&gov->query, &gov->items[PM_GOV_PREIMAGE], &arg, 1, &value, NULL) !=
            PANICMON_OK ||
        !pm_value_is(value, "Available") ||
        !pm_value_u128(pm_value_field(value, "deposit"), &deposit)) {
        return;
    }
    (void)pm_value_u32(pm_value_field(value, "since"), &since);
    pm_buf_format(out, "\"image\": {\"at\": \"0x%08lx\", \"balance\": ", (unsigned long)since);
    add_balance(out, deposit);
    if (pm_value_account(pm_value_field(value, "provider"), &provider)) {
        pm_buf_text(out, ", \"proposer\": ");
        pm_network_account(out, gov->config, gov->prefix, provider);
    }
    pm_buf_text(out, "}, ");
}

/* (accounts, balance) or, on old chains, (balance, accounts). */
static bool add_deposit(pm_governance *gov, pm_buf *out, uint32_t index)
{
    pm_key_arg arg = pm_key_arg_u32(index);
    pm_value value;
    pm_value one;
    pm_value_iter at = {0};
    pm_u128 balance;
    bool some = false;
    if (!gov->has[PM_GOV_DEPOSIT] || pm_query_value(&gov->query, &gov->items[PM_GOV_DEPOSIT], &arg,
                                                    1, &value, NULL) != PANICMON_OK) {
        return false;
    }
    value = pm_value_some(value);
    pm_value accounts = pm_value_at(value, 0);
    if (!pm_value_u128(pm_value_at(value, 1), &balance)) {
        accounts = pm_value_at(value, 1);
        if (!pm_value_u128(pm_value_at(value, 0), &balance)) {
            return false;
        }
    }
    pm_buf_text(out, "\"balance\": ");
    add_balance(out, balance);
    pm_buf_text(out, ", \"seconds\": [");
    while (pm_value_next(accounts, &at, &one)) {
        const uint8_t *account;
        if (pm_value_account(one, &account)) {
            pm_buf_text(out, some ? ", " : "");
            pm_network_account(out, gov->config, gov->prefix, account);
            some = true;
        }
    }
    pm_buf_char(out, ']');
    return true;
}

panicmon_err pm_proposals_read(pm_governance *gov)
{
    pm_value list;
    pm_value one;
    pm_value_iter at = {0};
    bool some = false;
    pm_buf_clear(&gov->proposals);
    pm_buf_char(&gov->proposals, '[');
    if (gov->has[PM_GOV_PROPS] && gov->props.len > 0 &&
        pm_value_of_storage(&gov->items[PM_GOV_PROPS], (const uint8_t *)gov->props.data,
                            gov->props.len, &list, NULL) == PANICMON_OK) {
        while (pm_value_next(list, &at, &one)) {
            pm_buf item = {0};
            char hash[PM_HASH_TEXT] = "";
            uint32_t index = 0;
            const uint8_t *who;
            const uint8_t *plain;
            if (!pm_value_u32(pm_value_at(one, 0), &index) ||
                !pm_gov_proposal_hash(pm_value_at(one, 1), hash)) {
                continue;
            }
            pm_buf_char(&item, '{');
            if (pm_value_account(pm_value_at(one, 1), &plain)) {
                add_image(gov, &item, plain);
            }
            pm_buf_format(&item, "\"imageHash\": \"%s\", \"index\": \"0x%08lx\", ", hash,
                          (unsigned long)index);
            if (pm_value_account(pm_value_at(one, 2), &who)) {
                pm_buf_text(&item, "\"proposer\": ");
                pm_network_account(&item, gov->config, gov->prefix, who);
                pm_buf_text(&item, ", ");
            }
            if (add_deposit(gov, &item, index) && !item.failed) {
                pm_buf_format(&gov->proposals, "%s%s}", some ? ", " : "", item.data);
                some = true;
            }
            pm_buf_free(&item);
        }
    }
    pm_buf_char(&gov->proposals, ']');
    return gov->proposals.failed ? PANICMON_ERR_NOMEM : PANICMON_OK;
}

/* ---- votes ---- */

static bool add_vote(pm_governance *gov, const pm_vote *vote)
{
    pm_vote *votes = realloc(gov->votes, (gov->vote_count + 1) * sizeof *votes);
    if (votes == NULL) {
        return false;
    }
    gov->votes = votes;
    votes[gov->vote_count++] = *vote;
    return true;
}

static bool read_casting(pm_governance *gov, const uint8_t *account, pm_value list)
{
    pm_value one;
    pm_value_iter at = {0};
    while (pm_value_next(list, &at, &one)) {
        pm_vote vote = {0};
        pm_value cast = pm_value_at(one, 1);
        pm_value fields;
        uint32_t byte = 0;
        memcpy(vote.account, account, PM_ACCOUNT_SIZE);
        if (pm_value_u32(pm_value_at(one, 0), &vote.referendum) &&
            vote.referendum < gov->referendum_count && gov->referenda[vote.referendum].ongoing &&
            pm_value_is(cast, "Standard") && fields_of(cast, &fields) &&
            pm_value_u32(pm_value_field(fields, "vote"), &byte) &&
            pm_value_u128(pm_value_field(fields, "balance"), &vote.balance)) {
            vote.vote = (uint8_t)byte;
            if (!add_vote(gov, &vote)) {
                return false;
            }
        }
    }
    return true;
}

static bool read_delegating(pm_governance *gov, const uint8_t *account, uint32_t class,
                            pm_value fields)
{
    pm_delegation made = {.class = class};
    const uint8_t *target;
    memcpy(made.account, account, PM_ACCOUNT_SIZE);
    if (!pm_value_account(pm_value_field(fields, "target"), &target) ||
        !pm_value_u128(pm_value_field(fields, "balance"), &made.balance)) {
        return true;
    }
    memcpy(made.target, target, PM_ACCOUNT_SIZE);
    pm_name conviction;
    (void)pm_value_variant(pm_value_field(fields, "conviction"), &conviction, &made.conviction,
                           NULL);
    pm_delegation *list = realloc(gov->delegations, (gov->delegation_count + 1) * sizeof *list);
    if (list == NULL) {
        return false;
    }
    gov->delegations = list;
    list[gov->delegation_count++] = made;
    return true;
}

panicmon_err pm_voting_read(pm_governance *gov, const uint8_t *account, uint32_t class,
                            pm_value voting)
{
    pm_value fields;
    bool room = true;
    if (!fields_of(voting, &fields)) {
        return PANICMON_OK;
    }
    if (pm_value_is(voting, "Delegating")) {
        room = read_delegating(gov, account, class, fields);
    } else {
        pm_value list = pm_value_field(fields, "votes");
        room = read_casting(gov, account, list);
    }
    return room ? PANICMON_OK : PANICMON_ERR_NOMEM;
}

static const pm_vote *vote_of(const pm_governance *gov, uint32_t referendum, const uint8_t *account)
{
    for (size_t i = 0; i < gov->vote_count; i++) {
        if (gov->votes[i].referendum == referendum &&
            memcmp(gov->votes[i].account, account, PM_ACCOUNT_SIZE) == 0) {
            return &gov->votes[i];
        }
    }
    return NULL;
}

static bool delegates(const pm_governance *gov, const pm_delegation *of)
{
    for (size_t i = 0; i < gov->delegation_count; i++) {
        if (gov->delegations[i].class == of->class &&
            memcmp(gov->delegations[i].account, of->target, PM_ACCOUNT_SIZE) == 0) {
            return true;
        }
    }
    return false;
}

/* Who delegated votes as its target does, where the target votes itself. */
panicmon_err pm_delegations_apply(pm_governance *gov)
{
    for (uint32_t r = 0; r < gov->referendum_count; r++) {
        const pm_referendum *referendum = &gov->referenda[r];
        for (size_t i = 0; referendum->ongoing && i < gov->delegation_count; i++) {
            const pm_delegation *from = &gov->delegations[i];
            const pm_vote *to = from->class != referendum->class || delegates(gov, from)
                                    ? NULL
                                    : vote_of(gov, r, from->target);
            if (to == NULL) {
                continue;
            }
            pm_vote vote = {.referendum = r,
                            .delegating = true,
                            .vote = (uint8_t)((to->vote & 0x80) | (from->conviction & 0x7f)),
                            .balance = from->balance};
            memcpy(vote.account, from->account, PM_ACCOUNT_SIZE);
            if (!add_vote(gov, &vote)) {
                return PANICMON_ERR_NOMEM;
            }
        }
    }
    return PANICMON_OK;
}
