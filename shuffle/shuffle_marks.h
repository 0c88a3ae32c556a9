/* The MARKs that wait on one stream at its sink's node.
 *
 * Each says how many of the stream's records are before its cut. Records from
 * there on are parked until the cut's MARK has gone to the local sink, or the
 * cut is over. Of the announced cut there is at most one, and it is the first:
 * what its own node has marked earlier, it has given up. */
#pragma once

#include "shuffle/shuffle_cut.h"

enum {
    SHUFFLE_MARKS_MAX = SHUFFLE_CUTS_MAX + 1, /* and the announced cut's */
};

struct shuffle_mark {
    uint64_t checkpoint;
    uint64_t next;
};

struct shuffle_marks {
    uint64_t park_at; /* `next` of the first; UINT64_MAX = none */
    struct shuffle_mark items[SHUFFLE_MARKS_MAX]; /* `next` never descends */
    size_t count;
};

void shuffle_marks_init(struct shuffle_marks *m);

/* NULL when there is none of that cut. */
const struct shuffle_mark *shuffle_marks_find(
        const struct shuffle_marks *m, uint64_t checkpoint);

/* The least that the next MARK may say. */
uint64_t shuffle_marks_floor(const struct shuffle_marks *m);

/* Of a cut that has none here yet: asserted. */
void shuffle_marks_push(
        struct shuffle_marks *m, uint64_t checkpoint, uint64_t next);
void shuffle_marks_remove(struct shuffle_marks *m, uint64_t checkpoint);
