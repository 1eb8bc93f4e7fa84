/* page.c: see page.h. The thread of the server renders from copies; all it shares with the main
 * thread is in the store and the vitals. */
#include "page.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "assets.h"
#include "clock.h"
#include "listen.h"
#include "metrics.h"
#include "reload.h"
#include "server.h"
#include "status.h"
#include "vitals.h"

#define TICK_MS 1000
#define JSON    "application/json; charset=utf-8"
#define TEXT    "text/plain; charset=utf-8"
/* With more monitorables than that their figures are left out, unless they are asked for. */
#define TARGETS_MAX 5000

struct page {
    store *store;
    vitals *vitals;
    reload *reload;
    server *server;
    enum { TARGETS_AUTO, TARGETS_ALWAYS, TARGETS_NEVER } targets;
    unsigned compat; /* METRICS_PARITY, METRICS_W3F */
    int64_t stale_ms[KINDS];
    int64_t tick_ms; /* the last */
};

/* ---- answers: the server's thread ---- */

/* Something to write an answer to, and its end. */
static FILE *open_answer(answer *out, char **text, size_t *len)
{
    FILE *to = open_memstream(text, len);
    if (to == NULL) {
        out->status = 500;
    }
    return to;
}

static void close_answer(answer *out, FILE *to, char *const *text, const size_t *len,
                         const char *type)
{
    if (fclose(to) != 0 || *text == NULL) {
        free(*text);
        out->status = 500;
        return;
    }
    out->text = *text;
    out->len = *len;
    out->owned = true;
    out->type = type;
}

/* The number of the change that a viewer has seen, of this process; 0: none. */
static uint64_t seen_change(const server_request *request, int64_t started_ms)
{
    const char *since = server_query(request, "since");
    char *end = NULL;
    if (since == NULL || strtoll(since, &end, 10) != started_ms || *end != '.') {
        return 0;
    }
    return strtoull(end + 1, NULL, 10);
}

static void answer_text(answer *out, unsigned status, const char *text)
{
    *out = (answer){.status = status, .type = TEXT, .text = text, .len = strlen(text)};
}

static void answer_status(page *page, const server_request *request, answer *out)
{
    char *text = NULL;
    size_t len = 0;
    report report;
    snapshot snapshot = {0};
    vitals_report(page->vitals, &report);
    uint64_t since = seen_change(request, report.started_ms);
    FILE *to = store_take(page->store, since, &snapshot) ? open_answer(out, &text, &len) : NULL;
    out->status = to == NULL ? 500 : 200;
    if (to != NULL) {
        status_write(to, &report, &snapshot, page->stale_ms);
        close_answer(out, to, &text, &len, JSON);
    }
    store_release(&snapshot);
    report_clear(&report);
}

/* ---- metrics ---- */

static metrics_wish wish_of(const page *page, const server_request *request)
{
    return (metrics_wish){.openmetrics =
                              metrics_wants_openmetrics(server_header(request, "Accept")),
                          .targets = true,
                          .compat = page->compat,
                          .stale_ms = page->stale_ms};
}

static const char *type_of(const metrics_wish *wish)
{
    return wish->openmetrics ? METRICS_OPENMETRICS : METRICS_PROMETHEUS;
}

static void answer_metrics(page *page, const server_request *request, answer *out)
{
    char *text = NULL;
    size_t len = 0;
    report report;
    snapshot snapshot = {0};
    metrics_wish wish = wish_of(page, request);
    vitals_report(page->vitals, &report);
    FILE *to = store_take(page->store, 0, &snapshot) ? open_answer(out, &text, &len) : NULL;
    out->status = to == NULL ? 500 : 200;
    if (to != NULL) {
        wish.targets = page->targets == TARGETS_ALWAYS ||
                       (page->targets == TARGETS_AUTO && snapshot.count <= TARGETS_MAX);
        metrics_write(to, &wish, &report, &snapshot);
        close_answer(out, to, &text, &len, type_of(&wish));
    }
    store_release(&snapshot);
    report_clear(&report);
}

/* One monitorable, by id or by name; several when they are called the same. */
static void answer_probe(page *page, const server_request *request, answer *out)
{
    char *text = NULL;
    size_t len = 0;
    snapshot snapshot = {0};
    metrics_wish wish = wish_of(page, request);
    const char *target = server_query(request, "target");
    if (target == NULL || target[0] == '\0') {
        answer_text(out, 400, "say which: /probe?target=ID, or its name\n");
        return;
    }
    if (!store_pick(page->store, target, &snapshot)) {
        out->status = 500;
    } else if (snapshot.count == 0) {
        answer_text(out, 404, "no monitorable has that id or name\n");
    } else {
        FILE *to = open_answer(out, &text, &len);
        if (to != NULL) {
            out->status = 200;
            metrics_write_probe(to, &wish, &snapshot);
            close_answer(out, to, &text, &len, type_of(&wish));
        }
    }
    store_release(&snapshot);
}

