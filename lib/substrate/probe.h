/* probe.h: asking endpoints for their heads, and choosing the data source among them. Belongs to
 * the monitor that asks. */
#ifndef PM_SUBSTRATE_PROBE_H
#define PM_SUBSTRATE_PROBE_H

#include "substrate/chain.h"

/* Data sources asked in one step; the next ones follow when none of these will do. */
#define PM_WINDOW 8

typedef struct pm_source_slot {
    pm_endpoint *endpoint; /* NULL: empty; kept over rounds */
    pm_heads *heads;       /* of this round; NULL: none */
    int64_t seen_ms;       /* when the heads of the round before were taken */
    bool asked;
    bool bad; /* it failed later in the round */
    pm_heads_call call;
} pm_source_slot;

/* Points the slot to a URL and forgets what it had of the last round. */
panicmon_err pm_source_slot_set(pm_substrate *shared, pm_source_slot *slot, const char *url);
void pm_source_slot_clear(pm_substrate *shared, pm_source_slot *slot);
/* Takes heads that are fresh enough and were not seen in the round before, else asks. `source`:
 * heads of a failure will do, and one that hung lately is left alone. */
panicmon_err pm_probe_ask(pm_substrate *shared, pm_source_slot *slot, panicmon_round *round,
                          int64_t now, int64_t fresh_ms, bool source);
/* Takes what was asked for; it is still `asked` when that needs another step. */
panicmon_err pm_source_slot_take(pm_substrate *shared, pm_source_slot *slot, panicmon_round *round,
                                 int64_t now);
/* Forgets the round, and keeps the endpoint. */
void pm_source_slot_rest(pm_source_slot *slot);

/* It answers, and says that it is in step with its chain. */
bool pm_source_slot_usable(const pm_source_slot *slot);
/* The first usable one that keeps up with the others, else the first usable one; NULL: none.
 * `stalled` tells which it was. */
pm_source_slot *pm_source_slot_choose(pm_source_slot *const *slots, size_t count, bool *stalled);

#endif
