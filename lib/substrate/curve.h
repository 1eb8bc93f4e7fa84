/* curve.h: what support and approval a referendum of OpenGov needs, with the arithmetic of the
 * chain: parts of 10^9, rounded where it rounds. */
#ifndef PM_SUBSTRATE_CURVE_H
#define PM_SUBSTRATE_CURVE_H

#include "substrate/value.h"

#define PM_BILLION 1000000000u

/* p / q in parts of 10^9, rounded down; a whole when q is 0 or p larger. */
uint32_t pm_perbill(pm_u128 p, pm_u128 q);

/* What a curve of the constant Referenda.Tracks asks for after `elapsed` (parts of 10^9) of the
 * decision period: LinearDecreasing, SteppedDecreasing or Reciprocal. False: none of them. */
bool pm_curve_threshold(pm_value curve, uint32_t elapsed, uint32_t *threshold);

#endif
