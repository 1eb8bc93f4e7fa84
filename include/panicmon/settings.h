/** @file settings.h
 * How a runtime is set up: named settings with text values, checked when set.
 *
 * The names and their defaults can be listed with panicmon_settings_at(). A configuration file is
 * a JSON object whose members are the same names, nested or with dots.
 */
#ifndef PANICMON_SETTINGS_H
#define PANICMON_SETTINGS_H

#include <panicmon/error.h>

PANICMON_BEGIN_DECLS

/** A set of settings. Used by one thread at a time; a runtime takes a copy. */
typedef struct panicmon_settings panicmon_settings;

/** Receives one fault found in a configuration: a finished line. Borrowed until it returns. */
typedef void (*panicmon_fault_fn)(void *user, const char *message);

/** Settings at their defaults. */
PANICMON_API panicmon_err panicmon_settings_new(panicmon_settings **out);

/** Frees settings; NULL is allowed. */
PANICMON_API void panicmon_settings_free(panicmon_settings *settings);

/**
 * Sets one setting from text. Numbers are decimal; seconds may have a fraction, sizes a unit
 * ("64 MiB"), flags are "true" or "false". The name "period" sets the periods of all kinds.
 * ERR_NOENT: no such name (the message tells the nearest known one). ERR_INVAL: a value that does
 * not fit; the setting keeps its old value.
 */
PANICMON_API panicmon_err panicmon_settings_set(panicmon_settings *settings, const char *name,
                                                const char *value, panicmon_error **err);

/** The value of a setting, its default when not set; NULL for an unknown name. Borrowed until the
 * setting changes. */
PANICMON_API const char *panicmon_settings_get(const panicmon_settings *settings, const char *name);

/** How many settings there are. */
PANICMON_API size_t panicmon_settings_count(void);

/**
 * The setting at place `i`: its name, default and a sentence that explains it. All texts are
 * static; each out pointer may be NULL. ERR_INVAL when `i` is too large.
 */
PANICMON_API panicmon_err panicmon_settings_at(size_t i, const char **name,
                                               const char **default_value, const char **help);

/**
 * Reads a configuration: one JSON object of `len` bytes. `${NAME}` in text values is replaced by
 * the environment variable NAME (a fault when it is not set). Every fault is told to `fault` (may
 * be NULL), not only the first; any fault gives ERR_PARSE and leaves the settings as they were.
 * The member `configs` (routing key to config set) is kept as text: panicmon_settings_configs().
 * Settings that the configuration does not name keep their values; configs do not.
 */
PANICMON_API panicmon_err panicmon_settings_load(panicmon_settings *settings, const char *json,
                                                 size_t len, panicmon_fault_fn fault, void *user,
                                                 panicmon_error **err);

/** As panicmon_settings_load() from the file at `path`. ERR_SYSTEM when it cannot be read. */
PANICMON_API panicmon_err panicmon_settings_load_file(panicmon_settings *settings, const char *path,
                                                      panicmon_fault_fn fault, void *user,
                                                      panicmon_error **err);

/**
 * The `configs` object of the loaded configuration as JSON text, "{}" when there was none. `len`
 * may be NULL. Borrowed until the next load.
 */
PANICMON_API const char *panicmon_settings_configs(const panicmon_settings *settings, size_t *len);

PANICMON_END_DECLS

#endif
