/* test_outbox.c: the outbox and its spool without a broker: order, room, confirms, handing lanes
 * on, and what a spool gives back after crashes at every byte. */
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
#include "net/outbox.h"

/* ---- help ---- */

typedef struct outcome {
    pm_request request;
    panicmon_err status;
    int times;
    char why[128];
} outcome;

static pm_sink_counts counts;
static int wakes;

static void count_wake(void *user)
{
    (void)user;
    wakes++;
}

static void note_done(pm_request *request)
{
    outcome *at = request->owner;
    at->status = request->status;
    at->times++;
    (void)snprintf(at->why, sizeof at->why, "%s", request->message == NULL ? "" : request->message);
}

static void add_key(pm_lane *lane, outcome *at, const char *exchange, const char *key,
                    const char *body)
{
    *at = (outcome){.request = {.kind = PM_REQUEST_PUBLISH,
                                .target = strdup(exchange),
                                .name = strdup(key),
                                .deadline = 1000,
                                .on_done = note_done,
                                .owner = at}};
    pm_buf_text(&at->request.in, body);
    pm_lane_add(lane, &at->request);
}

static void add_to(pm_lane *lane, outcome *at, const char *exchange, const char *body)
{
    add_key(lane, at, exchange, "key", body);
}

static void add(pm_lane *lane, outcome *at, const char *body)
{
    add_to(lane, at, "raw_data", body);
}

static void clear(outcome *at)
{
    pm_request_clear(&at->request);
}

static void count_wake_port(void *user, bool hurry)
{
    (void)user;
    (void)hurry;
    wakes++;
}

static pm_outbox *open_outbox(size_t limit, const char *spool)
{
    pm_outbox *outbox = NULL;
    panicmon_error *err = NULL;
    const pm_outbox_options options = {
        .limit = limit, .keep = "monitorable", .spool_dir = spool, .counts = &counts};
    panicmon_err status = pm_outbox_new(&outbox, &options, &err);
    ck_assert_msg(status == PANICMON_OK, "%s", panicmon_error_message(err));
    return outbox;
}

static pm_port *open_port(pm_outbox *outbox)
{
    pm_port *port = NULL;
    ck_assert_int_eq(pm_port_open(&port, outbox, count_wake_port, NULL), PANICMON_OK);
    return port;
}

static pm_lane *open_lane(pm_port *port, const char *name)
{
    static int user;
    pm_lane *lane = NULL;
    ck_assert_int_eq(pm_lane_open(&lane, port, name, count_wake, &user), PANICMON_OK);
    return lane;
}

/* One message; NULL: none now. */
static const pm_message *take(pm_port *port, int64_t now_ms, int64_t *next_ms)
{
    const pm_message *message = NULL;
    return pm_port_take(port, now_ms, &message, 1, SIZE_MAX, next_ms) == 0 ? NULL : message;
}

static void acked(pm_port *port, uint64_t tag, bool multiple)
{
    const pm_confirm confirm = {.tag = tag, .multiple = multiple};
    pm_port_confirm(port, &confirm, 1, 0);
}

static void nacked(pm_port *port, uint64_t tag, bool multiple, int64_t now_ms)
{
    const pm_confirm confirm = {.tag = tag, .multiple = multiple, .refused = true};
    pm_port_confirm(port, &confirm, 1, now_ms);
}

static int64_t waiting(void)
{
    return counts.produced - counts.confirmed - counts.dropped;
}

static void expect_next(pm_port *port, const char *body)
{
    int64_t next;
    const pm_message *message = take(port, 0, &next);
    if (body == NULL) {
        ck_assert_ptr_null(message);
    } else {
        ck_assert_ptr_nonnull(message);
        ck_assert_str_eq(message->body, body);
    }
}

static char directory[64];

