/* node_config.c: reads PANIC's config of a Substrate node (all values are text) and the short form
 * {"node_id", "ws_url"}. The order of data sources is PANIC's: full nodes, validators, then the
 * monitored node itself. */
#include "substrate/node_config.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/url.h"

/* The fields of one entry as they stand; borrowed from it. */
typedef struct fields {
    const char *id;
    const char *parent_id;
    const char *name;
    const char *url;
    const char *url_field;
    const char *stash_address;
    int monitor_node;
    int is_validator;
    int is_archive;
    int is_source;
} fields;

/* Takes the first of two names that is there; `fallback` NULL: one of them must be. */
static panicmon_err text_of(const panicmon_config *config, const char *name, const char *other,
                            const char *fallback, const char **out, panicmon_error **err)
{
    if (!panicmon_config_has(config, name)) {
        if (other != NULL && panicmon_config_has(config, other)) {
            name = other;
        } else if (fallback != NULL) {
            *out = fallback;
            return PANICMON_OK;
        }
    }
    return panicmon_config_text(config, name, out, err);
}

static panicmon_err check_url(const panicmon_config *config, const fields *got,
                              panicmon_error **err)
{
    panicmon_error *why = NULL;
    pm_url url;
    panicmon_err status = pm_url_parse(&url, got->url, "ws wss", &why);
    if (status == PANICMON_OK) {
        pm_url_free(&url);
        return PANICMON_OK;
    }
    status = panicmon_config_fault(config, got->url_field, panicmon_error_message(why), err);
    panicmon_error_free(why);
    return status;
}

static panicmon_err read_fields(const panicmon_config *config, fields *got, panicmon_error **err)
{
    const panicmon_config_set *set = panicmon_config_of(config);
    const struct {
        const char *name;
        int absent;
        int *to;
    } flags[] = {{"monitor_node", 1, &got->monitor_node},
                 {"is_validator", 0, &got->is_validator},
                 {"is_archive_node", 0, &got->is_archive},
                 {"use_as_data_source", 0, &got->is_source}};
    *got = (fields){.url_field = panicmon_config_has(config, "node_ws_url") ||
                                         !panicmon_config_has(config, "ws_url")
                                     ? "node_ws_url"
                                     : "ws_url"};
    panicmon_err status =
        text_of(config, "id", "node_id", panicmon_config_id(config), &got->id, err);
    if (status == PANICMON_OK) {
        status = text_of(config, "parent_id", NULL, panicmon_config_set_word(set, 2),
                         &got->parent_id, err);
    }
    if (status == PANICMON_OK) {
        status = text_of(config, "name", NULL, got->id, &got->name, err);
    }
    if (status == PANICMON_OK) {
        status = text_of(config, "stash_address", NULL, "", &got->stash_address, err);
    }
    if (status == PANICMON_OK) {
        status = text_of(config, got->url_field, NULL, NULL, &got->url, err);
    }
    for (size_t i = 0; status == PANICMON_OK && i < sizeof flags / sizeof flags[0]; i++) {
        status = panicmon_config_flag(config, flags[i].name, flags[i].absent, flags[i].to, err);
    }
    if (status == PANICMON_OK && got->id[0] == '\0') {
        status = panicmon_config_fault(config, "id", "is empty", err);
    }
    if (status == PANICMON_OK && got->name[0] == '\0') {
        status = panicmon_config_fault(config, "name", "is empty", err);
    }
    return status == PANICMON_OK ? check_url(config, got, err) : status;
}

static bool add_source(pm_node_config *config, const fields *got)
{
    char *url = strdup(got->url);
    if (url == NULL) {
        return false;
    }
    config->sources[config->source_count++] =
        (pm_source){.url = url, .is_archive = got->is_archive != 0};
    return true;
}

/* Siblings that may serve as data source; a sibling with a fault is reported by its own parse. */
static bool add_siblings(pm_node_config *config, const panicmon_config *own, int validators)
{
    const panicmon_config_set *set = panicmon_config_of(own);
    for (size_t i = 0; i < panicmon_config_set_count(set); i++) {
        const panicmon_config *sibling = panicmon_config_set_at(set, i);
        fields got;
        if (strcmp(panicmon_config_id(sibling), panicmon_config_id(own)) != 0 &&
            read_fields(sibling, &got, NULL) == PANICMON_OK && got.is_source &&
            got.is_validator == validators && !add_source(config, &got)) {
            return false;
        }
    }
    return true;
}

static bool fill(pm_node_config *config, const panicmon_config *own, const fields *got)
{
    size_t most = panicmon_config_set_count(panicmon_config_of(own)) + 1;
    config->id = strdup(got->id);
    config->parent_id = strdup(got->parent_id);
    config->name = strdup(got->name);
    config->stash_address = strdup(got->stash_address);
    config->is_validator = got->is_validator != 0;
    config->sources = calloc(most, sizeof *config->sources);
    return config->id != NULL && config->parent_id != NULL && config->name != NULL &&
           config->stash_address != NULL && config->sources != NULL &&
           add_siblings(config, own, 0) && add_siblings(config, own, 1) && add_source(config, got);
}

panicmon_err pm_node_config_parse(pm_node_config **out, const panicmon_config *config,
                                  panicmon_error **err)
{
    fields got;
    panicmon_err status = read_fields(config, &got, err);
    if (status != PANICMON_OK) {
        return status;
    }
    if (got.is_validator && got.stash_address[0] == '\0') {
        return panicmon_config_fault(config, "stash_address", "is empty, but is_validator is true",
                                     err);
    }
    if (!got.monitor_node) {
        return PANICMON_ERR_STATE;
    }
    pm_node_config *made = calloc(1, sizeof *made);
    if (made == NULL || !fill(made, config, &got)) {
        pm_node_config_free(made);
        return pm_error_setf(err, PANICMON_ERR_NOMEM, "out of memory");
    }
    *out = made;
    return PANICMON_OK;
}

void pm_node_config_free(pm_node_config *config)
{
    if (config == NULL) {
        return;
    }
    for (size_t i = 0; i < config->source_count; i++) {
        free(config->sources[i].url);
    }
    free(config->sources);
    free(config->id);
    free(config->parent_id);
    free(config->name);
    free(config->stash_address);
    free(config);
}

const char *pm_node_config_url(const pm_node_config *config)
{
    return config->sources[config->source_count - 1].url;
}

bool pm_node_config_same_node(const pm_node_config *a, const pm_node_config *b)
{
    return strcmp(a->id, b->id) == 0 && strcmp(a->parent_id, b->parent_id) == 0 &&
           strcmp(a->name, b->name) == 0 && strcmp(a->stash_address, b->stash_address) == 0 &&
           a->is_validator == b->is_validator &&
           strcmp(pm_node_config_url(a), pm_node_config_url(b)) == 0;
}
