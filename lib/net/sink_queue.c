/* sink_queue.c: the sink of a runtime without one: a bounded queue whose descriptor (an eventfd) is
 * readable while it holds something. A message counts as confirmed when it is taken. Any thread;
 * the lock guards the list and goes with the state of the descriptor. */
#include "net/sink.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

typedef struct queue_sink {
    panicmon_sink base;
    int fd;
    size_t limit;
    pthread_mutex_t lock;
    pm_queued *first;
    pm_queued *last;
    size_t bytes;
} queue_sink;

void pm_queued_free(pm_queued *message)
{
    if (message != NULL) {
        free(message->exchange);
        free(message->routing_key);
        free(message->body);
        free(message);
    }
}

/* What a message costs the queue. */
static size_t cost(const pm_queued *message)
{
    return sizeof *message + strlen(message->exchange) + strlen(message->routing_key) +
           message->len + 3;
}

static pm_queued *copy_request(const pm_request *request)
{
    pm_queued *message = calloc(1, sizeof *message);
    if (message == NULL) {
        return NULL;
    }
    message->len = request->in.len;
    message->exchange = strdup(request->target);
    message->routing_key = strdup(request->name);
    message->body = malloc(message->len + 1);
    if (message->exchange == NULL || message->routing_key == NULL || message->body == NULL) {
        pm_queued_free(message);
        return NULL;
    }
    if (message->len > 0) {
        memcpy(message->body, request->in.data, message->len);
    }
    message->body[message->len] = '\0';
    return message;
}

/* With the lock held, on a queue that is not empty. */
static pm_queued *take_first(queue_sink *sink)
{
    pm_queued *message = sink->first;
    sink->first = message->next;
    if (sink->first == NULL) {
        sink->last = NULL;
    }
    message->next = NULL;
    sink->bytes -= cost(message);
    return message;
}

/* With the lock held: makes the descriptor say whether there is something. */
static void set_readable(const queue_sink *sink, bool readable)
{
    uint64_t value = 1;
    ssize_t done =
        readable ? write(sink->fd, &value, sizeof value) : read(sink->fd, &value, sizeof value);
    (void)done; /* it does not block, and the state is as wanted also when it fails */
}

/* Enters a message; gives what had to go for it, to be freed without the lock. */
static pm_queued *enter(queue_sink *sink, pm_queued *message, int64_t *dropped)
{
    pm_queued *gone = NULL;
    size_t size = cost(message);
    *dropped = 0;
    pthread_mutex_lock(&sink->lock);
    while (sink->first != NULL && sink->bytes + size > sink->limit) {
        pm_queued *oldest = take_first(sink);
        oldest->next = gone;
        gone = oldest;
        ++*dropped;
    }
    bool was_empty = sink->first == NULL;
    if (was_empty) {
        sink->first = message;
    } else {
        sink->last->next = message;
    }
    sink->last = message;
    sink->bytes += size;
    if (was_empty) {
        set_readable(sink, true);
    }
    pthread_mutex_unlock(&sink->lock);
    return gone;
}

static void queue_submit(pm_channel *channel, pm_request *request)
{
    queue_sink *sink = (queue_sink *)channel->sink;
    pm_sink_counts *counts = &sink->base.counts;
    pm_queued *message = copy_request(request);
    atomic_fetch_add(&counts->produced, 1);
    if (message == NULL || cost(message) > sink->limit) {
        pm_sink_count_dropped(counts, &counts->dropped_failed, 1);
        pm_request_finish(request, message == NULL ? PANICMON_ERR_NOMEM : PANICMON_ERR_LIMIT, 0,
                          message == NULL ? "out of memory"
                                          : "the message is larger than queue.limit");
        pm_queued_free(message);
        return;
    }
    int64_t dropped;
    pm_queued *gone = enter(sink, message, &dropped);
    while (gone != NULL) {
        pm_queued *next = gone->next;
        pm_queued_free(gone);
        gone = next;
    }
    pm_sink_count_dropped(counts, &counts->dropped_full, dropped);
    pm_request_finish(request, PANICMON_OK, 0, NULL);
}

static void queue_free(panicmon_sink *base)
{
    queue_sink *sink = (queue_sink *)base;
    while (sink->first != NULL) {
        pm_queued_free(take_first(sink));
    }
    (void)close(sink->fd);
    (void)pthread_mutex_destroy(&sink->lock);
    free(sink);
}

static const pm_sink_ops queue_ops = {
    .name = "queue",
    .open = pm_channel_open_plain,
    .submit = queue_submit,
    .close = pm_channel_close_plain,
    .release = pm_channel_release_plain,
    .free = queue_free,
};

panicmon_err pm_sink_new_queue(panicmon_sink **out, size_t limit_bytes)
{
    queue_sink *sink = calloc(1, sizeof *sink);
    if (sink == NULL) {
        return PANICMON_ERR_NOMEM;
    }
    pm_sink_init(&sink->base, &queue_ops);
    sink->limit = limit_bytes;
    sink->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (sink->fd < 0) {
        free(sink);
        return PANICMON_ERR_SYSTEM;
    }
    (void)pthread_mutex_init(&sink->lock, NULL);
    *out = &sink->base;
    return PANICMON_OK;
}

int pm_sink_queue_fd(const panicmon_sink *sink)
{
    return sink->ops == &queue_ops ? ((const queue_sink *)sink)->fd : -1;
}

panicmon_err pm_sink_queue_take(panicmon_sink *base, pm_queued **out)
{
    if (base->ops != &queue_ops) {
        return PANICMON_ERR_STATE;
    }
    queue_sink *sink = (queue_sink *)base;
    pm_queued *message = NULL;
    pthread_mutex_lock(&sink->lock);
    if (sink->first != NULL) {
        message = take_first(sink);
        atomic_fetch_add(&base->counts.confirmed, 1);
        if (sink->first == NULL) {
            set_readable(sink, false);
        }
    }
    pthread_mutex_unlock(&sink->lock);
    if (message == NULL) {
        return PANICMON_ERR_NOENT;
    }
    *out = message;
    return PANICMON_OK;
}
