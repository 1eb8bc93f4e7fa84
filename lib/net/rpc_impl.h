/* rpc_impl.h (internal to rpc.c and rpc_frame.c): endpoints and the calls they carry out. All of
 * it belongs to the thread of the loop. */
#ifndef PM_RPC_IMPL_H
#define PM_RPC_IMPL_H

#include "base/json.h"
#include "base/map.h"
#include "net/rpc.h"

/* One request on its way. */
typedef struct pm_call {
    struct pm_call *next;
    struct pm_call **link;
    pm_rpc *rpc;
    pm_request *request;
    int64_t id;
    int64_t batch; /* the id of the first call in its batch; 0: it went alone */
    int64_t since; /* when it was submitted */
} pm_call;

typedef struct pm_calls {
    pm_call *first;
    pm_call **end;
} pm_calls;

typedef struct pm_endpoint {
    struct pm_endpoint *next;
    struct pm_endpoint *next_to_send;
    pm_rpc *rpc;
    char *url;
    char *name;       /* scheme://host:port, for people */
    pm_ws *ws;        /* NULL: not connected */
    pm_calls fresh;   /* submitted, not yet sent */
    pm_calls pending; /* waiting for their replies; ids ascend */
    int64_t last_id;
    size_t batch_limit; /* most calls in one frame that this connection takes */
    bool in_to_send;    /* of pm_rpc */
    bool worked;        /* a reply came over this connection */
    int64_t opened;     /* when it was last tried to connect; 0: never */
    int64_t used;       /* when something was last submitted */
    char problem[200];  /* why the last connection ended */
} pm_endpoint;

struct pm_rpc {
    pm_loop *loop;
    panicmon_log *log;
    char *component;
    pm_map by_url;
    pm_endpoint *endpoints;
    pm_endpoint *last;    /* the one used last: the next is often the same */
    pm_endpoint *to_send; /* those that got calls inside pm_rpc_submit() */
    pm_call *spare;       /* calls to be used again, linked by `next` */
    size_t spare_count;
    pm_rpc_counts counts;
    int64_t idle_ms;
    int64_t due; /* no deadline is before this */
};

/* ---- rpc.c ---- */
void pm_calls_init(pm_calls *calls);
void pm_calls_append(pm_calls *calls, pm_call *call);
void pm_calls_remove(pm_calls *calls, pm_call *call);
/* Finishes a call that is in no list, and frees it. */
void pm_call_finish(pm_call *call, panicmon_err status, int64_t code, const char *message);
/* Finishes everything pending; `reason` gets the endpoint's name in front. */
void pm_endpoint_fail(pm_endpoint *endpoint, panicmon_err status, const char *reason);
/* Closes the connection and forgets what was learned about it. */
void pm_endpoint_drop(pm_endpoint *endpoint);

/* ---- rpc_frame.c ---- */
#define PM_BATCH_MAX 256
/* Sends what is fresh, in as few frames as the peer takes. */
void pm_endpoint_send(pm_endpoint *endpoint);
/* Takes one message from the peer. */
void pm_endpoint_receive(pm_endpoint *endpoint, const char *text, size_t len);

#endif
