/* reload.h: a request over HTTP that the configuration be read again: the server's thread asks and
 * waits, the main thread answers. */
#ifndef PANICMOND_RELOAD_H
#define PANICMOND_RELOAD_H

#include <stdbool.h>

typedef struct reload reload;

typedef enum reload_result { RELOAD_TAKEN, RELOAD_FAULTY, RELOAD_NO_ANSWER } reload_result;

/* NULL without memory. */
reload *reload_new(void);
void reload_free(reload *reload); /* NULL is allowed */

/* Asks the main thread and waits, though never for long. The server's thread. */
reload_result reload_ask(reload *reload);

/* The configuration is about to be read: that answers all requests so far. Main thread. */
void reload_begin(reload *reload);
/* It was read; whether all of it was taken. Main thread. */
void reload_done(reload *reload, bool good);
/* It will not be read any more. Main thread. */
void reload_end(reload *reload);

#endif
