/* test_scale_metadata.c: metadata of all versions, its look-ups, and what is wrong with blobs. */
#include <check.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "scale_sample.h"
#include "substrate/list.h"
#include "substrate/registry.h"
#include "substrate/value.h"

static pm_metadata *read_blob(const pm_buf *blob)
{
    pm_metadata *metadata = NULL;
    panicmon_error *err = NULL;
    ck_assert_msg(pm_metadata_decode(&metadata, blob->data, blob->len, &err) == PANICMON_OK, "%s",
                  panicmon_error_message(err));
    ck_assert_ptr_null(err);
    return metadata;
}

/* Decoding fails with a message that holds `part`. */
static void refused(const void *data, size_t len, const char *part)
{
    pm_metadata *metadata = NULL;
    panicmon_error *err = NULL;
    ck_assert_int_eq(pm_metadata_decode(&metadata, data, len, &err), PANICMON_ERR_PARSE);
    ck_assert_ptr_null(metadata);
    ck_assert_msg(strstr(panicmon_error_message(err), part) != NULL, "%s",
                  panicmon_error_message(err));
    panicmon_error_free(err);
}

START_TEST(versions)
{
    unsigned version = (unsigned)_i;
    pm_buf blob = {0};
    pm_storage item;
    pm_constant constant;
    pm_api_method method;
    uint64_t prefix;
    scale_sample(version, &blob);
    pm_metadata *metadata = read_blob(&blob);
    ck_assert_uint_eq(pm_metadata_version(metadata), version);
    ck_assert_uint_eq(pm_metadata_ss58_prefix(metadata), 2);
    ck_assert_uint_gt(pm_metadata_size(metadata), blob.len);
    ck_assert(pm_metadata_has_pallet(metadata, "Bare"));
    ck_assert(!pm_metadata_has_pallet(metadata, "bare"));
    ck_assert(pm_storage_find(metadata, "Staking", "ErasStakers", &item));
    ck_assert(pm_name_is(item.prefix, "StakingPrefix") && pm_name_is(item.pallet, "Staking"));
    ck_assert_uint_eq(item.key_count, 2);
    ck_assert_uint_eq(item.key_types[0], T_U32);
    ck_assert_uint_eq(item.key_types[1], T_ACCOUNT);
    ck_assert_uint_eq(item.hashers[1], PM_HASH_TWOX_64_CONCAT);
    ck_assert_int_eq(item.modifier, PM_OPTIONAL);
    ck_assert_uint_eq(item.value_type, T_BALANCE);
    ck_assert(pm_storage_find(metadata, "System", "Number", &item));
    ck_assert_uint_eq(item.key_count, 0);
    ck_assert_uint_eq(item.fallback_len, 4);
    ck_assert(!pm_storage_find(metadata, "System", "SS58Prefix", NULL)); /* a constant */
    ck_assert(!pm_storage_find(metadata, "Nothing", "Number", NULL));
    ck_assert(pm_constant_find(metadata, "System", "SS58Prefix", &constant));
    ck_assert_uint_eq(constant.type, T_U16);
    ck_assert(pm_constant_u64(metadata, "System", "SS58Prefix", &prefix) && prefix == 2);
    ck_assert(!pm_constant_u64(metadata, "System", "Broken", &prefix));
    ck_assert(pm_api_find(metadata, "StakingApi", "pending_rewards", &method) == (version >= 15));
    if (version >= 15) {
        ck_assert_uint_eq(method.input_count, 2);
        ck_assert_uint_eq(method.input_types[1], T_ACCOUNT);
        ck_assert_uint_eq(method.output_type, T_BOOL);
    }
    ck_assert_uint_eq(metadata->event_type, T_EVENT);
    ck_assert_uint_eq(metadata->call_type, T_OUTER_CALL);
    pm_metadata_unref(metadata);
    pm_buf_free(&blob);
}
END_TEST

START_TEST(every_cut)
{
    pm_buf blob = {0};
    scale_sample((unsigned)_i, &blob);
    for (size_t cut = 0; cut < blob.len; cut++) {
        pm_metadata *metadata = NULL;
        ck_assert_int_eq(pm_metadata_decode(&metadata, blob.data, cut, NULL), PANICMON_ERR_PARSE);
    }
    pm_buf_char(&blob, 0);
    refused(blob.data, blob.len, "bytes are left after the end");
    pm_buf_free(&blob);
}
END_TEST

