/* network_view.c: the sample of a chain's network. No state. */
#include "substrate/network_fetch.h"

#include <string.h>

#include "base/url.h"
#include "base/clock.h"

/* Wide enough for products of balances. */
__extension__ typedef unsigned __int128 wide;

static void add_text(pm_buf *out, const char *text)
{
    pm_buf_json_string(out, text, strlen(text));
}

void pm_network_account(pm_buf *out, const pm_network_config *config, uint16_t prefix,
                        const uint8_t *account)
{
    char text[PM_SS58_TEXT];
    for (size_t i = 0; i < config->address_count; i++) {
        if (config->addresses[i].is_account &&
            memcmp(config->addresses[i].account, account, PM_ACCOUNT_SIZE) == 0) {
            add_text(out, config->addresses[i].text);
            return;
        }
    }
    if (pm_ss58_encode(account, prefix, text) > 0) {
        add_text(out, text);
    } else {
        pm_buf_text(out, "null");
    }
}

static void add_meta_data(pm_buf *out, const pm_network_config *config, const char *monitor_name)
{
    int64_t now = pm_wall_us();
    pm_buf_text(out, "\"meta_data\": {\"monitor_name\": ");
    add_text(out, monitor_name);
    pm_buf_text(out, ", \"parent_id\": ");
    add_text(out, config->parent_id);
    pm_buf_text(out, ", \"chain_name\": ");
    add_text(out, config->chain_name);
    pm_buf_format(out, ", \"time\": %lld.%06d, \"governance_addresses\": [",
                  (long long)(now / 1000000), (int)(now % 1000000));
    for (size_t i = 0; i < config->address_count; i++) {
        pm_buf_text(out, i > 0 ? ", " : "");
        add_text(out, config->addresses[i].text);
    }
    pm_buf_text(out, "]}");
}

static void add_u128(pm_buf *out, const char *name, pm_u128 value)
{
    pm_buf_format(out, "\"%s\": \"0x%016llx%016llx\", ", name, (unsigned long long)value.high,
                  (unsigned long long)value.low);
}

static void add_vote(pm_buf *out, const pm_governance *gov, const pm_vote *vote)
{
    pm_buf_text(out, "{\"accountId\": ");
    pm_network_account(out, gov->config, gov->prefix, vote->account);
    pm_buf_format(out,
                  ", \"isDelegating\": %s, \"vote\": \"0x%02x\", "
                  "\"balance\": \"0x%016llx%016llx\"}",
                  vote->delegating ? "true" : "false", vote->vote,
                  (unsigned long long)vote->balance.high, (unsigned long long)vote->balance.low);
}

typedef enum which { AYES, NAYS, ALL } which;

/* Appends the votes of a referendum as an array; gives how many. */
static size_t add_votes(pm_buf *out, const pm_governance *gov, uint32_t referendum, which wanted)
{
    size_t count = 0;
    pm_buf_char(out, '[');
    for (size_t i = 0; i < gov->vote_count; i++) {
        const pm_vote *vote = &gov->votes[i];
        bool aye = (vote->vote & 0x80) != 0;
        if (vote->referendum == referendum && (wanted == ALL || aye == (wanted == AYES))) {
            pm_buf_text(out, count++ > 0 ? ", " : "");
            add_vote(out, gov, vote);
        }
    }
    pm_buf_char(out, ']');
    return count;
}

/* ---- is it passing? ---- */

static wide wide_of(pm_u128 value)
{
    return (wide)value.high << 64 | value.low;
}

