/* wire.c: see wire.h. A wire dials, asks for the upgrade (wire_upgrade.c), and then carries frames.
 * Belongs to the thread of its loop; a wire is owned by its connection.
 *
 * A wire that is dropped may be the one whose bytes are being taken, or stand in the list of
 * events: it loses its connection and descriptor at once, its memory when the turn is over. */
#include "net/wire_impl.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/compiler.h"

/* Events taken from the kernel at once. */
#define EVENTS_MAX 256
/* Reads of one connection in a turn. */
#define READS_MAX 16

bool pm_wires_random(pm_wires *wires, void *out, size_t len)
{
    if (wires->random_at + len > sizeof wires->random) {
        if (getrandom(wires->random, sizeof wires->random, 0) != (ssize_t)sizeof wires->random) {
            return false;
        }
        wires->random_at = 0;
    }
    memcpy(out, wires->random + wires->random_at, len);
    wires->random_at += len;
    return true;
}

/* ---- ending ---- */

static void free_wire(pm_wire *wire)
{
    pm_buf_free(&wire->out);
    pm_buf_free(&wire->text);
    free(wire);
}

void pm_wire_drop(pm_ws *ws)
{
    pm_wire *wire = ws->plain;
    if (wire == NULL) {
        return;
    }
    ws->plain = NULL;
    wire->ws = NULL;
    (void)close(wire->fd); /* which takes it out of the set */
    if (wire->wires->dispatching) {
        wire->next_dead = wire->wires->dead;
        wire->wires->dead = wire;
    } else {
        free_wire(wire);
    }
}

void pm_wire_lost(pm_wire *wire, panicmon_err why, const char *problem)
{
    pm_ws *ws = wire->ws;
    pm_wire_drop(ws);
    pm_conn_lost(ws, why, problem);
}

/* ---- sending ---- */

/* An open wire is told of once for all that came: else the kernel would look at each again in the
 * next turn, only to see that nothing is left. */
bool pm_wire_watch(const pm_wire *wire, int operation)
{
    uint32_t events = wire->state == PM_WIRE_DIALING     ? EPOLLOUT
                      : wire->state == PM_WIRE_UPGRADING ? EPOLLIN
                                                         : EPOLLIN | EPOLLRDHUP | EPOLLET;
    events |= wire->out.len > 0 ? EPOLLOUT : 0;
    struct epoll_event event = {.events = events, .data.ptr = (void *)(uintptr_t)wire};
    return epoll_ctl(wire->wires->set, operation, wire->fd, &event) == 0;
}

/* Gives back what a peer that always reads a little has taken. */
static void drop_sent(pm_wire *wire)
{
    if (wire->out_at > wire->out.len / 2) {
        wire->out.len -= wire->out_at;
        memmove(wire->out.data, wire->out.data + wire->out_at, wire->out.len);
        wire->out_at = 0;
    }
}

/* Keeps what the socket did not take, and asks for word when it takes more. A peer may send without
 * reading, and so look alive. False: the wire is lost. */
static bool keep(pm_wire *wire, const char *bytes, size_t len)
{
    size_t waiting = wire->out.len - wire->out_at;
    if (waiting > 0 && (waiting > PM_WS_WAITING_MAX || len > PM_WS_WAITING_MAX - waiting)) {
        char problem[96];
        (void)snprintf(problem, sizeof problem,
                       "the peer does not read: more than %d bytes wait for it", PM_WS_WAITING_MAX);
        pm_wire_lost(wire, PANICMON_ERR_WS, problem);
        return false;
    }
    drop_sent(wire);
    pm_buf_add(&wire->out, bytes, len);
    if (wire->out.failed || (waiting == 0 && !pm_wire_watch(wire, EPOLL_CTL_MOD))) {
        pm_wire_lost(wire, PANICMON_ERR_NOMEM, "out of memory for what is to be sent");
        return false;
    }
    return true;
}

