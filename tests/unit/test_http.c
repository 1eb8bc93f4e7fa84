/* test_http.c: HTTP requests on a loop, against a server that answers as each test wants. */
#include <check.h>
#include <dirent.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <panicmon/monitor.h>

#include "base/clock.h"
#include "net/http.h"
#include "peer.h"

#define LIMIT 100000

static pm_net *net;
static pm_loop *loop;
static pm_http *http;
static peer *server;
static char ca_file[] = "/tmp/test_http_XXXXXX";

static void open_client(const char *ca)
{
    const pm_net_options options = {
        .message_limit = LIMIT, .connect_timeout_ms = 5000, .tls_ca_file = ca};
    ck_assert_int_eq(pm_net_new(&net, &options), PANICMON_OK);
    ck_assert_int_eq(pm_loop_new(&loop, net), PANICMON_OK);
    ck_assert_int_eq(pm_http_new(&http, loop), PANICMON_OK);
}

static void close_all(void)
{
    pm_http_free(http);
    pm_loop_free(loop);
    pm_net_free(net);
    peer_stop(server);
}

static void open_both(peer_script script, void *user)
{
    server = peer_start(script, user, NULL, NULL);
    ck_assert_ptr_nonnull(server);
    open_client(NULL);
}

/* ---- asking ---- */

typedef struct ask {
    const char *method;
    const char *headers;
    const char *body;
    uint32_t flags;
    int64_t wait_ms;
} ask;

static void note_done(pm_request *request)
{
    (*(int *)request->owner)++;
}

static void fill(pm_request *request, const char *url, const ask *how, int *done)
{
    *request = (pm_request){.kind = PM_REQUEST_HTTP,
                            .flags = how->flags,
                            .target = strdup(url),
                            .name = strdup(how->method == NULL ? "GET" : how->method),
                            .headers = how->headers == NULL ? NULL : strdup(how->headers),
                            .deadline = pm_mono_ms() + (how->wait_ms > 0 ? how->wait_ms : 20000),
                            .on_done = note_done,
                            .owner = done};
    if (how->body != NULL) {
        pm_buf_text(&request->in, how->body);
    }
}

static void get(pm_request *request, const char *url, const ask *how)
{
    int done = 0;
    fill(request, url, how, &done);
    pm_http_submit(http, request);
    int64_t until = pm_mono_ms() + 25000;
    while (done == 0 && pm_mono_ms() < until) {
        pm_loop_wait(loop, until);
    }
    ck_assert_int_eq(done, 1);
    ck_assert_msg(request->done, "it was not finished");
}

static char *here(const char *scheme, const char *host, const char *path)
{
    static char url[256];
    (void)snprintf(url, sizeof url, "%s://%s:%d%s", scheme, host, peer_port(server), path);
    return url;
}

static void expect(const char *path, const ask *how, panicmon_err status, int64_t code,
                   const char *text)
{
    pm_request request;
    get(&request, here("http", "127.0.0.1", path), how);
    ck_assert_msg(request.status == status, "%s: %s (%s)", path, panicmon_err_name(request.status),
                  request.message);
    ck_assert_int_eq(request.code, code);
    const char *said = status == PANICMON_OK ? request.out.data : request.message;
    ck_assert_msg(strstr(said == NULL ? "" : said, text) != NULL, "%s: '%s'", path, said);
    ck_assert(status == PANICMON_OK || request.out.len == 0);
    pm_request_clear(&request);
}

static const ask plain = {0};
static const ask following = {.flags = PANICMON_HTTP_FOLLOW};

/* ---- the server ---- */

static void say(peer_conn *conn, const char *text)
{
    (void)peer_send(conn, text, strlen(text));
}

static bool asked(const peer_conn *conn, const char *line)
{
    return strncmp(conn->request, line, strlen(line)) == 0;
}

/* Says back what it was sent. */
static void echo(peer_conn *conn)
{
    char answer[5000];
    (void)snprintf(answer, sizeof answer,
                   "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %zu\r\n\r\n%s",
                   strlen(conn->request), conn->request);
    say(conn, answer);
}

