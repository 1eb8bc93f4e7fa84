/* broker.c: see broker.h. The broker runs in a session of its own, whose id stands in a file, so
 * that whoever restarted it, main() can end it. */
#include "broker.h"

#include <arpa/inet.h>
#include <errno.h>
#include <glob.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define BIN          "/usr/lib/rabbitmq/bin"
#define START_S      60
#define PATH_MAXIMUM 256

static char directory[64];
static char url[96];
static int port;
static int tls_port;
static int dist_port;
static int epmd_port;
static pid_t epmd;
static pid_t owner;
static int leash = -1; /* the watcher reads its other end */

/* Below the range that the system gives to connections: a port stays free while its broker is down,
 * and who connects to it then does not by chance meet himself. */
int broker_free_port(void)
{
    static unsigned turn;
    for (int i = 0; i < 1000; i++) {
        unsigned place = (unsigned)getpid() * 31 + turn++ * 7919;
        struct sockaddr_in at = {.sin_family = AF_INET,
                                 .sin_port = htons((uint16_t)(20000 + place % 12000)),
                                 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        bool free = bind(fd, (struct sockaddr *)&at, sizeof at) == 0;
        close(fd);
        if (free) {
            return ntohs(at.sin_port);
        }
    }
    puts("no free port");
    exit(1);
}

const char *broker_missing(void)
{
    if (access(BIN "/rabbitmq-server", X_OK) != 0) {
        return "rabbitmq-server is not installed";
    }
    return system("command -v epmd >/dev/null") == 0 ? NULL : "epmd is not installed";
}

const char *broker_url(void)
{
    return url;
}

int broker_port(void)
{
    return port;
}

int broker_tls_port(void)
{
    return tls_port;
}

const char *broker_file(const char *name)
{
    static char path[PATH_MAXIMUM];
    (void)snprintf(path, sizeof path, "%s/%s", directory, name);
    return path;
}

static void put_file(const char *name, const char *text)
{
    FILE *file = fopen(broker_file(name), "we");
    if (file == NULL || fputs(text, file) < 0 || fclose(file) != 0) {
        perror(name);
        exit(1);
    }
}

static bool run(const char *format, const char *a, const char *b)
{
    char command[1024];
    (void)snprintf(command, sizeof command, format, a, b);
    return system(command) == 0;
}

static bool make_certificates(void)
{
    return run("cd %s && exec >openssl.log 2>&1 && "
               "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj '/CN=test CA%s' "
               "-keyout ca.key -out ca.pem && "
               "openssl req -newkey rsa:2048 -nodes -subj /CN=localhost -keyout broker.key "
               "-out broker.csr && "
               "echo subjectAltName=DNS:localhost >broker.ext && "
               "openssl x509 -req -in broker.csr -CA ca.pem -CAkey ca.key -CAcreateserial "
               "-days 2 -extfile broker.ext -out broker.pem",
               directory, "");
}

static void write_config(bool tls)
{
    char text[1024];
    int len = snprintf(text, sizeof text,
                       "listeners.tcp.1 = 127.0.0.1:%d\n"
                       "loopback_users = none\n"
                       "log.file.level = info\n",
                       port);
    if (tls) {
        (void)snprintf(text + len, sizeof text - (size_t)len,
                       "listeners.ssl.1 = 127.0.0.1:%d\n"
                       "ssl_options.cacertfile = %s/ca.pem\n"
                       "ssl_options.certfile = %s/broker.pem\n"
                       "ssl_options.keyfile = %s/broker.key\n"
                       "ssl_options.verify = verify_peer\n"
                       "ssl_options.fail_if_no_peer_cert = false\n",
                       tls_port, directory, directory, directory);
    }
    put_file("rabbitmq.conf", text);
    put_file("enabled_plugins", "[].\n");
}

static void set_number(const char *name, int number)
{
    char text[16];
    (void)snprintf(text, sizeof text, "%d", number);
    (void)setenv(name, text, 1);
}

static void set_environment(void)
{
    char node[64];
    (void)snprintf(node, sizeof node, "pm%d@localhost", port);
    (void)setenv("RABBITMQ_NODENAME", node, 1);
    set_number("RABBITMQ_DIST_PORT", dist_port);
    set_number("ERL_EPMD_PORT", epmd_port);
    (void)setenv("ERL_EPMD_ADDRESS", "127.0.0.1", 1);
    (void)setenv("ERL_CRASH_DUMP_SECONDS", "0", 1); /* a start that fails leaves no file behind */
    (void)setenv("RABBITMQ_MNESIA_BASE", broker_file("mnesia"), 1);
    (void)setenv("RABBITMQ_LOG_BASE", broker_file("log"), 1);
    (void)setenv("RABBITMQ_CONFIG_FILE", broker_file("rabbitmq.conf"), 1);
    (void)setenv("RABBITMQ_ENABLED_PLUGINS_FILE", broker_file("enabled_plugins"), 1);
    (void)setenv("RABBITMQ_CONF_ENV_FILE", broker_file("none"), 1);
    (void)setenv("RABBITMQ_PID_FILE", broker_file("pid"), 1);
    (void)setenv("HOME", directory, 1); /* its cookie */
}

bool broker_is_up(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    char answer[8];
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const struct timeval second = {.tv_sec = 1};
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &second, sizeof second);
    /* It answers a wrong greeting with its own. */
    bool open = connect(fd, (struct sockaddr *)&at, sizeof at) == 0 &&
                send(fd, "AMQP\0\0\0\0", 8, MSG_NOSIGNAL) == 8 &&
                recv(fd, answer, sizeof answer, MSG_WAITALL) == sizeof answer;
    close(fd);
    return open;
}

