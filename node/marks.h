/* The latest checkpoints that have passed a program: how many of its records are
 * before each.
 *
 * MARKS_MAX of them are remembered; a further one takes the place of the oldest,
 * which nobody waits for any more by then. An outcome may come twice (unknown,
 * then known), so it makes nothing forgotten. */
#pragma once

#include "shuffle/shuffle_wire.h"

enum {
    MARKS_MAX = 16,
};

struct mark {
    struct shuffle_wire_mark wire; /* as the node sent it */
    uint64_t records; /* before it */
    bool is_echoed; /* of a sink: the node knows that they are written */
};

struct marks {
    struct mark items[MARKS_MAX]; /* the oldest first */
    size_t count;
};

void marks_add(struct marks *marks, const struct shuffle_wire_mark *wire,
        uint64_t records);

/* NULL when there is none of this checkpoint. */
const struct mark *marks_find(const struct marks *marks, uint64_t checkpoint);

/* The oldest that is not echoed yet and has no more than `written` records
 * before it; NULL if there is none. */
struct mark *marks_due(struct marks *marks, uint64_t written);
