#include "node/checkpoint_decisions.h"

const struct checkpoint_decision *checkpoint_decisions_find(
        const struct checkpoint_decisions *d, uint64_t leader,
        uint64_t generation, uint64_t epoch)
{
    for (size_t i = 0; i < d->count; i++) {
        const struct checkpoint_decision *known = &d->ring[i];

        if (known->epoch == epoch && known->leader == leader &&
                known->generation == generation) {
            return known;
        }
    }
    return NULL;
}

enum checkpoint_decisions_result checkpoint_decisions_put(
        struct checkpoint_decisions *d,
        const struct checkpoint_decision *decision)
{
    const struct checkpoint_decision *known = checkpoint_decisions_find(
            d, decision->leader, decision->generation, decision->epoch);

    if (known != NULL) {
        return known->is_committed == decision->is_committed
                       ? CHECKPOINT_DECISIONS_SAME
                       : CHECKPOINT_DECISIONS_OTHER;
    }
    d->ring[d->next] = *decision;
    d->next = (d->next + 1) % CHECKPOINT_DECISIONS_MAX;
    if (d->count < CHECKPOINT_DECISIONS_MAX) {
        d->count++;
    }
    return CHECKPOINT_DECISIONS_NEW;
}
