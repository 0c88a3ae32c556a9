/* Who a member is: chitchat's ChitchatId.
 *
 * A name, a generation that grows with every start, and the address the member
 * wants to be gossiped with at. All three make the identity: the same name
 * with another generation or address is another member.
 *
 * On the wire: node_id (u16 LE length, UTF-8), generation (u64 LE), address
 * (family 4 or 6, octets in network order, port u16 LE). See docs/wire.md,
 * "Gossip: members". */
#pragma once

#include "base/addr.h"
#include "base/bytes.h"
#include "base/reader.h"
#include "base/writer.h"
#include "gossip/gossip_drop.h"

enum {
    GOSSIP_ID_MIN_BYTES = 17, /* encoded, with an empty name and IPv4 */
};

struct gossip_id {
    struct bytes node_id; /* UTF-8, at most 65,535 bytes; borrowed */
    uint64_t generation;
    struct addr addr; /* IPv4 or IPv6; anything else cannot be encoded */
};

/* The members' total order, which is also the order of a digest: name
 * bytewise, so that node-10 comes before node-2, then generation, then
 * address. Among the generations of one name the oldest is first. */
int gossip_id_compare(const struct gossip_id *a, const struct gossip_id *b);

bool gossip_id_equal(const struct gossip_id *a, const struct gossip_id *b);

/* All three parts, hashed together. Whoever wants two ids of one hash can make
 * them; by chance there are none. */
uint64_t gossip_id_hash(const struct gossip_id *id);

/* The size of the encoded id. */
size_t gossip_id_bytes(const struct gossip_id *id);

/* Fails the writer when the name is longer than its length field can say.
 * Asserts an address family. */
void gossip_id_encode(struct writer *w, const struct gossip_id *id);

/* Reads an id whose name is borrowed from the reader's input. An id that is
 * cut leaves the reader failed; a whole one is judged: TEXT or FAMILY. */
enum gossip_drop gossip_id_decode(struct reader *r, struct gossip_id *id);
