/* Which protocol version to open an exchange with.
 *
 * Both versions are always decoded, and a reply has the version of what it
 * answers; only a Syn is a choice. A V0 Syn is understood by everybody. A V1
 * Syn to a node that knows V0 alone is lost without a word, and nothing in the
 * V0 that a node sends says whether it would read V1. So V1 is kept for
 * addresses of which it is known, or tried with a way back:
 *
 *   PROTOCOL_V0    never
 *   PROTOCOL_V1    always, but for a while after three that were not answered
 *   PROTOCOL_AUTO  where somebody is known to read it, and the same way back
 *
 * Two things show that an address reads V1. It has sent V1 (it is *proven*), or
 * the member that was met last at it is a Weft node: that one has published the
 * key weft:protocol.
 *
 *             a V1 Syn is sent               the next one falls due
 *   not waiting ────────────► waiting ──────────────────────────► a miss more
 *      ▲  ▲                      │                                    │
 *      │  └──────────────────────┘ any V1 message from there          │
 *      └───────────── third miss: refused for GOSSIP_REFUSED_MS ──────┘
 *
 * Records are by address, for that is all the name a datagram carries. There is
 * one for each seed and for each address at which a member is known, and for no
 * other; where there is none, V0 is sent, for a miss could not be remembered.
 * When another member is met at an address, what was known of it is forgotten:
 * an older program may have taken the place of a newer one.
 *
 * Memory: a fixed table at init. Lookups are logarithmic. */
#pragma once

#include "gossip/gossip_member.h"
#include "gossip/gossip_wire.h"
#include "kv/kv_tree.h"

enum {
    GOSSIP_MISSES_MAX = 3, /* unanswered V1 Syns in a row */
    GOSSIP_REFUSED_MS = 10 * 60 * 1000, /* then V0 for so long */
    GOSSIP_VERSION_KEY_BYTES = 19, /* an address: family, octets, port */
};

enum gossip_protocol {
    GOSSIP_PROTOCOL_V0,
    GOSSIP_PROTOCOL_V1,
    GOSSIP_PROTOCOL_AUTO,
};

struct gossip_version_record {
    struct kv_tree_node node; /* by the address's bytes */
    uint8_t key[GOSSIP_VERSION_KEY_BYTES];
    bool is_seed;
    size_t member_count; /* known at this address */
    bool has_met; /* anybody, ever */
    uint64_t met_hash; /* of who was met last */
    const struct gossip_member *latest; /* the same, while it is known */

    bool is_proven;
    bool is_waiting; /* a V1 Syn has gone out, and no V1 has come */
    unsigned misses;
    uint64_t refused_until_ms; /* 0: not refused */
    bool is_used;
    struct gossip_version_record *next_free;
};

struct gossip_versions {
    enum gossip_protocol protocol;
    struct gossip_version_record *records;
    size_t capacity;
    size_t made; /* of the records, from the first: were ever used */
    struct gossip_version_record *free; /* and are not now */
    struct kv_tree_node *by_addr;
    struct prng chance; /* shapes the tree */
};

/* Room for `capacity` addresses, at least 1. Returns 0, or ERR_FULL when there
 * is no memory. */
int gossip_versions_init(struct gossip_versions *v,
        enum gossip_protocol protocol, size_t capacity, uint64_t seed);

/* May be called twice. */
void gossip_versions_close(struct gossip_versions *v);

/* The seeds are these from now on: distinct, and borrowed for the call. */
void gossip_versions_seeds(
        struct gossip_versions *v, const struct addr *addrs, size_t count);

/* A member that can be sent to has become known; borrowed until it is removed.
 * Asserts that there is room. */
void gossip_versions_met(
        struct gossip_versions *v, const struct gossip_member *member);
void gossip_versions_removed(
        struct gossip_versions *v, const struct gossip_member *member);

/* A V1 message of any type has come from this address, and everybody it
 * introduces has been met. */
void gossip_versions_heard(struct gossip_versions *v, const struct addr *from);

/* A Syn to this address is due and will be sent: in which version? Sets
 * `*gives_up` if this is the one that V1 is given up with. */
enum gossip_version gossip_versions_open(struct gossip_versions *v,
        const struct addr *to, uint64_t now_ms, bool *gives_up);

/* What that would answer, if it were due now. */
enum gossip_version gossip_versions_next(const struct gossip_versions *v,
        const struct addr *to, uint64_t now_ms);

/* Is there a record of this address? */
bool gossip_versions_has(
        const struct gossip_versions *v, const struct addr *addr);

/* As a setting writes it: "v0", "v1" or "auto"; static. */
const char *gossip_protocol_name(enum gossip_protocol protocol);

/* Asserts that each record has its reason to be there. */
void gossip_versions_check(const struct gossip_versions *v);
