/* test_sink.c: the callback, JSON lines and queue sinks. */
#include <check.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/thread.h"
#include "net/sink.h"

typedef struct outcome {
    panicmon_err status;
    int times;
    char message[128];
} outcome;

static void note_done(pm_request *request)
{
    outcome *at = request->owner;
    at->status = request->status;
    at->times++;
    (void)snprintf(at->message, sizeof at->message, "%s",
                   request->message == NULL ? "" : request->message);
}

static outcome publish_until(pm_channel *channel, const char *exchange, const char *key,
                             const char *body, int64_t deadline)
{
    outcome result = {.status = PANICMON_ERR_STATE};
    pm_request request = {.kind = PM_REQUEST_PUBLISH,
                          .target = strdup(exchange),
                          .name = strdup(key),
                          .deadline = deadline,
                          .on_done = note_done,
                          .owner = &result};
    pm_buf_text(&request.in, body);
    channel->ops->submit(channel, &request);
    while (result.times == 0) { /* it waits for its reader */
        (void)usleep(1000);
        (void)channel->ops->service(channel, pm_mono_ms());
    }
    ck_assert_int_eq(result.times, 1);
    pm_request_clear(&request);
    return result;
}

static outcome publish(pm_channel *channel, const char *exchange, const char *key, const char *body)
{
    return publish_until(channel, exchange, key, body, pm_mono_ms() + 20000);
}

static pm_channel *open_channel(panicmon_sink *sink)
{
    pm_channel *channel = NULL;
    ck_assert_int_eq(sink->ops->open(sink, NULL, NULL, "test", &channel), PANICMON_OK);
    return channel;
}

static void close_channel(pm_channel *channel)
{
    channel->ops->close(channel, 0);
    channel->ops->release(channel);
}

static void expect_counts(const panicmon_sink *sink, int64_t produced, int64_t confirmed,
                          int64_t full, int64_t failed)
{
    const pm_sink_counts *counts = &sink->counts;
    ck_assert_int_eq(atomic_load(&counts->produced), produced);
    ck_assert_int_eq(atomic_load(&counts->confirmed), confirmed);
    ck_assert_int_eq(atomic_load(&counts->dropped_full), full);
    ck_assert_int_eq(atomic_load(&counts->dropped_failed), failed);
    ck_assert_int_eq(atomic_load(&counts->dropped), full + failed);
}

/* ---- callback ---- */

typedef struct seen {
    char text[256];
    panicmon_err give;
    int freed;
} seen;

static panicmon_err see(void *user, const char *exchange, const char *key, const char *body,
                        size_t len)
{
    seen *at = user;
    ck_assert_uint_eq(strlen(body), len);
    (void)snprintf(at->text, sizeof at->text, "%s|%s|%s", exchange, key, body);
    return at->give;
}

static void count_free(void *user)
{
    seen *at = user;
    at->freed++;
}

START_TEST(callback_sees_every_message_and_its_answer_counts)
{
    seen at = {.give = PANICMON_OK};
    panicmon_sink *sink = NULL;
    ck_assert_int_eq(panicmon_sink_new_callback(&sink, see, &at, count_free), PANICMON_OK);
    pm_channel *channel = open_channel(sink);
    ck_assert_int_eq(publish(channel, "raw_data", "node.substrate", "{}").status, PANICMON_OK);
    ck_assert_str_eq(at.text, "raw_data|node.substrate|{}");
    ck_assert_int_eq(publish(channel, "e", "k", "").status, PANICMON_OK);
    ck_assert_str_eq(at.text, "e|k|");
    at.give = PANICMON_ERR_LIMIT;
    ck_assert_int_eq(publish(channel, "e", "k", "{}").status, PANICMON_ERR_CALLBACK);
    expect_counts(sink, 3, 2, 0, 1);
    panicmon_sink_free(sink);
    ck_assert_int_eq(at.freed, 0); /* the channel holds it */
    close_channel(channel);
    ck_assert_int_eq(at.freed, 1);
    ck_assert_int_eq(panicmon_sink_new_callback(&sink, NULL, &at, count_free), PANICMON_ERR_INVAL);
    ck_assert_int_eq(at.freed, 2);
}
END_TEST

