/* The one framing of TCP and of the local socket (docs/wire.md, "Frames").
 *
 *   [length u32 BE][tag u8][payload]      length = 1 + payload bytes
 *
 * Only header arithmetic lives here; what the tags mean is each protocol's
 * own. */
#pragma once

#include "base/bytes.h"

enum {
    FRAME_LENGTH_BYTES = 4,
    FRAME_HEADER_BYTES = 5,
};

struct frame {
    uint8_t tag;
    struct bytes payload; /* borrowed from the input */
};

/* Inline, as frame_peek is: they run for every frame. */
static inline void frame_put_header(uint8_t header[static FRAME_HEADER_BYTES],
        uint8_t tag, size_t payload_bytes)
{
    size_t length = payload_bytes + 1;

    assert(length <= UINT32_MAX);
    header[0] = (uint8_t)(length >> 24);
    header[1] = (uint8_t)(length >> 16);
    header[2] = (uint8_t)(length >> 8);
    header[3] = (uint8_t)length;
    header[4] = tag;
}

enum frame_status {
    FRAME_WHOLE, /* `frame` is set and takes `frame_bytes` of the input */
    FRAME_PARTIAL, /* more bytes are needed */
    FRAME_EMPTY, /* length 0: there is no such frame */
};

static inline size_t frame_length(
        const uint8_t header[static FRAME_LENGTH_BYTES])
{
    return (size_t)header[0] << 24 | (size_t)header[1] << 16 |
           (size_t)header[2] << 8 | (size_t)header[3];
}

/* Looks at the front of `input`. From the fourth byte on `frame_bytes` is the
 * size of the whole frame, header included, even when it is not all here; 0
 * before. From the fifth byte on `frame->tag` is set. */
static inline enum frame_status frame_peek(
        struct bytes input, struct frame *frame, size_t *frame_bytes)
{
    size_t length;

    *frame_bytes = 0;
    if (input.size < FRAME_LENGTH_BYTES) {
        return FRAME_PARTIAL;
    }
    length = frame_length(input.data);
    if (length == 0) {
        return FRAME_EMPTY;
    }
    *frame_bytes = FRAME_LENGTH_BYTES + length;
    frame->tag = input.size < FRAME_HEADER_BYTES
                         ? 0
                         : input.data[FRAME_LENGTH_BYTES];
    if (input.size < *frame_bytes) {
        return FRAME_PARTIAL;
    }
    frame->payload = bytes_of(input.data + FRAME_HEADER_BYTES, length - 1);
    return FRAME_WHOLE;
}
