/* amqp_sink.c: the sink to the broker. All messages go through one outbox. With `own` each channel
 * sends its lane over a connection of its own in its own thread, which a loop of many monitorables
 * does between its other work, without ever waiting for the broker; with `shared` one thread sends
 * all lanes, and wakes the channels' loops when something is confirmed. `lock` guards the shared
 * sender; it is taken before the outbox's. */
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "base/settings.h"
#include "base/thread.h"
#include "net/amqp_publisher.h"

/* A turn of the shared sender costs more than what it sends in it. So it lets messages and confirms
 * of many lanes gather: a millisecond for so many messages a second, and no more than so many. */
#define MESSAGES_A_MS 10
#define GATHER_MS_MAX 20
#define RATE_MS       1000
#define SHARED_NAME   "publisher"
/* How much longer than asked the end of the shared sender is waited for before it is broken. */
#define END_MS 100

/* The thread of the mode `shared`; it runs while there are channels. */
typedef struct sender {
    pm_port *port;
    pm_publisher *publisher;
    pm_thread *thread;
    int wake_fd;       /* eventfd: there is something to send */
    int hurry_fd;      /* eventfd: at once */
    atomic_bool woken; /* wake_fd is readable, or a turn is about to begin */
    atomic_bool stop;
    int64_t rate_since; /* of its thread, as what follows */
    uint64_t rate_from;
    int64_t gather_ms;
    atomic_int_fast64_t until_ms; /* once stopped: how long to go on sending */
    atomic_bool over;
    int over_fd; /* eventfd: readable once over */
} sender;

typedef struct amqp_sink {
    panicmon_sink base;
    pm_target target;
    pm_outbox *outbox;
    bool shared;
    pthread_mutex_t lock;
    sender *sender;
    size_t channels; /* with `shared`: that are open */
} amqp_sink;

typedef struct amqp_channel {
    pm_channel base;
    pm_loop *loop;
    panicmon_log *log;
    char *name;
    pm_lane *lane;
    atomic_bool interrupted;
    sender *sender; /* `shared` */
    pm_port *port;  /* `own`, as what follows */
    pm_publisher *publisher;
    pm_watch *watch;
    int watched; /* the descriptor of the watch; -1: none */
} amqp_channel;

/* ---- the shared sender ---- */

static void signal_fd(int fd)
{
    const uint64_t one = 1;
    ssize_t wrote = write(fd, &one, sizeof one);
    (void)wrote; /* full means that it is readable already */
}

static void clear_fd(int fd)
{
    uint64_t value;
    ssize_t got = read(fd, &value, sizeof value);
    (void)got; /* it does not block */
}

static void wake_sender(void *user, bool hurry)
{
    sender *at = user;
    if (!atomic_exchange(&at->woken, true)) {
        signal_fd(at->wake_fd);
    }
    if (hurry) {
        signal_fd(at->hurry_fd);
    }
}

static void set_gather(sender *at, int64_t now_ms)
{
    int64_t passed = now_ms - at->rate_since;
    if (passed >= RATE_MS) {
        uint64_t sent = pm_publisher_sent(at->publisher);
        int64_t rate = (int64_t)(sent - at->rate_from) * 1000 / passed;
        at->gather_ms = pm_earlier(rate / MESSAGES_A_MS, GATHER_MS_MAX);
        at->rate_from = sent;
        at->rate_since = now_ms;
    }
}

/* Lets messages and confirms gather, unless somebody waits for them or confirms hold up what is to
 * be sent. */
static void gather(const sender *at, int64_t began_ms)
{
    int64_t rest = began_ms + at->gather_ms - pm_mono_ms();
    if (rest > 0 && !pm_publisher_is_full(at->publisher) && !pm_port_look(at->port).hurry) {
        struct pollfd look = {.fd = at->hurry_fd, .events = POLLIN};
        (void)poll(&look, 1, (int)rest);
    }
}

