/* node_config.c: see node_config.h. The order of data sources is PANIC's: full nodes, validators,
 * then the monitored node itself. */
#include "substrate/node_config.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"

static bool fill(pm_node_config *config, const pm_fields *got)
{
    config->id = strdup(got->id);
    config->parent_id = strdup(got->parent_id);
    config->name = strdup(got->name);
    config->url = strdup(got->url);
    config->stash_address = strdup(got->stash_address);
    bool has_hub = got->hub_url[0] != '\0';
    config->hub_url = has_hub ? strdup(got->hub_url) : NULL;
    config->is_validator = got->is_validator != 0;
    config->is_archive = got->is_archive != 0;
    return config->id != NULL && config->parent_id != NULL && config->name != NULL &&
           config->url != NULL && config->stash_address != NULL &&
           (config->hub_url != NULL || !has_hub);
}

static const char *why_no_account(const char *text)
{
    text += strspn(text, " \t");
    size_t digits = strncmp(text, "0x", 2) == 0 ? strspn(text + 2, "0123456789abcdefABCDEF") : 0;
    return text[0] == '\0' ? "is empty, but is_validator is true"
           : digits == 40  ? "is an account of 20 bytes: validators are monitored on chains whose "
                             "accounts have 32; with is_validator false, the node itself is"
                           : "is neither an SS58 address nor 0x and 64 hex digits";
}

panicmon_err pm_node_config_parse(pm_node_config **out, pm_substrate *shared,
                                  const panicmon_config *config, panicmon_error **err)
{
    pm_fields got;
    uint8_t account[PM_ACCOUNT_SIZE] = {0};
    panicmon_err status = pm_fields_read(config, &got, err);
    if (status != PANICMON_OK) {
        return status;
    }
    if (got.is_validator && !pm_account_parse(got.stash_address, account)) {
        return panicmon_config_fault(config, "stash_address", why_no_account(got.stash_address),
                                     err);
    }
    if (!got.monitor_node) {
        return PANICMON_ERR_STATE;
    }
    pm_node_config *made = calloc(1, sizeof *made);
    if (made == NULL || !fill(made, &got) ||
        pm_sources_of(&made->sources, shared, config) != PANICMON_OK) {
        pm_node_config_free(made);
        return pm_error_setf(err, PANICMON_ERR_NOMEM, "out of memory");
    }
    memcpy(made->account, account, PM_ACCOUNT_SIZE);
    *out = made;
    return PANICMON_OK;
}

void pm_node_config_free(pm_node_config *config)
{
    if (config == NULL) {
        return;
    }
    pm_sources_unref(config->sources);
    free(config->id);
    free(config->parent_id);
    free(config->name);
    free(config->url);
    free(config->stash_address);
    free(config->hub_url);
    free(config);
}

const pm_source *pm_node_config_source(const pm_node_config *config, size_t i)
{
    const pm_sources *sources = config->sources;
    for (size_t at = 0; at < sources->count; at++) {
        if (strcmp(sources->items[at].id, config->id) != 0 && i-- == 0) {
            return &sources->items[at];
        }
    }
    return NULL;
}

const char *pm_node_config_hub(const pm_node_config *config, size_t i)
{
    if (config->hub_url != NULL && i-- == 0) {
        return config->hub_url;
    }
    for (size_t at = 0; at < config->sources->hub_count; at++) {
        if ((config->hub_url == NULL || strcmp(config->sources->hubs[at], config->hub_url) != 0) &&
            i-- == 0) {
            return config->sources->hubs[at];
        }
    }
    return NULL;
}

bool pm_node_config_same_node(const pm_node_config *a, const pm_node_config *b)
{
    return strcmp(a->id, b->id) == 0 && strcmp(a->parent_id, b->parent_id) == 0 &&
           strcmp(a->name, b->name) == 0 && strcmp(a->url, b->url) == 0 &&
           strcmp(a->stash_address, b->stash_address) == 0 && a->is_validator == b->is_validator;
}
