/* broker.h: a RabbitMQ of the test's own: ports, node name, directory and epmd apart from any other
 * on the machine. Started once in main(); tests (also in forked processes) kill and restart it. */
#ifndef TESTS_BROKER_H
#define TESTS_BROKER_H

#include <stdbool.h>
#include <stddef.h>

/* Why there can be no broker here (then the program exits with 77), or NULL. */
const char *broker_missing(void);
/* Starts it; false with a message on standard output when it does not come up. `tls`: listens for
 * amqps too, with a certificate for "localhost" of a CA made for it. */
bool broker_start(bool tls);
/* Ends it and removes its directory. */
void broker_stop(void);

/* "amqp://guest:guest@127.0.0.1:PORT". */
const char *broker_url(void);
int broker_port(void);
int broker_tls_port(void);
/* A file in the broker's directory: ca.pem. Static until the next call. */
const char *broker_file(const char *name);

bool broker_is_up(void);
void broker_kill(void);    /* kill -9, and waits until it listens no more */
bool broker_restart(void); /* after broker_kill(); waits until it takes connections */
void broker_freeze(void);  /* SIGSTOP */
void broker_thaw(void);
/* rabbitmqctl with these arguments; true when it succeeded. */
bool broker_ctl(const char *arguments);

/* A free loopback port. */
int broker_free_port(void);

#endif
