/* test_spool.c: what a spool gives back to its outbox after crashes at every byte, and what it
 * takes on the disk. */
#include <check.h>
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/thread.h"
#include "outbox_lab.h"

/* Leaves `total` messages in the spool, the first `confirmed` of them settled. */
static void fill(int total, int confirmed)
{
    int64_t next;
    pm_outbox *outbox = box_open(1 << 20, box_directory);
    pm_port *port = box_open_port(outbox);
    pm_lane *lane = box_open_lane(port, "node");
    box_outcome *at = calloc((size_t)total, sizeof *at);
    for (int i = 0; i < total; i++) {
        char body[16];
        (void)snprintf(body, sizeof body, "%d", i);
        box_add(lane, &at[i], body);
    }
    for (int i = 0; i < confirmed; i++) {
        ck_assert_ptr_nonnull(box_take(port, 0, &next));
        box_acked(port, (uint64_t)i + 1, false);
    }
    pm_lane_close(lane);
    pm_port_close(port);
    ck_assert_int_eq(box_waiting(), total - confirmed);
    pm_outbox_free(outbox);
    for (int i = 0; i < total; i++) {
        ck_assert_int_eq(at[i].times, 1);
        box_clear(&at[i]);
    }
    free(at);
    memset(&box_counts, 0, sizeof box_counts);
}

/* Takes what is in the spool, which must be ascending from `first`; gives how many. */
static int drain(int first)
{
    int64_t next;
    int found = 0;
    const pm_message *message;
    pm_outbox *outbox = box_open(1 << 20, box_directory);
    pm_port *port = box_open_port(outbox);
    while ((message = box_take(port, 0, &next)) != NULL) {
        ck_assert_int_eq(atoi(message->body), first + found);
        ck_assert_str_eq(message->routing_key, "key");
        ck_assert_str_eq(message->exchange, "raw_data");
        found++;
    }
    ck_assert_int_eq(box_waiting(), found);
    box_acked(port, 0, true);
    ck_assert_int_eq(box_waiting(), 0);
    pm_port_close(port);
    pm_outbox_free(outbox);
    memset(&box_counts, 0, sizeof box_counts);
    return found;
}

START_TEST(the_spool_gives_back_what_was_not_confirmed)
{
    char path[400];
    box_make_directory();
    fill(10, 4);
    ck_assert_int_eq(drain(4), 6);
    ck_assert_int_eq(drain(0), 0);
    ck_assert_int_eq(box_find_segment(path, sizeof path), 0); /* and keeps nothing */
    box_remove_directory();
}
END_TEST

START_TEST(replayed_messages_come_before_newer_ones_of_their_channel)
{
    box_outcome at;
    box_make_directory();
    fill(3, 1);
    pm_outbox *outbox = box_open(1 << 20, box_directory);
    pm_port *control = box_open_port(outbox);
    pm_port *port = box_open_port(outbox);
    pm_lane *lane = box_open_lane(port, "node");
    box_add(lane, &at, "3");
    box_expect_next(control, NULL);
    box_expect_next(port, "1");
    box_expect_next(port, "2");
    box_expect_next(port, "3");
    box_acked(port, 3, true);
    pm_lane_close(lane);
    pm_port_close(port);
    pm_port_close(control);
    pm_outbox_free(outbox);
    box_clear(&at);
    box_remove_directory();
}
END_TEST

static void write_file(const char *path, const char *bytes, size_t len)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, bytes, len), (ssize_t)len);
    close(fd);
}

