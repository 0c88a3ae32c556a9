/* Which sink node owns a key: the placement of a stage.
 *
 * A key falls on vnode XXH3-64(key) mod `vnodes`, as in LaminarDB. A vnode
 * belongs to the node with the largest XXH3-64 over (vnode u64, node id u64),
 * ties to the larger id: rendezvous hashing (Thaler and Ravishankar, 1998), by
 * which a node that comes takes only what it now owns, and one that leaves
 * moves only what it had. The placement id is a hash over all that decides,
 * the sinks' generations and numbers included, so that two nodes that hold the
 * same id place every key alike (docs/wire.md, "Placement").
 *
 * Owners are computed once, when a placement is made: 2 bytes a vnode, one
 * hash for each vnode and sink. A record then costs one hash and one look-up.
 * A placement never changes; another one is another struct. */
#pragma once

#include "shuffle/shuffle_wire.h"

struct shuffle_place {
    uint64_t epoch;
    uint64_t round;
    uint64_t id;
    uint32_t vnodes;
    uint64_t vnode_mask; /* vnodes - 1 when that is a mask, else 0 */
    size_t sinks_count;
    uint8_t *packed; /* the sinks as the wire has them */
    uint16_t *owners; /* of each vnode, an index into the sinks */
};

/* `sinks` is copied; their node ids ascend, and there are 1 to
 * SHUFFLE_SINKS_MAX of them. ERR_FULL when there is no memory. */
int shuffle_place_init(struct shuffle_place *p, uint32_t vnodes, uint64_t round,
        const struct shuffle_wire_sinks *sinks);
void shuffle_place_close(struct shuffle_place *p);

/* The number of a placement without making it. */
uint64_t shuffle_place_id(uint32_t vnodes, uint64_t round,
        const struct shuffle_wire_sinks *sinks);

/* The sinks, borrowed until close. */
struct shuffle_wire_sinks shuffle_place_sinks(const struct shuffle_place *p);
struct shuffle_sink_id shuffle_place_sink(
        const struct shuffle_place *p, size_t index);

/* The index of that node's sink, or `sinks_count` when it has none here. */
size_t shuffle_place_find(const struct shuffle_place *p, uint64_t node);

/* The vnode of a key's hash. */
static inline uint32_t shuffle_place_vnode(
        const struct shuffle_place *p, uint64_t hash)
{
    return p->vnode_mask != 0 ? (uint32_t)(hash & p->vnode_mask)
                              : (uint32_t)(hash % p->vnodes);
}

/* The index of the sink that owns a key's hash. */
static inline size_t shuffle_place_owner(
        const struct shuffle_place *p, uint64_t hash)
{
    return p->owners[shuffle_place_vnode(p, hash)];
}
