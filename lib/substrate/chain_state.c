/* chain_state.c: see chain_state.h. Reading one is chain_fetch.c's. */
#include "substrate/chain_state.h"

#include <stdlib.h>
#include <string.h>

#include "substrate/chain_read.h"

const char *pm_field_name(pm_field field)
{
    static const char *const names[PM_FIELD_COUNT] = {"current_session",
                                                      "current_era",
                                                      "authored_blocks",
                                                      "active",
                                                      "elected",
                                                      "disabled",
                                                      "eras_stakers",
                                                      "sent_heartbeat",
                                                      "controller_address",
                                                      "history_depth_eras",
                                                      "unclaimed_rewards",
                                                      "claimed_rewards",
                                                      "previous_era_rewards"};
    return names[field];
}

/* Without memory the reason is missing; the value stands all the same. */
void pm_reason_set(pm_reasons *reasons, pm_field field, const char *text)
{
    if (reasons->texts == NULL) {
        reasons->texts = calloc(PM_FIELD_COUNT, sizeof *reasons->texts);
    }
    if (reasons->texts != NULL && reasons->texts[field] == NULL) {
        reasons->texts[field] = strdup(text);
    }
}

void pm_reasons_free(pm_reasons *reasons)
{
    for (size_t i = 0; reasons->texts != NULL && i < PM_FIELD_COUNT; i++) {
        free(reasons->texts[i]);
    }
    free(reasons->texts);
    reasons->texts = NULL;
}

pm_state *pm_state_ref(pm_state *state)
{
    if (state != NULL) {
        atomic_fetch_add(&state->refs, 1);
    }
    return state;
}

void pm_state_unref(pm_substrate *shared, pm_state *state)
{
    if (state == NULL || atomic_fetch_sub(&state->refs, 1) != 1) {
        return;
    }
    pm_runtime_unref(shared, state->runtime);
    pm_runtime_unref(shared, state->staking_runtime);
    pm_facts_unref(state->facts);
    pm_facts_unref(state->staking_facts);
    for (size_t i = 0; i < state->stash_count; i++) {
        pm_stash *stash = &state->stashes[i];
        pm_exposure_unref(stash->exposure);
        pm_reasons_free(&stash->reasons);
        free(stash->claimed);
        free(stash->eras);
    }
    free(state->stashes);
    pm_reasons_free(&state->reasons);
    free(state);
}

static int compare(const void *account, const void *stash)
{
    return memcmp(account, ((const pm_stash *)stash)->account, PM_ACCOUNT_SIZE);
}

const pm_stash *pm_state_stash(const pm_state *state, const uint8_t *account)
{
    return state->stash_count == 0 ? NULL
                                   : bsearch(account, state->stashes, state->stash_count,
                                             sizeof *state->stashes, compare);
}
