/* test_resolve.c: names to addresses without blocking. Needs no name server: localhost and names
 * that cannot exist (RFC 6761) do. */
#include <check.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "net/resolve.h"

static atomic_int ready_calls;

static void on_ready(void *user)
{
    (void)user;
    atomic_fetch_add(&ready_calls, 1);
}

static void nap(void)
{
    const struct timespec ms = {.tv_nsec = 1000000};
    (void)nanosleep(&ms, NULL);
}

static const char *finish(pm_lookup *lookup, pm_addresses *found)
{
    const char *problem = NULL;
    int64_t until = pm_mono_ms() + 25000;
    while (!pm_lookup_result(lookup, found, &problem)) {
        ck_assert_int_lt(pm_mono_ms(), until);
        nap();
    }
    return problem;
}

START_TEST(numeric_addresses_need_no_lookup)
{
    pm_addresses found;
    ck_assert(pm_resolve_numeric("127.0.0.1", &found));
    ck_assert_uint_eq(found.count, 1);
    ck_assert_str_eq(found.text[0], "127.0.0.1");
    ck_assert(pm_resolve_numeric("::1", &found));
    ck_assert_str_eq(found.text[0], "::1");
    ck_assert(!pm_resolve_numeric("localhost", &found));
    ck_assert(!pm_resolve_numeric("1.2.3", &found));
    ck_assert(!pm_resolve_numeric("[::1]", &found));
}
END_TEST

START_TEST(names_are_found_or_not_and_say_so)
{
    pm_resolver *resolver;
    pm_lookup *good;
    pm_lookup *bad;
    pm_addresses found = {.count = 0};
    ck_assert_int_eq(pm_resolver_new(&resolver), PANICMON_OK);
    ck_assert_int_eq(pm_lookup_start(&good, resolver, "localhost", on_ready, NULL), PANICMON_OK);
    ck_assert_int_eq(pm_lookup_start(&bad, resolver, "no.such.invalid", on_ready, NULL),
                     PANICMON_OK);
    ck_assert_ptr_null(finish(good, &found));
    ck_assert_uint_ge(found.count, 1);
    for (size_t i = 0; i < found.count; i++) {
        ck_assert(strcmp(found.text[i], "127.0.0.1") == 0 || strcmp(found.text[i], "::1") == 0);
    }
    ck_assert_ptr_nonnull(finish(bad, &found));
    ck_assert_uint_eq(found.count, 0);
    ck_assert_int_eq(atomic_load(&ready_calls), 2);
    pm_lookup_free(good);
    pm_lookup_free(bad);
    pm_resolver_free(resolver);
}
END_TEST

START_TEST(lookups_may_be_given_up_at_any_time)
{
    pm_resolver *resolver;
    ck_assert_int_eq(pm_resolver_new(&resolver), PANICMON_OK);
    for (int round = 0; round < 20; round++) {
        pm_lookup *lookups[50];
        for (int i = 0; i < 50; i++) {
            ck_assert_int_eq(pm_lookup_start(&lookups[i], resolver, "localhost", on_ready, NULL),
                             PANICMON_OK);
        }
        for (int i = 0; i < 50; i++) {
            pm_lookup_free(lookups[(i * 7 + round) % 50]);
        }
    }
    int calls = atomic_load(&ready_calls);
    for (int i = 0; i < 20; i++) {
        nap();
    }
    ck_assert_int_eq(atomic_load(&ready_calls), calls); /* never after it was given up */
    pm_resolver_free(resolver);
    pm_resolver_free(NULL);
    pm_lookup_free(NULL);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("resolve");
    TCase *tests = tcase_create("resolve");
    tcase_set_timeout(tests, 40);
    tcase_add_test(tests, numeric_addresses_need_no_lookup);
    tcase_add_test(tests, names_are_found_or_not_and_say_so);
    tcase_add_test(tests, lookups_may_be_given_up_at_any_time);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
