/* test_share.c: calls of one asker and of several to an endpoint: which go together, and what
 * becomes of those that are given up on their way. */
#include <check.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../support/peer.h"
#include "base/clock.h"
#include "base/json.h"
#include "core/round.h"
#include "exec/share.h"

#define LIMIT (1u << 20)

/* ---- a peer: what is asked to come "later" is answered when a call "go" comes ---- */

static atomic_int asked;

static void put_answer(peer_conn *conn, pm_json id)
{
    pm_buf out = {0};
    pm_buf_text(&out, "{\"jsonrpc\":\"2.0\",\"id\":");
    pm_buf_add(&out, id.text, id.len);
    pm_buf_text(&out, ",\"result\":\"this\"}");
    (void)peer_send_text(conn, out.data);
    pm_buf_free(&out);
}

static void take_call(peer_conn *conn, pm_json call, pm_buf *later)
{
    pm_json id = pm_json_member(call, "id");
    pm_json method = pm_json_member(call, "method");
    atomic_fetch_add(&asked, 1);
    if (pm_json_equals(method, "later")) {
        pm_buf_text(later, later->len == 0 ? "[" : ",");
        pm_buf_add(later, id.text, id.len);
        return;
    }
    if (pm_json_equals(method, "go") && later->len > 0) {
        pm_json ids;
        pm_json held;
        pm_buf_char(later, ']');
        ck_assert(pm_json_parse(later->data, later->len, &ids, NULL));
        for (size_t at = 0; pm_json_next_element(ids, &at, &held);) {
            put_answer(conn, held);
        }
        pm_buf_clear(later);
    }
    put_answer(conn, id);
}

static void node(peer_conn *conn)
{
    pm_buf later = {0};
    char *text;
    if (!peer_upgrade(conn)) {
        return;
    }
    while ((text = peer_read_text(conn)) != NULL) {
        pm_json message;
        pm_json call;
        ck_assert(pm_json_parse(text, strlen(text), &message, NULL));
        if (pm_json_is(message, '[')) {
            for (size_t at = 0; pm_json_next_element(message, &at, &call);) {
                take_call(conn, call, &later);
            }
        } else {
            take_call(conn, message, &later);
        }
        free(text);
    }
    pm_buf_free(&later);
}

/* ---- the rig ---- */

typedef struct rig {
    pm_net *net;
    pm_loop *loop;
    pm_rpc *rpc;
    pm_share *share;
    pm_figures figures;
    peer *server;
    char url[64];
} rig;

static rig *rig_new(void)
{
    rig *r = calloc(1, sizeof *r);
    ck_assert_ptr_nonnull(r);
    const pm_net_options options = {.message_limit = LIMIT, .connect_timeout_ms = 5000};
    ck_assert_int_eq(pm_net_new(&r->net, &options), PANICMON_OK);
    ck_assert_int_eq(pm_loop_new(&r->loop, r->net), PANICMON_OK);
    ck_assert_int_eq(pm_rpc_new(&r->rpc, r->loop, NULL, "test"), PANICMON_OK);
    ck_assert_int_eq(pm_share_new(&r->share, r->rpc, LIMIT, &r->figures), PANICMON_OK);
    atomic_store(&asked, 0);
    r->server = peer_start(node, NULL, NULL, NULL);
    (void)snprintf(r->url, sizeof r->url, "ws://127.0.0.1:%d/", peer_port(r->server));
    return r;
}

static void rig_free(rig *r)
{
    pm_rpc_cancel(r->rpc);
    pm_share_cancel(r->share);
    pm_share_free(r->share);
    pm_rpc_free(r->rpc);
    pm_loop_free(r->loop);
    pm_net_free(r->net);
    peer_stop(r->server);
    free(r);
}

/* One who asks: a round, and how many of its requests are done. */
typedef struct asker {
    panicmon_round round;
    pm_share_place place;
    size_t done;
} asker;

static void begin_for(asker *at, int64_t budget_ms)
{
    *at = (asker){.round.name = "test"};
    pm_round_begin(&at->round, pm_wall_ms(), pm_mono_ms(), budget_ms);
}

static void begin(asker *at)
{
    begin_for(at, 60000);
}

static void ask(const rig *r, asker *at, const char *method, const char *params, uint32_t flags)
{
    ck_assert_int_eq(panicmon_round_rpc(&at->round, r->url, method, params, flags, NULL),
                     PANICMON_OK);
}

