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

static bool perbill_at(pm_value fields, const char *name, uint32_t *out)
{
    return pm_value_u32(pm_value_field(fields, name), out) && *out <= PM_BILLION;
}

static uint32_t lower(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

/* From `ceil` down to `floor`, which it reaches after `length`. */
static bool linear(pm_value fields, uint32_t x, uint32_t *out)
{
    uint32_t length;
    uint32_t floor;
    uint32_t ceil;
    if (!perbill_at(fields, "length", &length) || !perbill_at(fields, "floor", &floor) ||
        !perbill_at(fields, "ceil", &ceil) || floor > ceil) {
        return false;
    }
    uint64_t passed = length == 0 ? PM_BILLION : (uint64_t)lower(x, length) * PM_BILLION / length;
    *out = ceil - (uint32_t)(passed * (ceil - floor) / PM_BILLION);
    return true;
}

/* From `begin`, a `step` down after each `period`, never below `end`. */
static bool stepped(pm_value fields, uint32_t x, uint32_t *out)
{
    uint32_t begin;
    uint32_t end;
    uint32_t step;
    uint32_t period;
    if (!perbill_at(fields, "begin", &begin) || !perbill_at(fields, "end", &end) ||
        !perbill_at(fields, "step", &step) || !perbill_at(fields, "period", &period) ||
        period == 0) {
        return false;
    }
    uint64_t down = (uint64_t)step * (x / period);
    uint32_t left = down < begin ? begin - (uint32_t)down : 0;
    *out = left > end ? left : end;
    return true;
}

/* factor / (x + x_offset) + y_offset, all of them fixed-point numbers with nine digits. */
static bool reciprocal(pm_value fields, uint32_t x, uint32_t *out)
{
    int64_t factor;
    int64_t x_offset;
    int64_t y_offset;
    int64_t below;
    int64_t sum;
    *out = PM_BILLION;
    if (!pm_value_i64(pm_value_field(fields, "factor"), &factor) ||
        !pm_value_i64(pm_value_field(fields, "x_offset"), &x_offset) ||
        !pm_value_i64(pm_value_field(fields, "y_offset"), &y_offset) ||
        __builtin_add_overflow((int64_t)x, x_offset, &below)) {
        return false;
    }
    if (below == 0) {
        return true;
    }
    bool negative = (factor < 0) != (below < 0);
    wide over = (wide)(factor < 0 ? 0 - (uint64_t)factor : (uint64_t)factor) * PM_BILLION;
    uint64_t under = below < 0 ? 0 - (uint64_t)below : (uint64_t)below;
    wide size = over / under + (negative && over % under != 0); /* towards what is less */
    if (size > INT64_MAX ||
        __builtin_add_overflow(negative ? -(int64_t)size : (int64_t)size, y_offset, &sum)) {
        return true;
    }
    *out = sum < 0 ? 0 : sum > (int64_t)PM_BILLION ? PM_BILLION : (uint32_t)sum;
    return true;
}

bool pm_curve_threshold(pm_value curve, uint32_t elapsed, uint32_t *threshold)
{
    pm_name name;
    pm_value fields;
    if (!pm_value_variant(curve, &name, NULL, &fields)) {
        return false;
    }
    if (pm_name_is(name, "LinearDecreasing")) {
        return linear(fields, elapsed, threshold);
    }
    if (pm_name_is(name, "SteppedDecreasing")) {
        return stepped(fields, elapsed, threshold);
    }
    return pm_name_is(name, "Reciprocal") && reciprocal(fields, elapsed, threshold);
}
