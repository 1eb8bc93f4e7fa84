/* options.h: the command line of panicmond. */
#ifndef PANICMOND_OPTIONS_H
#define PANICMOND_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

/* Exit codes; 0 is all well. */
enum {
    EXIT_ERROR_SAMPLES = 1, /* or the daemon could not go on */
    EXIT_USAGE = 2,         /* usage or configuration */
    EXIT_NONE_STARTED = 3
};

typedef enum output_format { FORMAT_DEFAULT, FORMAT_JSON, FORMAT_TABLE } output_format;

/* The texts are the command line's own. */
typedef struct options {
    const char *file;   /* NULL: none */
    const char **nodes; /* URLs in the order given */
    size_t node_count;
    const char *period;
    const char *executor;
    const char *log_level;
    const char *listen;
    output_format format;
    bool once;
    bool check_config;
} options;

/* Reads the command line. Gives -1 to go on, else the code to exit with (what there is to say was
 * said). `out->nodes` is to be freed. */
int options_read(options *out, int argc, char **argv);

#endif
