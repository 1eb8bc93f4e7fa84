/* table.h: a table of nodes made of their samples. */
#ifndef PANICMOND_TABLE_H
#define PANICMOND_TABLE_H

#include <stdbool.h>

#include <panicmon/error.h>

typedef struct table table;

/* A table for standard output; a live one is drawn in place on the terminal there. NULL without
 * memory. */
table *table_new(bool live);

/* Whether it is drawn in place. */
bool table_is_live(const table *table);

/* A message of the library: a panicmon_message_fn whose `user` is the table. Any thread. */
panicmon_err table_message(void *user, const char *exchange, const char *routing_key,
                           const char *body, size_t len);

/* All below: main thread. */

/* A descriptor that is readable when rows changed; table_draw() quiets it. */
int table_fd(const table *table);

/* Draws when it is due or `force`; `expected` is how many monitorables there are. Gives
 * milliseconds until it is due again. */
int table_draw(table *table, size_t expected, bool force);

/* Writes `len` bytes of whole log lines to standard error without disturbing the table. */
void table_log(table *table, const char *text, size_t len);

/* The window has another size. */
void table_resized(table *table);

/* Forgets all rows. */
void table_clear(table *table);

/* Draws a last time and frees; NULL is allowed. No message may come any more. */
void table_free(table *table, size_t expected);

#endif
