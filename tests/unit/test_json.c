/* test_json.c: the JSON reader: what it takes, what it refuses, and walking. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"

static bool takes(const char *text, size_t len)
{
    /* An exact copy on the heap lets sanitizers see a read past the end. */
    char *copy = malloc(len > 0 ? len : 1);
    memcpy(copy, text, len);
    pm_json value;
    bool good = pm_json_parse(copy, len, &value, NULL);
    free(copy);
    return good;
}

START_TEST(takes_what_rfc8259_takes)
{
    static const char *const good[] = {"0",
                                       "-0",
                                       "10",
                                       "1.5e+3",
                                       "-1E-2",
                                       "true",
                                       "false",
                                       "null",
                                       "\"\"",
                                       "\"a\"",
                                       " [ ] ",
                                       "{}",
                                       "[1, 2 ,\t3\n]",
                                       "{\"a\":1,\"b\":[{}]}",
                                       "\"\\u00e9\\ud83d\\ude00\\n\\/\"",
                                       "123456789012345678901234567890",
                                       "[[[[[]]]]]",
                                       "\"\xc3\xa9\"",
                                       "{\"a\":{},\"a\":[]}"};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        ck_assert_msg(takes(good[i], strlen(good[i])), "%s", good[i]);
    }
}
END_TEST

START_TEST(refuses_what_rfc8259_refuses)
{
    static const char *const bad[] = {"",
                                      " ",
                                      "01",
                                      "-",
                                      "1.",
                                      ".5",
                                      "1e",
                                      "+1",
                                      "tru",
                                      "nulll",
                                      "NaN",
                                      "Infinity",
                                      "'a'",
                                      "\"",
                                      "\"\\x\"",
                                      "\"\\u12\"",
                                      "\"\\ud800\"",
                                      "\"\\ud800\\u0041\"",
                                      "\"\\udc00\"",
                                      "\"\t\"",
                                      "\"\x80\"",
                                      "[",
                                      "]",
                                      "[1",
                                      "[1,]",
                                      "[,1]",
                                      "[1 2]",
                                      "{",
                                      "{\"a\"}",
                                      "{\"a\":}",
                                      "{\"a\":1,}",
                                      "{a:1}",
                                      "{1:1}",
                                      "{\"a\":1]",
                                      "[1}",
                                      "1 2",
                                      "[]]",
                                      "\"\\",
                                      "{\"a\" 1}",
                                      "[\"a\",",
                                      "\"\xed\xa0\x80\""};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        ck_assert_msg(!takes(bad[i], strlen(bad[i])), "%s", bad[i]);
    }
    ck_assert(!takes("\"\0\"", 3));
    ck_assert(!takes("1\0", 2));
}
END_TEST

START_TEST(depth_is_capped)
{
    char text[4096];
    memset(text, '[', 64);
    memset(text + 64, ']', 64);
    ck_assert(takes(text, 128));
    memset(text, '[', 65);
    memset(text + 65, ']', 65);
    ck_assert(!takes(text, 130));
    memset(text, '[', sizeof text);
    ck_assert(!takes(text, sizeof text));
}
END_TEST

static pm_json parsed(const char *text)
{
    pm_json value;
    ck_assert_msg(pm_json_parse(text, strlen(text), &value, NULL), "%s", text);
    return value;
}

START_TEST(members_and_elements_are_found)
{
    pm_json object =
        parsed(" {\"a\" : [1, \"x,]\", {\"b\":2}] , \"\\u0063\":true, \"d\":\"}\\\"\"} ");
    pm_json array = pm_json_member(object, "a");
    pm_json element;
    size_t at = 0;
    ck_assert(pm_json_next_element(array, &at, &element));
    ck_assert_uint_eq(element.len, 1);
    ck_assert(pm_json_next_element(array, &at, &element));
    ck_assert(pm_json_equals(element, "x,]"));
    ck_assert(pm_json_next_element(array, &at, &element));
    int64_t number;
    ck_assert(pm_json_int(pm_json_member(element, "b"), &number));
    ck_assert_int_eq(number, 2);
    ck_assert(!pm_json_next_element(array, &at, &element));
    bool flag;
    ck_assert(pm_json_bool(pm_json_member(object, "c"), &flag) && flag);
    ck_assert(pm_json_equals(pm_json_member(object, "d"), "}\""));
    ck_assert_ptr_null(pm_json_member(object, "e").text);
    ck_assert_ptr_null(pm_json_member(array, "a").text);
    ck_assert_ptr_null(pm_json_member((pm_json){0}, "a").text);
}
END_TEST

