/* share.c: see share.h. A flight is a call on its way for all who asked for it. */
#include "exec/share.h"

#include <stdlib.h>
#include <string.h>

#include <panicmon/monitor.h>

#include "base/clock.h"
#include "base/map.h"
#include "exec/cache.h"
#include "exec/carry.h"

/* An endpoint nobody asked for so long is forgotten. */
#define FORGET_MS 600000
/* Those who joined a call that was given up try again when they have more time left than this. */
#define AGAIN_MS 50
/* Flights kept for later. */
#define SPARE_MAX 1024

typedef struct endpoint {
    struct endpoint *next;
    char *url;
    const void *asker; /* who used it first */
    bool shared;       /* others do too */
    size_t in_flight;
    pm_request *waiting; /* flights that have to wait, the oldest first */
    pm_request **waiting_end;
    int64_t used;
} endpoint;

typedef struct flight {
    pm_parcel parcel; /* first */
    pm_node node;
    pm_share *share;
    endpoint *to;
} flight;

struct pm_share {
    pm_rpc *rpc;
    pm_figures *figures;
    pm_table flights;
    pm_node *spare; /* flights to be used again */
    size_t spare_count;
    endpoint *last; /* the one asked for last: the next is often the same */
    pm_cache cache;
    pm_map by_url;
    endpoint *endpoints;
    pm_request **outgoing;
    size_t out_count;
    size_t out_size;
    bool canceling;
    int64_t swept;
};

static flight *flight_of(pm_node *node)
{
    return node == NULL ? NULL : (flight *)(void *)((char *)node - offsetof(flight, node));
}

/* ---- endpoints ---- */

static endpoint *find_endpoint(pm_share *share, const char *url, const void *asker)
{
    endpoint *found = share->last;
    if (found == NULL || strcmp(found->url, url) != 0) {
        found = pm_map_get(&share->by_url, url);
    }
    if (found == NULL) {
        found = calloc(1, sizeof *found);
        if (found == NULL || (found->url = strdup(url)) == NULL ||
            !pm_map_set(&share->by_url, url, found)) {
            free(found == NULL ? NULL : found->url);
            free(found);
            return NULL;
        }
        found->asker = asker;
        found->waiting_end = &found->waiting;
        found->next = share->endpoints;
        share->endpoints = found;
    }
    found->shared = found->shared || found->asker != asker;
    share->last = found;
    return found;
}

static void forget_endpoint(pm_share *share, endpoint **link)
{
    endpoint *gone = *link;
    *link = gone->next;
    share->last = NULL;
    (void)pm_map_remove(&share->by_url, gone->url);
    free(gone->url);
    free(gone);
}

static void sweep(pm_share *share, int64_t now)
{
    if (now - share->swept < FORGET_MS) {
        return;
    }
    share->swept = now;
    for (endpoint **link = &share->endpoints; *link != NULL;) {
        if ((*link)->in_flight == 0 && now - (*link)->used > FORGET_MS) {
            forget_endpoint(share, link);
        } else {
            link = &(*link)->next;
        }
    }
}

/* ---- flights ---- */

static void end_flight(flight *call)
{
    pm_table_remove(&call->share->flights, &call->node);
    pm_parcel_deliver(&call->parcel);
    pm_share *share = call->share;
    if (share->spare_count < SPARE_MAX) {
        call->node.next = share->spare;
        share->spare = &call->node;
        share->spare_count++;
    } else {
        free(call);
    }
}

static flight *new_flight(pm_share *share)
{
    flight *call = flight_of(share->spare);
    if (call == NULL) {
        return malloc(sizeof *call);
    }
    share->spare = call->node.next;
    share->spare_count--;
    return call;
}

static void end_with(flight *call, panicmon_err status, const char *message)
{
    call->parcel.wire.on_done = NULL;
    pm_request_finish(&call->parcel.wire, status, 0, message);
    end_flight(call);
}

/* Room for one more was made before. */
static void put_out(pm_share *share, flight *call)
{
    call->to->in_flight++;
    share->outgoing[share->out_count++] = &call->parcel.wire;
}

