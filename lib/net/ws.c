/* ws.c: the carrier of a loop and its connections (ws_impl.h) by libwebsockets 4.1, one context per
 * loop. Plain connections of large loops are handed on to wire.c. Belongs to the thread of the
 * loop, but for pm_carrier_wake().
 *
 * libwebsockets touches what belongs to the whole process; what is done about it:
 * - Making a context ignores SIGPIPE and may set up OpenSSL's extra-data index, which handshakes
 *   under way in other threads use. So contexts are made one at a time under `making`, the index
 *   is set up once, and the disposition of SIGPIPE is put back.
 * - Its log goes to stderr by default and is formatted in one static buffer by whatever thread
 *   writes, so it is switched off; unless the host chose a log level of its own, which stands.
 * - It obeys the environment's http_proxy; we give it a proxy that is none. */
#include "net/ws_impl.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include <libwebsockets.h>

#include "base/clock.h"
#include "base/log.h"
#include "net/ev.h"
#include "net/wire.h"

#define PROTOCOL "panicmon"
/* Descriptors beside those the loop was made for: the watches, and wires that are being dropped. */
#define FDS_EXTRA 8
/* Bytes read at once, and the receive buffer of each connection: most of what nodes say fits. */
#define READ_SIZE 2048
/* Most bytes of HTTP header in the answer to an upgrade; held only until it is over. */
#define HEADER_SIZE 8192
/* What it writes at once; of a request for an upgrade it does not look where this ends. */
#define WRITE_SIZE (READ_SIZE + LWS_PRE)
/* Most bytes of such a request beside its path and what we add. */
#define REQUEST_REST 340
_Static_assert(PM_URL_PATH_MAX + PM_AUTHORIZATION_SIZE + REQUEST_REST <= WRITE_SIZE,
               "a request for an upgrade fits");
/* A silent connection is pinged; often enough to look alive to proxies, which give up after 60 s.
 */
#define PING_S   20
#define HANGUP_S 30
#define WAIT_MAX 3600000
/* Turns without any event in one millisecond before it is waited out; see rest(). */
#define TURNS_MAX 4
/* Turns in which a wake is noticed. */
#define WAKE_TURNS 8

struct pm_carrier {
    pm_ev *ev;       /* what it runs on, when the loop is a large one */
    pm_wires *wires; /* plain connections of a large loop; NULL: they go the way of the others */
    struct lws_context *context;
    struct lws_vhost *vhosts[2]; /* plain and TLS, made when first needed */
    lws_sorted_usec_list_t alarm;
    const pm_ws *connecting; /* inside pm_carrier_connect() */
    bool wakes;              /* waking it was seen to work */
    uint64_t calls;          /* callbacks so far */
    uint64_t calls_before;
    int64_t turn_ms;
    int turns;
};

const size_t pm_carrier_headroom = LWS_PRE;
_Static_assert(LWS_PRE >= PM_WS_HEADROOM, "what is queued may go without libwebsockets");

static pthread_mutex_t making = PTHREAD_MUTEX_INITIALIZER;
static bool made_index; /* guarded by making */

static const lws_retry_bo_t liveness = {
    .secs_since_valid_ping = PING_S,
    .secs_since_valid_hangup = HANGUP_S,
};

/* ---- what libwebsockets tells ---- */

/* Takes the wire away from its connection, so that no later callback concerns it. */
static void detach(pm_ws *ws, struct lws *wire)
{
    lws_set_wsi_user(wire, NULL);
    ws->wire = NULL;
}

static void lost(pm_ws *ws, struct lws *wire, panicmon_err why, const char *problem)
{
    detach(ws, wire);
    if (ws->loop->carrier->connecting == ws) {
        if (ws->problem[0] == '\0') { /* pm_carrier_connect() returns it */
            (void)snprintf(ws->problem, sizeof ws->problem, "%s", problem);
        }
    } else {
        pm_conn_lost(ws, why, problem);
    }
}

