/* test_settings.c: names, types and ranges of settings; configuration files and their faults. */
#include <check.h>
#include <errno.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <panicmon/settings.h>

#include "base/settings.h"
#include "exec/exec.h"

static panicmon_settings *settings;
static char faults[8192]; /* each on a line */
static int fault_count;

static void note_fault(void *user, const char *message)
{
    ck_assert_ptr_eq(user, faults);
    size_t used = strlen(faults);
    (void)snprintf(faults + used, sizeof faults - used, "%s\n", message);
    fault_count++;
}

static void make(void)
{
    ck_assert_int_eq(panicmon_settings_new(&settings), PANICMON_OK);
    faults[0] = '\0';
    fault_count = 0;
}

static void unmake(void)
{
    panicmon_settings_free(settings);
}

static panicmon_err load(const char *json)
{
    faults[0] = '\0';
    fault_count = 0;
    /* A copy of the exact length, so that a read past the end shows. */
    size_t len = strlen(json);
    char *copy = malloc(len + (len == 0));
    memcpy(copy, json, len);
    panicmon_err status = panicmon_settings_load(settings, copy, len, note_fault, faults, NULL);
    free(copy);
    return status;
}

static void must_load(const char *json)
{
    panicmon_err status = load(json);
    ck_assert_msg(status == PANICMON_OK, "%s: %s", json, faults);
    ck_assert_int_eq(fault_count, 0);
}

/* Loading must fail with exactly this fault. */
static void must_fault(const char *json, const char *fault)
{
    char line[512];
    (void)snprintf(line, sizeof line, "%s\n", fault);
    ck_assert_int_eq(load(json), PANICMON_ERR_PARSE);
    ck_assert_str_eq(faults, line);
}

static const char *get(const char *name)
{
    const char *value = panicmon_settings_get(settings, name);
    return value == NULL ? "(none)" : value;
}

static bool takes(const char *name, const char *value)
{
    char *before = strdup(get(name));
    panicmon_error *err = NULL;
    panicmon_err status = panicmon_settings_set(settings, name, value, &err);
    if (status == PANICMON_OK) {
        ck_assert_ptr_null(err);
        ck_assert_str_eq(get(name), value);
    } else {
        ck_assert_int_eq(status, PANICMON_ERR_INVAL);
        ck_assert_int_eq(panicmon_error_code(err), PANICMON_ERR_INVAL);
        ck_assert(strncmp(panicmon_error_message(err), name, strlen(name)) == 0);
        ck_assert_str_eq(get(name), before);
    }
    panicmon_error_free(err);
    free(before);
    return status == PANICMON_OK;
}

static void must_take_all(const char *name, const char *const *values, bool good)
{
    for (; *values != NULL; values++) {
        ck_assert_msg(takes(name, *values) == good, "%s = '%s'", name, *values);
    }
}

START_TEST(every_setting_has_a_good_default_and_a_help)
{
    const char *name;
    const char *value;
    const char *help;
    ck_assert_uint_gt(panicmon_settings_count(), 20);
    for (size_t i = 0; i < panicmon_settings_count(); i++) {
        ck_assert_int_eq(panicmon_settings_at(i, &name, &value, &help), PANICMON_OK);
        ck_assert_str_eq(get(name), value);
        ck_assert_msg(takes(name, value), "%s", name);
        ck_assert_msg(strlen(help) > 10 && help[strlen(help) - 1] == '.', "%s", name);
        for (size_t j = 0; j < i; j++) {
            const char *other;
            ck_assert_int_eq(panicmon_settings_at(j, &other, NULL, NULL), PANICMON_OK);
            ck_assert_str_ne(name, other);
        }
    }
    ck_assert_int_eq(panicmon_settings_at(panicmon_settings_count(), &name, NULL, NULL),
                     PANICMON_ERR_INVAL);
    ck_assert_int_eq(pm_settings_ms(settings, "period.node"), 10000);
    ck_assert_int_eq(pm_settings_ms(settings, "period.repo"), 3600000);
    ck_assert_int_eq(pm_settings_ms(settings, "round.deadline"), 30000);
    ck_assert_int_eq(pm_settings_int(settings, "rpc.limit"), 64 << 20);
    ck_assert_int_eq(pm_settings_int(settings, "queue.limit"), 16 << 20);
    ck_assert_int_eq(pm_settings_int(settings, "broker.spool"), 0);
    ck_assert_ptr_null(pm_settings_text(settings, "broker.url"));
}
END_TEST

