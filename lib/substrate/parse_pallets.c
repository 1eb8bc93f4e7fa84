/* parse_pallets.c: the pallets with their storage items and constants. See parse.h. */
#include "substrate/parse.h"

static void push_number(pm_parse *parse, uint32_t number)
{
    uint32_t *made = PM_PUSH(parse, parse->metadata->numbers);
    if (made != NULL) {
        *made = number;
    }
}

/* One hasher: the key is the argument. More: the key is a tuple of as many arguments. */
static void parse_map(pm_parse *parse, pm_item *item)
{
    uint32_t count = pm_parse_count(parse, 1);
    if (pm_parse_ok(parse) && (count == 0 || count > PM_KEYS_MAX)) {
        pm_parse_fail(parse, "a storage map has no or too many hashers");
        return;
    }
    item->key_count = (uint8_t)count;
    item->hashers = pm_parse_here(parse);
    for (uint32_t i = 0; i < count && pm_parse_ok(parse); i++) {
        if (pm_parse_u8(parse) >= PM_HASHER_COUNT) {
            pm_parse_fail(parse, "an unknown storage hasher");
        }
    }
    uint32_t key = pm_parse_known_type(parse);
    if (!pm_parse_ok(parse)) {
        return;
    }
    const pm_metadata *metadata = parse->metadata;
    const pm_type *type = pm_type_get(metadata, key);
    item->keys = metadata->numbers.count;
    if (count == 1) {
        push_number(parse, key);
    } else if ((type->kind != PM_KIND_TUPLE && type->kind != PM_KIND_COMPOSITE) ||
               type->count != count) {
        pm_parse_fail(parse, "a storage map has not one key for each hasher");
    } else {
        for (uint32_t i = 0; i < count && pm_parse_ok(parse); i++) {
            push_number(parse, metadata->fields.at[type->first + i].type);
        }
    }
}

static void parse_storage_item(pm_parse *parse, uint32_t pallet)
{
    pm_item item = {.pallet = pallet};
    item.name = pm_parse_name(parse);
    item.modifier = pm_parse_u8(parse);
    if (pm_parse_ok(parse) && item.modifier > PM_REQUIRED) {
        pm_parse_fail(parse, "an unknown storage modifier");
    }
    switch (pm_parse_u8(parse)) {
    case 0:
        break;
    case 1:
        parse_map(parse, &item);
        break;
    default:
        pm_parse_fail(parse, "an unknown kind of storage item");
    }
    item.type = pm_parse_known_type(parse);
    item.value = pm_parse_bytes(parse);
    pm_parse_docs(parse);
    pm_parse_deprecation(parse);
    pm_item *made = pm_parse_ok(parse) ? PM_PUSH(parse, parse->metadata->storage) : NULL;
    if (made != NULL) {
        *made = item;
    }
}

static void parse_constant(pm_parse *parse, uint32_t pallet)
{
    pm_item item = {.pallet = pallet};
    item.name = pm_parse_name(parse);
    item.type = pm_parse_known_type(parse);
    item.value = pm_parse_bytes(parse);
    pm_parse_docs(parse);
    pm_parse_deprecation(parse);
    pm_item *made = pm_parse_ok(parse) ? PM_PUSH(parse, parse->metadata->constants) : NULL;
    if (made != NULL) {
        *made = item;
    }
}

static uint32_t parse_option_enum(pm_parse *parse)
{
    if (!pm_parse_option(parse)) {
        return PM_NO_TYPE;
    }
    uint32_t type = pm_parse_known_type(parse);
    if (pm_parse_ok(parse) && pm_type_get(parse->metadata, type)->kind != PM_KIND_VARIANT) {
        pm_parse_fail(parse, "the calls, events or errors of a pallet are not an enum");
    }
    pm_parse_deprecations(parse);
    return type;
}

static void parse_inputs(pm_parse *parse, pm_method *method)
{
    method->place = pm_parse_here(parse);
    method->input_count = pm_parse_count(parse, 2);
    method->inputs = parse->metadata->numbers.count;
    for (uint32_t i = 0; i < method->input_count && pm_parse_ok(parse); i++) {
        (void)pm_parse_name(parse);
        push_number(parse, pm_parse_known_type(parse));
    }
}

