/* redis.c: see redis.h. The lock guards only the descriptor, so that interrupt can shut it down. */
#include "net/redis.h"

#include <errno.h>
#include <fcntl.h>
#include <hiredis/hiredis.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/url.h"
#include "net/resolve.h"

#define TIMEOUT_MS 1000

struct pm_redis {
    pm_url url;
    long database;
    pm_resolver *resolver;
    int break_fd;     /* eventfd: readable once interrupted */
    int looked_up_fd; /* eventfd: readable once a lookup is over */
    redisContext *connection;
    char why[256];
    bool refused; /* the last command was */
    atomic_bool broken;
    pthread_mutex_t lock; /* guards fd */
    int fd;               /* of the connection; -1: none. To be shut down only */
};

static void signal_fd(int fd)
{
    const uint64_t one = 1;
    ssize_t wrote = write(fd, &one, sizeof one);
    (void)wrote; /* full means that it is readable already */
}

static void set_fd(pm_redis *redis, int fd)
{
    pthread_mutex_lock(&redis->lock);
    redis->fd = fd;
    if (fd >= 0 && atomic_load(&redis->broken)) {
        (void)shutdown(fd, SHUT_RDWR);
    }
    pthread_mutex_unlock(&redis->lock);
}

void pm_redis_interrupt(pm_redis *redis)
{
    pthread_mutex_lock(&redis->lock);
    atomic_store(&redis->broken, true);
    if (redis->fd >= 0) {
        (void)shutdown(redis->fd, SHUT_RDWR);
    }
    pthread_mutex_unlock(&redis->lock);
    signal_fd(redis->break_fd);
}

const char *pm_redis_why(const pm_redis *redis)
{
    return redis->why;
}

bool pm_redis_is_refused(const pm_redis *redis)
{
    return redis->refused;
}

static void hang_up(pm_redis *redis)
{
    set_fd(redis, -1);
    if (redis->connection != NULL) {
        redisFree(redis->connection);
        redis->connection = NULL;
    }
}

static void note_why(pm_redis *redis, const char *why)
{
    (void)snprintf(redis->why, sizeof redis->why, "%s", why == NULL ? "" : why);
}

/* Notes why and closes; gives false. */
static bool fail(pm_redis *redis, const char *why)
{
    note_why(redis, why);
    hang_up(redis);
    return false;
}

/* ---- commands ---- */

static bool begins_with_any(const char *text, const char *const *words)
{
    while (*words != NULL && strncmp(text, *words, strlen(*words)) != 0) {
        words++;
    }
    return *words != NULL;
}

/* Takes an error of the server over. Some are not about the command: those of one that carries out
 * none at all for now, and of a replica, as another server may have the name by now. */
static void take_error(pm_redis *redis, const char *error)
{
    static const char *const of_all[] = {"LOADING ",     "BUSY ",     "MASTERDOWN ",
                                         "NOAUTH ",      "DENIED ",   "ERR max number of clients",
                                         "CLUSTERDOWN ", "READONLY ", NULL};
    note_why(redis, error);
    redis->refused = !begins_with_any(error, of_all);
    if (!redis->refused) {
        hang_up(redis);
    }
}

/* Runs a command; gives a reply that is no error, or NULL after a failure. */
static redisReply *run(pm_redis *redis, int count, const char **words, const size_t *lengths)
{
    redisReply *reply = redisCommandArgv(redis->connection, count, words, lengths);
    redis->refused = false;
    if (reply == NULL) {
        bool late = errno == EAGAIN || errno == EWOULDBLOCK;
        (void)fail(redis, late ? "no answer in time" : redis->connection->errstr);
    } else if (reply->type == REDIS_REPLY_ERROR) {
        take_error(redis, reply->str);
        freeReplyObject(reply);
        reply = NULL;
    }
    return reply;
}

static bool run_ok(pm_redis *redis, int count, const char **words, const size_t *lengths)
{
    redisReply *reply = run(redis, count, words, lengths);
    if (reply == NULL) {
        return false;
    }
    freeReplyObject(reply);
    return true;
}

static bool run_words(pm_redis *redis, int count, const char **words)
{
    size_t lengths[4];
    for (int i = 0; i < count; i++) {
        lengths[i] = strlen(words[i]);
    }
    return run_ok(redis, count, words, lengths);
}

bool pm_redis_set(pm_redis *redis, const char *key, const void *value, size_t len)
{
    const char *words[] = {"SET", key, value == NULL ? "" : value};
    const size_t lengths[] = {3, strlen(key), len};
    return run_ok(redis, 3, words, lengths);
}

bool pm_redis_get(pm_redis *redis, const char *key, pm_buf *value, bool *exists)
{
    const char *words[] = {"GET", key};
    const size_t lengths[] = {3, strlen(key)};
    redisReply *reply = run(redis, 2, words, lengths);
    if (reply == NULL) {
        return false;
    }
    *exists = reply->type == REDIS_REPLY_STRING;
    if (*exists) {
        pm_buf_add(value, reply->str, (size_t)reply->len);
    }
    freeReplyObject(reply);
    return true;
}

/* ---- connecting ---- */