START_TEST(wrappings)
{
    pm_buf blob = {0};
    pm_buf wrapped = {0};
    pm_buf hex = {0};
    scale_sample(15, &blob);
    pm_scale_put_length(&wrapped, blob.len);
    pm_buf_add(&wrapped, blob.data, blob.len);
    pm_metadata_unref(read_blob(&wrapped)); /* a length */
    refused(wrapped.data, wrapped.len - 1, "does not begin");
    pm_buf_clear(&wrapped);
    pm_buf_char(&wrapped, 1);
    pm_scale_put_length(&wrapped, blob.len);
    pm_buf_add(&wrapped, blob.data, blob.len);
    pm_metadata_unref(read_blob(&wrapped)); /* Option and length */
    pm_buf_text(&hex, " \n");
    pm_hex_add_0x(&hex, wrapped.data, wrapped.len);
    pm_buf_text(&hex, "\r\n");
    pm_metadata_unref(read_blob(&hex));
    pm_buf_clear(&hex);
    pm_hex_add(&hex, blob.data, blob.len);
    pm_metadata_unref(read_blob(&hex)); /* without 0x */
    pm_buf_clear(&hex);
    pm_hex_add(&hex, wrapped.data, wrapped.len);
    pm_metadata_unref(read_blob(&hex));
    pm_buf_clear(&hex);
    pm_hex_add(&hex, wrapped.data + 1, wrapped.len - 1);
    pm_metadata_unref(read_blob(&hex));
    pm_buf_free(&blob);
    pm_buf_free(&wrapped);
    pm_buf_free(&hex);
}
END_TEST

START_TEST(not_metadata)
{
    refused("", 0, "does not begin");
    refused("\0", 1, "does not begin"); /* None */
    refused("{\"jsonrpc\":1}", 13, "does not begin");
    refused("0x6d6574zz", 10, "hex");
    for (unsigned version = 0; version < 14; version++) {
        char blob[6] = {'m', 'e', 't', 'a', (char)version, 0};
        refused(blob, sizeof blob, "does not say how values are laid out");
    }
    refused("meta\x11\0", 6, "not known");
    char *big = calloc(1, PM_METADATA_MAX + 2);
    pm_metadata *metadata = NULL;
    ck_assert_ptr_nonnull(big);
    ck_assert_int_eq(pm_metadata_decode(&metadata, big, PM_METADATA_MAX + 1, NULL),
                     PANICMON_ERR_LIMIT);
    free(big);
}
END_TEST

START_TEST(hostile)
{
    static const struct {
        const char *bytes;
        size_t len;
        const char *said;
    } all[] = {
        {"meta\x0e\x03\xff\xff\xff\xff", 10, "longer than the bytes that are left"},
        {"meta\x0e\x07\xff\xff\xff\xff\xff", 11, "not a valid length"},
        {"meta\x0e\x04\x02\x00\x10\x00\x00\x00\x05\x03\x00\x00\x00\x00", 18, "at byte"},
        {"meta\x0e\x04\x02\xff\x3f\x00\x00\x05\x03\x00\x00\x00\x00", 17, "at byte"},
        {"meta\x0e\x04\x00\x00\x00\x05\x0f\x00\x00\x00\x00", 15, "unknown primitive"},
        {"meta\x0e\x04\x00\x00\x00\x08\x0f\x00\x00\x00\x00", 15, "unknown kind of type"},
        {"meta\x0e\x04\x00\x00\x00\x02\x04\x00\x00\x00\x00", 15, "not in the registry"},
        {"meta\x0e\x04\x00\x00\x00\x00\x04\x00\x09\x00\x00\x00\x00", 17, "a field is of a type"},
    };
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        refused(all[i].bytes, all[i].len, all[i].said);
    }
    pm_buf blob = {0};
    scale_sample(14, &blob);
    pm_metadata *metadata = NULL;
    for (size_t i = 5; i < blob.len; i++) { /* one byte changed: read or refused, no more */
        char kept = blob.data[i];
        blob.data[i] = (char)(kept ^ (char)(1 << (i % 8)));
        if (pm_metadata_decode(&metadata, blob.data, blob.len, NULL) == PANICMON_OK) {
            pm_metadata_unref(metadata);
        }
        blob.data[i] = kept;
    }
    pm_buf_free(&blob);
}
END_TEST

