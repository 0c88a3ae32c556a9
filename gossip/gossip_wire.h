/* What gossip says: the words of a datagram, as values.
 *
 *   initiator                               responder
 *     Syn(digest, cluster)        --->
 *                                 <---        SynAck(digest, delta) or BadCluster
 *     Ack(delta)                  --->
 *
 * A digest is one line about each member: how far its heartbeat and its keys
 * are known. A delta is what the other side has not seen of somebody's keys,
 * in version order. This is the scuttlebutt reconciliation of van Renesse et
 * al. (2008) as chitchat 0.10 to 0.13 puts it on UDP, byte for byte; the two
 * protocol versions differ in how the digest is packed and in nothing else.
 * docs/wire.md, "Gossip: messages".
 *
 * Here are only the values; gossip_decode.h reads them from bytes and
 * gossip_encode.h writes them. */
#pragma once

#include "gossip/gossip_id.h"
#include "kv/kv_status.h"

enum {
    GOSSIP_DATAGRAM_BYTES = 65507, /* the largest UDP payload over IPv4 */
    GOSSIP_HEADER_BYTES = 4, /* magic u16 LE, version, type */
    GOSSIP_MAGIC = 0xB053,
    GOSSIP_PLAIN_MAX_BYTES = 1048576, /* of one digest, and of one delta */
    GOSSIP_DELTA_MIN_BUDGET_BYTES = 100, /* with less, a delta stays empty */
    GOSSIP_VERSIONS = 2, /* protocol versions there are */
};

/* The version decides how a digest is packed. A reply has the version of what
 * it answers. */
enum gossip_version {
    GOSSIP_V0 = 0, /* a count and entries; every chitchat speaks it */
    GOSSIP_V1 = 1, /* a block stream of entries; since chitchat 0.12 */
};

enum gossip_type {
    GOSSIP_SYN = 0,
    GOSSIP_SYN_ACK = 1,
    GOSSIP_ACK = 2,
    GOSSIP_BAD_CLUSTER = 3,
};

struct gossip_digest_entry {
    struct gossip_id id;
    uint64_t heartbeat;
    uint64_t last_gc; /* nothing above it has been garbage-collected */
    uint64_t max_version; /* everything up to it is known */
};

/* One versioned key. A tombstone's value is usually empty, and need not be. */
struct gossip_entry {
    struct bytes key; /* any UTF-8, also empty */
    struct bytes value; /* UTF-8 */
    uint64_t version; /* at least 1 */
    enum kv_status status;
};

/* From a state of this member that is complete up to `from_excluded`: every
 * entry above it, up to `max_version`. From 0, with a `last_gc` beyond what
 * the receiver knows, it is an order to wipe and start over. */
struct gossip_node_delta {
    struct gossip_id id;
    uint64_t last_gc;
    uint64_t from_excluded;
    uint64_t max_version; /* 0 when neither entry nor SetMaxVersion followed */
    size_t first_entry; /* into the message's entries */
    size_t entry_count; /* may be 0 */
};

struct gossip_message {
    enum gossip_version version;
    enum gossip_type type;
    struct bytes cluster; /* of a Syn */
    const struct gossip_digest_entry *digest; /* of a Syn or SynAck: ascending,
            each member once */
    size_t digest_count;
    const struct gossip_node_delta *nodes; /* of a SynAck or Ack: as sent, each
            member once */
    size_t node_count;
    const struct gossip_entry *entries; /* of all nodes: see first_entry */
    size_t entry_count;
    bool is_truncated; /* the delta went on past our bound: what is here is a
            prefix in version order, and the next exchange continues it */
};

/* The digest's line about a member, or NULL. */
const struct gossip_digest_entry *gossip_digest_find(
        const struct gossip_message *m, const struct gossip_id *id);
