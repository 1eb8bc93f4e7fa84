/* chain_view.c: the last state of a chain as one source has it, which stashes are to be in it, and
 * who is reading a new one. Any thread. */
#include "substrate/chain.h"

#include <stdlib.h>
#include <string.h>

#include "substrate/chain_state.h"

/* Who began a fetch and did not end it is given up after this. */
#define FETCH_MS 5000

pm_view *pm_view_open(pm_substrate *shared, const char *url, const char *hub_url)
{
    pm_buf key = {0};
    pm_buf_format(&key, "%s %s", url, hub_url == NULL ? "" : hub_url);
    if (key.failed) {
        pm_buf_free(&key);
        return NULL;
    }
    pm_substrate_lock(shared);
    pm_view *view = pm_map_get(&shared->views, key.data);
    if (view == NULL) {
        view = calloc(1, sizeof *view + key.len + 1);
        if (view != NULL && !pm_map_set(&shared->views, key.data, view)) {
            free(view);
            view = NULL;
        }
        if (view != NULL) {
            memcpy(view->key, key.data, key.len + 1);
        }
    }
    if (view != NULL) {
        view->users++;
    }
    pm_substrate_unlock(shared);
    pm_buf_free(&key);
    return view;
}

bool pm_view_is(const pm_view *view, const char *url, const char *hub_url)
{
    size_t len = strlen(url);
    return strncmp(view->key, url, len) == 0 && view->key[len] == ' ' &&
           strcmp(view->key + len + 1, hub_url == NULL ? "" : hub_url) == 0;
}

void pm_view_close(pm_substrate *shared, pm_view *view)
{
    if (view == NULL) {
        return;
    }
    pm_substrate_lock(shared);
    bool last = --view->users == 0;
    if (last) {
        (void)pm_map_remove(&shared->views, view->key);
    }
    pm_substrate_unlock(shared);
    if (last) {
        pm_state_unref(shared, view->state);
        free(view->watched);
        free(view);
    }
}

/* The place of an account in the sorted list, or where it belongs. Under the lock. */
static size_t place_of(const pm_view *view, const uint8_t *account, bool *found)
{
    size_t low = 0;
    size_t high = view->watched_count;
    *found = false;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = memcmp(view->watched[middle].account, account, PM_ACCOUNT_SIZE);
        if (order == 0) {
            *found = true;
            return middle;
        }
        if (order < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

/* Under the lock. */
static bool make_room(pm_view *view)
{
    if (view->watched_count < view->watched_room) {
        return true;
    }
    size_t room = view->watched_room == 0 ? 8 : view->watched_room * 2;
    pm_watch_item *items = realloc(view->watched, room * sizeof *items);
    if (items != NULL) {
        view->watched = items;
        view->watched_room = room;
    }
    return items != NULL;
}

bool pm_view_watch(pm_substrate *shared, pm_view *view, const uint8_t *account)
{
    bool found;
    pm_substrate_lock(shared);
    size_t at = place_of(view, account, &found);
    bool done = found || make_room(view);
    if (found) {
        view->watched[at].users++;
    } else if (done) {
        memmove(&view->watched[at + 1], &view->watched[at],
                (view->watched_count - at) * sizeof *view->watched);
        memcpy(view->watched[at].account, account, PM_ACCOUNT_SIZE);
        view->watched[at].users = 1;
        view->watched_count++;
    }
    pm_substrate_unlock(shared);
    return done;
}

void pm_view_unwatch(pm_substrate *shared, pm_view *view, const uint8_t *account)
{
    bool found;
    pm_substrate_lock(shared);
    size_t at = place_of(view, account, &found);
    if (found && --view->watched[at].users == 0) {
        view->watched_count--;
        memmove(&view->watched[at], &view->watched[at + 1],
                (view->watched_count - at) * sizeof *view->watched);
    }
    pm_substrate_unlock(shared);
}

/* The accounts to read. Under the lock. */
static bool list_accounts(const pm_view *view, pm_view_turn *turn)
{
    const uint8_t *own = turn->account;
    if (view->watched_count == 0 && own == NULL) {
        return true;
    }
    uint8_t(*accounts)[PM_ACCOUNT_SIZE] = malloc((view->watched_count + 1) * PM_ACCOUNT_SIZE);
    turn->accounts = accounts;
    if (accounts == NULL) {
        return false;
    }
    if (own != NULL) {
        memcpy(accounts[turn->account_count++], own, PM_ACCOUNT_SIZE);
    }
    for (size_t i = 0; i < view->watched_count; i++) {
        if (own == NULL || memcmp(view->watched[i].account, own, PM_ACCOUNT_SIZE) != 0) {
            memcpy(accounts[turn->account_count++], view->watched[i].account, PM_ACCOUNT_SIZE);
        }
    }
    return true;
}

panicmon_err pm_view_take(pm_substrate *shared, pm_view *view, pm_view_turn *turn)
{
    bool good = true;
    int64_t now = turn->now;
    pm_substrate_lock(shared);
    pm_state *state = view->state;
    bool other = view->fetcher != NULL && view->fetcher != turn->who && now < view->fetch_until_ms;
    int64_t age = state != NULL ? now - state->taken_ms : 0;
    bool fresh = state != NULL && state->taken_ms > turn->seen_ms && age < turn->fresh_ms;
    if (state != NULL && (fresh || (other && age < turn->stale_ms)) &&
        (turn->account == NULL || pm_state_stash(state, turn->account) != NULL)) {
        turn->state = pm_state_ref(state);
    } else if ((good = list_accounts(view, turn))) {
        turn->last = pm_state_ref(state);
        turn->mine = !other;
        if (shared->fetch_count > 0) {
            turn->fetch = shared->fetches[--shared->fetch_count];
        }
        if (turn->mine) {
            view->fetcher = turn->who;
            view->fetch_until_ms = now + FETCH_MS;
        }
    }
    pm_substrate_unlock(shared);
    return good ? PANICMON_OK : PANICMON_ERR_NOMEM;
}

void pm_view_leave(pm_substrate *shared, pm_view *view, const void *who, struct pm_state *state)
{
    pm_state *old = NULL;
    pm_substrate_lock(shared);
    bool fetched = view->fetcher == who;
    if (fetched) {
        view->fetcher = NULL;
    }
    if (state != NULL &&
        (view->state == NULL || (view->state->taken_ms <= state->taken_ms &&
                                 (fetched || view->state->stash_count <= state->stash_count)))) {
        old = view->state;
        view->state = pm_state_ref(state);
    }
    pm_substrate_unlock(shared);
    pm_state_unref(shared, old);
}

bool pm_view_accounts(pm_substrate *shared, pm_view *view, const uint8_t *own,
                      uint8_t (**out)[PM_ACCOUNT_SIZE], size_t *count)
{
    *count = 0;
    pm_substrate_lock(shared);
    uint8_t(*accounts)[PM_ACCOUNT_SIZE] = malloc((view->watched_count + 1) * PM_ACCOUNT_SIZE);
    if (accounts != NULL && own != NULL) {
        memcpy(accounts[(*count)++], own, PM_ACCOUNT_SIZE);
    }
    for (size_t i = 0; accounts != NULL && i < view->watched_count; i++) {
        if (own == NULL || memcmp(view->watched[i].account, own, PM_ACCOUNT_SIZE) != 0) {
            memcpy(accounts[(*count)++], view->watched[i].account, PM_ACCOUNT_SIZE);
        }
    }
    pm_substrate_unlock(shared);
    *out = accounts;
    return accounts != NULL;
}
