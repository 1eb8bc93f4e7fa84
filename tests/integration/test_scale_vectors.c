/* test_scale_vectors.c: the decoder against recorded answers: keys, values, constants and events of
 * many runtimes, real and seeded random, and what live chains hold. They lie in the folder that
 * PANICMON_SHARED names; without it the test is skipped. */
#include <check.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <zlib.h>

#include <glob.h>

#include "substrate/hash.h"
#include "substrate/registry.h"
#include "substrate/render.h"
#include "substrate/ss58.h"
#include "substrate/storage_key.h"

#define SKIPPED 77

static const char *folder;
static int checked;
static int wrong;

static void report(const char *what, const char *got, const char *expected)
{
    if (wrong++ < 5) {
        fprintf(stderr, "%s\n  got      %.600s\n  expected %.600s\n", what, got, expected);
    }
}

/* Everything in a file, decompressed when it is. */
static void read_file(const char *path, pm_buf *out)
{
    char chunk[65536];
    int got;
    gzFile file = gzopen(path, "rb");
    ck_assert_msg(file != NULL, "%s cannot be opened", path);
    while ((got = gzread(file, chunk, sizeof chunk)) > 0) {
        pm_buf_add(out, chunk, (size_t)got);
    }
    ck_assert_msg(got == 0 && !out->failed, "%s cannot be read", path);
    gzclose(file);
}

static json_t *load_json(const char *path)
{
    pm_buf text = {0};
    json_error_t error;
    read_file(path, &text);
    json_t *json = json_loadb(text.data, text.len, JSON_DECODE_ANY, &error);
    ck_assert_msg(json != NULL, "%s: %s", path, error.text);
    pm_buf_free(&text);
    return json;
}

static pm_metadata *load_metadata(const char *name)
{
    char path[512];
    pm_buf blob = {0};
    pm_metadata *metadata = NULL;
    panicmon_error *err = NULL;
    snprintf(path, sizeof path, "%s/metadata/%s.scale.gz", folder, name);
    read_file(path, &blob);
    ck_assert_msg(pm_metadata_decode(&metadata, blob.data, blob.len, &err) == PANICMON_OK, "%s: %s",
                  name, panicmon_error_message(err));
    pm_buf_free(&blob);
    return metadata;
}

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text == NULL ? "" : text;
}

static pm_storage find_item(const pm_metadata *metadata, const json_t *row)
{
    pm_storage item;
    ck_assert_msg(pm_storage_find(metadata, text_of(row, "pallet"), text_of(row, "item"), &item),
                  "no item %s.%s", text_of(row, "pallet"), text_of(row, "item"));
    return item;
}

/* Compares a value in one form with what was recorded. */
static void compare(pm_value value, pm_form form, const json_t *expected, const char *what)
{
    pm_buf text = {0};
    const pm_render_options options = {.form = form};
    ck_assert_int_eq(pm_render(value, &options, &text, NULL), PANICMON_OK);
    json_t *got = json_loadb(text.data, text.len, JSON_DECODE_ANY, NULL);
    checked++;
    if (got == NULL || !json_equal(got, expected)) {
        char *dump = json_dumps(expected, JSON_ENCODE_ANY);
        report(what, text.data, dump);
        free(dump);
    }
    json_decref(got);
    pm_buf_free(&text);
}

static void check_sample(const pm_storage *item, const json_t *raw, const json_t *canon,
                         const json_t *pjs, const char *what)
{
    pm_buf bytes = {0};
    pm_value value;
    panicmon_error *err = NULL;
    const char *hex = json_string_value(raw);
    if (hex != NULL) {
        ck_assert(pm_hex_parse(hex, strlen(hex), &bytes));
        (void)pm_buf_reserve(&bytes, 1); /* no bytes are not no value */
    }
    if (pm_value_of_storage(item, (const uint8_t *)bytes.data, bytes.len, &value, &err) !=
        PANICMON_OK) {
        report(what, panicmon_error_message(err), hex == NULL ? "null" : hex);
        panicmon_error_free(err);
    } else {
        if (canon != NULL) {
            compare(value, PM_FORM_CANON, canon, what);
        }
        if (pjs != NULL) {
            compare(value, PM_FORM_POLKADOT_JS, pjs, what);
        }
    }
    pm_buf_free(&bytes);
}

