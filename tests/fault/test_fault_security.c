/* test_fault_security.c: panicmond with TLS towards broker and nodes: certificates and host names
 * are verified, the client's own certificate is shown, and secrets stand nowhere. Also: the log's
 * level and format. Skipped (77) where broker, daemon or simulator are missing. */
#include <check.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "broker.h"
#include "daemonproc.h"
#include "panicside.h"
#include "simproc.h"

#define KEY    "chains.substrate.polkadot.nodes_config"
#define SECRET "s3cret"

static simproc sim;
static char cert[256];
static char key[256];
static daemonproc daemon_;
static panicside *side;

static void set_up(void)
{
    ck_assert(daemon_init(&daemon_));
    ck_assert(broker_is_up() || broker_restart());
    side = panic_open();
    (void)panic_read(side, NULL, NULL, 100);
}

static void tear_down(void)
{
    ck_assert(!daemon_logged(&daemon_, SECRET));
    ck_assert(!daemon_logged(&daemon_, "Sanitizer"));
    panic_close(side);
    daemon_clean(&daemon_);
}

/* `host`: of the broker and of the node. */
static void start_daemon(const char *host, const char *ca, const char *more)
{
    pm_buf config = {0};
    pm_buf_format(
        &config,
        "{\"broker\": {\"url_file\": \"%s/url\"}, \"tls.ca_file\": \"%s\", \"period\": 0.5"
        "%s, \"configs\": {\"" KEY "\": {\"n1\": {\"node_id\": \"n1\", \"ws_url\": "
        "\"wss://user:" SECRET "@%s:%u/1\"}}}}",
        daemon_.dir, ca, more, host, (unsigned)sim.port);
    daemon_configure(&daemon_, config.data);
    pm_buf_clear(&config);
    pm_buf_format(&config, "%s/url", daemon_.dir);
    FILE *file = fopen(config.data, "we");
    ck_assert_ptr_nonnull(file);
    (void)fprintf(file, "amqps://panic:" SECRET "@%s:%d/", host, broker_tls_port());
    (void)fclose(file);
    pm_buf_free(&config);
    ck_assert(daemon_start(&daemon_));
}

static void await_log(const char *text)
{
    int64_t until = test_now_ms() + 20000 * test_factor();
    while (!daemon_logged(&daemon_, text)) {
        ck_assert_msg(daemon_runs(&daemon_), "the daemon ended");
        ck_assert_msg(test_now_ms() < until, "was not logged: %s", text);
        test_sleep_ms(20);
    }
}

static void stop_daemon(void)
{
    int64_t took = 0;
    ck_assert(!daemon_shows(&daemon_, SECRET));
    ck_assert_int_eq(daemon_stop(&daemon_, &took), 0);
    ck_assert_int_lt(took, 2000 * test_factor());
}

static void run(const char *format)
{
    char command[1024];
    (void)snprintf(command, sizeof command, format, broker_file(""));
    ck_assert_int_eq(system(command), 0);
}

START_TEST(the_right_certificates_are_taken_and_its_own_is_shown)
{
    char ca[256];
    char more[768];
    simproc demanding; /* of a client certificate, as the broker only asks for one */
    const char *options[] = {"--nodes", "2", "--block-time", "1", "--cert", cert,
                             "--key",   key, "--client-ca",  ca,  NULL};
    (void)snprintf(ca, sizeof ca, "%s", broker_file("ca.pem"));
    ck_assert(simproc_start(&demanding, options));
    sim = demanding; /* in this test's process only */
    run("cd %s && exec >>openssl.log 2>&1 && openssl req -newkey rsa:2048 -nodes -subj "
        "/CN=panicmond -keyout client.key -out client.csr && openssl x509 -req -in client.csr -CA "
        "ca.pem -CAkey ca.key -CAcreateserial -days 2 -out client.pem");
    /* without its own certificate the node is lost */
    start_daemon("localhost", ca, "");
    await_log("Node n1 is unreachable");
    ck_assert_int_eq(daemon_last_figure(&daemon_, "results"), 0);
    stop_daemon();
    (void)panic_read(side, NULL, NULL, 100);
    (void)snprintf(more, sizeof more, ", \"tls.cert_file\": \"%s\"", broker_file("client.pem"));
    size_t len = strlen(more);
    (void)snprintf(more + len, sizeof more - len, ", \"tls.key_file\": \"%s\"",
                   broker_file("client.key"));
    start_daemon("localhost", ca, more);
    char *body = panic_await(side, "raw_data", "node.substrate", "\"result\"", 20000);
    ck_assert_ptr_nonnull(body); /* so both the broker and the node were taken */
    ck_assert_ptr_null(strstr(body, SECRET));
    free(body);
    char *text = panic_ctl("list_connections user ssl peer_cert_subject");
    ck_assert_msg(strstr(text, "panic\ttrue\tCN=panicmond") != NULL, "%s", text);
    free(text);
    stop_daemon();
    (void)simproc_stop(&demanding);
}
END_TEST

