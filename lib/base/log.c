/* log.c: the log. Any thread; a record is formatted on the caller's stack or heap and handed over
 * in one call or one write(2), so no lock is needed. */
#include "base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"

struct panicmon_log {
    atomic_int refs;
    atomic_int level;
    panicmon_log_fn fn;
    void *user;
    void (*user_free)(void *user);
    int fd; /* used when fn is NULL */
    panicmon_log_format format;
};

static const char *const level_names[] = {"error", "warning", "info", "debug"};

panicmon_err panicmon_log_new(panicmon_log **out, panicmon_log_fn fn, void *user,
                              void (*user_free)(void *user))
{
    panicmon_log *log = out == NULL || fn == NULL ? NULL : calloc(1, sizeof *log);
    if (log == NULL) {
        if (user_free != NULL) {
            user_free(user);
        }
        return out == NULL || fn == NULL ? PANICMON_ERR_INVAL : PANICMON_ERR_NOMEM;
    }
    atomic_init(&log->refs, 1);
    atomic_init(&log->level, PANICMON_LOG_INFO);
    log->fn = fn;
    log->user = user;
    log->user_free = user_free;
    *out = log;
    return PANICMON_OK;
}

panicmon_err panicmon_log_new_fd(panicmon_log **out, int fd, panicmon_log_format format)
{
    if (out == NULL || fd < 0 || (format != PANICMON_LOG_TEXT && format != PANICMON_LOG_JSON)) {
        return PANICMON_ERR_INVAL;
    }
    panicmon_log *log = calloc(1, sizeof *log);
    if (log == NULL) {
        return PANICMON_ERR_NOMEM;
    }
    atomic_init(&log->refs, 1);
    atomic_init(&log->level, PANICMON_LOG_INFO);
    log->fd = fd;
    log->format = format;
    *out = log;
    return PANICMON_OK;
}

panicmon_log *pm_log_ref(panicmon_log *log)
{
    if (log != NULL) {
        atomic_fetch_add(&log->refs, 1);
    }
    return log;
}

void panicmon_log_free(panicmon_log *log)
{
    if (log == NULL || atomic_fetch_sub(&log->refs, 1) != 1) {
        return;
    }
    if (log->user_free != NULL) {
        log->user_free(log->user);
    }
    free(log);
}

void panicmon_log_set_level(panicmon_log *log, panicmon_log_level level)
{
    atomic_store(&log->level, (int)level);
}

panicmon_err panicmon_log_level_parse(const char *name, panicmon_log_level *out)
{
    for (int i = 0; name != NULL && out != NULL && i <= PANICMON_LOG_DEBUG; i++) {
        if (strcasecmp(name, level_names[i]) == 0) {
            *out = (panicmon_log_level)i;
            return PANICMON_OK;
        }
    }
    return PANICMON_ERR_INVAL;
}

bool pm_log_wants(const panicmon_log *log, panicmon_log_level level)
{
    return log != NULL && (int)level <= atomic_load(&log->level);
}

static void write_record(const panicmon_log *log, panicmon_log_level level, const char *component,
                         const char *message)
{
    int64_t now = pm_wall_ms();
    time_t seconds = (time_t)(now / 1000);
    struct tm utc;
    char stamp[32];
    pm_buf line = {0};
    if (gmtime_r(&seconds, &utc) == NULL ||
        strftime(stamp, sizeof stamp, "%Y-%m-%dT%H:%M:%S", &utc) == 0) {
        stamp[0] = '\0';
    }
    if (log->format == PANICMON_LOG_JSON) {
        pm_buf_format(&line, "{\"time\": \"%s.%03dZ\", \"level\": \"%s\", \"component\": ", stamp,
                      (int)(now % 1000), level_names[level]);
        pm_buf_json_string(&line, component, strlen(component));
        pm_buf_text(&line, ", \"message\": ");
        pm_buf_json_string(&line, message, strlen(message));
        pm_buf_text(&line, "}\n");
    } else {
        pm_buf_format(&line, "%s.%03dZ %-7s %s: %s\n", stamp, (int)(now % 1000), level_names[level],
                      component, message);
    }
    const char *at = line.data;
    size_t left = line.failed ? 0 : line.len;
    while (left > 0) {
        ssize_t wrote = write(log->fd, at, left);
        if (wrote < 0 && errno == EINTR) {
            continue;
        }
        if (wrote <= 0) {
            break; /* nowhere to complain to */
        }
        at += wrote;
        left -= (size_t)wrote;
    }
    pm_buf_free(&line);
}

void panicmon_log_write(panicmon_log *log, panicmon_log_level level, const char *component,
                        const char *message)
{
    if (!pm_log_wants(log, level) || (int)level < 0 || (int)level > PANICMON_LOG_DEBUG) {
        return;
    }
    if (log->fn != NULL) {
        log->fn(log->user, level, component, message);
    } else {
        write_record(log, level, component, message);
    }
}

void pm_logf(panicmon_log *log, panicmon_log_level level, const char *component, const char *format,
             ...)
{
    if (!pm_log_wants(log, level)) {
        return;
    }
    pm_buf text = {0};
    va_list args;
    va_start(args, format);
    pm_buf_format_list(&text, format, args);
    va_end(args);
    for (size_t i = 0; !text.failed && i < text.len; i++) {
        if ((unsigned char)text.data[i] < 0x20 || text.data[i] == 0x7f) {
            text.data[i] = ' ';
        }
    }
    panicmon_log_write(log, level, component, text.failed ? format : text.data);
    pm_buf_free(&text);
}