/* The key for arguments in canon form. */
static void check_key(const pm_storage *item, const json_t *args, const char *expected,
                      const char *what)
{
    pm_name texts[PM_KEYS_MAX];
    char *dumps[PM_KEYS_MAX] = {NULL};
    pm_buf key = {0};
    pm_buf hex = {0};
    panicmon_error *err = NULL;
    size_t count = json_array_size(args);
    for (size_t i = 0; i < count; i++) {
        const json_t *arg = json_array_get(args, i);
        if (json_is_string(arg)) {
            texts[i] = (pm_name){json_string_value(arg), json_string_length(arg)};
        } else {
            dumps[i] = json_dumps(arg, JSON_ENCODE_ANY | JSON_COMPACT);
            texts[i] = (pm_name){dumps[i], strlen(dumps[i])};
        }
    }
    checked++;
    if (pm_storage_key_text(item, texts, count, &key, &err) != PANICMON_OK) {
        report(what, panicmon_error_message(err), expected);
        panicmon_error_free(err);
    } else {
        pm_hex_add_0x(&hex, key.data, key.len);
        if (strcmp(hex.data, expected) != 0) {
            report(what, hex.data, expected);
        }
    }
    for (size_t i = 0; i < count; i++) {
        free(dumps[i]);
    }
    pm_buf_free(&key);
    pm_buf_free(&hex);
}

static void check_values(const pm_metadata *metadata, const json_t *values)
{
    size_t i;
    size_t j;
    const json_t *row;
    const json_t *sample;
    char what[160];
    json_array_foreach(values, i, row)
    {
        pm_storage item = find_item(metadata, row);
        snprintf(what, sizeof what, "%s.%s", text_of(row, "pallet"), text_of(row, "item"));
        if (strcmp(text_of(row, "modifier"), "Default") == 0) {
            check_sample(&item, NULL, json_object_get(row, "fallbackCanon"), NULL, what);
        }
        json_array_foreach(json_object_get(row, "samples"), j, sample)
        {
            check_sample(&item, json_object_get(sample, "raw"), json_object_get(sample, "canon"),
                         json_object_get(sample, "pjs"), what);
        }
    }
}

static void check_events(const pm_metadata *metadata, const json_t *events)
{
    size_t i;
    const json_t *row;
    pm_storage item;
    ck_assert(pm_storage_find(metadata, "System", "Events", &item));
    json_array_foreach(events, i, row)
    {
        check_sample(&item, json_object_get(row, "raw"), json_object_get(row, "canon"),
                     json_object_get(row, "pjs"), "System.Events");
    }
}

static void check_constants(const pm_metadata *metadata, json_t *constants)
{
    const char *key;
    json_t *row;
    char name[160];
    json_object_foreach(constants, key, row)
    {
        pm_constant constant;
        pm_value value;
        snprintf(name, sizeof name, "%s", key);
        char *dot = strchr(name, '.');
        ck_assert_ptr_nonnull(dot);
        *dot = '\0';
        ck_assert_msg(pm_constant_find(metadata, name, dot + 1, &constant), "no constant %s", key);
        ck_assert_int_eq(pm_value_of_constant(metadata, &constant, &value, NULL), PANICMON_OK);
        compare(value, PM_FORM_CANON, json_object_get(row, "canon"), key);
    }
}

static void each_file(const char *pattern, void (*visit)(json_t *json, const char *path))
{
    char path[512];
    glob_t found;
    snprintf(path, sizeof path, "%s/%s", folder, pattern);
    ck_assert_msg(glob(path, 0, NULL, &found) == 0, "no files %s", path);
    for (size_t i = 0; i < found.gl_pathc; i++) {
        json_t *json = load_json(found.gl_pathv[i]);
        visit(json, found.gl_pathv[i]);
        json_decref(json);
    }
    globfree(&found);
}

static void finish(const char *what)
{
    printf("%s: %d compared, %d wrong\n", what, checked, wrong);
    fflush(stdout);
    ck_assert_int_gt(checked, 0);
    ck_assert_int_eq(wrong, 0);
}

static void visit_vectors(json_t *json, const char *path)
{
    (void)path;
    size_t i;
    const json_t *row;
    pm_metadata *metadata = load_metadata(text_of(json, "metadata"));
    json_array_foreach(json_object_get(json, "keys"), i, row)
    {
        pm_storage item = find_item(metadata, row);
        check_key(&item, json_object_get(row, "args"), text_of(row, "key"), text_of(row, "item"));
    }
    check_values(metadata, json_object_get(json, "values"));
    check_events(metadata, json_object_get(json, "events"));
    check_constants(metadata, json_object_get(json, "constants"));
    pm_metadata_unref(metadata);
}

START_TEST(vectors)
{
    each_file("vectors/*.json.gz", visit_vectors);
    finish("vectors");
}
END_TEST

