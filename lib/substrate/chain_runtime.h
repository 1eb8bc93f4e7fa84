/* chain_runtime.h: the part of reading a chain's state that is about its runtimes. */
#ifndef PM_SUBSTRATE_CHAIN_RUNTIME_H
#define PM_SUBSTRATE_CHAIN_RUNTIME_H

#include "substrate/chain_fetch.h"

/* The side after `side`, the first for NULL; NULL: there is none. */
pm_side *pm_side_next(pm_fetch *fetch, const pm_side *side);
/* The fetch is over: `reply` (may be NULL) to `method` is of no use; `message` NULL: the reply's.
 */
void pm_fetch_fail(pm_fetch *fetch, const pm_side *side, const char *method,
                   const panicmon_reply *reply, const char *message);

/* The runtime of the last state, else the one at the best block if somebody has it. */
void pm_fetch_guess_runtime(pm_fetch *fetch, pm_side *side);
/* Whether to read the metadata of `version` now: false while another one does. */
bool pm_fetch_may_read(pm_fetch *fetch, pm_side *side, const pm_version *version);
void pm_fetch_ask_metadata(panicmon_err *status, pm_side *side, panicmon_round *round);
/* Takes the metadata that somebody else has read, else reads it or waits and looks again. */
void pm_fetch_find_or_ask(panicmon_err *status, pm_fetch *fetch, pm_side *side,
                          panicmon_round *round);
void pm_fetch_take_metadata(pm_fetch *fetch, pm_side *side, panicmon_round *round);
/* The version at the parent: that of the runtime which wrote the block. */
void pm_fetch_take_parent(pm_fetch *fetch, pm_side *side, panicmon_round *round);
/* Everything is to be read again with the runtimes as they are now. */
void pm_fetch_redo(pm_fetch *fetch, const pm_side *side);
/* After a value did not decode: the metadata may be another build's. True: begin anew. */
bool pm_fetch_renew(pm_fetch *fetch);

#endif
