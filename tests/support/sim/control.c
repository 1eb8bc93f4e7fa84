/* control.c: the sim_ methods, by which tests move the chain and change how nodes behave. They are
 * answered whatever the node's modes are, as long as there is a connection; /control has none. */
#include <stdlib.h>
#include <string.h>

#include "sim.h"

/* A parameter's text: a string's content, or a number as written. */
static bool text_of(pm_json value, char *text, size_t size)
{
    bool quoted = pm_json_is(value, '"');
    size_t len = quoted ? value.len - 2 : value.len;
    if (value.text == NULL || len >= size || (!quoted && !pm_json_is(value, '0'))) {
        return false;
    }
    memcpy(text, value.text + quoted, len);
    text[len] = '\0';
    return true;
}

static pm_json member(const sim_call *call, const char *name)
{
    return call->count > 0 ? pm_json_member(call->params[0], name) : (pm_json){0};
}

/* Parameter 0 itself, or its member `name`. */
static pm_json argument(const sim_call *call, const char *name)
{
    bool object = call->count > 0 && pm_json_is(call->params[0], '{');
    return object || call->count == 0 ? member(call, name) : call->params[0];
}

static bool number_of(const sim_call *call, const char *name, int64_t normal, int64_t *number)
{
    pm_json value = argument(call, name);
    *number = normal;
    return value.text == NULL || (pm_json_int(value, number) && *number >= 0);
}

static bool bad(sim_call *call, const char *why)
{
    return sim_fail(call, -32602, "%s", why);
}

static bool put_head(sim_call *call)
{
    sim_put_header(call->s, call->s->chain->head, call->out);
    return true;
}

static bool sim_advance_method(sim_call *call)
{
    int64_t count;
    if (!number_of(call, "blocks", 1, &count) || count > 1000000) {
        return bad(call, "a number of blocks was expected");
    }
    if (!sim_advance(call->s, (uint32_t)count)) {
        return bad(call, "there are no more blocks");
    }
    return put_head(call);
}

/* ---- modes ---- */

/* The nodes a text ("/3", "3"; none: all) names: from `*first` on, `*count` of them. */
static bool nodes_of(const sim_call *call, size_t *first, size_t *count)
{
    char text[32];
    char *end;
    pm_json value = member(call, "node");
    *first = 0;
    *count = call->s->node_count;
    if (value.text == NULL) {
        return true;
    }
    if (!text_of(value, text, sizeof text)) {
        return false;
    }
    const char *digits = text + (*text == '/');
    *first = strtoul(digits, &end, 10);
    *count = 1;
    return end != digits && *end == '\0' && *first < call->s->node_count;
}

static bool set_upgrade(sim_call *call, pm_json value)
{
    sim_chain *chain = call->s->chain;
    int64_t at = (int64_t)chain->head + 1;
    int64_t spec = (int64_t)sim_chain_runtime(chain, chain->head)->spec_version + 1;
    if (pm_json_is(value, '{')) {
        (void)pm_json_int(pm_json_member(value, "at"), &at);
        (void)pm_json_int(pm_json_member(value, "spec"), &spec);
    } else if (!pm_json_int(value, &spec)) {
        return bad(call,
                   "upgrade: a spec version was expected, or {\"at\":block,\"spec\":version}");
    }
    if (at < 0 || at > UINT32_MAX || spec < 0 || spec > UINT32_MAX ||
        !sim_world_upgrade(chain, (uint32_t)at, (uint32_t)spec)) {
        return bad(call, "upgrade: not possible at that block of this chain");
    }
    return true;
}

static double real_of(pm_json value)
{
    char text[32];
    return text_of(value, text, sizeof text) ? strtod(text, NULL) : -1;
}

static bool set_block_time(sim_call *call, pm_json value)
{
    double seconds = real_of(value);
    if (!(seconds >= 0 && seconds <= 86400)) {
        return bad(call, "block_time: seconds were expected");
    }
    call->s->block_us = (int64_t)(seconds * 1e6);
    call->s->next_block_us = sim_now_us() + call->s->block_us;
    return true;
}

