/* config_set_impl.h (internal to core): the insides of config sets, shared by config_set.c (sets
 * and their entries), config.c (what an entry says), plan.c and config_same.c. Immutable once made,
 * but for the doubts, which only grow. */
#ifndef PM_CONFIG_SET_IMPL_H
#define PM_CONFIG_SET_IMPL_H

#include <stdatomic.h>

#include "core/config_set.h"

#define PM_WORDS_MAX 8

/* A text member of an entry, unescaped. */
typedef struct pm_text_field {
    const char *name;
    const char *value;
} pm_text_field;

struct panicmon_config {
    const panicmon_config_set *set;
    char *id;
    char *json; /* its own copy, terminated */
    size_t len;
    pm_json value; /* the slice of `json` */
    pm_text_field *texts;
    char *bytes; /* what the texts point into */
    size_t text_count;
    atomic_uint_least64_t doubts; /* a bit for each of the first texts that was read as a yes or no
                                     and is neither */
    bool planned;                 /* made by a plan, which owns it */
};

struct panicmon_config_set {
    atomic_int refs;
    int64_t stamp; /* when it was made: tells it from one that lay at its place */
    char *routing_key;
    char *words[PM_WORDS_MAX];
    panicmon_config **entries;
    size_t count;
    pm_map index;  /* id -> entry */
    char **faults; /* what was wrong with the entries that were left out */
    size_t fault_count;
};

/* `value` is checked JSON; any kind. NULL without memory. */
panicmon_config *pm_config_make(const panicmon_config_set *set, const char *id, pm_json value);
void pm_config_free(panicmon_config *config);

/* malloc'd, terminated; NULL without memory. */
char *pm_config_copy(const char *text, size_t len);
/* A JSON string without quotes and escapes, malloc'd; `*len` (may be NULL) also counts zero bytes
 * in it. NULL without memory. */
char *pm_config_unescape(pm_json string, size_t *len);
size_t pm_config_count_members(pm_json object);
/* What a value is, in words: "a number". */
const char *pm_config_kind(pm_json value);

#endif
