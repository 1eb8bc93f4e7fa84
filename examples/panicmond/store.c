/* store.c: see store.h. Library threads bring messages, the thread of the server takes copies. One
 * lock guards all; it is never held while text is read or written, only while entries change or are
 * copied. */
#include "store.h"

#include <search.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "store_impl.h"

/* More monitorables than that are not kept. */
#define ENTRIES_MAX 200000
/* Silent for that many times what makes it stale, an entry that no list names is forgotten. */
#define FORGET 20
/* What a round may take beyond its period before it is missed. */
#define GRACE_MS 5000
/* PANIC's code of a node that cannot be reached. */
#define CODE_DOWN 5015

const char *kind_name(kind kind)
{
    static const char *const names[KINDS] = {"node", "network", "system", "repo"};
    return names[kind];
}

/* ---- entries: all under the lock ---- */

static int compare(const void *a, const void *b)
{
    const monitorable *one = a;
    const monitorable *other = b;
    int order = (int)one->kind - (int)other->kind;
    if (order == 0) {
        order = strcmp(one->labels->parent, other->labels->parent);
    }
    return order != 0 ? order : strcmp(one->labels->id, other->labels->id);
}

static void drop(kept *at)
{
    labels_drop(at->entry.labels);
    text_drop(at->entry.message);
    free(at);
}

static bool make_room(store *store)
{
    if (store->count < store->capacity) {
        return true;
    }
    size_t capacity = store->capacity == 0 ? 64 : store->capacity * 2;
    kept **entries = store->count >= ENTRIES_MAX
                         ? NULL
                         : realloc(store->entries, capacity * sizeof *store->entries);
    if (entries == NULL) {
        return false;
    }
    store->entries = entries;
    store->capacity = capacity;
    return true;
}

static kept *add(store *store, kind kind, const labels *labels)
{
    kept *made = make_room(store) ? calloc(1, sizeof *made) : NULL;
    if (made == NULL) {
        return NULL;
    }
    made->entry = (monitorable){.kind = kind,
                                .labels = labels_new(labels),
                                .message = "",
                                .best = UNKNOWN,
                                .target = UNKNOWN,
                                .finalized = UNKNOWN,
                                .peers = UNKNOWN,
                                .era = UNKNOWN,
                                .session = UNKNOWN,
                                .syncing = -1,
                                .validator = -1,
                                .active = -1,
                                .elected = -1,
                                .disabled = -1};
    if (made->entry.labels == NULL || tsearch(made, &store->tree, compare) == NULL) {
        drop(made);
        return NULL;
    }
    made->entry.number = ++store->last_number;
    store->entries[store->count++] = made;
    return made;
}

kept *store_find(store *store, kind kind, const labels *labels)
{
    const monitorable key = {.kind = kind, .labels = labels};
    void *const *found = tfind(&key, &store->tree, compare);
    return found != NULL ? *found : add(store, kind, labels);
}

void store_relabel(kept *at, const labels *given, bool by_list)
{
    const labels *old = at->entry.labels;
    labels now = *given;
    if (now.chain[0] == '\0' || (at->group != 0 && !by_list)) {
        now.chain = old->chain;
    }
    now.version = now.version[0] == '\0' ? old->version : now.version;
    now.runtime = now.runtime[0] == '\0' ? old->runtime : now.runtime;
    if (strcmp(now.name, old->name) == 0 && strcmp(now.chain, old->chain) == 0 &&
        strcmp(now.version, old->version) == 0 && strcmp(now.runtime, old->runtime) == 0) {
        return;
    }
    const struct labels *made = labels_new(&now);
    if (made != NULL) {
        /* Kind, chain and id are the same, so its place in the tree is too. */
        at->entry.labels = made;
        labels_drop(old);
    }
}

static void set_message(kept *at, const char *text)
{
    if (strcmp(at->entry.message, text) == 0) {
        return;
    }
    const char *made = text[0] == '\0' ? NULL : text_new(text);
    text_drop(at->entry.message);
    at->entry.message = made == NULL ? "" : made;
}

