/* test_scale_render.c: every kind of type in both forms, and encoded again. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "scale_sample.h"
#include "substrate/encode.h"
#include "substrate/render.h"

#define ACCOUNT "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
#define ADDRESS "CaKpMFfFVXQrRRNDtMxiiPeiYBCYikNzrBmpuZUvmdQKrUR"

static pm_metadata *metadata;

static void setup(void)
{
    pm_buf blob = {0};
    scale_sample(14, &blob);
    ck_assert_int_eq(pm_metadata_decode(&metadata, blob.data, blob.len, NULL), PANICMON_OK);
    pm_buf_free(&blob);
}

static void teardown(void)
{
    pm_metadata_unref(metadata);
}

static const struct {
    uint32_t type;
    const char *hex;
    const char *canon;
    const char *pjs;
} all[] = {
    {T_U8, "ff", "\"255\"", "255"},
    {T_U64, "ffffffffffff0f00", "\"4503599627370495\"", "4503599627370495"},
    {T_U64, "0000000000001000", "\"4503599627370496\"", "\"0x0010000000000000\""},
    {T_U128, "01000000000000000000000000000000", "\"1\"", "1"},
    {T_U256, "0100000000000000000000000000000000000000000000000000000000000000", "\"1\"",
     "\"0x0000000000000000000000000000000000000000000000000000000000000001\""},
    {T_I8, "80", "\"-128\"", "-128"},
    {T_I64, "0000000000000080", "\"-9223372036854775808\"", "\"0x8000000000000000\""},
    {T_I128, "ffffffffffffffffffffffffffffffff", "\"-1\"", "-1"},
    {T_BOOL, "01", "true", "true"},
    {T_CHAR, "ac200000", "\"\xe2\x82\xac\"", "8364"},
    {T_STR, "10615c220a", "\"a\\\\\\\"\\n\"", "\"a\\\\\\\"\\n\""},
    {T_NOTHING, "", "null", "null"},
    {T_BYTES32, ACCOUNT, "\"0x" ACCOUNT "\"", "\"0x" ACCOUNT "\""},
    {T_ACCOUNT, ACCOUNT, "\"0x" ACCOUNT "\"", "\"" ADDRESS "\""},
    {T_BYTES, "080102", "\"0x0102\"", "\"0x0102\""},
    {T_BYTES, "00", "\"0x\"", "\"0x\""},
    {T_COMPACT_U32, "fdff", "\"16383\"", "16383"},
    {T_BALANCE, "0c01000000000000000000000000000000", "{\"free\":\"3\",\"held_back\":\"1\"}",
     "{\"free\":3,\"heldBack\":1}"},
    {T_OPTION_U32, "00", "null", "null"},
    {T_OPTION_U32, "0105000000", "\"5\"", "5"},
    {T_VEC_U32, "00", "[]", "[]"},
    {T_VEC_U32, "080100000002000000", "[\"1\",\"2\"]", "[1,2]"},
    {T_PAIR, "07000000" ACCOUNT, "[\"7\",\"0x" ACCOUNT "\"]", "[7,\"" ADDRESS "\"]"},
    {T_MODE, "00", "{\"Passive\":null}", "{\"passive\":null}"},
    {T_MODE, "0305000000", "{\"Active\":\"5\"}", "{\"active\":5}"},
    {T_MODE, "070901", "{\"NamedOne\":{\"a\":\"9\",\"is_b\":true}}",
     "{\"namedOne\":{\"a\":9,\"isB\":true}}"},
    {T_BASIC, "01", "{\"TwoThree\":null}", "\"TwoThree\""},
    {T_BITS, "24ff01", "{\"bits\":9,\"bytes\":\"0xff01\"}", "\"0xff01\""},
    {T_BITS, "00", "{\"bits\":0,\"bytes\":\"0x\"}", "\"0x\""},
    {T_MAP, "04" ACCOUNT "09000000", "[[\"0x" ACCOUNT "\",\"9\"]]", "{\"" ADDRESS "\":9}"},
    {T_NODE, "010100000000", "{\"Cons\":[\"1\",{\"End\":null}]}", "{\"cons\":[1,{\"end\":null}]}"},
    {T_VEC_NOTHING, "08", "[null,null]", "[null,null]"},
    {T_RESULT, "00", "{\"Ok\":null}", "{\"ok\":null}"},
    {T_RESULT, "0107", "{\"Err\":\"7\"}", "{\"err\":7}"},
    {T_ERA, "00", "{\"Immortal\":null}", "{\"immortalEra\":\"0x00\"}"},
    {T_ERA, "0102", "{\"Mortal1\":\"2\"}", "{\"mortalEra\":\"0x0102\"}"},
    {T_PERBILL, "00ca9a3b", "\"1000000000\"", "1000000000"},
    {T_OPAQUE, "1001000000", "[\"4\",\"1\"]", "\"0x01000000\""},
    {T_SET, "0c030000000100000002000000", "[\"3\",\"1\",\"2\"]", "[1,2,3]"},
    {T_RANGE, "0100000002000000", "{\"start\":\"1\",\"end\":\"2\"}", "[1,2]"},
    {T_VOTE, "81", "\"129\"", "\"0x81\""},
    {T_TUPLE1, "05000000", "[\"5\"]", "5"},
    {T_BIG, "0100000000000000000000000000000000000000000000000000000000000000",
     "[\"1\",\"0\",\"0\",\"0\"]",
     "\"0x0000000000000000000000000000000000000000000000000000000000000001\""},
    {T_ACCOUNT20, "5aaeb6053f3e94c9b9a09f33669435e7ef1beaed",
     "\"0x5aaeb6053f3e94c9b9a09f33669435e7ef1beaed\"",
     "\"0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed\""},
    {T_OUTER_CALL, "070104", "{\"Staking\":{\"bond_extra\":{\"max_additional\":\"1\"}}}",
     "{\"callIndex\":\"0x0701\",\"args\":{\"max_additional\":1}}"},
    {T_ADDRESS, "00" ACCOUNT, "{\"Id\":\"0x" ACCOUNT "\"}", "{\"id\":\"" ADDRESS "\"}"},
    {T_ADDRESS, "01", "{\"Index\":null}", "{\"index\":null}"},
    {T_ARRAY_U32, "010000000200000003000000", "[\"1\",\"2\",\"3\"]", "[1,2,3]"},
    {T_WEIGHT, "0500000000000000", "{\"ref_time\":\"5\"}", "5"},
    {T_NEWTYPE, "05000000", "\"5\"", "5"},
    {T_EVENTS, "0400010000000702" ACCOUNT "6400000000000000000000000000000000",
     "[{\"phase\":{\"ApplyExtrinsic\":\"1\"},\"event\":{\"Staking\":{\"Slashed\":{\"staker\":"
     "\"0x" ACCOUNT "\",\"amount\":\"100\"}}},\"topics\":[]}]",
     "[{\"phase\":{\"applyExtrinsic\":1},\"event\":{\"index\":\"0x0702\",\"data\":[\"" ADDRESS
     "\",100]},\"topics\":[]}]"},
};

static void check_form(pm_value value, const pm_render_options *options, const char *expected)
{
    pm_buf text = {0};
    ck_assert_int_eq(pm_render(value, options, &text, NULL), PANICMON_OK);
    ck_assert_str_eq(text.data, expected);
    pm_buf_free(&text);
}

START_TEST(both_forms)
{
    pm_buf bytes = {0};
    pm_value value;
    panicmon_error *err = NULL;
    const pm_render_options pjs = {.form = PM_FORM_POLKADOT_JS};
    ck_assert(pm_hex_parse(all[_i].hex, strlen(all[_i].hex), &bytes));
    ck_assert_msg(pm_value_open(metadata, all[_i].type, NULL, (const uint8_t *)bytes.data,
                                bytes.len, &value, &err) == PANICMON_OK,
                  "%s", panicmon_error_message(err));
    check_form(value, NULL, all[_i].canon);
    check_form(value, &pjs, all[_i].pjs);
    pm_buf_free(&bytes);
}
END_TEST

START_TEST(encoded_again)
{
    pm_json json;
    pm_buf out = {0};
    pm_buf hex = {0};
    panicmon_error *err = NULL;
    ck_assert(pm_json_parse(all[_i].canon, strlen(all[_i].canon), &json, NULL));
    ck_assert_msg(pm_encode_json(metadata, all[_i].type, NULL, json, &out, &err) == PANICMON_OK,
                  "%s", panicmon_error_message(err));
    pm_hex_add(&hex, out.data, out.len);
    ck_assert_str_eq(hex.data == NULL ? "" : hex.data, all[_i].hex);
    pm_buf_free(&out);
    pm_buf_free(&hex);
}
END_TEST

START_TEST(options)
{
    static const uint8_t wide[16] = {0, 0, 0, 0, 0, 0, 0, 0, 1};
    static const uint8_t account[32] = {1};
    pm_value value;
    pm_render_options options = {.form = PM_FORM_POLKADOT_JS, .big = PM_BIG_DECIMAL};
    ck_assert_int_eq(pm_value_open(metadata, T_U128, NULL, wide, 16, &value, NULL), PANICMON_OK);
    check_form(value, &options, "\"18446744073709551616\"");
    options.big = PM_BIG_HEX;
    check_form(value, &options, "\"0x00000000000000010000000000000000\"");
    ck_assert_int_eq(pm_value_open(metadata, T_U32, NULL, wide + 8, 4, &value, NULL), PANICMON_OK);
    check_form(value, &options, "1");
    options.top_integers_hex = true;
    check_form(value, &options, "\"0x00000001\"");
    check_form((pm_value){0}, &options, "null");
    options.ss58_set = true;
    options.ss58_prefix = 42;
    ck_assert_int_eq(pm_value_open(metadata, T_ACCOUNT, NULL, account, 32, &value, NULL),
                     PANICMON_OK);
    check_form(value, &options, "\"5C61uSppDAB6oYmD4UQw1mcjftLsH8BbdnLiekCtnjHy2ZDH\"");
}
END_TEST

START_TEST(parts_of_values)
{
    static const uint8_t mode[] = {7, 9, 1};
    pm_value value;
    pm_value fields;
    pm_name name;
    const pm_render_options pjs = {.form = PM_FORM_POLKADOT_JS};
    ck_assert_int_eq(pm_value_open(metadata, T_MODE, NULL, mode, sizeof mode, &value, NULL),
                     PANICMON_OK);
    ck_assert(pm_value_variant(value, &name, NULL, &fields));
    check_form(fields, NULL, "{\"a\":\"9\",\"is_b\":true}");
    check_form(fields, &pjs, "{\"a\":9,\"isB\":true}");
    check_form(pm_value_field(fields, "is_b"), NULL, "true");
}
END_TEST

/* Hostile metadata: a struct with a name of a megabyte, and a value of a hundred such. */
START_TEST(too_long)
{
    const uint32_t name = 1u << 20;
    pm_buf blob = {0};
    pm_metadata *made = NULL;
    panicmon_error *err = NULL;
    pm_value value;
    uint8_t bytes[102];
    pm_buf_add(&blob, "meta\x0e\x0c\x00\x00\x00\x05\x03\x00\x04\x00\x00\x00\x04\x01", 18);
    pm_scale_put_length(&blob, name);
    for (uint32_t i = 0; i < name; i++) {
        pm_buf_char(&blob, 'n');
    }
    pm_buf_add(&blob, "\x00\x00\x00\x00\x08\x00\x00\x02\x04\x00\x00\x00\x04\x00\x00", 15);
    ck_assert_msg(pm_metadata_decode(&made, blob.data, blob.len, &err) == PANICMON_OK, "%s",
                  panicmon_error_message(err));
    memset(bytes, 1, sizeof bytes);
    bytes[0] = 100 << 2 & 0xff;
    bytes[0] |= 1;
    bytes[1] = 1;
    for (pm_form form = PM_FORM_CANON; form <= PM_FORM_POLKADOT_JS; form++) {
        pm_buf text = {0};
        const pm_render_options options = {.form = form};
        ck_assert_int_eq(pm_value_open(made, 2, NULL, bytes, sizeof bytes, &value, NULL),
                         PANICMON_OK);
        ck_assert_int_eq(pm_render(value, &options, &text, NULL), PANICMON_ERR_LIMIT);
        ck_assert_uint_lt(text.cap, 256u << 20);
        pm_buf_free(&text);
    }
    ck_assert_int_eq(pm_value_open(made, 2, NULL, bytes, 50, &value, &err), PANICMON_ERR_PARSE);
    ck_assert_uint_lt(strlen(panicmon_error_message(err)), 1000);
    panicmon_error_free(err);
    pm_metadata_unref(made);
    pm_buf_free(&blob);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("scale_render");
    TCase *cases = tcase_create("all");
    tcase_set_timeout(cases, 60);
    tcase_add_checked_fixture(cases, setup, teardown);
    tcase_add_loop_test(cases, both_forms, 0, sizeof all / sizeof all[0]);
    tcase_add_loop_test(cases, encoded_again, 0, sizeof all / sizeof all[0]);
    tcase_add_test(cases, options);
    tcase_add_test(cases, parts_of_values);
    tcase_add_test(cases, too_long);
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
