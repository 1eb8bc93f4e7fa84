/* test_outbox.c: the outbox without a broker: order, room, confirms, handing lanes on. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/thread.h"
#include "outbox_lab.h"

/* ---- the outbox ---- */

START_TEST(messages_leave_in_order_and_confirms_finish_them)
{
    box_outcome at[4];
    pm_outbox *outbox = box_open(1 << 20, NULL);
    pm_port *port = box_open_port(outbox);
    pm_lane *lane = box_open_lane(port, "a");
    static const char *const bodies[] = {"0", "1", "2", "3"};
    for (int i = 0; i < 4; i++) {
        box_add(lane, &at[i], bodies[i]);
    }
    ck_assert_int_gt(box_wakes, 0);
    for (int i = 0; i < 4; i++) {
        box_expect_next(port, bodies[i]);
    }
    box_expect_next(port, NULL);
    ck_assert_uint_eq(pm_port_look(port).in_flight, 4);
    box_acked(port, 2, false);
    box_acked(port, 9, false); /* never sent */
    (void)pm_lane_collect(lane, 0);
    ck_assert_int_eq(at[1].times, 1);
    ck_assert_int_eq(at[1].status, PANICMON_OK);
    ck_assert_int_eq(at[0].times, 0);
    box_acked(port, 3, true);
    ck_assert_int_eq(pm_lane_collect(lane, 0), 1000);
    ck_assert_int_eq(at[0].times + at[2].times, 2);
    ck_assert_int_eq(at[3].times, 0);
    ck_assert_int_eq(pm_lane_collect(lane, 1000), PM_NEVER);
    ck_assert_int_eq(at[3].status, PANICMON_ERR_TIMEOUT);
    ck_assert_int_eq(box_waiting(), 1); /* kept */
    box_acked(port, 0, true);
    ck_assert_int_eq(box_waiting(), 0);
    ck_assert_int_eq(box_counts.confirmed, 4);
    pm_lane_close(lane);
    pm_port_close(port);
    pm_outbox_free(outbox);
    for (int i = 0; i < 4; i++) {
        ck_assert_int_eq(at[i].times, 1);
        box_clear(&at[i]);
    }
}
END_TEST

START_TEST(a_lost_connection_sends_again_in_order)
{
    box_outcome at[3];
    pm_outbox *outbox = box_open(1 << 20, NULL);
    pm_port *port = box_open_port(outbox);
    pm_lane *lane = box_open_lane(port, "a");
    box_add(lane, &at[0], "0");
    box_add(lane, &at[1], "1");
    box_add(lane, &at[2], "2");
    box_expect_next(port, "0");
    box_expect_next(port, "1");
    box_acked(port, 2, false);
    pm_port_lost(port);
    ck_assert_uint_eq(pm_port_look(port).in_flight, 0);
    ck_assert_int_eq(pm_port_look(port).oldest, PM_NEVER);
    box_expect_next(port, "0");
    box_expect_next(port, "2");
    box_acked(port, 2, true);
    (void)pm_lane_collect(lane, 0);
    ck_assert_int_eq(box_counts.confirmed, 3);
    ck_assert_int_eq(box_waiting(), 0);
    pm_lane_close(lane);
    pm_port_close(port);
    pm_outbox_free(outbox);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(at[i].status, PANICMON_OK);
        box_clear(&at[i]);
    }
}
END_TEST

