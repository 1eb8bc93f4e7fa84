/* frozen.c: see frozen.h. The shapes of answers and errors are those of a real node. */
#include "support/frozen.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <zlib.h>

const char *frozen_path(const char *name)
{
    static char path[512];
    const char *folder = getenv("PANICMON_SHARED");
    struct stat info;
    (void)snprintf(path, sizeof path, "%s/%s", folder != NULL ? folder : "", name);
    if (folder == NULL || stat(path, &info) != 0) {
        printf("%s: no such file in PANICMON_SHARED (%s)\n", name,
               folder != NULL ? folder : "not set");
        return NULL;
    }
    return path;
}

json_t *frozen_load(const char *name)
{
    const char *path = frozen_path(name);
    gzFile file = path == NULL ? NULL : gzopen(path, "rb");
    pm_buf text = {0};
    char chunk[65536];
    int got;
    if (file == NULL) {
        return NULL;
    }
    while ((got = gzread(file, chunk, sizeof chunk)) > 0) {
        pm_buf_add(&text, chunk, (size_t)got);
    }
    (void)gzclose(file);
    json_error_t error;
    json_t *document = json_loadb(text.data, text.len, 0, &error);
    if (document == NULL) {
        printf("%s: %s\n", name, error.text);
        abort();
    }
    pm_buf_free(&text);
    return document;
}

frozen_peer *frozen_add(frozen *world, const char *url, json_t *state)
{
    frozen_peer *peer = &world->peers[world->count++];
    peer->url = url;
    peer->state = state;
    peer->more = json_object();
    peer->head = json_array_size(json_object_get(state, "blocks")) - 1;
    peer->keep = 256;
    peer->genesis = "0x9191919191919191919191919191919191919191919191919191919191919191";
    return peer;
}

void frozen_free(frozen *world)
{
    for (size_t i = 0; i < world->count; i++) {
        json_decref(world->peers[i].more);
    }
    world->count = 0;
}

void frozen_set(frozen_peer *peer, const char *key, const char *value)
{
    json_object_set_new(peer->more, key, value == NULL ? json_null() : json_string(value));
}

frozen_peer *frozen_find(frozen *world, const char *url)
{
    for (size_t i = 0; i < world->count; i++) {
        if (strcmp(world->peers[i].url, url) == 0) {
            return &world->peers[i];
        }
    }
    return NULL;
}

void frozen_reset(frozen *world)
{
    for (size_t i = 0; i < world->count; i++) {
        frozen_peer *peer = &world->peers[i];
        peer->requests = peer->frames = peer->keys = peer->events = peer->metadata = 0;
    }
}

void frozen_count(frozen *world, pm_request *const *requests, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        bool first = requests[i]->kind == PM_REQUEST_RPC;
        for (size_t j = 0; first && j < i; j++) {
            first = requests[j]->kind != PM_REQUEST_RPC ||
                    strcmp(requests[j]->target, requests[i]->target) != 0;
        }
        frozen_peer *peer = first ? frozen_find(world, requests[i]->target) : NULL;
        if (peer != NULL) {
            peer->frames++;
        }
    }
}

void frozen_reply(pm_request *request, const char *result)
{
    pm_buf_text(&request->out, result);
    pm_request_finish(request, PANICMON_OK, 0, NULL);
}

void frozen_error(pm_request *request, int64_t code, const char *message)
{
    pm_request_finish(request, PANICMON_ERR_RPC, code, message);
}

void frozen_hide_pallet(json_t *state, const char *pallet)
{
    char *text = strdup(json_string_value(json_object_get(state, "metadataV14")));
    char hex[128] = "";
    size_t len = strlen(pallet);
    (void)snprintf(hex, sizeof hex, "%02zx", len << 2);
    for (size_t i = 0; i < len; i++) {
        (void)snprintf(hex + 2 + 2 * i, 3, "%02x", (unsigned char)pallet[i]);
    }
    for (char *at = text; (at = strstr(at, hex)) != NULL; at += 2) {
        if ((at - text) % 2 == 0) {
            at[3 + 2 * (len - 1)] = '_' == pallet[len - 1] ? '0' : 'f';
        }
    }
    json_object_set_new(state, "metadataV14", json_string(text));
    free(text);
}

static json_t *block_at(const frozen_peer *peer, size_t i)
{
    return json_array_get(json_object_get(peer->state, "blocks"), i);
}

static const char *text_of(const json_t *object, const char *name)
{
    return json_string_value(json_object_get(object, name));
}

static json_int_t number_of(const frozen_peer *peer, size_t i)
{
    return json_integer_value(json_object_get(block_at(peer, i), "number"));
}

