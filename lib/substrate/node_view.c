/* node_view.c: from what a round read to PANIC's sample. No state. */
#include "substrate/node_view.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

static void add_text(pm_buf *out, const char *text)
{
    pm_buf_json_string(out, text, strlen(text));
}

static void add_number(pm_buf *out, pm_maybe number)
{
    if (number.known) {
        pm_buf_int(out, number.value);
    } else {
        pm_buf_text(out, "null");
    }
}

static const char *yes_no(bool value)
{
    return value ? "true" : "false";
}

static void add_literal(pm_buf *out, bool value)
{
    if (value) {
        pm_buf_text(out, "true");
    } else {
        pm_buf_text(out, "false");
    }
}

bool pm_node_texts_make(pm_node_texts *texts, const pm_node_config *config,
                        const char *monitor_name)
{
    pm_buf out = {0};
    pm_buf_text(&out, "\"meta_data\": {\"monitor_name\": ");
    add_text(&out, monitor_name);
    pm_buf_text(&out, ", \"node_name\": ");
    add_text(&out, config->name);
    pm_buf_text(&out, ", \"node_id\": ");
    add_text(&out, config->id);
    pm_buf_text(&out, ", \"node_parent_id\": ");
    add_text(&out, config->parent_id);
    pm_buf_text(&out, ", \"time\": ");
    texts->head_len = out.len;
    pm_buf_text(&out, ", \"is_validator\": ");
    add_literal(&out, config->is_validator);
    pm_buf_text(&out, ", \"stash_address\": ");
    add_text(&out, config->stash_address);
    pm_buf_char(&out, '}');
    texts->tail_len = out.len - texts->head_len;
    texts->data = pm_buf_take(&out, NULL);
    return texts->data != NULL;
}

void pm_node_texts_free(pm_node_texts *texts)
{
    free(texts->data);
    *texts = (pm_node_texts){0};
}

static void add_meta_data(pm_buf *out, const pm_node_texts *texts)
{
    pm_buf_add(out, texts->data, texts->head_len);
    pm_buf_seconds(out, pm_wall_us());
    pm_buf_add(out, texts->data + texts->head_len, texts->tail_len);
}

/* ---- what the chain says of a stash ---- */

static bool in_ledger(const pm_stash *stash, uint32_t era)
{
    for (size_t i = 0; i < stash->claimed_count; i++) {
        if (stash->claimed[i] == era) {
            return true;
        }
    }
    return false;
}

/* Eras with stake of which something is still to be claimed. Without a list of claims nobody knows,
 * and nothing is said. */
static void add_unclaimed(pm_buf *out, const pm_state *state, const pm_stash *stash)
{
    bool some = false;
    pm_buf_text(out, "\"unclaimed_rewards\": [");
    for (size_t i = 0; i < stash->era_count; i++) {
        const pm_era *era = &stash->eras[i];
        if ((stash->has_ledger || state->has_claims) && era->pages != 0 &&
            era->pages != UINT32_MAX && !era->claimed && !in_ledger(stash, era->era)) {
            pm_buf_format(out, "%s%lu", some ? ", " : "", (unsigned long)era->era);
            some = true;
        }
    }
    pm_buf_text(out, "], ");
}

static int compare_eras(const void *a, const void *b)
{
    uint32_t one = *(const uint32_t *)a;
    uint32_t other = *(const uint32_t *)b;
    return (one > other) - (one < other);
}

/* The ledger's list, and on chains that keep claims by era what is claimed there, in order. */
static void add_claimed(pm_buf *out, const pm_state *state, const pm_stash *stash)
{
    size_t count = 0;
    uint32_t *eras = malloc((stash->claimed_count + stash->era_count + 1) * sizeof *eras);
    if (eras == NULL) {
        out->failed = true;
        return;
    }
    for (size_t i = 0; i < stash->claimed_count; i++) {
        eras[count++] = stash->claimed[i];
    }
    for (size_t i = 0; state->has_claims && i < stash->era_count; i++) {
        if (stash->eras[i].claimed && !in_ledger(stash, stash->eras[i].era)) {
            eras[count++] = stash->eras[i].era;
        }
    }
    if (state->has_claims) {
        qsort(eras, count, sizeof *eras, compare_eras);
    }
    pm_buf_text(out, "\"claimed_rewards\": [");
    for (size_t i = 0; i < count; i++) {
        pm_buf_format(out, "%s%lu", i > 0 ? ", " : "", (unsigned long)eras[i]);
    }
    pm_buf_text(out, "], ");
    free(eras);
}