START_TEST(returned_and_refused_messages_fail)
{
    box_outcome at[3];
    int64_t next;
    int64_t now = 0;
    pm_outbox *outbox = box_open(1 << 20, NULL);
    pm_port *port = box_open_port(outbox);
    pm_lane *lane = box_open_lane(port, "a");
    box_add(lane, &at[0], "same");
    box_add(lane, &at[1], "same");
    const pm_message *sent = box_take(port, 0, &next);
    const pm_message copy = *sent;
    (void)box_take(port, 0, &next);
    pm_port_returned(port, &copy);
    box_acked(port, 1, false);
    box_acked(port, 2, false);
    (void)pm_lane_collect(lane, 0);
    ck_assert_int_eq(at[0].status, PANICMON_ERR_NOENT);
    ck_assert_str_eq(at[0].why, "no queue is bound for key of the exchange raw_data");
    ck_assert_int_eq(at[1].status, PANICMON_OK);
    ck_assert_int_eq(box_counts.dropped_returned, 1);
    box_add(lane, &at[2], "bad");
    for (uint64_t i = 0; i < PM_OUTBOX_TRIES; i++) {
        ck_assert_ptr_nonnull(box_take(port, now, &next));
        box_nacked(port, 3 + i, false, now);
        if (i + 1 < PM_OUTBOX_TRIES) { /* not before its pause is over */
            ck_assert_ptr_null(box_take(port, now, &next));
            ck_assert_int_gt(next, now);
            now = next;
        }
    }
    (void)pm_lane_collect(lane, 0);
    ck_assert_int_eq(at[2].status, PANICMON_ERR_AMQP);
    ck_assert_int_eq(box_counts.dropped_failed, 1);
    ck_assert_int_eq(box_waiting(), 0);
    pm_lane_close(lane);
    pm_port_close(port);
    pm_outbox_free(outbox);
    for (int i = 0; i < 3; i++) {
        box_clear(&at[i]);
    }
}
END_TEST

static const char *const declared[] = {"raw_data", NULL};

START_TEST(a_message_that_closes_the_channel_goes_alone)
{
    box_outcome at[4];
    int64_t next;
    pm_outbox *outbox = box_open(1 << 20, NULL);
    pm_port *port = box_open_port(outbox);
    pm_lane *lane = box_open_lane(port, "a");
    box_add(lane, &at[0], "0");
    box_add_to(lane, &at[1], "none", "1");
    box_add(lane, &at[2], "22");
    box_add(lane, &at[3], "333");
    while (box_take(port, 0, &next) != NULL) {
    }
    pm_port_refused(port, "404 NOT_FOUND - no exchange 'none' in vhost '/'", declared, 0);
    pm_port_refused(port, "406 - message size 2 is larger than configured max size 1", declared, 0);
    pm_port_lost(port);
    (void)pm_lane_collect(lane, 0);
    ck_assert_int_eq(at[1].status, PANICMON_ERR_AMQP);
    ck_assert_int_eq(at[2].status, PANICMON_ERR_AMQP);
    ck_assert_int_eq(box_counts.dropped_failed, 2);
    box_expect_next(port, "0");
    box_expect_next(port, "333");
    box_acked(port, 2, true);
    pm_lane_close(lane);
    pm_port_close(port);
    ck_assert_int_eq(box_waiting(), 0);
    pm_outbox_free(outbox);
    for (int i = 0; i < 4; i++) {
        box_clear(&at[i]);
    }
}
END_TEST

/* A routing key that is not allowed says nothing about others of its exchange. */
START_TEST(a_refused_routing_key_costs_only_its_messages)
{
    box_outcome at[4];
    int64_t next;
    pm_outbox *outbox = box_open(1 << 20, NULL);
    pm_port *port = box_open_port(outbox);
    pm_lane *lane = box_open_lane(port, "a");
    box_add_key(lane, &at[0], "raw_data", "good", "0");
    box_add_key(lane, &at[1], "raw_data", "bad", "1");
    box_add_key(lane, &at[2], "other", "bad", "2");
    box_add_key(lane, &at[3], "topic 'x'", "good", "3");
    while (box_take(port, 0, &next) != NULL) {
    }
    pm_port_refused(port,
                    "403 ACCESS_REFUSED - access to topic 'bad' in exchange 'raw_data' in vhost "
                    "'/' refused for user 'guest'",
                    declared, 0);
    pm_port_refused(port, "404 NOT_FOUND - no exchange 'topic 'x'' in vhost '/'", declared, 0);
    pm_port_lost(port);
    (void)pm_lane_collect(lane, 0);
    ck_assert_int_eq(at[1].status, PANICMON_ERR_AMQP);
    ck_assert_int_eq(at[3].status, PANICMON_ERR_AMQP);
    ck_assert_int_eq(box_counts.dropped_failed, 2);
    box_expect_next(port, "0");
    box_expect_next(port, "2");
    box_acked(port, 2, true);
    pm_lane_close(lane);
    pm_port_close(port);
    ck_assert_int_eq(box_waiting(), 0);
    pm_outbox_free(outbox);
    for (int i = 0; i < 4; i++) {
        box_clear(&at[i]);
    }
}
END_TEST

