/* resolve.h: host names to numeric addresses without blocking a loop: getaddrinfo() runs in helper
 * threads. A lookup belongs to the thread that started it; its `ready` runs in a helper thread. */
#ifndef PM_RESOLVE_H
#define PM_RESOLVE_H

#include <stdbool.h>
#include <stddef.h>

#include <panicmon/error.h>

#define PM_ADDRESSES_MAX 8
#define PM_ADDRESS_SIZE  64

typedef struct pm_addresses {
    char text[PM_ADDRESSES_MAX][PM_ADDRESS_SIZE]; /* numeric, without brackets */
    size_t count;
} pm_addresses;

typedef struct pm_resolver pm_resolver;
typedef struct pm_lookup pm_lookup;

panicmon_err pm_resolver_new(pm_resolver **out);
/* After its lookups. Waits at most 200 ms for helper threads; one that hangs in getaddrinfo() is
 * left to end on its own and touches nothing of ours but counted state. NULL is allowed. */
void pm_resolver_free(pm_resolver *resolver);

/* Whether `host` is a numeric address already; then it is the only one in `out`. */
bool pm_resolve_numeric(const char *host, pm_addresses *out);

/* Starts a lookup, or joins one of the same host that runs. `ready` is called once from another
 * thread when it is over, never after pm_lookup_free(); it must not call back into here. */
panicmon_err pm_lookup_start(pm_lookup **out, pm_resolver *resolver, const char *host,
                             void (*ready)(void *user), void *user);
/* False while it runs. Else gives the addresses; none, and why in `problem` (static), on failure.
 */
bool pm_lookup_result(pm_lookup *lookup, pm_addresses *out, const char **problem);
/* Gives up a lookup, also while it runs; never blocks. NULL is allowed. */
void pm_lookup_free(pm_lookup *lookup);

#endif
