/* A member as gossip knows it: who it is, what it says, how lively it is.
 *
 *            first digest entry            phi within the threshold
 *   unknown ───────────────────► known ───────────────────────────► live
 *      ▲                           │ judged without a phi            │  ▲
 *      │                           ▼                 phi above it    │  │
 *   removed ◄──────────────────── dead ◄─────────────────────────────┘  │
 *            dead for its grace    └────────────────────────────────────┘
 *            period                          phi within it again
 *
 * A member that has been dead for more than half of its grace period is
 * *scheduled* for removal: we speak of it no more, neither in digests nor in
 * deltas, so that it can be forgotten everywhere. Everything is local: nodes
 * find a member dead and remove it at different times.
 *
 * We are a member too, always live and never judged. */
#pragma once

#include "gossip/gossip_id.h"
#include "gossip/gossip_phi.h"
#include "kv/kv_state.h"

/* What the core has not told its driver yet, as bits. */
enum gossip_event {
    GOSSIP_EVENT_MET = 1 << 0,
    GOSSIP_EVENT_LIVE = 1 << 1,
    GOSSIP_EVENT_DEAD = 1 << 2,
    GOSSIP_EVENT_KEYS = 1 << 3, /* see kv_state_change */
    GOSSIP_EVENT_TWIN = 1 << 4,
    GOSSIP_EVENT_SUCCESSOR = 1 << 5,
    GOSSIP_EVENT_AHEAD = 1 << 6,
    GOSSIP_EVENT_REMOVED = 1 << 7,
};

struct gossip_member {
    struct gossip_id id; /* the name is in this member's memory */
    uint64_t heartbeat; /* 0: none known */
    struct kv_state state;
    struct gossip_phi phi;
    uint64_t met_ms;
    uint64_t dead_since_ms; /* while it is dead */
    bool is_self;
    bool is_live;
    bool is_dead; /* was judged, and is not live */
    bool was_convicted; /* it was live once, and then found dead */
    bool may_succeed; /* a higher generation of our name, not silent yet */
    bool is_chosen; /* for a digest that cannot hold everybody */

    unsigned events; /* enum gossip_event: to be told */
    struct gossip_member *next_event; /* whose turn is after this one's */
    bool has_turn;
};

/* Live in the failure detector's opinion; true of ourselves. */
bool gossip_member_is_live(const struct gossip_member *m);

/* Whether we ever found this very generation dead after it had been live, or
 * have removed it; whatever it is now. A member that comes back from a long
 * sleep may ask. True only of what this process remembers. */
bool gossip_member_was_convicted(const struct gossip_member *m);

/* Dead for more than half of the grace period. */
bool gossip_member_is_scheduled(
        const struct gossip_member *m, uint64_t now_ms, uint64_t dead_grace_ms);

/* Its phi; false while it has none, as we ourselves never have. */
bool gossip_member_phi(
        const struct gossip_member *m, uint64_t now_ms, double *phi);

/* How long ago its heartbeat last rose; false while it never did. */
bool gossip_member_silence_ms(
        const struct gossip_member *m, uint64_t now_ms, uint64_t *silence_ms);

/* The node id in a canonical `node-<id>`, 1 to 2^64-1; false for any other
 * name: such a member gossips, and takes no part in anything else. */
bool gossip_member_node_id(const struct gossip_member *m, uint64_t *node_id);
