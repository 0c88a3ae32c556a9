/* The names that stand for node ids: `node-42` is node 42.
 *
 * Only the canonical form is one: `node-` and decimal digits without a sign or
 * a leading zero, 1 to 2^64-1. A member with any other name gossips like
 * everybody else, and takes no part in anything that goes by node id. */
#pragma once

#include "base/bytes.h"

enum {
    GOSSIP_NODE_NAME_BYTES = 26, /* the longest name and its NUL */
};

/* Writes the name and its NUL, and returns `name`. The id is at least 1. */
const char *gossip_node_name(
        uint64_t node_id, char name[static GOSSIP_NODE_NAME_BYTES]);

bool gossip_node_id_parse(struct bytes name, uint64_t *node_id);
