/* test_tls.c: making the shared TLS context, and the client's own certificate towards peers that
 * demand one. Whom we trust is tested in test_ws.c and test_http.c. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <panicmon/panicmon.h>

#include "base/buf.h"
#include "net/amqp_conn.h"
#include "net/tls.h"
#include "net/ws.h"
#include "peer.h"

static panicmon_err make(const char *ca, const char *cert, const char *key, const char **bad)
{
    const pm_tls_files files = {.ca = ca, .cert = cert, .key = key};
    pm_tls *tls = NULL;
    panicmon_err status = pm_tls_new(&tls, &files, bad);
    ck_assert((tls != NULL) == (status == PANICMON_OK));
    pm_tls_free(tls);
    return status;
}

START_TEST(bad_files_are_refused)
{
    char path[] = "/tmp/test_tls_XXXXXX";
    const char *bad = NULL;
    int fd = mkstemp(path);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, "no certificate\n", 15), 15);
    (void)close(fd);
    ck_assert_int_eq(make(path, NULL, NULL, &bad), PANICMON_ERR_INVAL);
    ck_assert_str_eq(bad, "no certificates could be read from tls.ca_file");
    ck_assert_int_eq(make(NULL, path, NULL, &bad), PANICMON_ERR_INVAL);
    ck_assert_str_eq(bad, "tls.cert_file and tls.key_file need each other");
    ck_assert_int_eq(make(NULL, NULL, path, &bad), PANICMON_ERR_INVAL);
    ck_assert_int_eq(make(NULL, path, path, &bad), PANICMON_ERR_INVAL);
    ck_assert_ptr_nonnull(strstr(bad, "no certificate and the key to it"));
    pm_net *net = NULL;
    const pm_net_options options = {.tls_ca_file = path};
    ck_assert_int_eq(pm_net_new(&net, &options), PANICMON_ERR_INVAL);
    (void)unlink(path);
    ck_assert_int_eq(make(path, NULL, NULL, &bad), PANICMON_ERR_INVAL);
    ck_assert_ptr_null(net);
}
END_TEST

START_TEST(the_context_is_made_once)
{
    const pm_tls_files none = {0};
    const char *bad = NULL;
    pm_tls *tls;
    ck_assert_int_eq(pm_tls_new(&tls, &none, &bad), PANICMON_OK);
    void *context = pm_tls_context(tls);
    ck_assert_ptr_nonnull(context);
    ck_assert_ptr_eq(pm_tls_context(tls), context);
    pm_tls_free(tls);
    pm_tls_free(NULL);
}
END_TEST

/* ---- peers that demand a certificate ---- */

/* Answers one call, or one request. */
static void serve(peer_conn *conn)
{
    static const char page[] = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\na page";
    static const char answer[] = "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":\"a node\"}";
    if (!peer_read_request(conn)) {
        return;
    }
    if (strcasestr(conn->request, "Upgrade: websocket") == NULL) {
        (void)peer_send(conn, page, sizeof page - 1);
    } else if (peer_switch(conn)) {
        free(peer_read_text(conn));
        (void)peer_send_text(conn, answer);
    }
    peer_idle(conn);
}

static char urls[2][64];
static char seen[512];

static panicmon_err step(void *monitor, panicmon_round *round, panicmon_error **err)
{
    static panicmon_request asked[2];
    (void)monitor;
    (void)err;
    if (panicmon_round_step(round) == 0) {
        panicmon_err status =
            panicmon_round_rpc(round, urls[0], "system_chain", NULL, 0, &asked[0]);
        return status == PANICMON_OK
                   ? panicmon_round_http(round, NULL, urls[1], NULL, NULL, 0, 0, &asked[1])
                   : status;
    }
    if (panicmon_round_step(round) == 1) {
        for (size_t i = 0; i < 2; i++) {
            const panicmon_reply *reply = panicmon_round_reply(round, asked[i]);
            size_t len = strlen(seen);
            (void)snprintf(seen + len, sizeof seen - len, "%s %s;",
                           panicmon_err_name(panicmon_reply_status(reply)),
                           panicmon_reply_body(reply, NULL));
        }
    }
    return PANICMON_OK;
}

static panicmon_err parse(void *user, const panicmon_config *config, void **parsed,
                          panicmon_error **err)
{
    (void)user;
    (void)config;
    (void)parsed;
    (void)err;
    return PANICMON_OK;
}

static panicmon_err start(void *user, void *parsed, panicmon_launch *launch, panicmon_error **err)
{
    static const panicmon_monitor_ops ops = {.struct_size = sizeof ops, .step = step};
    (void)user;
    (void)parsed;
    (void)err;
    return panicmon_launch_monitor(launch, &ops, NULL);
}

