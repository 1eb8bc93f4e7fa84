/* server.c: sockets, TLS and the epoll loop. Connections belong to the loop; one that is closed in
 * the middle of a turn is freed at its end. */
#include "sim.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/ssl.h>

#include "wsproto.h"

#define SCRATCH_SIZE (64u * 1024u)
#define OUT_MAX      (1u << 20) /* more waits: no more is read */

int64_t sim_now_us(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* ---- connections ---- */

static sim_counts *counts_of(sim_conn *conn)
{
    return conn->node != NULL ? &conn->node->counts : &conn->sim->counts;
}

static void want(sim_conn *conn, uint32_t events)
{
    if (conn->events != events) {
        struct epoll_event event = {.events = events, .data.ptr = conn};
        (void)epoll_ctl(conn->sim->epoll, EPOLL_CTL_MOD, conn->fd, &event);
        conn->events = events;
    }
}

static size_t waiting(const sim_conn *conn)
{
    return conn->out.len - conn->out_at;
}

void sim_conn_close(sim_conn *conn)
{
    sim *s = conn->sim;
    if (conn->state == CONN_DEAD) {
        return;
    }
    conn->state = CONN_DEAD;
    sim_subs_drop(conn);
    SSL_free(conn->ssl);
    (void)close(conn->fd);
    counts_of(conn)->open--;
    if (conn->prev != NULL) {
        conn->prev->next = conn->next;
    } else {
        s->conns = conn->next;
    }
    if (conn->next != NULL) {
        conn->next->prev = conn->prev;
    }
    pm_buf_free(&conn->out);
    pm_buf_free(&conn->message);
    conn->next = s->dead;
    s->dead = conn;
}

void sim_conn_reset(sim_conn *conn)
{
    struct linger now = {.l_onoff = 1};
    if (conn->state != CONN_DEAD) {
        (void)setsockopt(conn->fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
        sim_conn_close(conn);
    }
}

static void free_dead(sim *s)
{
    sim_conn **link = &s->dead;
    while (*link != NULL) {
        sim_conn *conn = *link;
        if (conn->refs > 0) {
            link = &conn->next;
            continue;
        }
        *link = conn->next;
        pm_buf_free(&conn->in);
        free(conn);
    }
}

/* Gives bytes to the socket; how many it took, -1 when the connection is over. */
static ssize_t put_bytes(sim_conn *conn, const char *bytes, size_t len)
{
    if (conn->ssl == NULL) {
        ssize_t n = send(conn->fd, bytes, len, MSG_NOSIGNAL);
        return n >= 0 ? n : errno == EAGAIN || errno == EINTR ? 0 : -1;
    }
    size_t done = 0;
    ERR_clear_error();
    if (SSL_write_ex(conn->ssl, bytes, len, &done) == 1) {
        return (ssize_t)done;
    }
    int why = SSL_get_error(conn->ssl, 0);
    return why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE ? 0 : -1;
}

static void update(sim_conn *conn)
{
    bool full = waiting(conn) > OUT_MAX || conn->state == CONN_ENDING;
    want(conn, (full ? 0u : EPOLLIN) | (waiting(conn) > 0 ? EPOLLOUT : 0u));
}

static void end_if_sent(sim_conn *conn)
{
    if (conn->state == CONN_ENDING && waiting(conn) == 0) {
        sim_conn_close(conn);
    }
}

void sim_conn_write(sim_conn *conn, const char *bytes, size_t len)
{
    if (conn->state == CONN_DEAD) {
        return;
    }
    counts_of(conn)->bytes_out += len;
    ssize_t sent = 0;
    bool trickle = conn->node != NULL && conn->node->modes.trickle;
    if (waiting(conn) == 0 && !trickle && len > 0) {
        sent = put_bytes(conn, bytes, len);
        if (sent < 0) {
            sim_conn_close(conn);
            return;
        }
    }
    if ((size_t)sent < len) {
        pm_buf_add(&conn->out, bytes + sent, len - (size_t)sent);
        if (conn->out.failed) {
            sim_conn_close(conn);
            return;
        }
    }
    update(conn);
}

static void flush(sim_conn *conn)
{
    bool trickle = conn->node != NULL && conn->node->modes.trickle;
    while (waiting(conn) > 0) {
        size_t len = trickle ? 1 : waiting(conn);
        ssize_t sent = put_bytes(conn, conn->out.data + conn->out_at, len);
        if (sent < 0) {
            sim_conn_close(conn);
            return;
        }
        conn->out_at += (size_t)sent;
        if (sent == 0 || trickle) {
            break;
        }
    }
    if (waiting(conn) == 0) {
        pm_buf_free(&conn->out);
        conn->out_at = 0;
    }
    end_if_sent(conn);
    if (conn->state != CONN_DEAD) {
        update(conn);
        if (waiting(conn) <= OUT_MAX) {
            sim_conn_data(conn, NULL, 0); /* requests that waited for room */
        }
    }
}

void sim_conn_finish(sim_conn *conn)
{
    if (conn->state != CONN_DEAD) {
        conn->state = CONN_ENDING;
        update(conn);
        end_if_sent(conn);
    }
}

bool sim_conn_full(const sim_conn *conn)
{
    return waiting(conn) > OUT_MAX;
}

void sim_message_begin(pm_buf *message)
{
    pm_buf_clear(message);
    pm_buf_add(message, "          ", WS_HEADER_MAX);
}

void sim_conn_send(sim_conn *conn, pm_buf *message, uint8_t opcode)
{
    if (message->failed || conn->state != CONN_OPEN) {
        return;
    }
    char *payload = message->data + WS_HEADER_MAX;
    size_t len = message->len - WS_HEADER_MAX;
    size_t header = sim_frame_header(payload, opcode, len);
    conn->node->counts.frames_out++;
    sim_conn_write(conn, payload - header, header + len);
}

/* Reads what is there; false when the connection is over. */
static bool receive(sim_conn *conn)
{
    sim *s = conn->sim;
    size_t len = 0;
    if (conn->ssl != NULL) {
        ERR_clear_error();
        if (SSL_read_ex(conn->ssl, s->scratch, SCRATCH_SIZE, &len) != 1) {
            int why = SSL_get_error(conn->ssl, 0);
            return why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE;
        }
    } else {
        ssize_t n = recv(conn->fd, s->scratch, SCRATCH_SIZE, 0);
        if (n <= 0) {
            return n < 0 && (errno == EAGAIN || errno == EINTR);
        }
        len = (size_t)n;
    }
    counts_of(conn)->bytes_in += len;
    sim_conn_data(conn, s->scratch, len);
    if (conn->state != CONN_DEAD && conn->ssl != NULL && SSL_pending(conn->ssl) > 0) {
        return receive(conn);
    }
    return true;
}

static void on_conn(sim_conn *conn, uint32_t events)
{
    if (conn->state != CONN_DEAD && (events & EPOLLOUT) != 0) {
        flush(conn);
    }
    if (conn->state != CONN_DEAD && (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0 &&
        !receive(conn)) {
        sim_conn_close(conn);
    }
}

/* ---- listening ---- */

static void add_conn(sim *s, int fd, uint16_t port)
{
    int on = 1;
    sim_conn *conn = sim_alloc(sizeof *conn);
    *conn = (sim_conn){.sim = s, .fd = fd, .port = port, .events = EPOLLIN, .next = s->conns};
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = conn};
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (s->tls != NULL) {
        conn->ssl = SSL_new(s->tls);
        if (conn->ssl != NULL) {
            (void)SSL_set_fd(conn->ssl, fd);
            SSL_set_accept_state(conn->ssl);
        }
    }
    if ((s->tls != NULL && conn->ssl == NULL) ||
        epoll_ctl(s->epoll, EPOLL_CTL_ADD, fd, &event) != 0) {
        SSL_free(conn->ssl);
        (void)close(fd);
        free(conn);
        return;
    }
    if (conn->next != NULL) {
        conn->next->prev = conn;
    }
    s->conns = conn;
    s->counts.accepted++;
    s->counts.open++;
}

static void on_listener(sim *s, size_t index)
{
    for (int i = 0; i < 256; i++) {
        int fd = accept4(s->listeners[index], NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            add_conn(s, fd, (uint16_t)index);
            continue;
        }
        if (errno != EMFILE && errno != ENFILE) {
            return;
        }
        /* At the limit: turn the caller away with the descriptor kept for that. */
        (void)close(s->spare);
        fd = accept(s->listeners[index], NULL, NULL);
        if (fd >= 0) {
            (void)close(fd);
            s->counts.refused++;
        }
        s->spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
        if (fd < 0) { /* nobody was there: accept4 fails before it looks */
            return;
        }
    }
}

static int bind_first(const struct addrinfo *list)
{
    for (const struct addrinfo *at = list; at != NULL; at = at->ai_next) {
        int on = 1;
        int fd = socket(at->ai_family, at->ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (fd < 0) {
            continue;
        }
        (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
        if (bind(fd, at->ai_addr, at->ai_addrlen) == 0 && listen(fd, 4096) == 0) {
            return fd;
        }
        int why = errno;
        (void)close(fd);
        errno = why;
    }
    return -1;
}

bool sim_listen(sim *s, const char *host, uint16_t port, uint16_t *bound)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
    struct addrinfo *list = NULL;
    struct sockaddr_storage at;
    socklen_t size = sizeof at;
    char number[8];
    (void)snprintf(number, sizeof number, "%u", port);
    int why = getaddrinfo(host, number, &hints, &list);
    if (why != 0) {
        (void)fprintf(stderr, "panicmon-sim: %s: %s\n", host, gai_strerror(why));
        return false;
    }
    int fd = bind_first(list);
    freeaddrinfo(list);
    if (fd < 0 || getsockname(fd, (struct sockaddr *)&at, &size) != 0) {
        (void)fprintf(stderr, "panicmon-sim: cannot listen on %s:%u: %s\n", host, port,
                      strerror(errno));
        return false;
    }
    *bound = ntohs(at.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&at)->sin6_port
                                            : ((struct sockaddr_in *)&at)->sin_port);
    s->listeners = sim_realloc(s->listeners, (s->listener_count + 1) * sizeof *s->listeners);
    s->listeners[s->listener_count++] = fd;
    return true;
}

/* ---- the loop ---- */

static bool watch(sim *s, int fd, uint64_t tag)
{
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = tag};
    return epoll_ctl(s->epoll, EPOLL_CTL_ADD, fd, &event) == 0;
}

static bool begin(sim *s)
{
    sigset_t set;
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGINT);
    (void)sigaddset(&set, SIGTERM);
    (void)sigprocmask(SIG_BLOCK, &set, NULL);
    (void)signal(SIGPIPE, SIG_IGN);
    s->epoll = epoll_create1(EPOLL_CLOEXEC);
    s->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    s->spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
    s->scratch = sim_alloc(SCRATCH_SIZE);
    bool good = s->epoll >= 0 && s->signals >= 0 && watch(s, s->signals, 0);
    for (size_t i = 0; good && i < s->listener_count; i++) {
        good = watch(s, s->listeners[i], i << 1 | 1); /* odd: no pointer */
    }
    if (!good) {
        perror("panicmon-sim: epoll");
    }
    return good;
}

