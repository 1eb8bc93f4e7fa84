/* encode.h: JSON (and the short forms of command lines) to SCALE, through the type registry. Any
 * thread. */
#ifndef PM_SUBSTRATE_ENCODE_H
#define PM_SUBSTRATE_ENCODE_H

#include "base/json.h"
#include "substrate/metadata.h"

/* Appends the SCALE bytes of `value` as a value of type `type`. Takes the canon form, and more:
 * integers also as numbers or big-endian hex text, SS58 addresses for 32 bytes and for enums with a
 * variant Id, names of fields and variants in camelCase, maps as objects, enums without fields as
 * text. ERR_INVAL with the place in the type when it does not fit; `what` (may be NULL) names the
 * value in messages. On failure `out` holds a part. */
panicmon_err pm_encode_json(const pm_metadata *metadata, uint32_t type, const char *what,
                            pm_json value, pm_buf *out, panicmon_error **err);
/* The same for the text of an argument: a decimal number, 0x bytes (the content of types made of
 * bytes, else the SCALE of the value), an SS58 address, text as it stands for `str`, or JSON. */
panicmon_err pm_encode_text(const pm_metadata *metadata, uint32_t type, const char *what,
                            pm_name text, pm_buf *out, panicmon_error **err);

#endif
