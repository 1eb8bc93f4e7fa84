/* amqp_consumer.c: see amqp.h. One thread connects, declares, consumes, and delivers; another may
 * only interrupt. */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "net/amqp_conn.h"
#include "net/backoff.h"

#define FRAME_MAX 131072
/* Deliveries on their way to us that are not acknowledged yet, of one queue. */
#define PREFETCH 64
/* Consumers have their place in the bindings as tag. */
#define TAG_SIZE 24

struct pm_consumer {
    pm_consumer_options options;
    pm_target target;
    pm_conn *conn;
    pm_backoff backoff;
    bool told_away;
};

panicmon_err pm_consumer_new(pm_consumer **out, const pm_consumer_options *options)
{
    pm_consumer *consumer = calloc(1, sizeof *consumer);
    if (consumer == NULL) {
        return PANICMON_ERR_NOMEM;
    }
    consumer->options = *options;
    consumer->options.log = pm_log_ref(options->log);
    consumer->backoff = (pm_backoff){.first_ms = 200, .cap_ms = 30000};
    panicmon_err status = pm_target_init(&consumer->target, &options->amqp, NULL);
    if (status == PANICMON_OK) {
        status = pm_conn_new(&consumer->conn, &consumer->target, options->component, FRAME_MAX);
    }
    if (status != PANICMON_OK) {
        pm_consumer_free(consumer);
        return status;
    }
    *out = consumer;
    return PANICMON_OK;
}

void pm_consumer_free(pm_consumer *consumer)
{
    if (consumer != NULL) {
        pm_conn_free(consumer->conn);
        pm_target_clear(&consumer->target);
        panicmon_log_free(consumer->options.log);
        free(consumer);
    }
}

void pm_consumer_interrupt(pm_consumer *consumer)
{
    pm_conn_interrupt(consumer->conn);
}

/* ---- declaring ---- */

static bool consume(pm_consumer *consumer, size_t place)
{
    const pm_binding *at = &consumer->options.bindings[place];
    pm_conn *conn = consumer->conn;
    char tag[TAG_SIZE];
    (void)snprintf(tag, sizeof tag, "%zu", place);
    bool good =
        pm_conn_declare_exchange(conn, at->exchange) && pm_conn_declare_queue(conn, at->queue);
    for (size_t i = 0; i < sizeof at->keys / sizeof at->keys[0] && at->keys[i] != NULL && good;
         i++) {
        good = pm_conn_bind(conn, at->queue, at->exchange, at->keys[i]);
    }
    return good && pm_conn_consume(conn, at->queue, tag, at->no_ack != 0);
}

static bool begin(pm_consumer *consumer)
{
    const char *const *exchange = consumer->options.exchanges;
    bool good = pm_conn_open(consumer->conn);
    for (; good && exchange != NULL && *exchange != NULL; exchange++) {
        good = pm_conn_declare_exchange(consumer->conn, *exchange);
    }
    good = good && pm_conn_prefetch(consumer->conn, PREFETCH);
    for (size_t i = 0; good && consumer->options.bindings[i].queue != NULL; i++) {
        good = consume(consumer, i);
    }
    return good;
}

/* The binding that a consumer tag stands for; NULL: none of ours. */
static const pm_binding *binding_of(const pm_consumer *consumer, const char *tag, size_t *place)
{
    for (size_t i = 0; consumer->options.bindings[i].queue != NULL; i++) {
        char own[TAG_SIZE];
        (void)snprintf(own, sizeof own, "%zu", i);
        if (strcmp(own, tag) == 0) {
            *place = i;
            return &consumer->options.bindings[i];
        }
    }
    return NULL;
}

/* ---- consuming ---- */

static bool deliver(pm_consumer *consumer, const pm_event *event)
{
    size_t place;
    char error[96];
    const pm_binding *binding = binding_of(consumer, event->consumer, &place);
    if (binding == NULL) {
        return true;
    }
    pm_delivery delivery = {.queue = binding->queue,
                            .exchange = event->message.exchange,
                            .routing_key = event->message.routing_key,
                            .body = event->message.body,
                            .len = event->message.len};
    if (event->oversized > 0) {
        (void)snprintf(error, sizeof error, "a message of %zu bytes, more than the %zu allowed",
                       event->oversized, consumer->target.message_limit);
        delivery.error = error;
    }
    consumer->options.deliver(consumer->options.user, &delivery);
    return binding->no_ack != 0 || pm_conn_ack(consumer->conn, event->tag);
}

/* A queue was deleted under us, or its node went: everything is declared again. */
static bool renew(pm_consumer *consumer, const pm_event *event)
{
    size_t place;
    const pm_binding *binding = binding_of(consumer, event->consumer, &place);
    if (binding == NULL) {
        return true;
    }
    pm_logf(consumer->options.log, PANICMON_LOG_WARNING, consumer->options.component,
            "the broker cancelled the consumer of %s; it is declared again", binding->queue);
    return consume(consumer, place);
}

/* Handles what came, one at a time, until there is nothing; false when the connection is lost. */
static bool receive(pm_consumer *consumer)
{
    pm_event event;
    bool good = true;
    do {
        pm_conn_next(consumer->conn, &event);
        if (event.kind == PM_EVENT_DELIVERY) {
            good = deliver(consumer, &event);
            pm_backoff_reset(&consumer->backoff);
        } else if (event.kind == PM_EVENT_CANCEL) {
            good = renew(consumer, &event);
        } else if (event.kind == PM_EVENT_LOST || event.kind == PM_EVENT_REFUSED) {
            good = false;
        }
    } while (good && event.kind != PM_EVENT_NONE && !pm_conn_is_interrupted(consumer->conn));
    return good;
}

static void consume_until_lost(pm_consumer *consumer)
{
    bool good = begin(consumer);
    if (good) {
        pm_logf(consumer->options.log, PANICMON_LOG_INFO, consumer->options.component,
                "consuming from the broker at %s:%u", consumer->target.url.host,
                (unsigned)consumer->target.url.port);
        consumer->told_away = false;
        pm_backoff_reset(&consumer->backoff);
    }
    while (good && !pm_conn_is_interrupted(consumer->conn)) {
        good = receive(consumer);
        if (good && !pm_conn_is_interrupted(consumer->conn)) {
            /* An interrupt makes the descriptor readable. */
            struct pollfd look = {.fd = pm_conn_fd(consumer->conn), .events = POLLIN};
            (void)poll(&look, 1, (int)pm_conn_period_ms(consumer->conn));
        }
    }
    if (!pm_conn_is_interrupted(consumer->conn)) {
        pm_logf(
            consumer->options.log, consumer->told_away ? PANICMON_LOG_DEBUG : PANICMON_LOG_WARNING,
            consumer->options.component, "the broker is away (%s)", pm_conn_why(consumer->conn));
        consumer->told_away = true;
    }
    pm_conn_close(consumer->conn, good);
}

void pm_consumer_run(pm_consumer *consumer)
{
    while (!pm_conn_is_interrupted(consumer->conn)) {
        consume_until_lost(consumer);
        pm_conn_pause(consumer->conn, pm_backoff_next(&consumer->backoff));
    }
}
