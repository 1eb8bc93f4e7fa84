/* chain_meta.c: one decoded copy of a runtime's metadata for all monitors. A runtime is gone with
 * its last user. Any thread. */
#include "substrate/chain_read.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"

/* Who began to read metadata and did not end is given up after this. */
#define FLIGHT_MS 10000

static bool make_key(pm_buf *key, const char *genesis, const pm_version *version)
{
    pm_buf_format(key, "%s %s", genesis, version->id);
    return !key->failed;
}

pm_runtime *pm_runtime_ref(pm_runtime *runtime)
{
    if (runtime != NULL) {
        atomic_fetch_add(&runtime->users, 1);
    }
    return runtime;
}

/* Under the lock. */
static void forget(pm_substrate *shared, pm_runtime *runtime)
{
    atomic_store(&runtime->dropped, true);
    if (runtime->key != NULL) {
        if (pm_map_get(&shared->runtimes, runtime->key) == runtime) {
            (void)pm_map_remove(&shared->runtimes, runtime->key);
        }
        free(runtime->key);
        runtime->key = NULL;
    }
}

void pm_runtime_unref(pm_substrate *shared, pm_runtime *runtime)
{
    if (runtime == NULL) {
        return;
    }
    int users = atomic_load(&runtime->users);
    while (users > 1) {
        if (atomic_compare_exchange_weak(&runtime->users, &users, users - 1)) {
            return;
        }
    }
    pm_substrate_lock(shared); /* the last one, unless somebody finds it right now */
    bool last = atomic_fetch_sub(&runtime->users, 1) == 1;
    if (last) {
        forget(shared, runtime);
    }
    pm_substrate_unlock(shared);
    if (last) {
        pm_metadata_unref(runtime->metadata);
        free(runtime->items);
        free(runtime);
    }
}

pm_runtime *pm_runtime_find(pm_substrate *shared, const char *genesis, const pm_version *version)
{
    pm_buf key = {0};
    pm_runtime *found = NULL;
    if (version->id[0] != '\0' && make_key(&key, genesis, version)) {
        pm_substrate_lock(shared);
        found = pm_map_get(&shared->runtimes, key.data);
        (void)pm_runtime_ref(found);
        pm_substrate_unlock(shared);
    }
    pm_buf_free(&key);
    return found;
}

panicmon_err pm_runtime_make(pm_runtime **out, pm_substrate *shared, const char *genesis,
                             const pm_version *version, pm_json text, bool renewed,
                             panicmon_error **err)
{
    pm_json hex = pm_plain_string(text);
    pm_buf key = {0};
    pm_runtime *made = calloc(1, sizeof *made);
    panicmon_err status =
        made == NULL || !make_key(&key, genesis, version) ? PANICMON_ERR_NOMEM : PANICMON_OK;
    if (status == PANICMON_OK) {
        status =
            pm_metadata_decode(&made->metadata, hex.text == NULL ? "" : hex.text, hex.len, err);
    }
    if (status == PANICMON_OK) {
        made->items = pm_items_find(made->metadata);
        status = made->items != NULL ? PANICMON_OK
                                     : pm_error_setf(err, PANICMON_ERR_NOMEM, "out of memory");
    }
    if (status != PANICMON_OK) {
        if (made != NULL) {
            pm_metadata_unref(made->metadata);
        }
        free(made);
        pm_buf_free(&key);
        return status;
    }
    atomic_init(&made->users, 1);
    made->version = *version;
    made->renewed = renewed;
    made->key = pm_buf_take(&key, NULL);
    atomic_init(&made->dropped, made->key == NULL);
    pm_substrate_lock(shared);
    if (made->key != NULL) { /* without memory for the table it serves its maker alone */
        (void)pm_map_set(&shared->runtimes, made->key, made);
    }
    pm_substrate_unlock(shared);
    *out = made;
    return PANICMON_OK;
}

void pm_runtime_drop(pm_substrate *shared, pm_runtime *runtime)
{
    pm_substrate_lock(shared);
    forget(shared, runtime);
    pm_substrate_unlock(shared);
}

bool pm_runtime_claim(pm_substrate *shared, const char *genesis, const pm_version *version,
                      const void *who)
{
    pm_buf key = {0};
    bool mine = true; /* without memory everybody reads alone */
    if (!make_key(&key, genesis, version)) {
        pm_buf_free(&key);
        return true;
    }
    int64_t now = pm_mono_ms();
    pm_substrate_lock(shared);
    pm_flight *flight = pm_map_get(&shared->flights, key.data);
    if (flight != NULL && flight->who != who && now < flight->until_ms) {
        mine = false;
    } else if (flight == NULL) {
        flight = calloc(1, sizeof *flight);
        if (flight != NULL && !pm_map_set(&shared->flights, key.data, flight)) {
            free(flight);
            flight = NULL;
        }
    }
    if (mine && flight != NULL) {
        flight->who = who;
        flight->until_ms = now + FLIGHT_MS;
    }
    pm_substrate_unlock(shared);
    pm_buf_free(&key);
    return mine;
}

void pm_runtime_unclaim(pm_substrate *shared, const void *who)
{
    const char *key;
    void *value;
    pm_substrate_lock(shared);
    for (size_t at = 0; pm_map_next(&shared->flights, &at, &key, &value);) {
        if (((const pm_flight *)value)->who == who) {
            free(pm_map_remove(&shared->flights, key));
            at = 0; /* the map has changed */
        }
    }
    pm_substrate_unlock(shared);
}
