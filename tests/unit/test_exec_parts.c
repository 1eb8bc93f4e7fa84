/* test_exec_parts.c: what executors are made of: the timer wheel, histograms, the cache of replies,
 * the pool of helpers. */
#include <check.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "exec/cache.h"
#include "exec/pool.h"
#include "exec/wheel.h"

/* ---- wheel ---- */

typedef struct entry {
    pm_timer timer; /* first */
    int64_t due;
    bool fired;
} entry;

START_TEST(timers_go_off_once_and_never_early)
{
    enum { COUNT = 5000, END = 40000 };
    static pm_wheel wheel;
    static entry entries[COUNT];
    int64_t now = 1000003;
    size_t fired = 0;
    uint64_t random = 7;
    pm_wheel_init(&wheel, now);
    ck_assert_int_eq(pm_wheel_next(&wheel), PM_NEVER);
    for (int i = 0; i < COUNT; i++) {
        random = random * UINT64_C(6364136223846793005) + 1442695040888963407u;
        entries[i] = (entry){.due = now + (int64_t)(random >> 33) % END};
        pm_wheel_set(&wheel, &entries[i].timer, entries[i].due);
    }
    for (int i = 0; i < COUNT; i += 7) { /* some go, some are set anew */
        pm_wheel_remove(&entries[i].timer);
        pm_wheel_remove(&entries[i].timer);
        if (i % 2 == 0) {
            entries[i].due += 12345;
            pm_wheel_set(&wheel, &entries[i].timer, entries[i].due);
        } else {
            entries[i].fired = true;
            fired++;
        }
    }
    while (fired < COUNT) {
        int64_t next = pm_wheel_next(&wheel);
        ck_assert_int_ne(next, PM_NEVER);
        now = next > now ? next : now + 1;
        for (pm_timer *timer = pm_wheel_expire(&wheel, now); timer != NULL;) {
            entry *at = (entry *)timer;
            timer = timer->next;
            ck_assert(!at->fired);
            ck_assert_int_le(at->due, now);
            ck_assert_int_lt(now - at->due, 2 * PM_WHEEL_TICK);
            at->fired = true;
            fired++;
        }
    }
    ck_assert_ptr_null(pm_wheel_expire(&wheel, now + END));
}
END_TEST

START_TEST(a_long_sleep_loses_no_timer)
{
    static pm_wheel wheel;
    entry entries[3] = {{.due = 100}, {.due = 9000}, {.due = 3600000}};
    size_t fired = 0;
    pm_wheel_init(&wheel, 0);
    for (int i = 0; i < 3; i++) {
        pm_wheel_set(&wheel, &entries[i].timer, entries[i].due);
    }
    for (pm_timer *timer = pm_wheel_expire(&wheel, 3600008); timer != NULL; timer = timer->next) {
        fired++;
    }
    ck_assert_uint_eq(fired, 3);
    ck_assert_int_eq(pm_wheel_next(&wheel), PM_NEVER);
}
END_TEST

/* ---- histogram ---- */

START_TEST(percentiles_are_off_by_an_eighth_at_most)
{
    static pm_histogram histogram;
    ck_assert_int_eq(pm_histogram_percentile(&histogram, 50), 0);
    for (int64_t i = 1; i <= 100000; i++) {
        pm_histogram_add(&histogram, i);
    }
    for (int percent = 1; percent < 100; percent++) {
        int64_t exact = (int64_t)percent * 1000;
        int64_t got = pm_histogram_percentile(&histogram, percent);
        ck_assert_int_ge(got, exact);
        ck_assert_int_le(got, exact + exact / 8 + 1);
    }
    ck_assert_int_eq(pm_histogram_percentile(&histogram, 100), 100000);
    pm_histogram_add(&histogram, -5);
    pm_histogram_add(&histogram, INT64_MAX);
    ck_assert_int_eq(atomic_load(&histogram.max), INT64_MAX);
    ck_assert_int_gt(pm_histogram_percentile(&histogram, 100), 100000);
}
END_TEST

/* ---- cache ---- */

static pm_request make(const char *target, const char *params, const char *reply)
{
    pm_request request = {.target = strdup(target), .name = strdup("chain_getHeader")};
    pm_buf_text(&request.in, params);
    pm_buf_text(&request.out, reply);
    return request;
}