/* An exchange that the next connection declares again is there again then; but what makes it vanish
 * may do so each time. */
START_TEST(a_declared_exchange_that_vanished_costs_nothing_at_first)
{
    static const char said[] = "404 NOT_FOUND - no exchange 'raw_data' in vhost '/'";
    box_outcome at[2];
    int64_t next;
    int64_t now = 0;
    pm_outbox *outbox = box_open(1 << 20, NULL);
    pm_port *port = box_open_port(outbox);
    pm_lane *lane = box_open_lane(port, "a");
    box_add(lane, &at[0], "0");
    ck_assert_ptr_nonnull(box_take(port, now, &next));
    for (int i = 1; i < PM_OUTBOX_TRIES; i++) {
        pm_port_refused(port, said, declared, now);
        pm_port_lost(port);
        ck_assert_int_eq(box_waiting(), 1);
        ck_assert_ptr_null(box_take(port, now, &next)); /* not before a pause is over */
        now = next;
        ck_assert_ptr_nonnull(box_take(port, now, &next));
    }
    box_add(lane, &at[1], "1");
    ck_assert_ptr_nonnull(box_take(port, now, &next));
    pm_port_refused(port, said, declared, now);
    pm_port_lost(port);
    (void)pm_lane_collect(lane, 0);
    ck_assert_int_eq(at[0].status, PANICMON_ERR_AMQP);
    ck_assert_int_eq(box_counts.dropped_failed, 1);
    ck_assert_int_eq(box_waiting(), 1);
    ck_assert_ptr_null(box_take(port, now, &next));
    ck_assert_ptr_nonnull(box_take(port, next, &next));
    box_acked(port, 1, false);
    pm_lane_close(lane);
    pm_port_close(port);
    ck_assert_int_eq(box_waiting(), 0);
    pm_outbox_free(outbox);
    box_clear(&at[0]);
    box_clear(&at[1]);
}
END_TEST

