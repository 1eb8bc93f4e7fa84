/* metrics_targets.c: see metrics_impl.h. All samples of one family stand together, so the
 * monitorables are gone through once for each family. What is not known is left out. */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "escape.h"
#include "metrics_impl.h"

/* The strategies of the daemon, one for each kind. */
static const char *strategy_name(kind kind)
{
    static const char *const names[KINDS] = {"substrate_node", "substrate_network", "system",
                                             "repo"};
    return names[kind];
}

/* ---- by strategy ---- */

typedef enum target_state { WAITING, UP, DOWN, STALE, STATES } target_state;

static target_state state_of(const writer *at, const monitorable *one)
{
    if (one->rounds == 0) {
        return WAITING;
    }
    if (at->now_ms - one->heard_ms > at->wish->stale_ms[one->kind]) {
        return STALE;
    }
    return one->error == 0 ? UP : DOWN;
}

void metrics_strategies(const writer *at)
{
    static const char *const states[STATES] = {"waiting", "up", "down", "stale"};
    static const char *const outcomes[OUTCOMES] = {"ok", "down", "error"};
    size_t targets[KINDS][STATES] = {{0}};
    for (size_t i = 0; i < at->snapshot->count; i++) {
        const monitorable *one = &at->snapshot->entries[i];
        targets[one->kind][state_of(at, one)]++;
    }
    metrics_begin(at, "panicmon_targets", GAUGE, "Monitorables by what is known of them.");
    for (kind kind = KIND_NODE; kind <= KIND_NETWORK; kind++) {
        for (size_t i = 0; i < STATES; i++) {
            fprintf(at->to, "panicmon_targets{strategy=\"%s\",state=\"%s\"} %zu\n",
                    strategy_name(kind), states[i], targets[kind][i]);
        }
    }
    metrics_begin(at, "panicmon_checks", COUNTER,
                  "Rounds by what they gave: a result, a node that is away, another error.");
    for (kind kind = KIND_NODE; kind <= KIND_NETWORK; kind++) {
        for (size_t i = 0; i < OUTCOMES; i++) {
            fprintf(at->to, "panicmon_checks_total{strategy=\"%s\",outcome=\"%s\"} %" PRId64 "\n",
                    strategy_name(kind), outcomes[i], at->snapshot->checks[kind][i]);
        }
    }
}

/* ---- figures of one monitorable ---- */

/* What a figure is when there is none. */
#define ABSENT ((double)NAN)

static double of_count(int64_t value)
{
    return value == UNKNOWN ? ABSENT : (double)value;
}

static double of_answer(int value)
{
    return value < 0 ? ABSENT : value;
}

static bool is_up(const writer *at, const monitorable *one)
{
    return state_of(at, one) == UP;
}

static double up(const writer *at, const monitorable *one)
{
    return one->rounds == 0 ? ABSENT : is_up(at, one);
}

static double last_round(const writer *at, const monitorable *one)
{
    (void)at;
    return one->heard_ms == 0 ? ABSENT : (double)one->heard_ms / 1000;
}

static double last_success(const writer *at, const monitorable *one)
{
    (void)at;
    return one->good_ms == 0 ? ABSENT : (double)one->good_ms / 1000;
}

static double error_code(const writer *at, const monitorable *one)
{
    (void)at;
    return one->error <= 0 ? ABSENT : one->error;
}

static double rounds(const writer *at, const monitorable *one)
{
    (void)at;
    return (double)one->rounds;
}

static double errors(const writer *at, const monitorable *one)
{
    (void)at;
    return (double)one->errors;
}

/* What stood in a last sample says nothing of now unless that sample is a result, and fresh. */
#define FRESH(name, value)                                                                         \
    static double name(const writer *at, const monitorable *one)                                   \
    {                                                                                              \
        return is_up(at, one) ? (value) : ABSENT;                                                  \
    }
FRESH(best, of_count(one->best))
FRESH(target, of_count(one->target))
FRESH(finalized, of_count(one->finalized))
FRESH(peers, of_count(one->peers))
FRESH(syncing, of_answer(one->syncing))
FRESH(era, of_count(one->era))
FRESH(session, of_count(one->session))
FRESH(active, of_answer(one->active))
FRESH(inactive, one->active < 0 ? ABSENT : one->active == 0)
FRESH(elected, of_answer(one->elected))
FRESH(disabled, of_answer(one->disabled))

static double slashed(const writer *at, const monitorable *one)
{
    (void)at;
    return one->validator == 1 ? one->slashed : ABSENT;
}

typedef struct family {
    const char *name; /* NULL: more samples of the family before */
    family_type type;
    const char *help;
    double (*value)(const writer *at, const monitorable *one);
    const char *label; /* one more, NULL: none */
    unsigned compat;   /* the set of names it is of; 0: ours */
} family;

