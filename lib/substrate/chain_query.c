/* chain_query.c: see chain_query.h. */
#include "substrate/chain_query.h"

#include <stdlib.h>
#include <string.h>

/* So few answers are looked through one by one. */
#define FEW 16

void pm_query_begin(pm_query *query, const char *url, const char *hash)
{
    pm_buf_clear(&query->keys);
    query->key_count = 0;
    query->total = 0;
    query->request_count = 0;
    query->status = PANICMON_OK;
    query->url = url;
    memcpy(query->url_hash, hash, PM_HASH_TEXT);
    pm_query_forget(query);
}

static bool room_for_request(pm_query *query)
{
    if (query->request_count < query->request_room) {
        return true;
    }
    size_t room = query->request_room == 0 ? 4 : query->request_room * 2;
    panicmon_request *requests = realloc(query->requests, room * sizeof *requests);
    if (requests != NULL) {
        query->requests = requests;
        query->request_room = room;
    }
    return requests != NULL;
}

panicmon_err pm_query_send(pm_query *query, panicmon_round *round)
{
    if (query->status != PANICMON_OK || query->key_count == 0) {
        return query->status;
    }
    pm_buf_text(&query->keys, "], \"");
    pm_buf_text(&query->keys, query->url_hash);
    pm_buf_text(&query->keys, "\"]");
    if (query->keys.failed || !room_for_request(query)) {
        query->status = PANICMON_ERR_NOMEM;
    } else {
        pm_call(&query->status, round, query->url, "state_queryStorageAt", query->keys.data,
                PANICMON_RPC_PINNED, &query->requests[query->request_count]);
    }
    if (query->status == PANICMON_OK) {
        query->request_count++;
    }
    pm_buf_clear(&query->keys);
    query->key_count = 0;
    return query->status;
}

/* After a key: the call is full, or takes more. */
static void count_key(pm_query *query, panicmon_round *round)
{
    query->total++;
    if (++query->key_count == PM_QUERY_CHUNK) {
        (void)pm_query_send(query, round);
    }
}

static void begin_key(pm_query *query)
{
    if (query->key_count == 0) {
        pm_buf_text(&query->keys, "[[\"");
    } else {
        pm_buf_text(&query->keys, ", \"");
    }
}

void pm_query_add_key(pm_query *query, panicmon_round *round, const char *key, size_t len)
{
    if (query->status != PANICMON_OK) {
        return;
    }
    begin_key(query);
    pm_buf_add(&query->keys, key, len);
    pm_buf_char(&query->keys, '"');
    query->status = query->keys.failed ? PANICMON_ERR_NOMEM : PANICMON_OK;
    count_key(query, round);
}

void pm_query_add(pm_query *query, panicmon_round *round, const pm_storage *item,
                  const pm_key_arg *args, size_t count)
{
    if (query->status != PANICMON_OK) {
        return;
    }
    size_t before = query->keys.len;
    begin_key(query);
    panicmon_err status = pm_storage_key_hex(item, args, count, &query->keys, NULL);
    pm_buf_char(&query->keys, '"');
    if (status == PANICMON_ERR_INVAL) { /* the item has other arguments: it reads as absent */
        query->keys.len = before;
        return;
    }
    query->status = status != PANICMON_OK ? status
                    : query->keys.failed  ? PANICMON_ERR_NOMEM
                                          : PANICMON_OK;
    count_key(query, round);
}

static bool add_entry(pm_query *query, pm_json key, pm_json value)
{
    if (query->entry_count == query->entry_room) {
        size_t room = query->entry_room == 0 ? 8 : query->entry_room * 2;
        pm_query_entry *entries = realloc(query->entries, room * sizeof *entries);
        if (entries == NULL) {
            return false;
        }
        query->entries = entries;
        query->entry_room = room;
    }
    query->entries[query->entry_count++] = (pm_query_entry){.key = key, .value = value};
    return true;
}

