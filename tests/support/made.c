/* made.c: see made.h. The chain is the simulator's. */
#include "support/made.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "substrate/ss58.h"
#include "support/sim/world.h"

#define EVENTS "0x26aa394eea5630e07c48ae0c9558cef780d41e5e16056765bc8461851072c9d7"
#define BLOCKS 60

static json_t *value_at(const sim_entry *entry, uint32_t block)
{
    const sim_version *version = sim_store_at(entry, block);
    return version == NULL || version->len == 0 ? NULL : json_stringn(version->text, version->len);
}

static json_t *blocks_of(const sim_chain *chain)
{
    json_t *blocks = json_array();
    const sim_entry *events = sim_store_find(&chain->store, EVENTS, strlen(EVENTS));
    uint32_t first = chain->head - chain->first >= BLOCKS ? chain->head - BLOCKS + 1 : chain->first;
    for (uint32_t number = first; number <= chain->head; number++) {
        char hash[SIM_HASH_TEXT + 1];
        json_t *storage = json_object();
        json_t *value = value_at(events, number);
        chain->ops->hash(chain, number, hash);
        json_object_set_new(storage, EVENTS, value != NULL ? value : json_null());
        json_array_append_new(blocks, json_pack("{s:i, s:s, s:o}", "number", (int)number, "hash",
                                                hash, "storage", storage));
    }
    return blocks;
}

static json_t *stashes_of(const sim_chain *chain)
{
    const sim_world *world = sim_world_of(chain);
    json_t *stashes = json_array();
    char text[PM_SS58_TEXT];
    for (uint32_t i = 0; i < world->count; i++) {
        (void)pm_ss58_encode(world->validators[i].account, world->options.ss58, text);
        json_array_append_new(stashes, json_string(text));
    }
    return stashes;
}

json_t *made_state_of(bool legacy, unsigned validators)
{
    sim_world_options options = {.seed = 7,
                                 .validators = validators,
                                 .waiting = 2,
                                 .nominators = 9,
                                 .page_size = 4,
                                 .session_blocks = 10,
                                 .era_sessions = 2,
                                 .history_depth = 84,
                                 .start = 245,
                                 .warm_up = 240,
                                 .slash_every = 7,
                                 .offline_every = 2,
                                 .keep = 4096,
                                 .spec_version = legacy ? 9160 : 1004001,
                                 .block_ms = 6000,
                                 .start_time_ms = 1700000000000,
                                 .legacy = legacy};
    sim_chain *chain = sim_world_new(&options);
    json_t *base = json_object();
    sim_entry *entry;
    for (size_t i = 0; (entry = sim_store_nth(&chain->store, i)) != NULL; i++) {
        json_t *value = strcmp(entry->key, EVENTS) == 0 ? NULL : value_at(entry, chain->head);
        if (value != NULL) {
            json_object_set_new(base, entry->key, value);
        }
    }
    const sim_runtime *runtime = sim_chain_runtime(chain, chain->head);
    json_t *state =
        json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "chain",
                  json_loads(chain->name, JSON_DECODE_ANY, NULL), "properties",
                  json_loads(chain->properties, 0, NULL), "runtimeVersion",
                  json_loads(runtime->version, 0, NULL), "metadataV14",
                  json_loadb(runtime->metadata, runtime->metadata_len, JSON_DECODE_ANY, NULL),
                  "base", base, "blocks", blocks_of(chain), "stashes", stashes_of(chain));
    sim_chain_free(chain);
    if (state == NULL) {
        printf("the made chain has no state\n");
        abort();
    }
    return state;
}

json_t *made_state(bool legacy)
{
    return made_state_of(legacy, 6);
}

const char *made_stash(const json_t *state, size_t validator)
{
    return json_string_value(json_array_get(json_object_get(state, "stashes"), validator));
}