static void add_controller(pm_buf *out, const pm_state *state, const pm_stash *stash)
{
    char text[PM_SS58_TEXT];
    if (stash->bonded && pm_ss58_encode(stash->controller, state->prefix, text) > 0) {
        pm_buf_format(out, "\"controller_address\": \"%s\", ", text);
    } else {
        pm_buf_text(out, "\"controller_address\": null, ");
    }
}

static void add_validator(pm_buf *out, const pm_state *state, const pm_stash *stash)
{
    pm_buf_format(out,
                  "\"authored_blocks\": \"0x%08lx\", \"active\": %s, \"elected\": %s, "
                  "\"disabled\": %s, \"eras_stakers\": %s, \"sent_heartbeat\": %s, ",
                  (unsigned long)stash->authored, yes_no(stash->active), yes_no(stash->elected),
                  yes_no(stash->disabled),
                  stash->exposure != NULL ? stash->exposure->json
                  : pm_reason(&state->reasons, PM_FIELD_STAKERS) != NULL ||
                          pm_reason(&stash->reasons, PM_FIELD_STAKERS) != NULL
                      ? "{\"total\": null, \"own\": null, \"others\": []}"
                      : "{\"total\": 0, \"own\": 0, \"others\": []}",
                  yes_no(stash->heartbeat));
    add_controller(out, state, stash);
    pm_buf_text(out, "\"history_depth_eras\": ");
    add_number(out, state->depth);
    pm_buf_text(out, ", ");
    add_unclaimed(out, state, stash);
    add_claimed(out, state, stash);
    pm_buf_format(out, "\"previous_era_rewards\": %lu, ", (unsigned long)stash->points);
}

static void add_no_validator(pm_buf *out, const pm_state *state)
{
    pm_buf_text(out, "\"authored_blocks\": 0, \"active\": false, \"elected\": false, "
                     "\"disabled\": false, \"eras_stakers\": {\"total\": null, \"own\": null, "
                     "\"others\": []}, \"sent_heartbeat\": false, \"controller_address\": null, "
                     "\"history_depth_eras\": ");
    add_number(out, state->depth);
    pm_buf_text(out, ", \"unclaimed_rewards\": [], \"claimed_rewards\": [], "
                     "\"previous_era_rewards\": 0, ");
}

/* ---- ours, where PANIC's transformer tolerates it: a member of `data` it does not know ---- */

static void add_reason(pm_buf *out, bool *some, const char *field, const char *text)
{
    if (text != NULL) {
        pm_buf_format(out, "%s\"%s\": ", *some ? ", " : "", field);
        add_text(out, text);
        *some = true;
    }
}

static void add_absent(pm_buf *out, const pm_node_view *view, const pm_stash *stash)
{
    const pm_reasons *reasons = &view->state->reasons;
    bool some = false;
    if (reasons->texts == NULL && (stash == NULL || stash->reasons.texts == NULL)) {
        pm_buf_text(out, "\"absent\": {}, ");
        return;
    }
    pm_buf_text(out, "\"absent\": {");
    for (pm_field field = 0; field < PM_FIELD_COUNT; field++) {
        bool any_node =
            field == PM_FIELD_SESSION || field == PM_FIELD_ERA || field == PM_FIELD_DEPTH;
        const char *text = pm_reason(reasons, field);
        if (text == NULL && stash != NULL) {
            text = pm_reason(&stash->reasons, field);
        }
        add_reason(out, &some, pm_field_name(field), stash != NULL || any_node ? text : NULL);
    }
    if (stash != NULL) {
        add_reason(out, &some, "is_offline", pm_reason(reasons, PM_FIELD_HEARTBEAT));
    }
    pm_buf_text(out, "}, ");
}