/* Whatever length a crash leaves, what is whole comes back, in order and without holes. */
START_TEST(a_segment_may_end_at_any_byte)
{
    char path[400];
    char bytes[8192];
    box_make_directory();
    fill(6, 0);
    off_t size = box_find_segment(path, sizeof path);
    ck_assert_int_gt(size, 0);
    ck_assert_int_lt(size, sizeof bytes);
    int fd = open(path, O_RDONLY);
    ck_assert_int_eq(read(fd, bytes, sizeof bytes), size);
    close(fd);
    int before = 0;
    for (off_t len = 0; len <= size; len++) {
        box_remove_directory();
        ck_assert_int_eq(mkdir(box_directory, 0700), 0);
        write_file(path, bytes, (size_t)len);
        int found = drain(0);
        ck_assert(found == before || found == before + 1);
        before = found;
    }
    ck_assert_int_eq(before, 6);
    /* A damaged byte ends the segment there. */
    for (off_t i = 0; i < size; i += 7) {
        box_remove_directory();
        ck_assert_int_eq(mkdir(box_directory, 0700), 0);
        bytes[i] = (char)(bytes[i] ^ 0x41);
        write_file(path, bytes, (size_t)size);
        bytes[i] = (char)(bytes[i] ^ 0x41);
        ck_assert_int_lt(drain(0), 6);
    }
    box_remove_directory();
}
END_TEST

/* With confirms in it, a cut may bring back a confirmed one, but never lose one that waits. */
START_TEST(a_cut_among_confirms_loses_nothing_that_waits)
{
    char path[400];
    char bytes[8192];
    box_make_directory();
    fill(6, 3);
    off_t size = box_find_segment(path, sizeof path);
    int fd = open(path, O_RDONLY);
    ck_assert_int_eq(read(fd, bytes, sizeof bytes), size);
    close(fd);
    int last = -1;
    for (off_t len = size; len > size - 3 * 17; len--) { /* a confirm has 17 bytes */
        int64_t next;
        box_remove_directory();
        ck_assert_int_eq(mkdir(box_directory, 0700), 0);
        write_file(path, bytes, (size_t)len);
        pm_outbox *outbox = box_open(1 << 20, box_directory);
        pm_port *port = box_open_port(outbox);
        int first = atoi(box_take(port, 0, &next)->body);
        ck_assert(last == -1 ? first == 3 : first == last || first == last - 1);
        last = first;
        ck_assert_int_eq(box_waiting(), 6 - first);
        pm_port_close(port);
        pm_outbox_free(outbox);
        memset(&box_counts, 0, sizeof box_counts);
    }
    ck_assert_int_eq(last, 0);
    box_remove_directory();
}
END_TEST

/* A process killed in the middle of writing: all that it had taken in comes back. */
START_TEST(a_killed_process_loses_nothing)
{
    box_make_directory();
    for (int round = 0; round < 5; round++) {
        int ends[2];
        ck_assert_int_eq(pipe(ends), 0);
        pid_t child = fork();
        ck_assert_int_ge(child, 0);
        if (child == 0) {
            close(ends[0]);
            pm_outbox *outbox = box_open(64 << 20, box_directory);
            pm_port *port = box_open_port(outbox);
            pm_lane *lane = box_open_lane(port, "node");
            for (int i = 0;; i++) {
                box_outcome *at = malloc(sizeof *at);
                char body[16];
                (void)snprintf(body, sizeof body, "%d", i);
                box_add(lane, at, body);
                if (write(ends[1], &i, sizeof i) != sizeof i) {
                    _exit(1);
                }
            }
        }
        close(ends[1]);
        int told = -1;
        int at;
        while (told < 300 + round * 50 && read(ends[0], &at, sizeof at) == sizeof at) {
            told = at;
        }
        kill(child, SIGKILL);
        (void)waitpid(child, NULL, 0);
        while (read(ends[0], &at, sizeof at) == sizeof at) {
            told = at;
        }
        close(ends[0]);
        int found = drain(0);
        ck_assert_int_ge(found, told + 1);
        ck_assert_int_le(found, told + 2);
    }
    box_remove_directory();
}
END_TEST

START_TEST(one_process_at_a_time_has_the_spool)
{
    pm_outbox *second = NULL;
    panicmon_error *err = NULL;
    box_make_directory();
    pm_outbox *outbox = box_open(1 << 20, box_directory);
    const pm_outbox_options options = {
        .limit = 1, .spool_dir = box_directory, .counts = &box_counts};
    ck_assert_int_eq(pm_outbox_new(&second, &options, &err), PANICMON_ERR_STATE);
    ck_assert_ptr_nonnull(strstr(panicmon_error_message(err), "another process"));
    panicmon_error_free(err);
    pm_outbox_free(outbox);
    outbox = box_open(1 << 20, box_directory);
    pm_outbox_free(outbox);
    box_remove_directory();
}
END_TEST

