/* store.h: the state store: small values under text keys. Shared by all threads; a call blocks no
 * longer than PM_STORE_WAIT_MS or one write to disk takes. */
#ifndef PM_STORE_H
#define PM_STORE_H

#include <stdatomic.h>
#include <stdbool.h>

#include <panicmon/error.h>
#include <panicmon/log.h>

#include "base/buf.h"

/* How long a load may wait for a store that is away. */
#define PM_STORE_WAIT_MS 1000

typedef struct pm_store pm_store;

/* A kind of store; its object begins with a pm_store. All functions are called by any thread. */
typedef struct pm_store_ops {
    panicmon_err (*load)(pm_store *store, const char *key, int64_t until_ms, pm_buf *value);
    panicmon_err (*save)(pm_store *store, const char *key, const void *value, size_t len);
    panicmon_err (*sync)(pm_store *store, int64_t until_ms); /* NULL: a save is at once for good */
    void (*free)(pm_store *store);
    bool saves_in_memory; /* save never waits for a disk or a server */
} pm_store_ops;

struct pm_store {
    const pm_store_ops *ops;
    atomic_int refs; /* starts at 1 */
};

/* In memory: gone with the process. */
panicmon_err pm_store_new_memory(pm_store **out);
/* One file per key in the directory `path` (made when absent), replaced atomically and synced. */
panicmon_err pm_store_new_dir(pm_store **out, const char *path, panicmon_error **err);
/* In Redis, under keys that begin with `prefix`; see pm_url_parse_redis() for the URL. Calls never
 * talk to the server themselves: a thread does, and keeps what was read and written in memory.
 * While Redis is away saves succeed and are sent later; loads of keys not seen before fail with
 * ERR_REDIS. */
panicmon_err pm_store_new_redis(pm_store **out, const char *url, const char *prefix,
                                panicmon_log *log, panicmon_error **err);
/* ERR_NOENT: no such key. ERR_REDIS: it is not known, and the store is away or refuses it. The
 * value is appended to `value`. */
panicmon_err pm_store_load(pm_store *store, const char *key, pm_buf *value);
/* The same, but waits no longer than `until_ms` (pm_mono_ms()). */
panicmon_err pm_store_load_until(pm_store *store, const char *key, int64_t until_ms, pm_buf *value);
panicmon_err pm_store_save(pm_store *store, const char *key, const void *value, size_t len);
/* Whether pm_store_save() only touches memory, so that a loop may call it. */
bool pm_store_saves_in_memory(const pm_store *store);
/* Waits until all that was saved is stored for good: ERR_TIMEOUT after `until_ms`; ERR_REDIS at
 * once when the store is away or refuses something. */
panicmon_err pm_store_sync(pm_store *store, int64_t until_ms);
/* Takes another reference. */
pm_store *pm_store_ref(pm_store *store);
/* Drops one; the last one ends it. NULL is allowed. */
void pm_store_free(pm_store *store);

#endif
