/* chain_read.h: the values of a fetch: which keys to ask for, and from answers to the state. */
#ifndef PM_SUBSTRATE_CHAIN_READ_H
#define PM_SUBSTRATE_CHAIN_READ_H

#include "substrate/chain_fetch.h"

/* More past eras than this are not looked at. */
#define PM_ERAS_MAX 512

/* NULL without memory. */
pm_items *pm_items_find(const pm_metadata *metadata);
/* Asks for a value, if the chain has the item. */
void pm_item_add(pm_side *side, panicmon_round *round, pm_item item, const pm_key_arg *args,
                 size_t count);
pm_key_arg pm_stash_arg(const pm_stash *stash);
/* A value; absent when the chain has none. False when it does not decode: the field has its reason
 * then, and the side its fault. */
bool pm_read_value(pm_side *side, pm_item item, const pm_key_arg *args, size_t count,
                   pm_reasons *reasons, pm_field field, pm_value *out);

/* A state with its stashes, taken over from `before` as far as they stand there. */
panicmon_err pm_state_begin(pm_fetch *fetch);

void pm_base_ask(pm_fetch *fetch, pm_side *side, panicmon_round *round);
void pm_base_read(pm_fetch *fetch);

panicmon_err pm_more_ask(pm_fetch *fetch, panicmon_round *round);
panicmon_err pm_more_read(pm_fetch *fetch, panicmon_round *round);
void pm_pages_ask(pm_fetch *fetch, panicmon_round *round);
panicmon_err pm_pages_read(pm_fetch *fetch);

/* exposures (chain_exposure.c) */
void pm_exposure_unref(pm_exposure *exposure); /* NULL is allowed */
/* Makes or shares the exposure of a stash in the active era; leaves it pending when its pages must
 * be read first. */
panicmon_err pm_exposure_read(pm_fetch *fetch, pm_stash *stash, const pm_stash *before);
panicmon_err pm_exposure_pages(pm_fetch *fetch, const pm_pending *pending);

#endif
