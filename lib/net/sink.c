/* sink.c: what all sinks share, and the simplest of them: the callback. Its channels hold nothing,
 * so any number of threads may be in the callback at once. */
#include "net/sink.h"

#include <stdlib.h>

/* ---- all sinks ---- */

panicmon_sink *pm_sink_ref(panicmon_sink *sink)
{
    atomic_fetch_add(&sink->refs, 1);
    return sink;
}

void panicmon_sink_free(panicmon_sink *sink)
{
    if (sink != NULL && atomic_fetch_sub(&sink->refs, 1) == 1) {
        sink->ops->free(sink);
    }
}

void pm_sink_init(panicmon_sink *sink, const pm_sink_ops *ops)
{
    *sink = (panicmon_sink){.ops = ops};
    sink->shown = &sink->counts;
    atomic_init(&sink->refs, 1);
}

void pm_sink_count_dropped(pm_sink_counts *counts, atomic_int_fast64_t *reason, int64_t messages)
{
    atomic_fetch_add(reason, messages);
    atomic_fetch_add(&counts->dropped, messages);
}

panicmon_err pm_channel_open_plain(panicmon_sink *sink, pm_loop *loop, panicmon_log *log,
                                   const char *component, pm_channel **out)
{
    (void)loop;
    (void)log;
    (void)component;
    pm_channel *channel = malloc(sizeof *channel);
    if (channel == NULL) {
        return PANICMON_ERR_NOMEM;
    }
    *channel = (pm_channel){.ops = sink->ops, .sink = pm_sink_ref(sink)};
    *out = channel;
    return PANICMON_OK;
}

void pm_channel_close_plain(pm_channel *channel, int64_t until_ms)
{
    (void)channel;
    (void)until_ms;
}

void pm_channel_release_plain(pm_channel *channel)
{
    panicmon_sink *sink = channel->sink;
    free(channel);
    panicmon_sink_free(sink);
}

/* ---- the callback ---- */

typedef struct callback_sink {
    panicmon_sink base;
    panicmon_message_fn fn;
    void *user;
    void (*user_free)(void *user);
} callback_sink;

static void callback_submit(pm_channel *channel, pm_request *request)
{
    callback_sink *sink = (callback_sink *)channel->sink;
    pm_sink_counts *counts = &sink->base.counts;
    const char *body = request->in.data == NULL ? "" : request->in.data;
    atomic_fetch_add(&counts->produced, 1);
    if (sink->fn(sink->user, request->target, request->name, body, request->in.len) ==
        PANICMON_OK) {
        atomic_fetch_add(&counts->confirmed, 1);
        pm_request_finish(request, PANICMON_OK, 0, NULL);
    } else {
        pm_sink_count_dropped(counts, &counts->dropped_failed, 1);
        pm_request_finish(request, PANICMON_ERR_CALLBACK, 0, "the sink's callback failed");
    }
}

static void callback_free(panicmon_sink *base)
{
    callback_sink *sink = (callback_sink *)base;
    if (sink->user_free != NULL) {
        sink->user_free(sink->user);
    }
    free(sink);
}

panicmon_err panicmon_sink_new_callback(panicmon_sink **out, panicmon_message_fn fn, void *user,
                                        void (*user_free)(void *user))
{
    static const pm_sink_ops ops = {
        .name = "callback",
        .open = pm_channel_open_plain,
        .submit = callback_submit,
        .close = pm_channel_close_plain,
        .release = pm_channel_release_plain,
        .free = callback_free,
    };
    callback_sink *sink = out == NULL || fn == NULL ? NULL : malloc(sizeof *sink);
    if (sink == NULL) {
        if (user_free != NULL) {
            user_free(user);
        }
        return out == NULL || fn == NULL ? PANICMON_ERR_INVAL : PANICMON_ERR_NOMEM;
    }
    pm_sink_init(&sink->base, &ops);
    sink->fn = fn;
    sink->user = user;
    sink->user_free = user_free;
    *out = &sink->base;
    return PANICMON_OK;
}