/* Sends the bytes behind what waits already. False: the wire is lost. */
bool pm_wire_put(pm_wire *wire, const char *bytes, size_t len)
{
    size_t sent = 0;
    if (wire->out.len == 0) {
        ssize_t took = send(wire->fd, bytes, len, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (took < 0 && errno != EAGAIN && errno != EINTR) {
            pm_wire_lost(wire, PANICMON_ERR_WS, "the connection broke");
            return false;
        }
        sent = took < 0 ? 0 : (size_t)took;
    }
    return sent == len || keep(wire, bytes + sent, len - sent);
}

/* The socket takes more. False: the wire is lost. */
static bool put_rest(pm_wire *wire)
{
    ssize_t took;
    do {
        took = send(wire->fd, wire->out.data + wire->out_at, wire->out.len - wire->out_at,
                    MSG_NOSIGNAL | MSG_DONTWAIT);
    } while (took < 0 && errno == EINTR);
    if (took < 0 && errno != EAGAIN) {
        pm_wire_lost(wire, PANICMON_ERR_WS, "the connection broke");
        return false;
    }
    wire->out_at += took < 0 ? 0 : (size_t)took;
    if (wire->out_at == wire->out.len) {
        pm_buf_free(&wire->out);
        wire->out_at = 0;
        (void)pm_wire_watch(wire, EPOLL_CTL_MOD);
    }
    return true;
}

static void mask_text(char *text, size_t len, const unsigned char mask[4])
{
    uint64_t wide;
    size_t at = 0;
    memcpy(&wide, mask, 4);
    memcpy((char *)&wide + 4, mask, 4);
    for (uint64_t word; len - at >= sizeof word; at += sizeof word) {
        memcpy(&word, text + at, sizeof word);
        word ^= wide;
        memcpy(text + at, &word, sizeof word);
    }
    for (; at < len; at++) {
        text[at] = (char)(text[at] ^ (char)mask[at % 4]);
    }
}

/* A whole frame; its head is written in front of the text. False: the wire is lost. */
static bool put_frame(pm_wire *wire, unsigned int opcode, char *text, size_t len)
{
    size_t more = len < 126 ? 0 : len < 65536 ? 2 : 8;
    size_t size = 2 + more + 4;
    char *head = text - size;
    unsigned char mask[4];
    head[0] = (char)(0x80 | opcode);
    head[1] = (char)(0x80 | (more == 0 ? len : more == 2 ? 126 : 127));
    for (size_t i = 0; i < more; i++) {
        head[2 + i] = (char)((uint64_t)len >> 8 * (more - 1 - i));
    }
    if (!pm_wires_random(wire->wires, mask, sizeof mask)) {
        pm_wire_lost(wire, PANICMON_ERR_SYSTEM, "the system gives no random numbers");
        return false;
    }
    memcpy(head + 2 + more, mask, sizeof mask);
    mask_text(text, len, mask);
    return pm_wire_put(wire, head, size + len);
}

static bool put_control(pm_wire *wire, unsigned int opcode, const char *text, size_t len)
{
    char frame[PM_WS_HEADROOM + PM_CONTROL_MAX];
    if (len > 0) {
        memcpy(frame + PM_WS_HEADROOM, text, len);
    }
    return put_frame(wire, opcode, frame + PM_WS_HEADROOM, len);
}

void pm_wire_send(pm_ws *ws, char *text, size_t len)
{
    (void)put_frame(ws->plain, PM_FRAME_TEXT, text, len);
}

void pm_wire_flush(pm_ws *ws)
{
    while (ws->first != NULL && ws->plain != NULL) {
        ws_out *out = ws->first;
        ws->first = out->next;
        ws->waiting -= out->len;
        (void)put_frame(ws->plain, PM_FRAME_TEXT, (char *)out->bytes + pm_carrier_headroom,
                        out->len);
        free(out);
    }
}

/* ---- receiving ---- */

/* Codes that a peer may give: those of RFC 6455, section 7.4, and those registered since. */
static bool is_close_code(int code)
{
    return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) ||
           (code >= 3000 && code <= 4999);
}

/* The peer wants to close: it is answered, and its owner hears. */
static void on_close(pm_wire *wire)
{
    enum { NO_CODE = 1005, BROKEN = 1002 };
    char problem[80];
    const unsigned char *text = (const unsigned char *)wire->text.data;
    size_t len = wire->text.len;
    int code = len < 2 ? NO_CODE : text[0] << 8 | text[1];
    bool good = len == 0 || is_close_code(code);
    int answer = good ? code : BROKEN;
    const char bytes[2] = {(char)(answer >> 8), (char)answer};
    (void)snprintf(problem, sizeof problem,
                   good ? "the peer closed the connection (code %d)"
                        : "the peer broke the WebSocket protocol as it closed (code %d)",
                   code);
    if (put_control(wire, PM_FRAME_CLOSE, bytes, len == 0 ? 0 : sizeof bytes)) {
        pm_wire_lost(wire, good ? PANICMON_ERR_WS : PANICMON_ERR_PROTOCOL, problem);
    }
}

static void on_control(pm_wire *wire)
{
    switch (wire->head[0] & 0x0f) {
    case PM_FRAME_CLOSE:
        on_close(wire);
        break;
    case PM_FRAME_PING:
        if (wire->out.len == 0) { /* a peer that does not read is owed no answer */
            (void)put_control(wire, PM_FRAME_PONG, wire->text.data, wire->text.len);
        }
        break;
    default:
        wire->ws->alive = pm_mono_ms();
        break;
    }
    pm_buf_free(&wire->text);
}

