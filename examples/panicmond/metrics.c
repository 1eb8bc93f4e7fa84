/* metrics.c: see metrics.h. Here is what is told of the daemon as a whole. */
#include "metrics.h"

#include <dirent.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/resource.h>

#include "clock.h"
#include "metrics_impl.h"

/* ---- which format ---- */

/* The weight of a media type in an Accept header, in thousandths; -1: it is not named. */
static int weight_of(const char *accept, const char *type)
{
    size_t len = strlen(type);
    for (const char *at = accept; *at != '\0';) {
        at += strspn(at, ", \t");
        size_t range = strcspn(at, ",");
        if (range >= len && strncasecmp(at, type, len) == 0 && strcspn(at, ";, \t") == len) {
            const char *end = at + range;
            for (const char *part = memchr(at, ';', range); part != NULL && part < end;
                 part = memchr(part, ';', (size_t)(end - part))) {
                part += 1 + strspn(part + 1, " \t");
                if (strncasecmp(part, "q=", 2) == 0) {
                    return (int)(strtod(part + 2, NULL) * 1000);
                }
            }
            return 1000;
        }
        at += range;
    }
    return -1;
}

bool metrics_wants_openmetrics(const char *accept)
{
    if (accept == NULL) {
        return false;
    }
    int open = weight_of(accept, "application/openmetrics-text");
    return open > 0 && open >= weight_of(accept, "text/plain");
}

/* ---- families ---- */

void metrics_begin(const writer *at, const char *name, family_type type, const char *help)
{
    static const char *const types[] = {"counter", "gauge", "info", "histogram"};
    static const char *const plain[] = {"counter", "gauge", "gauge", "histogram"};
    static const char *const suffixes[] = {"_total", "", "_info", ""};
    bool open = at->wish->openmetrics;
    const char *suffix = open ? "" : suffixes[type];
    fprintf(at->to, "# HELP %s%s %s\n# TYPE %s%s %s\n", name, suffix, help, name, suffix,
            open ? types[type] : plain[type]);
}

void metrics_number(FILE *to, double value)
{
    /* What is not whole is a time, of a clock that counts milliseconds. */
    fprintf(to, value == floor(value) ? " %.0f\n" : " %.3f\n", value);
}

void metrics_single(const writer *at, const char *name, family_type type, const char *help,
                    double value)
{
    metrics_begin(at, name, type, help);
    fprintf(at->to, "%s%s", name, type == COUNTER ? "_total" : "");
    metrics_number(at->to, value);
}

/* ---- figures of the library ---- */

typedef struct figure_text {
    const char *figure; /* as the library calls it */
    const char *name;   /* NULL: told otherwise */
    family_type type;
    const char *help;
} figure_text;

static const figure_text figure_texts[] = {
    {"monitors_started", "panicmon_monitors_started", COUNTER, "Monitors that were ever started."},
    {"monitors_running", "panicmon_monitors_running", GAUGE, "Monitors that run now."},
    {"rounds", "panicmon_rounds", COUNTER, "Rounds that were completed."},
    {"results", "panicmon_results", COUNTER, "Rounds that gave a result."},
    {"errors", "panicmon_errors", COUNTER, "Rounds that gave an error instead of a result."},
    {"failures", "panicmon_failures", COUNTER,
     "Rounds in which a monitor itself failed, and restarts that did."},
    {"restarts", "panicmon_monitor_restarts", COUNTER, "Times a monitor was restarted."},
    {"overruns", "panicmon_check_overruns", COUNTER,
     "Rounds left out because the one before took long."},
    {"late", "panicmon_check_late", COUNTER, "Rounds that began late because the daemon was slow."},
    {"rpc_requests", "panicmon_rpc_requests", COUNTER, "Calls to nodes."},
    {"rpc_joined", "panicmon_rpc_joined", COUNTER,
     "Calls that waited for the answer to an equal one under way."},
    {"rpc_frames", "panicmon_rpc_frames", COUNTER, "WebSocket messages that held those calls."},
    {"rpc_bytes_in", "panicmon_rpc_received_bytes", COUNTER, "Bytes of answers from nodes."},
    {"rpc_bytes_out", "panicmon_rpc_sent_bytes", COUNTER, "Bytes of calls to nodes."},
    {"rpc_connects", "panicmon_ws_connects", COUNTER, "Connections to nodes that were opened."},
    {"sockets", "panicmon_ws_connections", GAUGE, "Connections to nodes that stand."},
    {"cache_hits", "panicmon_cache_hits", COUNTER, "Calls that were answered from memory."},
    {"cache_bytes", "panicmon_cache_bytes", GAUGE, "Answers that are kept."},
    {"pool_bytes", "panicmon_pool_bytes", GAUGE, "Memory kept for monitors and rounds to come."},
    {"threads", "panicmon_threads", GAUGE, "Threads of the executor and its helpers."},
    {"messages_produced", "panicmon_messages_produced", COUNTER, "Messages of monitors."},
    {"messages_confirmed", "panicmon_messages_confirmed", COUNTER,
     "Messages that were taken over for good."},
    {"messages_waiting", "panicmon_messages_waiting", GAUGE, "Messages not confirmed yet."},
};

