/* test_amqp_batch.c: the frames of many messages in one write: what the bytes are, however little
 * the socket takes at a time, and that nobody waits for it. */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/thread.h"
#include "net/amqp_batch.h"

static int ends[2]; /* ours and the broker's */
static pm_batch batch;

static void set_up(void)
{
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    batch = (pm_batch){.fd = ends[0], .channel = 1, .frame_max = 4096};
}

static void tear_down(void)
{
    pm_batch_free(&batch);
    (void)close(ends[0]);
    (void)close(ends[1]);
}

/* ---- a reader of frames ---- */

typedef struct reader {
    pm_buf got;
    pm_thread *thread;
} reader;

static void read_all(void *arg)
{
    reader *me = arg;
    char bytes[777];
    for (ssize_t got; (got = read(ends[1], bytes, sizeof bytes)) > 0;) {
        pm_buf_add(&me->got, bytes, (size_t)got);
    }
}

static void start_reader(reader *me)
{
    *me = (reader){.thread = NULL};
    ck_assert_int_eq(pm_thread_start(&me->thread, "reader", PM_STACK_SMALL, read_all, me),
                     PANICMON_OK);
}

static void end_reader(reader *me)
{
    (void)shutdown(ends[0], SHUT_WR);
    pm_thread_join(me->thread);
}

static uint64_t number(const char *at, size_t bytes)
{
    uint64_t value = 0;
    for (size_t i = 0; i < bytes; i++) {
        value = value << 8 | (unsigned char)at[i];
    }
    return value;
}

/* Gives the content of the next frame, which must be of that type and no larger than allowed. */
static const char *next_frame(const pm_buf *got, size_t *at, unsigned type, size_t *len)
{
    const char *frame = got->data + *at;
    ck_assert_uint_le(*at + 8, got->len);
    ck_assert_uint_eq((unsigned char)frame[0], type);
    ck_assert_uint_eq(number(frame + 1, 2), 1);
    *len = (size_t)number(frame + 3, 4);
    ck_assert_uint_le(*len + 8, batch.frame_max);
    ck_assert_uint_le(*at + *len + 8, got->len);
    ck_assert_uint_eq((unsigned char)frame[7 + *len], 0xCE);
    *at += *len + 8;
    return frame + 7;
}

static void expect_message(const pm_buf *got, size_t *at, const pm_message *message)
{
    size_t len;
    size_t exchange = strlen(message->exchange);
    size_t key = strlen(message->routing_key);
    const char *content = next_frame(got, at, 1, &len);
    ck_assert_uint_eq(len, 9 + exchange + key);
    ck_assert_uint_eq(number(content, 4), 60 << 16 | 40);
    ck_assert_uint_eq(number(content + 4, 2), 0);
    ck_assert_uint_eq((unsigned char)content[6], exchange);
    ck_assert_int_eq(memcmp(content + 7, message->exchange, exchange), 0);
    ck_assert_uint_eq((unsigned char)content[7 + exchange], key);
    ck_assert_int_eq(memcmp(content + 8 + exchange, message->routing_key, key), 0);
    ck_assert_int_eq(content[8 + exchange + key], 1); /* mandatory */
    content = next_frame(got, at, 2, &len);
    ck_assert_uint_eq(len, 15);
    ck_assert_uint_eq(number(content, 4), 60 << 16);
    ck_assert_uint_eq(number(content + 4, 8), message->len);
    ck_assert_uint_eq(number(content + 12, 2), 0x1000);
    ck_assert_int_eq(content[14], 2); /* persistent */
    for (size_t done = 0; done < message->len; done += len) {
        content = next_frame(got, at, 3, &len);
        ck_assert_uint_gt(len, 0);
        ck_assert_uint_le(done + len, message->len);
        ck_assert_int_eq(memcmp(content, message->body + done, len), 0);
    }
}

/* ---- the tests ---- */

/* Until the socket has taken all that was left over. */
static void flush_all(void)
{
    while (pm_batch_left_over(&batch) > 0) {
        struct pollfd look = {.fd = ends[0], .events = POLLOUT};
        ck_assert_int_eq(poll(&look, 1, 10000), 1);
        ck_assert_int_eq(pm_batch_flush(&batch), 0);
    }
}

START_TEST(frames_are_whole_however_little_is_taken)
{
    enum { COUNT = 12 };
    static const size_t sizes[COUNT] = {0,    1,    100,   4087,  4088,   4089,
                                        8176, 8177, 16384, 50000, 300000, 7};
    static char body[300000];
    static char key[256];
    pm_message messages[COUNT];
    const pm_message *list[COUNT];
    reader me;
    int small = 4096;
    for (size_t i = 0; i < sizeof body; i++) {
        body[i] = (char)(i * 7 + i / 251);
    }
    memset(key, 'k', 255);
    for (size_t i = 0; i < COUNT; i++) {
        messages[i] = (pm_message){.exchange = i % 2 == 0 ? "raw_data" : "",
                                   .routing_key = i == 3 ? key : "node.substrate",
                                   .body = body + i,
                                   .len = sizes[i] > i ? sizes[i] - i : sizes[i]};
        list[i] = &messages[i];
    }
    if (_i == 1) { /* many small pieces */
        ck_assert_int_eq(setsockopt(ends[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof small), 0);
    }
    start_reader(&me);
    ck_assert_int_eq(pm_batch_send(&batch, list, COUNT), 0);
    ck_assert(_i == 0 || pm_batch_left_over(&batch) > 0);
    flush_all();
    ck_assert_uint_eq(batch.out.len, 0);
    ck_assert_uint_le(batch.out.cap, 4 * PM_BATCH_SIZE); /* not the size of the largest body */
    ck_assert_int_eq(pm_batch_send(&batch, list, 2), 0);
    flush_all();
    end_reader(&me);
    size_t at = 0;
    for (size_t i = 0; i < COUNT + 2; i++) {
        expect_message(&me.got, &at, list[i % COUNT]);
    }
    ck_assert_uint_eq(at, me.got.len);
    pm_buf_free(&me.got);
}
END_TEST

START_TEST(a_socket_that_takes_nothing_keeps_nobody_waiting)
{
    static char body[4 << 20];
    const pm_message message = {
        .exchange = "raw_data", .routing_key = "key", .body = body, .len = sizeof body};
    const pm_message *list[] = {&message};
    ck_assert_int_eq(pm_batch_send(&batch, list, 1), 0);
    ck_assert(pm_batch_left_over(&batch) > 0);
    size_t gone = batch.at;
    ck_assert_int_eq(pm_batch_flush(&batch), 0);
    ck_assert_uint_eq(batch.at, gone);
    (void)shutdown(ends[1], SHUT_RDWR);
    ck_assert_int_eq(pm_batch_flush(&batch), EPIPE);
}
END_TEST

START_TEST(what_has_no_short_name_is_no_frame)
{
    char key[257];
    memset(key, 'k', 256);
    key[256] = '\0';
    const pm_message message = {.exchange = "raw_data", .routing_key = key, .body = "", .len = 0};
    const pm_message *list[] = {&message};
    ck_assert_int_ne(pm_batch_send(&batch, list, 1), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("amqp_batch");
    TCase *all = tcase_create("all");
    tcase_add_checked_fixture(all, set_up, tear_down);
    tcase_set_timeout(all, 60);
    tcase_add_loop_test(all, frames_are_whole_however_little_is_taken, 0, 2);
    tcase_add_test(all, a_socket_that_takes_nothing_keeps_nobody_waiting);
    tcase_add_test(all, what_has_no_short_name_is_no_frame);
    suite_add_tcase(suite, all);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
