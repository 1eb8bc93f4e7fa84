/* wsclient.c: see wsclient.h. */
#include "wsclient.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static int64_t now_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static bool send_all(int fd, const char *bytes, size_t len)
{
    while (len > 0) {
        ssize_t n = send(fd, bytes, len, MSG_NOSIGNAL);
        if (n < 0 && errno != EINTR) {
            return false;
        }
        bytes += n > 0 ? n : 0;
        len -= n > 0 ? (size_t)n : 0;
    }
    return true;
}

/* Waits for more bytes; 1: there are, 0: not in time, -1: the peer is gone. */
static int more(wsclient *ws, int64_t until)
{
    struct pollfd wait = {.fd = ws->fd, .events = POLLIN};
    int64_t left = until - now_ms();
    if (poll(&wait, 1, left > 0 ? (int)left : 0) <= 0) {
        return 0;
    }
    char *bytes = realloc(ws->bytes, ws->len + 65536 + 1);
    if (bytes == NULL) {
        return -1;
    }
    ws->bytes = bytes;
    ssize_t n = recv(ws->fd, bytes + ws->len, 65536, 0);
    if (n <= 0) {
        return -1;
    }
    ws->len += (size_t)n;
    bytes[ws->len] = '\0';
    return 1;
}

static void drop(wsclient *ws, size_t len)
{
    memmove(ws->bytes, ws->bytes + len, ws->len - len + 1);
    ws->len -= len;
}

wsclient *wsclient_open(uint16_t port, const char *path, int timeout_ms, int *status)
{
    struct sockaddr_in at = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    char request[512];
    int64_t until = now_ms() + timeout_ms;
    wsclient *ws = calloc(1, sizeof *ws);
    if (ws == NULL) {
        return NULL;
    }
    ws->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int len = snprintf(request, sizeof request,
                       "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nUpgrade: websocket\r\n"
                       "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                       "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
                       path, port);
    if (connect(ws->fd, (struct sockaddr *)&at, sizeof at) == 0 &&
        send_all(ws->fd, request, (size_t)len)) {
        const char *end = NULL;
        while (end == NULL && more(ws, until) > 0) {
            end = memmem(ws->bytes, ws->len, "\r\n\r\n", 4);
        }
        if (end != NULL && strncmp(ws->bytes, "HTTP/1.1 ", 9) == 0) {
            ws->status = (int)strtol(ws->bytes + 9, NULL, 10);
            /* the answer to the key of RFC 6455's own example */
            if (ws->status == 101 && strstr(ws->bytes, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=") == NULL) {
                ws->status = -1;
            }
            drop(ws, (size_t)(end + 4 - ws->bytes));
        }
    }
    if (status != NULL) {
        *status = ws->status;
    }
    if (ws->status != 101) {
        wsclient_close(ws);
        return NULL;
    }
    return ws;
}

void wsclient_close(wsclient *ws)
{
    if (ws != NULL) {
        (void)close(ws->fd);
        free(ws->bytes);
        free(ws);
    }
}

bool wsclient_send_frame(wsclient *ws, uint8_t first, const char *bytes, size_t len)
{
    static const char mask[4] = {0x12, 0x34, 0x56, 0x78};
    size_t wide = len < 126 ? 0 : len < 65536 ? 2 : 8;
    char *frame = malloc(2 + wide + 4 + len);
    if (frame == NULL) {
        return false;
    }
    frame[0] = (char)first;
    frame[1] = (char)(0x80 | (wide == 0 ? len : wide == 2 ? 126 : 127));
    for (size_t i = 0; i < wide; i++) {
        frame[2 + i] = (char)(len >> (8 * (wide - 1 - i)));
    }
    memcpy(frame + 2 + wide, mask, 4);
    for (size_t i = 0; i < len; i++) {
        frame[2 + wide + 4 + i] = (char)(bytes[i] ^ mask[i & 3]);
    }
    bool sent = send_all(ws->fd, frame, 2 + wide + 4 + len);
    free(frame);
    return sent;
}

bool wsclient_send(wsclient *ws, const char *text)
{
    return wsclient_send_frame(ws, 0x81, text, strlen(text));
}

/* The header and the payload of the first frame received, if it is all there. */
static bool whole_frame(const wsclient *ws, size_t *header, size_t *len)
{
    const unsigned char *bytes = (const unsigned char *)ws->bytes;
    if (ws->len < 2) {
        return false;
    }
    size_t wide = bytes[1] == 126 ? 2 : bytes[1] == 127 ? 8 : 0;
    *header = 2 + wide;
    *len = wide == 0 ? bytes[1] : 0;
    if (ws->len < *header) {
        return false;
    }
    for (size_t i = 0; i < wide; i++) {
        *len = *len << 8 | bytes[2 + i];
    }
    return ws->len - *header >= *len;
}

char *wsclient_receive(wsclient *ws, int timeout_ms, bool *over)
{
    int64_t until = now_ms() + timeout_ms;
    size_t header;
    size_t len;
    if (over != NULL) {
        *over = false;
    }
    while (!whole_frame(ws, &header, &len)) {
        int got = more(ws, until);
        if (got <= 0) {
            if (over != NULL) {
                *over = got < 0;
            }
            return NULL;
        }
    }
    char *payload = malloc(len + 1);
    if (payload != NULL) {
        memcpy(payload, ws->bytes + header, len);
        payload[len] = '\0';
        ws->opcode = ws->bytes[0] & 0x0f;
        drop(ws, header + len);
    }
    return payload;
}

char *wsclient_ask(wsclient *ws, const char *text)
{
    return wsclient_send(ws, text) ? wsclient_receive(ws, 10000, NULL) : NULL;
}
