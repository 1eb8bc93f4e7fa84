/* round.c: the public face of a round: steps queue requests here and read replies from here. */
#include "core/round.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"

/* A request's number is its step and its place in it. */
#define STEP_SHIFT 16
#define STEP_MAX   0xffffu
/* Bytes of a heartbeat but for the name, and room to format in. */
#define HEARTBEAT_USUAL 200
/* A step that begins so long after the deadline of all it waited for was held up by its own side.
 */
#define STEP_LATE_MS 250
#define WAIT_MAX_MS  60000
#define ITEMS_USUAL  8

/* Frees what its requests hold; those that are kept are not ours any more. */
static void clear_requests(const pm_request_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        if (!list->items[i]->kept) {
            pm_request_clear(list->items[i]);
        }
    }
}

static void list_clear(pm_request_list *list)
{
    clear_requests(list);
    pm_bundle_drop(list->bundle);
    *list = (pm_request_list){0};
}

void pm_round_clear(panicmon_round *round)
{
    list_clear(&round->asked);
    list_clear(&round->got);
}

void pm_round_free(panicmon_round *round)
{
    pm_round_clear(round);
    pm_buf_free(&round->failure);
}

void pm_round_begin(panicmon_round *round, int64_t wall_ms, int64_t now_ms, int64_t budget_ms)
{
    pm_round_clear(round);
    round->step = 0;
    round->wall_ms = wall_ms;
    round->began_ms = now_ms;
    round->deadline_ms = now_ms + budget_ms;
    round->late = false;
    round->failed = false;
    pm_buf_clear(&round->failure);
}

static int64_t now_of(const panicmon_round *round)
{
    return round->step_ms != 0 ? round->step_ms : pm_mono_ms();
}

static bool is_late(const panicmon_round *round)
{
    int64_t until = 0;
    for (size_t i = 0; i < round->got.count; i++) {
        int64_t deadline = round->got.items[i]->deadline;
        until = deadline > until ? deadline : until;
    }
    return until != 0 && now_of(round) > until + STEP_LATE_MS;
}

void pm_round_turn(panicmon_round *round)
{
    list_clear(&round->got);
    round->got = round->asked;
    round->asked = (pm_request_list){0};
    round->step++;
    round->late = is_late(round);
}

void pm_round_rest(panicmon_round *round)
{
    list_clear(&round->got);
}

/* Calls may take two thirds of what is left of the first three quarters, so that later steps and
 * the error sample still find time; messages may take all. A late step has a little time in any
 * case. */
static int64_t deadline_of(const panicmon_round *round, pm_request_kind kind)
{
    int64_t now = now_of(round);
    int64_t all = round->deadline_ms - round->began_ms;
    int64_t until = round->deadline_ms;
    if (kind == PM_REQUEST_RPC || kind == PM_REQUEST_HTTP) {
        until = round->began_ms + all * 3 / 4;
        until = until <= now ? now : now + (until - now) * 2 / 3;
    }
    int64_t least = now + all / 16;
    return round->late && until < least ? least : until;
}

static char *copy(const char *text)
{
    return text == NULL ? NULL : strdup(text);
}

/* Of the list's own memory. */
static void *take(panicmon_round *round, size_t size)
{
    return pm_bundle_take(&round->asked.bundle, round->pool, size);
}

static bool make_room(panicmon_round *round)
{
    pm_request_list *list = &round->asked;
    if (list->count == list->capacity) {
        size_t capacity = list->capacity == 0 ? ITEMS_USUAL : list->capacity * 2;
        pm_request **items = take(round, capacity * sizeof *items);
        if (items == NULL) {
            return false;
        }
        if (list->count > 0) {
            memcpy(items, list->items, list->count * sizeof *items);
        }
        list->items = items;
        list->capacity = capacity;
    }
    return true;
}

/* A request with all its texts is one piece of memory; the target may be that of the one before, as
 * a step often asks one peer several things. */
