/* Records into DATA frames of the local socket, in the caller's memory.
 *
 *   header 5 · stream u32 = 0 · first u64 · record, record, …
 *
 * A frame takes records until SHUFFLE_DATA_FRAME_MAX is reached; one that is
 * larger by itself goes alone. The frame's head is written when it is closed:
 *
 *     packer_begin(&p, room, capacity);
 *     while (packer_add_whole(&p, line)) …      false: close it, begin another
 *     size = packer_close(&p);                  0 if it is empty
 */
#pragma once

#include <string.h>

#include "base/bytes.h"
#include "base/frame.h"
#include "shuffle/shuffle_record.h"
#include "shuffle/shuffle_wire.h"

enum {
    PACKER_HEAD_BYTES = FRAME_HEADER_BYTES + SHUFFLE_DATA_HEAD_BYTES,
    PACKER_ROOM_BYTES = SHUFFLE_DATA_FRAME_MAX, /* for frames of several */
};

struct packer {
    uint8_t *frame;
    size_t size; /* of the frame so far, its head included */
    size_t capacity;
    uint64_t first; /* number of its first record */
    uint64_t records; /* packed since packer_init */
    uint64_t bytes; /* of their bodies */
};

void packer_init(struct packer *p);

/* `capacity` is at least PACKER_ROOM_BYTES, asserted, and for a large record
 * what it takes: packer_room_for. */
void packer_begin(struct packer *p, uint8_t *memory, size_t capacity);

/* The capacity for a frame with this one record, its length words included. */
size_t packer_room_for(size_t record_bytes);

/* Writes the head and returns the size of the frame. */
size_t packer_close(struct packer *p);

static inline uint8_t *packer_u32(uint8_t *at, uint32_t value)
{
    at[0] = (uint8_t)value;
    at[1] = (uint8_t)(value >> 8);
    at[2] = (uint8_t)(value >> 16);
    at[3] = (uint8_t)(value >> 24);
    return at + 4;
}

/* Where the next record goes, or NULL when it does not fit. Behind another
 * one, more room than a frame of several may have is of no use. */
static inline uint8_t *packer_place(
        struct packer *p, size_t head_bytes, size_t body_bytes)
{
    uint8_t *at = p->frame + p->size;
    size_t size = head_bytes + body_bytes;
    size_t limit =
            p->records == p->first ? p->capacity : (size_t)PACKER_ROOM_BYTES;

    if (p->size + size > limit) {
        return NULL;
    }
    p->size += size;
    p->records++;
    p->bytes += body_bytes;
    return at;
}

/* Format 1: the key is all of it. */
static inline bool packer_add_whole(struct packer *p, struct bytes body)
{
    uint8_t *at = packer_place(p, SHUFFLE_WHOLE_HEAD_BYTES, body.size);

    if (at == NULL) {
        return false;
    }
    at = packer_u32(at, (uint32_t)body.size);
    memcpy(at, body.data, body.size);
    return true;
}

/* Format 2: `key` lies in `body`. */
static inline bool packer_add_keyed(
        struct packer *p, struct bytes body, struct bytes key)
{
    uint8_t *at = packer_place(p, SHUFFLE_KEYED_HEAD_BYTES, body.size);

    if (at == NULL) {
        return false;
    }
    at = packer_u32(at, (uint32_t)body.size);
    at = packer_u32(at, (uint32_t)(key.data - body.data));
    at = packer_u32(at, (uint32_t)key.size);
    memcpy(at, body.data, body.size);
    return true;
}

/* Format 3: LaminarDB's. */
bool packer_add_laminar(
        struct packer *p, uint64_t peer, uint32_t vnode, struct bytes body);
