/* input.c: files and hex text. */
#include "scale.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK     65536
#define INPUT_MAX (256u << 20)

static bool grow(char **data, size_t *room, size_t need, char message[MESSAGE_MAX])
{
    if (need <= *room) {
        return true;
    }
    size_t more = *room < CHUNK ? CHUNK : 2 * *room;
    char *grown = more > INPUT_MAX ? NULL : realloc(*data, more);
    if (grown == NULL) {
        snprintf(message, MESSAGE_MAX, "the input is too long");
        return false;
    }
    *data = grown;
    *room = more;
    return true;
}

bool scale_read(const char *path, char **data, size_t *len, char message[MESSAGE_MAX])
{
    bool standard = strcmp(path, "-") == 0;
    FILE *file = standard ? stdin : fopen(path, "rb");
    char *bytes = NULL;
    size_t room = 0;
    size_t count = 0;
    bool done = file != NULL;
    if (!done) {
        snprintf(message, MESSAGE_MAX, "%s: %s", path, strerrordesc_np(errno));
    }
    while (done && grow(&bytes, &room, count + CHUNK / 2 + 1, message)) {
        size_t got = fread(bytes + count, 1, CHUNK / 2, file);
        if (got == 0) {
            break;
        }
        count += got;
    }
    if (done && (bytes == NULL || !feof(file))) {
        done = false;
        if (ferror(file)) {
            snprintf(message, MESSAGE_MAX, "%s: %s", path, strerrordesc_np(errno));
        }
    }
    if (file != NULL && !standard) {
        fclose(file);
    }
    if (!done) {
        free(bytes);
        return false;
    }
    bytes[count] = '\0';
    *data = bytes;
    *len = count;
    return true;
}

/* Behind the string that begins at `text`; NULL when it does not end. */
static char *skip_string(char *text)
{
    for (text++; *text != '\0' && *text != '"'; text++) {
        text += *text == '\\' && text[1] != '\0';
    }
    return *text == '"' ? text + 1 : NULL;
}

static char *skip_blanks(char *text)
{
    return text + strspn(text, " \t\r\n");
}

/* The value of the member `result` of the object at `text`; NULL: it has none. */
static char *find_result(char *text)
{
    size_t depth = 0;
    while (text != NULL && *text != '\0') {
        if (*text != '"') {
            depth += *text == '{' || *text == '[';
            depth -= depth > 0 && (*text == '}' || *text == ']');
            text++;
            continue;
        }
        char *key = text;
        text = skip_string(text);
        if (depth == 1 && text != NULL && strncmp(key, "\"result\"", 8) == 0 &&
            *skip_blanks(text) == ':') {
            return skip_blanks(skip_blanks(text) + 1);
        }
    }
    return NULL;
}

bool scale_answer(char *data, size_t *len, char message[MESSAGE_MAX])
{
    char *begin = skip_blanks(data);
    if (strlen(data) < *len) {
        return true; /* binary, whatever it begins with */
    }
    if (*begin == '{' && (begin = find_result(begin)) == NULL) {
        snprintf(message, MESSAGE_MAX, "the metadata is JSON without a result");
        return false;
    }
    if (*begin != '"') {
        snprintf(message, MESSAGE_MAX, "the result in the JSON is no text");
        return begin == skip_blanks(data);
    }
    char *end = skip_string(begin);
    if (end == NULL) {
        snprintf(message, MESSAGE_MAX, "the JSON of the metadata ends early");
        return false;
    }
    *len = (size_t)(end - begin) - 2;
    memmove(data, begin + 1, *len);
    data[*len] = '\0';
    return true;
}

static int digit(char c)
{
    static const char digits[] = "0123456789abcdefABCDEF";
    const char *place = c == '\0' ? NULL : strchr(digits, c);
    if (place == NULL) {
        return -1;
    }
    int value = (int)(place - digits);
    return value < 16 ? value : value - 6;
}

bool scale_hex(const char *text, uint8_t **bytes, size_t *len, char message[MESSAGE_MAX])
{
    text += strspn(text, " \t\r\n");
    if (text[0] == '0' && (text[1] == 'x' || text[1] == 'X')) {
        text += 2;
    }
    size_t digits = strlen(text);
    while (digits > 0 && strchr(" \t\r\n", text[digits - 1]) != NULL) {
        digits--;
    }
    uint8_t *out = malloc(digits / 2 + 1);
    if (out == NULL) {
        snprintf(message, MESSAGE_MAX, "out of memory");
        return false;
    }
    for (size_t i = 0; i < digits; i += 2) {
        int high = digit(text[i]);
        int low = i + 1 < digits ? digit(text[i + 1]) : -1;
        if (high < 0 || low < 0) {
            snprintf(message, MESSAGE_MAX, "HEX: no byte at digit %zu", i);
            free(out);
            return false;
        }
        out[i / 2] = (uint8_t)(high << 4 | low);
    }
    *bytes = out;
    *len = digits / 2;
    return true;
}

void scale_print_string(const char *text)
{
    putchar('"');
    for (; *text != '\0'; text++) {
        unsigned char c = (unsigned char)*text;
        if (c == '"' || c == '\\') {
            printf("\\%c", c);
        } else if (c < 0x20) {
            printf("\\u%04x", c);
        } else {
            putchar(c);
        }
    }
    putchar('"');
}
