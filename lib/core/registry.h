/* registry.h (internal): looking strategies up. See panicmon/registry.h for the public side. */
#ifndef PM_REGISTRY_H
#define PM_REGISTRY_H

#include <panicmon/registry.h>

#include "core/strategy.h"

/* Takes another reference. */
panicmon_registry *pm_registry_ref(panicmon_registry *registry);

/* The strategies that match a routing key, each with a reference of its own, in a malloc'd array
 * (free each, then the array); *count may be 0 with *out NULL. Holds no lock when it returns. */
panicmon_err pm_registry_find(panicmon_registry *registry, const char *routing_key,
                              pm_strategy ***out, size_t *count);

#endif
