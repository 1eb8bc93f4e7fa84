/* player.c: see player.h. */
#include "support/player.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static panicmon_config_set *set_of(const char *routing_key, const char *json)
{
    panicmon_config_set *set = NULL;
    panicmon_error *err = NULL;
    if (pm_config_set_parse(&set, routing_key, json, strlen(json), &err) != PANICMON_OK) {
        printf("%s\n", panicmon_error_message(err));
        abort();
    }
    return set;
}

/* Plans and parses as the manager does. */
static void *parse(const player *at, const char *routing_key, const char *json, size_t entry)
{
    panicmon_config_set *set = set_of(routing_key, json);
    pm_strategy strategy = {.ops = *at->ops, .user = at->shared};
    panicmon_plan plan;
    panicmon_error *err = NULL;
    void *parsed = NULL;
    if (pm_plan_make(&plan, &strategy, set, &err) != PANICMON_OK ||
        at->ops->parse(at->shared, plan.items[entry], &parsed, &err) != PANICMON_OK) {
        printf("%s\n", panicmon_error_message(err));
        abort();
    }
    pm_plan_free(&plan);
    pm_config_set_free(set);
    return parsed;
}

void player_open(player *at, const panicmon_strategy_ops *ops, panicmon_substrate *shared,
                 frozen *world, const char *routing_key, const char *json, size_t entry)
{
    *at = (player){.ops = ops, .shared = shared, .world = world};
    at->store = &at->own_store;
    at->parsed = parse(at, routing_key, json, entry);
    if (ops->start(shared, at->parsed, &at->launch, NULL) != PANICMON_OK) {
        abort();
    }
    at->round.name = at->launch.name;
}

bool player_update(player *at, const char *routing_key, const char *json, size_t entry)
{
    void *parsed = parse(at, routing_key, json, entry);
    bool taken = at->launch.ops.update(at->launch.monitor, parsed) == PANICMON_OK;
    at->ops->parsed_free(at->shared, taken ? at->parsed : parsed);
    at->parsed = taken ? parsed : at->parsed;
    return taken;
}

void player_close(player *at)
{
    void *value;
    at->launch.ops.monitor_free(at->launch.monitor);
    at->ops->parsed_free(at->shared, at->parsed);
    pm_round_free(&at->round);
    free(at->launch.name);
    free(at->launch.chain_id);
    free(at->launch.source_id);
    free(at->launch.source_name);
    for (size_t i = 0; pm_map_next(&at->own_store, &i, NULL, &value);) {
        free(value);
    }
    pm_map_free(&at->own_store);
    json_decref(at->document);
    free(at->sample);
}

static void take_sample(player *at, const pm_request *request)
{
    json_error_t error;
    free(at->sample);
    json_decref(at->document);
    at->sample = strdup(request->in.data);
    at->document = json_loads(at->sample, JSON_DECODE_ANY, &error);
    if (at->document == NULL) { /* sums of money pass 64 bits */
        at->document = json_loads(at->sample, JSON_DECODE_INT_AS_REAL, &error);
    }
    if (at->document == NULL) {
        printf("the sample is not JSON: %s\n%s\n", error.text, at->sample);
        abort();
    }
    (void)snprintf(at->routing_key, sizeof at->routing_key, "%s", request->name);
    at->samples++;
}

static void do_request(player *at, pm_request *request)
{
    char *held;
    switch (request->kind) {
    case PM_REQUEST_RPC:
        frozen_answer(at->world, request);
        break;
    case PM_REQUEST_HTTP:
        pm_request_finish(request, PANICMON_ERR_HTTP, 0, "there is no network here");
        break;
    case PM_REQUEST_PUBLISH:
        if (strcmp(request->target, "raw_data") == 0) {
            take_sample(at, request);
            pm_request_finish(request, at->confirm, 0, NULL);
        } else {
            at->heartbeats++;
            pm_request_finish(request, PANICMON_OK, 0, NULL);
        }
        break;
    case PM_REQUEST_LOAD:
        held = pm_map_get(at->store, request->target);
        if (held != NULL) {
            pm_buf_text(&request->out, held);
        }
        pm_request_finish(request,
                          at->store_is_away ? PANICMON_ERR_REDIS
                          : held != NULL    ? PANICMON_OK
                                            : PANICMON_ERR_NOENT,
                          0, NULL);
        break;
    case PM_REQUEST_WAIT:
        (void)nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
        pm_request_finish(request, PANICMON_OK, 0, NULL);
        break;
    case PM_REQUEST_STORE:
        free(pm_map_remove(at->store, request->target));
        (void)pm_map_set(at->store, request->target, strdup(request->in.data));
        pm_request_finish(request, PANICMON_OK, 0, NULL);
        break;
    }
}

void player_round(player *at)
{
    const panicmon_monitor_ops *ops = &at->launch.ops;
    at->samples = at->heartbeats = at->steps = 0;
    pm_round_begin(&at->round, 1000, 0, 10000);
    for (;;) {
        if (at->guard != NULL) {
            at->guard(true);
        }
        panicmon_err status = ops->step(at->launch.monitor, &at->round, NULL);
        if (at->guard != NULL) {
            at->guard(false);
        }
        at->broke = status;
        if (status != PANICMON_OK && at->guard != NULL) {
            break;
        }
        if (status != PANICMON_OK) {
            printf("step %d gave %d\n", at->steps, status);
            abort();
        }
        at->steps++;
        if (at->round.asked.count == 0) {
            break;
        }
        frozen_count(at->world, at->round.asked.items, at->round.asked.count);
        for (size_t i = 0; i < at->round.asked.count; i++) {
            do_request(at, at->round.asked.items[i]);
        }
        pm_round_turn(&at->round);
        if (at->steps > 2000) {
            printf("the round does not end\n");
            abort();
        }
    }
    pm_round_clear(&at->round);
}

json_t *player_data(const player *at, const char *name)
{
    json_t *result = json_object_get(json_object_get(at->document, "websocket"), "result");
    json_t *data = json_object_get(result, "data");
    return name == NULL ? data : json_object_get(data, name);
}

json_t *player_extra(const player *at, const char *name)
{
    return json_object_get(player_data(at, "panicmon"), name);
}

int player_code(const player *at)
{
    json_t *error = json_object_get(json_object_get(at->document, "websocket"), "error");
    return (int)json_integer_value(json_object_get(error, "code"));
}
