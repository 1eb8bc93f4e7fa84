/* network_open.c: from the referenda of OpenGov to what the sample says of them. */
#include <string.h>

#include "substrate/curve.h"
#include "substrate/network_fetch.h"

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

/* The number of the block by which the referenda of this chain are timed: a parachain may take the
 * relay chain's. `submitted` lies in the past. */
static uint64_t block_now(const pm_governance *gov, uint64_t submitted)
{
    uint64_t own = gov->height > 0 ? (uint64_t)gov->height : 0;
    return submitted > own && gov->relay_block > own ? gov->relay_block : own;
}

/* Whether it would be confirmed, did the present votes stay: it has the approval and the support
 * that its track asks for at this time of the decision period. One that is not decided on yet is
 * judged as if that period began now. */
static bool open_passing(const pm_governance *gov, const pm_referendum *referendum,
                         pm_value deciding, pm_value info, uint64_t now)
{
    uint64_t since = now;
    uint64_t period = 0;
    pm_curve approval;
    pm_curve support;
    (void)pm_value_u64(pm_value_field(deciding, "since"), &since);
    (void)pm_value_u64(pm_value_field(info, "decision_period"), &period);
    uint64_t elapsed = now > since ? now - since : 0;
    uint32_t x =
        pm_perbill((pm_u128){.low = elapsed < period ? elapsed : period}, (pm_u128){.low = period});
    pm_u128 votes = referendum->ayes;
    votes.low += referendum->nays.low;
    votes.high += referendum->nays.high + (votes.low < referendum->nays.low);
    if ((votes.low | votes.high) == 0) {
        votes.low = 1;
    }
    if (!pm_curve_read(pm_value_field(info, "min_approval"), &approval) ||
        !pm_curve_read(pm_value_field(info, "min_support"), &support)) {
        return pm_perbill(referendum->ayes, votes) > PM_BILLION / 2; /* a track without curves */
    }
    return pm_perbill(referendum->ayes, votes) >= pm_curve_at(&approval, x) &&
           pm_perbill(referendum->turnout, gov->issuance) >= pm_curve_at(&support, x);
}

static uint64_t open_delay(pm_value enactment, uint64_t now)
{
    uint64_t block = 0;
    pm_name name;
    pm_value fields;
    if (!pm_value_variant(enactment, &name, NULL, &fields)) {
        return 0;
    }
    if (!pm_value_u64(fields, &block)) {
        (void)pm_value_u64(pm_value_at(fields, 0), &block);
    }
    if (pm_name_is(name, "At")) {
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

void pm_open_read(pm_governance *gov, pm_referendum *out, pm_value fields, pm_buf *status)
{
    pm_value tally = pm_value_field(fields, "tally");
    (void)pm_value_u32(pm_value_field(fields, "track"), &out->class);
    (void)pm_gov_proposal_hash(pm_value_field(fields, "proposal"), out->hash);
    pm_gov_read_tally(out, tally);
    out->threshold = 'O';
    pm_value info = track_info(gov, out->class);
    uint64_t submitted = 0;
    (void)pm_value_u64(pm_value_field(fields, "submitted"), &submitted);
    uint64_t now = block_now(gov, submitted);
    out->passing =
        open_passing(gov, out, pm_value_some(pm_value_field(fields, "deciding")), info, now);
    pm_buf_format(status, "{\"end\": %llu, \"proposalHash\": \"%s\", \"threshold\": ",
                  (unsigned long long)open_end(gov, fields, info), out->hash);
    add_track(status, out->class, info);
    pm_buf_format(status, ", \"delay\": %llu, \"tally\": {\"ayes\": ",
                  (unsigned long long)open_delay(pm_value_field(fields, "enactment"), now));
    pm_gov_add_js(status, gov, pm_value_field(tally, "ayes"));
    pm_buf_text(status, ", \"nays\": ");
    pm_gov_add_js(status, gov, pm_value_field(tally, "nays"));
    pm_buf_text(status, ", \"turnout\": ");
    pm_gov_add_js(status, gov, pm_gov_either(tally, "turnout", "support"));
    pm_buf_text(status, "}}");
}
