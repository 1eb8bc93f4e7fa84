/* test_rpc.c: JSON-RPC endpoints against a peer that answers in every way a peer may, and in many
 * it may not. */
#include <check.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../support/peer.h"
#include "base/clock.h"
#include "base/json.h"
#include "net/rpc.h"

#define CALLS_MAX 400
#define LIMIT     (2u << 20)

typedef struct rig {
    pm_net *net;
    pm_loop *loop;
    pm_rpc *rpc;
    peer *server;
    char url[128];
    pm_request calls[CALLS_MAX];
    pm_request *list[CALLS_MAX];
    size_t count;
    size_t done;
} rig;

static void on_done(pm_request *request)
{
    rig *r = request->owner;
    ck_assert(request->done);
    r->done++;
    ck_assert_uint_le(r->done, r->count); /* each once */
}

static rig *rig_new_on(panicmon_err (*loop_new)(pm_loop **, pm_net *), peer_script script)
{
    rig *r = calloc(1, sizeof *r);
    ck_assert_ptr_nonnull(r);
    const pm_net_options options = {.message_limit = LIMIT, .connect_timeout_ms = 2000};
    ck_assert_int_eq(pm_net_new(&r->net, &options), PANICMON_OK);
    ck_assert_int_eq(loop_new(&r->loop, r->net), PANICMON_OK);
    ck_assert_int_eq(pm_rpc_new(&r->rpc, r->loop, NULL, "test"), PANICMON_OK);
    r->server = peer_start(script, NULL, NULL, NULL);
    (void)snprintf(r->url, sizeof r->url, "ws://u:hidden@127.0.0.1:%d/", peer_port(r->server));
    return r;
}

static rig *rig_new(peer_script script)
{
    return rig_new_on(pm_loop_new, script);
}

static void rig_clear(rig *r)
{
    for (size_t i = 0; i < r->count; i++) {
        pm_request_clear(&r->calls[i]);
    }
    memset(r->calls, 0, sizeof r->calls);
    r->count = r->done = 0;
}

static void rig_free(rig *r)
{
    pm_rpc_free(r->rpc);
    pm_loop_free(r->loop);
    pm_net_free(r->net);
    peer_stop(r->server);
    rig_clear(r);
    free(r);
}

static pm_request *add_call(rig *r, const char *method, const char *params, int64_t timeout_ms)
{
    pm_request *call = &r->calls[r->count];
    call->kind = PM_REQUEST_RPC;
    call->target = strdup(r->url);
    call->name = strdup(method);
    pm_buf_text(&call->in, params);
    call->deadline = pm_mono_ms() + timeout_ms;
    call->on_done = on_done;
    call->owner = r;
    r->list[r->count++] = call;
    return call;
}

static void add_echoes(rig *r, int n, int64_t timeout_ms)
{
    for (int i = 0; i < n; i++) {
        char params[32];
        (void)snprintf(params, sizeof params, "[%d]", i);
        (void)add_call(r, "echo", params, timeout_ms);
    }
}

/* Submits what was added since `from` and runs the loop until it is done. */
static void carry_out(rig *r, size_t from)
{
    int64_t until = pm_mono_ms() + 20000;
    pm_rpc_submit(r->rpc, r->list + from, r->count - from, pm_mono_ms());
    while (r->done < r->count) {
        int64_t due = pm_rpc_service(r->rpc, pm_mono_ms());
        ck_assert_int_lt(pm_mono_ms(), until);
        if (r->done < r->count) {
            pm_loop_wait(r->loop, due);
        }
    }
}

static void expect_echoes(const rig *r, size_t from)
{
    for (size_t i = from; i < r->count; i++) {
        const pm_request *call = &r->calls[i];
        ck_assert_msg(call->status == PANICMON_OK, "%zu: %s", i, call->message);
        ck_assert_uint_eq(call->out.len, call->in.len);
        ck_assert_str_eq(call->out.data, call->in.data);
    }
}

