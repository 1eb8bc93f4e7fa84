/* limits.c: see limits.h. Sockets to nodes are most of it; how many there are is the executor's
 * way. */
#include "limits.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

/* More than that nobody needs, and some libraries go through all descriptors there may be. */
#define FILES_MAX 1048576
/* Standard files, log, state, broker, connections to the status page, name servers, threads. */
#define FILES_BASE 64
#define FILES_PAGE 100

bool limits_raise(char *line, size_t size)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) {
        return false;
    }
    rlim_t old = limit.rlim_cur;
    rlim_t wanted = limit.rlim_max < FILES_MAX ? limit.rlim_max : FILES_MAX;
    if (old >= wanted) { /* RLIM_INFINITY is the largest of all */
        return false;
    }
    limit.rlim_cur = wanted;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0) {
        return false;
    }
    (void)snprintf(line, size, "up to %llu files may be open from now on, not %llu",
                   (unsigned long long)wanted, (unsigned long long)old);
    return true;
}

/* An upper bound of a good estimate. */
static size_t wanted_files(const setup *setup, size_t nodes)
{
    const char *executor = setup_get(setup, "executor");
    bool broker = setup_get(setup, "broker.url")[0] != '\0';
    size_t workers = strtoul(setup_get(setup, "executor.workers"), NULL, 10);
    size_t busy = nodes < workers ? nodes : workers;
    size_t own = broker && strcmp(setup_get(setup, "broker.publisher"), "own") == 0 ? 1 : 0;
    size_t files = FILES_BASE + (setup_get(setup, "listen")[0] != '\0' ? FILES_PAGE : 0);
    if (strcmp(executor, "threads") == 0) {
        return files + nodes * (3 + own); /* its socket, and two that wake its thread */
    }
    if (strcmp(executor, "rounds") == 0) {
        return files + busy * (3 + own);
    }
    if (strcmp(executor, "queue") == 0) {
        return files + nodes * 5 / 2 + busy * (2 + own); /* several workers connect to a node */
    }
    return files + nodes;
}

bool limits_fall_short(const setup *setup, size_t monitorables, char *line, size_t size)
{
    struct rlimit limit;
    size_t wanted = wanted_files(setup, monitorables);
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= wanted) {
        return false;
    }
    (void)snprintf(line, size,
                   "%llu files may be open, but %zu %s under the executor %s want up to %zu: the "
                   "rest would fail to connect; raise LimitNOFILE= of the service, or 'ulimit -n' "
                   "of the shell",
                   (unsigned long long)limit.rlim_cur, monitorables,
                   monitorables == 1 ? "monitorable" : "monitorables", setup_get(setup, "executor"),
                   wanted);
    return true;
}
