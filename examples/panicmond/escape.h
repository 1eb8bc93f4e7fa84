/* escape.h: texts of others inside of texts of ours. No state. */
#ifndef PANICMOND_ESCAPE_H
#define PANICMOND_ESCAPE_H

#include <stdio.h>

/* A string of JSON with its quotes. Safe inside of HTML too. */
void escape_json(FILE *to, const char *text);

/* The value of a label of metrics, without quotes. */
void escape_label(FILE *to, const char *text);

#endif