/* Which metadata a recorded chain has. Two different builds call themselves polkadot 9390. */
static pm_metadata *metadata_of(const json_t *json)
{
    char pattern[512];
    glob_t found;
    const json_t *spec = json_object_get(json, "spec");
    if (strcmp(text_of(json, "peer"), "dot9390") == 0) {
        return load_metadata("polkadot-9390dev.v14");
    }
    snprintf(pattern, sizeof pattern, "%s/metadata/%s-%lld.v14*", folder, text_of(spec, "name"),
             (long long)json_integer_value(json_object_get(spec, "version")));
    ck_assert_msg(glob(pattern, 0, NULL, &found) == 0, "no metadata %s", pattern);
    char name[256];
    snprintf(name, sizeof name, "%s", strrchr(found.gl_pathv[0], '/') + 1);
    *strstr(name, ".scale.gz") = '\0';
    globfree(&found);
    return load_metadata(name);
}

static void visit_oracle(json_t *json, const char *path)
{
    size_t i;
    const json_t *row;
    if (strstr(path, ".panicmon.") != NULL) {
        return; /* what PANIC publishes: the node monitor's business */
    }
    pm_metadata *metadata = metadata_of(json);
    json_array_foreach(json_object_get(json, "storage"), i, row)
    {
        if (json_is_true(json_object_get(row, "absent"))) {
            ck_assert(
                !pm_storage_find(metadata, text_of(row, "pallet"), text_of(row, "item"), NULL));
            continue;
        }
        pm_storage item = find_item(metadata, row);
        check_key(&item, json_object_get(row, "args"), text_of(row, "key"), text_of(row, "item"));
        check_sample(&item, json_object_get(row, "raw"), json_object_get(row, "canon"),
                     json_object_get(row, "pjs"), text_of(row, "item"));
    }
    check_events(metadata, json_object_get(json, "events"));
    pm_metadata_unref(metadata);
}

START_TEST(recorded_chains)
{
    each_file("oracle/*.json.gz", visit_oracle);
    finish("recorded chains");
}
END_TEST

static void visit_live(json_t *json, const char *path)
{
    (void)path;
    size_t i;
    const json_t *row;
    pm_metadata *metadata = load_metadata(text_of(json, "metadata"));
    json_array_foreach(json_object_get(json, "rows"), i, row)
    {
        pm_storage item = find_item(metadata, row);
        const json_t *args = json_object_get(row, "args");
        if (!json_is_null(json_array_get(args, 0))) { /* null: the key does not hold it */
            check_key(&item, args, text_of(row, "key"), text_of(row, "item"));
        }
        check_sample(&item, json_object_get(row, "raw"), json_object_get(row, "canon"), NULL,
                     text_of(row, "item"));
    }
    pm_metadata_unref(metadata);
}

START_TEST(live_chains)
{
    each_file("live/*.json.gz", visit_live);
    finish("live chains");
}
END_TEST

static void check_hash(const json_t *row, const char *key, const pm_buf *hash)
{
    pm_buf hex = {0};
    pm_hex_add_0x(&hex, hash->data, hash->len);
    checked++;
    if (strcmp(hex.data, text_of(row, key)) != 0) {
        report(key, hex.data, text_of(row, key));
    }
    pm_buf_free(&hex);
}

START_TEST(hashers)
{
    char path[512];
    size_t i;
    const json_t *row;
    snprintf(path, sizeof path, "%s/basic/hashers.json", folder);
    json_t *json = load_json(path);
    static const struct {
        const char *key;
        pm_hasher hasher;
    } all[] = {{"twox128", PM_HASH_TWOX_128},
               {"twox256", PM_HASH_TWOX_256},
               {"blake2_128", PM_HASH_BLAKE2_128},
               {"blake2_256", PM_HASH_BLAKE2_256},
               {"twox64Concat", PM_HASH_TWOX_64_CONCAT},
               {"blake2_128Concat", PM_HASH_BLAKE2_128_CONCAT}};
    json_array_foreach(json, i, row)
    {
        pm_buf input = {0};
        pm_buf hash = {0};
        const char *hex = text_of(row, "input");
        ck_assert(pm_hex_parse(hex, strlen(hex), &input));
        for (size_t j = 0; j < sizeof all / sizeof all[0]; j++) {
            pm_buf_clear(&hash);
            pm_hasher_add(all[j].hasher, input.data, input.len, &hash);
            check_hash(row, all[j].key, &hash);
        }
        pm_buf_free(&input);
        pm_buf_free(&hash);
    }
    json_decref(json);
    finish("hashers");
}
END_TEST

START_TEST(addresses)
{
    char path[512];
    size_t i;
    const json_t *row;
    snprintf(path, sizeof path, "%s/basic/ss58.json", folder);
    json_t *json = load_json(path);
    json_array_foreach(json, i, row)
    {
        uint8_t account[PM_ACCOUNT_SIZE];
        uint16_t prefix;
        char text[PM_SS58_TEXT];
        pm_buf key = {0};
        const char *address = text_of(row, "address");
        const char *hex = text_of(row, "publicKey");
        bool good = json_is_true(json_object_get(row, "ok")) && strlen(hex) == 66;
        checked++;
        ck_assert_msg(pm_ss58_decode(address, strlen(address), account, &prefix) == good, "%s",
                      address);
        if (good) {
            ck_assert(pm_hex_parse(hex, strlen(hex), &key));
            ck_assert_mem_eq(account, key.data, sizeof account);
            ck_assert_int_eq(prefix, json_integer_value(json_object_get(row, "prefix")));
            ck_assert(pm_ss58_encode(account, prefix, text) > 0);
            ck_assert_str_eq(text, address);
        }
        pm_buf_free(&key);
    }
    json_decref(json);
    finish("addresses");
}
END_TEST

