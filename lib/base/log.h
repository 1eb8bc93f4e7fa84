/* log.h (internal): writing records. See panicmon/log.h for the public side. */
#ifndef PM_LOG_H
#define PM_LOG_H

#include <stdbool.h>

#include <panicmon/log.h>

/* Takes another reference; NULL gives NULL. */
panicmon_log *pm_log_ref(panicmon_log *log);
/* Whether a record of this level would be written; false for NULL. */
bool pm_log_wants(const panicmon_log *log, panicmon_log_level level);
/* Writes one record; line ends and other control bytes in it become spaces. `log` may be NULL. */
void pm_logf(panicmon_log *log, panicmon_log_level level, const char *component, const char *format,
             ...) __attribute__((format(printf, 4, 5)));

#endif
