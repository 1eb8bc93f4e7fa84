/* curve.h: what support and approval a referendum of OpenGov needs, with the arithmetic of the
 * chain: parts of 10^9, rounded where it rounds. */
#ifndef PM_SUBSTRATE_CURVE_H
#define PM_SUBSTRATE_CURVE_H

#include "substrate/value.h"

#define PM_BILLION 1000000000u

typedef enum pm_curve_kind { PM_CURVE_LINEAR, PM_CURVE_STEPPED, PM_CURVE_RECIPROCAL } pm_curve_kind;

typedef struct pm_curve {
    pm_curve_kind kind;
    int64_t at[4]; /* its members, in the order of the chain: see curve.c */
} pm_curve;

/* p / q in parts of 10^9, rounded down; a whole when q is 0 or p larger. */
uint32_t pm_perbill(pm_u128 p, pm_u128 q);

/* A curve of the constant Referenda.Tracks; false: of a kind that is not known. */
bool pm_curve_read(pm_value curve, pm_curve *out);
/* What it asks for after `elapsed` (parts of 10^9) of the decision period. */
uint32_t pm_curve_at(const pm_curve *curve, uint32_t elapsed);

#endif
