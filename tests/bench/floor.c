/* floor.c (bench-floor): the least a client can do that does what a monitor does on the wire. It
 * sends the frames and messages of a script and reads as many bytes as come back, and parses
 * nothing but the lengths of frames. One thread, one epoll loop, one connection per node.
 *
 *   bench-floor --port P --nodes N --period MS --tick MS --script FILE [--amqp PORT]
 *
 * The script has a line per frame of a round, "frame TAB text", and per message, "message TAB
 * exchange TAB routing key TAB body". SIGUSR1 prints the rounds so far; SIGTERM ends it. */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <amqp.h>
#include <amqp_tcp_socket.h>

#define STEPS_MAX 16

typedef struct node {
    int fd;
    unsigned int step; /* frames of this round that were sent */
    int64_t skip;      /* bytes of the reply's frame still to come */
    unsigned int have; /* bytes of its header so far */
    unsigned char header[10];
} node;

static char *frames[STEPS_MAX]; /* ready to be sent */
static size_t frame_len[STEPS_MAX];
static unsigned int frame_count;
static char *messages; /* of one round, ready to be sent */
static size_t messages_len;
static char *out; /* messages of this turn */
static size_t out_len;
static size_t out_cap;
static uint64_t rounds;
static volatile sig_atomic_t asked;
static volatile sig_atomic_t ended;

static void on_signal(int number)
{
    *(number == SIGUSR1 ? &asked : &ended) = 1;
}

static void must(bool good, const char *what)
{
    if (!good) {
        fprintf(stderr, "bench-floor: %s: %s\n", what, strerror(errno));
        exit(1);
    }
}

static int64_t now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static void append(char **at, size_t *len, const void *bytes, size_t more)
{
    *at = realloc(*at, *len + more);
    must(*at != NULL, "memory");
    memcpy(*at + *len, bytes, more);
    *len += more;
}

static void append_number(char **at, size_t *len, uint64_t value, int bytes)
{
    while (bytes-- > 0) {
        char byte = (char)(value >> 8 * bytes);
        append(at, len, &byte, 1);
    }
}

/* A text frame whose mask is zero, so that it can be sent as it stands. */
static void add_frame(const char *text)
{
    char **frame = &frames[frame_count];
    size_t *len = &frame_len[frame_count++];
    size_t size = strlen(text);
    append_number(frame, len, 0x81, 1);
    append_number(frame, len, 0x80 | (size < 126 ? size : size < 65536 ? 126 : 127), 1);
    if (size >= 126) {
        append_number(frame, len, size, size < 65536 ? 2 : 8);
    }
    append_number(frame, len, 0, 4);
    append(frame, len, text, size);
}

static void add_amqp_frame(int type, const char *payload, size_t size)
{
    append_number(&messages, &messages_len, (uint64_t)type, 1);
    append_number(&messages, &messages_len, 1, 2);
    append_number(&messages, &messages_len, size, 4);
    append(&messages, &messages_len, payload, size);
    append_number(&messages, &messages_len, 0xce, 1);
}

/* basic.publish, mandatory, persistent, as the library sends it. */
static void add_message(const char *exchange, const char *key, const char *body)
{
    char *method = NULL;
    char *header = NULL;
    size_t method_len = 0;
    size_t header_len = 0;
    append_number(&method, &method_len, (uint64_t)60 << 32 | (uint64_t)40 << 16, 6);
    append_number(&method, &method_len, strlen(exchange), 1);
    append(&method, &method_len, exchange, strlen(exchange));
    append_number(&method, &method_len, strlen(key), 1);
    append(&method, &method_len, key, strlen(key));
    append_number(&method, &method_len, 1, 1);
    append_number(&header, &header_len, (uint64_t)60 << 16, 4);
    append_number(&header, &header_len, strlen(body), 8);
    append_number(&header, &header_len, 0x1000, 2);
    append_number(&header, &header_len, 2, 1);
    add_amqp_frame(1, method, method_len);
    add_amqp_frame(2, header, header_len);
    add_amqp_frame(3, body, strlen(body));
    free(method);
    free(header);
}

