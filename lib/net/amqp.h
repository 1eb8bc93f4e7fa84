/* amqp.h: RabbitMQ: a connection that is never stuck, the sink with its buffer and confirms, and
 * the consumer of the manager. amqp.c alone includes rabbitmq-c. Each object belongs to one
 * thread, except what is named interrupt or counts. */
#ifndef PM_AMQP_H
#define PM_AMQP_H

#include "net/sink.h"

typedef struct pm_amqp_options {
    const char *url;         /* amqp:// or amqps://, with user, password, vhost */
    const char *tls_ca_file; /* NULL: the system's */
    int64_t heartbeat_s;
    size_t buffer_limit; /* bytes of unconfirmed messages kept, all channels together */
} pm_amqp_options;

/* One delivery. The texts are borrowed until the callback returns. */
typedef struct pm_delivery {
    const char *queue;
    const char *routing_key;
    const char *body;
    size_t len;
} pm_delivery;

/* What a consumer declares and consumes. `queues` ends with a NULL queue. */
typedef struct pm_binding {
    const char *exchange;
    const char *queue;
    const char *keys[5]; /* ends with NULL */
    int no_ack;
} pm_binding;

/* Consumes in the caller's thread with its own connection and its own publishing channel. */
typedef struct pm_consumer pm_consumer;

typedef struct pm_consumer_options {
    pm_amqp_options amqp;
    panicmon_log *log;
    const char *component;
    const pm_binding *bindings;
    const char *const *exchanges; /* topic exchanges to declare too; ends with NULL */
    /* Handles one delivery; it is acknowledged after this returns (unless no_ack). */
    void (*deliver)(void *user, const pm_delivery *delivery);
    void *user;
} pm_consumer_options;

panicmon_err pm_consumer_new(pm_consumer **out, const pm_consumer_options *options);
/* Connects, declares, binds and consumes until interrupted; reconnects with capped backoff for
 * ever. Runs in the caller's thread. */
void pm_consumer_run(pm_consumer *consumer);
/* Makes pm_consumer_run() return soon, whatever it is doing. Any thread; sticky. */
void pm_consumer_interrupt(pm_consumer *consumer);
void pm_consumer_free(pm_consumer *consumer);

#endif
