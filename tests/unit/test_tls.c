/* test_tls.c: making the shared TLS context. What it does to peers is tested in test_ws.c. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "net/ws.h"
#include "net/tls.h"

START_TEST(a_bad_ca_file_is_refused)
{
    pm_tls *tls = NULL;
    char path[] = "/tmp/test_tls_XXXXXX";
    int fd = mkstemp(path);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, "no certificate\n", 15), 15);
    (void)close(fd);
    ck_assert_int_eq(pm_tls_new(&tls, path), PANICMON_ERR_INVAL);
    ck_assert_ptr_null(tls);
    pm_net *net = NULL;
    const pm_net_options options = {.tls_ca_file = path};
    ck_assert_int_eq(pm_net_new(&net, &options), PANICMON_ERR_INVAL);
    (void)unlink(path);
    ck_assert_int_eq(pm_tls_new(&tls, path), PANICMON_ERR_INVAL);
    ck_assert_ptr_null(net);
}
END_TEST

START_TEST(the_context_is_made_once)
{
    pm_tls *tls;
    ck_assert_int_eq(pm_tls_new(&tls, NULL), PANICMON_OK);
    void *context = pm_tls_context(tls);
    ck_assert_ptr_nonnull(context);
    ck_assert_ptr_eq(pm_tls_context(tls), context);
    pm_tls_free(tls);
    pm_tls_free(NULL);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("tls");
    TCase *tests = tcase_create("tls");
    tcase_add_test(tests, a_bad_ca_file_is_refused);
    tcase_add_test(tests, the_context_is_made_once);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
