/* amqp.c: one connection to RabbitMQ; see amqp_conn.h. Alone includes rabbitmq-c. The thread that
 * owns the connection does all talking; `lock` guards the descriptor by which another may break a
 * wait. That descriptor is a copy, because rabbitmq-c closes its own behind our back. */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <amqp.h>
#include <amqp_framing.h>
#include <amqp_ssl_socket.h>
#include <amqp_tcp_socket.h>

#include "base/clock.h"
#include "net/amqp_batch.h"
#include "net/amqp_conn.h"
#include "net/dial.h"
#include "net/tls.h"

#define CHANNEL 1
/* Name and TCP; then TLS; then each answer of the broker. */
#define CONNECT_MS 3000
#define TLS_MS     5000
#define ANSWER_MS  5000
#define GOODBYE_MS 300
#define PERSISTENT 2
#define WHY_SIZE   256
#define SAID_SIZE  320 /* for 255 bytes of the broker, by which a message may be told */
#define PRODUCT    "libpanicmon"

struct pm_conn {
    const pm_target *target;
    char *name;
    int frame_max;
    atomic_bool interrupted;
    int stop_fd; /* eventfd: readable once interrupted */
    pthread_mutex_t lock;
    int fd; /* a copy of the socket's; -1: none */
    amqp_connection_state_t state;
    pm_tls_guard guard;
    pm_batch batch;
    atomic_int_fast64_t until_ms; /* no answer is waited for after it */
    char why[WHY_SIZE + SAID_SIZE];
    /* a message whose parts are coming in */
    pm_event coming;
    uint64_t missing; /* bytes of its body; valid once its header came */
    bool has_header;
    bool has_read; /* the last call gave an event: what was read with it may be all */
    pm_buf consumer;
    pm_buf exchange;
    pm_buf routing_key;
    pm_buf body;
};

/* ---- why something failed ---- */

static bool fail(pm_conn *conn, const char *what, const char *why)
{
    if (atomic_load(&conn->interrupted)) {
        (void)snprintf(conn->why, sizeof conn->why, "stopped");
    } else {
        (void)snprintf(conn->why, sizeof conn->why, "%s: %s", what, why);
    }
    return false;
}

static bool fail_status(pm_conn *conn, const char *what, int status)
{
    return fail(conn, what, amqp_error_string2(status));
}

static bool fail_server(pm_conn *conn, const char *what, int code, amqp_bytes_t text)
{
    char said[SAID_SIZE];
    (void)snprintf(said, sizeof said, "the broker said %d %.*s", code, (int)text.len,
                   (const char *)text.bytes);
    return fail(conn, what, said);
}

static bool fail_method(pm_conn *conn, const char *what, const amqp_method_t *method)
{
    if (method->id == AMQP_CONNECTION_CLOSE_METHOD) {
        const amqp_connection_close_t *at = method->decoded;
        return fail_server(conn, what, at->reply_code, at->reply_text);
    }
    if (method->id == AMQP_CHANNEL_CLOSE_METHOD) {
        const amqp_channel_close_t *at = method->decoded;
        return fail_server(conn, what, at->reply_code, at->reply_text);
    }
    return fail(conn, what, "an unexpected answer of the broker");
}

static bool check(pm_conn *conn, const char *what, amqp_rpc_reply_t reply)
{
    switch (reply.reply_type) {
    case AMQP_RESPONSE_NORMAL:
        return true;
    case AMQP_RESPONSE_LIBRARY_EXCEPTION:
        return fail_status(conn, what, reply.library_error);
    case AMQP_RESPONSE_SERVER_EXCEPTION:
        return fail_method(conn, what, &reply.reply);
    default:
        return fail(conn, what, "no answer");
    }
}

const char *pm_conn_why(const pm_conn *conn)
{
    return conn->why;
}

/* ---- life ---- */

