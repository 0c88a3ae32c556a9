/* Reading a datagram: all of it or nothing.
 *
 * A datagram is decoded completely before anybody acts on it, so a message
 * that is malformed anywhere has no effect at all, and the first thing wrong
 * gives the reason it is counted under. What chitchat accepts, we accept, with
 * these differences (docs/wire.md, "Gossip: what is malformed"):
 *
 * - SetMaxVersion below a version already in the node delta is malformed;
 *   chitchat accepts it and dies of it.
 * - A V1 digest inflates to GOSSIP_PLAIN_MAX_BYTES at most, else it is dropped.
 * - A delta inflates to GOSSIP_PLAIN_MAX_BYTES and no further. Honest peers
 *   send more, for they budget compressed bytes: so it is not dropped but cut
 *   behind its last whole operation, as if the sender had stopped there. A
 *   Node operation that would be left with nothing after it is cut too, lest a
 *   reset wipe a copy and put nothing in its place. What is malformed up to
 *   that point still drops everything.
 *
 * Memory: about 12 MiB, all at init, of which a page is touched only when a
 * datagram needs it; an ordinary cluster stays under 1 MiB. Nothing is
 * allocated per datagram. */
#pragma once

#include "gossip/gossip_blocks.h"
#include "gossip/gossip_wire.h"

enum {
    GOSSIP_DIGEST_ENTRY_MIN_BYTES = GOSSIP_ID_MIN_BYTES + 24,
    GOSSIP_NODE_OP_MIN_BYTES = 1 + GOSSIP_ID_MIN_BYTES + 16,
    GOSSIP_KEY_VALUE_OP_MIN_BYTES = 14,

    /* The most there can be of each within the bound: these are the sizes of
     * the arrays below, and cannot be exceeded. */
    GOSSIP_DIGEST_MAX = GOSSIP_PLAIN_MAX_BYTES / GOSSIP_DIGEST_ENTRY_MIN_BYTES,
    GOSSIP_NODES_MAX = GOSSIP_PLAIN_MAX_BYTES / GOSSIP_NODE_OP_MIN_BYTES,
    GOSSIP_ENTRIES_MAX = GOSSIP_PLAIN_MAX_BYTES / GOSSIP_KEY_VALUE_OP_MIN_BYTES,
};

struct gossip_decoder {
    struct gossip_blocks_reader digest_blocks;
    struct gossip_blocks_reader delta_blocks;
    struct gossip_digest_entry *digest; /* GOSSIP_DIGEST_MAX of them */
    struct gossip_node_delta *nodes; /* GOSSIP_NODES_MAX of them */
    uint64_t *node_hashes; /* GOSSIP_NODES_MAX, to find a member sent twice */
    struct gossip_entry *entries; /* GOSSIP_ENTRIES_MAX of them */
};

/* Returns 0 or ERR_FULL when there is no memory. */
int gossip_decoder_init(struct gossip_decoder *d);

/* May be called twice. */
void gossip_decoder_close(struct gossip_decoder *d);

/* Returns 0, or ERR_INVALID with the reason in `*why`, which is
 * GOSSIP_DROP_NONE otherwise. The message is borrowed from the datagram and
 * from the decoder, until the next call; after a failure it holds nothing. */
int gossip_decode(struct gossip_decoder *d, struct bytes datagram,
        struct gossip_message *m, enum gossip_drop *why);