static void make_directory(void)
{
    (void)snprintf(directory, sizeof directory, "/tmp/pm-spool-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(directory));
}

/* The only file that is a segment with content; 0: there is none. */
static off_t find_segment(char *path, size_t room)
{
    off_t size = 0;
    DIR *listing = opendir(directory);
    ck_assert_ptr_nonnull(listing);
    for (const struct dirent *at; (at = readdir(listing)) != NULL;) {
        struct stat info;
        char name[400];
        (void)snprintf(name, sizeof name, "%s/%s", directory, at->d_name);
        if (strstr(name, ".seg") != NULL && stat(name, &info) == 0 && info.st_size > size) {
            (void)snprintf(path, room, "%s", name);
            size = info.st_size;
        }
    }
    closedir(listing);
    return size;
}

static void remove_directory(void)
{
    char command[128];
    (void)snprintf(command, sizeof command, "rm -rf %s", directory);
    ck_assert_int_eq(system(command), 0);
}

/* ---- the outbox ---- */

START_TEST(messages_leave_in_order_and_confirms_finish_them)
{
    outcome at[4];
    pm_outbox *outbox = open_outbox(1 << 20, NULL);
    pm_port *port = open_port(outbox);
    pm_lane *lane = open_lane(port, "a");
    static const char *const bodies[] = {"0", "1", "2", "3"};
    for (int i = 0; i < 4; i++) {
        add(lane, &at[i], bodies[i]);
    }
    ck_assert_int_gt(wakes, 0);
    for (int i = 0; i < 4; i++) {
        expect_next(port, bodies[i]);
    }
    expect_next(port, NULL);
    ck_assert_uint_eq(pm_port_look(port).in_flight, 4);
    acked(port, 2, false);
    acked(port, 9, false); /* never sent */
    (void)pm_lane_collect(lane, 0);
    ck_assert_int_eq(at[1].times, 1);
    ck_assert_int_eq(at[1].status, PANICMON_OK);
    ck_assert_int_eq(at[0].times, 0);
    acked(port, 3, true);
    ck_assert_int_eq(pm_lane_collect(lane, 0), 1000);
    ck_assert_int_eq(at[0].times + at[2].times, 2);
    ck_assert_int_eq(at[3].times, 0);
    ck_assert_int_eq(pm_lane_collect(lane, 1000), PM_NEVER);
    ck_assert_int_eq(at[3].status, PANICMON_ERR_TIMEOUT);
    ck_assert_int_eq(waiting(), 1); /* kept */
    acked(port, 0, true);
    ck_assert_int_eq(waiting(), 0);
    ck_assert_int_eq(counts.confirmed, 4);
    pm_lane_close(lane);
    pm_port_close(port);
    pm_outbox_free(outbox);
    for (int i = 0; i < 4; i++) {
        ck_assert_int_eq(at[i].times, 1);
        clear(&at[i]);
    }
}
END_TEST

START_TEST(a_lost_connection_sends_again_in_order)
{
    outcome at[3];
    pm_outbox *outbox = open_outbox(1 << 20, NULL);
    pm_port *port = open_port(outbox);
    pm_lane *lane = open_lane(port, "a");
    add(lane, &at[0], "0");
    add(lane, &at[1], "1");
    add(lane, &at[2], "2");
    expect_next(port, "0");
    expect_next(port, "1");
    acked(port, 2, false);
    pm_port_lost(port);
    ck_assert_uint_eq(pm_port_look(port).in_flight, 0);
    ck_assert_int_eq(pm_port_look(port).oldest, PM_NEVER);
    expect_next(port, "0");
    expect_next(port, "2");
    acked(port, 2, true);
    (void)pm_lane_collect(lane, 0);
    ck_assert_int_eq(counts.confirmed, 3);
    ck_assert_int_eq(waiting(), 0);
    pm_lane_close(lane);
    pm_port_close(port);
    pm_outbox_free(outbox);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(at[i].status, PANICMON_OK);
        clear(&at[i]);
    }
}
END_TEST

START_TEST(returned_and_refused_messages_fail)
{
    outcome at[3];
    int64_t next;
    int64_t now = 0;
    pm_outbox *outbox = open_outbox(1 << 20, NULL);
    pm_port *port = open_port(outbox);
    pm_lane *lane = open_lane(port, "a");
    add(lane, &at[0], "same");
    add(lane, &at[1], "same");
    const pm_message *sent = take(port, 0, &next);
    const pm_message copy = *sent;
    (void)take(port, 0, &next);
    pm_port_returned(port, &copy);
    acked(port, 1, false);
    acked(port, 2, false);
    (void)pm_lane_collect(lane, 0);
    ck_assert_int_eq(at[0].status, PANICMON_ERR_NOENT);
    ck_assert_str_eq(at[0].why, "no queue is bound for key of the exchange raw_data");
    ck_assert_int_eq(at[1].status, PANICMON_OK);
    ck_assert_int_eq(counts.dropped_returned, 1);
    add(lane, &at[2], "bad");
    for (uint64_t i = 0; i < PM_OUTBOX_TRIES; i++) {
        ck_assert_ptr_nonnull(take(port, now, &next));
        nacked(port, 3 + i, false, now);
        if (i + 1 < PM_OUTBOX_TRIES) { /* not before its pause is over */
            ck_assert_ptr_null(take(port, now, &next));
            ck_assert_int_gt(next, now);
            now = next;
        }
    }
    (void)pm_lane_collect(lane, 0);
    ck_assert_int_eq(at[2].status, PANICMON_ERR_AMQP);
    ck_assert_int_eq(counts.dropped_failed, 1);
    ck_assert_int_eq(waiting(), 0);
    pm_lane_close(lane);
    pm_port_close(port);
    pm_outbox_free(outbox);
    for (int i = 0; i < 3; i++) {
        clear(&at[i]);
    }
}
END_TEST