static void expect_all(const rig *r, size_t from, panicmon_err status, const char *message)
{
    for (size_t i = from; i < r->count; i++) {
        const pm_request *call = &r->calls[i];
        ck_assert_msg(call->status == status, "%zu: %s %s", i, panicmon_err_name(call->status),
                      call->message);
        ck_assert_ptr_nonnull(call->message);
        ck_assert_msg(strstr(call->message, message) != NULL, "%s", call->message);
        ck_assert_ptr_null(strstr(call->message, "hidden"));
    }
}

/* ---- a peer's side ---- */

static void write_reply(pm_buf *out, pm_json call)
{
    pm_json id = pm_json_member(call, "id");
    pm_json method = pm_json_member(call, "method");
    pm_json params = pm_json_member(call, "params");
    ck_assert(pm_json_equals(pm_json_member(call, "jsonrpc"), "2.0"));
    pm_buf_format(out, "{\"jsonrpc\":\"2.0\",\"id\":%.*s,", (int)id.len, id.text);
    if (pm_json_equals(method, "echo")) {
        pm_buf_format(out, "\"result\":%.*s}", (int)params.len, params.text);
    } else if (pm_json_equals(method, "null")) {
        pm_buf_text(out, "\"result\":null,\"error\":null}");
    } else if (pm_json_equals(method, "nothing")) {
        pm_buf_text(out, "\"x\":1}");
    } else if (pm_json_equals(method, "fail")) {
        pm_buf_text(out, "\"error\":{\"code\":4003,\"message\":\"Client error\",\"data\":"
                         "\"UnknownBlock: \\u00e9\"}}");
    } else {
        size_t len = pm_json_equals(method, "large") ? 1u << 20 : LIMIT;
        pm_buf_text(out, "\"result\":\"");
        for (size_t i = 0; i < len / 64; i++) {
            pm_buf_text(out, "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef");
        }
        pm_buf_text(out, "\"}");
    }
}

/* The answer to a frame as an honest peer gives it. `count` gets the number of calls. */
static char *answer(const char *text, size_t *count)
{
    pm_json message;
    pm_json call;
    pm_buf out = {0};
    ck_assert(pm_json_parse(text, strlen(text), &message, NULL));
    *count = 0;
    if (pm_json_is(message, '{')) {
        write_reply(&out, message);
        *count = 1;
        return pm_buf_take(&out, NULL);
    }
    for (size_t at = 0; pm_json_next_element(message, &at, &call);) {
        pm_buf_char(&out, (*count)++ == 0 ? '[' : ',');
        write_reply(&out, call);
    }
    pm_buf_char(&out, ']');
    return pm_buf_take(&out, NULL);
}

static void serve_limited(peer_conn *conn, size_t most, const char *refusal)
{
    char *text;
    if (!peer_upgrade(conn)) {
        return;
    }
    while ((text = peer_read_text(conn)) != NULL) {
        size_t count;
        char *out = answer(text, &count);
        (void)peer_send_text(conn, text[0] == '[' && count > most ? refusal : out);
        free(out);
        free(text);
    }
}

static void good(peer_conn *conn)
{
    serve_limited(conn, CALLS_MAX, "");
}

static void no_batches(peer_conn *conn)
{
    serve_limited(conn, 0,
                  "{\"jsonrpc\":\"2.0\",\"error\":{\"code\":-32005,\"message\":"
                  "\"Batched requests are not supported by this server\"},\"id\":null}");
}

static void knows_no_arrays(peer_conn *conn)
{
    serve_limited(conn, 0,
                  "{\"jsonrpc\":\"2.0\",\"error\":{\"code\":-32600,\"message\":"
                  "\"Invalid Request\"},\"id\":null}");
}

static void answer_too_large(peer_conn *conn)
{
    serve_limited(conn, 1,
                  "{\"jsonrpc\":\"2.0\",\"error\":{\"code\":-32011,\"message\":\"The batch "
                  "response was too large\",\"data\":\"Exceeded max limit of 10\"},\"id\":null}");
}

static void at_most_three(peer_conn *conn)
{
    serve_limited(conn, 3,
                  "{\"jsonrpc\":\"2.0\",\"error\":{\"code\":-32010,\"message\":\"The batch "
                  "request was too large\",\"data\":\"Exceeded max limit of 3\"},\"id\":null}");
}

