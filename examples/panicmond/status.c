/* status.c: see status.h. Monitorables are arrays, not objects: there may be ten thousand. */
#include "status.h"

#include <inttypes.h>
#include <stdlib.h>

#include "clock.h"
#include "escape.h"

#define HISTORIES_MAX 200

static const char columns[] =
    "[\"number\",\"kind\",\"id\",\"name\",\"chain\",\"chainId\",\"version\",\"runtime\",\"error\","
    "\"message\",\"syncing\",\"validator\",\"active\",\"elected\",\"disabled\",\"best\","
    "\"target\",\"finalized\",\"peers\",\"era\",\"session\",\"slashed\",\"rounds\",\"errors\","
    "\"heard\",\"good\",\"since\"]";

static void write_text(FILE *to, const char *text)
{
    fputc(',', to);
    escape_json(to, text);
}

static void write_count(FILE *to, int64_t value)
{
    if (value == UNKNOWN) {
        fputs(",null", to);
    } else {
        fprintf(to, ",%" PRId64, value);
    }
}

static void write_answer(FILE *to, int value)
{
    fputs(value < 0 ? ",null" : value > 0 ? ",1" : ",0", to);
}

static void write_row(FILE *to, const monitorable *one)
{
    fprintf(to, "[%" PRIu32, one->number);
    write_text(to, kind_name(one->kind));
    write_text(to, one->labels->id);
    write_text(to, one->labels->name);
    write_text(to, one->labels->chain);
    write_text(to, one->labels->parent);
    write_text(to, one->labels->version);
    write_text(to, one->labels->runtime);
    write_count(to, one->error);
    write_text(to, one->message);
    write_answer(to, one->syncing);
    write_answer(to, one->validator);
    write_answer(to, one->active);
    write_answer(to, one->elected);
    write_answer(to, one->disabled);
    write_count(to, one->best);
    write_count(to, one->target);
    write_count(to, one->finalized);
    write_count(to, one->peers);
    write_count(to, one->era);
    write_count(to, one->session);
    fprintf(to, ",%.0f", one->slashed);
    write_count(to, one->rounds);
    write_count(to, one->errors);
    write_count(to, one->heard_ms);
    write_count(to, one->good_ms);
    write_count(to, one->since_ms);
    fputc(']', to);
}

static void write_figures(FILE *to, const panicmon_stats *stats)
{
    const char *name;
    int64_t value;
    fputc('{', to);
    for (size_t i = 0; stats != NULL && panicmon_stats_at(stats, i, &name, &value) == PANICMON_OK;
         i++) {
        fprintf(to, "%s\"%s\":%" PRId64, i == 0 ? "" : ",", name, value);
    }
    fputc('}', to);
}

/* A place in the changes of this very process: after a restart numbers begin anew. */
static void write_place(FILE *to, const report *report, const snapshot *snapshot)
{
    fprintf(to, "\"since\":\"%" PRId64 ".%" PRIu64 "\",\"full\":%s,", report->started_ms,
            snapshot->change, snapshot->full ? "true" : "false");
}

void status_write(FILE *to, const report *report, const snapshot *snapshot,
                  const int64_t stale_ms[KINDS])
{
    fprintf(to, "{\"version\":\"%s\",\"now\":%" PRId64 ",\"uptime\":%" PRId64 ",",
            panicmon_version(), clock_wall_ms(), report->uptime_ms);
    write_place(to, report, snapshot);
    fprintf(to, "\"broker\":%s,\"monitorables\":%" PRId64 ",\"roundsPerSecond\":%.3f,",
            report->broker ? "true" : "false", report->monitorables, report->rounds_per_second);
    fputs("\"live\":", to);
    escape_json(to, report->live_reason);
    fputs(",\"ready\":", to);
    escape_json(to, report->ready_reason);
    fprintf(to, ",\"refused\":%s,\"figures\":", report->refused ? "true" : "false");
    write_figures(to, report->stats);
    fputs(",\"stale\":{", to);
    for (kind kind = KIND_NODE; kind < KINDS; kind++) {
        fprintf(to, "%s\"%s\":%" PRId64, kind == KIND_NODE ? "" : ",", kind_name(kind),
                stale_ms[kind]);
    }
    fprintf(to, "},\"columns\":%s,\"rows\":[", columns);
    for (size_t i = 0; i < snapshot->count; i++) {
        fputs(i == 0 ? "\n" : ",\n", to);
        write_row(to, &snapshot->entries[i]);
    }
    fputs("]}\n", to);
}

static void write_points(FILE *to, const int32_t *points, size_t count)
{
    fputc('[', to);
    for (size_t i = 0; i < count; i++) {
        fprintf(to, "%s%" PRId32, i == 0 ? "" : ",", points[i]);
    }
    fputc(']', to);
}

void status_write_history(FILE *to, store *store, const char *numbers)
{
    history history;
    size_t count = 0;
    fputc('{', to);
    for (const char *at = numbers; *at >= '0' && *at <= '9' && count < HISTORIES_MAX;) {
        char *end;
        unsigned long number = strtoul(at, &end, 10);
        if (number <= UINT32_MAX && store_history(store, (uint32_t)number, &history)) {
            fprintf(to, "%s\"%lu\":[", count++ == 0 ? "" : ",", number);
            write_points(to, history.lag, history.count);
            fputc(',', to);
            write_points(to, history.gap, history.count);
            fputc(']', to);
        }
        at = *end == ',' ? end + 1 : end;
    }
    fputs("}\n", to);
}

void status_write_health(FILE *to, const report *report, bool good, const char *reason)
{
    fprintf(to, "{\"status\":\"%s\",\"reason\":", good ? "ok" : "fail");
    escape_json(to, reason);
    fprintf(to,
            ",\"version\":\"%s\",\"uptime_seconds\":%" PRId64 ",\"configs\":\"%s\","
            "\"monitorables\":%" PRId64 ",\"rounds\":%" PRId64 ",\"broker\":",
            panicmon_version(), report->uptime_ms / 1000,
            report->stats == NULL ? "not applied"
            : report->refused     ? "some were refused"
                                  : "applied",
            report->monitorables, report_figure(report, "rounds"));
    if (report->broker) {
        fprintf(to,
                "{\"confirmed\":%" PRId64 ",\"waiting\":%" PRId64 ",\"dropped\":%" PRId64
                ",\"dropped_full\":%" PRId64 "}",
                report_figure(report, "messages_confirmed"),
                report_figure(report, "messages_waiting"),
                report_figure(report, "messages_dropped"),
                report_figure(report, "messages_dropped_full"));
    } else {
        fputs("null", to);
    }
    fputs("}\n", to);
}
