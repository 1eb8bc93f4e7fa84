/* outbox_lab.h: what the tests of the outbox and of its spool share: an outbox without a broker,
 * the outcome of each message, and a directory of the test's own. One thread, but for box_counts.
 */
#ifndef TEST_OUTBOX_LAB_H
#define TEST_OUTBOX_LAB_H

#include <sys/types.h>

#include "net/outbox.h"

/* A message and what became of it. */
typedef struct box_outcome {
    pm_request request;
    panicmon_err status;
    int times;
    char why[128];
} box_outcome;

extern pm_sink_counts box_counts; /* of every outbox opened here */
extern int box_wakes;             /* of ports and lanes */

/* `spool`: its directory; NULL: none. */
pm_outbox *box_open(size_t limit, const char *spool);
pm_port *box_open_port(pm_outbox *outbox);
pm_lane *box_open_lane(pm_port *port, const char *name);
/* Messages that are waited for until 1000 ms; the exchange is raw_data and the key "key" where they
 * are not named. */
void box_add_key(pm_lane *lane, box_outcome *at, const char *exchange, const char *key,
                 const char *body);
void box_add_to(pm_lane *lane, box_outcome *at, const char *exchange, const char *body);
void box_add(pm_lane *lane, box_outcome *at, const char *body);
void box_clear(box_outcome *at);
/* One message; NULL: none now. */
const pm_message *box_take(pm_port *port, int64_t now_ms, int64_t *next_ms);
void box_expect_next(pm_port *port, const char *body); /* NULL: none */
void box_acked(pm_port *port, uint64_t tag, bool multiple);
void box_nacked(pm_port *port, uint64_t tag, bool multiple, int64_t now_ms);
int64_t box_waiting(void); /* by the counts */

extern char box_directory[64];
void box_make_directory(void);
void box_remove_directory(void);
/* The only file in it that is a segment with content, and its size; 0: there is none. */
off_t box_find_segment(char *path, size_t room);

#endif
