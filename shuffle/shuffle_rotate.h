/* A stage goes over to another placement, at a cut.
 *
 * All records before the cut went where the old placement has them, and all
 * behind it go where the new one has. What our sources read behind their marks
 * was kept back meanwhile. When the new placement comes, streams to sinks that
 * are in both go on; those to sinks that are in the old one alone end with MARK
 * DRAIN; new ones are opened, and when every one has answered, what was kept
 * back flows. A source that was not held back, because its node did not take
 * part or had gone on without an outcome, may have placed a key off the cut: it
 * fails.
 *
 * Our sink of the stage adopts the placement. If it is not in it any more its
 * run ends when its last stream has; if it is in it for the first time, it
 * waits no longer. */
#pragma once

#include "shuffle/shuffle_cut.h"

struct shuffle_outstream;
struct shuffle_source;
struct shuffle_streams;

/* The stage has a new placement. `is_in_time`: the cut that brings it is the one
 * for which our sources are held. */
void shuffle_rotate(struct shuffle_streams *st,
        const struct shuffle_cut_place *place, bool is_in_time);

/* Behind its places, an outcome is there. Of a commit that is learned of too
 * late, and from somebody who does not know its places, the sources fail that
 * it held: their stages may go elsewhere now. */
void shuffle_rotate_decided(struct shuffle_streams *st,
        const struct shuffle_cut_outcome *outcome, bool is_in_time);

/* OPENED of a stream that a new placement has begun. False: not possible. */
bool shuffle_rotate_answered(struct shuffle_streams *st,
        struct shuffle_outstream *out,
        const struct shuffle_wire_opened *opened);

/* Time has passed: sink nodes that had no memory are asked again. */
void shuffle_rotate_tick(
        struct shuffle_streams *st, struct shuffle_source *source);
