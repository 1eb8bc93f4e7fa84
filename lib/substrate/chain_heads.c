/* chain_heads.c: what endpoints say of themselves: health, heads, version, genesis. Any thread. */
#include "substrate/chain.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

/* PANIC asks for the properties of a chain once a day. */
#define PROPERTIES_MS (24 * 3600 * 1000)
/* How long a data source that hung is left alone. */
#define PAUSE_FIRST_MS 10000
#define PAUSE_LAST_MS  60000

pm_endpoint *pm_endpoint_open(pm_substrate *shared, const char *url)
{
    pm_substrate_lock(shared);
    pm_endpoint *endpoint = pm_map_get(&shared->endpoints, url);
    if (endpoint == NULL) {
        endpoint = calloc(1, sizeof *endpoint);
        char *copy = strdup(url);
        if (endpoint == NULL || copy == NULL || !pm_map_set(&shared->endpoints, url, endpoint)) {
            free(copy);
            free(endpoint);
            endpoint = NULL;
        } else {
            endpoint->url = copy;
        }
    }
    if (endpoint != NULL) {
        endpoint->users++;
    }
    pm_substrate_unlock(shared);
    return endpoint;
}

void pm_endpoint_close(pm_substrate *shared, pm_endpoint *endpoint)
{
    if (endpoint == NULL) {
        return;
    }
    pm_substrate_lock(shared);
    bool last = --endpoint->users == 0;
    if (last) {
        (void)pm_map_remove(&shared->endpoints, endpoint->url);
    }
    pm_substrate_unlock(shared);
    if (last) {
        pm_heads_unref(endpoint->heads);
        free(endpoint->url);
        free(endpoint);
    }
}

pm_heads *pm_heads_ref(pm_heads *heads)
{
    if (heads != NULL) {
        atomic_fetch_add(&heads->refs, 1);
    }
    return heads;
}

void pm_heads_unref(pm_heads *heads)
{
    if (heads == NULL || atomic_fetch_sub(&heads->refs, 1) != 1) {
        return;
    }
    pm_buf_free(&heads->message);
    pm_buf_free(&heads->genesis);
    pm_buf_free(&heads->chain);
    pm_buf_free(&heads->node_version);
    pm_buf_free(&heads->properties);
    free(heads);
}

pm_heads *pm_heads_last(pm_substrate *shared, pm_endpoint *endpoint)
{
    pm_substrate_lock(shared);
    pm_heads *heads = pm_heads_ref(endpoint->heads);
    pm_substrate_unlock(shared);
    return heads;
}

pm_heads *pm_heads_fresh(pm_substrate *shared, pm_endpoint *endpoint, int64_t fresh_ms)
{
    pm_heads *heads = pm_heads_last(shared, endpoint);
    if (heads != NULL && pm_mono_ms() - heads->taken_ms >= fresh_ms) {
        pm_heads_unref(heads);
        heads = NULL;
    }
    return heads;
}

bool pm_endpoint_paused(pm_substrate *shared, const pm_endpoint *endpoint)
{
    pm_substrate_lock(shared);
    bool paused = pm_mono_ms() < endpoint->retry_ms;
    pm_substrate_unlock(shared);
    return paused;
}

panicmon_err pm_heads_ask(pm_heads_call *call, pm_substrate *shared, pm_endpoint *endpoint,
                          panicmon_round *round)
{
    panicmon_err status = PANICMON_OK;
    const char *url = endpoint->url;
    pm_heads *last = pm_heads_last(shared, endpoint);
    bool facts = last != NULL && last->status == PANICMON_OK && last->chain.len > 0;
    call->endpoint = endpoint;
    pm_call(&status, round, url, "system_health", NULL, 0, &call->health);
    pm_call(&status, round, url, "chain_getFinalizedHead", NULL, 0, &call->head);
    pm_call(&status, round, url, "system_syncState", NULL, 0, &call->sync);
    pm_call(&status, round, url, "state_getRuntimeVersion", NULL, 0, &call->version);
    pm_call(&status, round, url, "chain_getBlockHash", "[0]", 0, &call->genesis);
    call->chain = call->node_version = call->properties = PM_NO_REQUEST;
    if (!facts) {
        pm_call(&status, round, url, "system_chain", NULL, 0, &call->chain);
        pm_call(&status, round, url, "system_version", NULL, 0, &call->node_version);
    }
    if (!facts || last->properties.len == 0 ||
        pm_mono_ms() - last->properties_ms >= PROPERTIES_MS) {
        pm_call(&status, round, url, "system_properties", NULL, 0, &call->properties);
    }
    pm_heads_unref(last);
    return status;
}

