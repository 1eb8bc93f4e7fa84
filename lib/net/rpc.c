/* rpc.c: the endpoints of one loop: connections that open on first use and are kept, deadlines,
 * and who hears what when one breaks. What goes over them is in rpc_frame.c. Belongs to the thread
 * of the loop. Calls are ours, their requests the submitter's. */
#include "net/rpc_impl.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/compiler.h"
#include "base/error.h"
#include "base/log.h"
#include "base/url.h"

/* An endpoint nobody used for so long is closed and forgotten. */
#define IDLE_MS 300000
/* A connection that never gave a reply is not tried again sooner. */
#define RETRY_MS 500
/* Bytes of requests that are seldom more for one message. */
#define PREFETCH_SIZE (6 * sizeof(pm_request))

/* ---- calls ---- */

void pm_calls_init(pm_calls *calls)
{
    calls->first = NULL;
    calls->end = &calls->first;
}

void pm_calls_append(pm_calls *calls, pm_rpc_call *call)
{
    call->next = NULL;
    call->link = calls->end;
    *calls->end = call;
    calls->end = &call->next;
}

void pm_calls_remove(pm_calls *calls, pm_rpc_call *call)
{
    if (calls->first == call) { /* the same as below, for readers without aliases */
        calls->first = call->next;
    } else {
        *call->link = call->next;
    }
    if (call->next != NULL) {
        call->next->link = call->link;
    } else {
        calls->end = call->link;
    }
}

/* Moves all calls to the end of the empty list `to`. */
static void take_all(pm_calls *to, pm_calls *from)
{
    while (from->first != NULL) {
        pm_rpc_call *call = from->first;
        pm_calls_remove(from, call);
        pm_calls_append(to, call);
    }
}

void pm_call_finish(pm_rpc_call *call, panicmon_err status, int64_t code, const char *message)
{
    pm_request_finish(pm_call_request(call), status, code, message);
}

static void finish_all(pm_calls *calls, panicmon_err status, const char *message)
{
    while (calls->first != NULL) {
        pm_rpc_call *call = calls->first;
        pm_calls_remove(calls, call);
        pm_call_finish(call, status, 0, message);
    }
}

/* ---- endpoints ---- */

static void fail_calls(pm_rpc_endpoint *endpoint, pm_calls *failed, panicmon_err status,
                       const char *reason)
{
    char message[sizeof endpoint->problem];
    (void)snprintf(message, sizeof message, "%s: %s", endpoint->name, reason);
    memcpy(endpoint->problem, message, sizeof message);
    finish_all(failed, status, message);
}

/* Requests may be submitted again from within; those are not failed too. */
void pm_rpc_endpoint_fail(pm_rpc_endpoint *endpoint, panicmon_err status, const char *reason)
{
    pm_calls failed;
    pm_calls_init(&failed);
    take_all(&failed, &endpoint->pending);
    take_all(&failed, &endpoint->fresh);
    fail_calls(endpoint, &failed, status, reason);
}

void pm_rpc_endpoint_drop(pm_rpc_endpoint *endpoint)
{
    if (endpoint->ws != NULL) {
        endpoint->rpc->counts.sockets--;
    }
    pm_ws_free(endpoint->ws);
    endpoint->ws = NULL;
    endpoint->batch_limit = PM_BATCH_MAX;
}

static void on_opened(void *user)
{
    const pm_rpc_endpoint *endpoint = user;
    pm_logf(endpoint->rpc->log, PANICMON_LOG_DEBUG, endpoint->rpc->component, "connected to %s",
            endpoint->name);
}

/* While the message is read, what its answers will touch comes: the requests, which mostly lie one
 * behind the other, and those who asked. */
static void prefetch_pending(const pm_rpc_endpoint *endpoint)
{
    if (endpoint->pending.first != NULL) {
        const pm_request *first = pm_call_request(endpoint->pending.first);
        pm_prefetch_all(first, PREFETCH_SIZE);
        pm_prefetch(first->owner);
        pm_prefetch(first->carrier);
    }
}

static void on_message(void *user, const char *text, size_t len)
{
    prefetch_pending(user);
    pm_rpc_endpoint_receive(user, text, len);
}

