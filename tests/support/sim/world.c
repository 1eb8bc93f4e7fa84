/* world.c: a small chain made in memory: blocks, sessions, eras, rewards, slashes, offences. What
 * it does depends on its options alone, so that two of the same seed are equal. See world.h. */
#include "world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scale.h"

static const sim_chain_ops world_ops;

sim_world *sim_world_of(const sim_chain *chain)
{
    return chain->ops == &world_ops ? (sim_world *)(uintptr_t)chain : NULL;
}

uint64_t sim_world_random(const sim_world *world, uint64_t what, uint64_t n)
{
    uint64_t x = world->options.seed + what * 0x9e3779b97f4a7c15u + n * 0xd1342543de82ef95u;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return x ^ x >> 31;
}

int64_t sim_world_time(const sim_world *world, uint32_t number)
{
    return world->options.start_time_ms +
           ((int64_t)number - world->options.start) * world->options.block_ms;
}

/* A hash whose last four bytes, once unmasked, are the number: it leads back without a table. */
static void make_hash(const sim_world *world, uint32_t number, char text[SIM_HASH_TEXT + 1])
{
    uint64_t from[2] = {world->options.seed, number};
    uint8_t hash[32];
    sim_blake2(hash, sizeof hash, from, sizeof from);
    uint32_t tail = number ^ (uint32_t)sim_world_random(world, 1, 0);
    for (size_t i = 0; i < 4; i++) {
        hash[28 + i] = (uint8_t)(tail >> (8 * i));
    }
    memcpy(text, "0x", 2);
    sim_hex(text + 2, hash, sizeof hash);
    text[SIM_HASH_TEXT] = '\0';
}

static void world_hash(const sim_chain *chain, uint32_t number, char text[SIM_HASH_TEXT + 1])
{
    sim_world *world = sim_world_of(chain);
    size_t slot = number % SIM_HASH_RING;
    if (world->ring[slot].number != number || world->ring[slot].text[0] == '\0') {
        make_hash(world, number, world->ring[slot].text);
        world->ring[slot].number = number;
    }
    memcpy(text, world->ring[slot].text, SIM_HASH_TEXT + 1);
}

static bool world_number(const sim_chain *chain, const char *hash, uint32_t *number)
{
    const sim_world *world = sim_world_of(chain);
    uint8_t tail[4];
    char expected[SIM_HASH_TEXT + 1];
    if (sim_unhex(tail, sizeof tail, hash + SIM_HASH_TEXT - 8, 8) != 0) {
        return false;
    }
    uint32_t n = (uint32_t)tail[0] | (uint32_t)tail[1] << 8 | (uint32_t)tail[2] << 16 |
                 (uint32_t)tail[3] << 24;
    n ^= (uint32_t)sim_world_random(world, 1, 0);
    if (n > chain->head) {
        return false;
    }
    world_hash(chain, n, expected);
    *number = n;
    return memcmp(expected, hash, SIM_HASH_TEXT) == 0;
}

static void world_free(sim_chain *chain)
{
    sim_world *world = sim_world_of(chain);
    free(world->validators);
    free(world->by_account);
    free(world->active);
    pm_buf_free(&world->key);
    pm_buf_free(&world->value);
    pm_buf_free(&world->events);
    free(world);
}

/* ---- sessions and eras ---- */

static void elect(sim_world *world)
{
    world->active_count = 0;
    for (uint32_t i = 0; i < world->count; i++) {
        world->validators[i].place = UINT32_MAX;
        if (sim_elected(world, world->era, i)) {
            world->validators[i].place = world->active_count;
            world->active[world->active_count++] = i;
        }
    }
}

static void plan_era(sim_world *world, uint32_t number)
{
    world->planned_era = world->era + 1;
    sim_write_exposures(world, number, world->planned_era);
    sim_write_current_era(world, number);
}

static void start_era(sim_world *world, uint32_t number)
{
    sim_event_era_paid(world, world->era);
    world->era++;
    world->era_start = number;
    world->era_start_ms = sim_world_time(world, number);
    world->session_in_era = 0;
    for (uint32_t i = 0; i < world->count; i++) {
        world->validators[i].points = 0;
        world->validators[i].disabled = false;
    }
    elect(world);
    sim_write_active_era(world, number);
    if (world->era > world->options.history_depth) {
        sim_remove_era(world, number, world->era - world->options.history_depth - 1);
    }
}

static void end_session_of(sim_world *world, uint32_t number, uint32_t validator)
{
    sim_validator *v = &world->validators[validator];
    if (world->options.legacy) {
        if (v->authored > 0) {
            sim_write_authored(world, number, validator, false);
        }
        if (v->place != UINT32_MAX) {
            sim_write_heartbeat(world, number, validator, false);
        }
        v->disabled = false;
    }
    v->authored = 0;
}

