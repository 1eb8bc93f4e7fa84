/* files.h: whether the files that settings name can be used. No state. */
#ifndef PANICMOND_FILES_H
#define PANICMOND_FILES_H

#include <panicmon/panicmon.h>

/* Looks at the files of TLS and at the directory of the state, and changes nothing. What would stop
 * any daemon is told to `fault`, what may only stop this user to `warning`. */
void files_check(const panicmon_settings *settings, panicmon_fault_fn fault,
                 panicmon_fault_fn warning, void *user);

#endif
