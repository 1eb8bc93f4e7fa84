/* test_amqp.c: the broker sink and the consumer against a real RabbitMQ: confirms, restarts under
 * load, alarms, returns, deleted queues, dead peers, TLS. Skipped (77) where there is none. */
#include <check.h>
#include <arpa/inet.h>
#include <dlfcn.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/settings.h"
#include "base/thread.h"
#include "broker.h"
#include "net/amqp_conn.h"
#include "proxy.h"

#define QUEUE    "test_input"
#define PASSWORD "guest:s3cret"
/* Messages that may be sent twice after a loss: the window of confirms. */
#define WINDOW 256

/* ---- what a test stands on ---- */

static pm_net *net;
static panicmon_log *log_of_test;
static pthread_mutex_t log_lock = PTHREAD_MUTEX_INITIALIZER;
static char log_text[65536]; /* the end of what was logged; guarded by log_lock */

static void see_record(void *user, panicmon_log_level level, const char *component,
                       const char *message)
{
    (void)user;
    (void)level;
    pthread_mutex_lock(&log_lock);
    size_t len = strlen(log_text);
    (void)snprintf(log_text + len, sizeof log_text - len, "%s: %s\n", component, message);
    pthread_mutex_unlock(&log_lock);
}

static bool was_logged(const char *text)
{
    pthread_mutex_lock(&log_lock);
    bool found = strstr(log_text, text) != NULL;
    pthread_mutex_unlock(&log_lock);
    return found;
}

/* ---- names ---- */

#define DEAD_ADDRESS "127.0.0.2"
/* Who listens at a black hole, and those that fill it. */
#define HOLE_FDS 5

static atomic_bool dead_first; /* localhost has another address, before its own */

typedef int lookup_function(const char *host, const char *service, const struct addrinfo *hints,
                            struct addrinfo **out);

/* All lookups of the program, also those of libraries, come here. */
int getaddrinfo(const char *host, const char *service, const struct addrinfo *hints,
                struct addrinfo **out)
{
    lookup_function *real;
    *(void **)&real = dlsym(RTLD_NEXT, "getaddrinfo");
    if (host == NULL || strcmp(host, "localhost") != 0 || !atomic_load(&dead_first)) {
        return real(host, service, hints, out);
    }
    struct addrinfo *rest = NULL;
    int failed = real("127.0.0.1", service, hints, &rest);
    failed = failed != 0 ? failed : real(DEAD_ADDRESS, service, hints, out);
    if (failed == 0) {
        struct addrinfo *last = *out;
        while (last->ai_next != NULL) {
            last = last->ai_next;
        }
        last->ai_next = rest;
    }
    return failed;
}

static void set_up(void)
{
    const pm_net_options options = {.message_limit = 1 << 20, .connect_timeout_ms = 5000};
    ck_assert_int_eq(panicmon_log_new(&log_of_test, see_record, NULL, NULL), PANICMON_OK);
    panicmon_log_set_level(log_of_test, PANICMON_LOG_DEBUG);
    ck_assert_int_eq(pm_net_new(&net, &options), PANICMON_OK);
    broker_thaw();
    ck_assert(broker_is_up() || broker_restart()); /* whatever the test before left */
}

static void tear_down(void)
{
    ck_assert(!was_logged("s3cret"));
    pm_net_free(net);
    panicmon_log_free(log_of_test);
}

static panicmon_sink *open_sink(const char *url, const char *mode, const char *const *more)
{
    panicmon_settings *settings = NULL;
    panicmon_sink *sink = NULL;
    panicmon_error *err = NULL;
    ck_assert_int_eq(panicmon_settings_new(&settings), PANICMON_OK);
    ck_assert_int_eq(panicmon_settings_set(settings, "broker.url", url, NULL), PANICMON_OK);
    ck_assert_int_eq(panicmon_settings_set(settings, "broker.publisher", mode, NULL), PANICMON_OK);
    for (; more != NULL && *more != NULL; more += 2) {
        ck_assert_int_eq(panicmon_settings_set(settings, more[0], more[1], NULL), PANICMON_OK);
    }
    panicmon_err status = panicmon_sink_new_amqp(&sink, settings, &err);
    ck_assert_msg(status == PANICMON_OK, "%s", panicmon_error_message(err));
    panicmon_settings_free(settings);
    return sink;
}

static int64_t waiting(const panicmon_sink *sink)
{
    const pm_sink_counts *counts = &sink->counts;
    ck_assert_int_eq(atomic_load(&counts->dropped), atomic_load(&counts->dropped_full) +
                                                        atomic_load(&counts->dropped_returned) +
                                                        atomic_load(&counts->dropped_failed) +
                                                        atomic_load(&counts->dropped_stopped) +
                                                        atomic_load(&counts->dropped_superseded));
    return atomic_load(&counts->produced) - atomic_load(&counts->confirmed) -
           atomic_load(&counts->dropped);
}

static void init_target(pm_target *target, const char *url)
{
    const pm_amqp_options options = {
        .url = url, .heartbeat_s = 30, .confirm_timeout_ms = 30000, .message_limit = 1000};
    ck_assert_int_eq(pm_target_init(target, &options, NULL), PANICMON_OK);
}

