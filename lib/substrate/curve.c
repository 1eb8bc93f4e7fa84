/* curve.c: see curve.h. */
#include "substrate/curve.h"

__extension__ typedef unsigned __int128 wide;

static wide wide_of(pm_u128 value)
{
    return (wide)value.high << 64 | value.low;
}

/* Both are first brought below 10^9, as the chain does, which costs it a little exactness. */
uint32_t pm_perbill(pm_u128 p, pm_u128 q)
{
    wide part = wide_of(p);
    wide all = wide_of(q);
    if (all == 0 || part > all) {
        return PM_BILLION;
    }
    wide factor = all / PM_BILLION + (all % PM_BILLION != 0);
    return (uint32_t)(part / factor * PM_BILLION / (all / factor));
}

static const struct {
    const char *name;
    const char *members[4];
    bool parts; /* of 10^9; else fixed-point numbers with nine digits */
} kinds[] = {
    [PM_CURVE_LINEAR] = {"LinearDecreasing", {"length", "floor", "ceil"}, true},
    [PM_CURVE_STEPPED] = {"SteppedDecreasing", {"begin", "end", "step", "period"}, true},
    [PM_CURVE_RECIPROCAL] = {"Reciprocal", {"factor", "x_offset", "y_offset"}, false},
};

bool pm_curve_read(pm_value curve, pm_curve *out)
{
    pm_name name;
    pm_value fields;
    size_t kind = 0;
    if (!pm_value_variant(curve, &name, NULL, &fields)) {
        return false;
    }
    while (kind <= PM_CURVE_RECIPROCAL && !pm_name_is(name, kinds[kind].name)) {
        kind++;
    }
    if (kind > PM_CURVE_RECIPROCAL) {
        return false;
    }
    *out = (pm_curve){.kind = (pm_curve_kind)kind};
    for (size_t i = 0; i < 4 && kinds[kind].members[i] != NULL; i++) {
        if (!pm_value_i64(pm_value_field(fields, kinds[kind].members[i]), &out->at[i]) ||
            (kinds[kind].parts && (out->at[i] < 0 || out->at[i] > PM_BILLION))) {
            return false;
        }
    }
    return true;
}

/* From `ceil` down to `floor`, which it reaches after `length`. */
static int64_t linear(const int64_t at[4], int64_t x)
{
    int64_t length = at[0];
    int64_t passed = x >= length ? PM_BILLION : x * PM_BILLION / length;
    return at[2] - passed * (at[2] - at[1]) / PM_BILLION;
}

/* From `begin`, a `step` down after each `period`, never below `end`. */
static int64_t stepped(const int64_t at[4], int64_t x)
{
    int64_t steps = at[3] == 0 ? 0 : x / at[3];
    int64_t left = at[0] - at[2] * steps;
    return left > at[1] ? left : at[1];
}

static uint64_t size_of(int64_t number)
{
    return number < 0 ? 0 - (uint64_t)number : (uint64_t)number;
}

/* factor / (x + x_offset) + y_offset; all that cannot be reckoned is a whole. */
static int64_t reciprocal(const int64_t at[4], int64_t x)
{
    int64_t below;
    int64_t sum;
    if (__builtin_add_overflow(x, at[1], &below) || below == 0) {
        return PM_BILLION;
    }
    bool negative = (at[0] < 0) != (below < 0);
    wide over = (wide)size_of(at[0]) * PM_BILLION;
    wide size = over / size_of(below);
    size += negative && over % size_of(below) != 0; /* towards what is less */
    if (size > INT64_MAX ||
        __builtin_add_overflow(negative ? -(int64_t)size : (int64_t)size, at[2], &sum)) {
        return PM_BILLION;
    }
    return sum;
}

uint32_t pm_curve_at(const pm_curve *curve, uint32_t elapsed)
{
    int64_t y = curve->kind == PM_CURVE_LINEAR    ? linear(curve->at, elapsed)
                : curve->kind == PM_CURVE_STEPPED ? stepped(curve->at, elapsed)
                                                  : reciprocal(curve->at, elapsed);
    return y < 0 ? 0 : y > (int64_t)PM_BILLION ? PM_BILLION : (uint32_t)y;
}
