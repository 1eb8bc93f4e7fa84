/* parse.c: what all parts of metadata are made of, and the parts that are only walked over. See
 * parse.h. */
#include "substrate/parse.h"

#include <stdlib.h>

#include "base/utf8.h"

void pm_parse_fail(pm_parse *parse, const char *what)
{
    if (parse->failure == NULL) {
        parse->failure = what;
        parse->failed_at = pm_parse_here(parse);
    }
}

uint32_t pm_parse_here(const pm_parse *parse)
{
    return (uint32_t)(parse->in.at - parse->metadata->blob);
}

uint8_t pm_parse_u8(pm_parse *parse)
{
    uint8_t value = 0;
    if (pm_parse_ok(parse) && !pm_scale_u8(&parse->in, &value)) {
        pm_parse_fail(parse, "the bytes end too early");
    }
    return value;
}

uint32_t pm_parse_u32(pm_parse *parse)
{
    uint32_t value = 0;
    if (pm_parse_ok(parse) && !pm_scale_u32(&parse->in, &value)) {
        pm_parse_fail(parse, "the bytes end too early");
    }
    return value;
}

uint32_t pm_parse_compact(pm_parse *parse, const char *what)
{
    uint32_t value = 0;
    if (pm_parse_ok(parse) && !pm_scale_compact_u32(&parse->in, &value)) {
        pm_parse_fail(parse, what);
    }
    return value;
}

uint32_t pm_parse_count(pm_parse *parse, size_t least)
{
    uint32_t count = pm_parse_compact(parse, "not a valid length");
    if (pm_parse_ok(parse) && count > pm_scale_left(&parse->in) / least) {
        pm_parse_fail(parse, "a list is longer than the bytes that are left");
    }
    return pm_parse_ok(parse) ? count : 0;
}

uint32_t pm_parse_bytes(pm_parse *parse)
{
    uint32_t place = pm_parse_here(parse);
    pm_parse_skip(parse, pm_parse_count(parse, 1));
    return place;
}

uint32_t pm_parse_name(pm_parse *parse)
{
    uint32_t place = pm_parse_here(parse);
    uint32_t len = pm_parse_count(parse, 1);
    const char *text = (const char *)parse->in.at;
    if (!pm_parse_ok(parse)) {
        return 0;
    }
    if (!pm_utf8_valid(text, len)) {
        pm_parse_fail(parse, "a name is not UTF-8");
    }
    pm_parse_skip(parse, len);
    return place;
}

bool pm_parse_option(pm_parse *parse)
{
    uint8_t some = pm_parse_u8(parse);
    if (some > 1) {
        pm_parse_fail(parse, "an Option is neither None nor Some");
    }
    return pm_parse_ok(parse) && some == 1;
}

uint32_t pm_parse_option_name(pm_parse *parse)
{
    return pm_parse_option(parse) ? pm_parse_name(parse) : 0;
}

void pm_parse_skip(pm_parse *parse, size_t bytes)
{
    const uint8_t *skipped;
    if (pm_parse_ok(parse) && !pm_scale_take(&parse->in, bytes, &skipped)) {
        pm_parse_fail(parse, "the bytes end too early");
    }
}

void pm_parse_docs(pm_parse *parse)
{
    uint32_t count = pm_parse_count(parse, 1);
    for (uint32_t i = 0; i < count && pm_parse_ok(parse); i++) {
        (void)pm_parse_bytes(parse);
    }
}

uint32_t pm_parse_type(pm_parse *parse)
{
    return pm_parse_compact(parse, "not a valid type number");
}

uint32_t pm_parse_known_type(pm_parse *parse)
{
    uint32_t type = pm_parse_type(parse);
    if (pm_parse_ok(parse) && !pm_type_exists(parse->metadata, type)) {
        pm_parse_fail(parse, "a type number is not in the registry");
    }
    return type;
}

