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

static void add_js(pm_buf *out, const pm_governance *gov, pm_value value)
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
static bool proposal_hash(pm_value proposal, char out[PM_HASH_TEXT])
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
static pm_value either(pm_value fields, const char *name, const char *other)
{
    pm_value value = pm_value_field(fields, name);
    return pm_value_absent(value) ? pm_value_field(fields, other) : value;
}

static void read_tally(pm_referendum *out, pm_value tally)
{
    (void)pm_value_u128(pm_value_field(tally, "ayes"), &out->ayes);
    (void)pm_value_u128(pm_value_field(tally, "nays"), &out->nays);
    (void)pm_value_u128(either(tally, "turnout", "support"), &out->turnout);
}

/* ---- Democracy ---- */

static void read_democracy(pm_governance *gov, pm_referendum *out, pm_value fields, pm_buf *status)
{
    pm_value threshold = pm_value_field(fields, "threshold");
    (void)proposal_hash(either(fields, "proposal_hash", "proposal"), out->hash);
    read_tally(out, pm_value_field(fields, "tally"));
    out->threshold = pm_value_is(threshold, "SimpleMajority")         ? 'M'
                     : pm_value_is(threshold, "SuperMajorityApprove") ? 'A'
                                                                      : 'G';
    pm_buf_text(status, "{\"end\": ");
    add_js(status, gov, pm_value_field(fields, "end"));
    pm_buf_format(status, ", \"proposalHash\": \"%s\", \"threshold\": ", out->hash);
    add_js(status, gov, threshold);
    pm_buf_text(status, ", \"delay\": ");
    add_js(status, gov, pm_value_field(fields, "delay"));
    pm_buf_text(status, ", \"tally\": ");
    add_js(status, gov, pm_value_field(fields, "tally"));
    pm_buf_char(status, '}');
}

/* ---- OpenGov ---- */

/* The description of a track in the constant Referenda.Tracks: [(id, info)] or [{id, info}]. */
static pm_value track_info(const pm_governance *gov, uint32_t track)
{
    pm_constant constant;
    pm_value tracks;
    pm_value one;
    pm_value_iter at = {0};
    uint32_t id;
    if (!pm_constant_find(gov->runtime->metadata, "Referenda", "Tracks", &constant) ||
        pm_value_of_constant(gov->runtime->metadata, &constant, &tracks, NULL) != PANICMON_OK) {
        return (pm_value){0};
    }
    while (pm_value_next(tracks, &at, &one)) {
        pm_value first = pm_value_field(one, "id");
        pm_value second = pm_value_field(one, "info");
        first = pm_value_absent(first) ? pm_value_at(one, 0) : first;
        second = pm_value_absent(second) ? pm_value_at(one, 1) : second;
        if (pm_value_u32(first, &id) && id == track) {
            return second;
        }
    }
    return (pm_value){0};
}

/* When it ends as things stand: confirmed, decided, or timed out. */
static uint64_t open_end(const pm_governance *gov, pm_value fields, pm_value info)
{
    uint64_t since = 0;
    uint64_t period = 0;
    pm_value deciding = pm_value_some(pm_value_field(fields, "deciding"));
    if (pm_value_u64(pm_value_some(pm_value_field(deciding, "confirming")), &since)) {
        return since;
    }
    if (pm_value_u64(pm_value_field(deciding, "since"), &since)) {
        (void)pm_value_u64(pm_value_field(info, "decision_period"), &period);
        return since + period;
    }
    (void)pm_value_u64(pm_value_field(fields, "submitted"), &since);
    (void)pm_constant_u64(gov->runtime->metadata, "Referenda", "UndecidingTimeout", &period);
    return since + period;
}

static uint64_t open_delay(const pm_governance *gov, pm_value enactment)
{
    uint64_t block = 0;
    pm_value fields;
    if (!fields_of(enactment, &fields)) {
        return 0;
    }
    if (!pm_value_u64(fields, &block)) {
        (void)pm_value_u64(pm_value_at(fields, 0), &block);
    }
    if (pm_value_is(enactment, "At")) {
        uint64_t now = (uint64_t)gov->height;
        return block > now ? block - now : 0;
    }
    return block;
}

static void add_track(pm_buf *status, uint32_t track, pm_value info)
{
    pm_name name;
    const uint8_t *bytes;
    size_t len;
    pm_value value = pm_value_field(info, "name");
    if (pm_value_text(value, &name)) {
        bytes = (const uint8_t *)name.text;
        len = name.len;
    } else if (!pm_value_bytes(value, &bytes, &len)) {
        bytes = NULL;
    }
    while (bytes != NULL && len > 0 && bytes[len - 1] == 0) {
        len--; /* text of a fixed length has zeros behind it */
    }
    if (bytes != NULL) {
        pm_buf_json_string(status, (const char *)bytes, len);
    } else {
        pm_buf_format(status, "\"track %lu\"", (unsigned long)track);
    }
}

static void read_open(pm_governance *gov, pm_referendum *out, pm_value fields, pm_buf *status)
{
    pm_value tally = pm_value_field(fields, "tally");
    (void)pm_value_u32(pm_value_field(fields, "track"), &out->class);
    (void)proposal_hash(pm_value_field(fields, "proposal"), out->hash);
    read_tally(out, tally);
    out->threshold = 'M';
    pm_value info = track_info(gov, out->class);
    pm_buf_format(status, "{\"end\": %llu, \"proposalHash\": \"%s\", \"threshold\": ",
                  (unsigned long long)open_end(gov, fields, info), out->hash);
    add_track(status, out->class, info);
    pm_buf_format(status, ", \"delay\": %llu, \"tally\": {\"ayes\": ",
                  (unsigned long long)open_delay(gov, pm_value_field(fields, "enactment")));
    add_js(status, gov, pm_value_field(tally, "ayes"));
    pm_buf_text(status, ", \"nays\": ");
    add_js(status, gov, pm_value_field(tally, "nays"));
    pm_buf_text(status, ", \"turnout\": ");
    add_js(status, gov, either(tally, "turnout", "support"));
    pm_buf_text(status, "}}");
}

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
            read_open(gov, out, fields, &status);
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
                !proposal_hash(pm_value_at(one, 1), hash)) {
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
