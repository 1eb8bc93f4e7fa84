/* network_config.c: see network_config.h. The fields that speak of the chain stand in every entry
 * of a set, and must say the same. */
#include "substrate/network_config.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"

typedef struct facts {
    const char *parent_id;
    const char *governance;
    int monitor_network;
} facts;

static panicmon_err read_entry(const panicmon_config *config, facts *got, panicmon_error **err)
{
    const char *sub_chain = panicmon_config_set_word(panicmon_config_of(config), 2);
    panicmon_err status = PANICMON_OK;
    *got = (facts){.parent_id = sub_chain, .governance = ""};
    if (panicmon_config_has(config, "parent_id")) {
        status = panicmon_config_text(config, "parent_id", &got->parent_id, err);
    }
    if (status == PANICMON_OK && panicmon_config_has(config, "governance_addresses")) {
        status = panicmon_config_text(config, "governance_addresses", &got->governance, err);
    }
    if (status == PANICMON_OK) {
        status = panicmon_config_flag(config, "monitor_network", 0, &got->monitor_network, err);
    }
    return status;
}

static panicmon_err differs(const panicmon_config *config, const char *field, panicmon_error **err)
{
    return panicmon_config_fault(config, field, "is not the same in all entries of the set", err);
}

/* Whether any entry wants the monitor; faults of the others do not matter when none does. */
static bool anybody_wants(const panicmon_config_set *set)
{
    for (size_t i = 0; i < panicmon_config_set_count(set); i++) {
        int wants = 0;
        if (panicmon_config_flag(panicmon_config_set_at(set, i), "monitor_network", 0, &wants,
                                 NULL) != PANICMON_OK ||
            wants) {
            return true;
        }
    }
    return false;
}

static panicmon_err read_set(const panicmon_config_set *set, facts *got, panicmon_error **err)
{
    if (!anybody_wants(set)) {
        return PANICMON_ERR_STATE;
    }
    for (size_t i = 0; i < panicmon_config_set_count(set); i++) {
        const panicmon_config *config = panicmon_config_set_at(set, i);
        facts other;
        panicmon_err status = read_entry(config, &other, err);
        if (status != PANICMON_OK) {
            return status;
        }
        if (i == 0) {
            *got = other;
        } else if (other.monitor_network != got->monitor_network) {
            return differs(config, "monitor_network", err);
        } else if (strcmp(other.parent_id, got->parent_id) != 0) {
            return differs(config, "parent_id", err);
        } else if (strcmp(other.governance, got->governance) != 0) {
            return differs(config, "governance_addresses", err);
        }
    }
    return PANICMON_OK;
}

static bool add_address(pm_network_config *config, const char *text, size_t len)
{
    while (len > 0 && (*text == ' ' || *text == '\t')) {
        text++;
        len--;
    }
    while (len > 0 && (text[len - 1] == ' ' || text[len - 1] == '\t')) {
        len--;
    }
    pm_gov_address *address = &config->addresses[config->address_count++];
    address->text = strndup(text, len);
    if (address->text == NULL) {
        return false;
    }
    address->is_account = len > 0 && pm_account_parse(address->text, address->account);
    return true;
}

static bool split_addresses(pm_network_config *config)
{
    size_t count = 1;
    for (const char *at = config->governance; *at != '\0'; at++) {
        count += *at == ',';
    }
    config->addresses = calloc(count, sizeof *config->addresses);
    if (config->addresses == NULL) {
        return false;
    }
    for (const char *at = config->governance;; at++) {
        size_t len = strcspn(at, ",");
        if (!add_address(config, at, len)) {
            return false;
        }
        at += len;
        if (*at == '\0') {
            return true;
        }
    }
}

static bool fill(pm_network_config *made, const panicmon_config_set *set, const facts *got)
{
    pm_buf name = {0};
    pm_node_config *node = &made->node;
    pm_buf_format(&name, "%s %s", panicmon_config_set_word(set, 1),
                  panicmon_config_set_word(set, 2));
    made->source_name = pm_buf_take(&name, NULL);
    made->parent_id = strdup(got->parent_id);
    made->chain_name = strdup(panicmon_config_set_word(set, 2));
    made->governance = strdup(got->governance);
    node->id = strdup("");
    node->parent_id = strdup(got->parent_id);
    node->name = strdup(panicmon_config_set_word(set, 2));
    node->url = strdup("");
    node->stash_address = strdup("");
    return made->source_name != NULL && made->parent_id != NULL && made->chain_name != NULL &&
           made->governance != NULL && node->id != NULL && node->parent_id != NULL &&
           node->name != NULL && node->url != NULL && node->stash_address != NULL &&
           split_addresses(made);
}

panicmon_err pm_network_config_parse(pm_network_config **out, pm_substrate *shared,
                                     const panicmon_config *config, panicmon_error **err)
{
    const panicmon_config_set *set = panicmon_config_of(config);
    facts got = {.parent_id = "", .governance = ""};
    panicmon_err status = read_set(set, &got, err);
    if (status != PANICMON_OK) {
        return status;
    }
    pm_network_config *made = calloc(1, sizeof *made);
    if (made == NULL || !fill(made, set, &got) ||
        pm_sources_of(&made->node.sources, shared, panicmon_config_set_at(set, 0)) != PANICMON_OK) {
        pm_network_config_free(made);
        return pm_error_setf(err, PANICMON_ERR_NOMEM, "out of memory");
    }
    *out = made;
    return PANICMON_OK;
}

void pm_network_config_free(pm_network_config *config)
{
    if (config == NULL) {
        return;
    }
    for (size_t i = 0; i < config->address_count; i++) {
        free(config->addresses[i].text);
    }
    free(config->addresses);
    free(config->parent_id);
    free(config->chain_name);
    free(config->source_name);
    free(config->governance);
    pm_sources_unref(config->node.sources);
    free(config->node.id);
    free(config->node.parent_id);
    free(config->node.name);
    free(config->node.url);
    free(config->node.stash_address);
    free(config);
}
