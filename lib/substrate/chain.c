/* chain.c: the object that the monitors of Substrate chains share, and small helpers of their
 * steps. Any thread. */
#include "substrate/chain.h"

#include <stdlib.h>
#include <string.h>

#include "substrate/chain_state.h"

/* Bytes of a sample without history; larger buffers than the last are not kept. */
#define BODY_USUAL 2000
#define BODY_MAX   16384

panicmon_err panicmon_substrate_new(panicmon_substrate **out)
{
    if (out == NULL) {
        return PANICMON_ERR_INVAL;
    }
    panicmon_substrate *shared = calloc(1, sizeof *shared);
    if (shared == NULL) {
        return PANICMON_ERR_NOMEM;
    }
    atomic_init(&shared->refs, 1);
    (void)pthread_mutex_init(&shared->lock, NULL);
    *out = shared;
    return PANICMON_OK;
}

panicmon_substrate *panicmon_substrate_ref(panicmon_substrate *shared)
{
    if (shared != NULL) {
        atomic_fetch_add(&shared->refs, 1);
    }
    return shared;
}

pm_substrate *pm_substrate_ref(pm_substrate *shared)
{
    return panicmon_substrate_ref(shared);
}

/* Endpoints, views and runtimes are gone by now: each of their users holds a reference. */
void panicmon_substrate_free(panicmon_substrate *shared)
{
    if (shared == NULL || atomic_fetch_sub(&shared->refs, 1) != 1) {
        return;
    }
    pm_sources_clear(shared);
    pm_fetches_clear(shared);
    pm_facts_clear(shared);
    while (shared->body_count > 0) {
        pm_buf_free(&shared->bodies[--shared->body_count]);
    }
    for (pm_block *block = shared->newest; block != NULL;) {
        pm_block *older = block->older;
        pm_block_unref(block);
        block = older;
    }
    pm_map_free(&shared->endpoints);
    pm_map_free(&shared->views);
    pm_map_free(&shared->runtimes);
    pm_map_free(&shared->flights);
    pm_map_free(&shared->sets);
    pm_map_free(&shared->blocks);
    (void)pthread_mutex_destroy(&shared->lock);
    free(shared);
}

pm_json pm_plain_string(pm_json value)
{
    if (!pm_json_is(value, '"') || memchr(value.text, '\\', value.len) != NULL) {
        return (pm_json){0};
    }
    return (pm_json){.text = value.text + 1, .len = value.len - 2};
}

bool pm_hash_text(pm_json value, char out[PM_HASH_TEXT])
{
    pm_json hex = pm_plain_string(value);
    out[0] = '\0';
    if (hex.len != PM_HASH_TEXT - 1 || hex.text[0] != '0' || hex.text[1] != 'x') {
        return false;
    }
    unsigned bad = 0; /* without a branch in the loop: compilers make few instructions of it */
    for (size_t i = 2; i < PM_HASH_TEXT - 1; i++) {
        unsigned char c = (unsigned char)hex.text[i];
        bad |= (unsigned)((unsigned char)(c - '0') > 9) &
               (unsigned)((unsigned char)((c | 0x20) - 'a') > 5);
    }
    if (bad != 0) {
        return false;
    }
    memcpy(out, hex.text, hex.len);
    out[hex.len] = '\0';
    return true;
}

/* Escapes make a key longer, and those of a name begin as it does or with one. */
static bool is_member(pm_json key, pm_name name)
{
    if (key.len == name.len + 2) {
        return memcmp(key.text + 1, name.text, name.len) == 0;
    }
    return key.len > name.len + 2 && (key.text[1] == name.text[0] || key.text[1] == '\\') &&
           pm_json_equals(key, name.text);
}

void pm_json_members(pm_json object, const pm_name *names, pm_json *out, size_t count)
{
    size_t at = 0;
    size_t missing = count;
    pm_json key;
    pm_json value;
    for (size_t i = 0; i < count; i++) {
        out[i] = (pm_json){0};
    }
    while (missing > 0 && pm_json_next_member(object, &at, &key, &value)) {
        for (size_t i = 0; i < count; i++) {
            if (out[i].text == NULL && is_member(key, names[i])) {
                out[i] = value;
                missing--;
                break;
            }
        }
    }
}

