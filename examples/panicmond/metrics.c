/* metrics.c: see metrics.h. All samples of one family stand together, so the monitorables are gone
 * through once for each family. */
#include "metrics.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "clock.h"
#include "escape.h"

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

typedef enum family_type { COUNTER, GAUGE, INFO, SUMMARY } family_type;

typedef struct writer {
    FILE *to;
    bool openmetrics;
    const snapshot *snapshot;
    const int64_t *stale_ms;
    int64_t now_ms;
} writer;

/* The head of a family; samples of a counter are called `name`_total, of an info `name`_info. */
static void begin(const writer *at, const char *name, family_type type, const char *help)
{
    static const char *const types[] = {"counter", "gauge", "info", "summary"};
    static const char *const plain[] = {"counter", "gauge", "gauge", "summary"};
    static const char *const suffixes[] = {"_total", "", "_info", ""};
    const char *suffix = at->openmetrics ? "" : suffixes[type];
    fprintf(at->to, "# HELP %s%s %s\n# TYPE %s%s %s\n", name, suffix, help, name, suffix,
            at->openmetrics ? types[type] : plain[type]);
}

static void number(FILE *to, double value)
{
    /* What is not whole is a time, of a clock that counts milliseconds. */
    fprintf(to, value == floor(value) ? " %.0f\n" : " %.3f\n", value);
}

static void single(const writer *at, const char *name, family_type type, const char *help,
                   double value)
{
    begin(at, name, type, help);
    fprintf(at->to, "%s%s", name, type == COUNTER ? "_total" : "");
    number(at->to, value);
}

/* ---- figures of the library ---- */

typedef struct figure_text {
    const char *figure; /* as the library calls it */
    const char *name;
    family_type type;
    const char *help;
} figure_text;

static const figure_text figure_texts[] = {
    {"monitors_started", "panicmon_monitors_started", COUNTER, "Monitors that were ever started."},
    {"monitors_running", "panicmon_monitors_running", GAUGE, "Monitors that run now."},
    {"rounds", "panicmon_rounds", COUNTER, "Rounds that were completed."},
    {"results", "panicmon_results", COUNTER, "Rounds that gave a result."},
    {"errors", "panicmon_errors", COUNTER, "Rounds that gave an error instead of a result."},
    {"failures", "panicmon_failures", COUNTER, "Rounds in which a monitor itself failed."},
    {"restarts", "panicmon_restarts", COUNTER, "Times a monitor was restarted."},
    {"overruns", "panicmon_overruns", COUNTER, "Rounds left out because the one before took long."},
    {"rpc_requests", "panicmon_rpc_requests", COUNTER, "Calls to nodes."},
    {"rpc_frames", "panicmon_rpc_frames", COUNTER, "WebSocket messages that held those calls."},
    {"rpc_bytes_in", "panicmon_rpc_received_bytes", COUNTER, "Bytes of answers from nodes."},
    {"rpc_bytes_out", "panicmon_rpc_sent_bytes", COUNTER, "Bytes of calls to nodes."},
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

/* A time that the library gives in microseconds at a percentile: name_us_p99, name_us_max. One
 * family of quantiles holds them all, and its first one begins it. */
static bool write_quantile(const writer *at, const char *figure, int64_t value)
{
    static const struct {
        const char *end;
        const char *quantile;
    } quantiles[] = {{"_us_p50", "0.5"}, {"_us_p90", "0.9"}, {"_us_p99", "0.99"}, {"_us_max", "1"}};
    size_t len = strlen(figure);
    for (size_t i = 0; i < sizeof quantiles / sizeof *quantiles; i++) {
        size_t end = strlen(quantiles[i].end);
        char name[128];
        if (len <= end || strcmp(figure + len - end, quantiles[i].end) != 0) {
            continue;
        }
        (void)snprintf(name, sizeof name, "panicmon_%.*s_seconds", (int)(len - end), figure);
        if (i == 0) {
            begin(at, name, SUMMARY, "Quantiles since the start.");
        }
        fprintf(at->to, "%s{quantile=\"%s\"} %.6f\n", name, quantiles[i].quantile,
                (double)value / 1e6);
        return true;
    }
    return false;
}

/* Figures that a newer library has are told under their own names. */
static void write_unknown(const writer *at, const char *figure, int64_t value)
{
    char name[128];
    size_t len = strlen(figure);
    bool total = len > 6 && strcmp(figure + len - 6, "_total") == 0;
    (void)snprintf(name, sizeof name, "panicmon_%.*s", (int)(total ? len - 6 : len), figure);
    single(at, name, total ? COUNTER : GAUGE, "A figure of the library.", (double)value);
}

static void write_dropped(const writer *at, const panicmon_stats *stats)
{
    const char *name;
    int64_t value;
    begin(at, "panicmon_messages_dropped", COUNTER, "Messages that were lost, by reason.");
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
            single(at, text->name, text->type, text->help, (double)value);
        } else if (strncmp(name, DROPPED, sizeof DROPPED - 1) != 0 &&
                   !write_quantile(at, name, value)) {
            write_unknown(at, name, value);
        }
    }
    write_dropped(at, stats);
}

