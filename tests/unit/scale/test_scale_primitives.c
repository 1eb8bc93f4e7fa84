/* test_scale_primitives.c: integers, compacts, hex text, hashes, addresses, spellings. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "substrate/camel.h"
#include "substrate/hash.h"
#include "substrate/scale.h"
#include "substrate/ss58.h"

static pm_buf bytes_of(const char *hex)
{
    pm_buf bytes = {0};
    ck_assert(pm_hex_parse(hex, strlen(hex), &bytes));
    return bytes;
}

static pm_scale reading(const pm_buf *bytes)
{
    return (pm_scale){(const uint8_t *)bytes->data, (const uint8_t *)bytes->data + bytes->len};
}

static const struct {
    const char *value;
    const char *raw;
} compacts[] = {
    {"0", "00"},
    {"63", "fc"},
    {"64", "0101"},
    {"16383", "fdff"},
    {"16384", "02000100"},
    {"1073741823", "feffffff"},
    {"1073741824", "0300000040"},
    {"4294967295", "03ffffffff"},
    {"4294967296", "070000000001"},
    {"18446744073709551615", "13ffffffffffffffff"},
    {"340282366920938463463374607431768211455", "33ffffffffffffffffffffffffffffffff"},
    {"115792089237316195423570985008687907853269984665640564039457584007913129639935",
     "73ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"},
};

START_TEST(compact_both_ways)
{
    pm_u256 value;
    char text[PM_U256_DIGITS];
    pm_buf raw = bytes_of(compacts[_i].raw);
    pm_buf out = {0};
    pm_scale in = reading(&raw);
    ck_assert(pm_scale_compact(&in, &value));
    ck_assert_uint_eq(pm_scale_left(&in), 0);
    ck_assert_uint_eq(pm_u256_decimal(&value, text), strlen(compacts[_i].value));
    ck_assert_str_eq(text, compacts[_i].value);
    ck_assert(pm_u256_parse(&value, text, strlen(text)));
    pm_scale_put_compact(&out, &value);
    ck_assert_uint_eq(out.len, raw.len);
    ck_assert_mem_eq(out.data, raw.data, raw.len);
    for (size_t cut = 0; cut < raw.len; cut++) { /* nothing is consumed on failure */
        in = (pm_scale){(uint8_t *)raw.data, (uint8_t *)raw.data + cut};
        ck_assert(!pm_scale_compact(&in, &value));
        ck_assert_ptr_eq(in.at, (uint8_t *)raw.data);
    }
    pm_buf_free(&raw);
    pm_buf_free(&out);
}
END_TEST

START_TEST(compact_limits)
{
    pm_u256 value;
    uint32_t number;
    pm_buf raw = bytes_of("0100"); /* longer than it need be */
    pm_scale in = reading(&raw);
    ck_assert(pm_scale_compact_u32(&in, &number));
    ck_assert_uint_eq(number, 0);
    pm_buf_free(&raw);
    raw = bytes_of("ff"); /* 67 bytes */
    for (int i = 0; i < 70; i++) {
        pm_buf_char(&raw, (char)0xff);
    }
    in = reading(&raw);
    ck_assert(!pm_scale_compact(&in, &value));
    pm_buf_free(&raw);
    raw = bytes_of("070000000001"); /* 2^32 */
    in = reading(&raw);
    ck_assert(!pm_scale_compact_u32(&in, &number));
    ck_assert_uint_eq(pm_scale_left(&in), 6);
    pm_buf_free(&raw);
}
END_TEST

START_TEST(fixed_integers)
{
    pm_buf raw = bytes_of("0102030405060708");
    pm_scale in = reading(&raw);
    uint8_t u8;
    uint16_t u16;
    uint32_t u32;
    uint64_t u64;
    ck_assert(pm_scale_u64(&in, &u64));
    ck_assert_uint_eq(u64, UINT64_C(0x0807060504030201));
    ck_assert(!pm_scale_u8(&in, &u8) && !pm_scale_u16(&in, &u16) && !pm_scale_u32(&in, &u32));
    in = reading(&raw);
    ck_assert(pm_scale_u8(&in, &u8) && u8 == 1);
    ck_assert(pm_scale_u16(&in, &u16) && u16 == 0x0302);
    ck_assert(pm_scale_u32(&in, &u32) && u32 == 0x07060504);
    ck_assert(!pm_scale_u64(&in, &u64));
    pm_buf_free(&raw);
}
END_TEST

