/* outbox_port.c: the side of the outbox that a connection to the broker sees; see outbox.h. */
#include "net/outbox_impl.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/compiler.h"

/* The first pause after a nack; it doubles with each. */
#define NACK_FIRST_MS 100

panicmon_err pm_port_open(pm_port **out, pm_outbox *outbox, void (*wake)(void *user, bool hurry),
                          void *user)
{
    pm_port *port = calloc(1, sizeof *port);
    if (port == NULL) {
        return PANICMON_ERR_NOMEM;
    }
    *port = (pm_port){.outbox = outbox, .wake = wake, .user = user, .next_tag = 1};
    pthread_mutex_lock(&outbox->lock);
    pm_port **link = &outbox->ports;
    while (*link != NULL) {
        link = &(*link)->next;
    }
    *link = port;
    while (outbox->limbo.lanes != NULL) {
        pm_lane_move(outbox->limbo.lanes, port);
    }
    pm_outbox_unlock(outbox);
    *out = port;
    return PANICMON_OK;
}

/* With the lock held. */
static void requeue(pm_port *port)
{
    pm_entry *at = port->flight;
    port->flight = NULL;
    port->last_flight = NULL;
    port->in_flight = 0;
    port->next_tag = 1;
    while (at != NULL) {
        pm_entry *next = at->after;
        at->after = NULL;
        pm_entry_unsend(at);
        at = next;
    }
}

/* With the lock held, on a lane that nothing is in flight of. */
static void drop_lane(pm_lane *lane)
{
    pm_sink_counts *counts = lane->outbox->counts;
    for (size_t left = lane->count; left > 0; left--) { /* the lane goes with its last */
        pm_entry_settle(lane->first, PANICMON_ERR_CANCELED, &counts->dropped_stopped);
    }
}

void pm_port_close(pm_port *port)
{
    pm_outbox *outbox = port->outbox;
    pthread_mutex_lock(&outbox->lock);
    requeue(port);
    pm_port **link = &outbox->ports;
    while (*link != port) {
        link = &(*link)->next;
    }
    *link = port->next;
    pm_port *heir = outbox->ports;
    while (port->lanes != NULL) {
        pm_lane *lane = port->lanes;
        if (heir != NULL) {
            pm_lane_move(lane, heir);
        } else if (outbox->spool != NULL) {
            pm_lane_move(lane, &outbox->limbo);
        } else {
            drop_lane(lane);
        }
    }
    pm_outbox_unlock(outbox);
    free(port);
}

void pm_port_set_state(pm_port *port, pm_port_state state)
{
    pm_outbox *outbox = port->outbox;
    pthread_mutex_lock(&outbox->lock);
    if (port->state != state) {
        port->state = state;
        pthread_cond_broadcast(&outbox->flushed);
    }
    pm_outbox_unlock(outbox);
}

pm_port_view pm_port_look(pm_port *port)
{
    pthread_mutex_lock(&port->outbox->lock);
    pm_port_view view = {.pending = port->pending,
                         .in_flight = port->in_flight,
                         .oldest = port->flight == NULL ? PM_NEVER : port->flight->sent_ms,
                         .hurry = port->flushing > 0};
    pm_outbox_unlock(port->outbox);
    return view;
}

static void send_entry(pm_port *port, pm_entry *entry, int64_t now_ms)
{
    pm_lane *lane = entry->lane;
    entry->in_flight = true;
    entry->tag = port->next_tag++;
    entry->sent_ms = now_ms;
    entry->after = NULL;
    if (port->last_flight == NULL) {
        port->flight = entry;
    } else {
        port->last_flight->after = entry;
    }
    port->last_flight = entry;
    port->in_flight++;
    lane->in_flight++;
    do {
        lane->unsent = lane->unsent->next;
    } while (lane->unsent != NULL && lane->unsent->in_flight);
}

static pm_lane *pop_ready(pm_port *port)
{
    pm_lane *lane = port->ready;
    port->ready = lane->ready_next;
    if (port->ready == NULL) {
        port->last_ready = NULL;
    }
    lane->ready = false;
    return lane;
}

