/* test_look.c: how the manager sees a monitor, and when it wants to look again. */
#include <check.h>

#include "core/look.h"
#include "core/monitor_impl.h"

enum { ALIVE = 40000, NOW = 1000000 };

static panicmon_monitor monitor;

static void stand(int current, bool in_turn, int64_t since_ms)
{
    atomic_store(&monitor.alive_ms, ALIVE);
    atomic_store(&monitor.current, current);
    atomic_store(&monitor.in_turn, in_turn);
    atomic_store(&monitor.turn_ms, since_ms);
}

START_TEST(one_that_waits_is_looked_at_twice_before_it_can_hang)
{
    int64_t again = 0;
    stand(PANICMON_MONITOR_RUNNING, false, NOW - 5 * ALIVE);
    ck_assert_int_eq(pm_monitor_look(&monitor, NOW, &again), PM_SEEN_WELL);
    ck_assert_int_eq(again, NOW + ALIVE / 2);
    atomic_store(&monitor.alive_ms, 100 * ALIVE); /* that may have changed by then */
    ck_assert_int_eq(pm_monitor_look(&monitor, NOW, &again), PM_SEEN_WELL);
    ck_assert_int_eq(again, NOW + 30000);
}
END_TEST

/* Whenever it began to hang, the look that finds it comes in the millisecond in which it counts. */
START_TEST(one_that_hangs_is_seen_at_once)
{
    for (int64_t began = NOW; began < NOW + ALIVE; began += 1000) {
        int64_t now = NOW;
        int64_t again = 0;
        int looks = 0;
        stand(PANICMON_MONITOR_RUNNING, false, 0);
        while (pm_monitor_look(&monitor, now, &again) == PM_SEEN_WELL) {
            ck_assert_int_gt(again, now);
            now = again;
            looks++;
            if (now >= began) {
                stand(PANICMON_MONITOR_RUNNING, true, began);
            }
        }
        ck_assert_int_eq(pm_monitor_look(&monitor, now, &again), PM_SEEN_STUCK);
        ck_assert_int_eq(now, began + ALIVE + 1);
        ck_assert_int_eq(again, now);
        ck_assert_int_le(looks, 5);
    }
}
END_TEST

START_TEST(one_that_ended_is_seen)
{
    int64_t again = 0;
    stand(PANICMON_MONITOR_STOPPED, false, 0);
    ck_assert_int_eq(pm_monitor_look(&monitor, NOW, &again), PM_SEEN_ENDED);
    ck_assert_int_eq(again, NOW);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("look");
    TCase *cases = tcase_create("look");
    tcase_add_test(cases, one_that_waits_is_looked_at_twice_before_it_can_hang);
    tcase_add_test(cases, one_that_hangs_is_seen_at_once);
    tcase_add_test(cases, one_that_ended_is_seen);
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
