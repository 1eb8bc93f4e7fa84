/* check.c: checks config sets without starting anything. */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "core/config_set.h"
#include "core/registry.h"

typedef struct report {
    panicmon_fault_fn fault;
    void *user;
    size_t faults;
    size_t monitorables;
} report;

static void tell(report *to, const char *message)
{
    to->faults++;
    if (to->fault != NULL) {
        to->fault(to->user, message);
    }
}

/* What was taken but looks like a mistake is no fault. */
static void warn(const report *to, const panicmon_config *config)
{
    size_t at = 0;
    pm_buf text = {0};
    pm_buf_text(&text, "warning: ");
    while (to->fault != NULL && pm_config_next_doubt(config, &at, &text) && !text.failed) {
        to->fault(to->user, text.data);
        pm_buf_clear(&text);
        pm_buf_text(&text, "warning: ");
    }
    pm_buf_free(&text);
}

static void check_one(report *to, const pm_strategy *strategy, const panicmon_config *config)
{
    panicmon_error *err = NULL;
    void *parsed = NULL;
    panicmon_err status = strategy->ops.parse(strategy->user, config, &parsed, &err);
    if (status == PANICMON_OK) {
        to->monitorables++;
    } else if (status != PANICMON_ERR_STATE) {
        tell(to, err != NULL ? panicmon_error_message(err) : panicmon_strerror(status));
    }
    if (parsed != NULL && strategy->ops.parsed_free != NULL) {
        strategy->ops.parsed_free(strategy->user, parsed);
    }
    panicmon_error_free(err);
}

static void check_strategy(report *to, const pm_strategy *strategy, const panicmon_config_set *set)
{
    panicmon_error *err = NULL;
    panicmon_plan plan;
    panicmon_err status = pm_plan_make(&plan, strategy, set, &err);
    if (status != PANICMON_OK) {
        tell(to, err != NULL ? panicmon_error_message(err) : panicmon_strerror(status));
        panicmon_error_free(err);
        return;
    }
    for (size_t i = 0; i < plan.count; i++) {
        check_one(to, strategy, plan.items[i]);
    }
    pm_plan_free(&plan);
}

static panicmon_err check_set(report *to, panicmon_registry *registry, const char *routing_key,
                              const char *json, size_t len)
{
    pm_strategy **strategies = NULL;
    panicmon_config_set *set = NULL;
    panicmon_error *err = NULL;
    size_t count = 0;
    panicmon_err status = pm_registry_find(registry, routing_key, &strategies, &count);
    if (status == PANICMON_OK && count == 0) {
        status = PANICMON_ERR_NOENT;
    }
    if (status == PANICMON_OK) {
        status = pm_config_set_parse(&set, routing_key, json, len, &err);
        if (status != PANICMON_OK) {
            tell(to, panicmon_error_message(err));
        }
    }
    for (size_t i = 0; status == PANICMON_OK && i < pm_config_set_faults(set); i++) {
        tell(to, pm_config_set_fault(set, i));
    }
    for (size_t i = 0; i < count; i++) {
        if (status == PANICMON_OK) {
            check_strategy(to, strategies[i], set);
        }
        pm_strategy_free(strategies[i]);
    }
    for (size_t i = 0; set != NULL && i < panicmon_config_set_count(set); i++) {
        warn(to, panicmon_config_set_at(set, i));
    }
    free(strategies);
    pm_config_set_free(set);
    panicmon_error_free(err);
    return status;
}

panicmon_err panicmon_registry_check(panicmon_registry *registry, const char *routing_key,
                                     const char *json, size_t len, panicmon_fault_fn fault,
                                     void *user, size_t *monitorables)
{
    report to = {.fault = fault, .user = user};
    panicmon_err status = check_set(&to, registry, routing_key, json, len);
    if (monitorables != NULL) {
        *monitorables = to.monitorables;
    }
    return status == PANICMON_OK && to.faults > 0 ? PANICMON_ERR_PARSE : status;
}

panicmon_err panicmon_registry_check_all(panicmon_registry *registry, const char *json, size_t len,
                                         panicmon_fault_fn fault, void *user, size_t *monitorables)
{
    report to = {.fault = fault, .user = user};
    pm_json object;
    pm_json key;
    pm_json value;
    if (!pm_json_parse(json, len, &object, NULL) || !pm_json_is(object, '{')) {
        tell(&to, "configs: not a JSON object");
        return PANICMON_ERR_PARSE;
    }
    for (size_t at = 0; pm_json_next_member(object, &at, &key, &value);) {
        pm_buf name = {0};
        if (!pm_json_string(key, &name)) {
            pm_buf_free(&name);
            return PANICMON_ERR_NOMEM;
        }
        if (check_set(&to, registry, name.data, value.text, value.len) == PANICMON_ERR_NOENT) {
            pm_buf_text(&name, ": no strategy takes this routing key");
            tell(&to, name.failed ? panicmon_strerror(PANICMON_ERR_NOMEM) : name.data);
        }
        pm_buf_free(&name);
    }
    if (monitorables != NULL) {
        *monitorables = to.monitorables;
    }
    return to.faults > 0 ? PANICMON_ERR_PARSE : PANICMON_OK;
}
