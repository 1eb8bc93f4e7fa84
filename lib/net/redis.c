/* redis.c: the state store in Redis; alone includes hiredis. One thread owns the connection and
 * does all talking; callers only touch the table of entries, guarded by the lock. An entry is
 * never forgotten, so a key is read from the server once. */
#include <errno.h>
#include <fcntl.h>
#include <hiredis/hiredis.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "base/map.h"
#include "base/thread.h"
#include "base/url.h"
#include "net/resolve.h"
#include "net/store.h"

#define COMPONENT        "redis"
#define TIMEOUT_MS       1000
#define BACKOFF_FIRST_MS 200
#define BACKOFF_LAST_MS  10000
/* How long the end waits for what is not saved yet. */
#define END_MS 500

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
    pm_resolver *resolver;
    int break_fd; /* eventfd: readable once the thread must not wait for anything any more */

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
    size_t dirty;   /* entries that are */
    bool away;      /* the last attempt to talk to Redis failed */
    bool looked_up; /* the lookup of the host is over */
    int fd;         /* of the connection; -1: none. To be shut down only */
    bool stop;
    bool broken; /* the thread must not wait any more */
    bool over;   /* the thread has nothing more to do */
} redis_store;

/* ---- the connection; only the thread ---- */

static void disconnect(redis_store *store, const char *why)
{
    pthread_mutex_lock(&store->lock);
    store->fd = -1;
    store->away = true;
    pthread_cond_broadcast(&store->news);
    pthread_mutex_unlock(&store->lock);
    if (!store->told) {
        pm_logf(store->log, PANICMON_LOG_WARNING, COMPONENT, "away: %s; retrying", why);
        store->told = true;
    }
    if (store->connection != NULL) { /* `why` may be in it */
        redisFree(store->connection);
        store->connection = NULL;
    }
}

/* Runs a command and expects no error; gives the reply or NULL after disconnecting. */
static redisReply *run(redis_store *store, int count, const char **words, const size_t *lengths)
{
    redisReply *reply = redisCommandArgv(store->connection, count, words, lengths);
    if (reply != NULL && reply->type != REDIS_REPLY_ERROR) {
        return reply;
    }
    bool late = reply == NULL && (errno == EAGAIN || errno == EWOULDBLOCK);
    disconnect(store, reply != NULL ? reply->str
                      : late        ? "no answer in time"
                                    : store->connection->errstr);
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

static void note_lookup(void *user)
{
    redis_store *store = user;
    pthread_mutex_lock(&store->lock);
    store->looked_up = true;
    pthread_cond_signal(&store->work);
    pthread_mutex_unlock(&store->lock);
}

/* The addresses of the host. Gives why there are none, or NULL. */
static const char *look_up(redis_store *store, pm_addresses *out)
{
    const char *problem = "its name is not resolved yet";
    pm_lookup *lookup = NULL;
    int64_t until = pm_mono_ms() + TIMEOUT_MS;
    int waited = 0;
    if (pm_resolve_numeric(store->url.host, out)) {
        return NULL;
    }
    store->looked_up = false; /* nobody else has the lookup yet */
    if (pm_lookup_start(&lookup, store->resolver, store->url.host, note_lookup, store) !=
        PANICMON_OK) {
        return "its name cannot be resolved";
    }
    pthread_mutex_lock(&store->lock);
    while (!store->looked_up && !store->stop && waited == 0) {
        waited = pm_cond_wait_until(&store->work, &store->lock, until);
    }
    pthread_mutex_unlock(&store->lock);
    bool over = pm_lookup_result(lookup, out, &problem);
    pm_lookup_free(lookup);
    return over && out->count > 0 ? NULL : problem;
}

/* Waits until a socket is connected, no longer than the timeout; false with errno. */
static bool wait_connected(const redis_store *store, int fd)
{
    struct pollfd look[2] = {{.fd = fd, .events = POLLOUT},
                             {.fd = store->break_fd, .events = POLLIN}};
    int problem = 0;
    socklen_t size = sizeof problem;
    if (poll(look, 2, TIMEOUT_MS) <= 0 || look[0].revents == 0) {
        errno = ETIMEDOUT;
        return false;
    }
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &problem, &size) != 0 || problem != 0) {
        errno = problem;
        return false;
    }
    return true;
}

