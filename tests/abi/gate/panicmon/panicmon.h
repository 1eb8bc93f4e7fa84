/* panicmon.h (of the test of the gate): one of each thing that the real headers have. */
/* A script edits this line by line. */
/* clang-format off */
#ifndef PANICMON_GATE_H
#define PANICMON_GATE_H

#include <stdint.h>

#define API __attribute__((visibility("default")))

typedef enum panicmon_err {
    PANICMON_OK = 0,
    PANICMON_ERR_A = -1,
    PANICMON_ERR_B = -2,
    /* value */
    PANICMON_ERR_MAX_ = 0x7fffffff
} panicmon_err;

enum { PANICMON_FLAG_A = 1 };

typedef struct panicmon_thing panicmon_thing;

typedef struct panicmon_gate_ops {
    uint32_t struct_size;
    /* inserted */
    /* first */ int (*stop)(void *user);
    /* last */ int (*start)(void *user, int x);
    /* appended */
} panicmon_gate_ops;

API panicmon_err panicmon_make(panicmon_thing **out, const panicmon_gate_ops *ops);
API panicmon_err panicmon_call(panicmon_thing *thing, int count);
API int64_t panicmon_count(const panicmon_thing *thing);
/* function */

#endif