START_TEST(every_executor_that_can_be_set_exists)
{
    static const char *const all[] = {"threads", "rounds", "queue", "events"};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        bool exists = pm_exec_find(all[i]) != NULL;
        ck_assert_msg(takes("executor", all[i]) == exists, "%s", all[i]);
    }
    ck_assert(!takes("executor", ""));
    ck_assert(!takes("executor", "thread"));
}
END_TEST

START_TEST(numbers_of_seconds)
{
    static const char *const good[] = {"1", "0.001", "604800", "1.5", "0.25", "007", "10.0", NULL};
    static const char *const bad[] = {"",
                                      "0",
                                      "-1",
                                      "+1",
                                      "1.",
                                      ".5",
                                      "1e3",
                                      "1,5",
                                      " 1",
                                      "1 ",
                                      "1s",
                                      "0x10",
                                      "604801",
                                      "0.0001",
                                      "1..2",
                                      "nan",
                                      "inf",
                                      "1.5.1",
                                      "99999999999999999999",
                                      NULL};
    must_take_all("period.node", good, true);
    must_take_all("period.node", bad, false);
    ck_assert(takes("period.node", "1.2345"));
    ck_assert_int_eq(pm_settings_ms(settings, "period.node"), 1235);
    ck_assert_int_eq(pm_settings_int(settings, "period.node"), 1);
    ck_assert(takes("period.node", "0.123456789"));
    ck_assert_int_eq(pm_settings_ms(settings, "period.node"), 123);
}
END_TEST

START_TEST(sizes)
{
    static const char *const good[] = {"1", "1024", "1 KiB", "64MiB", "4 GiB", "10 B", NULL};
    static const char *const bad[] = {"",    "0",      "-1",     "1.5 MiB", "1 MB",
                                      "MiB", "1  KiB", "1 KiBs", "5 GiB",   "9999999999999 GiB",
                                      "1 ",  NULL};
    must_take_all("rpc.limit", good, true);
    must_take_all("rpc.limit", bad, false);
    ck_assert(takes("rpc.limit", "3 KiB"));
    ck_assert_int_eq(pm_settings_int(settings, "rpc.limit"), 3072);
}
END_TEST

START_TEST(counts_flags_and_words)
{
    static const char *const counts[] = {"0", "1", "1000000000000", NULL};
    static const char *const no_counts[] = {"", "-1", "1.5", "1000000000001", "one", NULL};
    static const char *const flags[] = {"true", "false", "yes", "no", NULL};
    static const char *const no_flags[] = {"", "1", "TRUE", "on", NULL};
    static const char *const words[] = {"own", "shared", NULL};
    static const char *const no_words[] = {"", "own shared", "ow", "Own", NULL};
    must_take_all("rounds", counts, true);
    must_take_all("rounds", no_counts, false);
    must_take_all("broker.spool", flags, true);
    must_take_all("broker.spool", no_flags, false);
    must_take_all("broker.publisher", words, true);
    must_take_all("broker.publisher", no_words, false);
    ck_assert(takes("broker.spool", "yes"));
    ck_assert_int_eq(pm_settings_int(settings, "broker.spool"), 1);
}
END_TEST

