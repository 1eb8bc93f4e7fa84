/* sink_jsonl.c: the sink that writes a line of JSON a message. What the reader does not take yet
 * waits in the channel, until the deadline of its message; nobody blocks in write(2), so a reader
 * that stalls holds up neither a loop nor a stop. A channel that wrote a part of a line keeps the
 * others out (`halfway`, guarded by the lock) until it wrote or gave up the rest. */
#include "net/sink.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"

/* When a channel that waits tries again: soon, then less and less often. */
#define AGAIN_MIN_MS 1
#define AGAIN_MAX_MS 50
/* Bytes of bodies that wait in a channel; beyond it the oldest are dropped before their time. */
#define WAITING_MAX ((size_t)16 << 20)
#define NOT_READ    "the reader does not read"

typedef struct jsonl_channel {
    pm_channel base;
    panicmon_log *log;
    pm_request *first; /* what waits, in order */
    pm_request **end;
    size_t bytes; /* of their bodies */
    pm_buf line;  /* of the first */
    size_t done;  /* how much of it is written */
    int64_t pause_ms;
    int64_t again; /* when to try, pm_mono_ms() */
    atomic_bool interrupted;
} jsonl_channel;

typedef struct jsonl_sink {
    panicmon_sink base;
    int fd;
    pthread_mutex_t lock;
    const jsonl_channel *halfway;
    bool torn; /* the last line lacks its end */
} jsonl_sink;

static panicmon_err jsonl_open(panicmon_sink *sink, pm_loop *loop, panicmon_log *log,
                               const char *component, pm_channel **out)
{
    (void)loop;
    (void)component;
    jsonl_channel *channel = calloc(1, sizeof *channel);
    if (channel == NULL) {
        return PANICMON_ERR_NOMEM;
    }
    channel->base = (pm_channel){.ops = sink->ops, .sink = pm_sink_ref(sink)};
    channel->log = pm_log_ref(log);
    channel->end = &channel->first;
    atomic_init(&channel->interrupted, false);
    *out = &channel->base;
    return PANICMON_OK;
}

/* The body is JSON, so line ends in it stand between tokens and may be blanks as well. */
static void add_body(pm_buf *line, const pm_buf *body)
{
    size_t start = line->len;
    if (body->len == 0) {
        pm_buf_text(line, "null");
        return;
    }
    pm_buf_add(line, body->data, body->len);
    for (size_t i = start; !line->failed && i < line->len; i++) {
        if (line->data[i] == '\n' || line->data[i] == '\r') {
            line->data[i] = ' ';
        }
    }
}

static void make_line(pm_buf *line, const pm_request *request)
{
    pm_buf_text(line, "{\"exchange\": ");
    pm_buf_json_string(line, request->target, strlen(request->target));
    pm_buf_text(line, ", \"routing_key\": ");
    pm_buf_json_string(line, request->name, strlen(request->name));
    pm_buf_text(line, ", \"body\": ");
    add_body(line, &request->in);
    pm_buf_text(line, "}\n");
}

/* ---- writing ---- */

/* Writes as much as fits; gives 0 when that was all, EAGAIN, or another errno. Pieces of PIPE_BUF
 * fit a pipe that has room at all. */
static int put(int fd, const char *text, size_t len, size_t *done)
{
    while (*done < len) {
        struct pollfd look = {.fd = fd, .events = POLLOUT};
        int ready = poll(&look, 1, 0);
        if (ready <= 0) {
            return ready < 0 && errno != EINTR ? errno : EAGAIN;
        }
        size_t left = len - *done;
        ssize_t wrote = write(fd, text + *done, left < PIPE_BUF ? left : PIPE_BUF);
        if (wrote < 0 && errno != EINTR) {
            return errno; /* also of a reader that is gone */
        }
        *done += wrote > 0 ? (size_t)wrote : 0;
    }
    return 0;
}

/* With the lock. A line that was cut is ended first, so that it spoils no other. */
static int put_line(jsonl_sink *sink, jsonl_channel *channel)
{
    if (sink->halfway != NULL && sink->halfway != channel) {
        return EAGAIN;
    }
    if (sink->torn) {
        size_t done = 0;
        int failed = put(sink->fd, "\n", 1, &done);
        if (failed != 0) {
            return failed;
        }
        sink->torn = false;
    }
    int failed = put(sink->fd, channel->line.data, channel->line.len, &channel->done);
    sink->halfway = failed == EAGAIN && channel->done > 0 ? channel : NULL;
    sink->torn = failed != 0 && failed != EAGAIN && channel->done > 0;
    return failed;
}

/* Goes on with the first message; as put(). */
static int write_first(jsonl_channel *channel)
{
    jsonl_sink *sink = (jsonl_sink *)channel->base.sink;
    if (channel->line.len == 0) {
        make_line(&channel->line, channel->first);
    }
    if (channel->line.failed) {
        return ENOMEM;
    }
    pthread_mutex_lock(&sink->lock);
    int failed = put_line(sink, channel);
    pthread_mutex_unlock(&sink->lock);
    return failed;
}

/* ---- what waits ---- */

static void end_line(jsonl_channel *channel)
{
    jsonl_sink *sink = (jsonl_sink *)channel->base.sink;
    pthread_mutex_lock(&sink->lock);
    if (sink->halfway == channel) {
        sink->halfway = NULL;
        sink->torn = true;
    }
    pthread_mutex_unlock(&sink->lock);
    pm_buf_free(&channel->line);
    channel->done = 0;
}

