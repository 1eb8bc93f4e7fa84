/* seat.h: what one thread needs to carry out rounds while it waits for each of their steps: a loop,
 * connections and a channel into the sink. For the executors whose threads may block. Belongs to
 * its thread, except interrupt and wake. */
#ifndef PM_SEAT_H
#define PM_SEAT_H

#include "exec/exec.h"
#include "exec/share.h"
#include "net/http.h"

typedef struct pm_seat {
    const pm_exec_env *env;
    pm_loop *loop;
    pm_rpc *rpc;
    pm_http *http;
    pm_share *share;
    pm_channel *channel;
    pm_rpc_counts counted; /* what was added to the figures so far */
    size_t pending;        /* requests being carried out */
    pm_request *waits;     /* those of them that let time pass */
} pm_seat;

/* `shared`: many monitorables use its connections, so replies are worth keeping. On failure
 * nothing is left open. */
panicmon_err pm_seat_open(pm_seat *seat, const pm_exec_env *env, const char *name, bool shared);
/* Does what is due; returns when it must be called next. */
int64_t pm_seat_service(pm_seat *seat);
/* Runs a round of a task from begin to end. False: it was cut short because of the task's or the
 * executor's `stop`; then pm_seat_abort() or pm_seat_close() must follow, and then `end`. */
bool pm_seat_run(pm_seat *seat, pm_task *task, const atomic_bool *stop);
/* Finishes what is under way of a task that stops, while the seat goes on. */
void pm_seat_abort(pm_seat *seat, const atomic_bool *stop);
/* Cancels calls and closes the channel, which may go on sending until `until_ms`. */
void pm_seat_close(pm_seat *seat, int64_t until_ms);
/* Frees all; after close, and when nobody wakes or interrupts it any more. */
void pm_seat_release(pm_seat *seat);

/* Any thread, under a lock that release is not passed without. */
void pm_seat_wake(pm_seat *seat);
void pm_seat_interrupt(pm_seat *seat);

#endif
