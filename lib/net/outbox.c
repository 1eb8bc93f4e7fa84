/* outbox.c: the messages and their lanes; see outbox.h. outbox_entry.c has their memory,
 * outbox_lane.c and outbox_port.c what channels and connections do with them. */
#include "net/outbox_impl.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "base/thread.h"

#define COMPONENT "broker"

void pm_outbox_unlock(pm_outbox *outbox)
{
    panicmon_log *log = outbox->log;
    bool full = outbox->note_full;
    int64_t dropped = outbox->note_dropped;
    int64_t nacked = outbox->note_nacked;
    outbox->note_full = false;
    outbox->note_dropped = 0;
    outbox->note_nacked = 0;
    pthread_mutex_unlock(&outbox->lock);
    if (full) {
        pm_logf(log, PANICMON_LOG_ERROR, COMPONENT,
                "the buffer of %zu bytes is full: the oldest messages are being dropped",
                outbox->limit);
    }
    if (dropped > 0) {
        pm_logf(log, PANICMON_LOG_WARNING, COMPONENT,
                "the buffer has room again; %lld messages were dropped", (long long)dropped);
    }
    if (nacked > 0) {
        pm_logf(log, PANICMON_LOG_ERROR, COMPONENT,
                "%lld messages were dropped: the broker refused each %d times", (long long)nacked,
                PM_OUTBOX_TRIES);
    }
}

/* ---- lists ---- */

void pm_lane_set_ready(pm_lane *lane)
{
    pm_port *port = lane->port;
    if (lane->ready || lane->unsent == NULL) {
        return;
    }
    lane->ready = true;
    lane->ready_next = NULL;
    if (port->last_ready == NULL) {
        port->ready = lane;
    } else {
        port->last_ready->ready_next = lane;
    }
    port->last_ready = lane;
}

static void unset_ready(pm_lane *lane)
{
    pm_port *port = lane->port;
    pm_lane *before = NULL;
    if (!lane->ready) {
        return;
    }
    for (pm_lane *at = port->ready; at != lane; at = at->ready_next) {
        before = at;
    }
    if (before == NULL) {
        port->ready = lane->ready_next;
    } else {
        before->ready_next = lane->ready_next;
    }
    if (port->last_ready == lane) {
        port->last_ready = before;
    }
    lane->ready = false;
}

static void attach(pm_lane *lane, pm_port *port)
{
    lane->port = port;
    lane->prev = NULL;
    lane->next = port->lanes;
    port->flushing += lane->flushing;
    if (port->lanes != NULL) {
        port->lanes->prev = lane;
    }
    port->lanes = lane;
    port->pending += lane->count;
}

static void detach(pm_lane *lane)
{
    pm_port *port = lane->port;
    unset_ready(lane);
    if (lane->prev == NULL) {
        port->lanes = lane->next;
    } else {
        lane->prev->next = lane->next;
    }
    if (lane->next != NULL) {
        lane->next->prev = lane->prev;
    }
    port->pending -= lane->count;
    port->flushing -= lane->flushing;
}

void pm_lane_move(pm_lane *lane, pm_port *port)
{
    detach(lane);
    attach(lane, port);
    lane->home = NULL;
    pm_lane_set_ready(lane);
    if (lane->unsent != NULL && port->wake != NULL) {
        port->wake(port->user, false);
    }
}

static void free_lane(pm_lane *lane)
{
    detach(lane);
    if (lane->name != NULL) {
        (void)pm_map_remove(&lane->outbox->named, lane->name);
        free(lane->name);
    }
    free(lane);
}

void pm_lane_look(pm_lane *lane)
{
    if (lane->flushing && lane->count == 0) {
        pthread_cond_broadcast(&lane->outbox->flushed);
    }
    if (lane->home != NULL && lane->in_flight == 0) {
        pm_lane_move(lane, lane->home);
    }
    if (!lane->open && lane->count == 0) {
        free_lane(lane);
    }
}

static pm_entry *skip_in_flight(pm_entry *entry)
{
    while (entry != NULL && entry->in_flight) {
        entry = entry->next;
    }
    return entry;
}

void pm_entry_unsend(pm_entry *entry)
{
    pm_lane *lane = entry->lane;
    entry->in_flight = false;
    entry->returned = false;
    lane->in_flight--;
    if (lane->unsent == NULL || entry->seq < lane->unsent->seq) {
        lane->unsent = entry;
    }
    if (lane->home != NULL && lane->in_flight == 0) {
        pm_lane_move(lane, lane->home);
    }
    pm_lane_set_ready(lane);
    pm_newest_unsent(entry);
}

