/* store.c: the state store in memory and in a directory; store_redis.c has the third kind. One lock
 * for all keys: values are small and rare. Directory: one file a key, written aside, synced,
 * renamed into place. */
#include "net/store.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/map.h"

typedef struct local_store {
    pm_store base;
    pthread_mutex_t lock;
    pm_map values; /* key -> pm_buf *; memory only; guarded by lock */
    int dir;       /* -1: memory */
    int lock_file; /* held while open: one writer per directory */
} local_store;

static panicmon_err local_load(pm_store *base, const char *key, int64_t until_ms, pm_buf *value);
static panicmon_err local_save(pm_store *base, const char *key, const void *value, size_t len);
static void local_free(pm_store *base);

static const pm_store_ops memory_ops = {
    .load = local_load, .save = local_save, .free = local_free, .saves_in_memory = true};
static const pm_store_ops dir_ops = {.load = local_load, .save = local_save, .free = local_free};

static local_store *make(const pm_store_ops *ops)
{
    local_store *store = calloc(1, sizeof *store);
    if (store != NULL) {
        store->base.ops = ops;
        atomic_init(&store->base.refs, 1);
        store->dir = -1;
        store->lock_file = -1;
        (void)pthread_mutex_init(&store->lock, NULL);
    }
    return store;
}

panicmon_err pm_store_new_memory(pm_store **out)
{
    local_store *store = make(&memory_ops);
    if (store == NULL) {
        return PANICMON_ERR_NOMEM;
    }
    *out = &store->base;
    return PANICMON_OK;
}

