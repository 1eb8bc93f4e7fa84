/* history.h: the blocks that passed since the last confirmed sample, and what they say of one
 * stash: a machine inside of a validator's round, with a cursor that outlives the process. Belongs
 * to the monitor. */
#ifndef PM_SUBSTRATE_HISTORY_H
#define PM_SUBSTRATE_HISTORY_H

#include "substrate/chain.h"

/* How far back a round goes, in blocks: PANIC's limits. */
#define PM_HISTORY_ARCHIVE 300
#define PM_HISTORY_PRUNED  246
/* Blocks read in one step. */
#define PM_HISTORY_CHUNK 32

typedef enum pm_history_stage {
    PM_HISTORY_OFF,  /* no history this round */
    PM_HISTORY_LOAD, /* the cursor was asked for */
    PM_HISTORY_WAIT, /* for the height to go to */
    PM_HISTORY_HASHES,
    PM_HISTORY_VERSIONS,
    PM_HISTORY_METADATA,
    PM_HISTORY_EVENTS,
    PM_HISTORY_DONE
} pm_history_stage;

typedef struct pm_history_item {
    int64_t height;
    pm_block *block; /* NULL: not read yet */
    char hash[PM_HASH_TEXT];
    bool gone;           /* the source has no such block */
    pm_version version;  /* of the runtime that wrote it */
    pm_runtime *runtime; /* the same; NULL: that of the state */
    panicmon_request request;
} pm_history_item;

typedef struct pm_history {
    pm_substrate *shared;

    /* over rounds */
    char *key; /* of the cursor in the state store */
    bool loaded;
    int failures;
    pm_maybe cursor;   /* up to which block samples were confirmed */
    char runtime[160]; /* that wrote the block after it, or an older one */

    /* of a round */
    pm_history_stage stage;
    bool asked;
    uint32_t asked_step; /* replies come in a later one */
    panicmon_request request;
    int64_t began_ms;
    const char *url;
    const char *genesis;
    char head[PM_HASH_TEXT];
    int64_t height;     /* to go to */
    pm_runtime *writer; /* of the block at that height; NULL: not known yet */
    bool is_archive;
    bool trusted;           /* all blocks of the round were written by the same runtime */
    pm_history_item *items; /* [0] is the block before the first one */
    size_t count;           /* with it */
    size_t next;            /* first item of the chunk at hand */
    size_t end;             /* behind its last */
    size_t pruned;
    size_t undecoded;
    pm_maybe reached; /* the last block that this round's sample speaks of */
} pm_history;

/* Begins a round. `genesis` is JSON text; another one than before begins anew. */
panicmon_err pm_history_begin(pm_history *history, panicmon_round *round, const char *genesis,
                              const char *node_id);
/* Where to read and how far to go, as soon as that is known; `head` is the hash at `height`. */
void pm_history_aim(pm_history *history, const char *url, const char *genesis, bool is_archive,
                    const char *head, int64_t height);
/* The runtime that wrote the block aimed at. */
void pm_history_writer(pm_history *history, pm_runtime *writer);
/* Reads replies and asks for more; `*busy`: replies are to come. While it has no aim, or no writer
 * and needs one, it waits without asking. */
panicmon_err pm_history_step(pm_history *history, panicmon_round *round, bool *busy);
/* Whether the round must wait for more to come from here. */
bool pm_history_over(const pm_history *history);
/* PANIC's array, newest first. */
void pm_history_json(pm_buf *out, const pm_history *history, const uint8_t *account);
/* history_blocks.c: the steps of a chunk. */
void pm_history_stop(pm_history *history); /* nothing more can be read in this round */
bool pm_history_wants_versions(const pm_history *history);
void pm_history_next_chunk(pm_history *history);
panicmon_err pm_history_ask_versions(pm_history *history, panicmon_round *round);
void pm_history_take_versions(pm_history *history, panicmon_round *round);
panicmon_err pm_history_ask_metadata(pm_history *history, panicmon_round *round);
void pm_history_take_metadata(pm_history *history, panicmon_round *round);
panicmon_err pm_history_ask_events(pm_history *history, panicmon_round *round);
panicmon_err pm_history_take_events(pm_history *history, panicmon_round *round);
/* The sample was confirmed: moves the cursor, and asks for it to be stored. */
panicmon_err pm_history_confirm(pm_history *history, panicmon_round *round);
/* Ends a round. */
void pm_history_end(pm_history *history);
void pm_history_free(pm_history *history);

#endif