START_TEST(integers_are_exact_or_refused)
{
    int64_t number;
    ck_assert(pm_json_int(parsed("9223372036854775807"), &number) && number == INT64_MAX);
    ck_assert(pm_json_int(parsed("-9223372036854775808"), &number) && number == INT64_MIN);
    ck_assert(!pm_json_int(parsed("9223372036854775808"), &number));
    ck_assert(!pm_json_int(parsed("-9223372036854775809"), &number));
    ck_assert(!pm_json_int(parsed("1.0"), &number));
    ck_assert(!pm_json_int(parsed("1e2"), &number));
    ck_assert(!pm_json_int(parsed("\"1\""), &number));
}
END_TEST

START_TEST(strings_are_unescaped)
{
    pm_buf out = {0};
    ck_assert(pm_json_string(parsed("\"a\\n\\u00e9\\ud83d\\ude00\\\\b\""), &out));
    ck_assert_str_eq(out.data, "a\n\xc3\xa9\xf0\x9f\x98\x80\\b");
    pm_buf_free(&out);
    ck_assert(pm_json_string(parsed("\"\""), &out));
    ck_assert_str_eq(out.data, "");
    pm_buf_free(&out);
    ck_assert(!pm_json_string(parsed("1"), &out));
    ck_assert(!pm_json_equals(parsed("\"ab\""), "a"));
    ck_assert(!pm_json_equals(parsed("\"a\""), "ab"));
    ck_assert(!pm_json_equals(parsed("\"a\\u0000\""), "a"));
}
END_TEST

/* Strings are looked at several bytes at a time: everything must be found wherever it stands. */
START_TEST(every_place_in_a_string_is_looked_at)
{
    char text[64];
    for (size_t len = 1; len < 40; len++) {
        for (size_t at = 0; at < len; at++) {
            static const char bad[] = {'\0', '\n', '\x1f', '\x80', '\xff', '"'};
            memset(text, 'a', sizeof text);
            text[0] = text[len + 1] = '"';
            ck_assert(takes(text, len + 2));
            for (size_t i = 0; i < sizeof bad; i++) {
                text[at + 1] = bad[i];
                ck_assert(!takes(text, len + 2));
            }
            text[at + 1] = '\\';
            ck_assert(!takes(text, len + 2)); /* \a is no escape */
            text[at + 1] = '\x7f';
            ck_assert(takes(text, len + 2));
            ck_assert(!takes(text, len + 1));
        }
    }
}
END_TEST

START_TEST(names_are_compared_unescaped)
{
    static const struct {
        const char *json;
        const char *text;
        bool same;
    } cases[] = {
        {"\"\"", "", true},          {"\"\"", "a", false},          {"\"a\"", "", false},
        {"\"ab\"", "ab", true},      {"\"ab\"", "a", false},        {"\"a\"", "ab", false},
        {"\"ab\"", "ac", false},     {"\"\\u0061b\"", "ab", true},  {"\"a\\u0062\"", "ab", true},
        {"\"a\\nb\"", "a\nb", true}, {"\"a\\nb\"", "a\\nb", false}, {"\"a\\u0000\"", "a", false},
        {"\"\\\\\"", "\\", true},    {"\"\\\\\"", "\\\\", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        pm_json value;
        ck_assert(pm_json_parse(cases[i].json, strlen(cases[i].json), &value, NULL));
        ck_assert_msg(pm_json_equals(value, cases[i].text) == cases[i].same, "%s", cases[i].json);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("json");
    TCase *all = tcase_create("all");
    tcase_add_test(all, takes_what_rfc8259_takes);
    tcase_add_test(all, refuses_what_rfc8259_refuses);
    tcase_add_test(all, depth_is_capped);
    tcase_add_test(all, members_and_elements_are_found);
    tcase_add_test(all, integers_are_exact_or_refused);
    tcase_add_test(all, strings_are_unescaped);
    tcase_add_test(all, every_place_in_a_string_is_looked_at);
    tcase_add_test(all, names_are_compared_unescaped);
    suite_add_tcase(suite, all);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
