/* tls.c: see tls.h. */
#include "net/tls.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

struct pm_tls {
    pthread_mutex_t lock; /* guards the making of context */
    SSL_CTX *context;
};

static bool is_numeric(const char *host)
{
    unsigned char bytes[sizeof(struct in6_addr)];
    return inet_pton(AF_INET, host, bytes) == 1 || inet_pton(AF_INET6, host, bytes) == 1;
}

/* Which name the peer is asked for. In an info callback, whose const guards the handshake state,
 * while that has not begun. */
static void set_name(const SSL *ssl, const char *name)
{
    SSL *own = (SSL *)(uintptr_t)ssl;
    (void)SSL_set_tlsext_host_name(own, name);
}

/* Server names are names (RFC 6066 3): libwebsockets sends addresses too, and "[" for IPv6. */
static void drop_numeric_name(const SSL *ssl, int where, int result)
{
    (void)result;
    if ((where & SSL_CB_HANDSHAKE_START) == 0) {
        return;
    }
    const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    if (name != NULL && (name[0] == '[' || is_numeric(name))) {
        set_name(ssl, NULL);
    }
}

/* A key that is encrypted is refused: nobody is asked for its password. */
static int no_password(char *text, int room, int writing, void *user)
{
    (void)text;
    (void)room;
    (void)writing;
    (void)user;
    return 0;
}

static bool use_own(SSL_CTX *context, const char *cert_file, const char *key_file)
{
    SSL_CTX_set_default_passwd_cb(context, no_password);
    bool good = SSL_CTX_use_certificate_chain_file(context, cert_file) == 1 &&
                SSL_CTX_use_PrivateKey_file(context, key_file, SSL_FILETYPE_PEM) == 1 &&
                SSL_CTX_check_private_key(context) == 1;
    ERR_clear_error();
    return good;
}

static SSL_CTX *make_context(const char *ca_file)
{
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    if (context == NULL) {
        return NULL;
    }
    bool good = SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) == 1 &&
                (ca_file == NULL ? SSL_CTX_set_default_verify_paths(context) == 1
                                 : SSL_CTX_load_verify_locations(context, ca_file, NULL) == 1);
    if (!good) {
        ERR_clear_error();
        SSL_CTX_free(context);
        return NULL;
    }
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_options(context, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
    SSL_CTX_set_mode(context, SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_info_callback(context, drop_numeric_name);
    return context;
}

panicmon_err pm_tls_new(pm_tls **out, const pm_tls_files *files, const char **bad)
{
    pm_tls *tls = calloc(1, sizeof *tls);
    if (tls == NULL) {
        return PANICMON_ERR_NOMEM;
    }
    *bad = NULL;
    if (files->ca != NULL || files->cert != NULL || files->key != NULL) {
        tls->context = make_context(files->ca);
        if (tls->context == NULL) {
            *bad = "no certificates could be read from tls.ca_file";
        } else if ((files->cert == NULL) != (files->key == NULL)) {
            *bad = "tls.cert_file and tls.key_file need each other";
        } else if (files->cert != NULL && !use_own(tls->context, files->cert, files->key)) {
            *bad = "tls.cert_file and tls.key_file are no certificate and the key to it, in PEM "
                   "and without a password";
        }
    }
    if (*bad != NULL) {
        SSL_CTX_free(tls->context);
        free(tls);
        return PANICMON_ERR_INVAL;
    }
    (void)pthread_mutex_init(&tls->lock, NULL);
    *out = tls;
    return PANICMON_OK;
}

void pm_tls_free(pm_tls *tls)
{
    if (tls != NULL) {
        SSL_CTX_free(tls->context);
        (void)pthread_mutex_destroy(&tls->lock);
        free(tls);
    }
}

void *pm_tls_context(pm_tls *tls)
{
    pthread_mutex_lock(&tls->lock);
    if (tls->context == NULL) {
        tls->context = make_context(NULL);
    }
    pthread_mutex_unlock(&tls->lock);
    return tls->context;
}

bool pm_tls_lend_store(pm_tls *tls, void *context)
{
    SSL_CTX *own = pm_tls_context(tls);
    if (own == NULL) {
        return false;
    }
    SSL_CTX_set1_cert_store(context, SSL_CTX_get_cert_store(own));
    X509 *cert = SSL_CTX_get0_certificate(own);
    STACK_OF(X509) *chain = NULL;
    (void)SSL_CTX_get0_chain_certs(own, &chain);
    return cert == NULL ||
           SSL_CTX_use_cert_and_key(context, cert, SSL_CTX_get0_privatekey(own), chain, 1) == 1;
}

bool pm_tls_judge(void *store_context, bool good, const char *host, bool *checked, char *why,
                  size_t room)
{
    X509_STORE_CTX *store = store_context;
    if (!good) {
        (void)snprintf(why, room, "certificate refused: %s",
                       X509_verify_cert_error_string(X509_STORE_CTX_get_error(store)));
        return false;
    }
    if (X509_STORE_CTX_get_error_depth(store) != 0) {
        return true;
    }
    X509 *own = X509_STORE_CTX_get_current_cert(store);
    bool fits =
        own != NULL &&
        (is_numeric(host) ? X509_check_ip_asc(own, host, 0) == 1
                          : X509_check_host(own, host, strlen(host),
                                            X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS, NULL) == 1);
    if (!fits) {
        X509_STORE_CTX_set_error(store, X509_V_ERR_HOSTNAME_MISMATCH);
        (void)snprintf(why, room, "certificate refused: it is not for %s", host);
        return false;
    }
    *checked = true;
    return true;
}

/* The library that connects may only know an address: the name is asked for here. */
static void tell_begun(const SSL *ssl, int where, int result)
{
    (void)result;
    if ((where & SSL_CB_HANDSHAKE_START) != 0) {
        const pm_tls_guard *guard = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
        set_name(ssl, is_numeric(guard->host) ? NULL : guard->host);
        guard->begun(guard->user, SSL_get_fd(ssl));
    }
}

static int judge_peer(int good, X509_STORE_CTX *store)
{
    const SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    pm_tls_guard *guard = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
    return pm_tls_judge(store, good != 0, guard->host, &guard->checked, guard->why,
                        sizeof guard->why)
               ? 1
               : 0;
}

bool pm_tls_set_guard(void *context, const char *ca_file, pm_tls_guard *guard)
{
    SSL_CTX *at = context;
    bool good = at != NULL && SSL_CTX_set_min_proto_version(at, TLS1_2_VERSION) == 1 &&
                (ca_file == NULL ? SSL_CTX_set_default_verify_paths(at) == 1
                                 : SSL_CTX_load_verify_locations(at, ca_file, NULL) == 1);
    if (!good) {
        ERR_clear_error();
        return false;
    }
    guard->checked = false;
    guard->why[0] = '\0';
    SSL_CTX_set_default_passwd_cb(at, no_password);
    (void)SSL_CTX_set_app_data(at, guard);
    SSL_CTX_set_verify(at, SSL_VERIFY_PEER, judge_peer);
    SSL_CTX_set_info_callback(at, tell_begun);
    return true;
}