panicmon_err pm_store_new_dir(pm_store **out, const char *path, panicmon_error **err)
{
    local_store *store = make(&dir_ops);
    if (store == NULL) {
        return pm_error_setf(err, PANICMON_ERR_NOMEM, "out of memory");
    }
    const char *problem = NULL;
    if ((mkdir(path, 0700) != 0 && errno != EEXIST) ||
        (store->dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0 ||
        (store->lock_file = openat(store->dir, ".lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600)) < 0) {
        problem = strerrordesc_np(errno);
    } else if (flock(store->lock_file, LOCK_EX | LOCK_NB) != 0) {
        problem = "another process uses it";
    }
    if (problem != NULL) {
        local_free(&store->base);
        return pm_error_setf(err, PANICMON_ERR_SYSTEM, "state_dir '%s': %s", path, problem);
    }
    *out = &store->base;
    return PANICMON_OK;
}

/* Bytes that are safe in a file name stay, others become %XX. */
static bool file_name(const char *key, pm_buf *name)
{
    for (; *key != '\0'; key++) {
        unsigned char c = (unsigned char)*key;
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                     c == '-' || c == '_';
        if (plain || (c == '.' && name->len > 0)) {
            pm_buf_char(name, (char)c);
        } else {
            pm_buf_format(name, "%%%02X", c);
        }
    }
    return !name->failed && name->len > 0;
}

static panicmon_err load_file(int dir, const char *name, pm_buf *value)
{
    int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return errno == ENOENT ? PANICMON_ERR_NOENT : PANICMON_ERR_SYSTEM;
    }
    panicmon_err status = PANICMON_OK;
    char chunk[4096];
    ssize_t got;
    while ((got = read(fd, chunk, sizeof chunk)) != 0) {
        if (got > 0) {
            pm_buf_add(value, chunk, (size_t)got);
        } else if (errno != EINTR) {
            status = PANICMON_ERR_SYSTEM;
            break;
        }
    }
    (void)close(fd);
    return value->failed ? PANICMON_ERR_NOMEM : status;
}

static bool write_all(int fd, const char *at, size_t left)
{
    while (left > 0) {
        ssize_t wrote = write(fd, at, left);
        if (wrote < 0 && errno == EINTR) {
            continue;
        }
        if (wrote < 0) {
            return false;
        }
        at += wrote;
        left -= (size_t)wrote;
    }
    return true;
}

static panicmon_err save_file(int dir, const char *name, const void *value, size_t len)
{
    pm_buf aside = {0};
    pm_buf_format(&aside, ".new-%s", name);
    if (aside.failed) {
        return PANICMON_ERR_NOMEM;
    }
    panicmon_err status = PANICMON_ERR_SYSTEM;
    int fd = openat(dir, aside.data, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd >= 0) {
        bool written = write_all(fd, value, len) && fsync(fd) == 0;
        written = close(fd) == 0 && written;
        if (written && renameat(dir, aside.data, dir, name) == 0 && fsync(dir) == 0) {
            status = PANICMON_OK;
        }
    }
    pm_buf_free(&aside);
    return status;
}

static panicmon_err local_load(pm_store *base, const char *key, int64_t until_ms, pm_buf *value)
{
    (void)until_ms;
    local_store *store = (local_store *)base;
    panicmon_err status = PANICMON_ERR_NOENT;
    pm_buf name = {0};
    pthread_mutex_lock(&store->lock);
    if (store->dir < 0) {
        const pm_buf *held = pm_map_get(&store->values, key);
        if (held != NULL) {
            pm_buf_add(value, held->data, held->len);
            status = value->failed ? PANICMON_ERR_NOMEM : PANICMON_OK;
        }
    } else {
        status =
            file_name(key, &name) ? load_file(store->dir, name.data, value) : PANICMON_ERR_INVAL;
    }
    pthread_mutex_unlock(&store->lock);
    pm_buf_free(&name);
    return status;
}

static panicmon_err save_memory(local_store *store, const char *key, const void *value, size_t len)
{
    pm_buf *held = pm_map_get(&store->values, key);
    pm_buf copy = {0};
    pm_buf_add(&copy, value, len);
    if (!copy.failed && held == NULL) {
        held = calloc(1, sizeof *held);
        if (held != NULL && !pm_map_set(&store->values, key, held)) {
            free(held);
            held = NULL;
        }
    }
    if (copy.failed || held == NULL) {
        pm_buf_free(&copy);
        return PANICMON_ERR_NOMEM;
    }
    pm_buf_free(held);
    *held = copy;
    return PANICMON_OK;
}

static panicmon_err local_save(pm_store *base, const char *key, const void *value, size_t len)
{
    local_store *store = (local_store *)base;
    panicmon_err status;
    pm_buf name = {0};
    pthread_mutex_lock(&store->lock);
    if (store->dir < 0) {
        status = save_memory(store, key, value, len);
    } else {
        status = file_name(key, &name) ? save_file(store->dir, name.data, value, len)
                                       : PANICMON_ERR_INVAL;
    }
    pthread_mutex_unlock(&store->lock);
    pm_buf_free(&name);
    return status;
}

static void local_free(pm_store *base)
{
    local_store *store = (local_store *)base;
    void *value;
    for (size_t at = 0; pm_map_next(&store->values, &at, NULL, &value);) {
        pm_buf_free(value);
        free(value);
    }
    pm_map_free(&store->values);
    if (store->lock_file >= 0) {
        (void)close(store->lock_file);
    }
    if (store->dir >= 0) {
        (void)close(store->dir);
    }
    (void)pthread_mutex_destroy(&store->lock);
    free(store);
}

panicmon_err pm_store_load(pm_store *store, const char *key, pm_buf *value)
{
    return store->ops->load(store, key, pm_mono_ms() + PM_STORE_WAIT_MS, value);
}

panicmon_err pm_store_load_until(pm_store *store, const char *key, int64_t until_ms, pm_buf *value)
{
    int64_t most = pm_mono_ms() + PM_STORE_WAIT_MS;
    return store->ops->load(store, key, pm_earlier(until_ms, most), value);
}

panicmon_err pm_store_sync(pm_store *store, int64_t until_ms)
{
    return store->ops->sync == NULL ? PANICMON_OK : store->ops->sync(store, until_ms);
}

panicmon_err pm_store_save(pm_store *store, const char *key, const void *value, size_t len)
{
    return store->ops->save(store, key, value, len);
}

bool pm_store_saves_in_memory(const pm_store *store)
{
    return store->ops->saves_in_memory;
}

pm_store *pm_store_ref(pm_store *store)
{
    atomic_fetch_add(&store->refs, 1);
    return store;
}

void pm_store_free(pm_store *store)
{
    if (store != NULL && atomic_fetch_sub(&store->refs, 1) == 1) {
        store->ops->free(store);
    }
}
