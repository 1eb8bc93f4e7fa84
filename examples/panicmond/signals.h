/* signals.h: signals as numbers to read from a descriptor. Main thread. */
#ifndef PANICMOND_SIGNALS_H
#define PANICMOND_SIGNALS_H

#include <panicmon/runtime.h>

/* Takes SIGTERM, SIGINT, SIGHUP, SIGUSR1 and SIGWINCH over and ignores SIGPIPE. Gives a descriptor
 * that is readable when one came, -1 on failure. To be called once. */
int signals_open(void);

/* The runtime that SIGTERM and SIGINT ask to stop, from their handler; NULL: none any more. */
void signals_stop(panicmon_runtime *runtime);

/* Bytes for standard output (a cursor to be shown again) should the process have to end from a
 * handler; static text, NULL: none. */
void signals_last_words(const char *bytes);

/* Ends the process at once, with the last words. */
void signals_leave(int code) __attribute__((noreturn));

/* As if SIGHUP had come. Any thread. */
void signals_reload(void);

/* The next signal that came, 0 when there is none. */
int signals_next(void);

#endif
