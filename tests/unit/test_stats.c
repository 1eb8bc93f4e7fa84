/* test_stats.c: the steps of the histograms of a runtime. */
#include <check.h>

#include "core/runtime_impl.h"

static panicmon_runtime *runtime;
static panicmon_registry *registry;
static panicmon_stats *stats;

static void open_runtime(void)
{
    ck_assert_int_eq(panicmon_registry_new(&registry), PANICMON_OK);
    ck_assert_int_eq(panicmon_runtime_new(&runtime, registry, NULL, NULL), PANICMON_OK);
}

static void close_runtime(void)
{
    panicmon_stats_free(stats);
    panicmon_runtime_free(runtime);
    panicmon_registry_free(registry);
}

static void expect(const char *name, size_t i, int64_t wanted_bound, int64_t wanted_count)
{
    int64_t bound = 0;
    int64_t count = -1;
    ck_assert_int_eq(panicmon_stats_step(stats, name, i, &bound, &count), PANICMON_OK);
    ck_assert_int_eq(bound, wanted_bound);
    ck_assert_int_eq(count, wanted_count);
}

START_TEST(steps_are_eighths_of_powers_of_two)
{
    enum { STEPS = 146 };
    int64_t last = 0;
    ck_assert_int_eq(panicmon_runtime_stats(runtime, &stats), PANICMON_OK);
    for (size_t i = 0; i < STEPS; i++) {
        int64_t bound = 0;
        ck_assert_int_eq(panicmon_stats_step(stats, "lag_us", i, &bound, NULL), PANICMON_OK);
        ck_assert_int_gt(bound, last);
        if (i > 0 && i < STEPS - 1) {
            ck_assert_int_le(bound * 8, last * 9);
        }
        if (i % 8 == 0 && i < STEPS - 1) {
            ck_assert_int_eq(bound, INT64_C(256) << (i / 8));
        }
        last = bound;
    }
    ck_assert_int_eq(last, INT64_MAX);
    ck_assert_int_eq(panicmon_stats_step(stats, "lag_us", STEPS, NULL, NULL), PANICMON_ERR_INVAL);
    ck_assert_int_eq(panicmon_stats_step(stats, "lag", 0, NULL, NULL), PANICMON_ERR_NOENT);
}
END_TEST

START_TEST(steps_count_what_was_below_exactly)
{
    enum { COUNT = 3000 };
    for (int64_t i = 0; i < COUNT; i++) {
        pm_histogram_add(&runtime->figures.round_us, i);
    }
    pm_histogram_add(&runtime->figures.round_us, INT64_MAX);
    ck_assert_int_eq(panicmon_runtime_stats(runtime, &stats), PANICMON_OK);
    expect("round_us", 0, 256, 256);
    expect("round_us", 1, 288, 288);
    expect("round_us", 9, 576, 576);
    expect("round_us", 28, 3072, COUNT);
    expect("round_us", 144, INT64_C(1) << 26, COUNT);
    expect("round_us", 145, INT64_MAX, COUNT + 1);
    expect("lag_us", 145, INT64_MAX, 0);
}
END_TEST

START_TEST(memory_that_lies_ready_for_requests_is_counted)
{
    enum { BLOCKS = 3 };
    pm_bundle *bundles[BLOCKS] = {NULL};
    int64_t bytes = -1;
    for (int i = 0; i < BLOCKS; i++) {
        ck_assert_ptr_nonnull(pm_bundle_take(&bundles[i], &runtime->bundles, 1));
    }
    for (int i = 0; i < BLOCKS; i++) {
        pm_bundle_drop(bundles[i]);
    }
    ck_assert_int_eq(panicmon_runtime_stats(runtime, &stats), PANICMON_OK);
    ck_assert_int_eq(panicmon_stats_get(stats, "pool_bytes", &bytes), PANICMON_OK);
    ck_assert_int_ge(bytes, BLOCKS * PM_BUNDLE_USUAL);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("stats");
    TCase *cases = tcase_create("stats");
    tcase_add_checked_fixture(cases, open_runtime, close_runtime);
    tcase_add_test(cases, steps_are_eighths_of_powers_of_two);
    tcase_add_test(cases, steps_count_what_was_below_exactly);
    tcase_add_test(cases, memory_that_lies_ready_for_requests_is_counted);
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