START_TEST(urls)
{
    static const char *const amqp[] = {"", "amqp://h", "amqps://u:p@h:5671/v", "amqp://[::1]:1/",
                                       NULL};
    static const char *const no_amqp[] = {"h",       "http://h",   "amqp://", "amqp://h:0",
                                          "unix:/x", "amqp://h h", NULL};
    static const char *const redis[] = {
        "",  "redis://h:1/2", "unix:/run/redis.sock", "unix:///run/s?db=1", "unix://u:p@/run/s",
        NULL};
    static const char *const no_redis[] = {
        "rediss://h",  "unix:run",          "amqp://h", "unix://h/run",
        "redis://h/x", "unix:/run/s?db=-1", NULL};
    must_take_all("broker.url", amqp, true);
    must_take_all("broker.url", no_amqp, false);
    must_take_all("redis.url", redis, true);
    must_take_all("redis.url", no_redis, false);
    must_fault("{\"redis.url\": \"amqp://h\"}",
               "redis.url: URL must begin with redis:// or unix://");
}
END_TEST

START_TEST(no_message_holds_a_password)
{
    panicmon_error *err = NULL;
    ck_assert_int_eq(panicmon_settings_set(settings, "broker.url", "amqp://u:hunter2@h:x", &err),
                     PANICMON_ERR_INVAL);
    ck_assert_ptr_null(strstr(panicmon_error_message(err), "hunter2"));
    panicmon_error_free(err);
    err = NULL;
    ck_assert_int_eq(panicmon_settings_set(settings, "redis.url", "redis://:hunt/hunter2@h", &err),
                     PANICMON_ERR_INVAL);
    ck_assert_ptr_null(strstr(panicmon_error_message(err), "hunter2"));
    panicmon_error_free(err);
    ck_assert_int_eq(load("{\"broker\": {\"url\": \"amqp://u:hunter2@h:x\"}}"), PANICMON_ERR_PARSE);
    ck_assert_ptr_null(strstr(faults, "hunter2"));
    ck_assert_int_eq(load("{\"broker\": {\"url\" \"amqp://u:hunter2@h\"}}"), PANICMON_ERR_PARSE);
    ck_assert_ptr_null(strstr(faults, "hunter2"));
}
END_TEST

START_TEST(unknown_names_are_told_the_nearest)
{
    static const char *const pairs[][2] = {
        {"executer", "executor"},        {"Executor", "executor"},
        {"period.nodes", "period.node"}, {"url", "broker.url"},
        {"broker.ulr", "broker.url"},    {"loglevel", "log.level"},
        {"statedir", "state_dir"},       {"brokr", "broker"},
        {"config", "configs"},           {"redis.urlfile", "redis.url_file"}};
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        panicmon_error *err = NULL;
        char tail[64];
        (void)snprintf(tail, sizeof tail, "'%s'", pairs[i][1]);
        ck_assert_int_eq(panicmon_settings_set(settings, pairs[i][0], "1", &err),
                         PANICMON_ERR_NOENT);
        ck_assert_msg(strstr(panicmon_error_message(err), tail) != NULL, "%s",
                      panicmon_error_message(err));
        panicmon_error_free(err);
    }
    ck_assert_ptr_null(panicmon_settings_get(settings, "nothing"));
    ck_assert_ptr_null(panicmon_settings_get(settings, "period"));
    char name[4096];
    memset(name, 'x', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    ck_assert_int_eq(panicmon_settings_set(settings, name, "1", NULL), PANICMON_ERR_NOENT);
    ck_assert_int_eq(panicmon_settings_set(settings, "", "1", NULL), PANICMON_ERR_NOENT);
    ck_assert_int_eq(panicmon_settings_set(settings, "rounds", NULL, NULL), PANICMON_ERR_INVAL);
}
END_TEST