/* ---- JSON lines ---- */

static size_t read_all(int fd, char *text, size_t room)
{
    size_t len = 0;
    ssize_t got;
    while (len < room - 1 && (got = read(fd, text + len, room - 1 - len)) > 0) {
        len += (size_t)got;
    }
    text[len] = '\0';
    return len;
}

START_TEST(lines_are_one_message_each)
{
    int ends[2];
    char text[512];
    panicmon_sink *sink = NULL;
    ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
    ck_assert_int_eq(panicmon_sink_new_jsonl(&sink, ends[1]), PANICMON_OK);
    pm_channel *channel = open_channel(sink);
    ck_assert_int_eq(publish(channel, "raw_data", "a\"b", "{\"x\":\r\n 1}").status, PANICMON_OK);
    ck_assert_int_eq(publish(channel, "e", "k", "").status, PANICMON_OK);
    close(ends[1]);
    read_all(ends[0], text, sizeof text);
    ck_assert_str_eq(
        text, "{\"exchange\": \"raw_data\", \"routing_key\": \"a\\\"b\", \"body\": {\"x\":   1}}\n"
              "{\"exchange\": \"e\", \"routing_key\": \"k\", \"body\": null}\n");
    expect_counts(sink, 2, 2, 0, 0);
    close_channel(channel);
    panicmon_sink_free(sink);
    close(ends[0]);
    ck_assert_int_eq(panicmon_sink_new_jsonl(&sink, -1), PANICMON_ERR_INVAL);
}
END_TEST

#define WRITERS      4
#define LINES_OF_ONE 200

static void write_lines(void *arg)
{
    panicmon_sink *sink = arg;
    pm_channel *channel = open_channel(sink);
    char body[9000];
    memset(body, '7', sizeof body - 1);
    body[sizeof body - 1] = '\0';
    for (int i = 0; i < LINES_OF_ONE; i++) {
        (void)publish(channel, "e", "k", body);
    }
    close_channel(channel);
}

/* Lines longer than a pipe takes at once, from several threads, must not mix. */
START_TEST(lines_of_threads_do_not_mix)
{
    int ends[2];
    pm_thread *threads[WRITERS];
    panicmon_sink *sink = NULL;
    ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
    ck_assert_int_eq(panicmon_sink_new_jsonl(&sink, ends[1]), PANICMON_OK);
    for (int i = 0; i < WRITERS; i++) {
        ck_assert_int_eq(pm_thread_start(&threads[i], "writer", PM_STACK_SMALL, write_lines, sink),
                         PANICMON_OK);
    }
    FILE *in = fdopen(ends[0], "r");
    char *line = NULL;
    size_t room = 0;
    for (int i = 0; i < WRITERS * LINES_OF_ONE; i++) {
        ssize_t len = getline(&line, &room, in);
        ck_assert_int_gt(len, 0);
        ck_assert_int_eq(strncmp(line, "{\"exchange\": \"e\"", 16), 0);
        ck_assert_ptr_null(strstr(line + 16, "exchange"));
    }
    for (int i = 0; i < WRITERS; i++) {
        pm_thread_join(threads[i]);
    }
    expect_counts(sink, WRITERS * LINES_OF_ONE, WRITERS * LINES_OF_ONE, 0, 0);
    free(line);
    fclose(in);
    close(ends[1]);
    panicmon_sink_free(sink);
}
END_TEST

static void note_record(void *user, panicmon_log_level level, const char *component,
                        const char *message)
{
    char *last = user;
    ck_assert_int_eq(level, PANICMON_LOG_WARNING);
    (void)snprintf(last, 128, "%s: %s", component, message);
}

static void interrupt_soon(void *arg)
{
    pm_channel *channel = arg;
    (void)usleep(100000);
    channel->ops->interrupt(channel);
}

