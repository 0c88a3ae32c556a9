/* Deltas: what to offer a peer, and what to make of its offer.
 *
 * Offering: each member of whom we know more than the peer's digest is a
 * candidate, from the version the peer has or, if the peer missed collected
 * tombstones, from 0, which is an order to start over. Members that the peer
 * lacks altogether go first, those with little to say before the others, then
 * those with most news; equals in random order, so that nobody starves. (Those
 * that are dead here and unknown there go last: the peer is probably about to
 * forget them.) A member is told to its end before the next begins and in
 * version order, so wherever the datagram is full, what has been told is a
 * correct prefix, and the next exchange goes on from there. What no datagram
 * can hold is passed over, with all that its member said later.
 *
 * News are counted up to GOSSIP_RANK_COUNT_MAX in all, lest a digest that is
 * behind everything make us count everything; beyond that nobody has more
 * news than others.
 *
 * Taking: see kv_state_judge. A delta about a member we have not met through a
 * digest, or about ourselves, is passed over. */
#pragma once

#include "gossip/gossip_counters.h"
#include "gossip/gossip_encode.h"
#include "gossip/gossip_members.h"

struct gossip_candidate {
    const struct gossip_member *member;
    uint64_t floor; /* the peer has everything up to it */
    unsigned class; /* smaller is more urgent */
    uint64_t rank; /* within the class, likewise */
    uint64_t tie; /* chance, among equals */
};

/* A heap of candidates, the most urgent on top. */
struct gossip_ranking {
    struct gossip_candidate *heap;
    size_t count;
    size_t capacity;
    size_t uncounted; /* entries that may still be counted to rank with */
};

enum {
    GOSSIP_RANK_COUNT_MAX = 65536, /* more entries than a delta ever holds */
};

/* Room for `capacity` candidates. Returns 0, or ERR_FULL when there is no
 * memory. */
int gossip_ranking_init(struct gossip_ranking *r, size_t capacity);
void gossip_ranking_close(struct gossip_ranking *r);

/* Begins a new ranking. */
void gossip_ranking_begin(struct gossip_ranking *r);

/* A member that is offered with a floor, and is a candidate if it has anything
 * above it. `is_last`: after all others. */
void gossip_ranking_offer(struct gossip_ranking *r,
        const struct gossip_member *member, uint64_t floor, bool is_last,
        struct prng *chance);

/* The most urgent candidate that has not been taken yet. */
bool gossip_ranking_take(
        struct gossip_ranking *r, struct gossip_candidate *candidate);

/* Ranks all members that are not scheduled for removal against the digest of
 * a message. */
void gossip_ranking_compare(struct gossip_ranking *r,
        const struct gossip_members *members, const struct gossip_message *m,
        uint64_t now_ms, uint64_t dead_grace_ms, struct prng *chance);

/* Writes a delta that has begun, as far as its budget goes. */
void gossip_delta_write(
        struct gossip_ranking *r, struct gossip_delta_writer *w);

/* Applies all node deltas of a message; what is new is noted as events. */
void gossip_delta_apply(struct gossip_members *members,
        const struct gossip_message *m, uint64_t now_ms,
        struct gossip_counters *counters);
