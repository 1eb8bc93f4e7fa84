/* proxy.c: see proxy.h. One thread with one poll(2) over all connections; each direction has a
 * small buffer, so that a stalled proxy soon takes nothing more. */
#include "proxy.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemonproc.h"

#define LINKS    256
#define CHUNK    16384
#define DELAY_MS 150
#define TICK_MS  10
/* Bytes a tick when bytes go one at a time. */
#define BYTES 400

/* One direction of a connection. */
typedef struct way {
    int from;
    int to;
    char data[CHUNK];
    size_t len;
    int64_t due_ms; /* PROXY_DELAY: when it goes on */
    bool ended;     /* `from` has no more */
    bool told;      /* and `to` knows */
} way;

typedef struct pair {
    way up;   /* client to server */
    way down; /* server to client */
} pair;

struct proxy {
    int listener;
    int port;
    int target;
    int wake;
    atomic_int mode;
    atomic_bool stop;
    pthread_t thread;
    pair *links[LINKS];
    size_t count;
};

static struct sockaddr_in loopback(int port)
{
    return (struct sockaddr_in){.sin_family = AF_INET,
                                .sin_port = htons((uint16_t)port),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

static void close_socket(int fd, bool reset)
{
    const struct linger now = {.l_onoff = 1, .l_linger = 0};
    if (reset) {
        (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    }
    (void)close(fd);
}

static void drop(proxy *at, size_t place, bool reset)
{
    close_socket(at->links[place]->up.from, reset);
    close_socket(at->links[place]->up.to, reset);
    free(at->links[place]);
    at->links[place] = at->links[--at->count];
}

static void take(proxy *at, proxy_mode mode)
{
    struct sockaddr_in to = loopback(at->target);
    int client = accept4(at->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (client < 0) {
        return;
    }
    int server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    pair *made = calloc(1, sizeof *made);
    if (mode == PROXY_CUT || mode == PROXY_RESET || at->count == LINKS || made == NULL ||
        server < 0 || connect(server, (struct sockaddr *)&to, sizeof to) != 0 ||
        fcntl(server, F_SETFL, O_NONBLOCK) != 0) {
        close_socket(client, mode == PROXY_RESET);
        if (server >= 0) {
            (void)close(server);
        }
        free(made);
        return;
    }
    made->up.from = made->down.to = client;
    made->up.to = made->down.from = server;
    at->links[at->count++] = made;
}

/* Reads what there is room for. */
static bool fill(way *at, int64_t now)
{
    if (at->ended || at->len == sizeof at->data) {
        return true;
    }
    ssize_t got = recv(at->from, at->data + at->len, sizeof at->data - at->len, 0);
    if (got == 0) {
        at->ended = true;
    } else if (got < 0) {
        return errno == EAGAIN || errno == EINTR;
    } else {
        at->due_ms = at->len == 0 ? now + DELAY_MS : at->due_ms;
        at->len += (size_t)got;
    }
    return true;
}

/* Hands on what the mode lets through. */
static bool flush(way *at, proxy_mode mode, int64_t now)
{
    size_t least = mode == PROXY_BYTEWISE ? 1 : at->len;
    for (int i = 0; at->len > 0 && i < (mode == PROXY_BYTEWISE ? BYTES : 1); i++) {
        if (mode == PROXY_DELAY && now < at->due_ms) {
            return true;
        }
        ssize_t put = send(at->to, at->data, least, MSG_NOSIGNAL);
        if (put < 0) {
            return errno == EAGAIN || errno == EINTR;
        }
        at->len -= (size_t)put;
        memmove(at->data, at->data + put, at->len);
    }
    if (at->ended && at->len == 0 && !at->told) {
        at->told = true;
        (void)shutdown(at->to, SHUT_WR);
    }
    return true;
}

static bool carry(way *at, proxy_mode mode, int64_t now)
{
    return fill(at, now) && flush(at, mode, now);
}

static void serve_links(proxy *at, proxy_mode mode)
{
    int64_t now = test_now_ms();
    for (size_t i = at->count; i-- > 0;) {
        pair *one = at->links[i];
        if (mode == PROXY_CUT || mode == PROXY_RESET) {
            drop(at, i, mode == PROXY_RESET);
            continue;
        }
        if (mode == PROXY_STALL) {
            continue;
        }
        if (mode == PROXY_HALF_CLOSE && !one->down.told) {
            one->down.ended = one->down.told = true;
            (void)shutdown(one->down.to, SHUT_WR);
        }
        bool good = carry(&one->up, mode, now);
        if (mode != PROXY_HALF_CLOSE) {
            good = good && carry(&one->down, mode, now);
        }
        if (!good || (one->up.told && one->down.told)) {
            drop(at, i, false);
        }
    }
}

static void *run(void *arg)
{
    proxy *at = arg;
    while (!atomic_load(&at->stop)) {
        proxy_mode mode = (proxy_mode)atomic_load(&at->mode);
        struct pollfd look[2 + 2 * LINKS] = {{.fd = at->listener, .events = POLLIN},
                                             {.fd = at->wake, .events = POLLIN}};
        nfds_t count = 2;
        bool busy = mode != PROXY_PASS;
        for (size_t i = 0; i < at->count; i++) {
            way *ways[2] = {&at->links[i]->up, &at->links[i]->down};
            for (size_t k = 0; k < 2; k++) {
                bool wants = !ways[k]->ended && ways[k]->len < CHUNK && !busy;
                look[count++] = (struct pollfd){.fd = wants ? ways[k]->from : -1, .events = POLLIN};
                busy = busy || ways[k]->len > 0;
            }
        }
        (void)poll(look, count, busy ? TICK_MS : 1000);
        uint64_t value;
        (void)!read(at->wake, &value, sizeof value);
        mode = (proxy_mode)atomic_load(&at->mode);
        if (look[0].revents != 0) {
            take(at, mode);
        }
        serve_links(at, mode);
    }
    while (at->count > 0) {
        drop(at, at->count - 1, false);
    }
    return NULL;
}

proxy *proxy_start(int target)
{
    struct sockaddr_in own = loopback(0);
    socklen_t size = sizeof own;
    proxy *at = calloc(1, sizeof *at);
    if (at == NULL) {
        return NULL;
    }
    at->target = target;
    atomic_init(&at->mode, PROXY_PASS);
    atomic_init(&at->stop, false);
    at->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    at->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (at->wake < 0 || at->listener < 0 ||
        bind(at->listener, (struct sockaddr *)&own, sizeof own) != 0 ||
        listen(at->listener, LINKS) != 0 ||
        getsockname(at->listener, (struct sockaddr *)&own, &size) != 0 ||
        pthread_create(&at->thread, NULL, run, at) != 0) {
        abort();
    }
    at->port = ntohs(own.sin_port);
    return at;
}

int proxy_port(const proxy *at)
{
    return at->port;
}

static void wake(const proxy *at)
{
    const uint64_t one = 1;
    (void)!write(at->wake, &one, sizeof one);
}

void proxy_set(proxy *at, proxy_mode mode)
{
    atomic_store(&at->mode, (int)mode);
    wake(at);
}

const char *proxy_word(proxy_mode mode)
{
    static const char *const words[PROXY_MODES] = {"pass",       "delay", "stall",   "cut",
                                                   "half-close", "reset", "bytewise"};
    return words[mode];
}

void proxy_stop(proxy *at)
{
    atomic_store(&at->stop, true);
    wake(at);
    (void)pthread_join(at->thread, NULL);
    (void)close(at->listener);
    (void)close(at->wake);
    free(at);
}
