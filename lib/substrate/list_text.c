/* list_text.c: what a chain has, for people to read. See list.h. */
#include "substrate/list.h"

#include <string.h>

#include "substrate/registry.h"

static void add_name(pm_buf *out, pm_name name)
{
    pm_buf_add(out, name.text, name.len);
}

/* "  storage Staking.Ledger" */
static void begin(const pm_metadata *metadata, const char *kind, const pm_pallet *pallet,
                  uint32_t name, pm_buf *out)
{
    pm_buf_format(out, "  %-8s ", kind);
    add_name(out, pm_name_at(metadata, pallet->name));
    pm_buf_char(out, '.');
    add_name(out, pm_name_at(metadata, name));
}

static void add_storage(const pm_metadata *metadata, const pm_pallet *pallet, const pm_item *item,
                        pm_buf *out)
{
    static const char *const modifiers[] = {"optional", "default", "required"};
    begin(metadata, "storage", pallet, item->name, out);
    for (uint32_t i = 0; i < item->key_count; i++) {
        pm_buf_text(out, i == 0 ? "(" : ", ");
        pm_type_describe(metadata, metadata->numbers.at[item->keys + i], out);
        pm_buf_format(out, " %s", pm_hasher_name((pm_hasher)metadata->blob[item->hashers + i]));
    }
    pm_buf_text(out, item->key_count > 0 ? ") -> " : " -> ");
    pm_type_describe(metadata, item->type, out);
    pm_buf_format(out, " [%s, type %u]\n", modifiers[item->modifier], item->type);
}

static void add_event(const pm_metadata *metadata, const pm_pallet *pallet, const pm_variant *event,
                      pm_buf *out)
{
    const pm_field *fields = pm_fields_of(metadata, event->first);
    begin(metadata, "event", pallet, event->name, out);
    for (uint32_t i = 0; i < event->count && pm_list_room(out); i++) {
        pm_buf_text(out, i == 0 ? "(" : ", ");
        if (fields[i].name != 0) {
            add_name(out, pm_name_at(metadata, fields[i].name));
            pm_buf_text(out, ": ");
        }
        pm_type_describe(metadata, fields[i].type, out);
    }
    pm_buf_text(out, event->count > 0 ? ")\n" : "\n");
}

static void add_pallet(const pm_metadata *metadata, const pm_pallet *pallet, pm_buf *out)
{
    pm_buf_text(out, "pallet ");
    add_name(out, pm_name_at(metadata, pallet->name));
    pm_buf_format(out, " (%u)\n", pallet->index);
    for (uint32_t i = 0; i < pallet->storage_count && pm_list_room(out); i++) {
        add_storage(metadata, pallet, &metadata->storage.at[pallet->storage + i], out);
    }
    for (uint32_t i = 0; i < pallet->constant_count && pm_list_room(out); i++) {
        const pm_item *item = &metadata->constants.at[pallet->constants + i];
        begin(metadata, "constant", pallet, item->name, out);
        pm_buf_text(out, " -> ");
        pm_type_describe(metadata, item->type, out);
        pm_buf_format(out, " [type %u]\n", item->type);
    }
    if (pallet->events != PM_NO_TYPE) {
        const pm_type *events = pm_type_get(metadata, pallet->events);
        for (uint32_t i = 0; i < events->count && pm_list_room(out); i++) {
            add_event(metadata, pallet, &metadata->variants.at[events->first + i], out);
        }
    }
}

static void add_method(const pm_metadata *metadata, const pm_method *method, pm_buf *out)
{
    pm_buf_text(out, "  call     ");
    add_name(out, pm_name_at(metadata, metadata->apis.at[method->api].name));
    pm_buf_char(out, '_');
    add_name(out, pm_name_at(metadata, method->name));
    pm_buf_char(out, '(');
    for (uint32_t i = 0; i < method->input_count && pm_list_room(out); i++) {
        pm_buf_text(out, i > 0 ? ", " : "");
        pm_type_describe(metadata, metadata->numbers.at[method->inputs + i], out);
    }
    pm_buf_text(out, ") -> ");
    pm_type_describe(metadata, method->output, out);
    pm_buf_format(out, " [type %u]\n", method->output);
}

void pm_metadata_list_text(const pm_metadata *metadata, pm_buf *out)
{
    pm_buf_format(out, "metadata V%u, %u types\n", metadata->version, metadata->types.count);
    for (uint32_t i = 0; i < metadata->pallets.count && pm_list_room(out); i++) {
        add_pallet(metadata, &metadata->pallets.at[i], out);
    }
    for (uint32_t i = 0; i < metadata->methods.count && pm_list_room(out); i++) {
        if (i == 0) {
            pm_buf_text(out, "runtime calls\n");
        }
        add_method(metadata, &metadata->methods.at[i], out);
    }
}
