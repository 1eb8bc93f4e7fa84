/* statefile.c: a frozen state of a real chain: gzipped JSON with chain, properties,
 * runtimeVersion, metadataV14, base (the storage at the head) and blocks (number, hash, and the
 * storage that holds at that block alone). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>
#include <zlib.h>

#include "chain.h"

#define FILE_MAX (512u << 20)

typedef struct state_file {
    sim_chain chain;
    char (*hashes)[SIM_HASH_TEXT + 1];
    uint32_t count;
} state_file;

static state_file *file_of(const sim_chain *chain)
{
    return (state_file *)(uintptr_t)chain;
}

static bool file_advance(sim_chain *chain)
{
    const state_file *file = file_of(chain);
    if (chain->head + 1 - chain->first >= file->count) {
        return false;
    }
    chain->head++;
    return true;
}

static void file_hash(const sim_chain *chain, uint32_t number, char text[SIM_HASH_TEXT + 1])
{
    const state_file *file = file_of(chain);
    if (number >= chain->first && number - chain->first < file->count) {
        memcpy(text, file->hashes[number - chain->first], SIM_HASH_TEXT + 1);
    } else { /* the parent of the first one */
        for (size_t i = 0; i < SIM_HASH_TEXT; i += 2) {
            memcpy(text + i, i == 0 ? "0x" : "0f", 2);
        }
        text[SIM_HASH_TEXT] = '\0';
    }
}

static bool file_number(const sim_chain *chain, const char *hash, uint32_t *number)
{
    const state_file *file = file_of(chain);
    for (uint32_t i = 0; i < file->count; i++) {
        if (memcmp(file->hashes[i], hash, SIM_HASH_TEXT) == 0) {
            *number = chain->first + i;
            return *number <= chain->head;
        }
    }
    return false;
}

static void file_free(sim_chain *chain)
{
    state_file *file = file_of(chain);
    free(file->hashes);
    free(file);
}

static const sim_chain_ops file_ops = {
    .advance = file_advance, .hash = file_hash, .number = file_number, .free = file_free};

static json_t *read_file(const char *path)
{
    pm_buf text = {0};
    char chunk[65536];
    json_error_t error;
    json_t *root = NULL;
    gzFile in = gzopen(path, "rb"); /* reads what is not compressed, too */
    int n = -1;
    if (in != NULL) {
        while ((n = gzread(in, chunk, sizeof chunk)) > 0 && text.len < FILE_MAX) {
            pm_buf_add(&text, chunk, (size_t)n);
        }
        (void)gzclose(in);
    }
    if (n != 0 || text.failed) {
        (void)fprintf(stderr, "panicmon-sim: cannot read %s\n", path);
    } else if ((root = json_loadb(text.data, text.len, 0, &error)) == NULL) {
        (void)fprintf(stderr, "panicmon-sim: %s: %s\n", path, error.text);
    }
    pm_buf_free(&text);
    return root;
}

/* A JSON value as text on one line, or NULL. */
static char *dump(const json_t *value)
{
    return value == NULL ? NULL : json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
}

/* Metadata as a JSON string that begins with the magic, whatever stands before that. */
static char *bare_metadata(const json_t *value)
{
    const char *text = json_string_value(value);
    const char *magic = text == NULL ? NULL : strstr(text, "6d657461");
    pm_buf json = {0};
    if (magic == NULL) {
        return NULL;
    }
    pm_buf_text(&json, "\"0x");
    pm_buf_text(&json, magic);
    pm_buf_char(&json, '"');
    return pm_buf_take(&json, NULL);
}

static bool add_block(state_file *file, const json_t *block, const json_t *base, const json_t *last)
{
    sim_chain *chain = &file->chain;
    const char *hash = json_string_value(json_object_get(block, "hash"));
    uint32_t number = chain->first + file->count;
    const char *key;
    json_t *value;
    if (hash == NULL || strlen(hash) != SIM_HASH_TEXT ||
        json_integer_value(json_object_get(block, "number")) != number) {
        return false;
    }
    memcpy(file->hashes[file->count++], hash, SIM_HASH_TEXT + 1);
    json_object_foreach((json_t *)(uintptr_t)json_object_get(last, "storage"), key, value)
    {
        const json_t *old = json_object_get(base, key); /* what a block says ends with it */
        sim_store_set_text(&chain->store, number, key, strlen(key), json_string_value(old),
                           json_string_length(old));
    }
    json_object_foreach((json_t *)(uintptr_t)json_object_get(block, "storage"), key, value)
    {
        sim_store_set_text(&chain->store, number, key, strlen(key), json_string_value(value),
                           json_string_length(value));
    }
    return true;
}

static bool fill(state_file *file, const json_t *root)
{
    sim_chain *chain = &file->chain;
    const json_t *base = json_object_get(root, "base");
    const json_t *blocks = json_object_get(root, "blocks");
    const json_t *runtime = json_object_get(root, "runtimeVersion");
    char *version = dump(runtime);
    char *metadata = bare_metadata(json_object_get(root, "metadataV14"));
    const char *key;
    json_t *value;
    chain->name = dump(json_object_get(root, "chain"));
    chain->properties = dump(json_object_get(root, "properties"));
    chain->metadata_v16 =
        bare_metadata(json_object_get(json_object_get(root, "metadataAtVersion"), "16"));
    chain->metadata_v16_len = chain->metadata_v16 == NULL ? 0 : strlen(chain->metadata_v16);
    if (version == NULL || metadata == NULL || chain->name == NULL || chain->properties == NULL ||
        json_array_size(blocks) == 0) {
        free(version);
        free(metadata);
        return false;
    }
    sim_chain_add_runtime(chain, 0,
                          (uint32_t)json_integer_value(json_object_get(runtime, "specVersion")),
                          version, metadata);
    chain->first =
        (uint32_t)json_integer_value(json_object_get(json_array_get(blocks, 0), "number"));
    chain->oldest_state = chain->first;
    file->hashes = sim_alloc(json_array_size(blocks) * sizeof *file->hashes);
    json_object_foreach((json_t *)(uintptr_t)base, key, value)
    {
        sim_store_set_text(&chain->store, 0, key, strlen(key), json_string_value(value),
                           json_string_length(value));
    }
    for (size_t i = 0; i < json_array_size(blocks); i++) {
        if (!add_block(file, json_array_get(blocks, i), base,
                       i == 0 ? NULL : json_array_get(blocks, i - 1))) {
            return false;
        }
    }
    chain->head = chain->first + file->count - 1;
    return true;
}

sim_chain *sim_file_open(const char *path)
{
    json_t *root = read_file(path);
    if (root == NULL) {
        return NULL;
    }
    state_file *file = sim_alloc(sizeof *file);
    file->chain.ops = &file_ops;
    file->chain.hold = UINT32_MAX;
    file->chain.keep = 256;
    file->chain.version = "1.20.0-static";
    for (size_t i = 0; i < SIM_HASH_TEXT; i += 2) {
        memcpy(file->chain.genesis + i, i == 0 ? "0x" : "91", 2);
    }
    bool good = fill(file, root);
    json_decref(root);
    if (!good) {
        (void)fprintf(stderr, "panicmon-sim: %s is no chain state\n", path);
        sim_chain_free(&file->chain);
        return NULL;
    }
    return &file->chain;
}