/* Makes the queue, empty and bound for raw_data with `key`, or only deletes it. */
static void reset_queue(const char *key)
{
    pm_target target;
    pm_conn *conn = NULL;
    (void)broker_ctl("delete_queue " QUEUE);
    if (key == NULL) {
        return;
    }
    init_target(&target, broker_url());
    ck_assert_int_eq(pm_conn_new(&conn, &target, "setup", 4096), PANICMON_OK);
    ck_assert_msg(pm_conn_open(conn), "%s", pm_conn_why(conn));
    ck_assert(pm_conn_declare_exchange(conn, "raw_data") && pm_conn_declare_queue(conn, QUEUE) &&
              pm_conn_bind(conn, QUEUE, "raw_data", key));
    pm_conn_close(conn, true);
    pm_conn_free(conn);
    pm_target_clear(&target);
}

/* ---- a monitor's thread ---- */

typedef struct client {
    panicmon_sink *sink;
    int index;
    bool large; /* its loop is one that must never wait */
    int rounds; /* messages to publish */
    size_t size;
    int64_t deadline_ms;
    int64_t flush_ms;
    atomic_int published;
    atomic_bool stop;
    pm_loop *loop;
    pm_channel *channel;
    pm_thread *thread;
    char name[24];
    size_t pending;
    panicmon_err last;
    char why[160];
    atomic_int_fast64_t ended_ms;
} client;

static void note_done(pm_request *request)
{
    client *me = request->owner;
    me->pending--;
    me->last = request->status;
    (void)snprintf(me->why, sizeof me->why, "%s", request->message == NULL ? "" : request->message);
    pm_request_clear(request);
    free(request);
}

static void publish_to(client *me, const char *exchange, const char *key)
{
    pm_request *request = calloc(1, sizeof *request);
    request->kind = PM_REQUEST_PUBLISH;
    request->target = strdup(exchange);
    request->name = strdup(key);
    request->deadline = pm_mono_ms() + me->deadline_ms;
    request->on_done = note_done;
    request->owner = me;
    pm_buf_format(&request->in, "{\"lane\": %d, \"seq\": %d}", me->index,
                  atomic_load(&me->published));
    me->pending++;
    atomic_fetch_add(&me->published, 1);
    me->channel->ops->submit(me->channel, request);
}

static void publish(client *me, const char *key)
{
    publish_to(me, "raw_data", key);
}

static void publish_large(client *me, size_t size)
{
    pm_request *request = calloc(1, sizeof *request);
    *request = (pm_request){.kind = PM_REQUEST_PUBLISH,
                            .target = strdup("raw_data"),
                            .name = strdup("node.substrate"),
                            .deadline = pm_mono_ms() + me->deadline_ms,
                            .on_done = note_done,
                            .owner = me};
    ck_assert(pm_buf_reserve(&request->in, size));
    memset(request->in.data, 'x', size);
    request->in.len = size;
    me->pending++;
    me->channel->ops->submit(me->channel, request);
}

static void wait_done(client *me)
{
    int64_t due = me->channel->ops->service(me->channel, pm_mono_ms());
    while (me->pending > 0 && !atomic_load(&me->stop)) {
        pm_loop_wait(me->loop, due);
        due = me->channel->ops->service(me->channel, pm_mono_ms());
    }
}

static void open_client(client *me, panicmon_sink *sink, int index)
{
    me->sink = sink;
    me->index = index;
    me->deadline_ms = me->deadline_ms == 0 ? 20000 : me->deadline_ms;
    (void)snprintf(me->name, sizeof me->name, "client%d", index);
    ck_assert_int_eq((me->large ? pm_loop_new_large : pm_loop_new)(&me->loop, net), PANICMON_OK);
    ck_assert_int_eq(sink->ops->open(sink, me->loop, log_of_test, me->name, &me->channel),
                     PANICMON_OK);
}

static void close_client(client *me, int64_t flush_ms)
{
    me->channel->ops->close(me->channel, pm_mono_ms() + flush_ms);
    ck_assert_uint_eq(me->pending, 0);
}

static void release_client(client *me)
{
    me->channel->ops->release(me->channel);
    pm_loop_free(me->loop);
}

static void run_client(void *arg)
{
    client *me = arg;
    while (!atomic_load(&me->stop) &&
           (me->rounds == 0 || atomic_load(&me->published) < me->rounds)) {
        publish(me, "node.substrate");
        wait_done(me);
        if (me->rounds == 0) {
            (void)usleep(2000);
        }
    }
    close_client(me, me->flush_ms);
    atomic_store(&me->ended_ms, pm_mono_ms());
}

static void start_client(client *me)
{
    ck_assert_int_eq(pm_thread_start(&me->thread, me->name, PM_STACK_SMALL, run_client, me),
                     PANICMON_OK);
}

/* ---- what arrived ---- */

#define LANES_MAX 256

typedef struct arrivals {
    int next[LANES_MAX]; /* the highest seq seen, and one */
    int last[LANES_MAX];
    int duplicates;
    int wrong; /* out of order, or a repeat from before the window */
    atomic_int count;
    atomic_int oversized;
    pm_consumer *consumer;
    pm_thread *thread;
} arrivals;

static void take(void *user, const pm_delivery *delivery)
{
    arrivals *all = user;
    int lane;
    int seq;
    if (delivery->error != NULL) {
        ck_assert_uint_eq(delivery->len, 0);
        atomic_fetch_add(&all->oversized, 1);
    } else if (sscanf(delivery->body, "{\"lane\": %d, \"seq\": %d}", &lane, &seq) == 2) {
        bool repeats = seq < all->next[lane];
        all->duplicates += repeats;
        /* After a step back it goes on without a gap. */
        all->wrong += seq > all->last[lane] + 1;
        all->wrong += repeats && all->next[lane] - seq > WINDOW;
        all->last[lane] = seq;
        all->next[lane] = seq + 1 > all->next[lane] ? seq + 1 : all->next[lane];
    }
    atomic_fetch_add(&all->count, 1);
}

