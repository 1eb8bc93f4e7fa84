/* walk.h: going over SCALE bytes as the registry says. Inside of the decoder only. */
#ifndef PM_SUBSTRATE_WALK_H
#define PM_SUBSTRATE_WALK_H

#include "substrate/registry.h"
#include "substrate/value.h"

/* Moves `in` behind one value of a type; the bytes were walked by pm_value_open() before. False
 * when they are no such value after all. */
bool pm_walk_skip(const pm_metadata *metadata, uint32_t type, pm_scale *in);

/* An integer as the bytes say, sign-extended to 256 bits. */
bool pm_walk_integer(uint8_t primitive, pm_scale *in, pm_u256 *out);

#endif