START_TEST(nested_and_dotted_are_the_same)
{
    must_load("{\"broker\": {\"url\": \"amqp://a\", \"spool\": true}, \"broker.buffer\": 4096,"
              " \"rpc.limit\": \"2 MiB\", \"log\": {\"level\": \"debug\"}, \"rounds\": 3}");
    ck_assert_str_eq(get("broker.url"), "amqp://a");
    ck_assert_int_eq(pm_settings_int(settings, "broker.spool"), 1);
    ck_assert_int_eq(pm_settings_int(settings, "broker.buffer"), 4096);
    ck_assert_int_eq(pm_settings_int(settings, "rpc.limit"), 2 << 20);
    ck_assert_str_eq(get("log.level"), "debug");
    ck_assert_int_eq(pm_settings_int(settings, "rounds"), 3);
    must_fault("{\"log\": {\"level\": \"info\"}, \"log.level\": \"info\"}",
               "log.level: stands there twice, nested and with a dot");
    must_load("{}");
    ck_assert_str_eq(get("log.level"), "debug"); /* not named: kept */
}
END_TEST

START_TEST(periods)
{
    must_load("{\"period\": 2}");
    ck_assert_int_eq(pm_settings_ms(settings, "period.node"), 2000);
    ck_assert_int_eq(pm_settings_ms(settings, "period.repo"), 2000);
    must_load("{\"period.node\": 3, \"period\": 0.5}");
    ck_assert_int_eq(pm_settings_ms(settings, "period.node"), 3000);
    ck_assert_int_eq(pm_settings_ms(settings, "period.system"), 500);
    must_load("{\"period\": {\"network\": 1.25, \"repo\": \"7\"}}");
    ck_assert_int_eq(pm_settings_ms(settings, "period.network"), 1250);
    ck_assert_int_eq(pm_settings_ms(settings, "period.repo"), 7000);
    ck_assert_int_eq(panicmon_settings_set(settings, "period", "9", NULL), PANICMON_OK);
    ck_assert_int_eq(pm_settings_ms(settings, "period.repo"), 9000);
    must_fault("{\"period\": \"often\"}",
               "period: 'often' is not a number of seconds from 0.001 to 604800");
    must_fault("{\"period\": {\"nodes\": 1}}",
               "unknown setting 'period.nodes'; the nearest is 'period.node'");
    must_fault("{\"period\": [1]}", "period: must be a number");
    must_fault("{\"period\": 1e300}",
               "period: '1000000000000000052504760255204420248704' is not a number of seconds "
               "from 0.001 to 604800");
}
END_TEST

START_TEST(values_of_the_wrong_kind)
{
    must_fault("{\"executor\": 1}", "executor: must be text");
    must_fault("{\"executor\": null}", "executor: must be text");
    must_fault("{\"rounds\": true}", "rounds: must be a number");
    must_fault("{\"rounds\": 1.5}", "rounds: '1.5' is not a number from 0 to 1000000000000");
    must_fault("{\"listen\": true}", "listen: must be text or the number of a port");
    must_load("{\"listen\": 9616}");
    ck_assert_str_eq(get("listen"), "9616");
    must_fault("{\"broker.spool\": 1}", "broker.spool: must be true or false");
    must_fault("{\"broker\": \"amqp://h\"}", "broker: must be an object of settings");
    must_fault("{\"configs\": []}", "configs: must be an object of routing keys");
    must_fault("{\"configs\": {\"k\": 1}}", "configs: k: must be an object of entries");
    must_fault("{\"log\": {\"configs\": {}}}",
               "unknown setting 'log.configs'; the nearest is 'configs'");
}
END_TEST

