/* ws_conn.c: the life of a WebSocket client connection, from the name to the last message; the
 * bytes are moved by the carrier (ws.c). Belongs to the thread of its loop. A connection is owned
 * by whoever opened it.
 *
 * What ends a connection is noted (WS_ENDING) and told to the owner from pm_conn_work(), that is
 * from pm_loop_wait() but never from inside the carrier. */
#include "net/ws_impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/scan.h"
#include "base/utf8.h"

/* An address gets its share of the time that is left, but at least this much. */
#define ADDRESS_MIN_MS 1000
/* A receive buffer that grew larger is given back after its message. */
#define TEXT_KEEP 16384
/* The same where there may be thousands of them. */
#define TEXT_KEEP_LARGE 1024

/* So many connections are opened at once as net->connects says. One that takes longer than
 * PERMIT_MS does not count any more: a few peers that never answer must not keep out the rest. */
#define PERMIT_MS 1000
/* How soon it asks again, and up to as much later. */
#define PERMIT_AGAIN_MS 10

static bool take_permit(pm_ws *ws, int64_t now)
{
    pm_net *net = ws->loop->net;
    size_t others = atomic_fetch_add(&net->connecting, 1);
    if (net->connects > 0 && others >= net->connects) {
        atomic_fetch_sub(&net->connecting, 1);
        ws->ready_at = now + PERMIT_AGAIN_MS + (int64_t)(others % PERMIT_AGAIN_MS);
        return false;
    }
    ws->permitted = true;
    ws->permit_end = now + PERMIT_MS;
    return true;
}

static void drop_permit(pm_ws *ws)
{
    if (ws->permitted) {
        atomic_fetch_sub(&ws->loop->net->connecting, 1);
        ws->permitted = false;
    }
}

static void unlink_ws(pm_ws *ws)
{
    if (ws->loop->cursor == ws) {
        ws->loop->cursor = ws->next;
    }
    *ws->link = ws->next;
    if (ws->next != NULL) {
        ws->next->link = ws->link;
    }
}

static void link_ws(pm_ws *ws, pm_ws **list)
{
    ws->next = *list;
    ws->link = list;
    if (ws->next != NULL) {
        ws->next->link = &ws->next;
    }
    *list = ws;
}

static void move_to(pm_ws *ws, ws_state state)
{
    bool quiet = state == WS_OPEN || state == WS_CLOSED;
    bool was_quiet = ws->state == WS_OPEN || ws->state == WS_CLOSED;
    ws->state = state;
    if (state != WS_CONNECTING) {
        drop_permit(ws);
    }
    if (quiet != was_quiet) {
        unlink_ws(ws);
        link_ws(ws, quiet ? &ws->loop->quiet : &ws->loop->busy);
    }
}

static void set_problem(pm_ws *ws, const char *problem)
{
    if (problem != ws->problem) {
        (void)snprintf(ws->problem, sizeof ws->problem, "%s", problem);
    }
}

static void end(pm_ws *ws, panicmon_err why, const char *problem)
{
    pm_carrier_drop(ws);
    set_problem(ws, problem);
    ws->why = why;
    move_to(ws, WS_ENDING);
}

/* ---- opening ---- */

static void free_target(pm_ws *ws)
{
    ws_target *target = ws->target;
    if (target != NULL) {
        pm_lookup_free(target->lookup);
        pm_url_free(&target->url);
        free(target->host);
        free(target);
        ws->target = NULL;
    }
}

static panicmon_err write_host(ws_target *target)
{
    const pm_url *url = &target->url;
    pm_buf host = {0};
    bool six = strchr(url->host, ':') != NULL;
    pm_buf_format(&host, six ? "[%s]" : "%s", url->host);
    if (url->port != (url->tls ? 443 : 80)) {
        pm_buf_format(&host, ":%d", url->port);
    }
    target->host = pm_buf_take(&host, NULL);
    return target->host == NULL ? PANICMON_ERR_NOMEM : PANICMON_OK;
}

/* From a thread of the resolver. */
static void name_found(void *user)
{
    pm_loop_wake(user);
}

static panicmon_err find_target(pm_ws *ws, const char *url)
{
    const pm_net *net = ws->loop->net;
    ws_target *target = calloc(1, sizeof *target);
    ws->target = target;
    if (target == NULL) {
        return PANICMON_ERR_NOMEM;
    }
    panicmon_err status = pm_url_parse(&target->url, url, "ws wss", NULL);
    if (status == PANICMON_OK) {
        status = write_host(target);
    }
    if (status != PANICMON_OK) {
        return status;
    }
    target->deadline = pm_mono_ms() + net->connect_timeout_ms;
    if (pm_resolve_numeric(target->url.host, &target->addresses)) {
        ws->state = WS_READY;
        return PANICMON_OK;
    }
    ws->state = WS_RESOLVING;
    return pm_lookup_start(&target->lookup, net->resolver, target->url.host, name_found, ws->loop);
}

