/* test_json.c: the JSON reader: what it takes, what it refuses, and walking. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/scan.h"

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
                                      "[[]",
                                      "{\"a\":{}",
                                      "[[1]",
                                      "[{}",
                                      "[\"]",
                                      "[\"\\]",
                                      "[\"\\u00]",
                                      "[\"\xc3]",
                                      "[t]",
                                      "[1.]",
                                      "[1e]",
                                      "[-]",
                                      "{\"a]",
                                      "{\"a\"]",
                                      "{\"a\":]",
                                      "[1,]",
                                      "[[] ] ]",
                                      "1]",
                                      "}",
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
    for (size_t len = 1; len <= 40; len++) {
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

/* What stands where in a string, then in objects and arrays around it, must not lead astray. */
START_TEST(strings_are_walked_over_whatever_is_in_them)
{
    static const char *const parts[] = {"\\\"", "\\\\", "{", "}",   "[", "]",
                                        ",",    ":",    " ", "\\n", "",  "\xc3\xa9"};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        for (size_t before = 0; before <= 40; before++) {
            for (size_t behind = 0; behind <= 40; behind += 1 + behind % 3) {
                static const char plain[] = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
                pm_buf text = {0};
                pm_json all;
                pm_json inner;
                size_t at = 0;
                pm_buf_format(&text, "[[{\"k\":\"%.*s%s%.*s\"}],7]", (int)before, plain, parts[i],
                              (int)behind, plain);
                ck_assert(pm_json_parse(text.data, text.len, &all, NULL));
                ck_assert(pm_json_next_element(all, &at, &inner));
                ck_assert_uint_eq(inner.len, text.len - 4);
                ck_assert(pm_json_next_element(all, &at, &all) && all.len == 1);
                at = 0;
                ck_assert(pm_json_next_element(inner, &at, &inner));
                inner = pm_json_member(inner, "k");
                ck_assert_uint_eq(inner.len, before + strlen(parts[i]) + behind + 2);
                pm_buf_free(&text);
            }
        }
    }
}
END_TEST

START_TEST(a_scan_finds_the_first_byte_of_its_set)
{
    static const pm_scan_set sets[] = {PM_SCAN_SPECIAL, PM_SCAN_QUOTE, PM_SCAN_BRACKET};
    static const char *const members[] = {"\"\\", "\"\\", "\"{}[]"};
    for (size_t set = 0; set < 3; set++) {
        for (int c = 0; c < 256; c++) {
            bool special = set == 0 && (c < 0x20 || c >= 0x80);
            bool in_set = special || (c != 0 && strchr(members[set], c) != NULL);
            ck_assert_msg(pm_scan_has(sets[set], (char)c) == in_set, "%zu %d", set, c);
            size_t wrong = 0;
            for (size_t at = 0; at < 40; at++) {
                char text[40];
                memset(text, 'a', sizeof text);
                text[at] = (char)c;
                const char *end = text + sizeof text;
                for (const char *from = text; from < end; from++) { /* 40 bytes to one */
                    const char *found = in_set && text + at >= from ? text + at : end;
                    wrong += pm_scan(sets[set], from, from, end) != found;
                    wrong += pm_scan(sets[set], text, from, end) != found;
                }
                wrong += pm_scan_has8(sets[set], text + at / 8 * 8) != in_set;
            }
            ck_assert_msg(wrong == 0, "%zu %d", set, c);
        }
    }
}
END_TEST

typedef struct heard {
    size_t count;
    pm_buf text;
} heard;

static void hear(void *user, size_t depth, pm_json key, pm_json value)
{
    heard *all = user;
    all->count++;
    pm_buf_format(&all->text, "%zu%.*s=%.*s;", depth, (int)key.len, key.len > 0 ? key.text : "",
                  (int)value.len, value.text);
}

START_TEST(a_visitor_hears_of_the_outer_values)
{
    static const struct {
        const char *json;
        const char *heard;
    } cases[] = {
        {"7", ""},
        {"[]", ""},
        {"{}", ""},
        {" { \"a\" : 1 , \"b\":{\"c\":[2]} } ", "1\"a\"=1;1\"b\"={\"c\":[2]};"},
        {"[{\"a\":{\"b\":[1]}, \"c\":\"}\"}, {}, [ 3 ],4 ]",
         "2\"a\"={\"b\":[1]};2\"c\"=\"}\";1={\"a\":{\"b\":[1]}, \"c\":\"}\"};1={};2=3;1=[ 3 "
         "];1=4;"},
        {"[[[1]]]", "2=[1];1=[[1]];"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        heard all = {0};
        const pm_json_visitor visitor = {.value = hear, .user = &all};
        pm_json value;
        pm_buf_text(&all.text, "");
        ck_assert(pm_json_visit(cases[i].json, strlen(cases[i].json), &visitor, &value, NULL));
        ck_assert_str_eq(all.text.data, cases[i].heard);
        pm_buf_free(&all.text);
    }
}
END_TEST

START_TEST(a_fault_is_told_by_its_offset)
{
    static const struct {
        const char *json;
        size_t at;
    } cases[] = {
        {"", 0},          {"  ", 2},          {"[1,]", 3},      {"[1,2", 4},
        {"{\"a\" 1}", 5}, {"[\"a\x01\"]", 3}, {"[\"\\x\"]", 4}, {"{\"a\":tru}", 5},
        {"[1] x", 4},     {"{\"a\":1 ]", 7},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        pm_json value;
        size_t at = 99;
        ck_assert(!pm_json_parse(cases[i].json, strlen(cases[i].json), &value, &at));
        ck_assert_msg(at == cases[i].at, "%s: %zu", cases[i].json, at);
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
        {"\"\\\\\"", "\\", true},    {"\"\\\\\"", "\\\\", false},   {"\"abc\"", "ab", false},
        {"\"a\\n\"", "a", false},    {"\"\\u0061\"", "ab", false},
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
    tcase_add_test(all, strings_are_walked_over_whatever_is_in_them);
    tcase_add_test(all, a_scan_finds_the_first_byte_of_its_set);
    tcase_add_test(all, a_visitor_hears_of_the_outer_values);
    tcase_add_test(all, a_fault_is_told_by_its_offset);
    tcase_add_test(all, names_are_compared_unescaped);
    suite_add_tcase(suite, all);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
