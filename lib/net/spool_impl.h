/* spool_impl.h (internal to the spool): the records and segments. */
#ifndef PM_SPOOL_IMPL_H
#define PM_SPOOL_IMPL_H

#include <pthread.h>

#include "base/buf.h"
#include "base/thread.h"
#include "net/outbox.h"
#include "net/spool.h"

/* Largest record believed when reading; a message cannot be larger than the outbox, which is. */
#define PM_SPOOL_RECORD_MAX (1u << 30)

typedef enum pm_record_kind { PM_RECORD_MESSAGE = 1, PM_RECORD_SETTLED = 2 } pm_record_kind;

/* One record as read; the texts lie in the segment's bytes. */
typedef struct pm_record {
    pm_record_kind kind;
    uint64_t seq;
    const char *lane;
    pm_message message;
} pm_record;

/* Appends a record to `out`. */
void pm_record_message(pm_buf *out, uint64_t seq, const char *lane, const pm_message *message);
void pm_record_settled(pm_buf *out, uint64_t seq);
/* Reads the record at `*at` and moves past it; false at the end or where the bytes are no record
 * (torn or damaged). */
bool pm_record_read(const char *bytes, size_t len, size_t *at, pm_record *out);

#define PM_SEGMENT_NAME 32

typedef struct pm_segment {
    struct pm_segment *next; /* newer */
    uint64_t number;
    size_t bytes;
    size_t live; /* messages in it that are not settled */
    int fd;      /* -1: no longer written to, and on the disk */
    bool dirty;
} pm_segment;

struct pm_spool {
    pthread_mutex_t lock;
    pthread_cond_t work;
    pm_spool_owner owner;
    panicmon_log *log;
    int dir;
    int lock_fd;
    pm_segment *first;
    pm_segment *last; /* written to; NULL: one must be begun */
    uint64_t next_number;
    size_t bytes;
    uint64_t compacting; /* number of the first segment of the compaction; 0: none. Meanwhile no
                            segment goes */
    bool failing;        /* the last write failed; told once */
    int note_failed;     /* errno to be logged by the thread */
    bool dir_dirty;
    bool stop;
    size_t torn; /* bytes that were no records at the start */
    pm_thread *thread;
};

void pm_segment_name(uint64_t number, char name[PM_SEGMENT_NAME]);
pm_segment *pm_segment_find(const pm_spool *spool, uint64_t number);
/* Enters a segment as the newest; NULL without memory. */
pm_segment *pm_segment_append(pm_spool *spool, uint64_t number);
/* Finds the segments and replays them. The lock is not held: there are no threads yet. */
panicmon_err pm_spool_read(pm_spool *spool, uint64_t *next_seq);

#endif
