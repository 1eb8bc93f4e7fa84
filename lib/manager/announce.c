/* announce.c: what the manager tells the others: monitorables, and heartbeats with the monitors
 * that complete rounds and those that do not. Any thread; bodies are built under the lock from the
 * groups and published without it. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "manager/manager_impl.h"

#define COMPONENT "manager"
/* A routing key has at most 255 bytes. */
#define NAMES_MAX 256
/* Config sets that come one after the other change a list that often at most. Each list holds all
 * of its chain, so one per set would make work that grows with the square of their number. */
#define AGAIN_MS 300

static bool ends_with(const char *text, const char *end)
{
    size_t n = strlen(text);
    size_t m = strlen(end);
    return n >= m && strcmp(text + n - m, end) == 0;
}

/* Which of PANIC's managers would run this monitor. */
static size_t identity_of(const panicmon_monitor *monitor, const char *routing_key)
{
    static const char *const words[] = {"node", "network", "system", "github"};
    size_t i = (size_t)pm_monitor_kind(monitor);
    const char *word = i < sizeof words / sizeof words[0] ? words[i] : "node";
    if (pm_monitor_kind(monitor) == PANICMON_KIND_REPO &&
        ends_with(routing_key, "dockerhub_repos_config")) {
        word = "dockerhub";
    }
    for (i = 0; strcmp(pm_manager_identities[i].word, word) != 0; i++) {
    }
    return i;
}

/* The words of a routing key that monitorables are sorted by; false: it is none of PANIC's. */
static bool split_key(const char *routing_key, char base[NAMES_MAX], char chain[NAMES_MAX])
{
    const char *general = "general.";
    if (strncmp(routing_key, general, strlen(general)) == 0) {
        strcpy(base, "general");
        strcpy(chain, "general");
        return true;
    }
    if (strncmp(routing_key, "chains.", 7) != 0) {
        return false;
    }
    const char *at = routing_key + 7;
    size_t n = strcspn(at, ".");
    const char *sub = at[n] == '.' ? at + n + 1 : "";
    size_t m = strcspn(sub, ".");
    if (n == 0 || n >= NAMES_MAX || m == 0 || m >= NAMES_MAX) {
        return false;
    }
    memcpy(base, at, n);
    base[n] = '\0';
    memcpy(chain, sub, m);
    chain[m] = '\0';
    return true;
}

/* Calls `visit` for each entry that is to have a monitor. Under the lock. */
static void visit_entries(const panicmon_manager *manager,
                          void (*visit)(void *user, const pm_group *group, const pm_entry *entry),
                          void *user)
{
    void *value;
    for (size_t at = 0; pm_map_next(&manager->groups, &at, NULL, &value);) {
        const pm_group *group = value;
        for (size_t a = 0; a < group->count; a++) {
            const pm_arm *arm = group->arms[a];
            for (size_t i = 0; i < arm->count; i++) {
                if (arm->entries[i].monitor != NULL || arm->entries[i].good) {
                    visit(user, group, &arm->entries[i]);
                }
            }
        }
    }
}

static void add_text(pm_buf *out, const char *text)
{
    pm_buf_json_string(out, text, strlen(text));
}

/* ---- monitorables ---- */

typedef struct listing {
    size_t identity;
    const char *base;
    pm_buf body;
    size_t count;
} listing;

static void add_source(void *user, const pm_group *group, const pm_entry *entry)
{
    listing *at = user;
    const panicmon_monitor *monitor = entry->monitor;
    char base[NAMES_MAX];
    char chain[NAMES_MAX];
    if (monitor == NULL || pm_monitor_source_id(monitor) == NULL ||
        !split_key(group->routing_key, base, chain) || strcmp(base, at->base) != 0 ||
        identity_of(monitor, group->routing_key) != at->identity) {
        return;
    }
    pm_buf_text(&at->body, at->count++ == 0 ? "{\"chain_id\": " : ", {\"chain_id\": ");
    add_text(&at->body, pm_monitor_chain_id(monitor));
    pm_buf_text(&at->body, ", \"chain_name\": ");
    add_text(&at->body, chain);
    pm_buf_text(&at->body, ", \"source_id\": ");
    add_text(&at->body, pm_monitor_source_id(monitor));
    pm_buf_text(&at->body, ", \"source_name\": ");
    add_text(&at->body, pm_monitor_source_name(monitor));
    pm_buf_char(&at->body, '}');
}