panicmon_err pm_ws_open(pm_ws **out, pm_loop *loop, const char *url, const pm_ws_events *events,
                        void *user)
{
    pm_ws *ws = calloc(1, sizeof *ws);
    if (ws == NULL) {
        return PANICMON_ERR_NOMEM;
    }
    ws->loop = loop;
    ws->events = *events;
    ws->user = user;
    panicmon_err status = find_target(ws, url);
    if (status != PANICMON_OK) {
        free_target(ws);
        free(ws);
        return status;
    }
    link_ws(ws, &loop->busy);
    *out = ws;
    return PANICMON_OK;
}

static void end_late(pm_ws *ws)
{
    char problem[80];
    (void)snprintf(problem, sizeof problem, "connecting took longer than %lld ms",
                   (long long)ws->loop->net->connect_timeout_ms);
    end(ws, PANICMON_ERR_TIMEOUT, problem);
}

static void try_next_address(pm_ws *ws, int64_t now)
{
    ws_target *target = ws->target;
    if (now < target->deadline && !take_permit(ws, now)) {
        move_to(ws, WS_READY);
        return;
    }
    while (target->tried < target->addresses.count && now < target->deadline) {
        int64_t left = (int64_t)(target->addresses.count - target->tried);
        int64_t share = (target->deadline - now) / left;
        target->next_address =
            pm_earlier(target->deadline, now + (share < ADDRESS_MIN_MS ? ADDRESS_MIN_MS : share));
        move_to(ws, WS_CONNECTING);
        if (pm_carrier_connect(ws, target->addresses.text[target->tried++])) {
            return;
        }
    }
    if (now >= target->deadline) {
        end_late(ws);
    } else {
        end(ws, PANICMON_ERR_WS, ws->problem);
    }
}

static void look_up(pm_ws *ws, int64_t now)
{
    ws_target *target = ws->target;
    const char *problem = NULL;
    if (!pm_lookup_result(target->lookup, &target->addresses, &problem)) {
        if (now >= target->deadline) {
            end(ws, PANICMON_ERR_TIMEOUT, "the name server does not answer");
        }
        return;
    }
    if (target->addresses.count == 0) {
        end(ws, PANICMON_ERR_WS, problem);
        return;
    }
    try_next_address(ws, now);
}

static void tell_end(pm_ws *ws)
{
    move_to(ws, WS_CLOSED);
    ws->loop->dispatched = true;
    ws->events.closed(ws->user, ws->why, ws->problem);
}

static void work(pm_ws *ws, int64_t now, bool looked)
{
    switch (ws->state) {
    case WS_RESOLVING:
        look_up(ws, now);
        break;
    case WS_READY:
        if (now >= ws->ready_at) {
            try_next_address(ws, now);
        }
        break;
    case WS_CONNECTING:
        if (now >= ws->permit_end) {
            drop_permit(ws);
        }
        if (looked && now >= ws->target->next_address) {
            pm_carrier_drop(ws);
            drop_permit(ws);
            set_problem(ws, "no answer while connecting");
            try_next_address(ws, now);
        }
        break;
    default:
        break;
    }
    if (ws->state == WS_ENDING) {
        tell_end(ws);
    }
}

void pm_conn_work(pm_loop *loop, int64_t now, bool looked)
{
    for (pm_ws *ws = loop->busy; ws != NULL; ws = loop->cursor) {
        loop->cursor = ws->next;
        work(ws, now, looked);
    }
}

int64_t pm_conn_due(const pm_loop *loop)
{
    int64_t due = PM_NEVER;
    for (const pm_ws *ws = loop->busy; ws != NULL; ws = ws->next) {
        switch (ws->state) {
        case WS_RESOLVING:
            due = pm_earlier(due, ws->target->deadline);
            break;
        case WS_CONNECTING:
            due = pm_earlier(due, ws->target->next_address);
            due = ws->permitted ? pm_earlier(due, ws->permit_end) : due;
            break;
        case WS_READY:
            due = pm_earlier(due, ws->ready_at);
            break;
        default:
            return 0;
        }
    }
    return due;
}

void pm_conn_opened(pm_ws *ws)
{
    free_target(ws);
    ws->problem[0] = '\0';
    ws->heard = ws->alive = pm_mono_ms();
    move_to(ws, WS_OPEN);
    if (ws->first != NULL) {
        pm_carrier_want_write(ws);
    }
    ws->loop->dispatched = true;
    ws->loop->moved = true;
    ws->events.opened(ws->user);
}

/* ---- open ---- */