START_TEST(wide_integers)
{
    pm_u256 value;
    uint64_t small;
    char text[PM_U256_DIGITS];
    const char *most =
        "115792089237316195423570985008687907853269984665640564039457584007913129639935";
    const char *over =
        "115792089237316195423570985008687907853269984665640564039457584007913129639936";
    ck_assert(pm_u256_parse(&value, most, strlen(most)));
    ck_assert_uint_eq(pm_u256_bits(&value), 256);
    pm_u256_negate(&value);
    (void)pm_u256_decimal(&value, text);
    ck_assert_str_eq(text, "1");
    ck_assert(!pm_u256_parse(&value, over, strlen(over)));
    ck_assert(!pm_u256_parse(&value, "", 0));
    ck_assert(!pm_u256_parse(&value, "1a", 2));
    ck_assert(pm_u256_parse(&value, "18446744073709551616", 20));
    ck_assert(!pm_u256_u64(&value, &small));
    ck_assert(pm_u256_parse(&value, "1000000000000000000", 19));
    (void)pm_u256_decimal(&value, text); /* zeros inside of the digits */
    ck_assert_str_eq(text, "1000000000000000000");
}
END_TEST

START_TEST(hex)
{
    pm_buf out = {0};
    ck_assert(pm_hex_parse("0xAbcD", 6, &out));
    ck_assert_uint_eq(out.len, 2);
    ck_assert_mem_eq(out.data, "\xab\xcd", 2);
    ck_assert(!pm_hex_parse("0xabc", 5, &out));
    ck_assert(!pm_hex_parse("0xag", 4, &out));
    ck_assert_uint_eq(out.len, 2);
    ck_assert(pm_hex_parse("0x", 2, &out));
    pm_buf_clear(&out);
    pm_hex_add_0x(&out, "\x01\xfe", 2);
    ck_assert_str_eq(out.data, "0x01fe");
    pm_buf_free(&out);
}
END_TEST

START_TEST(keccak)
{
    uint8_t hash[32];
    pm_buf text = {0};
    pm_keccak256("", 0, hash);
    pm_hex_add(&text, hash, sizeof hash);
    ck_assert_str_eq(text.data, "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470");
    pm_buf_free(&text);
}
END_TEST

START_TEST(addresses)
{
    static const uint16_t prefixes[] = {0, 2, 42, 63, 64, 127, 255, 256, 16383};
    uint8_t account[PM_ACCOUNT_SIZE];
    uint8_t again[PM_ACCOUNT_SIZE];
    uint16_t prefix;
    char text[PM_SS58_TEXT];
    for (size_t i = 0; i < sizeof account; i++) {
        account[i] = (uint8_t)(7 * i);
    }
    for (size_t i = 0; i < sizeof prefixes / sizeof prefixes[0]; i++) {
        size_t len = pm_ss58_encode(account, prefixes[i], text);
        ck_assert_uint_gt(len, 0);
        ck_assert(pm_ss58_decode(text, len, again, &prefix));
        ck_assert_uint_eq(prefix, prefixes[i]);
        ck_assert_mem_eq(account, again, sizeof account);
        ck_assert(!pm_ss58_decode(text, len - 1, again, NULL));
        for (size_t j = 0; j < len; j++) { /* every character counts */
            char kept = text[j];
            text[j] = kept == 'a' ? 'b' : 'a';
            ck_assert(!pm_ss58_decode(text, len, again, NULL));
            text[j] = kept;
        }
    }
    ck_assert_uint_eq(pm_ss58_encode(account, 16384, text), 0);
    ck_assert(!pm_ss58_decode("", 0, again, NULL));
    ck_assert(!pm_ss58_decode("25xvSz", 6, again, NULL)); /* a number, not an account */
    ck_assert_uint_gt(pm_ss58_encode_index(1919186217, 42, text), 0);
    ck_assert_str_eq(text, "Mzjb5ysF");
    ck_assert_uint_gt(pm_ss58_encode_index(0, 42, text), 0);
    ck_assert_str_eq(text, "F7Hs");
}
END_TEST

START_TEST(spelling)
{
    static const struct {
        const char *name;
        const char *camel;
    } all[] = {{"page_count", "pageCount"},
               {"NFTOrder", "nftOrder"},
               {"UUID64", "uuid64"},
               {"PayoutStarted", "payoutStarted"},
               {"r#type", "r#type"},
               {"V3", "v3"},
               {"_odd__name_", "oddName"},
               {"X", "x"},
               {"XCMPallet", "xcmPallet"},
               {"", ""},
               {"a_1", "a1"},
               {"BLAKE_TWO_256", "blakeTwo256"},
               {"IDs", "iDs"}};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        pm_buf out = {0};
        pm_camel_add(&out, (pm_name){all[i].name, strlen(all[i].name)});
        ck_assert_str_eq(out.data == NULL ? "" : out.data, all[i].camel);
        pm_buf_free(&out);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("scale_primitives");
    TCase *cases = tcase_create("all");
    tcase_add_loop_test(cases, compact_both_ways, 0, sizeof compacts / sizeof compacts[0]);
    tcase_add_test(cases, compact_limits);
    tcase_add_test(cases, fixed_integers);
    tcase_add_test(cases, wide_integers);
    tcase_add_test(cases, hex);
    tcase_add_test(cases, keccak);
    tcase_add_test(cases, addresses);
    tcase_add_test(cases, spelling);
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
