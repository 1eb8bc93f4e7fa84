/* fuzz_json.c: any bytes as a JSON document; what our reader says is held against what jansson
 * says, and every value inside is read in every way. */
#include "fuzz.h"

#include <string.h>

#include <jansson.h>

#include "base/json.h"

static void read_value(pm_json value);

static void read_string(pm_json value)
{
    pm_buf text = {0};
    pm_buf written = {0};
    pm_buf again = {0};
    pm_json parsed;
    fuzz_check(pm_json_string(value, &text), "a string can be read");
    if (text.len > 0) {
        pm_buf_json_string(&written, text.data, text.len);
        fuzz_check(pm_json_parse(written.data, written.len, &parsed, NULL),
                   "what we write we read");
        fuzz_check(pm_json_string(parsed, &again) && again.len == text.len, "and it is the same");
    }
    pm_buf_free(&text);
    pm_buf_free(&written);
    pm_buf_free(&again);
}

static void read_children(pm_json value)
{
    pm_json key;
    pm_json child;
    size_t at = 0;
    while (pm_json_is(value, '{') && pm_json_next_member(value, &at, &key, &child)) {
        read_string(key);
        read_value(child);
    }
    at = 0;
    while (pm_json_is(value, '[') && pm_json_next_element(value, &at, &child)) {
        read_value(child);
    }
}

static void read_value(pm_json value)
{
    int64_t number;
    bool flag;
    pm_json same;
    fuzz_check(pm_json_parse(value.text, value.len, &same, NULL), "a value by itself is one");
    fuzz_check(same.len == value.len, "a value has no blanks around it");
    if (pm_json_is(value, '"')) {
        read_string(value);
    }
    (void)pm_json_int(value, &number);
    fuzz_check(pm_json_bool(value, &flag) == pm_json_is(value, 't'), "a flag is true or false");
    read_children(value);
}

static void hear(void *user, size_t depth, pm_json key, pm_json value)
{
    size_t *heard = user;
    fuzz_check(depth == 1 || depth == 2, "only outer values are heard of");
    fuzz_check(key.text == NULL || key.text + key.len < value.text, "a key stands before");
    ++*heard;
}

/* How many values of a container a visitor hears of, found by walking. */
static size_t count_outer(pm_json value, bool inner)
{
    pm_json key;
    pm_json child;
    size_t count = 0;
    size_t at = 0;
    while (pm_json_is(value, '{') && pm_json_next_member(value, &at, &key, &child)) {
        count++;
    }
    while (pm_json_is(value, '[') && pm_json_next_element(value, &at, &child)) {
        count += 1 + (inner ? count_outer(child, false) : 0);
    }
    return count;
}

static void visit(const char *text, size_t size, bool good, size_t at)
{
    size_t heard = 0;
    size_t fault = at;
    const pm_json_visitor visitor = {.value = hear, .user = &heard};
    pm_json value;
    fuzz_check(pm_json_visit(text, size, &visitor, &value, &fault) == good && fault == at,
               "with a visitor it is the same");
    fuzz_check(!good || heard == count_outer(value, true), "each outer value is heard of once");
}

/* jansson has limits where we have none (numbers), and we have one it has not (depth). */
static bool may_differ(const json_error_t *error)
{
    return json_error_code(error) == json_error_numeric_overflow ||
           json_error_code(error) == json_error_null_byte_in_key;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    pm_json value;
    size_t at = 0;
    json_error_t error;
    bool ours = pm_json_parse((const char *)data, size, &value, &at);
    visit((const char *)data, size, ours, at);
    json_t *theirs = json_loadb((const char *)data, size, JSON_DECODE_ANY | JSON_ALLOW_NUL, &error);
    if (ours) {
        fuzz_check(theirs != NULL || may_differ(&error), "what we take, jansson takes");
        read_value(value);
    } else {
        fuzz_check(at <= size, "the fault lies inside");
        /* jansson skips zero bytes. Else only depth is the reason; 64 levels need as many brackets
         */
        if (theirs != NULL && memchr(data, 0, size) == NULL) {
            size_t brackets = 0;
            for (size_t i = 0; i < size; i++) {
                brackets += data[i] == '[' || data[i] == '{';
            }
            fuzz_check(brackets > 64, "what jansson takes, we take");
        }
    }
    json_decref(theirs);
    return 0;
}
