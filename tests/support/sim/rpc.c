/* rpc.c: JSON-RPC 2.0 as a node speaks it: single requests, batches, the errors and their words. */
#include <stdarg.h>
#include <string.h>

#include "sim.h"

bool sim_fail(sim_call *call, int code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    call->error = code;
    pm_buf_format_list(&call->message, format, args);
    va_end(args);
    return false;
}

static void put_id(const sim_call *call)
{
    pm_buf_text(call->out, "{\"jsonrpc\":\"2.0\",\"id\":");
    if (call->node->modes.wrong_id && !call->control) {
        pm_buf_text(call->out, "987654321");
    } else if (call->id.text == NULL) {
        pm_buf_text(call->out, "null");
    } else {
        pm_buf_add(call->out, call->id.text, call->id.len);
    }
}

static void put_error(sim_call *call)
{
    put_id(call);
    pm_buf_format(call->out, ",\"error\":{\"code\":%d,\"message\":", call->error);
    pm_buf_json_string(call->out, call->message.data, call->message.len);
    if (call->data.len > 0) {
        pm_buf_text(call->out, ",\"data\":");
        pm_buf_json_string(call->out, call->data.data, call->data.len);
    }
    pm_buf_text(call->out, "}}");
    call->node->counts.errors++;
}

static bool take_params(sim_call *call, pm_json params)
{
    pm_json value;
    if (params.text == NULL || pm_json_is(params, 'n')) {
        return true;
    }
    if (call->control && pm_json_is(params, '{')) {
        call->params[call->count++] = params;
        return true;
    }
    if (!pm_json_is(params, '[')) {
        pm_buf_text(&call->data, "params must be an array");
        return sim_fail(call, -32602, "Invalid params");
    }
    for (size_t at = 0; call->count < 4 && pm_json_next_element(params, &at, &value);) {
        call->params[call->count++] = value;
    }
    return true;
}

static sim_method *find(const sim_call *call, const char *name)
{
    sim_method *method = sim_find_control(name);
    if (method != NULL) {
        return method;
    }
    method = sim_find_sub(name);
    if (method == NULL) {
        method = sim_find_method(name);
    }
    return method == NULL || sim_modes_denies(&call->node->modes, name) ? NULL : method;
}

static void run(sim_call *call, const char *name, pm_json params)
{
    size_t mark = call->out->len;
    sim_method *method = find(call, name);
    call->control = strncmp(name, "sim_", 4) == 0;
    if (method == NULL) {
        (void)sim_fail(call, -32601, "Method not found");
    } else if (take_params(call, params)) {
        put_id(call);
        pm_buf_text(call->out, ",\"result\":");
        if (method(call)) {
            pm_buf_char(call->out, '}');
            return;
        }
    }
    call->out->len = mark;
    put_error(call);
}

/* One request; false when there is nothing to answer. */
static bool answer(sim_call *call, pm_json request)
{
    pm_json key;
    pm_json value;
    pm_json method = {0};
    pm_json params = {0};
    bool version = false;
    char name[64] = "";
    for (size_t at = 0; pm_json_next_member(request, &at, &key, &value);) {
        if (pm_json_equals(key, "id")) {
            call->id = value;
        } else if (pm_json_equals(key, "method")) {
            method = value;
        } else if (pm_json_equals(key, "params")) {
            params = value;
        } else if (pm_json_equals(key, "jsonrpc")) {
            version = pm_json_equals(value, "2.0");
        }
    }
    call->node->counts.requests++;
    if (!version || !pm_json_is(method, '"')) {
        (void)sim_fail(call, -32600, "Invalid request");
        put_error(call);
        return true;
    }
    if (call->id.text == NULL) {
        return false; /* a notification */
    }
    if (method.len - 2 < sizeof name) { /* no method's name needs escapes */
        memcpy(name, method.text + 1, method.len - 2);
    }
    run(call, name, params);
    return true;
}

/* Answers one request of a message into `out`; `*control` when it was a sim_ method. */
static bool answer_one(sim_conn *conn, pm_json request, pm_buf *out, bool *control)
{
    sim_call call = {.s = conn->sim, .conn = conn, .node = conn->node, .out = out};
    bool answered = answer(&call, request);
    *control = call.control;
    pm_buf_free(&call.message);
    pm_buf_free(&call.data);
    return answered;
}

static void refuse(sim_conn *conn, int code, const char *message, const char *data)
{
    sim_call call = {.node = conn->node, .out = &conn->sim->reply, .control = true};
    (void)sim_fail(&call, code, "%s", message);
    pm_buf_text(&call.data, data);
    put_error(&call);
    pm_buf_free(&call.message);
    pm_buf_free(&call.data);
    sim_deliver(conn, &conn->sim->reply);
}

static bool batch_allowed(sim_conn *conn, pm_json batch)
{
    int64_t limit = conn->node->modes.batch;
    int64_t count = 0;
    char data[64] = "Exceeded max limit of ";
    pm_json value;
    for (size_t at = 0; pm_json_next_element(batch, &at, &value);) {
        count++;
    }
    if (limit == 0) {
        refuse(conn, -32005, "Batched requests are not supported by this server", "");
    } else if (limit > 0 && count > limit) {
        pm_buf text = {0};
        pm_buf_format(&text, "%s%lld", data, (long long)limit);
        refuse(conn, -32010, "The batch request was too large", text.data);
        pm_buf_free(&text);
    } else if (count == 0) {
        refuse(conn, -32600, "Invalid request", "");
    } else {
        return true;
    }
    return false;
}

static void answer_batch(sim_conn *conn, pm_json batch)
{
    pm_buf *reply = &conn->sim->reply;
    pm_json request;
    bool control = false;
    bool first = true;
    if (!batch_allowed(conn, batch)) {
        return;
    }
    pm_buf_char(reply, '[');
    for (size_t at = 0; pm_json_next_element(batch, &at, &request);) {
        size_t mark = reply->len;
        if (!first) {
            pm_buf_char(reply, ',');
        }
        if (answer_one(conn, request, reply, &control)) {
            first = false;
        } else {
            reply->len = mark;
        }
    }
    pm_buf_char(reply, ']');
    sim_deliver(conn, reply);
}

void sim_rpc_message(sim_conn *conn, const char *text, size_t len)
{
    pm_buf *reply = &conn->sim->reply;
    pm_json message;
    bool control = false;
    if (reply->cap > 4u << 20 || reply->failed) { /* do not keep what one huge answer took */
        pm_buf_free(reply);
        *reply = (pm_buf){0};
    }
    sim_message_begin(reply);
    if (!pm_json_parse(text, len, &message, NULL)) {
        refuse(conn, -32700, "Parse error", "");
    } else if (pm_json_is(message, '[')) {
        answer_batch(conn, message);
    } else if (answer_one(conn, message, reply, &control)) {
        if (control) {
            sim_conn_send(conn, reply, 1);
        } else {
            sim_deliver(conn, reply);
        }
    }
    sim_subs_begin(conn);
}
