/* outbox_entry.c: the memory of messages. Those of the usual sizes come and go by the thousand, so
 * each lane keeps some blocks; see outbox_impl.h. */
#include "net/outbox_impl.h"

#include <stdlib.h>
#include <string.h>

#include "base/compiler.h"

/* Blocks of each usual size that a lane keeps for later. */
#define SPARE_MAX 64

static const char *put(char **at, const char *text, size_t len)
{
    char *start = *at;
    if (len > 0) {
        memcpy(start, text, len);
    }
    start[len] = '\0';
    *at = start + len + 1;
    return start;
}

static const size_t block_sizes[PM_ENTRY_BLOCKS] = {512, 2048};

/* -1: it is none of the usual sizes, or would waste too much of one. */
static int block_of(size_t size)
{
    for (int i = 0; i < PM_ENTRY_BLOCKS; i++) {
        if (size <= block_sizes[i]) {
            return size > block_sizes[i] / 2 ? i : -1;
        }
    }
    return -1;
}

static pm_entry *take_memory(pm_lane *lane, size_t size)
{
    int block = lane == NULL ? -1 : block_of(size);
    pm_entry *entry = block < 0 ? NULL : lane->spare[block];
    if (entry != NULL) {
        lane->spare[block] = entry->next;
        lane->spare_count[block]--;
        pm_prefetch_all(entry->next, sizeof *entry); /* for the next one */
    } else {
        entry = malloc(block < 0 ? size : block_sizes[block]);
    }
    if (entry != NULL) {
        *entry = (pm_entry){.size = size, .block = block};
    }
    return entry;
}

void pm_entry_give_back(pm_lane *lane, pm_entry *entry)
{
    int block = lane == NULL || entry == NULL ? -1 : entry->block;
    if (block >= 0 && lane->spare_count[block] < SPARE_MAX) {
        entry->next = lane->spare[block];
        lane->spare[block] = entry;
        lane->spare_count[block]++;
    } else {
        free(entry);
    }
}

void pm_lane_drop_spare(pm_lane *lane)
{
    for (size_t i = 0; i < PM_ENTRY_BLOCKS; i++) {
        while (lane->spare[i] != NULL) {
            pm_entry *entry = lane->spare[i];
            lane->spare[i] = entry->next;
            free(entry);
        }
        lane->spare_count[i] = 0;
    }
}

pm_entry *pm_entry_make(const pm_outbox *outbox, pm_lane *lane, const char *exchange,
                        const char *routing_key, const char *body, size_t len)
{
    size_t exchange_len = strlen(exchange);
    size_t key_len = strlen(routing_key);
    bool keep = outbox->keep != NULL && strcmp(outbox->keep, exchange) == 0;
    pm_buf about = {0};
    if (keep) {
        pm_newest_name(&about, routing_key, body, len);
    }
    size_t size = sizeof(pm_entry) + exchange_len + key_len + len + about.len + 4;
    pm_entry *entry = about.failed ? NULL : take_memory(lane, size);
    if (entry == NULL) {
        pm_buf_free(&about);
        return NULL;
    }
    entry->keep = keep;
    char *at = entry->memory;
    entry->out.exchange = put(&at, exchange, exchange_len);
    entry->out.routing_key = put(&at, routing_key, key_len);
    entry->out.body = put(&at, body, len);
    entry->out.len = len;
    entry->about = put(&at, about.data, about.len);
    pm_buf_free(&about);
    return entry;
}
