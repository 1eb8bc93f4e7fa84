/* order.h: the order of values of one type, as Rust has it. */
#ifndef PM_SUBSTRATE_ORDER_H
#define PM_SUBSTRATE_ORDER_H

#include "substrate/registry.h"

/* Less than, equal to or more than 0. Both were walked before; both are moved, to their ends when
 * they are equal. */
int pm_order(const pm_metadata *metadata, uint32_t number, pm_scale *a, pm_scale *b);

/* Whether `count` values in a row ascend; else `*starts` (malloc'd) is where they begin, in order.
 * `*starts` stays NULL when they ascend, or without memory (and false). */
bool pm_order_sort(const pm_metadata *metadata, uint32_t type, pm_scale in, uint32_t count,
                   pm_scale **starts);

#endif
