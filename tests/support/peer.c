/* peer.c: see peer.h. */
#include "peer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/pem.h>
#include <openssl/sha.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#define CONNS_MAX 4096

struct peer {
    int listener;
    int stop; /* an eventfd that stays readable */
    int port;
    peer_script script;
    void *user;
    SSL_CTX *tls;
    pthread_t acceptor;
    pthread_t threads[CONNS_MAX];
    atomic_size_t count;
};

static void must(bool good, const char *what)
{
    if (!good) {
        (void)fprintf(stderr, "peer: %s: %s\n", what, strerror(errno));
        abort();
    }
}

/* Waits for the descriptor; false when the peer stops first. */
static bool wait_for(const peer_conn *conn, short events)
{
    struct pollfd fds[2] = {{.fd = conn->fd, .events = events},
                            {.fd = conn->owner->stop, .events = POLLIN}};
    while (poll(fds, 2, -1) < 0) {
        must(errno == EINTR, "poll");
    }
    return fds[1].revents == 0;
}

/* 1: go on, 0: over. For results of SSL calls on a non-blocking socket. */
static int tls_again(peer_conn *conn, int result)
{
    switch (SSL_get_error(conn->tls, result)) {
    case SSL_ERROR_WANT_READ:
        return wait_for(conn, POLLIN);
    case SSL_ERROR_WANT_WRITE:
        return wait_for(conn, POLLOUT);
    default:
        return 0;
    }
}

bool peer_send(peer_conn *conn, const void *bytes, size_t len)
{
    const char *at = bytes;
    while (len > 0) {
        ssize_t done;
        if (conn->tls != NULL) {
            int n = SSL_write(conn->tls, at, (int)len);
            done = n;
            if (n <= 0) {
                if (tls_again(conn, n) == 0) {
                    return false;
                }
                continue;
            }
        } else {
            done = send(conn->fd, at, len, MSG_NOSIGNAL | MSG_DONTWAIT);
            if (done < 0) {
                if (errno != EAGAIN || !wait_for(conn, POLLOUT)) {
                    return false;
                }
                continue;
            }
        }
        at += done;
        len -= (size_t)done;
    }
    return true;
}

static bool read_bytes(peer_conn *conn, void *bytes, size_t len)
{
    char *at = bytes;
    while (len > 0) {
        ssize_t done;
        if (conn->tls != NULL) {
            int n = SSL_read(conn->tls, at, (int)len);
            done = n;
            if (n <= 0) {
                if (tls_again(conn, n) == 0) {
                    return false;
                }
                continue;
            }
        } else {
            if (!wait_for(conn, POLLIN)) {
                return false;
            }
            done = recv(conn->fd, at, len, 0);
            if (done <= 0) {
                return false;
            }
        }
        at += done;
        len -= (size_t)done;
    }
    return true;
}

bool peer_read_request(peer_conn *conn)
{
    size_t len = 0;
    while (len + 1 < sizeof conn->request) {
        if (!read_bytes(conn, conn->request + len, 1)) {
            return false;
        }
        conn->request[++len] = '\0';
        if (len >= 4 && memcmp(conn->request + len - 4, "\r\n\r\n", 4) == 0) {
            return true;
        }
    }
    return false;
}

bool peer_upgrade(peer_conn *conn)
{
    return peer_read_request(conn) && peer_switch(conn);
}

bool peer_switch(peer_conn *conn)
{
    return peer_switch_with(conn, "Connection: Upgrade\r\n");
}

bool peer_switch_with(peer_conn *conn, const char *fields)
{
    char joined[128];
    unsigned char digest[SHA_DIGEST_LENGTH];
    unsigned char accept[64];
    const char *key = strcasestr(conn->request, "Sec-WebSocket-Key: ");
    must(key != NULL, "no key");
    key += strlen("Sec-WebSocket-Key: ");
    int len = snprintf(joined, sizeof joined, "%.*s258EAFA5-E914-47DA-95CA-C5AB0DC85B11",
                       (int)strcspn(key, "\r"), key);
    (void)SHA1((unsigned char *)joined, (size_t)len, digest);
    (void)EVP_EncodeBlock(accept, digest, sizeof digest);
    char answer[1024];
    len = snprintf(answer, sizeof answer,
                   "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                   "%sSec-WebSocket-Accept: %s\r\n\r\n",
                   fields, (char *)accept);
    must(len < (int)sizeof answer, "the fields are too long");
    return peer_send(conn, answer, (size_t)len);
}

static size_t frame_head(unsigned char *head, int opcode, bool fin, uint64_t len)
{
    size_t n = 2;
    head[0] = (unsigned char)((fin ? 0x80 : 0) | opcode);
    if (len < 126) {
        head[1] = (unsigned char)len;
        return n;
    }
    int width = len < 65536 ? 2 : 8;
    head[1] = width == 2 ? 126 : 127;
    for (int i = width - 1; i >= 0; i--) {
        head[n++] = (unsigned char)(len >> (8 * i));
    }
    return n;
}

