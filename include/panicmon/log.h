/** @file log.h
 * One log for everything a runtime does. The library is silent until it is given one.
 */
#ifndef PANICMON_LOG_H
#define PANICMON_LOG_H

#include <panicmon/error.h>

PANICMON_BEGIN_DECLS

/** How grave a record is. A log drops records above its level. */
typedef enum panicmon_log_level {
    PANICMON_LOG_ERROR = 0,   /**< something an operator must mend */
    PANICMON_LOG_WARNING = 1, /**< something went wrong and is being dealt with */
    PANICMON_LOG_INFO = 2,    /**< life of monitors and connections */
    PANICMON_LOG_DEBUG = 3,   /**< each round */
    PANICMON_LOG_MAX_ = 0x7fffffff
} panicmon_log_level;

/** How panicmon_log_new_fd() writes a record. */
typedef enum panicmon_log_format {
    PANICMON_LOG_TEXT = 0, /**< `2026-11-24T08:00:00.000Z warning component: message` */
    PANICMON_LOG_JSON = 1, /**< `{"time": ..., "level": ..., "component": ..., "message": ...}` */
    PANICMON_LOG_FORMAT_MAX_ = 0x7fffffff
} panicmon_log_format;

/**
 * A log. Reference counted; all its functions may be called by any thread. A record is one line:
 * control characters in it become blanks. An error or a warning that repeats one of the last
 * minute word for word is counted instead of written; the count, "... (12 times more in 60 s)", is
 * told when the minute is over, before the next record of any kind, or at the log's end.
 */
typedef struct panicmon_log panicmon_log;

/**
 * Receives one record. Called by any thread, also several at once; no lock is held. `component`
 * names the part of the library or the monitor; `message` is one finished line without its end.
 * Both are borrowed until the call returns. It must not call back into the library.
 */
typedef void (*panicmon_log_fn)(void *user, panicmon_log_level level, const char *component,
                                const char *message);

/**
 * A log that calls `fn`. `user_free` (may be NULL) is called once with `user` when the last
 * reference is gone, and also when this call fails. The level starts at PANICMON_LOG_INFO.
 */
PANICMON_API panicmon_err panicmon_log_new(panicmon_log **out, panicmon_log_fn fn, void *user,
                                           void (*user_free)(void *user));

/**
 * A log that writes each record to the descriptor `fd`; lines of several threads never mix. The
 * descriptor stays the caller's and must outlive the log.
 */
PANICMON_API panicmon_err panicmon_log_new_fd(panicmon_log **out, int fd,
                                              panicmon_log_format format);

/** Drops records above `level` from now on. Any thread, at any time. */
PANICMON_API void panicmon_log_set_level(panicmon_log *log, panicmon_log_level level);

/** The level of a name ("error", "warning", "info", "debug"); ERR_INVAL for any other text. */
PANICMON_API panicmon_err panicmon_log_level_parse(const char *name, panicmon_log_level *out);

/** Writes a record of the host's own to the log; `log` may be NULL (nothing happens). */
PANICMON_API void panicmon_log_write(panicmon_log *log, panicmon_log_level level,
                                     const char *component, const char *message);

/** Drops the caller's reference; NULL is allowed. */
PANICMON_API void panicmon_log_free(panicmon_log *log);

PANICMON_END_DECLS

#endif
