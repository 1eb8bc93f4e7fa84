/* metadata.c: decoding a blob, the life of what was decoded, and look-ups in it. See metadata.h.
 * The object is filled by one thread before anybody else sees it; afterwards only the count of
 * references changes. */
#include "substrate/metadata.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "substrate/parse.h"
#include "substrate/ss58.h"
#include "substrate/value.h"

#define MAGIC_SIZE 5     /* "meta" and the version */
#define NAMES_MAX  16384 /* pallets, items and calls; chains have about a thousand */

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Whether a blob is hex text. Binary ones hold the "m" of "meta" among their first bytes. */
static bool is_hex(const char *text, size_t len)
{
    if (len >= 2 && text[0] == '0' && (text[1] == 'x' || text[1] == 'X')) {
        return true;
    }
    for (size_t i = 0; i < 8; i++) {
        if (i == len || text[i] == '\0' || strchr("0123456789abcdefABCDEF", text[i]) == NULL) {
            return false;
        }
    }
    return true;
}

/* The blob as bytes of its own: hex text is read, anything else copied. */
static panicmon_err copy_bytes(pm_buf *out, const void *data, size_t len, panicmon_error **err)
{
    const char *text = data;
    while (len > 0 && is_blank(text[0])) {
        text++;
        len--;
    }
    bool hex = is_hex(text, len);
    if (!hex) {
        len += (size_t)(text - (const char *)data);
        text = data;
    }
    while (hex && len > 0 && is_blank(text[len - 1])) {
        len--;
    }
    if (len / (hex ? 2 : 1) > PM_METADATA_MAX) {
        return pm_error_setf(err, PANICMON_ERR_LIMIT, "metadata of more than %u bytes",
                             PM_METADATA_MAX);
    }
    if (!hex) {
        pm_buf_add(out, text, len);
    } else if (!pm_hex_parse(text, len, out) && !out->failed) {
        return pm_error_setf(err, PANICMON_ERR_PARSE, "metadata: the hex text is not valid");
    }
    return out->failed ? panicmon_error_set(err, PANICMON_ERR_NOMEM, "out of memory") : PANICMON_OK;
}

static bool has_magic(const pm_scale *in)
{
    return pm_scale_left(in) >= MAGIC_SIZE && memcmp(in->at, "meta", 4) == 0;
}

/* Takes Option and length off. False when no metadata is inside. */
static bool unwrap(pm_scale *in)
{
    uint32_t len;
    if (has_magic(in)) {
        return true;
    }
    pm_scale inner = *in;
    if (pm_scale_compact_u32(&inner, &len) && len == pm_scale_left(&inner) && has_magic(&inner)) {
        *in = inner;
        return true;
    }
    inner = *in;
    uint8_t some;
    if (pm_scale_u8(&inner, &some) && some == 1) {
        if (has_magic(&inner)) {
            *in = inner;
            return true;
        }
        if (pm_scale_compact_u32(&inner, &len) && len == pm_scale_left(&inner) &&
            has_magic(&inner)) {
            *in = inner;
            return true;
        }
    }
    return false;
}

static panicmon_err read_version(pm_metadata *metadata, pm_scale *in, panicmon_error **err)
{
    if (!unwrap(in)) {
        return panicmon_error_set(err, PANICMON_ERR_PARSE,
                                  "metadata: at byte 0: does not begin with \"meta\", bare or in "
                                  "an Option and a length that match");
    }
    metadata->version = in->at[MAGIC_SIZE - 1];
    in->at += MAGIC_SIZE;
    if (metadata->version < 14) {
        return pm_error_setf(err, PANICMON_ERR_PARSE,
                             "metadata: at byte %zu: version %u does not say how values are laid "
                             "out; 14, 15 and 16 are read",
                             (size_t)(in->at - metadata->blob) - 1, metadata->version);
    }
    if (metadata->version > 16) {
        return pm_error_setf(err, PANICMON_ERR_PARSE,
                             "metadata: at byte %zu: version %u is not known; 14, 15 and 16 are "
                             "read",
                             (size_t)(in->at - metadata->blob) - 1, metadata->version);
    }
    return PANICMON_OK;
}

static panicmon_err parse_all(pm_metadata *metadata, pm_scale in, panicmon_error **err)
{
    pm_parse parse = {.metadata = metadata, .in = in};
    pm_parse_registry(&parse);
    pm_parse_pallets(&parse);
    pm_parse_extrinsic(&parse);
    if (metadata->version >= 15) {
        pm_parse_apis(&parse);
        pm_parse_tail(&parse);
    }
    uint64_t names = (uint64_t)metadata->pallets.count + metadata->storage.count +
                     metadata->constants.count + metadata->methods.count;
    if (pm_parse_ok(&parse) && names > NAMES_MAX) { /* the table of names could be made slow */
        pm_parse_fail(&parse, "more pallets, items and calls than any chain has");
    }
    if (pm_parse_ok(&parse) && pm_scale_left(&parse.in) > 0) {
        pm_parse_fail(&parse, "bytes are left after the end");
    }
    if (parse.no_memory) {
        return panicmon_error_set(err, PANICMON_ERR_NOMEM, "out of memory");
    }
    if (!pm_parse_ok(&parse)) {
        return pm_error_setf(err, PANICMON_ERR_PARSE, "metadata: at byte %u: %s", parse.failed_at,
                             parse.failure);
    }
    return PANICMON_OK;
}

