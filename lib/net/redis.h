/* redis.h: one connection to Redis, opened and closed as often as needed; redis.c alone includes
 * hiredis. It belongs to one thread, except interrupt. No call waits for longer than a few seconds,
 * and none waits once interrupted. */
#ifndef PM_REDIS_H
#define PM_REDIS_H

#include <stdbool.h>

#include <panicmon/error.h>

#include "base/buf.h"

typedef struct pm_redis pm_redis;

/* See pm_url_parse_redis() for the URL. Does not connect yet. */
panicmon_err pm_redis_new(pm_redis **out, const char *url, panicmon_error **err);
void pm_redis_free(pm_redis *redis);
/* Ends every wait of this and all later calls. Any thread; sticky. */
void pm_redis_interrupt(pm_redis *redis);

/* Connects and logs in, unless that stands. After a failure of this or of a command the connection
 * is closed, but not when the server was there and only refused that command. */
bool pm_redis_connect(pm_redis *redis);
bool pm_redis_set(pm_redis *redis, const char *key, const void *value, size_t len);
/* Appends the value, if there is one. */
bool pm_redis_get(pm_redis *redis, const char *key, pm_buf *value, bool *exists);
/* Why the last call failed. Valid until the next call. */
const char *pm_redis_why(const pm_redis *redis);
/* Whether it failed because the server refused that command; it may carry out others. */
bool pm_redis_is_refused(const pm_redis *redis);

#endif
