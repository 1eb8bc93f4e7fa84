/* index.c: finding pallets, storage items, constants and runtime calls by name: one hash table with
 * open addressing, built once. An entry is a kind (upper bits) and a place in its pool, plus one.
 */
#include "substrate/registry.h"

#include <stdlib.h>
#include <string.h>

#include "substrate/hash.h"
#include "substrate/value.h"

enum { KIND_PALLET = 0, KIND_STORAGE = 1, KIND_CONSTANT = 2, KIND_METHOD = 3 };

#define KIND_SHIFT 30
#define PLACE_MASK ((UINT32_C(1) << KIND_SHIFT) - 1)

static uint32_t hash_more(uint32_t hash, const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) { /* FNV-1a */
        hash = (hash ^ (uint8_t)text[i]) * UINT32_C(16777619);
    }
    return hash;
}

static uint32_t hash_of(uint32_t kind, pm_name group, pm_name name)
{
    uint32_t hash = hash_more(UINT32_C(2166136261) + kind, group.text, group.len);
    return hash_more(hash_more(hash, ".", 1), name.text, name.len);
}

/* The two names of an entry. */
static void names_of(const pm_metadata *metadata, uint32_t kind, uint32_t place, pm_name *group,
                     pm_name *name)
{
    *name = (pm_name){"", 0};
    if (kind == KIND_PALLET) {
        *group = pm_name_at(metadata, metadata->pallets.at[place].name);
    } else if (kind == KIND_METHOD) {
        const pm_method *method = &metadata->methods.at[place];
        *group = pm_name_at(metadata, metadata->apis.at[method->api].name);
        *name = pm_name_at(metadata, method->name);
    } else {
        const pm_item *item =
            kind == KIND_STORAGE ? &metadata->storage.at[place] : &metadata->constants.at[place];
        *group = pm_name_at(metadata, metadata->pallets.at[item->pallet].name);
        *name = pm_name_at(metadata, item->name);
    }
}

static bool same(pm_name a, pm_name b)
{
    return a.len == b.len && memcmp(a.text, b.text, a.len) == 0;
}

/* The slot where a name is, or would be put. */
static uint32_t *slot_of(const pm_metadata *metadata, uint32_t kind, pm_name group, pm_name name)
{
    uint32_t at = hash_of(kind, group, name);
    for (;; at++) {
        uint32_t *slot = &metadata->index[at & metadata->index_mask];
        if (*slot == 0) {
            return slot;
        }
        pm_name its_group;
        pm_name its_name;
        if ((*slot - 1) >> KIND_SHIFT == kind) {
            names_of(metadata, kind, (*slot - 1) & PLACE_MASK, &its_group, &its_name);
            if (same(its_group, group) && same(its_name, name)) {
                return slot;
            }
        }
    }
}

/* Of two with the same name the first counts. */
static void add_all(pm_metadata *metadata, uint32_t kind, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        pm_name group;
        pm_name name;
        names_of(metadata, kind, i, &group, &name);
        uint32_t *slot = slot_of(metadata, kind, group, name);
        if (*slot == 0) {
            *slot = (kind << KIND_SHIFT | i) + 1;
        }
    }
}

bool pm_index_build(pm_metadata *metadata)
{
    size_t count = (size_t)metadata->pallets.count + metadata->storage.count +
                   metadata->constants.count + metadata->methods.count;
    size_t slots = 16;
    while (slots < 2 * count) {
        slots *= 2;
    }
    metadata->index = calloc(slots, sizeof *metadata->index);
    if (metadata->index == NULL) {
        return false;
    }
    metadata->index_mask = (uint32_t)(slots - 1);
    add_all(metadata, KIND_PALLET, metadata->pallets.count);
    add_all(metadata, KIND_STORAGE, metadata->storage.count);
    add_all(metadata, KIND_CONSTANT, metadata->constants.count);
    add_all(metadata, KIND_METHOD, metadata->methods.count);
    return true;
}

static bool find(const pm_metadata *metadata, uint32_t kind, const char *group, const char *name,
                 uint32_t *place)
{
    uint32_t slot =
        *slot_of(metadata, kind, (pm_name){group, strlen(group)}, (pm_name){name, strlen(name)});
    *place = (slot - 1) & PLACE_MASK;
    return slot != 0;
}

bool pm_metadata_has_pallet(const pm_metadata *metadata, const char *pallet)
{
    uint32_t place;
    return find(metadata, KIND_PALLET, pallet, "", &place);
}

bool pm_storage_find(const pm_metadata *metadata, const char *pallet, const char *item,
                     pm_storage *out)
{
    uint32_t place;
    if (!find(metadata, KIND_STORAGE, pallet, item, &place)) {
        return false;
    }
    if (out != NULL) {
        pm_storage_at(metadata, place, out);
    }
    return true;
}

void pm_storage_at(const pm_metadata *metadata, uint32_t place, pm_storage *out)
{
    const pm_item *found = &metadata->storage.at[place];
    const pm_pallet *pallet = &metadata->pallets.at[found->pallet];
    pm_name fallback = pm_bytes_at(metadata, found->value);
    *out = (pm_storage){
        .metadata = metadata,
        .pallet = pm_name_at(metadata, pallet->name),
        .prefix = pm_name_at(metadata, pallet->prefix),
        .name = pm_name_at(metadata, found->name),
        .modifier = (pm_modifier)found->modifier,
        .value_type = found->type,
        .key_count = found->key_count,
        .hashers = metadata->blob + found->hashers,
        .key_types = found->key_count > 0 ? metadata->numbers.at + found->keys : NULL,
        .fallback = (const uint8_t *)fallback.text,
        .fallback_len = fallback.len,
    };
    pm_twox(out->prefix.text, out->prefix.len, out->key, sizeof out->key / 2);
    pm_twox(out->name.text, out->name.len, out->key + sizeof out->key / 2, sizeof out->key / 2);
}

bool pm_constant_find(const pm_metadata *metadata, const char *pallet, const char *name,
                      pm_constant *out)
{
    uint32_t place;
    if (!find(metadata, KIND_CONSTANT, pallet, name, &place)) {
        return false;
    }
    if (out != NULL) {
        const pm_item *found = &metadata->constants.at[place];
        pm_name bytes = pm_bytes_at(metadata, found->value);
        *out = (pm_constant){
            .pallet = pm_name_at(metadata, metadata->pallets.at[found->pallet].name),
            .name = pm_name_at(metadata, found->name),
            .type = found->type,
            .bytes = (const uint8_t *)bytes.text,
            .len = bytes.len,
        };
    }
    return true;
}

bool pm_api_find(const pm_metadata *metadata, const char *api, const char *method,
                 pm_api_method *out)
{
    uint32_t place;
    if (!find(metadata, KIND_METHOD, api, method, &place)) {
        return false;
    }
    if (out != NULL) {
        const pm_method *found = &metadata->methods.at[place];
        *out = (pm_api_method){
            .api = pm_name_at(metadata, metadata->apis.at[found->api].name),
            .name = pm_name_at(metadata, found->name),
            .input_count = found->input_count,
            .input_types = found->input_count > 0 ? metadata->numbers.at + found->inputs : NULL,
            .output_type = found->output,
        };
    }
    return true;
}

bool pm_constant_u64(const pm_metadata *metadata, const char *pallet, const char *name,
                     uint64_t *out)
{
    pm_constant constant;
    pm_value value;
    return pm_constant_find(metadata, pallet, name, &constant) &&
           pm_value_of_constant(metadata, &constant, &value, NULL) == PANICMON_OK &&
           pm_value_u64(value, out);
}