static void at_most_three_it_says(peer_conn *conn)
{
    serve_limited(conn, 1,
                  "{\"jsonrpc\":\"2.0\",\"error\":{\"code\":-32010,\"message\":\"The batch "
                  "request was too large\",\"data\":\"Exceeded max limit of 3\"},\"id\":null}");
}

/* Batches only over the second connection. */
static void better_later(peer_conn *conn)
{
    if (conn->place == 0) {
        static const char refusal[] =
            "{\"jsonrpc\":\"2.0\",\"error\":{\"code\":-32005,\"message\":\"no\"},\"id\":null}";
        char *text = peer_upgrade(conn) ? peer_read_text(conn) : NULL;
        size_t count;
        (void)peer_send_text(conn, refusal);
        free(text);
        for (int i = 0; i < 3 && (text = peer_read_text(conn)) != NULL; i++) {
            char *out = answer(text, &count);
            (void)peer_send_text(conn, out);
            free(out);
            free(text);
        }
        peer_pause(conn, 20);
        return;
    }
    good(conn);
}

/* Every reply alone, last one first, twice, with notifications and wrong ids between. */
static void disorderly(peer_conn *conn)
{
    char *text;
    if (!peer_upgrade(conn)) {
        return;
    }
    while ((text = peer_read_text(conn)) != NULL) {
        pm_json message;
        pm_json calls[CALLS_MAX];
        size_t count = 0;
        ck_assert(pm_json_parse(text, strlen(text), &message, NULL));
        for (size_t at = 0; pm_json_next_element(message, &at, &calls[count]);) {
            count++;
        }
        while (count > 0) {
            static const char noise[] =
                "{\"jsonrpc\":\"2.0\",\"method\":\"x\",\"params\":{\"subscription\":1}}";
            pm_buf out = {0};
            write_reply(&out, calls[--count]);
            (void)peer_send_text(conn, noise);
            (void)peer_send_text(conn, "{\"jsonrpc\":\"2.0\",\"id\":9999,\"result\":[7]}");
            (void)peer_send_text(conn, "{\"jsonrpc\":\"2.0\",\"id\":\"1\",\"result\":[7]}");
            (void)peer_send_text(conn, "[]");
            (void)peer_send_bytewise(conn, out.data);
            (void)peer_send_text(conn, out.data);
            pm_buf_free(&out);
        }
        free(text);
    }
}

static void wrong_ids(peer_conn *conn)
{
    char *text;
    if (peer_upgrade(conn)) {
        while ((text = peer_read_text(conn)) != NULL) {
            (void)peer_send_text(conn, "{\"jsonrpc\":\"2.0\",\"id\":77,\"result\":[0]}");
            (void)peer_send_text(conn, "{\"jsonrpc\":\"2.0\",\"id\":\"1\",\"result\":[0]}");
            (void)peer_send_text(conn, "{\"jsonrpc\":\"2.0\",\"id\":null,\"result\":[0]}");
            free(text);
        }
    }
}

/* Says one thing to whatever is asked. */
static void say_once(peer_conn *conn, const char *what)
{
    if (peer_upgrade(conn)) {
        free(peer_read_text(conn));
        (void)peer_send_text(conn, what);
        peer_idle(conn);
    }
}

static void garbage(peer_conn *conn)
{
    say_once(conn, "hello");
}

static void garbage_array(peer_conn *conn)
{
    say_once(conn, "[{\"id\":9},1]");
}

/* Nothing of it counts, though an answer stands before the fault. */
static void garbage_behind_an_answer(peer_conn *conn)
{
    say_once(conn, "[{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":[0]},{\"jsonrpc\":\"2.0\"]");
}

static void garbage_in_a_long_array(peer_conn *conn)
{
    say_once(conn,
             "[{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},"
             "{},{},{},{},{},{},{},{},{},{},{},{},{},{\"id\":9},[],{}]");
}

static void garbage_scalar(peer_conn *conn)
{
    say_once(conn, "\"text\"");
}

