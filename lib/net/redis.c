/* redis.c: the state store in Redis; alone includes hiredis. One thread owns the connection and
 * does all talking; callers only touch the table of entries, guarded by the lock. An entry is
 * never forgotten, so a key is read from the server once. */
#include <errno.h>
#include <hiredis/hiredis.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "base/map.h"
#include "base/thread.h"
#include "base/url.h"
#include "net/store.h"

#define COMPONENT        "redis"
#define TIMEOUT_MS       1000
#define BACKOFF_FIRST_MS 200
#define BACKOFF_LAST_MS  10000

/* What is known of a key. `next` links it while the thread has work with it. */
typedef struct entry {
    struct entry *next;
    char *key; /* with the prefix */
    pm_buf value;
    bool known;  /* read from the server, or written by us */
    bool exists; /* when known */
    bool dirty;  /* to be written */
    bool queued;
    uint64_t version; /* of the value; a write that was overtaken stays dirty */
} entry;

typedef struct redis_store {
    pm_store base;
    pm_url url;
    char *socket_path; /* instead of a host */
    long database;
    char *prefix;
    panicmon_log *log;
    pm_thread *thread;

    /* of the thread */
    redisContext *connection;
    int64_t backoff_ms;
    bool told; /* that Redis is away */

    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t work;
    pthread_cond_t news;
    pm_map entries; /* key without prefix -> entry */
    entry *first;   /* work of the thread, oldest first */
    entry *last;
    bool stop;
} redis_store;

/* ---- the connection; only the thread ---- */

static void disconnect(redis_store *store, const char *why)
{
    if (store->connection != NULL) {
        redisFree(store->connection);
        store->connection = NULL;
    }
    if (!store->told) {
        pm_logf(store->log, PANICMON_LOG_WARNING, COMPONENT, "away: %s; retrying", why);
        store->told = true;
    }
}

/* Runs a command and expects no error; gives the reply or NULL after disconnecting. */
static redisReply *run(redis_store *store, int count, const char **words, const size_t *lengths)
{
    redisReply *reply = redisCommandArgv(store->connection, count, words, lengths);
    if (reply != NULL && reply->type != REDIS_REPLY_ERROR) {
        return reply;
    }
    disconnect(store, reply != NULL ? reply->str : store->connection->errstr);
    if (reply != NULL) {
        freeReplyObject(reply);
    }
    return NULL;
}

static bool run_ok(redis_store *store, int count, const char **words)
{
    size_t lengths[4];
    for (int i = 0; i < count; i++) {
        lengths[i] = strlen(words[i]);
    }
    redisReply *reply = run(store, count, words, lengths);
    if (reply == NULL) {
        return false;
    }
    freeReplyObject(reply);
    return true;
}

static bool log_in(redis_store *store)
{
    const char *pass = store->url.pass;
    if (pass != NULL) {
        const char *user = store->url.user;
        const char *with_user[] = {"AUTH", user, pass};
        const char *without[] = {"AUTH", pass};
        bool named = user != NULL && *user != '\0';
        if (!(named ? run_ok(store, 3, with_user) : run_ok(store, 2, without))) {
            return false;
        }
    }
    if (store->database == 0) {
        return true;
    }
    char number[24];
    const char *select[] = {"SELECT", number};
    pm_buf text = {0};
    pm_buf_int(&text, store->database);
    bool good = !text.failed && text.len < sizeof number;
    if (good) {
        memcpy(number, text.data, text.len + 1);
    }
    pm_buf_free(&text);
    return good && run_ok(store, 2, select);
}

static bool connect_once(redis_store *store)
{
    const struct timeval timeout = {.tv_sec = TIMEOUT_MS / 1000};
    store->connection = store->socket_path != NULL
                            ? redisConnectUnixWithTimeout(store->socket_path, timeout)
                            : redisConnectWithTimeout(store->url.host, store->url.port, timeout);
    if (store->connection == NULL || store->connection->err != 0) {
        disconnect(store, store->connection == NULL ? "out of memory" : store->connection->errstr);
        return false;
    }
    (void)redisSetTimeout(store->connection, timeout);
    if (!log_in(store)) {
        return false;
    }
    if (store->told) {
        pm_logf(store->log, PANICMON_LOG_INFO, COMPONENT, "back");
        store->told = false;
    }
    store->backoff_ms = 0;
    return true;
}

/* ---- work of the thread ---- */

/* Puts an entry at the end of the work. Under the lock. */
static void queue(redis_store *store, entry *at)
{
    if (at->queued) {
        return;
    }
    at->queued = true;
    at->next = NULL;
    if (store->last == NULL) {
        store->first = at;
    } else {
        store->last->next = at;
    }
    store->last = at;
    pthread_cond_signal(&store->work);
}

static bool write_entry(redis_store *store, entry *at)
{
    pm_buf copy = {0};
    pthread_mutex_lock(&store->lock);
    uint64_t version = at->version;
    pm_buf_add(&copy, at->value.data, at->value.len);
    pthread_mutex_unlock(&store->lock);
    const char *words[] = {"SET", at->key, copy.data};
    const size_t lengths[] = {3, strlen(at->key), copy.len};
    redisReply *reply = copy.failed ? NULL : run(store, 3, words, lengths);
    bool written = reply != NULL;
    if (written) {
        freeReplyObject(reply);
        pthread_mutex_lock(&store->lock);
        at->dirty = at->version != version;
        pthread_mutex_unlock(&store->lock);
    }
    pm_buf_free(&copy);
    return written;
}

