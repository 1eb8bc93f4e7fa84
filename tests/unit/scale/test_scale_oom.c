/* test_scale_oom.c: every allocation of the decoder fails once. The linker sends the allocations of
 * this program through the functions below. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include <panicmon/substrate.h>

#include "scale_sample.h"

static long left = -1; /* allocations that still succeed; negative: all */

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *memory, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *memory, size_t size);

static int fails(void)
{
    return left >= 0 && left-- == 0;
}

void *__wrap_malloc(size_t size)
{
    return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return fails() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *memory, size_t size)
{
    return fails() ? NULL : __real_realloc(memory, size);
}

static pm_buf blob;

/* Runs one call after another; the first failure is the result. */
static panicmon_err use_all(panicmon_error **err)
{
    static const char *const args[] = {"300", "CaKpMFfFVXQrRRNDtMxiiPeiYBCYikNzrBmpuZUvmdQKrUR"};
    static const char set[] = "\x0c\3\0\0\0\1\0\0\0\2\0\0\0";
    panicmon_metadata *metadata = NULL;
    char *text = NULL;
    panicmon_err code = panicmon_metadata_new(&metadata, blob.data, blob.len, err);
    if (code == PANICMON_OK) {
        code = panicmon_metadata_list(metadata, PANICMON_LIST_JSON, &text, NULL, err);
        panicmon_text_free(text);
        text = NULL;
    }
    if (code == PANICMON_OK) {
        code = panicmon_metadata_storage_key(metadata, "Staking", "ErasStakers", args, 2, &text,
                                             NULL, err);
        panicmon_text_free(text);
        text = NULL;
    }
    if (code == PANICMON_OK) {
        code = panicmon_metadata_decode_type(metadata, T_SET, set, sizeof set - 1,
                                             PANICMON_VALUE_POLKADOT_JS, &text, NULL, err);
        panicmon_text_free(text);
        text = NULL;
    }
    if (code == PANICMON_OK) {
        code = panicmon_metadata_encode_type(metadata, T_BALANCE, "{\"free\":\"1\",\"heldBack\":2}",
                                             25, &text, NULL, err);
        panicmon_text_free(text);
    }
    panicmon_metadata_free(metadata);
    return code;
}

START_TEST(each_allocation)
{
    panicmon_err code = PANICMON_ERR_NOMEM;
    long failed = 0;
    scale_sample(15, &blob);
    for (long i = 0; code != PANICMON_OK && i < 2000; i++) {
        panicmon_error *err = NULL;
        left = i;
        code = use_all(&err);
        long unused = left;
        left = -1;
        failed += code == PANICMON_ERR_NOMEM;
        panicmon_error_free(err);
        if (code == PANICMON_OK && unused < 0) {
            code = PANICMON_ERR_NOMEM; /* done without what failed: go on */
        }
        ck_assert_msg(code == PANICMON_OK || code == PANICMON_ERR_NOMEM, "allocation %ld: %d", i,
                      code);
    }
    ck_assert_int_eq(code, PANICMON_OK);
    ck_assert_int_gt(failed, 20);
    pm_buf_free(&blob);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("scale_oom");
    TCase *cases = tcase_create("all");
    tcase_set_timeout(cases, 30);
    tcase_add_test(cases, each_allocation);
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