static void write_daemon(const writer *at, const report *report)
{
    begin(at, "panicmon_build", INFO, "The version of the library.");
    fprintf(at->to, "panicmon_build_info{version=\"%s\"} 1\n", panicmon_version());
    single(at, "process_start_time_seconds", GAUGE, "When the daemon started, since the epoch.",
           (double)report->started_ms / 1000);
    single(at, "panicmon_ready", GAUGE, "Whether /readyz says so.", report->ready);
    single(at, "panicmon_configs_refused", GAUGE,
           "Whether some config was not taken when they were applied last.", report->refused);
    single(at, "panicmon_monitorables", GAUGE, "Monitorables that the configs name.",
           (double)report->monitorables);
}

/* ---- monitorables ---- */

static bool is_up(const writer *at, const monitorable *one)
{
    return one->rounds > 0 && one->error == 0 &&
           at->now_ms - one->heard_ms <= at->stale_ms[one->kind];
}

/* What a figure of a monitorable is when there is none. */
#define ABSENT ((double)NAN)

static double of_count(int64_t value)
{
    return value == UNKNOWN ? ABSENT : (double)value;
}

static double of_answer(int value)
{
    return value < 0 ? ABSENT : value;
}

static double up(const writer *at, const monitorable *one)
{
    return one->rounds == 0 ? ABSENT : is_up(at, one);
}

static double last_round(const writer *at, const monitorable *one)
{
    (void)at;
    return one->heard_ms == 0 ? ABSENT : (double)one->heard_ms / 1000;
}

static double last_success(const writer *at, const monitorable *one)
{
    (void)at;
    return one->good_ms == 0 ? ABSENT : (double)one->good_ms / 1000;
}

static double age(const writer *at, const monitorable *one)
{
    int64_t ms = at->now_ms - one->heard_ms;
    return one->heard_ms == 0 ? ABSENT : ms < 0 ? 0 : (double)ms / 1000;
}

static double error_code(const writer *at, const monitorable *one)
{
    (void)at;
    return one->error <= 0 ? ABSENT : one->error;
}

static double rounds(const writer *at, const monitorable *one)
{
    (void)at;
    return (double)one->rounds;
}

static double errors(const writer *at, const monitorable *one)
{
    (void)at;
    return (double)one->errors;
}

/* What stood in a last sample says nothing of now unless that sample is a result, and fresh. */
#define FRESH(name, value)                                                                         \
    static double name(const writer *at, const monitorable *one)                                   \
    {                                                                                              \
        return is_up(at, one) ? (value) : ABSENT;                                                  \
    }
FRESH(best, of_count(one->best))
FRESH(target, of_count(one->target))
FRESH(finalized, of_count(one->finalized))
FRESH(peers, of_count(one->peers))
FRESH(syncing, one->kind == KIND_NODE ? one->syncing : ABSENT)
FRESH(era, of_count(one->era))
FRESH(session, of_count(one->session))
FRESH(active, of_answer(one->active))
FRESH(elected, of_answer(one->elected))
FRESH(disabled, of_answer(one->disabled))