START_TEST(the_cache_keeps_to_its_limit)
{
    pm_figures figures = {0};
    pm_cache cache;
    size_t len = 0;
    pm_cache_init(&cache, 20000, &figures);
    for (int i = 0; i < 1000; i++) {
        char params[16];
        snprintf(params, sizeof params, "[%d]", i);
        pm_request request = make("ws://a", params, params);
        pm_cache_keep(&cache, &request, pm_call_hash(&request));
        pm_cache_keep(&cache, &request, pm_call_hash(&request));
        ck_assert_uint_le(cache.bytes, 20000);
        ck_assert_int_eq(atomic_load(&figures.cache_bytes), (int64_t)cache.bytes);
        const char *known = pm_cache_find(&cache, &request, pm_call_hash(&request), &len);
        ck_assert_ptr_nonnull(known);
        ck_assert_uint_eq(len, strlen(params));
        ck_assert_int_eq(memcmp(known, params, len), 0);
        /* one in use stays while others go */
        pm_request first = make("ws://a", "[0]", "");
        ck_assert_ptr_nonnull(pm_cache_find(&cache, &first, pm_call_hash(&first), &len));
        pm_request_clear(&first);
        pm_request_clear(&request);
    }
    pm_request other = make("ws://b", "[0]", "");
    ck_assert_ptr_null(pm_cache_find(&cache, &other, pm_call_hash(&other), &len));
    pm_request_clear(&other);
    pm_request old = make("ws://a", "[1]", "");
    ck_assert_ptr_null(pm_cache_find(&cache, &old, pm_call_hash(&old), &len));
    pm_request_clear(&old);
    pm_cache_free(&cache);
    ck_assert_int_eq(atomic_load(&figures.cache_bytes), 0);
}
END_TEST

START_TEST(replies_nobody_asks_for_go)
{
    pm_figures figures = {0};
    pm_cache cache;
    size_t len = 0;
    pm_cache_init(&cache, 1 << 20, &figures);
    cache.unused_ms = 20;
    pm_request old = make("ws://a", "[1]", "1");
    pm_request next = make("ws://a", "[2]", "2");
    pm_cache_keep(&cache, &old, pm_call_hash(&old));
    ck_assert_ptr_nonnull(pm_cache_find(&cache, &old, pm_call_hash(&old), &len));
    size_t one = cache.bytes;
    usleep(40000);
    pm_cache_keep(&cache, &next, pm_call_hash(&next));
    ck_assert_ptr_null(pm_cache_find(&cache, &old, pm_call_hash(&old), &len));
    ck_assert_ptr_nonnull(pm_cache_find(&cache, &next, pm_call_hash(&next), &len));
    ck_assert_uint_eq(cache.bytes, one);
    pm_request_clear(&old);
    pm_request_clear(&next);
    pm_cache_free(&cache);
}
END_TEST

START_TEST(a_reply_that_is_too_large_is_not_kept)
{
    pm_figures figures = {0};
    pm_cache cache;
    size_t len = 0;
    pm_cache_init(&cache, 1000, &figures);
    pm_request request = make("ws://a", "[1]", "");
    pm_buf_clear(&request.out);
    (void)pm_buf_reserve(&request.out, 900);
    memset(request.out.data, 'x', 900);
    request.out.len = 900;
    pm_cache_keep(&cache, &request, 1);
    ck_assert_ptr_null(pm_cache_find(&cache, &request, 1, &len));
    pm_request_clear(&request);
    pm_cache_free(&cache);
}
END_TEST

/* ---- pool ---- */

typedef struct work {
    pm_job job; /* first */
    atomic_int *running;
    atomic_int *most;
    atomic_int *done;
} work;

static void run_work(pm_job *job)
{
    work *at = (work *)job;
    int running = atomic_fetch_add(at->running, 1) + 1;
    int most = atomic_load(at->most);
    while (running > most && !atomic_compare_exchange_weak(at->most, &most, running)) {
    }
    usleep(1000);
    atomic_fetch_sub(at->running, 1);
    atomic_fetch_add(at->done, 1);
}

START_TEST(the_pool_is_bounded_and_ends_its_work)
{
    pm_figures figures = {0};
    atomic_int running = 0;
    atomic_int most = 0;
    atomic_int done = 0;
    static work works[200];
    pm_pool *pool = NULL;
    ck_assert_int_eq(pm_pool_new(&pool, "helper", 3, &figures), PANICMON_OK);
    for (size_t i = 0; i < 200; i++) {
        works[i] = (work){{.run = run_work}, &running, &most, &done};
        ck_assert_int_eq(pm_pool_submit(pool, &works[i].job), PANICMON_OK);
    }
    pm_pool_free(pool);
    ck_assert_int_eq(atomic_load(&done), 200);
    ck_assert_int_le(atomic_load(&most), 3);
    ck_assert_int_eq(atomic_load(&figures.threads), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("exec parts");
    TCase *parts = tcase_create("parts");
    tcase_set_timeout(parts, 20);
    tcase_add_test(parts, timers_go_off_once_and_never_early);
    tcase_add_test(parts, a_long_sleep_loses_no_timer);
    tcase_add_test(parts, percentiles_are_off_by_an_eighth_at_most);
    tcase_add_test(parts, the_cache_keeps_to_its_limit);
    tcase_add_test(parts, replies_nobody_asks_for_go);
    tcase_add_test(parts, a_reply_that_is_too_large_is_not_kept);
    tcase_add_test(parts, the_pool_is_bounded_and_ends_its_work);
    suite_add_tcase(suite, parts);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
