/* subs.c: subscriptions: new heads, finalized heads, the runtime version, storage. They belong to
 * their connection. */
#include <stdlib.h>
#include <string.h>

#include "sim.h"

enum { HEADS, FINALIZED, RUNTIME, STORAGE };

struct sim_sub {
    sim_sub *next;
    uint64_t id;
    int kind;
    bool fresh;    /* not told anything yet */
    uint32_t told; /* the block, or spec version, of the last notification */
    char *keys;    /* STORAGE: the JSON array that was asked for */
    size_t keys_len;
};

static bool subscribe(sim_call *call, int kind)
{
    if (!call->node->modes.subscriptions) {
        return sim_fail(call, -32601, "Method not found");
    }
    sim_sub *sub = sim_alloc(sizeof *sub);
    *sub =
        (sim_sub){.next = call->conn->subs, .id = ++call->s->next_sub, .kind = kind, .fresh = true};
    if (kind == STORAGE) {
        pm_json keys = call->count > 0 && pm_json_is(call->params[0], '[') ? call->params[0]
                                                                           : (pm_json){"[]", 2};
        sub->keys = sim_alloc(keys.len);
        sub->keys_len = keys.len;
        memcpy(sub->keys, keys.text, keys.len);
    }
    call->conn->subs = sub;
    pm_buf_format(call->out, "\"sub%llu\"", (unsigned long long)sub->id);
    return true;
}

static bool subscribe_heads(sim_call *call)
{
    return subscribe(call, HEADS);
}

static bool subscribe_finalized(sim_call *call)
{
    return subscribe(call, FINALIZED);
}

static bool subscribe_runtime(sim_call *call)
{
    return subscribe(call, RUNTIME);
}

static bool subscribe_storage(sim_call *call)
{
    return subscribe(call, STORAGE);
}

static void free_sub(sim_sub *sub)
{
    free(sub->keys);
    free(sub);
}

static bool unsubscribe(sim_call *call)
{
    char id[32] = "";
    if (call->count > 0 && pm_json_is(call->params[0], '"') && call->params[0].len < sizeof id) {
        memcpy(id, call->params[0].text + 1, call->params[0].len - 2);
    }
    for (sim_sub **link = &call->conn->subs; *link != NULL; link = &(*link)->next) {
        sim_sub *sub = *link;
        if (strncmp(id, "sub", 3) == 0 && strtoull(id + 3, NULL, 10) == sub->id) {
            *link = sub->next;
            free_sub(sub);
            break;
        }
    }
    pm_buf_text(call->out, "true");
    return true;
}

sim_method *sim_find_sub(const char *name)
{
    static const struct {
        const char *name;
        sim_method *run;
    } table[] = {
        {"chain_subscribeFinalizedHeads", subscribe_finalized},
        {"chain_subscribeFinalisedHeads", subscribe_finalized},
        {"chain_subscribeNewHeads", subscribe_heads},
        {"chain_subscribeNewHead", subscribe_heads},
        {"chain_subscribeAllHeads", subscribe_heads},
        {"state_subscribeRuntimeVersion", subscribe_runtime},
        {"chain_subscribeRuntimeVersion", subscribe_runtime},
        {"state_subscribeStorage", subscribe_storage},
    };
    if (strstr(name, "unsubscribe") != NULL) {
        return unsubscribe;
    }
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        if (strcmp(table[i].name, name) == 0) {
            return table[i].run;
        }
    }
    return NULL;
}

void sim_subs_drop(sim_conn *conn)
{
    while (conn->subs != NULL) {
        sim_sub *next = conn->subs->next;
        free_sub(conn->subs);
        conn->subs = next;
    }
}

/* ---- notifications ---- */

/* Whether the value of an entry is another one at `best` than at `told`. */
static bool changed(const sim_entry *entry, uint32_t told, uint32_t best)
{
    return sim_store_at(entry, told) != sim_store_at(entry, best);
}