static void consume(void *arg)
{
    arrivals *all = arg;
    pm_consumer_run(all->consumer);
}

static const pm_binding bindings[] = {
    {.exchange = "raw_data", .queue = QUEUE, .keys = {"node.#", NULL}}, {.queue = NULL}};

static void start_consumer(arrivals *all, const char *url)
{
    const pm_consumer_options options = {
        .amqp = {.url = url, .heartbeat_s = 30, .confirm_timeout_ms = 30000, .message_limit = 1000},
        .log = log_of_test,
        .component = "consumer",
        .bindings = bindings,
        .deliver = take,
        .user = all};
    memset(all, 0, sizeof *all);
    memset(all->last, -1, sizeof all->last);
    ck_assert_int_eq(pm_consumer_new(&all->consumer, &options), PANICMON_OK);
    ck_assert_int_eq(pm_thread_start(&all->thread, "consumer", PM_STACK_LARGE, consume, all),
                     PANICMON_OK);
}

static void stop_consumer(arrivals *all)
{
    int64_t start = pm_mono_ms();
    pm_consumer_interrupt(all->consumer);
    pm_thread_join(all->thread);
    pm_consumer_free(all->consumer);
    ck_assert_int_lt(pm_mono_ms() - start, 2000);
}

/* Until `count` were delivered and nothing more comes for a while. */
static void wait_arrivals(const arrivals *all, int count)
{
    int64_t until = pm_mono_ms() + 30000;
    int before = -1;
    while (pm_mono_ms() < until &&
           (atomic_load(&all->count) < count || atomic_load(&all->count) != before)) {
        before = atomic_load(&all->count);
        (void)usleep(200000);
    }
    ck_assert_int_ge(atomic_load(&all->count), count);
}

/* ---- publishing ---- */

static const char *const modes[] = {"own", "shared"};

START_TEST(messages_are_confirmed_and_arrive_in_order)
{
    enum { CLIENTS = 8, ROUNDS = 50 };
    client *clients = calloc(CLIENTS, sizeof *clients);
    arrivals *all = calloc(1, sizeof *all);
    panicmon_sink *sink = open_sink(broker_url(), modes[_i], NULL);
    reset_queue("node.#");
    for (int i = 0; i < CLIENTS; i++) {
        clients[i].large = i % 2 == 1;
        clients[i].rounds = ROUNDS;
        clients[i].flush_ms = 1000;
        open_client(&clients[i], sink, i);
        start_client(&clients[i]);
    }
    for (int i = 0; i < CLIENTS; i++) {
        pm_thread_join(clients[i].thread);
        ck_assert_int_eq(clients[i].last, PANICMON_OK);
        release_client(&clients[i]);
    }
    ck_assert_int_eq(atomic_load(&sink->counts.confirmed), CLIENTS * ROUNDS);
    ck_assert_int_eq(waiting(sink), 0);
    panicmon_sink_free(sink);
    start_consumer(all, broker_url());
    wait_arrivals(all, CLIENTS * ROUNDS);
    stop_consumer(all);
    ck_assert_int_eq(all->duplicates, 0);
    ck_assert_int_eq(all->wrong, 0);
    free(clients);
    free(all);
}
END_TEST

START_TEST(a_message_without_a_queue_is_returned)
{
    client me = {0};
    panicmon_sink *sink = open_sink(broker_url(), modes[_i], NULL);
    reset_queue(NULL);
    open_client(&me, sink, 0);
    publish(&me, "nobody.listens");
    wait_done(&me);
    ck_assert_int_eq(me.last, PANICMON_ERR_NOENT);
    ck_assert_str_eq(me.why, "no queue is bound for nobody.listens of the exchange raw_data");
    ck_assert_int_eq(atomic_load(&sink->counts.dropped_returned), 1);
    ck_assert_int_eq(waiting(sink), 0);
    close_client(&me, 1000);
    release_client(&me);
    panicmon_sink_free(sink);
}
END_TEST

/* A message that closes the channel must not do so for ever, nor take others with it. */
START_TEST(an_exchange_that_is_not_there_costs_only_its_messages)
{
    char name[256] = {0};
    client me = {0};
    panicmon_sink *sink = open_sink(broker_url(), modes[_i], NULL);
    reset_queue("node.#");
    open_client(&me, sink, 0);
    publish(&me, "node.substrate");
    publish_to(&me, "nowhere", "node.substrate");
    publish(&me, "node.substrate");
    for (size_t len = 190; len <= sizeof name - 1; len += 65) { /* the broker cuts the longer */
        memset(name, 'x', len);
        publish_to(&me, name, "node.substrate");
    }
    publish(&me, "node.substrate");
    wait_done(&me);
    ck_assert_int_eq(atomic_load(&sink->counts.confirmed), 3);
    ck_assert_int_eq(atomic_load(&sink->counts.dropped_failed), 3);
    ck_assert_int_eq(waiting(sink), 0);
    ck_assert(was_logged("no exchange 'nowhere'"));
    close_client(&me, 1000);
    release_client(&me);
    panicmon_sink_free(sink);
}
END_TEST

