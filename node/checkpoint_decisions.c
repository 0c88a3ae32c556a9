#include "node/checkpoint_decisions.h"

/* Its place in the ring, or the count. */
static size_t index_of(const struct checkpoint_decisions *d, uint64_t leader,
        uint64_t generation, uint64_t epoch)
{
    size_t i = 0;

    while (i < d->count &&
            (d->ring[i].epoch != epoch || d->ring[i].leader != leader ||
                    d->ring[i].generation != generation)) {
        i++;
    }
    return i;
}

const struct checkpoint_decision *checkpoint_decisions_find(
        const struct checkpoint_decisions *d, uint64_t leader,
        uint64_t generation, uint64_t epoch)
{
    size_t at = index_of(d, leader, generation, epoch);

    return at < d->count ? &d->ring[at] : NULL;
}

enum checkpoint_decisions_result checkpoint_decisions_put(
        struct checkpoint_decisions *d,
        const struct checkpoint_decision *decision)
{
    size_t at = index_of(
            d, decision->leader, decision->generation, decision->epoch);

    if (at < d->count) {
        return d->ring[at].is_committed == decision->is_committed
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

void checkpoint_decisions_correct(struct checkpoint_decisions *d,
        const struct checkpoint_decision *decision)
{
    if (checkpoint_decisions_put(d, decision) == CHECKPOINT_DECISIONS_OTHER) {
        size_t at = index_of(
                d, decision->leader, decision->generation, decision->epoch);

        d->ring[at] = *decision;
    }
}
