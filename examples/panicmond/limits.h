/* limits.h: how many files the daemon may have open, and how many it wants. Main thread. */
#ifndef PANICMOND_LIMITS_H
#define PANICMOND_LIMITS_H

#include "setup.h"

/* Raises the limit of this process as far as it may itself. Says in `line` what was done; false:
 * there was nothing to do. */
bool limits_raise(char *line, size_t size);

/* Whether the limit is too low for that many monitorables; `line` says so, and what to do. */
bool limits_fall_short(const setup *setup, size_t monitorables, char *line, size_t size);

#endif
