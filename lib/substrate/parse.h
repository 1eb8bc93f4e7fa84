/* parse.h: what the files that read metadata share. The first failure is kept, all else is skipped
 * from then on: callers look once. One thread, while the metadata is made. */
#ifndef PM_SUBSTRATE_PARSE_H
#define PM_SUBSTRATE_PARSE_H

#include "substrate/registry.h"

typedef struct pm_parse {
    pm_metadata *metadata;
    pm_scale in;
    const char *failure; /* NULL: none so far */
    uint32_t failed_at;
    bool no_memory;
} pm_parse;

static inline bool pm_parse_ok(const pm_parse *parse)
{
    return parse->failure == NULL;
}

void pm_parse_fail(pm_parse *parse, const char *what);
uint32_t pm_parse_here(const pm_parse *parse); /* the place in the blob */
uint8_t pm_parse_u8(pm_parse *parse);
uint32_t pm_parse_u32(pm_parse *parse);
uint32_t pm_parse_compact(pm_parse *parse, const char *what);
/* A count of elements of at least `least` bytes each; fails when they cannot be there. */
uint32_t pm_parse_count(pm_parse *parse, size_t least);
uint32_t pm_parse_name(pm_parse *parse);        /* its place; text must be UTF-8 */
uint32_t pm_parse_option_name(pm_parse *parse); /* 0 for None */
uint32_t pm_parse_bytes(pm_parse *parse);       /* the place of a length and bytes */
void pm_parse_skip(pm_parse *parse, size_t bytes);
void pm_parse_docs(pm_parse *parse);   /* a list of texts, not looked at */
bool pm_parse_option(pm_parse *parse); /* whether Some */

/* Makes room for one more element; NULL (and failed) without memory. */
void *pm_parse_push(pm_parse *parse, void **at, uint32_t *count, uint32_t *capacity, size_t size);
#define PM_PUSH(parse, pool)                                                                       \
    pm_parse_push(parse, (void **)&(pool).at, &(pool).count, &(pool).capacity, sizeof *(pool).at)

/* A type number; checked when the whole registry is known. */
uint32_t pm_parse_type(pm_parse *parse);
/* A type number after the registry: it must be in there. */
uint32_t pm_parse_known_type(pm_parse *parse);

void pm_parse_registry(pm_parse *parse);     /* parse_types.c */
void pm_parse_pallets(pm_parse *parse);      /* parse_pallets.c: pallets and their storage */
void pm_parse_apis(pm_parse *parse);         /* parse_pallets.c: runtime APIs of V15 and V16 */
void pm_parse_extrinsic(pm_parse *parse);    /* parse.c: nothing but the call type is kept */
void pm_parse_tail(pm_parse *parse);         /* parse.c: outer enums and custom values */
void pm_parse_deprecation(pm_parse *parse);  /* V16: of an item */
void pm_parse_deprecations(pm_parse *parse); /* V16: of an enum's variants */

#endif
