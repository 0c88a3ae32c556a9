/* One attempt, as its Prepare has it: whose it is, whom it is for, and what of
 * the streams it moves. A copy of one's own, for as long as it matters. */
#pragma once

#include "node/control_json.h"

struct checkpoint_attempt {
    bool is_laminar; /* its leader is a LaminarDB server */
    uint64_t leader;
    uint64_t generation; /* of the leader */
    uint64_t epoch;
    uint64_t attempt; /* of a LaminarDB leader: the version of its entry */
    uint64_t checkpoint_id; /* as it is announced */
    uint64_t cut; /* as the streams know it */
    uint64_t left_ms;
    const uint64_t *members; /* ascending ids */
    const uint64_t *generations; /* theirs */
    size_t members_count;
    const struct bytes *rotate;
    size_t rotate_count;
    void *memory; /* what the lists stand in */
};

/* The id that a Weft leader announces: the epoch's low half, and half a hash
 * of leader and generation. */
uint64_t checkpoint_attempt_id(
        uint64_t leader, uint64_t generation, uint64_t epoch);

/* The number by which streams know an attempt of a LaminarDB leader, whose own
 * numbers are used again. */
uint64_t checkpoint_attempt_cut(
        uint64_t leader, uint64_t generation, uint64_t epoch, uint64_t version);

/* Copies a Weft Prepare, in place of what was there. */
void checkpoint_attempt_copy(struct checkpoint_attempt *to,
        const struct control_announcement *prepare);
void checkpoint_attempt_close(struct checkpoint_attempt *a);

/* The same leader, generation, epoch and attempt. */
bool checkpoint_attempt_is(
        const struct checkpoint_attempt *a, const struct checkpoint_attempt *b);

/* Does the Prepare say of this attempt what was said before? */
bool checkpoint_attempt_says(const struct checkpoint_attempt *a,
        const struct control_announcement *prepare);

/* The member's place in the list, or members_count. */
size_t checkpoint_attempt_find(const struct checkpoint_attempt *a, uint64_t id);

/* Is that very life of the node listed? */
bool checkpoint_attempt_lists(
        const struct checkpoint_attempt *a, uint64_t id, uint64_t generation);
