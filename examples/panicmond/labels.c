/* labels.c: see labels.h. A count of holders stands in front of the texts. */
#include "labels.h"

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef struct shared {
    atomic_int holders;
    labels labels;
    char text[];
} shared;

static void hold(shared *block)
{
    atomic_fetch_add(&block->holders, 1);
}

static void drop(shared *block)
{
    if (atomic_fetch_sub(&block->holders, 1) == 1) {
        free(block);
    }
}

static shared *block_of_labels(const labels *labels)
{
    return (shared *)((char *)(uintptr_t)labels - offsetof(shared, labels));
}

static shared *block_of_text(const char *text)
{
    return (shared *)((char *)(uintptr_t)text - offsetof(shared, text));
}

static const char *put(char **at, const char *text)
{
    size_t size = strlen(text) + 1;
    char *place = memcpy(*at, text, size);
    *at += size;
    return place;
}

const labels *labels_new(const labels *from)
{
    size_t size = strlen(from->id) + strlen(from->name) + strlen(from->parent) +
                  strlen(from->chain) + strlen(from->version) + strlen(from->runtime) + 6;
    shared *made = malloc(sizeof *made + size);
    if (made == NULL) {
        return NULL;
    }
    char *at = made->text;
    atomic_init(&made->holders, 1);
    made->labels = (labels){.id = put(&at, from->id),
                            .name = put(&at, from->name),
                            .parent = put(&at, from->parent),
                            .chain = put(&at, from->chain),
                            .version = put(&at, from->version),
                            .runtime = put(&at, from->runtime)};
    return &made->labels;
}

const char *text_new(const char *from)
{
    shared *made = malloc(sizeof *made + strlen(from) + 1);
    if (made == NULL) {
        return NULL;
    }
    atomic_init(&made->holders, 1);
    made->labels = (labels){0};
    return strcpy(made->text, from);
}

void labels_hold(const labels *labels)
{
    if (labels != NULL) {
        hold(block_of_labels(labels));
    }
}

void labels_drop(const labels *labels)
{
    if (labels != NULL) {
        drop(block_of_labels(labels));
    }
}

void text_hold(const char *text)
{
    if (text != NULL && text[0] != '\0') {
        hold(block_of_text(text));
    }
}

void text_drop(const char *text)
{
    if (text != NULL && text[0] != '\0') {
        drop(block_of_text(text));
    }
}