START_TEST(a_routing_key_that_is_not_allowed_costs_only_its_messages)
{
    client me = {0};
    panicmon_sink *sink = open_sink(broker_url(), modes[_i], NULL);
    reset_queue("node.#");
    ck_assert(broker_ctl("set_topic_permissions guest raw_data '^node[.]' '.*'"));
    open_client(&me, sink, 0);
    for (int i = 0; i < 20; i++) {
        publish(&me, i == 10 ? "other.key" : "node.substrate");
    }
    wait_done(&me);
    ck_assert(broker_ctl("clear_topic_permissions guest"));
    ck_assert_int_eq(atomic_load(&sink->counts.confirmed), 19);
    ck_assert_int_eq(atomic_load(&sink->counts.dropped_failed), 1);
    ck_assert_int_eq(waiting(sink), 0);
    ck_assert(was_logged("access to topic 'other.key'"));
    close_client(&me, 1000);
    release_client(&me);
    panicmon_sink_free(sink);
}
END_TEST

/* Its queues are gone with it, but that is told otherwise. */
START_TEST(a_deleted_exchange_is_declared_again)
{
    client me = {0};
    panicmon_sink *sink = open_sink(broker_url(), modes[_i], NULL);
    reset_queue("node.#");
    open_client(&me, sink, 0);
    publish(&me, "node.substrate");
    wait_done(&me);
    ck_assert_int_eq(me.last, PANICMON_OK);
    ck_assert(broker_ctl("eval 'rabbit_exchange:delete(rabbit_misc:r(<<\"/\">>, exchange, "
                         "<<\"raw_data\">>), false, <<\"test\">>).'"));
    for (int i = 0; i < 10; i++) {
        publish(&me, "node.substrate");
    }
    wait_done(&me);
    ck_assert(was_logged("no exchange 'raw_data'"));
    ck_assert_int_eq(me.last, PANICMON_ERR_NOENT);
    ck_assert_int_eq(atomic_load(&sink->counts.dropped_returned), 10);
    ck_assert_int_eq(atomic_load(&sink->counts.dropped_failed), 0);
    close_client(&me, 1000);
    release_client(&me);
    panicmon_sink_free(sink);
}
END_TEST

/* Until each has published `more` since now. */
static void wait_published(const client *clients, int count, int more)
{
    int start[LANES_MAX];
    int64_t until = pm_mono_ms() + 30000;
    for (int i = 0; i < count; i++) {
        start[i] = atomic_load(&clients[i].published);
    }
    for (int i = 0; i < count; i++) {
        while (atomic_load(&clients[i].published) < start[i] + more && pm_mono_ms() < until) {
            (void)usleep(10000);
        }
        ck_assert_int_ge(atomic_load(&clients[i].published), start[i] + more);
    }
}

/* Kill -9 and restart while monitors publish: all arrives, in order. */
START_TEST(a_killed_broker_costs_nothing)
{
    int count = _i == 0 ? 40 : 200;
    client *clients = calloc((size_t)count, sizeof *clients);
    arrivals *all = calloc(1, sizeof *all);
    int64_t produced = 0;
    panicmon_sink *sink = open_sink(broker_url(), modes[_i], NULL);
    reset_queue("node.#");
    for (int i = 0; i < count; i++) {
        clients[i].large = i % 2 == 1;
        clients[i].deadline_ms = 200;
        clients[i].flush_ms = 60000;
        open_client(&clients[i], sink, i);
        start_client(&clients[i]);
    }
    wait_published(clients, count, 5);
    broker_kill();
    wait_published(clients, count, 3);
    ck_assert_int_gt(waiting(sink), 0);
    ck_assert(broker_restart());
    wait_published(clients, count, 20);
    int64_t until = pm_mono_ms() + 60000; /* until all are connected again */
    while (waiting(sink) > count && pm_mono_ms() < until) {
        (void)usleep(50000);
    }
    for (int i = 0; i < count; i++) {
        atomic_store(&clients[i].stop, true);
        pm_loop_wake(clients[i].loop);
    }
    for (int i = 0; i < count; i++) {
        pm_thread_join(clients[i].thread);
        produced += atomic_load(&clients[i].published);
    }
    for (int i = 0; i < count; i++) {
        release_client(&clients[i]);
    }
    ck_assert_int_eq(atomic_load(&sink->counts.produced), produced);
    ck_assert_int_eq(atomic_load(&sink->counts.dropped), 0);
    ck_assert_int_eq(waiting(sink), 0);
    panicmon_sink_free(sink);
    start_consumer(all, broker_url());
    wait_arrivals(all, (int)produced);
    stop_consumer(all);
    ck_assert_int_eq(all->wrong, 0);
    ck_assert_int_eq(atomic_load(&all->count), (int)produced + all->duplicates);
    for (int i = 0; i < count; i++) {
        ck_assert_int_eq(all->next[i], atomic_load(&clients[i].published));
    }
    ck_assert(was_logged("the broker is away"));
    free(clients);
    free(all);
}
END_TEST

START_TEST(a_broker_that_comes_later_gets_what_waits)
{
    client me = {.large = true, .deadline_ms = 300};
    panicmon_sink *sink = open_sink(broker_url(), modes[_i], NULL);
    reset_queue("node.#");
    ck_assert(broker_ctl("eval 'mnesia:sync_log().'")); /* the kill is not to cost it its queue */
    broker_kill();
    open_client(&me, sink, 0);
    publish(&me, "node.substrate");
    wait_done(&me);
    ck_assert_int_eq(me.last, PANICMON_ERR_TIMEOUT);
    ck_assert_int_eq(waiting(sink), 1);
    ck_assert(broker_restart());
    me.deadline_ms = 40000;
    publish(&me, "node.substrate");
    wait_done(&me);
    ck_assert_int_eq(me.last, PANICMON_OK);
    ck_assert_int_eq(waiting(sink), 0);
    ck_assert_int_eq(atomic_load(&sink->counts.confirmed), 2);
    close_client(&me, 1000);
    release_client(&me);
    panicmon_sink_free(sink);
}
END_TEST

