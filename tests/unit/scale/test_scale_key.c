/* test_scale_key.c: storage keys, and what is no argument of one. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "scale_sample.h"
#include "substrate/encode.h"
#include "substrate/storage_key.h"
#include "substrate/value.h"

#define ACCOUNT "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
#define ADDRESS "CaKpMFfFVXQrRRNDtMxiiPeiYBCYikNzrBmpuZUvmdQKrUR"

static pm_metadata *metadata;
static pm_buf key;
static pm_buf other;

static void setup(void)
{
    pm_buf blob = {0};
    scale_sample(15, &blob);
    ck_assert_int_eq(pm_metadata_decode(&metadata, blob.data, blob.len, NULL), PANICMON_OK);
    pm_buf_free(&blob);
}

static void teardown(void)
{
    pm_metadata_unref(metadata);
    pm_buf_free(&key);
    pm_buf_free(&other);
}

static pm_storage item(const char *pallet, const char *name)
{
    pm_storage found;
    ck_assert(pm_storage_find(metadata, pallet, name, &found));
    return found;
}

static pm_name text(const char *value)
{
    return (pm_name){value, strlen(value)};
}

START_TEST(both_paths)
{
    pm_buf bytes = {0};
    pm_storage stakers = item("Staking", "ErasStakers");
    ck_assert(pm_hex_parse(ACCOUNT, strlen(ACCOUNT), &bytes));
    const pm_key_arg args[] = {pm_key_arg_u32(300),
                               pm_key_arg_account((const uint8_t *)bytes.data)};
    const pm_name texts[] = {text("300"), text(ADDRESS)};
    size_t last = 0;
    for (size_t count = 0; count <= 2; count++) { /* prefixes, too */
        pm_buf_clear(&key);
        pm_buf_clear(&other);
        ck_assert_int_eq(pm_storage_key_hex(&stakers, args, count, &key, NULL), PANICMON_OK);
        ck_assert_int_eq(pm_storage_key_text(&stakers, texts, count, &other, NULL), PANICMON_OK);
        ck_assert_uint_eq(key.len, 2 + 2 * other.len);
        ck_assert_uint_gt(other.len, last);
        last = other.len;
    }
    /* twox128("StakingPrefix"), twox128("ErasStakers"), twox64 and the argument, twice */
    ck_assert_uint_eq(other.len, 32 + 8 + 4 + 8 + 32);
    ck_assert_mem_eq(other.data + 40, "\x2c\x01\0\0", 4);
    const uint8_t *arg;
    size_t len;
    ck_assert(pm_storage_key_arg(&stakers, (uint8_t *)other.data, other.len, 1, &arg, &len));
    ck_assert_uint_eq(len, 32);
    ck_assert_mem_eq(arg, bytes.data, 32);
    ck_assert(!pm_storage_key_arg(&stakers, (uint8_t *)other.data, other.len, 2, &arg, &len));
    ck_assert(!pm_storage_key_arg(&stakers, (uint8_t *)other.data, other.len - 1, 1, &arg, &len));
    other.data[0] ^= 1;
    ck_assert(!pm_storage_key_arg(&stakers, (uint8_t *)other.data, other.len, 0, &arg, &len));
    pm_buf_free(&bytes);
}
END_TEST

START_TEST(all_hashers)
{
    pm_storage hashed = item("Staking", "Hashed");
    const pm_name texts[] = {text("7"),          text("name"),
                             text("0x" ACCOUNT), text("{\"NamedOne\":{\"a\":1,\"isB\":true}}"),
                             text("0x0102"),     text("null"),
                             text("12")};
    ck_assert_int_eq(pm_storage_key_text(&hashed, texts, 7, &key, NULL), PANICMON_OK);
    ck_assert_uint_eq(key.len, 32 + 16 + 32 + (16 + 32) + 16 + 32 + (8 + 1) + 1);
    ck_assert_int_eq(key.data[key.len - 1], 12 << 2); /* identity of a compact */
    ck_assert_uint_eq(hashed.key_count, 7);
}
END_TEST

