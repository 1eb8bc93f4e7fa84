/* probe.c: see probe.h. */
#include "substrate/probe.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

/* A source so many blocks behind the middle of the others is used after them. */
#define LAG_MAX 3
/* So is one whose finalized head stands still so long while another's moves. */
#define STILL_MS 60000
#define MOVES_MS 30000

#define CHOICE_MAX (PM_WINDOW + 1)

panicmon_err pm_source_slot_set(pm_substrate *shared, pm_source_slot *slot, const char *url)
{
    pm_source_slot_rest(slot);
    if (slot->endpoint != NULL && strcmp(slot->endpoint->url, url) == 0) {
        return PANICMON_OK;
    }
    pm_endpoint_close(shared, slot->endpoint);
    slot->seen_ms = -1;
    slot->endpoint = pm_endpoint_open(shared, url);
    return slot->endpoint == NULL ? PANICMON_ERR_NOMEM : PANICMON_OK;
}

void pm_source_slot_rest(pm_source_slot *slot)
{
    if (slot->heads != NULL) {
        slot->seen_ms = slot->heads->taken_ms;
        pm_heads_unref(slot->heads);
        slot->heads = NULL;
    }
    if (slot->asked) { /* the round was cut short */
        pm_heads_call_end(&slot->call);
        slot->asked = false;
    }
    slot->bad = false;
}

void pm_source_slot_clear(pm_substrate *shared, pm_source_slot *slot)
{
    pm_source_slot_rest(slot);
    pm_endpoint_close(shared, slot->endpoint);
    slot->endpoint = NULL;
}

panicmon_err pm_probe_ask(pm_substrate *shared, pm_source_slot *slot, panicmon_round *round,
                          int64_t now, int64_t fresh_ms, bool source)
{
    const pm_endpoint *endpoint = slot->endpoint;
    pm_substrate_lock(shared);
    pm_heads *last = pm_heads_ref(endpoint->heads);
    bool paused = source && now < endpoint->retry_ms;
    pm_substrate_unlock(shared);
    if (last != NULL && now - last->taken_ms < fresh_ms && last->taken_ms > slot->seen_ms &&
        (last->status == PANICMON_OK || source)) {
        slot->heads = last;
        return PANICMON_OK;
    }
    if (paused) {
        pm_heads_unref(last);
        return PANICMON_OK;
    }
    slot->asked = true;
    return pm_heads_ask(&slot->call, endpoint, last, round, now);
}

panicmon_err pm_source_slot_take(pm_substrate *shared, pm_source_slot *slot, panicmon_round *round,
                                 int64_t now)
{
    if (!slot->asked) {
        return PANICMON_OK;
    }
    panicmon_err status =
        pm_heads_take(&slot->heads, &slot->call, shared, slot->endpoint, round, now);
    slot->asked = slot->heads == NULL;
    return status;
}

bool pm_source_slot_usable(const pm_source_slot *slot)
{
    return slot->heads != NULL && !slot->bad && slot->heads->status == PANICMON_OK &&
           slot->heads->health.known && !slot->heads->health.is_syncing;
}

static int compare(const void *a, const void *b)
{
    int64_t one = *(const int64_t *)a;
    int64_t other = *(const int64_t *)b;
    return (one > other) - (one < other);
}

/* The middle of the heights, the higher one of two; -1 when nobody says any. */
static int64_t middle_height(pm_source_slot *const *slots, size_t count)
{
    int64_t heights[CHOICE_MAX];
    size_t known = 0;
    for (size_t i = 0; i < count && known < CHOICE_MAX; i++) {
        const pm_heads *heads = slots[i]->heads;
        if (heads != NULL && heads->status == PANICMON_OK && heads->best.known) {
            heights[known++] = heads->best.value;
        }
    }
    if (known == 0) {
        return -1;
    }
    if (known == 1) {
        return heights[0];
    }
    qsort(heights, known, sizeof heights[0], compare);
    return heights[known / 2];
}

static bool is_stalled(const pm_source_slot *slot, pm_source_slot *const *slots, size_t count,
                       int64_t middle)
{
    int64_t now = pm_mono_ms();
    const pm_heads *heads = slot->heads;
    if (heads->best.known && middle - heads->best.value > LAG_MAX) {
        return true;
    }
    if (now - heads->moved_ms <= STILL_MS) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        if (slots[i] != slot && pm_source_slot_usable(slots[i]) &&
            strcmp(slots[i]->heads->hash, heads->hash) != 0 &&
            now - slots[i]->heads->moved_ms <= MOVES_MS) {
            return true;
        }
    }
    return false;
}

pm_source_slot *pm_source_slot_choose(pm_source_slot *const *slots, size_t count, bool *stalled)
{
    pm_source_slot *second = NULL;
    *stalled = false;
    if (count == 1) {
        return pm_source_slot_usable(slots[0]) ? slots[0] : NULL;
    }
    int64_t middle = middle_height(slots, count);
    for (size_t i = 0; i < count; i++) {
        if (!pm_source_slot_usable(slots[i])) {
            continue;
        }
        if (!is_stalled(slots[i], slots, count, middle)) {
            return slots[i];
        }
        second = second == NULL ? slots[i] : second;
    }
    *stalled = second != NULL;
    return second;
}
