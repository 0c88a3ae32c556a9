/* What a local program has been told of cuts: the MARKs whose outcome it has to
 * hear, and, of a sink, those that it has to echo.
 *
 * Either is bounded by SHUFFLE_TOLD_MAX. A program that was told of more cuts
 * without an outcome hears none of the oldest; a sink that owes so many echoes
 * gets no further MARK before it has given one. */
#pragma once

#include "shuffle/shuffle_wire.h"

enum {
    SHUFFLE_TOLD_MAX = 8,
};

struct shuffle_told {
    uint64_t checkpoints[SHUFFLE_TOLD_MAX];
    size_t count; /* the oldest first */
};

void shuffle_told_add(struct shuffle_told *told, uint64_t checkpoint);

/* True if it was told of that cut; with `is_final` it hears of it no more. */
bool shuffle_told_take(
        struct shuffle_told *told, uint64_t checkpoint, bool is_final);

/* MARKs that a sink's program has got and not yet echoed, in order. */
struct shuffle_echoes {
    struct shuffle_wire_mark marks[SHUFFLE_TOLD_MAX];
    size_t count;
};

bool shuffle_echoes_is_full(const struct shuffle_echoes *echoes);
void shuffle_echoes_add(
        struct shuffle_echoes *echoes, const struct shuffle_wire_mark *mark);

/* False: it is not the MARK that has to be echoed next. */
bool shuffle_echoes_take(
        struct shuffle_echoes *echoes, const struct shuffle_wire_mark *mark);
