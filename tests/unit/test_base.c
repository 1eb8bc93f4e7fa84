/* test_base.c: buffers, UTF-8, URLs, maps, errors, the log and the state store. */
#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <panicmon/log.h>
#include <panicmon/version.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/map.h"
#include "base/url.h"
#include "base/utf8.h"
#include "net/store.h"

START_TEST(json_strings_are_escaped)
{
    pm_buf buf = {0};
    const char text[] = "a\"b\\c\n\x01\xc3\xa9\xff";
    pm_buf_json_string(&buf, text, sizeof text - 1);
    ck_assert_str_eq(buf.data, "\"a\\\"b\\\\c\\n\\u0001\xc3\xa9\\ufffd\"");
    pm_buf_free(&buf);
}
END_TEST

/* What stands for itself is copied in runs, which end at every other byte, wherever it stands. */
START_TEST(json_strings_are_escaped_at_every_place)
{
    static const char parts[][5] = {"\"", "\\", "\n", "\x1f", "\xff", "\xc3\xa9"};
    static const char *const written[] = {"\\\"", "\\\\", "\\n", "\\u001f", "\\ufffd", "\xc3\xa9"};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        for (size_t before = 0; before <= 40; before++) {
            for (size_t behind = 0; behind <= 40; behind++) {
                static const char plain[] = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
                char text[100];
                char expected[120];
                pm_buf buf = {0};
                int len = snprintf(text, sizeof text, "%.*s%s%.*s", (int)before, plain, parts[i],
                                   (int)behind, plain);
                char *exact = malloc((size_t)len); /* so that a read past the end is seen */
                memcpy(exact, text, (size_t)len);
                (void)snprintf(expected, sizeof expected, "\"%.*s%s%.*s\"", (int)before, plain,
                               written[i], (int)behind, plain);
                pm_buf_json_string(&buf, exact, (size_t)len);
                ck_assert_str_eq(buf.data, expected);
                ck_assert_uint_eq(buf.len, strlen(expected));
                free(exact);
                pm_buf_free(&buf);
            }
        }
    }
}
END_TEST

START_TEST(numbers_of_every_length_are_written)
{
    char expected[64];
    pm_buf buf = {0};
    int64_t value = 0;
    for (int digits = 1; digits <= 19; digits++) {
        value = digits < 19 ? value * 10 + digits % 10 : INT64_MAX;
        for (int64_t near = -2; near <= 2; near++) {
            int64_t number = digits < 19 ? value + near : value - 2 - near;
            pm_buf_clear(&buf);
            pm_buf_int(&buf, number);
            pm_buf_char(&buf, ' ');
            pm_buf_int(&buf, -number);
            (void)snprintf(expected, sizeof expected, "%lld %lld", (long long)number,
                           (long long)-number);
            ck_assert_str_eq(buf.data, expected);
        }
    }
    for (int64_t number = 1; number <= 1000000000; number *= 10) {
        pm_buf_clear(&buf);
        pm_buf_int(&buf, number);
        pm_buf_int(&buf, number - 1);
        (void)snprintf(expected, sizeof expected, "%lld%lld", (long long)number,
                       (long long)number - 1);
        ck_assert_str_eq(buf.data, expected);
    }
    pm_buf_free(&buf);
}
END_TEST

/* Whatever room is left, what is appended is whole and ends in a zero. */
START_TEST(a_buffer_grows_wherever_it_ends)
{
    static const char fill[] = "................................................................";
    for (size_t len = 0; len < sizeof fill; len++) {
        for (int what = 0; what < 5; what++) {
            static const char *const added[] = {"x", "a literal", "123456", "7.000009", "\"q\""};
            pm_buf buf = {0};
            pm_buf_add(&buf, fill, len);
            switch (what) {
            case 0:
                pm_buf_char(&buf, 'x');
                break;
            case 1:
                pm_buf_text(&buf, "a literal");
                break;
            case 2:
                pm_buf_int(&buf, 123456);
                break;
            case 3:
                pm_buf_seconds(&buf, 7000009);
                break;
            default:
                pm_buf_json_string(&buf, "q", 1);
                break;
            }
            ck_assert(!buf.failed && buf.len < buf.cap);
            ck_assert_uint_eq(buf.len, len + strlen(added[what]));
            ck_assert_str_eq(buf.data + len, added[what]);
            ck_assert_int_eq(memcmp(buf.data, fill, len), 0);
            pm_buf_free(&buf);
        }
    }
}
END_TEST

