/* sources.c: reads the entries of nodes_config: PANIC's fields (all values are text), the short
 * form {"node_id", "ws_url"}, and which of them serve as data sources. Any thread. */
#include "substrate/sources.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/url.h"
#include "substrate/scale.h"

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

static panicmon_err check_url(const panicmon_config *config, const char *field, const char *text,
                              panicmon_error **err)
{
    panicmon_error *why = NULL;
    pm_url url;
    panicmon_err status = pm_url_parse(&url, text, "ws wss", &why);
    if (status == PANICMON_OK) {
        pm_url_free(&url);
        return PANICMON_OK;
    }
    status = panicmon_config_fault(config, field, panicmon_error_message(why), err);
    panicmon_error_free(why);
    return status;
}

static panicmon_err check_fields(const panicmon_config *config, const pm_fields *got,
                                 panicmon_error **err)
{
    if (got->id[0] == '\0') {
        return panicmon_config_fault(config, "id", "is empty", err);
    }
    if (got->name[0] == '\0') {
        return panicmon_config_fault(config, "name", "is empty", err);
    }
    panicmon_err status = check_url(config, got->url_field, got->url, err);
    if (status == PANICMON_OK && got->hub_url[0] != '\0') {
        status = check_url(config, "asset_hub_ws_url", got->hub_url, err);
    }
    return status;
}

panicmon_err pm_fields_read(const panicmon_config *config, pm_fields *got, panicmon_error **err)
{
    const panicmon_config_set *set = panicmon_config_of(config);
    bool is_short =
        !panicmon_config_has(config, "node_ws_url") && panicmon_config_has(config, "ws_url");
    *got = (pm_fields){.url_field = is_short ? "ws_url" : "node_ws_url"};
    const struct {
        const char *name;
        const char *other;
        const char *fallback;
        const char **to;
    } texts[] = {
        {"id", "node_id", panicmon_config_id(config), &got->id},
        {"parent_id", NULL, panicmon_config_set_word(set, 2), &got->parent_id},
        {"name", NULL, "", &got->name},
        {"stash_address", NULL, "", &got->stash_address},
        {"asset_hub_ws_url", NULL, "", &got->hub_url},
        {got->url_field, NULL, NULL, &got->url},
    };
    const struct {
        const char *name;
        int absent;
        int *to;
    } flags[] = {{"monitor_node", 1, &got->monitor_node},
                 {"is_validator", 0, &got->is_validator},
                 {"is_archive_node", 0, &got->is_archive},
                 {"use_as_data_source", 0, &got->is_source}};
    panicmon_err status = PANICMON_OK;
    for (size_t i = 0; status == PANICMON_OK && i < sizeof texts / sizeof texts[0]; i++) {
        status =
            text_of(config, texts[i].name, texts[i].other, texts[i].fallback, texts[i].to, err);
    }
    for (size_t i = 0; status == PANICMON_OK && i < sizeof flags / sizeof flags[0]; i++) {
        status = panicmon_config_flag(config, flags[i].name, flags[i].absent, flags[i].to, err);
    }
    if (status == PANICMON_OK && !panicmon_config_has(config, "name")) {
        got->name = got->id;
    }
    return status == PANICMON_OK ? check_fields(config, got, err) : status;
}

bool pm_account_parse(const char *text, uint8_t account[PM_ACCOUNT_SIZE])
{
    while (*text == ' ' || *text == '\t') {
        text++;
    }
    size_t len = strlen(text);
    while (len > 0 && (text[len - 1] == ' ' || text[len - 1] == '\t')) {
        len--;
    }
    if (len != 2 * PM_ACCOUNT_SIZE + 2 || text[0] != '0' || (text[1] | 0x20) != 'x') {
        return pm_ss58_decode(text, len, account, NULL);
    }
    pm_buf bytes = {0};
    bool parsed = pm_hex_parse(text, len, &bytes) && bytes.len == PM_ACCOUNT_SIZE;
    if (parsed) {
        memcpy(account, bytes.data, PM_ACCOUNT_SIZE);
    }
    pm_buf_free(&bytes);
    return parsed;
}

/* ---- the sources of a set ---- */

pm_sources *pm_sources_ref(pm_sources *sources)
{
    atomic_fetch_add(&sources->refs, 1);
    return sources;
}

