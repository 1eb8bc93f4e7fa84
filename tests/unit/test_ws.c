/* test_ws.c: the loop and its WebSocket connections against a peer that misbehaves, plain and TLS.
 */
#include <check.h>
#include <dirent.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "../support/peer.h"
#include "base/clock.h"
#include "base/thread.h"
#include "net/wire.h"

#define LIMIT (2u << 20)

typedef struct client {
    pm_net *net;
    pm_loop *loop;
    pm_ws *ws;
    int opened;
    int closed;
    int messages;
    panicmon_err why;
    char problem[256];
    char *last; /* the last message */
    pm_buf all; /* all of them, each ended by '|' */
    bool free_on_message;
} client;

/* Whether the loops are for thousands of connections: plain ones then go without libwebsockets. */
static bool large;

static void be_large(void)
{
    large = true;
}

static void on_opened(void *user)
{
    client *c = user;
    c->opened++;
}

static void on_message(void *user, const char *text, size_t len)
{
    client *c = user;
    c->messages++;
    free(c->last);
    c->last = malloc(len + 1);
    ck_assert_ptr_nonnull(c->last);
    memcpy(c->last, text, len);
    c->last[len] = '\0';
    pm_buf_add(&c->all, text, len);
    pm_buf_char(&c->all, '|');
    ck_assert_int_eq(text[len], '\0');
    if (c->free_on_message) {
        pm_ws_free(c->ws);
        c->ws = NULL;
        ck_assert_int_eq(text[0], c->last[0]); /* still readable */
    }
}

static void on_closed(void *user, panicmon_err why, const char *message)
{
    client *c = user;
    c->closed++;
    c->why = why;
    (void)snprintf(c->problem, sizeof c->problem, "%s", message);
}

static const pm_ws_events events = {on_opened, on_message, on_closed};

static void client_start(client *c, const char *ca_file, int64_t timeout_ms)
{
    memset(c, 0, sizeof *c);
    const pm_net_options options = {
        .tls_ca_file = ca_file, .message_limit = LIMIT, .connect_timeout_ms = timeout_ms};
    ck_assert_int_eq(pm_net_new(&c->net, &options), PANICMON_OK);
    ck_assert_int_eq((large ? pm_loop_new_large : pm_loop_new)(&c->loop, c->net), PANICMON_OK);
}

static void client_open(client *c, const char *url)
{
    ck_assert_int_eq(pm_ws_open(&c->ws, c->loop, url, &events, c), PANICMON_OK);
    ck_assert_int_eq(c->opened + c->closed, 0);
}

static void client_stop(client *c)
{
    pm_ws_free(c->ws);
    pm_loop_free(c->loop);
    pm_net_free(c->net);
    free(c->last);
    pm_buf_free(&c->all);
}

/* Runs the loop until *what reaches `n`. */
static void run_until(client *c, const int *what, int n)
{
    int64_t until = pm_mono_ms() + 20000;
    while (*what < n) {
        ck_assert_msg(pm_mono_ms() < until, "gave up waiting; closed: %s", c->problem);
        pm_loop_wait(c->loop, until);
    }
}

/* With room in front, as for a frame. */
static char *make_text(size_t len)
{
    char *memory = malloc(PM_WS_HEADROOM + len + 1);
    ck_assert_ptr_nonnull(memory);
    memory[PM_WS_HEADROOM + len] = '\0';
    return memory + PM_WS_HEADROOM;
}

static void send_text(client *c, char *text, size_t len)
{
    ck_assert_int_eq(pm_ws_send(c->ws, text, len), PANICMON_OK);
    free(text - PM_WS_HEADROOM);
}

static void say(client *c, const char *text)
{
    size_t len = strlen(text);
    send_text(c, memcpy(make_text(len), text, len), len);
}

static size_t count_fds(void)
{
    size_t n = 0;
    DIR *dir = opendir("/proc/self/fd");
    ck_assert_ptr_nonnull(dir);
    while (readdir(dir) != NULL) {
        n++;
    }
    (void)closedir(dir);
    return n;
}

static const char *url_of(peer *server, const char *scheme, const char *host, char *room)
{
    (void)snprintf(room, 128, "%s://%s:%d/rpc?x=1", scheme, host, peer_port(server));
    return room;
}

/* Connects a client to a script and waits for `closed`; for peers that only misbehave. */
static void expect_end(peer_script script, panicmon_err why, const char *problem)
{
    char url[128];
    client c;
    size_t fds = count_fds();
    peer *server = peer_start(script, NULL, NULL, NULL);
    client_start(&c, NULL, 5000);
    client_open(&c, url_of(server, "ws", "127.0.0.1", url));
    run_until(&c, &c.closed, 1);
    ck_assert_msg(c.why == why, "%s: %s", panicmon_err_name(c.why), c.problem);
    ck_assert_msg(strstr(c.problem, problem) != NULL, "%s", c.problem);
    pm_loop_wait(c.loop, pm_mono_ms() + 20);
    ck_assert_int_eq(c.closed, 1);
    char late[PM_WS_HEADROOM + 1] = {0};
    ck_assert_int_eq(pm_ws_send(c.ws, late + PM_WS_HEADROOM, 1), PANICMON_ERR_STATE);
    client_stop(&c);
    peer_stop(server);
    ck_assert_uint_eq(count_fds(), fds);
}

/* ---- good peers ---- */

