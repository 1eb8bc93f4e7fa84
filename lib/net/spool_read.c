/* spool_read.c: reading the segments of a spool at the start; see spool.h. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "net/spool_impl.h"

/* What was read: the bytes of the segments stay until all is replayed. */
typedef struct found {
    uint64_t seq;
    uint64_t segment;
    size_t order; /* among the records of one seq, the first counts */
    const char *lane;
    pm_message message;
} found;

typedef struct reading {
    pm_buf *texts; /* one a pm_segment */
    size_t segments;
    found *messages;
    size_t count;
    size_t room;
    uint64_t *settled;
    size_t settled_count;
    size_t settled_room;
    uint64_t last_seq;
} reading;

static bool grow(void **items, size_t *room, size_t count, size_t size)
{
    if (count < *room) {
        return true;
    }
    size_t wanted = *room == 0 ? 256 : *room * 2;
    void *grown = realloc(*items, wanted * size);
    if (grown == NULL) {
        return false;
    }
    *items = grown;
    *room = wanted;
    return true;
}

static bool note_record(reading *in, uint64_t number, const pm_record *record)
{
    if (record->seq > in->last_seq) {
        in->last_seq = record->seq;
    }
    if (record->kind == PM_RECORD_SETTLED) {
        if (!grow((void **)&in->settled, &in->settled_room, in->settled_count,
                  sizeof *in->settled)) {
            return false;
        }
        in->settled[in->settled_count++] = record->seq;
        return true;
    }
    if (!grow((void **)&in->messages, &in->room, in->count, sizeof *in->messages)) {
        return false;
    }
    in->messages[in->count] = (found){.seq = record->seq,
                                      .segment = number,
                                      .order = in->count,
                                      .lane = record->lane,
                                      .message = record->message};
    in->count++;
    return true;
}

static panicmon_err read_file(int dir, const char *name, pm_buf *out)
{
    panicmon_err status = PANICMON_OK;
    int fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) {
        return PANICMON_ERR_SYSTEM;
    }
    for (;;) {
        if (!pm_buf_reserve(out, 65536)) {
            status = PANICMON_ERR_NOMEM;
            break;
        }
        ssize_t got = read(fd, out->data + out->len, 65536);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            status = got < 0 ? PANICMON_ERR_SYSTEM : PANICMON_OK;
            break;
        }
        out->len += (size_t)got;
    }
    (void)close(fd);
    return status;
}

static panicmon_err read_segment(pm_spool *spool, pm_segment *at, reading *in, pm_buf *text)
{
    char name[PM_SEGMENT_NAME];
    pm_segment_name(at->number, name);
    panicmon_err status = read_file(spool->dir, name, text);
    size_t place = 0;
    pm_record record;
    while (status == PANICMON_OK && pm_record_read(text->data, text->len, &place, &record)) {
        status = note_record(in, at->number, &record) ? PANICMON_OK : PANICMON_ERR_NOMEM;
    }
    at->bytes = text->len;
    spool->bytes += text->len;
    spool->torn += text->len - place;
    return status;
}

static int compare_numbers(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a;
    uint64_t y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static int compare_found(const void *a, const void *b)
{
    const found *x = a;
    const found *y = b;
    if (x->seq != y->seq) {
        return x->seq > y->seq ? 1 : -1;
    }
    return (x->order > y->order) - (x->order < y->order);
}

/* A message may stand in several segments after a compaction that a kill cut short; the newest copy
 * counts, so that the older segments can go. */
static panicmon_err replay_all(pm_spool *spool, reading *in)
{
    if (in->count > 0) {
        qsort(in->messages, in->count, sizeof *in->messages, compare_found);
    }
    if (in->settled_count > 0) {
        qsort(in->settled, in->settled_count, sizeof *in->settled, compare_numbers);
    }
    size_t live = 0;
    for (size_t i = 0; i < in->count; i++) {
        const found *at = &in->messages[i];
        if ((i + 1 < in->count && at[1].seq == at->seq) ||
            (in->settled_count > 0 && bsearch(&at->seq, in->settled, in->settled_count,
                                              sizeof *in->settled, compare_numbers) != NULL)) {
            continue;
        }
        pm_segment_find(spool, at->segment)->live++;
        in->messages[live++] = *at;
    }
    /* Only now, because messages may be settled, and segments go, while they are replayed. */
    for (size_t i = 0; i < live; i++) {
        const found *at = &in->messages[i];
        if (!spool->owner.replay(spool->owner.user, at->seq, at->segment, at->lane, &at->message)) {
            return PANICMON_ERR_NOMEM;
        }
    }
    return PANICMON_OK;
}

static bool number_of(const char *name, uint64_t *out)
{
    char expected[PM_SEGMENT_NAME];
    errno = 0;
    *out = strtoull(name, NULL, 10);
    pm_segment_name(*out, expected);
    return errno == 0 && *out > 0 && strcmp(name, expected) == 0;
}

static panicmon_err list_segments(pm_spool *spool)
{
    panicmon_err status = PANICMON_OK;
    uint64_t *numbers = NULL;
    size_t count = 0;
    size_t room = 0;
    int fd = openat(spool->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *listing = fd < 0 ? NULL : fdopendir(fd);
    if (listing == NULL) {
        if (fd >= 0) {
            (void)close(fd);
        }
        return PANICMON_ERR_SYSTEM;
    }
    /* NOLINTNEXTLINE(concurrency-mt-unsafe): the listing is ours alone */
    for (const struct dirent *at; status == PANICMON_OK && (at = readdir(listing)) != NULL;) {
        uint64_t number;
        if (!number_of(at->d_name, &number)) {
            continue;
        }
        if (!grow((void **)&numbers, &room, count, sizeof *numbers)) {
            status = PANICMON_ERR_NOMEM;
        } else {
            numbers[count++] = number;
        }
    }
    (void)closedir(listing);
    if (count > 0) {
        qsort(numbers, count, sizeof *numbers, compare_numbers);
        spool->next_number = numbers[count - 1] + 1;
    }
    for (size_t i = 0; i < count && status == PANICMON_OK; i++) {
        status = pm_segment_append(spool, numbers[i]) == NULL ? PANICMON_ERR_NOMEM : PANICMON_OK;
    }
    free(numbers);
    return status;
}

panicmon_err pm_spool_read(pm_spool *spool, uint64_t *next_seq)
{
    reading in = {0};
    panicmon_err status = list_segments(spool);
    size_t segments = 0;
    for (const pm_segment *at = spool->first; at != NULL; at = at->next) {
        segments++;
    }
    in.texts = calloc(segments + 1, sizeof *in.texts);
    if (status == PANICMON_OK && in.texts == NULL) {
        status = PANICMON_ERR_NOMEM;
    }
    for (pm_segment *at = spool->first; at != NULL && status == PANICMON_OK; at = at->next) {
        status = read_segment(spool, at, &in, &in.texts[in.segments++]);
    }
    if (in.last_seq >= *next_seq) {
        *next_seq = in.last_seq + 1;
    }
    if (status == PANICMON_OK) {
        status = replay_all(spool, &in);
    }
    for (size_t i = 0; i < in.segments; i++) {
        pm_buf_free(&in.texts[i]);
    }
    free(in.texts);
    free(in.messages);
    free(in.settled);
    return status;
}