static void wait_ms(long ms)
{
    const struct timespec time = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    (void)nanosleep(&time, NULL);
}

static pid_t spawn(const char *program, char *const *arguments)
{
    pid_t child = fork();
    if (child != 0) {
        return child;
    }
    (void)setsid();
    set_environment();
    sigset_t none;
    sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    int log = open(broker_file("output.log"), O_WRONLY | O_CREAT | O_APPEND, 0600);
    int null = open("/dev/null", O_RDONLY);
    (void)dup2(null, 0);
    (void)dup2(log, 1);
    (void)dup2(log, 2);
    for (int fd = 3; fd < 256; fd++) { /* nothing of the test stays open in it */
        (void)close(fd);
    }
    (void)execvp(program, arguments);
    _exit(127);
}

static pid_t broker_group(void)
{
    long group = 0;
    FILE *file = fopen(broker_file("group"), "re");
    if (file != NULL) {
        if (fscanf(file, "%ld", &group) != 1) {
            group = 0;
        }
        (void)fclose(file);
    }
    return (pid_t)group;
}

bool broker_restart(void)
{
    char *arguments[] = {(char *)(uintptr_t) "rabbitmq-server", NULL};
    char text[16];
    pid_t child = spawn(BIN "/rabbitmq-server", arguments);
    if (child < 0) {
        return false;
    }
    (void)snprintf(text, sizeof text, "%ld", (long)child);
    put_file("group", text);
    for (int i = 0; i < START_S * 10; i++) {
        if (broker_is_up()) {
            return true;
        }
        if (waitpid(child, NULL, WNOHANG) == child) {
            break;
        }
        wait_ms(100);
    }
    (void)run("tail -n 30 %s/output.log%s", directory, "");
    return false;
}

static void signal_broker(int number)
{
    pid_t group = broker_group();
    if (group > 1) {
        (void)kill(-group, number);
    }
}

void broker_kill(void)
{
    signal_broker(SIGKILL);
    while (waitpid(-1, NULL, WNOHANG) > 0) {
    }
    for (int i = 0; i < 100 && broker_is_up(); i++) {
        wait_ms(50);
    }
    wait_ms(300); /* until epmd has noticed */
}

/* Whether all processes of a group stand still; a signal takes its time where there is much to do.
 */
static bool is_stopped(pid_t group)
{
    glob_t found = {0};
    bool stopped = true;
    if (glob("/proc/[0-9]*/stat", 0, NULL, &found) != 0) {
        return false;
    }
    for (size_t i = 0; i < found.gl_pathc; i++) {
        char state = 'T';
        int of = 0;
        FILE *from = fopen(found.gl_pathv[i], "r");
        if (from != NULL && fscanf(from, "%*d (%*[^)]) %c %*d %d", &state, &of) == 2 &&
            of == group) {
            stopped = stopped && (state == 'T' || state == 'Z');
        }
        if (from != NULL) {
            (void)fclose(from);
        }
    }
    globfree(&found);
    return stopped;
}

void broker_freeze(void)
{
    signal_broker(SIGSTOP);
    for (int i = 0; i < 1000 && !is_stopped(broker_group()); i++) {
        wait_ms(2);
    }
}

void broker_thaw(void)
{
    signal_broker(SIGCONT);
}

bool broker_ctl(const char *arguments)
{
    pid_t child = fork();
    int status = 1;
    if (child == 0) {
        set_environment();
        bool good = run(BIN "/rabbitmqctl -q %s >%s/ctl.log 2>&1", arguments, directory);
        _exit(good ? 0 : 1);
    }
    return child > 0 && waitpid(child, &status, 0) == child && status == 0;
}

static void stop_at_exit(void)
{
    if (getpid() == owner) {
        broker_stop();
    }
}

/* A process that ends the broker when the test program was killed. */
static bool start_watcher(void)
{
    int ends[2];
    char word;
    if (pipe2(ends, O_CLOEXEC) != 0) {
        return false;
    }
    pid_t child = fork();
    if (child == 0) {
        (void)setsid();
        (void)close(ends[1]);
        if (read(ends[0], &word, 1) == 0) {
            broker_stop();
        }
        _exit(0);
    }
    (void)close(ends[0]);
    leash = ends[1];
    return child > 0;
}

bool broker_start(bool tls)
{
    (void)snprintf(directory, sizeof directory, "/tmp/pm-broker-XXXXXX");
    if (mkdtemp(directory) == NULL) {
        perror(directory);
        return false;
    }
    port = broker_free_port();
    tls_port = broker_free_port();
    dist_port = broker_free_port();
    epmd_port = broker_free_port();
    owner = getpid();
    (void)snprintf(url, sizeof url, "amqp://guest:guest@127.0.0.1:%d", port);
    (void)atexit(stop_at_exit);
    if (tls && !make_certificates()) {
        puts("no certificates could be made");
        return false;
    }
    write_config(tls);
    char number[16];
    (void)snprintf(number, sizeof number, "%d", epmd_port);
    char *arguments[] = {(char *)(uintptr_t) "epmd", (char *)(uintptr_t) "-port", number, NULL};
    epmd = spawn("epmd", arguments);
    return epmd > 0 && start_watcher() && broker_restart();
}

void broker_stop(void)
{
    if (directory[0] == '\0') {
        return;
    }
    broker_thaw();
    broker_kill();
    if (epmd > 0) {
        (void)kill(epmd, SIGKILL);
        (void)waitpid(epmd, NULL, 0);
        epmd = 0;
    }
    (void)run("rm -rf %s%s", directory, "");
    directory[0] = '\0';
    if (leash >= 0) {
        (void)!write(leash, "x", 1); /* there is nothing left to watch */
        (void)close(leash);
        leash = -1;
    }
}