void *pm_parse_push(pm_parse *parse, void **at, uint32_t *count, uint32_t *capacity, size_t size)
{
    if (!pm_parse_ok(parse)) {
        return NULL;
    }
    if (*count == *capacity) {
        size_t more = *capacity < 32 ? 32 : *capacity + (size_t)*capacity / 2;
        void *grown = more <= UINT32_MAX ? realloc(*at, more * size) : NULL;
        if (grown == NULL) {
            parse->no_memory = true;
            pm_parse_fail(parse, "out of memory");
            return NULL;
        }
        *at = grown;
        *capacity = (uint32_t)more;
    }
    return (char *)*at + size * (*count)++;
}

/* What stands where something may be deprecated: 0 no, 1 yes, 2 yes with a note and a version. */
static void parse_note(pm_parse *parse, uint8_t lowest)
{
    uint8_t kind = pm_parse_u8(parse);
    if (pm_parse_ok(parse) && (kind < lowest || kind > 2)) {
        pm_parse_fail(parse, "an unknown kind of deprecation");
    } else if (kind == 2) {
        (void)pm_parse_bytes(parse);
        if (pm_parse_option(parse)) {
            (void)pm_parse_bytes(parse);
        }
    }
}

void pm_parse_deprecation(pm_parse *parse)
{
    if (parse->metadata->version >= 16) {
        parse_note(parse, 0);
    }
}

void pm_parse_deprecations(pm_parse *parse)
{
    uint32_t count = parse->metadata->version >= 16 ? pm_parse_count(parse, 2) : 0;
    for (uint32_t i = 0; i < count && pm_parse_ok(parse); i++) {
        (void)pm_parse_u8(parse);
        parse_note(parse, 1);
    }
}

static void parse_extensions(pm_parse *parse)
{
    uint32_t count = pm_parse_count(parse, 3);
    for (uint32_t i = 0; i < count && pm_parse_ok(parse); i++) {
        (void)pm_parse_name(parse);
        (void)pm_parse_known_type(parse);
        (void)pm_parse_known_type(parse);
    }
}

void pm_parse_extrinsic(pm_parse *parse)
{
    pm_metadata *metadata = parse->metadata;
    if (metadata->version == 14) {
        (void)pm_parse_known_type(parse); /* of an extrinsic */
        (void)pm_parse_u8(parse);
        parse_extensions(parse);
        (void)pm_parse_known_type(parse); /* of the runtime */
        return;
    }
    if (metadata->version == 15) {
        (void)pm_parse_u8(parse);
    } else {
        (void)pm_parse_bytes(parse); /* versions */
    }
    (void)pm_parse_known_type(parse); /* address */
    metadata->call_type = pm_parse_known_type(parse);
    (void)pm_parse_known_type(parse); /* signature */
    if (metadata->version == 15) {
        (void)pm_parse_known_type(parse); /* extra */
        parse_extensions(parse);
        (void)pm_parse_known_type(parse); /* of the runtime */
        return;
    }
    uint32_t count = pm_parse_count(parse, 2);
    for (uint32_t i = 0; i < count && pm_parse_ok(parse); i++) {
        (void)pm_parse_u8(parse);
        uint32_t extensions = pm_parse_count(parse, 1);
        for (uint32_t j = 0; j < extensions && pm_parse_ok(parse); j++) {
            (void)pm_parse_compact(parse, "not a valid place of an extension");
        }
    }
    parse_extensions(parse);
}

void pm_parse_tail(pm_parse *parse)
{
    pm_metadata *metadata = parse->metadata;
    metadata->call_type = pm_parse_known_type(parse);
    metadata->event_type = pm_parse_known_type(parse);
    (void)pm_parse_known_type(parse); /* errors */
    uint32_t count = pm_parse_count(parse, 3);
    for (uint32_t i = 0; i < count && pm_parse_ok(parse); i++) {
        (void)pm_parse_name(parse);
        (void)pm_parse_known_type(parse);
        (void)pm_parse_bytes(parse);
    }
}
