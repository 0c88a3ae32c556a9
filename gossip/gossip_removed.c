#include "gossip/gossip_removed.h"

#include <assert.h>
#include <stdlib.h>

#include "base/error.h"

int gossip_removed_init(
        struct gossip_removed *r, size_t capacity, uint64_t seed)
{
    assert(capacity > 0);
    *r = (struct gossip_removed){.capacity = capacity};
    prng_init(&r->chance, seed);
    r->entries = calloc(capacity, sizeof(r->entries[0]));
    return r->entries != NULL ? 0 : ERR_FULL;
}

void gossip_removed_close(struct gossip_removed *r)
{
    free(r->entries);
    *r = (struct gossip_removed){0};
}

static struct gossip_removed_entry *find(
        const struct gossip_removed *r, const struct gossip_id *id)
{
    uint64_t id_hash = gossip_id_hash(id);

    /* The node is the first field, so this is its owner. */
    return (struct gossip_removed_entry *)(void *)kv_tree_find(
            r->by_hash, bytes_of(&id_hash, sizeof(id_hash)));
}

static void forget(struct gossip_removed *r, struct gossip_removed_entry *entry)
{
    kv_tree_remove(&r->by_hash, &entry->node);
    entry->is_used = false;
    r->count--;
}

void gossip_removed_drop(struct gossip_removed *r, const struct gossip_id *id)
{
    struct gossip_removed_entry *entry = find(r, id);

    if (entry != NULL) {
        forget(r, entry);
    }
}

void gossip_removed_put(struct gossip_removed *r, const struct gossip_id *id,
        uint64_t heartbeat)
{
    struct gossip_removed_entry *entry = &r->entries[r->next];

    gossip_removed_drop(r, id);
    if (entry->is_used) {
        forget(r, entry);
    }
    *entry = (struct gossip_removed_entry){.id_hash = gossip_id_hash(id),
            .heartbeat = heartbeat,
            .is_used = true};
    entry->node.key = bytes_of(&entry->id_hash, sizeof(entry->id_hash));
    entry->node.priority = prng_u64(&r->chance);
    kv_tree_insert(&r->by_hash, &entry->node);
    r->count++;
    r->next = (r->next + 1) % r->capacity;
}

bool gossip_removed_has(
        const struct gossip_removed *r, const struct gossip_id *id)
{
    return r->count > 0 && find(r, id) != NULL;
}

bool gossip_removed_refuses(const struct gossip_removed *r,
        const struct gossip_id *id, uint64_t heartbeat)
{
    const struct gossip_removed_entry *entry;

    if (r->count == 0) {
        return false;
    }
    entry = find(r, id);
    return entry != NULL && heartbeat <= entry->heartbeat;
}