START_TEST(wrong_arguments)
{
    static const struct {
        const char *item;
        const char *first;
        const char *message;
    } bad[] = {
        {"ErasStakers", "4294967296", "Staking.ErasStakers argument 1: the integer does not fit"},
        {"ErasStakers", "-1", "Staking.ErasStakers argument 1: the integer does not fit"},
        {"ErasStakers", "1.5", "Staking.ErasStakers argument 1: not an integer"},
        {"ErasStakers", "word", "Staking.ErasStakers argument 1: not an integer"},
        {"ErasStakers", "", "Staking.ErasStakers argument 1: not an integer"},
        {"ErasStakers", "0x0102",
         "at byte 0 of Staking.ErasStakers argument 1: the bytes end in "
         "the middle of a u32"},
        {"ErasStakers", "0x0102030405",
         "at byte 4 of Staking.ErasStakers argument 1: bytes are "
         "left after the value"},
        {"ErasStakers", "0xzz", "Staking.ErasStakers argument 1: not valid hex text"},
        {"ErasStakers", "[1]", "Staking.ErasStakers argument 1: not an integer"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        pm_storage found = item("Staking", bad[i].item);
        const pm_name arg = text(bad[i].first);
        panicmon_error *err = NULL;
        pm_buf_clear(&key);
        ck_assert_int_eq(pm_storage_key_text(&found, &arg, 1, &key, &err), PANICMON_ERR_INVAL);
        ck_assert_str_eq(panicmon_error_message(err), bad[i].message);
        panicmon_error_free(err);
    }
    pm_storage number = item("System", "Number");
    const pm_key_arg arg = pm_key_arg_u64(1);
    ck_assert_int_eq(pm_storage_key(&number, &arg, 1, &key, NULL), PANICMON_ERR_INVAL);
    pm_storage account = item("System", "Account"); /* another type than the caller thinks */
    ck_assert_int_eq(pm_storage_key(&account, &arg, 1, &key, NULL), PANICMON_ERR_INVAL);
}
END_TEST

START_TEST(wrong_values)
{
    static const struct {
        uint32_t type;
        const char *json;
        const char *message;
    } bad[] = {
        {T_BALANCE, "{\"free\":1}", "It.held_back: the field is missing"},
        {T_BALANCE, "5", "It: neither an object with the fields nor an array of as many"},
        {T_BALANCE, "{\"free\":1,\"heldBack\":true}", "It.held_back: not an integer"},
        {T_MODE, "\"Nothing\"", "It: the enum has no such variant"},
        {T_MODE, "{\"Passive\":null,\"Active\":1}",
         "It: the enum has no such variant, or there are several"},
        {T_MODE, "{\"Active\":\"x\"}", "It.Active: not an integer"},
        {T_MODE, "7", "It: neither the name of a variant nor an object of one"},
        {T_MODE, "{\"Passive\":1}", "It.Passive: not null"},
        {T_ARRAY_U32, "[1,2]", "It: not as many elements as the type has"},
        {T_VEC_U32, "[1,2,true]", "It[2]: not an integer"},
        {T_VEC_U32, "\"0x00\"", "It: not an array"},
        {T_BYTES32, "\"0x00\"", "It: not as many bytes as the type has"},
        {T_BYTES, "\"text\"", "It: neither 0x bytes nor an address"},
        {T_BOOL, "\"true\"", "It: neither true nor false"},
        {T_STR, "1", "It: not a text"},
        {T_CHAR, "\"ab\"", "It: not a text of one character"},
        {T_I8, "128", "It: the integer does not fit"},
        {T_I8, "-129", "It: the integer does not fit"},
        {T_COMPACT_U32, "4294967296", "It: not an integer that fits"},
        {T_BITS, "{\"bits\":9,\"bytes\":\"0xff\"}",
         "It: not {\"bits\": n, \"bytes\": \"0x..\"} that fit"},
        {T_ENDLESS, "{\"inner\":{\"inner\":1}}",
         "It.inner.inner: neither an object with the fields nor an array of as many"},
        {T_MAP, "{\"x\":1}", "It[0]: neither 0x bytes nor an address"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        pm_json json;
        panicmon_error *err = NULL;
        pm_buf_clear(&key);
        ck_assert(pm_json_parse(bad[i].json, strlen(bad[i].json), &json, NULL));
        ck_assert_int_eq(pm_encode_json(metadata, bad[i].type, "It", json, &key, &err),
                         PANICMON_ERR_INVAL);
        ck_assert_str_eq(panicmon_error_message(err), bad[i].message);
        panicmon_error_free(err);
    }
}
END_TEST

START_TEST(spellings)
{
    static const struct {
        uint32_t type;
        const char *json;
        const char *hex;
    } good[] = {
        {T_I8, "-128", "80"},
        {T_I64, "\"-1\"", "ffffffffffffffff"},
        {T_U128, "\"0x0100\"", "00010000000000000000000000000000"}, /* highest byte first */
        {T_ACCOUNT, "\"" ADDRESS "\"", ACCOUNT},
        {T_ADDRESS, "\"" ADDRESS "\"", "00" ACCOUNT},
        {T_BALANCE, "{\"heldBack\":1,\"free\":3}", "0c01000000000000000000000000000000"},
        {T_BALANCE, "[3,1]", "0c01000000000000000000000000000000"},
        {T_MAP, "{\"" ADDRESS "\":9}", "04" ACCOUNT "09000000"},
        {T_MODE, "\"passive\"", "00"},
        {T_BYTES, "[1,2]", "080102"},
        {T_TUPLE1, "5", "05000000"},
    };
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        pm_json json;
        panicmon_error *err = NULL;
        pm_buf_clear(&key);
        pm_buf_clear(&other);
        ck_assert(pm_json_parse(good[i].json, strlen(good[i].json), &json, NULL));
        ck_assert_msg(pm_encode_json(metadata, good[i].type, NULL, json, &key, &err) == PANICMON_OK,
                      "%s: %s", good[i].json, panicmon_error_message(err));
        pm_hex_add(&other, key.data, key.len);
        ck_assert_str_eq(other.data, good[i].hex);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("scale_key");
    TCase *cases = tcase_create("all");
    tcase_add_checked_fixture(cases, setup, teardown);
    tcase_add_test(cases, both_paths);
    tcase_add_test(cases, all_hashers);
    tcase_add_test(cases, wrong_arguments);
    tcase_add_test(cases, wrong_values);
    tcase_add_test(cases, spellings);
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
