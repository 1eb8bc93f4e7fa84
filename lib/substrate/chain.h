/* chain.h: what the monitors of Substrate chains share: heads of endpoints, decoded metadata, the
 * snapshots of chains, the events of blocks, the data sources of config sets. One object, counted
 * by references.
 *
 * Whatever a monitor takes from here is immutable and counted by references, so it keeps it
 * through its round without a lock. The one lock guards the tables; it is held for look-ups and
 * swaps alone, never while a step waits or a value is decoded. */
#ifndef PM_SUBSTRATE_CHAIN_H
#define PM_SUBSTRATE_CHAIN_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <panicmon/substrate.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/map.h"
#include "substrate/metadata.h"
#include "substrate/ss58.h"

/* No request: request numbers of a round never reach this. */
#define PM_NO_REQUEST UINT32_MAX

#define PM_HASH_TEXT 67 /* "0x", 64 digits, zero */

typedef panicmon_substrate pm_substrate;

/* A number that a chain or node may not have. */
typedef struct pm_maybe {
    bool known;
    int64_t value;
} pm_maybe;

/* How healthy a node says it is (system_health). */
typedef struct pm_health {
    bool known;
    bool is_syncing;
    bool should_have_peers;
    int64_t peers;
} pm_health;

/* Which runtime answers: equal texts, equal metadata (but for private builds; see renewed). */
typedef struct pm_version {
    char id[160]; /* "spec/version/transaction version" */
    char name[96];
    pm_maybe number;
} pm_version;

/* ---- heads: what an endpoint says of itself ---- */

typedef struct pm_heads {
    atomic_int refs;
    int64_t taken_ms;    /* pm_mono_ms() */
    panicmon_err status; /* of the first call that failed; the rest is valid when OK */
    const char *method;  /* that call */
    pm_buf message;      /* why */
    bool shape;          /* it answered something that a Substrate node does not */
    pm_health health;
    pm_maybe best;
    pm_maybe target;
    char hash[PM_HASH_TEXT]; /* of the finalized head */
    int64_t moved_ms;        /* when another finalized head was last seen */
    pm_version version;      /* at its best block */
    pm_buf genesis;          /* JSON texts, empty while unknown */
    pm_buf chain;
    pm_buf node_version;
    pm_buf properties; /* in the shape PANIC publishes */
    int64_t properties_ms;
} pm_heads;

typedef struct pm_endpoint {
    char *url;
    size_t users;         /* guarded by the lock, as all that follows */
    pm_heads *heads;      /* the last ones, may be NULL */
    int64_t retry_ms;     /* a source that hung is left alone until then */
    int64_t pause_ms;     /* how long the last time */
    bool has_hub_staking; /* an Asset Hub that carries its relay chain's staking */
} pm_endpoint;

/* The calls that make heads. */
typedef struct pm_heads_call {
    pm_endpoint *endpoint;
    panicmon_request health;
    panicmon_request head;
    panicmon_request sync;
    panicmon_request version;
    panicmon_request genesis;
    panicmon_request chain;
    panicmon_request node_version;
    panicmon_request properties;
} pm_heads_call;

/* ---- runtimes: decoded metadata ---- */

typedef struct pm_runtime {
    size_t users; /* guarded by the lock */
    char *key;    /* genesis and version; NULL once it is no longer in the table */
    pm_metadata *metadata;
    struct pm_items *items; /* what a chain's state is read from */
    pm_version version;
    bool renewed; /* it was read again after a value did not decode: no use to do so again */
} pm_runtime;

/* Metadata being read: others look whether it is there yet, for a while. */
typedef struct pm_flight {
    const void *who;
    int64_t until_ms;
} pm_flight;

/* ---- views: the state of a chain as one source (and its Asset Hub) has it ---- */

struct pm_state;

typedef struct pm_watch_item {
    uint8_t account[PM_ACCOUNT_SIZE];
    size_t users;
} pm_watch_item;

typedef struct pm_view {
    char *key;
    size_t users;           /* guarded by the lock, as all that follows */
    struct pm_state *state; /* the last one, may be NULL */
    const void *fetcher;    /* who reads a new one, until fetch_until_ms */
    int64_t fetch_until_ms;
    pm_watch_item *watched;
    size_t watched_count;
    size_t watched_room;
} pm_view;

