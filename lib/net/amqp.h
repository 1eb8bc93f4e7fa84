/* amqp.h: RabbitMQ: the settings of a connection, and the consumer of the manager. The sink is
 * panicmon_sink_new_amqp(). amqp.c alone includes rabbitmq-c. Each object belongs to one thread,
 * except what is named interrupt. */
#ifndef PM_AMQP_H
#define PM_AMQP_H

#include "net/sink.h"

typedef struct pm_amqp_options {
    const char *url;           /* amqp:// or amqps://, with user, password, vhost */
    const char *tls_ca_file;   /* NULL: the system's */
    const char *tls_cert_file; /* the client's own certificate and key, PEM; NULL: none */
    const char *tls_key_file;
    int64_t heartbeat_s;
    int64_t confirm_timeout_ms; /* a message not confirmed by then: the connection is dead */
    size_t message_limit;       /* largest message taken from the broker; 0: 4 MiB */
} pm_amqp_options;

/* Fills the options from the settings broker.url, broker.heartbeat, broker.confirm_timeout,
 * tls.ca_file, tls.cert_file and tls.key_file; the texts are borrowed from them. */
void pm_amqp_options_read(pm_amqp_options *out, const panicmon_settings *settings);

/* One delivery. The texts are borrowed until the callback returns. */
typedef struct pm_delivery {
    const char *queue;
    const char *exchange;
    const char *routing_key;
    const char *body;
    size_t len;
    const char *error; /* not NULL: why there is no body (larger than message_limit) */
} pm_delivery;

/* What a consumer declares and consumes. `queues` ends with a NULL queue. */
typedef struct pm_binding {
    const char *exchange;
    const char *queue;
    const char *keys[5]; /* ends with NULL */
    int no_ack;
} pm_binding;

/* Consumes in the caller's thread with its own connection. While `deliver` runs nothing is sent to
 * the broker: it must return within the time of two heartbeats, or the broker gives the connection
 * up and delivers the message again. */
typedef struct pm_consumer pm_consumer;

typedef struct pm_consumer_options {
    pm_amqp_options amqp;
    panicmon_log *log;
    const char *component;
    const pm_binding *bindings;
    const char *const *exchanges; /* topic exchanges to declare too; ends with NULL; may be NULL */
    /* Handles one delivery; it is acknowledged after this returns (unless no_ack). */
    void (*deliver)(void *user, const pm_delivery *delivery);
    void *user;
} pm_consumer_options;

/* Texts and bindings of the options are borrowed for the consumer's life. */
panicmon_err pm_consumer_new(pm_consumer **out, const pm_consumer_options *options);
/* Connects, declares, binds and consumes until interrupted; reconnects with capped backoff for
 * ever. Runs in the caller's thread. */
void pm_consumer_run(pm_consumer *consumer);
/* Makes pm_consumer_run() return soon, whatever it is doing. Any thread; sticky. */
void pm_consumer_interrupt(pm_consumer *consumer);
void pm_consumer_free(pm_consumer *consumer);

#endif
