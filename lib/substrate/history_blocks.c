/* history_blocks.c: reading a chunk of blocks: which runtime wrote them, its metadata, their
 * events. */
#include "substrate/history.h"

#include <stdio.h>
#include <string.h>

#include <panicmon/log.h>

#include "base/clock.h"
#include "substrate/storage_key.h"
#include "substrate/value.h"

/* A catch-up that takes longer publishes what it has and goes on in the next round. */
#define ROUND_MS 4000

/* The next run of blocks to be read; at the end of all: DONE. */
void pm_history_next_chunk(pm_history *history)
{
    size_t missing = 0;
    size_t i = history->next = history->end;
    while (i < history->count && missing < PM_HISTORY_CHUNK) {
        missing += history->items[i++].block == NULL;
    }
    history->end = i;
    if (missing == 0) {
        pm_history_stop(history);
    }
}

static bool is_due(const pm_history_item *item)
{
    return item->block == NULL && !item->gone && item->hash[0] != '\0';
}

panicmon_err pm_history_ask_versions(pm_history *history, panicmon_round *round)
{
    panicmon_err status = PANICMON_OK;
    for (size_t i = history->next; i < history->end; i++) {
        pm_history_item *item = &history->items[i];
        item->request = PM_NO_REQUEST;
        if (is_due(item) && history->items[i - 1].hash[0] != '\0' &&
            pm_history_wants_versions(history)) {
            pm_call_at(&status, round, history->url, "state_getRuntimeVersion",
                       history->items[i - 1].hash, &item->request);
        }
    }
    return status;
}

void pm_history_take_versions(pm_history *history, panicmon_round *round)
{
    for (size_t i = history->next; i < history->end; i++) {
        pm_history_item *item = &history->items[i];
        const panicmon_reply *reply = pm_reply(round, item->request);
        if (pm_reply_ok(reply)) {
            (void)pm_version_read(pm_reply_json(reply), &item->version);
        }
    }
    history->stage = PM_HISTORY_METADATA;
}

/* Finds the runtimes of the chunk's blocks; asks for the metadata of the first that nobody has. */
panicmon_err pm_history_ask_metadata(pm_history *history, panicmon_round *round)
{
    panicmon_err status = PANICMON_OK;
    history->request = PM_NO_REQUEST;
    for (size_t i = history->next; i < history->end && history->request == PM_NO_REQUEST; i++) {
        pm_history_item *item = &history->items[i];
        if (!is_due(item) || item->version.id[0] == '\0' || item->runtime != NULL ||
            strcmp(item->version.id, history->writer->version.id) == 0) {
            continue;
        }
        item->runtime = pm_runtime_find(history->shared, history->genesis, &item->version);
        if (item->runtime == NULL) {
            history->end = i + 1; /* this block is the chunk's last */
            pm_call_at(&status, round, history->url, "state_getMetadata",
                       history->items[i - 1].hash, &history->request);
        }
    }
    return status;
}

void pm_history_take_metadata(pm_history *history, panicmon_round *round)
{
    pm_history_item *item = &history->items[history->end - 1];
    const panicmon_reply *reply = pm_reply(round, history->request);
    history->stage = PM_HISTORY_EVENTS;
    if (reply != NULL &&
        (!pm_reply_ok(reply) ||
         pm_runtime_make(&item->runtime, history->shared, history->genesis, &item->version,
                         pm_reply_json(reply), false, NULL) != PANICMON_OK)) {
        item->version = (pm_version){0}; /* the runtime at hand must do, or the block is left out */
    }
}

panicmon_err pm_history_ask_events(pm_history *history, panicmon_round *round)
{
    panicmon_err status = PANICMON_OK;
    for (size_t i = history->next; status == PANICMON_OK && i < history->end; i++) {
        pm_history_item *item = &history->items[i];
        const pm_runtime *runtime = item->runtime != NULL ? item->runtime : history->writer;
        pm_storage events;
        pm_buf params = {0};
        item->request = PM_NO_REQUEST;
        if (!is_due(item) || !pm_storage_find(runtime->metadata, "System", "Events", &events)) {
            continue;
        }
        pm_buf_text(&params, "[\"");
        status = pm_storage_key_hex(&events, NULL, 0, &params, NULL);
        pm_buf_format(&params, "\", \"%s\"]", item->hash);
        if (params.failed) {
            status = PANICMON_ERR_NOMEM;
        }
        pm_call(&status, round, history->url, "state_getStorage", params.data, PANICMON_RPC_PINNED,
                &item->request);
        pm_buf_free(&params);
    }
    return status;
}

