/* dial.h: a TCP connection made in a thread that may wait, but not long, and not when told to
 * stop. */
#ifndef PM_DIAL_H
#define PM_DIAL_H

#include <stddef.h>
#include <stdint.h>

#include "net/resolve.h"

typedef struct pm_dial_options {
    pm_resolver *resolver;
    const char *host;
    uint16_t port;
    int64_t until_ms; /* name and connection together */
    int stop_fd;      /* readable: give up */
} pm_dial_options;

/* A connected non-blocking descriptor, or -1 and why. `reached`, which may be NULL, has room for
 * PM_ADDRESS_SIZE bytes: the address that answered. */
int pm_dial(const pm_dial_options *options, char *reached, char *why, size_t room);

#endif
