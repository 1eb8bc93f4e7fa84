/* exec.c: the table of executors. */
#include "exec/exec.h"

#include <string.h>

static const pm_exec_ops *const executors[] = {&pm_exec_threads, &pm_exec_rounds, &pm_exec_queue,
                                               &pm_exec_events};

const pm_exec_ops *pm_exec_at(size_t i)
{
    return i < sizeof executors / sizeof executors[0] ? executors[i] : NULL;
}

const pm_exec_ops *pm_exec_find(const char *name)
{
    const pm_exec_ops *ops = NULL;
    for (size_t i = 0; (ops = pm_exec_at(i)) != NULL; i++) {
        if (strcmp(ops->name, name) == 0) {
            break;
        }
    }
    return ops;
}