static void on_connect_failed(pm_ws *ws, struct lws *wire, const char *text, size_t len)
{
    char problem[128];
    unsigned int answer = lws_http_client_http_response(wire);
    if (answer != 0 && answer != 101) {
        /* The path itself is not told: some hold a key. */
        (void)snprintf(problem, sizeof problem, "the server answered HTTP %u to the upgrade%s",
                       answer, answer == 404 ? ": it has no such path" : "");
    } else {
        (void)snprintf(problem, sizeof problem, "cannot connect: %.*s",
                       (int)(text == NULL ? 0 : strnlen(text, len)), text == NULL ? "" : text);
    }
    lost(ws, wire, PANICMON_ERR_WS, problem);
}

/* libwebsockets does not say why it closed an open connection. When the socket itself is still
 * good, it was for an unanswered ping or for what the peer sent. */
static void on_closed(pm_ws *ws, struct lws *wire)
{
    char byte;
    ssize_t got = recv(lws_get_socket_fd(wire), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    if (got == 0) {
        lost(ws, wire, PANICMON_ERR_WS, "the peer closed the connection");
    } else if (got < 0 && errno != EAGAIN && errno != EWOULDBLOCK) {
        lost(ws, wire, PANICMON_ERR_WS, "the connection broke");
    } else if (pm_mono_ms() - ws->alive >= HANGUP_S * INT64_C(1000)) {
        lost(ws, wire, PANICMON_ERR_WS, "the peer does not answer pings");
    } else {
        lost(ws, wire, PANICMON_ERR_PROTOCOL, "the peer broke the WebSocket protocol");
    }
}

/* The peer wants to close: its owner hears at once; libwebsockets sends the answer on its own. */
static void on_close_frame(pm_ws *ws, struct lws *wire, const unsigned char *payload, size_t len)
{
    char problem[64];
    int code = len >= 2 ? payload[0] << 8 | payload[1] : 1005;
    (void)snprintf(problem, sizeof problem, "the peer closed the connection (code %d)", code);
    lost(ws, wire, PANICMON_ERR_WS, problem);
}

static void on_received(pm_ws *ws, struct lws *wire, char *text, size_t len)
{
    if (lws_frame_is_binary(wire)) {
        pm_conn_refuse(ws, PANICMON_ERR_PROTOCOL, "the peer sent binary data");
        return;
    }
    pm_conn_received(ws, text, len, lws_remaining_packet_payload(wire),
                     lws_is_final_fragment(wire) != 0);
}

static void on_established(pm_ws *ws, struct lws *wire)
{
    if (ws->target->url.tls && !ws->checked) {
        lost(ws, wire, PANICMON_ERR_WS, "the certificate of the peer was not checked");
        return;
    }
    pm_conn_opened(ws);
}

static int write_first(pm_ws *ws, struct lws *wire)
{
    ws_out *out = ws->first;
    int sent = lws_write(wire, out->bytes + LWS_PRE, out->len, LWS_WRITE_TEXT);
    ws->first = out->next;
    ws->waiting -= out->len;
    free(out);
    return sent;
}

static int on_writable(pm_ws *ws, struct lws *wire)
{
    if (ws->first == NULL) {
        return 0;
    }
    int sent = write_first(ws, wire);
    if (ws->first != NULL) {
        (void)lws_callback_on_writable(wire);
    }
    return sent < 0 ? -1 : 0; /* what the socket did not take, libwebsockets keeps */
}

static int on_certificate(pm_ws *ws, void *store_context, bool good)
{
    return ws->target != NULL && /* once it is open, nothing may change */
                   pm_tls_judge(store_context, good, ws->target->url.host, &ws->checked,
                                ws->problem, sizeof ws->problem)
               ? 0
               : 1;
}

/* lws_http_basic_auth_gen() has room for 127 bytes only. */
bool pm_carrier_authorize(const pm_url *url, char out[PM_AUTHORIZATION_SIZE])
{
    char login[PM_URL_LOGIN_MAX + 1];
    int len = snprintf(login, sizeof login, "%s:%s", url->user, url->pass == NULL ? "" : url->pass);
    int start = snprintf(out, PM_AUTHORIZATION_SIZE, "Basic ");
    return len < (int)sizeof login &&
           lws_b64_encode_string(login, len, out + start, (int)PM_AUTHORIZATION_SIZE - start) >= 0;
}

static int add_authorization(const pm_ws *ws, struct lws *wire, unsigned char **at, size_t room)
{
    char text[PM_AUTHORIZATION_SIZE];
    const pm_url *url = &ws->target->url;
    if (url->user == NULL) {
        return 0;
    }
    if (!pm_carrier_authorize(url, text)) {
        return -1;
    }
    return lws_add_http_header_by_token(wire, WSI_TOKEN_HTTP_AUTHORIZATION,
                                        (const unsigned char *)text, (int)strlen(text), at,
                                        *at + room);
}

/* Callbacks for a connection that has an owner. Nonzero closes the wire. */
static int on_event(pm_ws *ws, struct lws *wire, enum lws_callback_reasons reason, void *in,
                    size_t len)
{
    switch (reason) {
    case LWS_CALLBACK_OPENSSL_PERFORM_SERVER_CERT_VERIFICATION:
        return on_certificate(ws, in, len != 0);
    case LWS_CALLBACK_CLIENT_APPEND_HANDSHAKE_HEADER:
        return add_authorization(ws, wire, in, len);
    case LWS_CALLBACK_CLIENT_ESTABLISHED:
        on_established(ws, wire);
        break;
    case LWS_CALLBACK_CLIENT_RECEIVE:
        on_received(ws, wire, in, len);
        break;
    case LWS_CALLBACK_CLIENT_RECEIVE_PONG:
        ws->alive = pm_mono_ms();
        break;
    case LWS_CALLBACK_CLIENT_WRITEABLE:
        return on_writable(ws, wire);
    case LWS_CALLBACK_WS_PEER_INITIATED_CLOSE:
        on_close_frame(ws, wire, in, len);
        return 0;
    case LWS_CALLBACK_CLIENT_CONNECTION_ERROR:
        on_connect_failed(ws, wire, in, len);
        return 0;
    case LWS_CALLBACK_CLIENT_CLOSED:
        on_closed(ws, wire);
        return 0;
    case LWS_CALLBACK_WSI_DESTROY:
        lost(ws, wire, PANICMON_ERR_WS, "the connection broke");
        return 0;
    default:
        return 0;
    }
    /* `ws` may be gone by now; then its wire has no user any more. */
    return lws_wsi_user(wire) == NULL ? -1 : 0;
}

static int on_callback(struct lws *wire, enum lws_callback_reasons reason, void *user, void *in,
                       size_t len)
{
    if (reason == LWS_CALLBACK_GET_THREAD_ID) {
        return 0;
    }
    pm_loop *loop = lws_context_user(lws_get_context(wire));
    if (reason == LWS_CALLBACK_EVENT_WAIT_CANCELLED) {
        loop->carrier->wakes = true;
        return 0;
    }
    loop->carrier->calls++;
    if (reason == LWS_CALLBACK_RAW_RX_FILE) {
        pm_loop_dispatch_watch(loop);
        return 0;
    }
    if (reason == LWS_CALLBACK_OPENSSL_PERFORM_SERVER_CERT_VERIFICATION) {
        in = user; /* the X509_STORE_CTX stands in the place of the user */
        user = lws_wsi_user(wire);
        if (user == NULL) {
            return 1;
        }
    }
    if (user == NULL) {
        return reason == LWS_CALLBACK_CLIENT_RECEIVE || reason == LWS_CALLBACK_CLIENT_ESTABLISHED
                   ? -1
                   : 0;
    }
    return on_event(user, wire, reason, in, len);
}

/* ---- context ---- */

static const struct lws_protocols protocols[] = {
    {.name = PROTOCOL, .callback = on_callback, .rx_buffer_size = READ_SIZE},
    {.name = NULL},
};

static void silence_log(void)
{
    bool usual = lwsl_visible(LLL_ERR) && lwsl_visible(LLL_WARN) && lwsl_visible(LLL_NOTICE) &&
                 !lwsl_visible(LLL_INFO) && !lwsl_visible(LLL_DEBUG) && !lwsl_visible(LLL_USER);
    if (usual) {
        lws_set_log_level(0, NULL);
    }
}

/* For large loops: what their owners ask, and how often, tells whether a peer lives. Each ping
 * would cost a walk over the timers of all connections. */
static const lws_retry_bo_t no_pings = {
    .secs_since_valid_ping = 0xfff0,
    .secs_since_valid_hangup = 0xfff8,
};

static const lws_retry_bo_t *liveness_of(const pm_loop *loop)
{
    return loop->large ? &no_pings : &liveness;
}

static struct lws_context *make_context(pm_loop *loop)
{
    void *ev_loops[1] = {NULL};
    struct lws_context_creation_info info = {
        .port = CONTEXT_PORT_NO_LISTEN,
        .options = LWS_SERVER_OPTION_EXPLICIT_VHOSTS,
        .user = loop,
        /* without a limit connections are found by their descriptor instead of by a search */
        .fd_limit_per_thread = loop->large ? 0 : (unsigned int)loop->net->loop_fds + FDS_EXTRA,
        .pt_serv_buf_size = WRITE_SIZE,
        .max_http_header_data2 = HEADER_SIZE,
        .retry_and_idle_policy = liveness_of(loop),
        .timeout_secs = (unsigned int)(loop->net->connect_timeout_ms / 1000) + 2,
    };
    struct sigaction pipe_action;
    if (loop->carrier->ev != NULL) {
        ev_loops[0] = pm_ev_loop(loop->carrier->ev);
        info.foreign_loops = ev_loops;
        info.options |= LWS_SERVER_OPTION_LIBEV;
    }
    pthread_mutex_lock(&making);
    silence_log();
    if (!made_index) {
        info.options |= LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT;
    }
    (void)sigaction(SIGPIPE, NULL, &pipe_action);
    struct lws_context *context = lws_create_context(&info);
    (void)sigaction(SIGPIPE, &pipe_action, NULL);
    made_index = made_index || context != NULL;
    pthread_mutex_unlock(&making);
    return context;
}

static struct lws_vhost *find_vhost(pm_loop *loop, bool tls)
{
    pm_carrier *carrier = loop->carrier;
    if (carrier->vhosts[tls] != NULL) {
        return carrier->vhosts[tls];
    }
    struct lws_context_creation_info info = {
        .vhost_name = tls ? "tls" : "plain",
        .port = CONTEXT_PORT_NO_LISTEN,
        .protocols = protocols,
        .user = loop,
        .http_proxy_address = ":0",
        .connect_timeout_secs = (unsigned int)(loop->net->connect_timeout_ms / 1000) + 2,
    };
    if (tls) {
        info.options = LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT;
        info.provided_client_ssl_ctx = pm_tls_context(loop->net->tls);
        if (info.provided_client_ssl_ctx == NULL) {
            return NULL;
        }
    }
    carrier->vhosts[tls] = lws_create_vhost(carrier->context, &info);
    return carrier->vhosts[tls];
}

panicmon_err pm_carrier_new(pm_loop *loop)
{
    pm_carrier *carrier = calloc(1, sizeof *carrier);
    if (carrier == NULL) {
        return PANICMON_ERR_NOMEM;
    }
    loop->carrier = carrier;
    panicmon_err status = loop->large ? pm_ev_new(&carrier->ev) : PANICMON_OK;
    if (status != PANICMON_OK) {
        free(carrier);
        loop->carrier = NULL;
        return status;
    }
    carrier->context = make_context(loop);
    if (carrier->context == NULL && carrier->ev != NULL) {
        pm_ev_free(carrier->ev);
        carrier->ev = NULL;
        carrier->context = make_context(loop);
        pm_logf(loop->net->log, PANICMON_LOG_WARNING, "net",
                "libwebsockets cannot use libev (is its plug-in evlib_ev installed?): each "
                "wake-up will cost time for every connection");
    }
    if (carrier->context == NULL || find_vhost(loop, false) == NULL) {
        pm_carrier_free(loop);
        return PANICMON_ERR_SYSTEM; /* memory or descriptors: it does not say which */
    }
    /* Short of descriptors it goes on without the one that wakes it. */
    lws_cancel_service(carrier->context);
    for (int turns = 0; turns < WAKE_TURNS && !carrier->wakes; turns++) {
        pm_carrier_run(loop, 0);
    }
    if (!carrier->wakes) {
        pm_carrier_free(loop);
        return PANICMON_ERR_SYSTEM;
    }
    status = loop->large ? pm_wires_new(&carrier->wires, loop) : PANICMON_OK;
    if (status != PANICMON_OK) {
        pm_carrier_free(loop);
    }
    return status;
}

void pm_carrier_free(pm_loop *loop)
{
    pm_carrier *carrier = loop->carrier;
    pm_wires_free(carrier->wires);
    if (carrier->context != NULL) {
        pthread_mutex_lock(&making); /* the event library is loaded and unloaded with contexts */
        lws_context_destroy(carrier->context);
        pthread_mutex_unlock(&making);
    }
    if (carrier->ev != NULL) {
        pm_ev_free(carrier->ev);
    }
    free(carrier);
    loop->carrier = NULL;
}

void pm_carrier_wake(pm_loop *loop)
{
    lws_cancel_service(loop->carrier->context);
}

bool pm_carrier_keys(const unsigned char *nonce, size_t len, char *key, char *accept)
{
    enum { KEY_SIZE = 32 };
    char text[KEY_SIZE + 40];
    unsigned char digest[20];
    if (lws_b64_encode_string((const char *)nonce, (int)len, key, KEY_SIZE) < 0) {
        return false;
    }
    int size = snprintf(text, sizeof text, "%s258EAFA5-E914-47DA-95CA-C5AB0DC85B11", key);
    (void)lws_SHA1((const unsigned char *)text, (size_t)size, digest);
    return lws_b64_encode_string((const char *)digest, sizeof digest, accept, KEY_SIZE) >= 0;
}

panicmon_err pm_carrier_adopt_watches(pm_loop *loop)
{
    lws_sock_file_fd_type fd = {.filefd = loop->watch_set};
    return lws_adopt_descriptor_vhost(loop->carrier->vhosts[0], LWS_ADOPT_RAW_FILE_DESC, fd,
                                      PROTOCOL, NULL) != NULL
               ? PANICMON_OK
               : PANICMON_ERR_SYSTEM;
}

/* ---- running ---- */

static void rang(lws_sorted_usec_list_t *alarm)
{
    (void)alarm; /* it is there to end the wait */
}

/* libwebsockets rounds its waits down to milliseconds, so before each of its own timers it would
 * spin: after some turns without event or progress of the clock, one is waited out here. */
static void rest(pm_carrier *carrier)
{
    int64_t now = pm_mono_ms();
    if (carrier->calls != carrier->calls_before || now != carrier->turn_ms) {
        carrier->calls_before = carrier->calls;
        carrier->turn_ms = now;
        carrier->turns = 0;
    } else if (++carrier->turns >= TURNS_MAX) {
        const struct timespec one_ms = {.tv_nsec = 1000000};
        (void)nanosleep(&one_ms, NULL);
        carrier->turns = 0;
    }
}

void pm_carrier_run(pm_loop *loop, int64_t wait_ms)
{
    pm_carrier *carrier = loop->carrier;
    if (carrier->ev != NULL) {
        pm_ev_run(carrier->ev, wait_ms);
        return;
    }
    if (wait_ms == 0) {
        (void)lws_service(carrier->context, -1);
        return;
    }
    /* Its rounding down takes the half millisecond off again: the wait is wait_ms. */
    lws_usec_t us = pm_earlier(wait_ms, WAIT_MAX) * 1000 + 500;
    lws_sul_schedule(carrier->context, 0, &carrier->alarm, rang, us);
    (void)lws_service(carrier->context, 0);
    lws_sul_cancel(&carrier->alarm);
    rest(carrier);
}

bool pm_carrier_connect(pm_ws *ws, const char *address)
{
    pm_carrier *carrier = ws->loop->carrier;
    const pm_url *url = &ws->target->url;
    char path[PM_URL_PATH_MAX + 2];
    if (carrier->wires != NULL && !url->tls) {
        return pm_wire_connect(carrier->wires, ws, address);
    }
    ws->problem[0] = '\0';
    ws->checked = false;
    struct lws_vhost *vhost = find_vhost(ws->loop, url->tls);
    if (vhost == NULL) {
        (void)snprintf(ws->problem, sizeof ws->problem, "TLS could not be set up");
        return false;
    }
    (void)snprintf(path, sizeof path, "%s%s", url->path[0] == '/' ? "" : "/", url->path);
    path[strcspn(path, "#")] = '\0';
    struct lws_client_connect_info info = {
        .context = carrier->context,
        .vhost = vhost,
        .address = address,
        .port = url->port,
        .host = ws->target->host,
        .path = path,
        .ssl_connection = LCCSCF_HTTP_NO_FOLLOW_REDIRECT,
        .local_protocol_name = PROTOCOL,
        .userdata = ws,
        .retry_and_idle_policy = liveness_of(ws->loop),
        .alpn = "http/1.1",
    };
    if (url->tls) { /* the name is checked in on_certificate() */
        info.ssl_connection |= LCCSCF_USE_SSL | LCCSCF_SKIP_SERVER_CERT_HOSTNAME_CHECK;
    }
    carrier->connecting = ws;
    ws->wire = lws_client_connect_via_info(&info);
    carrier->connecting = NULL;
    if (ws->wire == NULL && ws->problem[0] == '\0') {
        (void)snprintf(ws->problem, sizeof ws->problem, "cannot connect to %s", address);
    }
    return ws->wire != NULL;
}

/* On a large loop the socket is tried at once: asking whether it takes something would cost more
 * than finding out. What it does not take libwebsockets keeps, and sends before anything else. */
void pm_carrier_want_write(pm_ws *ws)
{
    struct lws *wire = ws->wire;
    if (ws->plain != NULL) {
        pm_wire_flush(ws);
        return;
    }
    while (ws->loop->carrier->ev != NULL && ws->first != NULL && !lws_partial_buffered(wire)) {
        if (write_first(ws, wire) < 0) {
            pm_carrier_drop(ws);
            pm_conn_lost(ws, PANICMON_ERR_WS, "the connection broke");
            return;
        }
    }
    if (ws->first != NULL) {
        (void)lws_callback_on_writable(wire);
    }
}

bool pm_carrier_send(pm_ws *ws, char *text, size_t len)
{
    if (ws->plain == NULL) {
        return false;
    }
    pm_wire_send(ws, text, len);
    return true;
}

void pm_carrier_drop(pm_ws *ws)
{
    struct lws *wire = ws->wire;
    pm_wire_drop(ws);
    if (wire == NULL) {
        return;
    }
    /* The peer sees the end now. The wire is destroyed when the loop runs next, as it may be the
     * one whose callback runs. */
    (void)shutdown(lws_get_socket_fd(wire), SHUT_RDWR);
    detach(ws, wire);
    lws_set_timeout(wire, PENDING_TIMEOUT_USER_OK, LWS_TO_KILL_ASYNC);
    if (ws->loop->carrier->ev != NULL) { /* there, timers are looked at after events only */
        lws_cancel_service(ws->loop->carrier->context);
    }
}
