/* floor_script.c: see floor.h. */
#include "floor.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void must(bool good, const char *what)
{
    if (!good) {
        fprintf(stderr, "bench-floor: %s: %s\n", what, strerror(errno));
        exit(1);
    }
}

void bytes_add(bytes *to, const void *from, size_t len)
{
    if (to->len + len > to->cap) {
        to->cap = (to->len + len) * 2;
        to->data = realloc(to->data, to->cap);
        must(to->data != NULL, "memory");
    }
    memcpy(to->data + to->len, from, len);
    to->len += len;
}

static void add_number(bytes *to, uint64_t value, int size)
{
    while (size-- > 0) {
        char byte = (char)(value >> 8 * size);
        bytes_add(to, &byte, 1);
    }
}

/* A text frame whose mask is zero, so that it can be sent as it stands. */
static void add_frame(bytes *to, const char *text)
{
    size_t size = strlen(text);
    add_number(to, 0x81, 1);
    add_number(to, 0x80 | (size < 126 ? size : size < 65536 ? 126 : 127), 1);
    if (size >= 126) {
        add_number(to, size, size < 65536 ? 2 : 8);
    }
    add_number(to, 0, 4);
    bytes_add(to, text, size);
}

static void add_amqp_frame(bytes *to, int type, const bytes *payload)
{
    add_number(to, (uint64_t)type, 1);
    add_number(to, 1, 2);
    add_number(to, payload->len, 4);
    bytes_add(to, payload->data, payload->len);
    add_number(to, 0xce, 1);
}

/* basic.publish, mandatory, persistent, as the library sends it. */
static void add_message(bytes *to, const char *exchange, const char *key, const char *text)
{
    bytes method = {0};
    bytes header = {0};
    bytes body = {.data = strdup(text), .len = strlen(text)};
    add_number(&method, (uint64_t)60 << 32 | (uint64_t)40 << 16, 6);
    add_number(&method, strlen(exchange), 1);
    bytes_add(&method, exchange, strlen(exchange));
    add_number(&method, strlen(key), 1);
    bytes_add(&method, key, strlen(key));
    add_number(&method, 1, 1);
    add_number(&header, (uint64_t)60 << 16, 4);
    add_number(&header, body.len, 8);
    add_number(&header, 0x1000, 2);
    add_number(&header, 2, 1);
    must(body.data != NULL, "memory");
    add_amqp_frame(to, 1, &method);
    add_amqp_frame(to, 2, &header);
    add_amqp_frame(to, 3, &body);
    free(method.data);
    free(header.data);
    free(body.data);
}

static void take_line(script *to, char *line)
{
    char *rest = line;
    const char *kind = strsep(&rest, "\t");
    variant *at = to->variant_count > 0 ? to->variants[to->variant_count - 1] : NULL;
    stage *in = at != NULL && at->count > 0 ? &at->stages[at->count - 1] : NULL;
    if (strcmp(kind, "round") == 0) {
        must(to->variant_count < VARIANTS_MAX, "too many rounds");
        at = calloc(1, sizeof *at);
        must(at != NULL, "memory");
        to->variants[to->variant_count++] = at;
    } else if (strcmp(kind, "stage") == 0) {
        must(at != NULL && at->count < STAGES_MAX, "too many stages");
        at->count++;
    } else if (strcmp(kind, "frame") == 0) {
        must(in != NULL && in->count < sizeof in->frames / sizeof *in->frames, "too many frames");
        add_frame(&in->frames[in->count++], rest);
    } else if (strcmp(kind, "message") == 0) {
        const char *exchange = strsep(&rest, "\t");
        const char *key = strsep(&rest, "\t");
        must(to->message_count < MESSAGES_MAX && rest != NULL, "a bad message");
        add_message(&to->messages[to->message_count++], exchange, key, rest);
    }
}

void script_read(script *to, const char *path)
{
    char *line = NULL;
    size_t size = 0;
    FILE *from = fopen(path, "r");
    must(from != NULL, path);
    while (getline(&line, &size, from) > 0) {
        line[strcspn(line, "\n")] = '\0';
        take_line(to, line);
    }
    free(line);
    fclose(from);
    must(to->variant_count > 0, "an empty script");
    for (unsigned int i = 0; i < to->variant_count; i++) {
        const variant *at = to->variants[i];
        must(at->count > 0, "a round without a stage");
        for (unsigned int k = 0; k < at->count; k++) {
            must(at->stages[k].count > 0, "a stage without a frame");
        }
    }
}
