/* test_substrate_strangers.c: rounds of the Substrate monitors on chains of which nothing but the
 * metadata is real: what parachains, chains with accounts of 20 bytes and unknown pallets make of
 * them. Each gives a sample. The metadata is that of the files in PANICMON_METADATA, else what the
 * differential test has fetched; without either, skipped. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "substrate/metadata.h"
#include "substrate/scale.h"
#include "support/player.h"

#define NODE "ws://node:1"
#define KEY  "chains.substrate.polkadot.nodes_config"
#define SET                                                                                        \
    "{\"n\": {\"id\": \"n\", \"parent_id\": \"p\", \"node_ws_url\": \"" NODE                       \
    "\", \"monitor_network\": \"true\", \"use_as_data_source\": \"true\"}, "                       \
    "\"v\": {\"id\": \"v\", \"parent_id\": \"p\", \"node_ws_url\": \"" NODE                        \
    "\", \"is_validator\": \"true\", \"monitor_network\": \"true\", \"stash_address\": "           \
    "\"12KM5KYi2fBdRoijHVrpPx71buoU5bG8Yq7rVpEG7nrUG6f\"}}"

static int failed;
static int samples;

/* A file of metadata, as hex text; NULL: it is none of V14 to V16. */
static char *load(const char *folder, const char *name)
{
    char path[1024];
    char chunk[65536];
    pm_buf bytes = {0};
    pm_buf hex = {0};
    pm_metadata *metadata = NULL;
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "rb");
    for (size_t got = 1; file != NULL && got > 0;) {
        got = fread(chunk, 1, sizeof chunk, file);
        pm_buf_add(&bytes, chunk, got);
    }
    if (file != NULL) {
        fclose(file);
    }
    if (bytes.len > 0 &&
        pm_metadata_decode(&metadata, bytes.data, bytes.len, NULL) == PANICMON_OK) {
        if (strncmp(bytes.data, "0x", 2) == 0) {
            pm_buf_add(&hex, bytes.data, bytes.len);
        } else {
            pm_hex_add_0x(&hex, (const uint8_t *)bytes.data, bytes.len);
        }
        pm_metadata_unref(metadata);
    }
    pm_buf_free(&bytes);
    return hex.data;
}

static json_t *chain_of(const char *hex)
{
    char hash[80];
    json_t *blocks = json_array();
    for (int i = 0; i < 6; i++) {
        (void)snprintf(hash, sizeof hash, "0x%064x", 0x1000 + i);
        json_array_append_new(
            blocks, json_pack("{s:i,s:s,s:{}}", "number", i + 100, "hash", hash, "storage"));
    }
    return json_pack("{s:s,s:{s:i,s:i,s:s},s:{s:s,s:i,s:i,s:[]},s:s,s:{},s:o}", "chain", "stranger",
                     "properties", "ss58Format", 42, "tokenDecimals", 12, "tokenSymbol", "XYZ",
                     "runtimeVersion", "specName", "stranger", "specVersion", 1,
                     "transactionVersion", 1, "apis", "metadataV14", hex, "base", "blocks", blocks);
}

static void play(const char *name, json_t *state, const panicmon_strategy_ops *ops, size_t entry)
{
    frozen world = {0};
    panicmon_substrate *shared = NULL;
    player at;
    frozen_peer *peer = frozen_add(&world, NODE, state);
    peer->head = 2;
    if (panicmon_substrate_new(&shared) != PANICMON_OK) {
        abort();
    }
    player_open(&at, ops, shared, &world, KEY, SET, entry);
    for (int round = 0; round < 3; round++) {
        player_round(&at);
        samples += at.samples;
        if (at.samples != 1 || player_data(&at, NULL) == NULL) {
            failed++;
            printf("%s, %s %zu: %.300s\n", name, ops->name, entry, at.sample);
        }
        if (entry == 1 && ops == panicmon_substrate_node_strategy() &&
            !json_is_true(player_data(&at, "active")) &&
            json_object_get(player_extra(&at, "absent"), "active") != NULL) {
            failed++;
            printf("%s: an alert about what the chain does not have\n", name);
        }
        peer->head++;
    }
    player_close(&at);
    panicmon_substrate_free(shared);
    frozen_free(&world);
}

int main(void)
{
    const char *folder = getenv("PANICMON_METADATA");
    DIR *files = folder == NULL ? NULL : opendir(folder);
    int chains = 0;
    for (struct dirent *file; files != NULL && (file = readdir(files)) != NULL;) {
        char *hex = load(folder, file->d_name);
        if (hex != NULL) {
            json_t *state = chain_of(hex);
            play(file->d_name, state, panicmon_substrate_node_strategy(), 0);
            play(file->d_name, state, panicmon_substrate_node_strategy(), 1);
            play(file->d_name, state, panicmon_substrate_network_strategy(), 0);
            json_decref(state);
            chains++;
        }
        free(hex);
    }
    if (files != NULL) {
        closedir(files);
    }
    if (chains == 0) {
        printf("skipped: no metadata in %s\n", folder == NULL ? "PANICMON_METADATA" : folder);
        return 77;
    }
    printf("%d chains, %d samples, %d failed\n", chains, samples, failed);
    return failed == 0 ? 0 : 1;
}
