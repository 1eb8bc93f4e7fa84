/* main.c: panicmond: monitors blockchain nodes by the configs of a file, of its command line or of
 * a message broker. A host program of libpanicmon like any other: it uses the public headers. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "daemon.h"
#include "limits.h"
#include "options.h"
#include "setup.h"

/* Descriptors 0 to 2 that the parent closed would be taken by the next files opened, and messages
 * would be written into those. */
static bool hold_standard_files(void)
{
    int fd;
    do {
        fd = open("/dev/null", O_RDWR);
    } while (fd >= 0 && fd <= STDERR_FILENO);
    return fd >= 0 && close(fd) == 0;
}

static void count_fault(void *user, const char *message)
{
    size_t *count = user;
    (*count)++;
    fprintf(stderr, "panicmond: %s\n", message);
}

static void print_warning(void *user, const char *message)
{
    (void)user;
    fprintf(stderr, "panicmond: warning, not a fault: %s\n", message);
}

static int check_config(const options *options)
{
    setup checked;
    size_t faults = 0;
    char line[512];
    if (setup_check(&checked, options, count_fault, print_warning, &faults) != PANICMON_OK) {
        fprintf(stderr, "panicmond: %zu %s\n", faults, faults == 1 ? "fault" : "faults");
        return EXIT_USAGE;
    }
    (void)limits_raise(line, sizeof line);
    if (limits_fall_short(&checked, checked.monitorables, line, sizeof line)) {
        print_warning(NULL, line);
    }
    bool waits = setup_get(&checked, "broker.url")[0] != '\0' && !options->once;
    if (checked.monitorables == 0 && !waits) {
        print_warning(NULL, "there is nothing to monitor: a run ends at once, with 3");
    }
    printf("no faults; %zu %s would be started\n", checked.monitorables,
           checked.monitorables == 1 ? "monitor" : "monitors");
    setup_free(&checked);
    return fflush(stdout) == 0 ? 0 : EXIT_USAGE;
}

int main(int argc, char **argv)
{
    options options;
    if (!hold_standard_files()) {
        return EXIT_USAGE;
    }
    int code = options_read(&options, argc, argv);
    if (code < 0) {
        code = options.check_config ? check_config(&options) : daemon_run(&options);
    }
    free(options.nodes);
    return code;
}