static void parse_error(peer_conn *conn)
{
    say_once(conn, "{\"jsonrpc\":\"2.0\",\"error\":{\"code\":-32700,\"message\":\"Parse "
                   "error\"},\"id\":null}");
}

static void silent(peer_conn *conn)
{
    char *text;
    if (peer_upgrade(conn)) {
        while ((text = peer_read_text(conn)) != NULL) {
            free(text);
        }
    }
}

static void mute_tcp(peer_conn *conn)
{
    peer_idle(conn);
}

static void half_a_reply(peer_conn *conn)
{
    if (peer_upgrade(conn)) {
        free(peer_read_text(conn));
        (void)peer_send(conn, "\x81\x7e\x10\x00{\"jsonrpc\"", 14);
        peer_idle(conn);
    }
}

static void close_instead(peer_conn *conn)
{
    if (peer_upgrade(conn)) {
        free(peer_read_text(conn));
    }
}

static void reset_instead(peer_conn *conn)
{
    if (peer_upgrade(conn)) {
        free(peer_read_text(conn));
        peer_reset(conn);
    }
}

static void refuse_upgrade(peer_conn *conn)
{
    if (peer_read_request(conn)) {
        static const char text[] = "HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n";
        (void)peer_send(conn, text, sizeof text - 1);
    }
}

/* ---- answers ---- */

START_TEST(calls_of_one_submit_share_a_frame)
{
    rig *r = rig_new(good);
    add_echoes(r, 3, 5000);
    carry_out(r, 0);
    expect_echoes(r, 0);
    const pm_rpc_counts *counts = pm_rpc_get_counts(r->rpc);
    ck_assert_int_eq(counts->requests, 3);
    ck_assert_int_eq(counts->frames_out, 1);
    ck_assert_int_eq(counts->frames_in, 1);
    ck_assert_int_eq(counts->connects, 1);
    ck_assert_int_gt(counts->bytes_out, 150);
    ck_assert_int_gt(counts->bytes_in, 100);
    rig_clear(r);
    (void)add_call(r, "null", "", 5000); /* alone: no array; no params: [] */
    (void)add_call(r, "fail", "[]", 5000);
    (void)add_call(r, "nothing", "{\"a\":1}", 5000);
    carry_out(r, 0);
    ck_assert_int_eq(r->calls[0].status, PANICMON_OK);
    ck_assert_str_eq(r->calls[0].out.data, "null");
    ck_assert_int_eq(r->calls[1].status, PANICMON_ERR_RPC);
    ck_assert_int_eq(r->calls[1].code, 4003);
    ck_assert_str_eq(r->calls[1].message, "Client error: UnknownBlock: \xc3\xa9");
    ck_assert_int_eq(r->calls[2].status, PANICMON_ERR_PROTOCOL);
    ck_assert_int_eq(counts->connects, 1); /* kept */
    ck_assert_uint_eq(peer_count(r->server), 1);
    rig_free(r);
}
END_TEST

START_TEST(a_long_list_takes_more_frames)
{
    rig *r = rig_new(good);
    add_echoes(r, 300, 10000);
    carry_out(r, 0);
    expect_echoes(r, 0);
    ck_assert_int_eq(pm_rpc_get_counts(r->rpc)->frames_out, 2);
    rig_free(r);
}
END_TEST

/* Members of a result are none of the reply. */
START_TEST(a_result_may_look_like_a_reply)
{
    static const char *const params[] = {
        "{\"id\":99,\"result\":1,\"error\":{\"code\":1}}",
        "[{\"id\":99,\"error\":{\"code\":1}},{\"result\":[{\"id\":null}]}]",
        "{\"a\":[[{\"id\":7}]],\"b\":\"]}\\\"{[\"}",
    };
    rig *r = rig_new(good);
    for (size_t i = 0; i < sizeof params / sizeof params[0]; i++) {
        (void)add_call(r, "echo", params[i], 5000); /* alone */
        carry_out(r, r->count - 1);
    }
    size_t from = r->count;
    for (size_t i = 0; i < sizeof params / sizeof params[0]; i++) {
        (void)add_call(r, "echo", params[i], 5000); /* in a batch */
    }
    carry_out(r, from);
    expect_echoes(r, 0);
    rig_free(r);
}
END_TEST