static void count_done(pm_request *request)
{
    asker *at = request->owner;
    at->done++;
}

static void submit(rig *r, asker *at)
{
    for (size_t i = 0; i < at->round.asked.count; i++) {
        at->round.asked.items[i]->owner = at;
        at->round.asked.items[i]->on_done = count_done;
    }
    pm_share_add(r->share, at->round.asked.items, at->round.asked.count, at, &at->place,
                 pm_mono_ms());
    pm_share_send(r->share, pm_mono_ms());
}

static void serve(rig *r)
{
    pm_share_send(r->share, pm_mono_ms());
    int64_t due =
        pm_earlier(pm_rpc_service(r->rpc, pm_mono_ms()), pm_share_service(r->share, pm_mono_ms()));
    pm_loop_wait(r->loop, pm_earlier(due, pm_mono_ms() + 20));
}

static void await(rig *r, const asker *at)
{
    int64_t until = pm_mono_ms() + 20000;
    while (at->done < at->round.asked.count) {
        ck_assert_int_lt(pm_mono_ms(), until);
        serve(r);
    }
}

static void await_asked(rig *r, int count)
{
    int64_t until = pm_mono_ms() + 20000;
    while (atomic_load(&asked) < count) {
        ck_assert_int_lt(pm_mono_ms(), until);
        serve(r);
    }
}

/* As an executor does when a round is cut short. */
static void give_up(asker *at)
{
    for (size_t i = 0; i < at->round.asked.count; i++) {
        if (!at->round.asked.items[i]->done) {
            pm_share_leave(at->round.asked.items[i]);
        }
    }
    pm_round_free(&at->round);
}

/* ---- tests ---- */

START_TEST(one_asker_asks_what_it_likes)
{
    rig *r = rig_new();
    asker one;
    begin(&one);
    ask(r, &one, "this", "[1]", 0);
    ask(r, &one, "this", "[1]", 0);
    ask(r, &one, "this", "[1]", PANICMON_RPC_PINNED);
    submit(r, &one);
    await(r, &one);
    ck_assert_int_eq(atomic_load(&asked), 3);
    ck_assert_int_eq(atomic_load(&r->figures.rpc_joined), 0);
    for (size_t i = 0; i < 3; i++) {
        ck_assert_int_eq(one.round.asked.items[i]->status, PANICMON_OK);
        ck_assert_str_eq(one.round.asked.items[i]->out.data, "\"this\"");
    }
    pm_round_free(&one.round);
    rig_free(r);
}
END_TEST

START_TEST(several_share)
{
    rig *r = rig_new();
    asker askers[4];
    for (size_t i = 0; i < 4; i++) {
        begin(&askers[i]);
        ask(r, &askers[i], "this", "[1]", PANICMON_RPC_PINNED);
        submit(r, &askers[i]);
    }
    for (size_t i = 0; i < 4; i++) {
        await(r, &askers[i]);
        ck_assert_str_eq(askers[i].round.asked.items[0]->out.data, "\"this\"");
        pm_round_free(&askers[i].round);
    }
    ck_assert_int_eq(atomic_load(&asked), 2); /* the first did not know that others would come */
    ck_assert_int_eq(atomic_load(&r->figures.rpc_joined), 2);
    begin(&askers[0]);
    ask(r, &askers[0], "this", "[1]", PANICMON_RPC_PINNED);
    submit(r, &askers[0]);
    ck_assert_uint_eq(askers[0].done, 1);
    ck_assert_int_eq(atomic_load(&r->figures.cache_hits), 1);
    pm_round_free(&askers[0].round);
    rig_free(r);
}
END_TEST

/* _i: whether answers come for what was given up, before all ends. */
START_TEST(what_is_on_its_way_is_given_up)
{
    rig *r = rig_new();
    asker one;
    begin(&one);
    ask(r, &one, "later", "[1]", 0);
    ask(r, &one, "later", "[2]", PANICMON_RPC_PINNED);
    ask(r, &one, "this", "[3]", 0);
    submit(r, &one);
    int64_t until = pm_mono_ms() + 20000;
    while (one.done == 0) { /* one of three was answered */
        ck_assert_int_lt(pm_mono_ms(), until);
        serve(r);
    }
    give_up(&one);
    ck_assert_uint_eq(one.done, 1);
    if (_i == 1) {
        asker next;
        begin(&next);
        ask(r, &next, "go", "[]", 0);
        submit(r, &next);
        await(r, &next);
        ck_assert_uint_eq(one.done, 1);
        pm_round_free(&next.round);
    }
    rig_free(r);
    ck_assert_uint_eq(one.done, 1);
}
END_TEST

