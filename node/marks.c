#include "node/marks.h"

#include <string.h>

void marks_add(struct marks *marks, const struct shuffle_wire_mark *wire,
        uint64_t records)
{
    if (marks->count == MARKS_MAX) {
        marks->count--;
        memmove(&marks->items[0], &marks->items[1],
                marks->count * sizeof(marks->items[0]));
    }
    marks->items[marks->count] =
            (struct mark){.wire = *wire, .records = records};
    marks->count++;
}

const struct mark *marks_find(const struct marks *marks, uint64_t checkpoint)
{
    for (size_t i = marks->count; i > 0; i--) {
        if (marks->items[i - 1].wire.checkpoint == checkpoint) {
            return &marks->items[i - 1];
        }
    }
    return NULL;
}

struct mark *marks_due(struct marks *marks, uint64_t written)
{
    for (size_t i = 0; i < marks->count; i++) {
        if (!marks->items[i].is_echoed) {
            return marks->items[i].records <= written ? &marks->items[i] : NULL;
        }
    }
    return NULL;
}