/* Most of what nodes say is ASCII. */
static bool is_utf8(const char *text, size_t len)
{
    const char *wide = pm_scan(PM_SCAN_WIDE, text, text, text + len);
    return pm_utf8_valid(wide, len - (size_t)(wide - text));
}

static void deliver(pm_ws *ws, const char *text, size_t len)
{
    if (!is_utf8(text, len)) {
        end(ws, PANICMON_ERR_PROTOCOL, "a text message is not valid UTF-8");
        return;
    }
    ws->loop->dispatched = true;
    ws->events.message(ws->user, text, len);
}

/* Delivers the collected message; its text outlives `ws` when that is freed meanwhile. */
static void deliver_collected(pm_ws *ws)
{
    bool freed = false;
    pm_buf text = ws->text;
    ws->text = (pm_buf){0};
    ws->freed = &freed;
    deliver(ws, text.data, text.len);
    if (!freed) {
        ws->freed = NULL;
    }
    if (freed || text.cap > (ws->loop->large ? TEXT_KEEP_LARGE : TEXT_KEEP)) {
        pm_buf_free(&text);
    } else {
        pm_buf_clear(&text);
        ws->text = text;
    }
}

void pm_conn_received(pm_ws *ws, char *text, size_t len, size_t left, bool final)
{
    size_t room = ws->loop->net->message_limit - ws->text.len;
    ws->heard = pm_mono_ms();
    ws->loop->moved = true;
    if (ws->state != WS_OPEN) {
        return;
    }
    if (len > room || left > room - len) { /* before a byte of it is stored */
        char problem[80];
        (void)snprintf(problem, sizeof problem, "a message is larger than %zu bytes",
                       ws->loop->net->message_limit);
        end(ws, PANICMON_ERR_LIMIT, problem);
        return;
    }
    if (final && ws->text.len == 0) {
        text[len] = '\0';
        deliver(ws, text, len);
        return;
    }
    pm_buf_add(&ws->text, text, len);
    if (ws->text.failed) {
        end(ws, PANICMON_ERR_NOMEM, "out of memory for a message");
    } else if (final) {
        deliver_collected(ws);
    }
}

void pm_conn_lost(pm_ws *ws, panicmon_err why, const char *problem)
{
    if (ws->problem[0] == '\0' || ws->state == WS_OPEN) {
        set_problem(ws, problem);
    }
    if (ws->state == WS_CONNECTING) {
        move_to(ws, WS_READY);
    } else if (ws->state == WS_OPEN) {
        ws->why = why;
        move_to(ws, WS_ENDING);
    }
}

void pm_conn_refuse(pm_ws *ws, panicmon_err why, const char *problem)
{
    if (ws->state == WS_OPEN) {
        end(ws, why, problem);
    }
}

static panicmon_err queue_text(pm_ws *ws, const char *text, size_t len)
{
    if (ws->waiting > 0 && (ws->waiting > PM_WS_WAITING_MAX ||
                            len > PM_WS_WAITING_MAX - ws->waiting)) { /* as on a plain wire */
        char problem[96];
        (void)snprintf(problem, sizeof problem,
                       "the peer does not read: more than %d bytes wait for it", PM_WS_WAITING_MAX);
        end(ws, PANICMON_ERR_WS, problem);
        return PANICMON_OK; /* the owner is told by `closed` */
    }
    ws_out *out = malloc(sizeof *out + pm_carrier_headroom + len);
    if (out == NULL) {
        return PANICMON_ERR_NOMEM;
    }
    out->next = NULL;
    out->len = len;
    if (len > 0) {
        memcpy(out->bytes + pm_carrier_headroom, text, len);
    }
    *(ws->first == NULL ? &ws->first : &ws->last->next) = out;
    ws->last = out;
    ws->waiting += len;
    if (ws->state == WS_OPEN) {
        pm_carrier_want_write(ws);
    }
    return PANICMON_OK;
}

panicmon_err pm_ws_send(pm_ws *ws, char *text, size_t len)
{
    if (ws->state == WS_ENDING || ws->state == WS_CLOSED) {
        return PANICMON_ERR_STATE;
    }
    if (ws->state == WS_OPEN && pm_carrier_send(ws, text, len)) {
        return PANICMON_OK;
    }
    return queue_text(ws, text, len);
}

int64_t pm_ws_heard(const pm_ws *ws)
{
    return ws->heard;
}

void pm_ws_free(pm_ws *ws)
{
    if (ws == NULL) {
        return;
    }
    if (ws->freed != NULL) {
        *ws->freed = true;
    }
    pm_carrier_drop(ws);
    drop_permit(ws);
    unlink_ws(ws);
    free_target(ws);
    while (ws->first != NULL) {
        ws_out *out = ws->first;
        ws->first = out->next;
        free(out);
    }
    pm_buf_free(&ws->text);
    free(ws);
}
