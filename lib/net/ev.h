/* ev.h: the event loop of libev, on which the carrier of a large loop runs: its cost does not grow
 * with the number of sockets. ev.c alone includes libev. Belongs to one thread. */
#ifndef PM_EV_H
#define PM_EV_H

#include <stdint.h>

#include <panicmon/error.h>

typedef struct pm_ev pm_ev;

panicmon_err pm_ev_new(pm_ev **out);
/* The struct ev_loop, for those who put watchers on it. */
void *pm_ev_loop(pm_ev *ev);
/* Dispatches what there is; waits for it at most `wait_ms`, which may be PM_NEVER. */
void pm_ev_run(pm_ev *ev, int64_t wait_ms);
/* After all watchers of others are gone. */
void pm_ev_free(pm_ev *ev);

#endif