static void echo(peer_conn *conn)
{
    char *text;
    if (!peer_upgrade(conn)) {
        return;
    }
    while ((text = peer_read_text(conn)) != NULL) {
        (void)peer_send_text(conn, text);
        free(text);
    }
}

static void talk(const char *url, const char *ca_file)
{
    client c;
    client_start(&c, ca_file, 5000);
    client_open(&c, url);
    say(&c, "before it is open");
    say(&c, "\xc3\xa9t\xc3\xa9");
    run_until(&c, &c.messages, 2);
    ck_assert_int_eq(c.opened, 1);
    ck_assert_str_eq(c.last, "\xc3\xa9t\xc3\xa9");
    char *large = malloc(1 << 20);
    ck_assert_ptr_nonnull(large);
    memset(large, 'a', (1 << 20) - 1);
    large[(1 << 20) - 1] = '\0';
    say(&c, large);
    run_until(&c, &c.messages, 3);
    ck_assert_str_eq(c.last, large);
    free(large);
    client_stop(&c);
}

START_TEST(texts_go_both_ways)
{
    char url[128];
    size_t fds = count_fds();
    peer *server = peer_start(echo, NULL, NULL, NULL);
    talk(url_of(server, "ws", "127.0.0.1", url), NULL);
    talk(url_of(server, "ws", "localhost", url), NULL); /* ::1 refuses, 127.0.0.1 takes it */
    peer_stop(server);
    ck_assert_uint_eq(count_fds(), fds);
}
END_TEST

static void show_request(peer_conn *conn)
{
    if (peer_upgrade(conn)) {
        (void)peer_send_text(conn, conn->request);
        peer_idle(conn);
    }
}

START_TEST(the_request_names_host_path_and_user)
{
    char url[128];
    char host[64];
    client c;
    ck_assert_int_eq(setenv("http_proxy", "http://127.0.0.1:1", 1), 0); /* must not matter */
    peer *server = peer_start(show_request, NULL, NULL, NULL);
    client_start(&c, NULL, 5000);
    client_open(&c, url_of(server, "ws", "me:secret@localhost", url));
    run_until(&c, &c.messages, 1);
    (void)snprintf(host, sizeof host, "\r\nHost: localhost:%d\r\n", peer_port(server));
    ck_assert_msg(strstr(c.last, host) != NULL, "%s", c.last);
    ck_assert_ptr_eq(strstr(c.last, "GET /rpc?x=1 HTTP/1.1\r\n"), c.last);
    ck_assert_ptr_nonnull(strcasestr(c.last, "authorization: Basic bWU6c2VjcmV0\r\n"));
    ck_assert_ptr_null(strcasestr(c.last, "origin:"));
    ck_assert_ptr_null(strcasestr(c.last, "deflate"));
    client_stop(&c);
    peer_stop(server);
}
END_TEST

static void add_times(pm_buf *to, const char *text, int times)
{
    for (int i = 0; i < times; i++) {
        pm_buf_text(to, text);
    }
}

/* As long as both may be. */
START_TEST(the_request_has_room_for_user_and_path)
{
    client c;
    pm_buf url = {0};
    pm_buf path = {0};
    pm_buf login = {0};
    peer *server = peer_start(show_request, NULL, NULL, NULL);
    pm_buf_text(&url, "ws://");
    add_times(&url, "u%75u", 85);
    pm_buf_text(&url, ":p%70");
    add_times(&url, "ppp", 84);
    pm_buf_format(&url, "pp@127.0.0.1:%d", peer_port(server));
    pm_buf_text(&login, "authorization: Basic ");
    add_times(&login, "dXV1", 85);
    pm_buf_text(&login, "OnBw");
    add_times(&login, "cHBw", 84);
    pm_buf_text(&login, "cHA=\r\n");
    add_times(&path, "/abcdefg", 1024 / 8);
    pm_buf_add(&url, path.data, path.len);
    client_start(&c, NULL, 5000);
    client_open(&c, url.data);
    run_until(&c, &c.messages, 1);
    ck_assert_ptr_eq(strstr(c.last, path.data), c.last + 4);
    ck_assert_msg(strcasestr(c.last, login.data) != NULL, "%s", c.last);
    client_stop(&c);
    pm_buf_free(&url);
    pm_buf_free(&path);
    pm_buf_free(&login);
    peer_stop(server);
}
END_TEST

static void odd_but_right(peer_conn *conn)
{
    if (!peer_upgrade(conn)) {
        return;
    }
    (void)peer_send_bytewise(conn, "one byte a write");
    (void)peer_send_frame(conn, 1, false, "in ", 3);
    (void)peer_send_frame(conn, 9, true, "ping", 4);
    (void)peer_send_frame(conn, 0, false, "four ", 5);
    (void)peer_send_frame(conn, 0, false, "", 0);
    (void)peer_send_frame(conn, 0, false, "frames", 6);
    (void)peer_send_frame(conn, 0, true, "", 0);
    (void)peer_send_text(conn, "");
    (void)peer_send_text(conn, "last");
    peer_idle(conn);
}

START_TEST(messages_are_put_together)
{
    char url[128];
    client c;
    peer *server = peer_start(odd_but_right, NULL, NULL, NULL);
    client_start(&c, NULL, 5000);
    client_open(&c, url_of(server, "ws", "127.0.0.1", url));
    run_until(&c, &c.messages, 4);
    ck_assert_str_eq(c.all.data, "one byte a write|in four frames||last|");
    ck_assert_int_eq(c.messages, 4);
    client_stop(&c);
    peer_stop(server);
}
END_TEST

