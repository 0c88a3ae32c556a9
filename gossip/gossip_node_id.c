#include "gossip/gossip_node_id.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

static const char PREFIX[] = "node-";

const char *gossip_node_name(
        uint64_t node_id, char name[static GOSSIP_NODE_NAME_BYTES])
{
    assert(node_id > 0);
    snprintf(name, GOSSIP_NODE_NAME_BYTES, "%s%" PRIu64, PREFIX, node_id);
    return name;
}

bool gossip_node_id_parse(struct bytes name, uint64_t *node_id)
{
    struct bytes prefix = bytes_text(PREFIX);

    return bytes_starts_with(name, prefix) &&
           bytes_to_u64(bytes_skip(name, prefix.size), node_id) && *node_id > 0;
}
