/* history.c: see history.h. */
#include "substrate/history.h"

#include <panicmon/log.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "substrate/storage_key.h"
#include "substrate/value.h"

/* After so many rounds without an answer of the state store the history begins anew. */
#define FAILURES_MAX 3

/* ---- the cursor ---- */

static void read_cursor(pm_history *history, const panicmon_reply *reply)
{
    size_t len;
    pm_json value;
    pm_maybe height = {0};
    const char *text = panicmon_reply_body(reply, &len);
    history->runtime[0] = '\0';
    if (pm_json_parse(text, len, &value, NULL)) {
        pm_json runtime = pm_plain_string(pm_json_member(value, "runtime"));
        height.known =
            pm_json_int(pm_json_member(value, "height"), &height.value) && height.value >= 0;
        if (runtime.text != NULL && runtime.len < sizeof history->runtime) {
            memcpy(history->runtime, runtime.text, runtime.len);
            history->runtime[runtime.len] = '\0';
        }
    }
    history->cursor = height;
}

static void take_cursor(pm_history *history, panicmon_round *round)
{
    const panicmon_reply *reply = pm_reply(round, history->request);
    history->stage = PM_HISTORY_WAIT;
    history->loaded = true;
    history->cursor = (pm_maybe){0};
    history->runtime[0] = '\0';
    if (pm_reply_ok(reply)) {
        read_cursor(history, reply);
    } else if (panicmon_reply_status(reply) != PANICMON_ERR_NOENT &&
               ++history->failures < FAILURES_MAX) {
        history->loaded = false; /* better no history for now than one with a hole */
        history->stage = PM_HISTORY_OFF;
    }
}

panicmon_err pm_history_begin(pm_history *history, panicmon_round *round, const char *genesis,
                              const char *node_id)
{
    pm_buf key = {0};
    pm_json hash = {.text = genesis, .len = strlen(genesis)};
    pm_json plain = pm_plain_string(hash);
    pm_history_end(history);
    pm_buf_text(&key, "substrate.history.");
    pm_buf_add(&key, plain.text, plain.len);
    pm_buf_format(&key, ".%s", node_id);
    if (key.failed) {
        pm_buf_free(&key);
        return PANICMON_ERR_NOMEM;
    }
    if (history->key == NULL || strcmp(history->key, key.data) != 0) {
        free(history->key);
        history->key = pm_buf_take(&key, NULL);
        history->loaded = false;
        history->failures = 0;
    }
    pm_buf_free(&key);
    history->began_ms = pm_mono_ms();
    history->stage = PM_HISTORY_WAIT;
    if (!history->loaded) {
        history->stage = PM_HISTORY_LOAD;
        history->asked = true;
        history->asked_step = panicmon_round_step(round);
        return panicmon_round_load(round, history->key, &history->request);
    }
    return PANICMON_OK;
}

panicmon_err pm_history_confirm(pm_history *history, panicmon_round *round)
{
    pm_buf value = {0};
    if (!history->reached.known ||
        (history->cursor.known && history->reached.value <= history->cursor.value)) {
        return PANICMON_OK;
    }
    history->cursor = history->reached;
    history->runtime[0] = '\0';
    if (history->writer != NULL && history->reached.value == history->height) {
        memcpy(history->runtime, history->writer->version.id, sizeof history->runtime);
    }
    pm_buf_format(&value, "{\"height\": %lld, \"runtime\": ", (long long)history->cursor.value);
    pm_buf_json_string(&value, history->runtime, strlen(history->runtime));
    pm_buf_char(&value, '}');
    panicmon_err status =
        value.failed ? PANICMON_ERR_NOMEM
                     : panicmon_round_store(round, history->key, value.data, value.len, NULL);
    pm_buf_free(&value);
    return status;
}

/* ---- which blocks ---- */

void pm_history_aim(pm_history *history, const char *url, const char *genesis, bool is_archive,
                    const char *head, int64_t height)
{
    if (history->url == NULL) {
        history->url = url;
        history->genesis = genesis;
        history->is_archive = is_archive;
        history->height = height;
        memcpy(history->head, head, PM_HASH_TEXT);
    }
}

void pm_history_writer(pm_history *history, pm_runtime *writer)
{
    if (history->writer == NULL) {
        history->writer = pm_runtime_ref(writer);
    }
}

