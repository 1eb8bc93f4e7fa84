/* rpc_impl.h (internal to rpc.c, rpc_due.c and rpc_frame.c): endpoints and the calls they carry
 * out. All of it belongs to the thread of the loop. */
#ifndef PM_RPC_IMPL_H
#define PM_RPC_IMPL_H

#include <sys/queue.h>

#include "base/json.h"
#include "base/map.h"
#include "net/rpc.h"

typedef struct pm_calls {
    pm_rpc_call *first;
    pm_rpc_call **end;
} pm_calls;

/* What each call touches comes first. */
typedef struct pm_rpc_endpoint {
    pm_rpc *rpc;
    pm_ws *ws;        /* NULL: not connected */
    pm_calls fresh;   /* submitted, not yet sent */
    pm_calls pending; /* waiting for their replies; ids ascend */
    int64_t last_id;
    int64_t used;  /* when something was last submitted */
    int64_t armed; /* the earliest of its deadlines in rpc->dues; PM_NEVER: there is none */
    struct pm_rpc_endpoint *next_to_send;
    size_t batch_limit; /* most calls in one frame that this connection takes */
    bool in_to_send;    /* of pm_rpc */
    bool worked;        /* a reply came over this connection */
    unsigned int dues;  /* how many of rpc->dues are its own */
    size_t routes;      /* how often it is known by those who ask it: it is not freed meanwhile */
    char *url;
    char *name;                         /* scheme://host:port, for people */
    int64_t opened;                     /* when it was last tried to connect; 0: never */
    TAILQ_ENTRY(pm_rpc_endpoint) entry; /* rpc->endpoints */
    int64_t since;                      /* when it was put there */
    char problem[200];                  /* why the last connection ended */
} pm_rpc_endpoint;

/* A time by which an endpoint must be looked at. */
typedef struct pm_due {
    int64_t ms;
    pm_rpc_endpoint *endpoint;
} pm_due;

struct pm_rpc {
    pm_loop *loop;
    panicmon_log *log;
    char *component;
    pm_map by_url;
    TAILQ_HEAD(, pm_rpc_endpoint) endpoints; /* in order of when to see whether they are idle */
    pm_rpc_endpoint *last;                   /* the one used last: the next is often the same */
    pm_rpc_endpoint *to_send;                /* those that got calls inside pm_rpc_submit() */
    pm_buf frame;                            /* being written */
    pm_rpc_counts counts;
    int64_t idle_ms;
    int64_t due;  /* no deadline is before this */
    pm_due *dues; /* a heap, the earliest first */
    size_t due_count;
    size_t due_size;
};

/* ---- rpc_due.c ---- */
/* Makes room for one more due time; false without memory. */
bool pm_dues_reserve(pm_rpc *rpc);
/* Has the endpoint looked at by `ms`, for which there is room. */
void pm_rpc_endpoint_arm(pm_rpc_endpoint *endpoint, int64_t ms);
/* The endpoint to be looked at by `now`; NULL: none yet. */
pm_rpc_endpoint *pm_dues_first(pm_rpc *rpc, int64_t now);
/* That one was looked at: it is to be by `ms` again, or not (PM_NEVER). */
void pm_dues_renew(pm_rpc *rpc, int64_t ms);
/* When the first one is due; PM_NEVER: none. */
int64_t pm_dues_next(const pm_rpc *rpc);

/* ---- rpc.c ---- */
void pm_calls_init(pm_calls *calls);
void pm_calls_append(pm_calls *calls, pm_rpc_call *call);
void pm_calls_remove(pm_calls *calls, pm_rpc_call *call);
static inline pm_request *pm_call_request(const pm_rpc_call *call)
{
    return (pm_request *)(void *)((char *)(uintptr_t)call - offsetof(pm_request, call));
}
/* Finishes a call that is in no list. */
void pm_call_finish(pm_rpc_call *call, panicmon_err status, int64_t code, const char *message);
/* Finishes everything pending; `reason` gets the endpoint's name in front. */
void pm_rpc_endpoint_fail(pm_rpc_endpoint *endpoint, panicmon_err status, const char *reason);
/* Closes the connection and forgets what was learned about it. */
void pm_rpc_endpoint_drop(pm_rpc_endpoint *endpoint);

/* ---- rpc_frame.c ---- */
#define PM_BATCH_MAX 256
/* Sends what is fresh, in as few frames as the peer takes. */
void pm_rpc_endpoint_send(pm_rpc_endpoint *endpoint);
/* Takes one message from the peer. */
void pm_rpc_endpoint_receive(pm_rpc_endpoint *endpoint, const char *text, size_t len);

#endif