static bool log_in(pm_redis *redis)
{
    const char *user = redis->url.user;
    const char *pass = redis->url.pass;
    const char *with_user[] = {"AUTH", user, pass};
    const char *without[] = {"AUTH", pass};
    bool named = user != NULL && *user != '\0';
    char number[24];
    const char *select[] = {"SELECT", number};
    if (pass != NULL && !(named ? run_words(redis, 3, with_user) : run_words(redis, 2, without))) {
        return false;
    }
    (void)snprintf(number, sizeof number, "%ld", redis->database);
    return redis->database == 0 || run_words(redis, 2, select);
}

/* Gives whether it is logged in; a server that refuses that is of no use. */
static bool begin_session(pm_redis *redis)
{
    bool good = log_in(redis);
    redis->refused = false;
    if (!good) {
        hang_up(redis);
    }
    return good;
}

static void note_lookup(void *user)
{
    const pm_redis *redis = user;
    signal_fd(redis->looked_up_fd);
}

/* The addresses of the host. Gives why there are none, or NULL. */
static const char *look_up(pm_redis *redis, pm_addresses *out)
{
    const char *problem = "its name is not resolved yet";
    pm_lookup *lookup = NULL;
    uint64_t old;
    if (pm_resolve_numeric(redis->url.host, out)) {
        return NULL;
    }
    ssize_t got = read(redis->looked_up_fd, &old, sizeof old); /* of a lookup given up */
    (void)got;
    if (pm_lookup_start(&lookup, redis->resolver, redis->url.host, note_lookup, redis) !=
        PANICMON_OK) {
        return "its name cannot be resolved";
    }
    struct pollfd look[2] = {{.fd = redis->looked_up_fd, .events = POLLIN},
                             {.fd = redis->break_fd, .events = POLLIN}};
    (void)poll(look, 2, TIMEOUT_MS);
    bool over = pm_lookup_result(lookup, out, &problem);
    pm_lookup_free(lookup);
    return over && out->count > 0 ? NULL : problem;
}

/* Waits until a socket is connected, no longer than the timeout; false with errno. */
static bool wait_connected(const pm_redis *redis, int fd)
{
    struct pollfd look[2] = {{.fd = fd, .events = POLLOUT},
                             {.fd = redis->break_fd, .events = POLLIN}};
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
static const char *take_connection(pm_redis *redis, redisContext *made)
{
    const struct timeval timeout = {.tv_sec = TIMEOUT_MS / 1000};
    if (made == NULL) {
        return "out of memory";
    }
    if (made->err != 0 || !wait_connected(redis, made->fd)) {
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
    redis->connection = made;
    set_fd(redis, made->fd);
    return NULL;
}

bool pm_redis_connect(pm_redis *redis)
{
    pm_addresses addresses = {.count = 0};
    const char *why = NULL;
    redis->refused = false;
    if (redis->connection != NULL) {
        return true;
    }
    if (strcmp(redis->url.scheme, "unix") == 0) {
        why = take_connection(redis, redisConnectUnixNonBlock(redis->url.path));
    } else {
        why = look_up(redis, &addresses);
    }
    for (size_t i = 0; i < addresses.count && redis->connection == NULL; i++) {
        why = take_connection(redis, redisConnectNonBlock(addresses.text[i], redis->url.port));
    }
    return redis->connection == NULL ? fail(redis, why) : begin_session(redis);
}

/* ---- life ---- */

static panicmon_err read_url(pm_redis *redis, const char *text, panicmon_error **err)
{
    panicmon_error *why = NULL;
    panicmon_err status = pm_url_parse_redis(&redis->url, &redis->database, text, &why);
    if (status != PANICMON_OK) {
        (void)pm_error_setf(err, status, "redis.url: %s", panicmon_error_message(why));
    }
    panicmon_error_free(why);
    return status;
}

panicmon_err pm_redis_new(pm_redis **out, const char *url, panicmon_error **err)
{
    pm_redis *redis = calloc(1, sizeof *redis);
    if (redis == NULL) {
        return pm_error_setf(err, PANICMON_ERR_NOMEM, "out of memory");
    }
    atomic_init(&redis->broken, false);
    (void)pthread_mutex_init(&redis->lock, NULL);
    redis->fd = -1;
    redis->break_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    redis->looked_up_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    panicmon_err status = read_url(redis, url, err);
    if (status == PANICMON_OK && (redis->break_fd < 0 || redis->looked_up_fd < 0)) {
        status = pm_error_setf(err, PANICMON_ERR_SYSTEM, "redis: no descriptor is left");
    }
    if (status == PANICMON_OK && (status = pm_resolver_new(&redis->resolver)) != PANICMON_OK) {
        (void)pm_error_setf(err, status, "redis: %s", panicmon_strerror(status));
    }
    if (status != PANICMON_OK) {
        pm_redis_free(redis);
        return status;
    }
    *out = redis;
    return PANICMON_OK;
}

void pm_redis_free(pm_redis *redis)
{
    if (redis == NULL) {
        return;
    }
    (void)fail(redis, NULL);
    pm_resolver_free(redis->resolver);
    if (redis->break_fd >= 0) {
        (void)close(redis->break_fd);
    }
    if (redis->looked_up_fd >= 0) {
        (void)close(redis->looked_up_fd);
    }
    pm_url_free(&redis->url);
    (void)pthread_mutex_destroy(&redis->lock);
    free(redis);
}