START_TEST(what_waits_is_given_up)
{
    enum { COUNT = PM_SHARE_IN_FLIGHT + 100 };
    rig *r = rig_new();
    asker one;
    asker next;
    begin(&one);
    for (size_t i = 0; i < COUNT; i++) {
        ask(r, &one, "later", "[]", 0);
    }
    submit(r, &one);
    await_asked(r, PM_SHARE_IN_FLIGHT);
    for (int i = 0; i < 5; i++) {
        serve(r);
    }
    ck_assert_int_eq(atomic_load(&asked), PM_SHARE_IN_FLIGHT); /* and no more at once */
    ck_assert_uint_eq(one.done, 0);
    give_up(&one);
    begin(&next);
    ask(r, &next, "this", "[]", 0);
    submit(r, &next); /* its turn never comes */
    serve(r);
    ck_assert_uint_eq(next.done, 0);
    pm_rpc_cancel(r->rpc);
    pm_share_cancel(r->share);
    ck_assert_uint_eq(next.done, 1);
    ck_assert_int_eq(next.round.asked.items[0]->status, PANICMON_ERR_CANCELED);
    pm_round_free(&next.round);
    rig_free(r);
    ck_assert_uint_eq(one.done, 0);
}
END_TEST

/* Nobody else's call ends meanwhile. */
START_TEST(what_waits_is_told_at_its_deadline)
{
    rig *r = rig_new();
    asker one;
    asker askers[3];
    begin(&one);
    for (size_t i = 0; i < PM_SHARE_IN_FLIGHT; i++) {
        ask(r, &one, "later", "[]", 0);
    }
    submit(r, &one);
    await_asked(r, PM_SHARE_IN_FLIGHT);
    for (size_t i = 0; i < 3; i++) {
        begin_for(&askers[i], i == 1 ? 60000 : 200); /* the third joins the second */
        ask(r, &askers[i], "this", i == 0 ? "[0]" : "[1]", 0);
        submit(r, &askers[i]);
    }
    await(r, &askers[0]);
    await(r, &askers[2]);
    ck_assert_int_eq(askers[0].round.asked.items[0]->status, PANICMON_ERR_TIMEOUT);
    ck_assert_int_eq(askers[2].round.asked.items[0]->status, PANICMON_ERR_TIMEOUT);
    ck_assert_uint_eq(askers[1].done, 0);
    ck_assert_uint_eq(one.done, 0);
    ck_assert_int_eq(atomic_load(&asked), PM_SHARE_IN_FLIGHT);
    give_up(&askers[1]);
    give_up(&one);
    pm_round_free(&askers[0].round);
    pm_round_free(&askers[2].round);
    rig_free(r);
}
END_TEST

/* Which is no reason to ask again, nor to take the node for dead. */
START_TEST(who_joins_with_less_time_is_told_at_its_deadline)
{
    rig *r = rig_new();
    asker askers[3];
    asker next;
    begin(&next); /* so that it is connected, and has nothing to say */
    ask(r, &next, "this", "[]", 0);
    submit(r, &next);
    await(r, &next);
    pm_round_free(&next.round);
    for (size_t i = 0; i < 3; i++) {
        begin_for(&askers[i], i == 2 ? 300 : 60000);
        ask(r, &askers[i], "later", "[1]", 0);
        submit(r, &askers[i]);
    }
    await(r, &askers[2]);
    ck_assert_int_eq(askers[2].round.asked.items[0]->status, PANICMON_ERR_TIMEOUT);
    ck_assert_uint_eq(askers[0].done + askers[1].done, 0);
    begin(&next);
    ask(r, &next, "go", "[]", 0);
    submit(r, &next);
    for (size_t i = 0; i < 2; i++) {
        await(r, &askers[i]);
        ck_assert_int_eq(askers[i].round.asked.items[0]->status, PANICMON_OK);
    }
    await(r, &next);
    ck_assert_int_eq(atomic_load(&asked), 3);
    ck_assert_int_eq(pm_rpc_get_counts(r->rpc)->connects, 1);
    for (size_t i = 0; i < 3; i++) {
        pm_round_free(&askers[i].round);
    }
    pm_round_free(&next.round);
    rig_free(r);
}
END_TEST

