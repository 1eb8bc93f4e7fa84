/* document.h: the JSON that panicmond itself reads and writes: configs of --node flags, the
 * samples a table shows. No state; any thread. */
#ifndef PANICMOND_DOCUMENT_H
#define PANICMOND_DOCUMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The routing key of nodes given on the command line. */
#define NODES_KEY "chains.substrate.local.nodes_config"

#define UNKNOWN INT64_MIN

/* What a sample says of a node. Numbers are UNKNOWN where it says nothing. */
typedef struct sample {
    char id[256];
    char name[256];
    int64_t best;
    int64_t target;
    int64_t finalized;
    int64_t peers;
    int64_t era;
    bool syncing;
    int error; /* the code of an error sample; 0: a result */
    char message[256];
} sample;

/* The text of `configs` with an entry for each node URL in its set NODES_KEY; entries given here
 * replace those of the same id. malloc'd; NULL without memory. */
char *document_add_nodes(const char *configs, const char *const *urls, size_t count);

/* The member `configs` of a configuration alone, as a configuration of its own; malloc'd. NULL
 * when there is none or the text is not JSON. */
char *document_configs_only(const char *text, size_t len);

/* Reads the body of a message; false when it is no sample of a node. */
bool document_read_sample(const char *body, size_t len, sample *out);

#endif
