/* What the streams know of the other nodes: their sinks, the placements that
 * they say are in force, and our own link to each.
 *
 * The facts come from the gossip KV by way of the node; the link is the
 * pool's. A member that is forgotten while a link to it is up stays in the
 * table without facts until the link is down. Entries ascend by id. */
#pragma once

#include "shuffle/shuffle_wire.h"

struct shuffle_member_sink {
    struct bytes stage;
    uint64_t number;
};

/* `weft:place:STAGE` as a member publishes it. */
struct shuffle_member_place {
    struct bytes stage;
    struct shuffle_wire_sinks sinks;
};

struct shuffle_member {
    uint64_t id;
    uint64_t generation;
    bool live; /* as the failure detector has it */
    bool active; /* as it says of itself */
    bool speaks_weft;
    const struct shuffle_member_sink *sinks;
    size_t sinks_count;
    const struct shuffle_member_place *places;
    size_t places_count;
};

struct shuffle_known {
    struct shuffle_member facts; /* its arrays and texts are our copy */
    bool is_member;
    uint32_t link; /* outgoing and up, or 0 */
    uint64_t newest; /* generation, as published or as greeted */
    uint64_t heard_ms; /* the latest sign of life on any link */
    uint8_t *texts; /* what the facts' bytes point into */
};

struct shuffle_members {
    struct shuffle_known *items;
    size_t count;
    size_t capacity;
};

void shuffle_members_init(struct shuffle_members *m);
void shuffle_members_close(struct shuffle_members *m);

/* NULL when unknown. Good until a member is added or removed. */
struct shuffle_known *shuffle_members_find(
        const struct shuffle_members *m, uint64_t id);

/* The member's entry, made if need be, without facts. */
struct shuffle_known *shuffle_members_entry(
        struct shuffle_members *m, uint64_t id);

/* Replaces the facts; everything is copied. */
void shuffle_members_set(
        struct shuffle_members *m, const struct shuffle_member *member);

/* Forgets the facts, and the entry if no link keeps it. */
void shuffle_members_forget(struct shuffle_members *m, uint64_t id);

/* May its sinks be used, its placements be believed? */
bool shuffle_members_is_usable(const struct shuffle_known *known);

/* The detector has given it up, or it is forgotten. */
bool shuffle_members_is_convicted(const struct shuffle_members *m, uint64_t id);

/* Has this very sink, as far as we know. */
bool shuffle_members_has_sink(const struct shuffle_members *m,
        struct bytes stage, const struct shuffle_sink_id *sink);

/* The number of the member's sink of that stage, or 0. */
uint64_t shuffle_known_sink(
        const struct shuffle_known *known, struct bytes stage);

/* The member's published placement of that stage, or NULL. */
const struct shuffle_member_place *shuffle_known_place(
        const struct shuffle_known *known, struct bytes stage);
