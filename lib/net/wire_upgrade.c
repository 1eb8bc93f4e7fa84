/* wire_upgrade.c: the request that turns a connection into a WebSocket, and its answer (RFC 6455,
 * section 4.1). We offer no extension and no subprotocol, so the peer may choose none. Belongs to
 * the thread of the loop. */
#include "net/wire_impl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>

/* Most bytes of the answer. */
#define ANSWER_MAX 8192
#define ANSWER_END "\r\n\r\n"

void pm_wire_ask_upgrade(pm_wire *wire)
{
    const pm_url *url = &wire->ws->target->url;
    char key[PM_ACCEPT_SIZE];
    unsigned char nonce[16];
    pm_buf text = {0};
    bool good = pm_wires_random(wire->wires, nonce, sizeof nonce) &&
                pm_carrier_keys(nonce, sizeof nonce, key, wire->accept);
    pm_buf_text(&text, url->path[0] == '/' ? "GET " : "GET /");
    pm_buf_add(&text, url->path, strcspn(url->path, "#"));
    pm_buf_format(&text,
                  " HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                  "Sec-WebSocket-Key: %s\r\nSec-WebSocket-Version: 13\r\n",
                  wire->ws->target->host, good ? key : "");
    if (url->user != NULL) {
        char authorization[PM_AUTHORIZATION_SIZE];
        good = good && pm_carrier_authorize(url, authorization);
        pm_buf_format(&text, "Authorization: %s\r\n", good ? authorization : "");
    }
    pm_buf_text(&text, "\r\n");
    if (good && !text.failed) {
        (void)pm_wire_put(wire, text.data, text.len);
    } else {
        pm_wire_lost(wire, PANICMON_ERR_WS, "cannot connect: no request for the upgrade");
    }
    pm_buf_free(&text);
}

/* ---- the answer ---- */

/* The value of the next header field of a name behind *at, without blanks around it; *at moves to
 * its end. A name may stand on several lines (RFC 9110, section 5.3). NULL: there is no other. */
static const char *next_field(const char **at, const char *name, size_t *len)
{
    size_t name_len = strlen(name);
    const char *line = strstr(*at, "\r\n");
    for (; line != NULL; line = strstr(line + 2, "\r\n")) {
        const char *value = line + 2;
        if (strncasecmp(value, name, name_len) == 0 && value[name_len] == ':') {
            value += name_len + 1;
            value += strspn(value, " \t");
            *len = strcspn(value, "\r\n");
            *at = value + *len;
            while (*len > 0 && (value[*len - 1] == ' ' || value[*len - 1] == '\t')) {
                --*len;
            }
            return value;
        }
    }
    return NULL;
}

/* Whether a list has this word; NULL: any word. */
static bool list_has(const char *list, size_t left, const char *word)
{
    while (left > 0) {
        size_t blank = strspn(list, " \t,");
        blank = blank < left ? blank : left;
        list += blank;
        left -= blank;
        size_t len = strcspn(list, " \t,");
        len = len < left ? len : left;
        if (len > 0 &&
            (word == NULL || (len == strlen(word) && strncasecmp(list, word, len) == 0))) {
            return true;
        }
        list += len;
        left -= len;
    }
    return false;
}

/* The same of all fields of a name, which together are one list. */
static bool fields_have(const char *answer, const char *name, const char *word)
{
    size_t len = 0;
    const char *list;
    while ((list = next_field(&answer, name, &len)) != NULL) {
        if (list_has(list, len, word)) {
            return true;
        }
    }
    return false;
}

/* There is one field of the name, and this is its value. */
static bool field_is(const char *answer, const char *name, const char *value)
{
    size_t len = 0;
    const char *got = next_field(&answer, name, &len);
    return got != NULL && len == strlen(value) && memcmp(got, value, len) == 0 &&
           next_field(&answer, name, &len) == NULL;
}

/* What is wrong with the answer; NULL: nothing. */
static const char *judge(const char *answer, const char *accept, char *room, size_t size)
{
    static const char no_upgrade[] = "cannot connect: the answer to the upgrade is no WebSocket's";
    if (strncmp(answer, "HTTP/1.", 7) != 0 || answer[7] == '\0' || answer[8] != ' ') {
        return "cannot connect: the peer does not speak HTTP";
    }
    long status = strtol(answer + 9, NULL, 10);
    if (status != 101) {
        /* The path itself is not told: some hold a key. */
        (void)snprintf(room, size, "the server answered HTTP %ld to the upgrade%s", status,
                       status == 404 ? ": it has no such path" : "");
        return room;
    }
    bool good = field_is(answer, "Sec-WebSocket-Accept", accept) &&
                fields_have(answer, "Upgrade", "websocket") &&
                fields_have(answer, "Connection", "upgrade") &&
                !fields_have(answer, "Sec-WebSocket-Extensions", NULL) &&
                !fields_have(answer, "Sec-WebSocket-Protocol", NULL);
    return good ? NULL : no_upgrade;
}

/* The head of the answer ends at `end`; what is behind it are frames. */
static void take_answer(pm_wire *wire, char *end)
{
    char room[128];
    pm_buf text = wire->text;
    size_t head = (size_t)(end - text.data) + strlen(ANSWER_END);
    wire->text = (pm_buf){0};
    end[2] = '\0'; /* after the last line */
    const char *problem = memchr(text.data, '\0', (size_t)(end - text.data)) != NULL
                              ? "cannot connect: the peer does not speak HTTP"
                              : judge(text.data, wire->accept, room, sizeof room);
    if (problem != NULL) {
        pm_wire_lost(wire, PANICMON_ERR_WS, problem);
    } else {
        wire->state = PM_WIRE_OPEN;
        if (pm_wire_watch(wire, EPOLL_CTL_MOD)) {
            pm_conn_opened(wire->ws);
            pm_wire_take(wire, text.data + head, text.len - head);
        } else {
            pm_wire_lost(wire, PANICMON_ERR_SYSTEM, "the connection cannot be watched");
        }
    }
    pm_buf_free(&text);
}

void pm_wire_read_answer(pm_wire *wire)
{
    char *bytes = wire->wires->bytes;
    ssize_t got = recv(wire->fd, bytes, ANSWER_MAX, MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    if (got <= 0) {
        pm_wire_lost(wire, PANICMON_ERR_WS, "cannot connect: the peer hung up before the upgrade");
        return;
    }
    pm_buf_add(&wire->text, bytes, (size_t)got);
    char *end = wire->text.failed
                    ? NULL
                    : memmem(wire->text.data, wire->text.len, ANSWER_END, strlen(ANSWER_END));
    if (end != NULL) {
        take_answer(wire, end);
    } else if (wire->text.failed || wire->text.len > ANSWER_MAX) {
        pm_wire_lost(wire, PANICMON_ERR_WS,
                     "cannot connect: the answer to the upgrade is too long");
    }
}
