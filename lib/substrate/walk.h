/* walk.h: going over SCALE bytes as the registry says. Inside of the decoder only. */
#ifndef PM_SUBSTRATE_WALK_H
#define PM_SUBSTRATE_WALK_H

#include "substrate/registry.h"
#include "substrate/value.h"

typedef enum pm_place_kind { PM_AT_SAME, PM_AT_NAME, PM_AT_INDEX, PM_AT_NUMBER } pm_place_kind;

/* Where in a type we are, for messages: a list through the stack. */
typedef struct pm_place {
    const struct pm_place *up;
    pm_place_kind kind;
    uint32_t name; /* in the blob */
    uint64_t index;
} pm_place;

/* Appends ".claimed_rewards[3]". */
void pm_place_write(const pm_metadata *metadata, const pm_place *place, pm_buf *out);

/* The place of a field: `.name`, `.1`, or that of the struct when it is the only one, unnamed. */
static inline pm_place pm_place_field(const pm_place *up, uint32_t name, uint32_t i, uint32_t count)
{
    pm_place here = {.up = up, .kind = PM_AT_NAME, .name = name, .index = i};
    if (name == 0) {
        here.kind = count == 1 ? PM_AT_SAME : PM_AT_NUMBER;
    }
    return here;
}

/* Moves `in` behind one value of a type. Any bytes; false when they are no such value. */
bool pm_walk_skip(const pm_metadata *metadata, uint32_t type, pm_scale *in);

/* An integer as the bytes say, sign-extended to 256 bits. */
bool pm_walk_integer(uint8_t primitive, pm_scale *in, pm_u256 *out);

#endif
