/* request.h: one thing a step asks the outside for, and what came back. Made by core, carried out
 * by net. Belongs to one thread at a time: the thread of the loop that carries it out. */
#ifndef PM_REQUEST_H
#define PM_REQUEST_H

#include <stdbool.h>
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

struct pm_request {
    pm_request_kind kind;
    uint32_t flags;
    bool inlined;     /* target, name and in lie in the request's own block of memory */
    char *target;     /* rpc, http: URL; publish: exchange; load, store: key */
    char *name;       /* rpc, http: method; publish: routing key */
    char *headers;    /* http: lines "Name: value"; may be NULL */
    pm_buf in;        /* rpc: params text, empty for none; publish, http: body; store: value */
    int64_t deadline; /* pm_mono_ms() by which it must be done */
    pm_request *next; /* for whoever is carrying it out */
    void *carrier;    /* likewise */

    /* the outcome, valid once done */
    bool done;
    panicmon_err status;
    int64_t code;  /* code of a JSON-RPC error object; status of HTTP */
    pm_buf out;    /* rpc: the raw text of `result`; http: the body; load: the value */
    char *message; /* why status is not OK; malloc'd, may be NULL */
    void (*on_done)(pm_request *request); /* called once by pm_request_finish(), may free it */
    void *owner;
};

/* Sets the outcome and calls on_done. `message` is copied and may be NULL. Once per request. */
void pm_request_finish(pm_request *request, panicmon_err status, int64_t code, const char *message);
/* Frees what a request holds, not the request. */
void pm_request_clear(pm_request *request);

#endif