static void add_health(pm_buf *out, const pm_health *health)
{
    if (!health->known) {
        pm_buf_text(out, "\"peers\": null, \"health\": null, ");
        return;
    }
    pm_buf_text(out, "\"peers\": ");
    pm_buf_int(out, health->peers);
    pm_buf_text(out, ", \"health\": {\"peers\": ");
    pm_buf_int(out, health->peers);
    pm_buf_text(out, ", \"isSyncing\": ");
    add_literal(out, health->is_syncing);
    pm_buf_text(out, ", \"shouldHavePeers\": ");
    add_literal(out, health->should_have_peers);
    pm_buf_text(out, "}, ");
}

static void add_history(pm_buf *out, const pm_history *history)
{
    if (history->pruned > 0 || history->undecoded > 0) {
        pm_buf_format(out, "\"history\": {\"passed_over\": %zu, \"undecoded\": %zu}, ",
                      history->pruned, history->undecoded);
    }
}

static void add_extras(pm_buf *out, const pm_node_view *view, const pm_stash *stash)
{
    const pm_facts *facts = view->heads->facts;
    pm_buf_add(out, facts->in_extras.data, facts->in_extras.len);
    add_health(out, &view->heads->health);
    add_absent(out, view, stash);
    if (stash != NULL) {
        add_history(out, view->history);
    }
    if (view->held) {
        pm_buf_text(out, "\"reported_best_height\": ");
        add_number(out, view->reported_best);
        pm_buf_text(out, ", \"reported_finalized_height\": ");
        add_number(out, view->reported_finalized);
        pm_buf_text(out, ", ");
    }
    if (view->source_stalled) {
        pm_buf_text(out, "\"source_stalled\": true, ");
    }
    if (view->hub != NULL) {
        pm_buf_text(out, "\"asset_hub\": ");
        pm_buf_text(out, view->hub);
        pm_buf_text(out, ", ");
    }
    pm_buf_text(out, "\"source\": ");
    pm_buf_text(out, view->source);
}

void pm_node_sample(pm_buf *out, const pm_node_config *config, const pm_node_texts *texts,
                    const pm_node_view *view)
{
    const pm_state *state = view->state;
    const pm_facts *facts = view->heads->facts;
    const pm_stash *stash = config->is_validator ? pm_state_stash(state, config->account) : NULL;
    pm_buf_text(out, "{\"websocket\": {\"result\": {");
    add_meta_data(out, texts);
    pm_buf_text(out, ", \"data\": {\"best_height\": ");
    add_number(out, view->best);
    pm_buf_text(out, ", \"target_height\": ");
    add_number(out, view->target);
    pm_buf_text(out, ", \"finalized_height\": ");
    add_number(out, view->finalized);
    pm_buf_text(out, ", \"current_session\": ");
    add_number(out, state->session);
    pm_buf_text(out, ", \"current_era\": ");
    add_number(out, state->era);
    pm_buf_text(out, ", ");
    if (stash != NULL) {
        add_validator(out, state, stash);
    } else {
        add_no_validator(out, state);
    }
    pm_buf_add(out, facts->in_data.data, facts->in_data.len);
    if (stash != NULL) {
        pm_history_json(out, view->history, config->account);
    } else {
        pm_buf_text(out, "[]");
    }
    pm_buf_text(out, ", ");
    add_extras(out, view, stash);
    pm_buf_text(out, "}}}}}");
}

void pm_node_error_sample(pm_buf *out, const pm_node_texts *texts, int code, const char *message)
{
    pm_buf_text(out, "{\"websocket\": {\"error\": {");
    add_meta_data(out, texts);
    pm_buf_text(out, ", \"message\": ");
    add_text(out, message);
    pm_buf_format(out, ", \"code\": %d}}}", code);
}