START_TEST(order_duplicates_and_noise_do_not_matter)
{
    rig *r = rig_new(disorderly);
    add_echoes(r, 5, 10000);
    carry_out(r, 0);
    expect_echoes(r, 0);
    add_echoes(r, 5, 10000); /* duplicates of the first five arrive now */
    carry_out(r, 5);
    expect_echoes(r, 0);
    rig_free(r);
}
END_TEST

static const struct {
    peer_script script;
    int frames; /* for five calls, and again for five calls */
} refusals[] = {
    {good, 2},
    {no_batches, 1 + 5 + 5},
    {knows_no_arrays, 1 + 5 + 5},
    {at_most_three, 1 + 2 + 2},
    {answer_too_large, 1 + 5 + 5},
    {at_most_three_it_says, -1},
};

START_TEST(a_peer_that_refuses_batches_gets_what_it_takes)
{
    rig *r = rig_new(refusals[_i].script);
    add_echoes(r, 5, 10000);
    carry_out(r, 0);
    expect_echoes(r, 0);
    add_echoes(r, 5, 10000);
    carry_out(r, 5);
    expect_echoes(r, 0);
    if (refusals[_i].frames > 0) {
        ck_assert_int_eq(pm_rpc_get_counts(r->rpc)->frames_out, refusals[_i].frames);
    }
    ck_assert_int_eq(pm_rpc_get_counts(r->rpc)->requests, 10);
    ck_assert_uint_eq(peer_count(r->server), 1);
    rig_free(r);
}
END_TEST

START_TEST(batches_are_tried_again_over_a_new_connection)
{
    rig *r = rig_new(better_later);
    add_echoes(r, 3, 10000);
    carry_out(r, 0);
    expect_echoes(r, 0);
    ck_assert_int_eq(pm_rpc_get_counts(r->rpc)->frames_out, 4);
    int64_t until = pm_mono_ms() + 300; /* sees the connection end */
    while (pm_mono_ms() < until) {
        pm_loop_wait(r->loop, until);
    }
    add_echoes(r, 3, 10000);
    carry_out(r, 3);
    expect_echoes(r, 0);
    ck_assert_int_eq(pm_rpc_get_counts(r->rpc)->frames_out, 5);
    ck_assert_int_eq(pm_rpc_get_counts(r->rpc)->connects, 2);
    rig_free(r);
}
END_TEST

START_TEST(large_replies_come_through_and_larger_ones_do_not)
{
    rig *r = rig_new(good);
    (void)add_call(r, "large", "[]", 10000);
    carry_out(r, 0);
    ck_assert_int_eq(r->calls[0].status, PANICMON_OK);
    ck_assert_uint_eq(r->calls[0].out.len, (1u << 20) + 2);
    (void)add_call(r, "huge", "[]", 10000);
    carry_out(r, 1);
    expect_all(r, 1, PANICMON_ERR_LIMIT, "larger than 2097152 bytes");
    add_echoes(r, 1, 10000); /* and it goes on */
    carry_out(r, 2);
    expect_echoes(r, 2);
    rig_free(r);
}
END_TEST

START_TEST(an_error_without_id_is_for_a_call_that_is_alone)
{
    rig *r = rig_new(parse_error);
    add_echoes(r, 1, 5000);
    carry_out(r, 0);
    expect_all(r, 0, PANICMON_ERR_RPC, "Parse error");
    ck_assert_int_eq(r->calls[0].code, -32700);
    rig_free(r);
}
END_TEST

/* ---- what is no answer ---- */

START_TEST(replies_with_other_ids_are_no_answers)
{
    rig *r = rig_new(wrong_ids);
    add_echoes(r, 2, 300);
    carry_out(r, 0);
    char message[128];
    (void)snprintf(message, sizeof message, "no answer from ws://127.0.0.1:%d within ",
                   peer_port(r->server));
    expect_all(r, 0, PANICMON_ERR_TIMEOUT, message);
    rig_free(r);
}
END_TEST

