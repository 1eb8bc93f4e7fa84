/* seat.c: see seat.h. */
#include "exec/seat.h"

#include "base/clock.h"
#include "exec/carry.h"

static bool must_stop(const pm_task *task, const atomic_bool *stop)
{
    return atomic_load(&task->stop) || atomic_load(stop);
}

panicmon_err pm_seat_open(pm_seat *seat, const pm_exec_env *env, const char *name, bool shared)
{
    *seat = (pm_seat){.env = env};
    panicmon_err status =
        shared ? pm_loop_new_large(&seat->loop, env->net) : pm_loop_new(&seat->loop, env->net);
    if (status == PANICMON_OK) {
        status = pm_rpc_new(&seat->rpc, seat->loop, env->log, name);
    }
    if (status == PANICMON_OK) {
        status = pm_share_new(&seat->share, seat->rpc, shared ? env->cache_bytes : 0, env->figures);
    }
    if (status == PANICMON_OK) {
        status = pm_http_new(&seat->http, seat->loop);
    }
    if (status == PANICMON_OK) {
        status = env->sink->ops->open(env->sink, seat->loop, env->log, name, &seat->channel);
    }
    if (status != PANICMON_OK) {
        pm_seat_close(seat, 0);
        pm_seat_release(seat);
    }
    return status;
}

/* What is late may have others sent, again or at last. */
static int64_t service_calls(pm_seat *seat, int64_t now)
{
    (void)pm_rpc_service(seat->rpc, now);
    int64_t due = pm_share_service(seat->share, now);
    pm_share_send(seat->share, now);
    return pm_earlier(due, pm_rpc_service(seat->rpc, now));
}

int64_t pm_seat_service(pm_seat *seat)
{
    int64_t now = pm_mono_ms();
    int64_t due = service_calls(seat, now);
    if (pm_rpc_get_counts(seat->rpc)->sockets != seat->counted.sockets) {
        pm_figures_add_rpc(seat->env->figures, pm_rpc_get_counts(seat->rpc), &seat->counted);
    }
    if (seat->channel->ops->service != NULL) {
        due = pm_earlier(due, seat->channel->ops->service(seat->channel, now));
    }
    return due;
}

static void count_done(pm_request *request)
{
    pm_seat *seat = request->owner;
    seat->pending--;
}

/* Ends waits that are over (all: every one); returns when the next one is, at most `due`. */
static int64_t end_waits(pm_seat *seat, bool all, int64_t due)
{
    int64_t now = seat->waits == NULL ? 0 : pm_mono_ms();
    for (pm_request **link = &seat->waits; *link != NULL;) {
        pm_request *request = *link;
        if (all || request->deadline <= now) {
            *link = request->next;
            request->next = NULL;
            pm_carry_waited(request);
        } else {
            due = pm_earlier(due, request->deadline);
            link = &request->next;
        }
    }
    return due;
}

static void submit_calls(pm_seat *seat, const pm_task *task, pm_request *const *requests,
                         size_t count)
{
    int64_t now = pm_mono_ms();
    pm_share_place place = {0};
    pm_share_add(seat->share, requests, count, task, &place, now);
    pm_share_send(seat->share, now);
}

static void submit(pm_seat *seat, const pm_task *task, pm_request *const *requests, size_t count)
{
    seat->pending = count;
    for (size_t i = 0; i < count; i++) {
        requests[i]->owner = seat;
        requests[i]->on_done = count_done;
    }
    /* Runs of calls go together, so that they share a frame per endpoint. */
    for (size_t i = 0; i < count;) {
        size_t run = i;
        while (run < count && requests[run]->kind == PM_REQUEST_RPC) {
            run++;
        }
        if (run > i) {
            submit_calls(seat, task, requests + i, run - i);
            i = run;
        } else if (requests[i]->kind == PM_REQUEST_HTTP) {
            pm_http_submit(seat->http, requests[i++]);
        } else if (requests[i]->kind == PM_REQUEST_PUBLISH) {
            seat->channel->ops->submit(seat->channel, requests[i++]);
        } else if (requests[i]->kind == PM_REQUEST_WAIT) {
            requests[i]->next = seat->waits;
            seat->waits = requests[i++];
        } else {
            pm_carry_stored(seat->env->store, requests[i++]);
        }
    }
}

bool pm_seat_run(pm_seat *seat, pm_task *task, const atomic_bool *stop)
{
    pm_request *const *requests = NULL;
    size_t count;
    bool whole = true;
    task->ops->begin(task, pm_mono_us());
    while (whole && (count = task->ops->step(task, pm_mono_us(), &requests)) > 0) {
        submit(seat, task, requests, count);
        int64_t due = end_waits(seat, false, pm_seat_service(seat));
        while (seat->pending > 0 && !must_stop(task, stop)) {
            pm_loop_wait(seat->loop, due);
            due = end_waits(seat, false, pm_seat_service(seat));
        }
        whole = !must_stop(task, stop);
    }
    if (whole) {
        task->ops->end(task, pm_mono_us(), false);
    }
    pm_figures_add_rpc(seat->env->figures, pm_rpc_get_counts(seat->rpc), &seat->counted);
    return whole;
}

void pm_seat_abort(pm_seat *seat, const atomic_bool *stop)
{
    pm_rpc_cancel(seat->rpc);
    pm_http_cancel(seat->http);
    (void)end_waits(seat, true, 0);
    pm_share_cancel(seat->share);
    while (seat->pending > 0 && !atomic_load(stop)) { /* a message, until its deadline */
        int64_t due = pm_seat_service(seat);
        if (seat->pending > 0) {
            pm_loop_wait(seat->loop, due);
        }
    }
}

void pm_seat_close(pm_seat *seat, int64_t until_ms)
{
    if (seat->rpc != NULL) {
        pm_rpc_cancel(seat->rpc);
    }
    pm_http_cancel(seat->http);
    (void)end_waits(seat, true, 0);
    if (seat->share != NULL) {
        pm_share_cancel(seat->share);
    }
    if (seat->channel != NULL) {
        seat->channel->ops->close(seat->channel, until_ms);
    }
}

void pm_seat_release(pm_seat *seat)
{
    if (seat->channel != NULL) {
        seat->channel->ops->release(seat->channel);
    }
    pm_share_free(seat->share);
    if (seat->rpc != NULL) {
        pm_rpc_counts counts = *pm_rpc_get_counts(seat->rpc);
        counts.sockets = 0;
        pm_figures_add_rpc(seat->env->figures, &counts, &seat->counted);
    }
    pm_rpc_free(seat->rpc);
    pm_http_free(seat->http);
    if (seat->loop != NULL) {
        pm_loop_free(seat->loop);
    }
    *seat = (pm_seat){0};
}

void pm_seat_wake(pm_seat *seat)
{
    pm_loop_wake(seat->loop);
}

void pm_seat_interrupt(pm_seat *seat)
{
    if (seat->channel->ops->interrupt != NULL) {
        seat->channel->ops->interrupt(seat->channel);
    }
}
