/* labels.h: texts that are held by several and never change. Any thread. */
#ifndef PANICMOND_LABELS_H
#define PANICMOND_LABELS_H

/* Texts of a monitorable. */
typedef struct labels {
    const char *id;
    const char *name;
    const char *parent; /* the id of its chain */
    const char *chain;
    const char *version;
    const char *runtime;
} labels;

/* A copy of labels or of a text, with one holder; NULL without memory. */
const labels *labels_new(const labels *from);
const char *text_new(const char *from);

/* One holder more, one holder less: the last frees. NULL and the text "" itself hold nothing. */
void labels_hold(const labels *labels);
void labels_drop(const labels *labels);
void text_hold(const char *text);
void text_drop(const char *text);

#endif