START_TEST(numbers_and_formats_append)
{
    pm_buf buf = {0};
    pm_buf_int(&buf, INT64_MIN);
    pm_buf_format(&buf, " %s %d", "x", 7);
    ck_assert_str_eq(buf.data, "-9223372036854775808 x 7");
    pm_buf_clear(&buf);
    pm_buf_seconds(&buf, INT64_C(1700000000000042));
    ck_assert_str_eq(buf.data, "1700000000.000042");
    pm_buf_clear(&buf);
    size_t len;
    char *taken = pm_buf_take(&buf, &len);
    ck_assert_uint_eq(len, strlen(taken));
    ck_assert_ptr_null(buf.data);
    free(taken);
}
END_TEST

START_TEST(utf8_rejects_what_rfc3629_rejects)
{
    static const char *const good[] = {"", "abc", "\xc2\x80", "\xe0\xa0\x80", "\xf4\x8f\xbf\xbf"};
    static const char *const bad[] = {
        "\x80",         "\xc0\x80",         "\xc1\xbf",         "\xe0\x9f\xbf",
        "\xed\xa0\x80", "\xf0\x8f\xbf\xbf", "\xf5\x80\x80\x80", "\xf4\x90\x80\x80",
        "\xc2",         "\xe2\x82"};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        ck_assert_msg(pm_utf8_valid(good[i], strlen(good[i])), "good %zu", i);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        ck_assert_msg(!pm_utf8_valid(bad[i], strlen(bad[i])), "bad %zu", i);
    }
}
END_TEST

START_TEST(urls_come_apart)
{
    pm_url url;
    ck_assert_int_eq(pm_url_parse(&url, "amqps://us%40er:p%3Aw@[::1]:99/v?x", "amqp amqps", NULL),
                     0);
    ck_assert(url.tls);
    ck_assert_str_eq(url.user, "us@er");
    ck_assert_str_eq(url.pass, "p:w");
    ck_assert_str_eq(url.host, "::1");
    ck_assert_uint_eq(url.port, 99);
    ck_assert_str_eq(url.path, "/v?x");
    pm_url_free(&url);
    ck_assert_int_eq(pm_url_parse(&url, "wss://host#part", "ws wss", NULL), 0);
    ck_assert_uint_eq(url.port, 443);
    ck_assert_ptr_null(url.user);
    ck_assert_str_eq(url.path, "");
    pm_url_free(&url);
}
END_TEST

START_TEST(bad_urls_are_refused_without_their_password)
{
    static const char *const bad[] = {"",
                                      "ws:/x",
                                      "http://x",
                                      "ws://",
                                      "ws://:80",
                                      "ws://x:0",
                                      "ws://x:65536",
                                      "ws://x:8a",
                                      "ws://[::1",
                                      "ws://x y",
                                      "ws://u:%zz@x",
                                      "ws://u:%00@x",
                                      "ws://[::1]8",
                                      "ws://a\"b",
                                      "ws://a\xff/x",
                                      "ws://[::1\x22]"};
    pm_url url;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        panicmon_error *err = NULL;
        ck_assert_msg(pm_url_parse(&url, bad[i], "ws wss", &err) == PANICMON_ERR_INVAL, "%s",
                      bad[i]);
        ck_assert_ptr_nonnull(err);
        panicmon_error_free(err);
    }
    panicmon_error *err = NULL;
    ck_assert_int_ne(pm_url_parse(&url, "ws://me:secret@x:99999", "ws", &err), 0);
    ck_assert_ptr_null(strstr(panicmon_error_message(err), "secret"));
    panicmon_error_free(err);
}
END_TEST

