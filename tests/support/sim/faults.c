/* faults.c: what the modes of a node do to its answers, and everything that happens by time:
 * delayed answers, blocks, ping floods, cuts. */
#include <stdlib.h>
#include <string.h>

#include "sim.h"
#include "wsproto.h"

#define FLOOD_US 10000

/* ---- the heap of delayed answers ---- */

static void push(sim *s, sim_timer timer)
{
    if (s->heap_len == s->heap_cap) {
        s->heap_cap = s->heap_cap == 0 ? 64 : s->heap_cap * 2;
        s->heap = sim_realloc(s->heap, s->heap_cap * sizeof *s->heap);
    }
    size_t at = s->heap_len++;
    while (at > 0 && s->heap[(at - 1) / 2].due > timer.due) {
        s->heap[at] = s->heap[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    s->heap[at] = timer;
}

static sim_timer pop(sim *s)
{
    sim_timer first = s->heap[0];
    sim_timer last = s->heap[--s->heap_len];
    size_t at = 0;
    for (size_t child = 1; child < s->heap_len; child = 2 * at + 1) {
        child += child + 1 < s->heap_len && s->heap[child + 1].due < s->heap[child].due;
        if (last.due <= s->heap[child].due) {
            break;
        }
        s->heap[at] = s->heap[child];
        at = child;
    }
    s->heap[at] = last;
    return first;
}

void sim_forget_timers(sim *s)
{
    for (size_t i = 0; i < s->heap_len; i++) {
        s->heap[i].conn->refs--;
        pm_buf_free(&s->heap[i].message);
    }
    free(s->heap);
    s->heap = NULL;
    s->heap_len = s->heap_cap = 0;
}

/* A random number below `end`. */
static uint64_t below(sim *s, uint64_t end)
{
    s->random = s->random * 6364136223846793005u + 1442695040888963407u;
    return (s->random >> 33) % end;
}

/* ---- answers ---- */

static void spoil(sim_conn *conn, pm_buf *message)
{
    const sim_modes *modes = &conn->node->modes;
    if (modes->reset) {
        sim_conn_reset(conn);
        return;
    }
    if (modes->garbage) {
        sim_message_begin(message);
        pm_buf_text(message, "<html><body>502 Bad Gateway</body></html>");
    }
    if (modes->huge > 0) { /* white space is no error in JSON, so only the size is */
        size_t size = (size_t)modes->huge + WS_HEADER_MAX;
        if (message->len < size && pm_buf_reserve(message, size - message->len + 1)) {
            memset(message->data + message->len, ' ', size - message->len);
            message->len = size;
            message->data[size] = '\0';
        }
    }
    if (modes->close && !message->failed) {
        char *payload = message->data + WS_HEADER_MAX;
        size_t len = message->len - WS_HEADER_MAX;
        size_t header = sim_frame_header(payload, WS_TEXT, len);
        sim_conn_write(conn, payload - header, header + len / 2);
        sim_conn_finish(conn);
        return;
    }
    sim_conn_send(conn, message, modes->binary ? WS_BINARY : WS_TEXT);
}

static void finish(sim_conn *conn, pm_buf *message, bool spoilt)
{
    if (conn->state == CONN_OPEN) {
        if (spoilt) {
            spoil(conn, message);
        } else {
            sim_conn_send(conn, message, WS_TEXT);
        }
    }
}

void sim_deliver(sim_conn *conn, pm_buf *message)
{
    sim *s = conn->sim;
    const sim_modes *modes = &conn->node->modes;
    bool spoilt = ++conn->node->answers % (uint64_t)modes->every == 0;
    if (spoilt && modes->stall) {
        return;
    }
    int64_t wait = spoilt ? modes->delay : 0;
    if (spoilt && modes->jitter > 0) {
        wait += (int64_t)below(s, (uint64_t)modes->jitter + 1);
    }
    if (wait == 0) {
        finish(conn, message, spoilt);
        return;
    }
    sim_timer timer = {.due = sim_now_us() + wait * 1000, .conn = conn, .spoilt = spoilt};
    pm_buf_add(&timer.message, message->data, message->len);
    conn->refs++;
    push(s, timer);
}

/* ---- by time ---- */

static void flood(sim *s)
{
    static const char ping[] = {(char)0x89, 4, 's', 'i', 'm', '!'};
    s->flooding = false;
    for (size_t i = 0; i <= s->node_count; i++) {
        s->flooding = s->flooding || s->nodes[i].modes.ping_flood > 0;
    }
    if (!s->flooding) {
        return;
    }
    sim_conn *next;
    for (sim_conn *conn = s->conns; conn != NULL; conn = next) {
        next = conn->next;
        int64_t pings = conn->node == NULL ? 0 : conn->node->modes.ping_flood;
        for (int64_t i = 0; i < pings && conn->state == CONN_OPEN && !sim_conn_full(conn); i++) {
            sim_conn_write(conn, ping, sizeof ping);
        }
    }
}

/* Cuts a connection to a node, whichever: by turns with a reset, without a word and as the protocol
 * wants. */
static void cut_one(sim *s)
{
    sim_conn *victim = NULL;
    uint64_t seen = 0;
    for (sim_conn *conn = s->conns; conn != NULL; conn = conn->next) {
        bool open = conn->state == CONN_OPEN && conn->node != &s->nodes[s->node_count];
        if (open && below(s, ++seen) == 0) {
            victim = conn;
        }
    }
    if (victim == NULL) {
        return;
    }
    switch (s->cuts++ % 3) {
    case 0:
        sim_conn_reset(victim);
        break;
    case 1:
        sim_conn_close(victim);
        break;
    default:
        sim_conn_goodbye(victim, 1001);
    }
}

void sim_set_cuts(sim *s, double rate)
{
    s->cut_us = rate > 0 ? (int64_t)(1e6 / rate) : 0;
    s->next_cut_us = sim_now_us() + s->cut_us;
}

static void cut(sim *s, int64_t now)
{
    for (int i = 0; s->next_cut_us <= now && i < 100; i++) {
        cut_one(s);
        s->next_cut_us += (int64_t)below(s, 2 * (uint64_t)s->cut_us + 1);
    }
    if (s->next_cut_us <= now) {
        s->next_cut_us = now + s->cut_us;
    }
}

static void make_blocks(sim *s, int64_t now)
{
    for (int i = 0; s->next_block_us <= now && i < 100; i++) {
        s->next_block_us += s->block_us;
        (void)sim_advance(s, 1);
    }
    if (s->next_block_us <= now) { /* hopelessly late: do not try to make up for it */
        s->next_block_us = now + s->block_us;
    }
}

int64_t sim_due(sim *s, int64_t now)
{
    int64_t due = INT64_MAX;
    while (s->heap_len > 0 && s->heap[0].due <= now) {
        sim_timer timer = pop(s);
        timer.conn->refs--;
        finish(timer.conn, &timer.message, timer.spoilt);
        pm_buf_free(&timer.message);
    }
    if (s->block_us > 0) {
        make_blocks(s, now);
        due = s->next_block_us;
    }
    if (s->cut_us > 0) {
        cut(s, now);
        due = s->next_cut_us < due ? s->next_cut_us : due;
    }
    if (s->flooding) {
        if (s->next_flood_us <= now) {
            flood(s);
            s->next_flood_us = now + FLOOD_US;
        }
        due = s->next_flood_us < due ? s->next_flood_us : due;
    }
    return s->heap_len > 0 && s->heap[0].due < due ? s->heap[0].due : due;
}
