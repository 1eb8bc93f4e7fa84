/* http.h: HTTP requests on a loop. http.c alone includes libcurl. Belongs to the thread of its
 * loop.
 *
 * There is nothing to service: its sockets and timers sit behind one watch of the loop. */
#ifndef PM_HTTP_H
#define PM_HTTP_H

#include "net/request.h"
#include "net/ws.h"

typedef struct pm_http pm_http;

/* Costs one allocation until the first request. */
panicmon_err pm_http_new(pm_http **out, pm_loop *loop);
/* Cancels and frees; before the loop. NULL is allowed. */
void pm_http_free(pm_http *http);
/* Carries out a PM_REQUEST_HTTP. Finishes it exactly once, by its deadline, maybe before this
 * returns. */
void pm_http_submit(pm_http *http, pm_request *request);
/* Finishes everything pending with ERR_CANCELED; idle connections stay. NULL is allowed. */
void pm_http_cancel(pm_http *http);

#endif
