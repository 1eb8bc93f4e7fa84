/* camel.h: names in the spelling of polkadot-js. */
#ifndef PM_SUBSTRATE_CAMEL_H
#define PM_SUBSTRATE_CAMEL_H

#include "substrate/scale.h"

/* Appends "page_count" as pageCount, "NFTOrder" as nftOrder, escaped for use between the quotes of
 * a JSON string. */
void pm_camel_add(pm_buf *out, pm_name name);

#endif
