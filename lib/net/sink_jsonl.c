/* sink_jsonl.c: the sink that writes a line of JSON a message. One thread writes at a time, the
 * others wait for their turn (`writing`, guarded by the lock). Nobody blocks in write(2): a reader
 * that stalls costs a message its deadline and never holds up a stop. */
#include "net/sink.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/thread.h"

/* How often a stalled write looks whether it was interrupted. */
#define LOOK_MS 50

typedef struct jsonl_sink {
    panicmon_sink base;
    int fd;
    pthread_mutex_t lock;
    pthread_cond_t turn;
    bool writing;
    bool torn; /* the last line lacks its end */
} jsonl_sink;

typedef struct jsonl_channel {
    pm_channel base;
    atomic_bool interrupted;
} jsonl_channel;

static panicmon_err jsonl_open(panicmon_sink *sink, pm_loop *loop, panicmon_log *log,
                               const char *component, pm_channel **out)
{
    (void)loop;
    (void)log;
    (void)component;
    jsonl_channel *channel = malloc(sizeof *channel);
    if (channel == NULL) {
        return PANICMON_ERR_NOMEM;
    }
    channel->base = (pm_channel){.ops = sink->ops, .sink = pm_sink_ref(sink)};
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

/* Waits until this thread alone may write; false when it was interrupted or is too late. */
static bool take_turn(jsonl_sink *sink, jsonl_channel *channel, int64_t deadline)
{
    bool mine = false;
    pthread_mutex_lock(&sink->lock);
    while (sink->writing && !atomic_load(&channel->interrupted) && pm_mono_ms() < deadline) {
        (void)pm_cond_wait_until(&sink->turn, &sink->lock, deadline);
    }
    if (!sink->writing) {
        sink->writing = true;
        mine = true;
    }
    pthread_mutex_unlock(&sink->lock);
    return mine;
}

static void end_turn(jsonl_sink *sink)
{
    pthread_mutex_lock(&sink->lock);
    sink->writing = false;
    pthread_cond_broadcast(&sink->turn);
    pthread_mutex_unlock(&sink->lock);
}

/* Waits for room; gives 0, or why there will be none in time. */
static int wait_room(int fd, const jsonl_channel *channel, int64_t deadline)
{
    struct pollfd look = {.fd = fd, .events = POLLOUT};
    for (;;) {
        int ready = poll(&look, 1, 0);
        if (ready > 0) {
            return 0; /* also on an error: write(2) tells which */
        }
        if (ready < 0 && errno != EINTR) {
            return errno;
        }
        if (atomic_load(&channel->interrupted) || pm_mono_ms() >= deadline) {
            return ETIMEDOUT;
        }
        (void)poll(&look, 1, LOOK_MS);
    }
}

/* Writes all; gives 0 or an errno. Pieces of PIPE_BUF fit a pipe that has room at all. */
static int write_all(int fd, const jsonl_channel *channel, const char *at, size_t left,
                     int64_t deadline, size_t *done)
{
    *done = 0;
    while (left > 0) {
        int failed = wait_room(fd, channel, deadline);
        if (failed != 0) {
            return failed;
        }
        ssize_t wrote = write(fd, at, left < PIPE_BUF ? left : PIPE_BUF);
        if (wrote < 0 && errno != EINTR && errno != EAGAIN) {
            return errno;
        }
        if (wrote > 0) {
            at += wrote;
            left -= (size_t)wrote;
            *done += (size_t)wrote;
        }
    }
    return 0;
}

/* With the turn. A line that was cut is ended first, so that it spoils no other. */
static int write_line(jsonl_sink *sink, const jsonl_channel *channel, const pm_buf *line,
                      int64_t deadline)
{
    size_t done;
    if (sink->torn) {
        int failed = write_all(sink->fd, channel, "\n", 1, deadline, &done);
        if (failed != 0) {
            return failed;
        }
        sink->torn = false;
    }
    int failed = write_all(sink->fd, channel, line->data, line->len, deadline, &done);
    sink->torn = failed != 0 && done > 0;
    return failed;
}

static void jsonl_submit(pm_channel *base, pm_request *request)
{
    jsonl_channel *channel = (jsonl_channel *)base;
    jsonl_sink *sink = (jsonl_sink *)base->sink;
    pm_sink_counts *counts = &sink->base.counts;
    pm_buf line = {0};
    int failed = ENOMEM;
    atomic_fetch_add(&counts->produced, 1);
    make_line(&line, request);
    if (!line.failed) {
        failed = ETIMEDOUT;
        if (take_turn(sink, channel, request->deadline)) {
            failed = write_line(sink, channel, &line, request->deadline);
            end_turn(sink);
        }
    }
    pm_buf_free(&line);
    if (failed == 0) {
        atomic_fetch_add(&counts->confirmed, 1);
        pm_request_finish(request, PANICMON_OK, 0, NULL);
        return;
    }
    char why[128];
    const char *text =
        failed == ETIMEDOUT ? "the reader does not read" : strerror_r(failed, why, sizeof why);
    pm_sink_count_dropped(counts, &counts->dropped_failed, 1);
    pm_request_finish(request, PANICMON_ERR_SYSTEM, 0, text);
}

static void jsonl_interrupt(pm_channel *base)
{
    jsonl_channel *channel = (jsonl_channel *)base;
    jsonl_sink *sink = (jsonl_sink *)base->sink;
    atomic_store(&channel->interrupted, true);
    pthread_mutex_lock(&sink->lock);
    pthread_cond_broadcast(&sink->turn);
    pthread_mutex_unlock(&sink->lock);
}

static void jsonl_free(panicmon_sink *base)
{
    jsonl_sink *sink = (jsonl_sink *)base;
    (void)pthread_cond_destroy(&sink->turn);
    (void)pthread_mutex_destroy(&sink->lock);
    free(sink);
}

panicmon_err panicmon_sink_new_jsonl(panicmon_sink **out, int fd)
{
    static const pm_sink_ops ops = {
        .name = "jsonl",
        .open = jsonl_open,
        .submit = jsonl_submit,
        .interrupt = jsonl_interrupt,
        .close = pm_channel_close_plain,
        .release = pm_channel_release_plain,
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
    pm_cond_init(&sink->turn);
    *out = &sink->base;
    return PANICMON_OK;
}
