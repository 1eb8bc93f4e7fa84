/* assets.h: the files of page/, put into the program when it is built. */
#ifndef PANICMOND_ASSETS_H
#define PANICMOND_ASSETS_H

#include <stddef.h>

typedef struct asset {
    const char *path; /* that it is served under */
    const char *type;
    const char *etag;
    const char *text;
    size_t len;
} asset;

extern const asset assets[];
extern const size_t asset_count;

#endif
