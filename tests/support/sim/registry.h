/* registry.h: the type registry of metadata V14, filled from type expressions:
 *   u32 str bool () (A, B) [T; 4] Vec<T> Option<T> Compact<T> BTreeMap<K, V>, or a defined name.
 * A definition is a text, too: "struct {a: T, b: U}", "tuple (T, U)",
 * "enum {0 None, 2 Some(T), 3 Both {a: T}}". */
#ifndef SIM_REGISTRY_H
#define SIM_REGISTRY_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

typedef struct sim_type_def {
    const char *name;
    const char *path; /* a::b::C */
    const char *definition;
    const char *params; /* "Address: T, Call: U", or NULL */
} sim_type_def;

typedef struct sim_type {
    char *expression;
    pm_buf body; /* SCALE: path, params, definition, docs */
} sim_type;

typedef struct sim_registry {
    const sim_type_def *const *tables; /* NULL at the end; each ends with a NULL name */
    sim_type *types;
    uint32_t count, cap;
} sim_registry;

/* The id of a type, added with all it needs when it is new. Ends the program on a bad expression:
 * these are written by hand in this program. */
uint32_t sim_registry_id(sim_registry *registry, const char *expression);
/* Appends Vec<PortableType>. */
void sim_registry_put(const sim_registry *registry, pm_buf *out);
void sim_registry_free(sim_registry *registry);

#endif
