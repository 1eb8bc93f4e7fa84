/* rpc.h: JSON-RPC 2.0 over WebSocket: the endpoints of one loop. Calls submitted together to one
 * endpoint leave in one batch frame; where the peer refuses batches they go one by one. Replies
 * are matched by id. Belongs to the thread of its loop. */
#ifndef PM_RPC_H
#define PM_RPC_H

#include "net/request.h"
#include "net/ws.h"

typedef struct pm_rpc pm_rpc;

typedef struct pm_rpc_counts {
    int64_t requests;
    int64_t frames_out;
    int64_t frames_in;
    int64_t bytes_out;
    int64_t bytes_in;
    int64_t connects;
    int64_t sockets; /* open or being opened now */
} pm_rpc_counts;

panicmon_err pm_rpc_new(pm_rpc **out, pm_loop *loop, panicmon_log *log, const char *component);
/* Finishes what is pending with ERR_CANCELED and frees; NULL is allowed. */
void pm_rpc_free(pm_rpc *rpc);
/* Carries out `count` requests of kind PM_REQUEST_RPC (linked or not: taken from the array). Each
 * is finished exactly once, maybe before this returns, by its deadline at the latest as long as
 * pm_rpc_service() is called when due. An endpoint without a connection is connected first; when
 * that fails its requests finish with the reason. Where a request has a `route`, the endpoint is
 * taken from there, or left there if it is NULL; it is good until it is released. */
void pm_rpc_submit(pm_rpc *rpc, pm_request *const *requests, size_t count, int64_t now_ms);
/* See pm_loop_caught_up(). */
int64_t pm_rpc_caught_up(const pm_rpc *rpc);
/* Says that something is soon submitted to a route's endpoint; NULL is allowed. */
void pm_rpc_prefetch(const struct pm_rpc_endpoint *endpoint);
/* Lets go of a route's endpoint; NULL is allowed. */
void pm_rpc_release(struct pm_rpc_endpoint *endpoint);
/* Does what is due (deadlines, as far as the loop has caught up, and idle connections); returns
 * when it must be called next. */
int64_t pm_rpc_service(pm_rpc *rpc, int64_t now_ms);
/* Closes connections that were not used for so long; five minutes when not set. */
void pm_rpc_set_idle(pm_rpc *rpc, int64_t idle_ms);
/* Finishes everything pending with ERR_CANCELED; connections stay. */
void pm_rpc_cancel(pm_rpc *rpc);
const pm_rpc_counts *pm_rpc_get_counts(const pm_rpc *rpc);

#endif
