/* rpc_due.c: which endpoint has the earliest deadline. Belongs to the thread of the loop.
 *
 * A heap of times that stay in it until they come: an endpoint that was answered is not taken out,
 * and looked at once when its time is there; most deadlines are later than those before, so that
 * entering one moves nothing. The heap alone is touched, not the endpoints. */
#include "net/rpc_impl.h"

#include <stdlib.h>

#include "base/clock.h"

#define FIRST_SIZE 4

bool pm_dues_reserve(pm_rpc *rpc)
{
    if (rpc->due_count == rpc->due_size) {
        size_t size = rpc->due_size == 0 ? FIRST_SIZE : rpc->due_size * 2;
        pm_due *larger = realloc(rpc->dues, size * sizeof *larger);
        if (larger == NULL) {
            return false;
        }
        rpc->dues = larger;
        rpc->due_size = size;
    }
    return true;
}

void pm_rpc_endpoint_arm(pm_rpc_endpoint *endpoint, int64_t ms)
{
    pm_rpc *rpc = endpoint->rpc;
    size_t at = rpc->due_count++;
    while (at > 0 && rpc->dues[(at - 1) / 2].ms > ms) {
        rpc->dues[at] = rpc->dues[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    rpc->dues[at] = (pm_due){ms, endpoint};
    endpoint->armed = ms;
    endpoint->dues++;
}

/* Puts one where the first was. */
static void sink_first(pm_rpc *rpc, pm_due moved)
{
    size_t at = 0;
    for (size_t child = 1; child < rpc->due_count; child = 2 * at + 1) {
        if (child + 1 < rpc->due_count && rpc->dues[child + 1].ms < rpc->dues[child].ms) {
            child++;
        }
        if (rpc->dues[child].ms >= moved.ms) {
            break;
        }
        rpc->dues[at] = rpc->dues[child];
        at = child;
    }
    rpc->dues[at] = moved;
}

static void drop_first(pm_rpc *rpc)
{
    rpc->dues[0].endpoint->dues--;
    rpc->due_count--;
    if (rpc->due_count > 0) {
        sink_first(rpc, rpc->dues[rpc->due_count]);
    }
}

pm_rpc_endpoint *pm_dues_first(pm_rpc *rpc, int64_t now)
{
    while (rpc->due_count > 0 && rpc->dues[0].ms <= now) {
        if (rpc->dues[0].ms == rpc->dues[0].endpoint->armed) {
            return rpc->dues[0].endpoint;
        }
        drop_first(rpc); /* an earlier one was entered after it, and has come */
    }
    return NULL;
}

void pm_dues_renew(pm_rpc *rpc, int64_t ms)
{
    pm_rpc_endpoint *endpoint = rpc->dues[0].endpoint;
    endpoint->armed = ms;
    if (ms == PM_NEVER) {
        drop_first(rpc);
    } else {
        sink_first(rpc, (pm_due){ms, endpoint});
    }
}

int64_t pm_dues_next(const pm_rpc *rpc)
{
    return rpc->due_count == 0 ? PM_NEVER : rpc->dues[0].ms;
}
