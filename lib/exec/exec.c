/* exec.c: the table of executors. */
#include "exec/exec.h"

#include <string.h>

static const pm_exec_ops *const executors[] = {&pm_exec_threads};

const pm_exec_ops *pm_exec_find(const char *name)
{
    for (size_t i = 0; i < sizeof executors / sizeof executors[0]; i++) {
        if (strcmp(executors[i]->name, name) == 0) {
            return executors[i];
        }
    }
    return NULL;
}