/* Takes a message out of those that wait. */
static pm_request *take(jsonl_channel *channel, pm_request **link)
{
    pm_request *request = *link;
    if (link == &channel->first) {
        end_line(channel);
    }
    *link = request->next;
    if (*link == NULL) {
        channel->end = link;
    }
    request->next = NULL;
    channel->bytes -= request->in.len;
    return request;
}

static void finish_written(jsonl_channel *channel)
{
    pm_request *request = take(channel, &channel->first);
    atomic_fetch_add(&channel->base.sink->counts.confirmed, 1);
    channel->pause_ms = AGAIN_MIN_MS;
    pm_request_finish(request, PANICMON_OK, 0, NULL);
}

static void finish_failed(jsonl_channel *channel, pm_request **link, atomic_int_fast64_t *reason,
                          const char *why)
{
    pm_request *request = take(channel, link);
    pm_sink_count_dropped(&channel->base.sink->counts, reason, 1);
    pm_logf(channel->log, PANICMON_LOG_WARNING, "sink", "a line of JSON was dropped: %s", why);
    pm_request_finish(request, PANICMON_ERR_SYSTEM, 0, why);
}

/* Drops what is too late, or all. */
static void drop_late(jsonl_channel *channel, int64_t now)
{
    pm_sink_counts *counts = &channel->base.sink->counts;
    bool all = atomic_load(&channel->interrupted);
    for (pm_request **link = &channel->first; *link != NULL;) {
        if (all || (*link)->deadline <= now) {
            finish_failed(channel, link, &counts->dropped_failed, NOT_READ);
        } else {
            link = &(*link)->next;
        }
    }
}

/* Writes what the reader takes. */
static void write_waiting(jsonl_channel *channel, int64_t now)
{
    while (channel->first != NULL) {
        char why[128];
        int failed = write_first(channel);
        if (failed == 0) {
            finish_written(channel);
        } else if (failed == EAGAIN) {
            drop_late(channel, now);
            channel->again = now + channel->pause_ms;
            channel->pause_ms = pm_earlier(channel->pause_ms * 2, AGAIN_MAX_MS);
            return;
        } else {
            finish_failed(channel, &channel->first, &channel->base.sink->counts.dropped_failed,
                          strerror_r(failed, why, sizeof why));
        }
    }
}

/* ---- the channel ---- */

static void jsonl_submit(pm_channel *base, pm_request *request)
{
    jsonl_channel *channel = (jsonl_channel *)base;
    bool waits = channel->first != NULL;
    atomic_fetch_add(&base->sink->counts.produced, 1);
    request->next = NULL;
    *channel->end = request;
    channel->end = &request->next;
    channel->bytes += request->in.len;
    while (waits && channel->bytes > WAITING_MAX && channel->first->next != NULL) {
        finish_failed(channel, &channel->first, &base->sink->counts.dropped_full, NOT_READ);
    }
    if (!waits) {
        channel->pause_ms = AGAIN_MIN_MS;
        write_waiting(channel, pm_mono_ms());
    }
}

static int64_t jsonl_service(pm_channel *base, int64_t now_ms)
{
    jsonl_channel *channel = (jsonl_channel *)base;
    if (channel->first != NULL && now_ms >= channel->again) {
        write_waiting(channel, now_ms);
    }
    return channel->first == NULL ? PM_NEVER : channel->again;
}

static void jsonl_interrupt(pm_channel *base)
{
    jsonl_channel *channel = (jsonl_channel *)base;
    atomic_store(&channel->interrupted, true);
}

static void jsonl_close(pm_channel *base, int64_t until_ms)
{
    jsonl_channel *channel = (jsonl_channel *)base;
    pm_sink_counts *counts = &base->sink->counts;
    int64_t now = pm_mono_ms();
    while (jsonl_service(base, now) < until_ms && !atomic_load(&channel->interrupted)) {
        (void)poll(NULL, 0, (int)(channel->again - now));
        now = pm_mono_ms();
    }
    while (channel->first != NULL) {
        pm_request *request = take(channel, &channel->first);
        pm_sink_count_dropped(counts, &counts->dropped_stopped, 1);
        pm_request_finish(request, PANICMON_ERR_CANCELED, 0, "stopped");
    }
}

static void jsonl_release(pm_channel *base)
{
    jsonl_channel *channel = (jsonl_channel *)base;
    panicmon_log_free(channel->log);
    pm_channel_release_plain(base);
}

static void jsonl_free(panicmon_sink *base)
{
    jsonl_sink *sink = (jsonl_sink *)base;
    (void)pthread_mutex_destroy(&sink->lock);
    free(sink);
}

panicmon_err panicmon_sink_new_jsonl(panicmon_sink **out, int fd)
{
    static const pm_sink_ops ops = {
        .name = "jsonl",
        .open = jsonl_open,
        .submit = jsonl_submit,
        .service = jsonl_service,
        .interrupt = jsonl_interrupt,
        .close = jsonl_close,
        .release = jsonl_release,
        .free = jsonl_free,
    };
    if (out == NULL || fd < 0) {
        return PANICMON_ERR_INVAL;
    }
    jsonl_sink *sink = calloc(1, sizeof *sink);
    if (sink == NULL) {
        return PANICMON_ERR_NOMEM;
    }
    pm_sink_init(&sink->base, &ops);
    sink->fd = fd;
    (void)pthread_mutex_init(&sink->lock, NULL);
    *out = &sink->base;
    return PANICMON_OK;
}
