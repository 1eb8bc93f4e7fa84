/* gate.c: the library behind the header beside it. */
/* A script edits this line by line. */
/* clang-format off */
#include <panicmon/panicmon.h>

#include <stdlib.h>

struct panicmon_thing {
    int64_t calls;
    /* inside */
    panicmon_gate_ops ops;
};

panicmon_err panicmon_make(panicmon_thing **out, const panicmon_gate_ops *ops)
{
    *out = calloc(1, sizeof **out);
    if (*out == NULL) return PANICMON_ERR_B;
    (*out)->ops = *ops;
    return PANICMON_OK;
}

panicmon_err panicmon_call(panicmon_thing *thing, int count)
{
    thing->calls += count;
    return thing->ops.start == NULL ? PANICMON_ERR_A : PANICMON_OK;
}

int64_t panicmon_count(const panicmon_thing *thing) { return thing->calls; }
/* body */
