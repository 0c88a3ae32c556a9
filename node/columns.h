/* A table on a terminal: columns as wide as their widest cell.
 *
 * Cells come row by row; the last column is not padded. Width is counted in
 * characters of UTF-8, and control characters are shown as escapes: what a
 * stranger wrote can't steer the terminal. */
#pragma once

#include <stdio.h>

#include "base/bytes.h"

enum {
    COLUMNS_MAX = 16,
};

struct column {
    const char *head;
    bool is_number; /* to the right */
};

enum columns_colour {
    COLUMNS_PLAIN,
    COLUMNS_GOOD,
    COLUMNS_BAD,
    COLUMNS_FAINT,
};

struct columns_cell {
    char *text; /* owned */
    size_t width;
    enum columns_colour colour;
};

struct columns {
    const struct column *columns;
    size_t columns_count;
    struct columns_cell *cells; /* row by row */
    size_t cells_count;
    size_t capacity;
    bool is_coloured;
};

/* `columns` stays borrowed until the end. */
void columns_init(struct columns *c, const struct column *columns,
        size_t columns_count, bool is_coloured);
void columns_close(struct columns *c);

/* The next cell, from left to right. */
void columns_cell(struct columns *c, struct bytes text);
void columns_coloured(
        struct columns *c, struct bytes text, enum columns_colour colour);

/* The heads and all rows, each behind `indent` spaces; the last row is whole. */
void columns_print(const struct columns *c, size_t indent, FILE *out);

/* Text with its control characters as escapes, straight to `out`. */
void columns_put_text(struct bytes text, FILE *out);
