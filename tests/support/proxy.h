/* proxy.h: a TCP proxy on a loopback port that spoils what goes through it, in a thread of its own;
 * how can be changed at any time. */
#ifndef PROXY_H
#define PROXY_H

#include <stdint.h>

typedef enum proxy_mode {
    PROXY_PASS,       /* as it comes */
    PROXY_DELAY,      /* each piece 150 ms late */
    PROXY_STALL,      /* connections stand, also new ones, and nothing goes through */
    PROXY_CUT,        /* connections are closed, and new ones as soon as they are there */
    PROXY_HALF_CLOSE, /* the client is told the end of what the server sends; its own goes on */
    PROXY_RESET,      /* as cut, with RST */
    PROXY_BYTEWISE,   /* one byte at a time */
    PROXY_MODES
} proxy_mode;

typedef struct proxy proxy;

/* To 127.0.0.1:`target`. NULL: it cannot be. */
proxy *proxy_start(int target);
int proxy_port(const proxy *at);
void proxy_set(proxy *at, proxy_mode mode);
const char *proxy_word(proxy_mode mode);
void proxy_stop(proxy *at);

#endif
