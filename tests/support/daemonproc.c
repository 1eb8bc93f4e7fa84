/* daemonproc.c: see daemonproc.h. */
#include "daemonproc.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PATH_SIZE 128

int64_t test_now_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void test_sleep_ms(int64_t ms)
{
    (void)nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000}, NULL);
}

int64_t test_factor(void)
{
    const char *text = getenv("CK_TIMEOUT_MULTIPLIER");
    int64_t factor = text == NULL ? 1 : strtol(text, NULL, 10);
    return factor < 1 ? 1 : factor;
}

static const char *path_of(const daemonproc *daemon, const char *name, char path[PATH_SIZE])
{
    (void)snprintf(path, PATH_SIZE, "%s/%s", daemon->dir, name);
    return path;
}

bool daemon_init(daemonproc *daemon)
{
    *daemon = (daemonproc){.dir = "/tmp/pm-daemon-XXXXXX"};
    return getenv("PANICMOND") != NULL && mkdtemp(daemon->dir) != NULL;
}

void daemon_clean(daemonproc *daemon)
{
    char command[PATH_SIZE];
    daemon_kill(daemon);
    (void)snprintf(command, sizeof command, "rm -rf %s", daemon->dir);
    (void)!system(command);
}

void daemon_configure(const daemonproc *daemon, const char *json)
{
    char path[PATH_SIZE];
    FILE *file = fopen(path_of(daemon, "config.json", path), "we");
    const char *mark;
    if (file == NULL) {
        abort();
    }
    while ((mark = strstr(json, "%STATE%")) != NULL) {
        (void)fwrite(json, 1, (size_t)(mark - json), file);
        (void)fprintf(file, "%s/state", daemon->dir);
        json = mark + strlen("%STATE%");
    }
    (void)fputs(json, file);
    (void)fclose(file);
}

bool daemon_start(daemonproc *daemon)
{
    char config[PATH_SIZE];
    char log[PATH_SIZE];
    const char *program = getenv("PANICMOND");
    path_of(daemon, "config.json", config);
    path_of(daemon, "log", log);
    daemon->pid = fork();
    if (daemon->pid == 0) {
        sigset_t none;
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test that dies leaves nothing behind */
        int out = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);
        int null = open("/dev/null", O_RDWR);
        (void)dup2(null, 0);
        (void)dup2(null, 1);
        (void)dup2(out, 2);
        for (int fd = 3; fd < 256; fd++) {
            (void)close(fd);
        }
        (void)sigemptyset(&none);
        (void)sigprocmask(SIG_SETMASK, &none, NULL);
        (void)execl(program, "panicmond", "-c", config, (char *)NULL);
        _exit(127);
    }
    return daemon->pid > 0;
}

bool daemon_runs(daemonproc *daemon)
{
    int status;
    if (daemon->pid > 0 && waitpid(daemon->pid, &status, WNOHANG) == daemon->pid) {
        daemon->pid = 0;
    }
    return daemon->pid > 0;
}

void daemon_signal(const daemonproc *daemon, int number)
{
    if (daemon->pid > 0) {
        (void)kill(daemon->pid, number);
    }
}

/* What a test that fails wants to be seen: a sanitizer's report, or the last lines. */
static void print_end_of_log(const daemonproc *daemon)
{
    char *log = daemon_log(daemon);
    const char *report = strstr(log, "Sanitizer");
    size_t len = strlen(log);
    printf("%.6000s\n", report != NULL ? report : len > 3000 ? log + len - 3000 : log);
    (void)fflush(stdout);
    free(log);
}

