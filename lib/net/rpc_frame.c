/* rpc_frame.c: JSON-RPC 2.0 as text: calls into frames, messages into outcomes. Belongs to the
 * thread of the loop.
 *
 * Which message is an answer to what:
 * - An object whose id is that of a pending call is its answer, whatever order they come in.
 * - An error whose id is null answers a whole batch: the peer refuses it (or batches at all), and
 *   its calls go out again in smaller batches or alone. Without a batch, it can only be meant for
 *   a call that is pending all by itself.
 * - Other objects (notifications, answers to what was given up) concern nobody and are dropped.
 * - Anything else means that we do not understand this peer: the connection ends. */
#include "net/rpc_impl.h"

#include <string.h>

#include "base/log.h"

/* More of an error's text is of no use to anyone. */
#define ERROR_TEXT_MAX 500
/* Bytes of a call but for its method and params. */
#define CALL_FRAME 64
/* The memory of a frame that grew larger is given back. */
#define FRAME_KEEP 16384
/* Messages of one frame that are taken apart while it is checked; the others of a longer batch
 * afterwards. */
#define REPLIES_NOTED 32
/* More calls in a batch than the peer takes, so say Substrate nodes. */
#define BATCH_TOO_LONG (-32010)

/* ---- out ---- */

static void write_call(pm_buf *frame, const pm_rpc_call *call)
{
    const pm_request *request = pm_call_request(call);
    pm_buf_text(frame, "{\"jsonrpc\":\"2.0\",\"id\":");
    pm_buf_int(frame, call->id);
    pm_buf_text(frame, ",\"method\":");
    pm_buf_json_string(frame, request->name, strlen(request->name));
    pm_buf_text(frame, ",\"params\":");
    if (request->in.len > 0) {
        pm_buf_add(frame, request->in.data, request->in.len);
    } else {
        pm_buf_text(frame, "[]");
    }
    pm_buf_char(frame, '}');
}

/* Room for the first `count` fresh calls, so that the frame is not moved while it is written. */
static void reserve_frame(pm_buf *frame, const pm_rpc_endpoint *endpoint, size_t count)
{
    size_t bytes = 0;
    const pm_rpc_call *call = endpoint->fresh.first;
    for (size_t i = 0; i < count; i++) {
        bytes += strlen(pm_call_request(call)->name) + pm_call_request(call)->in.len + CALL_FRAME;
        call = call->next;
    }
    (void)pm_buf_reserve(frame, bytes + PM_WS_HEADROOM);
}

/* Sends the first `count` fresh calls in one frame. */
static void send_frame(pm_rpc_endpoint *endpoint, size_t count)
{
    static const char headroom[PM_WS_HEADROOM] = {0};
    pm_rpc *rpc = endpoint->rpc;
    pm_buf *frame = &rpc->frame;
    pm_calls sent;
    pm_calls_init(&sent);
    reserve_frame(frame, endpoint, count);
    pm_buf_add(frame, headroom, sizeof headroom);
    int64_t batch = count > 1 ? endpoint->last_id + 1 : 0;
    for (size_t i = 0; i < count; i++) {
        pm_rpc_call *call = endpoint->fresh.first;
        pm_calls_remove(&endpoint->fresh, call);
        pm_calls_append(&sent, call);
        call->id = ++endpoint->last_id;
        call->batch = batch;
        if (batch != 0) {
            pm_buf_char(frame, i == 0 ? '[' : ',');
        }
        write_call(frame, call);
    }
    if (batch != 0) {
        pm_buf_char(frame, ']');
    }
    size_t len = frame->failed ? 0 : frame->len - sizeof headroom;
    panicmon_err status = frame->failed
                              ? PANICMON_ERR_NOMEM
                              : pm_ws_send(endpoint->ws, frame->data + sizeof headroom, len);
    if (status == PANICMON_OK) {
        rpc->counts.frames_out++;
        rpc->counts.bytes_out += (int64_t)len;
    }
    if (frame->cap > FRAME_KEEP) {
        pm_buf_free(frame);
    } else {
        pm_buf_clear(frame);
    }
    while (sent.first != NULL) {
        pm_rpc_call *call = sent.first;
        pm_calls_remove(&sent, call);
        if (status == PANICMON_OK) {
            pm_calls_append(&endpoint->pending, call);
        } else {
            pm_call_finish(call, status, 0, panicmon_strerror(status));
        }
    }
}