/* Now and then one of the set is found to have been away for the session. */
static void choose_offline(sim_world *world)
{
    uint32_t every = world->options.offline_every;
    if (every > 0 && world->session % every == every - 1) {
        uint64_t draw = sim_world_random(world, 2, world->session);
        world->validators[world->active[draw % world->active_count]].offline = true;
    }
}

static void report_offline(sim_world *world)
{
    bool any = false;
    sim_event_offline(world);
    for (uint32_t i = 0; i < world->active_count; i++) {
        sim_validator *v = &world->validators[world->active[i]];
        if (v->offline) {
            v->offline = false;
            v->disabled = true;
            any = true;
            sim_event_offence(world, world->active[i]);
        }
    }
    for (uint32_t i = 0; i < world->count; i++) {
        world->validators[i].offline = false; /* who is not in the set cannot be away from it */
    }
    if (any) {
        sim_write_disabled(world, world->chain.head);
    }
}

static void change_session(sim_world *world, uint32_t number)
{
    for (uint32_t i = 0; i < world->count; i++) {
        end_session_of(world, number, i);
    }
    world->next_session = false;
    world->session++;
    world->session_start = number;
    world->session_in_era++;
    choose_offline(world);
    report_offline(world); /* disabled from here on */
    if (world->session_in_era >= world->options.era_sessions) {
        start_era(world, number);
    }
    if (world->session_in_era + 1 >= world->options.era_sessions &&
        world->planned_era == world->era) {
        plan_era(world, number);
    }
    sim_event_new_session(world);
    sim_write_session(world, number);
}

/* ---- within a session ---- */

static void author_block(sim_world *world, uint32_t number)
{
    uint64_t draw = sim_world_random(world, 3, number);
    for (uint32_t i = 0; i < world->active_count; i++) {
        uint32_t who = world->active[(draw + i) % world->active_count];
        sim_validator *v = &world->validators[who];
        if (!v->disabled) {
            v->points += 20;
            v->authored++;
            sim_write_points(world, number, world->era);
            if (world->options.legacy) {
                sim_write_authored(world, number, who, true);
            }
            return;
        }
    }
}

static void send_heartbeats(sim_world *world, uint32_t number)
{
    for (uint32_t i = 0; i < world->active_count; i++) {
        if (!world->validators[world->active[i]].disabled) {
            sim_write_heartbeat(world, number, world->active[i], true);
        }
    }
}

static void claim_rewards(sim_world *world, uint32_t number)
{
    if (world->era == 0) {
        return;
    }
    for (uint32_t i = 0; i < world->count; i++) {
        if (sim_claimed(world, number, world->era - 1, i)) {
            sim_write_claim(world, number, world->era - 1, i);
            sim_event_rewarded(world, i);
        }
    }
}

static void do_slashes(sim_world *world, uint32_t number)
{
    uint32_t every = world->options.slash_every;
    if (every > 0 && number % every == 0) {
        uint64_t draw = sim_world_random(world, 4, number);
        sim_validator *v = &world->validators[world->active[draw % world->active_count]];
        v->slash += v->own / 100 + 1;
    }
    for (uint32_t i = 0; i < world->count; i++) {
        sim_validator *v = &world->validators[i];
        if (v->slash > 0) {
            sim_event_slashed(world, i, v->slash);
            v->own -= v->slash < v->own ? v->slash : v->own;
            v->slash = 0;
            sim_write_ledger(world, number, i);
        }
    }
}

static bool any_offline(const sim_world *world)
{
    for (uint32_t i = 0; i < world->count; i++) {
        if (world->validators[i].offline) {
            return true;
        }
    }
    return false;
}

static bool world_advance(sim_chain *chain)
{
    sim_world *world = sim_world_of(chain);
    if (chain->head == UINT32_MAX) {
        return false;
    }
    uint32_t number = ++chain->head;
    pm_buf_clear(&world->events);
    world->event_count = 0;
    sim_event_success(world, 0);
    sim_event_success(world, 1);
    const sim_runtime *runtime = sim_chain_runtime(chain, number);
    if (runtime->from == number) {
        sim_event_code_updated(world);
    }
    if (world->next_session || number - world->session_start >= world->options.session_blocks) {
        change_session(world, number);
    } else if (any_offline(world)) {
        report_offline(world);
    }
    if (world->options.legacy &&
        number - world->session_start == world->options.session_blocks / 2) {
        send_heartbeats(world, number);
    }
    if (number == world->era_start + 1) {
        claim_rewards(world, number);
    }
    author_block(world, number);
    do_slashes(world, number);
    sim_write_block(world, number);
    return true;
}

static const sim_chain_ops world_ops = {
    .advance = world_advance, .hash = world_hash, .number = world_number, .free = world_free};

/* ---- the beginning ---- */

static int by_account(const void *left, const void *right, void *user)
{
    const sim_validator *validators = user;
    return memcmp(validators[*(const uint32_t *)left].account,
                  validators[*(const uint32_t *)right].account, 32);
}