/* Header fields of an answer to an upgrade, and whether it is a WebSocket's. */
static const struct {
    const char *fields;
    bool good;
} answers[] = {
    {"Connection: keep-alive\r\nConnection: Upgrade\r\n", true},
    {"Connection: keep-alive, Upgrade\r\nServer:\r\n", true},
    {"Connection: Upgrade\r\nSec-WebSocket-Extensions:\r\n", true},
    {"Connection: keep-alive\r\nConnection: close\r\n", false},
    {"Connection: Upgrade\r\nSec-WebSocket-Extensions:\r\nSec-WebSocket-Extensions: x\r\n", false},
    {"Connection: Upgrade\r\nSec-WebSocket-Protocol: x\r\n", false},
    {"Connection: Upgrade\r\nSec-WebSocket-Accept: x\r\n", false},
};

static void answer_in_turn(peer_conn *conn)
{
    if (peer_read_request(conn) && peer_switch_with(conn, answers[conn->place].fields)) {
        (void)peer_send_text(conn, "it is open");
        peer_idle(conn);
    }
}

START_TEST(all_fields_of_the_answer_count)
{
    char url[128];
    client c;
    peer *server = peer_start(answer_in_turn, NULL, NULL, NULL);
    (void)url_of(server, "ws", "127.0.0.1", url);
    for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++) {
        client_start(&c, NULL, 5000);
        client_open(&c, url);
        run_until(&c, answers[i].good ? &c.messages : &c.closed, 1);
        ck_assert_int_eq(c.opened, answers[i].good);
        client_stop(&c);
    }
    peer_stop(server);
}
END_TEST

/* ---- peers that break off or break rules ---- */

static void silent(peer_conn *conn)
{
    peer_idle(conn);
}

static void half_handshake(peer_conn *conn)
{
    if (peer_read_request(conn)) {
        (void)peer_send(conn, "HTTP/1.1 101 Switching", 22);
        peer_idle(conn);
    }
}

static void forbidden(peer_conn *conn)
{
    if (peer_read_request(conn)) {
        static const char answer[] = "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n";
        (void)peer_send(conn, answer, sizeof answer - 1);
        peer_idle(conn);
    }
}

static void redirect(peer_conn *conn)
{
    if (peer_read_request(conn)) {
        static const char answer[] =
            "HTTP/1.1 301 Moved\r\nLocation: ws://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n";
        (void)peer_send(conn, answer, sizeof answer - 1);
        peer_idle(conn);
    }
}

static void wrong_accept(peer_conn *conn)
{
    if (peer_read_request(conn)) {
        static const char answer[] =
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n\r\n";
        (void)peer_send(conn, answer, sizeof answer - 1);
        peer_idle(conn);
    }
}

static void not_http(peer_conn *conn)
{
    static const char bytes[] = "220 smtp.example.org ESMTP\r\n";
    (void)peer_send(conn, bytes, sizeof bytes - 1);
    peer_idle(conn);
}

static void close_at_once(peer_conn *conn)
{
    (void)conn;
}

static void close_after_upgrade(peer_conn *conn)
{
    (void)peer_upgrade(conn);
}

static void reset_after_upgrade(peer_conn *conn)
{
    if (peer_upgrade(conn)) {
        peer_pause(conn, 30);
        peer_reset(conn);
    }
}

static void half_close(peer_conn *conn)
{
    if (peer_upgrade(conn)) {
        (void)shutdown(conn->fd, SHUT_WR);
        peer_idle(conn);
    }
}

static void close_in_frame(peer_conn *conn)
{
    if (peer_upgrade(conn)) {
        (void)peer_send(conn, "\x81\x05he", 4);
    }
}

static void close_frame(peer_conn *conn)
{
    if (peer_upgrade(conn)) {
        (void)peer_send_frame(conn, 8, true,
                              "\x03\xe9"
                              "bye",
                              5);
        peer_idle(conn);
    }
}

static void binary(peer_conn *conn)
{
    if (peer_upgrade(conn)) {
        (void)peer_send_frame(conn, 2, true, "abc", 3);
        peer_idle(conn);
    }
}

static void bad_utf8(peer_conn *conn)
{
    if (peer_upgrade(conn)) {
        (void)peer_send_text(conn, "abcdefghij\xff");
        peer_idle(conn);
    }
}

static void bad_opcode(peer_conn *conn)
{
    if (peer_upgrade(conn)) {
        (void)peer_send_frame(conn, 5, true, "abc", 3);
        peer_idle(conn);
    }
}

static void stray_continuation(peer_conn *conn)
{
    if (peer_upgrade(conn)) {
        (void)peer_send_frame(conn, 0, true, "abc", 3);
        peer_idle(conn);
    }
}

static void reserved_bits(peer_conn *conn)
{
    if (peer_upgrade(conn)) {
        (void)peer_send(conn,
                        "\xc1\x03"
                        "abc",
                        5);
        peer_idle(conn);
    }
}

static void endless_frames(peer_conn *conn)
{
    static char block[65536];
    memset(block, 'a', sizeof block);
    bool good = peer_upgrade(conn) && peer_send_frame(conn, 1, false, block, sizeof block);
    while (good) {
        good = peer_send_frame(conn, 0, false, block, sizeof block);
    }
}