/* With the lock held: the next message, of the lanes in turn; NULL: none now. */
static pm_entry *take_next(pm_port *port, int64_t now_ms, int64_t *next_ms)
{
    const pm_lane *last = port->last_ready;
    while (port->ready != NULL) { /* each lane once */
        pm_lane *lane = pop_ready(port);
        pm_entry *entry = lane->unsent;
        if (lane->home == NULL && entry->not_before <= now_ms) {
            send_entry(port, entry, now_ms);
            pm_lane_set_ready(lane);
            return entry;
        }
        if (lane->home == NULL) {
            *next_ms = pm_earlier(*next_ms, entry->not_before);
            pm_lane_set_ready(lane);
        } /* else it is made ready when it moves to its home */
        if (lane == last) {
            break;
        }
    }
    return NULL;
}

size_t pm_port_take(pm_port *port, int64_t now_ms, const pm_message **list, size_t most,
                    size_t bytes, int64_t *next_ms)
{
    size_t count = 0;
    size_t taken = 0;
    *next_ms = PM_NEVER;
    pthread_mutex_lock(&port->outbox->lock);
    while (count < most && taken < bytes) {
        const pm_entry *entry = take_next(port, now_ms, next_ms);
        if (entry == NULL) {
            break;
        }
        taken += entry->size;
        list[count++] = &entry->out;
    }
    pm_outbox_unlock(port->outbox);
    return count;
}

void pm_port_touch(pm_port *port, int64_t now_ms)
{
    pthread_mutex_lock(&port->outbox->lock);
    for (pm_entry *at = port->flight; at != NULL; at = at->after) {
        at->sent_ms = now_ms;
    }
    pm_outbox_unlock(port->outbox);
}

static void unlink_flight(pm_port *port, pm_entry *before, pm_entry *at)
{
    *(before == NULL ? &port->flight : &before->after) = at->after;
    if (port->last_flight == at) {
        port->last_flight = before;
    }
    port->in_flight--;
    at->after = NULL;
}

/* Takes what a confirm speaks of off the flight, linked by `after`. With the lock held. */
static pm_entry *take_flight(pm_port *port, uint64_t tag, bool multiple)
{
    pm_entry *taken = NULL;
    pm_entry **end = &taken;
    pm_entry *before = NULL;
    pm_entry *at = port->flight;
    bool all = multiple && tag == 0; /* the protocol's word for: everything so far */
    while (at != NULL && (all || at->tag <= tag)) {
        pm_entry *next = at->after;
        if (all || multiple || at->tag == tag) {
            unlink_flight(port, before, at);
            *end = at;
            end = &at->after;
        } else {
            before = at;
        }
        at = next;
    }
    return taken;
}

/* With the lock held, on a message that was taken off the flight. */
static void settle_acked(pm_entry *entry)
{
    pm_sink_counts *counts = entry->lane->outbox->counts;
    pm_entry_settle(entry, entry->returned ? PANICMON_ERR_NOENT : PANICMON_OK,
                    entry->returned ? &counts->dropped_returned : NULL);
}

/* Likewise: it is sent again after a pause, but not for ever. */
static void settle_nacked(pm_entry *entry, int64_t now_ms)
{
    pm_outbox *outbox = entry->lane->outbox;
    entry->not_before = now_ms + ((int64_t)NACK_FIRST_MS << entry->tries);
    entry->tries++;
    if (entry->tries < PM_OUTBOX_TRIES) {
        pm_entry_unsend(entry);
    } else {
        outbox->note_nacked++;
        entry->returned = false;
        pm_entry_settle(entry, PANICMON_ERR_AMQP, &outbox->counts->dropped_failed);
    }
}

