#include "gossip/gossip_round.h"

#include <assert.h>
#include <stdlib.h>

#include "base/error.h"

int gossip_round_init(struct gossip_round *r, size_t members_max)
{
    *r = (struct gossip_round){.capacity = members_max};
    r->live.addrs = calloc(members_max, sizeof(struct addr));
    r->dead.addrs = calloc(members_max, sizeof(struct addr));
    r->known.addrs = calloc(members_max, sizeof(struct addr));
    return r->live.addrs != NULL && r->dead.addrs != NULL &&
                           r->known.addrs != NULL
                   ? 0
                   : ERR_FULL;
}

void gossip_round_close(struct gossip_round *r)
{
    free(r->live.addrs);
    free(r->dead.addrs);
    free(r->known.addrs);
    *r = (struct gossip_round){0};
}

static void swap(struct addr *a, struct addr *b)
{
    struct addr kept = *a;

    *a = *b;
    *b = kept;
}

/* Lets the address at `root` sink to its place in a heap with the greatest on
 * top. */
static void sink(struct addr *addrs, size_t root, size_t count)
{
    size_t child;

    while ((child = 2 * root + 1) < count) {
        if (child + 1 < count &&
                addr_compare(&addrs[child], &addrs[child + 1]) < 0) {
            child++;
        }
        if (addr_compare(&addrs[root], &addrs[child]) >= 0) {
            return;
        }
        swap(&addrs[root], &addrs[child]);
        root = child;
    }
}

/* Heapsort: in place, and n log n whatever the addresses are. */
static void sort(struct addr *addrs, size_t count)
{
    for (size_t root = count / 2; root-- > 0;) {
        sink(addrs, root, count);
    }
    for (size_t last = count; last-- > 1;) {
        swap(&addrs[0], &addrs[last]);
        sink(addrs, 0, last);
    }
}

void gossip_addr_set_unique(struct gossip_addr_set *set)
{
    size_t kept = 0;

    sort(set->addrs, set->count);
    for (size_t i = 0; i < set->count; i++) {
        if (kept == 0 || !addr_equal(&set->addrs[kept - 1], &set->addrs[i])) {
            set->addrs[kept++] = set->addrs[i];
        }
    }
    set->count = kept;
}

/* Moves a random choice to the front of the set, and copies it. */
static size_t pick_some(struct gossip_addr_set *set, size_t count_max,
        struct prng *chance, struct addr *targets)
{
    size_t count = set->count < count_max ? set->count : count_max;

    for (size_t i = 0; i < count; i++) {
        swap(&set->addrs[i],
                &set->addrs[i + prng_below(chance, set->count - i)]);
        targets[i] = set->addrs[i];
    }
    return count;
}

static bool touches(const struct addr *targets, size_t target_count,
        const struct addr *seeds, size_t seed_count)
{
    for (size_t i = 0; i < target_count; i++) {
        for (size_t j = 0; j < seed_count; j++) {
            if (addr_equal(&targets[i], &seeds[j])) {
                return true;
            }
        }
    }
    return false;
}

static bool wants_dead(const struct gossip_round *r, struct prng *chance)
{
    double p = (double)r->dead.count / (double)(r->live.count + 1);

    return r->dead.count > 0 && p > prng_unit(chance);
}

static bool wants_seed(
        const struct gossip_round *r, size_t seed_count, struct prng *chance)
{
    size_t judged_count = r->live.count + r->dead.count;

    if (seed_count == 0) {
        return false;
    }
    return r->live.count == 0 ||
           prng_unit(chance) <= (double)seed_count / (double)judged_count;
}

size_t gossip_round_pick(struct gossip_round *r, const struct addr *seeds,
        size_t seed_count, size_t fanout, struct prng *chance,
        struct addr targets[static GOSSIP_TARGETS_MAX])
{
    struct gossip_addr_set *from = r->live.count > 0 ? &r->live : &r->known;
    bool has_seed;
    size_t count;

    assert(fanout <= GOSSIP_FANOUT_MAX);
    count = pick_some(from, fanout, chance, targets);
    has_seed = touches(targets, count, seeds, seed_count);
    if (wants_dead(r, chance)) {
        targets[count++] = r->dead.addrs[prng_below(chance, r->dead.count)];
    }
    if ((!has_seed || r->live.count < seed_count) &&
            wants_seed(r, seed_count, chance)) {
        targets[count++] = seeds[prng_below(chance, seed_count)];
    }
    return count;
}
