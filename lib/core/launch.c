/* launch.c: what a strategy says when it starts a monitor. */
#include <stdlib.h>
#include <string.h>

#include "core/monitor_impl.h"

/* As long as the setting may be; far from what sums of times could overflow. */
#define PERIOD_MS_MAX (INT64_C(604800) * 1000)

static panicmon_err set_text(char **to, const char *text)
{
    char *copy = text == NULL ? NULL : strdup(text);
    if (copy == NULL) {
        return text == NULL ? PANICMON_ERR_INVAL : PANICMON_ERR_NOMEM;
    }
    free(*to);
    *to = copy;
    return PANICMON_OK;
}

panicmon_err panicmon_launch_name(panicmon_launch *launch, const char *name)
{
    return set_text(&launch->name, name);
}

panicmon_err panicmon_launch_kind(panicmon_launch *launch, panicmon_kind kind)
{
    if ((int)kind < 0 || kind > PANICMON_KIND_REPO) {
        return PANICMON_ERR_INVAL;
    }
    launch->kind = kind;
    return PANICMON_OK;
}

panicmon_err panicmon_launch_period(panicmon_launch *launch, int64_t period_ms)
{
    if (period_ms < 1 || period_ms > PERIOD_MS_MAX) {
        return PANICMON_ERR_INVAL;
    }
    launch->period_ms = period_ms;
    return PANICMON_OK;
}

panicmon_err panicmon_launch_source(panicmon_launch *launch, const char *chain_id,
                                    const char *source_id, const char *source_name)
{
    panicmon_err status = set_text(&launch->chain_id, chain_id);
    if (status == PANICMON_OK) {
        status = set_text(&launch->source_id, source_id);
    }
    if (status == PANICMON_OK) {
        status = set_text(&launch->source_name, source_name);
    }
    return status;
}

panicmon_err panicmon_launch_monitor(panicmon_launch *launch, const panicmon_monitor_ops *ops,
                                     void *monitor)
{
    panicmon_monitor_ops imported = {0};
    if (launch->launched) {
        return PANICMON_ERR_EXISTS;
    }
    panicmon_err status = pm_ops_import(&imported, sizeof imported, sizeof imported, ops,
                                        "panicmon_monitor_ops", NULL);
    if (status != PANICMON_OK) {
        return status;
    }
    if ((imported.flags & ~(uint32_t)PANICMON_MONITOR_BLOCKING) != 0) {
        return PANICMON_ERR_TOONEW;
    }
    if (imported.step == NULL) {
        return PANICMON_ERR_INVAL;
    }
    launch->ops = imported;
    launch->monitor = monitor;
    launch->launched = true;
    return PANICMON_OK;
}
