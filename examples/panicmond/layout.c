/* layout.c: see layout.h. A line never fills the window's last column, so that it cannot wrap. */
#include "layout.h"

#include <inttypes.h>
#include <stdbool.h>
#include <string.h>

enum { NODE, BEST, TARGET, FINALIZED, LAG, PEERS, ERA, STATE, AGE, COLUMNS };

#define GAP       2
#define NODE_MIN  8
#define STATE_MIN 8
#define CELL      320

static const char *const titles[COLUMNS] = {"node",  "best", "target", "finalized", "lag",
                                            "peers", "era",  "state",  "age"};
/* Columns that a narrow window does without, the least telling first. */
static const int spare[] = {ERA, TARGET, PEERS, FINALIZED, LAG, AGE, BEST};

/* Bytes of the character at `text`, 1 for whatever is no UTF-8. */
static size_t width_of(const char *text)
{
    unsigned char c = (unsigned char)*text;
    size_t n = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : c >= 0xc0 ? 2 : 1;
    for (size_t i = 1; i < n; i++) {
        if (((unsigned char)text[i] & 0xc0) != 0x80) {
            return 1;
        }
    }
    return n;
}

static size_t count_characters(const char *text)
{
    size_t count = 0;
    for (; *text != '\0'; text += width_of(text)) {
        count++;
    }
    return count;
}

/* Whether a character may stand on a terminal as it is: no control codes, no stray bytes. */
static bool is_harmless(const char *text, size_t bytes)
{
    unsigned char c = (unsigned char)*text;
    if (bytes == 2 && c == 0xc2 && (unsigned char)text[1] < 0xa0) {
        return false;
    }
    return bytes > 1 ? true : c >= ' ' && c < 0x7f;
}

/* Writes `text` cut or filled up to `width` characters. Names come from others: bytes that could
 * move the cursor become question marks. */
static void write_cell(FILE *to, const char *text, size_t width, bool right)
{
    size_t count = count_characters(text);
    size_t fill = count < width ? width - count : 0;
    size_t take = count > width ? width - 1 : count;
    if (right) {
        fprintf(to, "%*s", (int)fill, "");
    }
    for (size_t i = 0; i < take; i++) {
        size_t bytes = width_of(text);
        if (is_harmless(text, bytes)) {
            (void)fwrite(text, 1, bytes, to);
        } else {
            (void)fputc('?', to);
        }
        text += bytes;
    }
    if (count > width) {
        fputs("\xe2\x80\xa6", to);
    }
    if (!right) {
        fprintf(to, "%*s", (int)fill, "");
    }
}

static void number_cell(char *out, int64_t value)
{
    if (value == UNKNOWN) {
        (void)strcpy(out, "-");
    } else {
        (void)snprintf(out, CELL, "%" PRId64, value);
    }
}

static void age_cell(char *out, int64_t ms)
{
    int64_t s = ms < 0 ? 0 : ms / 1000;
    if (s < 120) {
        (void)snprintf(out, CELL, "%" PRId64 "s", s);
    } else if (s < 7200) {
        (void)snprintf(out, CELL, "%" PRId64 "m", s / 60);
    } else {
        (void)snprintf(out, CELL, "%" PRId64 "h", s / 3600);
    }
}

/* The blocks that a node is behind what its peers say they have. */
static int64_t lag_of(const sample *sample)
{
    if (sample->best == UNKNOWN || sample->target == UNKNOWN) {
        return UNKNOWN;
    }
    return sample->target > sample->best ? sample->target - sample->best : 0;
}

static void make_cell(char *out, int column, const view *view, const row *row)
{
    const sample *sample = &row->sample;
    const int64_t numbers[COLUMNS] = {
        [BEST] = sample->best,  [TARGET] = sample->target, [FINALIZED] = sample->finalized,
        [LAG] = lag_of(sample), [PEERS] = sample->peers,   [ERA] = sample->era};
    if (column == NODE) {
        (void)snprintf(out, CELL, "%s", sample->name);
    } else if (column == AGE) {
        age_cell(out, view->now_ms - row->at_ms);
    } else if (column != STATE) {
        number_cell(out, numbers[column]);
    } else if (sample->error != 0) {
        (void)snprintf(out, CELL, "%d %s", sample->error, sample->message);
    } else {
        (void)strcpy(out, sample->syncing > 0 ? "syncing" : "ok");
    }
}

static size_t total(const size_t *widths)
{
    size_t sum = 0;
    for (size_t i = 0; i < COLUMNS; i++) {
        sum += widths[i] > 0 ? widths[i] + GAP : 0;
    }
    return sum;
}

