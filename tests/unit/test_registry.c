/* test_registry.c: topic patterns, importing ops tables, the registry, config sets, checking. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <panicmon/registry.h>

#include "base/topic.h"
#include "base/utf8.h"
#include "core/config_set.h"
#include "core/registry.h"

/* ---- a strategy that counts ---- */

static int freed;

static panicmon_err parse(void *user, const panicmon_config *config, void **parsed,
                          panicmon_error **err)
{
    const char *colour;
    int enabled;
    (void)user;
    (void)parsed;
    panicmon_err status = panicmon_config_text(config, "colour", &colour, err);
    if (status == PANICMON_OK) {
        status = panicmon_config_flag(config, "enabled", 1, &enabled, err);
    }
    return status == PANICMON_OK && !enabled ? PANICMON_ERR_STATE : status;
}

static panicmon_err start(void *user, void *parsed, panicmon_launch *launch, panicmon_error **err)
{
    (void)user;
    (void)parsed;
    (void)launch;
    (void)err;
    return PANICMON_ERR_INVAL;
}

static void user_free(void *user)
{
    (void)user;
    freed++;
}

static panicmon_strategy_ops strategy_named(const char *name)
{
    panicmon_strategy_ops ops = PANICMON_STRATEGY_OPS_INIT;
    ops.name = name;
    ops.parse = parse;
    ops.start = start;
    ops.user_free = user_free;
    return ops;
}

/* ---- topics ---- */

