/* layout.h: how rows look: columns that fit the window. No state. */
#ifndef PANICMOND_LAYOUT_H
#define PANICMOND_LAYOUT_H

#include <stdio.h>

#include "document.h"

typedef struct row {
    sample sample;
    int64_t at_ms; /* when it came, on the clock of view.now_ms */
} row;

typedef struct view {
    size_t columns;  /* of the window; 0: no limit */
    size_t lines;    /* of the window; 0: no limit */
    size_t expected; /* how many monitorables there are */
    int64_t now_ms;
    bool live;
    bool colour;
} view;

/* Writes the table; gives how many lines that were. */
size_t layout_write(FILE *to, const view *view, const row *rows, size_t count);

#endif
