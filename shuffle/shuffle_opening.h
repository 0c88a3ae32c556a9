/* A sink node's answer to OPEN.
 *
 * A stream that is here already goes on, on the connection that OPEN came by.
 * One that has ended hears once more how. Any other begins, if the placement
 * that it names is in force here, or none is, and means the sink that is here
 * today; else its source hears what stands in the way (OPENED 1 to 4). */
#pragma once

#include "shuffle/shuffle_wire.h"

struct shuffle_streams;

/* OPEN of a peer, or of ourselves, which came by `link`. False: not possible,
 * the link is to be closed. */
bool shuffle_opening_answer(struct shuffle_streams *st, uint32_t link,
        uint64_t peer, const struct shuffle_wire_open *open);