bool peer_send_frame(peer_conn *conn, int opcode, bool fin, const char *data, size_t len)
{
    unsigned char *frame = malloc(len + 10);
    must(frame != NULL, "malloc");
    size_t n = frame_head(frame, opcode, fin, len);
    if (len > 0) {
        memcpy(frame + n, data, len);
    }
    bool good = peer_send(conn, frame, n + len);
    free(frame);
    return good;
}

bool peer_send_text(peer_conn *conn, const char *text)
{
    return peer_send_frame(conn, 1, true, text, strlen(text));
}

bool peer_send_bytewise(peer_conn *conn, const char *text)
{
    unsigned char head[10];
    size_t len = strlen(text);
    size_t n = frame_head(head, 1, true, len);
    bool good = true;
    for (size_t i = 0; good && i < n; i++) {
        good = peer_send(conn, head + i, 1);
    }
    for (size_t i = 0; good && i < len; i++) {
        good = peer_send(conn, text + i, 1);
    }
    return good;
}

char *peer_read_text(peer_conn *conn)
{
    for (;;) {
        unsigned char head[2];
        unsigned char more[8];
        unsigned char mask[4];
        if (!read_bytes(conn, head, 2)) {
            return NULL;
        }
        uint64_t len = head[1] & 0x7f;
        size_t width = len == 126 ? 2 : len == 127 ? 8 : 0;
        if (!read_bytes(conn, more, width)) {
            return NULL;
        }
        if (width > 0) {
            len = 0;
            for (size_t i = 0; i < width; i++) {
                len = len << 8 | more[i];
            }
        }
        must((head[1] & 0x80) != 0 && (head[0] & 0x80) != 0, "client frame not masked or whole");
        char *text = malloc(len + 1);
        must(text != NULL, "malloc");
        if (!read_bytes(conn, mask, 4) || !read_bytes(conn, text, len)) {
            free(text);
            return NULL;
        }
        for (size_t i = 0; i < len; i++) {
            text[i] = (char)(text[i] ^ mask[i % 4]);
        }
        text[len] = '\0';
        int opcode = head[0] & 15;
        if (opcode == 1) {
            return text;
        }
        bool go_on = opcode == 9 ? peer_send_frame(conn, 10, true, text, len) : opcode == 10;
        free(text);
        if (!go_on) {
            return NULL;
        }
    }
}

const char *peer_name(const peer_conn *conn)
{
    return conn->tls == NULL ? NULL : SSL_get_servername(conn->tls, TLSEXT_NAMETYPE_host_name);
}

void peer_idle(peer_conn *conn)
{
    char bytes[256];
    while (wait_for(conn, POLLIN) && recv(conn->fd, bytes, sizeof bytes, 0) > 0) {
    }
}

void peer_pause(peer_conn *conn, int ms)
{
    struct pollfd stop = {.fd = conn->owner->stop, .events = POLLIN};
    (void)poll(&stop, 1, ms);
}

void peer_reset(peer_conn *conn)
{
    const struct linger linger = {.l_onoff = 1};
    (void)setsockopt(conn->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
}

/* ---- threads ---- */

static bool handshake(peer_conn *conn)
{
    if (conn->owner->tls == NULL) {
        return true;
    }
    conn->tls = SSL_new(conn->owner->tls);
    must(conn->tls != NULL && SSL_set_fd(conn->tls, conn->fd) == 1, "SSL_new");
    for (;;) {
        int n = SSL_accept(conn->tls);
        if (n == 1) {
            return true;
        }
        if (tls_again(conn, n) == 0) {
            return false;
        }
    }
}

static void *conn_main(void *arg)
{
    peer_conn *conn = arg;
    if (handshake(conn)) {
        conn->owner->script(conn);
    }
    SSL_free(conn->tls);
    (void)close(conn->fd);
    free(conn);
    return NULL;
}

static void block_sigpipe(void)
{
    sigset_t set;
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGPIPE);
    (void)pthread_sigmask(SIG_BLOCK, &set, NULL);
}

static void *accept_main(void *arg)
{
    peer *server = arg;
    block_sigpipe(); /* inherited by the connections */
    for (;;) {
        struct pollfd fds[2] = {{.fd = server->listener, .events = POLLIN},
                                {.fd = server->stop, .events = POLLIN}};
        (void)poll(fds, 2, -1);
        if (fds[1].revents != 0) {
            return NULL;
        }
        int fd = accept4(server->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd < 0) {
            continue;
        }
        size_t place = atomic_load(&server->count);
        must(place < CONNS_MAX, "too many connections");
        peer_conn *conn = calloc(1, sizeof *conn);
        must(conn != NULL, "calloc");
        conn->owner = server;
        conn->fd = fd;
        conn->place = place;
        conn->user = server->user;
        must(pthread_create(&server->threads[place], NULL, conn_main, conn) == 0, "thread");
        atomic_store(&server->count, place + 1);
    }
}

/* ---- certificates ---- */