/* ---- what is kept for the next one ---- */

pm_buf pm_body_take(pm_substrate *shared)
{
    pm_buf body = {0};
    pm_substrate_lock(shared);
    if (shared->body_count > 0) {
        body = shared->bodies[--shared->body_count];
    }
    pm_substrate_unlock(shared);
    (void)pm_buf_reserve(&body, BODY_USUAL);
    return body;
}

void pm_body_give(pm_substrate *shared, pm_buf *body)
{
    pm_buf_clear(body);
    pm_substrate_lock(shared);
    if (body->cap <= BODY_MAX && shared->body_count < PM_SPARE_MAX) {
        shared->bodies[shared->body_count++] = *body;
        *body = (pm_buf){0};
    }
    pm_substrate_unlock(shared);
    pm_buf_free(body);
}

/* ---- heights ---- */

/* Under the lock. NULL: not known. */
static const pm_height_memo *find_height(pm_substrate *shared, const char *hash, size_t *set)
{
    uint64_t mixed;
    memcpy(&mixed, hash + 2, sizeof mixed); /* a hash is as good as random; an empty one has room */
    *set = (size_t)(mixed * 0x9e3779b97f4a7c15u >> 32) % PM_MEMO_SETS;
    for (size_t i = 0; i < PM_MEMO_WAYS; i++) {
        const pm_height_memo *memo = &shared->memo[*set][i];
        if (memo->hash[0] != '\0' && memcmp(memo->hash, hash, PM_HASH_TEXT) == 0) {
            return memo;
        }
    }
    return NULL;
}

bool pm_height_known(pm_substrate *shared, const char *hash, int64_t *height)
{
    size_t set;
    pm_substrate_lock(shared);
    const pm_height_memo *memo = find_height(shared, hash, &set);
    if (memo != NULL) {
        *height = memo->height;
    }
    pm_substrate_unlock(shared);
    return memo != NULL;
}

void pm_height_keep(pm_substrate *shared, const char *hash, int64_t height)
{
    size_t set;
    pm_substrate_lock(shared);
    if (find_height(shared, hash, &set) == NULL) {
        pm_height_memo *memo = &shared->memo[set][shared->memo_next[set]++ % PM_MEMO_WAYS];
        memcpy(memo->hash, hash, PM_HASH_TEXT);
        memo->height = height;
    }
    pm_substrate_unlock(shared);
}

void pm_call(panicmon_err *status, panicmon_round *round, const char *url, const char *method,
             const char *params, uint32_t flags, panicmon_request *out)
{
    *out = PM_NO_REQUEST;
    if (*status == PANICMON_OK) {
        *status = panicmon_round_rpc(round, url, method, params, flags, out);
    }
}

void pm_call_at(panicmon_err *status, panicmon_round *round, const char *url, const char *method,
                const char *hash, panicmon_request *out)
{
    char params[PM_HASH_TEXT + 8] = "[\"";
    size_t len = strlen(hash);
    memcpy(params + 2, hash, len + 1);
    memcpy(params + 2 + len, "\"]", sizeof "\"]");
    pm_call(status, round, url, method, params, PANICMON_RPC_PINNED, out);
}

const panicmon_reply *pm_reply(const panicmon_round *round, panicmon_request request)
{
    return request == PM_NO_REQUEST ? NULL : panicmon_round_reply(round, request);
}

bool pm_reply_ok(const panicmon_reply *reply)
{
    return reply != NULL && panicmon_reply_status(reply) == PANICMON_OK;
}

pm_json pm_reply_json(const panicmon_reply *reply)
{
    size_t len;
    if (!pm_reply_ok(reply)) {
        return (pm_json){0};
    }
    const char *text = panicmon_reply_body(reply, &len);
    return (pm_json){.text = text, .len = len};
}

bool pm_reply_lost(const panicmon_reply *reply)
{
    panicmon_err status = panicmon_reply_status(reply);
    return status != PANICMON_OK && status != PANICMON_ERR_RPC;
}
