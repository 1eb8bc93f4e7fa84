/* spool.c: the segments of the spool; see spool.h. Segments are files named by a growing number;
 * only the newest is written to, and a new one is begun at each start, so that a torn end is never
 * followed by good records. A segment may go only when all older ones are gone, because what it
 * says is settled lies in itself or in older ones. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "base/thread.h"
#include "net/spool_impl.h"

#define COMPONENT    "spool"
#define SEGMENT_SIZE ((size_t)8 << 20)
/* Settled bytes that are no reason yet to write anew what is live. */
#define WASTE_MIN ((size_t)32 << 20)

void pm_segment_name(uint64_t number, char name[PM_SEGMENT_NAME])
{
    (void)snprintf(name, PM_SEGMENT_NAME, "%020" PRIu64 ".seg", number);
}

/* ---- segments; with the lock held ---- */

static void remove_segment(pm_spool *spool, pm_segment *at)
{
    char name[PM_SEGMENT_NAME];
    pm_segment_name(at->number, name);
    (void)unlinkat(spool->dir, name, 0);
    if (at->fd >= 0) {
        (void)close(at->fd);
    }
    spool->bytes -= at->bytes;
    free(at);
}

/* Removes the oldest segments as far as all in them is settled; never the one written to. */
static void remove_settled(pm_spool *spool)
{
    while (spool->first != NULL && spool->first->live == 0 && spool->first != spool->last &&
           spool->compacting == 0) {
        pm_segment *next = spool->first->next;
        remove_segment(spool, spool->first);
        spool->first = next;
    }
}

pm_segment *pm_segment_find(const pm_spool *spool, uint64_t number)
{
    pm_segment *at = spool->first;
    while (at != NULL && at->number != number) {
        at = at->next;
    }
    return at;
}

/* The segment that is written to is full; its descriptor stays until it is on the disk. */
static void end_segment(pm_spool *spool)
{
    spool->last = NULL;
    pthread_cond_signal(&spool->work);
}

pm_segment *pm_segment_append(pm_spool *spool, uint64_t number)
{
    pm_segment *made = calloc(1, sizeof *made);
    if (made == NULL) {
        return NULL;
    }
    made->number = number;
    made->fd = -1;
    pm_segment **link = &spool->first;
    while (*link != NULL) {
        link = &(*link)->next;
    }
    *link = made;
    return made;
}

/* Gives NULL and errno when it cannot be. */
static pm_segment *begin_segment(pm_spool *spool)
{
    char name[PM_SEGMENT_NAME];
    pm_segment_name(spool->next_number, name);
    int fd = openat(spool->dir, name, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0600);
    if (fd < 0) {
        return NULL;
    }
    pm_segment *made = pm_segment_append(spool, spool->next_number);
    if (made == NULL) {
        (void)close(fd);
        (void)unlinkat(spool->dir, name, 0);
        errno = ENOMEM;
        return NULL;
    }
    spool->next_number++;
    made->fd = fd;
    spool->dir_dirty = true;
    spool->last = made;
    return made;
}

/* Gives 0 or an errno. What was written of a record that failed is cut off again. */
static int write_record(pm_segment *at, const pm_buf *record)
{
    size_t done = 0;
    while (done < record->len) {
        ssize_t wrote = write(at->fd, record->data + done, record->len - done);
        if (wrote < 0 && errno != EINTR) {
            int failed = errno;
            return ftruncate(at->fd, (off_t)at->bytes) == 0 ? failed : EIO;
        }
        done += wrote < 0 ? 0 : (size_t)wrote;
    }
    return 0;
}

/* Gives the segment it was written to, or NULL. */
static pm_segment *append(pm_spool *spool, const pm_buf *record)
{
    pm_segment *at = spool->last != NULL ? spool->last : begin_segment(spool);
    int failed = at == NULL ? errno : record->failed ? ENOMEM : write_record(at, record);
    if (at == NULL || failed != 0) {
        if (failed == EIO && at != NULL) {
            end_segment(spool); /* whatever its end looks like, nothing follows it */
        }
        if (!spool->failing) {
            spool->failing = true;
            spool->note_failed = failed; /* the thread tells it, without the lock */
            pthread_cond_signal(&spool->work);
        }
        return NULL;
    }
    spool->failing = false;
    at->bytes += record->len;
    spool->bytes += record->len;
    if (!at->dirty) {
        at->dirty = true;
        pthread_cond_signal(&spool->work);
    }
    if (at->bytes >= SEGMENT_SIZE) {
        end_segment(spool);
    }
    return at;
}

uint64_t pm_spool_add(pm_spool *spool, uint64_t seq, const char *lane, const pm_message *message)
{
    pm_buf record = {0};
    uint64_t number = 0;
    pm_record_message(&record, seq, lane == NULL ? "" : lane, message);
    pthread_mutex_lock(&spool->lock);
    pm_segment *at = append(spool, &record);
    if (at != NULL) {
        at->live++;
        number = at->number;
    }
    pthread_mutex_unlock(&spool->lock);
    pm_buf_free(&record);
    return number;
}