static const struct {
    peer_script script;
    panicmon_err status;
    const char *message;
} failures[] = {
    {garbage, PANICMON_ERR_PROTOCOL, "no JSON-RPC message"},
    {garbage_array, PANICMON_ERR_PROTOCOL, "no JSON-RPC message"},
    {garbage_behind_an_answer, PANICMON_ERR_PROTOCOL, "no JSON-RPC message"},
    {garbage_in_a_long_array, PANICMON_ERR_PROTOCOL, "no JSON-RPC message"},
    {garbage_scalar, PANICMON_ERR_PROTOCOL, "no JSON-RPC message"},
    {close_instead, PANICMON_ERR_WS, "closed the connection"},
    {reset_instead, PANICMON_ERR_WS, "ws://127.0.0.1:"},
    {refuse_upgrade, PANICMON_ERR_WS, "HTTP 401"},
    {silent, PANICMON_ERR_TIMEOUT, "no answer from ws://127.0.0.1:"},
    {half_a_reply, PANICMON_ERR_TIMEOUT, "no answer from ws://127.0.0.1:"},
    {mute_tcp, PANICMON_ERR_TIMEOUT, "no answer from ws://127.0.0.1:"},
};

START_TEST(a_bad_peer_fails_its_calls_with_the_reason)
{
    rig *r = rig_new(failures[_i].script);
    add_echoes(r, 3, failures[_i].status == PANICMON_ERR_TIMEOUT ? 200 : 10000);
    carry_out(r, 0);
    expect_all(r, 0, failures[_i].status, failures[_i].message);
    rig_free(r);
}
END_TEST

START_TEST(connecting_too_long_fails_before_the_deadline)
{
    rig *r = rig_new(mute_tcp);
    add_echoes(r, 2, 15000);
    carry_out(r, 0);
    expect_all(r, 0, PANICMON_ERR_TIMEOUT, "connecting took longer than 2000 ms");
    rig_free(r);
}
END_TEST

START_TEST(a_dead_connection_is_given_up_and_made_anew)
{
    rig *r = rig_new(silent);
    add_echoes(r, 1, 100); /* the upgrade itself was a sign of life */
    carry_out(r, 0);
    ck_assert_int_eq(r->calls[0].status, PANICMON_ERR_TIMEOUT);
    int64_t until = pm_mono_ms() + 500;
    while (pm_mono_ms() <= until) {
        pm_loop_wait(r->loop, until + 1);
    }
    add_echoes(r, 1, 100);
    (void)add_call(r, "echo", "[]", 10000);
    carry_out(r, 1);
    ck_assert_int_eq(r->calls[1].status, PANICMON_ERR_TIMEOUT);
    ck_assert_int_eq(r->calls[2].status, PANICMON_ERR_WS); /* did not wait for its own */
    ck_assert_int_eq(pm_rpc_get_counts(r->rpc)->connects, 1);
    add_echoes(r, 1, 100);
    carry_out(r, 3);
    ck_assert_int_eq(pm_rpc_get_counts(r->rpc)->connects, 2);
    rig_free(r);
}
END_TEST

START_TEST(a_peer_that_is_away_is_not_hammered)
{
    rig *r = rig_new(refuse_upgrade);
    for (size_t i = 0; i < 5; i++) {
        add_echoes(r, 1, 5000);
        carry_out(r, i);
    }
    expect_all(r, 0, PANICMON_ERR_WS, "HTTP 401");
    ck_assert_int_le(pm_rpc_get_counts(r->rpc)->connects, 3);
    ck_assert_ptr_nonnull(strstr(r->calls[1].message, "not tried again yet"));
    rig_free(r);
}
END_TEST

START_TEST(a_url_that_is_none_is_refused)
{
    rig *r = rig_new(good);
    (void)snprintf(r->url, sizeof r->url, "http://u:hidden@x/");
    add_echoes(r, 2, 5000);
    carry_out(r, 0);
    expect_all(r, 0, PANICMON_ERR_INVAL, "URL");
    rig_free(r);
}
END_TEST