/* The index of a block, or -1. */
static int find_block(const frozen_peer *peer, const char *hash)
{
    for (size_t i = 0; hash != NULL && i <= peer->head; i++) {
        if (strcmp(text_of(block_at(peer, i), "hash"), hash) == 0) {
            return (int)i;
        }
    }
    return -1;
}

static const char *value_at(const frozen_peer *peer, size_t block, const char *key)
{
    json_t *value = json_object_get(peer->more, key);
    if (value == NULL) {
        value = json_object_get(json_object_get(block_at(peer, block), "storage"), key);
    }
    if (value == NULL) {
        value = json_object_get(json_object_get(peer->state, "base"), key);
    }
    return json_string_value(value);
}

/* False: the request was finished with an error. */
static bool state_at(const frozen_peer *peer, pm_request *request, const char *hash, size_t *block)
{
    char text[256];
    int i = hash == NULL ? (int)peer->head : find_block(peer, hash);
    if (i >= 0 && peer->head - (size_t)i < peer->keep) {
        *block = (size_t)i;
        return true;
    }
    (void)snprintf(
        text, sizeof text, "Client error: UnknownBlock: %s%s",
        i < 0 ? "Header was not found in the database: " : "State already discarded for ", hash);
    frozen_error(request, 4003, text);
    return false;
}

static void add_header(pm_buf *out, const frozen_peer *peer, size_t i)
{
    pm_buf_format(out,
                  "{\"parentHash\": \"%s\", \"number\": \"0x%llx\", \"digest\": {\"logs\": []}}",
                  i > 0 ? text_of(block_at(peer, i - 1), "hash")
                        : "0x0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f",
                  (long long)number_of(peer, i));
}

static void add_hash_of(pm_buf *out, const frozen_peer *peer, json_int_t number)
{
    if (number == 0) {
        pm_buf_format(out, "\"%s\"", peer->genesis);
        return;
    }
    for (size_t i = 0; i <= peer->head; i++) {
        if (number_of(peer, i) == number) {
            pm_buf_format(out, "\"%s\"", text_of(block_at(peer, i), "hash"));
            return;
        }
    }
    pm_buf_text(out, "null");
}

static void get_block_hash(const frozen_peer *peer, const json_t *params, pm_buf *out)
{
    json_t *which = json_array_get(params, 0);
    if (!json_is_array(which)) {
        add_hash_of(out, peer, json_integer_value(which));
        return;
    }
    pm_buf_char(out, '[');
    for (size_t i = 0; i < json_array_size(which); i++) {
        pm_buf_text(out, i > 0 ? "," : "");
        add_hash_of(out, peer, json_integer_value(json_array_get(which, i)));
    }
    pm_buf_char(out, ']');
}

static void query_storage(frozen_peer *peer, pm_request *request, const json_t *params, pm_buf *out)
{
    size_t block;
    json_t *keys = json_array_get(params, 0);
    const char *hash = json_string_value(json_array_get(params, 1));
    if (!state_at(peer, request, hash, &block)) {
        return;
    }
    peer->keys += (int)json_array_size(keys);
    pm_buf_format(out, "[{\"block\":\"%s\",\"changes\":[", hash);
    for (size_t i = 0; i < json_array_size(keys); i++) {
        const char *key = json_string_value(json_array_get(keys, i));
        const char *value = value_at(peer, block, key);
        pm_buf_format(out, "%s[\"%s\",", i > 0 ? "," : "", key);
        pm_buf_text(out, value == NULL ? "null" : "\"");
        pm_buf_text(out, value == NULL ? "" : value);
        pm_buf_text(out, value == NULL ? "]" : "\"]");
    }
    pm_buf_text(out, "]}]");
}

