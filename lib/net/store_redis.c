/* store_redis.c: the state store in Redis. One thread owns the connection and does all talking;
 * callers only touch the table of entries, guarded by the lock. An entry is never forgotten, so a
 * key is read from the server once. What the server refuses (it may be full, a replica, or unable
 * to write to its disk) is held back for a while, and does not keep the thread from the rest. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "base/map.h"
#include "base/thread.h"
#include "net/redis.h"
#include "net/store.h"

#define COMPONENT        "redis"
#define BACKOFF_FIRST_MS 200
#define BACKOFF_LAST_MS  10000
/* What was refused is tried again after so long. */
#define HOLD_MS 5000
/* How long the end waits for what is not saved yet. */
#define END_MS 500

typedef enum outcome { DONE, REFUSED, AWAY } outcome;

/* What the server last refused to do with an entry. */
typedef enum refusal { NOTHING, TO_READ, TO_WRITE, REFUSALS } refusal;

/* What is known of a key. `next` links it while the thread has work with it, now or later. */
typedef struct entry {
    struct entry *next;
    char *key; /* with the prefix */
    pm_buf value;
    bool known;  /* read from the server, or written by us */
    bool exists; /* when known */
    bool dirty;  /* to be written */
    bool queued; /* or held */
    refusal refused;
    int64_t again_ms; /* held: until then */
    uint64_t version; /* of the value; a write that was overtaken stays dirty */
} entry;

typedef struct redis_store {
    pm_store base;
    char *prefix;
    panicmon_log *log;
    pm_thread *thread;
    pm_redis *redis; /* of the thread, as is what follows */
    int64_t backoff_ms;
    bool told;         /* that Redis is away */
    bool told_refused; /* that it refuses something */

    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t work;
    pthread_cond_t news;
    pm_map entries; /* key without prefix -> entry */
    entry *first;   /* work of the thread, oldest first */
    entry *last;
    entry *first_held; /* by again_ms */
    entry *last_held;
    size_t dirty;             /* entries that are */
    size_t refused[REFUSALS]; /* entries, by what was */
    bool away;                /* the last attempt to talk to Redis failed */
    bool stop;
    bool over; /* the thread has nothing more to do */
} redis_store;

/* ---- the thread ---- */

/* Notes whether Redis is there, and tells when that changed. */
static void note_away(redis_store *store, bool away)
{
    if (!away && !store->told) {
        return;
    }
    pthread_mutex_lock(&store->lock);
    store->away = away;
    bool tell = store->told != away && !store->stop;
    pthread_cond_broadcast(&store->news);
    pthread_mutex_unlock(&store->lock);
    if (tell && away) {
        pm_logf(store->log, PANICMON_LOG_WARNING, COMPONENT, "away: %s; retrying",
                pm_redis_why(store->redis));
    } else if (tell) {
        pm_logf(store->log, PANICMON_LOG_INFO, COMPONENT, "back");
    }
    store->told = away;
    store->backoff_ms = away ? store->backoff_ms : 0;
}

/* Under the lock. */
static void set_refused(redis_store *store, entry *at, refusal what)
{
    store->refused[at->refused]--; /* of NOTHING there is no count */
    store->refused[what]++;
    at->refused = what;
}

/* Notes what Redis refuses, and tells the first and the last of it. */
static void note_refused(redis_store *store, entry *at, refusal what)
{
    pthread_mutex_lock(&store->lock);
    if (what != at->refused) {
        set_refused(store, at, what);
        pthread_cond_broadcast(&store->news);
    }
    bool any = store->refused[TO_READ] + store->refused[TO_WRITE] > 0;
    bool tell = any != store->told_refused && !store->stop;
    pthread_mutex_unlock(&store->lock);
    if (tell && any) {
        pm_logf(store->log, PANICMON_LOG_WARNING, COMPONENT, "refused: %s; retrying",
                pm_redis_why(store->redis));
    } else if (tell) {
        pm_logf(store->log, PANICMON_LOG_INFO, COMPONENT, "nothing is refused any more");
    }
    store->told_refused = any;
}

/* Links an entry at the end of a list. Under the lock. */
static void append(entry **first, entry **last, entry *at)
{
    at->queued = true;
    at->next = NULL;
    *(*last == NULL ? first : &(*last)->next) = at;
    *last = at;
}

static void take_first(entry **first, entry **last)
{
    (*first)->queued = false;
    *first = (*first)->next;
    *last = *first == NULL ? NULL : *last;
}

/* Puts an entry at the end of the work. Under the lock. */
static void queue(redis_store *store, entry *at)
{
    if (!at->queued) {
        append(&store->first, &store->last, at);
        pthread_cond_signal(&store->work);
    }
}

/* The same, but later. */
static void hold(redis_store *store, entry *at)
{
    if (!at->queued && !store->stop) {
        at->again_ms = pm_mono_ms() + HOLD_MS;
        append(&store->first_held, &store->last_held, at);
    }
}

/* Queues what was held long enough; at the end all of it, for a last try. Under the lock. Gives
 * when there is more. */