START_TEST(an_alarm_stops_sending_until_it_is_over)
{
    client me = {.large = true, .deadline_ms = 1500};
    panicmon_sink *sink = open_sink(broker_url(), modes[_i], NULL);
    reset_queue("node.#");
    open_client(&me, sink, 0);
    publish(&me, "node.substrate");
    wait_done(&me);
    ck_assert_int_eq(me.last, PANICMON_OK);
    ck_assert(broker_ctl("set_vm_memory_high_watermark 0.00001"));
    for (int i = 0; i < 3; i++) {
        publish(&me, "node.substrate");
        wait_done(&me);
        ck_assert_int_eq(me.last, PANICMON_ERR_TIMEOUT);
    }
    ck_assert(was_logged("takes no messages for now"));
    ck_assert_int_eq(waiting(sink), 3);
    ck_assert(broker_ctl("set_vm_memory_high_watermark 0.6"));
    me.deadline_ms = 20000;
    publish(&me, "node.substrate");
    wait_done(&me);
    ck_assert_int_eq(me.last, PANICMON_OK);
    ck_assert(was_logged("takes messages again"));
    ck_assert_int_eq(waiting(sink), 0);
    ck_assert_int_eq(atomic_load(&sink->counts.confirmed), 5);
    close_client(&me, 1000);
    release_client(&me);
    panicmon_sink_free(sink);
}
END_TEST

static void run_flood(void *arg)
{
    client *me = arg;
    for (int i = 0; i < me->rounds; i++) {
        publish_large(me, me->size);
    }
    wait_done(me);
    close_client(me, 1000);
}

/* With more on its way than the broker's socket takes, for much longer than two heartbeats. */
START_TEST(an_alarm_costs_no_connection)
{
    static const char *const quick[] = {"broker.heartbeat", "1", NULL};
    client me = {.rounds = 200, .size = 4096, .deadline_ms = 60000};
    panicmon_sink *sink = open_sink(broker_url(), "own", quick);
    reset_queue("node.#");
    ck_assert(broker_ctl("set_vm_memory_high_watermark 0.00001"));
    open_client(&me, sink, 0);
    ck_assert_int_eq(pm_thread_start(&me.thread, me.name, PM_STACK_SMALL, run_flood, &me),
                     PANICMON_OK);
    int64_t until = pm_mono_ms() + 30000;
    while (!was_logged("takes no messages for now") && pm_mono_ms() < until) {
        (void)usleep(10000);
    }
    (void)usleep(4500000);
    ck_assert(broker_ctl("set_vm_memory_high_watermark 0.6"));
    pm_thread_join(me.thread);
    release_client(&me);
    ck_assert(was_logged("takes messages again"));
    ck_assert(!was_logged("away"));
    ck_assert_int_eq(atomic_load(&sink->counts.confirmed), 200);
    panicmon_sink_free(sink);
    reset_queue("node.#");
}
END_TEST

/* An idle connection lives on by its heartbeats. */
START_TEST(heartbeats_keep_an_idle_connection)
{
    static const char *const quick[] = {"broker.heartbeat", "1", NULL};
    client me = {0};
    panicmon_sink *sink = open_sink(broker_url(), modes[_i], quick);
    reset_queue("node.#");
    open_client(&me, sink, 0);
    publish(&me, "node.substrate");
    wait_done(&me);
    int64_t until = pm_mono_ms() + 6000;
    while (pm_mono_ms() < until) {
        int64_t due = me.channel->ops->service(me.channel, pm_mono_ms());
        pm_loop_wait(me.loop, due < until ? due : until);
    }
    publish(&me, "node.substrate");
    wait_done(&me);
    ck_assert_int_eq(me.last, PANICMON_OK);
    ck_assert(!was_logged("away"));
    close_client(&me, 1000);
    release_client(&me);
    panicmon_sink_free(sink);
}
END_TEST

/* ---- stopping ---- */

static int listen_silently(int *port)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof at;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&at, size), 0);
    ck_assert_int_eq(listen(fd, 16), 0);
    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&at, &size), 0);
    *port = ntohs(at.sin_port);
    return fd;
}

/* Stops a client as a runtime does: asks, and breaks its waits a little later. */
static void expect_quick_stop(client *me)
{
    int64_t start = pm_mono_ms();
    atomic_store(&me->stop, true);
    pm_loop_wake(me->loop);
    (void)usleep(300000);
    me->channel->ops->interrupt(me->channel);
    pm_thread_join(me->thread);
    ck_assert_int_lt(atomic_load(&me->ended_ms) - start, 2000);
    release_client(me);
}

START_TEST(a_silent_peer_does_not_hold_up_a_stop)
{
    static const char *const schemes[] = {"amqp", "amqps"};
    for (size_t i = 0; i < 2; i++) {
        client me = {.flush_ms = 1000, .large = i == 0};
        char url[96];
        int port;
        int fd = listen_silently(&port);
        (void)snprintf(url, sizeof url, "%s://%s@127.0.0.1:%d", schemes[i], PASSWORD, port);
        panicmon_sink *sink = open_sink(url, modes[_i], NULL);
        open_client(&me, sink, 0);
        start_client(&me);
        (void)usleep(500000); /* it is in the middle of its handshake */
        expect_quick_stop(&me);
        ck_assert_int_eq(waiting(sink), 0);
        ck_assert_int_eq(atomic_load(&sink->counts.dropped_stopped), 1);
        panicmon_sink_free(sink);
        arrivals *all = calloc(1, sizeof *all);
        start_consumer(all, url);
        (void)usleep(300000);
        stop_consumer(all);
        free(all);
        close(fd);
    }
}
END_TEST