/* ---- reload ---- */

/* A page of another site may send a POST too, but not without saying where it comes from. */
static void answer_reload(page *page, const server_request *request, answer *out)
{
    if (!server_is_post(request)) {
        answer_text(out, 405, "reload takes POST\n");
        out->allow = "POST";
        return;
    }
    if (server_header(request, "Origin") != NULL) {
        answer_text(out, 403, "reload is not for web pages\n");
        return;
    }
    switch (reload_ask(page->reload)) {
    case RELOAD_TAKEN:
        answer_text(out, 200, "the configuration was read again\n");
        break;
    case RELOAD_FAULTY:
        answer_text(out, 500, "the configuration has faults, which the log tells\n");
        break;
    default:
        answer_text(out, 503, "the configuration was not read yet\n");
        break;
    }
}

static void answer_history(page *page, const server_request *request, answer *out)
{
    char *text = NULL;
    size_t len = 0;
    const char *numbers = server_query(request, "numbers");
    FILE *to = open_answer(out, &text, &len);
    if (to != NULL) {
        out->status = 200;
        status_write_history(to, page->store, numbers == NULL ? "" : numbers);
        close_answer(out, to, &text, &len, JSON);
    }
}

static void answer_health(page *page, bool readiness, answer *out)
{
    char *text = NULL;
    size_t len = 0;
    report report;
    FILE *to = open_answer(out, &text, &len);
    if (to != NULL) {
        vitals_report(page->vitals, &report);
        bool good = readiness ? report.ready : report.live;
        out->status = good ? 200 : 503;
        status_write_health(to, &report, good,
                            readiness ? report.ready_reason : report.live_reason);
        report_clear(&report);
        close_answer(out, to, &text, &len, JSON);
    }
}

static void answer_live(page *page, const server_request *request, answer *out)
{
    (void)request;
    answer_health(page, false, out);
}

static void answer_ready(page *page, const server_request *request, answer *out)
{
    (void)request;
    answer_health(page, true, out);
}

/* Whether a header If-None-Match names the tag. */
static bool has_tag(const char *header, const char *etag)
{
    return header != NULL && strstr(header, etag) != NULL;
}

static bool answer_asset(const server_request *request, answer *out)
{
    const char *path = server_path(request);
    for (size_t i = 0; i < asset_count; i++) {
        const asset *asset = &assets[i];
        if (strcmp(asset->path, path) == 0) {
            bool known = has_tag(server_header(request, "If-None-Match"), asset->etag);
            *out = (answer){.status = known ? 304 : 200,
                            .type = known ? NULL : asset->type,
                            .text = known ? "" : asset->text,
                            .len = known ? 0 : asset->len,
                            .etag = asset->etag};
            return true;
        }
    }
    return false;
}

static void answer_request(void *user, const server_request *request, answer *out)
{
    static const struct {
        const char *path;
        void (*answer)(page *page, const server_request *request, answer *out);
    } routes[] = {
        {"/metrics", answer_metrics},
        {"/probe", answer_probe},
        {"/livez", answer_live},
        {"/readyz", answer_ready},
        {"/healthz", answer_live},
        {"/-/healthy", answer_live},
        {"/-/ready", answer_ready},
        {"/-/reload", answer_reload},
        {"/api/status.json", answer_status},
        {"/api/history.json", answer_history},
    };
    const char *path = server_path(request);
    if (server_is_post(request) && strcmp(path, "/-/reload") != 0) {
        answer_text(out, 405, "only GET and HEAD\n");
        return;
    }
    for (size_t i = 0; i < sizeof routes / sizeof *routes; i++) {
        if (strcmp(routes[i].path, path) == 0) {
            routes[i].answer(user, request, out);
            return;
        }
    }
    if (!answer_asset(request, out)) {
        answer_text(out, 404, "no such page: there are / /metrics /probe /livez /readyz\n");
    }
}

/* ---- life: the main thread ---- */

static void say(panicmon_log *log, panicmon_log_level level, const char *what, const char *where)
{
    char line[512];
    (void)snprintf(line, sizeof line, "%s%s", what, where);
    panicmon_log_write(log, level, "panicmond", line);
}

