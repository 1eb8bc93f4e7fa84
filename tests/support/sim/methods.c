/* methods.c: what a Substrate node answers: its methods, their errors, word for word. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scale.h"
#include "sim.h"

#define KEYS_MAX 1000 /* of one state_getKeysPaged */

/* ---- parameters ---- */

static bool absent(const sim_call *call, size_t i)
{
    return i >= call->count || pm_json_is(call->params[i], 'n');
}

static bool invalid(sim_call *call, const char *data)
{
    pm_buf_text(&call->data, data);
    return sim_fail(call, -32602, "Invalid params");
}

/* The block that parameter `i` names by its hash (none: the best one), if this node knows it. */
static bool block_of(sim_call *call, size_t i, uint32_t *number)
{
    uint32_t best = sim_best(call->s, call->node);
    if (absent(call, i)) {
        *number = best;
        return true;
    }
    pm_json hash = call->params[i];
    return pm_json_is(hash, '"') && hash.len == SIM_HASH_TEXT + 2 &&
           call->s->chain->ops->number(call->s->chain, hash.text + 1, number) && *number <= best;
}

/* The same where its state is wanted. `range`: in the words of state_queryStorageAt. */
static bool state_of(sim_call *call, size_t i, bool range, uint32_t *number)
{
    const sim_chain *chain = call->s->chain;
    if (!absent(call, i) && !pm_json_is(call->params[i], '"')) {
        return invalid(call, "a block hash was expected");
    }
    if (!block_of(call, i, number)) {
        int len = (int)call->params[i].len - 2;
        const char *hash = call->params[i].text + 1;
        return range ? sim_fail(call, 4001,
                                "Cannot resolve a block range ['\"%.*s\"' ... '\"Some(%.*s)\"]. "
                                "UnknownBlock: Header was not found in the database: %.*s",
                                len, hash, len, hash, len, hash)
                     : sim_fail(call, 4003,
                                "Client error: UnknownBlock: Header was not found in the "
                                "database: %.*s",
                                len, hash);
    }
    uint32_t best = sim_best(call->s, call->node);
    if (*number < chain->oldest_state || (chain->keep > 0 && best - *number >= chain->keep)) {
        char hash[SIM_HASH_TEXT + 1];
        chain->ops->hash(chain, *number, hash);
        return sim_fail(call, 4003, "Client error: UnknownBlock: State already discarded for %s",
                        hash);
    }
    return true;
}

static void put_quoted(pm_buf *out, const char *text, size_t len)
{
    pm_buf_char(out, '"');
    pm_buf_add(out, text, len);
    pm_buf_char(out, '"');
}

static void put_hash(const sim *s, uint32_t number, pm_buf *out)
{
    char hash[SIM_HASH_TEXT + 1];
    s->chain->ops->hash(s->chain, number, hash);
    put_quoted(out, hash, SIM_HASH_TEXT);
}

/* ---- system ---- */

static bool system_name(sim_call *call)
{
    pm_buf_text(call->out, "\"Parity Polkadot\"");
    return true;
}

static bool system_version(sim_call *call)
{
    pm_buf_format(call->out, "\"%s\"", call->s->chain->version);
    return true;
}

static bool system_chain(sim_call *call)
{
    pm_buf_text(call->out, call->s->chain->name);
    return true;
}

static bool system_chain_type(sim_call *call)
{
    pm_buf_text(call->out, "\"Live\"");
    return true;
}

static bool system_properties(sim_call *call)
{
    pm_buf_text(call->out, call->s->chain->properties);
    return true;
}

static bool system_node_roles(sim_call *call)
{
    pm_buf_text(call->out, "[\"Full\"]");
    return true;
}

static bool system_health(sim_call *call)
{
    pm_buf_text(call->out, "{\"peers\":");
    pm_buf_int(call->out, call->node->modes.peers);
    pm_buf_text(call->out, call->node->modes.syncing
                               ? ",\"isSyncing\":true,\"shouldHavePeers\":true}"
                               : ",\"isSyncing\":false,\"shouldHavePeers\":true}");
    return true;
}