/* A loop with many monitorables on it cannot wait for a broker that lets itself be connected to and
 * says nothing; it hears of the end of the attempt. */
START_TEST(a_large_loop_does_not_wait_for_a_silent_peer)
{
    client me = {.large = true, .deadline_ms = 60000};
    char url[96];
    int port;
    int fd = listen_silently(&port);
    (void)snprintf(url, sizeof url, "amqp://%s@127.0.0.1:%d", PASSWORD, port);
    panicmon_sink *sink = open_sink(url, "own", NULL);
    open_client(&me, sink, 0);
    publish(&me, "node.substrate");
    int64_t due = me.channel->ops->service(me.channel, pm_mono_ms());
    ck_assert_int_gt(due, pm_mono_ms() + 30000); /* not to be called for a retry: it dials */
    pm_loop_wait(me.loop, due);                  /* the attempt has ended */
    due = me.channel->ops->service(me.channel, pm_mono_ms());
    ck_assert_int_lt(due, pm_mono_ms() + 30000);
    ck_assert_uint_eq(me.pending, 1);
    close_client(&me, 0);
    release_client(&me);
    panicmon_sink_free(sink);
    close(fd);
}
END_TEST

/* What the socket does not take at once is sent bit by bit, with nothing in between. */
START_TEST(a_message_may_be_larger_than_the_socket_takes)
{
    enum { LARGE = 24 << 20 };
    client me = {.large = true, .deadline_ms = 30000};
    panicmon_sink *sink = open_sink(broker_url(), "own", NULL);
    reset_queue("node.#");
    open_client(&me, sink, 0);
    publish(&me, "node.substrate");
    wait_done(&me); /* it is connected */
    publish_large(&me, LARGE);
    (void)me.channel->ops->service(me.channel, pm_mono_ms());
    publish(&me, "node.substrate");
    wait_done(&me);
    ck_assert_int_eq(me.last, PANICMON_OK);
    ck_assert_int_eq(atomic_load(&sink->counts.confirmed), 3);
    close_client(&me, 1000);
    release_client(&me);
    panicmon_sink_free(sink);
    reset_queue("node.#");
}
END_TEST

START_TEST(a_frozen_broker_does_not_hold_up_a_stop)
{
    client me = {.flush_ms = 1000};
    arrivals *all = calloc(1, sizeof *all);
    panicmon_sink *sink = open_sink(broker_url(), modes[_i], NULL);
    reset_queue("node.#");
    open_client(&me, sink, 0);
    start_client(&me);
    start_consumer(all, broker_url());
    wait_published(&me, 1, 10);
    broker_freeze();
    (void)usleep(300000);
    expect_quick_stop(&me);
    stop_consumer(all);
    broker_thaw();
    ck_assert_int_eq(waiting(sink), 0);
    panicmon_sink_free(sink);
    free(all);
}
END_TEST

START_TEST(no_confirm_in_time_is_a_dead_connection)
{
    static const char *const quick[] = {"broker.confirm_timeout", "1", NULL};
    client me = {.deadline_ms = 40000};
    panicmon_sink *sink = open_sink(broker_url(), modes[_i], quick);
    reset_queue("node.#");
    open_client(&me, sink, 0);
    publish(&me, "node.substrate");
    wait_done(&me);
    broker_freeze();
    me.deadline_ms = 2500;
    publish(&me, "node.substrate");
    wait_done(&me);
    ck_assert_int_eq(me.last, PANICMON_ERR_TIMEOUT);
    broker_thaw();
    me.deadline_ms = 40000;
    publish(&me, "node.substrate");
    wait_done(&me);
    ck_assert_int_eq(me.last, PANICMON_OK);
    ck_assert(was_logged("no confirm in time"));
    ck_assert_int_eq(waiting(sink), 0);
    close_client(&me, 1000);
    release_client(&me);
    panicmon_sink_free(sink);
}
END_TEST

/* At a stop the broker may be back although the next attempt would only come much later. */
START_TEST(a_broker_that_is_back_gets_what_waits_at_a_stop)
{
    client me = {.deadline_ms = 100};
    char url[64];
    reset_queue("node.#");
    proxy *between = proxy_start(broker_port());
    ck_assert_ptr_nonnull(between);
    proxy_set(between, PROXY_CUT);
    (void)snprintf(url, sizeof url, "amqp://guest:guest@127.0.0.1:%d", proxy_port(between));
    panicmon_sink *sink = open_sink(url, "own", NULL); /* the loop's service tells the pause */
    open_client(&me, sink, 0);
    publish(&me, "node.substrate");
    wait_done(&me);
    int64_t now = pm_mono_ms();
    int64_t until = now + 90000;
    int64_t due = now;
    while (due - now < 4000 && now < until) { /* until a pause is long */
        (void)usleep(10000);
        now = pm_mono_ms();
        due = now < due ? due : me.channel->ops->service(me.channel, now);
        now = pm_mono_ms();
    }
    ck_assert_int_ge(due - now, 4000);
    proxy_set(between, PROXY_PASS);
    close_client(&me, 3000);
    release_client(&me);
    ck_assert_int_eq(waiting(sink), 0);
    ck_assert_int_eq(atomic_load(&sink->counts.confirmed), 1);
    panicmon_sink_free(sink);
    proxy_stop(between);
}
END_TEST

