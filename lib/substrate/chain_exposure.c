/* chain_exposure.c: the exposure of a validator in the active era, whole or in pages, as the JSON
 * that PANIC publishes as eras_stakers. */
#include "substrate/chain_read.h"

#include <stdlib.h>
#include <string.h>

/* Pages of one exposure; 512 nominators each on the chains known. */
#define PAGES_MAX 1024

void pm_exposure_unref(pm_exposure *exposure)
{
    if (exposure != NULL && atomic_fetch_sub(&exposure->refs, 1) == 1) {
        free(exposure->json);
        free(exposure);
    }
}

/* As polkadot-js writes a u128 inside of a structure. */
static void add_amount(pm_buf *out, pm_u128 amount)
{
    if (amount.high == 0 && amount.low < (UINT64_C(1) << 52)) {
        pm_buf_int(out, (int64_t)amount.low);
    } else {
        pm_buf_format(out, "\"0x%016llx%016llx\"", (unsigned long long)amount.high,
                      (unsigned long long)amount.low);
    }
}

static void add_head(pm_buf *out, pm_u128 total, pm_u128 own)
{
    pm_buf_text(out, "{\"total\": ");
    add_amount(out, total);
    pm_buf_text(out, ", \"own\": ");
    add_amount(out, own);
    pm_buf_text(out, ", \"others\": [");
}

/* Appends `others`, a sequence of {who, value}; `*some`: one stands there already. */
static void add_others(pm_buf *out, pm_value others, uint16_t prefix, bool *some)
{
    pm_value_iter at = {0};
    pm_value one;
    while (pm_value_next(others, &at, &one)) {
        const uint8_t *account;
        pm_u128 value;
        char text[PM_SS58_TEXT];
        if (pm_value_account(pm_value_field(one, "who"), &account) &&
            pm_value_u128(pm_value_field(one, "value"), &value) &&
            pm_ss58_encode(account, prefix, text) > 0) {
            pm_buf_format(out, "%s{\"who\": \"%s\", \"value\": ", *some ? ", " : "", text);
            add_amount(out, value);
            pm_buf_char(out, '}');
            *some = true;
        }
    }
}

static panicmon_err take(pm_stash *stash, pm_buf *json, const uint8_t tag[16])
{
    pm_exposure *made = calloc(1, sizeof *made);
    pm_buf_text(json, "]}");
    char *text = pm_buf_take(json, NULL);
    if (made == NULL || text == NULL) {
        free(made);
        free(text);
        return PANICMON_ERR_NOMEM;
    }
    atomic_init(&made->refs, 1);
    memcpy(made->tag, tag, sizeof made->tag);
    made->json = text;
    stash->exposure = made;
    return PANICMON_OK;
}

static panicmon_err add_pending(pm_fetch *fetch, const pm_pending *pending)
{
    pm_pending *list = realloc(fetch->pending, (fetch->pending_count + 1) * sizeof *list);
    if (list == NULL) {
        return PANICMON_ERR_NOMEM;
    }
    fetch->pending = list;
    list[fetch->pending_count++] = *pending;
    return PANICMON_OK;
}

static void make_tag(uint8_t tag[16], uint32_t era, pm_json raw)
{
    uint8_t text[16];
    pm_twox(raw.text, raw.len, text, sizeof text);
    pm_twox(&era, sizeof era, tag, 8);
    for (size_t i = 0; i < 16; i++) {
        tag[i] = (uint8_t)(text[i] ^ (i < 8 ? tag[i] : 0));
    }
}

panicmon_err pm_exposure_read(pm_fetch *fetch, pm_stash *stash, const pm_stash *before)
{
    pm_side *side = fetch->staking;
    uint32_t era = (uint32_t)fetch->state->era.value;
    pm_key_arg args[2] = {pm_key_arg_u32(era), pm_key_arg_account(stash->account)};
    pm_json raw = {0};
    pm_item item = PM_ITEM_OVERVIEW;
    if (side->items->has[PM_ITEM_OVERVIEW]) {
        raw = pm_query_raw(&side->query, &side->items->at[PM_ITEM_OVERVIEW], args, 2);
    }
    if (raw.text == NULL && side->items->has[PM_ITEM_STAKERS]) {
        item = PM_ITEM_STAKERS;
        raw = pm_query_raw(&side->query, &side->items->at[PM_ITEM_STAKERS], args, 2);
    }
    if (raw.text == NULL) {
        return PANICMON_OK; /* not elected for this era */
    }
    pm_pending pending = {.stash = stash};
    pm_value value;
    pm_u128 total;
    pm_u128 own;
    make_tag(pending.tag, era, raw);
    if (before != NULL && before->exposure != NULL &&
        memcmp(before->exposure->tag, pending.tag, sizeof pending.tag) == 0) {
        stash->exposure = before->exposure;
        atomic_fetch_add(&stash->exposure->refs, 1);
        return PANICMON_OK;
    }
    if (!pm_read_value(side, item, args, 2, &stash->reasons, PM_FIELD_STAKERS, &value)) {
        return PANICMON_OK;
    }
    if (!pm_value_u128(pm_value_field(value, "total"), &total) ||
        !pm_value_u128(pm_value_field(value, "own"), &own)) {
        pm_reason_set(&stash->reasons, PM_FIELD_STAKERS, "the exposure has another shape");
        return PANICMON_OK;
    }
    (void)pm_value_u32(pm_value_field(value, "page_count"), &pending.pages);
    pending.pages = pending.pages > PAGES_MAX ? PAGES_MAX : pending.pages;
    if (item == PM_ITEM_OVERVIEW && pending.pages > 0 && side->items->has[PM_ITEM_PAGED]) {
        pending.total_low = total.low;
        pending.total_high = total.high;
        pending.own_low = own.low;
        pending.own_high = own.high;
        return add_pending(fetch, &pending);
    }
    bool some = false;
    pm_buf json = {0};
    add_head(&json, total, own);
    add_others(&json, pm_value_field(value, "others"), fetch->state->prefix, &some);
    return take(stash, &json, pending.tag);
}

panicmon_err pm_exposure_pages(pm_fetch *fetch, const pm_pending *pending)
{
    pm_side *side = fetch->staking;
    pm_buf json = {0};
    bool some = false;
    add_head(&json, (pm_u128){.low = pending->total_low, .high = pending->total_high},
             (pm_u128){.low = pending->own_low, .high = pending->own_high});
    for (uint32_t page = 0; page < pending->pages; page++) {
        pm_key_arg args[3] = {pm_key_arg_u32((uint32_t)fetch->state->era.value),
                              pm_key_arg_account(pending->stash->account), pm_key_arg_u32(page)};
        pm_value value;
        if (pm_read_value(side, PM_ITEM_PAGED, args, 3, &pending->stash->reasons, PM_FIELD_STAKERS,
                          &value)) {
            add_others(&json, pm_value_field(value, "others"), fetch->state->prefix, &some);
        }
    }
    return take(pending->stash, &json, pending->tag);
}
