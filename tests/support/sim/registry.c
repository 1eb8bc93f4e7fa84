/* registry.c: see registry.h. */
#include "registry.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scale.h"
#include "store.h"

typedef struct slice {
    const char *text;
    size_t len;
} slice;

static uint32_t type_id(sim_registry *registry, slice expression);

static void bad(slice what)
{
    (void)fprintf(stderr, "panicmon-sim: bad type expression '%.*s'\n", (int)what.len, what.text);
    exit(3);
}

static slice trim(slice s)
{
    while (s.len > 0 && isspace((unsigned char)s.text[0])) {
        s.text++;
        s.len--;
    }
    while (s.len > 0 && isspace((unsigned char)s.text[s.len - 1])) {
        s.len--;
    }
    return s;
}

static slice all_of(const char *text)
{
    return trim((slice){.text = text, .len = strlen(text)});
}

static bool starts(slice s, const char *with)
{
    size_t n = strlen(with);
    return s.len >= n && memcmp(s.text, with, n) == 0;
}

static bool is(slice s, const char *text)
{
    return s.len == strlen(text) && starts(s, text);
}

/* Takes the part before the next `separator` outside of all brackets; false at the end. */
static bool next_part(slice *rest, char separator, slice *part)
{
    if (trim(*rest).len == 0) {
        return false;
    }
    int depth = 0;
    size_t end = 0;
    for (; end < rest->len; end++) {
        char c = rest->text[end];
        depth += strchr("([{<", c) != NULL;
        depth -= strchr(")]}>", c) != NULL;
        if (depth == 0 && c == separator) {
            break;
        }
    }
    *part = trim((slice){.text = rest->text, .len = end});
    size_t skip = end < rest->len ? end + 1 : end;
    rest->text += skip;
    rest->len -= skip;
    return true;
}

/* What stands between the brackets that `s` ends with, and what stands before them. */
static slice inside(slice s, slice *before)
{
    static const char opening[] = "([{<";
    static const char closing[] = ")]}>";
    int depth = 0;
    for (size_t i = s.len; i-- > 0;) {
        depth += strchr(closing, s.text[i]) != NULL;
        depth -= strchr(opening, s.text[i]) != NULL;
        if (depth == 0) {
            *before = trim((slice){.text = s.text, .len = i});
            return trim((slice){.text = s.text + i + 1, .len = s.len - i - 2});
        }
    }
    bad(s);
    return s;
}

static void put_slice(pm_buf *out, slice s)
{
    sim_put_compact(out, s.len);
    pm_buf_add(out, s.text, s.len);
}

static void put_path(pm_buf *body, const char *path)
{
    size_t parts = *path != '\0';
    for (const char *p = strstr(path, "::"); p != NULL; p = strstr(p + 2, "::")) {
        parts++;
    }
    sim_put_compact(body, parts);
    while (*path != '\0') {
        const char *end = strstr(path, "::");
        size_t len = end == NULL ? strlen(path) : (size_t)(end - path);
        put_slice(body, (slice){.text = path, .len = len});
        path += len + (end == NULL ? 0 : 2);
    }
}

static size_t count_parts(slice list)
{
    size_t count = 0;
    slice part = {0};
    while (next_part(&list, ',', &part)) {
        count++;
    }
    return count;
}

static void put_params(sim_registry *registry, pm_buf *body, slice list)
{
    slice part = {0};
    sim_put_compact(body, count_parts(list));
    while (next_part(&list, ',', &part)) {
        slice type = part;
        slice name = {0};
        (void)next_part(&type, ':', &name);
        put_slice(body, name);
        sim_put_u8(body, 1);
        sim_put_compact(body, type_id(registry, type));
    }
}

static void put_fields(sim_registry *registry, pm_buf *body, slice list, bool named)
{
    slice part = {0};
    sim_put_compact(body, count_parts(list));
    while (next_part(&list, ',', &part)) {
        slice type = part;
        slice name = {0};
        sim_put_u8(body, named);
        if (named) {
            (void)next_part(&type, ':', &name);
            put_slice(body, name);
        }
        type = trim(type);
        sim_put_compact(body, type_id(registry, type));
        sim_put_u8(body, 1); /* the name the type had in the source */
        put_slice(body, type);
        sim_put_compact(body, 0);
    }
}

static void put_variants(sim_registry *registry, pm_buf *body, slice list)
{
    slice part = {0};
    sim_put_compact(body, count_parts(list));
    while (next_part(&list, ',', &part)) {
        char *end;
        unsigned long index = strtoul(part.text, &end, 10);
        slice head = trim((slice){.text = end, .len = part.len - (size_t)(end - part.text)});
        slice fields = {0};
        bool named = head.len > 0 && head.text[head.len - 1] == '}';
        if (named || (head.len > 0 && head.text[head.len - 1] == ')')) {
            fields = inside(head, &head);
        }
        if (end == part.text || head.len == 0) {
            bad(part);
        }
        put_slice(body, head);
        put_fields(registry, body, fields, named);
        sim_put_u8(body, (uint8_t)index);
        sim_put_compact(body, 0);
    }
}

static void put_definition(sim_registry *registry, pm_buf *body, const char *definition)
{
    slice kind;
    slice list = inside(all_of(definition), &kind);
    if (is(kind, "enum")) {
        sim_put_u8(body, 1);
        put_variants(registry, body, list);
    } else {
        sim_put_u8(body, 0);
        put_fields(registry, body, list, is(kind, "struct"));
    }
}

