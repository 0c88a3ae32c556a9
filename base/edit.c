#include "base/edit.h"

#include <string.h>

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* One row of the usual table: row[j] is the cost of turning what has been read
 * of `a` into the first j bytes of `b`. */
size_t edit_distance(const char *a, const char *b)
{
    size_t row[EDIT_WORD_BYTES + 1];
    size_t a_size = least(strlen(a), EDIT_WORD_BYTES);
    size_t b_size = least(strlen(b), EDIT_WORD_BYTES);

    for (size_t j = 0; j <= b_size; j++) {
        row[j] = j;
    }
    for (size_t i = 0; i < a_size; i++) {
        size_t diagonal = row[0];

        row[0] = i + 1;
        for (size_t j = 0; j < b_size; j++) {
            size_t replaced = diagonal + (a[i] != b[j]);

            diagonal = row[j + 1];
            row[j + 1] = least(replaced, least(row[j], diagonal) + 1);
        }
    }
    return row[b_size];
}
