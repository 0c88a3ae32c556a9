#include "gossip/gossip_drop.h"

#include <assert.h>
#include <stddef.h>

const char *gossip_drop_name(enum gossip_drop why)
{
    static const char *const names[GOSSIP_DROP_COUNT] = {
            [GOSSIP_DROP_NONE] = "none",
            [GOSSIP_DROP_HEADER] = "header",
            [GOSSIP_DROP_MAGIC] = "magic",
            [GOSSIP_DROP_VERSION] = "version",
            [GOSSIP_DROP_TYPE] = "type",
            [GOSSIP_DROP_DIGEST] = "digest",
            [GOSSIP_DROP_DIGEST_LARGE] = "digest large",
            [GOSSIP_DROP_CLUSTER] = "cluster",
            [GOSSIP_DROP_TEXT] = "text",
            [GOSSIP_DROP_FAMILY] = "address family",
            [GOSSIP_DROP_BLOCK] = "block",
            [GOSSIP_DROP_BLOCK_TAG] = "block tag",
            [GOSSIP_DROP_BLOCK_ZSTD] = "block zstd",
            [GOSSIP_DROP_BLOCK_LARGE] = "block large",
            [GOSSIP_DROP_OP] = "operation",
            [GOSSIP_DROP_OP_TAG] = "operation tag",
            [GOSSIP_DROP_OP_ORPHAN] = "operation orphan",
            [GOSSIP_DROP_OP_TWICE] = "operation twice",
            [GOSSIP_DROP_OP_VERSION] = "operation version",
            [GOSSIP_DROP_OP_STATUS] = "operation status",
            [GOSSIP_DROP_OP_LOWERED] = "operation lowered",
    };

    assert(why >= GOSSIP_DROP_NONE && why < GOSSIP_DROP_COUNT);
    assert(names[why] != NULL);
    return names[why];
}
