/* custom_strategy: an HTTP health check as a strategy of your own: one monitor per URL asks it
 * every few seconds, without a thread waiting for it, and publishes what came back as a line of
 * JSON. What fails is counted, and logged once until it changes. Ctrl-C ends it. */
#include <panicmon/panicmon.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct check {
    panicmon_request request; /* of the round that is on */
    char url[];
} check;

/* A round: ask; look at the answer and publish; be done. */
static panicmon_err check_step(void *monitor, panicmon_round *round, panicmon_error **err)
{
    check *self = monitor;
    char why[200], body[256];
    (void)err;
    if (panicmon_round_step(round) == 0)
        return panicmon_round_http(round, "GET", self->url, NULL, NULL, 0, PANICMON_HTTP_FOLLOW,
                                   &self->request);
    if (panicmon_round_step(round) > 1)
        return PANICMON_OK;
    const panicmon_reply *reply = panicmon_round_reply(round, self->request);
    int code = (int)panicmon_reply_code(reply);
    snprintf(why, sizeof why, "%s", panicmon_reply_message(reply));
    if (why[0] == '\0' && code != 200)
        snprintf(why, sizeof why, "HTTP %d", code);
    for (char *c = why; (c = strpbrk(c, "\"\\")) != NULL;)
        *c = '\''; /* for JSON */
    if (why[0] != '\0')
        panicmon_round_fail(round, PANICMON_ERR_HTTP, why);
    snprintf(body, sizeof body, "{\"status\": %d, \"error\": \"%s\"}", code, why);
    return panicmon_round_publish(round, "health", panicmon_round_name(round), body, strlen(body),
                                  NULL);
}

/* The strategy: parses a config ... */
static panicmon_err check_parse(void *user, const panicmon_config *config, void **parsed,
                                panicmon_error **err)
{
    const char *url = user;
    if (panicmon_config_text(config, "url", &url, err) != PANICMON_OK)
        return PANICMON_ERR_PARSE;
    if (strncmp(url, "http", 4) != 0)
        return panicmon_config_fault(config, "url", "must begin with http:// or https://", err);
    if ((*parsed = malloc(sizeof(check) + strlen(url) + 1)) == NULL)
        return PANICMON_ERR_NOMEM;
    strcpy(((check *)*parsed)->url, url);
    return PANICMON_OK;
}

/* ... and starts its monitor, which here simply is what was parsed. */
static panicmon_err check_start(void *user, void *parsed, panicmon_launch *launch,
                                panicmon_error **err)
{
    const panicmon_monitor_ops ops = {.struct_size = sizeof ops, .step = check_step};
    (void)user, (void)err;
    panicmon_launch_period(launch, 5000); /* milliseconds */
    return panicmon_launch_monitor(launch, &ops, parsed);
}

static void check_free(void *user, void *parsed)
{
    (void)user, free(parsed);
}

int main(int argc, char **argv)
{
    const panicmon_strategy_ops ops = {sizeof ops,  0,           "health_check", NULL,
                                       check_parse, check_start, check_free,     NULL};
    panicmon_starter *starter = NULL;
    panicmon_runtime *runtime = NULL;
    panicmon_sink *lines = NULL;
    panicmon_log *log = NULL;
    panicmon_error *err = NULL;
    char config[512];
    int ended = 0;
    if (argc < 2)
        return fprintf(stderr, "usage: %s URL...\n", argv[0]), 1;
    sigset_t ends; /* blocked in all threads, so that this one can wait for them */
    sigemptyset(&ends), sigaddset(&ends, SIGINT), sigaddset(&ends, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &ends, NULL);
    if (panicmon_sink_new_jsonl(&lines, fileno(stdout)) != PANICMON_OK ||
        panicmon_log_new_fd(&log, fileno(stderr), PANICMON_LOG_TEXT) != PANICMON_OK ||
        panicmon_starter_new(&starter, &ops, NULL) != PANICMON_OK ||
        panicmon_runtime_new(&runtime, NULL, NULL, &err) != PANICMON_OK ||
        panicmon_runtime_set_sink(runtime, lines) != PANICMON_OK ||
        panicmon_runtime_set_log(runtime, log) != PANICMON_OK ||
        panicmon_starter_set_runtime(starter, runtime) != PANICMON_OK ||
        panicmon_runtime_start(runtime, &err) != PANICMON_OK)
        return 1;
    for (int i = 1; i < argc && err == NULL; i++) {
        snprintf(config, sizeof config, "{\"id\": \"%s\", \"url\": \"%s\"}", argv[i], argv[i]);
        panicmon_starter_parse_and_start(starter, "health", config, strlen(config), NULL, &err);
    }
    if (err != NULL || sigwait(&ends, &ended) != 0)
        fprintf(stderr, "%s\n", panicmon_error_message(err));
    panicmon_error_free(err);
    panicmon_starter_free(starter);
    panicmon_runtime_free(runtime); /* stops and joins every thread */
    panicmon_sink_free(lines);
    panicmon_log_free(log);
    return ended == 0;
}