/* Waits until there is something to do, or `due`. */
static void wait_news(const sender *at, int64_t due)
{
    struct pollfd look[3] = {{.fd = at->wake_fd, .events = POLLIN},
                             {.fd = at->hurry_fd, .events = POLLIN},
                             {.fd = pm_publisher_fd(at->publisher), .events = POLLIN}};
    int64_t now = pm_mono_ms();
    int64_t wait = pm_earlier(due, now + 60000) - now;
    if (poll(look, 3, wait < 0 ? 0 : (int)wait) > 0) {
        if (look[0].revents != 0) {
            clear_fd(at->wake_fd);
        }
        if (look[1].revents != 0) {
            clear_fd(at->hurry_fd);
        }
    }
}

static void sender_main(void *arg)
{
    sender *at = arg;
    while (!atomic_load(&at->stop)) {
        int64_t now = pm_mono_ms();
        atomic_store(&at->woken, false);
        int64_t due = pm_publisher_service(at->publisher, now);
        set_gather(at, now);
        gather(at, now);
        wait_news(at, due);
    }
    pm_publisher_finish(at->publisher, atomic_load(&at->until_ms));
    atomic_store(&at->over, true);
    signal_fd(at->over_fd);
}

static void free_sender(sender *at)
{
    if (at == NULL) {
        return;
    }
    pm_publisher_free(at->publisher);
    if (at->port != NULL) {
        pm_port_close(at->port);
    }
    if (at->wake_fd >= 0) {
        (void)close(at->wake_fd);
    }
    if (at->hurry_fd >= 0) {
        (void)close(at->hurry_fd);
    }
    if (at->over_fd >= 0) {
        (void)close(at->over_fd);
    }
    free(at);
}

static panicmon_err make_sender(amqp_sink *sink, panicmon_log *log, sender **out)
{
    sender *at = calloc(1, sizeof *at);
    if (at == NULL) {
        return PANICMON_ERR_NOMEM;
    }
    at->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    at->hurry_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    at->over_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    at->rate_since = pm_mono_ms();
    panicmon_err status =
        at->wake_fd < 0 || at->hurry_fd < 0 || at->over_fd < 0 ? PANICMON_ERR_SYSTEM : PANICMON_OK;
    if (status == PANICMON_OK) {
        status = pm_port_open(&at->port, sink->outbox, wake_sender, at);
    }
    if (status == PANICMON_OK) {
        const pm_publisher_events events = {.dialed = NULL}; /* its thread may wait */
        status = pm_publisher_new(&at->publisher, &sink->target, at->port, log, SHARED_NAME,
                                  &events, NULL);
    }
    if (status == PANICMON_OK) {
        status = pm_thread_start(&at->thread, "pm:publisher", PM_STACK_LARGE, sender_main, at);
    }
    if (status != PANICMON_OK) {
        free_sender(at);
        return status;
    }
    *out = at;
    return PANICMON_OK;
}

/* Stops the sender and waits for it: until `until_ms` and a little, then it is broken. */
static void end_sender(sender *at, int64_t until_ms)
{
    atomic_store(&at->until_ms, until_ms);
    atomic_store(&at->stop, true);
    signal_fd(at->hurry_fd);
    while (!atomic_load(&at->over)) {
        struct pollfd look = {.fd = at->over_fd, .events = POLLIN};
        int64_t left = until_ms + END_MS - pm_mono_ms();
        if (left <= 0) {
            pm_publisher_interrupt(at->publisher);
            break;
        }
        (void)poll(&look, 1, (int)pm_earlier(left, 60000));
    }
    pm_thread_join(at->thread);
    free_sender(at);
}

static panicmon_err join_sender(amqp_sink *sink, amqp_channel *channel)
{
    panicmon_err status = PANICMON_OK;
    pthread_mutex_lock(&sink->lock);
    if (sink->sender == NULL) {
        status = make_sender(sink, channel->log, &sink->sender);
    }
    if (status == PANICMON_OK) {
        sink->channels++;
        channel->sender = sink->sender;
    }
    pthread_mutex_unlock(&sink->lock);
    return status;
}

