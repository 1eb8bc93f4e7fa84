/* test_scale_public.c: the functions of panicmon/substrate.h. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include <panicmon/substrate.h>

#include "scale_sample.h"

static panicmon_metadata *metadata;

static void setup(void)
{
    pm_buf blob = {0};
    scale_sample(16, &blob);
    ck_assert_int_eq(panicmon_metadata_new(&metadata, blob.data, blob.len, NULL), PANICMON_OK);
    pm_buf_free(&blob);
}

static void teardown(void)
{
    panicmon_metadata_free(metadata);
}

static void gives(panicmon_err code, char *text, size_t len, const char *expected)
{
    ck_assert_int_eq(code, PANICMON_OK);
    ck_assert_str_eq(text, expected);
    ck_assert_uint_eq(len, strlen(expected));
    panicmon_text_free(text);
}

START_TEST(values)
{
    char *text;
    size_t len;
    panicmon_err code = panicmon_metadata_decode_storage(
        metadata, "System", "Number", "\5\0\0\0", 4, PANICMON_VALUE_CANON, &text, &len, NULL);
    gives(code, text, len, "\"5\"");
    code = panicmon_metadata_decode_storage(metadata, "System", "Number", NULL, 0,
                                            PANICMON_VALUE_POLKADOT_JS | PANICMON_VALUE_TOP_HEX,
                                            &text, &len, NULL);
    gives(code, text, len, "\"0x00000000\"");
    code =
        panicmon_metadata_decode_constant(metadata, "System", "SS58Prefix", 0, &text, &len, NULL);
    gives(code, text, len, "\"2\"");
    code = panicmon_metadata_decode_type(metadata, T_U128, "\0\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0", 16,
                                         PANICMON_VALUE_POLKADOT_JS | PANICMON_VALUE_BIG_DECIMAL,
                                         &text, &len, NULL);
    gives(code, text, len, "\"18446744073709551616\"");
    code = panicmon_metadata_decode_result(metadata, "StakingApi", "pending_rewards", "\1", 1, 0,
                                           &text, &len, NULL);
    gives(code, text, len, "true");
    code =
        panicmon_metadata_encode_type(metadata, T_MODE, "{\"Active\": 7}", 13, &text, &len, NULL);
    gives(code, text, len, "0x0307000000");
    code = panicmon_metadata_storage_key(metadata, "System", "Number", NULL, 0, &text, &len, NULL);
    gives(code, text, len, "0x26aa394eea5630e07c48ae0c9558cef702a5c1b19ab7a04f536c519aca4983ac");
    ck_assert_uint_eq(panicmon_metadata_version(metadata), 16);
    ck_assert_uint_gt(panicmon_metadata_size(metadata), 1000);
    ck_assert_int_eq(panicmon_metadata_list(metadata, PANICMON_LIST_JSON, &text, NULL, NULL),
                     PANICMON_OK);
    panicmon_text_free(text);
}
END_TEST

START_TEST(failures)
{
    char *text = NULL;
    panicmon_error *err = NULL;
    const char *args[20] = {"1", "2"};
    ck_assert_int_eq(
        panicmon_metadata_decode_storage(metadata, "System", "None", NULL, 0, 0, &text, NULL, &err),
        PANICMON_ERR_NOENT);
    ck_assert_str_eq(panicmon_error_message(err), "the metadata has no storage item System.None");
    ck_assert_int_eq(
        panicmon_metadata_decode_constant(metadata, "System", "None", 0, &text, NULL, &err),
        PANICMON_ERR_NOENT);
    ck_assert_int_eq(
        panicmon_metadata_decode_constant(metadata, "System", "Broken", 0, &text, NULL, &err),
        PANICMON_ERR_PARSE);
    ck_assert_int_eq(panicmon_metadata_decode_type(metadata, 99999, "", 0, 0, &text, NULL, &err),
                     PANICMON_ERR_NOENT);
    ck_assert_int_eq(panicmon_metadata_decode_type(metadata, T_BOOL, "\7", 1, 0, &text, NULL, &err),
                     PANICMON_ERR_PARSE);
    ck_assert_int_eq(
        panicmon_metadata_decode_type(metadata, T_BOOL, "\1", 1, 64, &text, NULL, &err),
        PANICMON_ERR_INVAL);
    ck_assert_int_eq(panicmon_metadata_decode_result(metadata, "StakingApi", "none", "", 0, 0,
                                                     &text, NULL, &err),
                     PANICMON_ERR_NOENT);
    ck_assert_int_eq(panicmon_metadata_encode_type(metadata, T_BOOL, "{", 1, &text, NULL, &err),
                     PANICMON_ERR_INVAL);
    ck_assert_int_eq(
        panicmon_metadata_storage_key(metadata, "System", "Number", args, 1, &text, NULL, &err),
        PANICMON_ERR_INVAL);
    ck_assert_int_eq(
        panicmon_metadata_storage_key(metadata, "System", "None", args, 1, &text, NULL, &err),
        PANICMON_ERR_NOENT);
    ck_assert_int_eq(
        panicmon_metadata_storage_key(metadata, "Staking", "Hashed", args, 3, &text, NULL, &err),
        PANICMON_ERR_INVAL); /* one is NULL */
    ck_assert_int_eq(panicmon_metadata_list(metadata, 7, &text, NULL, &err), PANICMON_ERR_INVAL);
    ck_assert_int_eq(panicmon_metadata_list(NULL, 0, &text, NULL, &err), PANICMON_ERR_INVAL);
    ck_assert_int_eq(panicmon_metadata_new(NULL, "", 0, &err), PANICMON_ERR_INVAL);
    ck_assert_ptr_null(text);
    panicmon_error_free(err);
    panicmon_metadata_free(NULL);
    panicmon_text_free(NULL);
}
END_TEST

START_TEST(addresses)
{
    static const char alice[] = "5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY";
    uint8_t account[32];
    uint16_t prefix;
    char text[64];
    ck_assert_int_eq(panicmon_ss58_decode(alice, strlen(alice), account, &prefix), PANICMON_OK);
    ck_assert_uint_eq(prefix, 42);
    ck_assert_uint_eq(account[0], 0xd4);
    ck_assert_int_eq(panicmon_ss58_encode(account, 0, text, sizeof text), PANICMON_OK);
    ck_assert_str_eq(text, "15oF4uVJwmo4TdGW7VfQxNLavjCXviqxT9S1MgbjMNHr6Sp5");
    ck_assert_int_eq(panicmon_ss58_encode(account, 0, text, 48), PANICMON_ERR_LIMIT);
    ck_assert_int_eq(panicmon_ss58_encode(account, 0, text, 49), PANICMON_OK);
    ck_assert_int_eq(panicmon_ss58_encode(account, 16384, text, sizeof text), PANICMON_ERR_INVAL);
    ck_assert_int_eq(panicmon_ss58_decode(alice, 47, account, NULL), PANICMON_ERR_PARSE);
    ck_assert_int_eq(panicmon_ss58_decode(NULL, 0, account, NULL), PANICMON_ERR_INVAL);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("scale_public");
    TCase *cases = tcase_create("all");
    tcase_add_checked_fixture(cases, setup, teardown);
    tcase_add_test(cases, values);
    tcase_add_test(cases, failures);
    tcase_add_test(cases, addresses);
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
