/* world.h (internal): a made chain from within. world.c moves it, world_state.c writes its storage
 * and events, world_levers.c lets tests push it. */
#ifndef SIM_WORLD_H
#define SIM_WORLD_H

#include "chain.h"

#define SIM_HASH_RING 1024

typedef struct sim_validator {
    uint8_t account[32];
    uint64_t own;      /* stake, less what was slashed */
    uint64_t slash;    /* to be slashed in the next block */
    uint32_t points;   /* in the active era */
    uint32_t authored; /* in the session */
    uint32_t place;    /* in Session.Validators; UINT32_MAX: not there */
    bool offline;      /* to be reported in the next block */
    bool disabled;
} sim_validator;

typedef struct sim_world {
    sim_chain chain;
    sim_world_options options;
    sim_validator *validators;
    uint32_t count;       /* with the waiting ones */
    uint32_t *by_account; /* all of them, sorted by account */
    uint32_t *active;     /* Session.Validators */
    uint32_t active_count;
    uint32_t session, session_start, session_in_era;
    uint32_t era, era_start, planned_era;
    int64_t era_start_ms;
    bool next_session; /* the next block starts one */
    pm_buf key, value, events;
    uint32_t event_count;
    struct {
        uint32_t number;
        char text[SIM_HASH_TEXT + 1];
    } ring[SIM_HASH_RING];
} sim_world;

sim_world *sim_world_of(const sim_chain *chain); /* NULL: it was read from a file */
/* A number that depends on the seed, `what` and `n` alone. */
uint64_t sim_world_random(const sim_world *world, uint64_t what, uint64_t n);
int64_t sim_world_time(const sim_world *world, uint32_t number);

/* Storage at block `number`. */
void sim_write_constants(sim_world *world, uint32_t number);
void sim_write_block(sim_world *world, uint32_t number);
void sim_write_session(sim_world *world, uint32_t number);
void sim_write_disabled(sim_world *world, uint32_t number);
void sim_write_active_era(sim_world *world, uint32_t number);
void sim_write_current_era(sim_world *world, uint32_t number);
void sim_write_points(sim_world *world, uint32_t number, uint32_t era);
void sim_write_exposures(sim_world *world, uint32_t number, uint32_t era);
void sim_remove_era(sim_world *world, uint32_t number, uint32_t era);
void sim_write_ledger(sim_world *world, uint32_t number, uint32_t validator);
void sim_write_claim(sim_world *world, uint32_t number, uint32_t era, uint32_t validator);
/* Whether a validator was, or will be, in the set of an era. */
bool sim_elected(const sim_world *world, uint32_t era, uint32_t validator);
/* Whether it has claimed its reward of an era by block `number` of the active era: three of four
 * do, one block after the era ended. */
bool sim_claimed(const sim_world *world, uint32_t number, uint32_t era, uint32_t validator);
void sim_write_authored(sim_world *world, uint32_t number, uint32_t validator, bool keep);
void sim_write_heartbeat(sim_world *world, uint32_t number, uint32_t validator, bool keep);

/* Events of the block being made. */
void sim_event_success(sim_world *world, uint32_t extrinsic);
void sim_event_code_updated(sim_world *world);
void sim_event_new_session(sim_world *world);
void sim_event_era_paid(sim_world *world, uint32_t era);
void sim_event_rewarded(sim_world *world, uint32_t validator);
void sim_event_slashed(sim_world *world, uint32_t validator, uint64_t amount);
void sim_event_offence(sim_world *world, uint32_t offender);
/* One SomeOffline (legacy) that names all who are marked offline; AllGood when nobody is. */
void sim_event_offline(sim_world *world);

#endif
