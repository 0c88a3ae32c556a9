#include "gossip/gossip_round.h"

#include <assert.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/sort.h"

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

static int compare_addrs(const void *a, const void *b)
{
    return addr_compare(a, b);
}

void gossip_addr_set_unique(struct gossip_addr_set *set)
{
    size_t kept = 0;

    sort_ascending(
            set->addrs, set->count, sizeof(set->addrs[0]), compare_addrs);
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