static int64_t queue_held(redis_store *store)
{
    int64_t now = pm_mono_ms();
    while (store->first_held != NULL && (store->stop || store->first_held->again_ms <= now)) {
        entry *at = store->first_held;
        take_first(&store->first_held, &store->last_held);
        queue(store, at);
    }
    return store->first_held == NULL ? PM_NEVER : store->first_held->again_ms;
}

static bool write_entry(redis_store *store, entry *at)
{
    pm_buf copy = {0};
    pthread_mutex_lock(&store->lock);
    uint64_t version = at->version;
    pm_buf_add(&copy, at->value.data, at->value.len);
    pthread_mutex_unlock(&store->lock);
    bool written = !copy.failed && pm_redis_set(store->redis, at->key, copy.data, copy.len);
    pthread_mutex_lock(&store->lock);
    if (written && at->version == version) {
        at->dirty = false;
        store->dirty--;
        pthread_cond_broadcast(&store->news);
    }
    pthread_mutex_unlock(&store->lock);
    pm_buf_free(&copy);
    return written;
}

static bool read_entry(redis_store *store, entry *at)
{
    pm_buf value = {0};
    bool exists = false;
    bool read = pm_redis_get(store->redis, at->key, &value, &exists) && !value.failed;
    pthread_mutex_lock(&store->lock);
    if (read && !at->known) { /* a save meanwhile is newer */
        pm_buf old = at->value;
        at->value = value;
        value = old;
        at->exists = exists;
        at->known = true;
    }
    pthread_cond_broadcast(&store->news);
    pthread_mutex_unlock(&store->lock);
    pm_buf_free(&value);
    return read;
}

/* Takes the oldest work; NULL when told to stop and no write is left. */
static entry *next_work(redis_store *store, bool *write)
{
    pthread_mutex_lock(&store->lock);
    int64_t held_ms = queue_held(store);
    while (store->first == NULL && !store->stop) {
        (void)pm_cond_wait_until(&store->work, &store->lock, held_ms);
        held_ms = queue_held(store);
    }
    entry *at = store->first;
    if (at != NULL) {
        take_first(&store->first, &store->last);
        *write = at->dirty;
    }
    pthread_mutex_unlock(&store->lock);
    return at;
}

/* Waits before the next attempt; false when told to stop. */
static bool back_off(redis_store *store)
{
    int64_t last = store->backoff_ms;
    store->backoff_ms = last == 0 ? BACKOFF_FIRST_MS : pm_earlier(last * 2, BACKOFF_LAST_MS);
    int64_t until = pm_mono_ms() + store->backoff_ms;
    pthread_mutex_lock(&store->lock);
    while (!store->stop && pm_mono_ms() < until) {
        (void)pm_cond_wait_until(&store->work, &store->lock, until);
    }
    bool go_on = !store->stop;
    pthread_mutex_unlock(&store->lock);
    return go_on;
}

/* A connection alone proves nothing: only what came of the command does. */
static outcome carry_out(redis_store *store, entry *at, bool write)
{
    bool done =
        pm_redis_connect(store->redis) && (write ? write_entry(store, at) : read_entry(store, at));
    outcome came = done ? DONE : pm_redis_is_refused(store->redis) ? REFUSED : AWAY;
    if (came != AWAY) {
        note_refused(store, at, done ? NOTHING : write ? TO_WRITE : TO_READ);
    }
    note_away(store, came == AWAY);
    return came;
}

static void thread_main(void *arg)
{
    redis_store *store = arg;
    entry *at;
    bool write = false;
    while ((at = next_work(store, &write)) != NULL) {
        outcome came = carry_out(store, at, write);
        pthread_mutex_lock(&store->lock);
        if (came == REFUSED) {
            hold(store, at);
        } else if (came == AWAY || at->dirty) {
            queue(store, at);
        }
        pthread_mutex_unlock(&store->lock);
        if (came == AWAY && !back_off(store)) {
            break;
        }
    }
    pthread_mutex_lock(&store->lock);
    store->over = true;
    pthread_cond_broadcast(&store->news);
    pthread_mutex_unlock(&store->lock);
}

/* ---- the store's functions ---- */

/* The entry of a key, made when new. Under the lock. */
static entry *entry_of(redis_store *store, const char *key)
{
    entry *at = pm_map_get(&store->entries, key);
    if (at != NULL) {
        return at;
    }
    pm_buf name = {0};
    pm_buf_format(&name, "%s%s", store->prefix, key);
    at = calloc(1, sizeof *at);
    if (at != NULL) {
        at->key = pm_buf_take(&name, NULL);
    }
    if (at == NULL || at->key == NULL || !pm_map_set(&store->entries, key, at)) {
        pm_buf_free(&name);
        if (at != NULL) {
            free(at->key);
        }
        free(at);
        return NULL;
    }
    return at;
}

