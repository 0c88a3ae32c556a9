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
            [GOSSIP_DROP_DIGEST_LARGE] = "digest_large",
            [GOSSIP_DROP_CLUSTER] = "cluster",
            [GOSSIP_DROP_TEXT] = "text",
            [GOSSIP_DROP_FAMILY] = "address_family",
            [GOSSIP_DROP_BLOCK] = "block",
            [GOSSIP_DROP_BLOCK_TAG] = "block_tag",
            [GOSSIP_DROP_BLOCK_ZSTD] = "block_zstd",
            [GOSSIP_DROP_BLOCK_LARGE] = "block_large",
            [GOSSIP_DROP_OP] = "operation",
            [GOSSIP_DROP_OP_TAG] = "operation_tag",
            [GOSSIP_DROP_OP_ORPHAN] = "operation_orphan",
            [GOSSIP_DROP_OP_TWICE] = "operation_twice",
            [GOSSIP_DROP_OP_VERSION] = "operation_version",
            [GOSSIP_DROP_OP_STATUS] = "operation_status",
            [GOSSIP_DROP_OP_LOWERED] = "operation_lowered",
    };

    assert(why >= GOSSIP_DROP_NONE && why < GOSSIP_DROP_COUNT);
    assert(names[why] != NULL);
    return names[why];
}