/* Appends the changes since the last notification; how many there are. */
static size_t put_changes(const sim *s, const sim_sub *sub, uint32_t best, pm_buf *out)
{
    pm_json keys = {sub->keys, sub->keys_len};
    pm_json key;
    size_t count = 0;
    char hash[SIM_HASH_TEXT + 1];
    s->chain->ops->hash(s->chain, best, hash);
    pm_buf_format(out, "{\"block\":\"%s\",\"changes\":[", hash);
    for (size_t at = 0; pm_json_next_element(keys, &at, &key);) {
        const sim_entry *entry = pm_json_is(key, '"')
                                     ? sim_store_find(&s->chain->store, key.text + 1, key.len - 2)
                                     : NULL;
        if (!sub->fresh && !changed(entry, sub->told, best)) {
            continue;
        }
        const sim_version *version = sim_store_at(entry, best);
        pm_buf_text(out, count++ == 0 ? "[" : ",[");
        pm_buf_add(out, key.text, key.len);
        pm_buf_text(out, version == NULL ? ",null" : ",\"");
        pm_buf_text(out, version == NULL ? "" : version->text);
        pm_buf_text(out, version == NULL ? "]" : "\"]");
    }
    pm_buf_text(out, "]}");
    return count;
}

/* What a subscription is about now: notifications go out when it is another one. */
static uint32_t subject(const sim *s, const sim_conn *conn, const sim_sub *sub)
{
    uint32_t best = sim_best(s, conn->node);
    return sub->kind == FINALIZED ? sim_finalized(s, conn->node)
           : sub->kind == RUNTIME ? sim_chain_runtime(s->chain, best)->spec_version
                                  : best;
}

static void notify(sim_conn *conn, sim_sub *sub)
{
    static const char *const names[] = {"chain_newHead", "chain_finalizedHead",
                                        "state_runtimeVersion", "state_storage"};
    sim *s = conn->sim;
    pm_buf *out = &s->notice;
    uint32_t now = subject(s, conn, sub);
    bool worth = true;
    if (!sub->fresh && now == sub->told) {
        return;
    }
    sim_message_begin(out);
    pm_buf_format(
        out, "{\"jsonrpc\":\"2.0\",\"method\":\"%s\",\"params\":{\"subscription\":\"sub%llu\",",
        names[sub->kind], (unsigned long long)sub->id);
    pm_buf_text(out, "\"result\":");
    if (sub->kind == STORAGE) {
        worth = put_changes(s, sub, now, out) > 0 || sub->fresh;
    } else if (sub->kind == RUNTIME) {
        pm_buf_text(out, sim_chain_runtime(s->chain, sim_best(s, conn->node))->version);
    } else {
        sim_put_header(s, now, out);
    }
    pm_buf_text(out, "}}");
    sub->fresh = false;
    sub->told = now;
    if (worth) {
        sim_deliver(conn, out);
    }
}

void sim_subs_begin(sim_conn *conn)
{
    sim_sub *next;
    for (sim_sub *sub = conn->state == CONN_OPEN ? conn->subs : NULL; sub != NULL; sub = next) {
        next = sub->next;
        if (sub->fresh) {
            notify(conn, sub);
        }
        if (conn->state != CONN_OPEN) {
            return; /* and its subscriptions are gone */
        }
    }
}

void sim_subs_tell(sim *s)
{
    sim_conn *next;
    for (sim_conn *conn = s->conns; conn != NULL; conn = next) {
        next = conn->next;
        sim_sub *after;
        for (sim_sub *sub = conn->subs; sub != NULL && conn->state == CONN_OPEN; sub = after) {
            after = sub->next;
            notify(conn, sub);
        }
    }
}

bool sim_advance(sim *s, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        sim_hold(s);
        if (!sim_chain_advance(s->chain)) {
            return false;
        }
        sim_subs_tell(s);
    }
    return true;
}
