/* test_scale_value.c: reading values, and the messages about those that are none. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "scale_sample.h"
#include "substrate/value.h"

static pm_metadata *metadata;
static pm_buf bytes;

static void setup(void)
{
    pm_buf blob = {0};
    scale_sample(16, &blob);
    ck_assert_int_eq(pm_metadata_decode(&metadata, blob.data, blob.len, NULL), PANICMON_OK);
    pm_buf_free(&blob);
}

static void teardown(void)
{
    pm_metadata_unref(metadata);
    pm_buf_free(&bytes);
}

static panicmon_err try_open(uint32_t type, const char *hex, pm_value *out, panicmon_error **err)
{
    pm_buf_clear(&bytes);
    ck_assert(pm_hex_parse(hex, strlen(hex), &bytes));
    return pm_value_open(metadata, type, "It", (const uint8_t *)bytes.data, bytes.len, out, err);
}

static pm_value opened(uint32_t type, const char *hex)
{
    pm_value value;
    panicmon_error *err = NULL;
    ck_assert_msg(try_open(type, hex, &value, &err) == PANICMON_OK, "%s",
                  panicmon_error_message(err));
    return value;
}

static void refused(uint32_t type, const char *hex, const char *message)
{
    pm_value value;
    panicmon_error *err = NULL;
    ck_assert_int_eq(try_open(type, hex, &value, &err), PANICMON_ERR_PARSE);
    ck_assert_str_eq(panicmon_error_message(err), message);
    panicmon_error_free(err);
}

#define ACCOUNT "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"

START_TEST(integers)
{
    pm_u128 wide;
    uint64_t u64;
    uint32_t u32;
    pm_buf text = {0};
    ck_assert(pm_value_u32(opened(T_U32, "01020304"), &u32) && u32 == 0x04030201);
    ck_assert(pm_value_u32(opened(T_U8, "ff"), &u32) && u32 == 255);
    ck_assert(!pm_value_u32(opened(T_U64, "0000000001000000"), &u32));
    ck_assert(pm_value_u64(opened(T_U64, "0000000001000000"), &u64) && u64 == UINT64_C(1) << 32);
    ck_assert(pm_value_u128(opened(T_U128, "ffffffffffffffffffffffffffffffff"), &wide));
    pm_u128_add(&text, wide);
    ck_assert_str_eq(text.data, "340282366920938463463374607431768211455");
    ck_assert(pm_value_u128(opened(T_COMPACT_U128, "070000000001"), &wide) && wide.high == 0);
    ck_assert(pm_value_u32(opened(T_NEWTYPE, "05000000"), &u32) && u32 == 5);
    ck_assert(pm_value_u32(opened(T_TUPLE1, "05000000"), &u32) && u32 == 5);
    ck_assert(pm_value_u64(opened(T_I8, "7f"), &u64) && u64 == 127);
    ck_assert(!pm_value_u64(opened(T_I8, "80"), &u64)); /* negative */
    ck_assert(!pm_value_u64(opened(T_BOOL, "01"), &u64));
    ck_assert(!pm_value_u64((pm_value){0}, &u64));
    pm_buf_free(&text);
}
END_TEST

START_TEST(leaves)
{
    bool truth;
    pm_name text;
    const uint8_t *data;
    size_t len;
    ck_assert(pm_value_bool(opened(T_BOOL, "01"), &truth) && truth);
    ck_assert(!pm_value_bool(opened(T_U8, "01"), &truth));
    ck_assert(pm_value_text(opened(T_STR, "0c616263"), &text) && pm_name_is(text, "abc"));
    ck_assert(!pm_value_text(opened(T_BYTES, "0c616263"), &text));
    ck_assert(pm_value_bytes(opened(T_BYTES, "0c616263"), &data, &len) && len == 3);
    ck_assert_mem_eq(data, "abc", 3);
    ck_assert(pm_value_account(opened(T_ACCOUNT, ACCOUNT), &data) && data[31] == 31);
    ck_assert(!pm_value_account(opened(T_BYTES, "0c616263"), &data));
    ck_assert(!pm_value_bytes(opened(T_VEC_U32, "00"), &data, &len));
}
END_TEST

