/* daemon.c: see daemon.h. The main thread owns everything here and waits in one poll(2): for
 * signals, for log records on their way to the terminal, for rows of the table, and for the reader
 * of standard output to go away. */
#include "daemon.h"

#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <panicmon/panicmon.h>

#include "clock.h"
#include "heap.h"
#include "limits.h"
#include "notify.h"
#include "watchdog.h"
#include "output.h"
#include "page.h"
#include "setup.h"
#include "signals.h"

#define NAME "panicmond"
/* Threads have this long to end; with what follows it stays under two seconds. */
#define STOP_MS 1600
/* How often a daemon that waits for the end of all rounds looks. */
#define IDLE_MS 20
/* How often it looks whether the broker sent more configs than there may be files open. */
#define LIMITS_MS 60000

typedef struct daemon {
    const options *options;
    setup setup;
    output output;
    page *page; /* NULL: none is served */
    panicmon_registry *registry;
    panicmon_runtime *runtime;
    panicmon_manager *manager;
    int signals;
    int code;
    int64_t limits_ms; /* when it looks again, clock_mono_ms() */
    bool short_of_files;
    bool refused; /* some config was not taken */
    bool over;
} panicmond;

static void say(panicmond *d, panicmon_log_level level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void say(panicmond *d, panicmon_log_level level, const char *format, ...)
{
    char text[2048];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    panicmon_log_write(d->output.log, level, NAME, text);
}

/* What `err` says, else the code's text. */
static const char *reason(panicmon_err status, const panicmon_error *err)
{
    return err != NULL ? panicmon_error_message(err) : panicmon_strerror(status);
}

static int64_t figure(const panicmon_stats *stats, const char *name)
{
    int64_t value = 0;
    (void)panicmon_stats_get(stats, name, &value);
    return value;
}

/* ---- figures ---- */

/* The steps of a histogram in which something is: "lag_us_steps=288:3,320:10", three below 288
 * microseconds and ten between that and 320. */
static void write_steps(FILE *to, const panicmon_stats *stats, const char *name)
{
    const char *before = "=";
    int64_t last = 0;
    int64_t bound;
    int64_t count;
    fprintf(to, " %s_steps", name);
    for (size_t i = 0; panicmon_stats_step(stats, name, i, &bound, &count) == PANICMON_OK; i++) {
        if (count > last) {
            fprintf(to, "%s%lld:%lld", before, (long long)bound, (long long)(count - last));
            before = ",";
            last = count;
        }
    }
    fputs(last == 0 ? "=" : "", to);
}

/* One line of all figures, or of those that are not zero. malloc'd; NULL without memory. */
static char *figures_line(panicmond *d, bool all)
{
    char *text = NULL;
    size_t len = 0;
    panicmon_stats *stats = NULL;
    FILE *to = open_memstream(&text, &len);
    if (to == NULL) {
        return NULL;
    }
    if (panicmon_runtime_stats(d->runtime, &stats) == PANICMON_OK) {
        const char *name;
        int64_t value;
        fputs("figures:", to);
        for (size_t i = 0; panicmon_stats_at(stats, i, &name, &value) == PANICMON_OK; i++) {
            if (all || value != 0) {
                fprintf(to, " %s=%lld", name, (long long)value);
            }
        }
        if (all) {
            write_steps(to, stats, "round_us");
            write_steps(to, stats, "lag_us");
        }
    }
    panicmon_stats_free(stats);
    return fclose(to) == 0 ? text : (free(text), NULL);
}

static void print_figures(panicmond *d)
{
    char *line = figures_line(d, true);
    if (line != NULL) {
        output_say(&d->output, line);
    }
    free(line);
}

static void log_figures(panicmond *d)
{
    char *line = figures_line(d, false);
    if (line != NULL && strchr(line, ' ') != NULL) { /* nothing at all has happened else */
        say(d, PANICMON_LOG_INFO, "%s", line);
    }
    free(line);
}

/* ---- open files ---- */

static void raise_limits(panicmond *d)
{
    char line[256];
    if (limits_raise(line, sizeof line)) {
        say(d, PANICMON_LOG_INFO, "%s", line);
    }
}

/* Tells once when there came to be more monitorables than files may be open. */
static void check_limits(panicmond *d)
{
    char line[512];
    bool falls_short =
        limits_fall_short(&d->setup, panicmon_manager_count(d->manager), line, sizeof line);
    if (falls_short && !d->short_of_files) {
        say(d, PANICMON_LOG_WARNING, "%s", line);
    }
    d->short_of_files = falls_short;
}

/* Gives the milliseconds until it must be called again. */
static int tick_limits(panicmond *d)
{
    int64_t now = clock_mono_ms();
    if (now >= d->limits_ms) {
        check_limits(d);
        d->limits_ms = now + LIMITS_MS;
    }
    return (int)(d->limits_ms - now);
}

/* ---- start ---- */

static void print_fault(void *user, const char *message)
{
    (void)user;
    fprintf(stderr, NAME ": %s\n", message);
}

static void apply_configs(panicmond *d);

/* The file's configs are applied before anything runs: so they come before what the broker sends.
 */
static panicmon_err start_runtime(panicmond *d, panicmon_error **err)
{
    panicmon_err status = panicmon_registry_new(&d->registry);
    if (status == PANICMON_OK) {
        status = panicmon_registry_add_builtin(d->registry, err);
    }
    if (status == PANICMON_OK) {
        status = panicmon_runtime_new(&d->runtime, d->registry, d->setup.settings, err);
    }
    if (status == PANICMON_OK) {
        status = panicmon_runtime_set_log(d->runtime, d->output.log);
    }
    if (status == PANICMON_OK && d->output.sink != NULL) {
        status = panicmon_runtime_set_sink(d->runtime, d->output.sink);
    }
    if (status == PANICMON_OK) {
        status = panicmon_manager_new(&d->manager, d->runtime, err);
    }
    if (status == PANICMON_OK) {
        apply_configs(d);
        signals_stop(d->runtime);
        status = panicmon_runtime_start(d->runtime, err);
    }
    return status;
}

static void apply_configs(panicmond *d)
{
    panicmon_error *err = NULL;
    panicmon_err status =
        panicmon_manager_apply_all(d->manager, d->setup.configs, strlen(d->setup.configs), &err);
    d->refused = status != PANICMON_OK;
    if (d->refused) {
        say(d, PANICMON_LOG_ERROR, "some configs were not taken: %s", reason(status, err));
    }
    page_configured(d->page, d->setup.configs, d->refused);
    check_limits(d);
    panicmon_error_free(err);
#ifdef __GLIBC__
    (void)malloc_trim(
        0); /* reading thousands of configs leaves much memory free, but not given back */
#endif
}

/* How many monitors were ever started. */
static int64_t count_started(panicmond *d)
{
    panicmon_stats *stats = NULL;
    int64_t started = 0;
    if (panicmon_runtime_stats(d->runtime, &stats) == PANICMON_OK) {
        started = figure(stats, "monitors_started");
    }
    panicmon_stats_free(stats);
    return started;
}

/* Tells what is monitored, or what to do when that is nothing; false: there is no point in going
 * on. */
static bool announce(panicmond *d)
{
    bool broker = d->output.broker;
    size_t count = panicmon_manager_count(d->manager);
    if (count_started(d) > 0) {
        say(d, PANICMON_LOG_INFO,
            "version %s monitors %zu %s, a round of a node every %s s, executor %s; messages go to "
            "%s",
            panicmon_version(), count, count == 1 ? "monitorable" : "monitorables",
            setup_get(&d->setup, "period.node"), setup_get(&d->setup, "executor"),
            output_target(&d->output));
        return true;
    }
    if (broker && !d->options->once) {
        say(d, PANICMON_LOG_INFO,
            "version %s has nothing to monitor yet and waits for configs from the broker",
            panicmon_version());
        return true;
    }
    say(d, PANICMON_LOG_ERROR,
        "%s: name a node with --node ws://HOST:9944, or put configs into a file for -c%s",
        d->refused ? "none of the configs could be started" : "nothing to monitor",
        broker ? "" : ", or set broker.url there to receive them");
    return false;
}

static bool start(panicmond *d)
{
    panicmon_error *err = NULL;
    d->signals = signals_open();
    if (d->signals < 0) {
        perror(NAME ": signals");
        d->code = EXIT_USAGE;
        return false;
    }
    if (setup_load(&d->setup, d->options, false, print_fault, NULL) != PANICMON_OK ||
        !output_open(&d->output, &d->setup, d->options->format)) {
        d->code = EXIT_USAGE;
        return false;
    }
    raise_limits(d);
    if (setup_get(&d->setup, "listen")[0] != '\0' &&
        (d->page = page_open(&d->setup, d->output.log)) == NULL) {
        d->code = EXIT_USAGE;
        return false;
    }
    panicmon_err status = output_connect(&d->output, &d->setup, page_store(d->page), &err);
    if (status == PANICMON_OK) {
        status = start_runtime(d, &err);
    }
    if (status != PANICMON_OK) {
        say(d, PANICMON_LOG_ERROR, "cannot start: %s", reason(status, err));
        panicmon_error_free(err);
        d->code = EXIT_USAGE;
        return false;
    }
    page_started(d->page, d->runtime, d->manager);
    if (!announce(d)) {
        d->code = EXIT_NONE_STARTED;
        return false;
    }
    notify("READY=1");
    return true;
}

/* ---- reload ---- */

static void log_fault(void *user, const char *message)
{
    say(user, PANICMON_LOG_ERROR, "%s", message);
}

/* Names the settings that changed; log.level is taken over at once. */
static void compare_settings(panicmond *d, const setup *now)
{
    const char *name;
    for (size_t i = 0; panicmon_settings_at(i, &name, NULL, NULL) == PANICMON_OK; i++) {
        if (strcmp(setup_get(&d->setup, name), setup_get(now, name)) == 0) {
            continue;
        }
        if (strcmp(name, "log.level") == 0) {
            panicmon_log_level level = PANICMON_LOG_INFO;
            (void)panicmon_log_level_parse(setup_get(now, name), &level);
            panicmon_log_set_level(d->output.log, level);
            say(d, PANICMON_LOG_INFO, "log.level is now %s", setup_get(now, name));
        } else {
            say(d, PANICMON_LOG_WARNING, "%s changed: that takes a restart", name);
        }
    }
}

static void reload(panicmond *d)
{
    setup now;
    page_reload_begin(d->page);
    if (d->options->file == NULL) {
        say(d, PANICMON_LOG_INFO, "no configuration file to read again: none was given with -c");
        page_configured(d->page, d->setup.configs, d->refused);
        return;
    }
    notify_reloading();
    panicmon_err status = setup_load(&now, d->options, true, log_fault, d);
    if (status == PANICMON_OK) {
        compare_settings(d, &now);
        setup_free(&d->setup);
        d->setup = now;
        apply_configs(d);
        if (d->output.table != NULL) {
            table_clear(d->output.table);
        }
        size_t count = panicmon_manager_count(d->manager);
        say(d, PANICMON_LOG_INFO, "%s was read again: %zu %s", d->options->file, count,
            count == 1 ? "monitorable" : "monitorables");
    } else {
        say(d, PANICMON_LOG_ERROR, "%s has faults: the old configs stay", d->options->file);
        page_misconfigured(d->page);
    }
    notify("READY=1");
}

/* ---- the loop ---- */

static void take_signals(panicmond *d)
{
    for (int number = signals_next(); number != 0; number = signals_next()) {
        if (number == SIGTERM || number == SIGINT) {
            say(d, PANICMON_LOG_INFO, "stops: %s", number == SIGTERM ? "SIGTERM" : "SIGINT");
            d->code = d->options->once ? EXIT_ERROR_SAMPLES : 0;
            d->over = true;
        } else if (number == SIGHUP) {
            reload(d);
        } else if (number == SIGUSR1) {
            print_figures(d);
        } else if (number == SIGWINCH && d->output.table != NULL) {
            table_resized(d->output.table);
        }
    }
}

/* --once: every monitorable has had its round. */
static void judge_rounds(panicmond *d)
{
    panicmon_stats *stats = NULL;
    d->over = true;
    d->code = EXIT_ERROR_SAMPLES;
    if (panicmon_runtime_stats(d->runtime, &stats) == PANICMON_OK) {
        if (d->refused) {
            d->code = EXIT_USAGE;
        } else if (figure(stats, "results") >= figure(stats, "monitors_started") &&
                   figure(stats, "errors") == 0 && figure(stats, "failures") == 0) {
            d->code = 0;
        }
    }
    panicmon_stats_free(stats);
}

static int draw(panicmond *d)
{
    if (d->output.table == NULL) {
        return d->options->once ? IDLE_MS : -1;
    }
    /* A single table of a single round is drawn at its end. */
    if (d->options->once && !table_is_live(d->output.table)) {
        return IDLE_MS;
    }
    int due = table_draw(d->output.table, panicmon_manager_count(d->manager), false);
    return d->options->once && due > IDLE_MS ? IDLE_MS : due;
}

/* Of two waits, each -1 for as long as nothing happens. */
static int sooner(int a, int b)
{
    return a < 0 || (b >= 0 && b < a) ? b : a;
}

static void watch(panicmond *d)
{
    enum { SIGNALS, OUTPUT, LOG, ROWS, COUNT };
    struct pollfd on[COUNT] = {
        [SIGNALS] = {.fd = d->signals, .events = POLLIN},
        [OUTPUT] = {.fd = output_is_watched(&d->output) ? STDOUT_FILENO : -1},
        [LOG] = {.fd = d->output.log_pipe[0], .events = POLLIN},
        [ROWS] = {.fd = -1, .events = POLLIN}};
    watchdog dog;
    watchdog_start(&dog, &d->setup);
    while (!d->over) {
        int wait = draw(d);
        int tick = page_tick(d->page);
        int bark = watchdog_tick(&dog, d->runtime);
        int files = tick_limits(d);
        int heap = heap_follow();
        /* Rows that change while the next drawing is not due yet must not wake us again. */
        on[ROWS].fd = d->output.table != NULL && wait > IDLE_MS ? table_fd(d->output.table) : -1;
        wait = sooner(sooner(sooner(sooner(wait, tick), bark), heap), files);
        if (poll(on, COUNT, wait) < 0) {
            continue; /* a signal: its number waits in the pipe */
        }
        output_pump(&d->output);
        take_signals(d);
        if (!d->over && output_is_closed(&d->output, on[OUTPUT].revents)) {
            say(d, PANICMON_LOG_ERROR, "stops: nobody reads standard output any more");
            d->code = EXIT_ERROR_SAMPLES;
            d->over = true;
        }
        if (!d->over && d->options->once &&
            panicmon_runtime_wait_idle(d->runtime, 0) == PANICMON_OK) {
            judge_rounds(d);
        }
    }
}

/* ---- stop ---- */

/* --once: what it read must also have arrived. */
static void judge_messages(panicmond *d)
{
    panicmon_stats *stats = NULL;
    if (!d->options->once || d->code != 0 ||
        panicmon_runtime_stats(d->runtime, &stats) != PANICMON_OK) {
        return;
    }
    int64_t lost = figure(stats, "messages_dropped");
    if (lost > 0) {
        say(d, PANICMON_LOG_ERROR, "%lld of %lld messages were lost", (long long)lost,
            (long long)figure(stats, "messages_produced"));
        d->code = EXIT_ERROR_SAMPLES;
    }
    panicmon_stats_free(stats);
}

static void stop_runtime(panicmond *d)
{
    int64_t until = clock_mono_ms() + STOP_MS;
    notify("STOPPING=1");
    panicmon_runtime_request_stop(d->runtime);
    panicmon_err status = panicmon_runtime_join(d->runtime, 100);
    while (status == PANICMON_ERR_TIMEOUT && clock_mono_ms() < until) {
        output_pump(&d->output);
        status = panicmon_runtime_join(d->runtime, 100);
    }
    if (status == PANICMON_ERR_TIMEOUT) {
        /* Threads still use what would have to be freed. */
        say(d, PANICMON_LOG_ERROR, "some monitors hang; exits without them");
        output_pump(&d->output);
        signals_leave(EXIT_ERROR_SAMPLES);
    }
    judge_messages(d);
    log_figures(d);
}

static void stop(panicmond *d)
{
    size_t count = d->manager != NULL ? panicmon_manager_count(d->manager) : 0;
    page_stopping(d->page);
    if (d->manager != NULL) {
        stop_runtime(d);
    }
    page_close(d->page);
    panicmon_manager_free(d->manager);
    signals_stop(NULL);
    panicmon_runtime_free(d->runtime);
    panicmon_registry_free(d->registry);
    if (d->output.log != NULL) {
        output_close(&d->output, count);
    }
    setup_free(&d->setup);
}

int daemon_run(const options *options)
{
    panicmond d = {.options = options, .output = {.log_pipe = {-1, -1}}};
    heap_set_up();
    if (start(&d)) {
        watch(&d);
    }
    stop(&d);
    return d.code;
}
