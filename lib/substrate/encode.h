/* encode.h: JSON (and the short forms of command lines) to SCALE, through the type registry. Any
 * thread. */
#ifndef PM_SUBSTRATE_ENCODE_H
#define PM_SUBSTRATE_ENCODE_H

#include "base/json.h"
#include "substrate/metadata.h"

/* Appends the SCALE bytes of `value` as a value of type `type`. Takes what both rendered forms
 * give: numbers or decimal and hex text for integers; "0x.." for bytes; SS58 addresses for
 * accounts; objects by field name in either spelling; "Variant" or {"Variant": fields}; null for
 * None. ERR_INVAL with the type path when it does not fit; `what` (may be NULL) names the value. */
panicmon_err pm_encode_json(const pm_metadata *metadata, uint32_t type, const char *what,
                            pm_json value, pm_buf *out, panicmon_error **err);
/* The same for the text of an argument: a decimal number, 0x bytes, an SS58 address, or JSON. */
panicmon_err pm_encode_text(const pm_metadata *metadata, uint32_t type, const char *what,
                            pm_name text, pm_buf *out, panicmon_error **err);

#endif