void store_sweep(store *store, bool (*goes)(const kept *at, const void *how), const void *how)
{
    size_t left = 0;
    for (size_t i = 0; i < store->count; i++) {
        kept *at = store->entries[i];
        if (goes(at, how)) {
            (void)tdelete(at, &store->tree, compare);
            drop(at);
        } else {
            store->entries[left++] = at;
        }
    }
    if (left < store->count) {
        store->removal = ++store->change;
        store->count = left;
    }
}

/* ---- samples ---- */

static int32_t distance(int64_t to, int64_t from)
{
    if (to == UNKNOWN || from == UNKNOWN) {
        return POINT_UNKNOWN;
    }
    int64_t blocks = to > from ? to - from : 0;
    return blocks > INT32_MAX ? INT32_MAX : (int32_t)blocks;
}

static void add_point(kept *at, const sample *got)
{
    size_t place = at->points++ % HISTORY_POINTS;
    bool error = got->error != 0;
    at->lag[place] = error ? POINT_ERROR : distance(got->target, got->best);
    at->gap[place] = error ? POINT_ERROR : distance(got->best, got->finalized);
}

/* An error says nothing of heights: the last that were known stay. */
static void take_figures(monitorable *at, const sample *got)
{
    at->best = got->best;
    at->target = got->target;
    at->finalized = got->finalized;
    at->peers = got->peers;
    at->era = got->era;
    at->session = got->session;
    at->syncing = got->syncing;
    at->active = got->active;
    at->elected = got->elected;
    at->disabled = got->disabled;
    at->slashed += got->slashed;
}

static outcome outcome_of(const sample *got)
{
    return got->error == 0 ? OUTCOME_OK : got->error == CODE_DOWN ? OUTCOME_DOWN : OUTCOME_ERROR;
}

static void take_sample(store *store, const sample *got)
{
    const labels labels = {.id = got->id,
                           .name = got->name,
                           .parent = got->parent,
                           .chain = got->chain,
                           .version = got->version,
                           .runtime = got->runtime};
    int64_t now = clock_wall_ms();
    pthread_mutex_lock(&store->lock);
    store->checks[got->kind][outcome_of(got)]++;
    kept *at = store_find(store, got->kind, &labels);
    if (at != NULL) {
        monitorable *entry = &at->entry;
        bool turned = entry->rounds == 0 || (entry->error != 0) != (got->error != 0);
        entry->since_ms = turned ? now : entry->since_ms;
        entry->error = got->error;
        entry->heard_ms = now;
        entry->rounds++;
        entry->validator = got->validator;
        if (got->error == 0) {
            entry->good_ms = now;
            take_figures(entry, got);
        } else {
            entry->errors++;
        }
        store_relabel(at, &labels, false);
        set_message(at, got->message);
        add_point(at, got);
        entry->change = ++store->change;
    }
    pthread_mutex_unlock(&store->lock);
}

panicmon_err store_message(void *user, const char *exchange, const char *routing_key,
                           const char *body, size_t len)
{
    store *store = user;
    sample got;
    if (strcmp(exchange, "raw_data") == 0) {
        if (document_read_sample(body, len, &got)) {
            take_sample(store, &got);
        }
    } else if (strcmp(exchange, "monitorable") == 0) {
        store_read_list(store, routing_key, body, len);
    }
    return PANICMON_OK;
}

/* ---- looking ---- */

/* Under the lock; there is room. */
static void copy(const kept *from, snapshot *out)
{
    labels_hold(from->entry.labels);
    text_hold(from->entry.message);
    out->entries[out->count++] = from->entry;
}

bool store_take(store *store, uint64_t since, snapshot *out)
{
    pthread_mutex_lock(&store->lock);
    bool full = since == 0 || since < store->removal || since > store->change;
    *out = (snapshot){.change = store->change, .full = full};
    memcpy(out->checks, store->checks, sizeof out->checks);
    out->entries = malloc((store->count + 1) * sizeof *out->entries);
    for (size_t i = 0; out->entries != NULL && i < store->count; i++) {
        const kept *at = store->entries[i];
        if (full || at->entry.change > since) {
            copy(at, out);
        }
    }
    pthread_mutex_unlock(&store->lock);
    return out->entries != NULL;
}

static bool is_called(const kept *at, const char *which)
{
    return strcmp(at->entry.labels->id, which) == 0 || strcmp(at->entry.labels->name, which) == 0;
}