/* V16: associated types and view functions, of which nothing is kept. */
static void parse_pallet_extras(pm_parse *parse)
{
    uint32_t count = pm_parse_count(parse, 3);
    for (uint32_t i = 0; i < count && pm_parse_ok(parse); i++) {
        (void)pm_parse_name(parse);
        (void)pm_parse_known_type(parse);
        pm_parse_docs(parse);
    }
    count = pm_parse_count(parse, 36);
    for (uint32_t i = 0; i < count && pm_parse_ok(parse); i++) {
        pm_method method = {0};
        uint32_t numbers = parse->metadata->numbers.count;
        pm_parse_skip(parse, 32);
        (void)pm_parse_name(parse);
        parse_inputs(parse, &method);
        parse->metadata->numbers.count = numbers;
        (void)pm_parse_known_type(parse);
        pm_parse_docs(parse);
        pm_parse_deprecation(parse);
    }
}

static void parse_pallet(pm_parse *parse)
{
    pm_metadata *metadata = parse->metadata;
    uint32_t place = metadata->pallets.count;
    pm_pallet pallet = {.name = pm_parse_name(parse), .storage = metadata->storage.count};
    if (pm_parse_option(parse)) {
        pallet.prefix = pm_parse_name(parse);
        pallet.storage_count = pm_parse_count(parse, 6);
        for (uint32_t i = 0; i < pallet.storage_count && pm_parse_ok(parse); i++) {
            parse_storage_item(parse, place);
        }
    }
    pallet.calls = parse_option_enum(parse);
    pallet.events = parse_option_enum(parse);
    pallet.constants = metadata->constants.count;
    pallet.constant_count = pm_parse_count(parse, 4);
    for (uint32_t i = 0; i < pallet.constant_count && pm_parse_ok(parse); i++) {
        parse_constant(parse, place);
    }
    pallet.errors = parse_option_enum(parse);
    if (metadata->version >= 16) {
        parse_pallet_extras(parse);
    }
    pallet.index = pm_parse_u8(parse);
    if (metadata->version >= 15) {
        pm_parse_docs(parse);
    }
    pm_parse_deprecation(parse);
    pm_pallet *made = pm_parse_ok(parse) ? PM_PUSH(parse, metadata->pallets) : NULL;
    if (made != NULL) {
        *made = pallet;
    }
}

void pm_parse_pallets(pm_parse *parse)
{
    uint32_t count = pm_parse_count(parse, 7);
    for (uint32_t i = 0; i < count && pm_parse_ok(parse); i++) {
        parse_pallet(parse);
    }
}

static void parse_method(pm_parse *parse, uint32_t api)
{
    pm_method method = {.api = api, .name = pm_parse_name(parse)};
    parse_inputs(parse, &method);
    method.output = pm_parse_known_type(parse);
    pm_parse_docs(parse);
    pm_parse_deprecation(parse);
    pm_method *made = pm_parse_ok(parse) ? PM_PUSH(parse, parse->metadata->methods) : NULL;
    if (made != NULL) {
        *made = method;
    }
}

void pm_parse_apis(pm_parse *parse)
{
    pm_metadata *metadata = parse->metadata;
    uint32_t count = pm_parse_count(parse, 3);
    for (uint32_t i = 0; i < count && pm_parse_ok(parse); i++) {
        pm_api api = {.name = pm_parse_name(parse), .methods = metadata->methods.count};
        api.method_count = pm_parse_count(parse, 4);
        for (uint32_t j = 0; j < api.method_count && pm_parse_ok(parse); j++) {
            parse_method(parse, metadata->apis.count);
        }
        pm_parse_docs(parse);
        if (metadata->version >= 16) {
            (void)pm_parse_compact(parse, "the version of a runtime API is cut off");
        }
        pm_parse_deprecation(parse);
        pm_api *made = pm_parse_ok(parse) ? PM_PUSH(parse, metadata->apis) : NULL;
        if (made != NULL) {
            *made = api;
        }
    }
}
