/* oom.h: an allocator that fails on purpose, and a strategy whose own allocations fail with it. */
#ifndef TEST_OOM_H
#define TEST_OOM_H

#include <stdatomic.h>
#include <stdbool.h>

#include <panicmon/panicmon.h>

/* Lets allocation `n` from now fail, and `all_after` it; of this thread or of `all_threads`. */
void oom_arm(long n, bool all_after, bool all_threads);
/* Lets the allocations of this thread pass for a while, uncounted. */
void oom_pause(bool paused);
/* Lets none fail any more. Whether any did. */
bool oom_disarm(void);
/* How many failed since oom_arm(). */
long oom_failures(void);
/* Runs a scenario with allocation 0, 1, 2... failing, until it gets by without; twice. */
void oom_sweep(panicmon_err (*scenario)(void));
/* The status of a call, or of its error object, which must agree and is freed. */
panicmon_err oom_done(panicmon_err status, panicmon_error *err);

/* Strategies whose user_free is due. */
extern atomic_int oom_users;
/* A config set for the strategy below. */
extern const char oom_set[];
panicmon_strategy_ops oom_strategy(void);
/* A registry with it under fake.*. */
panicmon_err oom_registry(panicmon_registry **out);

#endif