/* The broker's text has 255 bytes at most, with dots at its end where it wanted more. */
START_TEST(a_name_that_the_broker_cut_is_known_by_its_beginning)
{
    box_outcome at[3];
    char name[PM_OUTBOX_NAME_MAX + 1];
    char said[400];
    int64_t next;
    for (size_t len = 220; len <= PM_OUTBOX_NAME_MAX; len++) {
        pm_outbox *outbox = box_open(1 << 20, NULL);
        pm_port *port = box_open_port(outbox);
        pm_lane *lane = box_open_lane(port, "a");
        int64_t dropped = box_counts.dropped_failed;
        memset(name, 'x', len);
        name[len] = '\0';
        box_add_key(lane, &at[0], "raw_data", "xxx", "0");
        box_add_key(lane, &at[1], name, name, "1");
        box_add_key(lane, &at[2], "raw_data", name, "2");
        while (box_take(port, 0, &next) != NULL) {
        }
        for (int kind = 0; kind < 2; kind++) {
            (void)snprintf(said, sizeof said,
                           kind == 0 ? "NOT_FOUND - no exchange '%s' in vhost '/'"
                                     : "ACCESS_REFUSED - access to topic '%s' in exchange "
                                       "'raw_data' in vhost '/' refused for user 'guest'",
                           name);
            if (strlen(said) > 255) {
                strcpy(said + 252, "...");
            }
            pm_port_refused(port, said, declared, 0);
        }
        pm_port_lost(port);
        (void)pm_lane_collect(lane, 0);
        ck_assert_int_eq(at[1].status, PANICMON_ERR_AMQP);
        ck_assert_int_eq(at[2].status, PANICMON_ERR_AMQP);
        ck_assert_int_eq(box_counts.dropped_failed, dropped + 2);
        box_expect_next(port, "0");
        box_acked(port, 1, false);
        pm_lane_close(lane);
        pm_port_close(port);
        ck_assert_int_eq(box_waiting(), 0);
        pm_outbox_free(outbox);
        for (int i = 0; i < 3; i++) {
            box_clear(&at[i]);
        }
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
    static box_outcome at[MANY];
    char body[16];
    panicmon_log *log = NULL;
    ck_assert_int_eq(panicmon_log_new(&log, see_record, NULL, NULL), PANICMON_OK);
    pm_outbox *outbox = box_open(4000, NULL);
    pm_outbox_set_log(outbox, log);
    pm_port *port = box_open_port(outbox);
    pm_lane *lanes[2] = {box_open_lane(port, "a"), box_open_lane(port, "b")};
    for (int i = 0; i < MANY; i++) {
        (void)snprintf(body, sizeof body, "%d", i);
        box_add_to(lanes[i % 2], &at[i], i == 1 ? "monitorable" : "raw_data", body);
    }
    ck_assert_int_gt(box_counts.dropped_full, MANY / 2);
    ck_assert_int_eq(box_counts.dropped, box_counts.dropped_full);
    (void)pm_lane_collect(lanes[0], 0);
    (void)pm_lane_collect(lanes[1], 0);
    int64_t gone = box_counts.dropped_full;
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
    ck_assert_int_eq(box_counts.dropped_stopped, MANY - gone);
    ck_assert_int_eq(box_waiting(), 0);
    pm_outbox_free(outbox);
    for (int i = 0; i < MANY; i++) {
        ck_assert_int_eq(at[i].times, 1);
        box_clear(&at[i]);
    }
    panicmon_log_free(log);
}
END_TEST

static void count_wake(void *user)
{
    ++*(int *)user;
}

static void ignore_wake(void *user, bool hurry)
{
    (void)user;
    (void)hurry;
}

/* A channel that confirms its own messages collects them anyway; whatever else ends them, maybe in
 * another thread, must wake it. */
START_TEST(only_its_own_confirms_do_not_wake_a_channel)
{
    static box_outcome at[MANY];
    int wakes[2] = {0, 0};
    pm_port *ports[2];
    pm_lane *lanes[2];
    int64_t next_ms;
    pm_outbox *outbox = box_open(4000, NULL);
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(pm_port_open(&ports[i], outbox, ignore_wake, &wakes[i]), PANICMON_OK);
        ck_assert_int_eq(
            pm_lane_open(&lanes[i], ports[i], i == 0 ? "a" : "b", count_wake, &wakes[i]),
            PANICMON_OK);
        pm_port_set_state(ports[i], PM_PORT_UP);
    }
    box_add(lanes[0], &at[0], "confirmed");
    ck_assert_ptr_nonnull(box_take(ports[0], 0, &next_ms));
    box_acked(ports[0], 1, false);
    ck_assert_int_eq(wakes[0], 0);
    (void)pm_lane_collect(lanes[0], 0);
    ck_assert_int_eq(at[0].times, 1);
    ck_assert_int_eq(at[0].status, PANICMON_OK);

    box_add(lanes[0], &at[1], "dropped for those of the other");
    for (int i = 2; i < MANY; i++) {
        box_add(lanes[1], &at[i], "of the other");
    }
    ck_assert_int_eq(wakes[0], 1);
    (void)pm_lane_collect(lanes[0], 0);
    ck_assert_int_eq(at[1].status, PANICMON_ERR_LIMIT);
    for (int i = 0; i < 2; i++) {
        pm_lane_close(lanes[i]);
        pm_port_close(ports[i]);
    }
    pm_outbox_free(outbox);
    for (int i = 0; i < MANY; i++) {
        ck_assert_int_eq(at[i].times, 1);
        box_clear(&at[i]);
    }
}
END_TEST