/* The source had the block, and has thrown its state away. */
static bool is_pruned(const panicmon_reply *reply)
{
    return panicmon_reply_status(reply) == PANICMON_ERR_RPC &&
           strstr(panicmon_reply_message(reply), "discarded") != NULL;
}

/* The source has no such block: not any more, or not yet. */
static bool is_unknown(const panicmon_reply *reply)
{
    return panicmon_reply_status(reply) == PANICMON_ERR_RPC &&
           (panicmon_reply_code(reply) == 4003 ||
            strstr(panicmon_reply_message(reply), "UnknownBlock") != NULL);
}

static void log_block(panicmon_round *round, int64_t height, const char *what, const char *why)
{
    char text[512];
    (void)snprintf(text, sizeof text, "block %lld: %s%s%s", (long long)height, what,
                   *why == '\0' ? "" : ": ", why);
    panicmon_round_log(round, PANICMON_LOG_WARNING, text);
}

/* Decodes the events of a block. `*again`: its runtime is to be read again first. */
static panicmon_err decode(pm_history *history, panicmon_round *round, pm_history_item *item,
                           pm_json result, bool *again)
{
    pm_runtime *runtime = item->runtime != NULL ? item->runtime : history->writer;
    pm_json hex = pm_plain_string(result);
    pm_buf bytes = {0};
    panicmon_error *err = NULL;
    pm_block *block = pm_block_new(item->height);
    panicmon_err status = block == NULL ? PANICMON_ERR_NOMEM : PANICMON_OK;
    if (status == PANICMON_OK && hex.text != NULL) {
        status = pm_buf_reserve(&bytes, hex.len / 2 + 1) ? PANICMON_OK : PANICMON_ERR_NOMEM;
        if (status == PANICMON_OK && !pm_hex_parse(hex.text, hex.len, &bytes)) {
            status = PANICMON_ERR_PARSE;
        } else if (status == PANICMON_OK) {
            status = pm_block_read(block, runtime->metadata, (const uint8_t *)bytes.data, bytes.len,
                                   &err);
        }
    }
    if (status != PANICMON_OK && status != PANICMON_ERR_NOMEM) {
        *again = !runtime->renewed && runtime == history->writer;
        if (*again) {
            pm_runtime_drop(history->shared, runtime);
        } else {
            log_block(round, item->height, "its events do not decode and are left out",
                      panicmon_error_message(err));
            block->undecoded = true;
            history->undecoded++;
        }
        status = PANICMON_OK;
    }
    if (status == PANICMON_OK && !*again) {
        pm_block_keep(history->shared, history->genesis, history->url, block);
        item->block = pm_block_ref(block);
    }
    pm_block_unref(block);
    panicmon_error_free(err);
    pm_buf_free(&bytes);
    return status;
}

/* The block is not there any more, and never will be: it is passed over. */
static panicmon_err pass_over(pm_history *history, pm_history_item *item)
{
    item->block = pm_block_new(item->height);
    if (item->block == NULL) {
        return PANICMON_ERR_NOMEM;
    }
    item->block->pruned = true;
    history->pruned++;
    return PANICMON_OK;
}

/* Whether a later block of the list is there: then this one is gone, and not still to come. */
static bool later_is_there(const pm_history *history, size_t i)
{
    for (i++; i < history->count; i++) {
        if (history->items[i].hash[0] != '\0' || history->items[i].block != NULL) {
            return true;
        }
    }
    return false;
}

panicmon_err pm_history_take_events(pm_history *history, panicmon_round *round)
{
    panicmon_err status = PANICMON_OK;
    bool stop = false;
    for (size_t i = history->next; status == PANICMON_OK && !stop && i < history->end; i++) {
        pm_history_item *item = &history->items[i];
        const panicmon_reply *reply = pm_reply(round, item->request);
        if (item->block != NULL) {
            continue;
        }
        bool unknown = reply != NULL && is_unknown(reply) && !is_pruned(reply);
        if (item->gone || item->hash[0] == '\0' || unknown) {
            stop = !later_is_there(history, i);
            status = stop ? status : pass_over(history, item);
        } else if (reply == NULL) { /* a chain without events */
            item->block = pm_block_new(item->height);
            status = item->block == NULL ? PANICMON_ERR_NOMEM : PANICMON_OK;
        } else if (pm_reply_ok(reply)) {
            status = decode(history, round, item, pm_reply_json(reply), &stop);
        } else if (is_pruned(reply)) {
            status = pass_over(history, item);
        } else {
            stop = true;
        }
    }
    history->stage = PM_HISTORY_VERSIONS;
    if (stop || pm_mono_ms() - history->began_ms > ROUND_MS) {
        pm_history_stop(history);
    } else {
        pm_history_next_chunk(history);
    }
    return status;
}