/* One round of one monitor, with the certificate or without. */
static void ask_both(const char *ca_file, bool shown)
{
    const panicmon_strategy_ops ops = {
        .struct_size = sizeof ops, .name = "asks", .parse = parse, .start = start};
    panicmon_settings *settings = NULL;
    panicmon_runtime *runtime = NULL;
    panicmon_starter *starter = NULL;
    char client[128];
    (void)snprintf(client, sizeof client, "%s.client", ca_file);
    ck_assert_int_eq(panicmon_settings_new(&settings), PANICMON_OK);
    ck_assert_int_eq(panicmon_settings_set(settings, "rounds", "1", NULL), PANICMON_OK);
    ck_assert_int_eq(panicmon_settings_set(settings, "tls.ca_file", ca_file, NULL), PANICMON_OK);
    if (shown) {
        ck_assert_int_eq(panicmon_settings_set(settings, "tls.cert_file", client, NULL),
                         PANICMON_OK);
        ck_assert_int_eq(panicmon_settings_set(settings, "tls.key_file", client, NULL),
                         PANICMON_OK);
    }
    seen[0] = '\0';
    ck_assert_int_eq(panicmon_runtime_new(&runtime, NULL, settings, NULL), PANICMON_OK);
    ck_assert_int_eq(panicmon_starter_new(&starter, &ops, NULL), PANICMON_OK);
    ck_assert_int_eq(panicmon_starter_set_runtime(starter, runtime), PANICMON_OK);
    ck_assert_int_eq(
        panicmon_starter_parse_and_start(starter, "k", "{\"id\": \"a\"}", 11, NULL, NULL),
        PANICMON_OK);
    ck_assert_int_eq(panicmon_runtime_start(runtime, NULL), PANICMON_OK);
    ck_assert_int_eq(panicmon_runtime_wait_idle(runtime, -1), PANICMON_OK);
    panicmon_starter_free(starter);
    panicmon_runtime_free(runtime);
    panicmon_settings_free(settings);
    ck_assert_str_eq(seen, shown ? "OK \"a node\";OK a page;" : "ERR_WS ;ERR_HTTP ;");
}

START_TEST(its_own_certificate_is_shown_to_who_demands_one)
{
    const peer_cert kind = PEER_CERT_MUTUAL;
    char ca_file[64];
    char client[80];
    (void)snprintf(ca_file, sizeof ca_file, "/tmp/test_tls_%d", (int)getpid());
    (void)snprintf(client, sizeof client, "%s.client", ca_file);
    peer *server = peer_start(serve, NULL, &kind, ca_file);
    (void)snprintf(urls[0], sizeof urls[0], "wss://localhost:%d/", peer_port(server));
    (void)snprintf(urls[1], sizeof urls[1], "https://localhost:%d/", peer_port(server));
    ask_both(ca_file, false);
    ask_both(ca_file, true);
    peer_stop(server);
    (void)unlink(client);
    (void)unlink(ca_file);
}
END_TEST

/* ---- a broker ---- */

static void note_name(peer_conn *conn)
{
    const char *name = peer_name(conn);
    (void)snprintf(conn->user, sizeof seen, "%s", name == NULL ? "none" : name);
}

/* The connection goes to an address; the name is asked for all the same, an address is not. */
START_TEST(a_broker_is_asked_for_by_its_name)
{
    static const char *const hosts[][2] = {{"localhost", "localhost"}, {"127.0.0.1", "none"}};
    const peer_cert kind = PEER_CERT_GOOD;
    char ca_file[64];
    (void)snprintf(ca_file, sizeof ca_file, "/tmp/test_tls_%d", (int)getpid());
    for (size_t i = 0; i < 2; i++) {
        peer *server = peer_start(note_name, seen, &kind, ca_file);
        const pm_amqp_options options = {
            .url = urls[0], .tls_ca_file = ca_file, .heartbeat_s = 30, .confirm_timeout_ms = 30000};
        pm_target target;
        pm_conn *conn = NULL;
        (void)snprintf(urls[0], sizeof urls[0], "amqps://%s:%d", hosts[i][0], peer_port(server));
        ck_assert_int_eq(pm_target_init(&target, &options, NULL), PANICMON_OK);
        ck_assert_int_eq(pm_conn_new(&conn, &target, "test", 8192), PANICMON_OK);
        ck_assert(!pm_conn_open(conn));
        ck_assert_ptr_nonnull(strstr(pm_conn_why(conn), "login: ")); /* not earlier */
        pm_conn_close(conn, false);
        peer_stop(server);
        ck_assert_str_eq(seen, hosts[i][1]);
        pm_conn_free(conn);
        pm_target_clear(&target);
        (void)unlink(ca_file);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("tls");
    TCase *tests = tcase_create("tls");
    tcase_add_test(tests, bad_files_are_refused);
    tcase_add_test(tests, the_context_is_made_once);
    tcase_add_test(tests, its_own_certificate_is_shown_to_who_demands_one);
    tcase_add_test(tests, a_broker_is_asked_for_by_its_name);
    tcase_set_timeout(tests, 30);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