START_TEST(a_message_that_closes_the_channel_goes_alone)
{
    outcome at[4];
    int64_t next;
    pm_outbox *outbox = open_outbox(1 << 20, NULL);
    pm_port *port = open_port(outbox);
    pm_lane *lane = open_lane(port, "a");
    add(lane, &at[0], "0");
    add_to(lane, &at[1], "none", "1");
    add(lane, &at[2], "22");
    add(lane, &at[3], "333");
    while (take(port, 0, &next) != NULL) {
    }
    pm_port_refused(port, "404 NOT_FOUND - no exchange 'none' in vhost '/'");
    pm_port_refused(port, "406 - message size 2 is larger than configured max size 1");
    pm_port_lost(port);
    (void)pm_lane_collect(lane, 0);
    ck_assert_int_eq(at[1].status, PANICMON_ERR_AMQP);
    ck_assert_int_eq(at[2].status, PANICMON_ERR_AMQP);
    ck_assert_int_eq(counts.dropped_failed, 2);
    expect_next(port, "0");
    expect_next(port, "333");
    acked(port, 2, true);
    pm_lane_close(lane);
    pm_port_close(port);
    ck_assert_int_eq(waiting(), 0);
    pm_outbox_free(outbox);
    for (int i = 0; i < 4; i++) {
        clear(&at[i]);
    }
}
END_TEST

/* ---- room ---- */

#define MANY 100

static int64_t full_records;

static void see_record(void *user, panicmon_log_level level, const char *component,
                       const char *message)
{
    (void)user;
    (void)level;
    (void)component;
    full_records += strstr(message, "is full") != NULL;
}

START_TEST(the_oldest_of_all_lanes_go_first_but_no_monitorables)
{
    static outcome at[MANY];
    char body[16];
    panicmon_log *log = NULL;
    ck_assert_int_eq(panicmon_log_new(&log, see_record, NULL, NULL), PANICMON_OK);
    pm_outbox *outbox = open_outbox(4000, NULL);
    pm_outbox_set_log(outbox, log);
    pm_port *port = open_port(outbox);
    pm_lane *lanes[2] = {open_lane(port, "a"), open_lane(port, "b")};
    for (int i = 0; i < MANY; i++) {
        (void)snprintf(body, sizeof body, "%d", i);
        add_to(lanes[i % 2], &at[i], i == 1 ? "monitorable" : "raw_data", body);
    }
    ck_assert_int_gt(counts.dropped_full, MANY / 2);
    ck_assert_int_eq(counts.dropped, counts.dropped_full);
    (void)pm_lane_collect(lanes[0], 0);
    (void)pm_lane_collect(lanes[1], 0);
    int64_t gone = counts.dropped_full;
    for (int i = 0; i < MANY; i++) { /* the monitorable stays in the place of one more */
        bool dropped = i != 1 && i <= gone;
        ck_assert_msg(at[i].times == dropped, "%d", i);
        ck_assert(!dropped || at[i].status == PANICMON_ERR_LIMIT);
    }
    ck_assert_int_eq(full_records, 1); /* one an episode */
    for (int i = 0; i < 2; i++) {
        pm_lane_close(lanes[i]);
    }
    pm_port_close(port);
    ck_assert_int_eq(counts.dropped_stopped, MANY - gone);
    ck_assert_int_eq(waiting(), 0);
    pm_outbox_free(outbox);
    for (int i = 0; i < MANY; i++) {
        ck_assert_int_eq(at[i].times, 1);
        clear(&at[i]);
    }
    panicmon_log_free(log);
}
END_TEST