/* Two managers have lists of the same routing key: each has its own newest. */
START_TEST(a_list_takes_the_place_of_none_of_another_manager)
{
    static const char nodes[] = "{\"manager_name\": \"Node\", \"sources\": [1]}";
    static const char contracts[] = "{\"manager_name\": \"Contract\", \"sources\": []}";
    box_outcome at[3];
    pm_outbox *outbox = box_open(1 << 20, NULL);
    pm_port *port = box_open_port(outbox);
    pm_lane *lane = box_open_lane(port, "a");
    box_add_to(lane, &at[0], "monitorable", nodes);
    box_add_to(lane, &at[1], "monitorable", contracts);
    box_add_to(lane, &at[2], "monitorable", contracts);
    box_expect_next(port, nodes);
    box_expect_next(port, contracts);
    box_expect_next(port, NULL);
    ck_assert_int_eq(box_counts.dropped_superseded, 1);
    box_acked(port, 0, true);
    (void)pm_lane_collect(lane, 0);
    ck_assert_int_eq(at[0].status, PANICMON_OK);
    ck_assert_int_eq(at[1].status, PANICMON_ERR_CANCELED);
    ck_assert_int_eq(at[2].status, PANICMON_OK);
    pm_lane_close(lane);
    pm_port_close(port);
    pm_outbox_free(outbox);
    for (size_t i = 0; i < 3; i++) {
        box_clear(&at[i]);
    }
}
END_TEST

/* Of messages that are kept whatever comes, only the newest of a routing key waits. */
START_TEST(a_newer_monitorable_takes_the_place_of_one_that_waits)
{
    box_outcome at[5];
    box_outcome other;
    pm_outbox *outbox = box_open(1 << 20, NULL);
    pm_port *port = box_open_port(outbox);
    pm_lane *lane = box_open_lane(port, "a");
    box_add_to(lane, &at[0], "monitorable", "0");
    box_expect_next(port, "0");
    box_add_to(lane, &at[1], "monitorable", "1"); /* "0" is on its way: it stays */
    box_add_key(lane, &other, "monitorable", "another", "other");
    box_add_to(lane, &at[2], "monitorable", "2");
    (void)pm_lane_collect(lane, 0);
    ck_assert_int_eq(at[1].status, PANICMON_ERR_CANCELED);
    ck_assert_str_eq(at[1].why, "a newer message took its place");
    ck_assert_int_eq(at[0].times + at[2].times + other.times, 0);
    pm_port_lost(port); /* "0" would be sent again, but there is a newer one */
    (void)pm_lane_collect(lane, 0);
    ck_assert_int_eq(at[0].status, PANICMON_ERR_CANCELED);
    ck_assert_int_eq(box_counts.dropped_superseded, 2);
    ck_assert_int_eq(box_counts.dropped, 2);
    ck_assert_int_eq(box_waiting(), 2);
    box_expect_next(port, "other");
    box_expect_next(port, "2");
    box_expect_next(port, NULL);
    box_add_to(lane, &at[3], "monitorable", "3");
    box_acked(port, 0, true);
    box_add_to(lane, &at[4], "raw_data", "4"); /* of other exchanges all are sent */
    box_expect_next(port, "3");
    box_expect_next(port, "4");
    box_acked(port, 0, true);
    (void)pm_lane_collect(lane, 0);
    ck_assert_int_eq(box_counts.confirmed, 4);
    ck_assert_int_eq(box_waiting(), 0);
    pm_lane_close(lane);
    pm_port_close(port);
    pm_outbox_free(outbox);
    for (int i = 0; i < 5; i++) {
        ck_assert_int_eq(at[i].times, 1);
        box_clear(&at[i]);
    }
    box_clear(&other);
}
END_TEST