static size_t bytes_on_disk(void)
{
    size_t sum = 0;
    DIR *listing = opendir(box_directory);
    for (const struct dirent *at; (at = readdir(listing)) != NULL;) {
        struct stat info;
        char name[400];
        (void)snprintf(name, sizeof name, "%s/%s", box_directory, at->d_name);
        sum += stat(name, &info) == 0 && S_ISREG(info.st_mode) ? (size_t)info.st_size : 0;
    }
    closedir(listing);
    return sum;
}

/* Set: bringing something to the disk needs the outbox's lock for a moment, and so hangs when it is
 * called with it held. */
static _Atomic(pm_port *) sync_looks_at;
static atomic_int syncs;

int __real_fdatasync(int fd); /* NOLINT(bugprone-reserved-identifier): the linker's names */
int __wrap_fdatasync(int fd); /* NOLINT(bugprone-reserved-identifier) */

int __wrap_fdatasync(int fd) /* NOLINT(bugprone-reserved-identifier) */
{
    pm_port *port = atomic_load(&sync_looks_at);
    if (port != NULL) {
        (void)pm_port_look(port);
        atomic_fetch_add(&syncs, 1);
    }
    return __real_fdatasync(fd);
}

/* Until less than `limit` is on disk, or ten seconds. */
static size_t wait_compact(size_t limit)
{
    size_t now = bytes_on_disk();
    for (int i = 0; i < 1000 && now >= limit; i++) {
        (void)usleep(10000);
        now = bytes_on_disk();
    }
    return now;
}

/* One message that stays must not keep all that came after it on disk; and the loops that give the
 * messages do not wait for the disk. */
START_TEST(the_spool_does_not_grow_without_end)
{
    static char body[64 * 1024];
    int64_t next;
    box_outcome first;
    box_make_directory();
    memset(body, 'b', sizeof body - 1);
    pm_outbox *outbox = box_open(1 << 20, box_directory);
    pm_port *port = box_open_port(outbox);
    pm_lane *lane = box_open_lane(port, "node");
    atomic_store(&sync_looks_at, port);
    box_add_to(lane, &first, "monitorable", "stays");
    for (int i = 0; i < 2000; i++) { /* 125 MiB in all; the outbox holds 1 */
        box_outcome at;
        box_add(lane, &at, body);
        (void)pm_lane_collect(lane, 1000);
        box_clear(&at);
        if (i % 500 == 499) { /* of the last 31 MiB and what the time before left */
            ck_assert_uint_lt(wait_compact((size_t)33 << 20), (size_t)33 << 20);
        }
    }
    ck_assert_int_gt(atomic_load(&syncs), 0);
    atomic_store(&sync_looks_at, NULL);
    pm_lane_close(lane);
    pm_port_close(port);
    pm_outbox_free(outbox);
    box_clear(&first);
    memset(&box_counts, 0, sizeof box_counts);
    outbox = box_open(1 << 20, box_directory);
    port = box_open_port(outbox);
    ck_assert_str_eq(box_take(port, 0, &next)->body, "stays");
    pm_port_close(port);
    pm_outbox_free(outbox);
    box_remove_directory();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("spool");
    TCase *all = tcase_create("all");
    tcase_set_timeout(all, 60);
    tcase_add_test(all, the_spool_gives_back_what_was_not_confirmed);
    tcase_add_test(all, replayed_messages_come_before_newer_ones_of_their_channel);
    tcase_add_test(all, a_segment_may_end_at_any_byte);
    tcase_add_test(all, a_cut_among_confirms_loses_nothing_that_waits);
    tcase_add_test(all, a_killed_process_loses_nothing);
    tcase_add_test(all, one_process_at_a_time_has_the_spool);
    tcase_add_test(all, the_spool_does_not_grow_without_end);
    suite_add_tcase(suite, all);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
