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
#include "core/runtime.h"
#include "manager/group.h"
#include "manager/identity.h"
#include "net/amqp.h"

/* A stopped monitor that may not have ended yet, whose key is free again once it has; or the birth
 * of one that nobody waits for any more. */
typedef struct pm_leaver {
    struct pm_leaver *next;
    panicmon_monitor *monitor;
    pm_birth *birth;
    bool hung; /* it does not come back */
} pm_leaver;

/* When the monitorables of a base chain were last published because of a config set. */
typedef struct pm_told {
    struct pm_told *next;
    int64_t at_ms;
    bool again; /* they have changed since */
    char base[];
} pm_told;

/* A group that is in the table, and when it wants to be looked at; 0: it is new. */
typedef struct pm_watch {
    int64_t look_ms;
    pm_group *group;
} pm_watch;

/* The last messages that could not be taken, each as a JSON object; oldest first. */
#define PM_PARKED_MAX 100

struct panicmon_manager {
    panicmon_runtime *runtime;
    panicmon_registry *registry;
    _Atomic(panicmon_log *) log;
    panicmon_log *early_log; /* what it was before the start; others may still be using it */
    bool enabled[PM_IDENTITIES];
    bool supervises; /* monitors run for ever, so one that ended is started again */
    char *dead_letter;
    int64_t patience_ms; /* a start that takes longer hangs */

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
    pm_birth *awaited; /* by who has the turn */
    bool closing;
    bool restored;       /* kept config sets were applied, or cannot be read now */
    pm_map groups;       /* routing key -> pm_group */
    pm_map in_file;      /* routing keys of the last apply_all; their values mean nothing */
    bool supervised;     /* the supervisor runs or soon will, and calls pm_manager_announce_due() */
    pm_told *told;       /* never freed before the manager */
    int64_t announce_ms; /* when to call it */

    /* of who holds the turn */
    pm_leaver *leavers;
    pm_watch *watched; /* each group of the table, in no order */
    size_t watched_count;
    size_t watched_capacity;
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

bool pm_manager_is_closing(panicmon_manager *manager);
/* Without the turn. False: it closes. */
bool pm_manager_sleep(panicmon_manager *manager, int64_t until_ms);

/* ---- apply.c: with the turn ---- */

/* As panicmon_manager_apply(), but publishes nothing. `*taken`: the body was a config set, if
 * perhaps with bad entries, and now stands; the caller announces its routing key. ERR_NOMEM and not
 * taken: the same again makes up for what is missing. */
panicmon_err pm_manager_apply_set(panicmon_manager *manager, const char *routing_key,
                                  const char *json, size_t len, bool *taken, panicmon_error **err);

/* ---- supervise.c: with the turn ---- */

/* Restarts what ended or hangs; gives when to look again. */
int64_t pm_manager_supervise(panicmon_manager *manager, int64_t now_ms);
/* For groups that come into the table (false without memory), that take the place of another one
 * there, or leave it. */
bool pm_manager_watch(panicmon_manager *manager, pm_group *group);
void pm_manager_watch_instead(panicmon_manager *manager, pm_group *group, const pm_group *old);
void pm_manager_unwatch(panicmon_manager *manager, const pm_group *group);

/* ---- begin.c: with the turn ---- */

/* How long to wait, pm_mono_ms(), of all entries together. */
typedef struct pm_patience {
    int64_t start_ms; /* for monitors that are being made; each gets a moment after that too */
    int64_t leave_ms; /* for predecessors to end */
} pm_patience;

/* Begins to start a monitor for the entry; takes `parsed` over. PANICMON_OK: it runs, or is still
 * being made (entry->birth). On failure the next try is planned. */
panicmon_err pm_manager_begin(panicmon_manager *manager, const char *routing_key,
                              pm_strategy *strategy, pm_entry *entry, void *parsed,
                              const pm_patience *patience, panicmon_error **err);
/* The entry's birth is over: runs what came of it. */
panicmon_err pm_manager_finish(panicmon_manager *manager, pm_entry *entry, int64_t leave_ms,
                               panicmon_error **err);
/* Stops the entry's monitor, and forgets the one being made. */
void pm_manager_leave(panicmon_manager *manager, pm_entry *entry);
/* The same for one that hangs: its key is free at once. */
void pm_manager_leave_hung(panicmon_manager *manager, pm_entry *entry);
/* How many predecessors of that key hang still. */
unsigned pm_manager_count_hung(const panicmon_manager *manager, const char *key);
/* Looks for stopped monitors that hang. */
void pm_manager_watch_leavers(panicmon_manager *manager);
/* Waits until `until_ms` for stopped monitors to end and frees the handles of those that did. */
void pm_manager_reap(panicmon_manager *manager, int64_t until_ms);
/* Gives up those that are left; at the manager's end. */
void pm_manager_forget_leavers(panicmon_manager *manager);
/* Asks everything to stop and forgets it. */
void pm_manager_stop_all(panicmon_manager *manager);

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
