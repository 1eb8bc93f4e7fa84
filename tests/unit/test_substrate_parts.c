/* test_substrate_parts.c: what the rounds of Substrate monitors are made of: finding answers,
 * facts that are shared, heights that are remembered, buffers that are used again. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/round.h"
#include "substrate/chain_query.h"

#define HASH "0x9191919191919191919191919191919191919191919191919191919191919191"

static panicmon_substrate *shared;
static panicmon_round around;
static pm_query query;

static void set_up(void)
{
    ck_assert_int_eq(panicmon_substrate_new(&shared), PANICMON_OK);
    around = (panicmon_round){.name = "test"};
    query = (pm_query){.entry_count = 0};
    pm_round_begin(&around, 0, 0, 1000);
    pm_query_begin(&query, "ws://node:1", HASH);
}

static void tear_down(void)
{
    pm_query_free(&query);
    pm_round_free(&around);
    panicmon_substrate_free(shared);
}

/* ---- answers ---- */

/* A key without arguments whose bytes are all `n`. */
static pm_storage item_of(uint8_t n)
{
    pm_storage item = {.key_count = 0};
    memset(item.key, n, sizeof item.key);
    return item;
}

static void ask(size_t count)
{
    for (size_t i = 0; i < count; i++) {
        pm_storage item = item_of((uint8_t)i);
        pm_query_add(&query, &around, &item, NULL, 0);
    }
    ck_assert_int_eq(pm_query_send(&query, &around), PANICMON_OK);
}

static const panicmon_reply *answer(const char *text)
{
    pm_request *request = around.asked.items[0];
    ck_assert_str_eq(request->name, "state_queryStorageAt");
    pm_buf_text(&request->out, text);
    pm_request_finish(request, PANICMON_OK, 0, NULL);
    pm_round_turn(&around);
    return pm_query_take(&query, &around);
}

static void add_key(pm_buf *out, uint8_t n)
{
    pm_storage item = item_of(n);
    pm_buf_char(out, '"');
    pm_hex_add_0x(out, item.key, sizeof item.key);
    pm_buf_char(out, '"');
}

/* One set of changes; key n has the value n, and 0xff stands for null. `gap` is what may stand
 * between two tokens. */
static void add_changes(pm_buf *out, const uint8_t *keys, const uint8_t *values, size_t count,
                        const char *gap)
{
    pm_buf_format(out, "{\"block\":%s\"" HASH "\",%s\"changes\":[", gap, gap);
    for (size_t i = 0; i < count; i++) {
        pm_buf_format(out, "%s[", i > 0 ? "," : "");
        add_key(out, keys[i]);
        if (values[i] == 0xff) {
            pm_buf_format(out, ",%snull]", gap);
        } else {
            pm_buf_format(out, ",%s\"0x%02x\"]", gap, values[i]);
        }
    }
    pm_buf_text(out, "]}");
}

static void expect(uint8_t n, const char *value)
{
    pm_storage item = item_of(n);
    pm_json raw = pm_query_raw(&query, &item, NULL, 0);
    if (value == NULL) {
        ck_assert_ptr_null(raw.text);
    } else {
        ck_assert_ptr_nonnull(raw.text);
        ck_assert_uint_eq(raw.len, strlen(value));
        ck_assert_int_eq(memcmp(raw.text, value, raw.len), 0);
    }
}

START_TEST(answers_are_found_in_any_order_and_form)
{
    const uint8_t keys[] = {2, 0, 1, 3};
    const uint8_t values[] = {2, 0, 0xff, 3};
    pm_buf text = {0};
    pm_buf_char(&text, '[');
    add_changes(&text, keys, values, 4, _i == 0 ? "" : " ");
    pm_buf_char(&text, ']');
    ask(5);
    ck_assert_ptr_null(answer(text.data));
    for (int twice = 0; twice < 2; twice++) {
        expect(0, "0x00");
        expect(1, NULL); /* null */
        expect(2, "0x02");
        expect(3, "0x03");
        expect(4, NULL); /* not in the answer */
    }
    pm_query_forget(&query);
    expect(0, NULL);
    pm_buf_free(&text);
}
END_TEST

START_TEST(answers_in_several_sets_are_all_found)
{
    const uint8_t keys[] = {0, 1};
    const uint8_t more[] = {2, 3};
    pm_buf text = {0};
    pm_buf_char(&text, '[');
    add_changes(&text, keys, keys, 2, "");
    pm_buf_char(&text, ',');
    add_changes(&text, more, more, 2, "");
    pm_buf_char(&text, ']');
    ask(4);
    ck_assert_ptr_null(answer(text.data));
    expect(3, "0x03");
    expect(0, "0x00");
    pm_buf_free(&text);
}
END_TEST

