/* outbox_newest.c: messages that are never dropped for room (the exchange `keep`) tell the whole
 * state of something, so of one speaker and routing key only the newest need be sent. With these a
 * broker that is away costs one message each, however long. All with the lock held. */
#include "net/outbox_impl.h"

#include <string.h>

#include "base/json.h"

/* PANIC's node and contract managers publish lists under the same routing key. */
void pm_newest_name(pm_buf *out, const char *routing_key, const char *body, size_t len)
{
    pm_json list;
    pm_buf_text(out, routing_key);
    if (pm_json_parse(body, len, &list, NULL)) {
        pm_buf_char(out, ' ');
        (void)pm_json_string(pm_json_member(list, "manager_name"), out);
    }
}

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
    pm_entry *before = pm_map_get(newest, entry->about);
    (void)pm_map_set(newest, entry->about, entry); /* without memory both are sent */
    if (before != NULL && !before->in_flight) {
        supersede(before);
    }
}

void pm_newest_leave(const pm_entry *entry)
{
    pm_map *newest = &entry->lane->outbox->newest_of;
    if (entry->keep && pm_map_get(newest, entry->about) == entry) {
        (void)pm_map_remove(newest, entry->about);
    }
}

void pm_newest_unsent(pm_entry *entry)
{
    const pm_entry *newest = NULL;
    if (entry->keep) {
        newest = pm_map_get(&entry->lane->outbox->newest_of, entry->about);
    }
    if (newest != NULL && newest->seq > entry->seq) {
        supersede(entry);
    }
}