/* How many bytes the head of a frame has, as far as is known. */
static size_t head_size(const pm_wire *wire)
{
    unsigned int size = wire->head_len < 2 ? 0 : wire->head[1] & 0x7f;
    return size == 126 ? 4 : size == 127 ? 10 : 2;
}

/* The head is whole: what comes now? False: nothing of this peer any more. */
static bool begin_frame(pm_wire *wire)
{
    const unsigned char *head = wire->head;
    unsigned int opcode = head[0] & 0x0f;
    bool final = (head[0] & 0x80) != 0;
    uint64_t size = head[1] & 0x7f;
    if (size >= 126) {
        size = 0;
        for (size_t i = 2; i < wire->head_len; i++) {
            size = size << 8 | head[i];
        }
    }
    wire->head_len = 0;
    wire->in_frame = true;
    wire->left = size;
    bool good = (head[0] & 0x70) == 0 && (head[1] & 0x80) == 0 && size <= INT64_MAX;
    if (opcode >= PM_FRAME_CLOSE) {
        good = good && opcode <= PM_FRAME_PONG && final && size <= PM_CONTROL_MAX;
    } else if (opcode == PM_FRAME_BINARY) {
        pm_conn_refuse(wire->ws, PANICMON_ERR_PROTOCOL, "the peer sent binary data");
        return false;
    } else {
        good = good && opcode == (wire->in_message ? PM_FRAME_MORE : PM_FRAME_TEXT);
        wire->in_message = !final;
    }
    if (!good) {
        pm_wire_lost(wire, PANICMON_ERR_PROTOCOL, "the peer broke the WebSocket protocol");
    }
    return good;
}

/* A piece of the frame; text[len] is writable. */
static void take_piece(pm_wire *wire, char *text, size_t len)
{
    bool over = wire->left == len;
    wire->left -= len;
    wire->in_frame = !over;
    if ((wire->head[0] & 0x08) != 0) {
        pm_buf_add(&wire->text, text, len);
        if (wire->text.failed) {
            pm_wire_lost(wire, PANICMON_ERR_NOMEM, "out of memory for a message");
        } else if (over) {
            on_control(wire);
        }
        return;
    }
    char after = text[len];
    pm_conn_received(wire->ws, text, len, wire->left, over && (wire->head[0] & 0x80) != 0);
    text[len] = after;
}

void pm_wire_take(pm_wire *wire, char *bytes, size_t len)
{
    while (len > 0 && wire->ws != NULL) {
        if (!wire->in_frame) {
            wire->head[wire->head_len++] = (unsigned char)*bytes++;
            len--;
            if (wire->head_len < head_size(wire) || !begin_frame(wire) || wire->left > 0) {
                continue;
            }
        }
        size_t some = len < wire->left ? len : (size_t)wire->left;
        take_piece(wire, bytes, some);
        bytes += some;
        len -= some;
    }
}

/* Reads all there is; a short read means that, unless the end is known to be behind it. A peer that
 * sends without end waits for the others after so many reads. */
static void receive(pm_wire *wire, bool ended)
{
    pm_wires *wires = wire->wires;
    for (int reads = 0; wire->ws != NULL; reads++) {
        if (reads == READS_MAX) {
            if (!pm_wire_watch(wire, EPOLL_CTL_MOD)) { /* it is told of again */
                pm_wire_lost(wire, PANICMON_ERR_SYSTEM, "the connection cannot be watched");
            }
            return;
        }
        ssize_t got = recv(wire->fd, wires->bytes, PM_WIRE_READ, MSG_DONTWAIT);
        if (got > 0) {
            pm_wire_take(wire, wires->bytes, (size_t)got);
            if (got < PM_WIRE_READ && !ended) {
                return;
            }
        } else if (got == 0) {
            pm_wire_lost(wire, PANICMON_ERR_WS, "the peer closed the connection");
        } else if (errno == EAGAIN) {
            return;
        } else if (errno != EINTR) {
            pm_wire_lost(wire, PANICMON_ERR_WS, "the connection broke");
        }
    }
}

/* ---- dialing ---- */