static void on_closed(void *user, panicmon_err why, const char *message)
{
    pm_rpc_endpoint *endpoint = user;
    char reason[160];
    (void)snprintf(reason, sizeof reason, "%s", message); /* it goes with the connection */
    pm_logf(endpoint->rpc->log, PANICMON_LOG_DEBUG, endpoint->rpc->component, "%s: %s",
            endpoint->name, reason);
    pm_rpc_endpoint_drop(endpoint);
    pm_rpc_endpoint_fail(endpoint, why, reason);
}

static const pm_ws_events events = {on_opened, on_message, on_closed};

static void free_endpoint(pm_rpc_endpoint *endpoint)
{
    pm_rpc_endpoint_drop(endpoint);
    free(endpoint->url);
    free(endpoint->name);
    free(endpoint);
}

static char *write_name(const pm_url *url)
{
    pm_buf name = {0};
    bool six = strchr(url->host, ':') != NULL;
    pm_buf_format(&name, six ? "%s://[%s]:%d" : "%s://%s:%d", url->scheme, url->host, url->port);
    return pm_buf_take(&name, NULL);
}

static panicmon_err make_endpoint(pm_rpc *rpc, const char *text, int64_t now, pm_rpc_endpoint **out,
                                  panicmon_error **err)
{
    pm_url url;
    panicmon_err status = pm_url_parse(&url, text, "ws wss", err);
    if (status != PANICMON_OK) {
        return status;
    }
    pm_rpc_endpoint *endpoint = calloc(1, sizeof *endpoint);
    if (endpoint != NULL) {
        endpoint->rpc = rpc;
        endpoint->armed = PM_NEVER;
        endpoint->since = now;
        endpoint->batch_limit = PM_BATCH_MAX;
        endpoint->url = strdup(text);
        endpoint->name = write_name(&url);
        pm_calls_init(&endpoint->fresh);
        pm_calls_init(&endpoint->pending);
    }
    pm_url_free(&url);
    if (endpoint == NULL || endpoint->url == NULL || endpoint->name == NULL ||
        !pm_map_set(&rpc->by_url, text, endpoint)) {
        if (endpoint != NULL) {
            free_endpoint(endpoint);
        }
        return PANICMON_ERR_NOMEM;
    }
    TAILQ_INSERT_TAIL(&rpc->endpoints, endpoint, entry);
    *out = endpoint;
    return PANICMON_OK;
}

/* Opens the connection unless it is there; else fails what is fresh. */
static void connect_endpoint(pm_rpc_endpoint *endpoint, int64_t now)
{
    if (endpoint->ws != NULL) {
        return;
    }
    if (!endpoint->worked && endpoint->opened != 0 && now - endpoint->opened < RETRY_MS) {
        char message[sizeof endpoint->problem + 32];
        (void)snprintf(message, sizeof message, "%s (not tried again yet)", endpoint->problem);
        pm_calls failed;
        pm_calls_init(&failed);
        take_all(&failed, &endpoint->fresh);
        finish_all(&failed, PANICMON_ERR_WS, message);
        return;
    }
    endpoint->worked = false;
    endpoint->opened = now;
    panicmon_err status =
        pm_ws_open(&endpoint->ws, endpoint->rpc->loop, endpoint->url, &events, endpoint);
    if (status != PANICMON_OK) {
        pm_rpc_endpoint_fail(endpoint, status, panicmon_strerror(status));
        return;
    }
    endpoint->rpc->counts.connects++;
    endpoint->rpc->counts.sockets++;
}

/* ---- the interface ---- */

panicmon_err pm_rpc_new(pm_rpc **out, pm_loop *loop, panicmon_log *log, const char *component)
{
    pm_rpc *rpc = calloc(1, sizeof *rpc);
    if (rpc == NULL) {
        return PANICMON_ERR_NOMEM;
    }
    rpc->component = strdup(component);
    if (rpc->component == NULL) {
        free(rpc);
        return PANICMON_ERR_NOMEM;
    }
    rpc->loop = loop;
    rpc->log = pm_log_ref(log);
    rpc->due = PM_NEVER;
    rpc->idle_ms = IDLE_MS;
    TAILQ_INIT(&rpc->endpoints);
    *out = rpc;
    return PANICMON_OK;
}