static pm_request *make_request(panicmon_round *round, const char *target, const char *name,
                                const void *in, size_t len)
{
    const pm_request_list *list = &round->asked;
    const pm_request *last = list->count == 0 ? NULL : list->items[list->count - 1];
    char *known = last != NULL && strcmp(last->target, target) == 0 ? last->target : NULL;
    size_t target_size = known != NULL ? 0 : strlen(target) + 1;
    size_t name_size = name == NULL ? 0 : strlen(name) + 1;
    if (len > SIZE_MAX / 4) {
        return NULL;
    }
    panicmon_reply *made = take(round, sizeof *made + target_size + name_size + len + 1);
    if (made == NULL) {
        return NULL;
    }
    char *at = (char *)(made + 1);
    pm_request *request = &made->request;
    *request = (pm_request){.inlined = true, .bundle = list->bundle, .target = known};
    if (known == NULL) {
        request->target = memcpy(at, target, target_size);
        at += target_size;
    }
    if (name != NULL) {
        request->name = memcpy(at, name, name_size);
        at += name_size;
    }
    if (len > 0) {
        request->in.data = memcpy(at, in, len);
        request->in.data[len] = '\0';
        request->in.len = len;
        request->in.cap = len + 1;
    }
    return request;
}

static panicmon_err ask(panicmon_round *round, pm_request_kind kind, const char *target,
                        const char *name, const void *in, size_t len, uint32_t flags,
                        panicmon_request *out)
{
    pm_request_list *list = &round->asked;
    if (target == NULL || (in == NULL && len > 0)) {
        return PANICMON_ERR_INVAL;
    }
    if (list->count > STEP_MAX || round->step > STEP_MAX) {
        return PANICMON_ERR_LIMIT;
    }
    pm_request *request = make_room(round) ? make_request(round, target, name, in, len) : NULL;
    if (request == NULL) {
        return PANICMON_ERR_NOMEM;
    }
    request->kind = kind;
    request->flags = flags;
    request->deadline = deadline_of(round, kind);
    if (out != NULL) {
        *out = round->step << STEP_SHIFT | (uint32_t)list->count;
    }
    list->items[list->count++] = request;
    return PANICMON_OK;
}

uint32_t panicmon_round_step(const panicmon_round *round)
{
    return round->step;
}

int64_t panicmon_round_time_ms(const panicmon_round *round)
{
    return round->wall_ms;
}

const char *panicmon_round_name(const panicmon_round *round)
{
    return round->name;
}

panicmon_err panicmon_round_rpc(panicmon_round *round, const char *url, const char *method,
                                const char *params, uint32_t flags, panicmon_request *out)
{
    if (method == NULL) {
        return PANICMON_ERR_INVAL;
    }
    if ((flags & ~(uint32_t)(PANICMON_RPC_PINNED | PANICMON_RPC_ALONE)) != 0) {
        return PANICMON_ERR_TOONEW;
    }
    return ask(round, PM_REQUEST_RPC, url, method, params, params == NULL ? 0 : strlen(params),
               flags, out);
}

/* A method is a word of capitals. */
static bool is_method(const char *method)
{
    size_t len = strspn(method, "ABCDEFGHIJKLMNOPQRSTUVWXYZ");
    return len > 0 && len <= 16 && method[len] == '\0';
}

/* Lines of a name, a colon and a value; nothing that could end a line early. */
static bool are_headers(const char *headers)
{
    for (const char *line = headers; *line != '\0';) {
        size_t len = strcspn(line, "\n");
        size_t name = strcspn(line, ":\n ");
        if (name == 0 || line[name] != ':') {
            return false;
        }
        for (size_t i = 0; i < len; i++) {
            unsigned char c = (unsigned char)line[i];
            if ((c < 0x20 && c != '\t') || c == 0x7f) {
                return false;
            }
        }
        line += len + (line[len] == '\n');
    }
    return true;
}

panicmon_err panicmon_round_http(panicmon_round *round, const char *method, const char *url,
                                 const char *headers, const void *body, size_t len, uint32_t flags,
                                 panicmon_request *out)
{
    method = method != NULL ? method : len > 0 ? "POST" : "GET";
    if (!is_method(method) || (headers != NULL && !are_headers(headers))) {
        return PANICMON_ERR_INVAL;
    }
    if ((flags & ~(uint32_t)PANICMON_HTTP_FOLLOW) != 0) {
        return PANICMON_ERR_TOONEW;
    }
    char *lines = copy(headers);
    if (headers != NULL && lines == NULL) {
        return PANICMON_ERR_NOMEM;
    }
    panicmon_err status = ask(round, PM_REQUEST_HTTP, url, method, body, len, flags, out);
    if (status == PANICMON_OK) {
        round->asked.items[round->asked.count - 1]->headers = lines;
    } else {
        free(lines);
    }
    return status;
}