START_TEST(many_answers_are_found_in_order_and_out_of_it)
{
    enum { COUNT = 200 };
    uint8_t keys[COUNT];
    char value[8];
    pm_buf text = {0};
    for (size_t i = 0; i < COUNT; i++) {
        keys[i] = (uint8_t)i;
    }
    pm_buf_char(&text, '[');
    add_changes(&text, keys, keys, COUNT, "");
    pm_buf_char(&text, ']');
    ask(COUNT);
    ck_assert_ptr_null(answer(text.data));
    for (int i = 0; i < COUNT; i++) {
        (void)snprintf(value, sizeof value, "0x%02x", i);
        expect((uint8_t)i, value);
    }
    for (int i = COUNT; i-- > 0;) {
        (void)snprintf(value, sizeof value, "0x%02x", i);
        expect((uint8_t)i, value);
    }
    expect(COUNT, NULL);
    pm_buf_free(&text);
}
END_TEST

START_TEST(odd_answers_are_read_as_far_as_they_go)
{
    static const struct {
        const char *text;
        bool good;
    } cases[] = {
        {"[]", true},
        {"[{\"block\":\"0x\",\"changes\":[]}]", true},
        {"[{\"block\":\"0x\",\"changes\":null}]", true},
        {"[{\"changes\":[[\"0x01\",\"0x02\"]],\"block\":\"0x\"}]", true},
        {"[{\"block\":\"0x\",\"changes\":[[\"0x\\u0030\",\"0x0\\\"2\"],[1,2],[],{}]}]", true},
        {"[{\"block\":\"0x\",\"changes\":[[\"0x01\",\"0x02\",\"0x03\"]],\"more\":[1]}]", true},
        {"{}", false},
        {"null", false},
    };
    ask(1);
    ck_assert((answer(cases[_i].text) == NULL) == cases[_i].good);
    expect(0, NULL);
    ck_assert_int_eq(query.status, cases[_i].good ? PANICMON_OK : PANICMON_ERR_PROTOCOL);
}
END_TEST

START_TEST(members_are_found_at_once)
{
    static const pm_name names[] = {PM_NAME("number"), PM_NAME("peers"), PM_NAME("absent")};
    static const char text[] = "{\"numbers\": 1, \"n\\u0075mber\": 2, \"peer\": 3, "
                               "\"\\u0070eers\": 4, \"x\": {\"absent\": 5}}";
    pm_json object;
    pm_json members[3];
    ck_assert(pm_json_parse(text, strlen(text), &object, NULL));
    pm_json_members(object, names, members, 3);
    ck_assert_int_eq(members[0].text[0], '2');
    ck_assert_int_eq(members[1].text[0], '4');
    ck_assert_ptr_null(members[2].text);
    pm_json_members((pm_json){0}, names, members, 3);
    ck_assert_ptr_null(members[0].text);
}
END_TEST

/* ---- facts ---- */

static pm_json json(const char *text)
{
    return (pm_json){text, strlen(text)};
}

static pm_answers all_answers(const pm_version *version)
{
    return (pm_answers){.has_version = true,
                        .version = version,
                        .version_text = json("{\"specName\": \"spec\"}"),
                        .genesis = json("\"" HASH "\""),
                        .chain = json("\"Chain\""),
                        .node_version = json("\"1.0\""),
                        .properties = json("{\"ss58Format\": 42, \"tokenSymbol\": \"SIM\"}")};
}

START_TEST(facts_that_are_equal_are_the_same)
{
    const pm_version version = {.id = "spec/1/1", .name = "spec", .number = {true, 1}};
    const pm_answers answers = all_answers(&version);
    const pm_answers nothing = {.has_version = false};
    pm_facts *one = pm_facts_with(shared, NULL, &answers);
    pm_facts *other = pm_facts_with(shared, NULL, &answers);
    ck_assert_ptr_nonnull(one);
    ck_assert_ptr_eq(one, other);
    ck_assert_int_eq(one->format.value, 42);
    ck_assert_ptr_nonnull(strstr(one->in_data.data, "\"tokenSymbol\": [\"SIM\"]"));
    ck_assert_str_eq(one->in_extras.data,
                     "\"panicmon\": {\"chain\": \"Chain\", \"genesis_hash\": \"" HASH
                     "\", \"node_version\": \"1.0\", \"spec_name\": \"spec\", "
                     "\"spec_version\": 1, ");
    pm_facts *same = pm_facts_with(shared, one, &nothing);
    ck_assert_ptr_eq(one, same);
    pm_facts_unref(same);
    pm_facts_unref(other);
    pm_facts_unref(one);
}
END_TEST

