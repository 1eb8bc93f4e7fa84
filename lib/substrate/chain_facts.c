/* chain_facts.c: what endpoints say of themselves that hardly ever changes, kept once for all that
 * say the same. Any thread. */
#include "substrate/chain.h"

#include <stdlib.h>
#include <string.h>

/* A longer answer to state_getRuntimeVersion is not kept: it is taken apart each time. */
#define VERSION_TEXT_MAX 2048

pm_facts *pm_facts_ref(pm_facts *facts)
{
    if (facts != NULL) {
        atomic_fetch_add(&facts->refs, 1);
    }
    return facts;
}

void pm_facts_unref(pm_facts *facts)
{
    if (facts == NULL || atomic_fetch_sub(&facts->refs, 1) != 1) {
        return;
    }
    pm_buf_free(&facts->genesis);
    pm_buf_free(&facts->chain);
    pm_buf_free(&facts->node_version);
    pm_buf_free(&facts->properties);
    pm_buf_free(&facts->version_text);
    pm_buf_free(&facts->in_data);
    pm_buf_free(&facts->in_extras);
    free(facts);
}

static bool same_buf(const pm_buf *a, const pm_buf *b)
{
    return a->len == b->len && (a->len == 0 || memcmp(a->data, b->data, a->len) == 0);
}

bool pm_facts_same_chain(const pm_facts *a, const pm_facts *b)
{
    return a != NULL && b != NULL && a->genesis.len > 0 &&
           (a == b || same_buf(&a->genesis, &b->genesis));
}

/* ---- making them ---- */

/* Whether `answer` is a text, and another one than is known. */
static bool is_news(const pm_buf *known, pm_json answer)
{
    return pm_json_is(answer, '"') &&
           (known->len != answer.len || memcmp(known->data, answer.text, answer.len) != 0);
}

static bool same_version(const pm_version *a, const pm_version *b)
{
    return a->number.known == b->number.known && strcmp(a->id, b->id) == 0;
}

static bool says_the_same(const pm_facts *base, const pm_answers *answers)
{
    return !is_news(&base->genesis, answers->genesis) && !is_news(&base->chain, answers->chain) &&
           !is_news(&base->node_version, answers->node_version) &&
           !pm_json_is(answers->properties, '{') &&
           (!answers->has_version || same_version(&base->version, answers->version));
}

/* The text that was asked for, else the one known from before. */
static void keep_text(pm_buf *to, pm_json answer, const pm_buf *before)
{
    if (pm_json_is(answer, '"')) {
        pm_buf_add(to, answer.text, answer.len);
    } else if (before != NULL && before->len > 0) {
        pm_buf_add(to, before->data, before->len);
    }
}

static void add_value(pm_buf *out, pm_json value)
{
    if (value.text == NULL) {
        pm_buf_text(out, "null");
    } else {
        pm_buf_add(out, value.text, value.len);
    }
}

/* Nodes give one token as a bare value, several as an array; PANIC publishes arrays. */
static void add_array(pm_buf *out, pm_json value)
{
    bool wrap = value.text != NULL && !pm_json_is(value, '[') && !pm_json_is(value, 'n');
    pm_buf_text(out, wrap ? "[" : "");
    add_value(out, value);
    pm_buf_text(out, wrap ? "]" : "");
}

static void read_properties(pm_buf *out, pm_json result)
{
    pm_buf_text(out, "{\"ss58Format\": ");
    add_value(out, pm_json_member(result, "ss58Format"));
    pm_buf_text(out, ", \"tokenDecimals\": ");
    add_array(out, pm_json_member(result, "tokenDecimals"));
    pm_buf_text(out, ", \"tokenSymbol\": ");
    add_array(out, pm_json_member(result, "tokenSymbol"));
    pm_buf_char(out, '}');
}

static void read_format(pm_facts *facts)
{
    pm_json properties;
    int64_t format;
    if (facts->properties.len > 0 &&
        pm_json_parse(facts->properties.data, facts->properties.len, &properties, NULL) &&
        pm_json_int(pm_json_member(properties, "ss58Format"), &format)) {
        facts->format = (pm_maybe){.known = true, .value = format};
    }
}

static void add_member(pm_buf *out, const char *name, const pm_buf *json)
{
    pm_buf_text(out, name);
    pm_buf_text(out, json->len > 0 ? json->data : "null");
}

