/* modes.h: how a node misbehaves. One table names every mode: options, sim_set and sim_state all
 * go through it. */
#ifndef SIM_MODES_H
#define SIM_MODES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/json.h"

typedef struct sim_modes {
    int64_t delay, jitter;  /* ms before an answer; up to so much more */
    int64_t stall;          /* bool: requests are read and never answered */
    int64_t deaf;           /* bool: not even the handshake is answered */
    int64_t half_handshake; /* bool: half an answer to it, then nothing */
    int64_t refuse;         /* HTTP status instead of the upgrade */
    int64_t close;          /* bool: half of each answer, then the end of the connection */
    int64_t reset;          /* bool: RST instead of an answer */
    int64_t garbage;        /* bool: no JSON */
    int64_t wrong_id;       /* bool */
    int64_t huge;           /* answers of so many bytes */
    int64_t trickle;        /* bool: one byte at a time */
    int64_t binary;         /* bool: binary frames */
    int64_t ping_flood;     /* pings to each connection every 10 ms */
    int64_t batch;          /* largest batch; 0: none at all ("off"); -1: any */
    int64_t every;          /* answers spoilt: each so-manieth; 1: all */
    int64_t syncing;        /* bool */
    int64_t peers;
    int64_t no_sync_state; /* bool: no method system_syncState */
    int64_t subscriptions; /* bool */
    int64_t frozen;        /* bool: the head stays where it is */
    int64_t back;          /* blocks the head is behind the chain's */
    int64_t finality_lag;
    int64_t metadata; /* 14, or 16 where the state has it */
    char genesis[67]; /* another hash for block 0; empty: the chain's */
    char deny[512];   /* methods that do not exist, between spaces */
    uint32_t frozen_at;
} sim_modes;

void sim_modes_default(sim_modes *modes);
/* Sets `name` to `text` ("" is true); false with a message of what is wrong. */
bool sim_modes_set(sim_modes *modes, const char *name, const char *text, pm_buf *wrong);
/* The same with a JSON value: number, boolean, text, or an array of texts. */
bool sim_modes_set_json(sim_modes *modes, const char *name, pm_json value, pm_buf *wrong);
/* Appends a JSON object. */
void sim_modes_describe(const sim_modes *modes, pm_buf *out);
/* Appends the names, for the help. */
void sim_modes_names(pm_buf *out);
bool sim_modes_denies(const sim_modes *modes, const char *method);

#endif