panicmon_err pm_conn_new(pm_conn **out, const pm_target *target, const char *name, int frame_max)
{
    pm_conn *conn = calloc(1, sizeof *conn);
    if (conn == NULL) {
        return PANICMON_ERR_NOMEM;
    }
    conn->target = target;
    conn->frame_max = frame_max;
    conn->fd = -1;
    atomic_init(&conn->until_ms, PM_NEVER);
    atomic_init(&conn->interrupted, false);
    (void)pthread_mutex_init(&conn->lock, NULL);
    conn->name = strdup(name);
    conn->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    conn->batch.channel = CHANNEL;
    if (conn->name == NULL || conn->stop_fd < 0) {
        panicmon_err status = conn->name == NULL ? PANICMON_ERR_NOMEM : PANICMON_ERR_SYSTEM;
        pm_conn_free(conn);
        return status;
    }
    *out = conn;
    return PANICMON_OK;
}

void pm_conn_free(pm_conn *conn)
{
    if (conn == NULL) {
        return;
    }
    pm_conn_close(conn, false);
    if (conn->stop_fd >= 0) {
        (void)close(conn->stop_fd);
    }
    (void)pthread_mutex_destroy(&conn->lock);
    free(conn->name);
    free(conn);
}

void pm_conn_interrupt(pm_conn *conn)
{
    const uint64_t one = 1;
    atomic_store(&conn->interrupted, true);
    ssize_t wrote = write(conn->stop_fd, &one, sizeof one);
    (void)wrote; /* full means that it is readable already */
    pthread_mutex_lock(&conn->lock);
    if (conn->fd >= 0) {
        (void)shutdown(conn->fd, SHUT_RDWR);
    }
    pthread_mutex_unlock(&conn->lock);
}

bool pm_conn_is_interrupted(const pm_conn *conn)
{
    return atomic_load(&conn->interrupted);
}

void pm_conn_pause(pm_conn *conn, int64_t ms)
{
    struct pollfd look = {.fd = conn->stop_fd, .events = POLLIN};
    (void)poll(&look, 1, (int)ms);
}

int pm_conn_fd(const pm_conn *conn)
{
    return conn->fd; /* only its own thread changes it */
}

/* From here on an interrupt reaches the socket; also called when a TLS handshake begins. */
static void note_socket(void *user, int fd)
{
    pm_conn *conn = user;
    int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    pthread_mutex_lock(&conn->lock);
    if (conn->fd >= 0) {
        (void)close(conn->fd);
    }
    conn->fd = copy;
    if (atomic_load(&conn->interrupted) && copy >= 0) {
        (void)shutdown(copy, SHUT_RDWR);
    }
    pthread_mutex_unlock(&conn->lock);
}

void pm_conn_close(pm_conn *conn, bool polite)
{
    if (conn->state != NULL) {
        const struct timeval goodbye = {.tv_usec = (suseconds_t)GOODBYE_MS * 1000};
        if (polite && pm_conn_left_over(conn) == 0 && pm_conn_is_writable(conn) &&
            !pm_conn_is_interrupted(conn)) {
            (void)amqp_set_rpc_timeout(conn->state, &goodbye);
            (void)amqp_connection_close(conn->state, AMQP_REPLY_SUCCESS);
        }
        (void)amqp_destroy_connection(conn->state);
        conn->state = NULL;
    }
    pthread_mutex_lock(&conn->lock);
    if (conn->fd >= 0) {
        (void)close(conn->fd);
        conn->fd = -1;
    }
    pthread_mutex_unlock(&conn->lock);
    conn->coming.kind = PM_EVENT_NONE;
    conn->has_read = false;
    pm_batch_free(&conn->batch);
    pm_buf_free(&conn->consumer);
    pm_buf_free(&conn->exchange);
    pm_buf_free(&conn->routing_key);
    pm_buf_free(&conn->body);
}

/* ---- opening ---- */

void pm_conn_limit(pm_conn *conn, int64_t until_ms)
{
    atomic_store(&conn->until_ms, until_ms);
}

/* As long as that, if the limit allows it. */
static struct timeval at_most(const pm_conn *conn, int64_t ms)
{
    int64_t left = pm_earlier(ms, atomic_load(&conn->until_ms) - pm_mono_ms());
    left = left < 1 ? 1 : left;
    return (struct timeval){.tv_sec = (time_t)(left / 1000),
                            .tv_usec = (suseconds_t)(left % 1000 * 1000)};
}

/* A peer that takes nothing any more ends a send after two heartbeats, as silence does a read. But
 * one with an alarm said that it reads nothing, and may have to say so for long. */
