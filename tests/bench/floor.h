/* floor.h: what bench-floor sends, as its script says it. One thread; all of it lives until the
 * end of the process. */
#ifndef BENCH_FLOOR_H
#define BENCH_FLOOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define STAGES_MAX   32
#define VARIANTS_MAX 256
#define MESSAGES_MAX 4

typedef struct bytes {
    char *data;
    size_t len;
    size_t cap;
} bytes;

/* Frames that are sent together; the next stage waits for as many to come back. */
typedef struct stage {
    bytes frames[16];
    unsigned int count;
} stage;

/* A round as one was seen. */
typedef struct variant {
    stage stages[STAGES_MAX];
    unsigned int count;
} variant;

typedef struct script {
    variant *variants[VARIANTS_MAX];
    unsigned int variant_count;
    bytes messages[MESSAGES_MAX]; /* AMQP frames; the next one waits for the confirm of the last */
    unsigned int message_count;
} script;

void must(bool good, const char *what);
void bytes_add(bytes *to, const void *from, size_t len);
void script_read(script *to, const char *path);

#endif