static void huge_header(peer_conn *conn)
{
    static char block[8192];
    memset(block, 'a', sizeof block);
    if (peer_upgrade(conn)) {
        (void)peer_send(conn, "\x81\x7f\x00\x00\x00\x00\x40\x00\x00\x00", 10); /* 1 GB */
        (void)peer_send(conn, block, sizeof block);
        peer_idle(conn);
    }
}

static void masked(peer_conn *conn)
{
    if (peer_upgrade(conn)) {
        (void)peer_send(conn, "\x81\x81\0\0\0\0a", 7);
        peer_idle(conn);
    }
}

static void long_ping(peer_conn *conn)
{
    char block[126] = {0};
    if (peer_upgrade(conn)) {
        (void)peer_send_frame(conn, 9, true, block, sizeof block);
        peer_idle(conn);
    }
}

static void text_in_text(peer_conn *conn)
{
    if (peer_upgrade(conn)) {
        (void)peer_send_frame(conn, 1, false, "abc", 3);
        (void)peer_send_frame(conn, 1, true, "abc", 3);
        peer_idle(conn);
    }
}

static void bare_close_frame(peer_conn *conn)
{
    if (peer_upgrade(conn)) {
        (void)peer_send_frame(conn, 8, true, "", 0);
        peer_idle(conn);
    }
}

/* Closes with these bytes, and looks what the answer is. */
static void close_with(peer_conn *conn, const char *bytes, size_t len, const char *wanted)
{
    unsigned char frame[8]; /* head, mask, code */
    if (peer_upgrade(conn) && peer_send_frame(conn, 8, true, bytes, len)) {
        for (size_t got = 0; got < sizeof frame;) {
            struct pollfd look = {.fd = conn->fd, .events = POLLIN};
            ck_assert_int_eq(poll(&look, 1, 20000), 1);
            ssize_t some = recv(conn->fd, frame + got, sizeof frame - got, 0);
            ck_assert_int_gt(some, 0);
            got += (size_t)some;
        }
        ck_assert_uint_eq(frame[0], 0x88);
        ck_assert_uint_eq(frame[1], 0x82);
        ck_assert_int_eq(frame[6] ^ frame[2], (unsigned char)wanted[0]);
        ck_assert_int_eq(frame[7] ^ frame[3], (unsigned char)wanted[1]);
    }
}

static void good_close_code(peer_conn *conn)
{
    close_with(conn, "\x0b\xb8", 2, "\x0b\xb8");
}

static void half_close_code(peer_conn *conn)
{
    close_with(conn, "a", 1, "\x03\xea");
}

static void low_close_code(peer_conn *conn)
{
    close_with(conn, "\x00\x01", 2, "\x03\xea");
}

static void reserved_close_code(peer_conn *conn)
{
    close_with(conn, "\x03\xed", 2, "\x03\xea");
}

static void long_answer(peer_conn *conn)
{
    static char block[65536];
    memset(block, 'a', sizeof block);
    if (peer_read_request(conn)) {
        static const char answer[] = "HTTP/1.1 101 Switching Protocols\r\nX: ";
        (void)peer_send(conn, answer, sizeof answer - 1);
        (void)peer_send(conn, block, sizeof block);
        peer_idle(conn);
    }
}

/* Answers a request with what its key must be answered with, and a header more. */
static void unasked_extension(peer_conn *conn)
{
    peer_conn copy = *conn;
    if (peer_read_request(&copy)) {
        static const char answer[] =
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n";
        (void)peer_send(conn, answer, sizeof answer - 1);
        peer_idle(conn);
    }
}

typedef struct ending {
    peer_script script;
    panicmon_err why;
    const char *problem;
} ending;

static const ending endings[] = {
    {long_ping, PANICMON_ERR_PROTOCOL, "protocol"},
    {text_in_text, PANICMON_ERR_PROTOCOL, "protocol"},
    {bare_close_frame, PANICMON_ERR_WS, "code 1005"},
    {long_answer, PANICMON_ERR_WS, "cannot connect"},
    {unasked_extension, PANICMON_ERR_WS, "cannot connect"},
    {forbidden, PANICMON_ERR_WS, "HTTP 503"},
    {redirect, PANICMON_ERR_WS, "HTTP 301"},
    {wrong_accept, PANICMON_ERR_WS, "cannot connect"},
    {close_at_once, PANICMON_ERR_WS, ""},
    {close_after_upgrade, PANICMON_ERR_WS, "closed the connection"},
    {reset_after_upgrade, PANICMON_ERR_WS, ""},
    {half_close, PANICMON_ERR_WS, "closed the connection"},
    {close_in_frame, PANICMON_ERR_WS, "closed the connection"},
    {close_frame, PANICMON_ERR_WS, "code 1001"},
    {binary, PANICMON_ERR_PROTOCOL, "binary"},
    {bad_utf8, PANICMON_ERR_PROTOCOL, "UTF-8"},
    {bad_opcode, PANICMON_ERR_PROTOCOL, "protocol"},
    {stray_continuation, PANICMON_ERR_PROTOCOL, "protocol"},
    {reserved_bits, PANICMON_ERR_PROTOCOL, "protocol"},
    {endless_frames, PANICMON_ERR_LIMIT, "larger than 2097152 bytes"},
    {huge_header, PANICMON_ERR_LIMIT, "larger than 2097152 bytes"},
};

