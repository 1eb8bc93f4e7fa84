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

/* What a sample is of, by the id that it carries. */
typedef enum kind { KIND_NODE, KIND_NETWORK, KIND_SYSTEM, KIND_REPO, KINDS } kind;

/* What a sample says. Numbers are UNKNOWN where it says nothing, answers (0 or 1) are -1. */
typedef struct sample {
    kind kind;
    char id[256];
    char name[256];
    char parent[128]; /* the id of its chain */
    char chain[64];   /* the name of its chain, as the node or the config calls it */
    char version[64]; /* of the node */
    char runtime[64]; /* of the chain */
    int64_t best;
    int64_t target;
    int64_t finalized;
    int64_t peers;
    int64_t era;
    int64_t session;
    int syncing;
    int validator;
    int active;
    int elected;
    int disabled;
    double slashed; /* in the blocks that this sample covers */
    int error;      /* the code of an error sample; 0: a result */
    char message[256];
} sample;

/* Receives one source of a list of monitorables; the texts are borrowed. */
typedef void (*source_fn)(void *user, const char *id, const char *name, const char *chain_id,
                          const char *chain_name);

/* The text of `configs` with an entry for each node URL in its set NODES_KEY; entries given here
 * replace those of the same id. malloc'd; NULL without memory. */
char *document_add_nodes(const char *configs, const char *const *urls, size_t count);

/* Receives a part of a configuration, as a configuration of its own: one setting, or one config
 * set. Borrowed. */
typedef void (*part_fn)(void *user, const char *part, bool configs);

/* Takes a configuration apart; text that is not JSON has no parts. */
void document_parts(const char *text, size_t len, part_fn part, void *user);

/* Reads the body of a message; false when it is no sample of a monitorable. */
bool document_read_sample(const char *body, size_t len, sample *out);

/* Tells the sources of a message of the exchange `monitorable`, after the name of the manager that
 * lists them was copied to `manager`; false when it is none. */
bool document_read_sources(const char *body, size_t len, char manager[64], source_fn source,
                           void *user);

#endif