START_TEST(a_reader_that_stalls_costs_messages_not_the_thread)
{
    int ends[2];
    char *big = malloc(200001);
    char *text = malloc(400000);
    panicmon_sink *sink = NULL;
    pm_thread *helper = NULL;
    panicmon_log *log = NULL;
    char record[128] = "";
    memset(big, '1', 200000);
    big[200000] = '\0';
    ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
    ck_assert_int_eq(panicmon_sink_new_jsonl(&sink, ends[1]), PANICMON_OK);
    ck_assert_int_eq(panicmon_log_new(&log, note_record, record, NULL), PANICMON_OK);
    pm_channel *channel = NULL;
    ck_assert_int_eq(sink->ops->open(sink, NULL, log, "test", &channel), PANICMON_OK);
    panicmon_log_free(log);
    outcome result = publish_until(channel, "e", "k", big, pm_mono_ms() + 100);
    ck_assert_int_eq(result.status, PANICMON_ERR_SYSTEM);
    ck_assert_str_eq(result.message, "the reader does not read");
    ck_assert_str_eq(record, "sink: a line of JSON was dropped: the reader does not read");
    ck_assert_int_eq(pm_thread_start(&helper, "interrupt", PM_STACK_SMALL, interrupt_soon, channel),
                     PANICMON_OK);
    ck_assert_int_eq(publish(channel, "e", "k", "{}").status, PANICMON_ERR_SYSTEM);
    pm_thread_join(helper);
    /* When the reader is back, the torn line is ended before the next. */
    ck_assert_int_eq(fcntl(ends[0], F_SETFL, O_NONBLOCK), 0);
    read_all(ends[0], text, 400000);
    ck_assert_int_eq(publish(channel, "e", "k", "{}").status, PANICMON_OK);
    read_all(ends[0], text, 400000);
    ck_assert_str_eq(text, "\n{\"exchange\": \"e\", \"routing_key\": \"k\", \"body\": {}}\n");
    expect_counts(sink, 3, 1, 0, 2);
    close(ends[0]);
    ck_assert(signal(SIGPIPE, SIG_IGN) != SIG_ERR); /* blocked in threads of the library */
    ck_assert_int_eq(publish(channel, "e", "k", "{}").status, PANICMON_ERR_SYSTEM);
    expect_counts(sink, 4, 1, 0, 3);
    close_channel(channel);
    panicmon_sink_free(sink);
    close(ends[1]);
    free(big);
    free(text);
}
END_TEST

typedef struct waiting {
    pm_request request;
    outcome result;
} waiting;

static void submit_waiting(pm_channel *channel, waiting *at, const char *key, const pm_buf *body)
{
    *at = (waiting){.request = {.kind = PM_REQUEST_PUBLISH,
                                .target = strdup("e"),
                                .name = strdup(key),
                                .deadline = pm_mono_ms() + 60000,
                                .on_done = note_done}};
    at->request.owner = &at->result;
    pm_buf_add(&at->request.in, body->data, body->len);
    channel->ops->submit(channel, &at->request);
}

/* What is in the pipe; its end does not block. */
static void read_more(int fd, pm_buf *text)
{
    char bytes[65536];
    ssize_t got;
    while ((got = read(fd, bytes, sizeof bytes)) > 0) {
        pm_buf_add(text, bytes, (size_t)got);
    }
}

static size_t count_lines(const pm_buf *text, const char *key)
{
    char start[64];
    size_t count = 0;
    (void)snprintf(start, sizeof start, "{\"exchange\": \"e\", \"routing_key\": \"%s\"", key);
    for (const char *at = text->data; (at = strstr(at, start)) != NULL; at++) {
        ck_assert(at == text->data || at[-1] == '\n');
        count++;
    }
    return count;
}

