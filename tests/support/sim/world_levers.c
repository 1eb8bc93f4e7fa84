/* world_levers.c: what tests may make a made chain do. See chain.h. */
#include <string.h>

#include "scale.h"
#include "world.h"

static sim_validator *validator_of(sim_chain *chain, uint32_t validator)
{
    sim_world *world = sim_world_of(chain);
    return world == NULL || validator >= world->count ? NULL : &world->validators[validator];
}

bool sim_world_slash(sim_chain *chain, uint32_t validator, uint64_t amount)
{
    sim_validator *v = validator_of(chain, validator);
    if (v == NULL) {
        return false;
    }
    v->slash += amount;
    return true;
}

bool sim_world_offline(sim_chain *chain, uint32_t validator)
{
    sim_validator *v = validator_of(chain, validator);
    if (v == NULL || v->place == UINT32_MAX) {
        return false;
    }
    v->offline = true;
    return true;
}

bool sim_world_next_session(sim_chain *chain)
{
    sim_world *world = sim_world_of(chain);
    if (world != NULL) {
        world->next_session = true;
    }
    return world != NULL;
}

bool sim_world_next_era(sim_chain *chain)
{
    sim_world *world = sim_world_of(chain);
    if (world == NULL) {
        return false;
    }
    for (uint32_t era = world->era; world->era == era;) {
        world->next_session = true;
        if (!sim_chain_advance(chain)) {
            return false;
        }
    }
    return true;
}

static bool parse_index(const char *text, uint32_t *index)
{
    uint64_t value = 0;
    for (const char *p = text; *p != '\0'; p++) {
        if (*p < '0' || *p > '9' || value > UINT32_MAX) {
            return false;
        }
        value = value * 10 + (uint64_t)(*p - '0');
    }
    *index = (uint32_t)value;
    return *text != '\0' && value < UINT32_MAX;
}

bool sim_world_find(const sim_chain *chain, const char *text, uint32_t *validator)
{
    const sim_world *world = sim_world_of(chain);
    if (world == NULL) {
        return false;
    }
    if (parse_index(text, validator)) {
        return *validator < world->count;
    }
    bool found = false;
    pm_buf name = {0};
    for (uint32_t i = 0; i < world->count && !found; i++) {
        pm_buf_clear(&name);
        if (strncmp(text, "0x", 2) == 0) {
            sim_put_hex(&name, world->validators[i].account, 32);
        } else {
            sim_put_ss58(&name, world->options.ss58, world->validators[i].account);
        }
        found = !name.failed && strcmp(name.data, text) == 0;
        *validator = i;
    }
    pm_buf_free(&name);
    return found;
}

static void describe_validator(const sim_world *world, uint32_t i, pm_buf *out)
{
    const sim_validator *v = &world->validators[i];
    pm_buf_text(out, i == 0 ? "{\"account\":\"" : ",{\"account\":\"");
    sim_put_hex(out, v->account, 32);
    pm_buf_text(out, "\",\"address\":\"");
    sim_put_ss58(out, world->options.ss58, v->account);
    pm_buf_format(out, "\",\"own\":\"%llu\",\"points\":%u,\"authored\":%u,\"active\":%s,",
                  (unsigned long long)v->own, v->points, v->authored,
                  v->place == UINT32_MAX ? "false" : "true");
    pm_buf_format(out, "\"disabled\":%s,\"unclaimed\":[", v->disabled ? "true" : "false");
    uint32_t depth = world->options.history_depth;
    bool first = true;
    for (uint32_t era = world->era >= depth ? world->era - depth + 1 : 0; era < world->era; era++) {
        if (sim_elected(world, era, i) && !sim_claimed(world, world->chain.head, era, i)) {
            pm_buf_format(out, first ? "%u" : ",%u", era);
            first = false;
        }
    }
    pm_buf_text(out, "]}");
}

void sim_world_describe(const sim_chain *chain, pm_buf *out)
{
    const sim_world *world = sim_world_of(chain);
    if (world == NULL) {
        return;
    }
    pm_buf_format(out,
                  ",\"session\":%u,\"activeEra\":%u,\"currentEra\":%u,\"historyDepth\":%u,"
                  "\"legacy\":%s,\"validators\":[",
                  world->session, world->era, world->planned_era, world->options.history_depth,
                  world->options.legacy ? "true" : "false");
    for (uint32_t i = 0; i < world->count; i++) {
        describe_validator(world, i, out);
    }
    pm_buf_char(out, ']');
}
