/* manager_impl.h (internal to lib/manager): the insides of a manager.
 *
 * What runs stands in groups, one per routing key. A group is never changed once it is in the
 * table: applying a config set builds the next one and swaps it in. Only who holds the turn builds
 * groups, starts and stops monitors; everybody else reads the table under the lock. Strategies are
 * called by the holder of the turn, never under the lock. */
#ifndef PM_MANAGER_IMPL_H
#define PM_MANAGER_IMPL_H

#include <pthread.h>
#include <stdatomic.h>

#include <panicmon/manager.h>

#include "base/buf.h"
#include "base/map.h"
#include "base/thread.h"
#include "core/config_set.h"
#include "core/monitor.h"
#include "core/runtime.h"
#include "manager/identity.h"
#include "net/amqp.h"

/* One monitorable of a strategy under a routing key. */
typedef struct pm_entry {
    const panicmon_config *config; /* of the arm's plan or set */
    panicmon_monitor *monitor;     /* NULL: refused, switched off, or could not be started */
    int64_t retry_ms;              /* when to start it again; 0: not planned */
    int64_t backoff_ms;
} pm_entry;

/* What one strategy runs under a routing key. A strategy whose plan fails keeps its arm, so two
 * groups may share it for a moment. */
typedef struct pm_arm {
    unsigned refs; /* of who holds the turn */
    pm_strategy *strategy;
    panicmon_config_set *set; /* what the plan was made from */
    panicmon_plan plan;
    pm_entry *entries; /* one per planned config, in the plan's order */
    size_t count;
} pm_arm;

typedef struct pm_group {
    char *routing_key;
    pm_arm **arms;
    size_t count;
} pm_group;

/* A stopped monitor that may not have ended yet; its key is free again once it has. */
typedef struct pm_leaver {
    struct pm_leaver *next;
    panicmon_monitor *monitor;
    bool hung; /* when it was stopped */
} pm_leaver;

/* When the monitorables of a base chain were last published because of a config set. */
typedef struct pm_told {
    struct pm_told *next;
    int64_t at_ms;
    bool again; /* they have changed since */
    char base[];
} pm_told;

/* The last messages that could not be taken, each as a JSON object; oldest first. */
#define PM_PARKED_MAX 100

struct panicmon_manager {
    panicmon_runtime *runtime;
    panicmon_registry *registry;
    panicmon_log *log;
    bool enabled[PM_IDENTITIES];
    bool supervises; /* monitors run for ever, so one that ended is started again */
    char *dead_letter;

    pm_thread *supervisor;
    pm_thread *consumer_thread;
    pm_consumer *consumer;
    pm_store
        *store; /* a reference: what runs at the end may outlast the runtime's; with consumer */
    pm_binding bindings[2 * PM_IDENTITIES + 1]; /* what the consumer declares and consumes */

    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t changed;
    bool turn_taken;
    pthread_t turn_owner;
    bool closing;
    bool restored;       /* kept config sets were applied, or cannot be read now */
    pm_map groups;       /* routing key -> pm_group */
    pm_map in_file;      /* routing keys of the last apply_all; their values mean nothing */
    bool supervised;     /* the supervisor runs, and calls pm_manager_announce_due() */
    pm_told *told;       /* never freed before the manager */
    int64_t announce_ms; /* when to call it */

    /* of who holds the turn */
    pm_leaver *leavers;
    pm_map decided;  /* routing keys that got a set in this life: what was kept before is older */
    pm_map kept;     /* routing keys whose sets the store holds, as far as known */
    bool store_read; /* `kept` and `parked` hold what the store held, so they may be saved */
    char *parked[PM_PARKED_MAX];
    size_t parked_count;
    int64_t identities_seen; /* of the runtime, as far as monitorables tell them */
};

/* ---- manager.c ---- */

/* Waits for the turn. ERR_DEADLOCK when the caller has it; ERR_STATE when closing. */
panicmon_err pm_manager_take_turn(panicmon_manager *manager);
void pm_manager_give_turn(panicmon_manager *manager);

/* ---- apply.c: with the turn ---- */

/* As panicmon_manager_apply(), but publishes nothing. `*taken`: the body was a config set, if
 * perhaps with bad entries, and now stands; the caller announces its routing key. */
panicmon_err pm_manager_apply_set(panicmon_manager *manager, const char *routing_key,
                                  const char *json, size_t len, bool *taken, panicmon_error **err);
/* Restarts what ended or hangs; gives when to look again. */
int64_t pm_manager_supervise(panicmon_manager *manager, int64_t now_ms);
/* Asks everything to stop and forgets it. */
void pm_manager_stop_all(panicmon_manager *manager);
/* Waits until `until_ms` for stopped monitors to end and frees the handles of those that did. */
void pm_manager_reap(panicmon_manager *manager, int64_t until_ms);

/* ---- announce.c: any thread ---- */

/* A list of monitorables has all of its base chain: whoever changes many routing keys publishes it
 * once, after the last of them. Notes the base chain of a routing key (without memory it publishes
 * at once); */
void pm_manager_announce_later(panicmon_manager *manager, pm_map *bases, const char *routing_key);
/* and publishes those that were noted, and frees the notes. */
void pm_manager_announce_bases(panicmon_manager *manager, pm_map *bases);
/* For config sets that come one by one: publishes the monitorables of the base chain of a routing
 * key (nothing for keys that are none of PANIC's) at once, but those of one chain only so often;
 * then pm_manager_announce_due() does it after the last of them. With the turn. */
void pm_manager_announce_soon(panicmon_manager *manager, const char *routing_key);
void pm_manager_announce_due(panicmon_manager *manager, int64_t now_ms);
/* Publishes those of all base chains. */
void pm_manager_announce_all(panicmon_manager *manager);
/* Publishes the heartbeat of one identity. */
panicmon_err pm_manager_heartbeat(panicmon_manager *manager, size_t identity);

/* ---- consume.c ---- */

/* Starts consuming from the broker when there is one. */
panicmon_err pm_manager_consume(panicmon_manager *manager);

/* ---- keep.c ---- */

/* Keeps an accepted config set of the broker for the next start. With the turn. */
void pm_manager_keep(panicmon_manager *manager, const char *routing_key, const char *json,
                     size_t len);
/* Keeps a body that could not be taken, and hands it to the dead-letter exchange. With the turn. */
void pm_manager_park(panicmon_manager *manager, const pm_delivery *delivery, const char *why);
/* Applies what was kept, unless something newer came for its routing key. False: the store cannot
 * be read now; to be called again. Without the turn: it takes it itself, once it has read. */
bool pm_manager_restore(panicmon_manager *manager);
/* At the manager's end. */
void pm_manager_forget_kept(panicmon_manager *manager);

#endif