START_TEST(a_bad_peer_ends_the_connection_with_the_reason)
{
    expect_end(endings[_i].script, endings[_i].why, endings[_i].problem);
}
END_TEST

/* Those in which libwebsockets sees no fault, or which it tells otherwise. */
static const ending own_endings[] = {
    {masked, PANICMON_ERR_PROTOCOL, "protocol"},
    {good_close_code, PANICMON_ERR_WS, "code 3000"},
    {half_close_code, PANICMON_ERR_PROTOCOL, "protocol"},
    {low_close_code, PANICMON_ERR_PROTOCOL, "protocol"},
    {reserved_close_code, PANICMON_ERR_PROTOCOL, "protocol"},
};

START_TEST(a_plain_peer_of_a_large_loop_must_keep_to_the_rules)
{
    expect_end(own_endings[_i].script, own_endings[_i].why, own_endings[_i].problem);
}
END_TEST

static void expect_late(peer_script script)
{
    char url[128];
    client c;
    peer *server = peer_start(script, NULL, NULL, NULL);
    client_start(&c, NULL, 300);
    int64_t began = pm_mono_ms();
    client_open(&c, url_of(server, "ws", "127.0.0.1", url));
    run_until(&c, &c.closed, 1);
    ck_assert_int_eq(c.why, PANICMON_ERR_TIMEOUT);
    ck_assert_msg(strstr(c.problem, "300 ms") != NULL, "%s", c.problem);
    ck_assert_int_ge(pm_mono_ms() - began, 300);
    client_stop(&c);
    peer_stop(server);
}

START_TEST(connecting_has_a_deadline)
{
    expect_late(silent);
    expect_late(half_handshake);
    expect_late(not_http);
}
END_TEST

START_TEST(a_refused_connection_and_an_unknown_name_say_so)
{
    char url[128];
    client c;
    peer *server = peer_start(silent, NULL, NULL, NULL);
    (void)url_of(server, "ws", "127.0.0.1", url);
    peer_stop(server);
    client_start(&c, NULL, 5000);
    client_open(&c, url);
    run_until(&c, &c.closed, 1);
    ck_assert_int_eq(c.why, PANICMON_ERR_WS);
    pm_ws_free(c.ws);
    c.closed = 0;
    client_open(&c, "ws://[::1]:1/");
    run_until(&c, &c.closed, 1);
    ck_assert_int_eq(c.why, PANICMON_ERR_WS);
    pm_ws_free(c.ws);
    c.closed = 0;
    client_open(&c, "ws://no-such-host.invalid:1/");
    run_until(&c, &c.closed, 1);
    ck_assert_int_ne(c.problem[0], 0);
    pm_ws_free(c.ws);
    c.ws = NULL;
    pm_ws *none = NULL;
    ck_assert_int_eq(pm_ws_open(&none, c.loop, "http://x/", &events, &c), PANICMON_ERR_INVAL);
    client_stop(&c);
}
END_TEST

/* To the first client in one frame, to the second in two. */
static void one_or_two_frames(peer_conn *conn)
{
    if (peer_upgrade(conn)) {
        if (conn->place == 0) {
            (void)peer_send_text(conn, "whole");
        } else {
            (void)peer_send_frame(conn, 1, false, "wh", 2);
            (void)peer_send_frame(conn, 0, true, "ole", 3);
        }
        (void)peer_send_text(conn, "more");
        peer_idle(conn);
    }
}

START_TEST(a_connection_may_be_freed_in_its_callback)
{
    char url[128];
    client c;
    peer *server = peer_start(one_or_two_frames, NULL, NULL, NULL);
    for (int i = 0; i < 2; i++) {
        client_start(&c, NULL, 5000);
        client_open(&c, url_of(server, "ws", "127.0.0.1", url));
        c.free_on_message = true;
        run_until(&c, &c.messages, 1);
        pm_loop_wait(c.loop, pm_mono_ms() + 10);
        ck_assert_str_eq(c.all.data, "whole|");
        ck_assert_int_eq(c.closed, 0);
        ck_assert_ptr_null(c.ws);
        client_stop(&c);
    }
    peer_stop(server);
}
END_TEST

/* ---- stopping ---- */

static void deaf(peer_conn *conn)
{
    if (peer_upgrade(conn)) {
        peer_pause(conn, 60000); /* reads nothing */
    }
}

static void late_reader(peer_conn *conn)
{
    if (peer_upgrade(conn)) {
        peer_pause(conn, 200);
        for (char *text; (text = peer_read_text(conn)) != NULL;) {
            char told[32];
            (void)snprintf(told, sizeof told, "%c %zu", text[0], strlen(text));
            (void)peer_send_text(conn, told);
            free(text);
        }
    }
}

/* What the socket does not take at once is sent later, and in order. */
START_TEST(a_peer_that_reads_late_gets_all)
{
    char url[128];
    client c;
    pm_buf wanted = {0};
    peer *server = peer_start(late_reader, NULL, NULL, NULL);
    client_start(&c, NULL, 5000);
    client_open(&c, url_of(server, "ws", "127.0.0.1", url));
    for (int i = 0; i < 6; i++) {
        size_t size = i % 2 == 0 ? 200 + (size_t)i : ((size_t)2 << 20) + (size_t)i;
        char *text = memset(make_text(size), 'a' + i, size);
        pm_buf_format(&wanted, "%c %zu|", text[0], size);
        if (i == 3) {
            run_until(&c, &c.opened, 1);
        }
        send_text(&c, text, size);
    }
    run_until(&c, &c.messages, 6);
    ck_assert_uint_eq(c.all.len, wanted.len);
    ck_assert_int_eq(memcmp(c.all.data, wanted.data, wanted.len), 0);
    pm_buf_free(&wanted);
    client_stop(&c);
    peer_stop(server);
}
END_TEST

