#include "node/packer.h"

#include <assert.h>

void packer_init(struct packer *p)
{
    *p = (struct packer){0};
}

void packer_begin(struct packer *p, uint8_t *memory, size_t capacity)
{
    assert(capacity >= PACKER_ROOM_BYTES);
    p->frame = memory;
    p->size = PACKER_HEAD_BYTES;
    p->capacity = capacity;
    p->first = p->records;
}

size_t packer_room_for(size_t record_bytes)
{
    return PACKER_HEAD_BYTES + record_bytes;
}

size_t packer_close(struct packer *p)
{
    struct writer w =
            writer_of(p->frame + FRAME_HEADER_BYTES, SHUFFLE_DATA_HEAD_BYTES);
    size_t size = p->size;

    if (p->records == p->first) {
        return 0;
    }
    frame_put_header(p->frame, SHUFFLE_TAG_DATA, size - FRAME_HEADER_BYTES);
    shuffle_wire_encode_data_head(&w, 0, p->first);
    p->first = p->records;
    p->size = PACKER_HEAD_BYTES;
    return size;
}

bool packer_add_laminar(
        struct packer *p, uint64_t peer, uint32_t vnode, struct bytes body)
{
    uint8_t *at = packer_place(p, SHUFFLE_LAMINAR_HEAD_BYTES, body.size);
    struct writer w;

    if (at == NULL) {
        return false;
    }
    w = writer_of(at, SHUFFLE_LAMINAR_HEAD_BYTES + body.size);
    shuffle_record_put_laminar_head(&w, peer, vnode, body.size);
    writer_put(&w, body);
    return true;
}
