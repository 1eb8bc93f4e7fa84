/* strategy.h (internal): an imported strategy: ops table, user pointer, reference count. */
#ifndef PM_STRATEGY_H
#define PM_STRATEGY_H

#include <stdatomic.h>

#include <panicmon/strategy.h>

typedef struct pm_strategy pm_strategy;

struct pm_strategy {
    panicmon_strategy_ops ops; /* at this library's size, tail zero-filled */
    void *user;
    atomic_int refs;
};

/* Imports a table by its struct_size: shorter is zero-filled, longer must be zero past what we
 * know (ERR_TOONEW). On failure `user` stays the caller's. */
panicmon_err pm_strategy_new(pm_strategy **out, const panicmon_strategy_ops *ops, void *user,
                             panicmon_error **err);
pm_strategy *pm_strategy_ref(pm_strategy *strategy);
void pm_strategy_free(pm_strategy *strategy); /* drops a reference; user_free with the last */

/* The import rule itself, for any ops table: `known` = sizeof as we know it, `least` = size of
 * version 1.0. */
panicmon_err pm_ops_import(void *to, size_t known, size_t least, const void *from, const char *what,
                           panicmon_error **err);

#endif
