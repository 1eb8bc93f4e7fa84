/* broker.c (bench-broker): a RabbitMQ for the benchmark, in a directory and on ports of its own,
 * with a queue that takes every message and keeps the last thousand. Prints its URL, and ends it
 * when standard input ends. With --count the queue is emptied all the while, and the last line
 * printed is how many messages there were. */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include <amqp.h>
#include <amqp_tcp_socket.h>

#include "broker.h"

/* Nothing comes for so long after the end of standard input: the queue is empty. */
#define QUIET_S 2

static void must(int good, const char *what)
{
    if (!good) {
        fprintf(stderr, "bench-broker: %s failed\n", what);
        broker_stop();
        exit(1);
    }
}

static amqp_connection_state_t open_connection(void)
{
    amqp_connection_state_t conn = amqp_new_connection();
    amqp_socket_t *tcp = amqp_tcp_socket_new(conn);
    must(amqp_socket_open(tcp, "127.0.0.1", broker_port()) == AMQP_STATUS_OK, "connecting");
    must(amqp_login(conn, "/", 0, 131072, 0, AMQP_SASL_METHOD_PLAIN, "guest", "guest").reply_type ==
             AMQP_RESPONSE_NORMAL,
         "login");
    must(amqp_channel_open(conn, 1) != NULL, "channel");
    return conn;
}

static void close_connection(amqp_connection_state_t conn)
{
    (void)amqp_connection_close(conn, AMQP_REPLY_SUCCESS);
    (void)amqp_destroy_connection(conn);
}

static void declare(amqp_connection_state_t conn, int keeps_all)
{
    static const char *const exchanges[] = {"raw_data", "health_check", "monitorable", "config"};
    amqp_bytes_t queue = amqp_cstring_bytes("bench");
    amqp_table_entry_t limit = {.key = amqp_cstring_bytes("x-max-length"),
                                .value = {.kind = AMQP_FIELD_KIND_I32, .value = {.i32 = 1000}}};
    amqp_table_t arguments = {.num_entries = keeps_all ? 0 : 1, .entries = &limit};
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
}

static int input_ended(void)
{
    struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
    char byte;
    return poll(&input, 1, 0) > 0 && read(STDIN_FILENO, &byte, 1) <= 0;
}

/* Takes messages until input has ended and no more come; how many there were. */
static unsigned long long count_messages(amqp_connection_state_t conn)
{
    unsigned long long count = 0;
    int ended = 0;
    int quiet = 0;
    must(amqp_basic_consume(conn, 1, amqp_cstring_bytes("bench"), amqp_empty_bytes, 0, 1, 0,
                            amqp_empty_table) != NULL,
         "consuming");
    while (!ended || quiet < QUIET_S) {
        amqp_envelope_t envelope;
        struct timeval second = {.tv_sec = 1};
        amqp_maybe_release_buffers(conn);
        amqp_rpc_reply_t reply = amqp_consume_message(conn, &envelope, &second, 0);
        if (reply.reply_type == AMQP_RESPONSE_NORMAL) {
            amqp_destroy_envelope(&envelope);
            count++;
            quiet = 0;
        } else {
            must(reply.reply_type == AMQP_RESPONSE_LIBRARY_EXCEPTION &&
                     reply.library_error == AMQP_STATUS_TIMEOUT,
                 "taking messages");
            quiet++;
        }
        if (!ended && input_ended()) {
            ended = 1;
            quiet = 0;
        }
    }
    return count;
}

int main(int argc, char **argv)
{
    char byte;
    int counts = argc > 1 && strcmp(argv[1], "--count") == 0;
    const char *missing = broker_missing();
    if (missing != NULL) {
        fprintf(stderr, "bench-broker: %s\n", missing);
        return 77;
    }
    if (!broker_start(false)) {
        return 1;
    }
    amqp_connection_state_t conn = open_connection();
    declare(conn, counts);
    printf("%s\n", broker_url());
    fflush(stdout);
    if (counts) {
        printf("%llu\n", count_messages(conn));
    }
    close_connection(conn);
    while (!counts && read(STDIN_FILENO, &byte, 1) > 0) {
    }
    broker_stop();
    return 0;
}
