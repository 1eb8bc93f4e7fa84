/* options.c: see options.h. */
#include "options.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <panicmon/panicmon.h>

static const char usage[] =
    "usage: panicmond [-c FILE] [--node URL]... [--once] [--period SECONDS] [--executor NAME]\n"
    "                 [--format json|table] [--listen ADDRESS] [--check-config] "
    "[--log-level L]\n"
    "                 [--version] [--help]\n";

static const char help[] =
    "\n"
    "Monitors blockchain nodes and publishes what it reads.\n"
    "\n"
    "  -c, --config FILE    read settings and configs from a JSON file (panicmond.conf(5))\n"
    "      --node URL       monitor the Substrate node at a ws:// or wss:// URL; repeatable\n"
    "      --once           one round per monitorable, then exit: 0 all gave a result, 1 some "
    "gave\n"
    "                       an error sample or a message was lost, 2 usage or configuration,\n"
    "                       3 none could be started\n"
    "      --period SECONDS from the begin of one round to the next, for every kind\n"
    "      --executor NAME  how monitors share threads and connections: events (the default),\n"
    "                       threads, rounds or queue\n"
    "      --format json    one line of JSON a message on standard output\n"
    "      --format table   a table, drawn in place on a terminal, which is the default there\n"
    "      --listen ADDRESS serve a status page and metrics at HOST:PORT, or at a PORT of this "
    "machine\n"
    "      --check-config   list every fault of the settings and configs, then exit with 0 or 2\n"
    "      --log-level L    error, warning, info or debug; the log goes to standard error\n"
    "      --version        print the version\n"
    "  -h, --help           print this\n"
    "\n"
    "Flags beat the file. With broker.url in the file messages go to the broker, and to standard\n"
    "output only when --format is given.\n"
    "\n"
    "SIGTERM and SIGINT stop, a second one at once. SIGHUP reads the file again. SIGUSR1 prints\n"
    "figures to standard error.\n"
    "\n"
    "  panicmond --node ws://127.0.0.1:9944\n"
    "  panicmond -c /etc/panicmon/panicmond.json --check-config\n";

enum { NODE = 256, ONCE, PERIOD, EXECUTOR, FORMAT, LISTEN, CHECK_CONFIG, LOG_LEVEL, VERSION };

static const struct option flags[] = {{"config", required_argument, NULL, 'c'},
                                      {"node", required_argument, NULL, NODE},
                                      {"once", no_argument, NULL, ONCE},
                                      {"period", required_argument, NULL, PERIOD},
                                      {"executor", required_argument, NULL, EXECUTOR},
                                      {"format", required_argument, NULL, FORMAT},
                                      {"listen", required_argument, NULL, LISTEN},
                                      {"check-config", no_argument, NULL, CHECK_CONFIG},
                                      {"log-level", required_argument, NULL, LOG_LEVEL},
                                      {"version", no_argument, NULL, VERSION},
                                      {"help", no_argument, NULL, 'h'},
                                      {NULL, 0, NULL, 0}};

static int refuse(const char *problem, const char *what)
{
    fprintf(stderr, "panicmond: %s%s\n%sTry 'panicmond --help'.\n", problem, what, usage);
    return EXIT_USAGE;
}

static int read_format(options *out, const char *name)
{
    if (strcmp(name, "json") == 0) {
        out->format = FORMAT_JSON;
    } else if (strcmp(name, "table") == 0) {
        out->format = FORMAT_TABLE;
    } else {
        return refuse("--format takes json or table, not ", name);
    }
    return -1;
}

/* What was printed is worth nothing when it did not arrive. */
static int printed(void)
{
    return fflush(stdout) == 0 ? 0 : EXIT_ERROR_SAMPLES;
}

static int take(options *out, int flag)
{
    switch (flag) {
    case 'c':
        out->file = optarg;
        return -1;
    case NODE:
        out->nodes[out->node_count++] = optarg;
        return -1;
    case ONCE:
        out->once = true;
        return -1;
    case PERIOD:
        out->period = optarg;
        return -1;
    case EXECUTOR:
        out->executor = optarg;
        return -1;
    case FORMAT:
        return read_format(out, optarg);
    case LISTEN:
        out->listen = optarg;
        return -1;
    case CHECK_CONFIG:
        out->check_config = true;
        return -1;
    case LOG_LEVEL:
        out->log_level = optarg;
        return -1;
    case VERSION:
        printf("panicmond %s\n", panicmon_version());
        return printed();
    case 'h':
        printf("%s%s", usage, help);
        return printed();
    default:
        fprintf(stderr, "%sTry 'panicmond --help'.\n", usage);
        return EXIT_USAGE;
    }
}

int options_read(options *out, int argc, char **argv)
{
    int flag;
    *out = (options){.nodes = calloc((size_t)argc + 1, sizeof(const char *))};
    if (out->nodes == NULL) {
        return refuse("out of memory", "");
    }
    /* NOLINTNEXTLINE(concurrency-mt-unsafe): there is one thread yet */
    while ((flag = getopt_long(argc, argv, "c:h", flags, NULL)) != -1) {
        int code = take(out, flag);
        if (code >= 0) {
            return code;
        }
    }
    if (optind < argc) {
        bool url = strstr(argv[optind], "://") != NULL;
        return refuse(url ? "a URL needs --node before it: " : "unexpected argument: ",
                      argv[optind]);
    }
    return -1;
}
