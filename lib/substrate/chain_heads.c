/* chain_heads.c: what endpoints say of themselves: health, heads, version, genesis. Any thread. */
#include "substrate/chain.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/url.h"

/* PANIC asks for the properties of a chain once a day. */
#define PROPERTIES_MS (24 * 3600 * 1000)
/* So often an endpoint is asked which chain it is of, without any sign that it is another one. */
#define GENESIS_MS 60000
/* A best block so much higher than the last one is such a sign. */
#define JUMP_BLOCKS 1000
/* How long a data source that hung is left alone. */
#define PAUSE_FIRST_MS 10000
#define PAUSE_LAST_MS  60000

/* One block, with its URL as it is asked for and as it is shown. */
static pm_endpoint *make_endpoint(const char *url)
{
    pm_buf shown = {0};
    size_t size = strlen(url) + 1;
    pm_url_add_public(&shown, url);
    pm_endpoint *made = shown.failed ? NULL : calloc(1, sizeof *made + size + shown.len + 1);
    if (made != NULL) {
        memcpy(made->url, url, size);
        made->shown = memcpy(made->url + size, shown.data, shown.len + 1);
    }
    pm_buf_free(&shown);
    return made;
}

pm_endpoint *pm_endpoint_open(pm_substrate *shared, const char *url)
{
    pm_substrate_lock(shared);
    pm_endpoint *endpoint = pm_map_get(&shared->endpoints, url);
    if (endpoint == NULL) {
        endpoint = make_endpoint(url);
        if (endpoint != NULL && !pm_map_set(&shared->endpoints, url, endpoint)) {
            free(endpoint);
            endpoint = NULL;
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
    pm_facts_unref(heads->facts);
    free(heads->message);
    free(heads);
}

/* Nobody needs to be asked again which chain it is, while nothing says that it is another one. */
static bool knows_genesis(const pm_heads *before, int64_t now)
{
    return before != NULL && before->status == PANICMON_OK && before->facts->genesis.len > 0 &&
           now - before->genesis_ms < GENESIS_MS;
}

panicmon_err pm_heads_ask(pm_heads_call *call, const pm_endpoint *endpoint, pm_heads *before,
                          panicmon_round *round, int64_t now)
{
    panicmon_err status = PANICMON_OK;
    const char *url = endpoint->url;
    bool good = before != NULL && before->status == PANICMON_OK;
    bool facts = good && before->facts->chain.len > 0;
    call->before = before;
    call->made = NULL;
    pm_call(&status, round, url, "system_health", NULL, 0, &call->health);
    pm_call(&status, round, url, "chain_getFinalizedHead", NULL, 0, &call->head);
    pm_call(&status, round, url, "system_syncState", NULL, 0, &call->sync);
    pm_call(&status, round, url, "state_getRuntimeVersion", NULL, 0, &call->version);
    call->genesis = call->chain = call->node_version = call->properties = PM_NO_REQUEST;
    if (!knows_genesis(before, now)) {
        pm_call(&status, round, url, "chain_getBlockHash", "[0]", 0, &call->genesis);
    }
    if (!facts) {
        pm_call(&status, round, url, "system_chain", NULL, 0, &call->chain);
        pm_call(&status, round, url, "system_version", NULL, 0, &call->node_version);
    }
    if (!facts || before->facts->properties.len == 0 ||
        now - before->properties_ms >= PROPERTIES_MS) {
        pm_call(&status, round, url, "system_properties", NULL, 0, &call->properties);
    }
    return status;
}

void pm_heads_call_end(pm_heads_call *call)
{
    pm_heads_unref(call->before);
    pm_heads_unref(call->made);
    call->before = call->made = NULL;
}

/* ---- reading replies ---- */

static bool read_health(pm_json result, pm_health *out)
{
    static const pm_name names[] = {PM_NAME("peers"), PM_NAME("isSyncing"),
                                    PM_NAME("shouldHavePeers")};
    pm_json members[3];
    pm_json_members(result, names, members, 3);
    out->known = pm_json_int(members[0], &out->peers) &&
                 pm_json_bool(members[1], &out->is_syncing) &&
                 pm_json_bool(members[2], &out->should_have_peers);
    return out->known;
}

/* {"currentBlock", "highestBlock"}; an absent or null highestBlock is unknown. */
static bool read_sync_state(pm_json result, pm_heads *heads)
{
    static const pm_name names[] = {PM_NAME("currentBlock"), PM_NAME("highestBlock")};
    pm_json members[2];
    pm_json_members(result, names, members, 2);
    heads->best.known = pm_json_int(members[0], &heads->best.value);
    heads->target.known = pm_json_int(members[1], &heads->target.value);
    return heads->best.known &&
           (heads->target.known || members[1].text == NULL || pm_json_is(members[1], 'n'));
}

static int hex_digit(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

bool pm_read_number(pm_json number, pm_maybe *out)
{
    pm_json hex = pm_plain_string(number);
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

bool pm_read_header_number(pm_json result, pm_maybe *out)
{
    return pm_read_number(pm_json_member(result, "number"), out);
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

/* Most nodes of a chain say the same of its runtime, at length, round after round: only another
 * text than the last one is taken apart. */
static bool read_version(pm_json result, const pm_facts *base, pm_version *version,
                         pm_answers *answers)
{
    if (base != NULL && result.len > 0 && result.len == base->version_text.len &&
        memcmp(result.text, base->version_text.data, result.len) == 0) {
        return true;
    }
    answers->has_version = true;
    answers->version = version;
    answers->version_text = result;
    return pm_version_read(result, version);
}

static void fail(pm_heads *heads, const char *method, const panicmon_reply *reply)
{
    if (heads->status == PANICMON_OK) {
        const char *message = panicmon_reply_message(reply);
        heads->status = pm_reply_ok(reply) ? PANICMON_ERR_PROTOCOL : panicmon_reply_status(reply);
        heads->shape = pm_reply_ok(reply);
        heads->method = method;
        heads->message = message[0] == '\0' ? NULL : strdup(message);
    }
}

/* All but the genesis. False without memory. */
static bool read_replies(pm_heads *heads, const pm_heads_call *call, pm_substrate *shared,
                         const panicmon_round *round)
{
    const panicmon_reply *head = pm_reply(round, call->head);
    const panicmon_reply *sync = pm_reply(round, call->sync);
    const panicmon_reply *version_reply = pm_reply(round, call->version);
    pm_facts *base = call->before == NULL ? NULL : call->before->facts;
    pm_version version;
    pm_answers answers = {.has_version = false};
    if (!pm_hash_text(pm_reply_json(head), heads->hash)) {
        fail(heads, "chain_getFinalizedHead", head);
    }
    /* Light and test nodes have no system_syncState. */
    if (!read_sync_state(pm_reply_json(sync), heads) &&
        panicmon_reply_status(sync) != PANICMON_ERR_RPC) {
        fail(heads, "system_syncState", sync);
    }
    if (!read_version(pm_reply_json(version_reply), base, &version, &answers) &&
        pm_reply_lost(version_reply)) {
        fail(heads, "state_getRuntimeVersion", version_reply);
    }
    if (heads->status != PANICMON_OK) {
        return true;
    }
    (void)read_health(pm_reply_json(pm_reply(round, call->health)), &heads->health);
    answers.genesis = pm_reply_json(pm_reply(round, call->genesis));
    answers.chain = pm_reply_json(pm_reply(round, call->chain));
    answers.node_version = pm_reply_json(pm_reply(round, call->node_version));
    answers.properties = pm_reply_json(pm_reply(round, call->properties));
    heads->facts = pm_facts_with(shared, base, &answers);
    heads->properties_ms = pm_json_is(answers.properties, '{') ? heads->taken_ms : 0;
    return heads->facts != NULL;
}

/* Another runtime, or a height that the chain known from before does not have now: another one may
 * stand behind the URL. */
static bool is_strange(const pm_heads *heads, const pm_heads *before)
{
    const pm_facts *facts = heads->facts;
    const pm_facts *known = before == NULL ? NULL : before->facts;
    if (facts == NULL || known == NULL) {
        return false;
    }
    return (facts != known && strcmp(facts->version.name, known->version.name) != 0) ||
           (heads->best.known && before->best.known &&
            (heads->best.value < before->best.value ||
             heads->best.value - before->best.value > JUMP_BLOCKS));
}

static bool take_genesis(pm_heads *heads, pm_substrate *shared, const panicmon_reply *reply)
{
    pm_answers answers = {.genesis = pm_reply_json(reply)};
    pm_facts *facts = pm_facts_with(shared, heads->facts, &answers);
    if (facts == NULL) {
        return false;
    }
    pm_facts_unref(heads->facts);
    heads->facts = facts;
    return true;
}

/* What is known of the time before, where the chain is the same. */
/* `told`: the genesis was, just now. */
static void carry_over(pm_heads *heads, const pm_heads *before, bool asked, bool told)
{
    bool same = before != NULL && before->status == PANICMON_OK && heads->status == PANICMON_OK &&
                (heads->facts == before->facts ||
                 (heads->facts->genesis.len == 0 && before->facts->genesis.len == 0) ||
                 pm_facts_same_chain(heads->facts, before->facts));
    heads->genesis_ms = told    ? heads->taken_ms
                        : asked ? heads->taken_ms - GENESIS_MS /* ask again at once */
                        : same  ? before->genesis_ms
                                : heads->taken_ms;
    if (same && heads->properties_ms == 0) {
        heads->properties_ms = before->properties_ms;
    }
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

/* The first step of taking them. `*again`: the genesis was asked for after all. */
static panicmon_err make_heads(pm_heads_call *call, pm_substrate *shared,
                               const pm_endpoint *endpoint, panicmon_round *round, int64_t now,
                               bool *again)
{
    panicmon_err status = PANICMON_OK;
    pm_heads *heads = malloc(sizeof *heads); /* quicker than calloc to use a block again */
    if (heads == NULL) {
        return PANICMON_ERR_NOMEM;
    }
    memset(heads, 0, offsetof(pm_heads, hash));
    heads->hash[0] = '\0';
    call->made = heads;
    atomic_init(&heads->refs, 1);
    heads->taken_ms = now;
    heads->method = "";
    if (call->before != NULL && call->before->status != PANICMON_OK) {
        pm_heads_unref(call->before);
        call->before = NULL;
    }
    if (!read_replies(heads, call, shared, round)) {
        return PANICMON_ERR_NOMEM;
    }
    *again = call->genesis == PM_NO_REQUEST && is_strange(heads, call->before);
    if (*again) {
        pm_call(&status, round, endpoint->url, "chain_getBlockHash", "[0]", 0, &call->genesis);
    }
    return status;
}

panicmon_err pm_heads_take(pm_heads **out, pm_heads_call *call, pm_substrate *shared,
                           pm_endpoint *endpoint, panicmon_round *round, int64_t now)
{
    bool again = false;
    panicmon_err status = PANICMON_OK;
    *out = NULL;
    if (call->made == NULL) {
        status = make_heads(call, shared, endpoint, round, now, &again);
    } else if (!take_genesis(call->made, shared, pm_reply(round, call->genesis))) {
        status = PANICMON_ERR_NOMEM;
    }
    if (status != PANICMON_OK || again) {
        return status;
    }
    const panicmon_reply *genesis = pm_reply(round, call->genesis);
    carry_over(call->made, call->before, call->genesis != PM_NO_REQUEST,
               pm_json_is(pm_reply_json(genesis), '"'));
    swap_in(shared, endpoint, call->made);
    *out = call->made;
    call->made = NULL;
    pm_heads_call_end(call);
    return PANICMON_OK;
}
