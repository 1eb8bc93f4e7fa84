/* outbox_port.c: the side of the outbox that a connection to the broker sees; see outbox.h. */
#include "net/outbox_impl.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

/* The first pause after a nack; it doubles with each. */
#define NACK_FIRST_MS 100

panicmon_err pm_port_open(pm_port **out, pm_outbox *outbox, void (*wake)(void *user), void *user)
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

size_t pm_port_pending(pm_port *port)
{
    pthread_mutex_lock(&port->outbox->lock);
    size_t pending = port->pending;
    pm_outbox_unlock(port->outbox);
    return pending;
}

size_t pm_port_in_flight(pm_port *port)
{
    pthread_mutex_lock(&port->outbox->lock);
    size_t in_flight = port->in_flight;
    pm_outbox_unlock(port->outbox);
    return in_flight;
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

const pm_message *pm_port_take(pm_port *port, int64_t now_ms, int64_t *next_ms)
{
    pm_entry *taken = NULL;
    pm_lane *last;
    *next_ms = PM_NEVER;
    pthread_mutex_lock(&port->outbox->lock);
    last = port->last_ready;
    while (taken == NULL && port->ready != NULL) { /* each lane once */
        pm_lane *lane = pop_ready(port);
        pm_entry *entry = lane->unsent;
        if (lane->home == NULL && entry->not_before <= now_ms) {
            taken = entry;
            send_entry(port, entry, now_ms);
            pm_lane_set_ready(lane);
        } else if (lane->home == NULL) {
            *next_ms = pm_earlier(*next_ms, entry->not_before);
            pm_lane_set_ready(lane);
        } /* else it is made ready when it moves to its home */
        if (lane == last) {
            break;
        }
    }
    pm_outbox_unlock(port->outbox);
    return taken == NULL ? NULL : &taken->out;
}

int64_t pm_port_oldest(pm_port *port)
{
    pthread_mutex_lock(&port->outbox->lock);
    int64_t oldest = port->flight == NULL ? PM_NEVER : port->flight->sent_ms;
    pm_outbox_unlock(port->outbox);
    return oldest;
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

void pm_port_acked(pm_port *port, uint64_t tag, bool multiple)
{
    pm_outbox *outbox = port->outbox;
    pthread_mutex_lock(&outbox->lock);
    pm_entry *at = take_flight(port, tag, multiple);
    while (at != NULL) {
        pm_entry *next = at->after;
        pm_entry_settle(at, at->returned ? PANICMON_ERR_NOENT : PANICMON_OK,
                        at->returned ? &outbox->counts->dropped_returned : NULL);
        at = next;
    }
    pm_outbox_unlock(outbox);
}

void pm_port_nacked(pm_port *port, uint64_t tag, bool multiple, int64_t now_ms)
{
    pm_outbox *outbox = port->outbox;
    pthread_mutex_lock(&outbox->lock);
    pm_entry *at = take_flight(port, tag, multiple);
    while (at != NULL) {
        pm_entry *next = at->after;
        at->after = NULL;
        at->not_before = now_ms + ((int64_t)NACK_FIRST_MS << at->tries);
        at->tries++;
        if (at->tries < PM_OUTBOX_TRIES) {
            pm_entry_unsend(at);
        } else {
            outbox->note_nacked++;
            at->returned = false;
            pm_entry_settle(at, PANICMON_ERR_AMQP, &outbox->counts->dropped_failed);
        }
        at = next;
    }
    pm_outbox_unlock(outbox);
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

static bool is_named(const pm_message *message, const char *said)
{
    pm_buf exchange = {0};
    pm_buf size = {0};
    pm_buf_format(&exchange, "exchange '%s'", message->exchange);
    pm_buf_format(&size, "message size %zu ", message->len);
    bool named = !exchange.failed && !size.failed &&
                 (strstr(said, exchange.data) != NULL || strstr(said, size.data) != NULL);
    pm_buf_free(&exchange);
    pm_buf_free(&size);
    return named;
}

void pm_port_refused(pm_port *port, const char *said)
{
    pm_outbox *outbox = port->outbox;
    pm_entry *before = NULL;
    pthread_mutex_lock(&outbox->lock);
    for (pm_entry *at = port->flight; at != NULL;) {
        pm_entry *next = at->after;
        if (is_named(&at->out, said)) {
            unlink_flight(port, before, at);
            at->returned = false;
            pm_entry_settle(at, PANICMON_ERR_AMQP, &outbox->counts->dropped_failed);
        } else {
            before = at;
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