#define DROPPED "messages_dropped"

static const figure_text *text_of(const char *figure)
{
    for (size_t i = 0; i < sizeof figure_texts / sizeof *figure_texts; i++) {
        if (strcmp(figure_texts[i].figure, figure) == 0) {
            return &figure_texts[i];
        }
    }
    return NULL;
}

static void write_histogram(const writer *at, const panicmon_stats *stats, const char *figure,
                            const char *name, const char *help)
{
    char sum_name[32];
    int64_t bound;
    int64_t count = 0;
    int64_t sum = 0;
    metrics_begin(at, name, HISTOGRAM, help);
    for (size_t i = 0; panicmon_stats_step(stats, figure, i, &bound, &count) == PANICMON_OK; i++) {
        if (bound == INT64_MAX) {
            fprintf(at->to, "%s_bucket{le=\"+Inf\"} %" PRId64 "\n", name, count);
        } else if ((bound & (bound - 1)) == 0) { /* powers of two are enough here */
            fprintf(at->to, "%s_bucket{le=\"%.6f\"} %" PRId64 "\n", name, (double)bound / 1e6,
                    count);
        }
    }
    (void)snprintf(sum_name, sizeof sum_name, "%s_sum", figure);
    (void)panicmon_stats_get(stats, sum_name, &sum);
    fprintf(at->to, "%s_sum %.6f\n%s_count %" PRId64 "\n", name, (double)sum / 1e6, name, count);
}

/* What the histograms tell already. */
static bool is_time(const char *figure)
{
    return strncmp(figure, "round_us_", 9) == 0 || strncmp(figure, "lag_us_", 7) == 0;
}

/* Figures that a newer library has are told under their own names. */
static void write_unknown(const writer *at, const char *figure, int64_t value)
{
    char name[128];
    size_t len = strlen(figure);
    bool total = len > 6 && strcmp(figure + len - 6, "_total") == 0;
    (void)snprintf(name, sizeof name, "panicmon_%.*s", (int)(total ? len - 6 : len), figure);
    metrics_single(at, name, total ? COUNTER : GAUGE, "A figure of the library.", (double)value);
}

static void write_dropped(const writer *at, const panicmon_stats *stats)
{
    const char *name;
    int64_t value;
    metrics_begin(at, "panicmon_messages_dropped", COUNTER, "Messages that were lost, by reason.");
    for (size_t i = 0; panicmon_stats_at(stats, i, &name, &value) == PANICMON_OK; i++) {
        if (strncmp(name, DROPPED "_", sizeof DROPPED) == 0) {
            fprintf(at->to, "panicmon_messages_dropped_total{reason=\"%s\"} %" PRId64 "\n",
                    name + sizeof DROPPED, value);
        }
    }
}

