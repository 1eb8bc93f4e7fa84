/* node_view.c: from replies to numbers, from numbers to PANIC's sample. No state. */
#include "substrate/node_view.h"

#include <string.h>

#include "base/clock.h"

void pm_node_facts_free(pm_node_facts *facts)
{
    pm_buf_free(&facts->chain);
    pm_buf_free(&facts->version);
    pm_buf_free(&facts->genesis);
    pm_buf_free(&facts->spec_name);
    pm_buf_free(&facts->properties);
}

static int hex_digit(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* The inside of a JSON string that holds no escapes; NULL text else. */
static pm_json plain_string(pm_json value)
{
    if (!pm_json_is(value, '"') || memchr(value.text, '\\', value.len) != NULL) {
        return (pm_json){0};
    }
    return (pm_json){.text = value.text + 1, .len = value.len - 2};
}

bool pm_read_health(pm_json result, pm_health *out)
{
    out->known = pm_json_int(pm_json_member(result, "peers"), &out->peers) &&
                 pm_json_bool(pm_json_member(result, "isSyncing"), &out->is_syncing) &&
                 pm_json_bool(pm_json_member(result, "shouldHavePeers"), &out->should_have_peers);
    return out->known;
}

bool pm_read_sync_state(pm_json result, pm_node_view *view)
{
    pm_json highest = pm_json_member(result, "highestBlock");
    view->best.known = pm_json_int(pm_json_member(result, "currentBlock"), &view->best.value);
    view->target.known = pm_json_int(highest, &view->target.value);
    return view->best.known &&
           (view->target.known || highest.text == NULL || pm_json_is(highest, 'n'));
}

bool pm_read_header_number(pm_json result, pm_maybe *out)
{
    pm_json hex = plain_string(pm_json_member(result, "number"));
    if (hex.len < 3 || hex.text[0] != '0' || hex.text[1] != 'x') {
        return false;
    }
    int64_t value = 0;
    for (size_t i = 2; i < hex.len; i++) {
        int digit = hex_digit(hex.text[i]);
        if (digit < 0 || value > INT64_MAX >> 4) {
            return false;
        }
        value = value << 4 | digit;
    }
    *out = (pm_maybe){.known = true, .value = value};
    return true;
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
    if (wrap) {
        pm_buf_char(out, '[');
    }
    add_value(out, value);
    if (wrap) {
        pm_buf_char(out, ']');
    }
}

bool pm_read_properties(pm_json result, pm_buf *out)
{
    if (!pm_json_is(result, '{')) {
        return false;
    }
    pm_buf_clear(out);
    pm_buf_text(out, "{\"ss58Format\": ");
    add_value(out, pm_json_member(result, "ss58Format"));
    pm_buf_text(out, ", \"tokenDecimals\": ");
    add_array(out, pm_json_member(result, "tokenDecimals"));
    pm_buf_text(out, ", \"tokenSymbol\": ");
    add_array(out, pm_json_member(result, "tokenSymbol"));
    pm_buf_char(out, '}');
    return !out->failed;
}

/* The first four bytes of "0x...", little-endian; more may follow. */
static bool read_u32(pm_json value, pm_maybe *out)
{
    pm_json hex = plain_string(value);
    if (hex.len < 10 || hex.text[0] != '0' || hex.text[1] != 'x') {
        return false;
    }
    uint32_t number = 0;
    for (size_t i = 0; i < 4; i++) {
        int high = hex_digit(hex.text[2 + 2 * i]);
        int low = hex_digit(hex.text[3 + 2 * i]);
        if (high < 0 || low < 0) {
            return false;
        }
        number |= (uint32_t)(high * 16 + low) << (8 * i);
    }
    *out = (pm_maybe){.known = true, .value = number};
    return true;
}

bool pm_read_storage_u32(pm_json result, const char *key, pm_maybe *out)
{
    size_t at_set = 0;
    pm_json set;
    *out = (pm_maybe){0};
    if (!pm_json_is(result, '[')) {
        return false;
    }
    while (pm_json_next_element(result, &at_set, &set)) {
        size_t at_change = 0;
        pm_json change;
        pm_json changes = pm_json_member(set, "changes");
        while (pm_json_next_element(changes, &at_change, &change)) {
            size_t at = 0;
            pm_json name = {0};
            pm_json value = {0};
            (void)pm_json_next_element(change, &at, &name);
            (void)pm_json_next_element(change, &at, &value);
            if (pm_json_equals(name, key) && !pm_json_is(value, 'n')) {
                return read_u32(value, out);
            }
        }
    }
    return true;
}

static void add_text(pm_buf *out, const char *text)
{
    pm_buf_json_string(out, text, strlen(text));
}

static void add_member(pm_buf *out, const char *name, pm_maybe number)
{
    pm_buf_format(out, "\"%s\": ", name);
    if (number.known) {
        pm_buf_int(out, number.value);
    } else {
        pm_buf_text(out, "null");
    }
    pm_buf_text(out, ", ");
}

static void add_fact(pm_buf *out, const char *name, const pm_buf *json)
{
    pm_buf_format(out, "\"%s\": %s, ", name, json->len > 0 ? json->data : "null");
}

static const char *yes_no(bool value)
{
    return value ? "true" : "false";
}

static void add_meta_data(pm_buf *out, const pm_node_config *config, const char *monitor_name)
{
    int64_t now = pm_wall_us();
    pm_buf_text(out, "\"meta_data\": {\"monitor_name\": ");
    add_text(out, monitor_name);
    pm_buf_text(out, ", \"node_name\": ");
    add_text(out, config->name);
    pm_buf_text(out, ", \"node_id\": ");
    add_text(out, config->id);
    pm_buf_text(out, ", \"node_parent_id\": ");
    add_text(out, config->parent_id);
    pm_buf_format(out, ", \"time\": %lld.%06d, \"is_validator\": %s, \"stash_address\": ",
                  (long long)(now / 1000000), (int)(now % 1000000), yes_no(config->is_validator));
    add_text(out, config->stash_address);
    pm_buf_char(out, '}');
}

/* Ours, where PANIC's transformer tolerates it: as a member of `data` that it does not know. */
static void add_extras(pm_buf *out, const pm_node_view *view, const pm_node_facts *facts)
{
    pm_buf_text(out, "\"panicmon\": {");
    add_fact(out, "chain", &facts->chain);
    add_fact(out, "genesis_hash", &facts->genesis);
    add_fact(out, "node_version", &facts->version);
    add_fact(out, "spec_name", &facts->spec_name);
    add_member(out, "spec_version", view->spec_version);
    if (view->health.known) {
        pm_buf_format(out,
                      "\"peers\": %lld, \"health\": {\"peers\": %lld, \"isSyncing\": %s, "
                      "\"shouldHavePeers\": %s}, ",
                      (long long)view->health.peers, (long long)view->health.peers,
                      yes_no(view->health.is_syncing), yes_no(view->health.should_have_peers));
    } else {
        pm_buf_text(out, "\"peers\": null, \"health\": null, ");
    }
    pm_buf_text(out, "\"source\": ");
    add_text(out, view->source_url);
    pm_buf_char(out, '}');
}

void pm_node_sample(pm_buf *out, const pm_node_config *config, const char *monitor_name,
                    const pm_node_view *view, const pm_node_facts *facts)
{
    pm_buf_text(out, "{\"websocket\": {\"result\": {");
    add_meta_data(out, config, monitor_name);
    pm_buf_text(out, ", \"data\": {");
    add_member(out, "best_height", view->best);
    add_member(out, "target_height", view->target);
    add_member(out, "finalized_height", view->finalized);
    add_member(out, "current_session", view->session);
    add_member(out, "current_era", view->era);
    pm_buf_text(out, "\"authored_blocks\": 0, \"active\": false, \"elected\": false, "
                     "\"disabled\": false, \"eras_stakers\": {\"total\": null, \"own\": null, "
                     "\"others\": []}, \"sent_heartbeat\": false, \"controller_address\": null, ");
    add_member(out, "history_depth_eras", view->history_depth);
    pm_buf_text(out, "\"unclaimed_rewards\": [], \"claimed_rewards\": [], "
                     "\"previous_era_rewards\": 0, ");
    add_fact(out, "system_properties", &facts->properties);
    pm_buf_text(out, "\"historical\": [], ");
    add_extras(out, view, facts);
    pm_buf_text(out, "}}}}");
}

void pm_node_error_sample(pm_buf *out, const pm_node_config *config, const char *monitor_name,
                          int code, const char *message)
{
    pm_buf_text(out, "{\"websocket\": {\"error\": {");
    add_meta_data(out, config, monitor_name);
    pm_buf_text(out, ", \"message\": ");
    add_text(out, message);
    pm_buf_format(out, ", \"code\": %d}}}", code);
}
