/* spool.h: the messages of an outbox on disk, so that a stop or a kill with the broker away loses
 * none. A directory of append-only segments; each record has a length and a checksum. A message is
 * written before it counts as waiting, which is enough against a kill of the process; a thread
 * brings the segments to the disk (fdatasync) within PM_SPOOL_SYNC_MS, against a loss of power.
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

/* Receives one message that was not settled, in the order of seq; the texts are borrowed. False:
 * no memory, and opening fails. */
typedef bool (*pm_spool_replay_fn)(void *user, uint64_t seq, uint64_t segment, const char *lane,
                                   const struct pm_message *message);

/* Makes the directory when it is not there, and replays what it holds. `*next_seq` is raised above
 * all that was used. ERR_STATE: another process has it. ERR_SYSTEM: it cannot be used. */
panicmon_err pm_spool_open(pm_spool **out, const char *dir, pm_spool_replay_fn replay, void *user,
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

/* Whether much of what is on disk is settled, `live` bytes being in use. Then: begin, add all that
 * is not settled again in order, and end; the old segments go if all was written. */
bool pm_spool_is_wasteful(pm_spool *spool, size_t live);
bool pm_spool_compact_begin(pm_spool *spool);
void pm_spool_compact_end(pm_spool *spool, bool whole);

#endif
