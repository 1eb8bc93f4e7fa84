/* tls.h: the one TLS client context that all loops of a runtime share, and the judgement over a
 * peer's certificate. tls.c alone includes OpenSSL. Any thread. */
#ifndef PM_TLS_H
#define PM_TLS_H

#include <stdbool.h>
#include <stddef.h>

#include <panicmon/error.h>

typedef struct pm_tls pm_tls;

/* Files in PEM; each NULL when there is none. */
typedef struct pm_tls_files {
    const char *ca;   /* who is trusted; NULL: the system's store, loaded when first needed */
    const char *cert; /* what is shown to peers that ask: a certificate and its chain, */
    const char *key;  /* and the key to it */
} pm_tls_files;

/* ERR_INVAL: the files are no such thing; `*bad` says what is wrong, static. */
panicmon_err pm_tls_new(pm_tls **out, const pm_tls_files *files, const char **bad);
void pm_tls_free(pm_tls *tls);

/* The SSL_CTX, borrowed; NULL when it cannot be made. */
void *pm_tls_context(pm_tls *tls);

/* Lets another SSL_CTX trust whom ours trusts, and show what ours shows; false without memory. */
bool pm_tls_lend_store(pm_tls *tls, void *context);

/* For the verify callback of a handshake: whether this certificate of the chain is good, and, for
 * the peer's own (then `*checked` is set), whether it is for `host`, a name or an IP address.
 * `store_context` is the X509_STORE_CTX. Writes why not. */
bool pm_tls_judge(void *store_context, bool good, const char *host, bool *checked, char *why,
                  size_t room);

/* For a client library that makes its own context and connects by itself: who is asked for and must
 * answer, and a word when the handshake begins. Outlives the context's connections. */
typedef struct pm_tls_guard {
    const char *host;
    void (*begun)(void *user, int fd);
    void *user;
    bool checked;  /* the peer's certificate was seen, and is for `host` */
    char why[192]; /* why it was refused */
} pm_tls_guard;

/* Makes that SSL_CTX verify the peer against `ca_file` (NULL: the system's store) and the guard's
 * host. False when the file cannot be read. */
bool pm_tls_set_guard(void *context, const char *ca_file, pm_tls_guard *guard);

#endif
