/* amqp_conn.h (internal to the broker side): one connection to RabbitMQ with one channel on it,
 * opened and closed as often as needed. It belongs to one thread, except interrupt and limit.
 *
 * Calls may wait, but never longer than a few seconds, and not at all once interrupted. After any
 * failure the connection is only good for pm_conn_close(). */
#ifndef PM_AMQP_CONN_H
#define PM_AMQP_CONN_H

#include "base/url.h"
#include "net/amqp.h"
#include "net/outbox.h"
#include "net/resolve.h"

/* Where to connect: read once, shared by all connections, unchanging. */
typedef struct pm_target {
    pm_url url;
    char *vhost;
    char *ca_file;
    char *cert_file;
    char *key_file;
    int heartbeat_s;
    int64_t confirm_timeout_ms;
    size_t message_limit;
    pm_resolver *resolver;
} pm_target;

panicmon_err pm_target_init(pm_target *target, const pm_amqp_options *options,
                            panicmon_error **err);
void pm_target_clear(pm_target *target);

typedef struct pm_conn pm_conn;

typedef enum pm_event_kind {
    PM_EVENT_NONE,
    PM_EVENT_ACK,
    PM_EVENT_NACK,
    PM_EVENT_RETURN,
    PM_EVENT_BLOCKED,
    PM_EVENT_UNBLOCKED,
    PM_EVENT_CANCEL, /* a consumer was cancelled by the broker */
    PM_EVENT_DELIVERY,
    PM_EVENT_REFUSED, /* as lost, and pm_conn_why() says what about a message was wrong */
    PM_EVENT_LOST
} pm_event_kind;

/* The texts are valid until the next call. */
typedef struct pm_event {
    pm_event_kind kind;
    uint64_t tag;
    bool multiple;
    const char *consumer; /* delivery, cancel */
    pm_message message;   /* return, delivery */
    size_t oversized;     /* delivery: the size of a body over the limit, which was left out */
} pm_event;

/* The name is shown by the broker. `frame_max`: bytes of a frame; buffers are made of this size. */
panicmon_err pm_conn_new(pm_conn **out, const pm_target *target, const char *name, int frame_max);
void pm_conn_free(pm_conn *conn);
/* Ends every wait of this and all later calls. Any thread; sticky. */
void pm_conn_interrupt(pm_conn *conn);
bool pm_conn_is_interrupted(const pm_conn *conn);
/* Waits that long, or until interrupted. */
void pm_conn_pause(pm_conn *conn, int64_t ms);
/* Why the last call failed. */
const char *pm_conn_why(const pm_conn *conn);

/* From now on no call that asks the broker something waits past `until_ms`. Any thread. */
void pm_conn_limit(pm_conn *conn, int64_t until_ms);
bool pm_conn_open(pm_conn *conn);
/* `polite`: says goodbye when that needs no wait. Also for a connection that failed. */
void pm_conn_close(pm_conn *conn, bool polite);
/* A descriptor to be watched for reading while the connection is open. */
int pm_conn_fd(const pm_conn *conn);
/* Milliseconds within which pm_conn_next() must be called again, for the heartbeats. */
int64_t pm_conn_period_ms(const pm_conn *conn);

/* A durable topic exchange. */
bool pm_conn_declare_exchange(pm_conn *conn, const char *exchange);
/* A durable queue. */
bool pm_conn_declare_queue(pm_conn *conn, const char *queue);
bool pm_conn_bind(pm_conn *conn, const char *queue, const char *exchange, const char *key);
bool pm_conn_prefetch(pm_conn *conn, uint16_t count);
/* `tag` names the consumer in events. */
bool pm_conn_consume(pm_conn *conn, const char *queue, const char *tag, bool no_ack);
bool pm_conn_ack(pm_conn *conn, uint64_t tag);
bool pm_conn_confirm_select(pm_conn *conn);

/* Whether a message would be sent without waiting. */
bool pm_conn_is_writable(const pm_conn *conn);
bool pm_conn_publish(pm_conn *conn, const pm_message *message);
/* Many at once, in few writes. Without TLS it never waits: what the socket does not take is left
 * over, and only pm_conn_flush() and pm_conn_close() may be called until that is gone. */
bool pm_conn_publish_all(pm_conn *conn, const pm_message *const *list, size_t count);
size_t pm_conn_left_over(const pm_conn *conn); /* bytes */
bool pm_conn_flush(pm_conn *conn);
/* What came from the broker, without waiting. Sends heartbeats. */
void pm_conn_next(pm_conn *conn, pm_event *out);

#endif