/* However long the broker is away, with a spool too. */
START_TEST(monitorables_do_not_gather_without_end)
{
    char path[400];
    box_make_directory();
    for (int run = 0; run < 2; run++) {
        pm_outbox *outbox = box_open(1 << 20, run == 0 ? NULL : box_directory);
        pm_port *port = box_open_port(outbox);
        pm_lane *lane = box_open_lane(port, "a");
        memset(&box_counts, 0, sizeof box_counts);
        for (int i = 0; i < MANY; i++) {
            box_outcome at;
            char body[16];
            (void)snprintf(body, sizeof body, "%d", i);
            box_add_to(lane, &at, "monitorable", body);
            (void)pm_lane_collect(lane, 1000);
            box_clear(&at);
        }
        ck_assert_int_eq(box_waiting(), 1);
        ck_assert_int_eq(box_counts.dropped_superseded, MANY - 1);
        pm_lane_close(lane);
        pm_port_close(port);
        pm_outbox_free(outbox);
    }
    memset(&box_counts, 0, sizeof box_counts);
    ck_assert_int_gt(box_find_segment(path, sizeof path), 0);
    pm_outbox *outbox = box_open(1 << 20, box_directory);
    pm_port *port = box_open_port(outbox);
    box_expect_next(port, "99");
    box_expect_next(port, NULL);
    pm_port_close(port);
    pm_outbox_free(outbox);
    box_remove_directory();
}
END_TEST

START_TEST(what_amqp_cannot_name_is_refused)
{
    box_outcome at[2];
    char key[300];
    pm_outbox *outbox = box_open(1 << 20, NULL);
    pm_port *port = box_open_port(outbox);
    pm_lane *lane = box_open_lane(port, "a");
    memset(key, 'k', sizeof key);
    key[256] = '\0';
    box_add_key(lane, &at[0], "raw_data", key, "never");
    key[255] = '\0';
    box_add_key(lane, &at[1], "raw_data", key, "goes");
    ck_assert_int_eq(at[0].status, PANICMON_ERR_LIMIT);
    ck_assert_int_eq(box_counts.dropped_failed, 1);
    box_expect_next(port, "goes");
    box_acked(port, 1, false);
    pm_lane_close(lane);
    pm_port_close(port);
    pm_outbox_free(outbox);
    box_clear(&at[0]);
    box_clear(&at[1]);
}
END_TEST

START_TEST(what_cannot_be_kept_fails_at_once)
{
    box_outcome at[4];
    char big[3000];
    int64_t next;
    pm_outbox *outbox = box_open(600, NULL);
    pm_port *port = box_open_port(outbox);
    pm_lane *lane = box_open_lane(port, "a");
    memset(big, 'x', sizeof big - 1);
    big[sizeof big - 1] = '\0';
    box_add(lane, &at[0], big);
    ck_assert_int_eq(at[0].status, PANICMON_ERR_LIMIT);
    ck_assert_int_eq(box_counts.dropped_failed, 1);
    box_add(lane, &at[1], "first");
    box_add(lane, &at[2], "second");
    ck_assert_ptr_nonnull(box_take(port, 0, &next));
    while (box_take(port, 0, &next) != NULL) {
    }
    big[400] = '\0'; /* all that is there is in flight */
    box_add(lane, &at[3], big);
    ck_assert_int_eq(at[3].status, PANICMON_ERR_LIMIT);
    ck_assert_int_ge(box_counts.dropped_full, 1);
    box_acked(port, 0, true);
    ck_assert_int_eq(box_waiting(), 0);
    pm_lane_close(lane);
    pm_port_close(port);
    pm_outbox_free(outbox);
    for (int i = 0; i < 4; i++) {
        ck_assert_int_eq(at[i].times, 1);
        box_clear(&at[i]);
    }
}
END_TEST

/* ---- handing on ---- */

