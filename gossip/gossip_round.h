/* Whom to gossip with this round.
 *
 * A few live members at random (any known ones while nobody is live); one dead
 * member with a chance that grows with how many there are, which is how a
 * healed partition finds together; and a seed, with certainty while nobody is
 * live and seldom later, which is how islands do. Everything is counted in
 * distinct addresses, not members: the generations of a restarted node are one
 * place to go. */
#pragma once

#include "base/addr.h"
#include "base/prng.h"

enum {
    GOSSIP_FANOUT_MAX = 16,
    GOSSIP_TARGETS_MAX = GOSSIP_FANOUT_MAX + 2, /* and one dead, one seed */
};

struct gossip_addr_set {
    struct addr *addrs; /* distinct; picking changes their order */
    size_t count;
};

struct gossip_round {
    struct gossip_addr_set live; /* members, ourselves never */
    struct gossip_addr_set dead;
    struct gossip_addr_set known; /* live, dead, and not judged yet */
    size_t capacity; /* of each */
};

/* Room for `members_max` addresses in each set. Returns 0, or ERR_FULL when
 * there is no memory. */
int gossip_round_init(struct gossip_round *r, size_t members_max);
void gossip_round_close(struct gossip_round *r);

/* Makes the members of a set distinct. */
void gossip_addr_set_unique(struct gossip_addr_set *set);

/* Fills in up to `fanout` + 2 targets in the order in which they are to be
 * sent to, and returns their count. An address may be hit twice, as a dead
 * one and as a seed. */
size_t gossip_round_pick(struct gossip_round *r, const struct addr *seeds,
        size_t seed_count, size_t fanout, struct prng *chance,
        struct addr targets[static GOSSIP_TARGETS_MAX]);
