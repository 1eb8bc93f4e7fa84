/* chain_query.h: storage values of one block: which keys to ask for, and finding them in the
 * answers. Belongs to the monitor that asks. */
#ifndef PM_SUBSTRATE_CHAIN_QUERY_H
#define PM_SUBSTRATE_CHAIN_QUERY_H

#include "substrate/chain.h"
#include "substrate/storage_key.h"
#include "substrate/value.h"

/* Keys in one call: an answer stays well under what servers and rpc.limit let through. */
#define PM_QUERY_CHUNK 1024

typedef struct pm_query_entry {
    pm_json key; /* without its quotes */
    pm_json value;
} pm_query_entry;

typedef struct pm_query {
    pm_buf keys; /* the parameters of the call being filled */
    size_t key_count;
    size_t total;
    char url_hash[PM_HASH_TEXT];
    const char *url;
    panicmon_request *requests;
    size_t request_count;
    size_t request_room;
    pm_query_entry *entries; /* of the answers; valid during one step */
    size_t entry_count;
    size_t entry_room;
    size_t next;    /* where the key that is looked for next will stand, if all goes in order */
    bool sorted;    /* the entries are, by key */
    pm_buf scratch; /* a key being looked for */
    pm_buf bytes;   /* the value found last */
    panicmon_err status;
} pm_query; /* zero-initialised is empty */

/* Begins a list of keys; `url` must outlive it. */
void pm_query_begin(pm_query *query, const char *url, const char *hash);
void pm_query_add(pm_query *query, panicmon_round *round, const pm_storage *item,
                  const pm_key_arg *args, size_t count);
/* The same for a key that is text already: "0x..." */
void pm_query_add_key(pm_query *query, panicmon_round *round, const char *key, size_t len);
/* Sends what was added; the first failure since pm_query_begin(). */
panicmon_err pm_query_send(pm_query *query, panicmon_round *round);
/* Takes the answers in. NULL when all are there, else the reply of a call that failed. ERR_NOMEM is
 * left in query->status. */
const panicmon_reply *pm_query_take(pm_query *query, panicmon_round *round);
/* The raw value of a key; NULL text when the chain has none there. */
pm_json pm_query_raw(pm_query *query, const pm_storage *item, const pm_key_arg *args, size_t count);
/* The same decoded; valid until the next call here. ERR_PARSE when it does not decode. */
panicmon_err pm_query_value(pm_query *query, const pm_storage *item, const pm_key_arg *args,
                            size_t count, pm_value *out, panicmon_error **err);
/* The same of a key that is text already. */
panicmon_err pm_query_value_at(pm_query *query, const pm_storage *item, const char *key, size_t len,
                               pm_value *out, panicmon_error **err);
/* Forgets the answers, whose text is gone with the step. */
void pm_query_forget(pm_query *query);
void pm_query_free(pm_query *query);

#endif
