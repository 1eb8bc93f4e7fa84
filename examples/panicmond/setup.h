/* setup.h: settings and configs of panicmond, from file and flags. Main thread. */
#ifndef PANICMOND_SETUP_H
#define PANICMOND_SETUP_H

#include <panicmon/panicmon.h>

#include "options.h"

/* Zero-initialised is empty; setup_free() when done. */
typedef struct setup {
    panicmon_settings *settings;
    char *configs; /* of the file and of --node */
    size_t monitorables;
} setup;

/* Reads file and flags. Each fault of the settings, the flags and the nodes of the command line is
 * told to `fault` and gives a failure; when `strict`, those of the config sets too. (Else bad
 * entries are for the manager to report, and their neighbours still start.) */
panicmon_err setup_load(setup *out, const options *from, bool strict, panicmon_fault_fn fault,
                        void *user);
/* As setup_load() when strict, and looks at the files that the settings name. What is no fault but
 * may be a mistake is told to `warning`. */
panicmon_err setup_check(setup *out, const options *from, panicmon_fault_fn fault,
                         panicmon_fault_fn warning, void *user);
void setup_free(setup *setup);

/* The value of a setting. Borrowed. */
const char *setup_get(const setup *setup, const char *name);

#endif
