#include "gossip/gossip_wire.h"

const struct gossip_digest_entry *gossip_digest_find(
        const struct gossip_message *m, const struct gossip_id *id)
{
    size_t low = 0;
    size_t high = m->digest_count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = gossip_id_compare(&m->digest[middle].id, id);

        if (order == 0) {
            return &m->digest[middle];
        }
        if (order < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return NULL;
}
