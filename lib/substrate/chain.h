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

/* What of it hardly ever changes: one for all endpoints that say the same. Immutable, counted by
 * references. */
typedef struct pm_facts {
    atomic_int refs;
    pm_buf genesis; /* JSON texts, empty while unknown */
    pm_buf chain;
    pm_buf node_version;
    pm_buf properties;   /* in the shape PANIC publishes */
    pm_buf version_text; /* the answer that the version was read from; empty when it is too long */
    pm_buf in_data;      /* as a node's sample has them: a member of its data, */
    pm_buf in_extras;    /* and the first ones of ours */
    pm_maybe format;     /* of addresses, as the properties say */
    pm_version version;  /* at the best block */
} pm_facts;

typedef struct pm_heads {
    atomic_int refs;
    panicmon_err status; /* of the first call that failed; the rest is valid when OK */
    int64_t taken_ms;    /* pm_mono_ms() */
    pm_facts *facts;     /* when OK */
    pm_maybe best;
    pm_maybe target;
    pm_health health;
    int64_t moved_ms;        /* when another finalized head was last seen */
    int64_t genesis_ms;      /* when the genesis was last asked for */
    int64_t properties_ms;   /* when the properties were last read */
    bool shape;              /* it answered something that a Substrate node does not */
    const char *method;      /* the call that failed */
    char *message;           /* why; NULL: there is nothing to say */
    char hash[PM_HASH_TEXT]; /* of the finalized head */
} pm_heads;

typedef struct pm_endpoint {
    size_t users;                /* guarded by the lock, as all that follows */
    pm_heads *heads;             /* the last ones, may be NULL */
    int64_t retry_ms;            /* a source that hung is left alone until then */
    int64_t pause_ms;            /* how long the last time */
    atomic_bool has_hub_staking; /* an Asset Hub that carries its relay chain's staking; no lock */
    const char *shown;           /* the URL as samples have it; immutable, as the URL itself */
    char url[];
} pm_endpoint;

