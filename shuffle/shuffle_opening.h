/* A sink node's answer to OPEN.
 *
 * A stream that is here already goes on, on the connection that OPEN came by.
 * One that has ended hears once more how. Any other begins, if the placement
 * that it names is in force here, or none is, and means the sink that is here
 * today; else its source hears what stands in the way (OPENED 1 to 4). While a
 * cut is undecided, some have to wait for their answer
 * (shuffle/shuffle_later.h). */
#pragma once

#include "shuffle/shuffle_wire.h"

struct shuffle_streams;

/* The frame's payload. False: it is malformed, names another node's source, or
 * the stream's number is in use. */
bool shuffle_opening_take(struct shuffle_streams *st, uint32_t link,
        uint64_t peer, struct bytes payload);

/* Answers an OPEN that has been judged; `payload` is what it was read from. */
void shuffle_opening_answer(struct shuffle_streams *st, uint32_t link,
        uint64_t peer, const struct shuffle_wire_open *open,
        struct bytes payload);