/* ---- reading replies ---- */

static bool read_health(pm_json result, pm_health *out)
{
    out->known = pm_json_int(pm_json_member(result, "peers"), &out->peers) &&
                 pm_json_bool(pm_json_member(result, "isSyncing"), &out->is_syncing) &&
                 pm_json_bool(pm_json_member(result, "shouldHavePeers"), &out->should_have_peers);
    return out->known;
}

/* {"currentBlock", "highestBlock"}; an absent or null highestBlock is unknown. */
static bool read_sync_state(pm_json result, pm_heads *heads)
{
    pm_json highest = pm_json_member(result, "highestBlock");
    heads->best.known = pm_json_int(pm_json_member(result, "currentBlock"), &heads->best.value);
    heads->target.known = pm_json_int(highest, &heads->target.value);
    return heads->best.known &&
           (heads->target.known || highest.text == NULL || pm_json_is(highest, 'n'));
}

static int hex_digit(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

bool pm_read_header_number(pm_json result, pm_maybe *out)
{
    pm_json hex = pm_plain_string(pm_json_member(result, "number"));
    if (hex.len < 3 || hex.text[0] != '0' || hex.text[1] != 'x') {
        return false;
    }
    int64_t value = 0;
    for (size_t i = 2; i < hex.len; i++) {
        int digit = hex_digit(hex.text[i]);
        if (digit < 0 || value > INT64_MAX >> 4) {
            return false;
        }
        value = value << 4 | digit;
    }
    *out = (pm_maybe){.known = true, .value = value};
    return true;
}

bool pm_version_read(pm_json result, pm_version *out)
{
    pm_json name = pm_plain_string(pm_json_member(result, "specName"));
    int64_t transactions = 0;
    *out = (pm_version){0};
    if (name.text == NULL || name.len >= sizeof out->name ||
        !pm_json_int(pm_json_member(result, "specVersion"), &out->number.value)) {
        return false;
    }
    (void)pm_json_int(pm_json_member(result, "transactionVersion"), &transactions);
    out->number.known = true;
    memcpy(out->name, name.text, name.len);
    (void)snprintf(out->id, sizeof out->id, "%s/%lld/%lld", out->name, (long long)out->number.value,
                   (long long)transactions);
    return true;
}

/* Most nodes of a chain say the same of its runtime, at length, round after round: the text that
 * was read last is compared before one is taken apart. */
static bool read_version(pm_substrate *shared, pm_json result, pm_version *out)
{
    pm_version_memo *memo = &shared->version;
    pm_substrate_lock(shared);
    bool same = result.text != NULL && result.len > 0 && result.len == memo->len &&
                memcmp(result.text, memo->text, result.len) == 0;
    if (same) {
        *out = memo->version;
    }
    pm_substrate_unlock(shared);
    if (same) {
        return true;
    }
    bool good = pm_version_read(result, out);
    if (good && result.text != NULL && result.len <= sizeof memo->text) {
        pm_substrate_lock(shared);
        memcpy(memo->text, result.text, result.len);
        memo->len = result.len;
        memo->version = *out;
        pm_substrate_unlock(shared);
    }
    return good;
}

static void add_value(pm_buf *out, pm_json value)
{
    if (value.text == NULL) {
        pm_buf_text(out, "null");
    } else {
        pm_buf_add(out, value.text, value.len);
    }
}

/* Nodes give one token as a bare value, several as an array; PANIC publishes arrays. */
static void add_array(pm_buf *out, pm_json value)
{
    bool wrap = value.text != NULL && !pm_json_is(value, '[') && !pm_json_is(value, 'n');
    pm_buf_text(out, wrap ? "[" : "");
    add_value(out, value);
    pm_buf_text(out, wrap ? "]" : "");
}

static void read_properties(pm_json result, pm_heads *heads)
{
    pm_buf *out = &heads->properties;
    if (!pm_json_is(result, '{')) {
        return;
    }
    pm_buf_clear(out);
    pm_buf_text(out, "{\"ss58Format\": ");
    add_value(out, pm_json_member(result, "ss58Format"));
    pm_buf_text(out, ", \"tokenDecimals\": ");
    add_array(out, pm_json_member(result, "tokenDecimals"));
    pm_buf_text(out, ", \"tokenSymbol\": ");
    add_array(out, pm_json_member(result, "tokenSymbol"));
    pm_buf_char(out, '}');
    heads->properties_ms = heads->taken_ms;
}

/* The text that was asked for, else the one known from before. */
static void keep_text(pm_buf *to, const panicmon_reply *reply, const pm_buf *before)
{
    pm_json value = pm_reply_json(reply);
    if (pm_json_is(value, '"')) {
        pm_buf_add(to, value.text, value.len);
    } else if (before != NULL && before->len > 0) {
        pm_buf_add(to, before->data, before->len);
    }
}

static void fail(pm_heads *heads, const char *method, const panicmon_reply *reply)
{
    if (heads->status == PANICMON_OK) {
        heads->status = pm_reply_ok(reply) ? PANICMON_ERR_PROTOCOL : panicmon_reply_status(reply);
        heads->shape = pm_reply_ok(reply);
        heads->method = method;
        pm_buf_text(&heads->message, panicmon_reply_message(reply));
    }
}

static void read_replies(pm_heads *heads, const pm_heads_call *call, pm_substrate *shared,
                         const panicmon_round *round)
{
    const panicmon_reply *head = pm_reply(round, call->head);
    const panicmon_reply *sync = pm_reply(round, call->sync);
    const panicmon_reply *version = pm_reply(round, call->version);
    if (!pm_hash_text(pm_reply_json(head), heads->hash)) {
        fail(heads, "chain_getFinalizedHead", head);
    }
    /* Light and test nodes have no system_syncState. */
    if (!read_sync_state(pm_reply_json(sync), heads) &&
        panicmon_reply_status(sync) != PANICMON_ERR_RPC) {
        fail(heads, "system_syncState", sync);
    }
    if (!read_version(shared, pm_reply_json(version), &heads->version) && pm_reply_lost(version)) {
        fail(heads, "state_getRuntimeVersion", version);
    }
    (void)read_health(pm_reply_json(pm_reply(round, call->health)), &heads->health);
}

static void carry_over(pm_heads *heads, const pm_heads_call *call, const panicmon_round *round,
                       const pm_heads *before)
{
    bool same = before != NULL && before->status == PANICMON_OK;
    keep_text(&heads->genesis, pm_reply(round, call->genesis), same ? &before->genesis : NULL);
    if (same && (heads->genesis.len != before->genesis.len ||
                 memcmp(heads->genesis.data, before->genesis.data, heads->genesis.len) != 0)) {
        same = false; /* another chain stands behind this URL now */
    }
    keep_text(&heads->chain, pm_reply(round, call->chain), same ? &before->chain : NULL);
    keep_text(&heads->node_version, pm_reply(round, call->node_version),
              same ? &before->node_version : NULL);
    if (same && before->properties.len > 0) {
        pm_buf_add(&heads->properties, before->properties.data, before->properties.len);
        heads->properties_ms = before->properties_ms;
    }
    read_properties(pm_reply_json(pm_reply(round, call->properties)), heads);
    heads->moved_ms =
        same && strcmp(before->hash, heads->hash) == 0 ? before->moved_ms : heads->taken_ms;
}

static void swap_in(pm_substrate *shared, pm_endpoint *endpoint, pm_heads *heads)
{
    bool hung = heads->status == PANICMON_ERR_TIMEOUT;
    pm_substrate_lock(shared);
    pm_heads *old = endpoint->heads;
    endpoint->heads = pm_heads_ref(heads);
    endpoint->pause_ms = !hung ? 0
                         : endpoint->pause_ms == 0
                             ? PAUSE_FIRST_MS
                             : pm_earlier(endpoint->pause_ms * 2, PAUSE_LAST_MS);
    endpoint->retry_ms = hung ? heads->taken_ms + endpoint->pause_ms : 0;
    pm_substrate_unlock(shared);
    pm_heads_unref(old); /* NOLINT(clang-analyzer-unix.Malloc): the references are counted */
}

pm_heads *pm_heads_take(pm_heads_call *call, pm_substrate *shared, panicmon_round *round)
{
    pm_heads *heads = calloc(1, sizeof *heads);
    if (heads == NULL) {
        return NULL;
    }
    pm_heads *before = pm_heads_last(shared, call->endpoint);
    atomic_init(&heads->refs, 1);
    heads->taken_ms = pm_mono_ms();
    heads->method = "";
    read_replies(heads, call, shared, round);
    carry_over(heads, call, round, before);
    pm_heads_unref(before);
    if (heads->message.failed || heads->genesis.failed || heads->chain.failed ||
        heads->node_version.failed || heads->properties.failed) {
        pm_heads_unref(heads);
        return NULL;
    }
    swap_in(shared, call->endpoint, heads);
    return heads;
}
