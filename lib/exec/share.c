/* share.c: see share.h. A flight is a call on its way for all who asked for it; where nobody else
 * can ask for the same, the request itself goes out. */
#include "exec/share.h"

#include <stdlib.h>
#include <string.h>

#include <panicmon/monitor.h>

#include "base/clock.h"
#include "base/compiler.h"
#include "base/map.h"
#include "exec/cache.h"
#include "exec/carry.h"

/* An endpoint nobody asked for so long is forgotten. */
#define FORGET_MS 600000
/* Those who wait for a call that was given up try again when they have more time left than this. */
#define AGAIN_MS 50
/* Flights kept for later. */
#define SPARE_MAX 1024
#define TOO_MANY  "no answer in time: too many calls before it"

typedef struct endpoint {
    pm_share *share;
    struct pm_rpc_endpoint *route; /* the same at the pm_rpc; NULL: not known yet */
    const void *asker;             /* who used it first */
    size_t in_flight;
    pm_request *waiting; /* calls that have to wait, the oldest first */
    pm_request **waiting_end;
    int64_t used;
    bool shared; /* by others than the first */
    struct endpoint *next;
    char url[];
} endpoint;

typedef struct flight {
    pm_parcel parcel; /* first; its wire's carrier is the endpoint */
    pm_node node;
} flight;

struct pm_share {
    pm_rpc *rpc;
    pm_figures *figures;
    pm_table flights;
    pm_node *spare; /* flights to be used again */
    size_t spare_count;
    pm_cache cache;
    pm_map by_url;
    endpoint *endpoints;
    uint64_t forgotten; /* endpoints, and one: places found before it went up are void */
    pm_request **outgoing;
    size_t out_count;
    size_t out_size;
    bool canceling;
    int64_t swept;
    int64_t due; /* nobody has to be told before, whose call waits for its turn or is another's */
};

static flight *flight_of(pm_node *node)
{
    return node == NULL ? NULL : (flight *)(void *)((char *)node - offsetof(flight, node));
}

/* ---- endpoints ---- */

static endpoint *find_endpoint(pm_share *share, const char *url, const void *asker)
{
    endpoint *found = pm_map_get(&share->by_url, url);
    if (found == NULL) {
        size_t size = strlen(url) + 1;
        found = malloc(sizeof *found + size);
        if (found == NULL) {
            return NULL;
        }
        *found = (endpoint){.share = share, .asker = asker, .next = share->endpoints};
        found->waiting_end = &found->waiting;
        memcpy(found->url, url, size);
        if (!pm_map_set(&share->by_url, url, found)) {
            free(found);
            return NULL;
        }
        share->endpoints = found;
    }
    return found;
}

