/* amqp_publisher.c: see amqp_publisher.h. The same for a connection per channel and for the shared
 * one: only who calls it differs. */
#include "net/amqp_publisher.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/log.h"
#include "net/backoff.h"

/* Messages sent and not confirmed yet, at most. */
#define WINDOW 256
/* Messages sent before what came in is looked at again. */
#define BURST 32
/* A socket that takes something takes this much: it is asked no more often. */
#define ROOM 4096
/* When to look again whether a full socket takes more. */
#define FULL_MS 20
/* Buffers of a connection are as large as a frame. */
#define FRAME_MAX 8192
/* How often a finish looks whether it was interrupted. */
#define LOOK_MS 50

struct pm_publisher {
    const pm_target *target;
    pm_port *port;
    panicmon_log *log;
    const char *name;
    void (*closing)(void *user);
    void *user;
    pm_conn *conn;
    bool up;
    bool blocked;
    bool told_away; /* it was logged that the broker is away */
    int64_t retry_at;
    pm_backoff backoff;
};

panicmon_err pm_publisher_new(pm_publisher **out, const pm_target *target, pm_port *port,
                              panicmon_log *log, const char *name, void (*closing)(void *user),
                              void *user)
{
    pm_publisher *publisher = calloc(1, sizeof *publisher);
    if (publisher == NULL) {
        return PANICMON_ERR_NOMEM;
    }
    publisher->target = target;
    publisher->port = port;
    publisher->log = log;
    publisher->name = name;
    publisher->closing = closing;
    publisher->user = user;
    publisher->backoff = (pm_backoff){.first_ms = 200, .cap_ms = 30000};
    panicmon_err status = pm_conn_new(&publisher->conn, target, name, FRAME_MAX);
    if (status != PANICMON_OK) {
        free(publisher);
        return status;
    }
    *out = publisher;
    return PANICMON_OK;
}

void pm_publisher_free(pm_publisher *publisher)
{
    if (publisher != NULL) {
        pm_conn_free(publisher->conn);
        free(publisher);
    }
}

int pm_publisher_fd(const pm_publisher *publisher)
{
    return publisher->up ? pm_conn_fd(publisher->conn) : -1;
}

void pm_publisher_interrupt(pm_publisher *publisher)
{
    pm_conn_interrupt(publisher->conn);
}

static void hang_up(pm_publisher *publisher, bool polite)
{
    if (publisher->closing != NULL) {
        publisher->closing(publisher->user);
    }
    publisher->up = false;
    publisher->blocked = false;
    pm_conn_close(publisher->conn, polite);
    pm_port_set_state(publisher->port, PM_PORT_DOWN);
    pm_port_lost(publisher->port);
}

/* The connection is no good any more: whatever was in flight is sent again over the next. */
static void lose(pm_publisher *publisher, const char *why)
{
    if (!pm_conn_is_interrupted(publisher->conn)) {
        pm_logf(publisher->log, publisher->told_away ? PANICMON_LOG_DEBUG : PANICMON_LOG_WARNING,
                publisher->name, "the broker is away (%s); %zu messages wait", why,
                pm_port_pending(publisher->port));
        publisher->told_away = true;
    }
    hang_up(publisher, false);
    publisher->retry_at = pm_mono_ms() + pm_backoff_next(&publisher->backoff);
}

static bool connect_now(pm_publisher *publisher)
{
    static const char *const exchanges[] = {"raw_data", "health_check", "monitorable", "config"};
    bool good = pm_conn_open(publisher->conn);
    for (size_t i = 0; i < sizeof exchanges / sizeof exchanges[0] && good; i++) {
        good = pm_conn_declare_exchange(publisher->conn, exchanges[i]);
    }
    if (!good || !pm_conn_confirm_select(publisher->conn)) {
        lose(publisher, pm_conn_why(publisher->conn));
        return false;
    }
    pm_logf(publisher->log, publisher->told_away ? PANICMON_LOG_INFO : PANICMON_LOG_DEBUG,
            publisher->name, "connected to the broker at %s:%u", publisher->target->url.host,
            (unsigned)publisher->target->url.port);
    publisher->up = true;
    publisher->blocked = false;
    publisher->told_away = false;
    pm_port_set_state(publisher->port, PM_PORT_UP);
    return true;
}

static void set_blocked(pm_publisher *publisher, bool blocked, int64_t now_ms)
{
    if (publisher->blocked == blocked) {
        return;
    }
    publisher->blocked = blocked;
    pm_logf(publisher->log, PANICMON_LOG_WARNING, publisher->name,
            blocked ? "the broker takes no messages for now (memory or disk alarm)"
                    : "the broker takes messages again");
    pm_port_set_state(publisher->port, blocked ? PM_PORT_DOWN : PM_PORT_UP);
    pm_port_touch(publisher->port, now_ms);
}