START_TEST(every_fault_is_told_and_nothing_changes)
{
    must_load("{\"period\": 4, \"configs\": {\"old\": {}}}");
    panicmon_error *err = NULL;
    const char *json = "{\"period\": 5, \"executor\": \"none\", \"periodd\": 1,\n"
                       " \"rounds\": -1, \"rounds\": 2, \"x\": 99999999999999999999,\n"
                       " \"configs\": {\"a\": 7, \"b\": {\"c\": \"${PM_UNSET}\"}}}";
    ck_assert_int_eq(panicmon_settings_load(settings, json, strlen(json), note_fault, faults, &err),
                     PANICMON_ERR_PARSE);
    ck_assert_int_eq(fault_count, 7);
    ck_assert_ptr_nonnull(strstr(faults, "line 2, column "));
    ck_assert_ptr_nonnull(strstr(faults, "a number too large to be read exactly"));
    ck_assert_ptr_nonnull(strstr(faults, "executor: 'none' is none of: threads"));
    ck_assert_ptr_nonnull(strstr(faults, "unknown setting 'periodd'; the nearest is 'period'"));
    ck_assert_ptr_nonnull(strstr(faults, "configs: a: must be an object of entries"));
    ck_assert_ptr_nonnull(
        strstr(faults, "configs: b: c: the environment variable PM_UNSET is not set"));
    ck_assert_ptr_nonnull(strstr(panicmon_error_message(err), "(and 6 more)"));
    panicmon_error_free(err);
    ck_assert_int_eq(pm_settings_ms(settings, "period.node"), 4000);
    ck_assert_str_eq(panicmon_settings_configs(settings, NULL), "{\"old\":{}}");
    ck_assert_int_eq(panicmon_settings_load(settings, json, strlen(json), NULL, NULL, NULL),
                     PANICMON_ERR_PARSE);
}
END_TEST

START_TEST(text_that_is_no_json_tells_where)
{
    must_fault("{\n  \"rounds\": 1\n  \"log.level\": \"info\"\n}",
               "line 3, column 13: '}' expected");
    must_fault("[1]", "the configuration must be a JSON object");
    must_fault("3", "the configuration must be a JSON object");
    must_fault("", "is empty; {} is the least");
    must_fault(" \n", "is empty; {} is the least");
    must_fault("{\"rounds\":\n", "line 2, column 0: it ends here, before its JSON does");
    must_fault("{\"log.level\": \"in", "line 1, column 17: it ends here, before its JSON does");
    must_fault("{\"rounds\": }", "line 1, column 12: unexpected token");
    static const char *const bad[] = {"{",
                                      "{}x",
                                      "{\"a\": tru}",
                                      "{'a'}",
                                      "{\"a\": 01}",
                                      "{\"a\": \"\xff\"}",
                                      "{\"a\\u0000\": 1}"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        ck_assert_int_eq(load(bad[i]), PANICMON_ERR_PARSE);
        ck_assert_int_eq(fault_count, 1);
        ck_assert_msg(strncmp(faults, "line ", 5) == 0, "%s: %s", bad[i], faults);
    }
    ck_assert_int_eq(panicmon_settings_load(settings, "{}\0{}", 5, note_fault, faults, NULL),
                     PANICMON_ERR_PARSE);
}
END_TEST

/* `configs` whose innermost value stands `depth` objects deep. */
static char *nested(int depth)
{
    char *text = calloc(1, (size_t)depth * 8 + 64);
    strcat(text, "{\"configs\":");
    for (int i = 1; i < depth; i++) {
        strcat(text, "{\"a\":");
    }
    strcat(text, "{}");
    for (int i = 0; i < depth; i++) {
        strcat(text, "}");
    }
    return text;
}

START_TEST(depth_is_capped)
{
    static const struct {
        int depth;
        panicmon_err status;
    } cases[] = {
        {10, PANICMON_OK}, {60, PANICMON_OK}, {70, PANICMON_ERR_PARSE}, {5000, PANICMON_ERR_PARSE}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char *text = nested(cases[i].depth);
        ck_assert_int_eq(load(text), cases[i].status);
        ck_assert_msg(fault_count == 0 || strstr(faults, "nested") != NULL, "%s", faults);
        free(text);
    }
}
END_TEST

