/* outbox_spool.c: what the outbox and its spool have to say to each other beyond single messages:
 * taking in what an earlier process left, and writing anew what is live when most of the disk holds
 * what was settled. */
#include <stdlib.h>

#include "net/outbox_impl.h"

/* Messages written anew, and messages looked at, before the lock is given up for a moment. */
#define MOVES 32
#define LOOKS 1024

static bool replay(void *user, uint64_t seq, uint64_t segment, const char *name,
                   const pm_message *message)
{
    pm_outbox *outbox = user;
    if (!pm_outbox_can_name(message->exchange, message->routing_key)) {
        atomic_fetch_add(&outbox->counts->produced, 1);
        pm_sink_count_dropped(outbox->counts, &outbox->counts->dropped_failed, 1);
        pm_spool_settled(outbox->spool, segment, seq);
        return true;
    }
    pm_entry *entry = pm_entry_make(outbox, NULL, message->exchange, message->routing_key,
                                    message->body, message->len);
    pm_lane *lane = entry == NULL ? NULL : pm_lane_of(outbox, name, &outbox->limbo);
    if (lane == NULL) {
        free(entry);
        return false;
    }
    entry->lane = lane;
    entry->seq = seq;
    entry->segment = segment;
    atomic_fetch_add(&outbox->counts->produced, 1);
    pm_entry_link(entry);
    pm_newest_enter(entry);
    (void)pm_outbox_make_room(outbox, 0);
    return true;
}

static size_t live_bytes(void *user)
{
    pm_outbox *outbox = user;
    pthread_mutex_lock(&outbox->lock);
    size_t bytes = outbox->bytes;
    outbox->moving = outbox->oldest;
    pm_outbox_unlock(outbox);
    return bytes;
}

/* Loops that take messages in wait for the lock: it is held for a few at a time. */
static bool move(void *user, uint64_t before)
{
    pm_outbox *outbox = user;
    size_t moves = 0;
    pthread_mutex_lock(&outbox->lock);
    for (size_t looks = 0; outbox->moving != NULL && looks < LOOKS && moves < MOVES; looks++) {
        pm_entry *at = outbox->moving;
        if (at->segment < before) {
            at->segment =
                pm_spool_add_again(outbox->spool, at->seq, at->lane->name, &at->out, at->segment);
            moves++;
        }
        outbox->moving = at->newer;
    }
    bool more = outbox->moving != NULL;
    pm_outbox_unlock(outbox);
    return more;
}

panicmon_err pm_outbox_open_spool(pm_outbox *outbox, const char *dir, panicmon_error **err)
{
    const pm_spool_owner owner = {
        .replay = replay, .live = live_bytes, .move = move, .user = outbox};
    return pm_spool_open(&outbox->spool, dir, &owner, &outbox->next_seq, err);
}