static bool read_entry(redis_store *store, entry *at)
{
    const char *words[] = {"GET", at->key};
    const size_t lengths[] = {3, strlen(at->key)};
    redisReply *reply = run(store, 2, words, lengths);
    if (reply == NULL) {
        return false;
    }
    pthread_mutex_lock(&store->lock);
    if (!at->known) { /* a save meanwhile is newer */
        pm_buf_clear(&at->value);
        if (reply->type == REDIS_REPLY_STRING) {
            pm_buf_add(&at->value, reply->str, (size_t)reply->len);
        }
        at->exists = reply->type == REDIS_REPLY_STRING;
        at->known = !at->value.failed;
    }
    pthread_cond_broadcast(&store->news);
    pthread_mutex_unlock(&store->lock);
    freeReplyObject(reply);
    return true;
}

/* Takes the oldest work; NULL when told to stop and no write is left. */
static entry *next_work(redis_store *store, bool *write)
{
    pthread_mutex_lock(&store->lock);
    while (store->first == NULL && !store->stop) {
        (void)pm_cond_wait_until(&store->work, &store->lock, PM_NEVER);
    }
    entry *at = store->first;
    if (at != NULL) {
        store->first = at->next;
        store->last = store->first == NULL ? NULL : store->last;
        at->queued = false;
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

static void thread_main(void *arg)
{
    redis_store *store = arg;
    entry *at;
    bool write = false;
    while ((at = next_work(store, &write)) != NULL) {
        bool done = (store->connection != NULL || connect_once(store)) &&
                    (write ? write_entry(store, at) : read_entry(store, at));
        pthread_mutex_lock(&store->lock);
        if (!done || at->dirty) {
            queue(store, at);
        }
        pthread_mutex_unlock(&store->lock);
        if (!done && !back_off(store)) {
            break;
        }
    }
    if (store->connection != NULL) {
        store->told = true;
        disconnect(store, "");
    }
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

static panicmon_err redis_load(pm_store *base, const char *key, pm_buf *value)
{
    redis_store *store = (redis_store *)base;
    int64_t until = pm_mono_ms() + PM_STORE_WAIT_MS;
    int waited = 0;
    pthread_mutex_lock(&store->lock);
    entry *at = entry_of(store, key);
    if (at != NULL && !at->known) {
        queue(store, at);
    }
    while (at != NULL && !at->known && waited == 0 && !store->stop) {
        waited = pm_cond_wait_until(&store->news, &store->lock, until);
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
        at->dirty = true;
        at->version++;
        queue(store, at);
        pthread_cond_broadcast(&store->news);
    }
    pthread_mutex_unlock(&store->lock);
    pm_buf_free(&copy);
    return at == NULL ? PANICMON_ERR_NOMEM : PANICMON_OK;
}

static void redis_free(pm_store *base)
{
    redis_store *store = (redis_store *)base;
    if (store->thread != NULL) {
        pthread_mutex_lock(&store->lock);
        store->stop = true;
        pthread_cond_broadcast(&store->work);
        pthread_cond_broadcast(&store->news);
        pthread_mutex_unlock(&store->lock);
        pm_thread_join(store->thread);
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
    pm_url_free(&store->url);
    free(store->socket_path);
    free(store->prefix);
    panicmon_log_free(store->log);
    (void)pthread_cond_destroy(&store->work);
    (void)pthread_cond_destroy(&store->news);
    (void)pthread_mutex_destroy(&store->lock);
    free(store);
}

static bool read_database(const char *text, long *out)
{
    char *end;
    if (*text == '\0') {
        return true;
    }
    errno = 0;
    *out = strtol(text, &end, 10);
    return errno == 0 && *end == '\0' && *out >= 0 && *text >= '0' && *text <= '9';
}

static panicmon_err read_url(redis_store *store, const char *text, panicmon_error **err)
{
    const char *database = "";
    panicmon_err status = PANICMON_OK;
    if (strncmp(text, "unix:", 5) == 0) {
        store->socket_path = strdup(text + 5);
        if (store->socket_path == NULL) {
            return pm_error_setf(err, PANICMON_ERR_NOMEM, "out of memory");
        }
        char *query = strstr(store->socket_path, "?db=");
        if (query != NULL) {
            *query = '\0';
            database = query + 4;
        }
        if (store->socket_path[0] != '/') {
            return pm_error_setf(err, PANICMON_ERR_INVAL,
                                 "redis.url: unix: needs an absolute path");
        }
    } else {
        status = pm_url_parse(&store->url, text, "redis", err);
        database = status == PANICMON_OK && store->url.path[0] == '/' ? store->url.path + 1 : "";
    }
    if (status == PANICMON_OK && !read_database(database, &store->database)) {
        status = pm_error_setf(err, PANICMON_ERR_INVAL,
                               "redis.url: the database is not a number: '%s'", database);
    }
    return status;
}

panicmon_err pm_store_new_redis(pm_store **out, const char *url, const char *prefix,
                                panicmon_log *log, panicmon_error **err)
{
    static const pm_store_ops ops = {.load = redis_load, .save = redis_save, .free = redis_free};
    redis_store *store = calloc(1, sizeof *store);
    if (store == NULL) {
        return pm_error_setf(err, PANICMON_ERR_NOMEM, "out of memory");
    }
    store->base.ops = &ops;
    store->log = pm_log_ref(log);
    (void)pthread_mutex_init(&store->lock, NULL);
    pm_cond_init(&store->work);
    pm_cond_init(&store->news);
    panicmon_err status = read_url(store, url, err);
    store->prefix = strdup(prefix);
    if (status == PANICMON_OK && store->prefix == NULL) {
        status = pm_error_setf(err, PANICMON_ERR_NOMEM, "out of memory");
    }
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