/* Takes in all that came; false when the connection was lost. */
static bool receive(pm_publisher *publisher, int64_t now_ms)
{
    pm_port *port = publisher->port;
    pm_event event;
    do {
        pm_conn_next(publisher->conn, &event);
        switch (event.kind) {
        case PM_EVENT_ACK:
            pm_port_acked(port, event.tag, event.multiple);
            pm_backoff_reset(&publisher->backoff);
            break;
        case PM_EVENT_NACK:
            pm_port_nacked(port, event.tag, event.multiple, now_ms);
            break;
        case PM_EVENT_RETURN:
            pm_port_returned(port, &event.message);
            break;
        case PM_EVENT_BLOCKED:
        case PM_EVENT_UNBLOCKED:
            set_blocked(publisher, event.kind == PM_EVENT_BLOCKED, now_ms);
            break;
        case PM_EVENT_REFUSED:
            pm_port_refused(port, pm_conn_why(publisher->conn));
            pm_logf(publisher->log, PANICMON_LOG_ERROR, publisher->name, "%s",
                    pm_conn_why(publisher->conn));
            lose(publisher, "it closed the channel");
            return false;
        case PM_EVENT_LOST:
            lose(publisher, pm_conn_why(publisher->conn));
            return false;
        default:
            break;
        }
    } while (event.kind != PM_EVENT_NONE);
    return true;
}

/* Sends a burst. Gives when to go on: now_ms when there is more, PM_NEVER when only news from the
 * broker or a new message change anything; -1 when the connection was lost. */
static int64_t send_messages(pm_publisher *publisher, int64_t now_ms)
{
    pm_port *port = publisher->port;
    int64_t next_ms;
    size_t room = 0;
    for (int i = 0; i < BURST; i++) {
        if (publisher->blocked || pm_port_in_flight(port) >= WINDOW) {
            return PM_NEVER;
        }
        if (room == 0 && !pm_conn_is_writable(publisher->conn)) {
            return now_ms + FULL_MS;
        }
        room = room == 0 ? ROOM : room;
        const pm_message *message = pm_port_take(port, now_ms, &next_ms);
        if (message == NULL) {
            return next_ms;
        }
        room -= message->len < room ? message->len : room;
        if (!pm_conn_publish(publisher->conn, message)) {
            lose(publisher, pm_conn_why(publisher->conn));
            return -1;
        }
    }
    return now_ms;
}

/* Several messages leave in as few packets as they fill. */
static int64_t send_burst(pm_publisher *publisher, int64_t now_ms)
{
    int on = 1;
    int off = 0;
    int fd = pm_port_pending(publisher->port) > 1 ? pm_publisher_fd(publisher) : -1;
    if (fd >= 0) {
        (void)setsockopt(fd, IPPROTO_TCP, TCP_CORK, &on, sizeof on);
    }
    int64_t next_ms = send_messages(publisher, now_ms);
    if (fd >= 0 && publisher->up) {
        (void)setsockopt(fd, IPPROTO_TCP, TCP_CORK, &off, sizeof off);
    }
    return next_ms;
}

/* When the broker must have confirmed the oldest message in flight. */
static int64_t confirm_due(const pm_publisher *publisher)
{
    int64_t oldest = publisher->blocked ? PM_NEVER : pm_port_oldest(publisher->port);
    return oldest == PM_NEVER ? PM_NEVER : oldest + publisher->target->confirm_timeout_ms;
}

int64_t pm_publisher_service(pm_publisher *publisher, int64_t now_ms)
{
    if (pm_conn_is_interrupted(publisher->conn)) {
        if (publisher->up) {
            lose(publisher, "stopped");
        }
        return PM_NEVER;
    }
    if (!publisher->up) {
        if (pm_port_pending(publisher->port) == 0) {
            return PM_NEVER;
        }
        if (now_ms < publisher->retry_at || !connect_now(publisher)) {
            return publisher->retry_at;
        }
        now_ms = pm_mono_ms();
    }
    int64_t next_ms = now_ms;
    while (next_ms == now_ms) {
        if (!receive(publisher, now_ms)) {
            return publisher->retry_at;
        }
        next_ms = send_burst(publisher, now_ms);
        if (next_ms == -1) {
            return publisher->retry_at;
        }
    }
    int64_t due = confirm_due(publisher);
    if (due <= now_ms) {
        lose(publisher, "no confirm in time");
        return publisher->retry_at;
    }
    next_ms = pm_earlier(next_ms, due);
    return pm_earlier(next_ms, now_ms + pm_conn_period_ms(publisher->conn));
}

void pm_publisher_finish(pm_publisher *publisher, int64_t until_ms)
{
    bool tried = publisher->up || publisher->retry_at > 0;
    for (;;) {
        int64_t now_ms = pm_mono_ms();
        if (now_ms >= until_ms || pm_port_pending(publisher->port) == 0 ||
            pm_conn_is_interrupted(publisher->conn)) {
            break;
        }
        int64_t next_ms = pm_publisher_service(publisher, now_ms);
        if (publisher->blocked || (!publisher->up && tried)) {
            break;
        }
        tried = true;
        int64_t wait = pm_earlier(pm_earlier(next_ms, until_ms), now_ms + LOOK_MS) - pm_mono_ms();
        struct pollfd look = {.fd = pm_publisher_fd(publisher), .events = POLLIN};
        if (wait > 0 && pm_port_pending(publisher->port) > 0) {
            (void)poll(&look, 1, (int)wait);
        }
    }
    hang_up(publisher, publisher->up);
}
