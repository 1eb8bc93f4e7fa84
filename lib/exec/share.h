/* share.h: what many monitorables save when they use the same connections: calls of one turn leave
 * together, a call that is already under way is not made again, replies that cannot change are
 * kept for others, and no endpoint has more than PM_SHARE_IN_FLIGHT calls to answer at once.
 * Belongs to the thread of its pm_rpc. */
#ifndef PM_SHARE_H
#define PM_SHARE_H

#include "exec/figures.h"
#include "net/rpc.h"

#define PM_SHARE_IN_FLIGHT 512

typedef struct pm_share pm_share;

/* Where an asker's last call went, so that it need not be looked for; zero-initialised: nowhere.
 * Of one pm_share. */
typedef struct pm_share_place {
    struct endpoint *to;
    uint64_t valid;
} pm_share_place;

/* `cache_bytes`: most bytes of replies kept; 0: none. */
panicmon_err pm_share_new(pm_share **out, pm_rpc *rpc, size_t cache_bytes, pm_figures *figures);
/* Takes the calls among these requests in; each is finished exactly once, maybe before this
 * returns. `asker` tells the monitorables apart. */
void pm_share_add(pm_share *share, pm_request *const *requests, size_t count, const void *asker,
                  pm_share_place *place, int64_t now_ms);
/* Says that calls to that place come soon. Reads nothing but the place. */
void pm_share_prefetch(const pm_share_place *place);
/* Gives up a call that was taken in and is not done: it is finished with ERR_CANCELED, or kept (see
 * pm_request_keep()) and ended without the asker when it goes on. */
void pm_share_leave(pm_request *request);
/* Sends what was taken in, and what may go now because others were answered. */
void pm_share_send(pm_share *share, int64_t now_ms);
/* Tells those whose deadline is over: whose calls wait for their turn, or who joined a call that
 * has more time. Returns when it must be called next. */
int64_t pm_share_service(pm_share *share, int64_t now_ms);
/* Finishes all that is not with the pm_rpc (any more) with ERR_CANCELED; after pm_rpc_cancel(). */
void pm_share_cancel(pm_share *share);
/* After its calls were finished; NULL is allowed. */
void pm_share_free(pm_share *share);

#endif
