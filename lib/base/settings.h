/* settings.h (internal): typed reads of settings. See panicmon/settings.h for the public side. */
#ifndef PM_SETTINGS_H
#define PM_SETTINGS_H

#include <panicmon/settings.h>

panicmon_err pm_settings_copy(panicmon_settings **out, const panicmon_settings *from);
/* A text setting; NULL when it is empty. Borrowed. */
const char *pm_settings_text(const panicmon_settings *settings, const char *name);
/* An integer, a size in bytes, or a flag as 0 or 1. */
int64_t pm_settings_int(const panicmon_settings *settings, const char *name);
/* A setting in seconds, as milliseconds. */
int64_t pm_settings_ms(const panicmon_settings *settings, const char *name);

#endif