void pm_entry_link(pm_entry *entry)
{
    pm_lane *lane = entry->lane;
    pm_outbox *outbox = lane->outbox;
    entry->older = outbox->newest;
    entry->prev = lane->last;
    if (outbox->newest == NULL) {
        outbox->oldest = entry;
    } else {
        outbox->newest->newer = entry;
    }
    if (lane->last == NULL) {
        lane->first = entry;
    } else {
        lane->last->next = entry;
    }
    outbox->newest = entry;
    lane->last = entry;
    if (lane->unsent == NULL) {
        lane->unsent = entry;
    }
    lane->count++;
    lane->port->pending++;
    lane->with_request += entry->request != NULL;
    outbox->bytes += entry->size;
    pm_lane_set_ready(lane);
}

static void unlink_entry(pm_outbox *outbox, pm_entry *entry)
{
    pm_lane *lane = entry->lane;
    pm_newest_leave(entry);
    if (outbox->moving == entry) {
        outbox->moving = entry->newer;
    }
    if (lane->unsent == entry) {
        lane->unsent = skip_in_flight(entry->next);
        if (lane->unsent == NULL) {
            unset_ready(lane);
        }
    }
    *(entry->older == NULL ? &outbox->oldest : &entry->older->newer) = entry->newer;
    *(entry->newer == NULL ? &outbox->newest : &entry->newer->older) = entry->older;
    *(entry->prev == NULL ? &lane->first : &entry->prev->next) = entry->next;
    *(entry->next == NULL ? &lane->last : &entry->next->prev) = entry->prev;
    lane->count--;
    lane->port->pending--;
    lane->in_flight -= entry->in_flight;
    lane->with_request -= entry->request != NULL;
    outbox->bytes -= entry->size;
}

static void add_done(pm_lane *lane, pm_entry *entry)
{
    entry->next = NULL;
    if (lane->last_done == NULL) {
        lane->done = entry;
        bool collects = lane->port->confirming && lane->port->user == lane->user;
        if (!collects) {
            lane->wake(lane->user); /* for the others it was woken before */
        }
    } else {
        lane->last_done->next = entry;
    }
    lane->last_done = entry;
}

void pm_entry_settle(pm_entry *entry, panicmon_err status, atomic_int_fast64_t *reason)
{
    pm_lane *lane = entry->lane;
    pm_outbox *outbox = lane->outbox;
    unlink_entry(outbox, entry);
    if (reason == NULL) {
        atomic_fetch_add(&outbox->counts->confirmed, 1);
    } else {
        pm_sink_count_dropped(outbox->counts, reason, 1);
    }
    if (entry->segment != 0) {
        pm_spool_settled(outbox->spool, entry->segment, entry->seq);
    }
    if (reason != &outbox->counts->dropped_full && outbox->episode > 0 &&
        outbox->bytes < outbox->limit - outbox->limit / 4) {
        outbox->note_dropped += outbox->episode;
        outbox->episode = 0;
    }
    if (entry->request == NULL) {
        free(entry);
    } else {
        entry->status = status;
        add_done(lane, entry);
    }
    pm_lane_look(lane);
}

/* ---- taking messages in ---- */

bool pm_outbox_make_room(pm_outbox *outbox, size_t size)
{
    pm_entry *at = outbox->oldest;
    while (at != NULL && outbox->bytes + size > outbox->limit) {
        pm_entry *next = at->newer;
        if (!at->in_flight && !at->keep) {
            outbox->note_full |= outbox->episode == 0;
            outbox->episode++;
            pm_entry_settle(at, PANICMON_ERR_LIMIT, &outbox->counts->dropped_full);
        }
        at = next;
    }
    return outbox->bytes + size <= outbox->limit;
}

bool pm_outbox_can_name(const char *exchange, const char *routing_key)
{
    return strlen(exchange) <= PM_OUTBOX_NAME_MAX && strlen(routing_key) <= PM_OUTBOX_NAME_MAX;
}

