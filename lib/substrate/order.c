/* order.c: see order.h. */
#include "substrate/order.h"

#include <stdlib.h>
#include <string.h>

#include "substrate/walk.h"

static int of_bytes(pm_scale *a, pm_scale *b, size_t a_len, size_t b_len)
{
    const uint8_t *left;
    const uint8_t *right;
    if (!pm_scale_take(a, a_len, &left) || !pm_scale_take(b, b_len, &right)) {
        return 0;
    }
    int order = memcmp(left, right, a_len < b_len ? a_len : b_len);
    return order != 0 ? order : (a_len > b_len) - (a_len < b_len);
}

/* Two integers, sign-extended to their full width. */
static int of_numbers(const pm_u256 *a, const pm_u256 *b, bool with_sign)
{
    uint8_t flip = with_sign ? 0x80 : 0;
    for (size_t i = sizeof a->bytes; i > 0; i--) {
        int left = a->bytes[i - 1] ^ (i == sizeof a->bytes ? flip : 0);
        int right = b->bytes[i - 1] ^ (i == sizeof a->bytes ? flip : 0);
        if (left != right) {
            return left - right;
        }
    }
    return 0;
}

static int of_fields(const pm_metadata *metadata, uint32_t first, uint32_t count, pm_scale *a,
                     pm_scale *b)
{
    int order = 0;
    for (uint32_t i = 0; i < count && order == 0; i++) {
        order = pm_order(metadata, metadata->fields.at[first + i].type, a, b);
    }
    return order;
}

static int of_lists(const pm_metadata *metadata, const pm_type *type, pm_scale *a, pm_scale *b)
{
    uint32_t a_count = type->count;
    uint32_t b_count = type->count;
    if (type->kind == PM_KIND_SEQUENCE &&
        (!pm_scale_compact_u32(a, &a_count) || !pm_scale_compact_u32(b, &b_count))) {
        return 0;
    }
    if (pm_type_is_u8(metadata, type->inner)) {
        return of_bytes(a, b, a_count, b_count);
    }
    int order = 0;
    for (uint32_t i = 0; i < a_count && i < b_count && order == 0; i++) {
        order = pm_order(metadata, type->inner, a, b);
    }
    return order != 0 ? order : (a_count > b_count) - (a_count < b_count);
}

static int of_primitives(const pm_type *type, pm_scale *a, pm_scale *b)
{
    pm_u256 left;
    pm_u256 right;
    uint32_t a_len;
    uint32_t b_len;
    if (type->primitive == PM_STR) {
        return pm_scale_compact_u32(a, &a_len) && pm_scale_compact_u32(b, &b_len)
                   ? of_bytes(a, b, a_len, b_len)
                   : 0;
    }
    return pm_walk_integer(type->primitive, a, &left) && pm_walk_integer(type->primitive, b, &right)
               ? of_numbers(&left, &right, pm_primitive_signed(type->primitive))
               : 0;
}

int pm_order(const pm_metadata *metadata, uint32_t number, pm_scale *a, pm_scale *b)
{
    const pm_type *type = pm_type_get(metadata, number);
    uint8_t a_index;
    uint8_t b_index;
    if (type->special == PM_SPECIAL_U256) { /* not word by word from the lowest */
        static const pm_type wide = {.kind = PM_KIND_PRIMITIVE, .primitive = PM_U256};
        return of_primitives(&wide, a, b);
    }
    switch (type->kind) {
    case PM_KIND_COMPOSITE:
    case PM_KIND_TUPLE:
        return of_fields(metadata, type->first, type->count, a, b);
    case PM_KIND_VARIANT:
        if (!pm_scale_u8(a, &a_index) || !pm_scale_u8(b, &b_index)) {
            return 0;
        }
        if (a_index != b_index) {
            return a_index - b_index;
        }
        const pm_variant *variant = pm_variant_get(metadata, type, a_index);
        return variant == NULL ? 0 : of_fields(metadata, variant->first, variant->count, a, b);
    case PM_KIND_SEQUENCE:
    case PM_KIND_ARRAY:
        return of_lists(metadata, type, a, b);
    case PM_KIND_PRIMITIVE:
        return of_primitives(type, a, b);
    default: { /* bits and compacts: by their bytes, as polkadot-js does */
        pm_scale a_start = *a;
        pm_scale b_start = *b;
        (void)pm_walk_skip(metadata, number, a);
        (void)pm_walk_skip(metadata, number, b);
        return of_bytes(&a_start, &b_start, (size_t)(a->at - a_start.at),
                        (size_t)(b->at - b_start.at));
    }
    }
}

/* Merges two sorted runs. */
static void merge(const pm_metadata *metadata, uint32_t type, const pm_scale *from, size_t middle,
                  size_t end, pm_scale *to)
{
    size_t a = 0;
    size_t b = middle;
    for (size_t i = 0; i < end; i++) {
        pm_scale left = from[a < middle ? a : 0];
        pm_scale right = from[b < end ? b : 0];
        bool take_left = b == end || (a < middle && pm_order(metadata, type, &left, &right) <= 0);
        to[i] = take_left ? from[a++] : from[b++];
    }
}

static void merge_sort(const pm_metadata *metadata, uint32_t type, pm_scale *starts,
                       pm_scale *spare, size_t count)
{
    for (size_t width = 1; width < count; width *= 2) {
        for (size_t at = 0; at < count; at += 2 * width) {
            size_t end = count - at < 2 * width ? count - at : 2 * width;
            merge(metadata, type, starts + at, width < end ? width : end, end, spare + at);
        }
        memcpy(starts, spare, count * sizeof *starts);
    }
}

bool pm_order_sort(const pm_metadata *metadata, uint32_t type, pm_scale in, uint32_t count,
                   pm_scale **starts)
{
    pm_scale last = in;
    bool ascends = true;
    *starts = NULL;
    pm_scale at = in;
    for (uint32_t i = 0; i < count; i++) {
        pm_scale a = last;
        pm_scale b = at;
        ascends = ascends && (i == 0 || pm_order(metadata, type, &a, &b) <= 0);
        last = at;
        if (!pm_walk_skip(metadata, type, &at)) {
            return false;
        }
    }
    if (ascends) {
        return true;
    }
    pm_scale *made = calloc(2 * (size_t)count, sizeof *made);
    if (made == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < count; i++) {
        made[i] = in;
        (void)pm_walk_skip(metadata, type, &in);
    }
    merge_sort(metadata, type, made, made + count, count);
    *starts = made;
    return false;
}
