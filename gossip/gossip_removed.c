#include "gossip/gossip_removed.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/hash.h"

int gossip_removed_init(struct gossip_removed *r, size_t capacity)
{
    assert(capacity > 0);
    *r = (struct gossip_removed){.capacity = capacity};
    r->entries = calloc(capacity, sizeof(r->entries[0]));
    return r->entries != NULL ? 0 : ERR_FULL;
}

void gossip_removed_close(struct gossip_removed *r)
{
    free(r->entries);
    *r = (struct gossip_removed){0};
}

/* The name's hash and the rest of the identity, hashed together. */
static uint64_t hash_of(const struct gossip_id *id)
{
    uint8_t memory[48];
    struct writer w = writer_of(memory, sizeof(memory));

    writer_u64le(&w, hash_xxh3(id->node_id));
    writer_u64le(&w, id->generation);
    writer_u8(&w, id->addr.family);
    writer_put(&w, bytes_of(id->addr.octets, sizeof(id->addr.octets)));
    writer_u16le(&w, id->addr.port);
    assert(!w.failed);
    return hash_xxh3(writer_bytes(&w));
}

/* Where the hash is, or would be. */
static size_t place_of(const struct gossip_removed *r, uint64_t id_hash)
{
    size_t low = 0;
    size_t high = r->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (r->entries[middle].id_hash < id_hash) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static bool is_at(const struct gossip_removed *r, size_t i, uint64_t id_hash)
{
    return i < r->count && r->entries[i].id_hash == id_hash;
}

static void drop_at(struct gossip_removed *r, size_t i)
{
    r->count--;
    memmove(&r->entries[i], &r->entries[i + 1],
            (r->count - i) * sizeof(r->entries[0]));
}

static void drop_oldest(struct gossip_removed *r)
{
    size_t oldest = 0;

    for (size_t i = 1; i < r->count; i++) {
        if (r->entries[i].sequence < r->entries[oldest].sequence) {
            oldest = i;
        }
    }
    drop_at(r, oldest);
}

void gossip_removed_put(struct gossip_removed *r, const struct gossip_id *id,
        uint64_t heartbeat)
{
    uint64_t id_hash = hash_of(id);
    size_t i;

    gossip_removed_drop(r, id);
    if (r->count == r->capacity) {
        drop_oldest(r);
    }
    i = place_of(r, id_hash);
    memmove(&r->entries[i + 1], &r->entries[i],
            (r->count - i) * sizeof(r->entries[0]));
    r->count++;
    r->entries[i] = (struct gossip_removed_entry){.id_hash = id_hash,
            .heartbeat = heartbeat,
            .sequence = r->next_sequence++};
}

bool gossip_removed_refuses(const struct gossip_removed *r,
        const struct gossip_id *id, uint64_t heartbeat)
{
    uint64_t id_hash;
    size_t i;

    if (r->count == 0) {
        return false;
    }
    id_hash = hash_of(id);
    i = place_of(r, id_hash);
    return is_at(r, i, id_hash) && heartbeat <= r->entries[i].heartbeat;
}

void gossip_removed_drop(struct gossip_removed *r, const struct gossip_id *id)
{
    uint64_t id_hash = hash_of(id);
    size_t i = place_of(r, id_hash);

    if (is_at(r, i, id_hash)) {
        drop_at(r, i);
    }
}