void pm_rpc_free(pm_rpc *rpc)
{
    if (rpc == NULL) {
        return;
    }
    pm_rpc_cancel(rpc);
    for (pm_rpc_endpoint *at; (at = TAILQ_FIRST(&rpc->endpoints)) != NULL;) {
        TAILQ_REMOVE(&rpc->endpoints, at, entry);
        free_endpoint(at);
    }
    pm_map_free(&rpc->by_url);
    pm_buf_free(&rpc->frame);
    free(rpc->dues);
    panicmon_log_free(rpc->log);
    free(rpc->component);
    free(rpc);
}

/* The endpoint of a request; on failure *err says why. */
static panicmon_err find_endpoint(pm_rpc *rpc, const pm_request *request, int64_t now,
                                  pm_rpc_endpoint **out, panicmon_error **err)
{
    pm_rpc_endpoint **route = request->route;
    panicmon_err status = PANICMON_OK;
    if (route != NULL && *route != NULL) {
        *out = *route;
        return PANICMON_OK;
    }
    *out = rpc->last;
    if (*out == NULL || strcmp((*out)->url, request->target) != 0) {
        *out = pm_map_get(&rpc->by_url, request->target);
    }
    if (*out == NULL) {
        status = make_endpoint(rpc, request->target, now, out, err);
    }
    if (status == PANICMON_OK) {
        rpc->last = *out;
    }
    if (status == PANICMON_OK && route != NULL) {
        *route = *out;
        (*out)->routes++;
    }
    return status;
}

/* Puts a request into its endpoint's list of fresh ones, or finishes it. */
static void accept_request(pm_rpc *rpc, pm_request *request, int64_t now)
{
    panicmon_error *err = NULL;
    pm_rpc_endpoint *endpoint = NULL;
    panicmon_err status = pm_dues_reserve(rpc) ? PANICMON_OK : PANICMON_ERR_NOMEM;
    rpc->counts.requests++;
    if (status == PANICMON_OK) {
        status = find_endpoint(rpc, request, now, &endpoint, &err);
    }
    if (status != PANICMON_OK) {
        pm_request_finish(request, status, 0,
                          err != NULL ? panicmon_error_message(err) : panicmon_strerror(status));
        panicmon_error_free(err);
        return;
    }
    request->call = (pm_rpc_call){.since = now};
    pm_calls_append(&endpoint->fresh, &request->call);
    endpoint->used = now;
    if (!endpoint->in_to_send) {
        endpoint->in_to_send = true;
        endpoint->next_to_send = rpc->to_send;
        rpc->to_send = endpoint;
    }
    if (request->deadline < endpoint->armed) {
        pm_rpc_endpoint_arm(endpoint, request->deadline);
    }
    rpc->due = pm_earlier(rpc->due, pm_earlier(request->deadline, now + rpc->idle_ms));
}

void pm_rpc_submit(pm_rpc *rpc, pm_request *const *requests, size_t count, int64_t now_ms)
{
    for (size_t i = 0; i < count; i++) {
        accept_request(rpc, requests[i], now_ms);
    }
    while (rpc->to_send != NULL) {
        pm_rpc_endpoint *endpoint = rpc->to_send;
        rpc->to_send = endpoint->next_to_send;
        endpoint->in_to_send = false;
        if (rpc->to_send != NULL) {
            pm_prefetch(rpc->to_send->ws);
        }
        connect_endpoint(endpoint, now_ms);
        pm_rpc_endpoint_send(endpoint);
    }
}

int64_t pm_rpc_caught_up(const pm_rpc *rpc)
{
    return pm_loop_caught_up(rpc->loop);
}

void pm_rpc_prefetch(const pm_rpc_endpoint *endpoint)
{
    pm_prefetch_all(endpoint, offsetof(pm_rpc_endpoint, url));
}

void pm_rpc_release(pm_rpc_endpoint *endpoint)
{
    if (endpoint != NULL) {
        endpoint->routes--;
    }
}

/* The first one that is due: finishes what is late. A connection over which nothing at all came
 * since such a request was submitted is taken for dead. */
