/* starter.c: the Context of the Strategy pattern. */
#include <panicmon/starter.h>

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "core/config_set.h"
#include "core/monitor.h"

struct panicmon_starter {
    pm_strategy *strategy;
    panicmon_runtime *runtime;
};

panicmon_err panicmon_starter_new(panicmon_starter **out, const panicmon_strategy_ops *ops,
                                  void *user)
{
    if (out == NULL) {
        return PANICMON_ERR_INVAL;
    }
    panicmon_starter *starter = calloc(1, sizeof *starter);
    if (starter == NULL) {
        return PANICMON_ERR_NOMEM;
    }
    panicmon_err status = pm_strategy_new(&starter->strategy, ops, user, NULL);
    if (status != PANICMON_OK) {
        free(starter);
        return status;
    }
    *out = starter;
    return PANICMON_OK;
}

void panicmon_starter_free(panicmon_starter *starter)
{
    if (starter != NULL) {
        pm_strategy_free(starter->strategy);
        free(starter);
    }
}

panicmon_err panicmon_starter_set_runtime(panicmon_starter *starter, panicmon_runtime *runtime)
{
    starter->runtime = runtime;
    return PANICMON_OK;
}

panicmon_err panicmon_starter_set_strategy(panicmon_starter *starter,
                                           const panicmon_strategy_ops *ops, void *user)
{
    pm_strategy *strategy = NULL;
    panicmon_err status = pm_strategy_new(&strategy, ops, user, NULL);
    if (status == PANICMON_OK) {
        pm_strategy_free(starter->strategy);
        starter->strategy = strategy;
    }
    return status;
}

const char *panicmon_starter_strategy(const panicmon_starter *starter)
{
    return starter->strategy->ops.name;
}

/* A set of one, whatever members the config has: its id, `node_id`, or the routing key. */
static panicmon_err wrap(panicmon_config_set **out, const char *routing_key, const char *json,
                         size_t len, panicmon_error **err)
{
    pm_json object;
    if (!pm_json_parse(json, len, &object, NULL) || !pm_json_is(object, '{')) {
        return pm_error_setf(err, PANICMON_ERR_PARSE, "%s: the config is not a JSON object",
                             routing_key);
    }
    pm_json id = pm_json_member(object, "id");
    id = pm_json_is(id, '"') ? id : pm_json_member(object, "node_id");
    pm_buf body = {0};
    pm_buf_char(&body, '{');
    if (pm_json_is(id, '"')) {
        pm_buf_add(&body, id.text, id.len);
    } else {
        pm_buf_json_string(&body, routing_key, strlen(routing_key));
    }
    pm_buf_char(&body, ':');
    pm_buf_add(&body, object.text, object.len);
    pm_buf_char(&body, '}');
    panicmon_err status = body.failed
                              ? pm_error_setf(err, PANICMON_ERR_NOMEM, "out of memory")
                              : pm_config_set_parse(out, routing_key, body.data, body.len, err);
    pm_buf_free(&body);
    return status;
}

/* Why a wrapped config is no entry of its set: its id is not fit for one. */
static panicmon_err no_entry(const panicmon_config_set *set, panicmon_error **err)
{
    return pm_config_set_faults(set) > 0
               ? pm_error_setf(err, PANICMON_ERR_PARSE, "%s", pm_config_set_fault(set, 0))
               : pm_error_setf(err, PANICMON_ERR_PARSE, "%s: DEFAULT is no id",
                               panicmon_config_set_routing_key(set));
}

panicmon_err panicmon_starter_parse_and_start(panicmon_starter *starter, const char *routing_key,
                                              const char *json, size_t len, panicmon_monitor **out,
                                              panicmon_error **err)
{
    panicmon_config_set *set = NULL;
    void *parsed = NULL;
    if (starter == NULL || routing_key == NULL || json == NULL) {
        return pm_error_setf(err, PANICMON_ERR_INVAL, "starter, routing key and config are needed");
    }
    if (starter->runtime == NULL) {
        return pm_error_setf(err, PANICMON_ERR_STATE,
                             "the starter has no runtime: call panicmon_starter_set_runtime()");
    }
    pm_strategy *strategy = starter->strategy;
    panicmon_err status = wrap(&set, routing_key, json, len, err);
    if (status != PANICMON_OK) {
        return status;
    }
    const panicmon_config *config = panicmon_config_set_at(set, 0);
    status = config == NULL ? no_entry(set, err)
                            : strategy->ops.parse(strategy->user, config, &parsed, err);
    if (status == PANICMON_ERR_STATE && err != NULL && *err == NULL) {
        (void)pm_error_setf(err, status, "%s: entry '%s' is switched off", routing_key,
                            panicmon_config_id(config));
    }
    if (status == PANICMON_OK) {
        pm_buf key = {0};
        pm_buf_format(&key, "%s/%s/%s", routing_key, strategy->ops.name,
                      panicmon_config_id(config));
        if (key.failed) {
            status = pm_error_setf(err, PANICMON_ERR_NOMEM, "out of memory");
            if (parsed != NULL && strategy->ops.parsed_free != NULL) {
                strategy->ops.parsed_free(strategy->user, parsed);
            }
        } else {
            status = pm_monitor_start(starter->runtime, key.data, panicmon_config_id(config),
                                      strategy, parsed, out, err);
        }
        pm_buf_free(&key);
    }
    pm_config_set_free(set);
    return status;
}