/* The calls that make heads, and what they are put together from. */
typedef struct pm_heads_call {
    pm_heads *before; /* the last ones when it was asked */
    pm_heads *made;   /* all is there but for the genesis */
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
    atomic_int users;    /* the last one goes under the lock, so that nobody finds it meanwhile */
    atomic_bool dropped; /* nobody else is to take it */
    char *key; /* genesis and version; NULL once it is no longer in the table (the lock) */
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
    size_t users;           /* guarded by the lock, as all that follows */
    struct pm_state *state; /* the last one, may be NULL */
    const void *fetcher;    /* who reads a new one, until fetch_until_ms */
    int64_t fetch_until_ms;
    pm_watch_item *watched;
    size_t watched_count;
    size_t watched_room;
    char key[]; /* the URLs; immutable */
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

/* A hash has its place in one of the sets, where the oldest one makes room. */
#define PM_MEMO_SETS 64
#define PM_MEMO_WAYS 4

/* What is not in use and kept for the next one to use. */
#define PM_SPARE_MAX 32
/* Facts that the next endpoint may say as well. */
#define PM_FACTS_MAX 16

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
    pm_height_memo memo[PM_MEMO_SETS][PM_MEMO_WAYS];
    uint8_t memo_next[PM_MEMO_SETS];
    pm_facts *facts[PM_FACTS_MAX];
    size_t facts_next;
    struct pm_fetch *fetches[PM_SPARE_MAX]; /* not in use */
    size_t fetch_count;
    pm_buf bodies[PM_SPARE_MAX]; /* of samples, likewise */
    size_t body_count;
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
/* Several members of an object at once, absent where it has none; the first ones when repeated. */
void pm_json_members(pm_json object, const pm_name *names, pm_json *out, size_t count);
#define PM_NAME(literal)                                                                           \
    {                                                                                              \
        literal, sizeof(literal) - 1                                                               \
    }
/* A buffer for a sample, and giving it back. */
pm_buf pm_body_take(pm_substrate *shared);
void pm_body_give(pm_substrate *shared, pm_buf *body);
/* The height of a finalized block that was seen lately; `hash` is a pm_hash_text(). */
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
/* Asks for heads. `before`: the last ones of the endpoint, whose reference is taken over. */
panicmon_err pm_heads_ask(pm_heads_call *call, const pm_endpoint *endpoint, pm_heads *before,
                          panicmon_round *round, int64_t now);
/* Makes heads of the replies and leaves them to the others. `*out` is NULL, and OK, when another
 * step is needed: something says that another chain stands behind the URL, so it was asked. */
panicmon_err pm_heads_take(pm_heads **out, pm_heads_call *call, pm_substrate *shared,
                           pm_endpoint *endpoint, panicmon_round *round, int64_t now);
/* Lets go of what the call holds. */
void pm_heads_call_end(pm_heads_call *call);
bool pm_version_read(pm_json result, pm_version *out);
/* A header's number: hex text, with or without leading zeros. */
bool pm_read_header_number(pm_json result, pm_maybe *out);
/* The same of the member itself. */
bool pm_read_number(pm_json number, pm_maybe *out);

/* chain_facts.c. The answers that facts are made of; absent ones stay as they were. */
typedef struct pm_answers {
    bool has_version; /* read now, whether it was one or not */
    const pm_version *version;
    pm_json version_text;
    pm_json genesis;
    pm_json chain;
    pm_json node_version;
    pm_json properties;
} pm_answers;

pm_facts *pm_facts_ref(pm_facts *facts); /* NULL is allowed */
void pm_facts_unref(pm_facts *facts);    /* likewise */
/* `base` (may be NULL) with `answers`; `base` itself when they say the same. Of another chain than
 * `base` nothing is taken over. NULL without memory. */
pm_facts *pm_facts_with(pm_substrate *shared, pm_facts *base, const pm_answers *answers);
/* Both of the same chain, and it is known. */
bool pm_facts_same_chain(const pm_facts *a, const pm_facts *b);
void pm_facts_clear(pm_substrate *shared);

/* chain_fetch.c */
void pm_fetches_clear(pm_substrate *shared);

/* chain_meta.c */
pm_runtime *pm_runtime_ref(pm_runtime *runtime);                  /* NULL is allowed */
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

/* chain_view.c */
pm_view *pm_view_open(pm_substrate *shared, const char *url, const char *hub_url);
/* Whether it is the view of these. */
bool pm_view_is(const pm_view *view, const char *url, const char *hub_url);
void pm_view_close(pm_substrate *shared, pm_view *view); /* NULL is allowed */
bool pm_view_watch(pm_substrate *shared, pm_view *view, const uint8_t *account);
void pm_view_unwatch(pm_substrate *shared, pm_view *view, const uint8_t *account);

/* What a monitor wants of a view, and what it gets. */
typedef struct pm_view_turn {
    const uint8_t *account; /* that the state must have; NULL: none is needed */
    const void *who;
    int64_t now;
    int64_t seen_ms;  /* the state must have been read later, */
    int64_t fresh_ms; /* and be younger than this, */
    int64_t stale_ms; /* or than this while another monitor reads a new one */

    struct pm_state *state;               /* that will do; NULL: the caller is to read one */
    bool mine;                            /* and has the fetch, until pm_view_leave() */
    struct pm_state *last;                /* then: the last state there is, */
    struct pm_fetch *fetch;               /* a fetch to use again, if there is one, */
    uint8_t (*accounts)[PM_ACCOUNT_SIZE]; /* the accounts to read: `account` first, then what else
                                             is watched; malloc'd, NULL for none */
    size_t account_count;
} pm_view_turn;

panicmon_err pm_view_take(pm_substrate *shared, pm_view *view, pm_view_turn *turn);
/* Leaves a state (NULL: none) to the others and ends the fetch of `who`; one that was read without
 * having the fetch does not replace one with more stashes. */
void pm_view_leave(pm_substrate *shared, pm_view *view, const void *who, struct pm_state *state);

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
