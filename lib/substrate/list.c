/* list.c: see list.h. */
#include "substrate/list.h"

#include "substrate/registry.h"

static void add_name(pm_buf *out, const char *key, pm_name name)
{
    pm_buf_format(out, "\"%s\":", key);
    pm_buf_json_string(out, name.text == NULL ? "" : name.text, name.len);
}

static void add_type(const pm_metadata *metadata, uint32_t type, pm_buf *out)
{
    pm_buf name = {0};
    pm_type_describe(metadata, type, &name);
    pm_buf_format(out, "{\"id\":%u,\"name\":", type);
    pm_buf_json_string(out, name.data == NULL ? "" : name.data, name.len);
    pm_buf_char(out, '}');
    out->failed = out->failed || name.failed;
    pm_buf_free(&name);
}

static void separate(pm_buf *out, uint32_t i)
{
    if (i > 0) {
        pm_buf_char(out, ',');
    }
}

static void add_storage(const pm_metadata *metadata, uint32_t place, pm_buf *out)
{
    static const char *const modifiers[] = {"Optional", "Default", "Required"};
    pm_storage item;
    pm_storage_at(metadata, place, &item);
    pm_buf_char(out, '{');
    add_name(out, "name", item.name);
    pm_buf_format(out, ",\"modifier\":\"%s\",\"hashers\":[", modifiers[item.modifier]);
    for (uint32_t i = 0; i < item.key_count && pm_list_room(out); i++) {
        separate(out, i);
        pm_buf_format(out, "\"%s\"", pm_hasher_name((pm_hasher)item.hashers[i]));
    }
    pm_buf_text(out, "],\"keys\":[");
    for (uint32_t i = 0; i < item.key_count && pm_list_room(out); i++) {
        separate(out, i);
        add_type(metadata, item.key_types[i], out);
    }
    pm_buf_text(out, "],\"value\":");
    add_type(metadata, item.value_type, out);
    pm_buf_char(out, '}');
}

static void add_constant(const pm_metadata *metadata, uint32_t place, pm_buf *out)
{
    const pm_item *item = &metadata->constants.at[place];
    pm_buf_char(out, '{');
    add_name(out, "name", pm_name_at(metadata, item->name));
    pm_buf_text(out, ",\"type\":");
    add_type(metadata, item->type, out);
    pm_buf_char(out, '}');
}

static void add_event(const pm_metadata *metadata, const pm_variant *event, pm_buf *out)
{
    const pm_field *fields = pm_fields_of(metadata, event->first);
    pm_buf_char(out, '{');
    add_name(out, "name", pm_name_at(metadata, event->name));
    pm_buf_format(out, ",\"index\":%u,\"fields\":[", event->index);
    for (uint32_t i = 0; i < event->count && pm_list_room(out); i++) {
        separate(out, i);
        pm_buf_char(out, '{');
        if (fields[i].name != 0) {
            add_name(out, "name", pm_name_at(metadata, fields[i].name));
            pm_buf_char(out, ',');
        }
        pm_buf_text(out, "\"type\":");
        add_type(metadata, fields[i].type, out);
        pm_buf_char(out, '}');
    }
    pm_buf_text(out, "]}");
}

static void add_pallet(const pm_metadata *metadata, const pm_pallet *pallet, pm_buf *out)
{
    pm_buf_char(out, '{');
    add_name(out, "name", pm_name_at(metadata, pallet->name));
    pm_buf_format(out, ",\"index\":%u,", pallet->index);
    if (pallet->prefix == 0) {
        pm_buf_text(out, "\"prefix\":null");
    } else {
        add_name(out, "prefix", pm_name_at(metadata, pallet->prefix));
    }
    pm_buf_text(out, ",\"storage\":[");
    for (uint32_t i = 0; i < pallet->storage_count && pm_list_room(out); i++) {
        separate(out, i);
        add_storage(metadata, pallet->storage + i, out);
    }
    pm_buf_text(out, "],\"constants\":[");
    for (uint32_t i = 0; i < pallet->constant_count && pm_list_room(out); i++) {
        separate(out, i);
        add_constant(metadata, pallet->constants + i, out);
    }
    pm_buf_text(out, "],\"events\":[");
    if (pallet->events != PM_NO_TYPE) {
        const pm_type *events = pm_type_get(metadata, pallet->events);
        for (uint32_t i = 0; i < events->count && pm_list_room(out); i++) {
            separate(out, i);
            add_event(metadata, &metadata->variants.at[events->first + i], out);
        }
    }
    pm_buf_text(out, "]}");
}

/* The names of inputs are read from the blob again. */
static void add_method(const pm_metadata *metadata, const pm_method *method, pm_buf *out)
{
    pm_scale in = {metadata->blob + method->place, metadata->blob + metadata->blob_len};
    uint32_t count = 0;
    uint32_t type = 0;
    pm_name name = {NULL, 0};
    (void)pm_scale_compact_u32(&in, &count);
    pm_buf_char(out, '{');
    add_name(out, "name", pm_name_at(metadata, method->name));
    pm_buf_text(out, ",\"inputs\":[");
    for (uint32_t i = 0; i < count && pm_list_room(out); i++) {
        uint32_t one = 1;
        (void)pm_path_next(&in, &one, &name);
        (void)pm_scale_compact_u32(&in, &type);
        separate(out, i);
        pm_buf_char(out, '{');
        add_name(out, "name", name);
        pm_buf_text(out, ",\"type\":");
        add_type(metadata, type, out);
        pm_buf_char(out, '}');
    }
    pm_buf_text(out, "],\"output\":");
    add_type(metadata, method->output, out);
    pm_buf_char(out, '}');
}

static void add_api(const pm_metadata *metadata, const pm_api *api, pm_buf *out)
{
    pm_buf_char(out, '{');
    add_name(out, "name", pm_name_at(metadata, api->name));
    pm_buf_text(out, ",\"methods\":[");
    for (uint32_t i = 0; i < api->method_count && pm_list_room(out); i++) {
        separate(out, i);
        add_method(metadata, &metadata->methods.at[api->methods + i], out);
    }
    pm_buf_text(out, "]}");
}

void pm_metadata_list(const pm_metadata *metadata, pm_buf *out)
{
    pm_buf_format(out, "{\"version\":%u,\"types\":%u,\"pallets\":[", metadata->version,
                  metadata->types.count);
    for (uint32_t i = 0; i < metadata->pallets.count && pm_list_room(out); i++) {
        separate(out, i);
        add_pallet(metadata, &metadata->pallets.at[i], out);
    }
    pm_buf_text(out, "],\"apis\":[");
    for (uint32_t i = 0; i < metadata->apis.count && pm_list_room(out); i++) {
        separate(out, i);
        add_api(metadata, &metadata->apis.at[i], out);
    }
    pm_buf_text(out, "]}");
}