START_TEST(structs)
{
    pm_u128 wide;
    uint32_t u32;
    const uint8_t *account;
    pm_value value = opened(T_BALANCE, "0c01000000000000000000000000000000");
    ck_assert_uint_eq(pm_value_count(value), 2);
    ck_assert(pm_value_u128(pm_value_field(value, "free"), &wide) && wide.low == 3);
    ck_assert(pm_value_u128(pm_value_field(value, "held_back"), &wide) && wide.low == 1);
    ck_assert(pm_value_absent(pm_value_field(value, "heldBack")));
    ck_assert(pm_value_absent(pm_value_field(pm_value_field(value, "free"), "more")));
    value = opened(T_PAIR, "07000000" ACCOUNT);
    ck_assert(pm_value_u32(pm_value_at(value, 0), &u32) && u32 == 7);
    ck_assert(pm_value_account(pm_value_at(value, 1), &account));
    ck_assert(pm_value_absent(pm_value_at(value, 2)));
    ck_assert_uint_eq(pm_value_size(pm_value_at(value, 0)), 4);
}
END_TEST

START_TEST(lists)
{
    pm_value_iter at = {0};
    pm_value element;
    uint32_t sum = 0;
    uint32_t u32;
    pm_value value = opened(T_VEC_U32, "0c010000000200000003000000");
    while (pm_value_next(value, &at, &element)) {
        ck_assert(pm_value_u32(element, &u32));
        sum = sum * 10 + u32;
    }
    ck_assert_uint_eq(sum, 123);
    ck_assert_uint_eq(pm_value_count(value), 3);
    ck_assert(pm_value_u32(pm_value_at(value, 2), &u32) && u32 == 3);
    ck_assert(pm_value_absent(pm_value_at(value, 3)));
    value = opened(T_ARRAY_U32, "010000000200000003000000");
    ck_assert(pm_value_u32(pm_value_at(value, 1), &u32) && u32 == 2);
    value = opened(T_MAP, "04" ACCOUNT "09000000");
    at = (pm_value_iter){0};
    ck_assert(pm_value_next(value, &at, &element));
    ck_assert(pm_value_u32(pm_value_at(element, 1), &u32) && u32 == 9);
    ck_assert(!pm_value_next(value, &at, &element));
    at = (pm_value_iter){0};
    ck_assert(!pm_value_next(opened(T_U32, "00000000"), &at, &element));
}
END_TEST

START_TEST(enums)
{
    pm_name name;
    uint8_t index;
    pm_value fields;
    uint32_t u32;
    bool truth;
    pm_value value = opened(T_MODE, "0709"
                                    "01");
    ck_assert(pm_value_variant(value, &name, &index, &fields));
    ck_assert(pm_name_is(name, "NamedOne") && index == 7);
    ck_assert(pm_value_bool(pm_value_field(fields, "is_b"), &truth) && truth);
    ck_assert_uint_eq(pm_value_size(fields), 2);
    ck_assert(pm_value_is(value, "NamedOne") && !pm_value_is(value, "Passive"));
    ck_assert(pm_value_variant(opened(T_MODE, "0305000000"), &name, NULL, &fields));
    ck_assert(pm_value_u32(pm_value_at(fields, 0), &u32) && u32 == 5);
    ck_assert(pm_value_u32(fields, &u32) && u32 == 5); /* one field, looked through */
    ck_assert(pm_value_absent(pm_value_some(opened(T_OPTION_U32, "00"))));
    ck_assert(pm_value_u32(pm_value_some(opened(T_OPTION_U32, "0105000000")), &u32) && u32 == 5);
    ck_assert(pm_value_u32(pm_value_some(opened(T_U32, "05000000")), &u32) && u32 == 5);
    ck_assert(!pm_value_is(opened(T_U32, "05000000"), "NamedOne"));
}
END_TEST

START_TEST(events)
{
    pm_value_iter at = {0};
    pm_event event;
    pm_u128 amount;
    const uint8_t *account;
    pm_value value = opened(T_EVENTS, "0c"
                                      "00010000000000"
                                      "05000000"
                                      "00"
                                      "010702" ACCOUNT "64000000000000000000000000000000"
                                      "04" ACCOUNT "02000200");
    ck_assert(pm_event_next(value, &at, &event));
    ck_assert(pm_event_is(&event, "System", "ExtrinsicSuccess"));
    ck_assert(event.in_extrinsic && event.extrinsic == 1);
    ck_assert(pm_event_next(value, &at, &event));
    ck_assert(pm_event_is(&event, "Staking", "Slashed") && !event.in_extrinsic);
    ck_assert(pm_value_account(pm_value_field(event.fields, "staker"), &account));
    ck_assert(pm_value_u128(pm_value_at(event.fields, 1), &amount) && amount.low == 100);
    ck_assert(pm_event_next(value, &at, &event));
    ck_assert(pm_event_is(&event, "System", "CodeUpdated"));
    ck_assert(!pm_event_next(value, &at, &event));
}
END_TEST

