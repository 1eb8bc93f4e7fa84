/* views.c: what a node shows of the chain: its best and finalized blocks, headers. */
#include <string.h>

#include "sim.h"

uint32_t sim_best(const sim *s, const sim_node *node)
{
    const sim_modes *modes = &node->modes;
    uint32_t best = s->chain->head;
    if (modes->frozen && modes->frozen_at < best) {
        best = modes->frozen_at;
    }
    uint32_t back = modes->back > 0 ? (uint32_t)modes->back : 0;
    return back > best - s->chain->first ? s->chain->first : best - back;
}

uint32_t sim_finalized(const sim *s, const sim_node *node)
{
    uint32_t best = sim_best(s, node);
    uint32_t lag = node->modes.finality_lag > 0 ? (uint32_t)node->modes.finality_lag : 0;
    return lag > best - s->chain->first ? s->chain->first : best - lag;
}

void sim_hold(sim *s)
{
    uint32_t lowest = UINT32_MAX;
    for (size_t i = 0; i < s->node_count; i++) {
        uint32_t best = sim_best(s, &s->nodes[i]);
        if (best < s->chain->head && best < lowest) {
            lowest = best;
        }
    }
    s->chain->hold = lowest;
}

void sim_put_header(const sim *s, uint32_t number, pm_buf *out)
{
    char hash[SIM_HASH_TEXT + 1];
    char parent[SIM_HASH_TEXT + 1];
    s->chain->ops->hash(s->chain, number, hash);
    if (number == 0) {
        memset(parent, '0', SIM_HASH_TEXT);
        parent[1] = 'x';
        parent[SIM_HASH_TEXT] = '\0';
    } else {
        s->chain->ops->hash(s->chain, number - 1, parent);
    }
    pm_buf_format(out,
                  "{\"parentHash\":\"%s\",\"number\":\"0x%x\",\"stateRoot\":\"%s\","
                  "\"extrinsicsRoot\":\"%s\",\"digest\":{\"logs\":[]}}",
                  parent, number, hash, hash);
}
