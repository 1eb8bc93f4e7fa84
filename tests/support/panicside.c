/* panicside.c: see panicside.h. */
#include "panicside.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "broker.h"
#include "daemonproc.h"
#include "net/amqp_conn.h"

#define QUEUE "panicside"

struct panicside {
    pm_target target;
    pm_conn *conn;
};

static void need(bool good, const panicside *side, const char *what)
{
    if (!good) {
        printf("%s: %s\n", what, side->conn == NULL ? "" : pm_conn_why(side->conn));
        (void)fflush(stdout);
        abort();
    }
}

static void set_up(panicside *side)
{
    static const char *const exchanges[] = {"raw_data", "health_check", "monitorable", "config"};
    static const char *const keys[] = {"#", "heartbeat.*", "*.*", NULL};
    need(pm_conn_open(side->conn), side, "connecting");
    need(pm_conn_declare_queue(side->conn, QUEUE), side, "queue");
    for (size_t i = 0; i < 4; i++) {
        need(pm_conn_declare_exchange(side->conn, exchanges[i]), side, exchanges[i]);
        need(keys[i] == NULL || pm_conn_bind(side->conn, QUEUE, exchanges[i], keys[i]), side,
             "binding");
    }
    need(pm_conn_prefetch(side->conn, 500), side, "prefetch");
    need(pm_conn_consume(side->conn, QUEUE, "side", false), side, "consuming");
}

panicside *panic_open(void)
{
    const pm_amqp_options options = {.url = broker_url(),
                                     .heartbeat_s = 60,
                                     .confirm_timeout_ms = 30000,
                                     .message_limit = 64 << 20};
    panicside *side = calloc(1, sizeof *side);
    if (side == NULL || pm_target_init(&side->target, &options, NULL) != PANICMON_OK ||
        pm_conn_new(&side->conn, &side->target, "panicside", 131072) != PANICMON_OK) {
        abort();
    }
    set_up(side);
    return side;
}

void panic_close(panicside *side)
{
    pm_conn_close(side->conn, true);
    pm_conn_free(side->conn);
    pm_target_clear(&side->target);
    free(side);
}

void panic_reopen(panicside *side)
{
    pm_conn_close(side->conn, false);
    set_up(side);
}

void panic_publish(panicside *side, const char *exchange, const char *key, const void *body,
                   size_t len)
{
    const pm_message message = {
        .exchange = exchange, .routing_key = key, .body = len == 0 ? "" : body, .len = len};
    need(pm_conn_publish(side->conn, &message), side, "publishing");
}

void panic_publish_text(panicside *side, const char *exchange, const char *key, const char *body)
{
    panic_publish(side, exchange, key, body, strlen(body));
}

static bool wait_readable(const panicside *side, int64_t ms)
{
    struct pollfd look = {.fd = pm_conn_fd(side->conn), .events = POLLIN};
    return poll(&look, 1, ms < 0 ? 0 : (int)ms) > 0;
}

size_t panic_read(panicside *side, panic_reader reader, void *user, int64_t quiet_ms)
{
    size_t count = 0;
    bool enough = false;
    int64_t until = test_now_ms() + quiet_ms;
    while (!enough && test_now_ms() < until) {
        pm_event event;
        pm_conn_next(side->conn, &event);
        if (event.kind == PM_EVENT_DELIVERY) {
            char *body =
                strndup(event.message.len == 0 ? "" : event.message.body, event.message.len);
            const panic_message message = {.exchange = event.message.exchange,
                                           .routing_key = event.message.routing_key,
                                           .body = body,
                                           .len = event.message.len};
            enough = reader != NULL && reader(user, &message);
            free(body);
            need(pm_conn_ack(side->conn, event.tag), side, "acknowledging");
            count++;
            until = test_now_ms() + quiet_ms;
        } else if (event.kind == PM_EVENT_LOST || event.kind == PM_EVENT_REFUSED) {
            need(false, side, "reading");
        } else if (event.kind == PM_EVENT_NONE) {
            (void)wait_readable(side, until - test_now_ms());
        }
    }
    return count;
}

typedef struct wanted {
    const char *exchange;
    const char *key;
    const char *text;
    char *body;
    int64_t until;
} wanted;

static bool is_wanted(void *user, const panic_message *message)
{
    wanted *at = user;
    if (strcmp(message->exchange, at->exchange) == 0 &&
        strcmp(message->routing_key, at->key) == 0 && strstr(message->body, at->text) != NULL) {
        at->body = strdup(message->body);
    }
    return at->body != NULL || test_now_ms() > at->until;
}

char *panic_await(panicside *side, const char *exchange, const char *key, const char *text,
                  int64_t timeout_ms)
{
    wanted at = {.exchange = exchange,
                 .key = key,
                 .text = text,
                 .until = test_now_ms() + timeout_ms * test_factor()};
    while (at.body == NULL && test_now_ms() < at.until) {
        (void)panic_read(side, is_wanted, &at, at.until - test_now_ms());
    }
    return at.body;
}

char *panic_ctl(const char *arguments)
{
    size_t room = 1 << 20;
    char *text = calloc(1, room);
    bool good = broker_ctl(arguments);
    FILE *file = fopen(broker_file("ctl.log"), "re");
    if (file != NULL && text != NULL) {
        text[fread(text, 1, room - 1, file)] = '\0';
        (void)fclose(file);
    }
    if (!good) {
        printf("rabbitmqctl %s: %s\n", arguments, text);
    }
    return text;
}

void panic_node(pm_buf *out, const char *id, const char *name, const char *url, const char *more)
{
    static const char *const fixed[] = {
        "exporter_url",     "cosmos_rest_url", "tendermint_rpc_url",
        "operator_address", "prometheus_url",  "node_prometheus_urls",
        "evm_nodes_urls",   "weiwatchers_url", "governance_addresses"};
    static const char *const off[] = {"monitor_system",      "is_archive_node",
                                      "monitor_cosmos_rest", "monitor_tendermint_rpc",
                                      "monitor_prometheus",  "monitor_contracts"};
    pm_buf_format(out,
                  "%s\"%s\": {\"id\": \"%s\", \"parent_id\": \"parent_1\", \"name\": \"%s\", "
                  "\"node_ws_url\": \"%s\", \"monitor_network\": \"false\"",
                  out->len > 1 ? ", " : "", id, id, name, url);
    for (size_t i = 0; i < sizeof fixed / sizeof fixed[0]; i++) {
        pm_buf_format(out, ", \"%s\": \"\"", fixed[i]);
    }
    for (size_t i = 0; i < sizeof off / sizeof off[0]; i++) {
        pm_buf_format(out, ", \"%s\": \"false\"", off[i]);
    }
    pm_buf_format(out, ", %s}", more != NULL ? more : PANIC_PLAIN_NODE);
}