static void expire(pm_rpc_endpoint *endpoint, int64_t seen)
{
    bool dead = false;
    int64_t next_due = PM_NEVER;
    pm_calls late;
    pm_calls_init(&late);
    for (pm_rpc_call *call = endpoint->pending.first; call != NULL;) {
        pm_rpc_call *next = call->next;
        if (pm_call_request(call)->deadline <= seen) {
            pm_calls_remove(&endpoint->pending, call);
            pm_calls_append(&late, call);
        } else {
            next_due = pm_earlier(next_due, pm_call_request(call)->deadline);
        }
        call = next;
    }
    pm_dues_renew(endpoint->rpc, next_due); /* before a callback enters other times */
    if (late.first != NULL && endpoint->ws != NULL) {
        int64_t heard = pm_ws_heard(endpoint->ws); /* 0: it is still connecting */
        dead = heard != 0 && heard < late.first->since;
    }
    pm_calls lost; /* those that come from within the callbacks are not */
    pm_calls_init(&lost);
    if (dead) {
        pm_rpc_endpoint_drop(endpoint);
        take_all(&lost, &endpoint->pending);
        take_all(&lost, &endpoint->fresh);
    }
    while (late.first != NULL) {
        char message[200];
        pm_rpc_call *call = late.first;
        pm_calls_remove(&late, call);
        (void)snprintf(message, sizeof message, "no answer from %s within %lld ms", endpoint->name,
                       (long long)(pm_call_request(call)->deadline - call->since));
        pm_call_finish(call, PANICMON_ERR_TIMEOUT, 0, message);
    }
    if (dead) {
        fail_calls(endpoint, &lost, PANICMON_ERR_WS, "closed, as it answered nothing any more");
    }
}

/* Whether nothing was asked of it for so long. */
static bool is_idle(const pm_rpc_endpoint *endpoint, int64_t now)
{
    return endpoint->pending.first == NULL && endpoint->fresh.first == NULL &&
           endpoint->dues == 0 && endpoint->used + endpoint->rpc->idle_ms <= now;
}

/* Closes what is idle. Using an endpoint does not move it in the list: it is looked at when it
 * would be idle had it not been used. */
static void close_idle(pm_rpc *rpc, int64_t now)
{
    pm_rpc_endpoint *endpoint;
    while ((endpoint = TAILQ_FIRST(&rpc->endpoints)) != NULL &&
           endpoint->since + rpc->idle_ms <= now) {
        bool idle = is_idle(endpoint, now);
        TAILQ_REMOVE(&rpc->endpoints, endpoint, entry);
        if (idle && endpoint->routes == 0) {
            (void)pm_map_remove(&rpc->by_url, endpoint->url);
            rpc->last = NULL;
            free_endpoint(endpoint);
            continue;
        }
        if (idle) {
            pm_rpc_endpoint_drop(endpoint);
        }
        bool used = endpoint->used + rpc->idle_ms > now;
        endpoint->since = used ? endpoint->used : now;
        TAILQ_INSERT_TAIL(&rpc->endpoints, endpoint, entry);
    }
}

int64_t pm_rpc_service(pm_rpc *rpc, int64_t now_ms)
{
    if (now_ms < rpc->due) {
        return rpc->due;
    }
    int64_t seen = pm_earlier(now_ms, pm_rpc_caught_up(rpc));
    for (pm_rpc_endpoint *at; (at = pm_dues_first(rpc, now_ms)) != NULL &&
                              (at->armed <= seen || at->pending.first == NULL);) {
        expire(at, seen);
    }
    close_idle(rpc, now_ms); /* no callback runs from here on */
    const pm_rpc_endpoint *first = TAILQ_FIRST(&rpc->endpoints);
    rpc->due =
        pm_earlier(pm_dues_next(rpc), first == NULL ? PM_NEVER : first->since + rpc->idle_ms);
    return rpc->due;
}

void pm_rpc_set_idle(pm_rpc *rpc, int64_t idle_ms)
{
    rpc->idle_ms = idle_ms;
}

void pm_rpc_cancel(pm_rpc *rpc)
{
    pm_rpc_endpoint *at;
    TAILQ_FOREACH(at, &rpc->endpoints, entry)
    {
        pm_calls canceled;
        pm_calls_init(&canceled);
        take_all(&canceled, &at->pending);
        take_all(&canceled, &at->fresh);
        finish_all(&canceled, PANICMON_ERR_CANCELED, "canceled");
    }
}

const pm_rpc_counts *pm_rpc_get_counts(const pm_rpc *rpc)
{
    return &rpc->counts;
}