START_TEST(a_closed_channel_leaves_its_messages_to_another)
{
    box_outcome at[3];
    pm_outbox *outbox = box_open(1 << 20, NULL);
    pm_port *control = box_open_port(outbox);
    pm_port *port = box_open_port(outbox);
    pm_lane *lane = box_open_lane(port, "node");
    box_add(lane, &at[0], "0");
    box_add(lane, &at[1], "1");
    box_expect_next(port, "0");
    pm_lane_close(lane);
    ck_assert_int_eq(at[0].status, PANICMON_ERR_CANCELED);
    pm_port_close(port);
    ck_assert_int_eq(box_waiting(), 2);
    ck_assert_uint_eq(pm_port_look(control).pending, 2);
    box_expect_next(control, "0");
    /* A new channel of that name: its messages follow those of the old one, never overtake. */
    port = box_open_port(outbox);
    lane = box_open_lane(port, "node");
    box_add(lane, &at[2], "2");
    box_expect_next(port, NULL);
    box_expect_next(control, NULL); /* it goes home first */
    box_acked(control, 1, false);
    box_expect_next(control, NULL);
    box_expect_next(port, "1");
    box_expect_next(port, "2");
    box_acked(port, 2, true);
    (void)pm_lane_collect(lane, 0);
    ck_assert_int_eq(at[2].status, PANICMON_OK);
    ck_assert_int_eq(box_counts.confirmed, 3);
    pm_lane_close(lane);
    pm_port_close(port);
    pm_port_close(control);
    pm_outbox_free(outbox);
    for (int i = 0; i < 3; i++) {
        box_clear(&at[i]);
    }
}
END_TEST

START_TEST(a_channel_that_goes_before_its_lane_came_home_loses_nothing)
{
    box_outcome at[2];
    pm_outbox *outbox = box_open(1 << 20, NULL);
    pm_port *control = box_open_port(outbox);
    pm_lane *lane = box_open_lane(control, "node");
    box_add(lane, &at[0], "0");
    box_expect_next(control, "0");
    pm_lane_close(lane);
    pm_port *port = box_open_port(outbox);
    lane = box_open_lane(port, "node");
    pm_lane *second = box_open_lane(port, "node"); /* one more of that name is a lane of its own */
    box_add(lane, &at[1], "1");
    box_expect_next(control, NULL);
    pm_lane_close(lane);
    pm_lane_close(second);
    pm_port_close(port);
    box_expect_next(control, "1");
    box_acked(control, 0, true);
    ck_assert_int_eq(box_counts.confirmed, 2);
    pm_port_close(control);
    pm_outbox_free(outbox);
    box_clear(&at[0]);
    box_clear(&at[1]);
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
    pm_outbox *outbox = box_open(64 << 20, NULL);
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
        const pm_message *message = box_take(port, pm_mono_ms(), &next);
        if (message == NULL) {
            (void)usleep(100);
        } else if (++tag % 97 == 0 && losses < 20) {
            pm_port_lost(port);
            tag = 0;
            losses++;
        } else {
            int lane = message->exchange[4] - '0';
            ck_assert_int_eq(atoi(message->body), expected[lane]++);
            box_acked(port, tag, false);
            left--;
        }
    }
    for (int i = 0; i < THREADS; i++) {
        pm_thread_join(threads[i]);
        ck_assert_int_eq(atomic_load(&writers[i].done), OF_ONE);
    }
    ck_assert_int_eq(box_waiting(), 0);
    ck_assert_int_eq(atomic_load(&box_counts.confirmed), THREADS * OF_ONE);
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
    tcase_add_test(all, a_refused_routing_key_costs_only_its_messages);
    tcase_add_test(all, a_declared_exchange_that_vanished_costs_nothing_at_first);
    tcase_add_test(all, a_name_that_the_broker_cut_is_known_by_its_beginning);
    tcase_add_test(all, the_oldest_of_all_lanes_go_first_but_no_monitorables);
    tcase_add_test(all, only_its_own_confirms_do_not_wake_a_channel);
    tcase_add_test(all, a_list_takes_the_place_of_none_of_another_manager);
    tcase_add_test(all, a_newer_monitorable_takes_the_place_of_one_that_waits);
    tcase_add_test(all, monitorables_do_not_gather_without_end);
    tcase_add_test(all, what_amqp_cannot_name_is_refused);
    tcase_add_test(all, what_cannot_be_kept_fails_at_once);
    tcase_add_test(all, a_closed_channel_leaves_its_messages_to_another);
    tcase_add_test(all, a_channel_that_goes_before_its_lane_came_home_loses_nothing);
    tcase_add_test(all, many_threads_and_one_port_keep_order_and_count);
    suite_add_tcase(suite, all);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
