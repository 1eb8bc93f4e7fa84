/* conn.c: one connection's protocol: the opening handshake, frames, messages. */
#include <stdlib.h>
#include <string.h>

#include "sim.h"
#include "wsproto.h"

static void send_control(sim_conn *conn, uint8_t opcode, const char *bytes, size_t len)
{
    char frame[WS_HEADER_MAX + 125];
    char *payload = frame + WS_HEADER_MAX;
    memcpy(payload, bytes, len);
    size_t header = sim_frame_header(payload, opcode, len);
    sim_conn_write(conn, payload - header, header + len);
}

void sim_conn_goodbye(sim_conn *conn, uint16_t status)
{
    char bytes[2] = {(char)(status >> 8), (char)status};
    send_control(conn, WS_CLOSE, bytes, sizeof bytes);
    sim_conn_finish(conn);
}

/* ---- handshake ---- */

static sim_node *node_of(sim *s, uint16_t port, const char *path)
{
    char *end;
    size_t len = strcspn(path, "?");
    if (len <= 1) {
        return &s->nodes[port % s->node_count];
    }
    if (strncmp(path, "/control", len) == 0 && len == 8) {
        return &s->nodes[s->node_count];
    }
    unsigned long n = strtoul(path + 1, &end, 10);
    return end == path + len && n < s->node_count ? &s->nodes[n] : NULL;
}

static void enter_node(sim_conn *conn, sim_node *node)
{
    conn->sim->counts.open--;
    conn->sim->counts.accepted--;
    node->counts.open++;
    node->counts.accepted++;
    conn->node = node;
}

static void refuse(sim_conn *conn, int status, const char *text)
{
    pm_buf answer = {0};
    sim_http_answer(&answer, status, text);
    sim_conn_write(conn, answer.data, answer.len);
    sim_conn_finish(conn);
    pm_buf_free(&answer);
}

static const char *status_text(int64_t status)
{
    switch (status) {
    case 403:
        return "Forbidden";
    case 404:
        return "Not Found";
    case 429:
        return "Too Many Requests";
    case 502:
        return "Bad Gateway";
    case 503:
        return "Service Unavailable";
    default:
        return "No";
    }
}

static long shake(sim_conn *conn, const char *bytes, size_t len)
{
    char path[256];
    char key[64];
    if (conn->node != NULL) {
        return (long)len; /* half shaken: nothing more is heard */
    }
    long taken = sim_handshake_read(bytes, len, path, key);
    if (taken < 0) {
        refuse(conn, 400, "Bad Request");
        return -1;
    }
    if (taken == 0) {
        return 0;
    }
    sim_node *node = node_of(conn->sim, conn->port, path);
    if (key[0] == '\0') {
        refuse(conn, 405, "Used HTTP Method is not allowed. A WebSocket upgrade is required");
        return -1;
    }
    if (node == NULL) {
        refuse(conn, 404, "Not Found");
        return -1;
    }
    enter_node(conn, node);
    if (node->modes.refuse > 0) {
        refuse(conn, (int)node->modes.refuse, status_text(node->modes.refuse));
        return -1;
    }
    if (node->modes.deaf) {
        return taken;
    }
    pm_buf answer = {0};
    sim_handshake_accept(&answer, key);
    if (!answer.failed) {
        conn->state = node->modes.half_handshake ? CONN_HANDSHAKE : CONN_OPEN;
        sim_conn_write(conn, answer.data, node->modes.half_handshake ? answer.len / 2 : answer.len);
    }
    pm_buf_free(&answer);
    return taken;
}

/* ---- frames ---- */

static void on_message(sim_conn *conn, const sim_frame *frame)
{
    if (frame->fin && frame->opcode != WS_CONTINUE) {
        sim_rpc_message(conn, frame->payload, frame->len);
        return;
    }
    if (frame->opcode != WS_CONTINUE) {
        conn->fragment = frame->opcode;
    }
    pm_buf_add(&conn->message, frame->payload, frame->len);
    if (conn->message.len > SIM_MESSAGE_MAX || conn->message.failed) {
        sim_conn_goodbye(conn, 1009);
    } else if (frame->fin) {
        pm_buf whole = conn->message;
        conn->message = (pm_buf){0};
        conn->fragment = 0;
        sim_rpc_message(conn, whole.data == NULL ? "" : whole.data, whole.len);
        pm_buf_free(&whole);
    }
}

static long take_frame(sim_conn *conn, char *bytes, size_t len)
{
    sim_frame frame;
    long taken = sim_frame_read(bytes, len, SIM_MESSAGE_MAX, &frame);
    if (taken <= 0) {
        if (taken < 0) {
            sim_conn_goodbye(conn, taken == -1 ? 1002 : 1009);
        }
        return taken;
    }
    conn->node->counts.frames_in++;
    if (frame.opcode == WS_PING) {
        send_control(conn, WS_PONG, frame.payload, frame.len);
    } else if (frame.opcode == WS_CLOSE) {
        sim_conn_goodbye(conn, 1000);
        return -1;
    } else if (frame.opcode != WS_PONG) {
        if ((frame.opcode == WS_CONTINUE) != (conn->fragment != 0)) {
            sim_conn_goodbye(conn, 1002);
            return -1;
        }
        on_message(conn, &frame);
    }
    return taken;
}

/* Takes what it can; how much that was. */
static size_t take_all(sim_conn *conn, char *bytes, size_t len)
{
    size_t used = 0;
    while (used < len && conn->state <= CONN_OPEN && !sim_conn_full(conn)) {
        long taken = conn->state == CONN_OPEN ? take_frame(conn, bytes + used, len - used)
                                              : shake(conn, bytes + used, len - used);
        if (taken <= 0) {
            break;
        }
        used += (size_t)taken;
    }
    return used;
}

void sim_conn_data(sim_conn *conn, char *bytes, size_t len)
{
    if (conn->in.len == 0) {
        size_t used = take_all(conn, bytes, len);
        if (used < len && conn->state <= CONN_OPEN) {
            pm_buf_add(&conn->in, bytes + used, len - used);
        }
    } else {
        pm_buf_add(&conn->in, bytes == NULL ? "" : bytes, len);
        size_t used = conn->in.failed ? 0 : take_all(conn, conn->in.data, conn->in.len);
        if (used == conn->in.len) {
            pm_buf_free(&conn->in);
        } else if (used > 0) {
            memmove(conn->in.data, conn->in.data + used, conn->in.len - used);
            conn->in.len -= used;
        }
    }
    if (conn->in.failed || conn->message.failed) {
        sim_conn_close(conn);
    }
}
