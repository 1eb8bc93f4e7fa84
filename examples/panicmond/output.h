/* output.h: where messages and log of the daemon go. Main thread. */
#ifndef PANICMOND_OUTPUT_H
#define PANICMOND_OUTPUT_H

#include <panicmon/panicmon.h>

#include "options.h"
#include "setup.h"
#include "store.h"
#include "table.h"

typedef struct output {
    panicmon_log *log;
    panicmon_sink *sink; /* NULL: the library's own, which is the broker's */
    table *table;        /* NULL: none is drawn */
    bool broker;         /* takes the messages, whatever else gets them too */
    bool lines;          /* of JSON go to standard output */
    int log_pipe[2];     /* log records on their way past a live table; -1: straight to stderr */
    char *held;          /* a record that has not come whole yet */
    size_t held_len;
} output;

/* Opens what setup and options ask for; false when it cannot be done (it was told). */
bool output_open(output *out, const setup *setup, output_format format);
/* Makes the sink, with what else is to get the messages: `store` for store_message(), or NULL. */
panicmon_err output_connect(output *out, const setup *setup, store *store, panicmon_error **err);
/* What happens to the messages, to be put after "messages go to". Static. */
const char *output_target(const output *out);
/* Writes waiting log records out. */
void output_pump(output *out);
/* Writes a line to standard error, whatever the level of the log. */
void output_say(output *out, const char *line);
/* Closes; `expected` as for table_free(). The runtime must be gone. */
void output_close(output *out, size_t expected);

/* Whether the daemon ends when nobody reads standard output any more: it is the one place that
 * messages go to. */
bool output_is_watched(const output *out);

/* Whether nobody reads it any more; `revents` is what poll(2) said of it. */
bool output_is_closed(const output *out, short revents);

#endif