START_TEST(cancel_and_free_finish_everything_once)
{
    rig *r = rig_new(silent);
    int64_t began = pm_mono_ms();
    add_echoes(r, 4, 60000);
    pm_rpc_submit(r->rpc, r->list, 2, pm_mono_ms());
    pm_rpc_cancel(r->rpc); /* still connecting */
    ck_assert_uint_eq(r->done, 2);
    pm_rpc_submit(r->rpc, r->list + 2, 2, pm_mono_ms());
    pm_loop_wait(r->loop, pm_mono_ms() + 100);
    pm_loop_wait(r->loop, pm_mono_ms() + 20);
    pm_rpc_free(r->rpc);
    r->rpc = NULL;
    ck_assert_uint_eq(r->done, 4);
    expect_all(r, 0, PANICMON_ERR_CANCELED, "canceled");
    rig_free(r);
    ck_assert_int_lt(pm_mono_ms() - began, 2000);
}
END_TEST

START_TEST(connections_survive_a_cancel)
{
    rig *r = rig_new(good);
    add_echoes(r, 2, 5000);
    carry_out(r, 0);
    add_echoes(r, 2, 5000);
    pm_rpc_submit(r->rpc, r->list + 2, 2, pm_mono_ms());
    pm_rpc_cancel(r->rpc);
    expect_all(r, 2, PANICMON_ERR_CANCELED, "");
    add_echoes(r, 2, 5000); /* the late replies to the canceled ones are not theirs */
    carry_out(r, 4);
    expect_echoes(r, 4);
    ck_assert_int_eq(pm_rpc_get_counts(r->rpc)->connects, 1);
    rig_free(r);
}
END_TEST

static void deaf(peer_conn *conn)
{
    if (peer_upgrade(conn)) {
        peer_idle(conn);
    }
}

/* Some are asked again with an earlier deadline than they had, which then comes first. */
START_TEST(many_endpoints_keep_their_deadlines)
{
    enum { ENDPOINTS = 60 };
    rig *r = rig_new(deaf);
    char base[sizeof r->url];
    int64_t began = pm_mono_ms();
    memcpy(base, r->url, sizeof base);
    for (int i = 0; i < ENDPOINTS + ENDPOINTS / 2; i++) {
        (void)snprintf(r->url, sizeof r->url, "%.100s%d", base, i % ENDPOINTS);
        (void)add_call(r, "echo", "[]", i < ENDPOINTS ? 300 + i * 37 % 200 : 50 + i * 41 % 200);
    }
    pm_rpc_submit(r->rpc, r->list, r->count, began);
    for (int64_t now = pm_mono_ms(); r->done < r->count; now = pm_mono_ms()) {
        int64_t due = pm_rpc_service(r->rpc, now);
        int64_t seen = pm_loop_caught_up(r->loop);
        ck_assert_int_lt(now - began, 20000);
        for (size_t i = 0; i < r->count; i++) {
            ck_assert(r->calls[i].done || r->calls[i].deadline > seen);
            ck_assert(r->calls[i].done || due <= r->calls[i].deadline);
            ck_assert(!r->calls[i].done || r->calls[i].deadline <= now ||
                      r->calls[i].status == PANICMON_ERR_WS);
        }
        if (r->done < r->count) {
            pm_loop_wait(r->loop, due);
        }
    }
    rig_free(r);
}
END_TEST

/* Something held up the loop's thread until the deadlines were over; the replies were there. _i:
 * whether the loop is a large one, which takes 64 events at a time. */
