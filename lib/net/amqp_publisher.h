/* amqp_publisher.h (internal to the broker side): sends what a port of the outbox has over one
 * connection, with pipelined confirms. It belongs to one thread, except interrupt. */
#ifndef PM_AMQP_PUBLISHER_H
#define PM_AMQP_PUBLISHER_H

#include "net/amqp_conn.h"

typedef struct pm_publisher pm_publisher;

typedef struct pm_publisher_events {
    /* Before the descriptor that is watched is closed. May be NULL. */
    void (*closing)(void *user);
    /* Connecting, which may take seconds, goes on in a thread of its own, and this is called from
     * there: service has something to do. NULL: service itself connects, and waits for it. */
    void (*dialed)(void *user);
} pm_publisher_events;

panicmon_err pm_publisher_new(pm_publisher **out, const pm_target *target, pm_port *port,
                              panicmon_log *log, const char *name,
                              const pm_publisher_events *events, void *user);
/* Connects when there is something to send, sends, takes confirms. Gives when it must be called
 * again at the latest; also call it when the descriptor is readable or the port was woken. */
int64_t pm_publisher_service(pm_publisher *publisher, int64_t now_ms);
/* How many messages it has sent so far. */
uint64_t pm_publisher_sent(const pm_publisher *publisher);
/* Whether only confirms let it send more. */
bool pm_publisher_is_full(const pm_publisher *publisher);
/* To be watched for reading; -1 while there is none. It changes only inside service and finish. */
int pm_publisher_fd(const pm_publisher *publisher);
/* Sends what it can until `until_ms`, and hangs up. A broker that is away is tried once at once. */
void pm_publisher_finish(pm_publisher *publisher, int64_t until_ms);
/* Breaks whatever it waits for; nothing is sent any more. Any thread; sticky. */
void pm_publisher_interrupt(pm_publisher *publisher);
void pm_publisher_free(pm_publisher *publisher);

#endif