/* Gives back what the growing arrays hold too much. */
static void shrink(void **at, uint32_t count, uint32_t *capacity, size_t size)
{
    void *less = count > 0 && count < *capacity ? realloc(*at, count * size) : NULL;
    if (less != NULL) {
        *at = less;
        *capacity = count;
    }
}

#define SHRINK(pool) shrink((void **)&(pool).at, (pool).count, &(pool).capacity, sizeof *(pool).at)

static void shrink_all(pm_metadata *metadata)
{
    SHRINK(metadata->types);
    SHRINK(metadata->fields);
    SHRINK(metadata->variants);
    SHRINK(metadata->numbers);
    SHRINK(metadata->storage);
    SHRINK(metadata->constants);
    SHRINK(metadata->pallets);
    SHRINK(metadata->apis);
    SHRINK(metadata->methods);
}

static void find_ss58_prefix(pm_metadata *metadata)
{
    uint64_t prefix;
    metadata->ss58_prefix = PM_SS58_GENERIC;
    if (pm_constant_u64(metadata, "System", "SS58Prefix", &prefix) &&
        prefix <= PM_SS58_PREFIX_MAX) {
        metadata->ss58_prefix = (uint16_t)prefix;
    }
}

panicmon_err pm_metadata_decode(pm_metadata **out, const void *data, size_t len,
                                panicmon_error **err)
{
    panicmon_err code;
    pm_buf bytes = {0};
    pm_metadata *metadata = calloc(1, sizeof *metadata);
    if (metadata == NULL) {
        return panicmon_error_set(err, PANICMON_ERR_NOMEM, "out of memory");
    }
    atomic_init(&metadata->references, 1);
    metadata->event_type = PM_NO_TYPE;
    metadata->call_type = PM_NO_TYPE;
    code = copy_bytes(&bytes, data, len, err);
    if (code != PANICMON_OK) {
        goto out;
    }
    len = bytes.len;
    metadata->blob = (uint8_t *)pm_buf_take(&bytes, NULL);
    if (metadata->blob == NULL) {
        code = panicmon_error_set(err, PANICMON_ERR_NOMEM, "out of memory");
        goto out;
    }
    uint8_t *exact = realloc(metadata->blob, len + 1);
    metadata->blob = exact == NULL ? metadata->blob : exact;
    metadata->blob_len = (uint32_t)len;
    pm_scale in = {metadata->blob, metadata->blob + len};
    code = read_version(metadata, &in, err);
    if (code == PANICMON_OK) {
        code = parse_all(metadata, in, err);
    }
    if (code != PANICMON_OK) {
        goto out;
    }
    shrink_all(metadata);
    if (!pm_index_build(metadata)) {
        code = panicmon_error_set(err, PANICMON_ERR_NOMEM, "out of memory");
        goto out;
    }
    pm_specials_set(metadata);
    find_ss58_prefix(metadata);
    *out = metadata;
    metadata = NULL;
out:
    pm_buf_free(&bytes);
    pm_metadata_unref(metadata);
    return code;
}

pm_metadata *pm_metadata_ref(pm_metadata *metadata)
{
    atomic_fetch_add_explicit(&metadata->references, 1, memory_order_relaxed);
    return metadata;
}

void pm_metadata_unref(pm_metadata *metadata)
{
    if (metadata == NULL ||
        atomic_fetch_sub_explicit(&metadata->references, 1, memory_order_acq_rel) != 1) {
        return;
    }
    free(metadata->blob);
    free(metadata->types.at);
    free(metadata->fields.at);
    free(metadata->variants.at);
    free(metadata->numbers.at);
    free(metadata->storage.at);
    free(metadata->constants.at);
    free(metadata->pallets.at);
    free(metadata->apis.at);
    free(metadata->methods.at);
    free(metadata->index);
    free(metadata);
}

unsigned pm_metadata_version(const pm_metadata *metadata)
{
    return metadata->version;
}

#define POOL_SIZE(pool) ((pool).capacity * sizeof *(pool).at)

size_t pm_metadata_size(const pm_metadata *metadata)
{
    return sizeof *metadata + metadata->blob_len + 1 + POOL_SIZE(metadata->types) +
           POOL_SIZE(metadata->fields) + POOL_SIZE(metadata->variants) +
           POOL_SIZE(metadata->numbers) + POOL_SIZE(metadata->storage) +
           POOL_SIZE(metadata->constants) + POOL_SIZE(metadata->pallets) +
           POOL_SIZE(metadata->apis) + POOL_SIZE(metadata->methods) +
           (metadata->index_mask + (size_t)1) * sizeof *metadata->index;
}

uint16_t pm_metadata_ss58_prefix(const pm_metadata *metadata)
{
    return metadata->ss58_prefix;
}