/* Leaves out columns and cuts names and states until a line fits; width 0: left out. */
static void fit(size_t *widths, size_t room)
{
    for (size_t i = 0; i < sizeof spare / sizeof spare[0]; i++) {
        size_t least = total(widths);
        least -= widths[NODE] > NODE_MIN ? widths[NODE] - NODE_MIN : 0;
        least -= widths[STATE] > STATE_MIN ? widths[STATE] - STATE_MIN : 0;
        if (least <= room) {
            break;
        }
        widths[spare[i]] = 0;
    }
    size_t over = total(widths) > room ? total(widths) - room : 0;
    /* The longer of the two gives first. */
    while (over > 0 && (widths[NODE] > 2 || widths[STATE] > 2)) {
        bool node = widths[NODE] > widths[STATE] || widths[STATE] <= NODE_MIN;
        widths[node && widths[NODE] > 2 ? NODE : STATE]--;
        over--;
    }
}

static void measure(size_t *widths, const view *view, const row *rows, size_t count)
{
    char cell[CELL];
    for (int column = 0; column < COLUMNS; column++) {
        widths[column] = strlen(titles[column]);
        for (size_t i = 0; i < count; i++) {
            make_cell(cell, column, view, &rows[i]);
            size_t width = count_characters(cell);
            widths[column] = width > widths[column] ? width : widths[column];
        }
    }
    if (view->columns > 0) {
        /* The last gap is not written; the window's last column stays free. */
        fit(widths, view->columns + GAP - 1);
    }
}

static void end_line(FILE *to, const view *view)
{
    fputs(view->live ? "\033[K\r\n" : "\n", to);
}

static const char *state_colour(const sample *sample)
{
    return sample->error != 0 ? "\033[31m" : sample->syncing > 0 ? "\033[33m" : "\033[32m";
}

/* `row` NULL: the titles. */
static void write_row(FILE *to, const view *view, const size_t *widths, const row *row)
{
    char cell[CELL];
    bool first = true;
    for (int column = 0; column < COLUMNS; column++) {
        if (widths[column] == 0) {
            continue;
        }
        bool right = column != NODE && column != STATE;
        const char *colour = row == NULL       ? "\033[1m"
                             : column == STATE ? state_colour(&row->sample)
                                               : NULL;
        if (!first) {
            fprintf(to, "%*s", GAP, "");
        }
        first = false;
        if (view->colour && colour != NULL) {
            fputs(colour, to);
        }
        if (row == NULL) {
            (void)strcpy(cell, titles[column]);
        } else {
            make_cell(cell, column, view, row);
        }
        write_cell(to, cell, widths[column], right);
        if (view->colour && colour != NULL) {
            fputs("\033[0m", to);
        }
    }
    end_line(to, view);
}

/* Lines that say what the rows do not; gives how many. */
static size_t write_rest(FILE *to, const view *view, size_t hidden, size_t waiting)
{
    char text[128];
    size_t lines = 0;
    size_t room = view->columns > 1 ? view->columns - 1 : sizeof text;
    if (hidden > 0) {
        (void)snprintf(text, sizeof text, "... and %zu more in a larger window", hidden);
        fprintf(to, "%.*s", (int)room, text);
        end_line(to, view);
        lines++;
    }
    if (waiting > 0) {
        (void)snprintf(text, sizeof text, "waiting for the first round of %zu", waiting);
        fprintf(to, "%.*s", (int)room, text);
        end_line(to, view);
        lines++;
    }
    return lines;
}

static size_t count_errors(const row *rows, size_t count)
{
    size_t errors = 0;
    for (size_t i = 0; i < count; i++) {
        errors += rows[i].sample.error != 0;
    }
    return errors;
}

size_t layout_write(FILE *to, const view *view, const row *rows, size_t count)
{
    size_t widths[COLUMNS];
    size_t waiting = view->expected > count ? view->expected - count : 0;
    size_t room = count;
    /* Beside the rows: titles, two lines of rest, and the line of the cursor. */
    if (view->lines > 0 && count + 4 > view->lines) {
        room = view->lines > 4 ? view->lines - 4 : 1;
        room = room < count ? room : count;
    }
    measure(widths, view, rows, count);
    write_row(to, view, widths, NULL);
    /* When not all fit, those in trouble come before the others. */
    size_t bad_room = count_errors(rows, count);
    bad_room = bad_room < room ? bad_room : room;
    size_t good_room = room - bad_room;
    for (size_t i = 0; i < count; i++) {
        size_t *left = rows[i].sample.error != 0 ? &bad_room : &good_room;
        if (*left > 0) {
            (*left)--;
            write_row(to, view, widths, &rows[i]);
        }
    }
    return 1 + room + write_rest(to, view, count - room, waiting);
}
