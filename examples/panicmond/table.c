/* table.c: the rows of the table, which library threads change, and when they are drawn. The main
 * thread draws; a lock guards the rows and is never held while writing. */
#include "table.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "clock.h"
#include "layout.h"
#include "signals.h"

#define LIVE_MS  200  /* between two drawings, at least */
#define AGE_MS   1000 /* and at most: ages grow */
#define PLAIN_MS 2000 /* between two tables that are not drawn in place */

#define HIDE_CURSOR "\033[?25l"
#define SHOW_CURSOR "\033[?25h" WRAP
/* Lines of the table do not wrap, or there would be more of them than were counted; those of the
 * log do, or their ends would be lost. */
#define WRAP    "\033[?7h"
#define NO_WRAP "\033[?7l"

struct table {
    bool live;
    bool colour;
    int out;      /* where a live table is drawn: a description of its own, never blocking */
    int changed;  /* eventfd */
    size_t lines; /* that stand on the terminal above the cursor */
    bool lost;    /* what stands on the terminal is unknown */
    int64_t drawn_ms;

    pthread_mutex_t lock; /* guards what follows */
    row *rows;
    size_t count;
    size_t capacity;
    bool dirty;
};

/* The terminal opened anew, so that it can be written without waiting while whoever else has it
 * keeps their mode; the old descriptor when that is not allowed. */
static int open_terminal(void)
{
    char name[128];
    int fd = -1;
    if (ttyname_r(STDOUT_FILENO, name, sizeof name) == 0) {
        fd = open(name, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    }
    return fd < 0 ? STDOUT_FILENO : fd;
}

table *table_new(bool live)
{
    table *made = calloc(1, sizeof *made);
    if (made == NULL) {
        return NULL;
    }
    const char *no_colour = getenv("NO_COLOR"); /* NOLINT(concurrency-mt-unsafe): nobody sets it */
    made->live = live;
    made->colour = live && (no_colour == NULL || no_colour[0] == '\0');
    made->out = live ? open_terminal() : STDOUT_FILENO;
    made->changed = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    (void)pthread_mutex_init(&made->lock, NULL);
    if (live) {
        signals_last_words(SHOW_CURSOR);
    }
    return made;
}

bool table_is_live(const table *table)
{
    return table->live;
}

int table_fd(const table *table)
{
    return table->changed;
}

/* ---- rows ---- */

/* The row of a node, a new one if need be; NULL without memory. Under the lock. */
static row *find_row(table *table, const char *id)
{
    for (size_t i = 0; i < table->count; i++) {
        if (strcmp(table->rows[i].sample.id, id) == 0) {
            return &table->rows[i];
        }
    }
    if (table->count == table->capacity) {
        size_t capacity = table->capacity == 0 ? 16 : table->capacity * 2;
        row *rows = realloc(table->rows, capacity * sizeof *rows);
        if (rows == NULL) {
            return NULL;
        }
        table->rows = rows;
        table->capacity = capacity;
    }
    return &table->rows[table->count++];
}

panicmon_err table_message(void *user, const char *exchange, const char *routing_key,
                           const char *body, size_t len)
{
    table *table = user;
    const uint64_t one = 1;
    sample got;
    (void)routing_key;
    if (strcmp(exchange, "raw_data") != 0 || !document_read_sample(body, len, &got) ||
        got.kind != KIND_NODE) {
        return PANICMON_OK; /* not for a table */
    }
    pthread_mutex_lock(&table->lock);
    row *row = find_row(table, got.id);
    if (row != NULL) {
        row->sample = got;
        row->at_ms = clock_mono_ms();
        table->dirty = true;
    }
    pthread_mutex_unlock(&table->lock);
    ssize_t wrote = write(table->changed, &one, sizeof one);
    (void)wrote; /* full: it is readable */
    return row != NULL ? PANICMON_OK : PANICMON_ERR_NOMEM;
}

void table_clear(table *table)
{
    pthread_mutex_lock(&table->lock);
    table->count = 0;
    table->dirty = true;
    pthread_mutex_unlock(&table->lock);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const row *)a)->sample.name, ((const row *)b)->sample.name);
}

/* A copy of the rows in order, to be drawn without the lock; NULL without memory. */
static row *take_rows(table *table, size_t *count)
{
    pthread_mutex_lock(&table->lock);
    *count = table->count;
    row *rows = malloc((*count + 1) * sizeof *rows);
    if (rows != NULL && *count > 0) {
        memcpy(rows, table->rows, *count * sizeof *rows);
    }
    table->dirty = false;
    pthread_mutex_unlock(&table->lock);
    if (rows != NULL) {
        qsort(rows, *count, sizeof *rows, by_name);
    }
    return rows;
}