bool store_pick(store *store, const char *which, snapshot *out)
{
    size_t count = 0;
    *out = (snapshot){0};
    pthread_mutex_lock(&store->lock);
    for (size_t i = 0; i < store->count; i++) {
        count += is_called(store->entries[i], which);
    }
    out->entries = malloc((count + 1) * sizeof *out->entries);
    for (size_t i = 0; out->entries != NULL && i < store->count; i++) {
        if (is_called(store->entries[i], which)) {
            copy(store->entries[i], out);
        }
    }
    pthread_mutex_unlock(&store->lock);
    return out->entries != NULL;
}

void store_release(snapshot *snapshot)
{
    for (size_t i = 0; i < snapshot->count; i++) {
        labels_drop(snapshot->entries[i].labels);
        text_drop(snapshot->entries[i].message);
    }
    free(snapshot->entries);
    *snapshot = (struct snapshot){0};
}

static int by_number(const void *key, const void *element)
{
    uint32_t number = *(const uint32_t *)key;
    const kept *at = *(kept *const *)element;
    return number < at->entry.number ? -1 : number > at->entry.number;
}

bool store_history(store *store, uint32_t number, history *out)
{
    out->count = 0;
    pthread_mutex_lock(&store->lock);
    kept *const *found = store->count == 0 ? NULL
                                           : bsearch(&number, store->entries, store->count,
                                                     sizeof *store->entries, by_number);
    if (found != NULL) {
        const kept *at = *found;
        out->count = at->points < HISTORY_POINTS ? at->points : HISTORY_POINTS;
        for (size_t i = 0; i < out->count; i++) {
            size_t place = (at->points - out->count + i) % HISTORY_POINTS;
            out->lag[i] = at->lag[place];
            out->gap[i] = at->gap[place];
        }
    }
    pthread_mutex_unlock(&store->lock);
    return found != NULL;
}

size_t store_heard(store *store, size_t *count)
{
    size_t heard = 0;
    pthread_mutex_lock(&store->lock);
    for (size_t i = 0; i < store->count; i++) {
        heard += store->entries[i]->entry.rounds > 0;
    }
    *count = store->count;
    pthread_mutex_unlock(&store->lock);
    return heard;
}

/* ---- time ---- */

int64_t store_stale_ms(const store *store, kind kind)
{
    return store->period_ms[kind] * 3 + GRACE_MS;
}

int64_t store_least_stale_ms(store *store)
{
    int64_t least = INT64_MAX;
    pthread_mutex_lock(&store->lock);
    for (size_t i = 0; i < store->count; i++) {
        int64_t stale = store_stale_ms(store, store->entries[i]->entry.kind);
        least = stale < least ? stale : least;
    }
    pthread_mutex_unlock(&store->lock);
    return least == INT64_MAX ? store_stale_ms(store, KIND_NODE) : least;
}

typedef struct silence {
    const store *store;
    int64_t now_ms;
} silence;

static bool is_forgotten(const kept *at, const void *how)
{
    const silence *silence = how;
    return at->group == 0 && silence->now_ms - at->entry.heard_ms >
                                 FORGET * store_stale_ms(silence->store, at->entry.kind);
}

void store_tidy(store *store)
{
    silence silence = {.store = store, .now_ms = clock_wall_ms()};
    pthread_mutex_lock(&store->lock);
    store_sweep(store, is_forgotten, &silence);
    pthread_mutex_unlock(&store->lock);
}

/* ---- life ---- */

store *store_new(const int64_t period_ms[KINDS])
{
    store *made = calloc(1, sizeof *made);
    if (made != NULL) {
        memcpy(made->period_ms, period_ms, sizeof made->period_ms);
        (void)pthread_mutex_init(&made->lock, NULL);
    }
    return made;
}

static void keep_node(void *node)
{
    (void)node; /* entries are freed from the array */
}

void store_free(store *store)
{
    if (store == NULL) {
        return;
    }
    tdestroy(store->tree, keep_node);
    for (size_t i = 0; i < store->count; i++) {
        drop(store->entries[i]);
    }
    for (size_t i = 0; i < store->group_count; i++) {
        free(store->groups[i]);
    }
    free(store->groups);
    free(store->entries);
    (void)pthread_mutex_destroy(&store->lock);
    free(store);
}
