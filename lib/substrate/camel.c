/* camel.c: see camel.h. Words lie between separators; each begins with an upper-case letter but for
 * the first; a run of upper-case letters or digits is one word of its own. */
#include "substrate/camel.h"

#include <string.h>

static bool is_separator(char c)
{
    return c == '-' || c == '_' || c == '.' || c == ',' || c == ' ';
}

static bool is_capital(char c) /* or a digit */
{
    return (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

static char lower(char c)
{
    if (c >= 'A' && c <= 'Z') {
        c = (char)(c - 'A' + 'a');
    }
    return c;
}

static char upper(char c)
{
    if (c >= 'a' && c <= 'z') {
        c = (char)(c - 'a' + 'A');
    }
    return c;
}

/* How many letters at the start of a word become lower case. */
static size_t lowered(const char *word, size_t len)
{
    size_t run = 0;
    while (run < len && is_capital(word[run])) {
        run++;
    }
    if (run == len) {
        return len;
    }
    bool small_follows = word[run] >= 'a' && word[run] <= 'z';
    if (run < 2 || (small_follows && run < 3)) {
        return 0;
    }
    return small_follows ? run - 1 : run; /* the last capital begins the next word */
}

static void add_char(pm_buf *out, char c)
{
    if (c == '"' || c == '\\') {
        pm_buf_char(out, '\\');
    }
    if ((unsigned char)c < 0x20) {
        pm_buf_format(out, "\\u%04x", (unsigned)c);
    } else {
        pm_buf_char(out, c);
    }
}

void pm_camel_add(pm_buf *out, pm_name name)
{
    bool first = true;
    size_t at = 0;
    while (at < name.len) {
        while (at < name.len && is_separator(name.text[at])) {
            at++;
        }
        size_t end = at;
        while (end < name.len && !is_separator(name.text[end])) {
            end++;
        }
        size_t low = lowered(name.text + at, end - at);
        for (size_t i = at; i < end; i++) {
            if (i == at && !first) {
                add_char(out, upper(name.text[i]));
            } else if (i == at || i - at < low) {
                add_char(out, lower(name.text[i]));
            } else {
                add_char(out, name.text[i]);
            }
        }
        first = first && end == at;
        at = end;
    }
}
