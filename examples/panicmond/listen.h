/* listen.h: addresses to serve at. */
#ifndef PANICMOND_LISTEN_H
#define PANICMOND_LISTEN_H

#include <stdbool.h>
#include <stddef.h>

typedef struct listen_address {
    char host[256];
    char port[6];
} listen_address;

/* Reads HOST:PORT, [IPV6]:PORT, :PORT or PORT; without a host it is 127.0.0.1. False: none of
 * these. */
bool listen_parse(const char *text, listen_address *out);

/* A socket that listens there, never blocking, and in `name` ("127.0.0.1:8080") where that is.
 * Gives -1 and in `name` why it cannot. */
int listen_open(const listen_address *address, char *name, size_t size, bool *loopback);

#endif
