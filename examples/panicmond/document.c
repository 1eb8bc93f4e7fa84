/* document.c: see document.h. The one file of panicmond that knows a JSON library. */
#include "document.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- configs ---- */

/* host:port/path of a URL: no scheme, no user, no query. */
static void node_id(const char *url, char *out, size_t size)
{
    const char *scheme = strstr(url, "://");
    const char *rest = scheme == NULL ? url : scheme + 3;
    size_t authority = strcspn(rest, "/?#");
    const char *at = memrchr(rest, '@', authority);
    if (at != NULL) {
        rest = at + 1;
    }
    size_t len = strcspn(rest, "?#");
    while (len > 0 && rest[len - 1] == '/') {
        len--;
    }
    (void)snprintf(out, size, "%.*s", (int)len, rest);
}

static bool has_url(json_t *entry, const char *url)
{
    const char *text = json_string_value(json_object_get(entry, "ws_url"));
    return text != NULL && strcmp(text, url) == 0;
}

/* Adds one entry to `set`; two URLs of one id (ws and wss) get ids that differ. */
static bool add_node(json_t *set, const char *url)
{
    char id[200];
    char unique[224];
    node_id(url, id, sizeof id);
    (void)snprintf(unique, sizeof unique, "%s", id);
    for (int n = 2; json_object_get(set, unique) != NULL; n++) {
        if (has_url(json_object_get(set, unique), url)) {
            return true; /* given twice */
        }
        (void)snprintf(unique, sizeof unique, "%s#%d", id, n);
    }
    json_t *entry = json_pack("{s:s, s:s}", "node_id", unique, "ws_url", url);
    return entry != NULL && json_object_set_new(set, unique, entry) == 0;
}

char *document_add_nodes(const char *configs, const char *const *urls, size_t count)
{
    char *text = NULL;
    json_t *given = json_object();
    json_t *root = json_loads(configs, 0, NULL);
    bool good = given != NULL && root != NULL;
    for (size_t i = 0; good && i < count; i++) {
        good = add_node(given, urls[i]);
    }
    json_t *set = json_object_get(root, NODES_KEY);
    if (good && count > 0) {
        good = set != NULL ? json_object_update(set, given) == 0
                           : json_object_set(root, NODES_KEY, given) == 0;
    }
    if (good) {
        text = json_dumps(root, JSON_COMPACT);
    }
    json_decref(root);
    json_decref(given);
    return text;
}

char *document_configs_only(const char *text, size_t len)
{
    char *only = NULL;
    json_t *root = json_loadb(text, len, 0, NULL);
    json_t *configs = json_object_get(root, "configs");
    if (configs != NULL) {
        json_t *made = json_pack("{s:O}", "configs", configs);
        only = made == NULL ? NULL : json_dumps(made, JSON_COMPACT);
        json_decref(made);
    }
    json_decref(root);
    return only;
}

/* ---- samples ---- */

static void copy_text(char *out, size_t size, json_t *value)
{
    const char *text = json_string_value(value);
    (void)snprintf(out, size, "%s", text == NULL ? "" : text);
}

static int64_t number(json_t *object, const char *name)
{
    json_t *value = json_object_get(object, name);
    if (json_is_integer(value)) {
        return json_integer_value(value);
    }
    double real = json_number_value(value);
    return json_is_real(value) && real > -9e15 && real < 9e15 ? (int64_t)real : UNKNOWN;
}

/* A sample is {source: {"result": {...}}} or {source: {"error": {...}}}; one source is enough. */
static json_t *part_of(json_t *root, const char *name)
{
    const char *source;
    json_t *value;
    json_object_foreach(root, source, value)
    {
        json_t *part = json_object_get(value, name);
        if (json_is_object(part)) {
            return part;
        }
    }
    return NULL;
}

static void read_result(json_t *result, sample *out)
{
    json_t *data = json_object_get(result, "data");
    json_t *ours = json_object_get(data, "panicmon");
    json_t *health = json_object_get(ours, "health");
    out->best = number(data, "best_height");
    out->target = number(data, "target_height");
    out->finalized = number(data, "finalized_height");
    out->era = number(data, "current_era");
    out->peers = number(ours, "peers");
    out->syncing = json_is_true(json_object_get(health, "isSyncing"));
}

static void read_error(json_t *error, sample *out)
{
    int64_t code = number(error, "code");
    out->error = code > 0 && code < 1000000 ? (int)code : -1;
    copy_text(out->message, sizeof out->message, json_object_get(error, "message"));
}

bool document_read_sample(const char *body, size_t len, sample *out)
{
    /* Sums of money pass 64 bits; none of them is shown, so they may become reals. */
    json_t *root = json_loadb(body, len, JSON_DECODE_INT_AS_REAL, NULL);
    json_t *result = part_of(root, "result");
    json_t *error = result == NULL ? part_of(root, "error") : NULL;
    json_t *meta = json_object_get(result != NULL ? result : error, "meta_data");
    *out = (sample){
        .best = UNKNOWN, .target = UNKNOWN, .finalized = UNKNOWN, .peers = UNKNOWN, .era = UNKNOWN};
    copy_text(out->id, sizeof out->id, json_object_get(meta, "node_id"));
    copy_text(out->name, sizeof out->name, json_object_get(meta, "node_name"));
    if (result != NULL) {
        read_result(result, out);
    } else if (error != NULL) {
        read_error(error, out);
    }
    json_decref(root);
    return out->id[0] != '\0';
}
