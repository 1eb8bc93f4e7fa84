/* chain.h: what a simulated node serves: blocks with their states, runtimes, names. Made in memory
 * (world.c) or read from a file (statefile.c). One thread. */
#ifndef SIM_CHAIN_H
#define SIM_CHAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "store.h"

#define SIM_HASH_TEXT 66 /* 0x and 64 digits */

typedef struct sim_runtime {
    uint32_t from; /* the first block with it */
    uint32_t spec_version;
    char *version;  /* JSON */
    char *metadata; /* a JSON string */
    size_t metadata_len;
} sim_runtime;

typedef struct sim_chain sim_chain;

typedef struct sim_chain_ops {
    /* Makes one block on top of the head; false when there can be no more. */
    bool (*advance)(sim_chain *chain);
    void (*hash)(const sim_chain *chain, uint32_t number, char text[SIM_HASH_TEXT + 1]);
    bool (*number)(const sim_chain *chain, const char *hash, uint32_t *number);
    void (*free)(sim_chain *chain);
} sim_chain_ops;

struct sim_chain {
    const sim_chain_ops *ops;
    sim_store store;
    sim_runtime *runtimes; /* oldest first */
    size_t runtime_count;
    char *metadata_v16; /* a JSON string, or NULL */
    size_t metadata_v16_len;
    char *name;       /* JSON */
    char *properties; /* JSON */
    char genesis[SIM_HASH_TEXT + 1];
    uint32_t first; /* the oldest block there is (but for 0, the genesis) */
    uint32_t head;
    uint32_t oldest_state; /* nobody has a state before this block */
    uint32_t keep;         /* states kept behind a head; 0: all */
    uint32_t hold;         /* the lowest head that a node stands at; UINT32_MAX: none lags */
    const char *version;   /* of system_version */
};

/* Values a made chain starts from. */
typedef struct sim_world_options {
    uint64_t seed;
    uint32_t validators, waiting, nominators, page_size;
    uint32_t session_blocks, era_sessions, history_depth;
    uint32_t start, warm_up;             /* the head it starts at; blocks made before that */
    uint32_t slash_every, offline_every; /* blocks; sessions; 0: never */
    uint32_t keep, spec_version;
    int64_t block_ms, start_time_ms; /* of a block; of the block `start` */
    bool legacy, rotate;
    uint8_t ss58;
} sim_world_options;

sim_chain *sim_world_new(const sim_world_options *options);
/* NULL and a message on standard error when the file cannot be used. */
sim_chain *sim_file_open(const char *path);
void sim_chain_free(sim_chain *chain);

/* Makes one block and forgets the states that nobody may ask for any more. */
bool sim_chain_advance(sim_chain *chain);
const sim_runtime *sim_chain_runtime(const sim_chain *chain, uint32_t block);
/* Adds a runtime from `from` on; takes the texts over. */
void sim_chain_add_runtime(sim_chain *chain, uint32_t from, uint32_t spec, char *version,
                           char *metadata);

/* Levers of a made chain; false on a file or an unknown validator. They act in the next block. */
bool sim_world_slash(sim_chain *chain, uint32_t validator, uint64_t amount);
bool sim_world_offline(sim_chain *chain, uint32_t validator);
bool sim_world_next_session(sim_chain *chain);
bool sim_world_next_era(sim_chain *chain);
/* From block `from` (above the head) on the runtime calls itself `spec_version`. */
bool sim_world_upgrade(sim_chain *chain, uint32_t from, uint32_t spec_version);
/* The validator a text (index, 0x account or SS58 address) names. */
bool sim_world_find(const sim_chain *chain, const char *text, uint32_t *validator);
/* Appends the members of sim_state's answer that describe sessions, eras and validators. */
void sim_world_describe(const sim_chain *chain, pm_buf *out);

/* Metadata V14 of a made chain, as bytes. */
void sim_metadata_v14(pm_buf *out, const sim_world_options *options, uint32_t spec_version);
const char *sim_spec_name(const sim_world_options *options);

#endif