/* Lists the blocks to read; those that somebody has read stand there already. */
static panicmon_err list_blocks(pm_history *history)
{
    int64_t height = history->height;
    int64_t limit = history->is_archive ? PM_HISTORY_ARCHIVE : PM_HISTORY_PRUNED;
    int64_t last = history->cursor.known ? history->cursor.value : height - 1;
    last = height - last > limit ? height - limit : last;
    if (last >= height || height < 1) {
        history->stage = PM_HISTORY_DONE;
        return PANICMON_OK;
    }
    last = last < 0 ? 0 : last;
    size_t count = (size_t)(height - last);
    history->items = calloc(count + 1, sizeof *history->items);
    if (history->items == NULL) {
        return PANICMON_ERR_NOMEM;
    }
    history->count = count + 1;
    for (size_t i = 0; i <= count; i++) {
        pm_history_item *item = &history->items[i];
        item->height = last + (int64_t)i;
        item->request = PM_NO_REQUEST;
        if (i > 0) {
            item->block =
                pm_block_find(history->shared, history->genesis, history->url, item->height);
        }
    }
    memcpy(history->items[count].hash, history->head, PM_HASH_TEXT);
    history->trusted = count == 1;
    history->next = history->end = 1;
    history->stage = PM_HISTORY_HASHES;
    return PANICMON_OK;
}

/* Without a runtime of the last time, that of each block is asked for, by the block before it. */
bool pm_history_wants_versions(const pm_history *history)
{
    return !history->trusted &&
           (!history->cursor.known || history->runtime[0] == '\0' || history->writer == NULL ||
            strcmp(history->runtime, history->writer->version.id) != 0);
}

static bool wants_hash(const pm_history *history, size_t i)
{
    const pm_history_item *item = &history->items[i];
    bool missing = i > 0 && item->block == NULL;
    bool next_missing = i + 1 < history->count && history->items[i + 1].block == NULL;
    return item->hash[0] == '\0' && (missing || (next_missing && !history->trusted));
}

static panicmon_err ask_hashes(pm_history *history, panicmon_round *round)
{
    pm_buf params = {0};
    size_t wanted = 0;
    for (size_t i = 0; i < history->count; i++) {
        if (wants_hash(history, i)) {
            pm_buf_format(&params, "%s%lld", wanted++ == 0 ? "[[" : ", ",
                          (long long)history->items[i].height);
        }
    }
    pm_buf_text(&params, "]]");
    panicmon_err status = params.failed ? PANICMON_ERR_NOMEM : PANICMON_OK;
    history->request = PM_NO_REQUEST;
    if (wanted > 0 && status == PANICMON_OK) {
        pm_call(&status, round, history->url, "chain_getBlockHash", params.data, 0,
                &history->request);
    }
    pm_buf_free(&params);
    return status;
}

/* Nothing more can be read in this round. */
void pm_history_stop(pm_history *history)
{
    history->stage = PM_HISTORY_DONE;
}

static void take_hashes(pm_history *history, panicmon_round *round)
{
    const panicmon_reply *reply = pm_reply(round, history->request);
    pm_json list = pm_reply_json(reply);
    size_t at = 0;
    history->stage = PM_HISTORY_VERSIONS;
    if (history->request == PM_NO_REQUEST) {
        return;
    }
    if (!pm_json_is(list, '[')) {
        pm_history_stop(history);
        return;
    }
    for (size_t i = 0; i < history->count; i++) {
        pm_json hash;
        if (wants_hash(history, i) && pm_json_next_element(list, &at, &hash)) {
            history->items[i].gone = !pm_hash_text(hash, history->items[i].hash);
        }
    }
}

/* ---- the machine ---- */

static panicmon_err take(pm_history *history, panicmon_round *round)
{
    switch (history->stage) {
    case PM_HISTORY_LOAD:
        take_cursor(history, round);
        break;
    case PM_HISTORY_HASHES:
        take_hashes(history, round);
        if (history->stage == PM_HISTORY_VERSIONS) {
            pm_history_next_chunk(history);
        }
        break;
    case PM_HISTORY_VERSIONS:
        pm_history_take_versions(history, round);
        break;
    case PM_HISTORY_METADATA:
        pm_history_take_metadata(history, round);
        break;
    case PM_HISTORY_EVENTS:
        return pm_history_take_events(history, round);
    case PM_HISTORY_OFF:
    case PM_HISTORY_WAIT:
    case PM_HISTORY_DONE:
        break;
    }
    return PANICMON_OK;
}

static bool any_due(const pm_history *history)
{
    bool any = history->stage == PM_HISTORY_EVENTS || history->stage == PM_HISTORY_VERSIONS;
    if (any) {
        any = false;
        for (size_t i = history->next; i < history->end; i++) {
            any = any || history->items[i].request != PM_NO_REQUEST;
        }
    } else {
        any = history->request != PM_NO_REQUEST;
    }
    return any;
}

