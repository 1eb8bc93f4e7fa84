/* log_fold.h (internal to the log): folds grave records that say the same again and again. The
 * first of them is written at once; what repeats it within a minute is counted, and told in one
 * record when the minute is over: with the next record of any kind, so that no timer is needed. */
#ifndef PM_LOG_FOLD_H
#define PM_LOG_FOLD_H

#include <stdbool.h>
#include <stdint.h>

#include <panicmon/log.h>

/* How long repetitions are gathered. */
#define PM_LOG_FOLD_MS 60000

typedef struct pm_log_fold pm_log_fold;

/* A record that tells of repetitions, in a list. */
typedef struct pm_folded {
    struct pm_folded *next;
    panicmon_log_level level;
    char *component;
    char *message; /* with the count */
} pm_folded;

pm_log_fold *pm_log_fold_new(void); /* NULL without memory */
void pm_log_fold_free(pm_log_fold *fold);
void pm_folded_free(pm_folded *record);

/* Whether this record repeats one of the last minute and so is not to be written. `*due` gets what
 * is to be written before it. Any thread. */
bool pm_log_fold_take(pm_log_fold *fold, panicmon_log_level level, const char *component,
                      const char *message, int64_t now_ms, pm_folded **due);
/* What was counted and not told yet. */
pm_folded *pm_log_fold_end(pm_log_fold *fold, int64_t now_ms);

#endif
