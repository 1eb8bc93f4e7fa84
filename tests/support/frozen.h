/* frozen.h: peers without a network: each answers the calls of a monitor's steps from a recorded
 * state of a chain. Answers come from any thread; levers are for one thread at a time. */
#ifndef PM_TEST_FROZEN_H
#define PM_TEST_FROZEN_H

#include <stdatomic.h>
#include <stdbool.h>

#include <jansson.h>

#include "net/request.h"

#define FROZEN_PEERS 128

typedef struct frozen_peer frozen_peer;

struct frozen_peer {
    const char *url;
    json_t *state;      /* shared by peers of one file */
    json_t *more;       /* storage that goes before the state's; a null: not there */
    atomic_size_t head; /* index of the best and finalized block */
    size_t keep;        /* older states than so many are pruned */
    const char *genesis;
    json_t *version; /* NULL: the state's; borrowed */
    atomic_bool is_syncing;
    atomic_bool is_down;
    bool no_sync_state;
    int64_t lag; /* of what system_syncState says */
    /* Looks at a call first; true: it was answered. */
    bool (*hook)(frozen_peer *peer, pm_request *request, void *user);
    void *user;
    atomic_int requests;
    atomic_int frames;
    atomic_int keys; /* asked for with state_queryStorageAt */
    atomic_int events;
    atomic_int metadata;
};

typedef struct frozen {
    frozen_peer peers[FROZEN_PEERS];
    size_t count;
} frozen;

/* The path of a file in the shared folder ($PANICMON_SHARED); NULL, with a word why on standard
 * output, when it is not there. */
const char *frozen_path(const char *name);
/* A JSON document out of the shared folder, packed or not; NULL when it is not there. */
json_t *frozen_load(const char *name);

/* A peer of a state; `state` is borrowed. */
frozen_peer *frozen_add(frozen *world, const char *url, json_t *state);
void frozen_free(frozen *world);
/* Puts a value under a key in front of the state; NULL: takes it away. */
void frozen_set(frozen_peer *peer, const char *key, const char *value);
/* Metadata in which a pallet has another name of the same length, so that nobody finds it. */
void frozen_hide_pallet(json_t *state, const char *pallet);
/* Answers a call. */
void frozen_answer(frozen *world, pm_request *request);
/* Counts one frame for each endpoint that the requests go to. */
void frozen_count(frozen *world, pm_request *const *requests, size_t count);
frozen_peer *frozen_find(frozen *world, const char *url);
void frozen_reset(frozen *world); /* counters */
void frozen_reply(pm_request *request, const char *result);
void frozen_error(pm_request *request, int64_t code, const char *message);

#endif
