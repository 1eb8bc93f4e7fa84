/* outbox_newest.c: messages that are never dropped for room (the exchange `keep`) tell the whole
 * state of something, so of one routing key only the newest need be sent. With these a broker that
 * is away costs one message a key, however long. All with the lock held. */
#include "net/outbox_impl.h"

#include <string.h>

static void supersede(pm_entry *entry)
{
    pm_outbox *outbox = entry->lane->outbox;
    entry->superseded = true;
    pm_entry_settle(entry, PANICMON_ERR_CANCELED, &outbox->counts->dropped_superseded);
}

void pm_newest_enter(pm_entry *entry)
{
    pm_map *newest = &entry->lane->outbox->newest_of;
    if (!entry->keep) {
        return;
    }
    pm_entry *before = pm_map_get(newest, entry->out.routing_key);
    (void)pm_map_set(newest, entry->out.routing_key, entry); /* without memory both are sent */
    if (before != NULL && !before->in_flight) {
        supersede(before);
    }
}

void pm_newest_leave(const pm_entry *entry)
{
    pm_map *newest = &entry->lane->outbox->newest_of;
    if (entry->keep && pm_map_get(newest, entry->out.routing_key) == entry) {
        (void)pm_map_remove(newest, entry->out.routing_key);
    }
}

void pm_newest_unsent(pm_entry *entry)
{
    const pm_entry *newest = NULL;
    if (entry->keep) {
        newest = pm_map_get(&entry->lane->outbox->newest_of, entry->out.routing_key);
    }
    if (newest != NULL && newest->seq > entry->seq) {
        supersede(entry);
    }
}
