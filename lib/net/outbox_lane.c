/* outbox_lane.c: the side of the outbox that a channel sees; see outbox.h. */
#include "net/outbox_impl.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/thread.h"

/* How often a flush looks whether it was given up. */
#define LOOK_MS 50

panicmon_err pm_lane_open(pm_lane **out, pm_port *port, const char *name, void (*wake)(void *user),
                          void *user)
{
    pm_outbox *outbox = port->outbox;
    pthread_mutex_lock(&outbox->lock);
    pm_lane *lane = pm_lane_of(outbox, name, port);
    if (lane != NULL) {
        lane->open = true;
        lane->wake = wake;
        lane->user = user;
        if (lane->port != port && lane->in_flight == 0) {
            pm_lane_move(lane, port);
        } else if (lane->port != port) {
            lane->home = port;
        }
    }
    pm_outbox_unlock(outbox);
    *out = lane;
    return lane == NULL ? PANICMON_ERR_NOMEM : PANICMON_OK;
}

static void finish_done(pm_lane *lane, pm_entry *done)
{
    while (done != NULL) {
        pm_entry *next = done->next;
        pm_buf why = {0};
        if (done->returned) {
            pm_buf_format(&why, "no queue is bound for %s of the exchange %s",
                          done->out.routing_key, done->out.exchange);
        } else if (done->status == PANICMON_ERR_LIMIT) {
            pm_buf_text(&why, "dropped: the buffer is full");
        } else if (done->superseded) {
            pm_buf_text(&why, "a newer message took its place");
        } else if (done->status != PANICMON_OK) {
            pm_buf_text(&why, "refused by the broker");
        }
        pm_request_finish(done->request, done->status, 0, why.data);
        pm_buf_free(&why);
        pm_entry_give_back(lane, done);
        done = next;
    }
}

static void finish_all(pm_request *first, panicmon_err status, const char *why)
{
    while (first != NULL) {
        pm_request *next = first->next;
        first->next = NULL;
        pm_request_finish(first, status, 0, why);
        first = next;
    }
}

/* With the lock held: takes off the requests whose deadline is not after `now_ms`, newest last. */
static pm_request *take_late(pm_lane *lane, int64_t now_ms)
{
    pm_request *late = NULL;
    size_t left = lane->with_request;
    if (now_ms < lane->due) {
        return NULL;
    }
    lane->due = PM_NEVER;
    for (pm_entry *at = lane->last; at != NULL && left > 0; at = at->prev) {
        pm_request *request = at->request;
        if (request == NULL) {
            continue;
        }
        left--;
        if (request->deadline <= now_ms) {
            at->request = NULL;
            lane->with_request--;
            request->next = late;
            late = request;
        } else {
            lane->due = pm_earlier(lane->due, request->deadline);
        }
    }
    return late;
}

static pm_entry *take_done(pm_lane *lane)
{
    pm_entry *done = lane->done;
    lane->done = NULL;
    lane->last_done = NULL;
    return done;
}

int64_t pm_lane_collect(pm_lane *lane, int64_t now_ms)
{
    pthread_mutex_lock(&lane->outbox->lock);
    pm_entry *done = take_done(lane);
    pm_request *late = take_late(lane, now_ms);
    int64_t next_ms = lane->with_request == 0 ? PM_NEVER : lane->due;
    pm_outbox_unlock(lane->outbox);
    finish_done(lane, done);
    finish_all(late, PANICMON_ERR_TIMEOUT, "the broker has not confirmed it yet; it is kept");
    return next_ms;
}

/* With the lock held. */
static void set_flushing(pm_lane *lane, bool flushing)
{
    pm_port *port = lane->port;
    lane->flushing = flushing;
    if (!flushing) {
        port->flushing--;
    } else {
        port->flushing++;
        if (lane->count > 0 && port->wake != NULL) {
            port->wake(port->user, true);
        }
    }
}

void pm_lane_flush(pm_lane *lane, int64_t until_ms, const atomic_bool *give_up)
{
    pm_outbox *outbox = lane->outbox;
    pthread_mutex_lock(&outbox->lock);
    set_flushing(lane, true);
    while (lane->count > 0 && lane->port->state != PM_PORT_DOWN && !atomic_load(give_up)) {
        int64_t now = pm_mono_ms();
        if (now >= until_ms) {
            break;
        }
        (void)pm_cond_wait_until(&outbox->flushed, &outbox->lock,
                                 pm_earlier(until_ms, now + LOOK_MS));
    }
    set_flushing(lane, false);
    pm_outbox_unlock(outbox);
}

void pm_lane_close(pm_lane *lane)
{
    pm_outbox *outbox = lane->outbox;
    pthread_mutex_lock(&outbox->lock);
    pm_entry *done = take_done(lane);
    pm_request *left = take_late(lane, PM_NEVER);
    lane->open = false;
    lane->wake = NULL;
    lane->user = NULL;
    if (lane->home != NULL) {
        lane->home = NULL;
        pm_lane_move(lane, lane->port); /* it is sent from there after all */
    }
    pm_lane_drop_spare(lane);
    pm_lane_look(lane);
    pm_outbox_unlock(outbox);
    finish_done(NULL, done); /* the lane may be gone */
    finish_all(left, PANICMON_ERR_CANCELED, "stopped before the broker confirmed it");
}