START_TEST(topics_match_as_amqp_says)
{
    static const struct {
        const char *pattern;
        const char *key;
        bool matches;
    } cases[] = {
        {"a.b", "a.b", true},
        {"a.b", "a.c", false},
        {"a.b", "a", false},
        {"a.b", "a.b.c", false},
        {"*", "a", true},
        {"*", "", true},
        {"*.b", "a.b", true},
        {"*.b", "b", false},
        {"a.*", "a.b.c", false},
        {"#", "", true},
        {"#", "a.b.c", true},
        {"a.#", "a", true},
        {"a.#", "a.b.c", true},
        {"a.#", "ab", false},
        {"#.c", "a.b.c", true},
        {"#.c", "c", true},
        {"#.c", "a.b.c.d", false},
        {"a.#.d", "a.d", true},
        {"a.#.d", "a.b.c.d", true},
        {"a.#.d.#", "a.b.d.d.e", true},
        {"#.#", "a", true},
        {"#.*", "", true},
        {"#.b.*.d", "a.b.b.c.d", true},
        {"#.b.#.b", "b.x.b", true},
        {"#.b.#.b", "b", false},
        {"chains.*.*.nodes_config", "chains.substrate.polkadot.nodes_config", true},
        {"chains.*.*.nodes_config", "chains.substrate.my chain.nodes_config", true},
        {"chains.*.*.nodes_config", "chains.substrate.a.b.nodes_config", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        ck_assert_msg(pm_topic_matches(cases[i].pattern, cases[i].key) == cases[i].matches,
                      "'%s' against '%s'", cases[i].pattern, cases[i].key);
    }
}
END_TEST

/* The rules once more, slowly: against every pattern and key of up to five words of two letters. */
static bool slow_match(const char *const *p, size_t np, const char *const *k, size_t nk)
{
    if (np == 0) {
        return nk == 0;
    }
    if (strcmp(p[0], "#") == 0) {
        return slow_match(p + 1, np - 1, k, nk) || (nk > 0 && slow_match(p, np, k + 1, nk - 1));
    }
    return nk > 0 && (strcmp(p[0], "*") == 0 || strcmp(p[0], k[0]) == 0) &&
           slow_match(p + 1, np - 1, k + 1, nk - 1);
}

static void spell(size_t number, size_t words, const char *const *from, size_t kinds,
                  const char **out, char *text)
{
    text[0] = '\0';
    for (size_t i = 0; i < words; i++) {
        out[i] = from[number % kinds];
        number /= kinds;
        strcat(text, i == 0 ? "" : ".");
        strcat(text, out[i]);
    }
}

START_TEST(topics_match_like_a_slow_matcher)
{
    static const char *const pattern_words[] = {"a", "b", "*", "#"};
    static const char *const key_words[] = {"a", "b"};
    size_t compared = 0;
    for (size_t np = 1, patterns = 4; np <= 5; np++, patterns *= 4) {
        for (size_t p = 0; p < patterns; p++) {
            const char *pw[5];
            char pattern[32];
            spell(p, np, pattern_words, 4, pw, pattern);
            for (size_t nk = 1, keys = 2; nk <= 5; nk++, keys *= 2) {
                for (size_t k = 0; k < keys; k++) {
                    const char *kw[5];
                    char key[32];
                    spell(k, nk, key_words, 2, kw, key);
                    compared++;
                    ck_assert_msg(pm_topic_matches(pattern, key) == slow_match(pw, np, kw, nk),
                                  "'%s' against '%s'", pattern, key);
                }
            }
        }
    }
    ck_assert_uint_gt(compared, 80000);
}
END_TEST

START_TEST(bad_patterns_are_refused)
{
    char longest[300];
    memset(longest, 'a', sizeof longest);
    longest[255] = '\0';
    ck_assert(pm_topic_valid(longest));
    longest[255] = 'a';
    longest[256] = '\0';
    ck_assert(!pm_topic_valid(longest));
    ck_assert(!pm_topic_valid(""));
    ck_assert(!pm_topic_valid("a..b"));
    ck_assert(!pm_topic_valid(".a"));
    ck_assert(!pm_topic_valid("a."));
    ck_assert(!pm_topic_valid("a*"));
    ck_assert(!pm_topic_valid("a.#b"));
    ck_assert(pm_topic_valid("a.*.#"));
}
END_TEST

/* ---- the registry ---- */

START_TEST(several_strategies_may_match_one_key)
{
    panicmon_registry *registry = NULL;
    const panicmon_strategy_ops one = strategy_named("one");
    const panicmon_strategy_ops two = strategy_named("two");
    const char *name;
    freed = 0;
    ck_assert_int_eq(panicmon_registry_new(&registry), PANICMON_OK);
    ck_assert_int_eq(panicmon_registry_add(registry, "x.*", &one, NULL, NULL), PANICMON_OK);
    ck_assert_int_eq(panicmon_registry_add(registry, "x.#", &two, NULL, NULL), PANICMON_OK);
    ck_assert_int_eq(panicmon_registry_add(registry, "x.*", &one, NULL, NULL), PANICMON_ERR_EXISTS);
    ck_assert_int_eq(freed, 0); /* what was refused stays the caller's */
    ck_assert_uint_eq(panicmon_registry_match(registry, "x.y", 0, &name), 2);
    ck_assert_str_eq(name, "one");
    ck_assert_uint_eq(panicmon_registry_match(registry, "x.y", 1, &name), 2);
    ck_assert_str_eq(name, "two");
    ck_assert_uint_eq(panicmon_registry_match(registry, "x.y", 2, &name), 2);
    ck_assert_ptr_null(name);
    ck_assert_uint_eq(panicmon_registry_match(registry, "x", 0, NULL), 1);
    ck_assert_uint_eq(panicmon_registry_match(registry, "y", 0, NULL), 0);
    ck_assert_int_eq(panicmon_registry_remove(registry, "x.*", "two"), PANICMON_ERR_NOENT);
    ck_assert_int_eq(panicmon_registry_remove(registry, "x.*", "one"), PANICMON_OK);
    ck_assert_int_eq(freed, 1);
    panicmon_registry_free(registry);
    ck_assert_int_eq(freed, 2);
}
END_TEST

START_TEST(ops_tables_of_other_sizes)
{
    struct {
        panicmon_strategy_ops ops;
        void *member_of_the_future;
    } newer = {.ops = strategy_named("newer")};
    panicmon_registry *registry = NULL;
    panicmon_error *err = NULL;
    newer.ops.struct_size = (uint32_t)sizeof newer;
    ck_assert_int_eq(panicmon_registry_new(&registry), PANICMON_OK);
    ck_assert_int_eq(panicmon_registry_add(registry, "a", &newer.ops, NULL, NULL), PANICMON_OK);
    newer.member_of_the_future = &newer;
    ck_assert_int_eq(panicmon_registry_add(registry, "b", &newer.ops, NULL, &err),
                     PANICMON_ERR_TOONEW);
    ck_assert_ptr_nonnull(strstr(panicmon_error_message(err), "newer library"));
    panicmon_error_free(err);
    panicmon_strategy_ops bad = strategy_named("bad");
    bad.struct_size = 0;
    ck_assert_int_eq(panicmon_registry_add(registry, "c", &bad, NULL, NULL), PANICMON_ERR_INVAL);
    bad.struct_size = UINT32_MAX;
    ck_assert_int_eq(panicmon_registry_add(registry, "c", &bad, NULL, NULL), PANICMON_ERR_INVAL);
    bad = strategy_named("bad");
    bad.flags = 1;
    ck_assert_int_eq(panicmon_registry_add(registry, "c", &bad, NULL, NULL), PANICMON_ERR_TOONEW);
    bad = strategy_named(NULL);
    ck_assert_int_eq(panicmon_registry_add(registry, "c", &bad, NULL, NULL), PANICMON_ERR_INVAL);
    bad = strategy_named("bad");
    bad.parse = NULL;
    ck_assert_int_eq(panicmon_registry_add(registry, "c", &bad, NULL, NULL), PANICMON_ERR_INVAL);
    ck_assert_int_eq(panicmon_registry_add(registry, "c", NULL, NULL, NULL), PANICMON_ERR_INVAL);
    panicmon_registry_free(registry);
}
END_TEST

START_TEST(builtin_strategies_take_panics_keys)
{
    panicmon_registry *registry = NULL;
    const char *name;
    ck_assert_int_eq(panicmon_registry_new(&registry), PANICMON_OK);
    ck_assert_int_eq(panicmon_registry_add_builtin(registry, NULL), PANICMON_OK);
    ck_assert_uint_ge(
        panicmon_registry_match(registry, "chains.substrate.polkadot.nodes_config", 0, &name), 1);
    ck_assert_str_eq(name, "substrate_node");
    ck_assert_uint_eq(
        panicmon_registry_match(registry, "chains.cosmos.regen.nodes_config", 0, NULL), 0);
    panicmon_registry_free(registry);
}
END_TEST

/* ---- config sets ---- */

static panicmon_config_set *set_of(const char *json)
{
    panicmon_config_set *set = NULL;
    panicmon_error *err = NULL;
    panicmon_err status = pm_config_set_parse(&set, "chains.a.b.c", json, strlen(json), &err);
    ck_assert_msg(status == PANICMON_OK, "%s", panicmon_error_message(err));
    return set;
}

START_TEST(a_set_keeps_order_and_leaves_out_default)
{
    panicmon_config_set *set =
        set_of("{\"b\": {\"x\": \"1\"}, \"DEFAULT\": {}, \"a\": {\"x\": 2}, \"\\u00e9\": 7}");
    const char *text = NULL;
    panicmon_error *err = NULL;
    ck_assert_uint_eq(panicmon_config_set_count(set), 3);
    ck_assert_str_eq(panicmon_config_id(panicmon_config_set_at(set, 0)), "b");
    ck_assert_str_eq(panicmon_config_id(panicmon_config_set_at(set, 2)), "\xc3\xa9");
    ck_assert_str_eq(panicmon_config_set_word(set, 2), "b");
    ck_assert_str_eq(panicmon_config_set_word(set, 9), "");
    ck_assert_int_eq(panicmon_config_text(panicmon_config_set_at(set, 0), "x", &text, NULL),
                     PANICMON_OK);
    ck_assert_str_eq(text, "1");
    ck_assert_int_eq(panicmon_config_text(panicmon_config_set_at(set, 1), "x", &text, &err),
                     PANICMON_ERR_PARSE);
    ck_assert_ptr_nonnull(strstr(panicmon_error_message(err), "chains.a.b.c"));
    ck_assert_ptr_nonnull(strstr(panicmon_error_message(err), "'a'"));
    ck_assert_ptr_nonnull(strstr(panicmon_error_message(err), "x"));
    panicmon_error_free(err);
    ck_assert_int_eq(panicmon_config_text(panicmon_config_set_at(set, 0), "y", &text, NULL),
                     PANICMON_ERR_NOENT);
    pm_config_set_free(set);
}
END_TEST

START_TEST(flags_as_panic_reads_them)
{
    panicmon_config_set *set =
        set_of("{\"a\": {\"t\": \"True\", \"y\": \"YES\", \"f\": \"1\", \"e\": \"\", \"b\": true, "
               "\"n\": 1}}");
    static const struct {
        const char *field;
        int expected;
    } cases[] = {{"t", 1}, {"y", 1}, {"f", 0}, {"e", 0}, {"b", 1}, {"absent", 1}};
    const panicmon_config *config = panicmon_config_set_at(set, 0);
    int flag;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        ck_assert_int_eq(panicmon_config_flag(config, cases[i].field, 1, &flag, NULL), PANICMON_OK);
        ck_assert_msg(flag == cases[i].expected, "%s", cases[i].field);
    }
    ck_assert_int_eq(panicmon_config_flag(config, "n", 0, &flag, NULL), PANICMON_ERR_PARSE);
    pm_buf doubt = {0};
    size_t at = 0;
    ck_assert(pm_config_next_doubt(config, &at, &doubt));
    ck_assert_str_eq(doubt.data,
                     "chains.a.b.c: entry 'a': f: '1' is taken for false; write true or false");
    ck_assert(!pm_config_next_doubt(config, &at, &doubt));
    pm_buf_free(&doubt);
    pm_config_set_free(set);
}
END_TEST

