/* wsproto.h: the server's side of RFC 6455 as functions on bytes: the opening handshake, frames. */
#ifndef SIM_WSPROTO_H
#define SIM_WSPROTO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

enum { WS_CONTINUE = 0, WS_TEXT = 1, WS_BINARY = 2, WS_CLOSE = 8, WS_PING = 9, WS_PONG = 10 };

#define WS_HEADER_MAX 10 /* of a frame that a server sends */

typedef struct sim_frame {
    uint8_t opcode;
    bool fin;
    char *payload; /* unmasked in place */
    uint64_t len;
} sim_frame;

/* Takes a frame from `bytes`. >0: the bytes it took; 0: not all there; -1: broken framing;
 * -2: longer than `limit`. */
long sim_frame_read(char *bytes, size_t len, uint64_t limit, sim_frame *frame);
/* Writes the header of an unfragmented frame so that it ends at `end`; gives its length. */
size_t sim_frame_header(char *end, uint8_t opcode, uint64_t len);

/* Reads an HTTP request. >0: its length; 0: not all there; -1: none. `path` gets the target and
 * `key` the Sec-WebSocket-Key, empty where it asks for no upgrade. */
long sim_handshake_read(const char *bytes, size_t len, char path[256], char key[64]);
/* Appends the answer that accepts. */
void sim_handshake_accept(pm_buf *out, const char *key);
/* Appends a plain HTTP answer. */
void sim_http_answer(pm_buf *out, int status, const char *text);

#endif
