/* From a local program's DATA frames to the frames of its source's streams.
 *
 * This is the hot path: for each record one hash, one look-up, one copy into
 * the frame that is filling for its owner, and no allocation but a pooled block
 * for each 64 KiB. The owner does not hash again.
 *
 * When a stream has a full frame without credit, the program's socket is left
 * unread. What is there already goes on into the frames that are filling; what
 * finds no room in these either lies in the source's spill, in order, until
 * credit or memory comes. */
#pragma once

#include "base/bytes.h"

struct shuffle_source;
struct shuffle_streams;

/* Frames of its program. False: malformed, or not allowed now. */
bool shuffle_route_data(struct shuffle_streams *st,
        struct shuffle_source *source, struct bytes payload);
bool shuffle_route_mark(struct shuffle_streams *st,
        struct shuffle_source *source, struct bytes payload);

/* Routes what is in the spill, marks the end when all of it has found room,
 * and reads on if nothing stands against it. */
void shuffle_route_resume(
        struct shuffle_streams *st, struct shuffle_source *source);

/* Something lies in the spill. */
bool shuffle_route_is_spilled(const struct shuffle_source *source);

/* Where in the spill the records end that may be routed now. While a cut places
 * the stage anew, those behind its mark may not, nor may any while the sinks of
 * the new placement have not all answered. */
size_t shuffle_route_end(const struct shuffle_source *source);

/* Adds the records that may be routed, and lie in the spill yet, to the
 * `cut_next` of their owners' streams. */
void shuffle_route_count_spill(struct shuffle_source *source);

/* A full frame waits for credit. */
bool shuffle_route_is_stuck(const struct shuffle_source *source);
