/* net.h (internal to lib/net): what the loops of a runtime share. Unchanging after pm_net_new(),
 * so any thread may read it. */
#ifndef PM_NET_H
#define PM_NET_H

#include <stdatomic.h>

#include "net/resolve.h"
#include "net/tls.h"
#include "net/ws.h"

struct pm_net {
    panicmon_log *log;
    pm_tls *tls;
    pm_resolver *resolver;
    size_t message_limit;
    int64_t connect_timeout_ms;
    size_t loop_fds;
    size_t connects;          /* 0: no limit */
    atomic_size_t connecting; /* the only member that changes */
};

#endif
