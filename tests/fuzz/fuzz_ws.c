/* fuzz_ws.c: any bytes from the peer of a plain WebSocket connection. The first byte says whether
 * they begin with the answer to the upgrade or with frames, and in pieces of how many bytes. */
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/utf8.h"
#include "net/wire_impl.h"

static void on_opened(void *user)
{
    (void)user;
}

static void on_message(void *user, const char *text, size_t len)
{
    (void)user;
    fuzz_check(pm_utf8_valid(text, len) && text[len] == '\0', "a message is text");
}

static void on_closed(void *user, panicmon_err why, const char *message)
{
    (void)user;
    fuzz_check(why != PANICMON_OK && message != NULL, "an end has a reason");
}

static pm_loop *loop; /* both are kept till the end of the program */
static pm_wires *wires;

static void begin(void)
{
    static pm_net *net;
    const pm_net_options options = {.message_limit = 1u << 16, .connect_timeout_ms = 60000};
    fuzz_check(pm_net_new(&net, &options) == PANICMON_OK &&
                   pm_loop_new_large(&loop, net) == PANICMON_OK &&
                   pm_wires_new(&wires, loop) == PANICMON_OK,
               "there is memory");
    wires->dispatching = true; /* what is dropped is freed by us, at the end */
}

/* A connection as it is once TCP stands. */
static pm_ws *connected(int fd)
{
    static const pm_ws_events events = {on_opened, on_message, on_closed};
    pm_ws *ws = NULL;
    pm_wire *wire = calloc(1, sizeof *wire);
    fuzz_check(wire != NULL &&
                   pm_ws_open(&ws, loop, "ws://127.0.0.1:1/", &events, NULL) == PANICMON_OK,
               "there is memory");
    ws->state = WS_CONNECTING;
    ws->target->tried = ws->target->addresses.count; /* no other is tried */
    ws->plain = wire;
    *wire = (pm_wire){.wires = wires, .ws = ws, .fd = fd, .state = PM_WIRE_UPGRADING};
    strcpy(wire->accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    return ws;
}

static void take_frames(pm_wire *wire, const uint8_t *data, size_t size, size_t piece)
{
    while (size > 0 && wire->ws != NULL) {
        size_t len = size < piece ? size : piece;
        char *bytes = malloc(len + 1); /* so that a step over its end is seen */
        fuzz_check(bytes != NULL, "there is memory");
        memcpy(bytes, data, len);
        bytes[len] = '\0';
        pm_wire_take(wire, bytes, len);
        free(bytes);
        data += len;
        size -= len;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int ends[2];
    if (size < 1 || size > 1u << 16) {
        return 0;
    }
    if (loop == NULL) {
        begin();
    }
    fuzz_check(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends) == 0, "there are sockets");
    pm_ws *ws = connected(ends[0]);
    pm_wire *wire = ws->plain;
    if ((data[0] & 1) != 0) {
        fuzz_check(write(ends[1], data + 1, size - 1) == (ssize_t)size - 1, "it is sent");
        while (wire->ws != NULL && wire->state == PM_WIRE_UPGRADING &&
               recv(ends[0], &(char){0}, 1, MSG_PEEK) > 0) {
            pm_wire_read_answer(wire);
        }
    } else {
        wire->state = PM_WIRE_OPEN;
        pm_conn_opened(ws);
        take_frames(wire, data + 1, size - 1, (size_t)(data[0] >> 1) + 1);
    }
    pm_ws_free(ws);
    (void)close(ends[1]);
    while (wires->dead != NULL) {
        pm_wire *dead = wires->dead;
        wires->dead = dead->next_dead;
        pm_buf_free(&dead->out);
        pm_buf_free(&dead->text);
        free(dead);
    }
    return 0;
}
