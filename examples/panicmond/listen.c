/* listen.c: see listen.h. */
#include "listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BACKLOG 64

static bool is_port(const char *text)
{
    size_t len = strspn(text, "0123456789");
    return len > 0 && len <= 5 && text[len] == '\0' && strtol(text, NULL, 10) <= 65535;
}

bool listen_parse(const char *text, listen_address *out)
{
    const char *colon = strrchr(text, ':');
    const char *port = colon == NULL ? text : colon + 1;
    const char *host = text;
    size_t len = colon == NULL ? 0 : (size_t)(colon - text);
    if (len >= 2 && host[0] == '[' && host[len - 1] == ']') {
        host++;
        len -= 2;
        if (len == 0) {
            return false;
        }
    } else if (memchr(host, ':', len) != NULL) {
        return false; /* which colon is the one before the port? */
    }
    if (!is_port(port) || len >= sizeof out->host || strcspn(host, " /@[]") < len) {
        return false;
    }
    (void)snprintf(out->host, sizeof out->host, "%.*s", (int)len, host);
    (void)strcpy(out->port, port);
    if (len == 0) {
        (void)strcpy(out->host, "127.0.0.1");
    }
    return true;
}

static int open_one(const struct addrinfo *at)
{
    const int one = 1;
    int fd = socket(at->ai_family, at->ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, at->ai_protocol);
    if (fd < 0) {
        return -1;
    }
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) != 0 ||
        bind(fd, at->ai_addr, at->ai_addrlen) != 0 || listen(fd, BACKLOG) != 0) {
        int saved = errno;
        (void)close(fd);
        errno = saved;
        return -1;
    }
    return fd;
}

/* Where a socket listens: the port may have been chosen by the system. */
static bool name_of(int fd, char *name, size_t size, bool *loopback)
{
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } at = {.any = {0}};
    socklen_t len = sizeof at;
    char host[INET6_ADDRSTRLEN];
    if (getsockname(fd, &at.any, &len) != 0) {
        return false;
    }
    if (at.any.sa_family == AF_INET6) {
        (void)inet_ntop(AF_INET6, &at.v6.sin6_addr, host, sizeof host);
        (void)snprintf(name, size, "[%s]:%u", host, ntohs(at.v6.sin6_port));
        *loopback = IN6_IS_ADDR_LOOPBACK(&at.v6.sin6_addr);
    } else {
        (void)inet_ntop(AF_INET, &at.v4.sin_addr, host, sizeof host);
        (void)snprintf(name, size, "%s:%u", host, ntohs(at.v4.sin_port));
        *loopback = ntohl(at.v4.sin_addr.s_addr) >> 24 == 127;
    }
    return true;
}

int listen_open(const listen_address *address, char *name, size_t size, bool *loopback)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
    struct addrinfo *found = NULL;
    char why[128];
    int fd = -1;
    int failed = getaddrinfo(address->host, address->port, &hints, &found);
    if (failed != 0) {
        (void)snprintf(name, size, "%s: %s", address->host, gai_strerror(failed));
        return -1;
    }
    for (const struct addrinfo *at = found; at != NULL && fd < 0; at = at->ai_next) {
        fd = open_one(at);
    }
    freeaddrinfo(found);
    if (fd >= 0 && !name_of(fd, name, size, loopback)) {
        (void)close(fd);
        fd = -1;
    }
    if (fd < 0) {
        (void)snprintf(name, size, "%s port %s: %s", address->host, address->port,
                       strerror_r(errno, why, sizeof why));
    }
    return fd;
}
