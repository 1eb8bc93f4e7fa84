/* redisproc.c: see redisproc.h. */
#include "redisproc.h"

#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

bool redis_is_installed(void)
{
    return system("command -v redis-server >/dev/null") == 0;
}

static bool listens(int port)
{
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool open = connect(fd, (struct sockaddr *)&at, sizeof at) == 0;
    (void)close(fd);
    return open;
}

pid_t redis_start(int port, const char *dir, const char *password)
{
    char number[16];
    char socket[128];
    (void)snprintf(number, sizeof number, "%d", port);
    (void)snprintf(socket, sizeof socket, "%s/socket", dir);
    pid_t server = fork();
    if (server == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test that dies leaves nothing behind */
        (void)execlp("redis-server", "redis-server", "--port", number, "--bind", "127.0.0.1",
                     "--dir", dir, "--save", "", "--appendonly", "yes", "--appendfsync", "always",
                     "--unixsocket", socket, "--loglevel", "warning", "--logfile", "log",
                     password == NULL ? NULL : "--requirepass", password, (char *)NULL);
        _exit(127);
    }
    for (int i = 0; i < 500 && !listens(port); i++) {
        (void)nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    }
    return server;
}

void redis_kill(pid_t server)
{
    if (server > 0) {
        (void)kill(server, SIGKILL);
        (void)waitpid(server, NULL, 0);
    }
}
