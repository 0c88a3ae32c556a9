/* The members that are no more: a memory against ghosts.
 *
 * When a member has been dead for its grace period it is removed; peers that
 * still carry it would bring it back with their next digest. So we remember
 * with which heartbeat it went, and only a higher one, which the member itself
 * must have made, lets it in again.
 *
 * An identity is remembered by its hash of 64 bits, so that the memory costs
 * the same whatever the names. It holds the last `capacity` that were put in;
 * who was put in earlier is forgotten, and may then return as a ghost. All
 * costs are logarithmic: a whole table of members may expire in one round. */
#pragma once

#include "base/prng.h"
#include "gossip/gossip_id.h"
#include "kv/kv_tree.h"

struct gossip_removed_entry {
    struct kv_tree_node node; /* by the hash's bytes */
    uint64_t id_hash;
    uint64_t heartbeat;
    bool is_used;
};

struct gossip_removed {
    struct gossip_removed_entry *entries; /* a ring */
    size_t capacity;
    size_t next; /* the entry that is put in next, and gives way to it */
    size_t count; /* entries in use */
    struct kv_tree_node *by_hash;
    struct prng chance; /* shapes the tree */
};

/* Returns 0, or ERR_FULL when there is no memory. `capacity` is at least 1. */
int gossip_removed_init(
        struct gossip_removed *r, size_t capacity, uint64_t seed);
void gossip_removed_close(struct gossip_removed *r);

void gossip_removed_put(struct gossip_removed *r, const struct gossip_id *id,
        uint64_t heartbeat);

/* Was this identity put in, and neither dropped nor forgotten since? */
bool gossip_removed_has(
        const struct gossip_removed *r, const struct gossip_id *id);

/* Is this heartbeat no news about somebody who was removed? */
bool gossip_removed_refuses(const struct gossip_removed *r,
        const struct gossip_id *id, uint64_t heartbeat);

/* It has been let in again. */
void gossip_removed_drop(struct gossip_removed *r, const struct gossip_id *id);