/* A WebSocket URL with a user, a password and a path of so many bytes. */
static panicmon_err parse_sized(const char *scheme, int user, int pass, int path, char *why)
{
    static const char bytes[] = "%41";
    pm_url url = {0};
    pm_buf text = {0};
    panicmon_error *err = NULL;
    pm_buf_format(&text, "%s://", scheme);
    for (int i = 0; i < user; i++) {
        pm_buf_text(&text, bytes);
    }
    pm_buf_char(&text, ':');
    for (int i = 0; i < pass; i++) {
        pm_buf_text(&text, bytes);
    }
    pm_buf_text(&text, "@host/");
    for (int i = 1; i < path; i++) {
        pm_buf_char(&text, 'p');
    }
    panicmon_err status = pm_url_parse(&url, text.data, "ws wss http https", &err);
    (void)snprintf(why, 128, "%s", err == NULL ? "" : panicmon_error_message(err));
    panicmon_error_free(err);
    pm_url_free(&url);
    pm_buf_free(&text);
    return status;
}

START_TEST(urls_of_connections_are_bounded)
{
    char why[128];
    const int pass = PM_URL_LOGIN_MAX - 101;
    ck_assert_int_eq(parse_sized("ws", 100, pass, PM_URL_PATH_MAX, why), PANICMON_OK);
    ck_assert_int_eq(parse_sized("wss", 100, pass, PM_URL_PATH_MAX, why), PANICMON_OK);
    ck_assert_int_eq(parse_sized("ws", 100, pass + 1, 1, why), PANICMON_ERR_INVAL);
    ck_assert_str_eq(why, "URL has a user:password of more than 512 bytes");
    ck_assert_int_eq(parse_sized("wss", 1, 1, PM_URL_PATH_MAX + 1, why), PANICMON_ERR_INVAL);
    ck_assert_str_eq(why, "URL has a path of more than 1024 bytes");
    ck_assert_int_eq(parse_sized("https", 3000, 3000, 3000, why), PANICMON_OK);
}
END_TEST

START_TEST(map_keeps_what_it_is_given)
{
    pm_map map = {0};
    static int values[1000];
    char key[32];
    for (int i = 0; i < 1000; i++) {
        (void)snprintf(key, sizeof key, "key%d", i);
        ck_assert(pm_map_set(&map, key, &values[i]));
    }
    for (int i = 0; i < 1000; i += 2) {
        (void)snprintf(key, sizeof key, "key%d", i);
        ck_assert_ptr_eq(pm_map_remove(&map, key), &values[i]);
        ck_assert_ptr_null(pm_map_remove(&map, key));
    }
    for (int i = 0; i < 1000; i++) {
        (void)snprintf(key, sizeof key, "key%d", i);
        ck_assert_ptr_eq(pm_map_get(&map, key), i % 2 == 0 ? NULL : &values[i]);
    }
    size_t seen = 0;
    for (size_t at = 0; pm_map_next(&map, &at, NULL, NULL);) {
        seen++;
    }
    ck_assert_uint_eq(seen, 500);
    pm_map_free(&map);
}
END_TEST

START_TEST(every_error_code_has_a_name_and_a_text)
{
    for (size_t i = 0; i < panicmon_err_count(); i++) {
        panicmon_err code;
        const char *name;
        const char *text;
        ck_assert_int_eq(panicmon_err_at(i, &code, &name, &text), 0);
        ck_assert_str_eq(panicmon_err_name(code), name);
        ck_assert_str_eq(panicmon_strerror(code), text);
    }
    ck_assert_int_eq(panicmon_err_at(panicmon_err_count(), NULL, NULL, NULL), PANICMON_ERR_INVAL);
    ck_assert_str_eq(panicmon_strerror((panicmon_err)-999), "unknown error");
    panicmon_error *err = NULL;
    ck_assert_int_eq(pm_error_setf(&err, PANICMON_ERR_PARSE, "%d", 5), PANICMON_ERR_PARSE);
    ck_assert_int_eq(panicmon_error_code(err), PANICMON_ERR_PARSE);
    ck_assert_str_eq(panicmon_error_message(err), "5");
    panicmon_error_free(err);
}
END_TEST