static bool system_sync_state(sim_call *call)
{
    uint32_t best = sim_best(call->s, call->node);
    pm_buf_text(call->out, "{\"startingBlock\":");
    pm_buf_int(call->out, call->s->chain->first);
    pm_buf_text(call->out, ",\"currentBlock\":");
    pm_buf_int(call->out, best);
    pm_buf_text(call->out, ",\"highestBlock\":");
    pm_buf_int(call->out, (int64_t)best + (call->node->modes.syncing ? 1000 : 0));
    pm_buf_char(call->out, '}');
    return true;
}

/* ---- chain ---- */

static bool chain_get_finalized_head(sim_call *call)
{
    put_hash(call->s, sim_finalized(call->s, call->node), call->out);
    return true;
}

static bool chain_get_header(sim_call *call)
{
    uint32_t number = 0;
    if (block_of(call, 0, &number)) {
        sim_put_header(call->s, number, call->out);
    } else {
        pm_buf_text(call->out, "null");
    }
    return true;
}

/* A height as a number or as text, decimal or 0x; -1 when it is none. */
static int64_t height_of(pm_json value)
{
    char text[24];
    char *end;
    int64_t number;
    if (pm_json_int(value, &number)) {
        return number < 0 ? -1 : number;
    }
    if (!pm_json_is(value, '"') || value.len < 3 || value.len - 2 >= sizeof text) {
        return -1;
    }
    memcpy(text, value.text + 1, value.len - 2);
    text[value.len - 2] = '\0';
    number = (int64_t)strtoull(text, &end, strncmp(text, "0x", 2) == 0 ? 16 : 10);
    return *end == '\0' && number >= 0 ? number : -1;
}

static void put_block_hash(const sim_call *call, pm_json value)
{
    const sim *s = call->s;
    uint32_t best = sim_best(s, call->node);
    int64_t height = pm_json_is(value, 'n') ? best : height_of(value);
    if (height == 0) {
        const char *genesis = call->node->modes.genesis;
        put_quoted(call->out, *genesis != '\0' ? genesis : s->chain->genesis, SIM_HASH_TEXT);
    } else if (height >= s->chain->first && height <= best) {
        put_hash(s, (uint32_t)height, call->out);
    } else {
        pm_buf_text(call->out, "null");
    }
}

static bool chain_get_block_hash(sim_call *call)
{
    pm_json element;
    bool first = true;
    if (absent(call, 0)) {
        put_hash(call->s, sim_best(call->s, call->node), call->out);
        return true;
    }
    if (!pm_json_is(call->params[0], '[')) {
        put_block_hash(call, call->params[0]);
        return true;
    }
    pm_buf_char(call->out, '[');
    for (size_t at = 0; pm_json_next_element(call->params[0], &at, &element); first = false) {
        if (!first) {
            pm_buf_char(call->out, ',');
        }
        put_block_hash(call, element);
    }
    pm_buf_char(call->out, ']');
    return true;
}

/* ---- state ---- */

static bool state_get_runtime_version(sim_call *call)
{
    uint32_t number = 0;
    if (!state_of(call, 0, false, &number)) {
        return false;
    }
    pm_buf_text(call->out, sim_chain_runtime(call->s->chain, number)->version);
    return true;
}

static bool state_get_metadata(sim_call *call)
{
    uint32_t number = 0;
    const sim_chain *chain = call->s->chain;
    if (!state_of(call, 0, false, &number)) {
        return false;
    }
    if (call->node->modes.metadata == 16 && chain->metadata_v16 != NULL) {
        pm_buf_add(call->out, chain->metadata_v16, chain->metadata_v16_len);
    } else {
        const sim_runtime *runtime = sim_chain_runtime(chain, number);
        pm_buf_add(call->out, runtime->metadata, runtime->metadata_len);
    }
    return true;
}

static void put_value(pm_buf *out, const sim_version *version)
{
    if (version == NULL) {
        pm_buf_text(out, "null");
    } else {
        put_quoted(out, version->text, version->len);
    }
}

static bool state_get_storage(sim_call *call)
{
    uint32_t number = 0;
    if (!state_of(call, 1, false, &number)) {
        return false;
    }
    if (call->count == 0 || !pm_json_is(call->params[0], '"')) {
        return invalid(call, "a storage key was expected");
    }
    pm_json key = call->params[0];
    const sim_entry *entry = sim_store_find(&call->s->chain->store, key.text + 1, key.len - 2);
    put_value(call->out, sim_store_at(entry, number));
    return true;
}

