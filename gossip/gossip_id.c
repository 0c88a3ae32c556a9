#include "gossip/gossip_id.h"

#include <assert.h>
#include <string.h>

#include "base/hash.h"

enum {
    OCTETS_IPV4 = 4,
    OCTETS_IPV6 = 16,
};

static_assert(GOSSIP_ID_MIN_BYTES == 2 + 8 + 1 + OCTETS_IPV4 + 2,
        "the smallest id: empty name, generation, family, octets, port");

static size_t octets_of(uint8_t family)
{
    switch (family) {
    case ADDR_IPV4:
        return OCTETS_IPV4;
    case ADDR_IPV6:
        return OCTETS_IPV6;
    default:
        return 0;
    }
}

int gossip_id_compare(const struct gossip_id *a, const struct gossip_id *b)
{
    int order = bytes_compare(a->node_id, b->node_id);

    if (order != 0) {
        return order;
    }
    if (a->generation != b->generation) {
        return a->generation < b->generation ? -1 : 1;
    }
    return addr_compare(&a->addr, &b->addr);
}

bool gossip_id_equal(const struct gossip_id *a, const struct gossip_id *b)
{
    return a->generation == b->generation &&
           bytes_equal(a->node_id, b->node_id) &&
           addr_equal(&a->addr, &b->addr);
}

uint64_t gossip_id_hash(const struct gossip_id *id)
{
    uint8_t memory[8 + 8 + 1 + OCTETS_IPV6 + 2];
    struct writer w = writer_of(memory, sizeof(memory));

    writer_u64le(&w, hash_xxh3(id->node_id));
    writer_u64le(&w, id->generation);
    writer_u8(&w, id->addr.family);
    writer_put(&w, bytes_of(id->addr.octets, OCTETS_IPV6));
    writer_u16le(&w, id->addr.port);
    assert(!w.failed);
    return hash_xxh3(writer_bytes(&w));
}

size_t gossip_id_bytes(const struct gossip_id *id)
{
    return 2 + id->node_id.size + 8 + 1 + octets_of(id->addr.family) + 2;
}

void gossip_id_encode(struct writer *w, const struct gossip_id *id)
{
    size_t octets = octets_of(id->addr.family);

    assert(octets > 0);
    writer_string16(w, id->node_id);
    writer_u64le(w, id->generation);
    writer_u8(w, id->addr.family);
    writer_put(w, bytes_of(id->addr.octets, octets));
    writer_u16le(w, id->addr.port);
}

enum gossip_drop gossip_id_decode(struct reader *r, struct gossip_id *id)
{
    struct bytes octets;

    *id = (struct gossip_id){.node_id = reader_string16(r)};
    id->generation = reader_u64le(r);
    id->addr.family = reader_u8(r);
    if (!r->failed && octets_of(id->addr.family) == 0) {
        return GOSSIP_DROP_FAMILY;
    }
    octets = reader_take(r, octets_of(id->addr.family));
    id->addr.port = reader_u16le(r);
    if (r->failed) {
        return GOSSIP_DROP_NONE;
    }
    memcpy(id->addr.octets, octets.data, octets.size);
    return bytes_is_utf8(id->node_id) ? GOSSIP_DROP_NONE : GOSSIP_DROP_TEXT;
}
