/* main.c: panicmon-sim, a Substrate node for tests, examples and benchmarks: options, start, end.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include <openssl/err.h>
#include <openssl/ssl.h>

#include "sim.h"

static const char usage[] =
    "Usage: panicmon-sim [OPTION]...\n"
    "Serves simulated Substrate nodes over WebSocket: a chain of its own, or the frozen state of "
    "a\n"
    "real one.\n"
    "\n"
    "  --listen HOST:PORT    where to listen (127.0.0.1:9944); port 0 takes a free one\n"
    "  --ports A-B           listen on these ports too, or instead when --listen is not given\n"
    "  --cert FILE --key FILE  serve wss:// with this certificate chain and key (PEM)\n"
    "  --client-ca FILE      and demand a certificate of these CAs from clients\n"
    "  --nodes N             nodes of the chain, at the paths /0 to /N-1 (1)\n"
    "  --mode [/NODE:]NAME[=VALUE]  how a node (all) misbehaves; may be repeated\n"
    "  --cuts RATE           connections to nodes cut each second, at random (0)\n"
    "  --keep-states N       states kept behind the head; 0: all (256)\n"
    "  --finality-lag N      blocks between best and finalized (2; with --state 0)\n"
    "  --state FILE          serve this state (JSON, may be gzipped) of a real chain\n"
    "  --head-index N        with --state: begin at its N-th block instead of the last\n"
    "\n"
    "The simulated chain:\n"
    "  --block-time SECONDS  between blocks; 0: only on demand (6)\n"
    "  --validators N        in the active set, 1 to 1000 (6); --waiting N beside them (2)\n"
    "  --nominators N        of each validator (3); --page-size N of them on a page (512)\n"
    "  --session-blocks N    (10); --era-sessions N (6); --history-depth N of eras (84)\n"
    "  --start N             height it begins at (1200); --warm-up N of its blocks made (32)\n"
    "  --slash-every N       blocks (50); --offline-every N sessions (7); 0: never\n"
    "  --rotate              another set of validators each era\n"
    "  --legacy              pallets as in early 2022\n"
    "  --spec-version N      (1000000); --upgrade N: another one from block N on\n"
    "  --ss58 N              address prefix, 0 to 63 (42); --seed N (1)\n"
    "\n"
    "Methods beside a node's: sim_set, sim_advance, sim_session, sim_era, sim_slash, sim_offline,\n"
    "sim_state, sim_stats. The path /control leads to a node that never misbehaves.\n";

enum {
    OPT_LISTEN = 256,
    OPT_PORTS,
    OPT_CERT,
    OPT_CLIENT_CA,
    OPT_KEY,
    OPT_NODES,
    OPT_MODE,
    OPT_STATE,
    OPT_HEAD,
    OPT_BLOCK_TIME,
    OPT_CUTS,
    OPT_ROTATE,
    OPT_LEGACY,
    OPT_SEED,
    OPT_SS58,
    OPT_LAG,
    OPT_UPGRADE,
    OPT_NUMBER
};

typedef struct settings {
    sim_world_options world;
    const char *listen, *cert, *key, *state;
    const char *client_ca;
    uint32_t first_port, last_port, nodes, head_index, upgrade;
    int64_t finality_lag; /* -1: not given */
    double block_time, cuts;
    const char **modes;
    size_t mode_count;
} settings;

/* Options that are a number, and where it goes. */
static const struct {
    const char *name;
    size_t offset;
    uint32_t least, most;
} numbers[] = {
    {"validators", offsetof(settings, world.validators), 1, 1000},
    {"waiting", offsetof(settings, world.waiting), 0, 1000},
    {"nominators", offsetof(settings, world.nominators), 0, 10000},
    {"page-size", offsetof(settings, world.page_size), 1, 10000},
    {"session-blocks", offsetof(settings, world.session_blocks), 1, 1000000},
    {"era-sessions", offsetof(settings, world.era_sessions), 1, 10000},
    {"history-depth", offsetof(settings, world.history_depth), 1, 1000},
    {"start", offsetof(settings, world.start), 1, 1000000000},
    {"warm-up", offsetof(settings, world.warm_up), 0, 100000},
    {"slash-every", offsetof(settings, world.slash_every), 0, 1000000},
    {"offline-every", offsetof(settings, world.offline_every), 0, 1000000},
    {"keep-states", offsetof(settings, world.keep), 0, 1000000},
    {"spec-version", offsetof(settings, world.spec_version), 0, 1000000000},
};

#define NUMBER_COUNT (sizeof numbers / sizeof *numbers)