int daemon_stop(daemonproc *daemon, int64_t *took_ms)
{
    int64_t began = test_now_ms();
    int status = 0;
    pid_t ended = 0;
    if (daemon->pid <= 0) {
        return -1;
    }
    daemon_signal(daemon, SIGTERM);
    while ((ended = waitpid(daemon->pid, &status, WNOHANG)) == 0 &&
           test_now_ms() - began < 20000 * test_factor()) {
        test_sleep_ms(5);
    }
    if (took_ms != NULL) {
        *took_ms = test_now_ms() - began;
    }
    if (ended == 0) {
        daemon_kill(daemon);
        return -1;
    }
    daemon->pid = 0;
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        print_end_of_log(daemon);
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

void daemon_kill(daemonproc *daemon)
{
    if (daemon->pid > 0) {
        (void)kill(daemon->pid, SIGKILL);
        (void)waitpid(daemon->pid, NULL, 0);
        daemon->pid = 0;
    }
}

/* A whole file, terminated; also of /proc. Zero bytes become blanks. */
static char *read_file(const char *path)
{
    size_t len = 0;
    size_t room = 65536;
    char *text = malloc(room);
    FILE *file = fopen(path, "re");
    while (file != NULL && text != NULL) {
        size_t got = fread(text + len, 1, room - len - 1, file);
        len += got;
        if (got == 0) {
            break;
        }
        if (room - len < 4096) {
            room *= 2;
            text = realloc(text, room);
        }
    }
    if (file != NULL) {
        (void)fclose(file);
    }
    if (text == NULL) {
        abort();
    }
    for (size_t i = 0; i < len; i++) {
        text[i] = (char)(text[i] == '\0' ? ' ' : text[i]);
    }
    text[len] = '\0';
    return text;
}

char *daemon_log(const daemonproc *daemon)
{
    char path[PATH_SIZE];
    return read_file(path_of(daemon, "log", path));
}

size_t daemon_log_count(const daemonproc *daemon, const char *text)
{
    char *log = daemon_log(daemon);
    size_t count = 0;
    for (const char *at = log; (at = strstr(at, text)) != NULL; at += strlen(text)) {
        count++;
    }
    free(log);
    return count;
}

bool daemon_logged(const daemonproc *daemon, const char *text)
{
    return daemon_log_count(daemon, text) > 0;
}

int64_t daemon_last_figure(const daemonproc *daemon, const char *name)
{
    char *log = daemon_log(daemon);
    char *line = NULL;
    char word[64];
    int64_t value = 0;
    (void)snprintf(word, sizeof word, " %s=", name);
    for (char *at = log; (at = strstr(at, "figures:")) != NULL; at++) {
        line = at;
    }
    if (line != NULL) {
        line[strcspn(line, "\n")] = '\0';
        const char *found = strstr(line, word);
        value = found == NULL ? 0 : strtoll(found + strlen(word), NULL, 10);
    }
    free(log);
    return value;
}

/* A number of its /proc/PID/status. */
static unsigned long long status_of(const daemonproc *daemon, const char *name, int base)
{
    char path[PATH_SIZE];
    (void)snprintf(path, sizeof path, "/proc/%ld/status", (long)daemon->pid);
    char *text = read_file(path);
    const char *line = strstr(text, name);
    unsigned long long value = line == NULL ? 0 : strtoull(line + strlen(name), NULL, base);
    free(text);
    return value;
}

size_t daemon_rss_kib(const daemonproc *daemon)
{
    return (size_t)status_of(daemon, "VmRSS:", 10);
}

/* Whether it handles the signal by now; before that the signal would end it. */
static bool catches(const daemonproc *daemon, int number)
{
    return (status_of(daemon, "SigCgt:", 16) >> (number - 1) & 1) != 0;
}

int64_t daemon_figure(daemonproc *daemon, const char *name)
{
    size_t before = daemon_log_count(daemon, "figures:");
    int64_t until = test_now_ms() + 10000 * test_factor();
    while (!catches(daemon, SIGUSR1) && daemon_runs(daemon) && test_now_ms() < until) {
        test_sleep_ms(5);
    }
    daemon_signal(daemon, SIGUSR1);
    while (daemon_log_count(daemon, "figures:") == before) {
        if (test_now_ms() > until || !daemon_runs(daemon)) {
            return -1;
        }
        test_sleep_ms(5);
    }
    test_sleep_ms(5); /* until its end is there too */
    return daemon_last_figure(daemon, name);
}

static size_t entries_of(const daemonproc *daemon, const char *what)
{
    char path[PATH_SIZE];
    size_t count = 0;
    (void)snprintf(path, sizeof path, "/proc/%ld/%s", (long)daemon->pid, what);
    DIR *dir = opendir(path);
    while (dir != NULL && readdir(dir) != NULL) {
        count++;
    }
    if (dir != NULL) {
        (void)closedir(dir);
    }
    return count;
}

size_t daemon_threads(const daemonproc *daemon)
{
    return entries_of(daemon, "task");
}

size_t daemon_files(const daemonproc *daemon)
{
    return entries_of(daemon, "fd");
}

bool daemon_shows(const daemonproc *daemon, const char *text)
{
    char path[PATH_SIZE];
    (void)snprintf(path, sizeof path, "/proc/%ld/cmdline", (long)daemon->pid);
    char *words = read_file(path);
    bool shown = strstr(words, text) != NULL;
    free(words);
    return shown;
}
