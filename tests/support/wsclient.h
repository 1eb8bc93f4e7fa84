/* wsclient.h: a blocking WebSocket client for tests, on plain sockets: it shares no code with what
 * it is used to test. One thread; every wait is bounded. */
#ifndef WSCLIENT_H
#define WSCLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct wsclient {
    int fd;
    int status;  /* of the HTTP answer; 0: none came */
    int opcode;  /* of the last frame that wsclient_receive() gave */
    char *bytes; /* received and not yet taken */
    size_t len;
} wsclient;

/* Connects to 127.0.0.1 and asks for the upgrade. NULL when that was not granted within
 * `timeout_ms`; the HTTP status is then in `*status` (may be NULL). */
wsclient *wsclient_open(uint16_t port, const char *path, int timeout_ms, int *status);
void wsclient_close(wsclient *ws); /* NULL is allowed */
/* Sends one masked frame. `first`: its first byte, 0x81 for a whole text message. */
bool wsclient_send_frame(wsclient *ws, uint8_t first, const char *bytes, size_t len);
bool wsclient_send(wsclient *ws, const char *text);
/* The next frame's payload, malloc'd and terminated; NULL when none came in time or it is over
 * (then `*over` is set; may be NULL). */
char *wsclient_receive(wsclient *ws, int timeout_ms, bool *over);
/* Sends and receives, up to ten seconds. */
char *wsclient_ask(wsclient *ws, const char *text);

#endif
