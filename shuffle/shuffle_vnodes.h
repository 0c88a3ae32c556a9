/* LaminarDB's registry of vnodes: which node owns which, and under which
 * version of the assignment (docs/wire.md, "LaminarDB's frames").
 *
 * The number of vnodes is fixed; each has one owner, 0 while it is unassigned.
 * The version starts at 1 and never goes back. Weft places its own stages by
 * rendezvous hashing (shuffle/shuffle_place.h); this is for being the peer that
 * a LaminarDB node expects. */
#pragma once

#include "base/bytes.h"

enum {
    SHUFFLE_VNODES_DEFAULT = 256,
    SHUFFLE_UNASSIGNED = 0,
};

struct shuffle_vnodes {
    uint64_t *owners; /* one id a vnode */
    uint32_t count;
    uint64_t version;
};

/* All vnodes unassigned. `count` 0 is a programming error: asserted. */
void shuffle_vnodes_init(struct shuffle_vnodes *vnodes, uint32_t count);

/* All vnodes owned by one node. */
void shuffle_vnodes_init_single(
        struct shuffle_vnodes *vnodes, uint32_t count, uint64_t owner);

void shuffle_vnodes_close(struct shuffle_vnodes *vnodes);

/* Replaces every owner and adds 1 to the version. A wrong length is a
 * programming error: asserted. */
void shuffle_vnodes_assign(struct shuffle_vnodes *vnodes,
        const uint64_t owners[], size_t owners_count);

/* The same with a version from elsewhere, not below ours: asserted. */
void shuffle_vnodes_assign_version(struct shuffle_vnodes *vnodes,
        const uint64_t owners[], size_t owners_count, uint64_t version);

/* SHUFFLE_UNASSIGNED for a vnode out of range. */
uint64_t shuffle_vnodes_owner(
        const struct shuffle_vnodes *vnodes, uint32_t vnode);

/* The vnode of these exact key bytes: XXH3-64 mod count. */
uint32_t shuffle_vnodes_of_key(
        const struct shuffle_vnodes *vnodes, struct bytes key);

/* Writes the vnodes of `owner` ascending, at most `max`, and returns how many
 * there are. */
size_t shuffle_vnodes_owned(const struct shuffle_vnodes *vnodes, uint64_t owner,
        uint32_t owned[], size_t max);

/* Fills `owners` with the ids in ascending order, over and over. Neither
 * duplicates nor 0 are filtered; no ids are a programming error: asserted. */
void shuffle_vnodes_round_robin(uint64_t owners[], size_t owners_count,
        const uint64_t ids[], size_t ids_count);
