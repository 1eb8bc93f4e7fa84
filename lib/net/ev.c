/* ev.c: see ev.h. */
#include "net/ev.h"

#include <stdlib.h>

#include <ev.h>

#include "base/clock.h"

struct pm_ev {
    struct ev_loop *loop;
    ev_timer alarm;
};

static void rang(struct ev_loop *loop, ev_timer *alarm, int events)
{
    (void)loop; /* it is there to end the wait */
    (void)alarm;
    (void)events;
}

panicmon_err pm_ev_new(pm_ev **out)
{
    pm_ev *ev = malloc(sizeof *ev);
    if (ev == NULL) {
        return PANICMON_ERR_NOMEM;
    }
    ev->loop = ev_loop_new(EVBACKEND_EPOLL | EVFLAG_NOENV);
    if (ev->loop == NULL) {
        free(ev);
        return PANICMON_ERR_SYSTEM;
    }
    ev_init(&ev->alarm, rang);
    *out = ev;
    return PANICMON_OK;
}

void *pm_ev_loop(pm_ev *ev)
{
    return ev->loop;
}

void pm_ev_run(pm_ev *ev, int64_t wait_ms)
{
    if (wait_ms == 0) {
        (void)ev_run(ev->loop, EVRUN_NOWAIT);
    } else if (wait_ms == PM_NEVER) {
        (void)ev_run(ev->loop, EVRUN_ONCE);
    } else {
        ev_now_update(ev->loop); /* the timer counts from there */
        ev_timer_set(&ev->alarm, (double)wait_ms / 1000.0, 0.0);
        ev_timer_start(ev->loop, &ev->alarm);
        (void)ev_run(ev->loop, EVRUN_ONCE);
        ev_timer_stop(ev->loop, &ev->alarm);
    }
}

void pm_ev_free(pm_ev *ev)
{
    ev_loop_destroy(ev->loop);
    free(ev);
}