void pm_port_confirm(pm_port *port, const pm_confirm *list, size_t count, int64_t now_ms)
{
    pthread_mutex_lock(&port->outbox->lock);
    port->confirming = true;
    for (size_t i = 0; i < count; i++) {
        pm_entry *at = take_flight(port, list[i].tag, list[i].multiple);
        while (at != NULL) {
            pm_entry *next = at->after;
            pm_prefetch_all(next, sizeof *next);
            at->after = NULL;
            if (list[i].refused) {
                settle_nacked(at, now_ms);
            } else {
                settle_acked(at);
            }
            at = next;
        }
    }
    port->confirming = false;
    pm_outbox_unlock(port->outbox);
}

static bool is_same(const pm_message *a, const pm_message *b)
{
    return a->len == b->len && strcmp(a->routing_key, b->routing_key) == 0 &&
           strcmp(a->exchange, b->exchange) == 0 &&
           (a->len == 0 || memcmp(a->body, b->body, a->len) == 0);
}

/* A return names no tag, but it comes before the confirm of its message and in order. */
void pm_port_returned(pm_port *port, const pm_message *message)
{
    pthread_mutex_lock(&port->outbox->lock);
    pm_entry *at = port->flight;
    while (at != NULL && (at->returned || !is_same(&at->out, message))) {
        at = at->after;
    }
    if (at != NULL) {
        at->returned = true;
    }
    pm_outbox_unlock(port->outbox);
}

/* Whether the broker's text names a message; CUT: as far as the text goes. */
typedef enum naming { NAMED_NOT, NAMED_CUT, NAMED } naming;

/* `at` is where the text names something. It has no more than 255 bytes, and ends with dots where
 * that was too few. */
static naming compare(const char *at, const char *words)
{
    size_t len = strlen(words);
    size_t left = strlen(at);
    bool dots = left > 3 && strcmp(at + left - 3, "...") == 0;
    if (dots && left - 3 < len) {
        return strncmp(at, words, left - 3) == 0 ? NAMED_CUT : NAMED_NOT;
    }
    return strncmp(at, words, len) == 0 ? NAMED : NAMED_NOT;
}

static naming is_named(const pm_message *message, const char *said)
{
    const char *topic = strstr(said, "topic '");
    const char *exchange = strstr(said, "exchange '");
    const char *at = exchange;
    pm_buf words = {0};
    if (topic != NULL && (exchange == NULL || topic < exchange)) {
        /* Other routing keys of the exchange may be allowed. */
        at = topic;
        pm_buf_format(&words, "topic '%s' in exchange '%s'", message->routing_key,
                      message->exchange);
    } else if (exchange != NULL) {
        pm_buf_format(&words, "exchange '%s'", message->exchange);
    } else {
        at = strstr(said, "message size ");
        pm_buf_format(&words, "message size %zu ", message->len);
    }
    naming named = at == NULL || words.failed ? NAMED_NOT : compare(at, words.data);
    pm_buf_free(&words);
    return named;
}

static bool is_listed(const char *const *list, const char *name)
{
    while (*list != NULL && strcmp(*list, name) != 0) {
        list++;
    }
    return *list != NULL;
}

void pm_port_refused(pm_port *port, const char *said, const char *const *declared, int64_t now_ms)
{
    pm_outbox *outbox = port->outbox;
    pm_entry *before = NULL;
    bool missing = strstr(said, "no exchange '") != NULL;
    naming named = NAMED_NOT;
    pthread_mutex_lock(&outbox->lock);
    /* Of those that only what was cut off tells apart, the first is as likely as any. */
    for (pm_entry *at = port->flight; at != NULL && named != NAMED_CUT;) {
        pm_entry *next = at->after;
        named = is_named(&at->out, said);
        if (named == NAMED_NOT) {
            before = at;
        } else if (missing && is_listed(declared, at->out.exchange)) {
            unlink_flight(port, before, at);
            settle_nacked(at, now_ms);
        } else {
            unlink_flight(port, before, at);
            at->returned = false;
            pm_entry_settle(at, PANICMON_ERR_AMQP, &outbox->counts->dropped_failed);
        }
        at = next;
    }
    pm_outbox_unlock(outbox);
}

void pm_port_lost(pm_port *port)
{
    pthread_mutex_lock(&port->outbox->lock);
    requeue(port);
    pm_outbox_unlock(port->outbox);
}