static void check_compact(const json_t *row, const pm_buf *raw)
{
    pm_u256 value = {{0}};
    char text[PM_U256_DIGITS];
    pm_scale in = {(const uint8_t *)raw->data, (const uint8_t *)raw->data + raw->len};
    bool read = pm_scale_compact(&in, &value);
    bool good = read && pm_scale_left(&in) == 0 && pm_u256_bits(&value) <= 128;
    ck_assert_msg(good == (json_object_get(row, "value") != NULL), "%s", text_of(row, "raw"));
    if (good) {
        (void)pm_u256_decimal(&value, text);
        ck_assert_str_eq(text, text_of(row, "value"));
    }
}

static void check_fixed(const pm_metadata *metadata, const json_t *row, const pm_buf *raw)
{
    const char *kind = text_of(row, "kind");
    const json_t *expected = json_object_get(row, "value");
    for (uint32_t type = 0; type < 4096; type++) {
        pm_buf name = {0};
        pm_value value;
        if (pm_value_open(metadata, type, NULL, (const uint8_t *)raw->data, raw->len, &value,
                          NULL) != PANICMON_OK) {
            continue;
        }
        pm_type_describe(metadata, type, &name);
        bool found = strcmp(name.data, kind) == 0;
        pm_buf_free(&name);
        if (found) {
            ck_assert_msg(expected != NULL, "%s %s", kind, text_of(row, "raw"));
            compare(value, PM_FORM_CANON, expected, kind);
            return;
        }
    }
}

START_TEST(primitives)
{
    char path[512];
    size_t i;
    const json_t *row;
    snprintf(path, sizeof path, "%s/basic/scale-primitives.json", folder);
    json_t *json = load_json(path);
    pm_metadata *metadata = load_metadata("statemint-2003001.v16");
    json_array_foreach(json, i, row)
    {
        pm_buf raw = {0};
        const char *hex = text_of(row, "raw");
        ck_assert(pm_hex_parse(hex, strlen(hex), &raw));
        checked++;
        if (strcmp(text_of(row, "kind"), "compact") == 0) {
            check_compact(row, &raw);
        } else {
            check_fixed(metadata, row, &raw);
        }
        pm_buf_free(&raw);
    }
    json_decref(json);
    pm_metadata_unref(metadata);
    finish("primitives");
}
END_TEST

START_TEST(old_metadata)
{
    char pattern[512];
    glob_t found;
    snprintf(pattern, sizeof pattern, "%s/metadata/*.scale.gz", folder);
    ck_assert_int_eq(glob(pattern, 0, NULL, &found), 0);
    for (size_t i = 0; i < found.gl_pathc; i++) {
        pm_buf blob = {0};
        pm_metadata *metadata = NULL;
        panicmon_error *err = NULL;
        read_file(found.gl_pathv[i], &blob);
        panicmon_err code = pm_metadata_decode(&metadata, blob.data, blob.len, &err);
        if ((unsigned char)blob.data[4] < 14) {
            ck_assert_int_eq(code, PANICMON_ERR_PARSE);
            ck_assert_ptr_nonnull(strstr(panicmon_error_message(err), "version"));
            checked++;
        } else {
            ck_assert_int_eq(code, PANICMON_OK);
            ck_assert_uint_lt(pm_metadata_size(metadata), 3u << 20);
        }
        panicmon_error_free(err);
        pm_metadata_unref(metadata);
        pm_buf_free(&blob);
    }
    globfree(&found);
    finish("old metadata");
}
END_TEST

int main(void)
{
    struct stat info;
    folder = getenv("PANICMON_SHARED");
    if (folder == NULL || stat(folder, &info) != 0) {
        printf("skipped: there is no folder of recorded answers (PANICMON_SHARED)\n");
        return SKIPPED;
    }
    Suite *suite = suite_create("scale_vectors");
    TCase *cases = tcase_create("all");
    tcase_set_timeout(cases, 60);
    tcase_add_test(cases, vectors);
    tcase_add_test(cases, recorded_chains);
    tcase_add_test(cases, live_chains);
    tcase_add_test(cases, hashers);
    tcase_add_test(cases, addresses);
    tcase_add_test(cases, primitives);
    tcase_add_test(cases, old_metadata);
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