START_TEST(a_bare_config_is_a_set_of_one)
{
    panicmon_config_set *set = set_of("{\"node_id\": \"n1\", \"ws_url\": \"ws://h\"}");
    ck_assert_uint_eq(panicmon_config_set_count(set), 1);
    ck_assert_str_eq(panicmon_config_id(panicmon_config_set_at(set, 0)), "n1");
    pm_config_set_free(set);
}
END_TEST

START_TEST(bodies_that_are_no_sets_are_refused)
{
    static const char *const bodies[] = {"",
                                         "ping",
                                         "[]",
                                         "3",
                                         "null",
                                         "{",
                                         "{\"a\": {}} x",
                                         "{\"id\": \"\", \"x\": 1}",
                                         "{\"a\": \"\xff\"}"};
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        panicmon_config_set *set = NULL;
        panicmon_error *err = NULL;
        ck_assert_msg(pm_config_set_parse(&set, "k", bodies[i], strlen(bodies[i]), &err) ==
                          PANICMON_ERR_PARSE,
                      "'%s'", bodies[i]);
        ck_assert_int_eq(strncmp(panicmon_error_message(err), "k: ", 3), 0);
        panicmon_error_free(err);
    }
}
END_TEST

START_TEST(a_bad_id_costs_its_entry_alone)
{
    pm_buf json = {0};
    pm_buf_text(&json, "{\"\": {\"x\": \"1\"}, \"a\": {\"x\": \"first\"}, \"z\\u0000z\": [], \"");
    for (size_t i = 0; i < PM_CONFIG_ID_MAX; i++) {
        pm_buf_text(&json, "\xc3\xa9");
    }
    pm_buf_text(&json, "\": 7, \"a\": {\"x\": \"second\"}, \"b\": {}, \"\\u0062\": \"t\"}");
    panicmon_config_set *set = set_of(json.data);
    ck_assert_uint_eq(panicmon_config_set_count(set), 2);
    const char *text = NULL;
    ck_assert_int_eq(panicmon_config_text(panicmon_config_set_at(set, 0), "x", &text, NULL),
                     PANICMON_OK);
    ck_assert_str_eq(text, "first");
    ck_assert_str_eq(panicmon_config_id(panicmon_config_set_at(set, 1)), "b");
    static const char *const told[] = {
        "chains.a.b.c: entry '': the id is empty; its value is an object",
        "chains.a.b.c: entry 'z': the id has a zero byte in it; its value is an array",
        "...': the id is longer than 256 bytes; its value is a number",
        "chains.a.b.c: entry 'a': the id stands there twice, the first one counts; its value is an "
        "object",
        "chains.a.b.c: entry 'b': the id stands there twice, the first one counts; its value is "
        "text"};
    ck_assert_uint_eq(pm_config_set_faults(set), sizeof told / sizeof told[0]);
    for (size_t i = 0; i < sizeof told / sizeof told[0]; i++) {
        ck_assert_msg(strstr(pm_config_set_fault(set, i), told[i]) != NULL, "%s",
                      pm_config_set_fault(set, i));
        ck_assert(pm_utf8_valid(pm_config_set_fault(set, i), strlen(pm_config_set_fault(set, i))));
    }
    pm_config_set_free(set);
    pm_buf_free(&json);
}
END_TEST

