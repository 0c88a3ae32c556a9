/* How far what was written on a connection has come, for the day it breaks.
 *
 * A LaminarDB peer confirms nothing. What is known when its connection breaks
 * is what the system knows: how many of the bytes that it took never left, and
 * how many the other side's system has not acknowledged. Here bytes become
 * frames again: each write leaves a mark, so many bytes and so many frames by
 * then, and of marks the latest SHUFFLE_SENT_MARKS are kept, at least
 * SHUFFLE_SENT_STEP_BYTES apart. A block that was written in part makes the
 * frames of a mark two numbers, between which the truth is. */
#pragma once

#include "base/outbox.h"

enum {
    SHUFFLE_SENT_MARKS = 64,
    SHUFFLE_SENT_STEP_BYTES = 16 * 1024,
};

struct shuffle_sent_mark {
    uint64_t bytes; /* written since the connection began */
    uint64_t frames_min; /* that end there or before */
    uint64_t frames_max; /* that begin before it */
};

struct shuffle_sent {
    struct shuffle_sent_mark marks[SHUFFLE_SENT_MARKS]; /* a ring */
    size_t first;
    size_t count;
    uint64_t unsent_bytes; /* as the system said at the end */
    uint64_t unacked_bytes;
    bool is_told; /* it did */
};

/* After `bytes` in all have been written of `frames`, those still in `out`
 * included. */
void shuffle_sent_note(struct shuffle_sent *sent, uint64_t bytes,
        uint64_t frames, const struct outbox *out);

/* Of `frames` in all: at least so many never left the system. */
uint64_t shuffle_sent_unsent(const struct shuffle_sent *sent, uint64_t frames);

/* At most so many were not acknowledged; UINT64_MAX when nobody said. */
uint64_t shuffle_sent_unacked(const struct shuffle_sent *sent, uint64_t frames);
