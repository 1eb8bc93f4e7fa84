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

/* {name: value}, or {group: {name: value}}. */
static char *dump_part(const char *group, const char *name, json_t *value)
{
    json_t *made = group == NULL ? json_pack("{s:O}", name, value)
                                 : json_pack("{s:{s:O}}", group, name, value);
    char *text = made == NULL ? NULL : json_dumps(made, JSON_COMPACT);
    json_decref(made);
    return text;
}

void document_parts(const char *text, size_t len, part_fn part, void *user)
{
    const char *group;
    const char *name;
    json_t *members;
    json_t *value;
    json_t *root = json_loadb(text, len, 0, NULL);
    json_object_foreach(root, group, members)
    {
        bool configs = strcmp(group, "configs") == 0;
        if (!json_is_object(members)) {
            char *made = dump_part(NULL, group, members);
            part(user, made == NULL ? "" : made, configs);
            free(made);
            continue;
        }
        json_object_foreach(members, name, value)
        {
            char *made = dump_part(group, name, value);
            part(user, made == NULL ? "" : made, configs);
            free(made);
        }
    }
    json_decref(root);
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

static int answer(json_t *object, const char *name)
{
    json_t *value = json_object_get(object, name);
    return json_is_boolean(value) ? json_is_true(value) : -1;
}

/* A sample is {"result": {...}} or {"error": {...}}, or an object of such by source; one source is
 * enough. */
static json_t *part_of(json_t *root, const char *name)
{
    const char *source;
    json_t *value;
    json_t *own = json_object_get(root, name);
    if (json_is_object(own)) {
        return own;
    }
    json_object_foreach(root, source, value)
    {
        json_t *part = json_object_get(value, name);
        if (json_is_object(part)) {
            return part;
        }
    }
    return NULL;
}

/* Who a sample is of. */
static void read_meta_data(json_t *meta, sample *out)
{
    static const struct {
        const char *id, *name, *parent;
    } members[KINDS] = {
        [KIND_NODE] = {"node_id", "node_name", "node_parent_id"},
        [KIND_NETWORK] = {"parent_id", "chain_name", "parent_id"},
        [KIND_SYSTEM] = {"system_id", "system_name", "system_parent_id"},
        [KIND_REPO] = {"repo_id", "repo_name", "repo_parent_id"},
    };
    for (kind kind = KIND_NODE; kind < KINDS && out->id[0] == '\0'; kind++) {
        out->kind = kind;
        copy_text(out->id, sizeof out->id, json_object_get(meta, members[kind].id));
        copy_text(out->name, sizeof out->name, json_object_get(meta, members[kind].name));
        copy_text(out->parent, sizeof out->parent, json_object_get(meta, members[kind].parent));
    }
    copy_text(out->chain, sizeof out->chain, json_object_get(meta, "chain_name"));
    out->validator = answer(meta, "is_validator");
}

static double read_slashed(json_t *data)
{
    double sum = 0;
    size_t i;
    json_t *block;
    json_array_foreach(json_object_get(data, "historical"), i, block)
    {
        double amount = json_number_value(json_object_get(block, "slashed_amount"));
        sum += amount > 0 ? amount : 0;
    }
    return sum;
}

static void read_runtime(json_t *ours, sample *out)
{
    const char *name = json_string_value(json_object_get(ours, "spec_name"));
    int64_t version = number(ours, "spec_version");
    if (name != NULL && version != UNKNOWN) {
        (void)snprintf(out->runtime, sizeof out->runtime, "%s %lld", name, (long long)version);
    }
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
    out->session = number(data, "current_session");
    out->peers = number(ours, "peers");
    out->syncing = answer(health, "isSyncing");
    copy_text(out->version, sizeof out->version, json_object_get(ours, "node_version"));
    read_runtime(ours, out);
    if (out->chain[0] == '\0') {
        copy_text(out->chain, sizeof out->chain, json_object_get(ours, "chain"));
    }
    if (out->validator == 1) { /* of other nodes these say nothing */
        out->active = answer(data, "active");
        out->elected = answer(data, "elected");
        out->disabled = answer(data, "disabled");
        out->slashed = read_slashed(data);
    }
}

static void read_error(json_t *error, sample *out)
{
    int64_t code = number(error, "code");
    out->error = code > 0 && code < 1000000 ? (int)code : -1;
    copy_text(out->message, sizeof out->message, json_object_get(error, "message"));
}

bool document_read_sample(const char *body, size_t len, sample *out)
{
    /* Sums of money pass 64 bits; reals are good enough to show them. */
    json_t *root = json_loadb(body, len, JSON_DECODE_INT_AS_REAL, NULL);
    json_t *result = part_of(root, "result");
    json_t *error = result == NULL ? part_of(root, "error") : NULL;
    *out = (sample){.best = UNKNOWN,
                    .target = UNKNOWN,
                    .finalized = UNKNOWN,
                    .peers = UNKNOWN,
                    .era = UNKNOWN,
                    .session = UNKNOWN,
                    .syncing = -1,
                    .active = -1,
                    .elected = -1,
                    .disabled = -1};
    read_meta_data(json_object_get(result != NULL ? result : error, "meta_data"), out);
    if (result != NULL) {
        read_result(result, out);
    } else if (error != NULL) {
        read_error(error, out);
    }
    json_decref(root);
    return out->id[0] != '\0';
}

/* ---- monitorables ---- */

bool document_read_sources(const char *body, size_t len, char manager[64], source_fn source,
                           void *user)
{
    json_t *root = json_loadb(body, len, 0, NULL);
    json_t *list = json_object_get(root, "sources");
    bool good = json_is_array(list);
    size_t i;
    json_t *entry;
    copy_text(manager, 64, json_object_get(root, "manager_name"));
    json_array_foreach(list, i, entry)
    {
        const char *id = json_string_value(json_object_get(entry, "source_id"));
        const char *name = json_string_value(json_object_get(entry, "source_name"));
        const char *chain_id = json_string_value(json_object_get(entry, "chain_id"));
        const char *chain = json_string_value(json_object_get(entry, "chain_name"));
        if (id != NULL && name != NULL && chain_id != NULL && chain != NULL) {
            source(user, id, name, chain_id, chain);
        }
    }
    json_decref(root);
    return good;
}