static int wait_ms(int64_t now, int64_t due)
{
    int64_t ms = due == INT64_MAX ? -1 : due <= now ? 0 : (due - now + 999) / 1000;
    return ms > 60000 ? 60000 : (int)ms;
}

bool sim_serve(sim *s)
{
    struct epoll_event events[256];
    if (!begin(s)) {
        return false;
    }
    while (!s->stop) {
        int64_t now = sim_now_us();
        int64_t due = sim_due(s, now);
        free_dead(s);
        int count = epoll_wait(s->epoll, events, 256, wait_ms(now, due));
        for (int i = 0; i < count; i++) {
            uint64_t tag = events[i].data.u64;
            if (tag == 0) {
                s->stop = true;
            } else if ((tag & 1) != 0) {
                on_listener(s, tag >> 1);
            } else {
                on_conn(events[i].data.ptr, events[i].events);
            }
        }
    }
    return true;
}

void sim_close_all(sim *s)
{
    while (s->conns != NULL) {
        sim_conn_close(s->conns);
    }
    sim_forget_timers(s);
    free_dead(s);
    for (size_t i = 0; i < s->listener_count; i++) {
        (void)close(s->listeners[i]);
    }
    free(s->listeners);
    (void)close(s->epoll);
    (void)close(s->signals);
    (void)close(s->spare);
    free(s->scratch);
    pm_buf_free(&s->reply);
    pm_buf_free(&s->notice);
    SSL_CTX_free(s->tls);
}
