/* fuzz_config.c: any bytes as the body of a config message of Substrate nodes and of a chain:
 * parsed, planned, each entry parsed by its strategy, and compared with itself. */
#include "fuzz.h"

#include <panicmon/substrate.h>

#include "core/config_set.h"

static void plan_and_parse(panicmon_config_set *set, const panicmon_strategy_ops *ops,
                           panicmon_substrate *shared)
{
    pm_strategy strategy = {.ops = *ops, .user = shared};
    panicmon_plan plan;
    panicmon_error *err = NULL;
    if (pm_plan_make(&plan, &strategy, set, &err) != PANICMON_OK) {
        fuzz_check(err != NULL, "a failure has a message");
        panicmon_error_free(err);
        return;
    }
    for (size_t i = 0; i < plan.count; i++) {
        void *parsed = NULL;
        panicmon_err status = ops->parse(shared, plan.items[i], &parsed, &err);
        if (status == PANICMON_OK) {
            ops->parsed_free(shared, parsed);
        } else if (status != PANICMON_ERR_STATE) { /* which says that it is switched off */
            fuzz_check(err != NULL, "a failure has a message");
            panicmon_error_free(err);
            err = NULL;
        }
    }
    pm_plan_free(&plan);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static panicmon_substrate *shared; /* kept till the end of the program */
    panicmon_config_set *set = NULL;
    panicmon_config_set *again = NULL;
    panicmon_error *err = NULL;
    const char *key = "chains.substrate.polkadot.nodes_config";
    const char *text = (const char *)data;
    if (shared == NULL) {
        fuzz_check(panicmon_substrate_new(&shared) == PANICMON_OK, "there is memory");
    }
    if (pm_config_set_parse(&set, key, text, size, &err) != PANICMON_OK) {
        fuzz_check(err != NULL, "a failure has a message");
        panicmon_error_free(err);
        return 0;
    }
    fuzz_check(pm_config_set_parse(&again, key, text, size, NULL) == PANICMON_OK, "twice");
    fuzz_check(pm_config_set_same(set, again), "a set is the same as itself");
    plan_and_parse(set, panicmon_substrate_node_strategy(), shared);
    plan_and_parse(set, panicmon_substrate_network_strategy(), shared);
    pm_config_set_free(again);
    pm_config_set_free(set);
    return 0;
}
