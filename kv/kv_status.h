/* What a versioned entry is: there, gone, or on its way out. The numbers are
 * those of the gossip wire. */
#pragma once

enum kv_status {
    KV_SET = 0, /* visible */
    KV_DELETE = 1, /* a tombstone: not visible, kept until it is collected */
    KV_DELETE_AFTER_TTL = 2, /* visible until it is collected */
};