static void deaf_talker(peer_conn *conn)
{
    if (peer_upgrade(conn)) {
        while (peer_send_text(conn, "alive")) {
            peer_pause(conn, 1);
        }
    }
}

#define PIECE ((size_t)1 << 20)

START_TEST(a_peer_that_never_reads_is_cut_off)
{
    char url[128];
    client c;
    size_t sent = 0;
    peer *server = peer_start(deaf_talker, NULL, NULL, NULL);
    client_start(&c, NULL, 5000);
    client_open(&c, url_of(server, "ws", "127.0.0.1", url));
    run_until(&c, &c.opened, 1);
    for (; c.closed == 0 && sent < 64 * PIECE; sent += PIECE) {
        char *text = memset(make_text(PIECE), 'a', PIECE);
        (void)pm_ws_send(c.ws, text, PIECE);
        free(text - PM_WS_HEADROOM);
        pm_loop_wait(c.loop, pm_mono_ms());
    }
    ck_assert_int_eq(c.closed, 1);
    ck_assert_uint_ge(sent, PM_WS_WAITING_MAX);
    ck_assert_int_eq(c.why, PANICMON_ERR_WS);
    ck_assert_str_eq(c.problem, "the peer does not read: more than 16777216 bytes wait for it");
    client_stop(&c);
    peer_stop(server);
}
END_TEST

/* Only what still waits counts. */
START_TEST(a_peer_that_reads_slower_than_it_is_sent_to_is_kept)
{
    char url[128];
    client c;
    peer *server = peer_start(late_reader, NULL, NULL, NULL);
    client_start(&c, NULL, 5000);
    client_open(&c, url_of(server, "ws", "127.0.0.1", url));
    run_until(&c, &c.opened, 1);
    for (int i = 0; i < 48; i++) {
        run_until(&c, &c.messages, i - 12);
        send_text(&c, memset(make_text(PIECE), 'a', PIECE), PIECE);
    }
    run_until(&c, &c.messages, 48);
    ck_assert_int_eq(c.closed, 0);
    client_stop(&c);
    peer_stop(server);
}
END_TEST

START_TEST(freeing_never_waits_for_a_peer)
{
    char url[128];
    client c;
    peer *server = peer_start(deaf, NULL, NULL, NULL);
    client_start(&c, NULL, 5000);
    client_open(&c, url_of(server, "ws", "127.0.0.1", url));
    run_until(&c, &c.opened, 1);
    for (int i = 0; i < 3; i++) { /* more than the socket takes */
        send_text(&c, memset(make_text(4 << 20), 'a', 4 << 20), 4 << 20);
    }
    int64_t until = pm_mono_ms() + 100;
    while (pm_mono_ms() < until) {
        pm_loop_wait(c.loop, until);
    }
    int64_t began = pm_mono_ms();
    pm_ws_free(c.ws);
    c.ws = NULL;
    pm_loop_wait(c.loop, pm_mono_ms());
    client_stop(&c);
    ck_assert_int_lt(pm_mono_ms() - began, 1000);
    peer_stop(server);
}
END_TEST

/* ---- TLS ---- */

static void tls_case(peer_cert kind, const char *host, const char *problem, bool trust)
{
    char url[128];
    char ca_file[] = "/tmp/test_ws_ca_XXXXXX";
    int fd = mkstemp(ca_file);
    ck_assert_int_ge(fd, 0);
    (void)close(fd);
    size_t fds = count_fds();
    peer *server = peer_start(echo, NULL, &kind, ca_file);
    (void)url_of(server, "wss", host, url);
    if (problem == NULL) {
        talk(url, ca_file);
    } else {
        client c;
        client_start(&c, trust ? ca_file : NULL, 5000);
        client_open(&c, url);
        run_until(&c, &c.closed, 1);
        ck_assert_int_eq(c.opened, 0);
        ck_assert_int_eq(c.why, PANICMON_ERR_WS);
        ck_assert_msg(strstr(c.problem, problem) != NULL, "%s", c.problem);
        client_stop(&c);
    }
    peer_stop(server);
    ck_assert_uint_eq(count_fds(), fds);
    (void)unlink(ca_file);
}

START_TEST(tls_takes_the_right_certificate_only)
{
    tls_case(PEER_CERT_GOOD, "localhost", NULL, true);
    tls_case(PEER_CERT_GOOD, "127.0.0.1", NULL, true);
    tls_case(PEER_CERT_GOOD, "localhost", "certificate refused", false);
    tls_case(PEER_CERT_OTHER_HOST, "localhost", "it is not for localhost", true);
    tls_case(PEER_CERT_OTHER_HOST, "127.0.0.1", "it is not for 127.0.0.1", true);
    tls_case(PEER_CERT_EXPIRED, "localhost", "expired", true);
    tls_case(PEER_CERT_UNTRUSTED, "localhost", "certificate refused", true);
}
END_TEST

