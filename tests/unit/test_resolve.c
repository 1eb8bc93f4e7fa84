/* test_resolve.c: names to addresses without blocking. Needs no name server: localhost and names
 * that cannot exist (RFC 6761) do. Names that begin with "dead" hang until the test is through with
 * them: all lookups of the program go by getaddrinfo() below. */
#include <check.h>
#include <dlfcn.h>
#include <netdb.h>
#include <pthread.h>
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

static pthread_mutex_t dead_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t dead_over = PTHREAD_COND_INITIALIZER;
static bool is_dead = true;
static int hanging; /* calls so far that did */

static int hang(void)
{
    pthread_mutex_lock(&dead_lock);
    hanging++;
    while (is_dead) {
        (void)pthread_cond_wait(&dead_over, &dead_lock);
    }
    pthread_mutex_unlock(&dead_lock);
    return EAI_AGAIN;
}

static void end_hanging(void)
{
    pthread_mutex_lock(&dead_lock);
    is_dead = false;
    (void)pthread_cond_broadcast(&dead_over);
    pthread_mutex_unlock(&dead_lock);
}

static int count_hanging(void)
{
    pthread_mutex_lock(&dead_lock);
    int count = hanging;
    pthread_mutex_unlock(&dead_lock);
    return count;
}

typedef int lookup_function(const char *host, const char *service, const struct addrinfo *hints,
                            struct addrinfo **out);

int getaddrinfo(const char *host, const char *service, const struct addrinfo *hints,
                struct addrinfo **out)
{
    lookup_function *real;
    *(void **)&real = dlsym(RTLD_NEXT, "getaddrinfo");
    return strncmp(host, "dead", 4) == 0 ? hang() : real(host, service, hints, out);
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

/* However many names hang, others are looked up; those that wait for a thread get it by themselves.
 */
START_TEST(names_that_hang_do_not_keep_others)
{
    enum { DEAD = 40 };
    pm_resolver *resolver;
    pm_lookup *dead[DEAD];
    pm_lookup *good;
    pm_addresses found = {.count = 0};
    ck_assert_int_eq(pm_resolver_new(&resolver), PANICMON_OK);
    for (int i = 0; i < DEAD; i++) {
        char host[24];
        (void)snprintf(host, sizeof host, "dead%d.invalid", i);
        ck_assert_int_eq(pm_lookup_start(&dead[i], resolver, host, on_ready, NULL), PANICMON_OK);
    }
    ck_assert_int_eq(pm_lookup_start(&good, resolver, "localhost", on_ready, NULL), PANICMON_OK);
    ck_assert_ptr_null(finish(good, &found));
    ck_assert_int_eq(atomic_load(&ready_calls), 1);
    while (count_hanging() < DEAD) {
        nap();
    }
    end_hanging();
    for (int i = 0; i < DEAD; i++) {
        ck_assert_str_eq(finish(dead[i], &found), "the name server does not answer");
        pm_lookup_free(dead[i]);
    }
    pm_lookup_free(good);
    pm_resolver_free(resolver);
}
END_TEST

START_TEST(a_name_that_hangs_holds_one_thread)
{
    enum { MANY = 100 };
    pm_resolver *resolver;
    pm_lookup *dead[MANY];
    pm_lookup *good;
    pm_addresses found = {.count = 0};
    ck_assert_int_eq(pm_resolver_new(&resolver), PANICMON_OK);
    for (int i = 0; i < MANY; i++) {
        ck_assert_int_eq(pm_lookup_start(&dead[i], resolver, "dead.invalid", on_ready, NULL),
                         PANICMON_OK);
        while (count_hanging() == 0) {
            nap();
        }
        if (i % 2 == 0) { /* the first: nobody wants it any more, but it hangs on */
            pm_lookup_free(dead[i]);
        }
    }
    ck_assert_int_eq(pm_lookup_start(&good, resolver, "localhost", on_ready, NULL), PANICMON_OK);
    ck_assert_ptr_null(finish(good, &found));
    pm_lookup_free(good);
    ck_assert_int_eq(count_hanging(), 1);
    end_hanging();
    for (int i = 1; i < MANY; i += 2) {
        ck_assert_ptr_nonnull(finish(dead[i], &found));
        ck_assert_uint_eq(found.count, 0);
        pm_lookup_free(dead[i]);
    }
    ck_assert_int_eq(atomic_load(&ready_calls), 1 + MANY / 2);
    ck_assert_int_eq(count_hanging(), 1);
    pm_resolver_free(resolver);
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
    tcase_add_test(tests, names_that_hang_do_not_keep_others);
    tcase_add_test(tests, a_name_that_hangs_holds_one_thread);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
