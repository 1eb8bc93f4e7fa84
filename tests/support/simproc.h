/* simproc.h: a panicmon-sim of a test's own, on a free port. */
#ifndef SIMPROC_H
#define SIMPROC_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

typedef struct simproc {
    pid_t pid;
    uint16_t port;
} simproc;

/* Starts the program that the environment variable PANICMON_SIM names, with up to 20 options up to
 * a NULL, and waits until it listens. False when it does not. */
bool simproc_start(simproc *sim, const char *const *options);
/* Ends it with SIGTERM; its exit status, or -1 when a signal ended it or it would not go. */
int simproc_stop(simproc *sim);

#endif
