/* signals.c: see signals.h. A pipe carries the numbers from the handler to the main thread. The
 * first SIGTERM or SIGINT also starts a clock: whatever the process hangs in, even the main
 * thread, it is over before two seconds have passed. */
#include "signals.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define STOP_NS 1900000000L

static int pipe_ends[2] = {-1, -1};
static timer_t stop_clock;
static volatile sig_atomic_t stops;
static _Atomic(panicmon_runtime *) stopped_runtime;

static _Atomic(const char *) last_words;

/* Writes unless that could hang. */
static void say(int fd, const char *text)
{
    struct pollfd ready = {.fd = fd, .events = POLLOUT};
    if (text != NULL && poll(&ready, 1, 0) == 1 && (ready.revents & POLLOUT) != 0) {
        ssize_t wrote = write(fd, text, strlen(text));
        (void)wrote;
    }
}

void signals_leave(int code)
{
    say(STDOUT_FILENO, atomic_load(&last_words));
    _exit(code);
}

static void on_alarm(int number)
{
    (void)number;
    say(STDERR_FILENO, "panicmond: something hangs and did not stop in time; exits\n");
    signals_leave(1);
}

static void on_signal(int number)
{
    int saved = errno;
    unsigned char byte = (unsigned char)number;
    if (number == SIGTERM || number == SIGINT) {
        const struct itimerspec limit = {
            .it_value = {.tv_sec = STOP_NS / 1000000000L, .tv_nsec = STOP_NS % 1000000000L}};
        if (stops > 0) {
            signals_leave(128 + number);
        }
        stops = 1;
        (void)timer_settime(stop_clock, 0, &limit, NULL);
        panicmon_runtime *runtime = atomic_load(&stopped_runtime);
        if (runtime != NULL) {
            panicmon_runtime_request_stop(runtime);
        }
    }
    ssize_t wrote = write(pipe_ends[1], &byte, 1);
    (void)wrote; /* full: as many signals wait already */
    errno = saved;
}

int signals_open(void)
{
    static const int numbers[] = {SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGWINCH};
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGALRM};
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    (void)sigfillset(&action.sa_mask);
    if (pipe2(pipe_ends, O_CLOEXEC | O_NONBLOCK) != 0 ||
        timer_create(CLOCK_MONOTONIC, &event, &stop_clock) != 0) {
        return -1;
    }
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        if (sigaction(numbers[i], &action, NULL) != 0) {
            return -1;
        }
    }
    action.sa_handler = on_alarm;
    if (sigaction(SIGALRM, &action, NULL) != 0) {
        return -1;
    }
    action.sa_handler = SIG_IGN;
    if (sigaction(SIGPIPE, &action, NULL) != 0) {
        return -1;
    }
    /* A parent may have left them blocked. */
    sigset_t all;
    (void)sigemptyset(&all);
    return pthread_sigmask(SIG_SETMASK, &all, NULL) == 0 ? pipe_ends[0] : -1;
}

void signals_stop(panicmon_runtime *runtime)
{
    atomic_store(&stopped_runtime, runtime);
    if (stops > 0 && runtime != NULL) {
        panicmon_runtime_request_stop(runtime); /* it came before there was a runtime */
    }
}

void signals_last_words(const char *bytes)
{
    atomic_store(&last_words, bytes);
}

void signals_reload(void)
{
    const unsigned char byte = SIGHUP;
    ssize_t wrote = write(pipe_ends[1], &byte, 1);
    (void)wrote; /* full: as many signals wait already */
}

int signals_next(void)
{
    unsigned char byte;
    return read(pipe_ends[0], &byte, 1) == 1 ? byte : 0;
}