static const family families[] = {
    {"panicmon_target_up", GAUGE, "Whether the last round gave a result, in time.", up, NULL, 0},
    {"panicmon_target_error_code", GAUGE, "PANIC's code of the error of the last round.",
     error_code, NULL, 0},
    {"panicmon_target_last_round_timestamp_seconds", GAUGE, "When the last round was.", last_round,
     NULL, 0},
    {"panicmon_target_last_success_timestamp_seconds", GAUGE,
     "When a round gave a result for the last time.", last_success, NULL, 0},
    {"panicmon_target_checks", COUNTER, "Rounds of the monitorable.", rounds, NULL, 0},
    {"panicmon_target_errors", COUNTER, "Rounds of it that gave an error.", errors, NULL, 0},
    {"panicmon_substrate_block_height", GAUGE,
     "The height that a node has (best), has finalized, or is on its way to (target).", best,
     "status=\"best\"", 0},
    {NULL, GAUGE, NULL, finalized, "status=\"finalized\"", 0},
    {NULL, GAUGE, NULL, target, "status=\"target\"", 0},
    {"panicmon_substrate_peers", GAUGE, "Peers of the node.", peers, NULL, 0},
    {"panicmon_substrate_syncing", GAUGE, "Whether the node says that it syncs.", syncing, NULL, 0},
    {"panicmon_substrate_era", GAUGE, "The era of the chain.", era, NULL, 0},
    {"panicmon_substrate_session", GAUGE, "The session of the chain.", session, NULL, 0},
    {"panicmon_substrate_validator_active", GAUGE, "Whether it is in the set of validators.",
     active, NULL, 0},
    {"panicmon_substrate_validator_elected", GAUGE, "Whether it was elected.", elected, NULL, 0},
    {"panicmon_substrate_validator_disabled", GAUGE, "Whether it is disabled.", disabled, NULL, 0},
    {"panicmon_substrate_validator_slashed_planck", COUNTER,
     "What was slashed since the daemon runs, in the smallest unit of the chain.", slashed, NULL,
     0},
    {"substrate_block_height", GAUGE, "As a Polkadot node tells it itself.", best,
     "status=\"best\"", METRICS_PARITY},
    {NULL, GAUGE, NULL, finalized, "status=\"finalized\"", METRICS_PARITY},
    {NULL, GAUGE, NULL, target, "status=\"sync_target\"", METRICS_PARITY},
    {"substrate_sub_libp2p_peers_count", GAUGE, "As a Polkadot node tells it itself.", peers, NULL,
     METRICS_PARITY},
    {"polkadot_validator_out_of_active_set_state", GAUGE,
     "Whether a validator is out of the set, as polkadot-watcher-validator tells it.", inactive,
     NULL, METRICS_W3F},
};

static void label(FILE *to, const char *name, const char *value)
{
    fprintf(to, "%s=\"", name);
    escape_label(to, value);
    fputc('"', to);
}

static void write_labels(FILE *to, const family *family, const monitorable *one)
{
    const labels *labels = one->labels;
    fputc('{', to);
    if (family->compat == METRICS_W3F) {
        label(to, "network", labels->chain);
        fputc(',', to);
        label(to, "name", labels->name);
        fputc(',', to);
        label(to, "id", labels->id); /* names may be the same */
    } else {
        label(to, "chain", labels->chain);
        fputc(',', to);
        /* The network of a chain is no node. */
        label(to, "node", one->kind == KIND_NETWORK ? "" : labels->name);
        fputc(',', to);
        label(to, "id", labels->id);
        if (family->compat == 0) {
            fputc(',', to);
            label(to, "strategy", strategy_name(one->kind));
        }
    }
    fprintf(to, "%s%s}", family->label != NULL ? "," : "",
            family->label != NULL ? family->label : "");
}

static void write_family(const writer *at, const char *name, const family *family)
{
    for (size_t i = 0; i < at->snapshot->count; i++) {
        const monitorable *one = &at->snapshot->entries[i];
        double value = family->value(at, one);
        if (isnan(value) || (family->compat != 0 && one->kind != KIND_NODE)) {
            continue;
        }
        fprintf(at->to, "%s%s", name, family->type == COUNTER ? "_total" : "");
        write_labels(at->to, family, one);
        metrics_number(at->to, value);
    }
}

void metrics_targets(const writer *at)
{
    const char *name = NULL;
    for (size_t i = 0; i < sizeof families / sizeof *families; i++) {
        const family *family = &families[i];
        if (family->compat != 0 && (family->compat & at->wish->compat) == 0) {
            continue;
        }
        if (family->name != NULL) {
            name = family->name;
            metrics_begin(at, name, family->type, family->help);
        }
        write_family(at, name, family);
    }
}