static int64_t seconds_ms(const setup *setup, const char *name)
{
    return (int64_t)(strtod(setup_get(setup, name), NULL) * 1000);
}

static store *make_store(const setup *setup)
{
    const int64_t period_ms[KINDS] = {[KIND_NODE] = seconds_ms(setup, "period.node"),
                                      [KIND_NETWORK] = seconds_ms(setup, "period.network"),
                                      [KIND_SYSTEM] = seconds_ms(setup, "period.system"),
                                      [KIND_REPO] = seconds_ms(setup, "period.repo")};
    return store_new(period_ms);
}

static bool serve(page *page, const char *where, panicmon_log *log)
{
    listen_address address;
    char name[400] = "";
    bool loopback = false;
    int socket =
        listen_parse(where, &address) ? listen_open(&address, name, sizeof name, &loopback) : -1;
    if (socket < 0) {
        say(log, PANICMON_LOG_ERROR, "cannot serve the status page at ",
            name[0] == '\0' ? where : name);
        return false;
    }
    page->server = server_new(socket, answer_request, page);
    if (page->server == NULL) {
        say(log, PANICMON_LOG_ERROR, "cannot serve the status page: the server does not start", "");
        return false;
    }
    say(log, PANICMON_LOG_INFO, "status page at http://", name);
    if (!loopback) {
        say(log, PANICMON_LOG_WARNING,
            "whoever can reach the status page can read it: it asks for no password", "");
    }
    return true;
}

static void read_wishes(page *page, const setup *setup)
{
    const char *targets = setup_get(setup, "metrics.targets");
    const char *compat = setup_get(setup, "metrics.compat");
    page->targets = strcmp(targets, "always") == 0  ? TARGETS_ALWAYS
                    : strcmp(targets, "never") == 0 ? TARGETS_NEVER
                                                    : TARGETS_AUTO;
    page->compat = (strstr(compat, "parity") != NULL ? METRICS_PARITY : 0U) |
                   (strstr(compat, "w3f") != NULL ? METRICS_W3F : 0U);
}

page *page_open(const setup *setup, panicmon_log *log)
{
    bool broker = setup_get(setup, "broker.url")[0] != '\0';
    page *made = calloc(1, sizeof *made);
    if (made != NULL) {
        made->store = make_store(setup);
        made->vitals = made->store == NULL ? NULL : vitals_new(made->store, broker);
        made->reload = reload_new();
        read_wishes(made, setup);
    }
    if (made == NULL || made->vitals == NULL || made->reload == NULL) {
        say(log, PANICMON_LOG_ERROR, "out of memory", "");
        page_close(made);
        return NULL;
    }
    for (kind kind = KIND_NODE; kind < KINDS; kind++) {
        made->stale_ms[kind] = store_stale_ms(made->store, kind);
    }
    if (!serve(made, setup_get(setup, "listen"), log)) {
        page_close(made);
        return NULL;
    }
    return made;
}

void page_close(page *page)
{
    if (page != NULL) {
        server_free(page->server);
        reload_free(page->reload);
        vitals_free(page->vitals);
        store_free(page->store);
        free(page);
    }
}

store *page_store(page *page)
{
    return page == NULL ? NULL : page->store;
}

void page_started(page *page, panicmon_runtime *runtime, panicmon_manager *manager)
{
    if (page != NULL) {
        vitals_start(page->vitals, runtime, manager);
    }
}

void page_stopping(page *page)
{
    if (page != NULL) {
        vitals_stop(page->vitals);
        reload_end(page->reload);
    }
}

void page_reload_begin(page *page)
{
    if (page != NULL) {
        reload_begin(page->reload);
    }
}

void page_configured(page *page, const char *configs, bool refused)
{
    if (page != NULL) {
        vitals_configured(page->vitals, configs, refused);
        reload_done(page->reload, !refused);
    }
}

void page_misconfigured(page *page)
{
    if (page != NULL) {
        vitals_misconfigured(page->vitals);
        reload_done(page->reload, false);
    }
}

int page_tick(page *page)
{
    if (page == NULL) {
        return -1;
    }
    int64_t wait = page->tick_ms + TICK_MS - clock_mono_ms();
    if (wait <= 0 || page->tick_ms == 0) {
        page->tick_ms = clock_mono_ms();
        vitals_tick(page->vitals);
        store_tidy(page->store);
        server_tick(page->server);
        wait = TICK_MS;
    }
    return (int)wait;
}
