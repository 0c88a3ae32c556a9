/* Stages whose placement does not fit the sinks that there are.
 *
 * A placement stays in force while sources run under it, though sinks come and
 * others leave. At a checkpoint it can be changed: these are the stages that
 * the leader then asks to be placed anew. */
#pragma once

#include "shuffle/shuffle_streams.h"

/* Who has no part in placements, whatever it publishes. */
struct shuffle_left_out {
    const uint64_t *nodes;
    size_t count;
    bool us_too;
};

/* Fills in the names of up to `max` such stages and answers how many. They are
 * borrowed until the next verb. */
size_t shuffle_misplaced(const struct shuffle_streams *st,
        const struct shuffle_left_out *left_out, struct bytes stages[],
        size_t max);