/* Whether a key that is not in the store stands before `end` in the list already. */
static bool stood_before(pm_json keys, pm_json key)
{
    pm_json other;
    for (size_t at = 0; pm_json_next_element(keys, &at, &other) && other.text < key.text;) {
        if (other.len == key.len && memcmp(other.text, key.text, key.len) == 0) {
            return true;
        }
    }
    return false;
}

static bool state_query_storage_at(sim_call *call)
{
    sim_store *store = &call->s->chain->store;
    uint32_t number = 0;
    pm_json key;
    bool first = true;
    if (!state_of(call, 1, true, &number)) {
        return false;
    }
    if (call->count == 0 || !pm_json_is(call->params[0], '[')) {
        return invalid(call, "a list of storage keys was expected");
    }
    store->stamp++;
    pm_buf_char(call->out, '[');
    for (size_t at = 0; pm_json_next_element(call->params[0], &at, &key);) {
        if (!pm_json_is(key, '"')) {
            return invalid(call, "a storage key was expected");
        }
        sim_entry *entry = sim_store_find(store, key.text + 1, key.len - 2);
        if (entry == NULL ? stood_before(call->params[0], key) : entry->seen == store->stamp) {
            continue; /* a key asked for twice is answered once */
        }
        if (entry != NULL) {
            entry->seen = store->stamp;
        }
        if (first) {
            pm_buf_text(call->out, "{\"block\":");
            put_hash(call->s, number, call->out);
        }
        pm_buf_text(call->out, first ? ",\"changes\":[[" : ",[");
        pm_buf_add(call->out, key.text, key.len);
        pm_buf_char(call->out, ',');
        put_value(call->out, sim_store_at(entry, number));
        pm_buf_char(call->out, ']');
        first = false;
    }
    pm_buf_text(call->out, first ? "]" : "]}]");
    return true;
}

static bool state_get_keys_paged(sim_call *call)
{
    sim_store *store = &call->s->chain->store;
    uint32_t number = 0;
    int64_t count = 0;
    if (!state_of(call, 3, false, &number)) {
        return false;
    }
    if (absent(call, 1) || !pm_json_int(call->params[1], &count) || count < 0) {
        return invalid(call, "a count was expected");
    }
    if (count > KEYS_MAX) {
        return sim_fail(call, 4002, "count exceeds maximum value. value: %lld, max: %d",
                        (long long)count, KEYS_MAX);
    }
    pm_json prefix = absent(call, 0) ? (pm_json){"\"0x\"", 4} : call->params[0];
    pm_json start = absent(call, 2) ? prefix : call->params[2];
    if (!pm_json_is(prefix, '"') || !pm_json_is(start, '"')) {
        return invalid(call, "a storage key was expected");
    }
    start = start.len <= 2 ? prefix : start; /* an empty text is no start */
    size_t prefix_len = prefix.len - 2;
    int64_t given = 0;
    pm_buf_char(call->out, '[');
    size_t at = sim_store_seek(store, start.text + 1, start.len - 2);
    size_t from = sim_store_seek(store, prefix.text + 1, prefix_len);
    for (at = at > from ? at : from; given < count; at++) {
        const sim_entry *entry = sim_store_nth(store, at);
        if (entry == NULL || entry->len < prefix_len ||
            memcmp(entry->key, prefix.text + 1, prefix_len) != 0) {
            break;
        }
        bool is_start = !absent(call, 2) && entry->len == start.len - 2 &&
                        memcmp(entry->key, start.text + 1, entry->len) == 0;
        if (is_start || sim_store_at(entry, number) == NULL) {
            continue;
        }
        pm_buf_text(call->out, given++ == 0 ? "" : ",");
        put_quoted(call->out, entry->key, entry->len);
    }
    pm_buf_char(call->out, ']');
    return true;
}

/* Option<OpaqueMetadata> around metadata that is kept as a JSON string. */
static void put_opaque(pm_buf *out, const char *json, size_t len)
{
    pm_buf head = {0};
    sim_put_u8(&head, 1);
    sim_put_compact(&head, (len - 4) / 2);
    pm_buf_char(out, '"');
    sim_put_hex(out, head.data, head.len);
    pm_buf_add(out, json + 3, len - 3);
    pm_buf_free(&head);
}

