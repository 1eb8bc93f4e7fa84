/* list.h: what a chain has, as text. */
#ifndef PM_SUBSTRATE_LIST_H
#define PM_SUBSTRATE_LIST_H

#include "substrate/metadata.h"

#define PM_LIST_MAX (64u << 20) /* bytes; then it ends early */

static inline bool pm_list_room(const pm_buf *out)
{
    return !out->failed && out->len < PM_LIST_MAX;
}

/* Appends the JSON that panicmon_metadata_list() documents. */
void pm_metadata_list(const pm_metadata *metadata, pm_buf *out);
/* Appends it as lines. */
void pm_metadata_list_text(const pm_metadata *metadata, pm_buf *out);

#endif
