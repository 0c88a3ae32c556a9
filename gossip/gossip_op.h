/* The operations of a delta, in their plain bytes (docs/wire.md, "Gossip:
 * operations"):
 *
 *   Node           [0][id][last_gc u64][from_excluded u64]
 *   KeyValue       [1][key][value][version u64][status u8]
 *   SetMaxVersion  [2][max_version u64]
 *
 * A Node operation opens a node delta; the other two belong to the one that is
 * open. Strings are u16 LE length and UTF-8. */
#pragma once

enum gossip_op {
    GOSSIP_OP_NODE = 0,
    GOSSIP_OP_KEY_VALUE = 1,
    GOSSIP_OP_SET_MAX_VERSION = 2,
};
