/* spool.h: the messages of an outbox on disk, so that a stop or a kill with the broker away loses
 * none. A directory of append-only segments; each record has a length and a checksum. A message is
 * written before it counts as waiting, which is enough against a kill of the process; a thread
 * brings the segments to the disk (fdatasync) within PM_SPOOL_SYNC_MS, against a loss of power, and
 * writes the live messages anew when most of the disk holds settled ones.
 *
 * Any thread; its own lock guards it. One process at a time has a directory. */
#ifndef PM_SPOOL_H
#define PM_SPOOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <panicmon/error.h>
#include <panicmon/log.h>

#define PM_SPOOL_SYNC_MS 200

typedef struct pm_spool pm_spool;
struct pm_message;

/* Who has the messages. `live` and `move` are called by the spool's thread, without its lock, and
 * may take one that is held while the functions below are called. */
typedef struct pm_spool_owner {
    /* Receives one message that was not settled, in the order of seq; the texts are borrowed.
     * False: no memory, and opening fails. */
    bool (*replay)(void *user, uint64_t seq, uint64_t segment, const char *lane,
                   const struct pm_message *message);
    /* How many bytes are not settled; the next `move` begins with the oldest of them. */
    size_t (*live)(void *user);
    /* Adds some of those again that stand in segments below `before`; whether there are more. */
    bool (*move)(void *user, uint64_t before);
    void *user;
} pm_spool_owner;

/* Makes the directory when it is not there, and replays what it holds. `*next_seq` is raised above
 * all that was used. ERR_STATE: another process has it. ERR_SYSTEM: it cannot be used. */
panicmon_err pm_spool_open(pm_spool **out, const char *dir, const pm_spool_owner *owner,
                           uint64_t *next_seq, panicmon_error **err);
void pm_spool_set_log(pm_spool *spool, panicmon_log *log);
/* Brings all to the disk; NULL is allowed. */
void pm_spool_close(pm_spool *spool);

/* Writes a message (`lane` NULL: ""). Gives its segment, or 0 when it could not be written. */
uint64_t pm_spool_add(pm_spool *spool, uint64_t seq, const char *lane,
                      const struct pm_message *message);
/* A message of that segment was confirmed or dropped. The oldest segments go when all of theirs
 * were. */
void pm_spool_settled(pm_spool *spool, uint64_t number, uint64_t seq);

/* Writes a message of segment `number` (0: of none) once more, at the end, so that its old segment
 * can go. Gives its segment, which is the old one when it could not be written. */
uint64_t pm_spool_add_again(pm_spool *spool, uint64_t seq, const char *lane,
                            const struct pm_message *message, uint64_t number);

#endif