static void make_validators(sim_world *world)
{
    const sim_world_options *o = &world->options;
    world->count = o->validators + o->waiting;
    world->validators = sim_alloc(world->count * sizeof *world->validators);
    world->by_account = sim_alloc(world->count * sizeof *world->by_account);
    world->active = sim_alloc(world->count * sizeof *world->active);
    for (uint32_t i = 0; i < world->count; i++) {
        uint64_t from[3] = {o->seed, 5, i};
        sim_blake2(world->validators[i].account, 32, from, sizeof from);
        world->validators[i].own =
            (10000 + sim_world_random(world, 6, i) % 90000) * 1000000000000u + i;
        world->by_account[i] = i;
    }
    qsort_r(world->by_account, world->count, sizeof *world->by_account, by_account,
            world->validators);
}

/* Everything that stands in storage before the first block that is really made. */
static void make_past(sim_world *world, uint32_t number)
{
    const sim_world_options *o = &world->options;
    world->session = number / o->session_blocks;
    world->session_start = world->session * o->session_blocks;
    world->era = world->session / o->era_sessions;
    world->session_in_era = world->session % o->era_sessions;
    world->era_start = world->era * o->era_sessions * o->session_blocks;
    world->era_start_ms = sim_world_time(world, world->era_start);
    uint32_t past = world->era > o->history_depth ? world->era - o->history_depth : 0;
    for (uint32_t era = past; era <= world->era; era++) {
        sim_write_exposures(world, number, era);
        for (uint32_t i = 0; i < world->count; i++) {
            bool there = era < world->era && sim_elected(world, era, i);
            world->validators[i].points =
                there ? 20 * (uint32_t)(1 + sim_world_random(world, 7 + i, era) % 40) : 0;
        }
        sim_write_points(world, number, era);
    }
    for (uint32_t era = past; era < world->era && !o->legacy; era++) {
        for (uint32_t i = 0; i < world->count; i++) {
            if (sim_claimed(world, number, era, i)) {
                sim_write_claim(world, number, era, i);
            }
        }
    }
    world->planned_era = world->era;
    elect(world);
    sim_write_active_era(world, number);
    sim_write_current_era(world, number);
    if (world->session_in_era + 1 >= o->era_sessions) {
        plan_era(world, number);
    }
    for (uint32_t i = 0; i < world->count; i++) {
        sim_write_ledger(world, number, i);
    }
    sim_write_constants(world, number);
    sim_write_session(world, number);
    sim_write_block(world, number);
}

static void add_runtime(sim_world *world, uint32_t from, uint32_t spec_version)
{
    pm_buf version = {0};
    pm_buf scale = {0};
    pm_buf metadata = {0};
    pm_buf_format(&version,
                  "{\"specName\":\"%s\",\"implName\":\"panicmon-sim\",\"authoringVersion\":0,"
                  "\"specVersion\":%u,\"implVersion\":0,\"apis\":[[\"0xdf6acb689907609b\",5],"
                  "[\"0x37e397fc7c91f5e4\",2]],\"transactionVersion\":1,\"stateVersion\":1}",
                  sim_spec_name(&world->options), spec_version);
    sim_metadata_v14(&scale, &world->options, spec_version);
    pm_buf_char(&metadata, '"');
    sim_put_hex(&metadata, scale.data, scale.len);
    pm_buf_char(&metadata, '"');
    if (version.failed || scale.failed || metadata.failed) {
        exit(3);
    }
    pm_buf_free(&scale);
    sim_chain_add_runtime(&world->chain, from, spec_version, pm_buf_take(&version, NULL),
                          pm_buf_take(&metadata, NULL));
}

bool sim_world_upgrade(sim_chain *chain, uint32_t from, uint32_t spec_version)
{
    sim_world *world = sim_world_of(chain);
    if (world == NULL || from <= chain->head ||
        from <= chain->runtimes[chain->runtime_count - 1].from) {
        return false;
    }
    add_runtime(world, from, spec_version);
    return true;
}

sim_chain *sim_world_new(const sim_world_options *options)
{
    sim_world *world = sim_alloc(sizeof *world);
    sim_chain *chain = &world->chain;
    pm_buf properties = {0};
    world->options = *options;
    chain->ops = &world_ops;
    chain->hold = UINT32_MAX;
    chain->keep = options->keep;
    chain->version = "1.20.0-simulated";
    chain->name = sim_text(options->legacy ? "\"Simulated Legacy Chain\"" : "\"Simulated Chain\"");
    pm_buf_format(&properties, "{\"ss58Format\":%u,\"tokenDecimals\":12,\"tokenSymbol\":\"SIM\"}",
                  options->ss58);
    chain->properties = pm_buf_take(&properties, NULL);
    make_validators(world);
    add_runtime(world, 0, options->spec_version);
    chain->first = 1;
    chain->head = options->start - options->warm_up;
    chain->oldest_state = chain->head;
    world_hash(chain, 0, chain->genesis);
    make_past(world, chain->head);
    while (chain->head < options->start) {
        (void)sim_chain_advance(chain);
    }
    return chain;
}