static void read_script(const char *path)
{
    char *line = NULL;
    size_t size = 0;
    FILE *from = fopen(path, "r");
    must(from != NULL, path);
    while (getline(&line, &size, from) > 0) {
        line[strcspn(line, "\n")] = '\0';
        char *rest = line;
        const char *kind = strsep(&rest, "\t");
        if (strcmp(kind, "frame") == 0 && frame_count < STEPS_MAX) {
            add_frame(rest);
        } else if (strcmp(kind, "message") == 0) {
            const char *exchange = strsep(&rest, "\t");
            const char *key = strsep(&rest, "\t");
            add_message(exchange, key, rest);
        }
    }
    free(line);
    fclose(from);
    must(frame_count > 0, "an empty script");
}

/* ---- connections ---- */

static void connect_node(node *at, int epoll, int port, int path)
{
    char text[512];
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int one = 1;
    at->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    must(at->fd >= 0 && connect(at->fd, (struct sockaddr *)&to, sizeof to) == 0, "connect");
    setsockopt(at->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    int len = snprintf(text, sizeof text,
                       "GET /%d HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nUpgrade: websocket\r\n"
                       "Connection: Upgrade\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
                       "Sec-WebSocket-Version: 13\r\n\r\n",
                       path, port);
    must(send(at->fd, text, (size_t)len, 0) == len, "send");
    size_t got = 0;
    do {
        ssize_t more = recv(at->fd, text + got, sizeof text - 1 - got, 0);
        must(more > 0, "the upgrade");
        got += (size_t)more;
        text[got] = '\0';
    } while (strstr(text, "\r\n\r\n") == NULL);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = at};
    must(epoll_ctl(epoll, EPOLL_CTL_ADD, at->fd, &event) == 0, "epoll");
}

static int connect_amqp(int epoll, int port)
{
    static amqp_connection_state_t conn;
    conn = amqp_new_connection();
    amqp_socket_t *tcp = amqp_tcp_socket_new(conn);
    must(amqp_socket_open(tcp, "127.0.0.1", port) == AMQP_STATUS_OK, "the broker");
    must(amqp_login(conn, "/", 0, 131072, 0, AMQP_SASL_METHOD_PLAIN, "guest", "guest").reply_type ==
             AMQP_RESPONSE_NORMAL,
         "login");
    must(amqp_channel_open(conn, 1) != NULL && amqp_confirm_select(conn, 1) != NULL, "channel");
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
    must(epoll_ctl(epoll, EPOLL_CTL_ADD, amqp_get_sockfd(conn), &event) == 0, "epoll");
    return amqp_get_sockfd(conn);
}

/* ---- rounds ---- */

static void step(node *at)
{
    if (at->step < frame_count) {
        size_t len = frame_len[at->step];
        must(send(at->fd, frames[at->step], len, MSG_NOSIGNAL) == (ssize_t)len, "send");
        at->step++;
        return;
    }
    at->step = 0;
    rounds++;
    if (messages_len > 0) {
        if (out_len + messages_len > out_cap) {
            out_cap = (out_len + messages_len) * 2;
            out = realloc(out, out_cap);
            must(out != NULL, "memory");
        }
        memcpy(out + out_len, messages, messages_len);
        out_len += messages_len;
    }
}

/* The bytes of the frame after its header, or -1: the header is not whole. */
static int64_t body_size(const node *at)
{
    unsigned int size = at->header[1] & 0x7f;
    int64_t body = 0;
    unsigned int more = size == 126 ? 2 : size == 127 ? 8 : 0;
    if (at->have < 2 || at->have < 2 + more) {
        return -1;
    }
    for (unsigned int i = 0; i < more; i++) {
        body = body << 8 | at->header[2 + i];
    }
    return more == 0 ? (int64_t)size : body;
}

