/* simproc.c: see simproc.h. */
#include "simproc.h"

#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define OPTIONS_MAX 20

static pid_t run(const char *program, const char *const *options, int out)
{
    char *args[OPTIONS_MAX + 4] = {(char *)(uintptr_t)program, "--listen", "127.0.0.1:0"};
    for (size_t i = 0; i < OPTIONS_MAX && options[i] != NULL; i++) {
        args[3 + i] = (char *)(uintptr_t)options[i];
    }
    pid_t pid = fork();
    if (pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test that dies leaves nothing behind */
        (void)dup2(out, STDOUT_FILENO);
        execv(program, args);
        _exit(127);
    }
    return pid;
}

/* Reads the first line: "listening on ws://127.0.0.1:PORT". */
static uint16_t read_port(int in)
{
    char line[128];
    size_t len = 0;
    struct pollfd wait = {.fd = in, .events = POLLIN};
    while (len < sizeof line - 1 && memchr(line, '\n', len) == NULL) {
        if (poll(&wait, 1, 30000) <= 0) {
            return 0;
        }
        ssize_t n = read(in, line + len, sizeof line - 1 - len);
        if (n <= 0) {
            return 0;
        }
        len += (size_t)n;
    }
    line[len] = '\0';
    const char *colon = strrchr(line, ':');
    return colon == NULL ? 0 : (uint16_t)strtoul(colon + 1, NULL, 10);
}

bool simproc_start(simproc *sim, const char *const *options)
{
    const char *program = getenv("PANICMON_SIM");
    int ends[2];
    *sim = (simproc){0};
    if (program == NULL || pipe(ends) != 0) {
        return false;
    }
    sim->pid = run(program, options, ends[1]);
    (void)close(ends[1]);
    sim->port = sim->pid > 0 ? read_port(ends[0]) : 0;
    (void)close(ends[0]);
    return sim->port != 0;
}

int simproc_stop(simproc *sim)
{
    int status = 0;
    if (sim->pid <= 0 || kill(sim->pid, SIGTERM) != 0) {
        return -1;
    }
    for (int i = 0; i < 1000; i++) {
        if (waitpid(sim->pid, &status, WNOHANG) == sim->pid) {
            sim->pid = 0;
            return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
        }
        (void)nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    }
    (void)kill(sim->pid, SIGKILL);
    (void)waitpid(sim->pid, &status, 0);
    sim->pid = 0;
    return -1;
}
