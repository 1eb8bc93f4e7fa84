/** @file manager.h
 * Config sets in, the right monitors running, monitorables and heartbeats out.
 */
#ifndef PANICMON_MANAGER_H
#define PANICMON_MANAGER_H

#include <panicmon/runtime.h>

PANICMON_BEGIN_DECLS

/** A manager. All its functions may be called by any thread. */
typedef struct panicmon_manager panicmon_manager;

/**
 * A manager of the monitors of `runtime` (borrowed: it must outlive the manager), with the
 * strategies of the runtime's registry. When the setting `broker.url` is set, it consumes config
 * sets and pings from the broker as soon as the runtime runs, in a thread of its own.
 */
PANICMON_API panicmon_err panicmon_manager_new(panicmon_manager **out, panicmon_runtime *runtime,
                                               panicmon_error **err);

/** Stops its monitors and frees; NULL is allowed. */
PANICMON_API void panicmon_manager_free(panicmon_manager *manager);

/**
 * Makes the running monitors of a routing key match a config set: a JSON object from id to config,
 * `len` bytes. An absent id is removed, `{}` removes all; unchanged monitors run on. A bad entry is
 * logged with routing key, id, field and kind of value and its neighbours start; what ran under its
 * id goes on with its last good config. Of equal ids the first counts. The result is then ERR_PARSE
 * and `*err` tells the first fault. A config for which there is no memory is tried again by itself;
 * the result is ERR_NOMEM. A body that is no such object changes nothing. ERR_NOENT: no strategy
 * matches the routing key. ERR_DEADLOCK: the caller is a strategy that this manager calls. Waits a
 * few seconds for a strategy that takes its time to start a monitor; that goes on meanwhile.
 */
PANICMON_API panicmon_err panicmon_manager_apply(panicmon_manager *manager, const char *routing_key,
                                                 const char *json, size_t len,
                                                 panicmon_error **err);

/**
 * Applies an object of routing keys: the `configs` of a configuration file. Keys of the last such
 * object that are gone from this one are applied as `{}`. All are applied; the first failure is
 * returned.
 */
PANICMON_API panicmon_err panicmon_manager_apply_all(panicmon_manager *manager, const char *json,
                                                     size_t len, panicmon_error **err);

/**
 * Publishes a manager heartbeat (exchange `health_check`, routing key `heartbeat.manager`) for
 * every manager identity of PANIC whose kinds this build knows, with the monitors that complete
 * rounds and those that do not. Done by itself for every ping from the broker.
 */
PANICMON_API panicmon_err panicmon_manager_ping(panicmon_manager *manager);

/** How many monitors are meant to run now. */
PANICMON_API size_t panicmon_manager_count(const panicmon_manager *manager);

PANICMON_END_DECLS

#endif
