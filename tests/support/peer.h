/* peer.h: a WebSocket server for tests that does exactly what a script says, also what no honest
 * server would do. Each connection runs the script in a thread of its own; every wait in it ends
 * when the peer is stopped. Plain or TLS. */
#ifndef PEER_H
#define PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct peer peer;

typedef struct peer_conn {
    peer *owner;
    int fd;
    void *tls;    /* SSL, or NULL */
    size_t place; /* how many connections came before this one */
    char request[4096];
    void *user;
} peer_conn;

typedef void (*peer_script)(peer_conn *conn);

/* What is special about a certificate made by peer_make_ca(). */
typedef enum peer_cert {
    PEER_CERT_GOOD, /* for localhost and 127.0.0.1 */
    PEER_CERT_OTHER_HOST,
    PEER_CERT_EXPIRED,
    PEER_CERT_UNTRUSTED, /* signed by a CA that is not in the file */
    PEER_CERT_MUTUAL,    /* demands one of the same CA: that and its key stand in CA_FILE.client */
} peer_cert;

/* Listens on 127.0.0.1, any port. `cert` NULL: without TLS. With TLS, `ca_file` is written. */
peer *peer_start(peer_script script, void *user, const peer_cert *cert, const char *ca_file);
int peer_port(const peer *server);
/* How many connections were accepted so far. */
size_t peer_count(peer *server);
void peer_stop(peer *server);

/* For scripts. Those that give bool: false when the connection is over or the peer stops. */
bool peer_read_request(peer_conn *conn);
bool peer_switch(peer_conn *conn); /* answers 101 to the request that was read */
/* The same with these header fields, each ended by CR LF, in the place of `Connection: Upgrade`. */
bool peer_switch_with(peer_conn *conn, const char *fields);
bool peer_upgrade(peer_conn *conn); /* reads the request and answers 101 */
bool peer_send(peer_conn *conn, const void *bytes, size_t len);
bool peer_send_frame(peer_conn *conn, int opcode, bool fin, const char *data, size_t len);
bool peer_send_text(peer_conn *conn, const char *text);
bool peer_send_bytewise(peer_conn *conn, const char *text); /* one byte a write */
/* The next text message; malloc'd. NULL: closed or stopped. Pings are answered. */
char *peer_read_text(peer_conn *conn);
/* The name that the client's TLS asked for; NULL: none. */
const char *peer_name(const peer_conn *conn);
/* Does nothing until the other side closes or the peer stops. */
void peer_idle(peer_conn *conn);
void peer_pause(peer_conn *conn, int ms);
void peer_reset(peer_conn *conn); /* RST when the script returns */

#endif