/* ---- drawing ---- */

/* A terminal that takes nothing (it may be stopped) costs a tenth of a second, no more. */
static void write_live(table *table, const char *text, size_t len)
{
    while (len > 0) {
        struct pollfd ready = {.fd = table->out, .events = POLLOUT};
        ssize_t wrote = poll(&ready, 1, 100) == 1 ? write(table->out, text, len) : 0;
        if (wrote <= 0 && !(wrote < 0 && errno == EINTR)) {
            table->lost = true;
            return;
        }
        text += wrote > 0 ? wrote : 0;
        len -= wrote > 0 ? (size_t)wrote : 0;
    }
}

static void write_plain(const char *text, size_t len)
{
    while (len > 0) {
        ssize_t wrote = write(STDOUT_FILENO, text, len);
        if (wrote < 0 && errno != EINTR) {
            return; /* the main loop sees that nobody reads any more */
        }
        text += wrote > 0 ? wrote : 0;
        len -= wrote > 0 ? (size_t)wrote : 0;
    }
}

/* Puts the cursor where the table begins. */
static void rewind_cursor(table *table, FILE *to)
{
    fputs(HIDE_CURSOR NO_WRAP "\r", to);
    if (table->lost) {
        fputs("\033[H\033[2J", to);
    } else if (table->lines > 0) {
        fprintf(to, "\033[%zuA", table->lines);
    }
    table->lost = false;
}

static view window(const table *table, size_t expected)
{
    struct winsize size = {0};
    view view = {.live = table->live, .colour = table->colour, .expected = expected};
    if (table->live && ioctl(table->out, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) {
        view.columns = size.ws_col;
        view.lines = size.ws_row;
    }
    return view;
}

static void draw(table *table, size_t expected)
{
    char *text = NULL;
    size_t len = 0;
    size_t count;
    view view = window(table, expected);
    row *rows = take_rows(table, &count);
    FILE *to = rows == NULL ? NULL : open_memstream(&text, &len);
    if (to != NULL) {
        view.now_ms = clock_mono_ms();
        if (table->live) {
            rewind_cursor(table, to);
        }
        table->lines = layout_write(to, &view, rows, count);
        if (table->live) {
            fputs("\033[J" WRAP, to);
        }
        if (fclose(to) == 0 && table->live) {
            write_live(table, text, len);
        } else if (text != NULL && !table->live) {
            write_plain(text, len);
        }
    }
    free(text);
    free(rows);
    table->drawn_ms = clock_mono_ms();
}

int table_draw(table *table, size_t expected, bool force)
{
    uint64_t count;
    ssize_t got = read(table->changed, &count, sizeof count);
    (void)got;
    pthread_mutex_lock(&table->lock);
    bool dirty = table->dirty;
    pthread_mutex_unlock(&table->lock);
    int64_t gap = !table->live ? PLAIN_MS : dirty ? LIVE_MS : AGE_MS;
    int64_t wait = table->drawn_ms + gap - clock_mono_ms();
    if (force || ((dirty || table->live) && wait <= 0)) {
        draw(table, expected);
        wait = table->live ? AGE_MS : PLAIN_MS;
    }
    return wait > 0 ? (int)wait : dirty || table->live ? 0 : PLAIN_MS;
}

void table_log(table *table, const char *text, size_t len)
{
    if (table->live) {
        char erase[48];
        int n = snprintf(erase, sizeof erase, "\r\033[%zuA\033[J", table->lines);
        if (table->lines > 0 && !table->lost) {
            write_live(table, erase, (size_t)n);
        }
        table->lines = 0;
        table->drawn_ms = 0;
    }
    while (len > 0) {
        ssize_t wrote = write(STDERR_FILENO, text, len);
        if (wrote < 0 && errno != EINTR) {
            return;
        }
        text += wrote > 0 ? wrote : 0;
        len -= wrote > 0 ? (size_t)wrote : 0;
    }
}

void table_resized(table *table)
{
    table->lost = table->live;
    table->drawn_ms = 0;
}

void table_free(table *table, size_t expected)
{
    if (table == NULL) {
        return;
    }
    draw(table, expected);
    if (table->live) {
        write_live(table, SHOW_CURSOR, sizeof SHOW_CURSOR - 1);
        signals_last_words(NULL);
    }
    if (table->out != STDOUT_FILENO) {
        (void)close(table->out);
    }
    (void)close(table->changed);
    (void)pthread_mutex_destroy(&table->lock);
    free(table->rows);
    free(table);
}
