/* dial.c: see dial.h. The addresses of a name are tried one after the other, each with a fair part
 * of the time that is left. */
#include "net/dial.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"

static int left_ms(int64_t until_ms)
{
    int64_t left = until_ms - pm_mono_ms();
    return left <= 0 ? 0 : left > 60000 ? 60000 : (int)left;
}

/* Waits until `fd` is ready; 0, ETIMEDOUT, or ECANCELED when told to stop. */
static int wait_ready(int fd, short events, int stop_fd, int64_t until_ms)
{
    struct pollfd look[2] = {{.fd = fd, .events = events}, {.fd = stop_fd, .events = POLLIN}};
    for (;;) {
        int ready = poll(look, 2, left_ms(until_ms));
        if (ready < 0 && errno != EINTR) {
            return errno;
        }
        if (ready > 0) {
            return look[1].revents != 0 ? ECANCELED : 0;
        }
        if (pm_mono_ms() >= until_ms) {
            return ETIMEDOUT;
        }
    }
}

static void note_ready(void *user)
{
    const int *fd = user;
    const uint64_t one = 1;
    ssize_t wrote = write(*fd, &one, sizeof one);
    (void)wrote;
}

static bool resolve(const pm_dial_options *options, pm_addresses *found, char *why, size_t room)
{
    pm_lookup *lookup = NULL;
    const char *problem = "out of memory";
    int done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    found->count = 0;
    if (done_fd < 0) {
        (void)snprintf(why, room, "no descriptor for the name lookup");
        return false;
    }
    if (pm_lookup_start(&lookup, options->resolver, options->host, note_ready, &done_fd) ==
        PANICMON_OK) {
        problem = "the name server does not answer";
        int failed = wait_ready(done_fd, POLLIN, options->stop_fd, options->until_ms);
        if (failed == 0) {
            (void)pm_lookup_result(lookup, found, &problem);
        } else if (failed == ECANCELED) {
            problem = "stopped";
        }
        pm_lookup_free(lookup);
    }
    (void)close(done_fd);
    if (found->count == 0) {
        (void)snprintf(why, room, "%s: %s", options->host, problem);
    }
    return found->count > 0;
}

/* Gives 0 and the descriptor, or an errno. */
static int connect_to(const struct addrinfo *at, int stop_fd, int64_t until_ms, int *out)
{
    int failed = 0;
    int fd = socket(at->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return errno;
    }
    if (connect(fd, at->ai_addr, at->ai_addrlen) != 0) {
        failed = errno;
    }
    if (failed == EINPROGRESS || failed == EINTR) {
        socklen_t size = sizeof failed;
        failed = wait_ready(fd, POLLOUT, stop_fd, until_ms);
        if (failed == 0 && getsockopt(fd, SOL_SOCKET, SO_ERROR, &failed, &size) != 0) {
            failed = errno;
        }
    }
    if (failed != 0) {
        (void)close(fd);
        return failed;
    }
    *out = fd;
    return 0;
}

static int connect_address(const pm_dial_options *options, const char *address, int64_t until_ms,
                           int *out)
{
    char service[8];
    struct addrinfo hints = {.ai_family = AF_UNSPEC,
                             .ai_socktype = SOCK_STREAM,
                             .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV};
    struct addrinfo *found = NULL;
    (void)snprintf(service, sizeof service, "%u", (unsigned)options->port);
    if (getaddrinfo(address, service, &hints, &found) != 0) {
        return EINVAL;
    }
    int failed = connect_to(found, options->stop_fd, until_ms, out);
    freeaddrinfo(found);
    return failed;
}

int pm_dial(const pm_dial_options *options, char *reached, char *why, size_t room)
{
    pm_addresses found;
    int fd = -1;
    int failed = ETIMEDOUT;
    if (!pm_resolve_numeric(options->host, &found) && !resolve(options, &found, why, room)) {
        return -1;
    }
    for (size_t i = 0; i < found.count && fd < 0; i++) {
        int64_t now = pm_mono_ms();
        int64_t part = (options->until_ms - now) / (int64_t)(found.count - i);
        failed = connect_address(options, found.text[i], now + part, &fd);
        if (failed == ECANCELED) {
            break;
        }
        if (fd >= 0 && reached != NULL) {
            memcpy(reached, found.text[i], PM_ADDRESS_SIZE);
        }
    }
    if (fd < 0) {
        char text[96];
        (void)snprintf(why, room, "%s:%u: %s", options->host, (unsigned)options->port,
                       failed == ECANCELED ? "stopped" : strerror_r(failed, text, sizeof text));
    }
    return fd;
}
