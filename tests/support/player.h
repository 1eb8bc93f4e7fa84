/* player.h: plays the rounds of one monitor against frozen peers: an executor without threads. */
#ifndef PM_TEST_PLAYER_H
#define PM_TEST_PLAYER_H

#include <panicmon/substrate.h>

#include "base/json.h"
#include "base/map.h"
#include "core/config_set.h"
#include "core/monitor_impl.h"
#include "support/frozen.h"

typedef struct player {
    const panicmon_strategy_ops *ops;
    panicmon_substrate *shared;
    frozen *world;
    void *parsed;
    panicmon_launch launch;
    panicmon_round round;
    pm_map *store; /* key -> char *; shared by players that are to share it */
    pm_map own_store;
    bool store_is_away;
    char *sample;         /* the last message to raw_data */
    json_t *document;     /* the same, parsed */
    char routing_key[64]; /* it went to */
    int samples;
    int heartbeats;
    int steps;
    panicmon_err confirm; /* how the sample's publish ends */
    void (*guard)(bool);  /* may be NULL: told before and after each step, which may then fail */
    panicmon_err broke;   /* with a guard: how the round's last step ended */
} player;

/* Opens a monitor of entry `entry` of a set; aborts when the config does not parse. */
void player_open(player *at, const panicmon_strategy_ops *ops, panicmon_substrate *shared,
                 frozen *world, const char *routing_key, const char *json, size_t entry);
void player_close(player *at);
/* Plays a whole round. */
void player_round(player *at);
/* Swaps the config in place; false when the monitor refuses. */
bool player_update(player *at, const char *routing_key, const char *json, size_t entry);
/* data.<name> of the last sample; NULL when it is an error sample. Borrowed. */
json_t *player_data(const player *at, const char *name);
/* data.panicmon.<name> */
json_t *player_extra(const player *at, const char *name);
int player_code(const player *at); /* of an error sample, else 0 */

#endif
