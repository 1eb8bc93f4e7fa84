/* request.c: see request.h. */
#include "net/request.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

void pm_request_finish(pm_request *request, panicmon_err status, int64_t code, const char *message)
{
    request->status = status;
    request->code = code;
    request->message = message == NULL ? NULL : strdup(message);
    request->done = true;
    if (request->on_done != NULL) {
        request->on_done(request);
    }
}

void pm_request_clear(pm_request *request)
{
    if (!request->inlined) {
        free(request->target);
        free(request->name);
        pm_buf_free(&request->in);
    }
    if (request->headers != NULL || request->message != NULL) {
        free(request->headers);
        free(request->message);
    }
    if (request->out.data != NULL) {
        pm_buf_free(&request->out);
    }
}

/* ---- bundles ---- */

#define ALIGNMENT sizeof(max_align_t)

_Static_assert(sizeof(pm_bundle) % ALIGNMENT == 0, "what follows a header is aligned");

void *pm_bundle_take(pm_bundle **bundle, size_t size, size_t usual)
{
    pm_bundle *first = *bundle;
    pm_bundle *at = first == NULL || first->more == NULL ? first : first->more;
    if (size > SIZE_MAX / 2) {
        return NULL;
    }
    size = (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    if (at == NULL || at->size - at->used < size) {
        size_t room = size > usual ? size : usual;
        at = malloc(sizeof *at + room);
        if (at == NULL) {
            return NULL;
        }
        *at = (pm_bundle){.size = room, .holders = 1};
        if (first == NULL) {
            *bundle = at;
        } else {
            at->more = first->more;
            first->more = at;
        }
    }
    char *taken = (char *)(at + 1) + at->used;
    at->used += size;
    return taken;
}

size_t pm_bundle_size(const pm_bundle *bundle)
{
    size_t size = 0;
    for (; bundle != NULL; bundle = bundle->more) {
        size += bundle->size;
    }
    return size;
}

pm_bundle *pm_bundle_reuse(pm_bundle *bundle)
{
    if (bundle != NULL && bundle->holders == 1 && bundle->more == NULL) {
        bundle->used = 0;
        return bundle;
    }
    pm_bundle_drop(bundle);
    return NULL;
}

void pm_bundle_drop(pm_bundle *bundle)
{
    if (bundle == NULL || --bundle->holders > 0) {
        return;
    }
    while (bundle != NULL) {
        pm_bundle *more = bundle->more;
        free(bundle);
        bundle = more;
    }
}

void pm_request_keep(pm_request *request)
{
    request->kept = true;
    request->bundle->holders++;
}

void pm_request_forget(pm_request *request)
{
    pm_bundle *bundle = request->bundle;
    pm_request_clear(request);
    pm_bundle_drop(bundle);
}
