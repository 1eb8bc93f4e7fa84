/* amqp_publisher.c: see amqp_publisher.h. The same for a connection per channel and for the shared
 * one: only who calls it differs. */
#include "net/amqp_publisher.h"

#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/thread.h"
#include "net/amqp_batch.h"
#include "net/backoff.h"

/* Messages sent and not confirmed yet, at most. */
#define WINDOW 256
/* Messages sent before what came in is looked at again. */
#define BURST 64
/* Confirms handed to the port at once. */
#define CONFIRMS 64
/* When to look again whether a full socket takes more, or a stopping one is connected. */
#define FULL_MS 20
/* Buffers of a connection are as large as a frame. */
#define FRAME_MAX 8192
/* How often a finish looks whether it was interrupted. */
#define LOOK_MS 50

/* What each connection declares. */
static const char *const exchanges[] = {"raw_data", "health_check", "monitorable", "config", NULL};

struct pm_publisher {
    const pm_target *target;
    pm_port *port;
    panicmon_log *log;
    const char *name;
    pm_publisher_events events;
    void *user;
    pm_conn *conn; /* while there is a dialer, its */
    pm_thread *dialer;
    bool dialed;           /* what the dialer came to; valid once it is over */
    atomic_bool dial_over; /* the dialer is about to end */
    bool up;
    bool blocked;
    bool told_away; /* it was logged that the broker is away */
    int64_t retry_at;
    uint64_t sent;    /* messages, so far */
    bool full;        /* the window is: only confirms let more be sent */
    int64_t moved_ms; /* with something left over: when the socket last took anything */
    pm_backoff backoff;
};

panicmon_err pm_publisher_new(pm_publisher **out, const pm_target *target, pm_port *port,
                              panicmon_log *log, const char *name,
                              const pm_publisher_events *events, void *user)
{
    pm_publisher *publisher = calloc(1, sizeof *publisher);
    if (publisher == NULL) {
        return PANICMON_ERR_NOMEM;
    }
    publisher->target = target;
    publisher->port = port;
    publisher->log = log;
    publisher->name = name;
    publisher->events = *events;
    publisher->user = user;
    atomic_init(&publisher->dial_over, false);
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
        if (publisher->dialer != NULL) {
            pm_conn_interrupt(publisher->conn);
            pm_thread_join(publisher->dialer);
        }
        pm_conn_free(publisher->conn);
        free(publisher);
    }
}

int pm_publisher_fd(const pm_publisher *publisher)
{
    /* with something left over nothing is read, so there is no use in being told of it */
    return publisher->up && pm_conn_left_over(publisher->conn) == 0 ? pm_conn_fd(publisher->conn)
                                                                    : -1;
}

void pm_publisher_interrupt(pm_publisher *publisher)
{
    pm_conn_interrupt(publisher->conn);
}

static void hang_up(pm_publisher *publisher, bool polite)
{
    if (publisher->events.closing != NULL) {
        publisher->events.closing(publisher->user);
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
                pm_port_look(publisher->port).pending);
        publisher->told_away = true;
    }
    hang_up(publisher, false);
    publisher->retry_at = pm_mono_ms() + pm_backoff_next(&publisher->backoff);
}

/* ---- connecting ---- */

/* Waits for the broker. Touches the connection alone, as it may be the dialer who does it. */
static bool dial(pm_conn *conn)
{
    bool good = pm_conn_open(conn);
    for (size_t i = 0; exchanges[i] != NULL && good; i++) {
        good = pm_conn_declare_exchange(conn, exchanges[i]);
    }
    return good && pm_conn_confirm_select(conn);
}

static void take_connection(pm_publisher *publisher, bool good)
{
    if (!good) {
        lose(publisher, pm_conn_why(publisher->conn));
        return;
    }
    pm_logf(publisher->log, publisher->told_away ? PANICMON_LOG_INFO : PANICMON_LOG_DEBUG,
            publisher->name, "connected to the broker at %s:%u", publisher->target->url.host,
            (unsigned)publisher->target->url.port);
    publisher->up = true;
    publisher->blocked = false;
    publisher->told_away = false;
    pm_port_set_state(publisher->port, PM_PORT_UP);
}

static void dialer_main(void *arg)
{
    pm_publisher *publisher = arg;
    publisher->dialed = dial(publisher->conn);
    atomic_store(&publisher->dial_over, true);
    publisher->events.dialed(publisher->user);
}

static void end_dialer(pm_publisher *publisher)
{
    pm_thread_join(publisher->dialer);
    publisher->dialer = NULL;
    atomic_store(&publisher->dial_over, false);
    take_connection(publisher, publisher->dialed);
}

