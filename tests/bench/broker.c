/* broker.c (bench-broker): a RabbitMQ for the benchmark, in a directory and on ports of its own,
 * with a queue that takes every message and keeps the last thousand. Prints its URL and the id of
 * its process, and ends it when standard input ends. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <amqp.h>
#include <amqp_tcp_socket.h>

#include "broker.h"

static void must(int good, const char *what)
{
    if (!good) {
        fprintf(stderr, "bench-broker: %s failed\n", what);
        broker_stop();
        exit(1);
    }
}

static void declare(void)
{
    static const char *const exchanges[] = {"raw_data", "health_check", "monitorable", "config"};
    amqp_connection_state_t conn = amqp_new_connection();
    amqp_socket_t *tcp = amqp_tcp_socket_new(conn);
    amqp_bytes_t queue = amqp_cstring_bytes("bench");
    amqp_table_entry_t limit = {.key = amqp_cstring_bytes("x-max-length"),
                                .value = {.kind = AMQP_FIELD_KIND_I32, .value = {.i32 = 1000}}};
    amqp_table_t arguments = {.num_entries = 1, .entries = &limit};
    must(amqp_socket_open(tcp, "127.0.0.1", broker_port()) == AMQP_STATUS_OK, "connecting");
    must(amqp_login(conn, "/", 0, 131072, 0, AMQP_SASL_METHOD_PLAIN, "guest", "guest").reply_type ==
             AMQP_RESPONSE_NORMAL,
         "login");
    must(amqp_channel_open(conn, 1) != NULL, "channel");
    must(amqp_queue_declare(conn, 1, queue, 0, 0, 0, 0, arguments) != NULL, "queue");
    for (size_t i = 0; i < sizeof exchanges / sizeof exchanges[0]; i++) {
        amqp_bytes_t exchange = amqp_cstring_bytes(exchanges[i]);
        must(amqp_exchange_declare(conn, 1, exchange, amqp_cstring_bytes("topic"), 0, 1, 0, 0,
                                   amqp_empty_table) != NULL,
             "exchange");
        must(amqp_queue_bind(conn, 1, queue, exchange, amqp_cstring_bytes("#"), amqp_empty_table) !=
                 NULL,
             "binding");
    }
    (void)amqp_connection_close(conn, AMQP_REPLY_SUCCESS);
    (void)amqp_destroy_connection(conn);
}

int main(void)
{
    char byte;
    const char *missing = broker_missing();
    if (missing != NULL) {
        fprintf(stderr, "bench-broker: %s\n", missing);
        return 77;
    }
    if (!broker_start(false)) {
        return 1;
    }
    declare();
    printf("%s\n", broker_url());
    fflush(stdout);
    while (read(STDIN_FILENO, &byte, 1) > 0) {
    }
    broker_stop();
    return 0;
}
