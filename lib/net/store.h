/* store.h: the state store: small values under text keys. Shared by all threads; a call blocks no
 * longer than the store's own medium takes. */
#ifndef PM_STORE_H
#define PM_STORE_H

#include <panicmon/error.h>
#include <panicmon/log.h>

#include "base/buf.h"

typedef struct pm_store pm_store;

/* In memory: gone with the process. */
panicmon_err pm_store_new_memory(pm_store **out);
/* One file per key in the directory `path` (made when absent), replaced atomically and synced. */
panicmon_err pm_store_new_dir(pm_store **out, const char *path, panicmon_error **err);
/* ERR_NOENT: no such key. The value is appended to `value`. */
panicmon_err pm_store_load(pm_store *store, const char *key, pm_buf *value);
panicmon_err pm_store_save(pm_store *store, const char *key, const void *value, size_t len);
void pm_store_free(pm_store *store);

#endif