START_TEST(environment)
{
    ck_assert_int_eq(setenv("PM_TEST_HOST", "example.org", 1), 0);
    ck_assert_int_eq(setenv("PM_TEST_EMPTY", "", 1), 0);
    ck_assert_int_eq(setenv("PM_TEST_N", "12", 1), 0);
    ck_assert_int_eq(setenv("PM_TEST_BYTES", "\xff", 1), 0);
    (void)unsetenv("PM_TEST_UNSET");
    must_load("{\"broker.url\": \"amqp://${PM_TEST_HOST}/${PM_TEST_EMPTY}x\","
              " \"redis.url\": \"${PM_TEST_EMPTY}\", \"rounds\": \"${PM_TEST_N}\","
              " \"state_dir\": \"$HOME $${PM_TEST_HOST} $ $$\","
              " \"configs\": {\"k\": {\"${PM_TEST_HOST}\": [{\"u\": \"ws://${PM_TEST_HOST}\"}]}}}");
    ck_assert_str_eq(get("broker.url"), "amqp://example.org/x");
    ck_assert_str_eq(get("redis.url"), "");
    ck_assert_str_eq(get("rounds"), "12");
    ck_assert_str_eq(get("state_dir"), "$HOME ${PM_TEST_HOST} $ $$");
    ck_assert_str_eq(panicmon_settings_configs(settings, NULL),
                     "{\"k\":{\"${PM_TEST_HOST}\":[{\"u\":\"ws://example.org\"}]}}");
    must_fault("{\"state_dir\": \"${PM_TEST_UNSET}\"}",
               "state_dir: the environment variable PM_TEST_UNSET is not set");
    static const char *const bad[] = {"${", "${}", "${A B}", "${1A}", "a${PM_TEST_HOST"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char json[64];
        (void)snprintf(json, sizeof json, "{\"state_dir\": \"%s\"}", bad[i]);
        must_fault(json, "state_dir: '${' begins no ${NAME} of the environment "
                         "('$${' stands for '${')");
    }
    must_fault("{\"configs\": {\"k\": {\"i\": \"${PM_TEST_BYTES}\"}}}",
               "configs: k: i: the environment holds text that is not UTF-8");
}
END_TEST

START_TEST(configs_are_kept_as_text)
{
    size_t len = 0;
    ck_assert_str_eq(panicmon_settings_configs(settings, &len), "{}");
    ck_assert_uint_eq(len, 2);
    must_load("{\"configs\": { \"a.b\" : {\"x\": [1, true, null, 9223372036854775807, 0.5]} }}");
    ck_assert_str_eq(panicmon_settings_configs(settings, &len),
                     "{\"a.b\":{\"x\":[1,true,null,9223372036854775807,0.5]}}");
    ck_assert_uint_eq(len, strlen(panicmon_settings_configs(settings, NULL)));
    panicmon_settings *copy = NULL;
    ck_assert_int_eq(panicmon_settings_set(settings, "rounds", "5", NULL), PANICMON_OK);
    ck_assert_int_eq(pm_settings_copy(&copy, settings), PANICMON_OK);
    must_load("{}");
    ck_assert_str_eq(panicmon_settings_configs(settings, NULL), "{}");
    ck_assert_uint_eq(strlen(panicmon_settings_configs(copy, &len)), len);
    ck_assert_int_eq(pm_settings_int(copy, "rounds"), 5);
    panicmon_settings_free(copy);
    must_fault("{\"configs\": {\"a\": {\"b\": 9223372036854775808}}}",
               "line 1, column 43: a number too large to be read exactly; write it as text");
    must_fault("{\"configs\": {\"a\": {}, \"a\": {}}}", "line 1, column 25: duplicate object key");
}
END_TEST

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    ck_assert_ptr_nonnull(file);
    ck_assert_int_ge(fputs(text, file), 0);
    ck_assert_int_eq(fclose(file), 0);
}