void pm_rpc_endpoint_send(pm_rpc_endpoint *endpoint)
{
    while (endpoint->fresh.first != NULL && endpoint->ws != NULL) {
        size_t count = 0;
        for (const pm_rpc_call *at = endpoint->fresh.first;
             at != NULL && count < endpoint->batch_limit; at = at->next) {
            count++;
        }
        send_frame(endpoint, count);
    }
}

/* ---- in ---- */

/* A message of the peer, or one of a batch. */
typedef struct reply {
    pm_json whole; /* absent: it is no batch */
    pm_json id;
    pm_json result;
    pm_json error;
} reply;

/* What a frame was found to hold while it was checked. */
typedef struct replies {
    reply list[REPLIES_NOTED];
    size_t count;
} replies;

static void take_member(reply *to, pm_json key, pm_json value)
{
    if (pm_json_equals(key, "id")) {
        to->id = value;
    } else if (pm_json_equals(key, "result")) {
        to->result = value;
    } else if (pm_json_equals(key, "error") && !pm_json_is(value, 'n')) {
        to->error = value;
    }
}

static reply take_apart(pm_json object)
{
    reply found = {.whole = object};
    pm_json key;
    pm_json value;
    for (size_t at = 0; pm_json_next_member(object, &at, &key, &value);) {
        take_member(&found, key, value);
    }
    return found;
}

/* Of a batch the messages (depth 1) follow their members; else there are only the members. */
static void note(void *user, size_t depth, pm_json key, pm_json value)
{
    replies *got = user;
    if (got->count == REPLIES_NOTED) {
        return;
    }
    reply *now = &got->list[got->count];
    if (key.text != NULL) {
        take_member(now, key, value);
    } else if (depth == 1) {
        now->whole = value;
        if (++got->count < REPLIES_NOTED) {
            got->list[got->count] = (reply){.whole = {0}};
        }
    }
}

/* Cuts at a character when it is too long. */
static void cut(pm_buf *text)
{
    if (text->len > ERROR_TEXT_MAX) {
        size_t len = ERROR_TEXT_MAX;
        while (len > 0 && ((unsigned char)text->data[len] & 0xc0) == 0x80) {
            len--;
        }
        text->len = len;
        text->data[len] = '\0';
    }
}

static void finish_with_error(pm_rpc_call *call, pm_json error)
{
    pm_buf text = {0};
    pm_buf data = {0};
    int64_t code = 0;
    (void)pm_json_int(pm_json_member(error, "code"), &code);
    (void)pm_json_string(pm_json_member(error, "message"), &text);
    if (pm_json_string(pm_json_member(error, "data"), &data) && data.len > 0) {
        pm_buf_text(&text, text.len > 0 ? ": " : "");
        pm_buf_add(&text, data.data, data.len);
    }
    cut(&text);
    pm_call_finish(call, PANICMON_ERR_RPC, code, text.failed ? NULL : text.data);
    pm_buf_free(&data);
    pm_buf_free(&text);
}

static void finish_with_reply(pm_rpc_call *call, const reply *got)
{
    if (got->error.text != NULL) {
        finish_with_error(call, got->error);
    } else if (got->result.text == NULL) {
        pm_call_finish(call, PANICMON_ERR_PROTOCOL, 0, "a reply without result");
    } else if (!pm_request_set_out(pm_call_request(call), got->result.text, got->result.len)) {
        pm_call_finish(call, PANICMON_ERR_NOMEM, 0, "out of memory for a reply");
    } else {
        pm_call_finish(call, PANICMON_OK, 0, NULL);
    }
}

static size_t batch_size(const pm_rpc_call *first)
{
    size_t size = 0;
    for (const pm_rpc_call *at = first; at != NULL && at->batch == first->batch; at = at->next) {
        size++;
    }
    return size;
}

/* The number in "Exceeded max limit of N" of a batch with too many calls; 0: none. */
static size_t limit_in(pm_json error)
{
    static const char *const members[] = {"data", "message"};
    size_t limit = 0;
    int64_t code = 0;
    (void)pm_json_int(pm_json_member(error, "code"), &code);
    for (size_t i = 0; code == BATCH_TOO_LONG && i < 2 && limit == 0; i++) {
        pm_buf text = {0};
        const char *at = NULL;
        if (pm_json_string(pm_json_member(error, members[i]), &text)) {
            at = strstr(text.data, "limit of ");
        }
        for (at = at == NULL ? "" : at + 9; *at >= '0' && *at <= '9' && limit <= PM_BATCH_MAX;
             at++) {
            limit = limit * 10 + (size_t)(*at - '0');
        }
        pm_buf_free(&text);
    }
    return limit;
}