static const struct option plain_options[] = {
    {"help", no_argument, NULL, 'h'},
    {"listen", required_argument, NULL, OPT_LISTEN},
    {"ports", required_argument, NULL, OPT_PORTS},
    {"cert", required_argument, NULL, OPT_CERT},
    {"client-ca", required_argument, NULL, OPT_CLIENT_CA},
    {"key", required_argument, NULL, OPT_KEY},
    {"nodes", required_argument, NULL, OPT_NODES},
    {"mode", required_argument, NULL, OPT_MODE},
    {"state", required_argument, NULL, OPT_STATE},
    {"head-index", required_argument, NULL, OPT_HEAD},
    {"block-time", required_argument, NULL, OPT_BLOCK_TIME},
    {"cuts", required_argument, NULL, OPT_CUTS},
    {"rotate", no_argument, NULL, OPT_ROTATE},
    {"legacy", no_argument, NULL, OPT_LEGACY},
    {"seed", required_argument, NULL, OPT_SEED},
    {"ss58", required_argument, NULL, OPT_SS58},
    {"finality-lag", required_argument, NULL, OPT_LAG},
    {"upgrade", required_argument, NULL, OPT_UPGRADE},
};

#define PLAIN_COUNT (sizeof plain_options / sizeof *plain_options)

static bool parse_number(const char *name, const char *text, uint64_t least, uint64_t most,
                         uint64_t *value)
{
    char *end;
    errno = 0;
    *value = strtoull(text, &end, 10);
    if (*text < '0' || *text > '9' || *end != '\0' || errno != 0 || *value < least ||
        *value > most) {
        (void)fprintf(stderr, "panicmon-sim: --%s: '%s' is no number from %llu to %llu\n", name,
                      text, (unsigned long long)least, (unsigned long long)most);
        return false;
    }
    return true;
}

static bool parse_u32(const char *name, const char *text, uint32_t least, uint32_t most,
                      uint32_t *value)
{
    uint64_t wide;
    if (!parse_number(name, text, least, most, &wide)) {
        return false;
    }
    *value = (uint32_t)wide;
    return true;
}

static bool parse_ports(settings *set, const char *text)
{
    char *end;
    unsigned long first = strtoul(text, &end, 10);
    unsigned long last = *end == '-' ? strtoul(end + 1, &end, 10) : first;
    set->first_port = (uint32_t)first;
    set->last_port = (uint32_t)last;
    if (*end == '\0' && first > 0 && first <= last && last <= 65535) {
        return true;
    }
    (void)fprintf(stderr, "panicmon-sim: --ports: '%s' is no range A-B\n", text);
    return false;
}

static bool parse_real(const char *name, const char *text, double most, double *value)
{
    char *end;
    *value = strtod(text, &end);
    if (end != text && *end == '\0' && *value >= 0 && *value <= most) {
        return true;
    }
    (void)fprintf(stderr, "panicmon-sim: --%s: '%s' is no number from 0 to %.0f\n", name, text,
                  most);
    return false;
}

static bool take_plain(settings *set, int option, const char *text)
{
    uint32_t small;
    switch (option) {
    case OPT_LISTEN:
        set->listen = text;
        return true;
    case OPT_PORTS:
        return parse_ports(set, text);
    case OPT_CLIENT_CA:
        set->client_ca = text;
        return true;
    case OPT_CERT:
        set->cert = text;
        return true;
    case OPT_KEY:
        set->key = text;
        return true;
    case OPT_NODES:
        return parse_u32("nodes", text, 1, 100000, &set->nodes);
    case OPT_MODE:
        set->modes = sim_realloc(set->modes, (set->mode_count + 1) * sizeof *set->modes);
        set->modes[set->mode_count++] = text;
        return true;
    case OPT_STATE:
        set->state = text;
        return true;
    case OPT_HEAD:
        return parse_u32("head-index", text, 0, 1000000, &set->head_index);
    case OPT_BLOCK_TIME:
        return parse_real("block-time", text, 86400, &set->block_time);
    case OPT_CUTS:
        return parse_real("cuts", text, 10000, &set->cuts);
    case OPT_ROTATE:
        set->world.rotate = true;
        return true;
    case OPT_LEGACY:
        set->world.legacy = true;
        return true;
    case OPT_SEED:
        return parse_number("seed", text, 0, UINT64_MAX, &set->world.seed);
    case OPT_SS58:
        if (!parse_u32("ss58", text, 0, 63, &small)) {
            return false;
        }
        set->world.ss58 = (uint8_t)small;
        return true;
    case OPT_LAG:
        if (!parse_u32("finality-lag", text, 0, 1000000, &small)) {
            return false;
        }
        set->finality_lag = small;
        return true;
    case OPT_UPGRADE:
        return parse_u32("upgrade", text, 1, UINT32_MAX, &set->upgrade);
    default:
        (void)fputs("Try 'panicmon-sim --help'.\n", stderr);
        return false;
    }
}

