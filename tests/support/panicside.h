/* panicside.h: the other side of the broker as PANIC has it: publishes configs and pings, and reads
 * what monitors and managers publish, from queues of its own. One thread. */
#ifndef PANICSIDE_H
#define PANICSIDE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

typedef struct panicside panicside;

/* The rest of an entry's 24 fields; see panic_node(). */
#define PANIC_PLAIN_NODE                                                                           \
    "\"monitor_node\": \"true\", \"is_validator\": \"false\", \"use_as_data_source\": \"false\", " \
    "\"stash_address\": \"\""
/* Adds an entry of a nodes_config to an object that begins with its bracket, all values text, as
 * PANIC sends it. `more` NULL: PANIC_PLAIN_NODE. */
void panic_node(pm_buf *out, const char *id, const char *name, const char *url, const char *more);

/* One message that was read. */
typedef struct panic_message {
    const char *exchange;
    const char *routing_key;
    const char *body; /* terminated */
    size_t len;
} panic_message;

/* True: enough was seen. */
typedef bool (*panic_reader)(void *user, const panic_message *message);

/* Connects to the broker of broker.h and makes the queue "panicside", bound to everything. Exits
 * with a message when that fails. */
panicside *panic_open(void);
void panic_close(panicside *side);
/* The same after the broker was restarted. */
void panic_reopen(panicside *side);
void panic_publish(panicside *side, const char *exchange, const char *key, const void *body,
                   size_t len);
void panic_publish_text(panicside *side, const char *exchange, const char *key, const char *body);
/* Reads until `reader` (may be NULL) has enough, or nothing came for `quiet_ms`. Gives how many. */
size_t panic_read(panicside *side, panic_reader reader, void *user, int64_t quiet_ms);
/* Reads until a message of that exchange and key holds a text; malloc'd body, or NULL when none
 * came in time. */
char *panic_await(panicside *side, const char *exchange, const char *key, const char *text,
                  int64_t timeout_ms);
/* What rabbitmqctl said; malloc'd. */
char *panic_ctl(const char *arguments);

#endif