static void count_freed(void *user)
{
    ++*(int *)user;
}

static void keep_line(void *user, panicmon_log_level level, const char *component,
                      const char *message)
{
    (void)level;
    (void)component;
    (void)message;
    ++*(int *)user;
}

START_TEST(log_drops_what_is_above_its_level)
{
    int calls = 0;
    panicmon_log *log = NULL;
    ck_assert_int_eq(panicmon_log_new(&log, keep_line, &calls, NULL), 0);
    panicmon_log_write(log, PANICMON_LOG_INFO, "c", "m");
    panicmon_log_write(log, PANICMON_LOG_DEBUG, "c", "m");
    ck_assert_int_eq(calls, 1);
    panicmon_log_set_level(log, PANICMON_LOG_DEBUG);
    panicmon_log_write(log, PANICMON_LOG_DEBUG, "c", "m");
    ck_assert_int_eq(calls, 2);
    panicmon_log_free(log);
    int freed = 0;
    ck_assert_int_ne(panicmon_log_new(&log, NULL, &freed, count_freed), 0);
    ck_assert_int_eq(freed, 1);
}
END_TEST

static void check_store(pm_store *store)
{
    pm_buf value = {0};
    ck_assert_int_eq(pm_store_load(store, "a/b", &value), PANICMON_ERR_NOENT);
    ck_assert_int_eq(pm_store_save(store, "a/b", "one", 3), 0);
    ck_assert_int_eq(pm_store_save(store, "a/b", "second", 6), 0);
    ck_assert_int_eq(pm_store_load(store, "a/b", &value), 0);
    ck_assert_str_eq(value.data, "second");
    pm_buf_free(&value);
}

START_TEST(memory_store_keeps_values)
{
    pm_store *store = NULL;
    ck_assert_int_eq(pm_store_new_memory(&store), 0);
    check_store(store);
    pm_store_free(store);
}
END_TEST

START_TEST(directory_store_survives_and_has_one_writer)
{
    char path[] = "/tmp/pm-store-XXXXXX";
    ck_assert_ptr_nonnull(mkdtemp(path));
    pm_store *store = NULL;
    ck_assert_int_eq(pm_store_new_dir(&store, path, NULL), 0);
    check_store(store);
    pm_store *second = NULL;
    ck_assert_int_eq(pm_store_new_dir(&second, path, NULL), PANICMON_ERR_SYSTEM);
    pm_store_free(store);
    ck_assert_int_eq(pm_store_new_dir(&store, path, NULL), 0);
    pm_buf value = {0};
    ck_assert_int_eq(pm_store_load(store, "a/b", &value), 0);
    ck_assert_str_eq(value.data, "second");
    pm_buf_free(&value);
    pm_store_free(store);
    char command[64];
    (void)snprintf(command, sizeof command, "rm -r %s", path);
    ck_assert_int_eq(system(command), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("base");
    TCase *all = tcase_create("all");
    tcase_add_test(all, json_strings_are_escaped);
    tcase_add_test(all, json_strings_are_escaped_at_every_place);
    tcase_add_test(all, numbers_of_every_length_are_written);
    tcase_add_test(all, a_buffer_grows_wherever_it_ends);
    tcase_add_test(all, numbers_and_formats_append);
    tcase_add_test(all, utf8_rejects_what_rfc3629_rejects);
    tcase_add_test(all, urls_come_apart);
    tcase_add_test(all, bad_urls_are_refused_without_their_password);
    tcase_add_test(all, urls_of_connections_are_bounded);
    tcase_add_test(all, map_keeps_what_it_is_given);
    tcase_add_test(all, every_error_code_has_a_name_and_a_text);
    tcase_add_test(all, log_drops_what_is_above_its_level);
    tcase_add_test(all, memory_store_keeps_values);
    tcase_add_test(all, directory_store_survives_and_has_one_writer);
    suite_add_tcase(suite, all);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
