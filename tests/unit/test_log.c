/* test_log.c: the log: one line a record whatever is in it and whoever writes, and repeated grave
 * records folded. */
#include <check.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <panicmon/log.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/log.h"
#include "base/log_fold.h"

#define THREADS 8
#define RECORDS 200
#define LONG    9000 /* more than a pipe takes in one piece */

/* ---- folding ---- */

static pm_buf told; /* records, each "component: message;" */

static void tell(void *user, panicmon_log_level level, const char *component, const char *message)
{
    (void)user;
    (void)level;
    pm_buf_format(&told, "%s: %s;", component, message);
}

START_TEST(repeated_errors_are_counted_and_nothing_else_is)
{
    panicmon_log *log = NULL;
    ck_assert_int_eq(panicmon_log_new(&log, tell, NULL, NULL), PANICMON_OK);
    for (int i = 0; i < 13; i++) {
        pm_logf(log, PANICMON_LOG_ERROR, "redis", "away: %s", "refused");
    }
    pm_logf(log, PANICMON_LOG_WARNING, "redis", "away: refused"); /* another level */
    pm_logf(log, PANICMON_LOG_ERROR, "broker", "away: refused");  /* another component */
    for (int i = 0; i < 2; i++) {
        pm_logf(log, PANICMON_LOG_INFO, "redis", "back");
    }
    ck_assert_str_eq(told.data, "redis: away: refused;redis: away: refused;broker: away: refused;"
                                "redis: back;redis: back;");
    pm_buf_clear(&told);
    panicmon_log_free(log);
    ck_assert_ptr_nonnull(strstr(told.data, "redis: away: refused (12 times more in "));
    ck_assert_ptr_null(strstr(told.data, "broker"));
    pm_buf_free(&told);
}
END_TEST

static bool take(pm_log_fold *fold, panicmon_log_level level, const char *message, int64_t now,
                 pm_folded **due)
{
    *due = NULL;
    return pm_log_fold_take(fold, level, "c", message, now, due);
}

START_TEST(a_count_is_told_with_the_next_record_once_its_minute_is_over)
{
    pm_log_fold *fold = pm_log_fold_new();
    pm_folded *due;
    ck_assert(!take(fold, PANICMON_LOG_ERROR, "m", 1000, &due) && due == NULL);
    ck_assert(take(fold, PANICMON_LOG_ERROR, "m", 2000, &due) && due == NULL);
    ck_assert(take(fold, PANICMON_LOG_ERROR, "m", 60999, &due) && due == NULL);
    ck_assert(!take(fold, PANICMON_LOG_DEBUG, "other", 60999, &due) && due == NULL);
    ck_assert(!take(fold, PANICMON_LOG_DEBUG, "other", 61000, &due) && due != NULL);
    ck_assert_str_eq(due->message, "m (2 times more in 60 s)");
    ck_assert_int_eq(due->level, PANICMON_LOG_ERROR);
    ck_assert_ptr_null(due->next);
    pm_folded_free(due);
    ck_assert(!take(fold, PANICMON_LOG_ERROR, "m", 61001, &due) && due == NULL);
    ck_assert_ptr_null(pm_log_fold_end(fold, 61002)); /* it came once */
    pm_log_fold_free(fold);
}
END_TEST

START_TEST(many_different_errors_keep_their_counts)
{
    pm_log_fold *fold = pm_log_fold_new();
    pm_folded *due;
    char message[32];
    unsigned long counted = 0;
    for (int i = 0; i < 500; i++) {
        (void)snprintf(message, sizeof message, "m%d", i);
        for (int k = 0; k < 3; k++) {
            ck_assert(take(fold, PANICMON_LOG_WARNING, message, i, &due) == (k > 0));
            for (pm_folded *next; due != NULL; due = next) {
                ck_assert_ptr_nonnull(strstr(due->message, " (2 times more in 0 s)"));
                next = due->next;
                pm_folded_free(due);
                counted++;
            }
        }
    }
    for (pm_folded *next, *rest = pm_log_fold_end(fold, 500); rest != NULL; rest = next) {
        next = rest->next;
        pm_folded_free(rest);
        counted++;
    }
    ck_assert_uint_eq(counted, 500);
    pm_log_fold_free(fold);
}
END_TEST

/* ---- lines ---- */

static panicmon_log *piped;

static void *write_many(void *arg)
{
    const char *letter = arg;
    char *text = malloc(LONG + 1);
    memset(text, *letter, LONG);
    text[LONG] = '\0';
    for (int i = 0; i < RECORDS; i++) {
        panicmon_log_write(piped, PANICMON_LOG_INFO, letter, text);
    }
    free(text);
    return NULL;
}

static void *read_all(void *arg)
{
    pm_buf *all = arg;
    char chunk[65536];
    int in = *(int *)all->data;
    ssize_t got;
    pm_buf_clear(all);
    while ((got = read(in, chunk, sizeof chunk)) > 0) {
        pm_buf_add(all, chunk, (size_t)got);
    }
    return NULL;
}