/* A spool keeps what a stop with the broker away leaves, for the next start. */
START_TEST(a_spool_outlives_a_stop)
{
    char directory[] = "/tmp/pm-state-XXXXXX";
    char command[64];
    client me = {.deadline_ms = 100};
    ck_assert_ptr_nonnull(mkdtemp(directory));
    const char *const with_spool[] = {"state_dir", directory, "broker.spool", "true", NULL};
    char away[64];
    (void)snprintf(away, sizeof away, "amqp://%s@127.0.0.1:%d", PASSWORD, broker_free_port());
    panicmon_sink *sink = open_sink(away, modes[_i], with_spool);
    open_client(&me, sink, 0);
    for (int i = 0; i < 10; i++) {
        publish(&me, "node.substrate");
    }
    wait_done(&me);
    close_client(&me, 200);
    release_client(&me);
    ck_assert_int_eq(waiting(sink), 10);
    panicmon_sink_free(sink);
    reset_queue("node.#");
    sink = open_sink(broker_url(), modes[_i], with_spool);
    me.deadline_ms = 20000;
    me.channel = NULL;
    open_client(&me, sink, 0);
    publish(&me, "node.substrate");
    wait_done(&me);
    ck_assert_int_eq(me.last, PANICMON_OK);
    close_client(&me, 5000);
    release_client(&me);
    ck_assert_int_eq(atomic_load(&sink->counts.confirmed), 11);
    ck_assert_int_eq(waiting(sink), 0);
    panicmon_sink_free(sink);
    arrivals *all = calloc(1, sizeof *all);
    start_consumer(all, broker_url());
    wait_arrivals(all, 11);
    stop_consumer(all);
    ck_assert_int_eq(all->wrong + all->duplicates, 0);
    free(all);
    (void)snprintf(command, sizeof command, "rm -rf %s", directory);
    ck_assert_int_eq(system(command), 0);
}
END_TEST

/* ---- consuming ---- */

START_TEST(a_deleted_queue_is_declared_again)
{
    client me = {0};
    arrivals *all = calloc(1, sizeof *all);
    panicmon_sink *sink = open_sink(broker_url(), "own", NULL);
    reset_queue("node.#");
    start_consumer(all, broker_url());
    open_client(&me, sink, 0);
    publish(&me, "node.substrate");
    wait_done(&me);
    wait_arrivals(all, 1);
    ck_assert(broker_ctl("delete_queue " QUEUE));
    int64_t until = pm_mono_ms() + 20000;
    do { /* until it is bound again */
        publish(&me, "node.substrate");
        wait_done(&me);
    } while (me.last == PANICMON_ERR_NOENT && pm_mono_ms() < until);
    ck_assert_int_eq(me.last, PANICMON_OK);
    wait_arrivals(all, 2);
    ck_assert(was_logged("declared again"));
    close_client(&me, 1000);
    release_client(&me);
    stop_consumer(all);
    panicmon_sink_free(sink);
    free(all);
}
END_TEST

START_TEST(a_consumer_lives_through_a_restart_and_oversized_messages)
{
    client me = {0};
    arrivals *all = calloc(1, sizeof *all);
    panicmon_sink *sink = open_sink(broker_url(), "own", NULL);
    reset_queue("node.#");
    start_consumer(all, broker_url());
    open_client(&me, sink, 0);
    publish(&me, "node.substrate");
    wait_done(&me);
    wait_arrivals(all, 1);
    broker_kill();
    ck_assert(broker_restart());
    me.deadline_ms = 40000;
    publish_large(&me, 300000);
    wait_done(&me);
    ck_assert_int_eq(me.last, PANICMON_OK);
    publish(&me, "node.substrate");
    wait_done(&me);
    ck_assert_int_eq(me.last, PANICMON_OK);
    wait_arrivals(all, 3);
    ck_assert_int_eq(atomic_load(&all->oversized), 1);
    close_client(&me, 1000);
    release_client(&me);
    stop_consumer(all);
    ck_assert_int_eq(all->wrong, 0);
    panicmon_sink_free(sink);
    /* All were acknowledged. */
    start_consumer(all, broker_url());
    (void)usleep(500000);
    ck_assert_int_eq(atomic_load(&all->count), 0);
    stop_consumer(all);
    free(all);
}
END_TEST

/* ---- TLS and refusals ---- */

/* Publishes one message and gives how it went. */
static panicmon_err publish_one(const char *url, const char *const *more, int64_t deadline_ms)
{
    client me = {.deadline_ms = deadline_ms, .rounds = 1, .flush_ms = 100};
    panicmon_sink *sink = open_sink(url, modes[0], more);
    open_client(&me, sink, 0);
    start_client(&me); /* on a stack as small as a monitor's */
    pm_thread_join(me.thread);
    release_client(&me);
    panicmon_sink_free(sink);
    return me.last;
}

START_TEST(amqps_verifies_certificate_and_host)
{
    char url[96];
    const char *const trusting[] = {"tls.ca_file", broker_file("ca.pem"), NULL};
    reset_queue("node.#");
    (void)snprintf(url, sizeof url, "amqps://localhost:%d/%%2F", broker_tls_port());
    ck_assert_int_eq(publish_one(url, trusting, 15000), PANICMON_OK);
    ck_assert_int_eq(publish_one(url, NULL, 1000), PANICMON_ERR_TIMEOUT);
    ck_assert(was_logged("certificate refused: "));
    ck_assert(!was_logged("it is not for"));
    (void)snprintf(url, sizeof url, "amqps://127.0.0.1:%d", broker_tls_port());
    ck_assert_int_eq(publish_one(url, trusting, 1000), PANICMON_ERR_TIMEOUT);
    ck_assert(was_logged("certificate refused: it is not for 127.0.0.1"));
}
END_TEST

