#include "shuffle/shuffle_place.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/hash.h"

static_assert(SHUFFLE_SINKS_MAX <= UINT16_MAX,
        "an owner is an index of 16 bits, and so is the count on the wire");

enum {
    NAME_BYTES = 12,
    HEAD_BYTES = NAME_BYTES + 2 + 4 + 8 + 8,
};

static void put_head(struct writer *w, uint32_t vnodes, uint64_t round,
        const struct shuffle_wire_sinks *sinks)
{
    writer_put(w, bytes_text("weft-place-1"));
    writer_u16le(w, SHUFFLE_HASH_XXH3);
    writer_u32le(w, vnodes);
    writer_u64le(w, sinks->epoch);
    writer_u64le(w, round);
}

uint64_t shuffle_place_id(
        uint32_t vnodes, uint64_t round, const struct shuffle_wire_sinks *sinks)
{
    uint8_t text[HEAD_BYTES + SHUFFLE_SINKS_MAX * SHUFFLE_SINK_BYTES];
    struct writer w = writer_of(text, sizeof(text));

    put_head(&w, vnodes, round, sinks);
    assert(w.size == HEAD_BYTES);
    writer_put(&w, sinks->packed);
    assert(!w.failed);
    return hash_xxh3(writer_bytes(&w));
}

static uint64_t score(uint64_t vnode, uint64_t node)
{
    uint8_t text[16];
    struct writer w = writer_of(text, sizeof(text));

    writer_u64le(&w, vnode);
    writer_u64le(&w, node);
    return hash_xxh3(writer_bytes(&w));
}

/* Ids ascend, so a later one wins a tie. */
static uint16_t owner_of(const struct shuffle_wire_sinks *sinks, uint32_t vnode)
{
    uint64_t best = 0;
    size_t owner = 0;

    for (size_t i = 0; i < shuffle_wire_sinks_count(sinks); i++) {
        uint64_t s = score(vnode, shuffle_wire_sink_at(sinks, i).node);

        if (s >= best) {
            best = s;
            owner = i;
        }
    }
    return (uint16_t)owner;
}

int shuffle_place_init(struct shuffle_place *p, uint32_t vnodes, uint64_t round,
        const struct shuffle_wire_sinks *sinks)
{
    size_t count = shuffle_wire_sinks_count(sinks);

    assert(vnodes > 0 && count > 0 && count <= SHUFFLE_SINKS_MAX);
    *p = (struct shuffle_place){.epoch = sinks->epoch,
            .round = round,
            .vnodes = vnodes,
            .sinks_count = count};
    p->packed = malloc(sinks->packed.size);
    p->owners = malloc(vnodes * sizeof(*p->owners));
    if (p->packed == NULL || p->owners == NULL) {
        shuffle_place_close(p);
        return ERR_FULL;
    }
    memcpy(p->packed, sinks->packed.data, sinks->packed.size);
    p->id = shuffle_place_id(vnodes, round, sinks);
    p->vnode_mask = (vnodes & (vnodes - 1)) == 0 ? vnodes - 1 : 0;
    for (uint32_t v = 0; v < vnodes; v++) {
        p->owners[v] = owner_of(sinks, v);
    }
    return 0;
}

void shuffle_place_close(struct shuffle_place *p)
{
    free(p->packed);
    free(p->owners);
    *p = (struct shuffle_place){0};
}

struct shuffle_wire_sinks shuffle_place_sinks(const struct shuffle_place *p)
{
    return (struct shuffle_wire_sinks){.epoch = p->epoch,
            .packed = bytes_of(p->packed, p->sinks_count * SHUFFLE_SINK_BYTES)};
}

struct shuffle_sink_id shuffle_place_sink(
        const struct shuffle_place *p, size_t index)
{
    struct shuffle_wire_sinks sinks = shuffle_place_sinks(p);

    return shuffle_wire_sink_at(&sinks, index);
}

size_t shuffle_place_find(const struct shuffle_place *p, uint64_t node)
{
    size_t low = 0;
    size_t high = p->sinks_count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        uint64_t id = shuffle_place_sink(p, middle).node;

        if (id == node) {
            return middle;
        }
        if (id < node) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return p->sinks_count;
}
