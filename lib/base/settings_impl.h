/* settings_impl.h (internal to the settings): the table of settings, and how a value is checked. */
#ifndef PM_SETTINGS_IMPL_H
#define PM_SETTINGS_IMPL_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/settings.h"

/* How many settings there are; the table in settings.c has as many. */
#define PM_SETTINGS 34

typedef enum pm_setting_type {
    PM_SETTING_TEXT,
    PM_SETTING_ADDRESS, /* text, or a port as a number */
    PM_SETTING_URL,     /* `detail`: the schemes it may have */
    PM_SETTING_SECRET,  /* a file that holds the value of the setting named by `detail` */
    PM_SETTING_ENUM,    /* `detail`: the words it may be */
    PM_SETTING_LIST,    /* `detail`: the words it may hold, between commas or blanks */
    PM_SETTING_FLAG,    /* true or false */
    PM_SETTING_INTEGER, /* `low` to `high` */
    PM_SETTING_SECONDS, /* `low` to `high` milliseconds */
    PM_SETTING_BYTES    /* `low` to `high` bytes */
} pm_setting_type;

typedef struct pm_setting {
    const char *name;
    const char *initial; /* the default, as text */
    const char *detail;
    int64_t low;
    int64_t high;
    pm_setting_type type;
    const char *help;
} pm_setting;

struct panicmon_settings {
    char *values[PM_SETTINGS]; /* NULL: the default */
    char *configs;             /* NULL: none */
    size_t configs_len;
};

/* The setting at place `i`, `i` < PM_SETTINGS. */
const pm_setting *pm_setting_at(size_t i);
/* The place of a setting; PM_SETTINGS when there is none of that name. */
size_t pm_setting_find(const char *name);
/* Whether settings begin with `group` and a dot. */
bool pm_setting_is_group(const char *group);
/* The known name that looks most like `name`: a setting, a group of settings or `configs`. */
const char *pm_setting_nearest(const char *name);

/* Reads a number of a type (flags too): as a count, as milliseconds or as bytes. */
bool pm_setting_number(pm_setting_type type, const char *text, int64_t *out);
/* ERR_INVAL when `value` is none for the setting; the message begins with the setting's name. */
panicmon_err pm_setting_check(const pm_setting *setting, const char *value, panicmon_error **err);

/* Appends the file at `path`; ERR_SYSTEM, or ERR_LIMIT when it is longer than `limit`. */
panicmon_err pm_settings_read_file(const char *path, size_t limit, pm_buf *out,
                                   panicmon_error **err);

#endif
