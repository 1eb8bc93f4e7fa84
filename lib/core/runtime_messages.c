/* runtime_messages.c: messages that belong to no monitor, which any thread leaves and the control
 * thread sends, in order; and the messages that a host takes from a runtime without a sink. The
 * runtime's lock guards the first. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "core/monitor_impl.h"

/* A message of nobody is given up (not dropped: the sink keeps it) after this. */
#define MESSAGE_MS 30000

static void free_message(pm_request *request)
{
    pm_request_clear(request);
    free(request);
}

void pm_runtime_send_messages(panicmon_runtime *runtime)
{
    pthread_mutex_lock(&runtime->lock);
    pm_request *next = runtime->first_message;
    runtime->first_message = NULL;
    runtime->last_message = NULL;
    pthread_mutex_unlock(&runtime->lock);
    while (next != NULL) {
        pm_request *request = next;
        next = request->next;
        request->next = NULL;
        runtime->channel->ops->submit(runtime->channel, request);
    }
}

void pm_runtime_drop_messages(panicmon_runtime *runtime)
{
    while (runtime->first_message != NULL) {
        pm_request *next = runtime->first_message->next;
        free_message(runtime->first_message);
        runtime->first_message = next;
    }
}

panicmon_err pm_runtime_publish(panicmon_runtime *runtime, const char *exchange,
                                const char *routing_key, const char *body, size_t len)
{
    pm_request *request = calloc(1, sizeof *request);
    if (request == NULL) {
        return PANICMON_ERR_NOMEM;
    }
    request->kind = PM_REQUEST_PUBLISH;
    request->target = strdup(exchange);
    request->name = strdup(routing_key);
    request->deadline = pm_mono_ms() + MESSAGE_MS;
    request->on_done = free_message;
    pm_buf_add(&request->in, body, len);
    if (request->target == NULL || request->name == NULL || request->in.failed) {
        free_message(request);
        return PANICMON_ERR_NOMEM;
    }
    pthread_mutex_lock(&runtime->lock);
    bool taken = !runtime->control_over;
    if (taken && runtime->last_message == NULL) {
        runtime->first_message = request;
        runtime->last_message = request;
    } else if (taken) {
        runtime->last_message->next = request;
        runtime->last_message = request;
    }
    if (taken && runtime->phase != PM_NEW) {
        pm_loop_wake(runtime->loop);
    }
    pthread_mutex_unlock(&runtime->lock);
    if (!taken) {
        free_message(request);
        return PANICMON_ERR_STATE;
    }
    return PANICMON_OK;
}

/* ---- the queue of a runtime without a sink ---- */

static bool has_queue(const panicmon_runtime *runtime)
{
    return runtime->sink != NULL && pm_sink_queue_fd(runtime->sink) >= 0;
}

int panicmon_runtime_event_fd(const panicmon_runtime *runtime)
{
    return has_queue(runtime) ? pm_sink_queue_fd(runtime->sink) : -1;
}

panicmon_err panicmon_runtime_next(panicmon_runtime *runtime, panicmon_message **out)
{
    pm_queued *taken = NULL;
    if (!has_queue(runtime)) {
        return PANICMON_ERR_STATE;
    }
    panicmon_err status = pm_sink_queue_take(runtime->sink, &taken);
    if (status == PANICMON_OK) {
        *out = (panicmon_message *)taken;
    }
    return status;
}

static const pm_queued *queued(const panicmon_message *message)
{
    return (const pm_queued *)message;
}

const char *panicmon_message_exchange(const panicmon_message *message)
{
    return queued(message)->exchange;
}

const char *panicmon_message_routing_key(const panicmon_message *message)
{
    return queued(message)->routing_key;
}

const char *panicmon_message_body(const panicmon_message *message, size_t *len)
{
    if (len != NULL) {
        *len = queued(message)->len;
    }
    return queued(message)->body;
}

void panicmon_message_free(panicmon_message *message)
{
    if (message != NULL) {
        pm_queued_free((pm_queued *)message);
    }
}