static void plain_to_tls(peer_conn *conn)
{
    static const char bytes[] = "HTTP/1.1 400 Bad Request\r\n\r\n";
    (void)peer_send(conn, bytes, sizeof bytes - 1);
    peer_idle(conn);
}

START_TEST(tls_to_a_peer_without_it_fails)
{
    char url[128];
    client c;
    peer *server = peer_start(plain_to_tls, NULL, NULL, NULL);
    client_start(&c, NULL, 2000);
    client_open(&c, url_of(server, "wss", "127.0.0.1", url));
    run_until(&c, &c.closed, 1);
    ck_assert_int_eq(c.why, PANICMON_ERR_WS);
    client_stop(&c);
    peer_stop(server);
}
END_TEST

/* Contexts made in one thread must not disturb handshakes in another. */
typedef struct tls_load {
    const char *url;
    const char *ca_file;
    int failed;
} tls_load;

static void many_handshakes(void *arg)
{
    tls_load *load = arg;
    for (int i = 0; i < 12; i++) {
        client c;
        client_start(&c, load->ca_file, 20000);
        if (pm_ws_open(&c.ws, c.loop, load->url, &events, &c) != PANICMON_OK) {
            load->failed++;
        }
        while (c.opened + c.closed == 0) {
            pm_loop_wait(c.loop, pm_mono_ms() + 1000);
        }
        load->failed += c.closed;
        client_stop(&c);
    }
}

START_TEST(loops_in_many_threads_do_not_disturb_each_other)
{
    char url[128];
    char ca_file[] = "/tmp/test_ws_ca_XXXXXX";
    const peer_cert kind = PEER_CERT_GOOD;
    int fd = mkstemp(ca_file);
    ck_assert_int_ge(fd, 0);
    (void)close(fd);
    peer *server = peer_start(echo, NULL, &kind, ca_file);
    tls_load loads[4];
    pm_thread *threads[4];
    (void)url_of(server, "wss", "localhost", url);
    for (int i = 0; i < 4; i++) {
        loads[i] = (tls_load){url, ca_file, 0};
        ck_assert_int_eq(
            pm_thread_start(&threads[i], "load", PM_STACK_LARGE, many_handshakes, &loads[i]),
            PANICMON_OK);
    }
    for (int i = 0; i < 4; i++) {
        pm_thread_join(threads[i]);
        ck_assert_int_eq(loads[i].failed, 0);
    }
    peer_stop(server);
    (void)unlink(ca_file);
}
END_TEST

/* ---- the loop ---- */

#define WAKES 10000

typedef struct waker {
    client c;
    atomic_int asked;
    atomic_int seen;
} waker;

static void wake_often(void *arg)
{
    waker *w = arg;
    for (int i = 1; i <= WAKES; i++) {
        atomic_store(&w->asked, i);
        pm_loop_wake(w->c.loop);
        while (i % 3 == 0 && atomic_load(&w->seen) < i) { /* lost: this never ends */
            (void)sched_yield();
        }
    }
}

START_TEST(no_wake_is_lost)
{
    waker w;
    pm_thread *thread;
    client_start(&w.c, NULL, 1000);
    atomic_init(&w.asked, 0);
    atomic_init(&w.seen, 0);
    pm_loop_wake(w.c.loop); /* before the wait */
    pm_loop_wait(w.c.loop, PM_NEVER);
    ck_assert_int_eq(pm_thread_start(&thread, "wake", PM_STACK_LARGE, wake_often, &w), PANICMON_OK);
    while (atomic_load(&w.seen) < WAKES) {
        pm_loop_wait(w.c.loop, PM_NEVER);
        atomic_store(&w.seen, atomic_load(&w.asked));
    }
    pm_thread_join(thread);
    client_stop(&w.c);
}
END_TEST

static int64_t cpu_us(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

START_TEST(waiting_sleeps_until_the_deadline)
{
    char url[128];
    client c;
    peer *server = peer_start(echo, NULL, NULL, NULL);
    client_start(&c, NULL, 1000);
    client_open(&c, url_of(server, "ws", "127.0.0.1", url)); /* with timers of its own */
    run_until(&c, &c.opened, 1);
    pm_loop_wait(c.loop, pm_mono_ms() + 50);
    int64_t before = cpu_us();
    for (int i = 0; i < 100; i++) {
        int64_t until = pm_mono_ms() + 5;
        pm_loop_wait(c.loop, until);
        ck_assert_int_ge(pm_mono_ms(), until);
    }
    /* 500 ms asleep. A millisecond of spinning each would be 100 ms. */
    int64_t used = cpu_us() - before;
    ck_assert_msg(used < 50000, "%lld us", (long long)used);
    client_stop(&c);
    peer_stop(server);
}
END_TEST

typedef struct watched {
    pm_watch *watch;
    int fd;
    int calls;
    bool free_it;
} watched;

static void on_ready(void *user)
{
    watched *w = user;
    w->calls++;
    if (w->free_it) {
        pm_watch_free(w->watch);
        w->watch = NULL;
    }
}

START_TEST(watches_are_level_triggered_and_never_close)
{
    client c;
    size_t fds = count_fds();
    client_start(&c, NULL, 1000);
    watched w[2] = {{.fd = eventfd(0, EFD_CLOEXEC)}, {.fd = eventfd(0, EFD_CLOEXEC)}};
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(pm_watch_new(&w[i].watch, c.loop, w[i].fd, on_ready, &w[i]), PANICMON_OK);
    }
    pm_watch *again = NULL;
    ck_assert_int_eq(pm_watch_new(&again, c.loop, w[0].fd, on_ready, &w[0]), PANICMON_ERR_EXISTS);
    pm_loop_wait(c.loop, pm_mono_ms() + 10);
    ck_assert_int_eq(w[0].calls + w[1].calls, 0);
    ck_assert_int_eq(eventfd_write(w[0].fd, 1), 0);
    ck_assert_int_eq(eventfd_write(w[1].fd, 1), 0);
    for (int i = 0; i < 20; i++) {
        pm_loop_wait(c.loop, pm_mono_ms() + 1000);
    }
    ck_assert_int_gt(w[0].calls, 3); /* still readable: called again and again, in turn */
    ck_assert_int_gt(w[1].calls, 3);
    w[1].free_it = true;
    for (int i = 0; i < 5; i++) {
        pm_loop_wait(c.loop, pm_mono_ms() + 1000);
    }
    ck_assert_ptr_null(w[1].watch);
    eventfd_t value;
    ck_assert_int_eq(eventfd_read(w[0].fd, &value), 0);
    int calls = w[0].calls;
    pm_loop_wait(c.loop, pm_mono_ms() + 10);
    ck_assert_int_eq(w[0].calls, calls);
    pm_watch_free(w[0].watch);
    client_stop(&c);
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(close(w[i].fd), 0);
    }
    ck_assert_uint_eq(count_fds(), fds);
}
END_TEST