START_TEST(files)
{
    char dir[] = "/tmp/panicmon-settings-XXXXXX";
    char path[64];
    char json[256];
    panicmon_error *err = NULL;
    ck_assert_ptr_nonnull(mkdtemp(dir));
    (void)snprintf(path, sizeof path, "%s/url", dir);
    write_file(path, "amqp://u:p@broker:1234\n \n");
    (void)snprintf(json, sizeof json, "{\"broker\": {\"url_file\": \"%s\"}}", path);
    must_load(json);
    ck_assert_str_eq(get("broker.url"), "amqp://u:p@broker:1234");
    ck_assert_str_eq(get("broker.url_file"), path);
    (void)snprintf(json, sizeof json, "{\"broker\": {\"url_file\": \"%s\", \"url\": \"amqp://h\"}}",
                   path);
    must_fault(json, "broker.url: broker.url_file is there too; keep one of them");
    write_file(path, " \n");
    ck_assert_int_eq(panicmon_settings_set(settings, "redis.url_file", path, &err),
                     PANICMON_ERR_INVAL);
    ck_assert_ptr_nonnull(strstr(panicmon_error_message(err), "holds no URL"));
    panicmon_error_free(err);
    err = NULL;
    write_file(path, "amqp://not-redis");
    ck_assert(!takes("redis.url_file", path));
    ck_assert(!takes("redis.url_file", "/nonexistent/file"));
    ck_assert(!takes("redis.url_file", dir));
    ck_assert_str_eq(get("redis.url"), "");

    write_file(path, "{\"rounds\": 7}");
    ck_assert_int_eq(panicmon_settings_load_file(settings, path, note_fault, faults, NULL),
                     PANICMON_OK);
    ck_assert_int_eq(pm_settings_int(settings, "rounds"), 7);
    ck_assert_int_eq(unlink(path), 0);
    ck_assert_int_eq(panicmon_settings_load_file(settings, path, NULL, NULL, &err),
                     PANICMON_ERR_SYSTEM);
    ck_assert_ptr_nonnull(strstr(panicmon_error_message(err), path));
    ck_assert_ptr_nonnull(strstr(panicmon_error_message(err), strerror(ENOENT)));
    panicmon_error_free(err);
    ck_assert_int_eq(panicmon_settings_load_file(settings, dir, NULL, NULL, NULL),
                     PANICMON_ERR_SYSTEM);
    ck_assert_int_eq(rmdir(dir), 0);
}
END_TEST

START_TEST(the_locale_of_the_host_does_not_matter)
{
    locale_t german = newlocale(LC_ALL_MASK, "de_DE.UTF-8", (locale_t)0);
    if (german == (locale_t)0) {
        return; /* not installed here */
    }
    locale_t before = uselocale(german);
    must_load("{\"period\": 1.5, \"configs\": {\"a\": {\"b\": 2.5}}}");
    ck_assert_int_eq(pm_settings_ms(settings, "period.node"), 1500);
    ck_assert_str_eq(panicmon_settings_configs(settings, NULL), "{\"a\":{\"b\":2.5}}");
    ck_assert_ptr_eq(uselocale(before), german);
    freelocale(german);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("settings");
    TCase *all = tcase_create("all");
    tcase_add_checked_fixture(all, make, unmake);
    tcase_add_test(all, every_setting_has_a_good_default_and_a_help);
    tcase_add_test(all, every_executor_that_can_be_set_exists);
    tcase_add_test(all, numbers_of_seconds);
    tcase_add_test(all, sizes);
    tcase_add_test(all, counts_flags_and_words);
    tcase_add_test(all, urls);
    tcase_add_test(all, no_message_holds_a_password);
    tcase_add_test(all, unknown_names_are_told_the_nearest);
    tcase_add_test(all, nested_and_dotted_are_the_same);
    tcase_add_test(all, periods);
    tcase_add_test(all, values_of_the_wrong_kind);
    tcase_add_test(all, every_fault_is_told_and_nothing_changes);
    tcase_add_test(all, text_that_is_no_json_tells_where);
    tcase_add_test(all, depth_is_capped);
    tcase_add_test(all, environment);
    tcase_add_test(all, configs_are_kept_as_text);
    tcase_add_test(all, files);
    tcase_add_test(all, the_locale_of_the_host_does_not_matter);
    suite_add_tcase(suite, all);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