void pm_lane_add(pm_lane *lane, pm_request *request)
{
    pm_outbox *outbox = lane->outbox;
    pm_entry *entry = pm_entry_make(outbox, lane, request->target, request->name, request->in.data,
                                    request->in.len);
    panicmon_err status = PANICMON_OK;
    const char *why = "out of memory";
    atomic_int_fast64_t *reason = &outbox->counts->dropped_failed;
    atomic_fetch_add(&outbox->counts->produced, 1);
    pthread_mutex_lock(&outbox->lock);
    if (entry == NULL) {
        status = PANICMON_ERR_NOMEM;
    } else if (!pm_outbox_can_name(request->target, request->name)) {
        status = PANICMON_ERR_LIMIT;
        why = "the exchange or the routing key has more than 255 bytes";
    } else if (entry->size > outbox->limit) {
        status = PANICMON_ERR_LIMIT;
        why = "the message is larger than broker.buffer";
    } else if (!pm_outbox_make_room(outbox, entry->size) && !entry->keep) {
        status = PANICMON_ERR_LIMIT;
        why = "the buffer is full";
        reason = &outbox->counts->dropped_full;
    }
    if (status == PANICMON_OK) {
        entry->lane = lane;
        entry->request = request;
        entry->seq = outbox->next_seq++;
        lane->due = pm_earlier(lane->due, request->deadline);
        if (outbox->spool != NULL) {
            entry->segment = pm_spool_add(outbox->spool, entry->seq, lane->name, &entry->out);
        }
        pm_entry_link(entry);
        pm_newest_enter(entry);
        if (lane->port->wake != NULL && lane->port->user != lane->user) {
            lane->port->wake(lane->port->user, false);
        }
    } else {
        pm_sink_count_dropped(outbox->counts, reason, 1);
    }
    pm_outbox_unlock(outbox);
    if (status != PANICMON_OK) {
        pm_entry_give_back(lane, entry);
        pm_request_finish(request, status, 0, why);
    }
}

/* ---- the outbox ---- */

pm_lane *pm_lane_of(pm_outbox *outbox, const char *name, pm_port *port)
{
    pm_lane *known = pm_map_get(&outbox->named, name);
    if (known != NULL && !known->open) {
        return known;
    }
    pm_lane *lane = calloc(1, sizeof *lane);
    if (lane == NULL) {
        return NULL;
    }
    lane->outbox = outbox;
    lane->due = PM_NEVER;
    if (known == NULL) {
        lane->name = strdup(name);
        if (lane->name == NULL || !pm_map_set(&outbox->named, name, lane)) {
            free(lane->name);
            free(lane);
            return NULL;
        }
    }
    attach(lane, port);
    return lane;
}

panicmon_err pm_outbox_new(pm_outbox **out, const pm_outbox_options *options, panicmon_error **err)
{
    pm_outbox *outbox = calloc(1, sizeof *outbox);
    if (outbox == NULL) {
        return pm_error_setf(err, PANICMON_ERR_NOMEM, "out of memory");
    }
    outbox->limit = options->limit;
    outbox->counts = options->counts;
    outbox->next_seq = 1;
    outbox->limbo = (pm_port){.outbox = outbox, .state = PM_PORT_DOWN, .next_tag = 1};
    (void)pthread_mutex_init(&outbox->lock, NULL);
    pm_cond_init(&outbox->flushed);
    panicmon_err status = PANICMON_OK;
    outbox->keep = options->keep == NULL ? NULL : strdup(options->keep);
    if (options->keep != NULL && outbox->keep == NULL) {
        status = pm_error_setf(err, PANICMON_ERR_NOMEM, "out of memory");
    }
    if (status == PANICMON_OK && options->spool_dir != NULL) {
        status = pm_outbox_open_spool(outbox, options->spool_dir, err);
    }
    if (status != PANICMON_OK) {
        pm_outbox_free(outbox);
        return status;
    }
    *out = outbox;
    return PANICMON_OK;
}

void pm_outbox_set_log(pm_outbox *outbox, panicmon_log *log)
{
    pthread_mutex_lock(&outbox->lock);
    bool first = outbox->log == NULL && log != NULL;
    if (first) {
        outbox->log = pm_log_ref(log);
    }
    pthread_mutex_unlock(&outbox->lock);
    if (first && outbox->spool != NULL) {
        pm_spool_set_log(outbox->spool, log);
    }
}

void pm_outbox_free(pm_outbox *outbox)
{
    if (outbox == NULL) {
        return;
    }
    pm_spool_close(outbox->spool);                     /* its thread looks at the messages */
    for (pm_entry *at = outbox->oldest; at != NULL;) { /* only with a spool, where they stay */
        pm_entry *next = at->newer;
        unlink_entry(outbox, at);
        pm_lane_look(at->lane);
        free(at);
        at = next;
    }
    pm_map_free(&outbox->named);
    pm_map_free(&outbox->newest_of);
    free(outbox->keep);
    panicmon_log_free(outbox->log);
    (void)pthread_cond_destroy(&outbox->flushed);
    (void)pthread_mutex_destroy(&outbox->lock);
    free(outbox);
}