panicmon_err panicmon_round_publish(panicmon_round *round, const char *exchange,
                                    const char *routing_key, const char *body, size_t len,
                                    panicmon_request *out)
{
    if (routing_key == NULL) {
        return PANICMON_ERR_INVAL;
    }
    return ask(round, PM_REQUEST_PUBLISH, exchange, routing_key, body, len, 0, out);
}

panicmon_err panicmon_round_heartbeat(panicmon_round *round, panicmon_request *out)
{
    pm_buf body = {0};
    int64_t now = pm_wall_us();
    (void)pm_buf_reserve(&body, strlen(round->name) + HEARTBEAT_USUAL);
    pm_buf_text(&body, "{\"component_name\": ");
    pm_buf_json_string(&body, round->name, strlen(round->name));
    pm_buf_text(&body, ", \"is_alive\": true, \"timestamp\": ");
    pm_buf_seconds(&body, now);
    pm_buf_char(&body, '}');
    panicmon_err status = body.failed
                              ? PANICMON_ERR_NOMEM
                              : panicmon_round_publish(round, "health_check", "heartbeat.worker",
                                                       body.data, body.len, out);
    pm_buf_free(&body);
    return status;
}

panicmon_err panicmon_round_load(panicmon_round *round, const char *key, panicmon_request *out)
{
    return ask(round, PM_REQUEST_LOAD, key, NULL, NULL, 0, 0, out);
}

panicmon_err panicmon_round_store(panicmon_round *round, const char *key, const void *value,
                                  size_t len, panicmon_request *out)
{
    return ask(round, PM_REQUEST_STORE, key, NULL, value, len, 0, out);
}

panicmon_err panicmon_round_wait(panicmon_round *round, int64_t ms, panicmon_request *out)
{
    if (ms < 1 || ms > WAIT_MAX_MS) {
        return PANICMON_ERR_INVAL;
    }
    panicmon_err status = ask(round, PM_REQUEST_WAIT, "", NULL, NULL, 0, 0, out);
    if (status == PANICMON_OK) {
        pm_request *request = round->asked.items[round->asked.count - 1];
        int64_t until = pm_mono_ms() + ms;
        int64_t last = round->began_ms + (round->deadline_ms - round->began_ms) * 3 / 4;
        request->flags = until > last ? PM_WAIT_CUT : 0;
        request->deadline = until > last ? last : until;
    }
    return status;
}

const panicmon_reply *panicmon_round_reply(const panicmon_round *round, panicmon_request request)
{
    size_t place = request & STEP_MAX;
    if (round->step == 0 || request >> STEP_SHIFT != round->step - 1 || place >= round->got.count) {
        return NULL;
    }
    return (const panicmon_reply *)round->got.items[place];
}

panicmon_err panicmon_reply_status(const panicmon_reply *reply)
{
    return reply == NULL ? PANICMON_ERR_INVAL : reply->request.status;
}

const char *panicmon_reply_body(const panicmon_reply *reply, size_t *len)
{
    bool some = reply != NULL && reply->request.out.data != NULL;
    if (len != NULL) {
        *len = some ? reply->request.out.len : 0;
    }
    return some ? reply->request.out.data : "";
}

int64_t panicmon_reply_code(const panicmon_reply *reply)
{
    return reply == NULL ? 0 : reply->request.code;
}

const char *panicmon_reply_message(const panicmon_reply *reply)
{
    if (reply == NULL || reply->request.status == PANICMON_OK) {
        return "";
    }
    return reply->request.message == NULL ? panicmon_strerror(reply->request.status)
                                          : reply->request.message;
}

void panicmon_round_fail(panicmon_round *round, panicmon_err code, const char *message)
{
    round->failed = true;
    pm_buf_clear(&round->failure);
    bool says = message != NULL && *message != '\0';
    pm_buf_text(&round->failure, says ? message : panicmon_strerror(code));
}

void panicmon_round_log(panicmon_round *round, int level, const char *message)
{
    pm_logf(round->log, (panicmon_log_level)level, round->name, "%s", message);
}