uint64_t pm_spool_add_again(pm_spool *spool, uint64_t seq, const char *lane,
                            const pm_message *message, uint64_t number)
{
    uint64_t added = pm_spool_add(spool, seq, lane, message);
    if (added == 0) {
        return number;
    }
    pthread_mutex_lock(&spool->lock);
    pm_segment *of = pm_segment_find(spool, number);
    if (of != NULL) {
        of->live--;
    }
    pthread_mutex_unlock(&spool->lock);
    return added;
}

void pm_spool_settled(pm_spool *spool, uint64_t number, uint64_t seq)
{
    pm_buf record = {0};
    pm_record_settled(&record, seq);
    pthread_mutex_lock(&spool->lock);
    pm_segment *of = pm_segment_find(spool, number);
    if (of != NULL) {
        of->live--;
        (void)append(spool, &record);
        remove_settled(spool);
    }
    pthread_mutex_unlock(&spool->lock);
    pm_buf_free(&record);
}

/* ---- bringing it to the disk ---- */

static void release_synced(pm_spool *spool)
{
    for (pm_segment *at = spool->first; at != NULL; at = at->next) {
        if (at != spool->last && !at->dirty && at->fd >= 0) {
            (void)close(at->fd);
            at->fd = -1;
        }
    }
}

/* The oldest segment above `after` and up to `last` that is not on the disk; NULL: none. */
static pm_segment *next_dirty(const pm_spool *spool, uint64_t after, uint64_t last)
{
    pm_segment *at = spool->first;
    while (at != NULL && (at->number <= after || !at->dirty || at->fd < 0)) {
        at = at->next;
    }
    return at != NULL && at->number <= last ? at : NULL;
}

/* Gives 0 or an errno. With the lock held, which it gives up meanwhile. The descriptor is a copy,
 * because the segment may go while it is written out. */
static int sync_segment(pm_spool *spool, pm_segment *at)
{
    int fd = fcntl(at->fd, F_DUPFD_CLOEXEC, 0);
    at->dirty = false;
    pthread_mutex_unlock(&spool->lock);
    int failed = fd < 0 || fdatasync(fd) != 0 ? errno : 0;
    if (fd >= 0) {
        (void)close(fd);
    }
    pthread_mutex_lock(&spool->lock);
    return failed;
}

/* Brings what was written so far to the disk, each segment once, as more may come all the time.
 * With the lock held, which it gives up meanwhile. False: something is not on the disk. */
static bool sync_all(pm_spool *spool)
{
    uint64_t done = 0;
    uint64_t last = spool->next_number - 1;
    int failed = 0;
    if (spool->dir_dirty) {
        spool->dir_dirty = false;
        pthread_mutex_unlock(&spool->lock);
        (void)fsync(spool->dir);
        pthread_mutex_lock(&spool->lock);
    }
    for (pm_segment *at; failed == 0 && (at = next_dirty(spool, done, last)) != NULL;) {
        done = at->number;
        failed = sync_segment(spool, at);
    }
    release_synced(spool);
    if (failed != 0) {
        panicmon_log *log = spool->log;
        pthread_mutex_unlock(&spool->lock);
        pm_logf(log, PANICMON_LOG_ERROR, COMPONENT, "could not be brought to the disk: %s",
                strerrordesc_np(failed));
        pthread_mutex_lock(&spool->lock);
    }
    return failed == 0;
}

/* ---- compaction ---- */

/* With the lock held, which it gives up meanwhile. */
static bool is_wasteful(pm_spool *spool)
{
    if (spool->bytes <= WASTE_MIN) {
        return false;
    }
    pthread_mutex_unlock(&spool->lock);
    size_t live = spool->owner.live(spool->owner.user);
    pthread_mutex_lock(&spool->lock);
    return spool->bytes / 3 > live;
}

/* Writes anew, to new segments, what is live in the others, so that these can go once the new ones
 * are on the disk. With the lock held, which it gives up meanwhile. A stop in between leaves some
 * messages twice, which reading tells by their seq. */
static void compact(pm_spool *spool)
{
    bool more = true;
    if (spool->last != NULL) {
        end_segment(spool);
    }
    const pm_segment *begun = begin_segment(spool);
    if (begun == NULL) {
        return;
    }
    spool->compacting = begun->number;
    while (more && !spool->stop) {
        uint64_t before = spool->compacting;
        pthread_mutex_unlock(&spool->lock);
        more = spool->owner.move(spool->owner.user, before);
        pthread_mutex_lock(&spool->lock);
    }
    bool synced = sync_all(spool);
    spool->compacting = 0;
    if (synced) { /* else they go with a later message that is settled */
        remove_settled(spool);
    }
}

/* With the lock held, which it gives up meanwhile. */
static void tell_failure(pm_spool *spool)
{
    int failed = spool->note_failed;
    char why[128];
    if (failed == 0) {
        return;
    }
    spool->note_failed = 0;
    panicmon_log *log = spool->log;
    pthread_mutex_unlock(&spool->lock);
    pm_logf(log, PANICMON_LOG_ERROR, COMPONENT,
            "could not be written, messages are in memory only: %s",
            strerror_r(failed, why, sizeof why));
    pthread_mutex_lock(&spool->lock);
}

