/* When has a barrier come on every input?
 *
 * One tracker stands in front of an operator with a fixed number of inputs, at
 * most 4096. A checkpoint is aligned when each input has shown its barrier;
 * checkpoints may overlap, and only their number tells them apart. The barrier
 * that is handed out is the first one seen.
 *
 * The reference forgets nothing but what completes: an aborted checkpoint stays
 * for ever, and a late repetition opens a finished one again. Here checkpoints
 * expire in their order: completing or cancelling c forgets everything up to c,
 * and a barrier at or below that is old. Room for SHUFFLE_TRACKER_MAX at once;
 * a further one pushes out the lowest, which is reported. */
#pragma once

#include "shuffle/shuffle_wire.h"

enum {
    SHUFFLE_TRACKER_MAX = 4,
    SHUFFLE_TRACKER_INPUTS_MAX = 4096,
};

enum shuffle_tracker_result {
    SHUFFLE_TRACKER_WAITING, /* counted; inputs are missing */
    SHUFFLE_TRACKER_ALIGNED, /* that was the last: `aligned` is set */
    SHUFFLE_TRACKER_REPEATED, /* this input has shown it before */
    SHUFFLE_TRACKER_OLD, /* at or below the last completed or cancelled */
    SHUFFLE_TRACKER_FULL, /* below every one of a full table: not kept */
};

struct shuffle_tracker_entry {
    struct shuffle_wire_barrier barrier; /* the first that was seen */
    uint64_t *seen; /* one bit an input */
    uint32_t seen_count;
};

struct shuffle_tracker {
    uint32_t inputs;
    bool has_done;
    uint64_t done; /* the highest completed or cancelled */
    uint64_t evicted; /* how many a newer one pushed out */
    size_t entries_count;
    struct shuffle_tracker_entry entries[SHUFFLE_TRACKER_MAX]; /* ascending */
};

/* 0 inputs, or more than the maximum, are a programming error: asserted. */
void shuffle_tracker_init(struct shuffle_tracker *tracker, uint32_t inputs);
void shuffle_tracker_close(struct shuffle_tracker *tracker);

/* An input out of range is a programming error: asserted. */
enum shuffle_tracker_result shuffle_tracker_observe(
        struct shuffle_tracker *tracker, uint32_t input,
        const struct shuffle_wire_barrier *barrier,
        struct shuffle_wire_barrier *aligned);

/* The checkpoint will not be completed here: forgets all up to it. */
void shuffle_tracker_cancel(
        struct shuffle_tracker *tracker, uint64_t checkpoint);

/* Has this input shown the checkpoint that is pending. */
bool shuffle_tracker_has(const struct shuffle_tracker *tracker,
        uint64_t checkpoint, uint32_t input);

/* How many checkpoints are incomplete. */
size_t shuffle_tracker_pending(const struct shuffle_tracker *tracker);

/* Constructors of the barriers with exactly that flag, or none. */
struct shuffle_wire_barrier shuffle_barrier(
        uint64_t checkpoint, uint64_t epoch);
struct shuffle_wire_barrier shuffle_barrier_full_snapshot(
        uint64_t checkpoint, uint64_t epoch);
struct shuffle_wire_barrier shuffle_barrier_drain(
        uint64_t checkpoint, uint64_t epoch);
