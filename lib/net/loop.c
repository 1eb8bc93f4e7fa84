/* loop.c: the loop of ws.h: waiting, waking, and watches of foreign descriptors. Belongs to one
 * thread; pm_loop_wake() alone is for all.
 *
 * The watches sit in an epoll set of their own, and the carrier waits for that one descriptor: so
 * they cost it nothing, and it never closes what is not ours. */
#include "net/ws_impl.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/clock.h"

/* Longer than a loop lets events gather. */
#define LATE_MS 200
/* Each takes twice as many events as the one before, if there are so many. */
#define LATE_TURNS 16

struct pm_watch {
    pm_loop *loop;
    int fd;
    void (*ready)(void *user);
    void *user;
};

static panicmon_err new_loop(pm_loop **out, pm_net *net, bool large)
{
    pm_loop *loop = calloc(1, sizeof *loop);
    if (loop == NULL) {
        return PANICMON_ERR_NOMEM;
    }
    loop->net = net;
    loop->large = large;
    loop->watch_set = -1;
    atomic_init(&loop->woken, false);
    panicmon_err status = pm_carrier_new(loop);
    if (status != PANICMON_OK) {
        free(loop);
        return status;
    }
    *out = loop;
    return PANICMON_OK;
}

panicmon_err pm_loop_new(pm_loop **out, pm_net *net)
{
    return new_loop(out, net, false);
}

panicmon_err pm_loop_new_large(pm_loop **out, pm_net *net)
{
    return new_loop(out, net, true);
}

bool pm_loop_is_large(const pm_loop *loop)
{
    return loop->large;
}

bool pm_loop_is_crowded(const pm_loop *loop)
{
    const pm_net *net = loop->net;
    return net->connects > 0 && atomic_load(&net->connecting) >= net->connects;
}

void pm_loop_free(pm_loop *loop)
{
    while (loop->busy != NULL) {
        pm_ws_free(loop->busy);
    }
    while (loop->quiet != NULL) {
        pm_ws_free(loop->quiet);
    }
    pm_carrier_free(loop);
    free(loop);
}

/* Only the first wake since the flag was last cleared signals the carrier. One that comes between
 * the clearing and the return of pm_loop_wait() signals again; one before the clearing is served
 * by that return. So none is lost, and a wait may at worst return once too often. */
void pm_loop_wake(pm_loop *loop)
{
    if (!atomic_exchange(&loop->woken, true)) {
        pm_carrier_wake(loop);
    }
}

static bool take_wake(pm_loop *loop)
{
    return atomic_exchange(&loop->woken, false);
}

/* Moves bytes, and notes up to when all that came was taken in. Who comes late has more waiting
 * for it than the carrier takes at a time. */
static void run_carrier(pm_loop *loop, int64_t wait_ms, bool late)
{
    int64_t began = pm_mono_ms();
    loop->moved = false;
    pm_carrier_run(loop, wait_ms);
    loop->caught_up = loop->moved ? began : pm_mono_ms();
    for (int turns = 0; late && loop->moved && turns < LATE_TURNS; turns++) {
        loop->moved = false;
        pm_carrier_run(loop, 0);
    }
}

int64_t pm_loop_caught_up(const pm_loop *loop)
{
    return loop->caught_up;
}

void pm_loop_wait(pm_loop *loop, int64_t until_ms)
{
    loop->dispatched = false;
    pm_conn_work(loop, pm_mono_ms(), false);
    bool enough = take_wake(loop) || loop->dispatched;
    for (;;) {
        int64_t now = pm_mono_ms();
        int64_t due = pm_earlier(until_ms, pm_conn_due(loop));
        int64_t wait_ms = enough || due <= now ? 0 : due == PM_NEVER ? PM_NEVER : due - now;
        run_carrier(loop, wait_ms, now - until_ms > LATE_MS);
        now = pm_mono_ms();
        pm_conn_work(loop, now, true);
        if (take_wake(loop) || loop->dispatched || enough || now >= until_ms) {
            return;
        }
    }
}

static panicmon_err make_watch_set(pm_loop *loop)
{
    if (loop->watch_set >= 0) {
        return PANICMON_OK;
    }
    loop->watch_set = epoll_create1(EPOLL_CLOEXEC);
    if (loop->watch_set < 0) {
        return PANICMON_ERR_SYSTEM;
    }
    panicmon_err status = pm_carrier_adopt_watches(loop);
    if (status != PANICMON_OK) {
        (void)close(loop->watch_set);
        loop->watch_set = -1;
    }
    return status;
}

panicmon_err pm_watch_new(pm_watch **out, pm_loop *loop, int fd, void (*ready)(void *user),
                          void *user)
{
    panicmon_err status = make_watch_set(loop);
    if (status != PANICMON_OK) {
        return status;
    }
    pm_watch *watch = malloc(sizeof *watch);
    if (watch == NULL) {
        return PANICMON_ERR_NOMEM;
    }
    *watch = (pm_watch){.loop = loop, .fd = fd, .ready = ready, .user = user};
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = watch};
    if (epoll_ctl(loop->watch_set, EPOLL_CTL_ADD, fd, &event) != 0) {
        status = errno == ENOMEM   ? PANICMON_ERR_NOMEM
                 : errno == EEXIST ? PANICMON_ERR_EXISTS
                                   : PANICMON_ERR_SYSTEM;
        free(watch);
        return status;
    }
    *out = watch;
    return PANICMON_OK;
}

void pm_watch_free(pm_watch *watch)
{
    if (watch != NULL) {
        (void)epoll_ctl(watch->loop->watch_set, EPOLL_CTL_DEL, watch->fd, NULL);
        free(watch);
    }
}

/* One at a time, as each may free any of the others; the kernel takes them in turn. */
void pm_loop_dispatch_watch(pm_loop *loop)
{
    struct epoll_event event;
    if (epoll_wait(loop->watch_set, &event, 1, 0) == 1) {
        const pm_watch *watch = event.data.ptr;
        loop->dispatched = true;
        loop->moved = true;
        watch->ready(watch->user);
    }
}