static panicmon_err redis_load(pm_store *base, const char *key, int64_t until_ms, pm_buf *value)
{
    redis_store *store = (redis_store *)base;
    int waited = 0;
    pthread_mutex_lock(&store->lock);
    entry *at = entry_of(store, key);
    if (at != NULL && !at->known) {
        queue(store, at);
    }
    while (at != NULL && !at->known && at->refused == NOTHING && waited == 0 && !store->stop &&
           !store->away) {
        waited = pm_cond_wait_until(&store->news, &store->lock, until_ms);
    }
    panicmon_err status = at == NULL   ? PANICMON_ERR_NOMEM
                          : !at->known ? PANICMON_ERR_REDIS
                          : at->exists ? PANICMON_OK
                                       : PANICMON_ERR_NOENT;
    if (status == PANICMON_OK) {
        pm_buf_add(value, at->value.data, at->value.len);
        status = value->failed ? PANICMON_ERR_NOMEM : PANICMON_OK;
    }
    pthread_mutex_unlock(&store->lock);
    return status;
}

static panicmon_err redis_save(pm_store *base, const char *key, const void *value, size_t len)
{
    redis_store *store = (redis_store *)base;
    pm_buf copy = {0};
    pm_buf_add(&copy, value, len);
    pthread_mutex_lock(&store->lock);
    entry *at = copy.failed ? NULL : entry_of(store, key);
    if (at != NULL) {
        pm_buf old = at->value;
        at->value = copy;
        copy = old;
        at->known = true;
        at->exists = true;
        if (at->refused == TO_READ) { /* nobody needs to any more */
            set_refused(store, at, NOTHING);
        }
        store->dirty += !at->dirty;
        at->dirty = true;
        at->version++;
        queue(store, at);
        pthread_cond_broadcast(&store->news);
    }
    pthread_mutex_unlock(&store->lock);
    pm_buf_free(&copy);
    return at == NULL ? PANICMON_ERR_NOMEM : PANICMON_OK;
}

static panicmon_err redis_sync(pm_store *base, int64_t until_ms)
{
    redis_store *store = (redis_store *)base;
    int waited = 0;
    pthread_mutex_lock(&store->lock);
    while (store->dirty > 0 && !store->away && store->refused[TO_WRITE] == 0 && !store->stop &&
           waited == 0) {
        waited = pm_cond_wait_until(&store->news, &store->lock, until_ms);
    }
    panicmon_err status = store->dirty == 0 ? PANICMON_OK
                          : waited != 0     ? PANICMON_ERR_TIMEOUT
                                            : PANICMON_ERR_REDIS;
    pthread_mutex_unlock(&store->lock);
    return status;
}

/* Ends the thread: it may save what is left for a moment, then whatever it waits for is broken. */
static void end_thread(redis_store *store)
{
    int64_t until = pm_mono_ms() + END_MS;
    int waited = 0;
    pthread_mutex_lock(&store->lock);
    store->stop = true;
    pthread_cond_broadcast(&store->work);
    pthread_cond_broadcast(&store->news);
    while (!store->over && waited == 0) {
        waited = pm_cond_wait_until(&store->news, &store->lock, until);
    }
    pthread_mutex_unlock(&store->lock);
    pm_redis_interrupt(store->redis);
    pm_thread_join(store->thread);
}

static void redis_free(pm_store *base)
{
    redis_store *store = (redis_store *)base;
    if (store->thread != NULL) {
        end_thread(store);
    }
    size_t unsaved = 0;
    void *value;
    for (size_t at = 0; pm_map_next(&store->entries, &at, NULL, &value);) {
        entry *one = value;
        unsaved += one->dirty;
        pm_buf_free(&one->value);
        free(one->key);
        free(one);
    }
    if (unsaved > 0) {
        pm_logf(store->log, PANICMON_LOG_ERROR, COMPONENT,
                "%zu values could not be saved before the end", unsaved);
    }
    pm_map_free(&store->entries);
    pm_redis_free(store->redis);
    free(store->prefix);
    panicmon_log_free(store->log);
    (void)pthread_cond_destroy(&store->work);
    (void)pthread_cond_destroy(&store->news);
    (void)pthread_mutex_destroy(&store->lock);
    free(store);
}

panicmon_err pm_store_new_redis(pm_store **out, const char *url, const char *prefix,
                                panicmon_log *log, panicmon_error **err)
{
    static const pm_store_ops ops = {.load = redis_load,
                                     .save = redis_save,
                                     .sync = redis_sync,
                                     .free = redis_free,
                                     .saves_in_memory = true};
    redis_store *store = calloc(1, sizeof *store);
    if (store == NULL) {
        return pm_error_setf(err, PANICMON_ERR_NOMEM, "out of memory");
    }
    store->base.ops = &ops;
    atomic_init(&store->base.refs, 1);
    store->log = pm_log_ref(log);
    (void)pthread_mutex_init(&store->lock, NULL);
    pm_cond_init(&store->work);
    pm_cond_init(&store->news);
    store->prefix = strdup(prefix);
    panicmon_err status = store->prefix == NULL
                              ? pm_error_setf(err, PANICMON_ERR_NOMEM, "out of memory")
                              : pm_redis_new(&store->redis, url, err);
    if (status == PANICMON_OK) {
        status = pm_thread_start(&store->thread, "pm:redis", PM_STACK_LARGE, thread_main, store);
    }
    if (status != PANICMON_OK) {
        redis_free(&store->base);
        return status;
    }
    *out = &store->base;
    return PANICMON_OK;
}
