/* wire.h (internal to the loop and its connections): plain WebSocket connections of a large loop,
 * moved by ourselves: with thousands of them libwebsockets costs more than all else (a byte at a
 * time, a read of the entropy device for each frame, a walk over all timers for each one set).
 * What a connection is and when it gives up stays with ws_conn.c, as with the other carrier; TLS
 * stays with libwebsockets. Belongs to the thread of the loop. */
#ifndef PM_WIRE_H
#define PM_WIRE_H

#include "net/ws_impl.h"

typedef struct pm_wires pm_wires; /* those of one loop */

/* Makes the set, and a watch of the loop for it. */
panicmon_err pm_wires_new(pm_wires **out, pm_loop *loop);
void pm_wires_free(pm_wires *wires); /* after its connections; NULL is allowed */

/* Starts connecting to a numeric address; false, and ws->problem, when that failed at once. */
bool pm_wire_connect(pm_wires *wires, pm_ws *ws, const char *address);
/* Sends what is queued in ws->first, of an open connection. */
void pm_wire_flush(pm_ws *ws);
/* Sends one text as a frame, of an open connection; the text is masked in place, and the head is
 * written to the PM_WS_HEADROOM bytes in front of it. What the socket
 * does not take is kept. A connection that breaks meanwhile, or for which more waits than may, is
 * told as lost. */
void pm_wire_send(pm_ws *ws, char *text, size_t len);
/* Cuts the connection at once; no call about it follows. */
void pm_wire_drop(pm_ws *ws);

#endif
