/* test_substrate_curve.c: the curves of OpenGov's tracks. The numbers were reckoned with exact
 * fractions, rounded down where the chain does; the curves are Polkadot's, but for the steps. */
#include <check.h>
#include <stdlib.h>

#include "substrate/curve.h"

static const pm_curve root = {PM_CURVE_RECIPROCAL, {222222224, 333333335, 333333332}};
static const pm_curve admin = {PM_CURVE_LINEAR, {607142857, 500000000, 1000000000}};
static const pm_curve support = {PM_CURVE_RECIPROCAL, {7892829, 15544040, -7772020}};
static const pm_curve halving = {PM_CURVE_LINEAR, {1000000000, 0, 500000000}};
static const pm_curve steps = {PM_CURVE_STEPPED, {800000000, 300000000, 100000000, 150000000}};

static const struct {
    const pm_curve *curve;
    uint32_t elapsed;
    uint32_t threshold;
} points[] = {
    {&root, 0, 1000000000},          {&root, 1, 999999998},
    {&root, 250000000, 714285714},   {&root, 333333333, 666666667},
    {&root, 1000000000, 499999999},  {&admin, 0, 1000000000},
    {&admin, 1, 1000000000}, /* 1/607142857 is one part, of which half is none */
    {&admin, 250000000, 794117648},  {&admin, 500000000, 588235295},
    {&admin, 607142857, 500000000},  {&admin, 1000000000, 500000000},
    {&support, 0, 500000026},        {&support, 1, 499999993},
    {&support, 250000000, 21951219}, {&support, 607142857, 4903417},
    {&support, 999999999, 0},        {&support, 1000000000, 0},
    {&halving, 0, 500000000},        {&halving, 500000000, 250000000},
    {&halving, 1000000000, 0},       {&steps, 0, 800000000},
    {&steps, 149999999, 800000000},  {&steps, 150000000, 700000000},
    {&steps, 299999999, 700000000},  {&steps, 300000000, 600000000},
    {&steps, 750000000, 300000000},  {&steps, 1000000000, 300000000},
};

START_TEST(curves_fall_as_on_the_chain)
{
    ck_assert_uint_eq(pm_curve_at(points[_i].curve, points[_i].elapsed), points[_i].threshold);
}
END_TEST

START_TEST(curves_that_cannot_be_reckoned)
{
    const pm_curve pole = {PM_CURVE_RECIPROCAL, {1, -500000000, 0}};
    const pm_curve huge = {PM_CURVE_RECIPROCAL, {INT64_MAX, 0, INT64_MAX}};
    const pm_curve below = {PM_CURVE_RECIPROCAL, {INT64_MIN, 1, INT64_MIN}};
    const pm_curve point = {PM_CURVE_LINEAR, {0, 5, 10}};
    const pm_curve stands = {PM_CURVE_STEPPED, {10, 5, 1, 0}};
    ck_assert_uint_eq(pm_curve_at(&pole, 500000000), PM_BILLION);
    ck_assert_uint_eq(pm_curve_at(&huge, 1), PM_BILLION);
    ck_assert_uint_eq(pm_curve_at(&below, 0), PM_BILLION); /* beyond all numbers */
    ck_assert_uint_eq(pm_curve_at(&point, 0), 5);
    ck_assert_uint_eq(pm_curve_at(&stands, 7), 10);
}
END_TEST

START_TEST(parts_are_rounded_as_on_the_chain)
{
    ck_assert_uint_eq(pm_perbill((pm_u128){.low = 1}, (pm_u128){.low = 3}), 333333333);
    ck_assert_uint_eq(pm_perbill((pm_u128){.low = 10000000000000000007u},
                                 (pm_u128){.low = 15000000000000000011u}),
                      666666666);
    ck_assert_uint_eq(pm_perbill((pm_u128){.high = UINT64_C(1) << 63},
                                 (pm_u128){.low = UINT64_MAX, .high = UINT64_MAX}),
                      499999999);
    ck_assert_uint_eq(pm_perbill((pm_u128){0}, (pm_u128){0}), PM_BILLION);
    ck_assert_uint_eq(pm_perbill((pm_u128){.low = 4}, (pm_u128){.low = 3}), PM_BILLION);
    ck_assert_uint_eq(pm_perbill((pm_u128){0}, (pm_u128){.low = 3}), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("substrate_curve");
    TCase *all = tcase_create("all");
    tcase_add_loop_test(all, curves_fall_as_on_the_chain, 0, sizeof points / sizeof points[0]);
    tcase_add_test(all, curves_that_cannot_be_reckoned);
    tcase_add_test(all, parts_are_rounded_as_on_the_chain);
    suite_add_tcase(suite, all);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
