/* carry.c: see carry.h. */
#include "exec/carry.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

void pm_carry_stored(pm_store *store, pm_request *request)
{
    panicmon_err status =
        request->kind == PM_REQUEST_LOAD
            ? pm_store_load_until(store, request->target, request->deadline, &request->out)
            : pm_store_save(store, request->target, request->in.data, request->in.len);
    pm_request_finish(request, status, 0, status == PANICMON_OK ? NULL : panicmon_strerror(status));
}

void pm_carry_waited(pm_request *request)
{
    bool cut = (request->flags & PM_WAIT_CUT) != 0;
    pm_request_finish(request, cut ? PANICMON_ERR_TIMEOUT : PANICMON_OK, 0,
                      cut ? "the round has no time to wait longer" : NULL);
}

void pm_figures_add_rpc(pm_figures *figures, const pm_rpc_counts *now, pm_rpc_counts *before)
{
    atomic_fetch_add(&figures->rpc_requests, now->requests - before->requests);
    atomic_fetch_add(&figures->rpc_frames, now->frames_out - before->frames_out);
    atomic_fetch_add(&figures->rpc_bytes_in, now->bytes_in - before->bytes_in);
    atomic_fetch_add(&figures->rpc_bytes_out, now->bytes_out - before->bytes_out);
    atomic_fetch_add(&figures->rpc_connects, now->connects - before->connects);
    atomic_fetch_add(&figures->sockets, now->sockets - before->sockets);
    *before = *now;
}

/* ---- parcels ---- */

void pm_parcel_join(pm_parcel *parcel, pm_request *request)
{
    request->carrier = parcel;
    request->next = parcel->waiters;
    parcel->waiters = request;
}

void pm_parcel_take(pm_parcel *parcel, pm_request *request)
{
    *parcel = (pm_parcel){.wire = {.kind = request->kind,
                                   .flags = request->flags,
                                   .target = request->target,
                                   .name = request->name,
                                   .headers = request->headers,
                                   .in = request->in,
                                   .deadline = request->deadline},
                          .lender = request};
    pm_parcel_join(parcel, request);
}

static char *copy(const char *text)
{
    return text == NULL ? NULL : strdup(text);
}

bool pm_parcel_own(pm_parcel *parcel)
{
    pm_request *wire = &parcel->wire;
    const pm_request *lender = parcel->lender;
    pm_buf in = {0};
    if (lender == NULL) {
        return true;
    }
    parcel->lender = NULL;
    pm_buf_add(&in, lender->in.data, lender->in.len);
    wire->in = in;
    wire->target = strdup(lender->target);
    wire->name = copy(lender->name);
    wire->headers = copy(lender->headers);
    if (!in.failed && wire->target != NULL && (lender->name == NULL) == (wire->name == NULL) &&
        (lender->headers == NULL) == (wire->headers == NULL)) {
        return true;
    }
    static char empty[1]; /* never written to */
    pm_request_clear(wire);
    wire->inlined = true;
    wire->in = (pm_buf){0};
    wire->target = empty;
    wire->name = empty;
    wire->headers = NULL;
    return false;
}

void pm_parcel_leave(pm_request *request)
{
    pm_parcel *parcel = request->carrier;
    if (parcel != NULL) {
        pm_request **link = &parcel->waiters;
        if (parcel->lender == request) { /* nobody waits for what becomes of it without memory */
            (void)pm_parcel_own(parcel);
        }
        while (*link != request) {
            link = &(*link)->next;
        }
        *link = request->next;
        request->carrier = NULL;
        pm_request_finish(request, PANICMON_ERR_CANCELED, 0, "canceled");
    }
}

void pm_parcel_deliver(pm_parcel *parcel)
{
    pm_request *wire = &parcel->wire;
    while (parcel->waiters != NULL) {
        pm_request *request = parcel->waiters;
        panicmon_err status = wire->status;
        const char *message = wire->message;
        parcel->waiters = request->next;
        request->next = NULL;
        request->carrier = NULL;
        if (parcel->waiters == NULL) { /* nobody else needs the body */
            request->out = wire->out;
            wire->out = (pm_buf){0};
        } else if (wire->out.len > 0 &&
                   !pm_request_set_out(request, wire->out.data, wire->out.len)) {
            request->out.failed = true;
        }
        if (request->out.failed) {
            status = PANICMON_ERR_NOMEM;
            message = "out of memory for a reply";
        }
        pm_request_finish(request, status, wire->code, message);
    }
    wire->inlined = wire->inlined || parcel->lender != NULL;
    if (parcel->lender != NULL) {
        wire->headers = NULL;
    }
    pm_request_clear(wire);
}
