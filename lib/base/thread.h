/* thread.h: the one place where library threads are made: all signals blocked (so also SIGPIPE),
 * named, explicit stack size, "C" locale. */
#ifndef PM_THREAD_H
#define PM_THREAD_H

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

#include <panicmon/error.h>

#define PM_STACK_SMALL (128u * 1024u)
#define PM_STACK_LARGE (512u * 1024u)

typedef struct pm_thread pm_thread;

/* Starts a thread that runs run(arg). `name` is cut to 15 bytes. */
panicmon_err pm_thread_start(pm_thread **out, const char *name, size_t stack, void (*run)(void *),
                             void *arg);
/* Waits for its end and frees it; NULL is allowed. Not from itself. */
void pm_thread_join(pm_thread *thread);
/* Lets it end on its own and frees the handle. */
void pm_thread_detach(pm_thread *thread);
/* Whether the caller is a thread made here. */
int pm_thread_is_ours(void);

/* A condition variable on the monotonic clock. */
void pm_cond_init(pthread_cond_t *cond);
/* Waits until signalled or `until_ms` (pm_mono_ms(); PM_NEVER: no limit). 0, or ETIMEDOUT. */
int pm_cond_wait_until(pthread_cond_t *cond, pthread_mutex_t *lock, int64_t until_ms);

#endif