/* Two managers have lists of the same routing key: each has its own newest. */
START_TEST(a_list_takes_the_place_of_none_of_another_manager)
{
    static const char nodes[] = "{\"manager_name\": \"Node\", \"sources\": [1]}";
    static const char contracts[] = "{\"manager_name\": \"Contract\", \"sources\": []}";
    outcome at[3];
    pm_outbox *outbox = open_outbox(1 << 20, NULL);
    pm_port *port = open_port(outbox);
    pm_lane *lane = open_lane(port, "a");
    add_to(lane, &at[0], "monitorable", nodes);
    add_to(lane, &at[1], "monitorable", contracts);
    add_to(lane, &at[2], "monitorable", contracts);
    expect_next(port, nodes);
    expect_next(port, contracts);
    expect_next(port, NULL);
    ck_assert_int_eq(counts.dropped_superseded, 1);
    acked(port, 0, true);
    (void)pm_lane_collect(lane, 0);
    ck_assert_int_eq(at[0].status, PANICMON_OK);
    ck_assert_int_eq(at[1].status, PANICMON_ERR_CANCELED);
    ck_assert_int_eq(at[2].status, PANICMON_OK);
    pm_lane_close(lane);
    pm_port_close(port);
    pm_outbox_free(outbox);
    for (size_t i = 0; i < 3; i++) {
        clear(&at[i]);
    }
}
END_TEST

/* Of messages that are kept whatever comes, only the newest of a routing key waits. */
START_TEST(a_newer_monitorable_takes_the_place_of_one_that_waits)
{
    outcome at[5];
    outcome other;
    pm_outbox *outbox = open_outbox(1 << 20, NULL);
    pm_port *port = open_port(outbox);
    pm_lane *lane = open_lane(port, "a");
    add_to(lane, &at[0], "monitorable", "0");
    expect_next(port, "0");
    add_to(lane, &at[1], "monitorable", "1"); /* "0" is on its way: it stays */
    add_key(lane, &other, "monitorable", "another", "other");
    add_to(lane, &at[2], "monitorable", "2");
    (void)pm_lane_collect(lane, 0);
    ck_assert_int_eq(at[1].status, PANICMON_ERR_CANCELED);
    ck_assert_str_eq(at[1].why, "a newer message took its place");
    ck_assert_int_eq(at[0].times + at[2].times + other.times, 0);
    pm_port_lost(port); /* "0" would be sent again, but there is a newer one */
    (void)pm_lane_collect(lane, 0);
    ck_assert_int_eq(at[0].status, PANICMON_ERR_CANCELED);
    ck_assert_int_eq(counts.dropped_superseded, 2);
    ck_assert_int_eq(counts.dropped, 2);
    ck_assert_int_eq(waiting(), 2);
    expect_next(port, "other");
    expect_next(port, "2");
    expect_next(port, NULL);
    add_to(lane, &at[3], "monitorable", "3");
    acked(port, 0, true);
    add_to(lane, &at[4], "raw_data", "4"); /* of other exchanges all are sent */
    expect_next(port, "3");
    expect_next(port, "4");
    acked(port, 0, true);
    (void)pm_lane_collect(lane, 0);
    ck_assert_int_eq(counts.confirmed, 4);
    ck_assert_int_eq(waiting(), 0);
    pm_lane_close(lane);
    pm_port_close(port);
    pm_outbox_free(outbox);
    for (int i = 0; i < 5; i++) {
        ck_assert_int_eq(at[i].times, 1);
        clear(&at[i]);
    }
    clear(&other);
}
END_TEST

/* However long the broker is away, with a spool too. */
START_TEST(monitorables_do_not_gather_without_end)
{
    char path[400];
    make_directory();
    for (int run = 0; run < 2; run++) {
        pm_outbox *outbox = open_outbox(1 << 20, run == 0 ? NULL : directory);
        pm_port *port = open_port(outbox);
        pm_lane *lane = open_lane(port, "a");
        memset(&counts, 0, sizeof counts);
        for (int i = 0; i < MANY; i++) {
            outcome at;
            char body[16];
            (void)snprintf(body, sizeof body, "%d", i);
            add_to(lane, &at, "monitorable", body);
            (void)pm_lane_collect(lane, 1000);
            clear(&at);
        }
        ck_assert_int_eq(waiting(), 1);
        ck_assert_int_eq(counts.dropped_superseded, MANY - 1);
        pm_lane_close(lane);
        pm_port_close(port);
        pm_outbox_free(outbox);
    }
    memset(&counts, 0, sizeof counts);
    ck_assert_int_gt(find_segment(path, sizeof path), 0);
    pm_outbox *outbox = open_outbox(1 << 20, directory);
    pm_port *port = open_port(outbox);
    expect_next(port, "99");
    expect_next(port, NULL);
    pm_port_close(port);
    pm_outbox_free(outbox);
    remove_directory();
}
END_TEST

