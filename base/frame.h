/* The one framing of TCP and of the local socket (docs/wire.md, "Frames").
 *
 *   [length u32 BE][tag u8][payload]      length = 1 + payload bytes
 *
 * Only header arithmetic lives here; what the tags mean is each protocol's
 * own. */
#pragma once

#include "base/reader.h"

enum {
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

/* Looks at the front of `input`. From the fourth byte on `frame_bytes` is the
 * size of the whole frame, header included, even when it is not all here; 0
 * before. From the fifth byte on `frame->tag` is set. */
static inline enum frame_status frame_peek(
        struct bytes input, struct frame *frame, size_t *frame_bytes)
{
    struct reader r = reader_of(input);
    size_t length = reader_u32be(&r);

    *frame_bytes = 0;
    if (r.failed) {
        return FRAME_PARTIAL;
    }
    if (length == 0) {
        return FRAME_EMPTY;
    }
    *frame_bytes = 4 + length;
    frame->tag = reader_u8(&r);
    frame->payload = reader_take(&r, length - 1);
    return r.failed ? FRAME_PARTIAL : FRAME_WHOLE;
}
