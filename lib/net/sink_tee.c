/* sink_tee.c: a sink in front of two: the first has the say over every message, the second watches.
 * A channel of it is a channel of each; nothing is shared between threads, so there is no lock. */
#include "net/sink.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

typedef struct tee_sink {
    panicmon_sink base;
    panicmon_sink *first;
    panicmon_sink *watcher;
} tee_sink;

typedef struct tee_channel {
    pm_channel base;
    pm_channel *first;
    pm_channel *watcher;
} tee_channel;

/* ---- messages ---- */

static void free_copy(pm_request *copy)
{
    pm_request_clear(copy);
    free(copy);
}

/* A copy that frees itself when it is done; NULL without memory. */
static pm_request *copy_of(const pm_request *request)
{
    pm_request *copy = calloc(1, sizeof *copy);
    if (copy == NULL) {
        return NULL;
    }
    copy->kind = request->kind;
    copy->flags = request->flags;
    copy->deadline = request->deadline;
    copy->on_done = free_copy;
    copy->target = strdup(request->target);
    copy->name = strdup(request->name);
    if (request->in.len > 0) {
        pm_buf_add(&copy->in, request->in.data, request->in.len);
    }
    if (copy->target == NULL || copy->name == NULL || copy->in.failed) {
        free_copy(copy);
        return NULL;
    }
    return copy;
}

/* The copy is made before the first sink has the request: it may be gone afterwards. */
static void tee_submit(pm_channel *base, pm_request *request)
{
    tee_channel *channel = (tee_channel *)base;
    pm_request *copy = copy_of(request);
    channel->first->ops->submit(channel->first, request);
    if (copy != NULL) {
        channel->watcher->ops->submit(channel->watcher, copy);
    } else {
        pm_sink_counts *counts = &channel->watcher->sink->counts;
        atomic_fetch_add(&counts->produced, 1);
        pm_sink_count_dropped(counts, &counts->dropped_failed, 1);
    }
}

/* ---- channels ---- */

static int64_t service_one(pm_channel *channel, int64_t now_ms)
{
    return channel->ops->service == NULL ? PM_NEVER : channel->ops->service(channel, now_ms);
}

static int64_t tee_service(pm_channel *base, int64_t now_ms)
{
    const tee_channel *channel = (const tee_channel *)base;
    int64_t due = service_one(channel->first, now_ms);
    return pm_earlier(due, service_one(channel->watcher, now_ms));
}

static void interrupt_one(pm_channel *channel)
{
    if (channel->ops->interrupt != NULL) {
        channel->ops->interrupt(channel);
    }
}

static void tee_interrupt(pm_channel *base)
{
    const tee_channel *channel = (const tee_channel *)base;
    interrupt_one(channel->first);
    interrupt_one(channel->watcher);
}

static void tee_close(pm_channel *base, int64_t until_ms)
{
    const tee_channel *channel = (const tee_channel *)base;
    channel->first->ops->close(channel->first, until_ms);
    channel->watcher->ops->close(channel->watcher, until_ms);
}

static void tee_release(pm_channel *base)
{
    tee_channel *channel = (tee_channel *)base;
    channel->first->ops->release(channel->first);
    channel->watcher->ops->release(channel->watcher);
    pm_channel_release_plain(base);
}

static panicmon_err tee_open(panicmon_sink *base, pm_loop *loop, panicmon_log *log,
                             const char *component, pm_channel **out)
{
    tee_sink *sink = (tee_sink *)base;
    tee_channel *channel = malloc(sizeof *channel);
    if (channel == NULL) {
        return PANICMON_ERR_NOMEM;
    }
    *channel = (tee_channel){.base = {.ops = base->ops, .sink = base}};
    panicmon_err status =
        sink->watcher->ops->open(sink->watcher, loop, log, component, &channel->watcher);
    if (status == PANICMON_OK) {
        status = sink->first->ops->open(sink->first, loop, log, component, &channel->first);
        if (status != PANICMON_OK) {
            channel->watcher->ops->close(channel->watcher, 0);
            channel->watcher->ops->release(channel->watcher);
        }
    }
    if (status != PANICMON_OK) {
        free(channel);
        return status;
    }
    (void)pm_sink_ref(base);
    *out = &channel->base;
    return PANICMON_OK;
}

/* ---- the sink ---- */

static void tee_free(panicmon_sink *base)
{
    tee_sink *sink = (tee_sink *)base;
    panicmon_sink_free(sink->first);
    panicmon_sink_free(sink->watcher);
    free(sink);
}

panicmon_err panicmon_sink_new_tee(panicmon_sink **out, panicmon_sink *first,
                                   panicmon_sink *watcher)
{
    static const pm_sink_ops ops = {
        .name = "tee",
        .open = tee_open,
        .submit = tee_submit,
        .service = tee_service,
        .interrupt = tee_interrupt,
        .close = tee_close,
        .release = tee_release,
        .free = tee_free,
    };
    if (out == NULL || first == NULL || watcher == NULL || first == watcher) {
        return PANICMON_ERR_INVAL;
    }
    tee_sink *sink = malloc(sizeof *sink);
    if (sink == NULL) {
        return PANICMON_ERR_NOMEM;
    }
    pm_sink_init(&sink->base, &ops);
    sink->first = pm_sink_ref(first);
    sink->watcher = pm_sink_ref(watcher);
    sink->base.shown = first->shown;
    *out = &sink->base;
    return PANICMON_OK;
}