/* ---- blocks: what their events say of validators ---- */

typedef struct pm_slash {
    uint8_t account[PM_ACCOUNT_SIZE];
    uint64_t low, high; /* a u128 */
} pm_slash;

typedef struct pm_block {
    atomic_int refs;
    struct pm_block *newer, *older; /* guarded by the lock, as key */
    char *key;
    size_t size;
    int64_t height;
    bool pruned;    /* the source no longer has it */
    bool undecoded; /* its events could not be read */
    pm_slash *slashes;
    size_t slash_count;
    uint8_t (*offline)[PM_ACCOUNT_SIZE];
    size_t offline_count;
} pm_block;

typedef struct pm_height_memo {
    char hash[PM_HASH_TEXT];
    int64_t height;
} pm_height_memo;

#define PM_MEMO_SIZE 256

/* The answer to state_getRuntimeVersion that was read last; longer ones are not remembered. */
typedef struct pm_version_memo {
    char text[2048];
    size_t len; /* 0: none */
    pm_version version;
} pm_version_memo;

struct panicmon_substrate {
    atomic_int refs;
    pthread_mutex_t lock; /* guards all that follows */
    pm_map endpoints;     /* URL -> pm_endpoint */
    pm_map views;         /* URLs -> pm_view */
    pm_map runtimes;      /* key -> pm_runtime */
    pm_map flights;       /* key -> pm_flight: metadata that somebody is reading */
    pm_map sets;          /* routing key -> pm_sources, the last one of each */
    pm_map blocks;        /* "genesis URL height" -> pm_block */
    pm_block *newest, *oldest;
    size_t block_bytes;
    pm_height_memo memo[PM_MEMO_SIZE];
    size_t memo_next;
    pm_version_memo version;
};

pm_substrate *pm_substrate_ref(pm_substrate *shared);
static inline void pm_substrate_lock(pm_substrate *shared)
{
    pthread_mutex_lock(&shared->lock);
}
static inline void pm_substrate_unlock(pm_substrate *shared)
{
    pthread_mutex_unlock(&shared->lock);
}

/* A block hash as text out of a JSON string; false when it is none. */
bool pm_hash_text(pm_json value, char out[PM_HASH_TEXT]);
/* The inside of a JSON string that holds no escapes; NULL text else. */
pm_json pm_plain_string(pm_json value);
/* The height of a finalized block that was seen lately. */
bool pm_height_known(pm_substrate *shared, const char *hash, int64_t *height);
void pm_height_keep(pm_substrate *shared, const char *hash, int64_t height);

/* Calls, and their replies. `*status` keeps the first failure of several calls. */
void pm_call(panicmon_err *status, panicmon_round *round, const char *url, const char *method,
             const char *params, uint32_t flags, panicmon_request *out);
/* The same with `[hash]` for parameters, pinned. */
void pm_call_at(panicmon_err *status, panicmon_round *round, const char *url, const char *method,
                const char *hash, panicmon_request *out);
const panicmon_reply *pm_reply(const panicmon_round *round, panicmon_request request);
bool pm_reply_ok(const panicmon_reply *reply);
/* The result as JSON; absent when it failed. */
pm_json pm_reply_json(const panicmon_reply *reply);
/* Whether a failed call may succeed elsewhere: no answer came at all. */
bool pm_reply_lost(const panicmon_reply *reply);

/* chain_heads.c */
pm_endpoint *pm_endpoint_open(pm_substrate *shared, const char *url);
void pm_endpoint_close(pm_substrate *shared, pm_endpoint *endpoint); /* NULL is allowed */
pm_heads *pm_heads_ref(pm_heads *heads);
void pm_heads_unref(pm_heads *heads); /* NULL is allowed */
/* The heads of an endpoint if they are younger than `fresh_ms`; NULL else. */
pm_heads *pm_heads_fresh(pm_substrate *shared, pm_endpoint *endpoint, int64_t fresh_ms);
/* The last ones, however old; NULL when there are none. */
pm_heads *pm_heads_last(pm_substrate *shared, pm_endpoint *endpoint);
/* Whether a data source hung lately and is better not asked now. */
bool pm_endpoint_paused(pm_substrate *shared, const pm_endpoint *endpoint);
panicmon_err pm_heads_ask(pm_heads_call *call, pm_substrate *shared, pm_endpoint *endpoint,
                          panicmon_round *round);
