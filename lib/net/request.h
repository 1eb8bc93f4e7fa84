/* request.h: one thing a step asks the outside for, and what came back. Made by core, carried out
 * by net. Belongs to one thread at a time: the thread of the loop that carries it out. */
#ifndef PM_REQUEST_H
#define PM_REQUEST_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <panicmon/error.h>

#include "base/buf.h"

typedef enum pm_request_kind {
    PM_REQUEST_RPC,
    PM_REQUEST_HTTP,
    PM_REQUEST_PUBLISH,
    PM_REQUEST_LOAD,
    PM_REQUEST_STORE,
    PM_REQUEST_WAIT, /* until its deadline; flags: PM_WAIT_CUT */
} pm_request_kind;

/* The wait would be longer than the round has time for. */
#define PM_WAIT_CUT 1u

typedef struct pm_request pm_request;
typedef struct pm_bundle pm_bundle;

/* A request on its way to a JSON-RPC peer: what pm_rpc knows of it. */
typedef struct pm_rpc_call {
    struct pm_rpc_call *next;
    struct pm_rpc_call **link;
    int64_t id;
    int64_t batch; /* the id of the first call in its batch; 0: it went alone */
    int64_t since; /* pm_mono_ms(), when it was submitted */
} pm_rpc_call;

/* What is touched together lies together: what it takes to carry it out and to tell who asked. */
struct pm_request {
    pm_request_kind kind;
    uint32_t flags;
    bool inlined;     /* target, name and in lie in the request's own block of memory */
    bool out_inlined; /* and so does out */
    bool done;
    bool kept; /* it outlives its round: pm_request_keep() */
    panicmon_err status;
    void (*on_done)(pm_request *request); /* called once by pm_request_finish(), may free it */
    void *owner;
    int64_t deadline; /* pm_mono_ms() by which it must be done */
    char *target;     /* rpc, http: URL; publish: exchange; load, store: key */
    char *name;       /* rpc, http: method; publish: routing key */
    pm_buf in;        /* rpc: params text, empty for none; publish, http: body; store: value */

    /* for whoever is carrying it out */
    pm_request *next;
    void *carrier;
    void (*then)(pm_request *request); /* the asker's on_done */
    struct pm_rpc_endpoint **route; /* rpc: where its endpoint is known by those who ask it often */
    pm_rpc_call call;               /* rpc */

    /* the outcome, valid once done, with `status` */
    pm_buf out;    /* rpc: the raw text of `result`; http: the body; load: the value */
    int64_t code;  /* code of a JSON-RPC error object; status of HTTP */
    char *message; /* why status is not OK; malloc'd, may be NULL */

    char *headers;     /* http: lines "Name: value"; may be NULL */
    pm_bundle *bundle; /* whose memory it is; NULL: its maker's */
};

/* Sets the outcome and calls on_done. `message` is copied and may be NULL. Once per request. */
void pm_request_finish(pm_request *request, panicmon_err status, int64_t code, const char *message);
/* Makes a text the body of the reply, a copy of it; what there was before goes. False without
 * memory. */
bool pm_request_set_out(pm_request *request, const char *text, size_t len);
/* The reply has no body any more. */
void pm_request_drop_out(pm_request *request);
/* Frees what a request holds, not the request. */
void pm_request_clear(pm_request *request);

/* Blocks of bundles to be used again: malloc is slow with their size when many come and go at once.
 * Shared by all threads, and outlives the bundles. */
typedef struct pm_bundle_pool {
    pthread_mutex_t lock;
    pm_bundle *spare; /* linked by `more` */
    size_t count;
} pm_bundle_pool;

void pm_bundle_pool_init(pm_bundle_pool *pool);
void pm_bundle_pool_free(pm_bundle_pool *pool);

/* Memory for requests that are made together and go together: a list of blocks, freed at once when
 * the last who holds it lets go. NULL is an empty one. */
struct pm_bundle {
    _Alignas(max_align_t) pm_bundle *more; /* further blocks, the latest first */
    pm_bundle_pool *pool;                  /* NULL: none */
    size_t size;
    size_t used;
    size_t holders; /* of the first block: its maker, and requests that are kept */
};

/* Bytes of a block that is used again, beside its head; others are made as large as asked for. */
#define PM_BUNDLE_USUAL 4000

/* Takes memory, aligned for all but not set. NULL without memory. */
void *pm_bundle_take(pm_bundle **bundle, pm_bundle_pool *pool, size_t size);
/* Lets go of it; NULL is allowed. */
void pm_bundle_drop(pm_bundle *bundle);

/* Lets a request of a bundle that is under way outlive those who asked: it holds the bundle, and
 * whoever carries it out must end it with pm_request_forget(). */
void pm_request_keep(pm_request *request);
/* The on_done of such a request: frees it. */
void pm_request_forget(pm_request *request);

#endif
