/* request.c: see request.h. */
#include "net/request.h"

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
    free(request->headers);
    free(request->message);
    pm_buf_free(&request->out);
}