static void announce_list(panicmon_manager *manager, size_t identity, const char *base)
{
    const pm_manager_identity *who = &pm_manager_identities[identity];
    listing at = {.identity = identity, .base = base};
    pm_buf key = {0};
    pm_buf_format(&key, "%s.%s", base, who->monitorable);
    pm_buf_text(&at.body, "{\"manager_name\": ");
    add_text(&at.body, who->name);
    pm_buf_text(&at.body, ", \"sources\": [");
    pthread_mutex_lock(&manager->lock);
    visit_entries(manager, add_source, &at);
    pthread_mutex_unlock(&manager->lock);
    pm_buf_text(&at.body, "]}");
    panicmon_err status = key.failed || at.body.failed
                              ? PANICMON_ERR_NOMEM
                              : pm_runtime_publish(manager->runtime, "monitorable", key.data,
                                                   at.body.data, at.body.len);
    if (status != PANICMON_OK && status != PANICMON_ERR_STATE) {
        pm_logf(manager->log, PANICMON_LOG_ERROR, COMPONENT,
                "the monitorables of %s were not published: %s", base, panicmon_strerror(status));
    }
    pm_buf_free(&key);
    pm_buf_free(&at.body);
}

/* What PANIC's manager of that name would publish for this base chain. */
static bool announces(size_t identity, const char *base)
{
    const pm_manager_identity *who = &pm_manager_identities[identity];
    bool general = strcmp(base, "general") == 0;
    bool has_general = false;
    for (size_t k = 0; k < PM_KEYS_MAX && who->keys[k] != NULL; k++) {
        has_general = has_general || strncmp(who->keys[k], "general.", 8) == 0;
    }
    return !general || has_general;
}

/* False without memory. */
static bool add_base(pm_map *bases, const char *routing_key)
{
    static char present;
    char base[NAMES_MAX];
    char chain[NAMES_MAX];
    return !split_key(routing_key, base, chain) || pm_map_set(bases, base, &present);
}

static void announce_base(panicmon_manager *manager, const char *base)
{
    for (size_t i = 0; i < PM_IDENTITIES; i++) {
        if (manager->enabled[i] && announces(i, base)) {
            announce_list(manager, i, base);
        }
    }
}

static void announce_key(panicmon_manager *manager, const char *routing_key)
{
    char base[NAMES_MAX];
    char chain[NAMES_MAX];
    if (split_key(routing_key, base, chain)) {
        announce_base(manager, base);
    }
}

/* Under the lock; NULL without memory. */
static pm_told *find_told(panicmon_manager *manager, const char *base)
{
    pm_told *told = manager->told;
    while (told != NULL && strcmp(told->base, base) != 0) {
        told = told->next;
    }
    if (told == NULL && (told = malloc(sizeof *told + strlen(base) + 1)) != NULL) {
        *told = (pm_told){.next = manager->told, .at_ms = INT64_MIN / 2};
        strcpy(told->base, base);
        manager->told = told;
    }
    return told;
}

void pm_manager_announce_soon(panicmon_manager *manager, const char *routing_key)
{
    char base[NAMES_MAX];
    char chain[NAMES_MAX];
    bool now = true;
    int64_t now_ms = pm_mono_ms();
    if (!split_key(routing_key, base, chain)) {
        return;
    }
    pthread_mutex_lock(&manager->lock);
    pm_told *told = find_told(manager, base);
    if (told != NULL && manager->supervised && now_ms < told->at_ms + AGAIN_MS) {
        now = false;
        told->again = true;
        manager->announce_ms = pm_earlier(manager->announce_ms, told->at_ms + AGAIN_MS);
        pthread_cond_broadcast(&manager->changed);
    } else if (told != NULL) {
        told->at_ms = now_ms;
        told->again = false;
    }
    pthread_mutex_unlock(&manager->lock);
    if (now) {
        announce_base(manager, base);
    }
}

