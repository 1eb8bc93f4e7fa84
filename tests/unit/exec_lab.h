/* exec_lab.h: a laboratory for executors: nodes that are a peer of the test's own, monitors that
 * ask them, and what was published. One at a time. */
#ifndef TEST_EXEC_LAB_H
#define TEST_EXEC_LAB_H

#include <pthread.h>
#include <stdatomic.h>

#include <panicmon/panicmon.h>

#include "../support/peer.h"
#include "base/buf.h"

#define LAB_KEY "chains.probe.lab.nodes_config"

typedef struct lab {
    panicmon_registry *registry;
    panicmon_runtime *runtime;
    panicmon_manager *manager;
    panicmon_log *log;
} lab;

/* A node: a function for a peer. It answers "double" with twice its parameter, "fixed" with a text
 * and "hang" with nothing. */
void lab_node(peer_conn *conn);
extern atomic_int lab_asked_fixed; /* how often the call that can be cached reached the node */
extern atomic_int lab_asked_alone; /* the same, of the one that must go alone */
extern atomic_int lab_frames;
extern atomic_int lab_hung;    /* calls "hang" that came */
extern atomic_int lab_rounds;  /* that monitors have begun */
extern atomic_int lab_slow_ms; /* how long the sink takes for its next sample, once */

/* A runtime that runs, with names and values of settings up to a NULL; and its end. */
lab lab_open(const char *executor, const char *const *pairs);
void lab_close(lab *at);
void lab_apply(const lab *at, const pm_buf *json);
/* `count` monitors p<first>.. on `port` (0: without a node) with more members of JSON. */
void lab_add_probes(pm_buf *json, int first, int count, int port, const char *more);
int64_t lab_figure(const lab *at, const char *name);

extern pthread_mutex_t lab_lock; /* guards what follows */
extern char *lab_samples[8192];
extern size_t lab_sample_count;
extern int lab_heartbeats;
extern char lab_log[16384];
/* How many samples hold a text; waits until there are so many. */
size_t lab_count(const char *with);
void lab_await(const char *with, size_t count);

#endif