/* Takes a connection that is being made over. Gives why it failed, or NULL. */
static const char *take_connection(redis_store *store, redisContext *made)
{
    const struct timeval timeout = {.tv_sec = TIMEOUT_MS / 1000};
    if (made == NULL) {
        return "out of memory";
    }
    if (made->err != 0 || !wait_connected(store, made->fd)) {
        const char *why = strerrordesc_np(errno);
        redisFree(made);
        return why == NULL ? "cannot connect" : why;
    }
    /* From here on it waits for answers, as long as the timeout. */
    made->flags |= REDIS_BLOCK;
    int flags = fcntl(made->fd, F_GETFL);
    if (flags < 0 || fcntl(made->fd, F_SETFL, flags & ~O_NONBLOCK) != 0 ||
        redisSetTimeout(made, timeout) != REDIS_OK) {
        redisFree(made);
        return "the socket cannot be set up";
    }
    store->connection = made;
    pthread_mutex_lock(&store->lock);
    store->fd = made->fd;
    if (store->broken) {
        (void)shutdown(store->fd, SHUT_RDWR);
    }
    pthread_mutex_unlock(&store->lock);
    return NULL;
}

static const char *connect_any(redis_store *store)
{
    pm_addresses addresses = {.count = 0};
    if (store->socket_path != NULL) {
        return take_connection(store, redisConnectUnixNonBlock(store->socket_path));
    }
    const char *why = look_up(store, &addresses);
    for (size_t i = 0; i < addresses.count && store->connection == NULL; i++) {
        why = take_connection(store, redisConnectNonBlock(addresses.text[i], store->url.port));
    }
    return why;
}

static bool connect_once(redis_store *store)
{
    const char *why = connect_any(store);
    if (store->connection == NULL) {
        disconnect(store, why);
        return false;
    }
    if (!log_in(store)) {
        return false;
    }
    if (store->told) {
        pm_logf(store->log, PANICMON_LOG_INFO, COMPONENT, "back");
        store->told = false;
    }
    store->backoff_ms = 0;
    pthread_mutex_lock(&store->lock);
    store->away = false;
    pthread_mutex_unlock(&store->lock);
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
        if (at->version == version) {
            at->dirty = false;
            store->dirty--;
            pthread_cond_broadcast(&store->news);
        }
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
    store->told = true; /* the end is not worth a word */
    disconnect(store, "");
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
    while (at != NULL && !at->known && waited == 0 && !store->stop && !store->away) {
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
    while (store->dirty > 0 && !store->away && !store->stop && waited == 0) {
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
    const uint64_t one = 1;
    int64_t until = pm_mono_ms() + END_MS;
    int waited = 0;
    pthread_mutex_lock(&store->lock);
    store->stop = true;
    pthread_cond_broadcast(&store->work);
    pthread_cond_broadcast(&store->news);
    while (!store->over && waited == 0) {
        waited = pm_cond_wait_until(&store->news, &store->lock, until);
    }
    if (!store->over) {
        ssize_t wrote = write(store->break_fd, &one, sizeof one);
        (void)wrote; /* full means that it is readable already */
        store->broken = true;
        if (store->fd >= 0) {
            (void)shutdown(store->fd, SHUT_RDWR);
        }
    }
    pthread_mutex_unlock(&store->lock);
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
    pm_resolver_free(store->resolver);
    if (store->break_fd >= 0) {
        (void)close(store->break_fd);
    }
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
        if (strncmp(text, "rediss:", 7) == 0) {
            return pm_error_setf(err, PANICMON_ERR_INVAL,
                                 "redis.url: rediss:// is not supported by this build; let stunnel "
                                 "or a local proxy carry the TLS and name it as redis://127.0.0.1");
        }
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
    static const pm_store_ops ops = {
        .load = redis_load, .save = redis_save, .sync = redis_sync, .free = redis_free};
    redis_store *store = calloc(1, sizeof *store);
    if (store == NULL) {
        return pm_error_setf(err, PANICMON_ERR_NOMEM, "out of memory");
    }
    store->base.ops = &ops;
    store->log = pm_log_ref(log);
    store->fd = -1;
    store->break_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    (void)pthread_mutex_init(&store->lock, NULL);
    pm_cond_init(&store->work);
    pm_cond_init(&store->news);
    panicmon_err status = read_url(store, url, err);
    store->prefix = strdup(prefix);
    if (status == PANICMON_OK && store->prefix == NULL) {
        status = pm_error_setf(err, PANICMON_ERR_NOMEM, "out of memory");
    }
    if (status == PANICMON_OK && store->break_fd < 0) {
        status = pm_error_setf(err, PANICMON_ERR_SYSTEM, "redis: no descriptor is left");
    }
    if (status == PANICMON_OK) {
        status = pm_resolver_new(&store->resolver);
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