START_TEST(sets_are_compared_by_content)
{
    panicmon_config_set *a =
        set_of("{\"a\": {\"x\": \"1\", \"y\": [1, {\"z\": null}]}, \"b\": {}}");
    panicmon_config_set *b = set_of("{\"b\": { }, \"a\": {\"y\": [1,{\"z\":null}], \"x\":\"1\"}}");
    panicmon_config_set *c =
        set_of("{\"a\": {\"x\": \"2\", \"y\": [1, {\"z\": null}]}, \"b\": {}}");
    ck_assert(pm_config_set_same(a, b));
    ck_assert(!pm_config_set_same(a, c));
    pm_config_set_free(a);
    pm_config_set_free(b);
    pm_config_set_free(c);
}
END_TEST

/* ---- checking ---- */

static int told;

static void tell(void *user, const char *message)
{
    strcat(strcat(user, message), "\n");
    told++;
}

START_TEST(checking_lists_every_fault)
{
    static const char configs[] =
        "{\"x.y\": {\"a\": {\"colour\": 3}, \"b\": {\"colour\": \"red\"}, "
        "\"c\": {\"colour\": \"red\", \"enabled\": \"no\"}, \"d\": {}}, "
        "\"x.z\": [], \"other\": {}}";
    panicmon_registry *registry = NULL;
    const panicmon_strategy_ops one = strategy_named("one");
    char faults[2000] = "";
    size_t count = 0;
    told = 0;
    ck_assert_int_eq(panicmon_registry_new(&registry), PANICMON_OK);
    ck_assert_int_eq(panicmon_registry_add(registry, "x.*", &one, NULL, NULL), PANICMON_OK);
    ck_assert_int_eq(
        panicmon_registry_check_all(registry, configs, strlen(configs), tell, faults, &count),
        PANICMON_ERR_PARSE);
    ck_assert_int_eq(told, 4);
    ck_assert_uint_eq(count, 1);
    ck_assert_ptr_nonnull(strstr(faults, "x.y: entry 'a': colour"));
    ck_assert_ptr_nonnull(strstr(faults, "x.y: entry 'd': colour"));
    ck_assert_ptr_nonnull(strstr(faults, "x.z: "));
    ck_assert_ptr_nonnull(strstr(faults, "other: no strategy"));
    static const char doubtful[] =
        "{\"x.y\": {\"a\": {\"colour\": \"red\", \"enabled\": \"ture\"}}}";
    faults[0] = '\0';
    ck_assert_int_eq(
        panicmon_registry_check_all(registry, doubtful, strlen(doubtful), tell, faults, &count),
        PANICMON_OK);
    ck_assert_uint_eq(count, 0);
    ck_assert_str_eq(
        faults,
        "warning: x.y: entry 'a': enabled: 'ture' is taken for false; write true or false\n");
    panicmon_registry_free(registry);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("registry");
    TCase *cases = tcase_create("registry");
    tcase_add_test(cases, topics_match_as_amqp_says);
    tcase_add_test(cases, topics_match_like_a_slow_matcher);
    tcase_add_test(cases, bad_patterns_are_refused);
    tcase_add_test(cases, several_strategies_may_match_one_key);
    tcase_add_test(cases, ops_tables_of_other_sizes);
    tcase_add_test(cases, builtin_strategies_take_panics_keys);
    tcase_add_test(cases, a_set_keeps_order_and_leaves_out_default);
    tcase_add_test(cases, flags_as_panic_reads_them);
    tcase_add_test(cases, a_bare_config_is_a_set_of_one);
    tcase_add_test(cases, a_bad_id_costs_its_entry_alone);
    tcase_add_test(cases, bodies_that_are_no_sets_are_refused);
    tcase_add_test(cases, sets_are_compared_by_content);
    tcase_add_test(cases, checking_lists_every_fault);
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