static bool set_cuts(sim_call *call, pm_json value)
{
    double rate = real_of(value);
    if (!(rate >= 0 && rate <= 10000)) {
        return bad(call, "cuts: connections a second were expected, at most 10000");
    }
    sim_set_cuts(call->s, rate);
    return true;
}

static bool set_mode(sim_call *call, const char *name, pm_json value, size_t first, size_t count)
{
    pm_buf wrong = {0};
    bool good = true;
    for (size_t i = first; i < first + count && good; i++) {
        sim_node *node = &call->s->nodes[i];
        uint32_t best = sim_best(call->s, node);
        good = sim_modes_set_json(&node->modes, name, value, &wrong);
        if (good && strcmp(name, "frozen") == 0) {
            node->modes.frozen_at = best;
        }
    }
    if (!good) {
        (void)bad(call, wrong.data == NULL ? "bad value" : wrong.data);
    }
    pm_buf_free(&wrong);
    return good;
}

static bool sim_set_method(sim_call *call)
{
    size_t first;
    size_t count;
    pm_json key;
    pm_json value;
    char name[64];
    if (call->count == 0 || !pm_json_is(call->params[0], '{')) {
        return bad(call, "an object of modes was expected");
    }
    if (!nodes_of(call, &first, &count)) {
        return bad(call, "node: there is no such node");
    }
    for (size_t at = 0; pm_json_next_member(call->params[0], &at, &key, &value);) {
        bool good = text_of(key, name, sizeof name);
        if (!good) {
            return bad(call, "a mode's name is too long");
        }
        if (strcmp(name, "upgrade") == 0) {
            good = set_upgrade(call, value);
        } else if (strcmp(name, "block_time") == 0) {
            good = set_block_time(call, value);
        } else if (strcmp(name, "cuts") == 0) {
            good = set_cuts(call, value);
        } else if (strcmp(name, "node") != 0) {
            good = set_mode(call, name, value, first, count);
        }
        if (!good) {
            return false;
        }
    }
    sim_hold(call->s);
    call->s->flooding = true; /* looked at when next due */
    sim_modes_describe(&call->s->nodes[first].modes, call->out);
    return true;
}

/* ---- the made chain ---- */

static bool validator_of(sim_call *call, uint32_t *validator)
{
    char text[80];
    return text_of(argument(call, "validator"), text, sizeof text) &&
           sim_world_find(call->s->chain, text, validator);
}

/* Answers with the block in which it will show. */
static bool put_next_block(sim_call *call)
{
    pm_buf_text(call->out, "{\"block\":");
    pm_buf_int(call->out, (int64_t)call->s->chain->head + 1);
    pm_buf_char(call->out, '}');
    return true;
}

static bool sim_slash_method(sim_call *call)
{
    uint32_t validator;
    char text[32] = "1000000000000";
    char *end;
    pm_json amount = member(call, "amount");
    if (!validator_of(call, &validator)) {
        return bad(call, "validator: an index, 0x account or address of this chain was expected");
    }
    if (amount.text != NULL && !text_of(amount, text, sizeof text)) {
        return bad(call, "amount: a number was expected");
    }
    unsigned long long value = strtoull(text, &end, 10);
    if (*end != '\0' || value == 0 || !sim_world_slash(call->s->chain, validator, value)) {
        return bad(call, "amount: a number was expected");
    }
    return put_next_block(call);
}

static bool sim_offline_method(sim_call *call)
{
    uint32_t validator;
    if (!validator_of(call, &validator) || !sim_world_offline(call->s->chain, validator)) {
        return bad(call, "validator: one of the active set was expected");
    }
    return put_next_block(call);
}

static bool sim_session_method(sim_call *call)
{
    if (!sim_world_next_session(call->s->chain) || !sim_advance(call->s, 1)) {
        return bad(call, "this chain makes no sessions");
    }
    return put_head(call);
}