static int compare(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void keys_paged(frozen_peer *peer, pm_request *request, const json_t *params, pm_buf *out)
{
    const char *prefix = json_string_value(json_array_get(params, 0));
    size_t most = (size_t)json_integer_value(json_array_get(params, 1));
    const char *start = json_string_value(json_array_get(params, 2));
    size_t block;
    size_t count = 0;
    const char *key;
    json_t *value;
    if (!state_at(peer, request, json_string_value(json_array_get(params, 3)), &block)) {
        return;
    }
    json_t *base = json_object_get(peer->state, "base");
    const char **keys =
        calloc(json_object_size(base) + json_object_size(peer->more) + 1, sizeof(char *));
    json_object_foreach(base, key, value)
    {
        if (strncmp(key, prefix, strlen(prefix)) == 0 && value_at(peer, block, key) != NULL) {
            keys[count++] = key;
        }
    }
    json_object_foreach(peer->more, key, value)
    {
        if (strncmp(key, prefix, strlen(prefix)) == 0 && json_is_string(value) &&
            json_object_get(base, key) == NULL) {
            keys[count++] = key;
        }
    }
    qsort(keys, count, sizeof(char *), compare);
    size_t given = 0;
    pm_buf_char(out, '[');
    for (size_t i = 0; i < count && given < most; i++) {
        if (start == NULL || strcmp(keys[i], start) > 0) {
            pm_buf_format(out, "%s\"%s\"", given++ > 0 ? "," : "", keys[i]);
        }
    }
    pm_buf_char(out, ']');
    free(keys);
}

static void add_json(pm_buf *out, const json_t *value)
{
    char *text = json_dumps(value, JSON_ENCODE_ANY);
    pm_buf_text(out, text);
    free(text);
}

static void chain_call(frozen_peer *peer, pm_request *request, const json_t *params, pm_buf *out)
{
    const char *method = request->name;
    const char *first = json_string_value(json_array_get(params, 0));
    size_t block = 0;
    if (strcmp(method, "chain_getHeader") == 0) {
        int i = first == NULL ? (int)peer->head : find_block(peer, first);
        if (i < 0) {
            pm_buf_text(out, "null");
        } else {
            add_header(out, peer, (size_t)i);
        }
    } else if (strcmp(method, "chain_getBlockHash") == 0) {
        get_block_hash(peer, params, out);
    } else if (strcmp(method, "state_getRuntimeVersion") == 0) {
        if (state_at(peer, request, first, &block)) {
            add_json(out, peer->version != NULL ? peer->version
                                                : json_object_get(peer->state, "runtimeVersion"));
        }
    } else if (strcmp(method, "state_getMetadata") == 0) {
        peer->metadata++;
        if (state_at(peer, request, first, &block)) {
            const char *text = text_of(peer->state, "metadataV14");
            const char *bare = strstr(text, "6d657461");
            pm_buf_text(out, "\"0x");
            pm_buf_text(out, bare);
            pm_buf_text(out, "\"");
        }
    } else if (strcmp(method, "state_queryStorageAt") == 0) {
        query_storage(peer, request, params, out);
    } else if (strcmp(method, "state_getStorage") == 0) {
        peer->events++;
        if (state_at(peer, request, json_string_value(json_array_get(params, 1)), &block)) {
            const char *value = value_at(peer, block, first);
            pm_buf_text(out, value == NULL ? "null" : "\"");
            pm_buf_text(out, value == NULL ? "" : value);
            pm_buf_text(out, value == NULL ? "" : "\"");
        }
    } else if (strcmp(method, "state_getKeysPaged") == 0) {
        keys_paged(peer, request, params, out);
    } else {
        frozen_error(request, -32601, "Method not found");
    }
}

static bool system_call(const frozen_peer *peer, const pm_request *request, pm_buf *out)
{
    const char *method = request->name;
    if (strcmp(method, "system_health") == 0) {
        pm_buf_format(out, "{\"peers\": 12, \"isSyncing\": %s, \"shouldHavePeers\": true}",
                      peer->is_syncing ? "true" : "false");
    } else if (strcmp(method, "system_syncState") == 0 && !peer->no_sync_state) {
        long long best = (long long)number_of(peer, peer->head) - peer->lag;
        pm_buf_format(out, "{\"startingBlock\":1,\"currentBlock\":%lld,\"highestBlock\":%lld}",
                      best, best);
    } else if (strcmp(method, "chain_getFinalizedHead") == 0) {
        pm_buf_format(out, "\"%s\"", text_of(block_at(peer, peer->head), "hash"));
    } else if (strcmp(method, "system_chain") == 0) {
        add_json(out, json_object_get(peer->state, "chain"));
    } else if (strcmp(method, "system_version") == 0) {
        pm_buf_text(out, "\"1.20.0-frozen\"");
    } else if (strcmp(method, "system_properties") == 0) {
        add_json(out, json_object_get(peer->state, "properties"));
    } else {
        return false;
    }
    return true;
}

void frozen_answer(frozen *world, pm_request *request)
{
    frozen_peer *peer = frozen_find(world, request->target);
    if (peer == NULL || peer->is_down) {
        pm_request_finish(request, PANICMON_ERR_WS, 0, "connection refused");
        return;
    }
    peer->requests++;
    if (peer->hook != NULL && peer->hook(peer, request, peer->user)) {
        return;
    }
    pm_buf out = {0};
    if (!system_call(peer, request, &out)) {
        json_t *params = request->in.len > 0
                             ? json_loadb(request->in.data, request->in.len, 0, NULL)
                             : json_array();
        if (params == NULL) {
            printf("bad parameters of %s: %.200s\n", request->name, request->in.data);
            abort();
        }
        chain_call(peer, request, params, &out);
        json_decref(params);
    }
    if (!request->done) {
        request->out = out;
        pm_request_finish(request, PANICMON_OK, 0, NULL);
    } else {
        pm_buf_free(&out);
    }
}