START_TEST(facts_of_another_chain_take_nothing_over)
{
    const pm_version version = {.id = "spec/1/1", .name = "spec", .number = {true, 1}};
    const pm_version newer = {.id = "spec/2/1", .name = "spec", .number = {true, 2}};
    const pm_answers answers = all_answers(&version);
    const pm_answers upgrade = {.has_version = true, .version = &newer};
    const pm_answers moved = {.genesis = json("\"0x72\"")};
    pm_facts *one = pm_facts_with(shared, NULL, &answers);
    pm_facts *upgraded = pm_facts_with(shared, one, &upgrade);
    pm_facts *other = pm_facts_with(shared, upgraded, &moved);
    ck_assert_ptr_nonnull(other);
    ck_assert_ptr_ne(one, upgraded);
    ck_assert(pm_facts_same_chain(one, upgraded));
    ck_assert_uint_eq(upgraded->chain.len, one->chain.len);
    ck_assert_int_eq(upgraded->version.number.value, 2);
    ck_assert(!pm_facts_same_chain(upgraded, other));
    ck_assert_uint_eq(other->chain.len + other->node_version.len + other->properties.len, 0);
    ck_assert_int_eq(other->version.number.value, 2);
    pm_facts_unref(other);
    pm_facts_unref(upgraded);
    pm_facts_unref(one);
}
END_TEST

/* ---- what is kept ---- */

static void hash_of(unsigned n, char out[PM_HASH_TEXT])
{
    (void)snprintf(out, PM_HASH_TEXT, "0x%064x", n * 2654435761u);
    memcpy(out + 2, out + PM_HASH_TEXT - 9, 8); /* hashes differ from their first byte on */
}

START_TEST(heights_seen_lately_are_known)
{
    char hash[PM_HASH_TEXT];
    int64_t height;
    size_t known = 0;
    for (unsigned i = 0; i < 1000; i++) {
        hash_of(i, hash);
        ck_assert(!pm_height_known(shared, hash, &height));
        pm_height_keep(shared, hash, i);
        pm_height_keep(shared, hash, i);
        ck_assert(pm_height_known(shared, hash, &height));
        ck_assert_int_eq(height, i);
    }
    for (unsigned i = 0; i < 1000; i++) {
        hash_of(i, hash);
        known += pm_height_known(shared, hash, &height);
        ck_assert(i < 990 || pm_height_known(shared, hash, &height));
    }
    ck_assert_uint_gt(known, 100);
    ck_assert_uint_le(known, (size_t)PM_MEMO_SETS * PM_MEMO_WAYS);
}
END_TEST

START_TEST(hashes_are_checked_to_the_last_digit)
{
    char out[PM_HASH_TEXT];
    char text[] = "\"" HASH "\"";
    ck_assert(pm_hash_text(json(text), out));
    ck_assert_str_eq(out, HASH);
    for (size_t i = 1; i < sizeof text - 2; i++) {
        static const char bad[] = {'g', 'G', '/', ':', '@', '`', ' ', (char)0x80, (char)0xff};
        char was = text[i];
        for (size_t j = 0; j < sizeof bad; j++) {
            text[i] = bad[j];
            ck_assert(!pm_hash_text(json(text), out));
            ck_assert_int_eq(out[0], '\0');
        }
        text[i] = was;
    }
    for (const char *digit = "0123456789abcdefABCDEF"; *digit != '\0'; digit++) {
        text[40] = *digit;
        ck_assert(pm_hash_text(json(text), out));
    }
}
END_TEST

START_TEST(buffers_of_samples_are_used_again)
{
    pm_buf one = pm_body_take(shared);
    const char *data = one.data;
    pm_buf_text(&one, "sample");
    pm_body_give(shared, &one);
    ck_assert_ptr_null(one.data);
    pm_buf other = pm_body_take(shared);
    ck_assert_ptr_eq(other.data, data);
    ck_assert_uint_eq(other.len, 0);
    ck_assert(pm_buf_reserve(&other, 1000000));
    pm_body_give(shared, &other); /* too large to be kept */
    ck_assert_uint_eq(shared->body_count, 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("substrate_parts");
    TCase *all = tcase_create("all");
    tcase_add_checked_fixture(all, set_up, tear_down);
    tcase_add_loop_test(all, answers_are_found_in_any_order_and_form, 0, 2);
    tcase_add_test(all, answers_in_several_sets_are_all_found);
    tcase_add_test(all, many_answers_are_found_in_order_and_out_of_it);
    tcase_add_loop_test(all, odd_answers_are_read_as_far_as_they_go, 0, 8);
    tcase_add_test(all, members_are_found_at_once);
    tcase_add_test(all, facts_that_are_equal_are_the_same);
    tcase_add_test(all, facts_of_another_chain_take_nothing_over);
    tcase_add_test(all, heights_seen_lately_are_known);
    tcase_add_test(all, hashes_are_checked_to_the_last_digit);
    tcase_add_test(all, buffers_of_samples_are_used_again);
    suite_add_tcase(suite, all);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