static bool make_room(pm_share *share)
{
    if (share->out_count == share->out_size) {
        size_t size = share->out_size == 0 ? 64 : share->out_size * 2;
        pm_request **larger = realloc(share->outgoing, size * sizeof(pm_request *));
        if (larger == NULL) {
            return false;
        }
        share->outgoing = larger;
        share->out_size = size;
    }
    return true;
}

/* The next one that had to wait may go. */
static void advance(pm_share *share, endpoint *to)
{
    while (to->waiting != NULL && to->in_flight < PM_SHARE_IN_FLIGHT) {
        flight *call = (flight *)to->waiting;
        to->waiting = call->parcel.wire.next;
        if (to->waiting == NULL) {
            to->waiting_end = &to->waiting;
        }
        call->parcel.wire.next = NULL;
        if (share->canceling) {
            end_with(call, PANICMON_ERR_CANCELED, "canceled");
        } else if (call->parcel.wire.deadline <= pm_mono_ms()) {
            end_with(call, PANICMON_ERR_TIMEOUT, "no answer in time: too many calls before it");
        } else if (make_room(share)) {
            put_out(share, call);
        } else {
            end_with(call, PANICMON_ERR_NOMEM, NULL);
        }
    }
}

/* It was given up because of the deadline of the first who asked. Those who joined later and have
 * time left get another try; the others are told. */
static bool try_again(flight *call)
{
    pm_request *wire = &call->parcel.wire;
    int64_t now = pm_mono_ms();
    int64_t latest = 0;
    pm_request *late = NULL;
    for (pm_request **link = &call->parcel.waiters; *link != NULL;) {
        pm_request *request = *link;
        if (request->deadline > now + AGAIN_MS) {
            latest = request->deadline > latest ? request->deadline : latest;
            link = &request->next;
        } else {
            *link = request->next;
            request->next = late;
            late = request;
        }
    }
    pm_request *rest = call->parcel.waiters;
    if (rest == NULL || !make_room(call->share)) {
        while (late != NULL) {
            pm_request *next = late->next;
            late->next = call->parcel.waiters;
            call->parcel.waiters = late;
            late = next;
        }
        return false;
    }
    while (late != NULL) {
        pm_request *next = late->next;
        if (call->parcel.lender == late) {
            (void)pm_parcel_own(&call->parcel);
        }
        late->next = NULL;
        late->carrier = NULL;
        pm_request_finish(late, PANICMON_ERR_TIMEOUT, 0, wire->message);
        late = next;
    }
    free(wire->message);
    pm_buf_clear(&wire->out);
    wire->message = NULL;
    wire->done = false;
    wire->deadline = latest;
    put_out(call->share, call);
    return true;
}

static void on_reply(pm_request *wire)
{
    flight *call = (flight *)wire;
    pm_share *share = call->share;
    endpoint *to = call->to;
    to->in_flight--;
    if (wire->status == PANICMON_ERR_TIMEOUT && !share->canceling && try_again(call)) {
        return;
    }
    if (wire->status == PANICMON_OK && (wire->flags & PANICMON_RPC_PINNED) != 0 && to->shared &&
        strcmp(wire->out.data, "null") != 0) {
        pm_cache_keep(&share->cache, wire, call->node.hash);
    }
    end_flight(call);
    advance(share, to);
}

static flight *find_flight(const pm_share *share, const pm_request *request, uint64_t hash)
{
    flight *found = flight_of(pm_table_find(&share->flights, hash));
    while (found != NULL &&
           (found->parcel.wire.done || (found->parcel.wire.flags & PANICMON_RPC_ALONE) != 0 ||
            !pm_call_equals(&found->parcel.wire, request))) {
        found = flight_of(pm_table_same(&found->node));
    }
    return found;
}