static void begin_connecting(pm_publisher *publisher)
{
    if (publisher->events.dialed == NULL) {
        take_connection(publisher, dial(publisher->conn));
    } else if (pm_thread_start(&publisher->dialer, "pm:dialer", PM_STACK_LARGE, dialer_main,
                               publisher) != PANICMON_OK) {
        lose(publisher, "no thread to connect in");
    }
}

/* Goes on with connecting, if there is anything to send. Gives when to look again; once it is up,
 * `now_ms`. */
static int64_t service_connecting(pm_publisher *publisher, int64_t now_ms)
{
    if (publisher->dialer != NULL) {
        if (!atomic_load(&publisher->dial_over)) {
            return PM_NEVER; /* it says when */
        }
        end_dialer(publisher);
    } else if (pm_port_look(publisher->port).pending == 0) {
        return PM_NEVER;
    } else if (now_ms < publisher->retry_at) {
        return publisher->retry_at;
    } else {
        begin_connecting(publisher);
    }
    return publisher->up ? now_ms : publisher->dialer != NULL ? PM_NEVER : publisher->retry_at;
}

/* ---- what comes and goes ---- */

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

/* Confirms on their way to the port. */
typedef struct confirms {
    pm_confirm list[CONFIRMS];
    size_t count;
} confirms;

static void hand_over(pm_publisher *publisher, confirms *gathered, int64_t now_ms)
{
    if (gathered->count > 0) {
        pm_port_confirm(publisher->port, gathered->list, gathered->count, now_ms);
        gathered->count = 0;
    }
}

/* Does what no confirm asks for; false when the connection was lost. */
static bool handle(pm_publisher *publisher, const pm_event *event, int64_t now_ms)
{
    switch (event->kind) {
    case PM_EVENT_RETURN:
        pm_port_returned(publisher->port, &event->message);
        return true;
    case PM_EVENT_BLOCKED:
    case PM_EVENT_UNBLOCKED:
        set_blocked(publisher, event->kind == PM_EVENT_BLOCKED, now_ms);
        return true;
    case PM_EVENT_REFUSED:
        pm_port_refused(publisher->port, pm_conn_why(publisher->conn), exchanges, now_ms);
        pm_logf(publisher->log, PANICMON_LOG_ERROR, publisher->name, "%s",
                pm_conn_why(publisher->conn));
        lose(publisher, "it closed the channel");
        return false;
    case PM_EVENT_LOST:
        lose(publisher, pm_conn_why(publisher->conn));
        return false;
    default:
        return true;
    }
}

/* Sends of what was left over as much as fits; false when the connection was lost. As long as
 * something moves, no confirm can be late: some of the messages may not be there yet. */
static bool send_rest(pm_publisher *publisher, int64_t now_ms)
{
    size_t before = pm_conn_left_over(publisher->conn);
    if (!pm_conn_flush(publisher->conn)) {
        lose(publisher, pm_conn_why(publisher->conn));
        return false;
    }
    if (pm_conn_left_over(publisher->conn) < before) {
        publisher->moved_ms = now_ms;
        pm_port_touch(publisher->port, now_ms);
    }
    return true;
}

/* Takes in all that came; false when the connection was lost. With something left over nothing is,
 * as that may send a heartbeat into the middle of a frame. */
static bool receive(pm_publisher *publisher, int64_t now_ms)
{
    if (pm_conn_left_over(publisher->conn) > 0) {
        if (!send_rest(publisher, now_ms)) {
            return false;
        }
        if (pm_conn_left_over(publisher->conn) > 0) {
            return true;
        }
    }
    confirms gathered = {.count = 0};
    bool good = true;
    pm_event event;
    do {
        pm_conn_next(publisher->conn, &event);
        if (event.kind == PM_EVENT_ACK || event.kind == PM_EVENT_NACK) {
            gathered.list[gathered.count++] = (pm_confirm){.tag = event.tag,
                                                           .multiple = event.multiple,
                                                           .refused = event.kind == PM_EVENT_NACK};
            if (gathered.count == CONFIRMS) {
                hand_over(publisher, &gathered, now_ms);
            }
            if (event.kind == PM_EVENT_ACK) {
                pm_backoff_reset(&publisher->backoff);
            }
        } else {
            /* First those that came before: a return is told apart by what is in flight. */
            hand_over(publisher, &gathered, now_ms);
            good = handle(publisher, &event, now_ms);
        }
    } while (good && event.kind != PM_EVENT_NONE);
    return good;
}