/* The last channel ends the sender. */
static void leave_sender(amqp_sink *sink, amqp_channel *channel, int64_t until_ms)
{
    sender *last = NULL;
    pthread_mutex_lock(&sink->lock);
    channel->sender = NULL;
    if (--sink->channels == 0) {
        last = sink->sender;
        sink->sender = NULL;
    }
    pthread_mutex_unlock(&sink->lock);
    if (last != NULL) {
        end_sender(last, until_ms);
    }
}

/* ---- channels ---- */

static void wake_channel(void *user)
{
    const amqp_channel *channel = user;
    pm_loop_wake(channel->loop);
}

static void wake_own(void *user, bool hurry)
{
    (void)hurry; /* a loop waits for nothing when it is woken */
    wake_channel(user);
}

static void note_readable(void *user)
{
    (void)user; /* the wait ends, and service does the rest */
}

static void drop_watch(void *user)
{
    amqp_channel *channel = user;
    pm_watch_free(channel->watch);
    channel->watch = NULL;
    channel->watched = -1;
}

/* Keeps the watch on the descriptor of the connection there is. */
static void follow_fd(amqp_channel *channel)
{
    int fd = pm_publisher_fd(channel->publisher);
    if (fd == channel->watched) {
        return;
    }
    pm_watch_free(channel->watch);
    channel->watch = NULL;
    channel->watched = -1;
    if (fd >= 0 &&
        pm_watch_new(&channel->watch, channel->loop, fd, note_readable, channel) == PANICMON_OK) {
        channel->watched = fd;
    }
}

static int64_t amqp_service(pm_channel *base, int64_t now_ms)
{
    amqp_channel *channel = (amqp_channel *)base;
    int64_t due = PM_NEVER;
    if (channel->publisher != NULL) {
        due = pm_publisher_service(channel->publisher, now_ms);
        follow_fd(channel);
        if (channel->watched < 0 && pm_publisher_fd(channel->publisher) >= 0) {
            due = pm_earlier(due, pm_mono_ms() + 100); /* without a watch: look */
        }
    }
    return pm_earlier(due, pm_lane_collect(channel->lane, pm_mono_ms()));
}

static void amqp_submit(pm_channel *base, pm_request *request)
{
    amqp_channel *channel = (amqp_channel *)base;
    pm_lane_add(channel->lane, request);
}

static void amqp_interrupt(pm_channel *base)
{
    amqp_channel *channel = (amqp_channel *)base;
    atomic_store(&channel->interrupted, true);
    if (channel->publisher != NULL) {
        pm_publisher_interrupt(channel->publisher);
    }
}

static void amqp_close(pm_channel *base, int64_t until_ms)
{
    amqp_channel *channel = (amqp_channel *)base;
    if (channel->lane == NULL && channel->port == NULL && channel->sender == NULL) {
        return; /* closed before: the publisher's port is gone */
    }
    if (channel->publisher != NULL) {
        pm_publisher_finish(channel->publisher, until_ms);
    } else if (channel->lane != NULL) {
        pm_lane_flush(channel->lane, until_ms, &channel->interrupted);
    }
    if (channel->lane != NULL) {
        pm_lane_close(channel->lane);
        channel->lane = NULL;
    }
    if (channel->port != NULL) {
        pm_port_close(channel->port);
        channel->port = NULL;
    }
    if (channel->sender != NULL) {
        leave_sender((amqp_sink *)base->sink, channel, until_ms);
    }
}

static void amqp_release(pm_channel *base)
{
    amqp_channel *channel = (amqp_channel *)base;
    panicmon_sink *sink = base->sink;
    pm_publisher_free(channel->publisher);
    panicmon_log_free(channel->log);
    free(channel->name);
    free(channel);
    panicmon_sink_free(sink);
}

static panicmon_err open_own(amqp_sink *sink, amqp_channel *channel)
{
    /* The loop of one monitorable has nobody to keep waiting, and need not pay for a thread. */
    const pm_publisher_events events = {
        .closing = drop_watch, .dialed = pm_loop_is_large(channel->loop) ? wake_channel : NULL};
    panicmon_err status = pm_port_open(&channel->port, sink->outbox, wake_own, channel);
    return status != PANICMON_OK
               ? status
               : pm_publisher_new(&channel->publisher, &sink->target, channel->port, channel->log,
                                  channel->name, &events, channel);
}