/* 0: go on; 1: help was given; -1: an error was. */
static int parse(settings *set, int argc, char **argv)
{
    struct option options[PLAIN_COUNT + NUMBER_COUNT + 1] = {{0}};
    memcpy(options, plain_options, sizeof plain_options);
    for (size_t i = 0; i < NUMBER_COUNT; i++) {
        options[PLAIN_COUNT + i] =
            (struct option){numbers[i].name, required_argument, NULL, OPT_NUMBER + (int)i};
    }
    for (int option; (option = getopt_long(argc, argv, "h", options, NULL)) != -1;) {
        if (option == 'h') {
            (void)fputs(usage, stdout);
            return 1;
        }
        if (option >= OPT_NUMBER) {
            size_t i = (size_t)(option - OPT_NUMBER);
            uint32_t *to = (uint32_t *)(void *)((char *)set + numbers[i].offset);
            if (!parse_u32(numbers[i].name, optarg, numbers[i].least, numbers[i].most, to)) {
                return -1;
            }
        } else if (!take_plain(set, option, optarg)) {
            return -1;
        }
    }
    if (optind < argc) {
        (void)fprintf(stderr, "panicmon-sim: unexpected '%s'; try --help\n", argv[optind]);
        return -1;
    }
    if (set->world.warm_up >= set->world.start) {
        set->world.warm_up = set->world.start - 1;
    }
    if ((set->cert == NULL) != (set->key == NULL)) {
        (void)fputs("panicmon-sim: --cert and --key go together\n", stderr);
        return -1;
    }
    return 0;
}

/* ---- making the parts ---- */

