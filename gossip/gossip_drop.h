/* Why a datagram was dropped: one name for each way of being malformed.
 *
 * A stranger's bytes earn no sentence and no answer; they are counted under
 * one of these (docs/wire.md, "Gossip: what is malformed"). */
#pragma once

enum gossip_drop {
    GOSSIP_DROP_NONE = 0, /* nothing is wrong */
    GOSSIP_DROP_HEADER, /* fewer than the four bytes of a header */
    GOSSIP_DROP_MAGIC, /* not chitchat's magic number */
    GOSSIP_DROP_VERSION, /* neither V0 nor V1 */
    GOSSIP_DROP_TYPE, /* no message of that type */
    GOSSIP_DROP_DIGEST, /* the digest ends inside an entry, or is not there */
    GOSSIP_DROP_DIGEST_LARGE, /* a V1 digest inflates past its bound */
    GOSSIP_DROP_CLUSTER, /* the cluster id is missing or cut */
    GOSSIP_DROP_TEXT, /* a string that is not UTF-8 */
    GOSSIP_DROP_FAMILY, /* an address neither IPv4 nor IPv6 */
    GOSSIP_DROP_BLOCK, /* a block stream ends before its end tag */
    GOSSIP_DROP_BLOCK_TAG, /* no block of that kind */
    GOSSIP_DROP_BLOCK_ZSTD, /* a compressed block is not whole, sound frames */
    GOSSIP_DROP_BLOCK_LARGE, /* a block inflates past 65,535 bytes */
    GOSSIP_DROP_OP, /* the delta ends inside an operation */
    GOSSIP_DROP_OP_TAG, /* no operation of that kind */
    GOSSIP_DROP_OP_ORPHAN, /* an entry before any Node operation */
    GOSSIP_DROP_OP_TWICE, /* two Node operations for one member */
    GOSSIP_DROP_OP_VERSION, /* a version not above the ones before it */
    GOSSIP_DROP_OP_STATUS, /* no status of that number */
    GOSSIP_DROP_OP_LOWERED, /* SetMaxVersion below what is already there */
    GOSSIP_DROP_COUNT, /* how many there are; not a reason */
};

/* A stable name in snake_case, for `weft info`; static. */
const char *gossip_drop_name(enum gossip_drop why);