static void write_figures(const writer *at, const panicmon_stats *stats)
{
    const char *name;
    int64_t value;
    for (size_t i = 0; panicmon_stats_at(stats, i, &name, &value) == PANICMON_OK; i++) {
        const figure_text *text = text_of(name);
        if (text != NULL) {
            metrics_single(at, text->name, text->type, text->help, (double)value);
        } else if (strncmp(name, DROPPED, sizeof DROPPED - 1) != 0 && !is_time(name)) {
            write_unknown(at, name, value);
        }
    }
    write_dropped(at, stats);
    write_histogram(at, stats, "round_us", "panicmon_check_duration_seconds",
                    "How long rounds took.");
    write_histogram(at, stats, "lag_us", "panicmon_schedule_lag_seconds",
                    "How long after its time a round began.");
}

/* ---- the daemon ---- */

/* How many descriptors are open; -1 when that cannot be seen. */
static int count_descriptors(void)
{
    int count = -1;
    DIR *dir = opendir("/proc/self/fd");
    if (dir != NULL) {
        count = -3;                    /* two names of folders, and the descriptor that looks */
        while (readdir(dir) != NULL) { /* NOLINT(concurrency-mt-unsafe): `dir` is our own */
            count++;
        }
        (void)closedir(dir);
    }
    return count;
}

static void write_process(const writer *at, const report *report)
{
    struct rlimit limit;
    int descriptors = count_descriptors();
    metrics_single(at, "process_start_time_seconds", GAUGE,
                   "When the daemon started, since the epoch.", (double)report->started_ms / 1000);
    if (descriptors >= 0) {
        metrics_single(at, "process_open_fds", GAUGE, "Open file descriptors.", descriptors);
    }
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY) {
        metrics_single(at, "process_max_fds", GAUGE, "Most file descriptors that may be open.",
                       (double)limit.rlim_cur);
    }
}

static void write_daemon(const writer *at, const report *report)
{
    metrics_begin(at, "panicmon_build", INFO, "The version of the library and of its ABI.");
    fprintf(at->to, "panicmon_build_info{version=\"%s\",abi=\"%d\"} 1\n", panicmon_version(),
            PANICMON_VERSION_MAJOR);
    write_process(at, report);
    metrics_single(at, "panicmon_ready", GAUGE, "Whether /readyz says so.", report->ready);
    metrics_single(at, "panicmon_config_last_reload_successful", GAUGE,
                   "Whether the configuration was read and taken without a fault, last time.",
                   report->config_good);
    if (report->config_ms != 0) {
        metrics_single(at, "panicmon_config_last_reload_success_timestamp_seconds", GAUGE,
                       "When it last was.", (double)report->config_ms / 1000);
        metrics_single(at, "panicmon_config_hash", GAUGE,
                       "A number that changes with the configs of the file and the command line.",
                       (double)report->config_hash);
    }
    metrics_single(at, "panicmon_configs_refused", GAUGE,
                   "Whether some config was not taken when they were applied last.",
                   report->refused);
    metrics_single(at, "panicmon_monitorables", GAUGE, "Monitorables that the configs name.",
                   (double)report->monitorables);
}

static void end(const writer *at)
{
    if (at->wish->openmetrics) {
        fputs("# EOF\n", at->to);
    }
}

void metrics_write(FILE *to, const metrics_wish *wish, const report *report,
                   const snapshot *snapshot)
{
    const writer at = {.to = to, .wish = wish, .snapshot = snapshot, .now_ms = clock_wall_ms()};
    write_daemon(&at, report);
    if (report->stats != NULL) {
        write_figures(&at, report->stats);
    }
    metrics_strategies(&at);
    if (wish->targets) {
        metrics_targets(&at);
    }
    end(&at);
}

void metrics_write_probe(FILE *to, const metrics_wish *wish, const snapshot *snapshot)
{
    const writer at = {.to = to, .wish = wish, .snapshot = snapshot, .now_ms = clock_wall_ms()};
    metrics_targets(&at);
    end(&at);
}