START_TEST(a_broker_and_a_node_of_another_name_are_refused)
{
    char ca[256];
    (void)snprintf(ca, sizeof ca, "%s", broker_file("ca.pem"));
    start_daemon("127.0.0.1", ca, "");
    await_log("the broker is away (");
    await_log("Node n1 is unreachable");
    test_sleep_ms(1000);
    ck_assert_int_eq(daemon_figure(&daemon_, "messages_confirmed"), 0);
    ck_assert_int_eq(daemon_last_figure(&daemon_, "results"), 0);
    stop_daemon();
}
END_TEST

START_TEST(a_broker_and_a_node_of_another_ca_are_refused)
{
    char ca[256];
    run("cd %s && exec >>openssl.log 2>&1 && openssl req -x509 -newkey rsa:2048 -nodes -days 2 "
        "-subj /CN=other -keyout other.key -out other.pem");
    (void)snprintf(ca, sizeof ca, "%s", broker_file("other.pem"));
    start_daemon("localhost", ca, "");
    await_log("the broker is away (");
    await_log("Node n1 is unreachable");
    test_sleep_ms(1000);
    ck_assert_int_eq(daemon_figure(&daemon_, "messages_confirmed"), 0);
    ck_assert_int_eq(daemon_last_figure(&daemon_, "results"), 0);
    stop_daemon();
}
END_TEST

/* ---- the log ---- */

static void write_level(const char *level, const char *format)
{
    pm_buf config = {0};
    pm_buf_format(&config,
                  "{\"broker.url\": \"amqp://panic:" SECRET "@127.0.0.1:1\", \"period\": 0.2, "
                  "\"log.level\": \"%s\", \"log.format\": \"%s\", \"configs\": {\"" KEY
                  "\": {\"n1\": {\"node_id\": \"n1\\n\\u001b[2J\", \"ws_url\": "
                  "\"ws://127.0.0.1:1/1\"}}}}",
                  level, format);
    daemon_configure(&daemon_, config.data);
    pm_buf_free(&config);
}

static void change_level(const char *level, const char *format)
{
    size_t reads = daemon_log_count(&daemon_, "was read again");
    write_level(level, format);
    daemon_signal(&daemon_, SIGHUP);
    int64_t until = test_now_ms() + 20000 * test_factor();
    while (daemon_log_count(&daemon_, "was read again") == reads) {
        ck_assert_int_lt(test_now_ms(), until);
        test_sleep_ms(10);
    }
}

START_TEST(the_level_changes_while_it_runs_and_every_line_is_json)
{
    write_level("info", "json");
    ck_assert(daemon_start(&daemon_));
    await_log("is unreachable");
    ck_assert_uint_eq(daemon_log_count(&daemon_, "\"debug\""), 0);
    change_level("debug", "json");
    await_log("round of");
    change_level("info", "json");
    test_sleep_ms(100);
    size_t count = daemon_log_count(&daemon_, "\"debug\"");
    test_sleep_ms(800);
    ck_assert_uint_eq(daemon_log_count(&daemon_, "\"debug\""), count);
    stop_daemon();
    char *log = daemon_log(&daemon_);
    size_t lines = 0;
    for (char *at = log, *end; (end = strchr(at, '\n')) != NULL; at = end + 1, lines++) {
        *end = '\0';
        json_t *record = json_loads(at, 0, NULL);
        ck_assert_msg(record != NULL && json_object_size(record) == 4, "not a record: %s", at);
        json_decref(record);
    }
    ck_assert_uint_gt(lines, 10);
    ck_assert_ptr_null(strchr(log, '\033'));
    free(log);
}
END_TEST

int main(void)
{
    const char *options[] = {"--nodes", "5", "--block-time", "1", "--cert", cert, "--key",
                             key,       NULL};
    const char *missing = broker_missing();
    if (missing != NULL || getenv("PANICMOND") == NULL || getenv("PANICMON_SIM") == NULL) {
        printf("skipped: %s\n", missing != NULL ? missing : "needs panicmond and panicmon-sim");
        return 77;
    }
    if (!broker_start(true)) {
        puts("the broker did not start");
        return 1;
    }
    free(panic_ctl("add_user panic " SECRET));
    free(panic_ctl("set_permissions panic '.*' '.*' '.*'"));
    (void)snprintf(cert, sizeof cert, "%s", broker_file("broker.pem"));
    (void)snprintf(key, sizeof key, "%s", broker_file("broker.key"));
    if (!simproc_start(&sim, options)) {
        puts("the simulator did not start");
        return 1;
    }
    Suite *suite = suite_create("fault_security");
    TCase *all = tcase_create("all");
    tcase_set_timeout(all, 60);
    tcase_add_checked_fixture(all, set_up, tear_down);
    tcase_add_test(all, the_right_certificates_are_taken_and_its_own_is_shown);
    tcase_add_test(all, a_broker_and_a_node_of_another_name_are_refused);
    tcase_add_test(all, a_broker_and_a_node_of_another_ca_are_refused);
    tcase_add_test(all, the_level_changes_while_it_runs_and_every_line_is_json);
    suite_add_tcase(suite, all);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_VERBOSE);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    (void)simproc_stop(&sim);
    broker_stop();
    return failed == 0 ? 0 : 1;
}
