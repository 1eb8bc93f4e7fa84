/* net.c: what the loops of a runtime share; see ws.h. */
#include "net/net.h"

#include <stdlib.h>

#include "base/log.h"

#define COMPONENT "net"

/* Enough for a loop of one monitor; each costs 16 bytes, and lookups walk them all. */
#define LOOP_FDS_DEFAULT 64

panicmon_err pm_net_new(pm_net **out, const pm_net_options *options)
{
    pm_net *net = calloc(1, sizeof *net);
    if (net == NULL) {
        return PANICMON_ERR_NOMEM;
    }
    net->log = pm_log_ref(options->log);
    net->message_limit = options->message_limit;
    net->connect_timeout_ms = options->connect_timeout_ms;
    net->loop_fds = options->loop_fds > 0 ? options->loop_fds : LOOP_FDS_DEFAULT;
    net->connects = options->connects;
    atomic_init(&net->connecting, 0);
    const pm_tls_files files = {
        .ca = options->tls_ca_file, .cert = options->tls_cert_file, .key = options->tls_key_file};
    const char *bad = NULL;
    panicmon_err status = pm_tls_new(&net->tls, &files, &bad);
    if (bad != NULL) {
        pm_logf(net->log, PANICMON_LOG_ERROR, COMPONENT, "%s", bad);
    }
    if (status == PANICMON_OK) {
        status = pm_resolver_new(&net->resolver);
    }
    if (status != PANICMON_OK) {
        pm_net_free(net);
        return status;
    }
    *out = net;
    return PANICMON_OK;
}

void pm_net_free(pm_net *net)
{
    if (net != NULL) {
        pm_resolver_free(net->resolver);
        pm_tls_free(net->tls);
        panicmon_log_free(net->log);
        free(net);
    }
}