START_TEST(lines_of_threads_never_mix)
{
    static const char letters[] = "a\0b\0c\0d\0e\0f\0g\0h";
    int ends[2];
    pthread_t threads[THREADS];
    pthread_t reader;
    pm_buf all = {0};
    ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
    ck_assert_int_eq(fcntl(ends[1], F_SETFL, O_NONBLOCK), 0);
    ck_assert_int_eq(panicmon_log_new_fd(&piped, ends[1], PANICMON_LOG_JSON), PANICMON_OK);
    pm_buf_add(&all, &ends[0], sizeof ends[0]);
    ck_assert_int_eq(pthread_create(&reader, NULL, read_all, &all), 0);
    for (int i = 0; i < THREADS; i++) {
        ck_assert_int_eq(
            pthread_create(&threads[i], NULL, write_many, (char *)(uintptr_t)&letters[2 * i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        (void)pthread_join(threads[i], NULL);
    }
    (void)close(ends[1]);
    (void)pthread_join(reader, NULL);
    size_t lines = 0;
    for (char *at = all.data, *end; (end = strchr(at, '\n')) != NULL; at = end + 1) {
        pm_json record;
        pm_buf message = {0};
        ck_assert(pm_json_parse(at, (size_t)(end - at), &record, NULL));
        ck_assert(pm_json_string(pm_json_member(record, "message"), &message));
        ck_assert_uint_eq(message.len, LONG);
        ck_assert_uint_eq(strspn(message.data, (char[]){message.data[0], 0}), LONG);
        pm_buf_free(&message);
        lines++;
    }
    ck_assert_uint_eq(lines, THREADS * RECORDS);
    panicmon_log_free(piped);
    (void)close(ends[0]);
    pm_buf_free(&all);
}
END_TEST

START_TEST(a_full_pipe_costs_records_but_tears_no_line)
{
    int ends[2];
    char *text = malloc(LONG + 1);
    char chunk[65536];
    pm_buf all = {0};
    ssize_t got;
    memset(text, 'x', LONG);
    text[LONG] = '\0';
    ck_assert_int_eq(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
    ck_assert_int_eq(panicmon_log_new_fd(&piped, ends[1], PANICMON_LOG_TEXT), PANICMON_OK);
    for (int i = 0; i < 10; i++) { /* a pipe holds 64 KiB */
        panicmon_log_write(piped, PANICMON_LOG_INFO, "c", text);
    }
    while ((got = read(ends[0], chunk, sizeof chunk)) > 0) {
        pm_buf_add(&all, chunk, (size_t)got);
    }
    panicmon_log_write(piped, PANICMON_LOG_INFO, "c", "the last");
    got = read(ends[0], chunk, sizeof chunk - 1);
    ck_assert_int_gt(got, 0);
    pm_buf_add(&all, chunk, (size_t)got);
    const char *last = strstr(all.data, "the last");
    ck_assert_ptr_nonnull(last);
    const char *start = memrchr(all.data, '\n', (size_t)(last - all.data));
    ck_assert_ptr_nonnull(start);
    ck_assert_int_lt(last - start, 64); /* its own line, with its stamp only */
    panicmon_log_free(piped);
    (void)close(ends[0]);
    (void)close(ends[1]);
    pm_buf_free(&all);
    free(text);
}
END_TEST

START_TEST(a_record_is_one_line_whatever_is_in_it)
{
    static const char text[] = "a\nb\r\tc\033[2Jd\302\233e\342\200\250f\177g";
    static const panicmon_log_format formats[] = {PANICMON_LOG_TEXT, PANICMON_LOG_JSON};
    for (size_t i = 0; i < 2; i++) {
        int ends[2];
        char line[512] = {0};
        ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
        ck_assert_int_eq(panicmon_log_new_fd(&piped, ends[1], formats[i]), PANICMON_OK);
        panicmon_log_write(piped, PANICMON_LOG_ERROR, "x\ny", text);
        pm_logf(piped, PANICMON_LOG_ERROR, "x", "%s", "");
        ssize_t got = read(ends[0], line, sizeof line - 1);
        ck_assert_int_gt(got, 0);
        ck_assert_ptr_nonnull(strstr(line, "a b  c [2Jd e f g"));
        ck_assert_ptr_nonnull(strstr(line, "x y"));
        size_t breaks = 0;
        for (const char *at = line; *at != '\0'; at++) {
            breaks += *at == '\n';
        }
        ck_assert_uint_eq(breaks, 2);
        panicmon_log_free(piped);
        (void)close(ends[0]);
        (void)close(ends[1]);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("log");
    TCase *all = tcase_create("all");
    tcase_set_timeout(all, 30);
    tcase_add_test(all, repeated_errors_are_counted_and_nothing_else_is);
    tcase_add_test(all, a_count_is_told_with_the_next_record_once_its_minute_is_over);
    tcase_add_test(all, many_different_errors_keep_their_counts);
    tcase_add_test(all, lines_of_threads_never_mix);
    tcase_add_test(all, a_full_pipe_costs_records_but_tears_no_line);
    tcase_add_test(all, a_record_is_one_line_whatever_is_in_it);
    suite_add_tcase(suite, all);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