static bool has_dirty(const pm_spool *spool)
{
    const pm_segment *at = spool->first;
    while (at != NULL && !at->dirty) {
        at = at->next;
    }
    return at != NULL;
}

static void sync_main(void *arg)
{
    pm_spool *spool = arg;
    pthread_mutex_lock(&spool->lock);
    while (!spool->stop) {
        tell_failure(spool);
        if (!has_dirty(spool)) {
            (void)pm_cond_wait_until(&spool->work, &spool->lock, PM_NEVER);
            continue;
        }
        int64_t due = pm_mono_ms() + PM_SPOOL_SYNC_MS;
        while (!spool->stop && pm_mono_ms() < due) {
            (void)pm_cond_wait_until(&spool->work, &spool->lock, due);
        }
        (void)sync_all(spool);
        if (!spool->stop && is_wasteful(spool)) {
            compact(spool);
        }
    }
    (void)sync_all(spool);
    pthread_mutex_unlock(&spool->lock);
}

/* ---- opening and closing ---- */

static panicmon_err open_dir(pm_spool *spool, const char *path, panicmon_error **err)
{
    if (mkdir(path, 0700) != 0 && errno != EEXIST) {
        return pm_error_setf(err, PANICMON_ERR_SYSTEM, "%s: %s", path, strerrordesc_np(errno));
    }
    spool->dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (spool->dir >= 0) {
        spool->lock_fd = openat(spool->dir, "lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    }
    if (spool->lock_fd < 0) {
        return pm_error_setf(err, PANICMON_ERR_SYSTEM, "%s: %s", path, strerrordesc_np(errno));
    }
    if (flock(spool->lock_fd, LOCK_EX | LOCK_NB) != 0) {
        return pm_error_setf(err, PANICMON_ERR_STATE, "%s: another process uses it", path);
    }
    return PANICMON_OK;
}

panicmon_err pm_spool_open(pm_spool **out, const char *dir, const pm_spool_owner *owner,
                           uint64_t *next_seq, panicmon_error **err)
{
    pm_spool *spool = calloc(1, sizeof *spool);
    if (spool == NULL) {
        return pm_error_setf(err, PANICMON_ERR_NOMEM, "out of memory");
    }
    spool->owner = *owner;
    spool->dir = -1;
    spool->lock_fd = -1;
    spool->next_number = 1;
    (void)pthread_mutex_init(&spool->lock, NULL);
    pm_cond_init(&spool->work);
    *out = spool; /* settled messages come back while it is read */
    panicmon_err status = open_dir(spool, dir, err);
    if (status == PANICMON_OK) {
        status = pm_spool_read(spool, next_seq);
        if (status == PANICMON_OK) {
            status = pm_thread_start(&spool->thread, "pm:spool", PM_STACK_SMALL, sync_main, spool);
        }
        if (status != PANICMON_OK) {
            (void)pm_error_setf(err, status, "%s: %s", dir, panicmon_strerror(status));
        }
    }
    if (status != PANICMON_OK) {
        pm_spool_close(spool);
        *out = NULL;
        return status;
    }
    pthread_mutex_lock(&spool->lock);
    remove_settled(spool);
    pthread_mutex_unlock(&spool->lock);
    return PANICMON_OK;
}

void pm_spool_set_log(pm_spool *spool, panicmon_log *log)
{
    pthread_mutex_lock(&spool->lock);
    spool->log = pm_log_ref(log);
    size_t torn = spool->torn;
    pthread_mutex_unlock(&spool->lock);
    if (torn > 0) {
        pm_logf(log, PANICMON_LOG_WARNING, COMPONENT,
                "%zu bytes at the end of segments were no whole records and are ignored", torn);
    }
}

void pm_spool_close(pm_spool *spool)
{
    if (spool == NULL) {
        return;
    }
    if (spool->thread != NULL) {
        pthread_mutex_lock(&spool->lock);
        spool->stop = true;
        pthread_cond_signal(&spool->work);
        pthread_mutex_unlock(&spool->lock);
        pm_thread_join(spool->thread);
    }
    while (spool->first != NULL) {
        pm_segment *next = spool->first->next;
        bool empty = spool->first->live == 0 && spool->first == spool->last && next == NULL;
        if (empty) { /* the only one left, all settled */
            remove_segment(spool, spool->first);
        } else {
            if (spool->first->fd >= 0) {
                (void)close(spool->first->fd);
            }
            free(spool->first);
        }
        spool->first = next;
    }
    if (spool->lock_fd >= 0) {
        (void)close(spool->lock_fd);
    }
    if (spool->dir >= 0) {
        (void)close(spool->dir);
    }
    panicmon_log_free(spool->log);
    (void)pthread_cond_destroy(&spool->work);
    (void)pthread_mutex_destroy(&spool->lock);
    free(spool);
}