/* Sends a burst, in writes of many messages. Gives when to go on: now_ms when there is more,
 * PM_NEVER when only news from the broker or a new message change anything; -1 when the connection
 * was lost. */
static int64_t send_burst(pm_publisher *publisher, int64_t now_ms)
{
    const pm_message *list[BURST];
    publisher->full = false;
    if (pm_conn_left_over(publisher->conn) > 0) {
        return now_ms + FULL_MS;
    }
    pm_port_view seen = pm_port_look(publisher->port);
    size_t in_flight = seen.in_flight;
    for (size_t left = BURST; left > 0;) {
        int64_t next_ms;
        publisher->full = in_flight >= WINDOW;
        if (publisher->blocked || publisher->full || in_flight == seen.pending) {
            return PM_NEVER;
        }
        if (!pm_conn_is_writable(publisher->conn)) {
            return now_ms + FULL_MS;
        }
        size_t most = WINDOW - in_flight < left ? WINDOW - in_flight : left;
        size_t count = pm_port_take(publisher->port, now_ms, list, most, PM_BATCH_SIZE, &next_ms);
        if (count == 0) {
            return next_ms;
        }
        if (!pm_conn_publish_all(publisher->conn, list, count)) {
            lose(publisher, pm_conn_why(publisher->conn));
            return -1;
        }
        publisher->sent += count;
        in_flight += count;
        left -= count;
        if (pm_conn_left_over(publisher->conn) > 0) {
            publisher->moved_ms = now_ms;
            return now_ms + FULL_MS;
        }
    }
    return now_ms;
}

uint64_t pm_publisher_sent(const pm_publisher *publisher)
{
    return publisher->sent;
}

bool pm_publisher_is_full(const pm_publisher *publisher)
{
    return publisher->up && !publisher->blocked && publisher->full;
}

/* When the socket must have taken something of what is left over: as for TCP itself, after two
 * heartbeats. */
static int64_t rest_due(const pm_publisher *publisher)
{
    int64_t heartbeats = (int64_t)publisher->target->heartbeat_s * 2000;
    return publisher->moved_ms +
           (heartbeats > 0 ? heartbeats : publisher->target->confirm_timeout_ms);
}

/* When the broker must have confirmed the oldest message in flight. */
static int64_t confirm_due(const pm_publisher *publisher)
{
    int64_t oldest = publisher->blocked ? PM_NEVER : pm_port_look(publisher->port).oldest;
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
        int64_t due = service_connecting(publisher, now_ms);
        if (!publisher->up) {
            return due;
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
    bool rest = pm_conn_left_over(publisher->conn) > 0;
    int64_t due = rest ? rest_due(publisher) : confirm_due(publisher);
    if (due <= now_ms) {
        lose(publisher, rest ? "it takes nothing any more" : "no confirm in time");
        return publisher->retry_at;
    }
    next_ms = pm_earlier(next_ms, due);
    return pm_earlier(next_ms, now_ms + pm_conn_period_ms(publisher->conn));
}

/* A broker that was away is tried once more at once, however long the pause would still be. */
void pm_publisher_finish(pm_publisher *publisher, int64_t until_ms)
{
    bool tried = false;
    pm_conn_limit(publisher->conn, until_ms);
    for (;;) {
        int64_t now_ms = pm_mono_ms();
        if (now_ms >= until_ms || pm_port_look(publisher->port).pending == 0 ||
            pm_conn_is_interrupted(publisher->conn) ||
            (!publisher->up && tried && publisher->dialer == NULL)) {
            break;
        }
        if (!publisher->up && publisher->dialer == NULL) {
            tried = true;
            publisher->retry_at = 0;
        }
        int64_t next_ms = pm_publisher_service(publisher, now_ms);
        if (publisher->blocked) {
            break;
        }
        bool dialing = publisher->dialer != NULL;
        int64_t wait =
            pm_earlier(pm_earlier(next_ms, until_ms), now_ms + (dialing ? FULL_MS : LOOK_MS)) -
            pm_mono_ms();
        struct pollfd look = {.fd = pm_publisher_fd(publisher), .events = POLLIN};
        if (wait > 0 && (publisher->up || dialing) && pm_port_look(publisher->port).pending > 0) {
            (void)poll(&look, 1, (int)wait);
        }
    }
    if (publisher->dialer != NULL) {
        pm_conn_interrupt(publisher->conn);
        end_dialer(publisher);
    }
    hang_up(publisher, publisher->up);
}
