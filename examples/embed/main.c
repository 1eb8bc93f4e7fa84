/* embed: a host program with a strategy of its own: registers it, starts two monitors by routing
 * key, takes some of their messages in its own loop and stops. */
#include <panicmon/panicmon.h>

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A round of the monitor: publish a greeting, then, with nothing more to ask for, the end. */
static panicmon_err greet_step(void *whom, panicmon_round *round, panicmon_error **err)
{
    char body[128];
    (void)err;
    if (panicmon_round_step(round) > 0)
        return PANICMON_OK;
    snprintf(body, sizeof body, "{\"greeting\": \"hello %.80s\"}", (const char *)whom);
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
    panicmon_launch_period(launch, 100); /* milliseconds */
    return panicmon_launch_monitor(launch, &ops, parsed);
}

static void greet_free(void *user, void *parsed)
{
    (void)user;
    free(parsed);
}

int main(void)
{
    const char *set = "{\"w\": {\"whom\": \"world\"}, \"m\": {\"whom\": \"moon\"}}";
    const panicmon_strategy_ops greet = {sizeof greet, 0,           "greet",    NULL,
                                         greet_parse,  greet_start, greet_free, NULL};
    panicmon_registry *registry = NULL;
    panicmon_runtime *runtime = NULL;
    panicmon_manager *manager = NULL;
    panicmon_message *message = NULL;
    panicmon_error *err = NULL;
    if (panicmon_registry_new(&registry) != PANICMON_OK ||
        panicmon_registry_add(registry, "greetings.*", &greet, NULL, &err) != PANICMON_OK ||
        panicmon_runtime_new(&runtime, registry, NULL, &err) != PANICMON_OK ||
        panicmon_runtime_start(runtime, &err) != PANICMON_OK ||
        panicmon_manager_new(&manager, runtime, &err) != PANICMON_OK ||
        panicmon_manager_apply(manager, "greetings.en", set, strlen(set), &err) != PANICMON_OK)
        fprintf(stderr, "embed: %s\n", panicmon_error_message(err));
    for (int received = 0; err == NULL && received < 6;) {
        struct pollfd ready = {.fd = panicmon_runtime_event_fd(runtime), .events = POLLIN};
        if (poll(&ready, 1, -1) == 1 && panicmon_runtime_next(runtime, &message) == PANICMON_OK) {
            printf("%s\n", panicmon_message_body(message, NULL));
            panicmon_message_free(message);
            received++;
        }
    }
    panicmon_manager_free(manager);
    panicmon_runtime_free(runtime); /* stops and joins every thread */
    panicmon_registry_free(registry);
    return err != NULL;
}