static bool sim_era_method(sim_call *call)
{
    sim_hold(call->s);
    if (!sim_world_next_era(call->s->chain)) {
        return bad(call, "this chain makes no eras");
    }
    sim_subs_tell(call->s);
    return put_head(call);
}

/* ---- looking ---- */

static bool sim_state_method(sim_call *call)
{
    const sim *s = call->s;
    pm_buf *out = call->out;
    char hash[SIM_HASH_TEXT + 1];
    size_t first;
    size_t count;
    if (!nodes_of(call, &first, &count)) {
        return bad(call, "node: there is no such node");
    }
    const sim_node *node = &s->nodes[first];
    uint32_t best = sim_best(s, node);
    s->chain->ops->hash(s->chain, best, hash);
    pm_buf_format(out, "{\"chain\":%s,\"genesis\":\"%s\",\"head\":%u,\"best\":%u,", s->chain->name,
                  s->chain->genesis, s->chain->head, best);
    pm_buf_format(out, "\"bestHash\":\"%s\",\"finalized\":%u,\"oldestState\":%u,", hash,
                  sim_finalized(s, node), s->chain->oldest_state);
    pm_buf_format(out, "\"specVersion\":%u,\"keys\":%zu,\"bytes\":%llu,\"nodes\":%zu,\"modes\":",
                  sim_chain_runtime(s->chain, best)->spec_version, s->chain->store.count,
                  (unsigned long long)s->chain->store.bytes, s->node_count);
    sim_modes_describe(&node->modes, out);
    sim_world_describe(s->chain, out);
    pm_buf_char(out, '}');
    return true;
}

static void add_counts(sim_counts *sum, const sim_counts *more)
{
    sum->open += more->open;
    sum->accepted += more->accepted;
    sum->refused += more->refused;
    sum->frames_in += more->frames_in;
    sum->frames_out += more->frames_out;
    sum->requests += more->requests;
    sum->errors += more->errors;
    sum->bytes_in += more->bytes_in;
    sum->bytes_out += more->bytes_out;
}

static bool sim_stats_method(sim_call *call)
{
    size_t first;
    size_t count;
    if (!nodes_of(call, &first, &count)) {
        return bad(call, "node: there is no such node");
    }
    sim_counts sum = {0};
    if (count == call->s->node_count && member(call, "node").text == NULL) {
        sum = call->s->counts;
        count++; /* and /control */
    }
    for (size_t i = first; i < first + count; i++) {
        add_counts(&sum, &call->s->nodes[i].counts);
    }
    pm_buf_format(
        call->out,
        "{\"open\":%lld,\"accepted\":%llu,\"refused\":%llu,\"cuts\":%llu,\"framesIn\":%llu,"
        "\"framesOut\":%llu,\"requests\":%llu,\"errors\":%llu,",
        (long long)sum.open, (unsigned long long)sum.accepted, (unsigned long long)sum.refused,
        (unsigned long long)call->s->cuts, (unsigned long long)sum.frames_in,
        (unsigned long long)sum.frames_out, (unsigned long long)sum.requests,
        (unsigned long long)sum.errors);
    pm_buf_format(call->out, "\"bytesIn\":%llu,\"bytesOut\":%llu}",
                  (unsigned long long)sum.bytes_in, (unsigned long long)sum.bytes_out);
    return true;
}

sim_method *sim_find_control(const char *name)
{
    static const struct {
        const char *name;
        sim_method *run;
    } table[] = {
        {"sim_advance", sim_advance_method}, {"sim_set", sim_set_method},
        {"sim_slash", sim_slash_method},     {"sim_offline", sim_offline_method},
        {"sim_session", sim_session_method}, {"sim_era", sim_era_method},
        {"sim_state", sim_state_method},     {"sim_stats", sim_stats_method},
    };
    if (strncmp(name, "sim_", 4) != 0) {
        return NULL;
    }
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        if (strcmp(table[i].name, name) == 0) {
            return table[i].run;
        }
    }
    return NULL;
}