static panicmon_err amqp_open(panicmon_sink *base, pm_loop *loop, panicmon_log *log,
                              const char *component, pm_channel **out)
{
    amqp_sink *sink = (amqp_sink *)base;
    amqp_channel *channel = calloc(1, sizeof *channel);
    if (channel == NULL) {
        return PANICMON_ERR_NOMEM;
    }
    channel->base = (pm_channel){.ops = base->ops, .sink = pm_sink_ref(base)};
    channel->loop = loop;
    channel->log = pm_log_ref(log);
    channel->watched = -1;
    atomic_init(&channel->interrupted, false);
    channel->name = strdup(component);
    pm_outbox_set_log(sink->outbox, log);
    panicmon_err status = channel->name == NULL ? PANICMON_ERR_NOMEM
                          : sink->shared        ? join_sender(sink, channel)
                                                : open_own(sink, channel);
    if (status == PANICMON_OK) {
        status = pm_lane_open(&channel->lane, sink->shared ? channel->sender->port : channel->port,
                              component, wake_channel, channel);
    }
    if (status != PANICMON_OK) {
        amqp_close(&channel->base, 0);
        amqp_release(&channel->base);
        return status;
    }
    *out = &channel->base;
    return PANICMON_OK;
}

/* ---- the sink ---- */

static void amqp_free(panicmon_sink *base)
{
    amqp_sink *sink = (amqp_sink *)base;
    pm_outbox_free(sink->outbox);
    pm_target_clear(&sink->target);
    (void)pthread_mutex_destroy(&sink->lock);
    free(sink);
}

static panicmon_err open_outbox(amqp_sink *sink, const panicmon_settings *settings,
                                panicmon_error **err)
{
    pm_outbox_options options = {
        .limit = (size_t)pm_settings_int(settings, "broker.buffer"),
        .keep = "monitorable",
        .counts = &sink->base.counts,
    };
    if (pm_settings_int(settings, "broker.spool") == 0) {
        return pm_outbox_new(&sink->outbox, &options, err);
    }
    const char *dir = pm_settings_text(settings, "state_dir");
    if (dir == NULL) {
        return pm_error_setf(err, PANICMON_ERR_INVAL, "broker.spool needs state_dir");
    }
    pm_buf path = {0};
    (void)mkdir(dir, 0700); /* the state store, which has it too, is opened later */
    pm_buf_format(&path, "%s/spool", dir);
    options.spool_dir = path.data;
    panicmon_err status = path.failed ? pm_error_setf(err, PANICMON_ERR_NOMEM, "out of memory")
                                      : pm_outbox_new(&sink->outbox, &options, err);
    pm_buf_free(&path);
    return status;
}

panicmon_err panicmon_sink_new_amqp(panicmon_sink **out, const panicmon_settings *settings,
                                    panicmon_error **err)
{
    static const pm_sink_ops ops = {
        .name = "amqp",
        .open = amqp_open,
        .submit = amqp_submit,
        .service = amqp_service,
        .interrupt = amqp_interrupt,
        .close = amqp_close,
        .release = amqp_release,
        .free = amqp_free,
    };
    if (out == NULL || settings == NULL) {
        return pm_error_setf(err, PANICMON_ERR_INVAL, "no settings");
    }
    amqp_sink *sink = calloc(1, sizeof *sink);
    if (sink == NULL) {
        return pm_error_setf(err, PANICMON_ERR_NOMEM, "out of memory");
    }
    pm_amqp_options options;
    const char *mode = pm_settings_text(settings, "broker.publisher");
    pm_sink_init(&sink->base, &ops);
    sink->shared = mode != NULL && strcmp(mode, "shared") == 0;
    (void)pthread_mutex_init(&sink->lock, NULL);
    pm_amqp_options_read(&options, settings);
    panicmon_err status = pm_target_init(&sink->target, &options, err);
    if (status == PANICMON_OK) {
        status = open_outbox(sink, settings, err);
    }
    if (status != PANICMON_OK) {
        amqp_free(&sink->base);
        return status;
    }
    *out = &sink->base;
    return PANICMON_OK;
}
