/* What was decided, by whomever: one outcome for each leader, generation and
 * epoch, and the first that is known stands.
 *
 * The last CHECKPOINT_DECISIONS_MAX are known, in a ring. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    CHECKPOINT_DECISIONS_MAX = 64,
};

/* A decision as it is kept. */
struct checkpoint_decision {
    uint64_t leader;
    uint64_t generation;
    uint64_t epoch;
    bool is_committed;
};

struct checkpoint_decisions {
    struct checkpoint_decision ring[CHECKPOINT_DECISIONS_MAX];
    size_t next;
    size_t count;
};

enum checkpoint_decisions_result {
    CHECKPOINT_DECISIONS_NEW,
    CHECKPOINT_DECISIONS_SAME, /* as was known */
    CHECKPOINT_DECISIONS_OTHER, /* the contrary is known: nothing is changed */
};

enum checkpoint_decisions_result checkpoint_decisions_put(
        struct checkpoint_decisions *d,
        const struct checkpoint_decision *decision);

/* The same, but this one stands: from our own disk, where a commit that could
 * not be kept for sure is followed by an abort. */
void checkpoint_decisions_correct(struct checkpoint_decisions *d,
        const struct checkpoint_decision *decision);

/* NULL when it is not known. */
const struct checkpoint_decision *checkpoint_decisions_find(
        const struct checkpoint_decisions *d, uint64_t leader,
        uint64_t generation, uint64_t epoch);