static void limit_sending(const pm_conn *conn, bool blocked)
{
    const unsigned stuck = blocked ? 0 : (unsigned)conn->target->heartbeat_s * 2000u;
    (void)setsockopt(conn->fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &stuck, sizeof stuck);
}

static void set_options(const pm_conn *conn)
{
    const int on = 1;
    (void)setsockopt(conn->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    (void)setsockopt(conn->fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    limit_sending(conn, false);
}

/* rabbitmq-c connects by itself here, to the address that has just answered: of a name it would try
 * no address after one that does not, and nobody could interrupt its lookup. */
static bool open_tls(pm_conn *conn, const char *address)
{
    const pm_target *target = conn->target;
    const struct timeval timeout = at_most(conn, TLS_MS);
    amqp_socket_t *socket = amqp_ssl_socket_new(conn->state);
    if (socket == NULL) {
        return fail(conn, "TLS", "out of memory");
    }
    amqp_ssl_socket_set_verify_peer(socket, 1);
    amqp_ssl_socket_set_verify_hostname(socket, 0); /* the guard does, for addresses too */
    conn->guard = (pm_tls_guard){.host = target->url.host, .begun = note_socket, .user = conn};
    if (!pm_tls_set_guard(amqp_ssl_socket_get_context(socket), target->ca_file, &conn->guard)) {
        return fail(conn, "tls.ca_file", "no certificates could be read");
    }
    if (target->cert_file != NULL) {
        int status = amqp_ssl_socket_set_key(socket, target->cert_file, target->key_file);
        if (status != AMQP_STATUS_OK) {
            return fail_status(conn, "tls.cert_file and tls.key_file", status);
        }
    }
    int status = amqp_socket_open_noblock(socket, address, target->url.port, &timeout);
    if (conn->guard.why[0] != '\0') {
        return fail(conn, "TLS", conn->guard.why);
    }
    if (status != AMQP_STATUS_OK) {
        return fail_status(conn, "TLS", status);
    }
    return conn->guard.checked || fail(conn, "TLS", "the broker showed no certificate");
}

static bool open_socket(pm_conn *conn)
{
    const pm_dial_options options = {
        .resolver = conn->target->resolver,
        .host = conn->target->url.host,
        .port = conn->target->url.port,
        .until_ms = pm_earlier(pm_mono_ms() + CONNECT_MS, atomic_load(&conn->until_ms)),
        .stop_fd = conn->stop_fd,
    };
    char address[PM_ADDRESS_SIZE];
    char why[WHY_SIZE];
    int fd = pm_dial(&options, address, why, sizeof why);
    if (fd < 0) {
        return fail(conn, "connecting", why);
    }
    if (conn->target->url.tls) {
        (void)close(fd); /* it only showed that connecting does not hang */
        return open_tls(conn, address);
    }
    amqp_socket_t *socket = amqp_tcp_socket_new(conn->state);
    if (socket == NULL) {
        (void)close(fd);
        return fail(conn, "connecting", "out of memory");
    }
    amqp_tcp_socket_set_sockfd(socket, fd);
    note_socket(conn, fd);
    return true;
}

static amqp_table_entry_t text_entry(const char *key, const char *value)
{
    amqp_table_entry_t entry = {.key = amqp_cstring_bytes(key)};
    entry.value.kind = AMQP_FIELD_KIND_UTF8;
    entry.value.value.bytes = amqp_cstring_bytes(value);
    return entry;
}

static bool log_in(pm_conn *conn)
{
    static const char *const wanted[] = {"consumer_cancel_notify", "connection.blocked",
                                         "publisher_confirms", "basic.nack",
                                         "authentication_failure_close"};
    const pm_url *url = &conn->target->url;
    amqp_table_entry_t able[sizeof wanted / sizeof wanted[0]];
    amqp_table_entry_t entries[3];
    amqp_table_t capabilities = {.num_entries = sizeof wanted / sizeof wanted[0], .entries = able};
    amqp_table_t properties = {.num_entries = 3, .entries = entries};
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++) {
        able[i] = (amqp_table_entry_t){.key = amqp_cstring_bytes(wanted[i])};
        able[i].value.kind = AMQP_FIELD_KIND_BOOLEAN;
        able[i].value.value.boolean = 1;
    }
    entries[0] = text_entry("product", PRODUCT);
    entries[1] = text_entry("connection_name", conn->name);
    entries[2] = (amqp_table_entry_t){.key = amqp_cstring_bytes("capabilities")};
    entries[2].value.kind = AMQP_FIELD_KIND_TABLE;
    entries[2].value.value.table = capabilities;
    return check(conn, "login",
                 amqp_login_with_properties(conn->state, conn->target->vhost, CHANNEL,
                                            conn->frame_max, conn->target->heartbeat_s, &properties,
                                            AMQP_SASL_METHOD_PLAIN,
                                            url->user == NULL ? "guest" : url->user,
                                            url->pass == NULL ? "guest" : url->pass));
}

/* Before each question. */
static void limit_answer(pm_conn *conn)
{
    const struct timeval answer = at_most(conn, ANSWER_MS);
    (void)amqp_set_rpc_timeout(conn->state, &answer);
}

bool pm_conn_open(pm_conn *conn)
{
    if (pm_conn_is_interrupted(conn)) {
        return fail(conn, "", "");
    }
    conn->state = amqp_new_connection();
    if (conn->state == NULL) {
        return fail(conn, "connecting", "out of memory");
    }
    if (!open_socket(conn)) {
        return false;
    }
    if (conn->fd < 0) {
        return fail(conn, "connecting", "no descriptor left");
    }
    set_options(conn);
    const struct timeval answer = at_most(conn, ANSWER_MS);
    (void)amqp_set_handshake_timeout(conn->state, &answer);
    if (!log_in(conn)) {
        return false;
    }
    limit_answer(conn);
    (void)amqp_channel_open(conn->state, CHANNEL);
    return check(conn, "opening the channel", amqp_get_rpc_reply(conn->state));
}

int64_t pm_conn_period_ms(const pm_conn *conn)
{
    int heartbeat = conn->state == NULL ? 0 : amqp_get_heartbeat(conn->state);
    return heartbeat <= 0 ? 10000 : (int64_t)heartbeat * 1000 / 3;
}

/* ---- calls with an answer ---- */

bool pm_conn_declare_exchange(pm_conn *conn, const char *exchange)
{
    limit_answer(conn);
    (void)amqp_exchange_declare(conn->state, CHANNEL, amqp_cstring_bytes(exchange),
                                amqp_cstring_bytes("topic"), 0, 1, 0, 0, amqp_empty_table);
    return check(conn, exchange, amqp_get_rpc_reply(conn->state));
}

bool pm_conn_declare_queue(pm_conn *conn, const char *queue)
{
    limit_answer(conn);
    (void)amqp_queue_declare(conn->state, CHANNEL, amqp_cstring_bytes(queue), 0, 1, 0, 0,
                             amqp_empty_table);
    return check(conn, queue, amqp_get_rpc_reply(conn->state));
}

bool pm_conn_bind(pm_conn *conn, const char *queue, const char *exchange, const char *key)
{
    limit_answer(conn);
    (void)amqp_queue_bind(conn->state, CHANNEL, amqp_cstring_bytes(queue),
                          amqp_cstring_bytes(exchange), amqp_cstring_bytes(key), amqp_empty_table);
    return check(conn, queue, amqp_get_rpc_reply(conn->state));
}

bool pm_conn_prefetch(pm_conn *conn, uint16_t count)
{
    limit_answer(conn);
    (void)amqp_basic_qos(conn->state, CHANNEL, 0, count, 0);
    return check(conn, "prefetch", amqp_get_rpc_reply(conn->state));
}

bool pm_conn_consume(pm_conn *conn, const char *queue, const char *tag, bool no_ack)
{
    limit_answer(conn);
    (void)amqp_basic_consume(conn->state, CHANNEL, amqp_cstring_bytes(queue),
                             amqp_cstring_bytes(tag), 0, no_ack, 0, amqp_empty_table);
    return check(conn, queue, amqp_get_rpc_reply(conn->state));
}

bool pm_conn_confirm_select(pm_conn *conn)
{
    limit_answer(conn);
    (void)amqp_confirm_select(conn->state, CHANNEL);
    return check(conn, "confirms", amqp_get_rpc_reply(conn->state));
}

/* ---- sending ---- */

bool pm_conn_ack(pm_conn *conn, uint64_t tag)
{
    int status = amqp_basic_ack(conn->state, CHANNEL, tag, 0);
    return status == AMQP_STATUS_OK || fail_status(conn, "acknowledging", status);
}

bool pm_conn_is_writable(const pm_conn *conn)
{
    struct pollfd look = {.fd = conn->fd, .events = POLLOUT};
    return conn->fd >= 0 && poll(&look, 1, 0) == 1;
}

bool pm_conn_publish(pm_conn *conn, const pm_message *message)
{
    const amqp_basic_properties_t properties = {._flags = AMQP_BASIC_DELIVERY_MODE_FLAG,
                                                .delivery_mode = PERSISTENT};
    /* rabbitmq-c's type has no const; it only reads. */
    amqp_bytes_t body = {.len = message->len, .bytes = (void *)(uintptr_t)message->body};
    int status =
        amqp_basic_publish(conn->state, CHANNEL, amqp_cstring_bytes(message->exchange),
                           amqp_cstring_bytes(message->routing_key), 1, 0, &properties, body);
    return status == AMQP_STATUS_OK || fail_status(conn, "publishing", status);
}

static void set_cork(const pm_conn *conn, int on)
{
    (void)setsockopt(conn->fd, IPPROTO_TCP, TCP_CORK, &on, sizeof on);
}

size_t pm_conn_left_over(const pm_conn *conn)
{
    return pm_batch_left_over(&conn->batch);
}

bool pm_conn_flush(pm_conn *conn)
{
    int failed = pm_batch_flush(&conn->batch);
    return failed == 0 || fail(conn, "publishing", strerrordesc_np(failed));
}

bool pm_conn_publish_all(pm_conn *conn, const pm_message *const *list, size_t count)
{
    if (!conn->target->url.tls) {
        conn->batch.fd = conn->fd;
        conn->batch.frame_max = (size_t)amqp_get_frame_max(conn->state);
        int failed = pm_batch_send(&conn->batch, list, count);
        return failed == 0 || fail(conn, "publishing", strerrordesc_np(failed));
    }
    bool good = true;
    set_cork(conn, 1); /* the records of several messages leave in as few packets as they fill */
    for (size_t i = 0; i < count && good; i++) {
        good = pm_conn_publish(conn, list[i]);
    }
    if (conn->fd >= 0) {
        set_cork(conn, 0);
    }
    return good;
}

/* ---- receiving ---- */

static void take_text(pm_buf *to, amqp_bytes_t from)
{
    pm_buf_clear(to);
    pm_buf_add(to, from.bytes, from.len);
    pm_buf_char(to, '\0'); /* so that there is a text even of nothing */
}

static void begin_message(pm_conn *conn, pm_event_kind kind, amqp_bytes_t exchange,
                          amqp_bytes_t routing_key)
{
    conn->coming = (pm_event){.kind = kind};
    conn->has_header = false;
    pm_buf_clear(&conn->body);
    take_text(&conn->exchange, exchange);
    take_text(&conn->routing_key, routing_key);
}

/* Gives LOST for what ends the connection, NONE for what is no news yet. */
static pm_event_kind take_method(pm_conn *conn, const amqp_method_t *method, pm_event *out)
{
    switch (method->id) {
    case AMQP_BASIC_ACK_METHOD: {
        const amqp_basic_ack_t *at = method->decoded;
        out->tag = at->delivery_tag;
        out->multiple = at->multiple != 0;
        return PM_EVENT_ACK;
    }
    case AMQP_BASIC_NACK_METHOD: {
        const amqp_basic_nack_t *at = method->decoded;
        out->tag = at->delivery_tag;
        out->multiple = at->multiple != 0;
        return PM_EVENT_NACK;
    }
    case AMQP_BASIC_RETURN_METHOD: {
        const amqp_basic_return_t *at = method->decoded;
        begin_message(conn, PM_EVENT_RETURN, at->exchange, at->routing_key);
        return PM_EVENT_NONE;
    }
    case AMQP_BASIC_DELIVER_METHOD: {
        const amqp_basic_deliver_t *at = method->decoded;
        begin_message(conn, PM_EVENT_DELIVERY, at->exchange, at->routing_key);
        take_text(&conn->consumer, at->consumer_tag);
        conn->coming.tag = at->delivery_tag;
        return PM_EVENT_NONE;
    }
    case AMQP_BASIC_CANCEL_METHOD: {
        const amqp_basic_cancel_t *at = method->decoded;
        take_text(&conn->consumer, at->consumer_tag);
        out->consumer = conn->consumer.data;
        return conn->consumer.failed ? PM_EVENT_LOST : PM_EVENT_CANCEL;
    }
    case AMQP_CONNECTION_BLOCKED_METHOD:
        limit_sending(conn, true);
        return PM_EVENT_BLOCKED;
    case AMQP_CONNECTION_UNBLOCKED_METHOD:
        limit_sending(conn, false);
        return PM_EVENT_UNBLOCKED;
    default:
        (void)fail_method(conn, "the connection ended", method);
        return method->id == AMQP_CHANNEL_CLOSE_METHOD ? PM_EVENT_REFUSED : PM_EVENT_LOST;
    }
}

static pm_event_kind end_message(pm_conn *conn, pm_event *out)
{
    *out = conn->coming;
    conn->coming.kind = PM_EVENT_NONE;
    if (conn->exchange.failed || conn->routing_key.failed || conn->body.failed ||
        conn->consumer.failed) {
        (void)fail(conn, "receiving", "out of memory");
        return PM_EVENT_LOST;
    }
    out->consumer = conn->consumer.data;
    out->message = (pm_message){.exchange = conn->exchange.data,
                                .routing_key = conn->routing_key.data,
                                .body = conn->body.data == NULL ? "" : conn->body.data,
                                .len = conn->body.len};
    return out->kind;
}

static pm_event_kind take_frame(pm_conn *conn, const amqp_frame_t *frame, pm_event *out)
{
    pm_event *coming = &conn->coming;
    if (frame->frame_type == AMQP_FRAME_METHOD) {
        return take_method(conn, &frame->payload.method, out);
    }
    if (frame->frame_type == AMQP_FRAME_HEADER && coming->kind != PM_EVENT_NONE) {
        conn->has_header = true;
        conn->missing = frame->payload.properties.body_size;
        if (coming->kind == PM_EVENT_DELIVERY && conn->missing > conn->target->message_limit) {
            coming->oversized = (size_t)conn->missing;
        }
    } else if (frame->frame_type == AMQP_FRAME_BODY && coming->kind != PM_EVENT_NONE &&
               conn->has_header && frame->payload.body_fragment.len <= conn->missing) {
        conn->missing -= frame->payload.body_fragment.len;
        if (coming->oversized == 0) {
            pm_buf_add(&conn->body, frame->payload.body_fragment.bytes,
                       frame->payload.body_fragment.len);
        }
    } else {
        (void)fail(conn, "receiving", "the broker sent a frame out of turn");
        return PM_EVENT_LOST;
    }
    return conn->missing == 0 ? end_message(conn, out) : PM_EVENT_NONE;
}

/* Whether all that had come when rabbitmq-c last read was taken; the rest makes the descriptor
 * readable. With TLS it may lie in OpenSSL, where only rabbitmq-c sees it. */
static bool is_drained(pm_conn *conn)
{
    return !conn->target->url.tls && !amqp_data_in_buffer(conn->state) &&
           !amqp_frames_enqueued(conn->state);
}

void pm_conn_next(pm_conn *conn, pm_event *out)
{
    const struct timeval now = {0};
    *out = (pm_event){.kind = PM_EVENT_NONE};
    if (conn->has_read && is_drained(conn)) {
        conn->has_read = false;
        return;
    }
    while (out->kind == PM_EVENT_NONE) {
        amqp_frame_t frame;
        int status = amqp_simple_wait_frame_noblock(conn->state, &frame, &now);
        conn->has_read = status == AMQP_STATUS_OK;
        if (status == AMQP_STATUS_TIMEOUT) {
            return;
        }
        if (status != AMQP_STATUS_OK) {
            (void)fail_status(conn, "the connection ended", status);
            out->kind = PM_EVENT_LOST;
            return;
        }
        pm_event_kind kind = take_frame(conn, &frame, out);
        out->kind = kind;
        amqp_maybe_release_buffers(conn->state); /* all texts were copied */
    }
}