START_TEST(storage_defaults)
{
    pm_storage item;
    pm_value value;
    uint32_t u32;
    panicmon_error *err = NULL;
    ck_assert(pm_storage_find(metadata, "System", "Number", &item));
    ck_assert_int_eq(pm_value_of_storage(&item, NULL, 0, &value, NULL), PANICMON_OK);
    ck_assert(pm_value_u32(value, &u32) && u32 == 0);
    ck_assert(pm_storage_find(metadata, "Staking", "Mode", &item));
    ck_assert_int_eq(pm_value_of_storage(&item, NULL, 0, &value, NULL), PANICMON_OK);
    ck_assert(pm_value_absent(value));
    ck_assert_int_eq(pm_value_of_storage(&item, (const uint8_t *)"\7", 1, &value, &err),
                     PANICMON_ERR_PARSE);
    ck_assert_str_eq(panicmon_error_message(err), "at byte 1 of Staking.Mode.NamedOne.a: the bytes "
                                                  "end in the middle of a u8");
    panicmon_error_free(err);
}
END_TEST

START_TEST(messages)
{
    refused(T_U32, "010203", "at byte 0 of It: the bytes end in the middle of a u32");
    refused(T_U32, "0102030405", "at byte 4 of It: bytes are left after the value");
    refused(T_BOOL, "02", "at byte 0 of It: a bool is neither 0 nor 1");
    refused(T_CHAR, "00d80000", "at byte 4 of It: a char is none of Unicode");
    refused(T_STR, "04ff", "at byte 2 of It: a str is not UTF-8");
    refused(T_STR, "0c61", "at byte 1 of It: the bytes end in the middle of a str");
    refused(T_MODE, "01", "at byte 0 of It: the enum has no such variant");
    refused(T_MODE, "", "at byte 0 of It: the bytes end before an enum");
    refused(T_COMPACT_U32, "070000000001", "at byte 6 of It: a compact is too large for a u32");
    refused(T_COMPACT_U32, "ff", "at byte 0 of It: the bytes are no whole compact");
    refused(T_VEC_U32, "03ffffffff",
            "at byte 5 of It: a list is longer than the bytes that are left, of u32");
    refused(T_VEC_U32, "07ffffffffff", "at byte 0 of It: the bytes are no whole length");
    refused(T_MAP,
            "08" ACCOUNT "00000000"
            "00",
            "at byte 37 of It[1].0: a list is longer than the bytes that are left, of u8");
    refused(T_BITS, "1c", "at byte 1 of It: the bytes end in the middle of a bit sequence");
    refused(T_PAIR, "00000000",
            "at byte 4 of It.1: a list is longer than the bytes that are left, of u8");
}
END_TEST

START_TEST(endless)
{
    pm_buf deep = {0};
    pm_value value;
    panicmon_error *err = NULL;
    ck_assert_int_eq(try_open(T_ENDLESS, "00", &value, &err), PANICMON_ERR_PARSE);
    ck_assert_ptr_nonnull(strstr(panicmon_error_message(err), "nested too deep"));
    panicmon_error_free(err);
    err = NULL;
    ck_assert_int_eq(try_open(T_WIDE, "00", &value, &err), PANICMON_ERR_PARSE);
    panicmon_error_free(err);
    err = NULL;
    /* four thousand million times nothing */
    ck_assert_int_eq(try_open(T_VEC_NOTHING, "03ffffffff", &value, &err), PANICMON_ERR_PARSE);
    ck_assert_ptr_nonnull(strstr(panicmon_error_message(err), "too many values"));
    panicmon_error_free(err);
    ck_assert_uint_eq(pm_value_count(opened(T_VEC_NOTHING, "10")), 4);
    for (int i = 0; i < 100; i++) {
        pm_buf_text(&deep, "0100000000");
    }
    pm_buf_text(&deep, "00");
    (void)opened(T_NODE, deep.data);
    for (int i = 0; i < 200; i++) {
        pm_buf_text(&deep, "0100000000");
    }
    ck_assert_int_eq(try_open(T_NODE, "01", &value, NULL), PANICMON_ERR_PARSE);
    pm_buf_free(&deep);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("scale_value");
    TCase *cases = tcase_create("all");
    tcase_add_checked_fixture(cases, setup, teardown);
    tcase_add_test(cases, integers);
    tcase_add_test(cases, leaves);
    tcase_add_test(cases, structs);
    tcase_add_test(cases, lists);
    tcase_add_test(cases, enums);
    tcase_add_test(cases, events);
    tcase_add_test(cases, storage_defaults);
    tcase_add_test(cases, messages);
    tcase_add_test(cases, endless);
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