static bool dial(pm_wire *wire, const struct addrinfo *at)
{
    const int one = 1;
    wire->fd = socket(at->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (wire->fd < 0) {
        return false;
    }
    (void)setsockopt(wire->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if ((connect(wire->fd, at->ai_addr, at->ai_addrlen) == 0 || errno == EINPROGRESS) &&
        pm_wire_watch(wire, EPOLL_CTL_ADD)) {
        return true;
    }
    int failed = errno;
    (void)close(wire->fd);
    errno = failed;
    return false;
}

/* Gives 0 or an errno. */
static int dial_address(pm_wire *wire, const char *address, int port)
{
    char service[8];
    struct addrinfo hints = {.ai_family = AF_UNSPEC,
                             .ai_socktype = SOCK_STREAM,
                             .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV};
    struct addrinfo *found = NULL;
    (void)snprintf(service, sizeof service, "%u", (unsigned int)port);
    if (getaddrinfo(address, service, &hints, &found) != 0) {
        return EINVAL;
    }
    int failed = dial(wire, found) ? 0 : errno;
    freeaddrinfo(found);
    return failed;
}

bool pm_wire_connect(pm_wires *wires, pm_ws *ws, const char *address)
{
    int failed = ENOMEM;
    pm_wire *wire = calloc(1, sizeof *wire);
    ws->problem[0] = '\0';
    if (wire != NULL) {
        wire->wires = wires;
        wire->ws = ws;
        failed = dial_address(wire, address, ws->target->url.port);
    }
    if (failed != 0) {
        char text[96];
        (void)snprintf(ws->problem, sizeof ws->problem, "cannot connect to %s: %s", address,
                       strerror_r(failed, text, sizeof text));
        free(wire);
        return false;
    }
    ws->plain = wire;
    return true;
}

static void on_dialed(pm_wire *wire)
{
    int failed = 0;
    socklen_t size = sizeof failed;
    wire->state = PM_WIRE_UPGRADING;
    if (getsockopt(wire->fd, SOL_SOCKET, SO_ERROR, &failed, &size) != 0 || failed != 0 ||
        !pm_wire_watch(wire, EPOLL_CTL_MOD)) {
        char problem[160];
        char text[96];
        (void)snprintf(problem, sizeof problem, "cannot connect: %s",
                       strerror_r(failed == 0 ? errno : failed, text, sizeof text));
        pm_wire_lost(wire, PANICMON_ERR_WS, problem);
        return;
    }
    pm_wire_ask_upgrade(wire);
}

/* ---- the set ---- */

static void on_event(pm_wire *wire, uint32_t events)
{
    if (wire->state == PM_WIRE_DIALING) {
        on_dialed(wire);
        return;
    }
    if ((events & EPOLLOUT) != 0 && wire->out.len > 0 && !put_rest(wire)) {
        return;
    }
    if ((events & ~(uint32_t)EPOLLOUT) == 0) {
        return;
    }
    if (wire->state == PM_WIRE_UPGRADING) {
        pm_wire_read_answer(wire);
    } else {
        receive(wire, (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0);
    }
}

/* Of thousands of connections none is in the cache when its turn comes: what the next ones are
 * about to touch is asked for while those before them have theirs. One thing leads to the next. */
static void foresee(const struct epoll_event *events, int count, int at)
{
    if (at + 3 < count) {
        pm_prefetch_all(events[at + 3].data.ptr, sizeof(pm_wire));
    }
    if (at + 2 < count) {
        const pm_wire *wire = events[at + 2].data.ptr;
        pm_prefetch_all(wire->ws, offsetof(pm_ws, next));
    }
    if (at + 1 < count) {
        const pm_wire *wire = events[at + 1].data.ptr;
        pm_prefetch_all(wire->ws == NULL ? NULL : wire->ws->user, 2 * PM_CACHE_LINE);
    }
}

static void on_ready(void *user)
{
    pm_wires *wires = user;
    struct epoll_event events[EVENTS_MAX];
    int count = epoll_wait(wires->set, events, EVENTS_MAX, 0);
    wires->dispatching = true;
    for (int i = 0; i < count; i++) {
        pm_wire *wire = events[i].data.ptr;
        foresee(events, count, i);
        if (wire->ws != NULL) {
            on_event(wire, events[i].events);
        }
    }
    wires->dispatching = false;
    while (wires->dead != NULL) {
        pm_wire *dead = wires->dead;
        wires->dead = dead->next_dead;
        free_wire(dead);
    }
}

panicmon_err pm_wires_new(pm_wires **out, pm_loop *loop)
{
    pm_wires *wires = calloc(1, sizeof *wires);
    if (wires == NULL) {
        return PANICMON_ERR_NOMEM;
    }
    wires->random_at = sizeof wires->random;
    wires->set = epoll_create1(EPOLL_CLOEXEC);
    panicmon_err status = wires->set < 0
                              ? PANICMON_ERR_SYSTEM
                              : pm_watch_new(&wires->watch, loop, wires->set, on_ready, wires);
    if (status != PANICMON_OK) {
        pm_wires_free(wires);
        return status;
    }
    *out = wires;
    return PANICMON_OK;
}

void pm_wires_free(pm_wires *wires)
{
    if (wires != NULL) {
        pm_watch_free(wires->watch);
        if (wires->set >= 0) {
            (void)close(wires->set);
        }
        free(wires);
    }
}
