/* ws.h: a loop (one thread's place to wait: sockets, timers, wake-ups) and its WebSocket client
 * connections. loop.c waits, ws_conn.c is a connection's life, and ws.c alone includes
 * libwebsockets.
 *
 * A loop and everything on it belong to one thread; only pm_loop_wake() is for any thread. */
#ifndef PM_WS_H
#define PM_WS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <panicmon/error.h>
#include <panicmon/log.h>

#include "base/buf.h"

/* What all loops of a runtime share: TLS context, name resolver, limits. Any thread. */
typedef struct pm_net pm_net;

typedef struct pm_net_options {
    panicmon_log *log;
    const char *tls_ca_file;   /* NULL: the system's */
    const char *tls_cert_file; /* shown to peers that ask; NULL: none */
    const char *tls_key_file;
    size_t message_limit;       /* largest message taken from a peer, bytes */
    int64_t connect_timeout_ms; /* name, TCP, TLS and upgrade together */
    size_t loop_fds;            /* descriptors one loop must hold; 0: enough for one monitor */
    size_t connects;            /* connections being opened at once, all loops; 0: no limit */
} pm_net_options;

panicmon_err pm_net_new(pm_net **out, const pm_net_options *options);
void pm_net_free(pm_net *net); /* after its loops */

typedef struct pm_loop pm_loop;

panicmon_err pm_loop_new(pm_loop **out, pm_net *net);
/* A loop for as many connections as the process may have. It costs more memory, once. */
panicmon_err pm_loop_new_large(pm_loop **out, pm_net *net);
bool pm_loop_is_large(const pm_loop *loop);
/* Whether as many connections are being opened as may be, on all loops together. */
bool pm_loop_is_crowded(const pm_loop *loop);
void pm_loop_free(pm_loop *loop); /* frees the connections left on it */
/* Makes a pm_loop_wait() that runs now, or else the next one, return soon. Any thread. */
void pm_loop_wake(pm_loop *loop);
/* Waits and dispatches until something was dispatched, a wake, or `until_ms` (pm_mono_ms()). */
void pm_loop_wait(pm_loop *loop, int64_t until_ms);
/* The time (pm_mono_ms()) up to which all that came was taken in; 0: it never waited. Who missed a
 * deadline before it is late; of one after it nobody knows yet, as an answer may lie there unread
 * when something held up the loop's thread. */
int64_t pm_loop_caught_up(const pm_loop *loop);

/* Watches a foreign descriptor for reading; `ready` runs in pm_loop_wait() while it is readable
 * (level-triggered). The descriptor stays the caller's. */
typedef struct pm_watch pm_watch;
panicmon_err pm_watch_new(pm_watch **out, pm_loop *loop, int fd, void (*ready)(void *user),
                          void *user);
/* NULL is allowed. Allowed inside callbacks, its own too; before the descriptor is closed. */
void pm_watch_free(pm_watch *watch);

/* A client connection. Callbacks run in pm_loop_wait(), never inside pm_ws_open() or
 * pm_ws_send(). After `closed` no callback follows, and the owner still calls pm_ws_free(). */
typedef struct pm_ws pm_ws;

typedef struct pm_ws_events {
    void (*opened)(void *user);
    void (*message)(void *user, const char *text, size_t len); /* a whole text message */
    /* ERR_WS: could not connect, or it broke; ERR_TIMEOUT: connecting took too long; ERR_LIMIT: a
     * message over the limit; ERR_PROTOCOL: broken framing, binary data or invalid UTF-8. */
    void (*closed)(void *user, panicmon_err why, const char *message);
} pm_ws_events;

panicmon_err pm_ws_open(pm_ws **out, pm_loop *loop, const char *url, const pm_ws_events *events,
                        void *user);
/* Bytes in front of a text that is sent, for the head of its frame. */
#define PM_WS_HEADROOM 14
/* Sends one text message, or queues it, also before it is open. The text and the PM_WS_HEADROOM
 * bytes in front of it are the caller's again when this returns, but they may have been written
 * over. ERR_STATE: the connection is over. */
panicmon_err pm_ws_send(pm_ws *ws, char *text, size_t len);
/* When data last came from the peer, pm_mono_ms(); 0: never was open. */
int64_t pm_ws_heard(const pm_ws *ws);
/* Closes (if open) and frees; no callback follows. Allowed inside its callbacks. NULL allowed. */
void pm_ws_free(pm_ws *ws);

#endif