START_TEST(without_descriptors_it_fails_or_works)
{
    client c;
    struct rlimit before;
    client_start(&c, NULL, 1000);
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
    size_t fds = count_fds();
    bool failed = false;
    for (rlim_t spare = 0; spare < 4; spare++) {
        int next = dup(0);
        (void)close(next);
        const struct rlimit few = {(rlim_t)next + spare, before.rlim_max};
        pm_loop *loop = NULL;
        ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &few), 0);
        panicmon_err status = pm_loop_new(&loop, c.net);
        ck_assert(status == PANICMON_OK || status == PANICMON_ERR_SYSTEM);
        failed = failed || status != PANICMON_OK;
        if (status == PANICMON_OK) {
            pm_loop_wake(loop);
            pm_loop_wait(loop, PM_NEVER);
            pm_loop_free(loop);
        }
        ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
        ck_assert_uint_eq(count_fds(), fds);
    }
    ck_assert(failed);
    client_stop(&c);
}
END_TEST

START_TEST(the_process_is_left_alone)
{
    client c;
    struct sigaction action;
    ck_assert_int_eq(sigaction(SIGPIPE, NULL, &action), 0);
    ck_assert(action.sa_handler == SIG_DFL);
    client_start(&c, NULL, 1000);
    ck_assert_int_eq(sigaction(SIGPIPE, NULL, &action), 0);
    ck_assert(action.sa_handler == SIG_DFL);
    client_stop(&c);
}
END_TEST

static void add_peers(TCase *peers)
{
    tcase_set_timeout(peers, 30);
    tcase_add_test(peers, texts_go_both_ways);
    tcase_add_test(peers, the_request_names_host_path_and_user);
    tcase_add_test(peers, the_request_has_room_for_user_and_path);
    tcase_add_test(peers, messages_are_put_together);
    tcase_add_test(peers, all_fields_of_the_answer_count);
    tcase_add_loop_test(peers, a_bad_peer_ends_the_connection_with_the_reason, 0,
                        sizeof endings / sizeof endings[0]);
    tcase_add_test(peers, connecting_has_a_deadline);
    tcase_add_test(peers, a_refused_connection_and_an_unknown_name_say_so);
    tcase_add_test(peers, a_connection_may_be_freed_in_its_callback);
    tcase_add_test(peers, a_peer_that_reads_late_gets_all);
    tcase_add_test(peers, a_peer_that_reads_slower_than_it_is_sent_to_is_kept);
    tcase_add_test(peers, freeing_never_waits_for_a_peer);
    tcase_add_test(peers, tls_takes_the_right_certificate_only);
    tcase_add_test(peers, tls_to_a_peer_without_it_fails);
    tcase_add_test(peers, a_peer_that_never_reads_is_cut_off);
    tcase_add_test(peers, loops_in_many_threads_do_not_disturb_each_other);
}

int main(void)
{
    Suite *suite = suite_create("ws");
    TCase *peers = tcase_create("peers");
    TCase *large_peers = tcase_create("peers of large loops");
    TCase *loop = tcase_create("loop");
    tcase_set_timeout(loop, 30);
    add_peers(peers);
    tcase_add_unchecked_fixture(large_peers, be_large, NULL);
    add_peers(large_peers);
    tcase_add_loop_test(large_peers, a_plain_peer_of_a_large_loop_must_keep_to_the_rules, 0,
                        sizeof own_endings / sizeof own_endings[0]);
    tcase_add_test(loop, no_wake_is_lost);
    tcase_add_test(loop, waiting_sleeps_until_the_deadline);
    tcase_add_test(loop, watches_are_level_triggered_and_never_close);
    tcase_add_test(loop, without_descriptors_it_fails_or_works);
    tcase_add_test(loop, the_process_is_left_alone);
    suite_add_tcase(suite, peers);
    suite_add_tcase(suite, large_peers);
    suite_add_tcase(suite, loop);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