static bool answer_from_cache(pm_share *share, pm_request *request, uint64_t hash)
{
    size_t len = 0;
    const char *known = pm_cache_find(&share->cache, request, hash, &len);
    if (known == NULL) {
        return false;
    }
    pm_buf_add(&request->out, known, len);
    atomic_fetch_add(&share->figures->cache_hits, 1);
    bool whole = !request->out.failed;
    pm_request_finish(request, whole ? PANICMON_OK : PANICMON_ERR_NOMEM, 0, NULL);
    return true;
}

static panicmon_err begin_flight(pm_share *share, pm_request *request, endpoint *to, uint64_t hash)
{
    flight *call = new_flight(share);
    if (call == NULL || !make_room(share)) {
        free(call);
        return PANICMON_ERR_NOMEM;
    }
    call->node.hash = hash;
    if (!pm_table_add(&share->flights, &call->node)) {
        free(call);
        return PANICMON_ERR_NOMEM;
    }
    call->share = share;
    call->to = to;
    pm_parcel_take(&call->parcel, request);
    call->parcel.wire.on_done = on_reply;
    if (to->in_flight < PM_SHARE_IN_FLIGHT) {
        put_out(share, call);
    } else {
        *to->waiting_end = &call->parcel.wire;
        to->waiting_end = &call->parcel.wire.next;
    }
    return PANICMON_OK;
}

/* ---- the interface ---- */

panicmon_err pm_share_new(pm_share **out, pm_rpc *rpc, size_t cache_bytes, pm_figures *figures)
{
    pm_share *share = calloc(1, sizeof *share);
    if (share == NULL) {
        return PANICMON_ERR_NOMEM;
    }
    share->rpc = rpc;
    share->figures = figures;
    share->swept = pm_mono_ms();
    pm_cache_init(&share->cache, cache_bytes, figures);
    *out = share;
    return PANICMON_OK;
}

void pm_share_add(pm_share *share, pm_request *request, const void *asker)
{
    uint64_t hash = pm_call_hash(request);
    endpoint *to = find_endpoint(share, request->target, asker);
    request->carrier = NULL;
    if (to == NULL) {
        pm_request_finish(request, PANICMON_ERR_NOMEM, 0, NULL);
        return;
    }
    to->used = pm_mono_ms();
    if (to->shared && (request->flags & PANICMON_RPC_ALONE) == 0) {
        bool pinned = (request->flags & PANICMON_RPC_PINNED) != 0;
        if (pinned && answer_from_cache(share, request, hash)) {
            return;
        }
        flight *same = find_flight(share, request, hash);
        if (same != NULL) {
            atomic_fetch_add(&share->figures->rpc_joined, 1);
            pm_parcel_join(&same->parcel, request);
            return;
        }
    }
    if (begin_flight(share, request, to, hash) != PANICMON_OK) {
        pm_request_finish(request, PANICMON_ERR_NOMEM, 0, NULL);
    }
}

void pm_share_send(pm_share *share)
{
    while (share->out_count > 0) {
        pm_request **batch = share->outgoing;
        size_t count = share->out_count;
        size_t size = share->out_size;
        share->outgoing = NULL; /* more may come meanwhile */
        share->out_count = share->out_size = 0;
        pm_rpc_submit(share->rpc, batch, count);
        if (share->outgoing == NULL) {
            share->outgoing = batch;
            share->out_size = size;
        } else {
            free(batch);
        }
    }
    sweep(share, pm_mono_ms());
}

void pm_share_cancel(pm_share *share)
{
    share->canceling = true;
    while (share->out_count > 0) {
        flight *call = (flight *)share->outgoing[--share->out_count];
        call->to->in_flight--;
        end_with(call, PANICMON_ERR_CANCELED, "canceled");
    }
    for (endpoint *to = share->endpoints; to != NULL; to = to->next) {
        advance(share, to);
    }
    share->canceling = false;
}

void pm_share_free(pm_share *share)
{
    if (share != NULL) {
        while (share->endpoints != NULL) {
            forget_endpoint(share, &share->endpoints);
        }
        while (share->spare != NULL) {
            free(new_flight(share));
        }
        pm_table_free(&share->flights);
        pm_cache_free(&share->cache);
        pm_map_free(&share->by_url);
        free(share->outgoing);
        free(share);
    }
}
