/* test_redis.c: the state store against a real redis-server of its own on a free port. Skipped
 * (77) where there is none. */
#include <check.h>
#include <arpa/inet.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "net/store.h"

static char directory[] = "/tmp/pm-redis-XXXXXX";
static char url[96];
static int port;
static pid_t server;
static panicmon_log *log_of_test;

static int free_port(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof at;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(fd, (struct sockaddr *)&at, size) != 0 ||
        getsockname(fd, (struct sockaddr *)&at, &size) != 0) {
        exit(1);
    }
    close(fd);
    return ntohs(at.sin_port);
}

static void start_server(void)
{
    char number[16];
    (void)snprintf(number, sizeof number, "%d", port);
    server = fork();
    ck_assert_int_ge(server, 0);
    if (server == 0) {
        execlp("redis-server", "redis-server", "--port", number, "--bind", "127.0.0.1", "--dir",
               directory, "--save", "", "--appendonly", "yes", "--appendfsync", "always",
               "--requirepass", "p@ss/w:rd", "--unixsocket", "socket", "--loglevel", "warning",
               "--logfile", "log", (char *)NULL);
        _exit(127);
    }
}

static void kill_server(void)
{
    kill(server, SIGKILL);
    (void)waitpid(server, NULL, 0);
}

/* Says one thing to the server, over a connection of its own, and gives the first line it says. */
static const char *tell_server(const char *command)
{
    static char answer[256];
    const struct sockaddr_in at = {.sin_family = AF_INET,
                                   .sin_port = htons((uint16_t)port),
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    FILE *server_end = fdopen(fd, "r+");
    ck_assert_ptr_nonnull(server_end);
    ck_assert_int_eq(connect(fd, (const struct sockaddr *)&at, sizeof at), 0);
    ck_assert_int_gt(dprintf(fd, "AUTH p@ss/w:rd\r\n%s\r\n", command), 0);
    ck_assert_ptr_nonnull(fgets(answer, sizeof answer, server_end));
    ck_assert_str_eq(answer, "+OK\r\n");
    ck_assert_ptr_nonnull(fgets(answer, sizeof answer, server_end));
    (void)fclose(server_end);
    return answer;
}

/* How many connections the server has had so far, with this one. */
static long count_connections(void)
{
    return strtol(tell_server("CLIENT ID") + 1, NULL, 10);
}

static pthread_mutex_t log_lock = PTHREAD_MUTEX_INITIALIZER;
static char log_text[8192]; /* guarded by log_lock */

static void see_record(void *user, panicmon_log_level level, const char *component,
                       const char *message)
{
    (void)user;
    (void)level;
    pthread_mutex_lock(&log_lock);
    size_t len = strlen(log_text);
    (void)snprintf(log_text + len, sizeof log_text - len, "%s: %s\n", component, message);
    pthread_mutex_unlock(&log_lock);
}

static int count_logged(const char *text)
{
    int count = 0;
    pthread_mutex_lock(&log_lock);
    for (const char *at = log_text; (at = strstr(at, text)) != NULL; at++) {
        count++;
    }
    pthread_mutex_unlock(&log_lock);
    return count;
}

/* Loads until it works or ten seconds passed: the server may still be starting. */
static panicmon_err load(pm_store *store, const char *key, pm_buf *value)
{
    panicmon_err status;
    int64_t until = pm_mono_ms() + 10000;
    do {
        status = pm_store_load(store, key, value);
    } while (status == PANICMON_ERR_REDIS && pm_mono_ms() < until);
    return status;
}

static pm_store *open_store(const char *at)
{
    pm_store *store = NULL;
    panicmon_error *err = NULL;
    ck_assert_msg(pm_store_new_redis(&store, at, "t:", log_of_test, &err) == PANICMON_OK, "%s",
                  panicmon_error_message(err));
    return store;
}

static void expect(const char *at, const char *key, const char *text)
{
    pm_store *store = open_store(at);
    pm_buf value = {0};
    ck_assert_int_eq(load(store, key, &value), PANICMON_OK);
    ck_assert_str_eq(value.data, text);
    pm_buf_free(&value);
    pm_store_free(store);
}

/* Waits until the server answers. */
static void expect_soon(void)
{
    pm_buf value = {0};
    pm_store *store = open_store(url);
    ck_assert_int_eq(load(store, "none", &value), PANICMON_ERR_NOENT);
    pm_store_free(store);
    pm_buf_free(&value);
}

START_TEST(values_survive_in_redis)
{
    pm_buf value = {0};
    start_server();
    pm_store *store = open_store(url);
    ck_assert_int_eq(load(store, "none", &value), PANICMON_ERR_NOENT);
    ck_assert_int_eq(pm_store_save(store, "k", "one", 3), PANICMON_OK);
    ck_assert_int_eq(pm_store_save(store, "k", "two", 3), PANICMON_OK);
    ck_assert_int_eq(load(store, "k", &value), PANICMON_OK);
    ck_assert_str_eq(value.data, "two");
    pm_buf_free(&value);
    pm_store_free(store);
    expect(url, "k", "two");
    kill_server();
}
END_TEST

START_TEST(writes_while_redis_is_away_are_sent_when_it_is_back)
{
    start_server();
    pm_store *store = open_store(url);
    ck_assert_int_eq(pm_store_save(store, "a", "1", 1), PANICMON_OK);
    pm_buf value = {0};
    ck_assert_int_eq(load(store, "other", &value), PANICMON_ERR_NOENT); /* "a" went before it */
    kill_server();
    ck_assert_int_eq(pm_store_save(store, "a", "2", 1), PANICMON_OK);
    ck_assert_int_eq(pm_store_load(store, "a", &value), PANICMON_OK);
    ck_assert_str_eq(value.data, "2");
    pm_buf_clear(&value);
    ck_assert_int_eq(pm_store_load(store, "unseen", &value), PANICMON_ERR_REDIS);
    start_server();
    ck_assert_int_eq(load(store, "unseen", &value), PANICMON_ERR_NOENT);
    pm_store_free(store);
    pm_buf_free(&value);
    expect(url, "a", "2");
    kill_server();
}
END_TEST

/* A server that is full refuses writes, and goes on to read; nothing is lost once it has room. */
START_TEST(what_is_refused_keeps_nothing_else)
{
    pm_buf value = {0};
    start_server();
    expect_soon();
    ck_assert_int_eq(panicmon_log_new(&log_of_test, see_record, NULL, NULL), PANICMON_OK);
    pm_store *store = open_store(url);
    ck_assert_int_eq(load(store, "none", &value), PANICMON_ERR_NOENT);
    ck_assert_str_eq(tell_server("CONFIG SET maxmemory 1"), "+OK\r\n");
    long connections = count_connections();
    ck_assert_int_eq(pm_store_save(store, "a", "1", 1), PANICMON_OK);
    ck_assert_int_eq(pm_store_save(store, "b", "2", 1), PANICMON_OK);
    /* refused, and not only late */
    ck_assert_int_eq(pm_store_sync(store, pm_mono_ms() + 20000), PANICMON_ERR_REDIS);
    for (int i = 0; i < 10; i++) {
        char key[16];
        (void)snprintf(key, sizeof key, "other%d", i);
        ck_assert_int_eq(pm_store_load_until(store, key, pm_mono_ms() + 20000, &value),
                         PANICMON_ERR_NOENT);
        (void)usleep(100000);
    }
    ck_assert_int_eq(pm_store_load(store, "a", &value), PANICMON_OK);
    ck_assert_int_eq(count_connections(), connections + 1); /* it hangs up on nobody */
    ck_assert_int_eq(count_logged("redis: refused: OOM command not allowed"), 1);
    ck_assert_str_eq(tell_server("CONFIG SET maxmemory 0"), "+OK\r\n");
    int64_t until = pm_mono_ms() + 20000;
    while (pm_store_sync(store, until) != PANICMON_OK && pm_mono_ms() < until) {
        (void)usleep(20000);
    }
    pm_store_free(store);
    ck_assert_int_eq(count_logged("redis: nothing is refused any more"), 1);
    ck_assert_int_eq(count_logged("refused: "), 1);
    ck_assert_int_eq(count_logged("away"), 0);
    panicmon_log_free(log_of_test);
    log_of_test = NULL;
    expect(url, "a", "1");
    expect(url, "b", "2");
    pm_buf_free(&value);
    kill_server();
}
END_TEST

START_TEST(what_is_refused_is_tried_once_more_at_the_end)
{
    start_server();
    expect_soon();
    pm_store *store = open_store(url);
    ck_assert_str_eq(tell_server("CONFIG SET maxmemory 1"), "+OK\r\n");
    ck_assert_int_eq(pm_store_save(store, "a", "1", 1), PANICMON_OK);
    ck_assert_int_eq(pm_store_sync(store, pm_mono_ms() + 20000), PANICMON_ERR_REDIS);
    ck_assert_int_eq(pm_store_save(store, "a", "2", 1), PANICMON_OK);
    ck_assert_str_eq(tell_server("CONFIG SET maxmemory 0"), "+OK\r\n");
    pm_store_free(store);
    expect(url, "a", "2");
    kill_server();
}
END_TEST

/* One that cannot be read, as it is no text, takes no other with it. */
START_TEST(a_value_that_is_none_of_ours_is_written_anew)
{
    pm_buf value = {0};
    start_server();
    expect_soon();
    ck_assert_str_eq(tell_server("LPUSH t:list one two"), ":2\r\n");
    pm_store *store = open_store(url);
    ck_assert_int_eq(pm_store_load_until(store, "list", pm_mono_ms() + 20000, &value),
                     PANICMON_ERR_REDIS);
    ck_assert_int_eq(pm_store_load_until(store, "other", pm_mono_ms() + 20000, &value),
                     PANICMON_ERR_NOENT);
    ck_assert_int_eq(pm_store_save(store, "a", "1", 1), PANICMON_OK);
    ck_assert_int_eq(pm_store_sync(store, pm_mono_ms() + 20000), PANICMON_OK);
    ck_assert_int_eq(pm_store_save(store, "list", "text", 4), PANICMON_OK);
    ck_assert_int_eq(pm_store_sync(store, pm_mono_ms() + 20000), PANICMON_OK);
    pm_store_free(store);
    expect(url, "list", "text");
    pm_buf_free(&value);
    kill_server();
}
END_TEST

START_TEST(databases_are_apart_and_bad_urls_refused)
{
    char other[128];
    pm_buf value = {0};
    start_server();
    (void)snprintf(other, sizeof other, "%s/3", url);
    pm_store *store = open_store(other);
    ck_assert_int_eq(pm_store_save(store, "d", "x", 1), PANICMON_OK);
    ck_assert_int_eq(load(store, "d2", &value), PANICMON_ERR_NOENT);
    pm_store_free(store);
    expect(other, "d", "x");
    store = open_store(url);
    ck_assert_int_eq(load(store, "d", &value), PANICMON_ERR_NOENT);
    pm_store_free(store);
    static const char *const bad[] = {"redis://h/x",       "redis://h/-1",    "unix:relative",
                                      "unix:/run/s?db=x",  "unix://host/run", "unix://:p@host/run",
                                      "unix://:p%zz@/run", "http://h"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        ck_assert_int_eq(pm_store_new_redis(&store, bad[i], "t:", NULL, NULL), PANICMON_ERR_INVAL);
    }
    pm_buf_free(&value);
    kill_server();
}
END_TEST

START_TEST(a_socket_of_this_machine_with_password_and_database)
{
    char at[160];
    pm_buf value = {0};
    start_server();
    expect_soon(); /* the socket is there once the port is */
    (void)snprintf(at, sizeof at, "unix://:p%%40ss%%2Fw%%3Ard@%s/socket?db=5", directory);
    pm_store *store = open_store(at);
    ck_assert_int_eq(load(store, "none", &value), PANICMON_ERR_NOENT);
    ck_assert_int_eq(pm_store_save(store, "s", "by the socket", 13), PANICMON_OK);
    pm_store_free(store);
    expect(at, "s", "by the socket");
    (void)snprintf(at, sizeof at, "%s/5", url);
    expect(at, "s", "by the socket");
    /* named by its user */
    (void)snprintf(at, sizeof at, "unix://default:p%%40ss%%2Fw%%3Ard@%s/socket?db=5", directory);
    expect(at, "s", "by the socket");
    /* the database is another, and the password is asked for */
    (void)snprintf(at, sizeof at, "unix://:p%%40ss%%2Fw%%3Ard@%s/socket", directory);
    store = open_store(at);
    ck_assert_int_eq(load(store, "s", &value), PANICMON_ERR_NOENT);
    pm_store_free(store);
    static const char *const refused[] = {"unix://:wrong@", "unix:"};
    for (size_t i = 0; i < 2; i++) {
        (void)snprintf(at, sizeof at, "%s%s/socket?db=5", refused[i], directory);
        store = open_store(at);
        ck_assert_int_eq(pm_store_load_until(store, "s", pm_mono_ms() + 1000, &value),
                         PANICMON_ERR_REDIS);
        pm_store_free(store);
    }
    pm_buf_free(&value);
    kill_server();
}
END_TEST

int main(void)
{
    if (system("command -v redis-server >/dev/null") != 0) {
        puts("skipped: redis-server is not installed");
        return 77;
    }
    if (mkdtemp(directory) == NULL) {
        return 1;
    }
    port = free_port();
    (void)snprintf(url, sizeof url, "redis://:p%%40ss%%2Fw%%3Ard@127.0.0.1:%d", port);
    Suite *suite = suite_create("redis");
    TCase *all = tcase_create("all");
    tcase_set_timeout(all, 60);
    tcase_add_test(all, values_survive_in_redis);
    tcase_add_test(all, writes_while_redis_is_away_are_sent_when_it_is_back);
    tcase_add_test(all, what_is_refused_keeps_nothing_else);
    tcase_add_test(all, what_is_refused_is_tried_once_more_at_the_end);
    tcase_add_test(all, a_value_that_is_none_of_ours_is_written_anew);
    tcase_add_test(all, a_socket_of_this_machine_with_password_and_database);
    tcase_add_test(all, databases_are_apart_and_bad_urls_refused);
    suite_add_tcase(suite, all);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    char command[64];
    (void)snprintf(command, sizeof command, "rm -rf %s", directory);
    return system(command) == 0 && failed == 0 ? 0 : 1;
}
