/* outbox_impl.h (internal to the outbox): its insides. All of it is guarded by outbox->lock, but
 * for what is said to be another's. */
#ifndef PM_OUTBOX_IMPL_H
#define PM_OUTBOX_IMPL_H

#include <pthread.h>

#include "base/map.h"
#include "net/outbox.h"
#include "net/spool.h"

/* How many usual sizes there are: most heartbeats have one, most samples another. malloc is slow
 * where many of a size come and go at once, so memory of those is used again. */
#define PM_ENTRY_BLOCKS 2

/* One message, in one allocation with its texts. */
typedef struct pm_entry {
    pm_message out;         /* first: what pm_port_take() gives */
    struct pm_entry *older; /* of all messages, by seq */
    struct pm_entry *newer;
    struct pm_entry *prev; /* of its lane, by seq; `next` also links the lane's done list */
    struct pm_entry *next;
    struct pm_entry *after; /* in flight on its port, by tag */
    pm_lane *lane;
    pm_request *request; /* NULL: nobody waits for the outcome any more */
    uint64_t seq;
    uint64_t segment; /* of the spool; 0: not there */
    uint64_t tag;
    int64_t sent_ms;
    int64_t not_before; /* after a nack */
    size_t size;
    int block; /* which of the usual sizes its memory has; -1: none */
    unsigned tries;
    bool in_flight;
    bool returned;
    bool keep;
    bool superseded;
    const char *about;   /* with `keep`: who tells of what; a newer message about it replaces it */
    panicmon_err status; /* the outcome, on the done list */
    char memory[];
} pm_entry;

struct pm_lane {
    pm_outbox *outbox;
    pm_port *port; /* who sends it */
    pm_port *home; /* who shall, once nothing is in flight on `port`; NULL: as it is */
    pm_lane *prev; /* of its port */
    pm_lane *next;
    pm_lane *ready_next;
    char *name; /* under which outbox->named knows it; NULL: a second of that name */
    bool open;  /* has a channel */
    bool ready; /* is in its port's list of lanes to be sent */
    bool flushing;
    void (*wake)(void *user);
    void *user;
    pm_entry *first;
    pm_entry *last;
    pm_entry *unsent; /* the first that is not in flight */
    pm_entry *done;   /* outcomes to be told, oldest first */
    pm_entry *last_done;
    size_t count;
    size_t in_flight;
    size_t with_request;
    int64_t due; /* no request of it has an earlier deadline */
    /* memory to be used again, by size; of its channel's thread, without the lock */
    pm_entry *spare[PM_ENTRY_BLOCKS];
    size_t spare_count[PM_ENTRY_BLOCKS];
};

struct pm_port {
    pm_outbox *outbox;
    pm_port *next; /* of the outbox, oldest first */
    void (*wake)(void *user, bool hurry);
    void *user;
    pm_port_state state;
    pm_lane *lanes;
    pm_lane *ready;
    pm_lane *last_ready;
    size_t pending;  /* messages of its lanes */
    size_t flushing; /* of its lanes */
    pm_entry *flight;
    pm_entry *last_flight;
    size_t in_flight;
    uint64_t next_tag;
    bool confirming; /* takes in confirms; its user collects what is done afterwards */
};

struct pm_outbox {
    pthread_mutex_t lock;
    pthread_cond_t flushed;
    size_t limit;
    char *keep;
    pm_sink_counts *counts;
    panicmon_log *log;
    pm_spool *spool;  /* has its own lock, taken after this one; its thread takes this one first */
    pm_map named;     /* name -> lane */
    pm_map newest_of; /* pm_entry.about -> newest message of the exchange `keep` */
    pm_entry *moving; /* the next that a compaction of the spool looks at; NULL: none left */
    pm_port *ports;
    pm_port limbo; /* holds the lanes while there is no port */
    pm_entry *oldest;
    pm_entry *newest;
    size_t bytes;
    uint64_t next_seq;
    int64_t episode; /* messages dropped since the outbox is full; 0: it is not */
    bool note_full;  /* to be logged once the lock is free */
    int64_t note_dropped;
    int64_t note_nacked;
};

/* Unlocks, then writes the records that came up meanwhile. */
void pm_outbox_unlock(pm_outbox *outbox);
/* outbox_entry.c: a message in one block of memory; NULL without memory. With a lane, which may be
 * NULL, in its channel's thread. */
pm_entry *pm_entry_make(const pm_outbox *outbox, pm_lane *lane, const char *exchange,
                        const char *routing_key, const char *body, size_t len);
/* Frees one that is linked nowhere; with a lane, which may be NULL, in its channel's thread. */
void pm_entry_give_back(pm_lane *lane, pm_entry *entry);
/* Frees the lane's spare blocks, in the thread of its channel. */
void pm_lane_drop_spare(pm_lane *lane);
/* Enters a message as the newest of all and of its lane. */
void pm_entry_link(pm_entry *entry);
/* Whether AMQP can name the exchange and the routing key. */
bool pm_outbox_can_name(const char *exchange, const char *routing_key);
/* Drops the oldest messages until `size` more bytes fit; false when they never will. */
bool pm_outbox_make_room(pm_outbox *outbox, size_t size);
/* outbox_spool.c: opens the spool and takes in what it holds. */
panicmon_err pm_outbox_open_spool(pm_outbox *outbox, const char *dir, panicmon_error **err);
/* Ends the way of a message: takes it out and counts it. `reason` is one of the dropped counters;
 * NULL: confirmed. Its lane may be gone afterwards. */
void pm_entry_settle(pm_entry *entry, panicmon_err status, atomic_int_fast64_t *reason);
/* Marks a message that was in flight as waiting again; it may be gone afterwards. */
void pm_entry_unsend(pm_entry *entry);
/* outbox_newest.c: what a message of the exchange `keep` is about: its routing key and, of a list
 * of monitorables, its manager. */
void pm_newest_name(pm_buf *out, const char *routing_key, const char *body, size_t len);
/* A message was taken in; was taken out; waits again, which may be its end. */
void pm_newest_enter(pm_entry *entry);
void pm_newest_leave(const pm_entry *entry);
void pm_newest_unsent(pm_entry *entry);
/* Enters the lane in its port's list of lanes to be sent, when it has something for it. */
void pm_lane_set_ready(pm_lane *lane);
/* The named lane if no channel has it, else a new one on `port`; NULL without memory. */
pm_lane *pm_lane_of(pm_outbox *outbox, const char *name, pm_port *port);
/* What follows when a lane has fewer messages, or fewer in flight, or no channel. */
void pm_lane_look(pm_lane *lane);
/* Gives the lane to another port; nothing of it is in flight. */
void pm_lane_move(pm_lane *lane, pm_port *port);

#endif