/* One that is due, and when the others are. NULL: none is. */
static const pm_told *take_due(panicmon_manager *manager, int64_t now_ms)
{
    pm_told *found = NULL;
    pthread_mutex_lock(&manager->lock);
    manager->announce_ms = PM_NEVER;
    for (pm_told *told = manager->told; told != NULL; told = told->next) {
        if (told->again && found == NULL && told->at_ms + AGAIN_MS <= now_ms) {
            told->again = false;
            told->at_ms = pm_earlier(now_ms, pm_mono_ms());
            found = told;
        } else if (told->again) {
            manager->announce_ms = pm_earlier(manager->announce_ms, told->at_ms + AGAIN_MS);
        }
    }
    pthread_mutex_unlock(&manager->lock);
    return found;
}

void pm_manager_announce_due(panicmon_manager *manager, int64_t now_ms)
{
    const pm_told *told;
    while ((told = take_due(manager, now_ms)) != NULL) {
        announce_base(manager, told->base); /* it stays as long as the manager, as its text does */
    }
}

void pm_manager_announce_later(panicmon_manager *manager, pm_map *bases, const char *routing_key)
{
    if (!add_base(bases, routing_key)) {
        announce_key(manager, routing_key);
    }
}

void pm_manager_announce_bases(panicmon_manager *manager, pm_map *bases)
{
    const char *base;
    for (size_t at = 0; pm_map_next(bases, &at, &base, NULL);) {
        announce_base(manager, base);
    }
    pm_map_free(bases);
}

void pm_manager_announce_all(panicmon_manager *manager)
{
    pm_map bases = {0};
    const char *key;
    pthread_mutex_lock(&manager->lock);
    for (size_t at = 0; pm_map_next(&manager->groups, &at, &key, NULL);) {
        (void)add_base(&bases, key); /* else it is told with the next change */
    }
    pthread_mutex_unlock(&manager->lock);
    pm_manager_announce_bases(manager, &bases);
}

/* ---- heartbeats ---- */

typedef struct roll_call {
    const panicmon_manager *manager;
    size_t identity;
    pm_buf lists[2]; /* of those that are dead, and alive */
} roll_call;

static size_t identity_of_entry(const roll_call *at, const pm_group *group, const pm_entry *entry)
{
    if (entry->monitor != NULL) {
        return identity_of(entry->monitor, group->routing_key);
    }
    size_t identity = pm_manager_identity_of_key(at->manager->enabled, group->routing_key);
    return identity < PM_IDENTITIES ? identity : 0;
}

/* One that could not be started yet has no name but its id, and is dead. */
static void add_name(void *user, const pm_group *group, const pm_entry *entry)
{
    roll_call *at = user;
    const panicmon_monitor *monitor = entry->monitor;
    if (identity_of_entry(at, group, entry) == at->identity) {
        /* asked once: in one list only */
        pm_buf *list = &at->lists[monitor != NULL && pm_monitor_is_alive(monitor)];
        pm_buf_text(list, list->len == 0 ? "[" : ", ");
        add_text(list, monitor != NULL ? panicmon_monitor_name(monitor)
                                       : panicmon_config_id(entry->config));
    }
}

panicmon_err pm_manager_heartbeat(panicmon_manager *manager, size_t identity)
{
    pm_buf body = {0};
    roll_call at = {.manager = manager, .identity = identity};
    int64_t now = pm_wall_us();
    pm_buf_text(&body, "{\"component_name\": ");
    add_text(&body, pm_manager_identities[identity].name);
    pthread_mutex_lock(&manager->lock);
    visit_entries(manager, add_name, &at);
    pthread_mutex_unlock(&manager->lock);
    for (size_t i = 0; i < 2; i++) {
        pm_buf_text(&at.lists[i], at.lists[i].len == 0 ? "[]" : "]");
    }
    bool failed = at.lists[0].failed || at.lists[1].failed;
    if (!failed) {
        pm_buf_format(&body,
                      ", \"running_processes\": %s, \"dead_processes\": %s, \"timestamp\": "
                      "%lld.%06d}",
                      at.lists[1].data, at.lists[0].data, (long long)(now / 1000000),
                      (int)(now % 1000000));
    }
    panicmon_err status = failed || body.failed
                              ? PANICMON_ERR_NOMEM
                              : pm_runtime_publish(manager->runtime, "health_check",
                                                   "heartbeat.manager", body.data, body.len);
    pm_buf_free(&at.lists[0]);
    pm_buf_free(&at.lists[1]);
    pm_buf_free(&body);
    return status;
}