/* Makes an address where nobody answers: what listens there has no room for another connection. */
static void open_black_hole(const char *address, int port, int *fds)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    ck_assert_int_eq(inet_pton(AF_INET, address, &at.sin_addr), 1);
    for (int i = 0; i < HOLE_FDS; i++) {
        fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        if (i == 0) {
            const int on = 1;
            (void)setsockopt(fds[i], SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
            ck_assert_int_eq(bind(fds[i], (struct sockaddr *)&at, sizeof at), 0);
            ck_assert_int_eq(listen(fds[i], 0), 0);
        } else {
            (void)connect(fds[i], (struct sockaddr *)&at, sizeof at);
        }
    }
}

START_TEST(a_dead_address_of_a_name_does_not_keep_from_the_next)
{
    char url[96];
    int fds[HOLE_FDS];
    const char *const trusting[] = {"tls.ca_file", broker_file("ca.pem"), NULL};
    reset_queue("node.#");
    int port = _i == 0 ? broker_port() : broker_tls_port();
    open_black_hole(DEAD_ADDRESS, port, fds);
    atomic_store(&dead_first, true);
    (void)snprintf(url, sizeof url, "%s://localhost:%d", _i == 0 ? "amqp" : "amqps", port);
    ck_assert_int_eq(publish_one(url, trusting, 30000), PANICMON_OK);
    for (int i = 0; i < HOLE_FDS; i++) {
        close(fds[i]);
    }
}
END_TEST

START_TEST(refusals_are_told_without_the_password)
{
    char url[96];
    (void)snprintf(url, sizeof url, "amqp://%s@127.0.0.1:%d", PASSWORD, broker_port());
    ck_assert_int_eq(publish_one(url, NULL, 1500), PANICMON_ERR_TIMEOUT);
    ck_assert(was_logged("403"));
    (void)snprintf(url, sizeof url, "amqp://guest:guest@127.0.0.1:%d/none", broker_port());
    ck_assert_int_eq(publish_one(url, NULL, 1500), PANICMON_ERR_TIMEOUT);
    ck_assert(was_logged("login: "));
    (void)snprintf(url, sizeof url, "amqp://%s@127.0.0.1:%d", PASSWORD, broker_free_port());
    ck_assert_int_eq(publish_one(url, NULL, 500), PANICMON_ERR_TIMEOUT);
    ck_assert(was_logged("Connection refused"));
}
END_TEST

static TCase *add_case(Suite *suite, const char *name)
{
    TCase *made = tcase_create(name);
    tcase_set_timeout(made, 110);
    tcase_add_checked_fixture(made, set_up, tear_down);
    suite_add_tcase(suite, made);
    return made;
}

static Suite *make_suite(void)
{
    Suite *suite = suite_create("amqp");
    TCase *at = add_case(suite, "publish");
    tcase_add_loop_test(at, messages_are_confirmed_and_arrive_in_order, 0, 2);
    tcase_add_loop_test(at, a_message_without_a_queue_is_returned, 0, 2);
    tcase_add_loop_test(at, an_exchange_that_is_not_there_costs_only_its_messages, 0, 2);
    tcase_add_loop_test(at, a_routing_key_that_is_not_allowed_costs_only_its_messages, 0, 2);
    tcase_add_loop_test(at, a_deleted_exchange_is_declared_again, 0, 2);
    tcase_add_loop_test(at, a_broker_that_comes_later_gets_what_waits, 0, 2);
    tcase_add_test(at, an_alarm_costs_no_connection);
    tcase_add_loop_test(at, an_alarm_stops_sending_until_it_is_over, 0, 2);
    tcase_add_loop_test(at, heartbeats_keep_an_idle_connection, 0, 2);
    tcase_add_test(at, a_broker_that_is_back_gets_what_waits_at_a_stop);
    tcase_add_loop_test(at, a_spool_outlives_a_stop, 0, 2);
    at = add_case(suite, "kill");
    tcase_add_loop_test(at, a_killed_broker_costs_nothing, 0, 2);
    at = add_case(suite, "stop");
    tcase_add_loop_test(at, a_silent_peer_does_not_hold_up_a_stop, 0, 2);
    tcase_add_test(at, a_large_loop_does_not_wait_for_a_silent_peer);
    tcase_add_test(at, a_message_may_be_larger_than_the_socket_takes);
    tcase_add_loop_test(at, a_frozen_broker_does_not_hold_up_a_stop, 0, 2);
    tcase_add_loop_test(at, no_confirm_in_time_is_a_dead_connection, 0, 2);
    at = add_case(suite, "consume");
    tcase_add_test(at, a_deleted_queue_is_declared_again);
    tcase_add_test(at, a_consumer_lives_through_a_restart_and_oversized_messages);
    at = add_case(suite, "refuse");
    tcase_add_test(at, amqps_verifies_certificate_and_host);
    tcase_add_loop_test(at, a_dead_address_of_a_name_does_not_keep_from_the_next, 0, 2);
    tcase_add_test(at, refusals_are_told_without_the_password);
    return suite;
}

int main(void)
{
    const char *missing = broker_missing();
    if (missing != NULL) {
        printf("skipped: %s\n", missing);
        return 77;
    }
    if (!broker_start(true)) {
        puts("the broker did not start");
        return 1;
    }
    SRunner *runner = srunner_create(make_suite());
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    broker_stop();
    return failed == 0 ? 0 : 1;
}