static wide square_root(wide value)
{
    wide low = 0;
    wide high = (wide)1 << 64;
    while (high - low > 1) {
        wide middle = low + (high - low) / 2;
        if (middle <= value / middle) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return value == 0 ? 0 : low;
}

/* n1/d1 < n2/d2, without a product that would not fit. */
static bool is_less(wide n1, wide d1, wide n2, wide d2)
{
    while (d1 != 0 && d2 != 0) {
        wide q1 = n1 / d1;
        wide q2 = n2 / d2;
        wide r1 = n1 % d1;
        wide r2 = n2 % d2;
        if (q1 != q2) {
            return q1 < q2;
        }
        if (r2 == 0) {
            return false;
        }
        if (r1 == 0) {
            return true;
        }
        n1 = d2;
        n2 = d1;
        d1 = r2;
        d2 = r1;
    }
    return d1 != 0; /* n2/0 is above all */
}

static bool is_passing(const pm_governance *gov, const pm_referendum *referendum)
{
    wide ayes = wide_of(referendum->ayes);
    wide nays = wide_of(referendum->nays);
    wide voters = square_root(wide_of(referendum->turnout));
    wide electorate = square_root(wide_of(gov->issuance));
    if (referendum->threshold == 'O') {
        return referendum->passing;
    }
    if (referendum->threshold == 'M') {
        return ayes > nays;
    }
    return voters != 0 && (referendum->threshold == 'A' ? is_less(nays, voters, ayes, electorate)
                                                        : is_less(nays, electorate, ayes, voters));
}

static void add_active(pm_buf *out, const pm_governance *gov, uint32_t index)
{
    const pm_referendum *referendum = &gov->referenda[index];
    pm_buf_format(out,
                  "{\"imageHash\": \"%s\", \"index\": \"0x%08lx\", \"status\": %s, \"allAye\": ",
                  referendum->hash, (unsigned long)index, referendum->status);
    size_t ayes = add_votes(out, gov, index, AYES);
    pm_buf_text(out, ", \"allNay\": ");
    size_t nays = add_votes(out, gov, index, NAYS);
    pm_buf_format(out, ", \"voteCount\": %zu, \"voteCountAye\": %zu, \"voteCountNay\": %zu, ",
                  ayes + nays, ayes, nays);
    add_u128(out, "votedAye", referendum->ayes);
    add_u128(out, "votedNay", referendum->nays);
    add_u128(out, "votedTotal", referendum->turnout);
    pm_buf_format(out,
                  "\"isPassing\": %s, \"votes\": ", is_passing(gov, referendum) ? "true" : "false");
    (void)add_votes(out, gov, index, ALL);
    pm_buf_char(out, '}');
}

static void add_referenda(pm_buf *out, const pm_governance *gov)
{
    bool some = false;
    pm_buf_format(out, "\"referendum_count\": %lu, \"active_referendums\": [",
                  (unsigned long)gov->count);
    for (uint32_t i = 0; i < gov->count; i++) {
        if (gov->referenda[i].ongoing) {
            pm_buf_text(out, some ? ", " : "");
            add_active(out, gov, i);
            some = true;
        }
    }
    pm_buf_text(out, "], \"all_referendums\": {");
    for (uint32_t i = 0; i < gov->count; i++) {
        pm_buf_format(out, "%s\"%lu\": %s", i > 0 ? ", " : "", (unsigned long)i,
                      gov->referenda[i].json == NULL ? "null" : gov->referenda[i].json);
    }
    pm_buf_text(out, "}, ");
}

/* ---- ours ---- */

static void add_extras(pm_buf *out, const pm_governance *gov, const char *source_url)
{
    bool some = false;
    pm_buf_text(out, "\"panicmon\": {\"absent\": {");
    if (!gov->has_stalled) {
        pm_buf_text(out, "\"grandpa_stalled\": \"the chain has no Grandpa.Stalled\"");
        some = true;
    }
    if (gov->kind == PM_GOV_NONE) {
        pm_buf_format(out, "%s\"referendum_count\": \"the chain has no governance pallet\"",
                      some ? ", " : "");
        some = true;
    }
    if (gov->kind != PM_GOV_DEMOCRACY) {
        pm_buf_format(out, "%s\"public_prop_count\": \"the chain has no public proposals\"",
                      some ? ", " : "");
        some = true;
    }
    if (gov->some_votes_only) {
        pm_buf_format(out,
                      "%s\"votes\": \"too many accounts vote: those of the governance addresses "
                      "are listed\"",
                      some ? ", " : "");
    }
    pm_buf_format(out, "}, \"governance\": %s, \"height\": %lld, \"governance_source\": ",
                  gov->kind == PM_GOV_DEMOCRACY ? "\"democracy\""
                  : gov->kind == PM_GOV_OPEN    ? "\"opengov\""
                                                : "null",
                  (long long)gov->height);
    add_text(out, gov->url);
    pm_buf_text(out, ", \"source\": ");
    pm_url_add_public(out, source_url);
    pm_buf_char(out, '}');
}

void pm_network_sample(pm_buf *out, const pm_network_config *config, const char *monitor_name,
                       const pm_governance *gov, const char *source_url)
{
    pm_buf_text(out, "{\"websocket\": {\"result\": {");
    add_meta_data(out, config, monitor_name);
    pm_buf_format(out,
                  ", \"data\": {\"grandpa_stalled\": %s, \"public_prop_count\": \"0x%08lx\", "
                  "\"active_proposals\": %s, ",
                  gov->stalled.len > 0 ? gov->stalled.data : "null", (unsigned long)gov->prop_count,
                  gov->proposals.len > 0 ? gov->proposals.data : "[]");
    add_referenda(out, gov);
    add_extras(out, gov, source_url);
    pm_buf_text(out, "}}}}");
}

void pm_network_error_sample(pm_buf *out, const pm_network_config *config, const char *monitor_name,
                             int code, const char *message)
{
    pm_buf_text(out, "{\"websocket\": {\"error\": {");
    add_meta_data(out, config, monitor_name);
    pm_buf_text(out, ", \"message\": ");
    add_text(out, message);
    pm_buf_format(out, ", \"code\": %d}}}", code);
}