static int compare_keys(pm_json a, pm_json b)
{
    size_t shorter = a.len < b.len ? a.len : b.len;
    int order = memcmp(a.text, b.text, shorter);
    return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

static int compare_entries(const void *a, const void *b)
{
    return compare_keys(((const pm_query_entry *)a)->key, ((const pm_query_entry *)b)->key);
}

/* ---- answers ---- */

static bool skip(const char **at, const char *end, const char *text, size_t len)
{
    bool there = (size_t)(end - *at) >= len && memcmp(*at, text, len) == 0;
    *at += there ? len : 0;
    return there;
}

/* The rest of a string without escapes, and its closing quote. */
static bool take_rest(const char **at, const char *end, pm_json *out)
{
    const char *quote = memchr(*at, '"', (size_t)(end - *at));
    if (quote == NULL || memchr(*at, '\\', (size_t)(quote - *at)) != NULL) {
        return false;
    }
    *out = (pm_json){*at, (size_t)(quote - *at)};
    *at = quote + 1;
    return true;
}

#define SKIP(text) skip(&at, end, text, sizeof(text) - 1)

/* An answer as nodes write them, to the letter, gone over once. False: it is another one, or there
 * is no memory; then it is read as any JSON. */
static bool read_usual_changes(pm_query *query, pm_json result)
{
    const char *at = result.text;
    const char *end = at + result.len;
    pm_json block;
    bool more = SKIP("[{\"block\":\"") && take_rest(&at, end, &block) && SKIP(",\"changes\":[");
    bool good = more;
    while (more) {
        pm_json key;
        pm_json value = {0};
        good = SKIP("[\"") && take_rest(&at, end, &key) && SKIP(",") &&
               (SKIP("null") || (SKIP("\"") && take_rest(&at, end, &value))) && SKIP("]") &&
               add_entry(query, key, value);
        more = good && SKIP(",");
    }
    return good && SKIP("]}]") && at == end;
}

/* [{"block", "changes": [[key, value or null], ...]}, ...]; false: no memory, or another shape. */
static bool read_changes(pm_query *query, pm_json result)
{
    size_t at_set = 0;
    pm_json set;
    if (!pm_json_is(result, '[')) {
        query->status = PANICMON_ERR_PROTOCOL;
        return false;
    }
    size_t before = query->entry_count;
    if (read_usual_changes(query, result)) {
        return true;
    }
    query->entry_count = before;
    while (pm_json_next_element(result, &at_set, &set)) {
        size_t at_change = 0;
        pm_json change;
        pm_json changes = pm_json_member(set, "changes");
        while (pm_json_next_element(changes, &at_change, &change)) {
            size_t at = 0;
            pm_json key = {0};
            pm_json value = {0};
            (void)pm_json_next_element(change, &at, &key);
            (void)pm_json_next_element(change, &at, &value);
            key = pm_plain_string(key);
            value = pm_plain_string(value);
            if (key.text != NULL && !add_entry(query, key, value)) {
                query->status = PANICMON_ERR_NOMEM;
                return false;
            }
        }
    }
    return true;
}

const panicmon_reply *pm_query_take(pm_query *query, panicmon_round *round)
{
    pm_query_forget(query);
    for (size_t i = 0; i < query->request_count; i++) {
        const panicmon_reply *reply = pm_reply(round, query->requests[i]);
        if (!pm_reply_ok(reply) || !read_changes(query, pm_reply_json(reply))) {
            query->entry_count = 0;
            return reply;
        }
    }
    query->request_count = 0;
    return NULL;
}

static bool is_key(const pm_query_entry *entry, pm_json key)
{
    return entry->key.len == key.len && memcmp(entry->key.text, key.text, key.len) == 0;
}

/* Nodes answer in the order of asking, and most of what is asked for is looked for in that order:
 * the next one is looked at first. Keys that the chain does not have stand there too. */
static const pm_query_entry *find_entry(pm_query *query, pm_json key)
{
    size_t count = query->entry_count;
    const pm_query_entry *found = NULL;
    if (!query->sorted) {
        size_t tries = count <= FEW ? count : 1;
        size_t at = query->next < count ? query->next : 0;
        for (size_t i = 0; i < tries; i++) {
            if (is_key(&query->entries[at], key)) {
                query->next = at + 1;
                return &query->entries[at];
            }
            at = at + 1 < count ? at + 1 : 0;
        }
    }
    if (count > FEW) {
        if (!query->sorted) {
            qsort(query->entries, count, sizeof *query->entries, compare_entries);
            query->sorted = true;
        }
        pm_query_entry wanted = {.key = key};
        found = bsearch(&wanted, query->entries, count, sizeof *query->entries, compare_entries);
    }
    return found;
}

static pm_json find(pm_query *query, pm_json key)
{
    const pm_query_entry *found = query->entry_count == 0 ? NULL : find_entry(query, key);
    return found == NULL ? (pm_json){0} : found->value;
}

pm_json pm_query_raw(pm_query *query, const pm_storage *item, const pm_key_arg *args, size_t count)
{
    pm_buf_clear(&query->scratch);
    if (query->entry_count == 0 ||
        pm_storage_key_hex(item, args, count, &query->scratch, NULL) != PANICMON_OK ||
        query->scratch.failed) {
        return (pm_json){0};
    }
    return find(query, (pm_json){query->scratch.data, query->scratch.len});
}

static panicmon_err open_value(pm_query *query, const pm_storage *item, pm_json raw, pm_value *out,
                               panicmon_error **err)
{
    *out = (pm_value){0};
    pm_buf_clear(&query->bytes);
    if (raw.text == NULL) {
        return pm_value_of_storage(item, NULL, 0, out, err);
    }
    if (!pm_buf_reserve(&query->bytes, raw.len / 2 + 1)) {
        return PANICMON_ERR_NOMEM;
    }
    if (!pm_hex_parse(raw.text, raw.len, &query->bytes)) {
        return PANICMON_ERR_PARSE;
    }
    return pm_value_of_storage(item, (const uint8_t *)query->bytes.data, query->bytes.len, out,
                               err);
}

panicmon_err pm_query_value(pm_query *query, const pm_storage *item, const pm_key_arg *args,
                            size_t count, pm_value *out, panicmon_error **err)
{
    return open_value(query, item, pm_query_raw(query, item, args, count), out, err);
}

panicmon_err pm_query_value_at(pm_query *query, const pm_storage *item, const char *key, size_t len,
                               pm_value *out, panicmon_error **err)
{
    return open_value(query, item, find(query, (pm_json){key, len}), out, err);
}

void pm_query_forget(pm_query *query)
{
    query->entry_count = query->next = 0;
    query->sorted = false;
}

void pm_query_free(pm_query *query)
{
    pm_buf_free(&query->keys);
    pm_buf_free(&query->scratch);
    pm_buf_free(&query->bytes);
    free(query->requests);
    free(query->entries);
    *query = (pm_query){0};
}
