/* daemon.h: the life of panicmond: start, watch, reload, stop. */
#ifndef PANICMOND_DAEMON_H
#define PANICMOND_DAEMON_H

#include "options.h"

/* Runs until it is over or a signal says so; gives the exit code. */
int daemon_run(const options *options);

#endif