static double slashed(const writer *at, const monitorable *one)
{
    (void)at;
    return one->validator == 1 ? one->slashed : ABSENT;
}

typedef struct family {
    const char *name; /* NULL: more samples of the family before */
    family_type type;
    const char *help;
    double (*value)(const writer *at, const monitorable *one);
    const char *label; /* one more, NULL: none */
} family;

static const family families[] = {
    {"panicmon_target_up", GAUGE, "Whether the last round gave a result, in time.", up, NULL},
    {"panicmon_target_error_code", GAUGE, "PANIC's code of the error of the last round.",
     error_code, NULL},
    {"panicmon_target_last_round_age_seconds", GAUGE, "Time since the last round.", age, NULL},
    {"panicmon_target_last_round_timestamp_seconds", GAUGE, "When the last round was.", last_round,
     NULL},
    {"panicmon_target_last_success_timestamp_seconds", GAUGE,
     "When a round gave a result for the last time.", last_success, NULL},
    {"panicmon_target_rounds", COUNTER, "Rounds of the monitorable.", rounds, NULL},
    {"panicmon_target_errors", COUNTER, "Rounds of it that gave an error.", errors, NULL},
    {"panicmon_substrate_block_height", GAUGE,
     "The height that a node has (best), has finalized, or is on its way to (target).", best,
     "status=\"best\""},
    {NULL, GAUGE, NULL, finalized, "status=\"finalized\""},
    {NULL, GAUGE, NULL, target, "status=\"target\""},
    {"panicmon_substrate_peers", GAUGE, "Peers of the node.", peers, NULL},
    {"panicmon_substrate_syncing", GAUGE, "Whether the node says that it syncs.", syncing, NULL},
    {"panicmon_substrate_era", GAUGE, "The era of the chain.", era, NULL},
    {"panicmon_substrate_session", GAUGE, "The session of the chain.", session, NULL},
    {"panicmon_substrate_validator_active", GAUGE, "Whether it is in the set of validators.",
     active, NULL},
    {"panicmon_substrate_validator_elected", GAUGE, "Whether it was elected.", elected, NULL},
    {"panicmon_substrate_validator_disabled", GAUGE, "Whether it is disabled.", disabled, NULL},
    {"panicmon_substrate_validator_slashed_planck", COUNTER,
     "What was slashed since the daemon runs, in the smallest unit of the chain.", slashed, NULL},
};

static void write_family(const writer *at, const char *name, const family *family)
{
    const char *suffix = family->type == COUNTER ? "_total" : "";
    for (size_t i = 0; i < at->snapshot->count; i++) {
        const monitorable *one = &at->snapshot->entries[i];
        double value = family->value(at, one);
        if (isnan(value)) {
            continue;
        }
        fprintf(at->to, "%s%s{kind=\"%s\",id=\"", name, suffix, kind_name(one->kind));
        escape_label(at->to, one->labels->id);
        fputs("\",name=\"", at->to);
        escape_label(at->to, one->labels->name);
        fputs("\",chain=\"", at->to);
        escape_label(at->to, one->labels->chain);
        fprintf(at->to, "\"%s%s}", family->label != NULL ? "," : "",
                family->label != NULL ? family->label : "");
        number(at->to, value);
    }
}

void metrics_write(FILE *to, bool openmetrics, const report *report, const snapshot *snapshot,
                   const int64_t stale_ms[KINDS])
{
    const writer at = {.to = to,
                       .openmetrics = openmetrics,
                       .snapshot = snapshot,
                       .stale_ms = stale_ms,
                       .now_ms = clock_wall_ms()};
    const char *name = NULL;
    write_daemon(&at, report);
    if (report->stats != NULL) {
        write_figures(&at, report->stats);
    }
    for (size_t i = 0; i < sizeof families / sizeof *families; i++) {
        if (families[i].name != NULL) {
            name = families[i].name;
            begin(&at, name, families[i].type, families[i].help);
        }
        write_family(&at, name, &families[i]);
    }
    if (openmetrics) {
        fputs("# EOF\n", to);
    }
}
