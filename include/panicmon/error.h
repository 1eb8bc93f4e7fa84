/** @file error.h
 * Error codes, their texts, and the optional error object with details.
 *
 * Functions that can fail return `panicmon_err`. Those that can say more take a last argument
 * `panicmon_error **err`: pass NULL when not interested, else the address of a pointer that is
 * NULL. On failure it is set to an object that the caller owns (panicmon_error_free); on success
 * it is left as it was.
 */
#ifndef PANICMON_ERROR_H
#define PANICMON_ERROR_H

#include <panicmon/export.h>

PANICMON_BEGIN_DECLS

/** All codes: X(name, number, text). The numbers are part of the ABI: append, never renumber. */
#define PANICMON_ERROR_MAP(X)                                                                      \
    X(OK, 0, "success")                                                                            \
    X(ERR_NOMEM, -1, "out of memory")                                                              \
    X(ERR_INVAL, -2, "invalid argument")                                                           \
    X(ERR_EXISTS, -3, "already exists")                                                            \
    X(ERR_NOENT, -4, "not found")                                                                  \
    X(ERR_PARSE, -5, "could not be parsed")                                                        \
    X(ERR_STATE, -6, "not allowed in this state")                                                  \
    X(ERR_TIMEOUT, -7, "timed out")                                                                \
    X(ERR_CANCELED, -8, "canceled")                                                                \
    X(ERR_LIMIT, -9, "a configured limit was reached")                                             \
    X(ERR_AMQP, -10, "message broker error")                                                       \
    X(ERR_REDIS, -11, "redis error")                                                               \
    X(ERR_WS, -12, "websocket error")                                                              \
    X(ERR_RPC, -13, "the peer answered with an error")                                             \
    X(ERR_CALLBACK, -14, "a user callback failed")                                                 \
    X(ERR_TOONEW, -15, "the caller uses fields this library does not know")                        \
    X(ERR_DEADLOCK, -16, "would wait for the calling thread")                                      \
    X(ERR_SYSTEM, -17, "operating system error")                                                   \
    X(ERR_PROTOCOL, -18, "the peer broke the protocol")                                            \
    X(ERR_HTTP, -19, "no answer over HTTP")

/** What a function returns: PANICMON_OK (0) or a negative code. */
typedef enum panicmon_err {
#define PANICMON_X(name, number, text) PANICMON_##name = (number),
    PANICMON_ERROR_MAP(PANICMON_X)
#undef PANICMON_X
        PANICMON_ERR_MAX_ = 0x7fffffff /* forces the width; never returned */
} panicmon_err;

/** The text of a code: static, never NULL, unknown codes too. Any thread. */
PANICMON_API const char *panicmon_strerror(panicmon_err code);

/** The name of a code without prefix, for example "ERR_NOMEM"; "ERR_UNKNOWN" else. Any thread. */
PANICMON_API const char *panicmon_err_name(panicmon_err code);

/** How many codes this library knows: for bindings that build their exceptions from them. */
PANICMON_API size_t panicmon_err_count(void);

/**
 * The code at place `i` (0 to panicmon_err_count() - 1), its name and text. Each out pointer may
 * be NULL; the texts are static. ERR_INVAL when `i` is too large. Any thread.
 */
PANICMON_API panicmon_err panicmon_err_at(size_t i, panicmon_err *code, const char **name,
                                          const char **text);

/** Details of a failure. Used by one thread at a time. */
typedef struct panicmon_error panicmon_error;

/**
 * Fills `*err` (when `err` is not NULL) with a new error object and returns `code`, so that a
 * callback can write `return panicmon_error_set(err, PANICMON_ERR_PARSE, "...")`. An object that
 * `*err` already held is replaced. Without memory a static object is used. The message is copied.
 */
PANICMON_API panicmon_err panicmon_error_set(panicmon_error **err, panicmon_err code,
                                             const char *message);

/** Frees an error object; NULL is allowed. */
PANICMON_API void panicmon_error_free(panicmon_error *err);

/** The code; PANICMON_OK for NULL. */
PANICMON_API panicmon_err panicmon_error_code(const panicmon_error *err);

/** One line that says what failed, never NULL; borrowed from `err`. */
PANICMON_API const char *panicmon_error_message(const panicmon_error *err);

PANICMON_END_DECLS

#endif
