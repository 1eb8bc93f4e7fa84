/* render.h: values as JSON text. Any thread. */
#ifndef PM_SUBSTRATE_RENDER_H
#define PM_SUBSTRATE_RENDER_H

#include "substrate/value.h"

#define PM_RENDER_MAX (64u << 20) /* bytes of JSON for one value */

typedef enum pm_form {
    PM_FORM_CANON = 0,       /* by the registry alone; integers as decimal text */
    PM_FORM_POLKADOT_JS = 1, /* as polkadot-js toJSON() */
} pm_form;

typedef enum pm_big {
    PM_BIG_HEX = 0,    /* "0x00000000000000000000000000000000", of the type's width */
    PM_BIG_DECIMAL = 1 /* "12345" */
} pm_big;

typedef struct pm_render_options {
    pm_form form;
    /* The rest is for the polkadot-js form. */
    pm_big big;            /* integers that need more than 52 bits */
    bool top_integers_hex; /* an integer that is the whole value: hex, however small */
    bool ss58_set;         /* use `ss58_prefix` and not the metadata's */
    uint16_t ss58_prefix;
} pm_render_options;

/* Appends the value's JSON; an absent value is null. `options` NULL: the canon form. ERR_NOMEM, or
 * ERR_LIMIT when the text is too long. */
panicmon_err pm_render(pm_value value, const pm_render_options *options, pm_buf *out,
                       panicmon_error **err);

#endif