START_TEST(what_amqp_cannot_name_is_refused)
{
    outcome at[2];
    char key[300];
    pm_outbox *outbox = open_outbox(1 << 20, NULL);
    pm_port *port = open_port(outbox);
    pm_lane *lane = open_lane(port, "a");
    memset(key, 'k', sizeof key);
    key[256] = '\0';
    add_key(lane, &at[0], "raw_data", key, "never");
    key[255] = '\0';
    add_key(lane, &at[1], "raw_data", key, "goes");
    ck_assert_int_eq(at[0].status, PANICMON_ERR_LIMIT);
    ck_assert_int_eq(counts.dropped_failed, 1);
    expect_next(port, "goes");
    acked(port, 1, false);
    pm_lane_close(lane);
    pm_port_close(port);
    pm_outbox_free(outbox);
    clear(&at[0]);
    clear(&at[1]);
}
END_TEST

START_TEST(what_cannot_be_kept_fails_at_once)
{
    outcome at[4];
    char big[3000];
    int64_t next;
    pm_outbox *outbox = open_outbox(600, NULL);
    pm_port *port = open_port(outbox);
    pm_lane *lane = open_lane(port, "a");
    memset(big, 'x', sizeof big - 1);
    big[sizeof big - 1] = '\0';
    add(lane, &at[0], big);
    ck_assert_int_eq(at[0].status, PANICMON_ERR_LIMIT);
    ck_assert_int_eq(counts.dropped_failed, 1);
    add(lane, &at[1], "first");
    add(lane, &at[2], "second");
    ck_assert_ptr_nonnull(take(port, 0, &next));
    while (take(port, 0, &next) != NULL) {
    }
    big[400] = '\0'; /* all that is there is in flight */
    add(lane, &at[3], big);
    ck_assert_int_eq(at[3].status, PANICMON_ERR_LIMIT);
    ck_assert_int_ge(counts.dropped_full, 1);
    acked(port, 0, true);
    ck_assert_int_eq(waiting(), 0);
    pm_lane_close(lane);
    pm_port_close(port);
    pm_outbox_free(outbox);
    for (int i = 0; i < 4; i++) {
        ck_assert_int_eq(at[i].times, 1);
        clear(&at[i]);
    }
}
END_TEST

/* ---- handing on ---- */

START_TEST(a_closed_channel_leaves_its_messages_to_another)
{
    outcome at[3];
    pm_outbox *outbox = open_outbox(1 << 20, NULL);
    pm_port *control = open_port(outbox);
    pm_port *port = open_port(outbox);
    pm_lane *lane = open_lane(port, "node");
    add(lane, &at[0], "0");
    add(lane, &at[1], "1");
    expect_next(port, "0");
    pm_lane_close(lane);
    ck_assert_int_eq(at[0].status, PANICMON_ERR_CANCELED);
    pm_port_close(port);
    ck_assert_int_eq(waiting(), 2);
    ck_assert_uint_eq(pm_port_look(control).pending, 2);
    expect_next(control, "0");
    /* A new channel of that name: its messages follow those of the old one, never overtake. */
    port = open_port(outbox);
    lane = open_lane(port, "node");
    add(lane, &at[2], "2");
    expect_next(port, NULL);
    expect_next(control, NULL); /* it goes home first */
    acked(control, 1, false);
    expect_next(control, NULL);
    expect_next(port, "1");
    expect_next(port, "2");
    acked(port, 2, true);
    (void)pm_lane_collect(lane, 0);
    ck_assert_int_eq(at[2].status, PANICMON_OK);
    ck_assert_int_eq(counts.confirmed, 3);
    pm_lane_close(lane);
    pm_port_close(port);
    pm_port_close(control);
    pm_outbox_free(outbox);
    for (int i = 0; i < 3; i++) {
        clear(&at[i]);
    }
}
END_TEST

START_TEST(a_channel_that_goes_before_its_lane_came_home_loses_nothing)
{
    outcome at[2];
    pm_outbox *outbox = open_outbox(1 << 20, NULL);
    pm_port *control = open_port(outbox);
    pm_lane *lane = open_lane(control, "node");
    add(lane, &at[0], "0");
    expect_next(control, "0");
    pm_lane_close(lane);
    pm_port *port = open_port(outbox);
    lane = open_lane(port, "node");
    pm_lane *second = open_lane(port, "node"); /* one more of that name is a lane of its own */
    add(lane, &at[1], "1");
    expect_next(control, NULL);
    pm_lane_close(lane);
    pm_lane_close(second);
    pm_port_close(port);
    expect_next(control, "1");
    acked(control, 0, true);
    ck_assert_int_eq(counts.confirmed, 2);
    pm_port_close(control);
    pm_outbox_free(outbox);
    clear(&at[0]);
    clear(&at[1]);
}
END_TEST