/* The pieces of a sample that only change with the facts. */
static void prepare(pm_facts *facts)
{
    pm_buf *out = &facts->in_extras;
    add_member(&facts->in_data, "\"system_properties\": ", &facts->properties);
    pm_buf_text(&facts->in_data, ", \"historical\": ");
    add_member(out, "\"panicmon\": {\"chain\": ", &facts->chain);
    add_member(out, ", \"genesis_hash\": ", &facts->genesis);
    add_member(out, ", \"node_version\": ", &facts->node_version);
    pm_buf_text(out, ", \"spec_name\": ");
    if (facts->version.number.known) {
        pm_buf_json_string(out, facts->version.name, strlen(facts->version.name));
        pm_buf_text(out, ", \"spec_version\": ");
        pm_buf_int(out, facts->version.number.value);
        pm_buf_text(out, ", ");
    } else {
        pm_buf_text(out, "null, \"spec_version\": null, ");
    }
}

static bool complete(const pm_facts *facts)
{
    return !facts->genesis.failed && !facts->chain.failed && !facts->node_version.failed &&
           !facts->properties.failed && !facts->version_text.failed && !facts->in_data.failed &&
           !facts->in_extras.failed;
}

static pm_facts *make(const pm_facts *base, const pm_answers *answers)
{
    const pm_facts *kept = base != NULL && is_news(&base->genesis, answers->genesis) ? NULL : base;
    pm_facts *made = calloc(1, sizeof *made);
    if (made == NULL) {
        return NULL;
    }
    atomic_init(&made->refs, 1);
    keep_text(&made->genesis, answers->genesis, kept == NULL ? NULL : &kept->genesis);
    keep_text(&made->chain, answers->chain, kept == NULL ? NULL : &kept->chain);
    keep_text(&made->node_version, answers->node_version,
              kept == NULL ? NULL : &kept->node_version);
    if (pm_json_is(answers->properties, '{')) {
        read_properties(&made->properties, answers->properties);
    } else if (kept != NULL) {
        pm_buf_add(&made->properties, kept->properties.data, kept->properties.len);
    }
    if (answers->has_version) {
        made->version = *answers->version;
        if (made->version.number.known && answers->version_text.len <= VERSION_TEXT_MAX) {
            pm_buf_add(&made->version_text, answers->version_text.text, answers->version_text.len);
        }
    } else if (base != NULL) {
        made->version = base->version;
        pm_buf_add(&made->version_text, base->version_text.data, base->version_text.len);
    }
    read_format(made);
    prepare(made);
    if (!complete(made)) {
        pm_facts_unref(made);
        return NULL;
    }
    return made;
}

static bool equal(const pm_facts *a, const pm_facts *b)
{
    return same_buf(&a->genesis, &b->genesis) && same_buf(&a->chain, &b->chain) &&
           same_buf(&a->node_version, &b->node_version) &&
           same_buf(&a->properties, &b->properties) && same_version(&a->version, &b->version) &&
           same_buf(&a->version_text, &b->version_text);
}

/* Other endpoints may have said the same lately, or will. */
static pm_facts *share(pm_substrate *shared, pm_facts *made)
{
    pm_facts *drop = made;
    pm_substrate_lock(shared);
    for (size_t i = 0; i < PM_FACTS_MAX; i++) {
        if (shared->facts[i] != NULL && equal(shared->facts[i], made)) {
            pm_facts *found = pm_facts_ref(shared->facts[i]);
            pm_substrate_unlock(shared);
            pm_facts_unref(drop);
            return found;
        }
    }
    pm_facts **place = &shared->facts[shared->facts_next++ % PM_FACTS_MAX];
    drop = *place;
    *place = pm_facts_ref(made);
    pm_substrate_unlock(shared);
    pm_facts_unref(drop);
    return made;
}

pm_facts *pm_facts_with(pm_substrate *shared, pm_facts *base, const pm_answers *answers)
{
    if (base != NULL && says_the_same(base, answers)) {
        return pm_facts_ref(base);
    }
    pm_facts *made = make(base, answers);
    return made == NULL ? NULL : share(shared, made);
}

void pm_facts_clear(pm_substrate *shared)
{
    for (size_t i = 0; i < PM_FACTS_MAX; i++) {
        pm_facts_unref(shared->facts[i]);
        shared->facts[i] = NULL;
    }
}
