/* sources.h: the data sources that a config set names, read once for all of its monitors.
 * Immutable, counted by references. */
#ifndef PM_SUBSTRATE_SOURCES_H
#define PM_SUBSTRATE_SOURCES_H

#include <stdatomic.h>

#include <panicmon/strategy.h>

#include "substrate/chain.h"

typedef struct pm_source {
    char *id;
    char *url;
    bool is_archive;
} pm_source;

typedef struct pm_sources {
    atomic_int refs;
    const panicmon_config_set *set; /* not to be used: with the stamp it tells whose they are */
    int64_t stamp;
    pm_source *items; /* in PANIC's order: full nodes, then validators */
    size_t count;
    char **hubs; /* what asset_hub_ws_url names, each once */
    size_t hub_count;
} pm_sources;

/* The fields of one entry as they stand; borrowed from it. */
typedef struct pm_fields {
    const char *id;
    const char *parent_id;
    const char *name;
    const char *url;
    const char *url_field;
    const char *stash_address;
    const char *hub_url; /* "" for none */
    int monitor_node;
    int is_validator;
    int is_archive;
    int is_source;
} pm_fields;

panicmon_err pm_fields_read(const panicmon_config *config, pm_fields *got, panicmon_error **err);
/* The account in a stash address: SS58 of any network, or "0x" and 64 digits; blanks around it are
 * let pass. */
bool pm_account_parse(const char *text, uint8_t account[PM_ACCOUNT_SIZE]);

/* Reads the sources of a set anew and keeps them for the set's entries. `shared` may be NULL. */
panicmon_err pm_sources_make(pm_sources **out, pm_substrate *shared,
                             const panicmon_config_set *set);
/* Those of the set that `config` belongs to: kept ones, else read anew. */
panicmon_err pm_sources_of(pm_sources **out, pm_substrate *shared, const panicmon_config *config);
pm_sources *pm_sources_ref(pm_sources *sources);
void pm_sources_unref(pm_sources *sources); /* NULL is allowed */

#endif