static panicmon_err ask(pm_history *history, panicmon_round *round)
{
    switch (history->stage) {
    case PM_HISTORY_HASHES:
        return ask_hashes(history, round);
    case PM_HISTORY_VERSIONS:
        return pm_history_ask_versions(history, round);
    case PM_HISTORY_METADATA:
        return pm_history_ask_metadata(history, round);
    case PM_HISTORY_EVENTS:
        return pm_history_ask_events(history, round);
    default:
        return PANICMON_OK;
    }
}

/* The last block of the unbroken run that was read. */
static void settle(pm_history *history)
{
    if (history->stage != PM_HISTORY_DONE) {
        return;
    }
    size_t i = 1;
    while (i < history->count && history->items[i].block != NULL) {
        history->reached = (pm_maybe){.known = true, .value = history->items[i++].height};
    }
}

static bool must_wait(const pm_history *history)
{
    return (history->stage == PM_HISTORY_WAIT && history->url == NULL) ||
           (history->stage > PM_HISTORY_HASHES && history->stage < PM_HISTORY_DONE &&
            history->writer == NULL);
}

static void log_pruned(pm_history *history, panicmon_round *round)
{
    if (history->stage == PM_HISTORY_DONE && history->pruned > 0) {
        char text[128];
        (void)snprintf(text, sizeof text,
                       "%zu blocks are no longer at the source and were passed over",
                       history->pruned);
        panicmon_round_log(round, PANICMON_LOG_WARNING, text);
    }
}

panicmon_err pm_history_step(pm_history *history, panicmon_round *round, bool *busy)
{
    panicmon_err status = PANICMON_OK;
    *busy = false;
    if (pm_history_over(history)) {
        return status;
    }
    if (history->asked && history->asked_step == panicmon_round_step(round)) {
        *busy = true;
        return status;
    }
    if (history->asked) {
        history->asked = false;
        status = take(history, round);
    }
    while (status == PANICMON_OK && !history->asked && !pm_history_over(history) &&
           !must_wait(history)) {
        if (history->stage == PM_HISTORY_WAIT) {
            status = list_blocks(history);
            continue;
        }
        status = ask(history, round);
        if (status == PANICMON_OK && any_due(history)) {
            history->asked = true;
            history->asked_step = panicmon_round_step(round);
        } else if (status == PANICMON_OK) {
            status = take(history, round); /* there was nothing to ask: on */
        }
    }
    *busy = history->asked;
    settle(history);
    log_pruned(history, round);
    return status;
}

bool pm_history_over(const pm_history *history)
{
    return history->stage == PM_HISTORY_OFF || history->stage == PM_HISTORY_DONE;
}

void pm_history_json(pm_buf *out, const pm_history *history, const uint8_t *account)
{
    bool some = false;
    pm_buf_char(out, '[');
    for (size_t i = history->count; i-- > 1;) {
        const pm_history_item *item = &history->items[i];
        uint64_t low;
        uint64_t high;
        bool slashed;
        bool offline;
        if (!history->reached.known || item->height > history->reached.value ||
            item->block->pruned || item->block->undecoded) {
            continue;
        }
        pm_block_of(item->block, account, &low, &high, &slashed, &offline);
        pm_buf_format(out, "%s{\"height\": %lld, \"slashed\": %s, \"slashed_amount\": ",
                      some ? ", " : "", (long long)item->height, slashed ? "true" : "false");
        pm_u128_add(out, (pm_u128){.low = low, .high = high});
        pm_buf_format(out, ", \"is_offline\": %s}", offline ? "true" : "false");
        some = true;
    }
    pm_buf_char(out, ']');
}

void pm_history_end(pm_history *history)
{
    for (size_t i = 0; i < history->count; i++) {
        pm_block_unref(history->items[i].block);
        pm_runtime_unref(history->shared, history->items[i].runtime);
    }
    free(history->items);
    pm_runtime_unref(history->shared, history->writer);
    history->items = NULL;
    history->count = history->next = history->end = 0;
    history->pruned = history->undecoded = 0;
    history->writer = NULL;
    history->url = history->genesis = NULL;
    history->reached = (pm_maybe){0};
    history->stage = PM_HISTORY_OFF;
    history->asked = false;
}

void pm_history_free(pm_history *history)
{
    pm_history_end(history);
    free(history->key);
    history->key = NULL;
}