/* More of what is searched through than any chain has. */
START_TEST(too_many)
{
    pm_buf blob = {0};
    pm_buf_add(&blob, "meta\x0e\x04\x00\x00\x00\x01", 10); /* an enum */
    pm_scale_put_length(&blob, 257);
    for (int i = 0; i < 257; i++) {
        pm_buf_add(&blob, "\0\0\0\0", 4);
    }
    pm_buf_add(&blob, "\0\0\0\0\0\0", 6);
    refused(blob.data, blob.len, "longer than that of any chain");
    pm_buf_clear(&blob);
    pm_buf_add(&blob, "meta\x0e\x04\x00\x00\x00\x05\x03\x00", 12); /* u8, and pallets */
    pm_scale_put_length(&blob, 16385);
    for (int i = 0; i < 16385; i++) {
        pm_buf_add(&blob, "\0\0\0\0\0\0\0", 7);
    }
    pm_buf_add(&blob, "\0\0\0\0", 4);
    refused(blob.data, blob.len, "than any chain has");
    pm_buf_free(&blob);
}
END_TEST

START_TEST(gaps_in_numbers)
{
    /* two types, 0 and 3: u8 and Vec<u8>; no pallets; an extrinsic of type 3 */
    static const char blob[] = "meta\x0e\x08\x00\x00\x00\x05\x03\x00\x0c\x00\x00\x02\x00\x00"
                               "\x00\x0c\x04\x00\x0c";
    pm_metadata *metadata = NULL;
    panicmon_error *err = NULL;
    pm_value value;
    ck_assert_msg(pm_metadata_decode(&metadata, blob, sizeof blob - 1, &err) == PANICMON_OK, "%s",
                  panicmon_error_message(err));
    ck_assert_int_eq(pm_value_open(metadata, 3, NULL, (const uint8_t *)"\x04\x07", 2, &value, NULL),
                     PANICMON_OK);
    ck_assert_int_eq(pm_value_open(metadata, 1, NULL, (const uint8_t *)"", 0, &value, NULL),
                     PANICMON_ERR_NOENT);
    ck_assert_uint_eq(pm_metadata_ss58_prefix(metadata), 42);
    pm_metadata_unref(metadata);
}
END_TEST

START_TEST(lists)
{
    pm_buf blob = {0};
    pm_buf text = {0};
    scale_sample(16, &blob);
    pm_metadata *metadata = read_blob(&blob);
    pm_metadata_list(metadata, &text);
    ck_assert_ptr_nonnull(strstr(text.data, "\"prefix\":\"StakingPrefix\""));
    ck_assert_ptr_nonnull(strstr(text.data, "\"name\":\"Vec<u8>\""));
    ck_assert_ptr_nonnull(strstr(text.data, "{\"name\":\"account\",\"type\":{\"id\":14,"));
    pm_buf_clear(&text);
    pm_metadata_list_text(metadata, &text);
    ck_assert_ptr_nonnull(strstr(text.data, "System.Account(AccountId32 Blake2_128Concat) -> "));
    ck_assert_ptr_nonnull(strstr(text.data, "Slashed(staker: AccountId32, amount: u128)"));
    pm_metadata_unref(metadata);
    pm_buf_free(&blob);
    pm_buf_free(&text);
}
END_TEST

static void *use(void *arg)
{
    pm_metadata *metadata = arg;
    for (int i = 0; i < 1000; i++) {
        uint64_t prefix = 0;
        pm_metadata_ref(metadata);
        if (!pm_constant_u64(metadata, "System", "SS58Prefix", &prefix) || prefix != 2) {
            return metadata;
        }
        pm_metadata_unref(metadata);
    }
    pm_metadata_unref(metadata);
    return NULL;
}

START_TEST(shared_by_threads)
{
    pm_buf blob = {0};
    pthread_t threads[4];
    scale_sample(14, &blob);
    pm_metadata *metadata = read_blob(&blob);
    for (int i = 0; i < 4; i++) {
        ck_assert_int_eq(pthread_create(&threads[i], NULL, use, pm_metadata_ref(metadata)), 0);
    }
    pm_metadata_unref(metadata); /* the last thread frees it */
    for (int i = 0; i < 4; i++) {
        void *result;
        pthread_join(threads[i], &result);
        ck_assert_ptr_null(result);
    }
    pm_buf_free(&blob);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("scale_metadata");
    TCase *cases = tcase_create("all");
    tcase_add_loop_test(cases, versions, 14, 17);
    tcase_add_loop_test(cases, every_cut, 14, 17);
    tcase_add_test(cases, wrappings);
    tcase_add_test(cases, not_metadata);
    tcase_add_test(cases, hostile);
    tcase_add_test(cases, too_many);
    tcase_add_test(cases, gaps_in_numbers);
    tcase_add_test(cases, lists);
    tcase_add_test(cases, shared_by_threads);
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