void pm_sources_unref(pm_sources *sources)
{
    if (sources == NULL || atomic_fetch_sub(&sources->refs, 1) != 1) {
        return;
    }
    for (size_t i = 0; i < sources->count; i++) {
        free(sources->items[i].id);
        free(sources->items[i].url);
    }
    for (size_t i = 0; i < sources->hub_count; i++) {
        free(sources->hubs[i]);
    }
    free(sources->items);
    free(sources->hubs);
    free(sources);
}

static bool add_source(pm_sources *sources, const pm_fields *got)
{
    pm_source *source = &sources->items[sources->count];
    source->id = strdup(got->id);
    source->url = strdup(got->url);
    source->is_archive = got->is_archive != 0;
    sources->count++;
    return source->id != NULL && source->url != NULL;
}

static bool add_hub(pm_sources *sources, const char *url)
{
    for (size_t i = 0; i < sources->hub_count; i++) {
        /* NOLINTNEXTLINE(clang-analyzer-core.NonNullParamChecker): none is NULL */
        if (strcmp(sources->hubs[i], url) == 0) {
            return true;
        }
    }
    char *copy = strdup(url);
    if (copy != NULL) {
        sources->hubs[sources->hub_count++] = copy;
    }
    return copy != NULL;
}

/* An entry with a fault is reported by its own parse. */
static bool add_entries(pm_sources *sources, const panicmon_config_set *set, int validators)
{
    for (size_t i = 0; i < panicmon_config_set_count(set); i++) {
        const panicmon_config *config = panicmon_config_set_at(set, i);
        pm_fields got;
        if (pm_fields_read(config, &got, NULL) != PANICMON_OK || got.is_validator != validators) {
            continue;
        }
        if ((got.is_source && !add_source(sources, &got)) ||
            (got.hub_url[0] != '\0' && !add_hub(sources, got.hub_url))) {
            return false;
        }
    }
    return true;
}

static void keep(pm_substrate *shared, const char *routing_key, pm_sources *sources)
{
    pm_substrate_lock(shared);
    pm_sources *old = pm_map_get(&shared->sets, routing_key);
    if (pm_map_set(&shared->sets, routing_key, sources)) {
        (void)pm_sources_ref(sources);
    } else {
        old = NULL;
    }
    pm_substrate_unlock(shared);
    pm_sources_unref(old);
}

void pm_sources_clear(pm_substrate *shared)
{
    void *value;
    for (size_t at = 0; pm_map_next(&shared->sets, &at, NULL, &value);) {
        pm_sources_unref(value);
    }
}

panicmon_err pm_sources_make(pm_sources **out, pm_substrate *shared, const panicmon_config_set *set)
{
    pm_sources *sources = calloc(1, sizeof *sources);
    if (sources == NULL) {
        return PANICMON_ERR_NOMEM;
    }
    atomic_init(&sources->refs, 1);
    sources->set = set;
    sources->stamp = panicmon_config_set_stamp(set);
    size_t entries = panicmon_config_set_count(set);
    sources->items = calloc(entries + 1, sizeof *sources->items);
    sources->hubs = calloc(entries + 1, sizeof *sources->hubs);
    if (sources->items == NULL || sources->hubs == NULL || !add_entries(sources, set, 0) ||
        !add_entries(sources, set, 1)) {
        pm_sources_unref(sources);
        return PANICMON_ERR_NOMEM;
    }
    if (shared != NULL) {
        keep(shared, panicmon_config_set_routing_key(set), sources);
    }
    *out = sources;
    return PANICMON_OK;
}

/* Those of the set whose sources were read last are at hand, mostly by its plan. */
panicmon_err pm_sources_of(pm_sources **out, pm_substrate *shared, const panicmon_config *config)
{
    const panicmon_config_set *set = panicmon_config_of(config);
    pm_sources *found = NULL;
    if (shared != NULL) {
        pm_substrate_lock(shared);
        found = pm_map_get(&shared->sets, panicmon_config_set_routing_key(set));
        if (found != NULL && found->set == set && found->stamp == panicmon_config_set_stamp(set)) {
            (void)pm_sources_ref(found);
        } else {
            found = NULL;
        }
        pm_substrate_unlock(shared);
    }
    if (found != NULL) {
        *out = found;
        return PANICMON_OK;
    }
    return pm_sources_make(out, shared, set);
}
