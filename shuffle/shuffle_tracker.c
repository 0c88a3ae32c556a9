#include "shuffle/shuffle_tracker.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static size_t seen_bytes(const struct shuffle_tracker *tracker)
{
    return ((size_t)tracker->inputs + 63) / 64 * sizeof(uint64_t);
}

void shuffle_tracker_init(struct shuffle_tracker *tracker, uint32_t inputs)
{
    assert(inputs > 0 && inputs <= SHUFFLE_TRACKER_INPUTS_MAX);
    *tracker = (struct shuffle_tracker){.inputs = inputs};
    for (size_t i = 0; i < SHUFFLE_TRACKER_MAX; i++) {
        tracker->entries[i].seen = malloc(seen_bytes(tracker));
        assert(tracker->entries[i].seen != NULL);
    }
}

void shuffle_tracker_close(struct shuffle_tracker *tracker)
{
    for (size_t i = 0; i < SHUFFLE_TRACKER_MAX; i++) {
        free(tracker->entries[i].seen);
        tracker->entries[i].seen = NULL;
    }
    tracker->entries_count = 0;
}

/* The first entry that is not below the checkpoint, or the end. */
static size_t position_of(
        const struct shuffle_tracker *tracker, uint64_t checkpoint)
{
    size_t i = 0;

    while (i < tracker->entries_count &&
            tracker->entries[i].barrier.checkpoint < checkpoint) {
        i++;
    }
    return i;
}

static bool is_pending(const struct shuffle_tracker *tracker, size_t position,
        uint64_t checkpoint)
{
    return position < tracker->entries_count &&
           tracker->entries[position].barrier.checkpoint == checkpoint;
}

/* Forgets the first `count` entries; their memory moves to the end. */
static void forget_first(struct shuffle_tracker *tracker, size_t count)
{
    struct shuffle_tracker_entry gone[SHUFFLE_TRACKER_MAX];
    size_t rest = SHUFFLE_TRACKER_MAX - count;

    memcpy(gone, tracker->entries, sizeof(gone));
    memmove(tracker->entries, tracker->entries + count,
            rest * sizeof(tracker->entries[0]));
    memcpy(tracker->entries + rest, gone, count * sizeof(tracker->entries[0]));
    tracker->entries_count -= count;
}

static void finish(struct shuffle_tracker *tracker, uint64_t checkpoint)
{
    size_t position = position_of(tracker, checkpoint);

    if (is_pending(tracker, position, checkpoint)) {
        position++;
    }
    forget_first(tracker, position);
    if (!tracker->has_done || checkpoint > tracker->done) {
        tracker->done = checkpoint;
    }
    tracker->has_done = true;
}

/* Makes an empty entry at `position`, where there is room. */
static struct shuffle_tracker_entry *insert(struct shuffle_tracker *tracker,
        size_t position, const struct shuffle_wire_barrier *barrier)
{
    struct shuffle_tracker_entry *at = &tracker->entries[position];
    uint64_t *seen = tracker->entries[tracker->entries_count].seen;

    memmove(at + 1, at, (tracker->entries_count - position) * sizeof(*at));
    memset(seen, 0, seen_bytes(tracker));
    *at = (struct shuffle_tracker_entry){.barrier = *barrier, .seen = seen};
    tracker->entries_count++;
    return at;
}

/* The checkpoint's entry, made if it is new; NULL when there is no room. */
static struct shuffle_tracker_entry *entry_for(struct shuffle_tracker *tracker,
        const struct shuffle_wire_barrier *barrier)
{
    size_t position = position_of(tracker, barrier->checkpoint);

    if (is_pending(tracker, position, barrier->checkpoint)) {
        return &tracker->entries[position];
    }
    if (tracker->entries_count == SHUFFLE_TRACKER_MAX) {
        if (position == 0) {
            return NULL;
        }
        forget_first(tracker, 1);
        tracker->evicted++;
        position--;
    }
    return insert(tracker, position, barrier);
}

static bool test_bit(const uint64_t *bits, uint32_t index)
{
    return (bits[index / 64] >> (index % 64) & 1) != 0;
}

enum shuffle_tracker_result shuffle_tracker_observe(
        struct shuffle_tracker *tracker, uint32_t input,
        const struct shuffle_wire_barrier *barrier,
        struct shuffle_wire_barrier *aligned)
{
    struct shuffle_tracker_entry *entry;

    assert(input < tracker->inputs);
    if (tracker->has_done && barrier->checkpoint <= tracker->done) {
        return SHUFFLE_TRACKER_OLD;
    }
    entry = entry_for(tracker, barrier);
    if (entry == NULL) {
        return SHUFFLE_TRACKER_FULL;
    }
    if (test_bit(entry->seen, input)) {
        return SHUFFLE_TRACKER_REPEATED;
    }
    entry->seen[input / 64] |= (uint64_t)1 << (input % 64);
    entry->seen_count++;
    if (entry->seen_count < tracker->inputs) {
        return SHUFFLE_TRACKER_WAITING;
    }
    *aligned = entry->barrier;
    finish(tracker, barrier->checkpoint);
    return SHUFFLE_TRACKER_ALIGNED;
}

void shuffle_tracker_cancel(
        struct shuffle_tracker *tracker, uint64_t checkpoint)
{
    finish(tracker, checkpoint);
}

bool shuffle_tracker_has(const struct shuffle_tracker *tracker,
        uint64_t checkpoint, uint32_t input)
{
    size_t position = position_of(tracker, checkpoint);

    assert(input < tracker->inputs);
    return is_pending(tracker, position, checkpoint) &&
           test_bit(tracker->entries[position].seen, input);
}

size_t shuffle_tracker_pending(const struct shuffle_tracker *tracker)
{
    return tracker->entries_count;
}

struct shuffle_wire_barrier shuffle_barrier(uint64_t checkpoint, uint64_t epoch)
{
    return (struct shuffle_wire_barrier){
            .checkpoint = checkpoint,
            .epoch = epoch,
    };
}

struct shuffle_wire_barrier shuffle_barrier_full_snapshot(
        uint64_t checkpoint, uint64_t epoch)
{
    struct shuffle_wire_barrier barrier = shuffle_barrier(checkpoint, epoch);

    barrier.flags = SHUFFLE_FLAG_FULL_SNAPSHOT;
    return barrier;
}

struct shuffle_wire_barrier shuffle_barrier_drain(
        uint64_t checkpoint, uint64_t epoch)
{
    struct shuffle_wire_barrier barrier = shuffle_barrier(checkpoint, epoch);

    barrier.flags = SHUFFLE_FLAG_DRAIN;
    return barrier;
}
