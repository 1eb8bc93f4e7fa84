/* strategy.c: importing ops tables and counting who uses a strategy. */
#include "core/strategy.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"

/* No table of ours will ever be this large: a larger size is a wild value. */
#define SIZE_MAX_SANE 4096u

panicmon_err pm_ops_import(void *to, size_t known, size_t least, const void *from, const char *what,
                           panicmon_error **err)
{
    uint32_t size = 0;
    if (from != NULL) {
        memcpy(&size, from, sizeof size);
    }
    if (size < least || size > SIZE_MAX_SANE) {
        return pm_error_setf(err, PANICMON_ERR_INVAL, "%s: struct_size is %u; set it to sizeof(%s)",
                             what, (unsigned)size, what);
    }
    const unsigned char *bytes = from;
    for (size_t i = known; i < size; i++) {
        if (bytes[i] != 0) {
            return pm_error_setf(err, PANICMON_ERR_TOONEW,
                                 "%s: made for a newer library, and uses it at byte %zu", what, i);
        }
    }
    memset(to, 0, known);
    memcpy(to, from, size < known ? size : known);
    return PANICMON_OK;
}

panicmon_err pm_strategy_new(pm_strategy **out, const panicmon_strategy_ops *ops, void *user,
                             panicmon_error **err)
{
    panicmon_strategy_ops imported = {0};
    panicmon_err status = pm_ops_import(&imported, sizeof imported, sizeof imported, ops,
                                        "panicmon_strategy_ops", err);
    if (status != PANICMON_OK) {
        return status;
    }
    if (imported.flags != 0) {
        return pm_error_setf(err, PANICMON_ERR_TOONEW, "strategy: unknown flags 0x%x",
                             (unsigned)imported.flags);
    }
    if (imported.name == NULL || imported.name[0] == '\0' || imported.parse == NULL ||
        imported.start == NULL) {
        return pm_error_setf(err, PANICMON_ERR_INVAL,
                             "strategy: name, parse and start must be set");
    }
    pm_strategy *strategy = calloc(1, sizeof *strategy);
    if (strategy == NULL) {
        return pm_error_setf(err, PANICMON_ERR_NOMEM, "out of memory");
    }
    strategy->ops = imported;
    strategy->user = user;
    atomic_init(&strategy->refs, 1);
    *out = strategy;
    return PANICMON_OK;
}

pm_strategy *pm_strategy_ref(pm_strategy *strategy)
{
    atomic_fetch_add(&strategy->refs, 1);
    return strategy;
}

void pm_strategy_free(pm_strategy *strategy)
{
    if (strategy == NULL || atomic_fetch_sub(&strategy->refs, 1) != 1) {
        return;
    }
    if (strategy->ops.user_free != NULL) {
        strategy->ops.user_free(strategy->user);
    }
    free(strategy);
}