/* The first who asked has the least time: the others get another try, each until its own deadline.
 */
START_TEST(who_has_more_time_than_the_first_gets_another_try)
{
    rig *r = rig_new();
    asker askers[4];
    for (size_t i = 0; i < 4; i++) { /* the first goes alone */
        const int64_t budgets[] = {60000, 600, 60000, 6000};
        begin_for(&askers[i], budgets[i]);
        ask(r, &askers[i], "later", "[1]", 0);
        submit(r, &askers[i]);
    }
    await(r, &askers[1]);
    ck_assert_uint_eq(askers[2].done + askers[3].done, 0);
    await(r, &askers[3]);
    ck_assert_int_eq(askers[1].round.asked.items[0]->status, PANICMON_ERR_TIMEOUT);
    ck_assert_int_eq(askers[3].round.asked.items[0]->status, PANICMON_ERR_TIMEOUT);
    ck_assert_uint_eq(askers[0].done + askers[2].done, 0);
    asker next;
    begin(&next);
    ask(r, &next, "go", "[]", 0);
    submit(r, &next);
    await(r, &askers[2]);
    ck_assert_int_eq(askers[2].round.asked.items[0]->status, PANICMON_OK);
    await(r, &askers[0]);
    await(r, &next);
    for (size_t i = 0; i < 4; i++) {
        pm_round_free(&askers[i].round);
    }
    pm_round_free(&next.round);
    rig_free(r);
}
END_TEST

START_TEST(one_of_those_who_share_gives_up)
{
    rig *r = rig_new();
    asker askers[3];
    for (size_t i = 0; i < 3; i++) {
        begin(&askers[i]);
        ask(r, &askers[i], "later", "[1]", 0);
        submit(r, &askers[i]);
    }
    await_asked(r, 2);
    give_up(&askers[0]); /* went alone */
    give_up(&askers[1]); /* the others' call has its texts */
    ck_assert_uint_eq(askers[1].done, 1);
    asker next;
    begin(&next);
    ask(r, &next, "go", "[]", 0);
    submit(r, &next);
    await(r, &next);
    await(r, &askers[2]);
    ck_assert_int_eq(askers[2].round.asked.items[0]->status, PANICMON_OK);
    ck_assert_uint_eq(askers[0].done, 0);
    pm_round_free(&next.round);
    pm_round_free(&askers[2].round);
    rig_free(r);
}
END_TEST

/* An endpoint that is known by its place is closed when idle, and opened again. */
START_TEST(a_place_outlives_the_connection)
{
    rig *r = rig_new();
    asker one;
    begin(&one);
    ask(r, &one, "this", "[]", 0);
    submit(r, &one);
    await(r, &one);
    pm_share_place place = one.place;
    pm_round_free(&one.round);
    (void)pm_rpc_service(r->rpc, pm_mono_ms() + 100000);
    (void)pm_rpc_service(r->rpc, pm_mono_ms() + 400000);
    ck_assert_int_eq(pm_rpc_get_counts(r->rpc)->sockets, 0);
    begin(&one);
    one.place = place;
    ask(r, &one, "this", "[]", 0);
    submit(r, &one);
    await(r, &one);
    ck_assert_int_eq(pm_rpc_get_counts(r->rpc)->connects, 2);
    place = one.place;
    pm_round_free(&one.round);
    pm_share_send(r->share, pm_mono_ms() + 2000000); /* now it is forgotten */
    (void)pm_rpc_service(r->rpc, pm_mono_ms() + 1000000);
    (void)pm_rpc_service(r->rpc, pm_mono_ms() + 2000000);
    begin(&one);
    one.place = place;
    ask(r, &one, "this", "[]", 0);
    submit(r, &one);
    await(r, &one);
    ck_assert_int_eq(one.round.asked.items[0]->status, PANICMON_OK);
    ck_assert_int_eq(pm_rpc_get_counts(r->rpc)->connects, 3);
    pm_round_free(&one.round);
    rig_free(r);
}
END_TEST

/* ---- the requests of a round ---- */

