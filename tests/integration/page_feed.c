/* page_feed.c: page-feed COUNT [TARGETS [COMPAT]]: serves the status page of panicmond over samples
 * that it makes up: COUNT nodes, among them hostile names, errors, validators, and nodes that sync.
 * A round of each comes every 10 seconds, 40 of them at once in the beginning. TARGETS and COMPAT
 * are the settings of the metrics. Writes the address to standard output; ends with standard
 * input. */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <panicmon/panicmon.h>

#include "page.h"

#define ROUND_MS 10000
#define EARLIER  40
/* Of the monitorables after the first so many only the last few rounds are made up. */
#define LONG_HISTORIES 1500
#define SHORT_HISTORY  6
/* It ends by itself, should its input not. */
#define DAY_TENTHS 864000

static const char hostile[] =
    "\\\"quote\\\" \\\\ \\n <script>document.title='hacked'</script> \\u0001 "
    "\\u202e \\u00e9\\ud83d\\ude80 {x=\\\"y\\\"}";

static int64_t height(int round)
{
    return 21400000 + round * 2;
}

/* A sample of node `i`, as the monitor would publish it. */
static void write_sample(FILE *to, int i, int round)
{
    int stuck = i % 97 == 13 && round > 25 ? 3 * (round - 25) : 0;
    bool error = i % 151 == 7 || (i % 53 == 9 && round % 19 < 4);
    bool syncing = i % 211 == 20;
    char name[512];
    if (i == 5) {
        (void)snprintf(name, sizeof name, "%s", hostile);
    } else {
        (void)snprintf(name, sizeof name, "%s-%d", i % 4 == 0 ? "validator" : "node", i);
    }
    fprintf(to,
            "{\"websocket\": {\"%s\": {\"meta_data\": {\"monitor_name\": \"m\", \"node_name\": "
            "\"%s\", \"node_id\": \"id-%d\", \"node_parent_id\": \"chain-%d\", \"time\": 1.5, "
            "\"is_validator\": %s, \"stash_address\": \"\"}, ",
            error ? "error" : "result", name, i, i % 3, i % 4 == 0 ? "true" : "false");
    if (error) {
        fprintf(to, "\"message\": \"Node %s is unreachable\", \"code\": 5015}}}", name);
        return;
    }
    int64_t best = height(round) - stuck - (syncing ? 900000 - round * 4000 : 0);
    fprintf(to,
            "\"data\": {\"best_height\": %lld, \"target_height\": %lld, \"finalized_height\": "
            "%lld, \"current_session\": 9120, \"current_era\": 1520, \"active\": %s, \"elected\": "
            "%s, \"disabled\": %s, \"historical\": [%s], \"panicmon\": {\"chain\": \"Chain %d\", "
            "\"node_version\": \"1.16.2\", \"spec_name\": \"spec\", \"spec_version\": 1003004, "
            "\"peers\": %s, \"health\": {\"isSyncing\": %s}}}}}}",
            (long long)best, (long long)height(round),
            (long long)(best - 2 - (i * 7 + round * 3) % 5), i % 8 == 0 ? "true" : "false",
            i % 8 == 0 ? "true" : "false", i % 240 == 8 ? "true" : "false",
            i % 240 == 8 && round == 3 ? "{\"height\": 5, \"slashed_amount\": "
                                         "340282366920938463463374607431768211455}"
                                       : "",
            i % 3, i % 10 == 6 ? "null" : "24", syncing ? "true" : "false");
}

static void feed(store *store, int i, int round)
{
    char *text = NULL;
    size_t len = 0;
    FILE *to = open_memstream(&text, &len);
    if (to == NULL) {
        exit(1);
    }
    write_sample(to, i, round);
    if (fclose(to) == 0) {
        (void)store_message(store, "raw_data", "node.substrate", text, len);
    }
    free(text);
}

/* What a manager would list: all nodes, and one that is never heard of. */
static void feed_list(store *store, int count)
{
    char *text = NULL;
    size_t len = 0;
    FILE *to = open_memstream(&text, &len);
    if (to == NULL) {
        exit(1);
    }
    fputs("{\"manager_name\": \"Node Monitors Manager\", \"sources\": [{\"chain_id\": \"chain-0\", "
          "\"chain_name\": \"chain0\", \"source_id\": \"silent\", \"source_name\": \"silent\"}",
          to);
    for (int i = 0; i < count; i++) {
        fprintf(to,
                ", {\"chain_id\": \"chain-%d\", \"chain_name\": \"chain%d\", \"source_id\": "
                "\"id-%d\", \"source_name\": \"node\"}",
                i % 3, i % 3, i);
    }
    fputs("]}", to);
    if (fclose(to) == 0) {
        (void)store_message(store, "monitorable", "substrate.nodes", text, len);
    }
    free(text);
}

static bool run(page *page, int count)
{
    store *store = page_store(page);
    int done = 0;
    if (count > 0) {
        feed_list(store, count);
    }
    for (int round = 0; round < EARLIER; round++) {
        int until =
            round < EARLIER - SHORT_HISTORY && count > LONG_HISTORIES ? LONG_HISTORIES : count;
        for (int i = 0; i < until; i++) {
            feed(store, i, round);
        }
    }
    puts("ready");
    if (fflush(stdout) != 0) {
        return false;
    }
    for (int tenth = 0; tenth < DAY_TENTHS; tenth++) {
        struct pollfd in = {.fd = STDIN_FILENO, .events = POLLIN};
        if (poll(&in, 1, 100) > 0) {
            return true;
        }
        int until = (int)((int64_t)count * (tenth + 1) * 100 / ROUND_MS);
        for (; done < until; done++) {
            feed(store, done % count, EARLIER + done / count);
        }
        (void)page_tick(page);
    }
    return true;
}

int main(int argc, char **argv)
{
    setup setup = {0};
    panicmon_log *log = NULL;
    panicmon_runtime *runtime = NULL;
    panicmon_manager *manager = NULL;
    page *page = NULL;
    int count = argc > 1 ? atoi(argv[1]) : 0; /* NOLINT(cert-err34-c) */
    bool good = panicmon_settings_new(&setup.settings) == PANICMON_OK &&
                panicmon_settings_set(setup.settings, "listen", "0", NULL) == PANICMON_OK &&
                (argc < 3 || panicmon_settings_set(setup.settings, "metrics.targets", argv[2],
                                                   NULL) == PANICMON_OK) &&
                (argc < 4 || panicmon_settings_set(setup.settings, "metrics.compat", argv[3],
                                                   NULL) == PANICMON_OK) &&
                panicmon_log_new_fd(&log, STDOUT_FILENO, PANICMON_LOG_TEXT) == PANICMON_OK &&
                panicmon_runtime_new(&runtime, NULL, NULL, NULL) == PANICMON_OK &&
                panicmon_runtime_start(runtime, NULL) == PANICMON_OK &&
                panicmon_manager_new(&manager, runtime, NULL) == PANICMON_OK &&
                (page = page_open(&setup, log)) != NULL;
    if (good) {
        page_started(page, runtime, manager);
        good = run(page, count);
        page_stopping(page);
    }
    page_close(page);
    panicmon_manager_free(manager);
    panicmon_runtime_free(runtime);
    panicmon_log_free(log);
    panicmon_settings_free(setup.settings);
    return good ? 0 : 1;
}