/* ---- the spool ---- */

/* Leaves `total` messages in the spool, the first `confirmed` of them settled. */
static void fill(int total, int confirmed)
{
    int64_t next;
    pm_outbox *outbox = open_outbox(1 << 20, directory);
    pm_port *port = open_port(outbox);
    pm_lane *lane = open_lane(port, "node");
    outcome *at = calloc((size_t)total, sizeof *at);
    for (int i = 0; i < total; i++) {
        char body[16];
        (void)snprintf(body, sizeof body, "%d", i);
        add(lane, &at[i], body);
    }
    for (int i = 0; i < confirmed; i++) {
        ck_assert_ptr_nonnull(take(port, 0, &next));
        acked(port, (uint64_t)i + 1, false);
    }
    pm_lane_close(lane);
    pm_port_close(port);
    ck_assert_int_eq(waiting(), total - confirmed);
    pm_outbox_free(outbox);
    for (int i = 0; i < total; i++) {
        ck_assert_int_eq(at[i].times, 1);
        clear(&at[i]);
    }
    free(at);
    memset(&counts, 0, sizeof counts);
}

/* Takes what is in the spool, which must be ascending from `first`; gives how many. */
static int drain(int first)
{
    int64_t next;
    int found = 0;
    const pm_message *message;
    pm_outbox *outbox = open_outbox(1 << 20, directory);
    pm_port *port = open_port(outbox);
    while ((message = take(port, 0, &next)) != NULL) {
        ck_assert_int_eq(atoi(message->body), first + found);
        ck_assert_str_eq(message->routing_key, "key");
        ck_assert_str_eq(message->exchange, "raw_data");
        found++;
    }
    ck_assert_int_eq(waiting(), found);
    acked(port, 0, true);
    ck_assert_int_eq(waiting(), 0);
    pm_port_close(port);
    pm_outbox_free(outbox);
    memset(&counts, 0, sizeof counts);
    return found;
}

START_TEST(the_spool_gives_back_what_was_not_confirmed)
{
    char path[400];
    make_directory();
    fill(10, 4);
    ck_assert_int_eq(drain(4), 6);
    ck_assert_int_eq(drain(0), 0);
    ck_assert_int_eq(find_segment(path, sizeof path), 0); /* and keeps nothing */
    remove_directory();
}
END_TEST

START_TEST(replayed_messages_come_before_newer_ones_of_their_channel)
{
    outcome at;
    make_directory();
    fill(3, 1);
    pm_outbox *outbox = open_outbox(1 << 20, directory);
    pm_port *control = open_port(outbox);
    pm_port *port = open_port(outbox);
    pm_lane *lane = open_lane(port, "node");
    add(lane, &at, "3");
    expect_next(control, NULL);
    expect_next(port, "1");
    expect_next(port, "2");
    expect_next(port, "3");
    acked(port, 3, true);
    pm_lane_close(lane);
    pm_port_close(port);
    pm_port_close(control);
    pm_outbox_free(outbox);
    clear(&at);
    remove_directory();
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
    make_directory();
    fill(6, 0);
    off_t size = find_segment(path, sizeof path);
    ck_assert_int_gt(size, 0);
    ck_assert_int_lt(size, sizeof bytes);
    int fd = open(path, O_RDONLY);
    ck_assert_int_eq(read(fd, bytes, sizeof bytes), size);
    close(fd);
    int before = 0;
    for (off_t len = 0; len <= size; len++) {
        remove_directory();
        ck_assert_int_eq(mkdir(directory, 0700), 0);
        write_file(path, bytes, (size_t)len);
        int found = drain(0);
        ck_assert(found == before || found == before + 1);
        before = found;
    }
    ck_assert_int_eq(before, 6);
    /* A damaged byte ends the segment there. */
    for (off_t i = 0; i < size; i += 7) {
        remove_directory();
        ck_assert_int_eq(mkdir(directory, 0700), 0);
        bytes[i] = (char)(bytes[i] ^ 0x41);
        write_file(path, bytes, (size_t)size);
        bytes[i] = (char)(bytes[i] ^ 0x41);
        ck_assert_int_lt(drain(0), 6);
    }
    remove_directory();
}
END_TEST