static void redirect(peer_conn *conn, const char *where)
{
    char answer[512];
    (void)snprintf(answer, sizeof answer,
                   "HTTP/1.1 302 Found\r\nLocation: %s\r\nContent-Length: 5\r\n\r\nhello", where);
    say(conn, answer);
}

static void flood(peer_conn *conn)
{
    char block[4096];
    memset(block, 'x', sizeof block);
    say(conn, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n");
    for (size_t sent = 0; sent <= LIMIT && peer_send(conn, block, sizeof block);) {
        sent += sizeof block;
    }
}

static atomic_bool was_asked;

static void serve_one(peer_conn *conn)
{
    char url[64];
    (void)snprintf(url, sizeof url, "http://localhost:%d/echo", peer_port(conn->owner));
    if (asked(conn, "GET /echo") || asked(conn, "POST /echo") || asked(conn, "PUT /echo")) {
        echo(conn);
    } else if (asked(conn, "HEAD /")) {
        say(conn, "HTTP/1.1 204 No Content\r\n\r\n");
    } else if (asked(conn, "GET /busy")) {
        say(conn, "HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nbusy");
    } else if (asked(conn, "GET /chunks")) {
        say(conn, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
        say(conn, "3\r\ndef\r\n0\r\n\r\n");
    } else if (asked(conn, "GET /moved")) {
        redirect(conn, "/echo");
    } else if (asked(conn, "GET /other-host")) {
        redirect(conn, url);
    } else if (asked(conn, "GET /round")) {
        redirect(conn, "/round");
    } else if (asked(conn, "GET /file")) {
        redirect(conn, "file:///etc/passwd");
    } else if (asked(conn, "GET /flood")) {
        flood(conn);
    } else if (asked(conn, "GET /garbage")) {
        say(conn, "\x01\x02 garbage\r\n\r\n");
    } else if (asked(conn, "GET /short")) {
        say(conn, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nten bytes.");
    } else if (asked(conn, "GET /soon")) {
        atomic_store(&was_asked, true);
        peer_pause(conn, 100);
        say(conn, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nsoon");
    } else if (asked(conn, "GET /stall")) {
        peer_idle(conn);
    }
}

static void serve(peer_conn *conn)
{
    while (peer_read_request(conn)) {
        serve_one(conn);
        if (asked(conn, "GET /flood") || asked(conn, "GET /garbage") || asked(conn, "GET /short") ||
            asked(conn, "GET /gone")) {
            return;
        }
    }
}

/* ---- the tests ---- */

START_TEST(answers)
{
    open_both(serve, NULL);
    expect("/echo?a=b%20c", &plain, PANICMON_OK, 200, "GET /echo?a=b%20c HTTP/1.1\r\n");
    expect("/echo", &plain, PANICMON_OK, 200, "User-Agent: panicmon");
    expect("/busy", &plain, PANICMON_OK, 503, "busy");
    expect("/chunks", &plain, PANICMON_OK, 200, "abcdef");
    expect("/", &(ask){.method = "HEAD"}, PANICMON_OK, 204, "");
    expect("/echo", &(ask){.headers = "X-One: 1\nX-Two: 2"}, PANICMON_OK, 200,
           "X-One: 1\r\nX-Two: 2\r\n");
    ck_assert_uint_eq(peer_count(server), 1); /* all over one connection */
    close_all();
}
END_TEST

START_TEST(bodies)
{
    open_both(serve, NULL);
    expect("/echo", &(ask){.method = "POST", .body = "{\"a\": 1}"}, PANICMON_OK, 200,
           "Content-Length: 8");
    close_all();
    open_both(serve, NULL);
    expect("/echo", &(ask){.method = "PUT", .body = "x"}, PANICMON_OK, 200, "PUT /echo");
    close_all();
}
END_TEST

START_TEST(redirects)
{
    open_both(serve, NULL);
    expect("/moved", &plain, PANICMON_OK, 302, "hello");
    expect("/moved", &following, PANICMON_OK, 200, "GET /echo");
    expect("/round", &following, PANICMON_ERR_LIMIT, 302, "too many");
    expect("/file", &following, PANICMON_ERR_PROTOCOL, 302, "may not");
    pm_request request;
    const ask secret = {.flags = PANICMON_HTTP_FOLLOW, .headers = "Authorization: Bearer secret"};
    get(&request, here("http", "127.0.0.1", "/moved"), &secret);
    ck_assert_ptr_nonnull(strstr(request.out.data, "Bearer secret")); /* the same host */
    pm_request_clear(&request);
    get(&request, here("http", "127.0.0.1", "/other-host"), &secret);
    ck_assert_ptr_nonnull(strstr(request.out.data, "GET /echo"));
    ck_assert_ptr_null(strstr(request.out.data, "secret"));
    pm_request_clear(&request);
    close_all();
}
END_TEST

START_TEST(what_goes_wrong)
{
    open_both(serve, NULL);
    expect("/flood", &plain, PANICMON_ERR_LIMIT, 200, "over 100000 bytes");
    expect("/garbage", &plain, PANICMON_ERR_PROTOCOL, 0, "");
    expect("/short", &plain, PANICMON_ERR_HTTP, 200, "");
    expect("/gone", &plain, PANICMON_ERR_HTTP, 0, "");
    expect("/stall", &(ask){.wait_ms = 200}, PANICMON_ERR_TIMEOUT, 0,
           "no whole answer from 127.0.0.1 within");
    pm_request request;
    static const struct {
        const char *url;
        panicmon_err status;
    } bad[] = {
        {"http://127.0.0.1:1/", PANICMON_ERR_HTTP},
        {"http://no-such-host.invalid/", PANICMON_ERR_HTTP},
        {"ws://127.0.0.1/", PANICMON_ERR_INVAL},
        {"file:///etc/passwd", PANICMON_ERR_INVAL},
        {"http://", PANICMON_ERR_INVAL},
        {"http://user:secret@127.0.0.1:1/", PANICMON_ERR_HTTP},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        get(&request, bad[i].url, &plain);
        ck_assert_msg(request.status == bad[i].status, "%s: %s (%s)", bad[i].url,
                      panicmon_err_name(request.status), request.message);
        ck_assert_str_ne(request.message, "");
        ck_assert_ptr_null(strstr(request.message, "secret"));
        pm_request_clear(&request);
    }
    close_all();
}
END_TEST

START_TEST(names_and_credentials)
{
    open_both(serve, NULL);
    pm_request request;
    get(&request, here("http", "localhost", "/echo"), &plain);
    ck_assert_msg(request.status == PANICMON_OK, "%s", request.message);
    ck_assert_ptr_nonnull(strstr(request.out.data, "Host: localhost:"));
    pm_request_clear(&request);
    get(&request, here("http", "user:pass@127.0.0.1", "/echo"), &plain);
    ck_assert_ptr_nonnull(strstr(request.out.data, "Authorization: Basic dXNlcjpwYXNz"));
    pm_request_clear(&request);
    close_all();
}
END_TEST

START_TEST(no_proxy_of_the_environment)
{
    (void)setenv("http_proxy", "http://127.0.0.1:1/", 1); /* NOLINT(concurrency-mt-unsafe) */
    (void)setenv("ALL_PROXY", "http://127.0.0.1:1/", 1);  /* NOLINT(concurrency-mt-unsafe) */
    open_both(serve, NULL);
    expect("/echo", &plain, PANICMON_OK, 200, "GET /echo");
    close_all();
}
END_TEST

START_TEST(certificates)
{
    static const struct {
        peer_cert cert;
        const char *host;
        panicmon_err status;
    } cases[] = {
        {PEER_CERT_GOOD, "127.0.0.1", PANICMON_OK},
        {PEER_CERT_GOOD, "localhost", PANICMON_OK},
        {PEER_CERT_OTHER_HOST, "localhost", PANICMON_ERR_HTTP},
        {PEER_CERT_EXPIRED, "127.0.0.1", PANICMON_ERR_HTTP},
        {PEER_CERT_UNTRUSTED, "127.0.0.1", PANICMON_ERR_HTTP},
    };
    int fd = mkstemp(ca_file);
    ck_assert_int_ge(fd, 0);
    (void)close(fd);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        server = peer_start(serve, NULL, &cases[i].cert, ca_file);
        ck_assert_ptr_nonnull(server);
        open_client(ca_file);
        pm_request request;
        get(&request, here("https", cases[i].host, "/echo"), &plain);
        ck_assert_msg(request.status == cases[i].status, "%zu: %s (%s)", i,
                      panicmon_err_name(request.status), request.message);
        pm_request_clear(&request);
        close_all();
    }
    (void)unlink(ca_file);
}
END_TEST

static void lead_away(peer_conn *conn)
{
    while (peer_read_request(conn)) {
        redirect(conn, "http://127.0.0.1:1/");
    }
}

START_TEST(never_from_https_to_http)
{
    const peer_cert cert = PEER_CERT_GOOD;
    int fd = mkstemp(ca_file);
    ck_assert_int_ge(fd, 0);
    (void)close(fd);
    server = peer_start(lead_away, NULL, &cert, ca_file);
    open_client(ca_file);
    pm_request request;
    get(&request, here("https", "127.0.0.1", "/"), &following);
    ck_assert_int_eq(request.status, PANICMON_ERR_PROTOCOL);
    pm_request_clear(&request);
    close_all();
    (void)unlink(ca_file);
}
END_TEST

static size_t open_fds(void)
{
    size_t count = 0;
    DIR *dir = opendir("/proc/self/fd");
    ck_assert_ptr_nonnull(dir);
    while (readdir(dir) != NULL) {
        count++;
    }
    (void)closedir(dir);
    return count;
}

/* Something held up the loop's thread until the deadline was over; the answer was there. */
START_TEST(an_answer_that_lies_there_is_in_time)
{
    int done = 0;
    pm_request request;
    open_both(serve, NULL);
    fill(&request, here("http", "127.0.0.1", "/soon"), &(ask){.wait_ms = 1000}, &done);
    pm_http_submit(http, &request);
    while (!atomic_load(&was_asked)) {
        pm_loop_wait(loop, pm_mono_ms() + 1);
    }
    usleep(2000000);
    while (done == 0) {
        pm_loop_wait(loop, PM_NEVER);
    }
    ck_assert_msg(request.status == PANICMON_OK, "%s", request.message);
    ck_assert_str_eq(request.out.data, "soon");
    pm_request_clear(&request);
    close_all();
}
END_TEST

START_TEST(cancelling)
{
    int done = 0;
    pm_request requests[3];
    open_both(serve, NULL);
    size_t fds = open_fds();
    fill(&requests[0], here("http", "127.0.0.1", "/stall"), &plain, &done);
    fill(&requests[1], here("http", "localhost", "/stall"), &plain, &done);
    fill(&requests[2], "http://no-such-host.invalid/", &plain, &done);
    for (size_t i = 0; i < 3; i++) {
        pm_http_submit(http, &requests[i]);
    }
    pm_loop_wait(loop, pm_mono_ms() + 50);
    pm_http_cancel(http);
    ck_assert_int_eq(done, 3);
    ck_assert_int_eq(requests[0].status, PANICMON_ERR_CANCELED);
    ck_assert_int_eq(requests[1].status, PANICMON_ERR_CANCELED);
    expect("/echo", &plain, PANICMON_OK, 200, "GET /echo"); /* it can go on */
    for (size_t i = 0; i < 3; i++) {
        pm_request_clear(&requests[i]);
    }
    pm_http_free(http);
    ck_assert_int_eq(pm_http_new(&http, loop), PANICMON_OK);
    ck_assert_uint_le(open_fds(), fds + 4); /* the loop's own, and what the server still holds */
    close_all();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("http");
    TCase *tests = tcase_create("http");
    tcase_set_timeout(tests, 30);
    tcase_add_test(tests, answers);
    tcase_add_test(tests, bodies);
    tcase_add_test(tests, redirects);
    tcase_add_test(tests, what_goes_wrong);
    tcase_add_test(tests, names_and_credentials);
    tcase_add_test(tests, no_proxy_of_the_environment);
    tcase_add_test(tests, certificates);
    tcase_add_test(tests, never_from_https_to_http);
    tcase_add_test(tests, an_answer_that_lies_there_is_in_time);
    tcase_add_test(tests, cancelling);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