static void forget_endpoint(pm_share *share, endpoint **link)
{
    endpoint *gone = *link;
    *link = gone->next;
    share->forgotten++;
    (void)pm_map_remove(&share->by_url, gone->url);
    pm_rpc_release(gone->route);
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

static void end_flight(pm_share *share, flight *call)
{
    pm_table_remove(&share->flights, &call->node);
    pm_parcel_deliver(&call->parcel);
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

static void on_direct(pm_request *request);

/* Finishes what is not with the pm_rpc: a flight, or a call that goes without. */
static void refuse(pm_share *share, pm_request *wire, panicmon_err status, const char *message)
{
    bool direct = wire->on_done == on_direct;
    wire->on_done = direct ? wire->then : NULL;
    wire->carrier = NULL;
    pm_request_finish(wire, status, 0, message);
    if (!direct) {
        end_flight(share, (flight *)wire);
    }
}

/* Room for one more was made before. */
static void put_out(pm_share *share, pm_request *wire)
{
    endpoint *to = wire->carrier;
    to->in_flight++;
    share->outgoing[share->out_count++] = wire;
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

/* Of those who wait for a flight and have time left after `since`: how long the one with most of it
 * has, and in *first the one with least. 0: there is none. */
static int64_t last_deadline(const flight *call, int64_t since, int64_t *first)
{
    int64_t last = 0;
    *first = PM_NEVER;
    for (const pm_request *at = call->parcel.waiters; at != NULL; at = at->next) {
        if (at->deadline > since) {
            last = at->deadline > last ? at->deadline : last;
            *first = pm_earlier(*first, at->deadline);
        }
    }
    return last;
}

/* Parts a flight from those who have no time left after `since`. */
static void tell_late(flight *call, int64_t since, const char *message)
{
    pm_request *late = NULL;
    for (pm_request **link = &call->parcel.waiters; *link != NULL;) {
        pm_request *request = *link;
        if (request->deadline > since) {
            link = &request->next;
        } else {
            *link = request->next;
            request->next = late;
            late = request;
        }
    }
    while (late != NULL) {
        pm_request *next = late->next;
        if (call->parcel.lender == late) {
            (void)pm_parcel_own(&call->parcel);
        }
        late->next = NULL;
        late->carrier = NULL;
        pm_request_finish(late, PANICMON_ERR_TIMEOUT, 0, message);
        late = next;
    }
}

/* Gives a flight the time of those who have some after `since`; the others are told. False: nobody
 * has. */
static bool renew(pm_share *share, flight *call, int64_t since, const char *message)
{
    int64_t first;
    int64_t last = last_deadline(call, since, &first);
    if (last == 0) {
        return false;
    }
    tell_late(call, since, message);
    call->parcel.wire.deadline = last;
    share->due = pm_earlier(share->due, first);
    return true;
}

/* Whether anybody has time left for a call that waits for its turn. */
static bool is_wanted(pm_share *share, pm_request *wire, int64_t now)
{
    return wire->deadline > now ||
           (wire->on_done != on_direct && renew(share, (flight *)wire, now, TOO_MANY));
}

/* The next ones that had to wait may go. */
static void advance(pm_share *share, endpoint *to)
{
    while (to->waiting != NULL && to->in_flight < PM_SHARE_IN_FLIGHT) {
        pm_request *wire = to->waiting;
        to->waiting = wire->next;
        if (to->waiting == NULL) {
            to->waiting_end = &to->waiting;
        }
        wire->next = NULL;
        if (share->canceling) {
            refuse(share, wire, PANICMON_ERR_CANCELED, "canceled");
        } else if (!is_wanted(share, wire, pm_mono_ms())) {
            refuse(share, wire, PANICMON_ERR_TIMEOUT, TOO_MANY);
        } else if (make_room(share)) {
            put_out(share, wire);
        } else {
            refuse(share, wire, PANICMON_ERR_NOMEM, NULL);
        }
    }
}

static void expire_waiting(pm_share *share, endpoint *to, int64_t now)
{
    pm_request *late = NULL;
    pm_request **link = &to->waiting;
    while (*link != NULL) {
        pm_request *wire = *link;
        if (is_wanted(share, wire, now)) {
            share->due = pm_earlier(share->due, wire->deadline);
            link = &wire->next;
        } else {
            *link = wire->next;
            wire->next = late;
            late = wire;
        }
    }
    to->waiting_end = link;
    while (late != NULL) {
        pm_request *wire = late;
        late = wire->next;
        wire->next = NULL;
        refuse(share, wire, PANICMON_ERR_TIMEOUT, TOO_MANY);
    }
}

/* Those who joined a flight and have less time than it is given. */
static void expire_joined(pm_share *share, flight *call, int64_t now)
{
    int64_t first;
    tell_late(call, now, "no answer in time");
    (void)last_deadline(call, now, &first);
    if (first < call->parcel.wire.deadline) {
        share->due = pm_earlier(share->due, first);
    }
}

static void send_again(pm_share *share, pm_request *wire)
{
    free(wire->message);
    pm_request_drop_out(wire);
    wire->message = NULL;
    wire->done = false;
    put_out(share, wire);
}

/* It was given up because of the deadline of the first who asked. Those who have time left get
 * another try. */
static bool try_again(pm_share *share, flight *call)
{
    pm_request *wire = &call->parcel.wire;
    if (!make_room(share) || !renew(share, call, pm_mono_ms() + AGAIN_MS, wire->message)) {
        return false;
    }
    send_again(share, wire);
    return true;
}

static bool is_to_be_kept(const endpoint *to, const pm_request *wire)
{
    return wire->status == PANICMON_OK && (wire->flags & PANICMON_RPC_PINNED) != 0 && to->shared &&
           strcmp(wire->out.data, "null") != 0;
}

static void on_reply(pm_request *wire)
{
    flight *call = (flight *)wire;
    endpoint *to = wire->carrier;
    pm_share *share = to->share;
    to->in_flight--;
    if (wire->status == PANICMON_ERR_TIMEOUT && !share->canceling && try_again(share, call)) {
        return;
    }
    if (is_to_be_kept(to, wire)) {
        pm_cache_keep(&share->cache, wire, call->node.hash);
    }
    end_flight(share, call);
    advance(share, to);
}

/* The same for a call that nobody can join: it goes as its asker made it. */
static void on_direct(pm_request *request)
{
    endpoint *to = request->carrier;
    pm_share *share = to->share;
    to->in_flight--;
    if (request->status == PANICMON_ERR_TIMEOUT && !share->canceling && !request->kept &&
        request->deadline > pm_mono_ms() + AGAIN_MS && make_room(share)) {
        send_again(share, request);
        return;
    }
    if (is_to_be_kept(to, request)) {
        pm_cache_keep(&share->cache, request, pm_call_hash(request));
    }
    request->carrier = NULL;
    request->on_done = request->then;
    request->then(request);
    advance(share, to);
}

/* Sends it, or lets it wait for its turn. Room for one more was made before. */
static void send_or_wait(pm_share *share, endpoint *to, pm_request *wire)
{
    wire->carrier = to;
    wire->route = &to->route;
    if (to->in_flight < PM_SHARE_IN_FLIGHT) {
        put_out(share, wire);
    } else {
        wire->next = NULL;
        *to->waiting_end = wire;
        to->waiting_end = &wire->next;
        share->due = pm_earlier(share->due, wire->deadline);
    }
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
    bool whole = pm_request_set_out(request, known, len);
    atomic_fetch_add(&share->figures->cache_hits, 1);
    pm_request_finish(request, whole ? PANICMON_OK : PANICMON_ERR_NOMEM, 0, NULL);
    return true;
}

static panicmon_err begin_flight(pm_share *share, pm_request *request, endpoint *to, uint64_t hash)
{
    flight *call = new_flight(share);
    if (call == NULL) {
        return PANICMON_ERR_NOMEM;
    }
    call->node.hash = hash;
    if (!pm_table_add(&share->flights, &call->node)) {
        free(call);
        return PANICMON_ERR_NOMEM;
    }
    pm_parcel_take(&call->parcel, request);
    call->parcel.wire.on_done = on_reply;
    send_or_wait(share, to, &call->parcel.wire);
    return PANICMON_OK;
}

static void add(pm_share *share, pm_request *request, endpoint *to, const void *asker)
{
    if (to == NULL || !make_room(share)) {
        pm_request_finish(request, PANICMON_ERR_NOMEM, 0, NULL);
        return;
    }
    if (!to->shared) {
        to->shared = to->asker != asker;
    }
    if (!to->shared || (request->flags & PANICMON_RPC_ALONE) != 0) {
        request->then = request->on_done;
        request->on_done = on_direct;
        send_or_wait(share, to, request);
        return;
    }
    uint64_t hash = pm_call_hash(request);
    request->carrier = NULL;
    if ((request->flags & PANICMON_RPC_PINNED) != 0 && answer_from_cache(share, request, hash)) {
        return;
    }
    flight *same = find_flight(share, request, hash);
    if (same != NULL) {
        atomic_fetch_add(&share->figures->rpc_joined, 1);
        pm_parcel_join(&same->parcel, request);
        if (request->deadline < same->parcel.wire.deadline) {
            share->due = pm_earlier(share->due, request->deadline);
        }
    } else if (begin_flight(share, request, to, hash) != PANICMON_OK) {
        pm_request_finish(request, PANICMON_ERR_NOMEM, 0, NULL);
    }
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
    share->forgotten = 1;
    share->due = PM_NEVER;
    pm_cache_init(&share->cache, cache_bytes, figures);
    *out = share;
    return PANICMON_OK;
}

void pm_share_add(pm_share *share, pm_request *const *requests, size_t count, const void *asker,
                  pm_share_place *place, int64_t now_ms)
{
    endpoint *to = place->valid == share->forgotten ? place->to : NULL;
    const char *url = NULL;
    for (size_t i = 0; i < count; i++) {
        pm_request *request = requests[i];
        if (request->kind != PM_REQUEST_RPC) {
            continue;
        }
        if (url != request->target) { /* calls of one step share the text of their target */
            url = request->target;
            if (to == NULL || strcmp(to->url, url) != 0) {
                to = find_endpoint(share, url, asker);
            }
            if (to != NULL) {
                to->used = now_ms;
                pm_rpc_prefetch(to->route);
            }
        }
        add(share, request, to, asker);
    }
    *place = (pm_share_place){.to = to, .valid = share->forgotten};
}

void pm_share_prefetch(const pm_share_place *place)
{
    pm_prefetch_all(place->to, sizeof *place->to + PM_CACHE_LINE);
}

void pm_share_leave(pm_request *request)
{
    if (request->on_done == on_direct) {
        pm_request_keep(request);
        request->then = pm_request_forget;
    } else {
        pm_parcel_leave(request);
    }
}

void pm_share_send(pm_share *share, int64_t now_ms)
{
    while (share->out_count > 0) {
        pm_request **batch = share->outgoing;
        size_t count = share->out_count;
        size_t size = share->out_size;
        share->outgoing = NULL; /* more may come meanwhile */
        share->out_count = share->out_size = 0;
        pm_rpc_submit(share->rpc, batch, count, now_ms);
        if (share->outgoing == NULL) {
            share->outgoing = batch;
            share->out_size = size;
        } else {
            free(batch);
        }
    }
    sweep(share, now_ms);
}

int64_t pm_share_service(pm_share *share, int64_t now_ms)
{
    if (now_ms >= share->due) {
        int64_t seen = pm_earlier(now_ms, pm_rpc_caught_up(share->rpc));
        share->due = PM_NEVER;
        for (endpoint *to = share->endpoints; to != NULL; to = to->next) {
            expire_waiting(share, to, seen);
        }
        pm_node *node = NULL;
        while ((node = pm_table_after(&share->flights, node)) != NULL) {
            expire_joined(share, flight_of(node), seen);
        }
    }
    return share->due;
}

void pm_share_cancel(pm_share *share)
{
    share->canceling = true;
    while (share->out_count > 0) {
        pm_request *wire = share->outgoing[--share->out_count];
        endpoint *to = wire->carrier;
        to->in_flight--;
        refuse(share, wire, PANICMON_ERR_CANCELED, "canceled");
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
