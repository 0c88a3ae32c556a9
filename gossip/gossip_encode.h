/* Writing a datagram that cannot be too long.
 *
 * Begin; offer digest entries; open the delta; offer nodes and their entries;
 * finish:
 *
 *   gossip_encode_begin(&e, GOSSIP_V0, GOSSIP_SYN_ACK, no_cluster, datagram);
 *   for each member:
 *       if (!gossip_encode_digest_entry(&e, &line)) break;
 *   gossip_encode_delta(&e);
 *   for each node delta:
 *       if (!gossip_encode_node(&e, &id, last_gc, from_excluded)) break;
 *       for each of its entries, in version order:
 *           if (!gossip_encode_entry(&e, &entry)) break out of both;
 *       if there was none: gossip_encode_max_version(&e, max_version);
 *   datagram = gossip_encode_finish(&e);
 *
 * What is offered is taken whole if the message stays within its budget, and
 * refused otherwise; the bytes that told whether it fits are those that are
 * sent. So every message is at most GOSSIP_DATAGRAM_BYTES long, whatever the
 * digest and the delta (docs/wire.md, "Gossip: budgets").
 *
 * A Node operation that may be a reset (from 0, with something collected) is
 * kept back until an entry or SetMaxVersion of that node fits with it:
 * otherwise the receiver would wipe its copy and get nothing for it.
 *
 * Digest and delta can be written alone too: that is how they are tested. */
#pragma once

#include "gossip/gossip_blocks.h"
#include "gossip/gossip_wire.h"

/* ---- a digest ---- */

struct gossip_digest_writer {
    enum gossip_version version;
    struct gossip_blocks_writer *blocks; /* V1 */
    struct writer out; /* V0 */
    size_t entry_count;
    size_t plain_bytes;
};

/* The size of an entry about this member in the plain digest. */
size_t gossip_digest_entry_bytes(const struct gossip_id *id);

/* Writes to `memory`, borrowed until finish, at most `budget_bytes`: at least
 * 2, and at most GOSSIP_BLOCKS_MAX_BYTES. */
void gossip_digest_begin(struct gossip_digest_writer *w,
        struct gossip_blocks_writer *blocks, enum gossip_version version,
        void *memory, size_t budget_bytes);

/* Takes the entry, or returns false and leaves things as they were: no room
 * within the budget, or GOSSIP_PLAIN_MAX_BYTES. Entries come in ascending
 * order, each member once. */
bool gossip_digest_try(struct gossip_digest_writer *w,
        const struct gossip_digest_entry *entry);

struct bytes gossip_digest_finish(struct gossip_digest_writer *w);

/* ---- a delta ---- */

struct gossip_delta_writer {
    struct gossip_blocks_writer *blocks;
    struct gossip_node_delta node; /* the open node, if any */
    bool has_node;
    bool is_held; /* its Node operation is not written yet */
};

/* Writes to `memory`, borrowed until finish. Asserts that the budget is from
 * GOSSIP_DELTA_MIN_BUDGET_BYTES to GOSSIP_BLOCKS_MAX_BYTES. */
void gossip_delta_begin(struct gossip_delta_writer *w,
        struct gossip_blocks_writer *blocks, void *memory, size_t budget_bytes);

/* Each takes its operation, or returns false and leaves things as they were.
 * The id is borrowed until the node's first entry, the next node or finish.
 * Versions rise from entry to entry; SetMaxVersion is for a node without
 * entries. Both need a node: asserted. */
bool gossip_delta_try_node(struct gossip_delta_writer *w,
        const struct gossip_id *id, uint64_t last_gc, uint64_t from_excluded);
bool gossip_delta_try_entry(
        struct gossip_delta_writer *w, const struct gossip_entry *entry);
bool gossip_delta_try_max_version(
        struct gossip_delta_writer *w, uint64_t max_version);

/* Would the Node operation, or that and this entry, be refused by a delta of
 * this budget that has nothing else in it? Then it always will be. */
bool gossip_delta_is_too_large(const struct gossip_delta_writer *w,
        const struct gossip_id *id, const struct gossip_entry *entry);

struct bytes gossip_delta_finish(struct gossip_delta_writer *w);

/* ---- a message ---- */

enum {
    GOSSIP_CLUSTER_MAX_BYTES = 255,
};

/* begin ─► DIGEST ─► DELTA ─► DONE      an Ack begins at DELTA, a BadCluster
 *            └─────────────────▲       at DONE; a Syn has no delta */
enum gossip_encoder_state {
    GOSSIP_ENCODER_DONE,
    GOSSIP_ENCODER_DIGEST,
    GOSSIP_ENCODER_DELTA,
};

struct gossip_encoder {
    struct gossip_blocks_writer blocks;
    struct gossip_digest_writer digest;
    struct gossip_delta_writer delta;
    enum gossip_encoder_state state;
    enum gossip_type type;
    struct bytes cluster;
    bool has_delta; /* there is a budget for one */
    struct writer out; /* the datagram, as far as it is finished */
};

/* Memory: that of one blocks writer. Returns 0 or ERR_FULL. */
int gossip_encoder_init(struct gossip_encoder *e);
void gossip_encoder_close(struct gossip_encoder *e);

/* `cluster` is that of a Syn, at most GOSSIP_CLUSTER_MAX_BYTES, and borrowed
 * until finish. So is the memory, to which the datagram is written. A message
 * that is begun may be given up by beginning another. */
void gossip_encode_begin(struct gossip_encoder *e, enum gossip_version version,
        enum gossip_type type, struct bytes cluster,
        uint8_t datagram[static GOSSIP_DATAGRAM_BYTES]);

/* For a Syn or SynAck: see gossip_digest_try. */
bool gossip_encode_digest_entry(
        struct gossip_encoder *e, const struct gossip_digest_entry *entry);

/* For a SynAck or Ack: closes the digest, and opens the delta with all that is
 * left of the datagram for its budget, which is returned. If that is less than
 * GOSSIP_DELTA_MIN_BUDGET_BYTES the delta will be empty, and refuses
 * everything. */
size_t gossip_encode_delta(struct gossip_encoder *e);

/* See gossip_delta_try_*. */
bool gossip_encode_node(struct gossip_encoder *e, const struct gossip_id *id,
        uint64_t last_gc, uint64_t from_excluded);
bool gossip_encode_entry(
        struct gossip_encoder *e, const struct gossip_entry *entry);
bool gossip_encode_max_version(struct gossip_encoder *e, uint64_t max_version);

/* The datagram, in the caller's memory. */
struct bytes gossip_encode_finish(struct gossip_encoder *e);
