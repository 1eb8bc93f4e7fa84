/* embed: a host program with a strategy of its own: registers it, starts two monitors by routing
 * key, receives a few of their messages and stops. */
#include <panicmon/panicmon.h>

#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static atomic_int received;

/* The sink: any library thread may call it. */
static panicmon_err on_message(void *user, const char *exchange, const char *routing_key,
                               const char *body, size_t len)
{
    (void)user;
    printf("%s %s %.*s\n", exchange, routing_key, (int)len, body);
    atomic_fetch_add(&received, 1);
    return PANICMON_OK;
}

/* A round of the monitor: publish a greeting, then, with nothing more to ask for, the end. */
static panicmon_err greet_step(void *whom, panicmon_round *round, panicmon_error **err)
{
    char body[128];
    (void)err;
    if (panicmon_round_step(round) > 0)
        return PANICMON_OK;
    snprintf(body, sizeof body, "{\"greeting\": \"hello %s\", \"at\": %" PRId64 "}",
             (const char *)whom, panicmon_round_time_ms(round));
    return panicmon_round_publish(round, "greetings", "greeting", body, strlen(body), NULL);
}

static panicmon_err greet_parse(void *user, const panicmon_config *config, void **parsed,
                                panicmon_error **err)
{
    const char *whom = NULL;
    panicmon_err rc = panicmon_config_text(config, "whom", &whom, err);
    (void)user;
    return rc != PANICMON_OK ? rc : (*parsed = strdup(whom)) ? PANICMON_OK : PANICMON_ERR_NOMEM;
}

/* What was parsed outlives the monitor made from it, so the monitor can simply be that text. */
static panicmon_err greet_start(void *user, void *parsed, panicmon_launch *launch,
                                panicmon_error **err)
{
    const panicmon_monitor_ops ops = {.struct_size = sizeof ops, .step = greet_step};
    (void)user, (void)err;
    panicmon_launch_period(launch, 100);
    return panicmon_launch_monitor(launch, &ops, parsed);
}

static void greet_free(void *user, void *parsed)
{
    (void)user;
    free(parsed);
}

int main(void)
{
    const char *configs = "{\"w\": {\"whom\": \"world\"}, \"m\": {\"whom\": \"moon\"}}";
    const panicmon_strategy_ops greet = {sizeof greet, 0, "greet", NULL, greet_parse, greet_start,
                                         greet_free,   NULL};
    panicmon_registry *registry = NULL;
    panicmon_runtime *runtime = NULL;
    panicmon_manager *manager = NULL;
    panicmon_sink *sink = NULL;
    panicmon_error *err = NULL;
    panicmon_err rc = panicmon_registry_new(&registry);
    if (!rc) rc = panicmon_registry_add(registry, "greetings.*", &greet, NULL, &err);
    if (!rc) rc = panicmon_runtime_new(&runtime, registry, NULL, &err);
    if (!rc) rc = panicmon_sink_new_callback(&sink, on_message, NULL, NULL);
    if (!rc) rc = panicmon_runtime_set_sink(runtime, sink);
    if (!rc) rc = panicmon_runtime_start(runtime, &err);
    if (!rc) rc = panicmon_manager_new(&manager, runtime, &err);
    if (!rc) rc = panicmon_manager_apply(manager, "greetings.en", configs, strlen(configs), &err);
    while (!rc && atomic_load(&received) < 4) nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    if (rc) fprintf(stderr, "%s: %s\n", panicmon_strerror(rc), panicmon_error_message(err));
    panicmon_manager_free(manager), panicmon_runtime_free(runtime); /* stops and joins */
    panicmon_sink_free(sink), panicmon_registry_free(registry), panicmon_error_free(err);
    return rc != PANICMON_OK;
}