/* Makes heads of the replies and leaves them to the others. NULL without memory. */
pm_heads *pm_heads_take(pm_heads_call *call, pm_substrate *shared, panicmon_round *round);
bool pm_version_read(pm_json result, pm_version *out);
/* A header's number: hex text, with or without leading zeros. */
bool pm_read_header_number(pm_json result, pm_maybe *out);

/* chain_meta.c */
pm_runtime *pm_runtime_ref(pm_substrate *shared, pm_runtime *runtime);
void pm_runtime_unref(pm_substrate *shared, pm_runtime *runtime); /* NULL is allowed */
/* The metadata of a runtime that somebody has read already; NULL else. */
pm_runtime *pm_runtime_find(pm_substrate *shared, const char *genesis, const pm_version *version);
/* Decodes metadata and leaves it to the others. `renewed`: see pm_runtime. */
panicmon_err pm_runtime_make(pm_runtime **out, pm_substrate *shared, const char *genesis,
                             const pm_version *version, pm_json text, bool renewed,
                             panicmon_error **err);
/* Whether the caller is to read the metadata of a runtime: false while another one does. */
bool pm_runtime_claim(pm_substrate *shared, const char *genesis, const pm_version *version,
                      const void *who);
/* Ends all reading of `who`. */
void pm_runtime_unclaim(pm_substrate *shared, const void *who);
/* Nobody else is to take it: one of its values did not decode. */
void pm_runtime_drop(pm_substrate *shared, pm_runtime *runtime);
bool pm_runtime_dropped(pm_substrate *shared, const pm_runtime *runtime);

/* chain_view.c */
pm_view *pm_view_open(pm_substrate *shared, const char *url, const char *hub_url);
void pm_view_close(pm_substrate *shared, pm_view *view); /* NULL is allowed */
bool pm_view_watch(pm_substrate *shared, pm_view *view, const uint8_t *account);
void pm_view_unwatch(pm_substrate *shared, pm_view *view, const uint8_t *account);
/* The last state if it has `account` (NULL: none is needed), was read after `seen_ms` and is
 * younger than `fresh_ms`; or, while another monitor reads a new one, is younger than `stale_ms`.
 * Else NULL, and the caller has the fetch (if nobody else has), until pm_view_leave(). */
struct pm_state *pm_view_take(pm_substrate *shared, pm_view *view, const uint8_t *account,
                              const void *who, int64_t seen_ms, int64_t fresh_ms, int64_t stale_ms,
                              bool *mine);
struct pm_state *pm_view_last(pm_substrate *shared, pm_view *view);
/* Leaves a state (NULL: none) to the others and ends the fetch of `who`; one that was read without
 * having the fetch does not replace one with more stashes. */
void pm_view_leave(pm_substrate *shared, pm_view *view, const void *who, struct pm_state *state);
/* The accounts to read: `own` first (if any), then what else is watched; malloc'd. */
bool pm_view_accounts(pm_substrate *shared, pm_view *view, const uint8_t *own,
                      uint8_t (**out)[PM_ACCOUNT_SIZE], size_t *count);

/* chain_block.c */
pm_block *pm_block_find(pm_substrate *shared, const char *genesis, const char *url, int64_t height);
pm_block *pm_block_new(int64_t height);
pm_block *pm_block_ref(pm_block *block);
void pm_block_unref(pm_block *block); /* NULL is allowed */
/* Reads the records of a block out of its events; ERR_PARSE: they do not decode. */
panicmon_err pm_block_read(pm_block *block, const pm_metadata *metadata, const uint8_t *bytes,
                           size_t len, panicmon_error **err);
/* Leaves a block to the others; the least used ones make room. */
void pm_block_keep(pm_substrate *shared, const char *genesis, const char *url, pm_block *block);
/* What it says of one account: the sum slashed (false when it does not fit), and offline. */
void pm_block_of(const pm_block *block, const uint8_t *account, uint64_t *low, uint64_t *high,
                 bool *slashed, bool *offline);

/* node_config.c */
void pm_sources_clear(pm_substrate *shared);

#endif