/* Two channels, as of two loops, with more than a pipe takes: submit() gives the loop back. */
START_TEST(a_reader_that_stalls_holds_up_no_loop)
{
    enum { EACH = 3 };
    int ends[2];
    waiting first[EACH];
    waiting second[EACH];
    pm_buf body = {0};
    pm_buf text = {0};
    panicmon_sink *sink = NULL;
    for (int i = 0; i < 50000; i++) {
        pm_buf_text(&body, "123");
    }
    ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
    ck_assert_int_eq(fcntl(ends[0], F_SETFL, O_NONBLOCK), 0);
    ck_assert_int_eq(panicmon_sink_new_jsonl(&sink, ends[1]), PANICMON_OK);
    pm_channel *one = open_channel(sink);
    pm_channel *two = open_channel(sink);
    for (int i = 0; i < EACH; i++) {
        submit_waiting(one, &first[i], "one", &body);
        submit_waiting(two, &second[i], "two", &body);
        ck_assert_int_eq(first[i].result.times + second[i].result.times, 0);
    }
    expect_counts(sink, (int64_t)EACH * 2, 0, 0, 0);
    while (first[EACH - 1].result.times + second[EACH - 1].result.times < 2) {
        read_more(ends[0], &text);
        (void)usleep(1000);
        (void)one->ops->service(one, pm_mono_ms());
        (void)two->ops->service(two, pm_mono_ms());
    }
    read_more(ends[0], &text);
    for (int i = 0; i < EACH; i++) {
        ck_assert_int_eq(first[i].result.status, PANICMON_OK);
        ck_assert_int_eq(second[i].result.status, PANICMON_OK);
        pm_request_clear(&first[i].request);
        pm_request_clear(&second[i].request);
    }
    ck_assert_uint_eq(count_lines(&text, "one"), EACH);
    ck_assert_uint_eq(count_lines(&text, "two"), EACH);
    expect_counts(sink, (int64_t)EACH * 2, (int64_t)EACH * 2, 0, 0);
    close_channel(one);
    close_channel(two);
    panicmon_sink_free(sink);
    close(ends[0]);
    close(ends[1]);
    pm_buf_free(&body);
    pm_buf_free(&text);
}
END_TEST

START_TEST(what_still_waits_at_the_end_is_counted)
{
    int ends[2];
    waiting at[2];
    pm_buf body = {0};
    panicmon_sink *sink = NULL;
    for (int i = 0; i < 50000; i++) {
        pm_buf_text(&body, "123");
    }
    ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
    ck_assert_int_eq(panicmon_sink_new_jsonl(&sink, ends[1]), PANICMON_OK);
    pm_channel *channel = open_channel(sink);
    submit_waiting(channel, &at[0], "a", &body);
    submit_waiting(channel, &at[1], "b", &body);
    channel->ops->close(channel, pm_mono_ms() + 10);
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(at[i].result.times, 1);
        ck_assert_int_eq(at[i].result.status, PANICMON_ERR_CANCELED);
        pm_request_clear(&at[i].request);
    }
    ck_assert_int_eq(atomic_load(&sink->counts.dropped_stopped), 2);
    ck_assert_int_eq(atomic_load(&sink->counts.dropped), 2);
    channel->ops->release(channel);
    panicmon_sink_free(sink);
    close(ends[0]);
    close(ends[1]);
    pm_buf_free(&body);
}
END_TEST

START_TEST(what_waits_for_a_reader_is_bounded)
{
    enum { COUNT = 8 };
    int ends[2];
    waiting at[COUNT];
    pm_buf body = {0};
    panicmon_sink *sink = NULL;
    for (int i = 0; i < 1 << 20; i++) {
        pm_buf_text(&body, "123");
    }
    ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
    ck_assert_int_eq(panicmon_sink_new_jsonl(&sink, ends[1]), PANICMON_OK);
    pm_channel *channel = open_channel(sink);
    for (int i = 0; i < COUNT; i++) { /* of 3 MiB each, where five may wait */
        submit_waiting(channel, &at[i], "a", &body);
    }
    for (int i = 0; i < COUNT; i++) {
        ck_assert_int_eq(at[i].result.times, i < COUNT - 5 ? 1 : 0);
    }
    ck_assert_int_eq(at[0].result.status, PANICMON_ERR_SYSTEM);
    expect_counts(sink, COUNT, 0, COUNT - 5, 0);
    close_channel(channel);
    for (int i = 0; i < COUNT; i++) {
        pm_request_clear(&at[i].request);
    }
    panicmon_sink_free(sink);
    close(ends[0]);
    close(ends[1]);
    pm_buf_free(&body);
}
END_TEST

/* ---- the queue ---- */

static bool readable(const panicmon_sink *sink)
{
    struct pollfd look = {.fd = pm_sink_queue_fd(sink), .events = POLLIN};
    return poll(&look, 1, 0) == 1;
}

