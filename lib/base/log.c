/* log.c: the log. Any thread. A record is made into one line, repeated grave ones are folded
 * (log_fold.c), and what is left is handed over in one call, or written under a lock so that lines
 * never mix, however long they are. */
#include "base/log.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/log_fold.h"

/* How long a full pipe is waited for before a record is given up. */
#define WRITE_WAIT_MS 200

struct panicmon_log {
    atomic_int refs;
    atomic_int level;
    panicmon_log_fn fn;
    void *user;
    void (*user_free)(void *user);
    int fd; /* used when fn is NULL */
    panicmon_log_format format;
    pm_log_fold *fold;
    pthread_mutex_t lock; /* of writing to fd; guards what follows */
    bool torn;            /* the last line could not be ended */
    bool stalled;         /* the last wait for room was in vain */
};

static const char *const level_names[] = {"error", "warning", "info", "debug"};

static panicmon_log *make(void)
{
    panicmon_log *log = calloc(1, sizeof *log);
    if (log != NULL && (log->fold = pm_log_fold_new()) == NULL) {
        free(log);
        return NULL;
    }
    if (log != NULL) {
        atomic_init(&log->refs, 1);
        atomic_init(&log->level, PANICMON_LOG_INFO);
        (void)pthread_mutex_init(&log->lock, NULL);
    }
    return log;
}

panicmon_err panicmon_log_new(panicmon_log **out, panicmon_log_fn fn, void *user,
                              void (*user_free)(void *user))
{
    panicmon_log *log = out == NULL || fn == NULL ? NULL : make();
    if (log == NULL) {
        if (user_free != NULL) {
            user_free(user);
        }
        return out == NULL || fn == NULL ? PANICMON_ERR_INVAL : PANICMON_ERR_NOMEM;
    }
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
    panicmon_log *log = make();
    if (log == NULL) {
        return PANICMON_ERR_NOMEM;
    }
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

/* ---- writing ---- */

/* Waits for a full pipe, but not for long, and not again until something was read from it. */
static bool wait_writable(panicmon_log *log, int64_t until_ms)
{
    struct pollfd look = {.fd = log->fd, .events = POLLOUT};
    int64_t left = log->stalled ? 0 : until_ms - pm_mono_ms();
    log->stalled = poll(&look, 1, left > 0 ? (int)left : 0) <= 0;
    return !log->stalled;
}

/* Gives how much was written. Under the lock. */
static size_t write_some(panicmon_log *log, const char *at, size_t left)
{
    int64_t until = pm_mono_ms() + WRITE_WAIT_MS;
    size_t done = 0;
    while (done < left) {
        ssize_t wrote = write(log->fd, at + done, left - done);
        if (wrote > 0) {
            done += (size_t)wrote;
        } else if (wrote == 0 ||
                   (errno != EINTR && (errno != EAGAIN || !wait_writable(log, until)))) {
            break; /* nowhere to complain to */
        }
    }
    return done;
}

static void write_line(panicmon_log *log, const pm_buf *line)
{
    pthread_mutex_lock(&log->lock);
    bool ended = !log->torn || write_some(log, "\n", 1) == 1;
    if (ended) {
        size_t done = write_some(log, line->data, line->len);
        log->torn = done > 0 && done < line->len;
    }
    pthread_mutex_unlock(&log->lock);
}

static void write_record(panicmon_log *log, panicmon_log_level level, const char *component,
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
    if (!line.failed) {
        write_line(log, &line);
    }
    pm_buf_free(&line);
}

static void hand_over(panicmon_log *log, panicmon_log_level level, const char *component,
                      const char *message)
{
    if (log->fn != NULL) {
        log->fn(log->user, level, component, message);
    } else {
        write_record(log, level, component, message);
    }
}

/* Writes what was folded and is now told. `list` is freed. */
static void tell_folded(panicmon_log *log, pm_folded *list)
{
    while (list != NULL) {
        pm_folded *next = list->next;
        hand_over(log, list->level, list->component, list->message);
        pm_folded_free(list);
        list = next;
    }
}

/* How many bytes at `at` are a control character (also of the second set, which terminals obey) or
 * a line separator of Unicode; 0: none. */
static size_t control_width(const unsigned char *at)
{
    if (at[0] < 0x20 || at[0] == 0x7f) {
        return 1;
    }
    if (at[0] == 0xc2 && at[1] >= 0x80 && at[1] <= 0x9f) {
        return 2;
    }
    bool separator = at[0] == 0xe2 && at[1] == 0x80 && (at[2] == 0xa8 || at[2] == 0xa9);
    return separator ? 3 : 0;
}

/* The text as one line: itself, or a copy in `*made`, with each control character a blank. */
static const char *one_line(const char *text, pm_buf *made)
{
    const char *at = text;
    while (*at != '\0' && control_width((const unsigned char *)at) == 0) {
        at++;
    }
    if (*at == '\0') {
        return text;
    }
    for (at = text; *at != '\0';) {
        size_t width = control_width((const unsigned char *)at);
        pm_buf_char(made, (char)(width > 0 ? ' ' : *at));
        at += width > 0 ? width : 1;
    }
    return made->failed ? "(a record lost for want of memory)" : made->data;
}

void panicmon_log_write(panicmon_log *log, panicmon_log_level level, const char *component,
                        const char *message)
{
    if (!pm_log_wants(log, level) || (int)level < 0 || (int)level > PANICMON_LOG_DEBUG) {
        return;
    }
    pm_buf made[2] = {{0}, {0}};
    component = one_line(component, &made[0]);
    message = one_line(message, &made[1]);
    pm_folded *due = NULL;
    bool folded = pm_log_fold_take(log->fold, level, component, message, pm_mono_ms(), &due);
    tell_folded(log, due);
    if (!folded) {
        hand_over(log, level, component, message);
    }
    pm_buf_free(&made[0]);
    pm_buf_free(&made[1]);
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
    panicmon_log_write(log, level, component,
                       text.failed || text.data == NULL ? format : text.data);
    pm_buf_free(&text);
}

void panicmon_log_free(panicmon_log *log)
{
    if (log == NULL || atomic_fetch_sub(&log->refs, 1) != 1) {
        return;
    }
    tell_folded(log, pm_log_fold_end(log->fold, pm_mono_ms()));
    if (log->user_free != NULL) {
        log->user_free(log->user);
    }
    pm_log_fold_free(log->fold);
    (void)pthread_mutex_destroy(&log->lock);
    free(log);
}