/* With confirms in it, a cut may bring back a confirmed one, but never lose one that waits. */
START_TEST(a_cut_among_confirms_loses_nothing_that_waits)
{
    char path[400];
    char bytes[8192];
    make_directory();
    fill(6, 3);
    off_t size = find_segment(path, sizeof path);
    int fd = open(path, O_RDONLY);
    ck_assert_int_eq(read(fd, bytes, sizeof bytes), size);
    close(fd);
    int last = -1;
    for (off_t len = size; len > size - 3 * 17; len--) { /* a confirm has 17 bytes */
        int64_t next;
        remove_directory();
        ck_assert_int_eq(mkdir(directory, 0700), 0);
        write_file(path, bytes, (size_t)len);
        pm_outbox *outbox = open_outbox(1 << 20, directory);
        pm_port *port = open_port(outbox);
        int first = atoi(take(port, 0, &next)->body);
        ck_assert(last == -1 ? first == 3 : first == last || first == last - 1);
        last = first;
        ck_assert_int_eq(waiting(), 6 - first);
        pm_port_close(port);
        pm_outbox_free(outbox);
        memset(&counts, 0, sizeof counts);
    }
    ck_assert_int_eq(last, 0);
    remove_directory();
}
END_TEST

/* A process killed in the middle of writing: all that it had taken in comes back. */
START_TEST(a_killed_process_loses_nothing)
{
    make_directory();
    for (int round = 0; round < 5; round++) {
        int ends[2];
        ck_assert_int_eq(pipe(ends), 0);
        pid_t child = fork();
        ck_assert_int_ge(child, 0);
        if (child == 0) {
            close(ends[0]);
            pm_outbox *outbox = open_outbox(64 << 20, directory);
            pm_port *port = open_port(outbox);
            pm_lane *lane = open_lane(port, "node");
            for (int i = 0;; i++) {
                outcome *at = malloc(sizeof *at);
                char body[16];
                (void)snprintf(body, sizeof body, "%d", i);
                add(lane, at, body);
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
    remove_directory();
}
END_TEST

START_TEST(one_process_at_a_time_has_the_spool)
{
    pm_outbox *second = NULL;
    panicmon_error *err = NULL;
    make_directory();
    pm_outbox *outbox = open_outbox(1 << 20, directory);
    const pm_outbox_options options = {.limit = 1, .spool_dir = directory, .counts = &counts};
    ck_assert_int_eq(pm_outbox_new(&second, &options, &err), PANICMON_ERR_STATE);
    ck_assert_ptr_nonnull(strstr(panicmon_error_message(err), "another process"));
    panicmon_error_free(err);
    pm_outbox_free(outbox);
    outbox = open_outbox(1 << 20, directory);
    pm_outbox_free(outbox);
    remove_directory();
}
END_TEST

static size_t bytes_on_disk(void)
{
    size_t sum = 0;
    DIR *listing = opendir(directory);
    for (const struct dirent *at; (at = readdir(listing)) != NULL;) {
        struct stat info;
        char name[400];
        (void)snprintf(name, sizeof name, "%s/%s", directory, at->d_name);
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
    outcome first;
    make_directory();
    memset(body, 'b', sizeof body - 1);
    pm_outbox *outbox = open_outbox(1 << 20, directory);
    pm_port *port = open_port(outbox);
    pm_lane *lane = open_lane(port, "node");
    atomic_store(&sync_looks_at, port);
    add_to(lane, &first, "monitorable", "stays");
    for (int i = 0; i < 2000; i++) { /* 125 MiB in all; the outbox holds 1 */
        outcome at;
        add(lane, &at, body);
        (void)pm_lane_collect(lane, 1000);
        clear(&at);
        if (i % 500 == 499) { /* of the last 31 MiB and what the time before left */
            ck_assert_uint_lt(wait_compact((size_t)33 << 20), (size_t)33 << 20);
        }
    }
    ck_assert_int_gt(atomic_load(&syncs), 0);
    atomic_store(&sync_looks_at, NULL);
    pm_lane_close(lane);
    pm_port_close(port);
    pm_outbox_free(outbox);
    clear(&first);
    memset(&counts, 0, sizeof counts);
    outbox = open_outbox(1 << 20, directory);
    port = open_port(outbox);
    ck_assert_str_eq(take(port, 0, &next)->body, "stays");
    pm_port_close(port);
    pm_outbox_free(outbox);
    remove_directory();
}
END_TEST

/* ---- threads ---- */

#define THREADS 4
#define OF_ONE  500

typedef struct writer {
    pm_outbox *outbox;
    pm_port *port;
    int index;
    atomic_int done;
} writer;

static void count_done(pm_request *request)
{
    writer *me = request->owner;
    atomic_fetch_add(&me->done, 1);
    pm_request_clear(request);
    free(request);
}

static void wake_nobody(void *user)
{
    (void)user;
}

static void wake_nobody_port(void *user, bool hurry)
{
    (void)user;
    (void)hurry;
}

static void write_many(void *arg)
{
    writer *me = arg;
    char name[16];
    pm_lane *lane = NULL;
    (void)snprintf(name, sizeof name, "lane%d", me->index);
    ck_assert_int_eq(pm_lane_open(&lane, me->port, name, wake_nobody, me), PANICMON_OK);
    for (int i = 0; i < OF_ONE; i++) {
        pm_request *request = calloc(1, sizeof *request);
        request->target = strdup(name);
        request->name = strdup("k");
        request->deadline = PM_NEVER;
        request->on_done = count_done;
        request->owner = me;
        pm_buf_int(&request->in, i);
        pm_lane_add(lane, request);
        (void)pm_lane_collect(lane, pm_mono_ms());
    }
    atomic_bool give_up = false;
    pm_lane_flush(lane, pm_mono_ms() + 20000, &give_up);
    (void)pm_lane_collect(lane, pm_mono_ms());
    pm_lane_close(lane);
}

START_TEST(many_threads_and_one_port_keep_order_and_count)
{
    writer writers[THREADS];
    pm_thread *threads[THREADS];
    int expected[THREADS] = {0};
    pm_outbox *outbox = open_outbox(64 << 20, NULL);
    pm_port *port = NULL;
    ck_assert_int_eq(pm_port_open(&port, outbox, wake_nobody_port, NULL), PANICMON_OK);
    for (int i = 0; i < THREADS; i++) {
        writers[i] = (writer){.outbox = outbox, .port = port, .index = i};
        ck_assert_int_eq(pm_thread_start(&threads[i], "w", PM_STACK_SMALL, write_many, &writers[i]),
                         PANICMON_OK);
    }
    int left = THREADS * OF_ONE;
    uint64_t tag = 0;
    int losses = 0;
    while (left > 0) {
        int64_t next;
        const pm_message *message = take(port, pm_mono_ms(), &next);
        if (message == NULL) {
            (void)usleep(100);
        } else if (++tag % 97 == 0 && losses < 20) {
            pm_port_lost(port);
            tag = 0;
            losses++;
        } else {
            int lane = message->exchange[4] - '0';
            ck_assert_int_eq(atoi(message->body), expected[lane]++);
            acked(port, tag, false);
            left--;
        }
    }
    for (int i = 0; i < THREADS; i++) {
        pm_thread_join(threads[i]);
        ck_assert_int_eq(atomic_load(&writers[i].done), OF_ONE);
    }
    ck_assert_int_eq(waiting(), 0);
    ck_assert_int_eq(atomic_load(&counts.confirmed), THREADS * OF_ONE);
    pm_port_close(port);
    pm_outbox_free(outbox);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("outbox");
    TCase *all = tcase_create("all");
    tcase_set_timeout(all, 60);
    tcase_add_test(all, messages_leave_in_order_and_confirms_finish_them);
    tcase_add_test(all, a_lost_connection_sends_again_in_order);
    tcase_add_test(all, returned_and_refused_messages_fail);
    tcase_add_test(all, a_message_that_closes_the_channel_goes_alone);
    tcase_add_test(all, the_oldest_of_all_lanes_go_first_but_no_monitorables);
    tcase_add_test(all, a_list_takes_the_place_of_none_of_another_manager);
    tcase_add_test(all, a_newer_monitorable_takes_the_place_of_one_that_waits);
    tcase_add_test(all, monitorables_do_not_gather_without_end);
    tcase_add_test(all, what_amqp_cannot_name_is_refused);
    tcase_add_test(all, what_cannot_be_kept_fails_at_once);
    tcase_add_test(all, a_closed_channel_leaves_its_messages_to_another);
    tcase_add_test(all, a_channel_that_goes_before_its_lane_came_home_loses_nothing);
    tcase_add_test(all, the_spool_gives_back_what_was_not_confirmed);
    tcase_add_test(all, replayed_messages_come_before_newer_ones_of_their_channel);
    tcase_add_test(all, a_segment_may_end_at_any_byte);
    tcase_add_test(all, a_cut_among_confirms_loses_nothing_that_waits);
    tcase_add_test(all, a_killed_process_loses_nothing);
    tcase_add_test(all, one_process_at_a_time_has_the_spool);
    tcase_add_test(all, the_spool_does_not_grow_without_end);
    tcase_add_test(all, many_threads_and_one_port_keep_order_and_count);
    suite_add_tcase(suite, all);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
