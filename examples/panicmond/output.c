/* output.c: see output.h. While a live table and the log share a terminal, the log goes through a
 * pipe to the main thread, which writes it above the table. */
#include "output.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CHUNK 16384

static bool is_terminal(void)
{
    const char *term = getenv("TERM"); /* NOLINT(concurrency-mt-unsafe): nobody sets it */
    return isatty(STDOUT_FILENO) && term != NULL && term[0] != '\0' && strcmp(term, "dumb") != 0;
}

static panicmon_err open_log(output *out, const setup *setup, bool live)
{
    int fd = STDERR_FILENO;
    panicmon_log_level level = PANICMON_LOG_INFO;
    bool json = strcmp(setup_get(setup, "log.format"), "json") == 0;
    if (live && isatty(STDERR_FILENO)) {
        out->held = malloc(CHUNK);
        if (out->held == NULL || pipe2(out->log_pipe, O_CLOEXEC | O_NONBLOCK) != 0) {
            return PANICMON_ERR_SYSTEM;
        }
        fd = out->log_pipe[1];
    }
    panicmon_err status =
        panicmon_log_new_fd(&out->log, fd, json ? PANICMON_LOG_JSON : PANICMON_LOG_TEXT);
    if (status == PANICMON_OK) {
        (void)panicmon_log_level_parse(setup_get(setup, "log.level"), &level);
        panicmon_log_set_level(out->log, level);
    }
    return status;
}

bool output_open(output *out, const setup *setup, output_format format)
{
    bool broker = setup_get(setup, "broker.url")[0] != '\0';
    bool terminal = is_terminal();
    *out = (output){.log_pipe = {-1, -1}, .broker = broker};
    if (format == FORMAT_DEFAULT && !broker) {
        format = terminal ? FORMAT_TABLE : FORMAT_JSON;
    }
    bool live = format == FORMAT_TABLE && terminal;
    panicmon_err status = open_log(out, setup, live);
    out->lines = format == FORMAT_JSON;
    if (status == PANICMON_OK && format == FORMAT_TABLE) {
        out->table = table_new(live);
        status = out->table == NULL ? PANICMON_ERR_NOMEM : PANICMON_OK;
    }
    if (status != PANICMON_OK) {
        fprintf(stderr, "panicmond: cannot open the output: %s\n", panicmon_strerror(status));
        output_close(out, 0);
        return false;
    }
    return true;
}

/* ---- the sink ---- */

/* Puts one more sink behind those there are, and takes it over. The first decides. */
static panicmon_err add_sink(output *out, panicmon_sink *more)
{
    panicmon_sink *both = NULL;
    if (out->sink == NULL) {
        out->sink = more;
        return PANICMON_OK;
    }
    panicmon_err status = panicmon_sink_new_tee(&both, out->sink, more);
    panicmon_sink_free(more);
    if (status == PANICMON_OK) {
        panicmon_sink_free(out->sink);
        out->sink = both;
    }
    return status;
}

static panicmon_err add_callback(output *out, panicmon_message_fn fn, void *user)
{
    panicmon_sink *sink = NULL;
    panicmon_err status = panicmon_sink_new_callback(&sink, fn, user, NULL);
    return status == PANICMON_OK ? add_sink(out, sink) : status;
}

panicmon_err output_connect(output *out, const setup *setup, store *store, panicmon_error **err)
{
    panicmon_err status = PANICMON_OK;
    panicmon_sink *sink = NULL;
    if (out->broker && (store != NULL || out->table != NULL || out->lines)) {
        status = panicmon_sink_new_amqp(&out->sink, setup->settings, err);
    }
    if (status == PANICMON_OK && out->lines) {
        status = panicmon_sink_new_jsonl(&sink, STDOUT_FILENO);
        status = status == PANICMON_OK ? add_sink(out, sink) : status;
    }
    if (status == PANICMON_OK && out->table != NULL) {
        status = add_callback(out, table_message, out->table);
    }
    if (status == PANICMON_OK && store != NULL) {
        status = add_callback(out, store_message, store);
    }
    return status;
}

const char *output_target(const output *out)
{
    return out->broker ? "the broker" : out->table != NULL ? "a table" : "standard output";
}

static void write_log(output *out, const char *text, size_t len)
{
    if (out->table != NULL && out->log_pipe[0] >= 0) {
        table_log(out->table, text, len);
        return;
    }
    while (len > 0) {
        ssize_t wrote = write(STDERR_FILENO, text, len);
        if (wrote < 0 && errno != EINTR) {
            return;
        }
        text += wrote > 0 ? wrote : 0;
        len -= wrote > 0 ? (size_t)wrote : 0;
    }
}

void output_pump(output *out)
{
    while (out->log_pipe[0] >= 0) {
        ssize_t got = read(out->log_pipe[0], out->held + out->held_len, CHUNK - out->held_len);
        if (got <= 0) {
            return;
        }
        out->held_len += (size_t)got;
        const char *end = memrchr(out->held, '\n', out->held_len);
        size_t whole = end != NULL ? (size_t)(end + 1 - out->held) : 0;
        if (whole == 0 && out->held_len == CHUNK) {
            whole = CHUNK; /* a record longer than all we hold */
        }
        if (whole > 0) {
            write_log(out, out->held, whole);
            memmove(out->held, out->held + whole, out->held_len - whole);
            out->held_len -= whole;
        }
    }
}

void output_say(output *out, const char *line)
{
    char *text = NULL;
    int n = asprintf(&text, "%s\n", line); /* in one piece, as others write there too */
    output_pump(out);
    if (n >= 0) {
        write_log(out, text, (size_t)n);
        free(text);
    }
}

void output_close(output *out, size_t expected)
{
    output_pump(out);
    table_free(out->table, expected);
    panicmon_sink_free(out->sink);
    panicmon_log_free(out->log);
    for (size_t i = 0; i < 2; i++) {
        if (out->log_pipe[i] >= 0) {
            (void)close(out->log_pipe[i]);
        }
    }
    free(out->held);
    *out = (output){.log_pipe = {-1, -1}};
}

bool output_is_watched(const output *out)
{
    return !out->broker;
}

bool output_is_closed(const output *out, short revents)
{
    return output_is_watched(out) && (revents & (POLLERR | POLLHUP | POLLNVAL)) != 0;
}