/* The first call of the oldest batch that is larger than `limit`; NULL: none. */
static pm_rpc_call *find_batch(const pm_rpc_endpoint *endpoint, size_t limit)
{
    int64_t before = 0;
    for (pm_rpc_call *at = endpoint->pending.first; at != NULL; at = at->next) {
        if (at->batch != 0 && at->batch != before && batch_size(at) > limit) {
            return at;
        }
        before = at->batch;
    }
    return NULL;
}

/* An error for nobody: the refusal of a batch, whose calls are sent again. */
static void take_refusal(pm_rpc_endpoint *endpoint, const reply *got)
{
    size_t limit = limit_in(got->error);
    pm_rpc_call *call = find_batch(endpoint, limit);
    if (call == NULL) { /* all fit: it does not keep to what it says */
        limit = 0;
        call = find_batch(endpoint, limit);
    }
    if (call == NULL) {
        call = endpoint->pending.first;
        if (call != NULL && call->next == NULL) {
            pm_calls_remove(&endpoint->pending, call);
            finish_with_reply(call, got);
        }
        return;
    }
    endpoint->batch_limit = limit > 0 ? limit : 1;
    pm_logf(endpoint->rpc->log, PANICMON_LOG_DEBUG, endpoint->rpc->component,
            "%s refuses a batch; at most %zu calls a frame from now on", endpoint->name,
            endpoint->batch_limit);
    for (int64_t batch = call->batch; call != NULL && call->batch == batch;) {
        pm_rpc_call *next = call->next;
        pm_calls_remove(&endpoint->pending, call);
        pm_calls_append(&endpoint->fresh, call);
        call = next;
    }
    pm_rpc_endpoint_send(endpoint);
}

static pm_rpc_call *find_call(const pm_rpc_endpoint *endpoint, int64_t id)
{
    pm_rpc_call *at = endpoint->pending.first;
    while (at != NULL && at->id != id) {
        at = at->next;
    }
    return at;
}

static void take_reply(pm_rpc_endpoint *endpoint, const reply *got)
{
    int64_t id;
    if (pm_json_is(got->id, 'n') && pm_json_is(got->error, '{')) {
        take_refusal(endpoint, got);
        return;
    }
    pm_rpc_call *call = pm_json_int(got->id, &id) ? find_call(endpoint, id) : NULL;
    if (call == NULL) {
        pm_logf(endpoint->rpc->log, PANICMON_LOG_DEBUG, endpoint->rpc->component,
                "%s: dropped a message that answers nothing", endpoint->name);
        return;
    }
    endpoint->worked = true;
    pm_calls_remove(&endpoint->pending, call);
    finish_with_reply(call, got);
}

static bool take_batch(pm_rpc_endpoint *endpoint, pm_json batch, const replies *noted)
{
    size_t at = 0;
    for (size_t i = 0; i < noted->count; i++) {
        const reply *got = &noted->list[i];
        if (!pm_json_is(got->whole, '{')) {
            return false;
        }
        take_reply(endpoint, got);
        at = (size_t)(got->whole.text + got->whole.len - batch.text);
    }
    pm_json element;
    while (noted->count == REPLIES_NOTED && pm_json_next_element(batch, &at, &element)) {
        if (!pm_json_is(element, '{')) {
            return false;
        }
        reply got = take_apart(element);
        take_reply(endpoint, &got);
    }
    return true;
}

static bool take_message(pm_rpc_endpoint *endpoint, const char *text, size_t len)
{
    pm_json message;
    replies noted;
    noted.count = 0;
    noted.list[0] = (reply){.whole = {0}};
    const pm_json_visitor visitor = {.value = note, .user = &noted};
    if (!pm_json_visit(text, len, &visitor, &message, NULL)) {
        return false;
    }
    if (pm_json_is(message, '[')) {
        return take_batch(endpoint, message, &noted);
    }
    if (pm_json_is(message, '{')) {
        take_reply(endpoint, &noted.list[0]);
        return true;
    }
    return false;
}

void pm_rpc_endpoint_receive(pm_rpc_endpoint *endpoint, const char *text, size_t len)
{
    endpoint->rpc->counts.frames_in++;
    endpoint->rpc->counts.bytes_in += (int64_t)len;
    if (!take_message(endpoint, text, len)) {
        pm_rpc_endpoint_drop(endpoint);
        pm_rpc_endpoint_fail(endpoint, PANICMON_ERR_PROTOCOL, "sent what is no JSON-RPC message");
    }
}
