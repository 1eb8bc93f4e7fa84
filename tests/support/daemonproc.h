/* daemonproc.h: a panicmond of a test's own: the program that the environment variable PANICMOND
 * names, with a directory for its configuration, state and log. */
#ifndef DAEMONPROC_H
#define DAEMONPROC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

typedef struct daemonproc {
    pid_t pid;
    char dir[64]; /* "state" in it is for state_dir */
} daemonproc;

/* Makes the directory. False: PANICMOND is not set. */
bool daemon_init(daemonproc *daemon);
/* Removes it; ends the daemon first when it runs. */
void daemon_clean(daemonproc *daemon);
/* Writes the configuration file; %STATE% in it becomes the state directory. */
void daemon_configure(const daemonproc *daemon, const char *json);
/* Starts it with the configuration file, logging to a file that it goes on with. */
bool daemon_start(daemonproc *daemon);
bool daemon_runs(daemonproc *daemon);
void daemon_signal(const daemonproc *daemon, int number);
/* SIGTERM; its exit status (-1: killed by a signal or after 20 s), and how long it took. */
int daemon_stop(daemonproc *daemon, int64_t *took_ms);
void daemon_kill(daemonproc *daemon); /* kill -9 */

/* Everything it logged so far; malloc'd. */
char *daemon_log(const daemonproc *daemon);
bool daemon_logged(const daemonproc *daemon, const char *text);
/* How often a text stands in the log. */
size_t daemon_log_count(const daemonproc *daemon, const char *text);
/* Asks for its figures (SIGUSR1) and gives one. -1: it does not answer. */
int64_t daemon_figure(daemonproc *daemon, const char *name);
/* A figure as it was told last, also at its end; 0 when it was not named. */
int64_t daemon_last_figure(const daemonproc *daemon, const char *name);

size_t daemon_threads(const daemonproc *daemon);
size_t daemon_files(const daemonproc *daemon);
size_t daemon_rss_kib(const daemonproc *daemon);
/* Whether a text stands in its /proc/PID/cmdline. */
bool daemon_shows(const daemonproc *daemon, const char *text);

int64_t test_now_ms(void);
void test_sleep_ms(int64_t ms);
/* How much longer everything may take: the environment variable CK_TIMEOUT_MULTIPLIER. */
int64_t test_factor(void);

#endif