static sim_chain *make_chain(settings *set)
{
    struct timespec now;
    if (set->state != NULL) {
        sim_chain *chain = sim_file_open(set->state);
        if (chain != NULL) {
            chain->keep = set->world.keep;
            if (set->head_index != UINT32_MAX && set->head_index < chain->head - chain->first) {
                chain->head = chain->first + set->head_index;
            }
        }
        return chain;
    }
    set->world.block_ms = (int64_t)(set->block_time * 1000);
    if (set->block_time > 0) {
        (void)clock_gettime(CLOCK_REALTIME, &now);
        set->world.start_time_ms = (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
    } else { /* nothing but the seed decides */
        set->world.block_ms = 6000;
        set->world.start_time_ms = 1700000000000;
    }
    sim_chain *chain = sim_world_new(&set->world);
    if (set->upgrade > 0 && !sim_world_upgrade(chain, set->upgrade, set->world.spec_version + 1)) {
        (void)fprintf(stderr, "panicmon-sim: --upgrade: block %u is not to come\n", set->upgrade);
        sim_chain_free(chain);
        return NULL;
    }
    return chain;
}

static bool apply_mode(sim *s, const char *text)
{
    char copy[600];
    char *name = copy;
    size_t first = 0;
    size_t last = s->node_count - 1;
    pm_buf wrong = {0};
    bool good = strlen(text) < sizeof copy;
    (void)snprintf(copy, sizeof copy, "%s", text);
    if (*copy == '/') {
        first = last = strtoul(copy + 1, &name, 10);
        good = good && *name++ == ':' && first < s->node_count;
    }
    if (!good) {
        (void)fprintf(stderr, "panicmon-sim: --mode: '%s' names no node\n", text);
        return false;
    }
    char *value = strchr(name, '=');
    if (value != NULL) {
        *value++ = '\0';
    }
    for (size_t i = first; i <= last && good; i++) {
        good = sim_modes_set(&s->nodes[i].modes, name, value == NULL ? "" : value, &wrong);
        s->nodes[i].modes.frozen_at = s->chain->head;
    }
    if (!good) {
        (void)fprintf(stderr, "panicmon-sim: --mode: %s\n", wrong.data);
    }
    pm_buf_free(&wrong);
    return good;
}

static bool make_nodes(sim *s, const settings *set)
{
    s->node_count = set->nodes;
    s->nodes = sim_alloc((s->node_count + 1) * sizeof *s->nodes);
    for (size_t i = 0; i <= s->node_count; i++) {
        sim_modes *modes = &s->nodes[i].modes;
        sim_modes_default(modes);
        modes->finality_lag = set->finality_lag >= 0 ? set->finality_lag
                              : set->state != NULL   ? 0
                                                     : 2;
    }
    for (size_t i = 0; i < set->mode_count; i++) {
        if (!apply_mode(s, set->modes[i])) {
            return false;
        }
    }
    s->flooding = true; /* whether any does is found out when first due */
    return true;
}

static bool make_tls(sim *s, const settings *set)
{
    if (set->cert == NULL) {
        return true;
    }
    s->tls = SSL_CTX_new(TLS_server_method());
    if (s->tls == NULL || SSL_CTX_use_certificate_chain_file(s->tls, set->cert) != 1 ||
        SSL_CTX_use_PrivateKey_file(s->tls, set->key, SSL_FILETYPE_PEM) != 1) {
        (void)fprintf(stderr, "panicmon-sim: cannot use %s and %s: %s\n", set->cert, set->key,
                      ERR_reason_error_string(ERR_peek_last_error()));
        return false;
    }
    if (set->client_ca != NULL) {
        SSL_CTX_set_verify(s->tls, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
        if (SSL_CTX_load_verify_locations(s->tls, set->client_ca, NULL) != 1) {
            (void)fprintf(stderr, "panicmon-sim: cannot use %s\n", set->client_ca);
            return false;
        }
    }
    (void)SSL_CTX_set_mode(s->tls,
                           SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    return true;
}

static bool open_port(sim *s, const char *host, uint32_t port, bool tell)
{
    uint16_t bound = 0;
    bool six = strchr(host, ':') != NULL;
    if (!sim_listen(s, host, (uint16_t)port, &bound)) {
        return false;
    }
    if (tell) {
        (void)printf(six ? "listening on %s://[%s]:%u\n" : "listening on %s://%s:%u\n",
                     s->tls != NULL ? "wss" : "ws", host, bound);
    }
    return true;
}

static bool open_ports(sim *s, const settings *set)
{
    char host[256] = "127.0.0.1";
    uint32_t port = 9944;
    const char *text = set->listen == NULL ? "127.0.0.1:9944" : set->listen;
    const char *colon = strrchr(text, ':');
    if (colon == NULL || colon == text || (size_t)(colon - text) >= sizeof host ||
        !parse_u32("listen", colon + 1, 0, 65535, &port)) {
        (void)fprintf(stderr, "panicmon-sim: --listen: '%s' is not HOST:PORT\n", text);
        return false;
    }
    bool brackets = *text == '[' && colon[-1] == ']';
    (void)snprintf(host, sizeof host, "%.*s", (int)(colon - text) - 2 * brackets, text + brackets);
    if (set->first_port == 0 || set->listen != NULL) {
        if (!open_port(s, host, port, true)) {
            return false;
        }
    }
    for (uint32_t p = set->first_port; p != 0 && p <= set->last_port; p++) {
        if (!open_port(s, host, p, s->listener_count == 0)) {
            return false;
        }
    }
    (void)fflush(stdout);
    return true;
}

static void raise_limit(void)
{
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &files);
    }
}

int main(int argc, char **argv)
{
    settings set = {.world = {.seed = 1,
                              .validators = 6,
                              .waiting = 2,
                              .nominators = 3,
                              .page_size = 512,
                              .session_blocks = 10,
                              .era_sessions = 6,
                              .history_depth = 84,
                              .start = 1200,
                              .warm_up = 32,
                              .slash_every = 50,
                              .offline_every = 7,
                              .keep = 256,
                              .spec_version = 1000000,
                              .ss58 = 42},
                    .nodes = 1,
                    .block_time = 6,
                    .finality_lag = -1,
                    .head_index = UINT32_MAX};
    sim s = {.random = 1, .epoll = -1, .signals = -1, .spare = -1};
    int status = parse(&set, argc, argv);
    if (status != 0) {
        free(set.modes);
        return status < 0 ? 2 : 0;
    }
    raise_limit();
    status = 2;
    s.chain = make_chain(&set);
    if (s.chain != NULL && make_nodes(&s, &set) && make_tls(&s, &set) && open_ports(&s, &set)) {
        s.block_us = set.state != NULL ? 0 : (int64_t)(set.block_time * 1e6);
        s.next_block_us = sim_now_us() + s.block_us;
        sim_set_cuts(&s, set.cuts);
        sim_hold(&s);
        status = sim_serve(&s) ? 0 : 1;
    }
    sim_close_all(&s);
    sim_chain_free(s.chain);
    free(s.nodes);
    free(set.modes);
    return status;
}
