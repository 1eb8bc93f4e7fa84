/* round.h (internal): a round: what its steps queued and what came back. Belongs to the thread
 * that has the monitor's turn. */
#ifndef PM_ROUND_H
#define PM_ROUND_H

#include <panicmon/monitor.h>
#include <panicmon/log.h>

#include "net/request.h"

struct panicmon_reply {
    pm_request request;
};

typedef struct pm_request_list {
    pm_request **items; /* each the head of a panicmon_reply */
    size_t count;
    size_t capacity;
    pm_bundle *bundle; /* where all of them lie, and their texts */
} pm_request_list;

struct panicmon_round {
    pm_request_list asked; /* by the step that runs */
    pm_request_list got;   /* replies to the step before */
    uint32_t step;
    bool failed;          /* panicmon_round_fail() was called */
    bool late;            /* the step began late, which is no fault of whom it asked */
    int64_t step_ms;      /* when the step began; 0: steps may take long, so look at the clock */
    int64_t wall_ms;      /* when the round began */
    int64_t began_ms;     /* the same on the monotonic clock */
    int64_t deadline_ms;  /* when all must be over */
    pm_bundle_pool *pool; /* of its requests' memory; NULL: none */
    const char *name;
    panicmon_log *log;
    pm_buf failure; /* the message of panicmon_round_fail() */
};

void pm_round_begin(panicmon_round *round, int64_t wall_ms, int64_t now_ms, int64_t budget_ms);
/* What was asked for becomes what is replied to; the step counter goes on. After step_ms was set.
 */
void pm_round_turn(panicmon_round *round);
/* The step is over: replies go, and the next one to take memory takes theirs, which is likely still
 * in the cache. */
void pm_round_rest(panicmon_round *round);
/* Frees requests and replies, but those that are kept; the round can begin again and holds no
 * memory for them. */
void pm_round_clear(panicmon_round *round);
void pm_round_free(panicmon_round *round);

#endif