START_TEST(replies_that_lie_there_are_in_time)
{
    const int endpoints = _i == 1 ? 150 : 20;
    rig *r = rig_new_on(_i == 1 ? pm_loop_new_large : pm_loop_new, good);
    char base[sizeof r->url];
    memcpy(base, r->url, sizeof base);
    for (int i = 0; i < 2 * endpoints; i++) {
        (void)snprintf(r->url, sizeof r->url, "%.100s%d", base, i % endpoints);
        (void)add_call(r, "echo", "[0]", i < endpoints ? 20000 : 200);
        if (i < endpoints) { /* one by one: the loop never saw many events at a time */
            carry_out(r, r->count - 1);
        }
    }
    pm_rpc_submit(r->rpc, r->list + endpoints, (size_t)endpoints, pm_mono_ms());
    pm_loop_wait(r->loop, 0); /* small loops send there */
    usleep(2000000);
    carry_out(r, r->count);
    for (size_t i = 0; i < r->count; i++) {
        ck_assert_msg(r->calls[i].status == PANICMON_OK, "%zu: %s", i, r->calls[i].message);
    }
    ck_assert_int_eq(pm_rpc_get_counts(r->rpc)->connects, endpoints);
    rig_free(r);
}
END_TEST

START_TEST(an_idle_endpoint_is_forgotten)
{
    rig *r = rig_new(good);
    add_echoes(r, 1, 5000);
    carry_out(r, 0);
    int64_t now = pm_mono_ms();
    int64_t due = pm_rpc_service(r->rpc, now + 10000);
    ck_assert_int_gt(due, now + 200000);
    ck_assert_int_le(due, now + 300001);
    ck_assert_int_eq(pm_rpc_service(r->rpc, due), PM_NEVER);
    add_echoes(r, 1, 5000);
    carry_out(r, 1);
    expect_echoes(r, 0);
    ck_assert_int_eq(pm_rpc_get_counts(r->rpc)->connects, 2);
    rig_free(r);
}
END_TEST

static int count_fds(void)
{
    int n = 0;
    DIR *dir = opendir("/proc/self/fd");
    ck_assert_ptr_nonnull(dir);
    while (readdir(dir) != NULL) {
        n++;
    }
    (void)closedir(dir);
    return n;
}

START_TEST(no_descriptor_is_left)
{
    static const peer_script scripts[] = {good, garbage, silent, reset_instead, half_a_reply};
    int before = count_fds();
    for (size_t i = 0; i < sizeof scripts / sizeof scripts[0]; i++) {
        rig *r = rig_new(scripts[i]);
        add_echoes(r, 3, 200);
        carry_out(r, 0);
        rig_free(r);
    }
    ck_assert_int_eq(count_fds(), before);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("rpc");
    TCase *tests = tcase_create("rpc");
    tcase_set_timeout(tests, 30);
    tcase_add_test(tests, calls_of_one_submit_share_a_frame);
    tcase_add_test(tests, a_long_list_takes_more_frames);
    tcase_add_test(tests, a_result_may_look_like_a_reply);
    tcase_add_test(tests, order_duplicates_and_noise_do_not_matter);
    tcase_add_loop_test(tests, a_peer_that_refuses_batches_gets_what_it_takes, 0,
                        sizeof refusals / sizeof refusals[0]);
    tcase_add_test(tests, batches_are_tried_again_over_a_new_connection);
    tcase_add_test(tests, large_replies_come_through_and_larger_ones_do_not);
    tcase_add_test(tests, an_error_without_id_is_for_a_call_that_is_alone);
    tcase_add_test(tests, replies_with_other_ids_are_no_answers);
    tcase_add_loop_test(tests, a_bad_peer_fails_its_calls_with_the_reason, 0,
                        sizeof failures / sizeof failures[0]);
    tcase_add_test(tests, connecting_too_long_fails_before_the_deadline);
    tcase_add_test(tests, a_dead_connection_is_given_up_and_made_anew);
    tcase_add_test(tests, a_peer_that_is_away_is_not_hammered);
    tcase_add_test(tests, a_url_that_is_none_is_refused);
    tcase_add_test(tests, cancel_and_free_finish_everything_once);
    tcase_add_test(tests, connections_survive_a_cancel);
    tcase_add_test(tests, many_endpoints_keep_their_deadlines);
    tcase_add_loop_test(tests, replies_that_lie_there_are_in_time, 0, 2);
    tcase_add_test(tests, an_idle_endpoint_is_forgotten);
    tcase_add_test(tests, no_descriptor_is_left);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
