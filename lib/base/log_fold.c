/* log_fold.c: see log_fold.h. A small table of the grave records of the last minute. One lock
 * guards it; it is held for lookups only, never while a record is written. */
#include "base/log_fold.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/map.h"

/* Different grave records remembered at a time; the oldest gives way. */
#define PLACES 64

typedef struct place {
    uint64_t hash; /* of the message */
    panicmon_log_level level;
    char *component; /* NULL: the place is free */
    char *message;
    int64_t first_ms; /* when it was written */
    int64_t last_ms;
    unsigned long repeats; /* not told yet */
} place;

struct pm_log_fold {
    atomic_int_fast64_t due_ms; /* the first minute that is over then; read without the lock */
    pthread_mutex_t lock;       /* guards what follows */
    place places[PLACES];
};

pm_log_fold *pm_log_fold_new(void)
{
    pm_log_fold *fold = calloc(1, sizeof *fold);
    if (fold != NULL) {
        atomic_init(&fold->due_ms, PM_NEVER);
        (void)pthread_mutex_init(&fold->lock, NULL);
    }
    return fold;
}

static void clear(place *at)
{
    free(at->component);
    free(at->message);
    *at = (place){0};
}

void pm_log_fold_free(pm_log_fold *fold)
{
    if (fold != NULL) {
        for (size_t i = 0; i < PLACES; i++) {
            clear(&fold->places[i]);
        }
        (void)pthread_mutex_destroy(&fold->lock);
        free(fold);
    }
}

void pm_folded_free(pm_folded *record)
{
    free(record->component);
    free(record->message);
    free(record);
}

/* Empties a place; what it counted goes into the list, if there is memory for it. */
static void settle(place *at, pm_folded **list)
{
    pm_folded *record = at->repeats == 0 ? NULL : calloc(1, sizeof *record);
    if (record != NULL) {
        pm_buf text = {0};
        int64_t seconds = (at->last_ms - at->first_ms + 999) / 1000;
        pm_buf_format(&text, "%s (%lu %s more in %lld s)", at->message, at->repeats,
                      at->repeats == 1 ? "time" : "times", (long long)seconds);
        record->level = at->level;
        record->component = at->component;
        record->message = pm_buf_take(&text, NULL);
        at->component = NULL;
        if (record->message == NULL) {
            pm_folded_free(record);
        } else {
            record->next = *list;
            *list = record;
        }
    }
    clear(at);
}

/* Settles the places whose minute is over. Under the lock. */
static void settle_due(pm_log_fold *fold, int64_t now_ms, pm_folded **list)
{
    int64_t next = PM_NEVER;
    for (size_t i = 0; i < PLACES; i++) {
        place *at = &fold->places[i];
        if (at->component != NULL && now_ms - at->first_ms >= PM_LOG_FOLD_MS) {
            settle(at, list);
        } else if (at->component != NULL) {
            next = pm_earlier(next, at->first_ms + PM_LOG_FOLD_MS);
        }
    }
    atomic_store(&fold->due_ms, next);
}

static place *find(pm_log_fold *fold, panicmon_log_level level, const char *component,
                   const char *message, uint64_t hash)
{
    for (size_t i = 0; i < PLACES; i++) {
        place *at = &fold->places[i];
        if (at->component != NULL && at->hash == hash && at->level == level &&
            strcmp(at->message, message) == 0 && strcmp(at->component, component) == 0) {
            return at;
        }
    }
    return NULL;
}

static void remember(pm_log_fold *fold, panicmon_log_level level, const char *component,
                     const char *message, uint64_t hash, int64_t now_ms, pm_folded **list)
{
    place *at = &fold->places[0];
    for (size_t i = 1; i < PLACES && at->component != NULL; i++) {
        place *other = &fold->places[i];
        at = other->component == NULL || other->first_ms < at->first_ms ? other : at;
    }
    settle(at, list);
    *at = (place){.hash = hash,
                  .level = level,
                  .component = strdup(component),
                  .message = strdup(message),
                  .first_ms = now_ms,
                  .last_ms = now_ms};
    if (at->component == NULL || at->message == NULL) {
        clear(at); /* without memory it is not folded */
    } else if (atomic_load(&fold->due_ms) > now_ms + PM_LOG_FOLD_MS) {
        atomic_store(&fold->due_ms, now_ms + PM_LOG_FOLD_MS);
    }
}

bool pm_log_fold_take(pm_log_fold *fold, panicmon_log_level level, const char *component,
                      const char *message, int64_t now_ms, pm_folded **due)
{
    bool grave = level == PANICMON_LOG_ERROR || level == PANICMON_LOG_WARNING;
    if (!grave && now_ms < atomic_load(&fold->due_ms)) {
        return false;
    }
    uint64_t hash = grave ? pm_hash(message) : 0;
    pthread_mutex_lock(&fold->lock);
    if (now_ms >= atomic_load(&fold->due_ms)) {
        settle_due(fold, now_ms, due);
    }
    place *at = grave ? find(fold, level, component, message, hash) : NULL;
    if (at != NULL) {
        at->repeats++;
        at->last_ms = now_ms;
    } else if (grave) {
        remember(fold, level, component, message, hash, now_ms, due);
    }
    pthread_mutex_unlock(&fold->lock);
    return at != NULL;
}

pm_folded *pm_log_fold_end(pm_log_fold *fold, int64_t now_ms)
{
    pm_folded *list = NULL;
    pthread_mutex_lock(&fold->lock);
    settle_due(fold, now_ms + PM_LOG_FOLD_MS, &list);
    pthread_mutex_unlock(&fold->lock);
    return list;
}