START_TEST(queue_gives_messages_in_order_and_its_descriptor_tells)
{
    panicmon_sink *sink = NULL;
    pm_queued *message = NULL;
    ck_assert_int_eq(pm_sink_new_queue(&sink, 1 << 20), PANICMON_OK);
    pm_channel *channel = open_channel(sink);
    ck_assert(!readable(sink));
    ck_assert_int_eq(pm_sink_queue_take(sink, &message), PANICMON_ERR_NOENT);
    ck_assert_int_eq(publish(channel, "e", "k", "1").status, PANICMON_OK);
    ck_assert_int_eq(publish(channel, "e", "k", "").status, PANICMON_OK);
    ck_assert(readable(sink));
    expect_counts(sink, 2, 0, 0, 0);
    ck_assert_int_eq(pm_sink_queue_take(sink, &message), PANICMON_OK);
    ck_assert_str_eq(message->exchange, "e");
    ck_assert_str_eq(message->routing_key, "k");
    ck_assert_str_eq(message->body, "1");
    pm_queued_free(message);
    ck_assert(readable(sink));
    ck_assert_int_eq(pm_sink_queue_take(sink, &message), PANICMON_OK);
    ck_assert_uint_eq(message->len, 0);
    pm_queued_free(message);
    ck_assert(!readable(sink));
    expect_counts(sink, 2, 2, 0, 0);
    close_channel(channel);
    panicmon_sink_free(sink);
}
END_TEST

START_TEST(queue_drops_the_oldest_when_full)
{
    char body[16];
    char big[3000];
    panicmon_sink *sink = NULL;
    pm_queued *message = NULL;
    ck_assert_int_eq(pm_sink_new_queue(&sink, 2000), PANICMON_OK);
    pm_channel *channel = open_channel(sink);
    for (int i = 0; i < 100; i++) {
        (void)snprintf(body, sizeof body, "%d", i);
        ck_assert_int_eq(publish(channel, "e", "k", body).status, PANICMON_OK);
    }
    int64_t full = atomic_load(&sink->counts.dropped_full);
    ck_assert_int_gt(full, 0);
    ck_assert_int_lt(full, 100);
    for (int64_t i = full; i < 100; i++) {
        ck_assert_int_eq(pm_sink_queue_take(sink, &message), PANICMON_OK);
        ck_assert_int_eq(atoi(message->body), i);
        pm_queued_free(message);
    }
    ck_assert(!readable(sink));
    memset(big, 'x', sizeof big - 1);
    big[sizeof big - 1] = '\0';
    ck_assert_int_eq(publish(channel, "e", "k", big).status, PANICMON_ERR_LIMIT);
    expect_counts(sink, 101, 100 - full, full, 1);
    close_channel(channel);
    panicmon_sink_free(sink); /* what is left is freed */
}
END_TEST

START_TEST(only_a_queue_has_a_queue)
{
    panicmon_sink *sink = NULL;
    pm_queued *message = NULL;
    ck_assert_int_eq(panicmon_sink_new_jsonl(&sink, 1), PANICMON_OK);
    ck_assert_int_eq(pm_sink_queue_fd(sink), -1);
    ck_assert_int_eq(pm_sink_queue_take(sink, &message), PANICMON_ERR_STATE);
    panicmon_sink_free(sink);
    panicmon_sink_free(NULL);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("sink");
    TCase *all = tcase_create("all");
    tcase_set_timeout(all, 30);
    tcase_add_test(all, callback_sees_every_message_and_its_answer_counts);
    tcase_add_test(all, lines_are_one_message_each);
    tcase_add_test(all, lines_of_threads_do_not_mix);
    tcase_add_test(all, a_reader_that_stalls_costs_messages_not_the_thread);
    tcase_add_test(all, a_reader_that_stalls_holds_up_no_loop);
    tcase_add_test(all, what_still_waits_at_the_end_is_counted);
    tcase_add_test(all, what_waits_for_a_reader_is_bounded);
    tcase_add_test(all, queue_gives_messages_in_order_and_its_descriptor_tells);
    tcase_add_test(all, queue_drops_the_oldest_when_full);
    tcase_add_test(all, only_a_queue_has_a_queue);
    suite_add_tcase(suite, all);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
