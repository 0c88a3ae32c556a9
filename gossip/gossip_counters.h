/* What a node has sent, received and refused: numbers that only rise. */
#pragma once

#include "gossip/gossip_drop.h"
#include "gossip/gossip_wire.h"

#include <stdint.h>

/* Why something well-formed was not acted on. */
enum gossip_refusal {
    GOSSIP_REFUSED_FOREIGN_CLUSTER, /* a Syn of another cluster */
    GOSSIP_REFUSED_BAD_CLUSTER, /* somebody says that we are of another */
    GOSSIP_REFUSED_MEMBERS_FULL, /* a member not met: no room for more */
    GOSSIP_REFUSED_REMOTE_FULL, /* the rest of a node delta: no room */
    GOSSIP_REFUSED_ABOUT_SELF, /* a node delta about ourselves */
    GOSSIP_REFUSED_GHOST, /* a removed member, brought up again */
    GOSSIP_REFUSED_UNSENT, /* a reply or Syn that nobody fetched in time */
    GOSSIP_REFUSED_COUNT, /* how many there are; not a reason */
};

struct gossip_counters {
    uint64_t rounds;
    uint64_t latest_round_ms; /* the worst lateness of a round */
    uint64_t exchanges; /* SynAcks and Acks received: somebody answers */
    uint64_t sent_packets;
    uint64_t sent_bytes;
    uint64_t received_packets;
    uint64_t received_bytes;
    uint64_t sent_syns[GOSSIP_VERSIONS];
    uint64_t received_syns[GOSSIP_VERSIONS]; /* of any cluster */
    uint64_t truncated; /* deltas that went on past our bound */
    uint64_t resets; /* copies that had to start over */
    uint64_t malformed[GOSSIP_DROP_COUNT]; /* whole datagrams, by reason */
    uint64_t refused[GOSSIP_REFUSED_COUNT];
};

/* A short name in lower case, such as "members_full"; static. */
const char *gossip_refusal_name(enum gossip_refusal why);
