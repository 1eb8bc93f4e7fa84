/* redisproc.h: a redis-server of a test's own. */
#ifndef REDISPROC_H
#define REDISPROC_H

#include <stdbool.h>
#include <sys/types.h>

/* Whether redis-server is installed. */
bool redis_is_installed(void);
/* Starts it and waits until it listens on a loopback port, with its file, which has every write at
 * once, and a socket named "socket" in `dir`; `password` NULL: none. */
pid_t redis_start(int port, const char *dir, const char *password);
/* kill -9; 0 and less is allowed. */
void redis_kill(pid_t server);

#endif
