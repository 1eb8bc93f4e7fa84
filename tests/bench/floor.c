/* floor.c (bench-floor): the least a client can do that does on the wire what monitors do. Of each
 * round it sends the frames, stage by stage, each stage when the replies to the one before are
 * there, then the messages, each when the one before is confirmed. It reads as many bytes as come
 * back and looks at nothing but the lengths of frames. One thread, one epoll loop, a connection per
 * node, one to the broker.
 *
 *   bench-floor --port P --nodes N --period MS --tick MS --script FILE [--amqp PORT]
 *
 * The script says what was seen of rounds, in lines: "round"; of each "stage"; of each "frame TAB
 * text"; and for all, "message TAB exchange TAB routing key TAB body". Nodes take the rounds in
 * turn. --tick is the least time from one look for events to the next; 0: none. SIGUSR1 prints
 * figures; SIGTERM ends it. */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <amqp.h>
#include <amqp_tcp_socket.h>

#include "floor.h"

enum { IDLE, ASKING, PUBLISHING };

typedef struct node {
    int64_t skip; /* bytes of a reply's frame still to come */
    uint64_t round;
    int fd;
    uint8_t state;
    uint8_t step;    /* stage or message */
    uint8_t missing; /* replies to this stage still to come */
    uint8_t have;    /* bytes of a frame's header so far */
    unsigned char header[10];
} node;

typedef struct floor_run {
    script script;
    node *nodes;
    size_t count;
    int epoll;
    int amqp;      /* -1: messages go to nobody */
    bytes out;     /* messages of this turn */
    bytes in;      /* of the broker: a frame that is not all there */
    node **unsure; /* who waits for the confirm of a delivery tag, by tag modulo `unsure_cap` */
    size_t unsure_cap;
    uint64_t tag;       /* of the last message sent */
    uint64_t confirmed; /* all tags up to this one are confirmed */
    uint64_t rounds, overruns, frames, messages, in_bytes, out_bytes;
} floor_run;

static volatile sig_atomic_t asked;
static volatile sig_atomic_t ended;

static void on_signal(int number)
{
    *(number == SIGUSR1 ? &asked : &ended) = 1;
}

static int64_t now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* ---- connections ---- */

static void connect_node(floor_run *run, node *at, int port, int path)
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
    must(epoll_ctl(run->epoll, EPOLL_CTL_ADD, at->fd, &event) == 0, "epoll");
}

static void connect_amqp(floor_run *run, int port)
{
    static amqp_connection_state_t conn; /* never freed: the socket is its own */
    conn = amqp_new_connection();
    amqp_socket_t *tcp = amqp_tcp_socket_new(conn);
    must(amqp_socket_open(tcp, "127.0.0.1", port) == AMQP_STATUS_OK, "the broker");
    must(amqp_login(conn, "/", 0, 131072, 0, AMQP_SASL_METHOD_PLAIN, "guest", "guest").reply_type ==
             AMQP_RESPONSE_NORMAL,
         "login");
    must(amqp_channel_open(conn, 1) != NULL && amqp_confirm_select(conn, 1) != NULL, "channel");
    run->amqp = amqp_get_sockfd(conn);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
    must(epoll_ctl(run->epoll, EPOLL_CTL_ADD, run->amqp, &event) == 0, "epoll");
}

/* ---- rounds ---- */

static void publish(floor_run *run, node *at)
{
    const bytes *message = &run->script.messages[at->step++];
    run->tag++;
    if (run->tag - run->confirmed >= run->unsure_cap) {
        must(false, "too many messages wait for their confirm");
    }
    run->unsure[run->tag % run->unsure_cap] = at;
    bytes_add(&run->out, message->data, message->len);
}

static void next_message(floor_run *run, node *at)
{
    if (run->amqp >= 0 && at->step < run->script.message_count) {
        publish(run, at);
        return;
    }
    at->state = IDLE;
    at->round++;
    run->rounds++;
}

/* Of a frame to be sent, its mask included. */
static size_t header_size(const bytes *frame)
{
    unsigned int size = (unsigned char)frame->data[1] & 0x7f;
    return size < 126 ? 6 : size == 126 ? 8 : 14;
}

static void next_stage(floor_run *run, node *at)
{
    size_t place = (size_t)(at - run->nodes) + at->round;
    const variant *round = run->script.variants[place % run->script.variant_count];
    if (at->step == round->count) {
        at->state = PUBLISHING;
        at->step = 0;
        next_message(run, at);
        return;
    }
    const stage *stage = &round->stages[at->step++];
    at->state = ASKING;
    at->missing = (uint8_t)stage->count;
    for (unsigned int i = 0; i < stage->count; i++) {
        const bytes *frame = &stage->frames[i];
        must(send(at->fd, frame->data, frame->len, MSG_NOSIGNAL) == (ssize_t)frame->len, "send");
        run->frames++;
        run->out_bytes += frame->len - header_size(frame);
    }
}

/* ---- what comes ---- */

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

static void take_replies(floor_run *run, node *at, const unsigned char *data, int64_t len)
{
    while (len > 0) {
        if (at->skip == 0) {
            at->header[at->have++] = *data++;
            len--;
            int64_t body = body_size(at);
            if (body < 0) {
                continue;
            }
            at->skip = body;
            at->have = 0;
            run->in_bytes += (uint64_t)body;
        }
        int64_t some = len < at->skip ? len : at->skip;
        at->skip -= some;
        data += some;
        len -= some;
        if (at->skip == 0 && at->state == ASKING && --at->missing == 0) {
            next_stage(run, at);
        }
    }
}

static uint64_t number_at(const char *data, int size)
{
    uint64_t number = 0;
    for (int i = 0; i < size; i++) {
        number = number << 8 | (unsigned char)data[i];
    }
    return number;
}