static X509 *make_cert(EVP_PKEY *key, const char *name, const char *alt, X509 *issuer,
                       EVP_PKEY *issuer_key, long from_s, long until_s)
{
    X509 *cert = X509_new();
    must(cert != NULL, "X509_new");
    (void)X509_set_version(cert, 2);
    (void)ASN1_INTEGER_set(X509_get_serialNumber(cert), issuer == NULL ? 1 : 2);
    (void)X509_gmtime_adj(X509_getm_notBefore(cert), from_s);
    (void)X509_gmtime_adj(X509_getm_notAfter(cert), until_s);
    (void)X509_set_pubkey(cert, key);
    X509_NAME *subject = X509_get_subject_name(cert);
    (void)X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *)name, -1,
                                     -1, 0);
    (void)X509_set_issuer_name(cert, issuer == NULL ? subject : X509_get_subject_name(issuer));
    int nid = issuer == NULL ? NID_basic_constraints : NID_subject_alt_name;
    X509_EXTENSION *extension =
        X509V3_EXT_conf_nid(NULL, NULL, nid, issuer == NULL ? "critical,CA:TRUE" : alt);
    must(extension != NULL && X509_add_ext(cert, extension, -1) == 1, "extension");
    X509_EXTENSION_free(extension);
    must(X509_sign(cert, issuer_key, EVP_sha256()) > 0, "sign");
    return cert;
}

static void write_ca(const char *path, X509 *cert)
{
    FILE *file = fopen(path, "w");
    must(file != NULL && PEM_write_X509(file, cert) == 1, "write CA");
    (void)fclose(file);
}

/* A certificate for clients, with its key, in a file beside the CA's. */
static void write_client(const char *ca_file, X509 *ca, EVP_PKEY *ca_key)
{
    char path[256];
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *cert = make_cert(key, "client", "DNS:client", ca, ca_key, -86400, 86400);
    (void)snprintf(path, sizeof path, "%s.client", ca_file);
    FILE *file = fopen(path, "w");
    must(file != NULL && PEM_write_X509(file, cert) == 1 &&
             PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL) == 1,
         "write client");
    (void)fclose(file);
    X509_free(cert);
    EVP_PKEY_free(key);
}

static SSL_CTX *make_tls(peer_cert kind, const char *ca_file)
{
    const char *alt =
        kind == PEER_CERT_OTHER_HOST ? "DNS:example.org" : "DNS:localhost,IP:127.0.0.1";
    bool expired = kind == PEER_CERT_EXPIRED;
    EVP_PKEY *ca_key = EVP_EC_gen("P-256");
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *ca = make_cert(ca_key, "test CA", NULL, NULL, ca_key, -86400, 86400);
    X509 *cert = make_cert(key, "test", alt, ca, ca_key, -86400, expired ? -3600 : 86400);
    SSL_CTX *tls = SSL_CTX_new(TLS_server_method());
    must(tls != NULL && SSL_CTX_use_certificate(tls, cert) == 1 &&
             SSL_CTX_use_PrivateKey(tls, key) == 1,
         "TLS context");
    if (kind == PEER_CERT_UNTRUSTED) {
        X509 *other = make_cert(key, "other CA", NULL, NULL, key, -86400, 86400);
        write_ca(ca_file, other);
        X509_free(other);
    } else {
        write_ca(ca_file, ca);
    }
    if (kind == PEER_CERT_MUTUAL) {
        write_client(ca_file, ca, ca_key);
        SSL_CTX_set_verify(tls, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
        must(SSL_CTX_load_verify_locations(tls, ca_file, NULL) == 1, "client CA");
    }
    X509_free(cert);
    X509_free(ca);
    EVP_PKEY_free(key);
    EVP_PKEY_free(ca_key);
    return tls;
}

peer *peer_start(peer_script script, void *user, const peer_cert *cert, const char *ca_file)
{
    peer *server = calloc(1, sizeof *server);
    must(server != NULL, "calloc");
    server->script = script;
    server->user = user;
    server->tls = cert == NULL ? NULL : make_tls(*cert, ca_file);
    server->stop = eventfd(0, EFD_CLOEXEC);
    server->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    must(bind(server->listener, (struct sockaddr *)&address, len) == 0 &&
             listen(server->listener, 128) == 0 &&
             getsockname(server->listener, (struct sockaddr *)&address, &len) == 0,
         "listen");
    server->port = ntohs(address.sin_port);
    must(pthread_create(&server->acceptor, NULL, accept_main, server) == 0, "thread");
    return server;
}

int peer_port(const peer *server)
{
    return server->port;
}

size_t peer_count(peer *server)
{
    return atomic_load(&server->count);
}

void peer_stop(peer *server)
{
    const uint64_t one = 1;
    must(write(server->stop, &one, sizeof one) == sizeof one, "stop");
    (void)pthread_join(server->acceptor, NULL);
    for (size_t i = 0; i < atomic_load(&server->count); i++) {
        (void)pthread_join(server->threads[i], NULL);
    }
    (void)close(server->listener);
    (void)close(server->stop);
    SSL_CTX_free(server->tls);
    free(server);
}
