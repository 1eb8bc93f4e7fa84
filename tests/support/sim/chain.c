/* chain.c: what made and read chains have in common. See chain.h. */
#include "chain.h"

#include <stdlib.h>

void sim_chain_free(sim_chain *chain)
{
    if (chain == NULL) {
        return;
    }
    sim_store_free(&chain->store);
    for (size_t i = 0; i < chain->runtime_count; i++) {
        free(chain->runtimes[i].version);
        free(chain->runtimes[i].metadata);
    }
    free(chain->runtimes);
    free(chain->metadata_v16);
    free(chain->name);
    free(chain->properties);
    chain->ops->free(chain);
}

bool sim_chain_advance(sim_chain *chain)
{
    if (!chain->ops->advance(chain)) {
        return false;
    }
    uint32_t head = chain->head < chain->hold ? chain->head : chain->hold;
    if (chain->keep > 0 && head >= chain->keep && head - chain->keep + 1 > chain->store.floor) {
        sim_store_prune(&chain->store, head - chain->keep + 1);
    }
    return true;
}

const sim_runtime *sim_chain_runtime(const sim_chain *chain, uint32_t block)
{
    size_t at = chain->runtime_count - 1;
    while (at > 0 && chain->runtimes[at].from > block) {
        at--;
    }
    return &chain->runtimes[at];
}

void sim_chain_add_runtime(sim_chain *chain, uint32_t from, uint32_t spec, char *version,
                           char *metadata)
{
    size_t count = chain->runtime_count + 1;
    size_t len = 0;
    while (metadata[len] != '\0') {
        len++;
    }
    chain->runtimes = sim_realloc(chain->runtimes, count * sizeof *chain->runtimes);
    chain->runtimes[chain->runtime_count] = (sim_runtime){.from = from,
                                                          .spec_version = spec,
                                                          .version = version,
                                                          .metadata = metadata,
                                                          .metadata_len = len};
    chain->runtime_count = count;
}
