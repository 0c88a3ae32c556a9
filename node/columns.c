#include "node/columns.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "node/need.h"
#include "node/printable.h"

void columns_init(struct columns *c, const struct column *columns,
        size_t columns_count, bool is_coloured)
{
    assert(columns_count > 0 && columns_count <= COLUMNS_MAX);
    *c = (struct columns){
            .columns = columns,
            .columns_count = columns_count,
            .is_coloured = is_coloured,
    };
}

void columns_close(struct columns *c)
{
    for (size_t i = 0; i < c->cells_count; i++) {
        free(c->cells[i].text);
    }
    free(c->cells);
    *c = (struct columns){0};
}

static char *escaped(struct bytes text)
{
    size_t capacity = (text.size + 1) * PRINTABLE_BYTES + 1;
    char *copy = need(malloc(capacity));

    (void)printable(text, copy, capacity);
    return copy;
}

/* Characters, not bytes: continuation bytes take no room. */
static size_t width_of(const char *text)
{
    size_t width = 0;

    for (; *text != '\0'; text++) {
        width += ((unsigned char)*text & 0xC0) != 0x80;
    }
    return width;
}

void columns_coloured(
        struct columns *c, struct bytes text, enum columns_colour colour)
{
    struct columns_cell *cell;

    if (c->cells_count == c->capacity) {
        c->capacity = c->capacity == 0 ? 64 : 2 * c->capacity;
        c->cells = need(realloc(c->cells, c->capacity * sizeof(*c->cells)));
    }
    cell = &c->cells[c->cells_count];
    c->cells_count++;
    cell->text = escaped(text);
    cell->width = width_of(cell->text);
    cell->colour = colour;
}

void columns_cell(struct columns *c, struct bytes text)
{
    columns_coloured(c, text, COLUMNS_PLAIN);
}

static void measure(const struct columns *c, size_t widths[COLUMNS_MAX])
{
    for (size_t i = 0; i < c->columns_count; i++) {
        widths[i] = width_of(c->columns[i].head);
    }
    for (size_t i = 0; i < c->cells_count; i++) {
        size_t column = i % c->columns_count;

        if (c->cells[i].width > widths[column]) {
            widths[column] = c->cells[i].width;
        }
    }
}

static const char *colour_code(enum columns_colour colour)
{
    switch (colour) {
    case COLUMNS_PLAIN:
        return "";
    case COLUMNS_GOOD:
        return "\033[32m";
    case COLUMNS_BAD:
        return "\033[31m";
    case COLUMNS_FAINT:
        return "\033[2m";
    }
    return "";
}

static void put_spaces(size_t count, FILE *out)
{
    while (count-- > 0) {
        (void)fputc(' ', out);
    }
}

/* One cell of a row, padded unless it is the row's last. */
static void put_cell(const struct columns *c, size_t column,
        const struct columns_cell *cell, size_t width, FILE *out)
{
    size_t padding = width - cell->width;
    bool is_number = c->columns[column].is_number;
    bool is_coloured = c->is_coloured && cell->colour != COLUMNS_PLAIN;

    put_spaces(is_number ? padding : 0, out);
    (void)fprintf(out, "%s%s%s", is_coloured ? colour_code(cell->colour) : "",
            cell->text, is_coloured ? "\033[0m" : "");
    if (column + 1 < c->columns_count) {
        put_spaces((is_number ? 0 : padding) + 2, out);
    }
}

void columns_print(const struct columns *c, size_t indent, FILE *out)
{
    size_t widths[COLUMNS_MAX];

    assert(c->cells_count % c->columns_count == 0);
    measure(c, widths);
    put_spaces(indent, out);
    for (size_t i = 0; i < c->columns_count; i++) {
        char head[64];
        struct columns_cell cell = {head, 0, COLUMNS_FAINT};

        (void)snprintf(head, sizeof(head), "%s", c->columns[i].head);
        cell.width = width_of(head);
        put_cell(c, i, &cell, widths[i], out);
    }
    for (size_t i = 0; i < c->cells_count; i++) {
        if (i % c->columns_count == 0) {
            (void)fputc('\n', out);
            put_spaces(indent, out);
        }
        put_cell(c, i % c->columns_count, &c->cells[i],
                widths[i % c->columns_count], out);
    }
    (void)fputc('\n', out);
}

void columns_put_text(struct bytes text, FILE *out)
{
    char *copy = escaped(text);

    (void)fputs(copy, out);
    free(copy);
}
