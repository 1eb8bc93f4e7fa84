/* fuzz_round.c: a node's round in which one answer is damaged, and a whole one after it; or a start
 * on what a damaged state store holds. The first byte says the layout of the chain and which of the
 * two; the second which answer; then come edits: where (two bytes), how much goes, how much comes,
 * and what. Any damage gives a sample or an error sample, and the round after it works. */
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

#include <panicmon/substrate.h>

#include "base/json.h"
#include "support/made.h"
#include "support/player.h"

#define KEY "chains.substrate.polkadot.nodes_config"

typedef struct damage {
    const uint8_t *edits;
    size_t len;
    int left; /* answers before the damaged one */
    frozen *world;
} damage;

static void edit(pm_buf *text, const uint8_t **from, size_t *left)
{
    const uint8_t *at = *from;
    size_t where = ((size_t)at[0] << 8 | at[1]) % (text->len + 1);
    size_t goes = at[2] % 16;
    size_t comes = at[3] % 16;
    comes = comes > *left - 4 ? *left - 4 : comes;
    goes = goes > text->len - where ? text->len - where : goes;
    pm_buf out = {0};
    pm_buf_add(&out, text->data, where);
    pm_buf_add(&out, at + 4, comes);
    pm_buf_add(&out, text->data + where + goes, text->len - where - goes);
    fuzz_check(!out.failed, "there is memory");
    pm_buf_free(text);
    *text = out;
    *from += 4 + comes;
    *left -= 4 + comes;
}

static bool answer(frozen_peer *peer, pm_request *request, void *user)
{
    damage *what = user;
    pm_json parsed;
    if (what->left-- != 0) {
        return false;
    }
    peer->hook = NULL;
    frozen_answer(what->world, request);
    while (request->out.len > 0 && what->len > 4) {
        edit(&request->out, &what->edits, &what->len);
    }
    if (request->out.len > 0 &&
        !pm_json_parse(request->out.data, request->out.len, &parsed, NULL)) {
        request->status = PANICMON_ERR_PROTOCOL; /* the frame would not have been taken */
        pm_buf_clear(&request->out);
    }
    return true;
}

static void damaged_answer(player *at, frozen_peer *peer, damage *what)
{
    peer->hook = answer;
    peer->user = what;
    player_round(at);
    fuzz_check(at->samples == 1, "a damaged answer gives a sample too");
    peer->hook = NULL;
    player_round(at);
}

/* A round of another player leaves the store, which is then damaged. */
static void damaged_store(player *at, const char *json, damage *what)
{
    player before;
    size_t i = 0;
    const char *key;
    void *value;
    player_open(&before, at->ops, at->shared, at->world, KEY, json, 0);
    before.store = at->store;
    player_round(&before);
    player_close(&before);
    fuzz_check(pm_map_next(at->store, &i, &key, &value), "a round stores how far it came");
    pm_buf text = {0};
    pm_buf_text(&text, value);
    while (what->len > 4) {
        edit(&text, &what->edits, &what->len);
    }
    fuzz_check(pm_map_set(at->store, key, pm_buf_take(&text, NULL)), "there is memory");
    free(value);
    player_round(at);
    fuzz_check(at->samples == 1, "a damaged store gives a sample too");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static json_t *states[2]; /* kept till the end of the program */
    player at;
    panicmon_substrate *shared;
    frozen world = {0};
    char json[400];
    if (size < 2) {
        return 0;
    }
    bool legacy = data[0] & 1;
    if (states[legacy] == NULL) {
        states[legacy] = made_state(legacy);
    }
    damage what = {data + 2, size - 2, data[1] % 64, &world};
    (void)snprintf(json, sizeof json,
                   "{\"n1\": {\"node_id\": \"n1\", \"ws_url\": \"ws://node:1\", \"is_validator\": "
                   "\"True\", \"stash_address\": \"%s\", \"use_as_data_source\": \"True\"}}",
                   made_stash(states[legacy], 0));
    fuzz_check(panicmon_substrate_new(&shared) == PANICMON_OK, "there is memory");
    frozen_peer *peer = frozen_add(&world, "ws://node:1", states[legacy]);
    player_open(&at, panicmon_substrate_node_strategy(), shared, &world, KEY, json, 0);
    if (data[0] & 2) {
        damaged_store(&at, json, &what);
    } else {
        damaged_answer(&at, peer, &what);
    }
    player_round(&at);
    fuzz_check(at.samples == 1, "the round after it gives a sample");
    player_close(&at);
    panicmon_substrate_free(shared);
    frozen_free(&world);
    return 0;
}