static bool put_primitive(pm_buf *body, slice s)
{
    static const char *const names[] = {"bool", "char", "str", "u8",  "u16", "u32",  "u64", "u128",
                                        "u256", "i8",   "i16", "i32", "i64", "i128", "i256"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (is(s, names[i])) {
            put_path(body, "");
            sim_put_compact(body, 0);
            sim_put_u8(body, 5);
            sim_put_u8(body, (uint8_t)i);
            return true;
        }
    }
    return false;
}

static void put_sequence(sim_registry *registry, pm_buf *body, slice s)
{
    slice before;
    slice of = inside(s, &before);
    slice part = {0};
    put_path(body, is(before, "Option") ? "Option" : is(before, "BTreeMap") ? "BTreeMap" : "");
    if (is(before, "Option")) {
        pm_buf text = {0};
        pm_buf_format(&text, "T: %.*s", (int)of.len, of.text);
        put_params(registry, body, all_of(text.data));
        sim_put_u8(body, 1);
        pm_buf_clear(&text);
        pm_buf_format(&text, "0 None, 1 Some(%.*s)", (int)of.len, of.text);
        put_variants(registry, body, all_of(text.data));
        pm_buf_free(&text);
    } else if (is(before, "BTreeMap")) {
        pm_buf text = {0};
        slice rest = of;
        (void)next_part(&rest, ',', &part);
        pm_buf_format(&text, "K: %.*s, V: %.*s", (int)part.len, part.text, (int)rest.len,
                      rest.text);
        put_params(registry, body, all_of(text.data));
        sim_put_u8(body, 0);
        pm_buf_clear(&text);
        pm_buf_format(&text, "Vec<(%.*s)>", (int)of.len, of.text);
        put_fields(registry, body, all_of(text.data), false);
        pm_buf_free(&text);
    } else if (is(before, "Vec") || is(before, "Compact")) {
        sim_put_compact(body, 0);
        sim_put_u8(body, is(before, "Vec") ? 2 : 6);
        sim_put_compact(body, type_id(registry, of));
    } else {
        bad(s);
    }
}

static void put_builtin(sim_registry *registry, pm_buf *body, slice s)
{
    slice before;
    slice part = {0};
    if (s.text[0] == '(') {
        slice list = inside(s, &before);
        put_path(body, "");
        sim_put_compact(body, 0);
        sim_put_u8(body, 4);
        sim_put_compact(body, count_parts(list));
        while (next_part(&list, ',', &part)) {
            sim_put_compact(body, type_id(registry, part));
        }
    } else if (s.text[0] == '[') {
        slice rest = inside(s, &before);
        (void)next_part(&rest, ';', &part);
        put_path(body, "");
        sim_put_compact(body, 0);
        sim_put_u8(body, 3);
        sim_put_u32(body, (uint32_t)strtoul(rest.text, NULL, 10));
        sim_put_compact(body, type_id(registry, part));
    } else if (s.text[s.len - 1] == '>') {
        put_sequence(registry, body, s);
    } else {
        bad(s);
    }
}

static const sim_type_def *find_def(const sim_registry *registry, slice name)
{
    for (size_t t = 0; registry->tables[t] != NULL; t++) {
        for (const sim_type_def *def = registry->tables[t]; def->name != NULL; def++) {
            if (is(name, def->name)) {
                return def;
            }
        }
    }
    return NULL;
}

static uint32_t type_id(sim_registry *registry, slice expression)
{
    slice s = trim(expression);
    for (uint32_t i = 0; i < registry->count; i++) {
        if (is(s, registry->types[i].expression)) {
            return i;
        }
    }
    if (s.len == 0) {
        bad(expression);
    }
    if (registry->count == registry->cap) {
        registry->cap = registry->cap == 0 ? 128 : registry->cap * 2;
        registry->types = sim_realloc(registry->types, registry->cap * sizeof *registry->types);
    }
    uint32_t id = registry->count++;
    char *name = sim_alloc(s.len + 1);
    memcpy(name, s.text, s.len);
    registry->types[id] = (sim_type){.expression = name};
    pm_buf body = {0}; /* the list of types may move meanwhile */
    const sim_type_def *def = find_def(registry, s);
    if (def != NULL) {
        put_path(&body, def->path);
        put_params(registry, &body, all_of(def->params == NULL ? "" : def->params));
        put_definition(registry, &body, def->definition);
    } else if (!put_primitive(&body, s)) {
        put_builtin(registry, &body, s);
    }
    sim_put_compact(&body, 0); /* docs */
    registry->types[id].body = body;
    return id;
}

uint32_t sim_registry_id(sim_registry *registry, const char *expression)
{
    return type_id(registry, all_of(expression));
}

void sim_registry_put(const sim_registry *registry, pm_buf *out)
{
    sim_put_compact(out, registry->count);
    for (uint32_t i = 0; i < registry->count; i++) {
        sim_put_compact(out, i);
        pm_buf_add(out, registry->types[i].body.data, registry->types[i].body.len);
    }
}

void sim_registry_free(sim_registry *registry)
{
    for (uint32_t i = 0; i < registry->count; i++) {
        free(registry->types[i].expression);
        pm_buf_free(&registry->types[i].body);
    }
    free(registry->types);
}