static void expect_deadlines(const panicmon_round *round, int64_t call, int64_t message)
{
    ck_assert_int_eq(round->asked.items[0]->deadline - round->step_ms, call);
    ck_assert_int_eq(round->asked.items[1]->deadline - round->step_ms, message);
}

static void ask_both(panicmon_round *round)
{
    ck_assert_int_eq(panicmon_round_rpc(round, "ws://a/", "m", "[]", 0, NULL), PANICMON_OK);
    ck_assert_int_eq(panicmon_round_publish(round, "x", "y", "{}", 2, NULL), PANICMON_OK);
}

/* A node that takes all its time leaves none; what holds up the round's own thread does. */
START_TEST(a_late_step_has_some_time)
{
    enum { BUDGET = 16000 };
    panicmon_round round = {.name = "test"};
    int64_t began = pm_mono_ms();
    pm_round_begin(&round, pm_wall_ms(), began, BUDGET);
    round.step_ms = began;
    ask_both(&round);
    expect_deadlines(&round, BUDGET / 2, BUDGET);
    round.step_ms = began + BUDGET + 100;
    pm_round_turn(&round);
    ask_both(&round);
    expect_deadlines(&round, 0, -100);
    round.step_ms = began + 100000;
    pm_round_turn(&round);
    ask_both(&round);
    expect_deadlines(&round, BUDGET / 16, BUDGET / 16);
    pm_round_free(&round);
}
END_TEST

START_TEST(requests_of_a_step_lie_together)
{
    static char large[50000];
    asker one;
    memset(large, 'x', sizeof large);
    begin(&one);
    panicmon_round *round = &one.round;
    for (int i = 0; i < 100; i++) {
        char method[16];
        snprintf(method, sizeof method, "m%d", i);
        ck_assert_int_eq(panicmon_round_rpc(round, "ws://a/", method, "[1]", 0, NULL), PANICMON_OK);
    }
    ck_assert_int_eq(panicmon_round_store(round, "key", large, sizeof large, NULL), PANICMON_OK);
    ck_assert_int_eq(panicmon_round_publish(round, "x", "y", "body", 4, NULL), PANICMON_OK);
    ck_assert_uint_eq(round->asked.count, 102);
    for (int i = 0; i < 100; i++) {
        char method[16];
        snprintf(method, sizeof method, "m%d", i);
        ck_assert_str_eq(round->asked.items[i]->name, method);
        ck_assert_str_eq(round->asked.items[i]->target, "ws://a/");
        ck_assert_str_eq(round->asked.items[i]->in.data, "[1]");
    }
    ck_assert_uint_eq(round->asked.items[100]->in.len, sizeof large);
    ck_assert_int_eq(memcmp(round->asked.items[100]->in.data, large, sizeof large), 0);
    ck_assert_str_eq(round->asked.items[101]->target, "x");
    ck_assert_str_eq(round->asked.items[101]->in.data, "body");
    pm_round_turn(round);
    ck_assert_uint_eq(round->asked.count, 0);
    ck_assert_uint_eq(round->got.count, 102);
    pm_round_clear(round);
    ck_assert_ptr_null(round->asked.bundle); /* one that sleeps has no memory for requests */
    ck_assert_ptr_null(round->got.bundle);
    for (int turn = 0; turn < 5; turn++) { /* two blocks serve by turns */
        ck_assert_int_eq(panicmon_round_load(round, "key", NULL), PANICMON_OK);
        ck_assert_ptr_null(round->asked.bundle->more);
        pm_round_turn(round);
    }
    pm_round_free(round);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("share");
    TCase *tests = tcase_create("share");
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, one_asker_asks_what_it_likes);
    tcase_add_test(tests, several_share);
    tcase_add_loop_test(tests, what_is_on_its_way_is_given_up, 0, 2);
    tcase_add_test(tests, what_waits_is_given_up);
    tcase_add_test(tests, what_waits_is_told_at_its_deadline);
    tcase_add_test(tests, who_joins_with_less_time_is_told_at_its_deadline);
    tcase_add_test(tests, who_has_more_time_than_the_first_gets_another_try);
    tcase_add_test(tests, one_of_those_who_share_gives_up);
    tcase_add_test(tests, a_place_outlives_the_connection);
    tcase_add_test(tests, a_late_step_has_some_time);
    tcase_add_test(tests, requests_of_a_step_lie_together);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