static void confirm(floor_run *run, uint64_t tag)
{
    node **who = &run->unsure[tag % run->unsure_cap];
    if (*who != NULL) {
        node *at = *who;
        *who = NULL;
        run->messages++;
        next_message(run, at);
    }
}

static void take_confirm(floor_run *run, const char *payload)
{
    enum { BASIC = 60, ACK = 80 };
    must(number_at(payload, 2) == BASIC && number_at(payload + 2, 2) == ACK, "the broker");
    uint64_t tag = number_at(payload + 4, 8);
    bool multiple = (payload[12] & 1) != 0;
    for (uint64_t i = multiple ? run->confirmed + 1 : tag; i <= tag; i++) {
        confirm(run, i);
    }
    while (run->confirmed < run->tag &&
           run->unsure[(run->confirmed + 1) % run->unsure_cap] == NULL) {
        run->confirmed++;
    }
}

static void take_amqp(floor_run *run, const unsigned char *data, size_t len)
{
    enum { METHOD = 1, AROUND = 8, HEADER = 7 };
    bytes_add(&run->in, data, len);
    size_t at = 0;
    while (run->in.len - at >= AROUND) {
        const char *frame = run->in.data + at;
        size_t size = (size_t)number_at(frame + 3, 4);
        if (run->in.len - at < size + AROUND) {
            break;
        }
        if (frame[0] == METHOD) {
            take_confirm(run, frame + HEADER);
        }
        at += size + AROUND;
    }
    memmove(run->in.data, run->in.data + at, run->in.len - at);
    run->in.len -= at;
}

static void read_ready(floor_run *run, int64_t wait_us)
{
    static unsigned char data[65536];
    static struct epoll_event events[1024];
    int wait_ms = (int)((wait_us + 999) / 1000);
    int count = epoll_wait(run->epoll, events, 1024, wait_ms < 0 ? 0 : wait_ms);
    for (int i = 0; i < count; i++) {
        node *at = events[i].data.ptr;
        ssize_t got = recv(at == NULL ? run->amqp : at->fd, data, sizeof data, MSG_DONTWAIT);
        must(got > 0 || (got < 0 && errno == EAGAIN), "a connection broke");
        if (got > 0 && at != NULL) {
            take_replies(run, at, data, got);
        } else if (got > 0) {
            take_amqp(run, data, (size_t)got);
        }
    }
}

/* ---- the loop ---- */

static void send_messages(floor_run *run)
{
    for (size_t at = 0; at < run->out.len;) {
        ssize_t sent = send(run->amqp, run->out.data + at, run->out.len - at, MSG_NOSIGNAL);
        must(sent > 0, "the broker");
        at += (size_t)sent;
    }
    run->out.len = 0;
}

static void print_figures(const floor_run *run)
{
    fprintf(stderr,
            "figures: rounds=%llu overruns=%llu rpc_frames=%llu rpc_bytes_in=%llu "
            "rpc_bytes_out=%llu messages_confirmed=%llu\n",
            (unsigned long long)run->rounds, (unsigned long long)run->overruns,
            (unsigned long long)run->frames, (unsigned long long)run->in_bytes,
            (unsigned long long)run->out_bytes, (unsigned long long)run->messages);
}

static void loop(floor_run *run, int64_t period, int64_t tick)
{
    int64_t begin = now_us();
    int64_t woke = begin;
    uint64_t next = 0; /* rounds begun; round k begins at begin + k * period / count */
    while (!ended) {
        int64_t now = now_us();
        int64_t due = begin + (int64_t)(next * (uint64_t)period / run->count);
        for (; due <= now; due = begin + (int64_t)(next * (uint64_t)period / run->count)) {
            node *at = &run->nodes[next++ % run->count];
            if (at->state == IDLE) {
                at->step = 0;
                next_stage(run, at);
            } else {
                run->overruns++;
            }
        }
        send_messages(run);
        if (asked) {
            asked = 0;
            print_figures(run);
        }
        now = now_us();
        if (tick > 0 && woke + tick > now) {
            struct timespec rest = {.tv_nsec = (long)(woke + tick - now) * 1000};
            (void)nanosleep(&rest, NULL);
        }
        woke = now_us();
        read_ready(run, due - woke);
    }
}

static void start(floor_run *run, int port, int amqp)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    sigaction(SIGUSR1, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    run->epoll = epoll_create1(EPOLL_CLOEXEC);
    run->nodes = calloc(run->count, sizeof *run->nodes);
    run->unsure_cap = 2 * run->count + 1000; /* a node waits for one at a time */
    run->unsure = calloc(run->unsure_cap, sizeof *run->unsure);
    must(run->epoll >= 0 && run->nodes != NULL && run->unsure != NULL, "start");
    for (size_t i = 0; i < run->count; i++) {
        connect_node(run, &run->nodes[i], port, (int)i);
    }
    run->amqp = -1;
    if (amqp != 0) {
        connect_amqp(run, amqp);
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
    floor_run run = {.count = 1};
    int port = 0;
    int amqp = 0;
    int64_t period = 10000;
    int64_t tick = 5;
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        switch (c) {
        case 'p':
            port = atoi(optarg);
            break;
        case 'n':
            run.count = (size_t)atoi(optarg);
            break;
        case 'd':
            period = atoi(optarg);
            break;
        case 't':
            tick = atoi(optarg);
            break;
        case 's':
            script_read(&run.script, optarg);
            break;
        case 'a':
            amqp = atoi(optarg);
            break;
        default:
            return 2;
        }
    }
    must(run.count > 0 && run.script.variant_count > 0 && port != 0, "usage");
    start(&run, port, amqp);
    loop(&run, period * 1000, tick * 1000);
    print_figures(&run);
    return 0;
}
