/* program_1_0.c: a host program as users compiled it with the headers of 1.0: it includes them
 * frozen, so that it stays what it was, and must run on every later library of the same SONAME.
 * Tables of the size of 1.0 are accepted; larger ones too as long as what is unknown is zero. */
#include "panicmon-1.0.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                        \
            exit(1);                                                                               \
        }                                                                                          \
    } while (0)

static int freed;

static panicmon_err step(void *monitor, panicmon_round *round, panicmon_error **err)
{
    (void)monitor;
    (void)err;
    return panicmon_round_step(round) > 0
               ? PANICMON_OK
               : panicmon_round_publish(round, "e", "k", "{\"a\": 1}", 8, NULL);
}

static panicmon_err parse(void *user, const panicmon_config *config, void **parsed,
                          panicmon_error **err)
{
    (void)user;
    (void)err;
    *parsed = panicmon_config_has(config, "a") ? user : NULL;
    return *parsed != NULL ? PANICMON_OK : panicmon_error_set(err, PANICMON_ERR_PARSE, "no a");
}

static panicmon_err start(void *user, void *parsed, panicmon_launch *launch, panicmon_error **err)
{
    const panicmon_monitor_ops ops = {.struct_size = sizeof ops, .step = step};
    (void)user;
    (void)err;
    return panicmon_launch_monitor(launch, &ops, parsed);
}

static void user_free(void *user)
{
    (void)user;
    freed++;
}

/* The table as a later header would have it: longer. */
typedef struct longer_ops {
    panicmon_strategy_ops known;
    void (*later[4])(void);
} longer_ops;

static void later(void)
{
}

static void check_sizes(panicmon_registry *registry, panicmon_strategy_ops ops)
{
    longer_ops longer = {.known = ops};
    panicmon_error *err = NULL;
    longer.known.struct_size = sizeof longer;
    longer.known.name = "longer";
    CHECK(panicmon_registry_add(registry, "x", &longer.known, &freed, NULL) == PANICMON_OK);
    longer.known.name = "too new";
    longer.later[3] = later;
    CHECK(panicmon_registry_add(registry, "x", &longer.known, &freed, &err) == PANICMON_ERR_TOONEW);
    CHECK(panicmon_error_code(err) == PANICMON_ERR_TOONEW);
    panicmon_error_free(err);
    ops.struct_size = 0; /* forgotten */
    CHECK(panicmon_registry_add(registry, "x", &ops, &freed, NULL) == PANICMON_ERR_INVAL);
    ops.struct_size = 1u << 20;
    CHECK(panicmon_registry_add(registry, "x", &ops, &freed, NULL) == PANICMON_ERR_INVAL);
}

int main(void)
{
    const char *set = "{\"one\": {\"a\": true}, \"two\": {\"b\": true}}";
    const panicmon_strategy_ops ops = {.struct_size = sizeof ops,
                                       .name = "old",
                                       .parse = parse,
                                       .start = start,
                                       .user_free = user_free};
    panicmon_registry *registry = NULL;
    panicmon_settings *settings = NULL;
    panicmon_runtime *runtime = NULL;
    panicmon_manager *manager = NULL;
    panicmon_message *message = NULL;
    panicmon_error *err = NULL;
    CHECK(panicmon_version_hex() >> 16 == 1);
    CHECK(strcmp(panicmon_err_name(PANICMON_ERR_PROTOCOL), "ERR_PROTOCOL") == 0);
    CHECK(panicmon_registry_new(&registry) == PANICMON_OK);
    CHECK(panicmon_registry_add(registry, "old.#", &ops, &freed, &err) == PANICMON_OK);
    check_sizes(registry, ops);
    CHECK(panicmon_settings_new(&settings) == PANICMON_OK);
    CHECK(panicmon_settings_set(settings, "rounds", "1", &err) == PANICMON_OK);
    CHECK(panicmon_runtime_new(&runtime, registry, settings, &err) == PANICMON_OK);
    CHECK(panicmon_manager_new(&manager, runtime, &err) == PANICMON_OK);
    CHECK(panicmon_runtime_start(runtime, &err) == PANICMON_OK);
    CHECK(panicmon_manager_apply(manager, "old.set", set, strlen(set), &err) == PANICMON_ERR_PARSE);
    CHECK(strcmp(panicmon_error_message(err), "no a") == 0);
    CHECK(panicmon_runtime_wait_idle(runtime, 20000) == PANICMON_OK);
    while (panicmon_runtime_next(runtime, &message) == PANICMON_OK &&
           strcmp(panicmon_message_exchange(message), "e") != 0) {
        panicmon_message_free(message);
        message = NULL;
    }
    CHECK(message != NULL && strcmp(panicmon_message_body(message, NULL), "{\"a\": 1}") == 0);
    panicmon_message_free(message);
    panicmon_error_free(err);
    panicmon_manager_free(manager);
    panicmon_runtime_free(runtime);
    panicmon_settings_free(settings);
    panicmon_registry_free(registry);
    CHECK(freed == 2);
    return 0;
}