static bool state_call(sim_call *call)
{
    const sim_chain *chain = call->s->chain;
    uint32_t number = 0;
    uint8_t version[4] = {0};
    if (!state_of(call, 2, false, &number)) {
        return false;
    }
    if (call->count == 0 || !pm_json_is(call->params[0], '"')) {
        return invalid(call, "the name of a runtime method was expected");
    }
    if (pm_json_equals(call->params[0], "Metadata_metadata_versions")) {
        pm_buf_text(call->out,
                    chain->metadata_v16 != NULL ? "\"0x080e00000010000000\"" : "\"0x040e000000\"");
        return true;
    }
    if (!pm_json_equals(call->params[0], "Metadata_metadata_at_version")) {
        return sim_fail(call, 4003,
                        "Client error: Execution failed: Other: Exported method %.*s is not found",
                        (int)call->params[0].len - 2, call->params[0].text + 1);
    }
    pm_json data = call->count > 1 ? call->params[1] : (pm_json){0};
    if (!pm_json_is(data, '"') || data.len < 12 || sim_unhex(version, 4, data.text + 3, 8) != 0) {
        return invalid(call, "a version was expected");
    }
    if (version[0] == 14) {
        const sim_runtime *runtime = sim_chain_runtime(chain, number);
        put_opaque(call->out, runtime->metadata, runtime->metadata_len);
    } else if (version[0] == 16 && chain->metadata_v16 != NULL) {
        put_opaque(call->out, chain->metadata_v16, chain->metadata_v16_len);
    } else {
        pm_buf_text(call->out, "\"0x00\"");
    }
    return true;
}

static bool rpc_methods(sim_call *call)
{
    pm_buf_text(call->out, "{\"methods\":[");
    sim_method_names(&call->node->modes, call->out);
    pm_buf_text(call->out, "]}");
    return true;
}

/* ---- the table, sorted by name ---- */

static const struct {
    const char *name;
    sim_method *run; /* NULL: a subscription, see subs.c */
} methods[] = {
    {"chain_getBlockHash", chain_get_block_hash},
    {"chain_getFinalisedHead", chain_get_finalized_head},
    {"chain_getFinalizedHead", chain_get_finalized_head},
    {"chain_getHeader", chain_get_header},
    {"chain_getRuntimeVersion", state_get_runtime_version},
    {"chain_subscribeFinalizedHeads", NULL},
    {"chain_subscribeNewHeads", NULL},
    {"rpc_methods", rpc_methods},
    {"state_call", state_call},
    {"state_getKeysPaged", state_get_keys_paged},
    {"state_getMetadata", state_get_metadata},
    {"state_getRuntimeVersion", state_get_runtime_version},
    {"state_getStorage", state_get_storage},
    {"state_getStorageAt", state_get_storage},
    {"state_queryStorageAt", state_query_storage_at},
    {"state_subscribeRuntimeVersion", NULL},
    {"state_subscribeStorage", NULL},
    {"state_unsubscribeRuntimeVersion", NULL},
    {"state_unsubscribeStorage", NULL},
    {"system_chain", system_chain},
    {"system_chainType", system_chain_type},
    {"system_health", system_health},
    {"system_name", system_name},
    {"system_nodeRoles", system_node_roles},
    {"system_properties", system_properties},
    {"system_syncState", system_sync_state},
    {"system_version", system_version},
};

#define METHOD_COUNT (sizeof methods / sizeof *methods)

sim_method *sim_find_method(const char *name)
{
    size_t low = 0;
    size_t high = METHOD_COUNT;
    while (low < high) {
        size_t middle = (low + high) / 2;
        int order = strcmp(methods[middle].name, name);
        if (order == 0) {
            return methods[middle].run;
        }
        if (order < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return NULL;
}

void sim_method_names(const sim_modes *modes, pm_buf *out)
{
    bool first = true;
    for (size_t i = 0; i < METHOD_COUNT; i++) {
        if (!sim_modes_denies(modes, methods[i].name)) {
            pm_buf_format(out, first ? "\"%s\"" : ",\"%s\"", methods[i].name);
            first = false;
        }
    }
}