static void take(node *at, const unsigned char *bytes, int64_t len)
{
    while (len > 0) {
        if (at->skip == 0) {
            at->header[at->have++] = *bytes++;
            len--;
            int64_t body = body_size(at);
            if (body < 0) {
                continue;
            }
            at->skip = body;
            at->have = 0;
        }
        int64_t some = len < at->skip ? len : at->skip;
        at->skip -= some;
        bytes += some;
        len -= some;
        if (at->skip == 0) {
            step(at);
        }
    }
}

static void read_ready(int epoll, int amqp, int64_t wait_us)
{
    static unsigned char bytes[65536];
    static struct epoll_event events[1024];
    int wait_ms = (int)((wait_us + 999) / 1000);
    int count = epoll_wait(epoll, events, 1024, wait_ms < 0 ? 0 : wait_ms);
    for (int i = 0; i < count; i++) {
        node *at = events[i].data.ptr;
        ssize_t got = recv(at == NULL ? amqp : at->fd, bytes, sizeof bytes, MSG_DONTWAIT);
        must(got > 0 || (got < 0 && errno == EAGAIN), "a connection broke");
        if (at != NULL && got > 0) {
            take(at, bytes, got);
        }
    }
}

static void send_messages(int amqp)
{
    for (size_t at = 0; at < out_len;) {
        ssize_t sent = send(amqp, out + at, out_len - at, MSG_NOSIGNAL);
        must(sent > 0, "the broker");
        at += (size_t)sent;
    }
    out_len = 0;
}

static void run(node *nodes, size_t count, int epoll, int amqp, int64_t period, int64_t tick)
{
    int64_t begin = now_us();
    int64_t woke = begin;
    uint64_t next = 0; /* rounds begun; round k begins at begin + k * period / count */
    while (!ended) {
        int64_t now = now_us();
        int64_t due = begin + (int64_t)(next * (uint64_t)period / count);
        for (; due <= now; due = begin + (int64_t)(next * (uint64_t)period / count)) {
            if (nodes[next % count].step == 0) {
                step(&nodes[next % count]);
            }
            next++;
        }
        send_messages(amqp);
        if (asked) {
            asked = 0;
            fprintf(stderr, "figures: rounds=%llu\n", (unsigned long long)rounds);
        }
        now = now_us();
        if (tick > 0 && woke + tick > now) {
            struct timespec rest = {.tv_nsec = (long)(woke + tick - now) * 1000};
            (void)nanosleep(&rest, NULL);
        }
        woke = now_us();
        read_ready(epoll, amqp, due - woke);
    }
}

int main(int argc, char **argv)
{
    static const struct option options[] = {{"port", required_argument, NULL, 'p'},
                                            {"nodes", required_argument, NULL, 'n'},
                                            {"period", required_argument, NULL, 'd'},
                                            {"tick", required_argument, NULL, 't'},
                                            {"script", required_argument, NULL, 's'},
                                            {"amqp", required_argument, NULL, 'a'},
                                            {NULL, 0, NULL, 0}};
    int port = 0;
    int amqp = 0;
    size_t count = 1;
    int64_t period = 10000;
    int64_t tick = 5;
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        switch (c) {
        case 'p':
            port = atoi(optarg);
            break;
        case 'n':
            count = (size_t)atoi(optarg);
            break;
        case 'd':
            period = atoi(optarg);
            break;
        case 't':
            tick = atoi(optarg);
            break;
        case 's':
            read_script(optarg);
            break;
        case 'a':
            amqp = atoi(optarg);
            break;
        default:
            return 2;
        }
    }
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    sigaction(SIGUSR1, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    node *nodes = calloc(count, sizeof *nodes);
    must(epoll >= 0 && nodes != NULL && frame_count > 0, "usage");
    for (size_t i = 0; i < count; i++) {
        connect_node(&nodes[i], epoll, port, (int)i);
    }
    int fd = -1;
    if (amqp != 0) {
        fd = connect_amqp(epoll, amqp);
    } else {
        messages_len = 0;
    }
    run(nodes, count, epoll, fd, period * 1000, tick * 1000);
    fprintf(stderr, "figures: rounds=%llu\n", (unsigned long long)rounds);
    return 0;
}
