/* topic.c: see topic.h. Rules: AMQP 0-9-1, section 3.1.3.3. */
#include "base/topic.h"

#include <stddef.h>
#include <string.h>

#define LENGTH_MAX 255

bool pm_topic_valid(const char *pattern)
{
    size_t len = strlen(pattern);
    if (len == 0 || len > LENGTH_MAX) {
        return false;
    }
    for (;;) {
        size_t n = strcspn(pattern, ".");
        bool wild = memchr(pattern, '*', n) != NULL || memchr(pattern, '#', n) != NULL;
        if (n == 0 || (wild && n != 1)) {
            return false;
        }
        if (pattern[n] == '\0') {
            return true;
        }
        pattern += n + 1;
    }
}

/* A word of a text; NULL text: there is none. */
typedef struct word {
    const char *text;
    size_t len;
} word;

static word first_word(const char *text)
{
    return (word){.text = text, .len = strcspn(text, ".")};
}

static word next_word(word at)
{
    return at.text[at.len] == '.' ? first_word(at.text + at.len + 1) : (word){0};
}

static bool is(word at, char wild)
{
    return at.text != NULL && at.len == 1 && at.text[0] == wild;
}

/* Greedy with one point to go back to: after a `#` that matched too little. */
bool pm_topic_matches(const char *pattern, const char *routing_key)
{
    word p = first_word(pattern);
    word k = first_word(routing_key);
    word after_hash = {0};
    word retry = {0};
    bool hash = false;
    while (k.text != NULL) {
        if (is(p, '#')) {
            hash = true;
            p = next_word(p);
            after_hash = p;
            retry = k;
        } else if (p.text != NULL &&
                   (is(p, '*') || (p.len == k.len && memcmp(p.text, k.text, p.len) == 0))) {
            p = next_word(p);
            k = next_word(k);
        } else if (hash) {
            retry = next_word(retry);
            k = retry;
            p = after_hash;
        } else {
            return false;
        }
    }
    while (is(p, '#')) {
        p = next_word(p);
    }
    return p.text == NULL;
}
