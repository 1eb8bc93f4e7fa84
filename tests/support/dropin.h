/* dropin.h: what the tests of panicmond in the place of PANIC's monitors side share: a real broker,
 * the node simulator, a daemon, and a publisher that declares nothing. Functions end the test when
 * what they wait for does not come. */
#ifndef TESTS_DROPIN_H
#define TESTS_DROPIN_H

#include <check.h>

#include "broker.h"
#include "daemonproc.h"
#include "panicside.h"
#include "simproc.h"

#define DROPIN_KEY    "chains.substrate.polkadot.nodes_config"
#define DROPIN_SAMPLE "raw_data", "node.substrate"
#define DROPIN_SECOND 1000

extern daemonproc dropin_daemon;
extern panicside *dropin_side;

/* For main(): runs the tests that `add` adds, with broker and simulator, and gives the exit code:
 * 77 where one of them is missing. */
int dropin_run(const char *name, void (*add)(TCase *cases));

/* The URL of node `i` of the simulator. Static until the next call. */
const char *dropin_node_url(int i);
/* `more`: members after those every test has, ", \"x\": 1". */
void dropin_start_daemon(const char *more);
void dropin_stop_daemon(void);
void dropin_await_log(const char *text);
/* The body of the next message with `text` in it; malloc'd. */
char *dropin_await(const char *exchange, const char *key, const char *text);
void dropin_expect(const char *exchange, const char *key, const char *text);
/* Publishes a set to which only its last bracket lacks, and frees it. */
void dropin_send_set(const char *key, pm_buf *set);
/* Nodes `from` to `to` of the simulator, with ids "node_id_N" and names "node N". */
void dropin_send_nodes(const char *key, int from, int to);
/* Whether a queue is empty and everything of it acknowledged. */
bool dropin_is_zero(const char *queue);

#endif
