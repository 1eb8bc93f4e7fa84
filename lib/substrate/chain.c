/* chain.c: the object that the monitors of Substrate chains share, and small helpers of their
 * steps. Any thread. */
#include "substrate/chain.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "substrate/chain_state.h"

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
    for (size_t i = 2; i < hex.len; i++) {
        if (strchr("0123456789abcdefABCDEF", hex.text[i]) == NULL) {
            return false;
        }
    }
    memcpy(out, hex.text, hex.len);
    out[hex.len] = '\0';
    return true;
}

bool pm_height_known(pm_substrate *shared, const char *hash, int64_t *height)
{
    bool found = false;
    pm_substrate_lock(shared);
    for (size_t i = 0; !found && i < PM_MEMO_SIZE; i++) {
        if (shared->memo[i].hash[0] != '\0' && strcmp(shared->memo[i].hash, hash) == 0) {
            *height = shared->memo[i].height;
            found = true;
        }
    }
    pm_substrate_unlock(shared);
    return found;
}

void pm_height_keep(pm_substrate *shared, const char *hash, int64_t height)
{
    int64_t known;
    if (pm_height_known(shared, hash, &known)) {
        return;
    }
    pm_substrate_lock(shared);
    pm_height_memo *memo = &shared->memo[shared->memo_next++ % PM_MEMO_SIZE];
    memcpy(memo->hash, hash, PM_HASH_TEXT);
    memo->height = height;
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
    char params[PM_HASH_TEXT + 8];
    (void)snprintf(params, sizeof params, "[\"%s\"]", hash);
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
